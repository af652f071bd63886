//! Every interpreter of this machine compiles parts of its own standard library.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command as StdCommand;

use futures::{StreamExt as _, TryStreamExt as _};

use super::*;

/// An interpreter, as it describes itself.
#[derive(Debug, serde::Deserialize)]
struct Found {
    executable: PathBuf,
    magic: u16,
    cache_tag: String,
    library: PathBuf,
}

const DESCRIBE: &str = "
import importlib.util, json, os, sys
print(json.dumps({'executable': sys.executable, 'cache_tag': sys.implementation.cache_tag,
    'magic': int.from_bytes(importlib.util.MAGIC_NUMBER[:2], 'little'),
    'library': os.path.dirname(os.__file__)}))";

fn run(python: &Path, program: &str, arguments: &[&OsStr]) -> String {
    let mut command = StdCommand::new(python);
    command.args(["-I", "-B", "-c", program]).args(arguments);
    let output = command.output().expect("an interpreter");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", python.display());
    String::from_utf8(output.stdout).expect("text")
}

/// The interpreter of the tests, and those of pyenv where it is: one of each known version.
fn interpreters() -> Vec<Found> {
    let mut candidates = vec![pyrun_kit::python()];
    let pyenv = std::env::home_dir().map(|home| home.join(".pyenv/versions"));
    if let Some(items) = pyenv.and_then(|folder| fs_err::read_dir(folder).ok()) {
        candidates.extend(items.flatten().map(|item| item.path().join("bin/python3")));
    }
    let mut found = BTreeMap::new();
    for python in candidates.iter().filter(|python| python.is_file()) {
        let interpreter: Found =
            serde_json::from_str(&run(python, DESCRIBE, &[])).expect("a description");
        if Layout::of(interpreter.magic).is_some() {
            found.insert(interpreter.magic, interpreter);
        }
    }
    assert!(
        !found.is_empty(),
        "the tests need an interpreter that is known"
    );
    found.into_values().collect()
}

fn pool(python: &Found, workers: usize) -> Pool {
    let pool = Pool::new(&python.executable, python.magic, workers, Pool::PATIENCE);
    pool.expect("a known version")
}

/// Sources that between them use every part of the language; paths as if in site-packages.
fn sources(python: &Found) -> Vec<(String, Bytes)> {
    let folders = ["", "asyncio", "collections", "json", "email", "unittest"];
    let mut sources = Vec::new();
    for folder in folders {
        let items = fs_err::read_dir(python.library.join(folder)).expect("a folder");
        let mut files: Vec<PathBuf> = items
            .map(|item| item.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "py"))
            .collect();
        files.sort();
        // A debug build takes its time: every sixth file will do.
        for path in files.iter().step_by(6) {
            let name = path.file_name().expect("a file").to_string_lossy();
            let source = fs_err::read(path).expect("readable");
            sources.push((format!("{folder}/{name}"), source.into()));
        }
    }
    sources.push(("own.py".to_owned(), Bytes::from_static(OWN)));
    sources
}

/// What has been seen to depend on the compiler's state, in one file.
const OWN: &[u8] = "
def f(x, *, e=' '):
    'a sentence that somebody may intern'
    y = 'a sentence that somebody may intern'
    return x in {None, 'a', ('b', None), 1.5, Ellipsis, b'x', frozenset, (1, (None, 'q q'))}, 'é', ' ', '', y
class K:
    def __init__(self): self.zeta, self.alpha, self.mid, self.é = 1, 2, 3, 'é'
    def m(self): return lambda: [self.alpha for _ in {None, 'z', ...} if _ in {None, 'z', ..., 10**40, 2j}]
".as_bytes();

/// Compiles all, `workers` at once, and gives what came of each by path.
async fn compile_all(
    pool: &Pool,
    workers: usize,
    sources: Vec<(String, Bytes)>,
) -> BTreeMap<String, Vec<u8>> {
    futures::stream::iter(sources)
        .map(
            async |(path, source)| match pool.compile(&path, source).await {
                Ok(Compiled::Bytecode(bytes)) => Ok((path, bytes)),
                Ok(Compiled::Skipped(reason) | Compiled::Failed(reason)) => {
                    panic!("{path} has none: {reason}")
                }
                Err(error) => Err(error),
            },
        )
        .buffer_unordered(workers)
        .try_collect()
        .await
        .expect("the interpreter starts")
}

