//! uv's own output, and what it says more rarely.

use pyrun_core::{Arch, Fault, Lock, Os, Target};

use super::*;

const PEER: &str = include_str!("../../../tests/locks/uv.lock");

fn target(python: &str, arch: Arch) -> Target {
    Target {
        python: python.parse().expect("a version"),
        free_threaded: false,
        os: Os::Glibc {
            major: 2,
            minor: 28,
        },
        arch,
    }
}

fn lock(text: &str, python: &str, arch: Arch, choice: &Choice) -> Result<Lock, Fault> {
    let target = target(python, arch);
    let text = UvLock::parse("uv.lock", text)?.to_pylock(&target, choice)?;
    Ok(Lock::from_toml(&text, Some(&target))?)
}

fn names(text: &str, python: &str, choice: &Choice) -> Result<Vec<String>, Fault> {
    let lock = lock(text, python, Arch::X86_64, choice)?;
    let pins = lock.packages.iter();
    Ok(pins
        .map(|(name, package)| format!("{name} {}", package.version))
        .collect())
}

fn choice(extras: &[&str], groups: &[&str], only: &[&str]) -> Choice {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.parse().expect("a name"))
            .collect()
    };
    Choice {
        extras: names(extras),
        all_extras: false,
        groups: names(groups),
        only_groups: names(only),
    }
}

#[test]
fn uvs_own_lock_is_read_for_each_target() {
    let none = Choice::default();
    let newer = [
        "anyio 4.9.0",
        "idna 3.10",
        "markupsafe 3.0.2",
        "sniffio 1.3.1",
    ];
    let found = names(PEER, "3.12.1", &none).expect("a lock");
    assert_eq!(found, [&newer[..], &["typing-extensions 4.13.2"]].concat());
    let found = names(PEER, "3.10.4", &none).expect("a lock");
    assert!(found.contains(&"tomli 2.2.1".to_owned()), "{found:?}");
    assert!(found.iter().any(|each| each.starts_with("exceptiongroup")));
    let arm = lock(PEER, "3.12.1", Arch::Aarch64, &none).expect("a lock");
    let markupsafe = &arm.packages[&"markupsafe".parse::<PackageName>().expect("a name")];
    assert!(markupsafe.wheel.filename.as_str().contains("aarch64"));
    assert!(markupsafe.wheel.size.is_some() && markupsafe.wheel.upload_time.is_some());
    assert_eq!(markupsafe.index, "https://pypi.org/simple");
    let anyio = &arm.packages[&"anyio".parse::<PackageName>().expect("a name")];
    let needs: Vec<String> = anyio.dependencies.iter().map(ToString::to_string).collect();
    assert_eq!(needs, ["idna", "sniffio", "typing-extensions"]);
}

#[test]
fn extras_and_groups_are_those_that_are_chosen() {
    let only = |choice: &Choice| names(PEER, "3.12.1", choice).expect("a lock");
    assert!(only(&choice(&["cli"], &[], &[])).contains(&"click 8.2.1".to_owned()));
    assert!(only(&choice(&[], &["dev"], &[])).contains(&"iniconfig 2.1.0".to_owned()));
    assert_eq!(only(&choice(&[], &[], &["dev"])), ["iniconfig 2.1.0"]);
    let all = Choice {
        all_extras: true,
        ..Choice::default()
    };
    assert!(only(&all).contains(&"click 8.2.1".to_owned()));
    for (choice, part) in [
        (choice(&["nope"], &[], &[]), "no extra `nope`"),
        (choice(&[], &["nope"], &[]), "no group `nope`"),
    ] {
        let fault = names(PEER, "3.12.1", &choice).expect_err(part);
        assert!(fault.message.contains(part), "{fault:?}");
    }
}

