//! What a build takes too much of, and what it leaves behind: each ends in the right fault, with
//! nothing left running and nothing left lying.

use std::time::Duration;

use pyrun_core::{Code, Fault};
use pyrun_kit::SdistBuilder;

use super::super::Bounds;
use super::support::Scene;

const MB: u64 = 1_000_000;

fn sdist(code: &str) -> SdistBuilder {
    SdistBuilder::new("app", "1.0").hooks(&format!("import os, sys, time\n{code}"))
}

/// Builds within bounds, with all layers and without namespaces, and gives how it failed.
async fn failures(code: &str, bound: impl Fn(&mut Bounds)) -> Vec<Fault> {
    let mut faults = Vec::new();
    for without in [vec![], vec!["namespaces"]] {
        let mut scene = Scene::of(&sdist(code));
        scene.bench.bounds.without = without;
        bound(&mut scene.bench.bounds);
        let fault = scene.build("app").await.expect_err("it takes too much");
        assert_eq!(fault.code, Code::SDIST_BUILD);
        let left = fs_err::read_dir(scene.scratch()).expect("a folder").count();
        assert_eq!(left, 0, "nothing is left behind: {fault:#?}");
        faults.push(fault);
    }
    faults
}

/// The same, where `part` is why, and `key` is what would let it through.
async fn ends(code: &str, part: &str, key: &str, bound: impl Fn(&mut Bounds)) {
    for fault in failures(code, bound).await {
        assert!(fault.causes[0].contains(part), "{fault:#?}");
        let hint = |hint: &String| hint.contains(key);
        assert!(fault.hints.iter().any(hint), "{fault:#?}");
    }
}

#[tokio::test]
async fn a_build_that_takes_too_much_memory_is_ended() {
    let most = |bounds: &mut Bounds| bounds.memory = 200 * MB;
    let alone = "held = bytearray(300_000_000)\ntime.sleep(60)";
    ends(
        alone,
        "takes more than 200 MB of memory",
        "`build-memory`",
        most,
    )
    .await;
    let together = "for _ in range(6):\n    if os.fork() == 0:\n        held = bytearray(50_000_000)\n        time.sleep(60)\n\
                    time.sleep(60)";
    ends(
        together,
        "takes more than 200 MB of memory",
        "`build-memory`",
        most,
    )
    .await;
}

#[tokio::test]
async fn what_processes_share_is_counted_once() {
    // Each of them seems to hold all of it.
    let code = "held = bytearray(60_000_000)\nfor _ in range(6):\n    if os.fork() == 0:\n        time.sleep(1.5)\n        os._exit(0)\n\
                for _ in range(6):\n    os.wait()\n";
    let mut scene = Scene::of(&sdist(code));
    scene.bench.bounds.memory = 250 * MB;
    scene
        .build("app")
        .await
        .expect("it takes 60 MB and a little");
}

#[tokio::test]
async fn a_build_that_fills_the_disk_is_ended() {
    let most = |bounds: &mut Bounds| bounds.disk = 100 * MB;
    let piece = "piece = bytes(1_000_000)\ndef fill(file):\n    for _ in range(150):\n        file.write(piece)\n    file.flush()\n";
    let named = format!("{piece}fill(open('large', 'wb'))\ntime.sleep(60)");
    ends(
        &named,
        "takes more than 100 MB of disk",
        "`build-disk`",
        most,
    )
    .await;
    let unnamed = format!(
        "{piece}import tempfile\nfile = tempfile.TemporaryFile()\nfill(file)\ntime.sleep(60)"
    );
    ends(
        &unnamed,
        "takes more than 100 MB of disk",
        "`build-disk`",
        most,
    )
    .await;
    let many =
        "for number in range(40_000):\n    open('small-%d' % number, 'w').close()\ntime.sleep(60)";
    ends(many, "takes more than 100 MB of disk", "`build-disk`", most).await;
}

#[tokio::test]
async fn one_file_is_bounded_as_well() {
    let code =
        "file = open('large', 'wb')\nfor _ in range(20):\n    file.write(bytes(1_000_000))\n";
    for fault in failures(code, |bounds| bounds.file = 10 * MB).await {
        assert!(fault.causes[1].contains("File too large"), "{fault:#?}");
    }
}

#[tokio::test]
async fn folders_without_end_are_ended_and_removed() {
    let code =
        "while True:\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)\n    time.sleep(0.01)\n";
    for fault in failures(code, |_| {}).await {
        assert!(fault.causes[0].contains("too deep"), "{fault:#?}");
    }
}

#[tokio::test]
async fn folders_that_are_closed_are_removed() {
    let code = "os.makedirs('a/b/c')\nopen('a/b/c/x', 'w').close()\nfor path in ('a/b/c', 'a/b', 'a'):\n    os.chmod(path, 0)\n\
                raise SystemExit('the end')";
    for fault in failures(code, |_| {}).await {
        assert!(fault.causes[1].ends_with("the end"), "{fault:#?}");
    }
}

#[tokio::test]
async fn signals_that_are_ignored_end_it_all_the_same() {
    let code = "import signal\nfor number in range(1, 65):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n    \
                except (OSError, ValueError):\n        pass\nwhile True:\n    time.sleep(1)\n";
    let most = |bounds: &mut Bounds| bounds.time = Duration::from_secs(2);
    ends(code, "takes longer than 2 s", "`build-time`", most).await;
}

#[tokio::test]
async fn what_outlives_processes_is_not_made() {
    let code = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n\
                made = [libc.shmget(0, 4096, 0o1600), libc.msgget(0, 0o1600), libc.semget(0, 1, 0o1600)]\n\
                raise SystemExit('made %r' % made)";
    for fault in failures(code, |_| {}).await {
        let said = &fault.causes[1];
        assert!(said.ends_with("made [-1, -1, -1]"), "{fault:#?}");
    }
}

#[tokio::test]
async fn pipes_and_links_in_the_place_of_a_wheel_are_refused() {
    let secret = tempfile::tempdir().expect("a folder");
    let name = "app-1.0-py3-none-any.whl";
    fs_err::write(secret.path().join(name), "PK").expect("written");
    let elsewhere = format!("os.rmdir(folder); os.symlink({:?}, folder)", secret.path());
    for code in [
        "os.mkfifo(os.path.join(folder, name))",
        "os.mkdir(os.path.join(folder, name))",
        "os.symlink('/dev/zero', os.path.join(folder, name))",
        &elsewhere,
    ] {
        let backend = format!(
            "import os\ndef build_wheel(folder, settings=None, prepared=None):\n    name = {name:?}\n    {code}\n    return name\n"
        );
        let scene = Scene::of(&SdistBuilder::new("app", "1.0").file("backend.py", backend));
        let fault = scene.build("app").await.expect_err("no wheel");
        assert_eq!(fault.code, Code::SDIST_BUILD);
        let part = "which it has not written";
        assert!(fault.causes[0].contains(part), "{code}: {fault:#?}");
    }
}
