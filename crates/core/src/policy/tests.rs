//! Policies, and what they let in.

mod terms;

use super::*;
use crate::fault::Code;
use crate::lock::{LockedPackage, LockedWheel};
use crate::request::Origin;
use crate::target::tests::target;
use crate::wheel::WheelFilename;

fn policy(text: &str) -> Policy {
    Policy::parse(text).expect(text)
}

/// When the policies of the tests are checked.
fn now() -> Timestamp {
    "2026-01-31T00:00:00Z".parse().expect("a time")
}

/// A lock of `name version` words and who needs whom, from PyPI.
fn lock(packages: &[(&str, &str, &[&str])]) -> Lock {
    let packages = packages.iter().map(|(name, version, needs)| {
        let filename: WheelFilename =
            format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"))
                .parse()
                .expect("a wheel");
        let package = LockedPackage {
            version: version.parse().expect("a version"),
            wheel: LockedWheel {
                url: format!("https://files.pythonhosted.org/packages/{filename}"),
                filename,
                sha256: Sha256::of(name),
                size: None,
                upload_time: None,
            },
            index: "https://pypi.org/simple".to_owned(),
            requires_python: None,
            sdist: None,
            metadata: None,
            dependencies: needs
                .iter()
                .map(|name| name.parse().expect("a name"))
                .collect(),
        };
        (name.parse().expect("a name"), package)
    });
    Lock {
        target: target(),
        packages: packages.collect(),
        resolved: None,
        exclude_newer: None,
    }
}

fn request(specs: &[&str], indexes: &[&str]) -> Request {
    let requirement = |spec: &&str| {
        Requirement::new(
            spec.parse().expect("a requirement"),
            Origin {
                place: "the command line".to_owned(),
                span: None,
            },
        )
    };
    Request {
        requirements: specs.iter().map(requirement).collect(),
        requires_python: None,
        target: target(),
        options: ResolveOptions {
            indexes: indexes.iter().map(ToString::to_string).collect(),
            ..ResolveOptions::default()
        },
    }
}

#[test]
fn packages_are_let_in_by_name_and_version() {
    let policy = policy(
        "[packages]\nallow = ['NumPy>=1.20', 'pandas', 'Internal_*', '*.core==2.*']\n\
         deny = ['internal-secret', 'pandas<2.0']\n",
    );
    for (name, version, expected) in [
        ("numpy", "1.26.0", true),
        ("numpy", "1.19", false),
        ("pandas", "2.1", true),
        ("pandas", "1.5", false),
        ("pandas-extra", "1.0", false),
        ("internal-tools", "0.1", true),
        ("internal", "0.1", false),
        ("internal-secret", "9", false),
        ("my-core", "2.3", true),
        ("my-core", "3.0", false),
        ("requests", "2.0", false),
    ] {
        let checked = policy.check_lock(&lock(&[(name, version, &[])]), now());
        assert_eq!(checked.is_ok(), expected, "{name} {version}: {checked:?}");
    }
}

#[test]
fn an_empty_policy_lets_all_in_and_an_empty_list_nothing() {
    let any = lock(&[("requests", "2.0", &[])]);
    assert_eq!(policy("").check_lock(&any, now()), Ok(()));
    assert_eq!(policy("[packages]\n").check_lock(&any, now()), Ok(()));
    assert!(
        policy("[packages]\nallow = []\n")
            .check_lock(&any, now())
            .is_err()
    );
    assert!(
        policy("[indexes]\nallow = []\n")
            .check_lock(&any, now())
            .is_err()
    );
}

#[test]
fn a_refusal_names_package_version_rule_and_who_asked() {
    let policy = policy("[packages]\ndeny = ['leftpad<2', 'zope.*']\n");
    let lock = lock(&[
        ("app", "1.0", &["middle"]),
        ("middle", "3.0", &["leftpad", "middle"]),
        ("leftpad", "1.1", &["zope-event"]),
        ("zope-event", "5.0", &["leftpad"]),
    ]);
    let fault = policy.check_lock(&lock, now()).expect_err("denied");
    assert_eq!(fault.code, Code::POLICY_DENIED);
    assert_eq!(fault.message, "the policy does not let `leftpad 1.1` in");
    assert_eq!(
        fault.causes,
        [
            "`deny` has the rule `leftpad<2`",
            "`app 1.0` needs `middle 3.0`, which needs `leftpad`",
            "nor does it let `zope-event 5.0` in: `deny` has the rule `zope.*`",
        ]
    );
}

#[test]
fn what_no_version_can_satisfy_is_refused_before_resolving() {
    let index = &["https://pypi.org/simple"][..];
    let policy = policy(
        "[packages]\nallow = ['numpy>=1.20', 'requests', 'leftpad']\ndeny = ['leftpad', 'requests<2']\n",
    );
    let check = |spec: &str| policy.check_request(&request(&[spec], index));
    assert_eq!(check("numpy<1"), Ok(()), "its version is not known yet");
    assert_eq!(check("requests"), Ok(()));
    assert_eq!(check("evil; python_version < '3'"), Ok(()));
    let fault = check("LeftPad>=1").expect_err("denied");
    assert_eq!(fault.message, "the policy does not let `leftpad` in");
    assert_eq!(
        fault.causes,
        [
            "`deny` has the rule `leftpad`",
            "the command line asks for `leftpad>=1`"
        ]
    );
    let fault = check("evil").expect_err("denied");
    assert_eq!(fault.causes[0], "no rule of `allow` takes it");
}

