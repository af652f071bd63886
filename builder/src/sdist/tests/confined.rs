//! What the code of a source distribution tries, and does not get.

use std::path::Path;
use std::time::{Duration, Instant};

use pyrun_core::Code;
use pyrun_kit::SdistBuilder;

use super::support::Scene;

/// Writes what an attempt came to into a module of the wheel.
const TELL: &str = "\
import os, socket, subprocess, ctypes
told = []
def attempt(name, step):
    try:
        told.append('%s got %r' % (name, step()))
    except BaseException as error:
        told.append('%s: %s' % (name, type(error).__name__))
def tell():
    open('src/told.txt', 'w').write('|'.join(told))
";

/// Runs attempts in a build that goes well otherwise, and gives what they came to.
async fn attempts(scene: &Scene) -> String {
    let built = scene
        .build("app")
        .await
        .expect("the attempts do no harm to the build itself");
    let bytes = scene.wheel(&built).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let start = text.find("told.txt").expect("the file") + "told.txt".len();
    text[start..]
        .split("PK")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn hostile(code: &str) -> SdistBuilder {
    SdistBuilder::new("app", "1.0").hooks(&format!("{TELL}\n{code}\ntell()\n"))
}

#[tokio::test]
async fn there_is_no_network() {
    let code = |port: u16| {
        format!(
            "attempt('tcp', lambda: socket.create_connection(('127.0.0.1', {port}), 5))\n\
             attempt('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))\n\
             attempt('unix', lambda: socket.socket(socket.AF_UNIX))\n\
             attempt('pair', lambda: socket.socketpair() and 'a pair')\n"
        )
    };
    // A listener that would answer.
    let listener = pyrun_kit::IndexServer::start(pyrun_kit::Packages::new());
    for without in [vec![], vec!["namespaces"], vec!["seccomp"]] {
        let mut scene = Scene::of(&hostile(&code(listener.port())));
        scene.bench.bounds.without.clone_from(&without);
        let told = attempts(&scene).await;
        assert!(!told.contains("tcp got"), "{without:?}: {told}");
        assert!(told.contains("pair got 'a pair'"), "{without:?}: {told}");
        if without != ["seccomp"] {
            assert!(
                !told.contains("udp got") && !told.contains("unix got"),
                "{told}"
            );
        }
    }
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn without_a_way_to_shut_the_network_off_nothing_runs() {
    let marker = tempfile::tempdir().expect("a folder");
    let path = marker.path().join("ran");
    let sdist = hostile(&format!("open({path:?}, 'w')"));
    let mut scene = Scene::of(&sdist);
    scene.bench.bounds.without = vec!["namespaces", "seccomp", "landlock"];
    let fault = scene.build("app").await.expect_err("refused");
    assert_eq!(fault.code, Code::SDIST_BUILD);
    assert!(fault.causes[0].contains("can't be shut off"), "{fault:#?}");
    assert!(!path.exists(), "it ran");
    scene.bench.bounds.open_network = true;
    scene.build("app").await.expect("it was allowed");
    assert!(
        path.exists(),
        "nothing but the layers that were left out held it"
    );
    let said = scene.said().join("\n");
    assert!(
        said.contains("not confined by all that there is: landlock"),
        "{said}"
    );
}

#[tokio::test]
async fn nothing_outside_is_written_and_no_home_is_read() {
    let outside = tempfile::tempdir().expect("a folder");
    let secret = outside.path().join("secret");
    fs_err::write(&secret, "s3cret").expect("written");
    let code = format!(
        "outside = {:?}\n\
         attempt('write', lambda: open(outside + '/new', 'w'))\n\
         attempt('append', lambda: open(outside + '/secret', 'a'))\n\
         attempt('read', lambda: open(outside + '/secret').read())\n\
         attempt('list', lambda: os.listdir(outside))\n\
         attempt('remove', lambda: os.remove(outside + '/secret'))\n\
         attempt('rename', lambda: os.rename(outside + '/secret', outside + '/x'))\n\
         attempt('link', lambda: os.symlink('/', outside + '/l'))\n\
         attempt('tmp', lambda: open('/tmp/pyrun-was-here', 'w'))\n\
         attempt('own', lambda: __import__('tempfile').mkdtemp() and 'a folder')\n\
         attempt('home', lambda: open(os.path.expanduser('~/x'), 'w') and 'a file')\n",
        outside.path()
    );
    for without in [vec![], vec!["namespaces"]] {
        let mut scene = Scene::of(&hostile(&code));
        scene.bench.bounds.without.clone_from(&without);
        let told = attempts(&scene).await;
        for name in [
            "write", "append", "read", "list", "remove", "rename", "link", "tmp",
        ] {
            assert!(
                !told.contains(&format!("{name} got")),
                "{without:?}: {told}"
            );
        }
        assert!(
            told.contains("own got 'a folder'") && told.contains("home got 'a file'"),
            "{told}"
        );
    }
    assert_eq!(
        fs_err::read_dir(outside.path()).expect("a listing").count(),
        1
    );
    assert_eq!(fs_err::read_to_string(&secret).expect("text"), "s3cret");
}

#[tokio::test]
async fn links_that_a_hook_leaves_lead_no_later_one_outside() {
    let outside = tempfile::tempdir().expect("a folder");
    let kept = outside.path().join("kept");
    fs_err::write(&kept, "as it was").expect("written");
    let backend = |link: &str| {
        format!(
            "{}\ndef get_requires_for_build_wheel(settings=None):\n    import shutil, sys\n    \
             env = os.path.dirname(os.path.dirname(sys.executable))\n    {link}\n    return []\n",
            pyrun_kit::sdist::BACKEND
        )
    };
    let to_file =
        format!("os.remove(env + '/pyvenv.cfg'); os.symlink({kept:?}, env + '/pyvenv.cfg')");
    let to_folder = format!(
        "shutil.rmtree(env + '/bin'); os.symlink({:?}, env + '/bin')",
        outside.path()
    );
    for (link, without) in [
        (&to_file, vec![]),
        (&to_file, vec!["namespaces"]),
        (&to_folder, vec![]),
        (&to_folder, vec!["namespaces"]),
    ] {
        let sdist = SdistBuilder::new("app", "1.0").file("backend.py", backend(link));
        let mut scene = Scene::of(&sdist);
        scene.bench.bounds.without.clone_from(&without);
        let fault = scene
            .build("app")
            .await
            .expect_err("it breaks its own Python");
        assert_eq!(fault.code, Code::SDIST_BUILD, "{fault:?}");
        assert_eq!(fs_err::read_to_string(&kept).expect("text"), "as it was");
        let count = fs_err::read_dir(outside.path()).expect("a listing").count();
        assert_eq!(count, 1, "{link} {without:?}: {fault:?}");
    }
}

#[tokio::test]
async fn modes_and_owners_outside_stay() {
    use std::os::unix::fs::PermissionsExt as _;

    let outside = tempfile::tempdir().expect("a folder");
    let file = outside.path().join("file");
    fs_err::write(&file, "").expect("written");
    let before = fs_err::metadata(&file).expect("there").permissions().mode();
    let code = format!("attempt('chmod', lambda: os.chmod({file:?}, 0o777))\n");
    let told = attempts(&Scene::of(&hostile(&code))).await;
    assert!(!told.contains("chmod got"), "{told}");
    assert_eq!(
        fs_err::metadata(&file).expect("there").permissions().mode(),
        before
    );
}

#[tokio::test]
async fn variables_and_processes_of_others_are_not_seen() {
    let own = std::process::id();
    let code = format!(
        "attempt('names', lambda: sorted(os.environ))\n\
         attempt('environment', lambda: open('/proc/{own}/environ').read())\n\
         attempt('memory', lambda: open('/proc/{own}/mem'))\n\
         attempt('kill', lambda: os.kill({own}, 0))\n\
         attempt('keeper', lambda: open('/proc/%d/environ' % os.getppid()).read())\n\
         attempt('privileges', lambda: [line.split()[1] for line in open('/proc/self/status') if line.startswith(('NoNewPrivs', 'CapEff'))])\n"
    );
    let told = attempts(&Scene::of(&hostile(&code))).await;
    for name in ["environment", "memory", "kill", "keeper"] {
        assert!(!told.contains(&format!("{name} got")), "{told}");
    }
    assert!(told.contains("['0000000000000000', '1']"), "{told}");
    let names = "names got ['HOME', 'LC_ALL', 'PATH', 'PYTHONHASHSEED', 'PYTHONNOUSERSITE', 'PYTHONUNBUFFERED', 'PYTHONUTF8', \
                 'SOURCE_DATE_EPOCH', 'TMPDIR', 'TZ', 'VIRTUAL_ENV']";
    let told = told.replace("'LD_LIBRARY_PATH', ", "");
    assert!(told.contains(names), "{told}");
}

/// Whether a process has the marker in its command line.
fn runs(marker: &str) -> bool {
    let entries = fs_err::read_dir("/proc").expect("a listing");
    let mut entries = entries.filter_map(Result::ok);
    entries.any(|entry| {
        let line = fs_err::read(Path::new(&entry.path()).join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    })
}

async fn gone(marker: &str) {
    let began = Instant::now();
    while runs(marker) {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{marker} lives on"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A daemon that has left its session and its parents.
fn daemon(marker: &str) -> String {
    format!(
        "import sys, time\n\
         if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        \
         os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', '{marker}'])\n    \
         os._exit(0)\n\
         os.wait()\n"
    )
}

#[tokio::test]
async fn daemons_end_with_the_build() {
    for without in [vec![], vec!["namespaces"]] {
        let marker = format!("pyrun-daemon-{}-{}", std::process::id(), without.len());
        let mut scene = Scene::of(
            &SdistBuilder::new("app", "1.0").hooks(&format!("import os\n{}", daemon(&marker))),
        );
        scene.bench.bounds.without = without;
        scene.build("app").await.expect("a wheel");
        gone(&marker).await;
    }
}

#[tokio::test]
async fn a_build_that_nobody_waits_for_any_more_ends() {
    for without in [vec![], vec!["namespaces"]] {
        let marker = format!("pyrun-given-up-{}-{}", std::process::id(), without.len());
        let code = format!("import os\n{}\ntime.sleep(600)\n", daemon(&marker));
        let mut scene = Scene::of(&SdistBuilder::new("app", "1.0").hooks(&code));
        scene.bench.bounds.without = without;
        let give_up = async {
            while !runs(&marker) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            built = scene.build("app") => panic!("it ended: {built:?}"),
            () = give_up => {}
        }
        gone(&marker).await;
    }
}

#[tokio::test]
async fn an_endless_output_is_heard_out_and_forgotten() {
    let code = "import sys\nfor _ in range(1000): sys.stdout.write('x' * (1 << 20))\nprint()\nraise SystemExit('the end')";
    let scene = Scene::of(&SdistBuilder::new("app", "1.0").hooks(code));
    let fault = scene.build("app").await.expect_err("it fails in the end");
    assert!(
        fault.causes[1].ends_with("the end"),
        "{:.300}",
        fault.causes[1]
    );
    assert!(fault.causes[1].len() < 2000);
}

#[tokio::test]
async fn a_fork_bomb_ends_with_its_time() {
    let code =
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n";
    let mut scene = Scene::of(&SdistBuilder::new("app", "1.0").hooks(code));
    scene.bench.bounds.time = Duration::from_secs(2);
    scene.bench.bounds.processes = 100;
    let fault = scene.build("app").await.expect_err("it never ends");
    assert!(fault.causes[0].contains("takes longer"), "{fault:#?}");
}
