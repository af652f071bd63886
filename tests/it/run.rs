//! `pyrun run` as it should go.

use crate::support::{GREET, World};

#[test]
fn a_function_runs_with_its_dependencies_and_prints_its_result_alone() {
    let world = World::new();
    let output = world.run(GREET, &["-a", "you"]);
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (Some(0), "hello 2.0, you\n"),
        "{output:?}"
    );
}

#[test]
fn the_second_run_asks_no_index_and_says_nothing() {
    let world = World::new();
    world.run(GREET, &[]);
    world.index.clear();
    let output = world.run(GREET, &[]);
    assert_eq!(output.stdout, "hello 2.0, world\n", "{output:?}");
    assert_eq!(output.stderr, "");
    assert_eq!(world.index.requests().len(), 0, "{:?}", world.index.paths());
}

#[test]
fn keywords_are_passed_in_every_spelling() {
    let world = World::new();
    let script = "\
@requirements({})
def my_function(input_value: str, arg1: str = None, arg2: str = None):
    return [input_value, arg1, arg2]
";
    for words in [
        &["-a", "5", "-arg1", "this", "--arg2", "that"][..],
        &["5", "--arg1=this", "--arg2", "that"],
        &["--input-value", "5", "this", "--arg2=that"],
    ] {
        if words[0] == "--input-value" {
            // A positional value for a parameter that has one already is refused.
            assert_eq!(world.run(script, words).status, Some(2));
            continue;
        }
        let output = world.run(script, words);
        assert_eq!(
            output.stdout, "[\"5\", \"this\", \"that\"]\n",
            "{words:?}: {output:?}"
        );
    }
}

#[test]
fn a_whole_call_comes_as_json() {
    let world = World::new();
    let script = "@requirements({})\ndef f(a: int, b: list = None):\n    return {'b': b, 'a': a}\n";
    world.context.write("script.py", script);
    world
        .context
        .write("call.json", r#"{"args": [1], "kwargs": {"b": [2, 3]}}"#);
    let expected = "{\"b\": [2, 3], \"a\": 1}\n";
    let output = world.pyrun(&[
        "run",
        "--input",
        r#"{"args": [1], "kwargs": {"b": [2, 3]}}"#,
        "script.py",
    ]);
    assert_eq!(output.stdout, expected, "{output:?}");
    let output = world.pyrun(&["run", "--input", "@call.json", "script.py"]);
    assert_eq!(output.stdout, expected, "{output:?}");
    let output = world.context.run_with_input(
        ["run", "--input", "-", "script.py"],
        r#"{"args": [1], "kwargs": {"b": [2, 3]}}"#,
    );
    assert_eq!(output.stdout, expected, "{output:?}");
}

#[test]
fn what_a_function_prints_goes_to_standard_error() {
    let world = World::new();
    let script = "@requirements({})\ndef f():\n    import sys\n    print('out')\n    print('err', file=sys.stderr)\n    return 'result'\n";
    world.run(script, &[]);
    let output = world.run(script, &[]);
    assert_eq!(output.stdout, "result\n");
    assert_eq!(output.stderr, "out\nerr\n");
}

#[test]
fn a_program_has_its_streams_its_arguments_and_its_status() {
    let world = World::new();
    let script = "\
# /// script
# dependencies = ['words<2']
# ///
import sys
import words

if __name__ == '__main__':
    print(words.WORD, *sys.argv[1:], sys.stdin.readline().strip())
    print('aside', file=sys.stderr)
    sys.exit(7)
";
    world.context.write("program.py", script);
    world.context.run_with_input(["run", "program.py"], "");
    let output = world
        .context
        .run_with_input(["run", "program.py", "--flag", "-v", "x"], "typed\n");
    assert_eq!(output.stdout, "hello 1.0 --flag -v x typed\n", "{output:?}");
    assert_eq!(
        (output.stderr.as_str(), output.status),
        ("aside\n", Some(7))
    );
}

#[test]
fn a_program_s_output_is_its_own_byte_by_byte() {
    let world = World::new();
    world.context.write(
        "bytes.py",
        "import sys\nsys.stdout.buffer.write(bytes(range(256)))\n",
    );
    let output = world
        .context
        .command(["run", "bytes.py"])
        .output()
        .expect("it runs");
    assert_eq!(output.stdout, (0..=255).collect::<Vec<u8>>());
}

#[test]
fn a_program_keeps_the_user_s_environment_and_a_function_does_not() {
    let world = World::new();
    let context = world
        .context
        .env("API_KEY", "k")
        .env("PYTHONHOME", "/nowhere");
    context.write(
        "program.py",
        "import os\nprint(os.environ.get('API_KEY'), 'PYTHONHOME' in os.environ)\n",
    );
    assert_eq!(context.run(["run", "program.py"]).stdout, "k False\n");
    let script =
        "@requirements({})\ndef f():\n    import os\n    return os.environ.get('API_KEY')\n";
    context.write("script.py", script);
    assert_eq!(context.run(["run", "script.py"]).stdout, "");
}

#[test]
fn a_generator_s_values_are_printed_as_they_come() {
    let world = World::new();
    let script =
        "@requirements({})\ndef f(n: int):\n    for i in range(n):\n        yield {'i': i}\n";
    let output = world.run(script, &["2"]);
    assert_eq!(output.stdout, "{\"i\": 0}\n{\"i\": 1}\n", "{output:?}");
}

#[test]
fn one_of_several_functions_is_chosen_by_name() {
    let world = World::new();
    let script = "\
@requirements({'words': '1.0'})
def one():
    import words
    return words.WORD

@requirements({'words': '2.0'})
def two():
    import words
    return words.WORD
";
    world.context.write("script.py", script);
    assert_eq!(world.pyrun(&["run", "script.py:one"]).stdout, "hello 1.0\n");
    assert_eq!(world.pyrun(&["run", "script.py:two"]).stdout, "hello 2.0\n");
    let (status, said) = world.fails(&["run", "script.py"]);
    assert_eq!(status, 2);
    assert!(said.contains("one") && said.contains("two"), "{said}");
}

#[test]
fn frames_come_as_json_lines() {
    let world = World::new();
    world.context.write("script.py", GREET);
    let output = world.pyrun(&["run", "--format", "json", "script.py"]);
    let types: Vec<String> = output
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect(line)["type"]
                .as_str()
                .expect("a type")
                .to_owned()
        })
        .collect();
    let hellos: Vec<usize> = (0..types.len())
        .filter(|&at| types[at] == "hello")
        .collect();
    assert_eq!(hellos, [0], "{output:?}");
    assert_eq!(types[types.len() - 2..], ["result", "report"], "{output:?}");
    assert_eq!(output.stderr, "");
}

