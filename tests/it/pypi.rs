//! The main job on PyPI itself.

use pyrun_kit::TestContext;

use crate::support::PYRUN;

/// The examples as they stand in the repository.
fn example(context: &TestContext, file: &str, words: &[&str]) -> String {
    let path = format!("{}/examples/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut arguments = vec!["run", &path];
    arguments.extend(words);
    let output = context.run(arguments);
    assert!(output.success(), "{output:?}");
    output.stdout
}

#[test]
#[ignore = "needs PyPI"]
fn pypi_the_examples_run() {
    let context = TestContext::new(PYRUN);
    assert_eq!(example(&context, "myfile.py", &["-a", "5"]), "5\n");
    let words = ["-a", "5", "-arg1", "this", "--arg2", "that"];
    assert_eq!(
        example(&context, "keywords.py", &words),
        "[\"5\", \"this\", \"that\"]\n"
    );
    assert!(example(&context, "frame.py", &[]).starts_with("{\"rows\": 100, \"means\": {"));
    assert!(example(&context, "program.py", &["2"]).contains("2         4       8"));
    assert!(example(&context, "fetch_async.py", &["one"]).contains("one answered"));
    assert!(example(&context, "countdown.py", &["1"]).ends_with("lift-off\n"));
}

#[test]
#[ignore = "needs PyPI"]
fn pypi_arrays_and_tables_have_their_documented_form() {
    let context = TestContext::new(PYRUN);
    context.write(
        "script.py",
        "\
@requirements({'pandas': '>=2,<3', 'numpy': ''})
def f():
    import numpy, pandas
    frame = pandas.DataFrame({'a': [1, 2], 'b': [0.5, float('nan')], 't': pandas.to_datetime(['2024-01-02', None])})
    return [numpy.arange(3), numpy.float32(0.5), numpy.int64(7), numpy.array([[1.0, numpy.nan]]), frame, frame['a']]
",
    );
    let output = context.run(["run", "script.py"]);
    assert_eq!(
        output.stdout,
        "[[0, 1, 2], 0.5, 7, [[1.0, null]], [{\"a\": 1, \"b\": 0.5, \"t\": \"2024-01-02T00:00:00\"}, {\"a\": 2, \"b\": null, \"t\": null}], {\"0\": 1, \"1\": 2}]\n",
        "{output:?}"
    );
}
