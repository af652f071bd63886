//! Files that run as `__main__`.

use pyrun_core::Code;
use serde_json::Value;

use super::support::{program, python, run, run_in};

#[tokio::test]
async fn a_program_is_main_and_sees_its_arguments() {
    let source = "import os, sys\nif __name__ == '__main__':\n    print(sys.argv, os.getcwd(), sys.modules['__main__'].__file__)";
    let ran = run(&program(source, &["a", "-b"])).await;
    let printed = ran.stdout();
    let (argv, paths) = printed.trim_end().split_once("] ").expect("three parts");
    assert_eq!(argv, "['folder/script.py', 'a', '-b'");
    let (folder, file) = paths.split_once(' ').expect("two paths");
    // As Python has it since 3.9.
    assert_eq!(file, format!("{folder}/folder/script.py"));
    assert_eq!(ran.result(), &Value::Null);
}

#[tokio::test]
async fn a_program_runs_in_the_users_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::write(folder.path().join("helper.py"), "def greet(): print('hi')").expect("writes");
    let source = "import helper\nhelper.greet()\nopen('made', 'w').close()";
    let ran = run_in(python(), &program(source, &[]), Some(folder.path())).await;
    assert_eq!(ran.stdout(), "hi\n");
    assert!(folder.path().join("made").exists());
}

#[tokio::test]
async fn a_programs_exit_status_is_kept() {
    let ran = run(&program("import sys\nsys.exit(7)", &[])).await;
    assert_eq!(ran.fault().code, Code::RUN_EXITED);
    assert_eq!(ran.fault().status, Some(7));
    let ran = run(&program("raise SystemExit('why')", &[])).await;
    assert_eq!(
        (ran.fault().status, ran.stderr().as_str()),
        (Some(1), "why\n")
    );
    let ran = run(&program("import os\nos._exit(9)", &[])).await;
    assert_eq!(ran.fault().status, Some(9));
    let ran = run(&program("import os\nos.kill(os.getpid(), 15)", &[])).await;
    assert_eq!(ran.fault().status, Some(143));
    assert_eq!(ran.fault().code, Code::RUN_KILLED);
}

#[tokio::test]
async fn an_uncaught_exception_is_shown_as_python_shows_it() {
    let ran = run(&program("def g():\n    raise ValueError('no')\ng()", &[])).await;
    let fault = ran.fault();
    assert_eq!(fault.status, Some(1));
    assert_eq!(
        (&fault.code, fault.message.as_str()),
        (&Code::RUN_RAISED, "ValueError: no")
    );
    assert_eq!(fault.traceback, None);
    assert_eq!(
        ran.stderr(),
        "Traceback (most recent call last):
  File \"folder/script.py\", line 3, in <module>
    g()
  File \"folder/script.py\", line 2, in g
    raise ValueError('no')
ValueError: no
"
    );
    let hook = "import sys\nsys.excepthook = lambda *args: print('hooked', args[0].__name__)\n1/0";
    let ran = run(&program(hook, &[])).await;
    assert_eq!(ran.stdout(), "hooked ZeroDivisionError\n");
}

#[tokio::test]
async fn exit_handlers_and_threads_run_to_their_end() {
    let source = "\
import atexit, threading, time
atexit.register(print, 'last')
threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()
print('first')";
    assert_eq!(
        run(&program(source, &[])).await.stdout(),
        "first\nthread\nlast\n"
    );
}
