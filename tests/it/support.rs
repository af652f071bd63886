//! A small world for the program: an index with a few packages, and a clean place to run in.

use pyrun_core::Lock;
use pyrun_kit::{IndexServer, Output, Packages, TestContext, WheelBuilder};

/// The program under test.
pub const PYRUN: &str = env!("CARGO_BIN_EXE_pyrun");

/// A clean place and an index.
pub struct World {
    pub index: IndexServer,
    pub context: TestContext,
}

impl World {
    /// The usual packages: `greet` needs `words`.
    pub fn new() -> Self {
        Self::with(
            Packages::new()
                .with(words("1.0").build())
                .with(words("2.0").build())
                .with(greet("1.0").requires("words").build())
                .with(greet("2.0").requires("words>=2").build()),
        )
    }

    /// An index of these packages.
    pub fn with(packages: Packages) -> Self {
        let index = IndexServer::start(packages);
        let context = TestContext::new(PYRUN).index(&index);
        Self { index, context }
    }

    /// Writes a script and runs it; `words` follow the file.
    pub fn run(&self, script: &str, words: &[&str]) -> Output {
        self.context.write("script.py", script);
        let mut arguments = vec!["run", "script.py"];
        arguments.extend(words);
        self.context.run(arguments)
    }

    /// Runs the program.
    pub fn pyrun(&self, arguments: &[&str]) -> Output {
        self.context.run(arguments)
    }

    /// A failed run: its exit status and what it said.
    pub fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.context.run(arguments);
        assert_eq!(
            output.stdout, "",
            "standard output is for results: {output:?}"
        );
        (
            output.status.expect("it ends by itself"),
            self.context.filter(&output.stderr),
        )
    }

    /// The bundles that `cache ls` shows.
    pub fn bundles(&self) -> Vec<serde_json::Value> {
        let output = self.pyrun(&["cache", "ls", "--format", "json"]);
        assert!(output.success(), "{output:?}");
        output
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("a row"))
            .collect()
    }
}

/// A package with one word.
pub fn words(version: &str) -> WheelBuilder {
    WheelBuilder::new("words", version)
        .file("words/__init__.py", format!("WORD = 'hello {version}'\n"))
}

/// A package that leans on `words`.
pub fn greet(version: &str) -> WheelBuilder {
    WheelBuilder::new("greet", version).file(
        "greet.py",
        "import words\n\ndef greet(name):\n    return f'{words.WORD}, {name}'\n",
    )
}

/// A script that greets with the newest packages.
pub const GREET: &str = "\
@requirements({'greet': ''})
def hello(name: str = 'world'):
    import greet
    return greet.greet(name)
";

/// The packages of a lock as `name version`.
pub fn pins(text: &str) -> Vec<String> {
    let lock = Lock::from_toml(text, None).expect(text);
    lock.packages
        .iter()
        .map(|(name, package)| format!("{name} {}", package.version))
        .collect()
}
