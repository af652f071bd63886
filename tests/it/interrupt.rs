//! Ctrl-C, kill -9, and a reader that goes away.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::time::Duration;

use pyrun_kit::Failure;

use crate::processes::{signal, start, until, wait_for};
use crate::support::{GREET, World};

/// A script that says when it runs, and then sleeps.
const SLEEPER: &str = "\
@requirements({})
def f():
    import os, subprocess, time
    child = subprocess.Popen(['sleep', '600'])
    print('pids', os.getpid(), child.pid, flush=True)
    time.sleep(600)
";

/// Waits until the script runs, and gives its process and its child's.
fn pids(child: &mut Child) -> Vec<u32> {
    let line = wait_for(child, "pids");
    line.split(' ')
        .skip(1)
        .map(|pid| pid.parse().expect("a number"))
        .collect()
}

fn is_alive(pid: u32) -> bool {
    // A zombie whose parent has not looked yet is dead.
    fs_err::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .trim_start()
            .starts_with('Z')
    })
}

fn assert_gone(pids: &[u32]) {
    let gone = || !pids.iter().any(|pid| is_alive(*pid));
    until(gone, &format!("left behind: {pids:?}"));
}

#[test]
fn ctrl_c_ends_the_run_and_all_its_processes() {
    let world = World::new();
    world.context.write("script.py", SLEEPER);
    let mut child = start(&world, &["run", "script.py"]);
    let pids = pids(&mut child);
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_gone(&pids);
}

/// A script that needs longer than a moment to end, or never does.
const SLOW_TO_END: &str = "\
@requirements({})
def f(ends: bool):
    import os, pathlib, signal, time
    if not ends:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        print('pids', os.getpid(), flush=True)
        time.sleep(600)
    finally:
        time.sleep(1.5)
        pathlib.Path(os.environ['PATH'].split(':')[-1], 'ended').touch()
";

#[test]
fn the_first_ctrl_c_waits_for_the_run_to_end() {
    let mut world = World::new();
    let mark = world.context.root().join("mark");
    fs_err::create_dir(&mark).expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    world.context = world
        .context
        .env("PATH", format!("{path}:{}", mark.display()));
    world.context.write("script.py", SLOW_TO_END);
    let mut child = start(&world, &["run", "script.py", "true"]);
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut next = |part: &str| {
        let said = lines.by_ref().map(|line| line.expect("text"));
        let mut before = Vec::new();
        for line in said {
            if line.contains(part) {
                return;
            }
            before.push(line);
        }
        panic!("`{part}` is not said, but {before:?}");
    };
    next("pids");
    signal(&child, "-INT");
    next("press Ctrl-C again");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(mark.join("ended").exists(), "it was killed on the way");
}

#[test]
fn a_second_ctrl_c_kills() {
    let world = World::new();
    world.context.write("script.py", SLOW_TO_END);
    let mut child = start(&world, &["run", "script.py", "false"]);
    let pids = pids(&mut child);
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().expect("it is ours").is_none(), "it waits");
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_gone(&pids);
}

#[test]
fn kill_9_leaves_no_process_behind() {
    let world = World::new();
    world.context.write("script.py", "@requirements({})\ndef f():\n    import os, time\n    print('pids', os.getpid(), flush=True)\n    time.sleep(600)\n");
    let mut child = start(&world, &["run", "script.py"]);
    let pids = pids(&mut child);
    signal(&child, "-KILL");
    assert_eq!(child.wait().expect("it ends").signal(), Some(9));
    assert_gone(&pids);
}

#[test]
fn an_interrupted_build_loses_nothing() {
    for name in ["-INT", "-KILL"] {
        let world = World::new();
        world.context.write("script.py", GREET);
        world
            .index
            .fail(Failure::Slow(Duration::from_secs(30)).on(".whl"));
        let mut child = start(&world, &["run", "script.py"]);
        while world.index.count(".whl") == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        signal(&child, name);
        let status = child.wait().expect("it ends");
        if name == "-INT" {
            assert_eq!(status.code(), Some(130));
            let scratch = fs_err::read_dir(world.context.cache().join("scratch"));
            assert_eq!(
                scratch.map_or(0, Iterator::count),
                0,
                "half-made files stay behind"
            );
        }
        world.index.heal();
        assert_eq!(world.run(GREET, &[]).stdout, "hello 2.0, world\n");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error_of_ours() {
    let world = World::new();
    world.context.write(
        "script.py",
        "@requirements({})\ndef f():\n    i = 0\n    while True:\n        yield i\n        i += 1\n",
    );
    let mut child = start(&world, &["run", "script.py"]);
    let mut first = [0; 2];
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut first)
        .expect("a value");
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut said)
        .expect("text");
    child.wait().expect("it ends");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_result_that_can_t_be_written_is_a_failure() {
    let Ok(full) = fs_err::OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("skipped: there is no /dev/full here");
        return;
    };
    let world = World::new();
    world
        .context
        .write("script.py", "@requirements({})\ndef f():\n    return 1\n");
    let mut command = world.context.command(["run", "script.py"]);
    let output = command
        .stdin(Stdio::null())
        .stdout(full.into_file())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}