#[test]
fn indexes_are_compared_as_addresses() {
    let policy =
        policy("[indexes]\nallow = ['https://pypi.org/simple', 'https://Corp.example/x/']\n");
    let check = |index: &str| policy.check_request(&request(&["six"], &[index]));
    for index in [
        "https://pypi.org/simple",
        "https://pypi.org:443/simple/",
        "https://me:s3cret@corp.example/x",
    ] {
        assert_eq!(check(index), Ok(()), "{index}");
    }
    for index in [
        "http://pypi.org/simple",
        "https://pypi.org/simple/x",
        "https://pypi.org.evil.example/simple",
        "https://pypi.org@evil.example/simple",
        "nonsense",
    ] {
        let fault = check(index).expect_err(index);
        assert_eq!(fault.code, Code::POLICY_DENIED);
    }
    let fault = check("https://me:s3cret@evil.example/x").expect_err("denied");
    assert!(!format!("{fault:?}").contains("s3cret"), "{fault:?}");
}

#[test]
fn files_come_from_where_allowed_indexes_have_them() {
    let policy = policy(
        "[indexes]\nallow = ['https://pypi.org/simple', 'http://127.0.0.1:8080/simple', 'file:///srv/index']\n\
         files = ['https://cdn.example.org/wheels']\n",
    );
    let from = |index: &str, url: &str| {
        let mut lock = lock(&[("six", "1.0", &[])]);
        for package in lock.packages.values_mut() {
            index.clone_into(&mut package.index);
            url.clone_into(&mut package.wheel.url);
        }
        policy.check_lock(&lock, now()).is_ok()
    };
    let pypi = "https://pypi.org/simple";
    for (index, url, expected) in [
        (pypi, "https://files.pythonhosted.org/a/six.whl", true),
        (pypi, "https://cdn.example.org/wheels/six.whl", true),
        (
            pypi,
            "https://cdn.example.org/wheels-of-mine/six.whl",
            false,
        ),
        (pypi, "https://cdn.example.org/six.whl", false),
        (pypi, "https://evil.example/six.whl", false),
        (pypi, "six.whl", false),
        (pypi, "", false),
        ("", "http://127.0.0.1:8080/files/six.whl", true),
        ("", "http://127.0.0.1:8081/files/six.whl", false),
        ("", "file:///srv/index/six.whl", true),
        ("", "file:///srv/index/../six.whl", false),
        ("", "file:///home/six.whl", false),
        (
            "https://evil.example/simple",
            "https://files.pythonhosted.org/six.whl",
            false,
        ),
    ] {
        assert_eq!(from(index, url), expected, "{index} {url}");
    }
    let direct = |url: &str| {
        let spec = format!("six @ {url}");
        policy
            .check_request(&request(&[spec.as_str()], &[]))
            .is_ok()
    };
    assert!(direct(
        "https://cdn.example.org/wheels/six-1.0-py3-none-any.whl"
    ));
    assert!(!direct("https://evil.example/six-1.0-py3-none-any.whl"));
}

#[test]
fn addresses_in_bounds_are_looked_at_as_well() {
    let policy = policy("[indexes]\nallow = [\"https://pypi.org/simple\"]\n");
    let of = |spec: &str| {
        let mut asked = request(&["a"], &["https://pypi.org/simple"]);
        let more = request(&[spec], &[]).requirements;
        asked.options.overrides = more.clone();
        let first = policy.check_request(&asked);
        asked.options = ResolveOptions {
            overrides: Vec::new(),
            constraints: more,
            ..asked.options
        };
        assert_eq!(first, policy.check_request(&asked), "{spec}");
        first
    };
    assert_eq!(of("b<2"), Ok(()));
    assert_eq!(
        of("b @ https://evil/b-1.tar.gz ; sys_platform == 'win32'"),
        Ok(())
    );
    let fault = of("b @ https://me:s3cret@evil/b-1.tar.gz").expect_err("refused");
    assert_eq!(fault.code, Code::POLICY_DENIED);
    assert!(!format!("{fault:?}").contains("s3cret"), "{fault:?}");
}