#[tokio::test]
async fn the_bytes_depend_on_the_source_alone() {
    for python in interpreters() {
        let sources = sources(&python);
        let first = compile_all(&pool(&python, 1), 1, sources.clone()).await;
        let mut shuffled = sources.clone();
        shuffled.sort_by_key(|(path, source)| {
            pyrun_core::Sha256::of([path.as_bytes(), source].concat())
        });
        let mut polluted = pool(&python, 2);
        // Every character, some sentences and all names of the sources are interned and held.
        polluted.program = PROGRAM.replace(
            "\nmain()\n",
            "\nkept = [sys.intern(chr(at)) for at in range(512)]\n\
             kept += [sys.intern(text) for text in ('a sentence that somebody may intern', 'q q')]\n\
             kept += [kept[:], (None, 'a'), frozenset(kept), {}]\n\
             main()\n",
        );
        assert_ne!(polluted.program, PROGRAM);
        let second = compile_all(&polluted, 4, shuffled).await;
        assert_eq!(first.len(), second.len());
        for (path, bytes) in &first {
            assert_eq!(bytes, &second[path], "{path} with {}", python.cache_tag);
        }
    }
}

/// Compares a file's bytecode with what the interpreter itself compiles, attribute by attribute.
const COMPARE: &str = "
import marshal, sys, os
def plain(v):
    if type(v).__name__ == 'code':
        names = [n for n in dir(v) if n.startswith('co_') and n not in ('co_lnotab', 'co_lines', 'co_positions', 'co_branches')]
        return ('code', [(n, plain(getattr(v, n))) for n in names])
    if isinstance(v, tuple): return ('tuple', [plain(x) for x in v])
    if isinstance(v, frozenset): return ('frozenset', sorted(repr(plain(x)) for x in v))
    return (type(v).__name__, repr(v))
for line in open(sys.argv[1], encoding='utf-8'):
    path, pyc, source = line.rstrip('\\n').split('\\t')
    data = open(pyc, 'rb').read()
    expected = compile(open(source, 'rb').read(), path, 'exec', dont_inherit=True, optimize=0)
    assert plain(marshal.loads(data[16:])) == plain(expected), path
print('same')";

#[tokio::test]
async fn the_code_is_what_the_interpreter_compiles() {
    for python in interpreters() {
        let sources = sources(&python);
        let compiled = compile_all(&pool(&python, 2), 4, sources.clone()).await;
        let folder = tempfile::tempdir().expect("a folder");
        let mut list = String::new();
        for (at, (path, source)) in sources.iter().enumerate() {
            let files = ["py", "pyc"].map(|kind| folder.path().join(format!("{at}.{kind}")));
            fs_err::write(&files[0], source).expect("written");
            fs_err::write(&files[1], &compiled[path]).expect("written");
            let [py, pyc] = files.each_ref().map(|file| file.display());
            writeln!(list, "{path}\t{pyc}\t{py}").expect("text grows");
        }
        let list_file = folder.path().join("list");
        fs_err::write(&list_file, list).expect("written");
        let said = run(&python.executable, COMPARE, &[list_file.as_os_str()]);
        assert_eq!(said.trim(), "same");
    }
}

#[tokio::test]
async fn python_uses_the_bytecode_and_does_not_look_at_the_source() {
    for python in interpreters() {
        let source = "import sys\ndef where(): return sys._getframe().f_code.co_filename\nVALUE = 'compiled'\n";
        let compiled = pool(&python, 1).compile("pkg/mod.py", source.into()).await;
        let Ok(Compiled::Bytecode(bytes)) = compiled else {
            panic!("{compiled:?}");
        };
        let folder = tempfile::tempdir().expect("a folder");
        let cache = folder.path().join("pkg/__pycache__");
        fs_err::create_dir_all(&cache).expect("made");
        let name = format!("mod.{}.pyc", python.cache_tag);
        fs_err::write(cache.join(name), bytes).expect("written");
        // Other content: Python would compile it anew if it looked.
        fs_err::write(folder.path().join("pkg/mod.py"), "VALUE = 'source'\n").expect("written");
        let import = "import sys; sys.path.insert(0, sys.argv[1]); from pkg import mod; print(mod.VALUE, mod.where())";
        let said = run(&python.executable, import, &[folder.path().as_os_str()]);
        let module = folder.path().join("pkg/mod.py");
        assert_eq!(said.trim(), format!("compiled {}", module.display()));
    }
}