#[test]
fn what_uv_exports_and_what_pip_locks_is_read_too() {
    let target = target("3.12.1", Arch::X86_64);
    let text = include_str!("../../../tests/locks/pylock.uv.toml");
    let exported = Lock::from_toml(text, Some(&target)).expect("uv's");
    let names = |lock: &Lock| {
        lock.packages
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let with_dev = lock(PEER, "3.12.1", Arch::X86_64, &choice(&[], &["dev"], &[]));
    let own = with_dev.expect("the same lock");
    assert_eq!(names(&exported), names(&own));
    // uv spells a file's name anew when it exports.
    let digests = |lock: &Lock| {
        let packages = lock.packages.values();
        packages
            .map(|package| package.wheel.sha256)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        digests(&exported),
        digests(&own),
        "both ways lead to the same files"
    );
    // pip locks for the interpreter that it runs in.
    let there = self::target("3.11.2", Arch::X86_64);
    let text = include_str!("../../../tests/locks/pylock.pip.toml");
    let pips = Lock::from_toml(text, Some(&there)).expect("pip's");
    assert_eq!(names(&pips), ["idna", "markupsafe"]);
    assert!(Lock::from_toml(text, Some(&target)).is_err());
}

/// A lock with one package entry for each of `entries`, and a root that needs `needs`.
fn made(needs: &str, rest: &str) -> String {
    format!(
        "version = 1\nrevision = 1\nrequires-python = \">=3.10\"\n\n[[package]]\nname = \"app\"\n\
         source = {{ editable = \".\" }}\ndependencies = [{needs}]\n\n{rest}"
    )
}

fn entry(name: &str, version: &str, more: &str) -> String {
    let sha256 = pyrun_core::Sha256::of(version);
    format!(
        "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{more}\n\
         wheels = [{{ url = \"https://x/{name}-{version}-py3-none-any.whl\", hash = \"sha256:{sha256}\" }}]\n\n"
    )
}

const REGISTRY: &str = "source = { registry = \"https://x/simple\" }";

#[test]
fn forks_are_told_apart_by_version_and_by_marker() {
    let old = format!("{REGISTRY}\nresolution-markers = [\"python_full_version < '3.12'\"]");
    let new = format!("{REGISTRY}\nresolution-markers = [\"python_full_version >= '3.12'\"]");
    let both = entry("a", "1", &old) + &entry("a", "2", &new);
    let none = Choice::default();
    let by_fork = made("{ name = \"a\" }", &both);
    assert_eq!(names(&by_fork, "3.11.0", &none).expect("a lock"), ["a 1"]);
    assert_eq!(names(&by_fork, "3.12.0", &none).expect("a lock"), ["a 2"]);
    let by_version = made(
        "{ name = \"a\", version = \"1\", marker = \"python_full_version < '3.12'\" }, \
         { name = \"a\", version = \"2\", marker = \"python_full_version >= '3.12'\" }",
        &both,
    );
    assert_eq!(
        names(&by_version, "3.12.0", &none).expect("a lock"),
        ["a 2"]
    );
    let twice = made(
        "{ name = \"a\", version = \"1\" }, { name = \"a\", version = \"2\" }",
        &both,
    );
    let fault = names(&twice, "3.12.0", &none).expect_err("both");
    assert!(fault.message.contains("2 entries"), "{fault:?}");
}

#[test]
fn conflicting_extras_are_told_apart_by_their_markers() {
    let text = made(
        "{ name = \"a\", version = \"1\", marker = \"extra == 'extra-3-app-old'\" }, \
         { name = \"a\", version = \"2\", marker = \"extra == 'extra-3-app-new' or extra != 'extra-3-app-old'\" }",
        &(entry("a", "1", REGISTRY) + &entry("a", "2", REGISTRY)),
    );
    let text = text.replace(
        "dependencies = [{ name",
        "metadata = { provides-extras = [\"old\", \"new\"] }\ndependencies = [{ name",
    );
    let found =
        |extras: &[&str]| names(&text, "3.12.0", &choice(extras, &[], &[])).expect("a lock");
    assert_eq!(found(&["old"]), ["a 1"]);
    assert_eq!(found(&["new"]), ["a 2"]);
}

#[test]
fn cycles_end_and_extras_of_packages_are_followed() {
    let a = format!("{REGISTRY}\ndependencies = [{{ name = \"b\" }}]");
    let b = format!("{REGISTRY}\ndependencies = [{{ name = \"a\", extra = [\"x\"] }}]");
    let text = made(
        "{ name = \"a\" }",
        &(entry("a", "1", &a).trim_end().to_owned()
            + "\n[package.optional-dependencies]\nx = [{ name = \"c\" }]\n\n"
            + &entry("b", "1", &b)
            + &entry("c", "1", REGISTRY)
            + &entry("unreached", "1", REGISTRY)),
    );
    let found = names(&text, "3.12.0", &Choice::default()).expect("a lock");
    assert_eq!(found, ["a 1", "b 1", "c 1"]);
}

#[test]
fn very_many_edges_end_quickly() {
    let forks = |count: usize| -> String {
        let fork = |at: usize| {
            let marker = format!("python_full_version == '3.12.{at}'");
            let more = format!("{REGISTRY}\nresolution-markers = [\"{marker}\"]");
            entry("fork", &format!("{at}"), &more)
        };
        (0..count).map(fork).collect()
    };
    let edge = |from: usize, at: usize| match at % 10 {
        0 => "{ name = \"fork\", marker = \"python_version > '3'\" }".to_owned(),
        _ => format!("{{ name = \"p{}\" }}", (from + at) % 100),
    };
    let package = |from: usize| {
        let edges: Vec<String> = (0..1000).map(|at| edge(from, at)).collect();
        let more = format!("{REGISTRY}\ndependencies = [{}]", edges.join(", "));
        entry(&format!("p{from}"), "1", &more)
    };
    let ring: String = (0..100).map(package).collect();
    let text = made("{ name = \"p0\" }", &(ring.clone() + &forks(400)));
    let found = names(&text, "3.12.7", &Choice::default()).expect("a lock");
    assert_eq!(found.len(), 101);
    assert_eq!(found[0], "fork 7");
    let text = made("{ name = \"p0\" }", &(ring + &forks(501)));
    let fault = names(&text, "3.12.7", &Choice::default()).expect_err("too many forks");
    assert!(
        fault.message.contains("501 entries for `fork`"),
        "{fault:?}"
    );
}

#[test]
fn wheels_by_path_lie_where_uv_says() {
    let sha256 = pyrun_core::Sha256::of("");
    let wheels =
        format!("wheels = [{{ path = \"a-1-py3-none-any.whl\", hash = \"sha256:{sha256}\" }}]");
    let text = made(
        "{ name = \"a\" }, { name = \"b\" }",
        &format!(
            "[[package]]\nname = \"a\"\nversion = \"1\"\nsource = {{ registry = \"../links\" }}\n{wheels}\n\n\
             [[package]]\nname = \"b\"\nversion = \"1\"\nsource = {{ path = \"w/b-1-py3-none-any.whl\" }}\n\
             wheels = [{{ filename = \"b-1-py3-none-any.whl\", hash = \"sha256:{sha256}\" }}]\n"
        ),
    );
    let lock = lock(&text, "3.12.0", Arch::X86_64, &Choice::default()).expect("a lock");
    let places: Vec<&str> = lock
        .packages
        .values()
        .map(|package| package.wheel.url.as_str())
        .collect();
    assert_eq!(
        places,
        ["../links/a-1-py3-none-any.whl", "w/b-1-py3-none-any.whl"]
    );
}

#[test]
fn what_can_t_be_used_is_said() {
    let git = "source = { git = \"https://x/y?rev=z\" }";
    let member = "source = { editable = \"packages/a\" }";
    for (text, python, part) in [
        ("version = 2\n".to_owned(), "3.12.0", "version 2"),
        (
            "version = 1\nrevision = 99\n".to_owned(),
            "3.12.0",
            "revision 99",
        ),
        (String::new(), "3.12.0", "no version"),
        ("version = [".to_owned(), "3.12.0", "not a uv.lock"),
        (
            "version = 1\n".to_owned(),
            "3.12.0",
            "which of its packages",
        ),
        (made("", ""), "3.9.0", "Python >=3.10"),
        (made("{ name = \"a\" }", ""), "3.12.0", "0 entries for `a`"),
        (
            made("{ name = \"a\" }", &entry("a", "1", git)),
            "3.12.0",
            "a git repository",
        ),
        (
            made("{ name = \"a\" }", &entry("a", "1", member)),
            "3.12.0",
            "the folder `packages/a`",
        ),
        (
            made(
                "{ name = \"a\", marker = \"nonsense\" }",
                &entry("a", "1", REGISTRY),
            ),
            "3.12.0",
            "the marker `nonsense`",
        ),
        (
            made("", "").replace(
                "revision = 1",
                "supported-markers = [\"sys_platform == 'win32'\"]",
            ),
            "3.12.0",
            "win32",
        ),
    ] {
        let fault = names(&text, python, &Choice::default()).expect_err(part);
        assert!(fault.message.contains(part), "{part}: {fault:?}");
    }
}