#[test]
fn what_is_built_is_let_in_by_name_source_and_home() {
    let policy = policy(
        "[packages]\ndeny = [\"bad\"]\n[sdists]\nallow = [\"bad\", \"good\"]\n\
         [indexes]\nallow = [\"https://pypi.org/simple\"]\n",
    );
    let index = "https://pypi.org/simple";
    let home = "https://files.pythonhosted.org/packages/x.tar.gz";
    let check = |name: &str, index: &str, file: &str| {
        let version = "1.0".parse().expect("a version");
        policy.check_build(&name.parse().expect("a name"), &version, index, file)
    };
    assert_eq!(check("good", index, home), Ok(()));
    assert_eq!(check("good", "", home), Ok(()));
    for (name, index, file) in [
        ("bad", index, home),
        ("other", index, home),
        ("good", "https://evil/simple", home),
        ("good", index, "https://evil/x.tar.gz"),
    ] {
        let fault = check(name, index, file).expect_err(file);
        assert_eq!(fault.code, Code::POLICY_DENIED);
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, line, part) in [
        ("[packages]\nallow = 1\n", 2, "sequence"),
        ("[packages]\nalow = []\n", 2, "alow"),
        ("[package]\n", 1, "package"),
        (
            "\n\n[packages]\ndeny = [\n  'a',\n  'b >>= 1',\n]\n",
            6,
            "`b >>= 1` is no rule",
        ),
        ("[packages]\ndeny = ['a[extra]']\n", 2, "extras"),
        (
            "[packages]\ndeny = ['a; python_version > \"3\"']\n",
            2,
            "markers",
        ),
        ("[packages]\ndeny = ['']\n", 2, "no rule"),
        ("[packages]\ndeny = ['-a']\n", 2, "no rule"),
        ("[indexes]\nallow = ['pypi.org']\n", 2, "no address"),
        ("[indexes]\nallow = ['https://a:b@h/x']\n", 2, "credentials"),
        ("[indexes]\nfiles = ['https://h/x']\n", 2, "no `allow`"),
        ("[packages\n", 1, "line 1"),
        ("[packages]\nminimum-age = 'soon'\n", 2, "no time to wait"),
        ("[packages]\nexempt = ['a']\n", 2, "no `minimum-age`"),
        (
            "[packages]\nminimum-age = '1d'\nexempt = ['a>1']\n",
            3,
            "a name alone",
        ),
        ("[sdists]\nallow = 'yes'\n", 2, ""),
        ("[sdists]\n\nallow = ['a', '-']\n", 3, "no rule"),
        ("[limits]\nwheel = '200'\n", 2, "no size"),
        ("[limits]\npackages = -1\n", 2, ""),
        ("[licences]\nallow = ['MIT OR X11']\n", 2, "each on its own"),
        ("[licences]\ndeny = ['BSD License']\n", 2, "no licence"),
        ("[licences]\nunknown = 'maybe'\n", 2, "`unknown` is"),
        ("[vulnerabilities]\ndeny = 'bad'\n", 2, "`deny` is"),
        ("[vulnerabilities]\n", 1, "deny"),
        ("[indexes.of]\n'a>1' = 'https://h/x'\n", 2, "a name alone"),
        ("[indexes.of]\na = 'h'\n", 2, "no address"),
    ] {
        let fault = Policy::parse(text).expect_err(text);
        assert_eq!(fault.code, Code::CONFIG_INVALID, "{text}");
        assert!(
            fault.message.contains(&format!("line {line}: ")) && fault.message.contains(part),
            "{text}: {}",
            fault.message
        );
        assert_eq!(fault.spans[0].line, line);
        assert!(!fault.message.contains("a:b@"), "{}", fault.message);
    }
}

#[test]
fn stars_stand_for_any_text() {
    for (pattern, name, expected) in [
        ("*", "anything", true),
        ("a*", "a", true),
        ("*a", "banana", true),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "acb", false),
        ("*-*", "plain", false),
        ("*-*", "with-dash", true),
        ("Foo_Bar*", "foo-bar-baz", true),
    ] {
        let rule = Rule::parse(pattern).expect(pattern);
        let name = name.parse().expect("a name");
        assert_eq!(rule.is_of(&name), expected, "{pattern} {name}");
    }
}

#[test]
fn the_digest_is_the_text_s() {
    let text = "[packages]\ndeny = ['a']\n";
    assert_eq!(policy(text).digest(), &Sha256::of(text));
}

#[test]
fn a_lock_of_thousands_in_one_chain_is_judged_as_any_other() {
    let names: Vec<String> = (0..5_000).map(|number| format!("p{number:04}")).collect();
    let needs: Vec<[&str; 1]> = names.iter().skip(1).map(|name| [name.as_str()]).collect();
    let needs = needs.iter().map(<[&str; 1]>::as_slice).chain([&[][..]]);
    let packages = names.iter().zip(needs);
    let packages: Vec<(&str, &str, &[&str])> = packages
        .map(|(name, needs)| (name.as_str(), "1", needs))
        .collect();
    let refusals = policy("[packages]\ndeny = ['p*']\n").refusals_of_lock(&lock(&packages), now());
    assert_eq!(refusals.len(), 5_000);
    let asked = refusals[4_999].asked.as_deref().expect("who asked");
    assert!(asked.starts_with("`p0000 1` needs 4992 others"), "{asked}");
    assert!(asked.ends_with("`p4998 1`, which needs `p4999`"), "{asked}");
}