#[tokio::test]
async fn what_is_no_python_is_skipped_and_the_next_file_is_not() {
    let python = &interpreters()[0];
    let pool = pool(python, 1);
    for (source, reason) in [
        (&b"print 'python 2'\n"[..], "SyntaxError"),
        (b"{{ template }} = {% if %}\n", "SyntaxError"),
        (b"x = '\xff\xfe'\n", "SyntaxError"),
        (b"# coding: no-such-encoding\n", "SyntaxError"),
        (b"x = 1\n\0", "Error"),
        (&b"(".repeat(100_000), "Error"),
    ] {
        match pool.compile("a.py", Bytes::copy_from_slice(source)).await {
            Ok(Compiled::Skipped(said)) => assert!(said.contains(reason), "{said}"),
            other => panic!("{source:?}: {other:?}"),
        }
        let good = pool
            .compile("b.py", "# coding: latin-1\nx = '\\d'\n".into())
            .await;
        assert!(matches!(good, Ok(Compiled::Bytecode(_))), "{good:?}");
    }
}

/// A pool whose interpreters hang over `hang.py` and die of `die.py`.
fn fragile_pool(python: &Found, patience: Duration) -> Pool {
    let mut pool = Pool::new(&python.executable, python.magic, 1, patience).expect("known");
    let compile = "def compile_file(path, source):\n";
    pool.program = PROGRAM.replace(
        compile,
        &format!(
            "{compile}    import os, time\n\
             \x20   if path == 'hang.py': time.sleep(600)\n\
             \x20   if path == 'die.py': os._exit(9)\n"
        ),
    );
    assert_ne!(pool.program, PROGRAM);
    pool
}

#[tokio::test]
async fn a_file_that_hangs_or_kills_its_interpreter_costs_only_itself() {
    let python = &interpreters()[0];
    for (path, patience, reason) in [
        ("hang.py", Duration::from_secs(2), "over 2 s"),
        ("die.py", Pool::PATIENCE, "died"),
    ] {
        let pool = fragile_pool(python, patience);
        for _ in 0..2 {
            let good = pool.compile("good.py", "x = 1\n".into()).await;
            assert!(matches!(good, Ok(Compiled::Bytecode(_))), "{good:?}");
            match pool.compile(path, "x = 1\n".into()).await {
                Ok(Compiled::Failed(said)) => assert!(said.contains(reason), "{said}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_file_whose_interpreter_is_killed_once_is_compiled_all_the_same() {
    let python = &interpreters()[0];
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("killed");
    let mut pool = fragile_pool(python, Pool::PATIENCE);
    pool.program = pool.program.replace(
        "if path == 'die.py': os._exit(9)",
        &format!(
            "if not os.path.exists({0:?}): open({0:?}, 'w').close(); os.kill(os.getpid(), 9)",
            mark.display().to_string()
        ),
    );
    let compiled = pool.compile("a.py", "x = 1\n".into()).await;
    assert!(mark.exists(), "it was not killed");
    assert!(
        matches!(compiled, Ok(Compiled::Bytecode(_))),
        "{compiled:?}"
    );
}

#[tokio::test]
async fn an_interpreter_that_can_t_be_used_is_an_error() {
    let python = &interpreters()[0];
    for path in ["/nowhere/python3", "/bin/false", "/bin/cat"] {
        let pool = Pool::new(Path::new(path), python.magic, 1, Duration::from_secs(5));
        let answer = pool.expect("known").compile("a.py", "".into()).await;
        assert!(
            matches!(answer, Err(CompileError::Start { .. })),
            "{path}: {answer:?}"
        );
    }
    let other = if python.magic == 3425 { 3439 } else { 3425 };
    let pool = Pool::new(&python.executable, other, 1, Pool::PATIENCE).expect("known");
    let answer = pool.compile("a.py", "".into()).await;
    assert!(
        matches!(answer, Err(CompileError::Magic { .. })),
        "{answer:?}"
    );
    assert!(Pool::new(&python.executable, 1, 1, Pool::PATIENCE).is_none());
}