#[test]
fn a_result_can_be_written_to_a_file() {
    let world = World::new();
    world
        .context
        .write("script.py", "@requirements({})\ndef f():\n    return [1]\n");
    let output = world.pyrun(&["run", "-o", "result.json", "script.py"]);
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (Some(0), ""),
        "{output:?}"
    );
    assert_eq!(world.context.read("result.json"), "[1]\n");
}

#[test]
fn no_run_sees_what_another_did() {
    let world = World::new();
    let script = "\
@requirements({})
def f():
    import os, pathlib, sys
    seen = [sorted(os.listdir('.')), os.environ.get('MARK'), getattr(sys, 'mark', None)]
    pathlib.Path('left.txt').write_text('x')
    os.environ['MARK'] = sys.mark = 'x'
    return seen
";
    for _ in 0..2 {
        assert_eq!(world.run(script, &[]).stdout, "[[], null, null]\n");
    }
}

#[test]
fn bytecode_follows_a_run_by_itself() {
    let world = World::new();
    assert_eq!(world.run(GREET, &[]).status, Some(0));
    // A process of its own compiles it; the context's limit ends a wait for nothing.
    let began = std::time::Instant::now();
    while world.bundles()[0]["bytecode"] == false {
        assert!(began.elapsed().as_secs() < 60, "no bytecode came");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn bytecode_is_there_after_prewarm() {
    let world = World::new();
    world.context.write("script.py", GREET);
    assert!(world.pyrun(&["prewarm", "script.py"]).success());
    assert_eq!(world.bundles()[0]["bytecode"], true);
    let script = "@requirements({'greet': ''})\ndef f():\n    import greet\n    return greet.__cached__ and __import__('os').path.exists(greet.__cached__)\n";
    assert_eq!(world.run(script, &[]).stdout, "true\n");
}

#[test]
fn the_code_s_own_module_is_like_any_other() {
    let world = World::new();
    let script = "\
from __future__ import annotations
import dataclasses

@dataclasses.dataclass
class Point:
    x: int
    y: int = 2

@requirements({})
def f(x: int):
    return Point(x)

if __name__ == '__main__':
    raise SystemExit('a function is not a program')
";
    assert_eq!(world.run(script, &["1"]).stdout, "{\"x\": 1, \"y\": 2}\n");
}
