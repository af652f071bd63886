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

/// docopt has no wheel and no `pyproject.toml`: it is setuptools' own kind of old.
const DOCOPT: &str = "\
@requirements({'docopt': '0.6.2'})
def f():
    import docopt
    return docopt.__version__
";

#[test]
#[ignore = "needs PyPI"]
fn pypi_a_lock_with_an_old_source_distribution_alone_is_built() {
    let context = TestContext::new(PYRUN);
    context.write("script.py", DOCOPT);
    context.write(
        "pylock.toml",
        "\
lock-version = \"1.0\"
created-by = \"another\"
[[packages]]
name = \"docopt\"
version = \"0.6.2\"
[packages.sdist]
url = \"https://files.pythonhosted.org/packages/a2/55/8f8cab2afd404cf578136ef2cc5dfb50baa1761b68c9da1fb1e4eed343c9/docopt-0.6.2.tar.gz\"
hashes = { sha256 = \"49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491\" }
",
    );
    let output = context.run(["run", "--lock", "pylock.toml", "script.py"]);
    assert_eq!(output.stdout, "0.6.2\n", "{output:?}");
    assert!(output.stderr.contains("is built from source"), "{output:?}");
}

#[test]
#[ignore = "needs PyPI"]
fn pypi_an_old_source_distribution_is_resolved_and_built_once() {
    let context = TestContext::new(PYRUN);
    let output = example_of(&context, DOCOPT);
    assert_eq!(output.stdout, "0.6.2\n", "{output:?}");
    assert!(output.stderr.contains("is built from source"), "{output:?}");
    let again = example_of(&context, DOCOPT);
    assert_eq!(again.stdout, "0.6.2\n");
    assert!(!again.stderr.contains("is built from source"), "{again:?}");
}

fn example_of(context: &TestContext, script: &str) -> pyrun_kit::Output {
    context.write("script.py", script);
    context.run(["run", "script.py"])
}
