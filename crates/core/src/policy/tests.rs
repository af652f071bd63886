//! Policies, and what they let in.

use super::*;
use crate::fault::Code;
use crate::lock::{LockedPackage, LockedSdist, LockedWheel};
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
fn nothing_is_built_from_source_unless_it_says_so() {
    let mut built = lock(&[("docopt", "0.6.2", &[]), ("six", "1.0", &[])]);
    let docopt = built.packages.values_mut().next().expect("docopt");
    docopt.wheel.url = String::new();
    docopt.sdist = Some(LockedSdist {
        filename: "docopt-0.6.2.tar.gz".to_owned(),
        url: "https://files.pythonhosted.org/docopt-0.6.2.tar.gz".to_owned(),
        sha256: Sha256::of("sdist"),
        size: None,
        upload_time: None,
    });
    for (text, expected) in [
        ("", false),
        ("[sdists]\nallow = false\n", false),
        ("[sdists]\nallow = ['six']\n", false),
        ("[sdists]\nallow = ['doc*']\n", true),
        ("[sdists]\nallow = true\n", true),
        (
            "[sdists]\nallow = true\n[indexes]\nallow = ['https://pypi.org/simple']\n",
            true,
        ),
        (
            "[sdists]\nallow = true\n[indexes]\nallow = ['https://h/simple']\n",
            false,
        ),
    ] {
        let checked = policy(text).check_lock(&built, now());
        assert_eq!(checked.is_ok(), expected, "{text}: {checked:?}");
    }
    let name = "docopt".parse().expect("a name");
    let over = |text: &str, sdist| policy(text).passes_over(&name, sdist, None, now());
    assert_eq!(over("", true), Some(PassedOver::Sdist));
    assert_eq!(over("", false), None);
    assert_eq!(over("[sdists]\nallow = true\n", true), None);
}

#[test]
fn the_young_are_not_let_in() {
    let policy = policy("[packages]\nminimum-age = '7 days'\nexempt = ['mine-*']\n");
    let with = |name: &str, time: Option<&str>| {
        let mut lock = lock(&[(name, "1.0", &[])]);
        for package in lock.packages.values_mut() {
            package.wheel.upload_time = time.map(str::to_owned);
        }
        lock
    };
    for (name, time, expected) in [
        ("six", Some("2026-01-23T23:59:59Z"), true),
        ("six", Some("2026-01-24T00:00:00Z"), false),
        ("six", Some("2026-01-24T01:59:59+02:00"), true),
        ("six", Some("2030-01-01T00:00:00Z"), false),
        ("six", Some("yesterday"), false),
        ("six", None, false),
        ("mine-own", None, true),
        ("mine-own", Some("2026-01-30T00:00:00Z"), true),
    ] {
        let checked = policy.check_lock(&with(name, time), now());
        assert_eq!(checked.is_ok(), expected, "{name} {time:?}");
        let over = policy.passes_over(&name.parse().expect("a name"), false, time, now());
        assert_eq!(over.is_none(), expected, "{name} {time:?}");
    }
    let fault = policy
        .check_lock(&with("six", None), now())
        .expect_err("denied");
    assert!(fault.causes[0].contains("nothing says when"), "{fault:?}");
}

#[test]
fn sizes_are_limited_as_far_as_they_are_known() {
    let mut lock = lock(&[("a", "1", &[]), ("b", "1", &[])]);
    let a: PackageName = "a".parse().expect("a name");
    lock.packages.get_mut(&a).expect("a").wheel.size = Some(150);
    let refused = |text: &str| policy(text).refusals_of_lock(&lock, now()).len();
    assert_eq!(refused("[limits]\npackages = 2\n"), 0);
    assert_eq!(refused("[limits]\npackages = 1\n"), 1);
    assert_eq!(refused("[limits]\nwheel = '150B'\n"), 0);
    assert_eq!(refused("[limits]\nwheel = '149B'\nbundle = '149B'\n"), 2);
    let mut about: BTreeMap<PackageName, About> = BTreeMap::new();
    about.insert(
        "b".parse().expect("a name"),
        About {
            size: Some(200),
            ..About::default()
        },
    );
    let fault = policy("[limits]\nwheel = '150B'\n").check_contents(&lock, &about);
    assert!(fault.expect_err("refused").message.contains("`b 1`"));
}

#[test]
fn licences_are_let_in_by_what_they_say() {
    let lock = lock(&[("six", "1.0", &[])]);
    let check = |text: &str, licence: Option<&str>| {
        let about = About {
            licence: licence.map(str::to_owned),
            ..About::default()
        };
        let about = BTreeMap::from([("six".parse().expect("a name"), about)]);
        policy(text).check_contents(&lock, &about).is_ok()
    };
    let allow =
        "[licences]\nallow = ['MIT', 'BSD-*', 'GPL-2.0-only WITH Classpath-exception-2.0']\n";
    for (licence, expected) in [
        (Some("MIT"), true),
        (Some("bsd-3-clause"), true),
        (Some("MIT AND Apache-2.0"), false),
        (Some("MIT OR Apache-2.0"), true),
        (Some("GPL-2.0-only"), false),
        (Some("GPL-2.0-only WITH Classpath-exception-2.0"), true),
        (None, false),
    ] {
        assert_eq!(check(allow, licence), expected, "{licence:?}");
    }
    let deny = "[licences]\ndeny = ['AGPL-*']\nunknown = 'allow'\n";
    assert!(check(deny, None) && check(deny, Some("MIT")));
    assert!(!check(deny, Some("AGPL-3.0-only")));
    assert!(!check(deny, Some("AGPL-3.0-only WITH some-exception")));
    assert!(check(deny, Some("AGPL-3.0-only OR MIT")));
    assert!(check("[licences]\nallow = []\nexempt = ['s*']\n", None));
}

#[test]
fn a_package_comes_from_the_index_that_it_is_tied_to() {
    let policy = policy(
        "[indexes]\nallow = ['https://pypi.org/simple']\n\
         [indexes.of]\n'internal-*' = 'https://corp.example/simple/'\nspecial = 'https://corp.example/simple'\n",
    );
    let from = |name: &str, index: &str, url: &str| {
        let mut lock = lock(&[(name, "1.0", &[])]);
        for package in lock.packages.values_mut() {
            index.clone_into(&mut package.index);
            url.clone_into(&mut package.wheel.url);
        }
        policy.check_lock(&lock, now()).is_ok()
    };
    let (corp, pypi) = ("https://corp.example/simple", "https://pypi.org/simple");
    assert!(from("internal-a", corp, "https://corp.example/f/a.whl"));
    assert!(!from(
        "internal-a",
        pypi,
        "https://files.pythonhosted.org/a.whl"
    ));
    assert!(!from(
        "internal-a",
        corp,
        "https://files.pythonhosted.org/a.whl"
    ));
    assert!(!from("internal-a", "", "https://corp.example/f/a.whl"));
    assert!(!from("other", corp, "https://corp.example/f/a.whl"));
    let mut asked = request(
        &["internal-a", "six"],
        &["https://me:s3cret@corp.example/simple"],
    );
    policy.pin(&mut asked);
    let named: Vec<(String, &str)> = asked
        .options
        .index_of
        .iter()
        .map(|(name, index)| (name.to_string(), index.as_str()))
        .collect();
    let secret = "https://me:s3cret@corp.example/simple";
    assert_eq!(
        named,
        [
            ("internal-a".to_owned(), secret),
            ("special".to_owned(), secret)
        ]
    );
    asked.options.indexes = vec![pypi.to_owned()];
    assert_eq!(policy.check_request(&asked), Ok(()));
    for index in asked.options.index_of.values_mut() {
        pypi.clone_into(index);
    }
    let refusals = policy.refusals_of_request(&asked);
    assert_eq!(refusals.len(), 2, "{refusals:?}");
}

#[test]
fn other_places_of_files_are_checked_before_they_are_asked() {
    let policy = policy("[indexes]\nallow = ['https://pypi.org/simple']\n");
    let mut asked = request(&["six"], &["https://pypi.org/simple"]);
    asked.options.find_links = vec!["https://evil.example/wheels".to_owned()];
    let fault = policy.check_request(&asked).expect_err("refused");
    assert!(fault.message.contains("evil.example"), "{fault:?}");
}

#[test]
fn known_vulnerabilities_are_refused_from_a_severity_on() {
    use crate::osv::Severity;
    let found = |severity| Vulnerability {
        package: "six".parse().expect("a name"),
        version: "1.0".parse().expect("a version"),
        id: "PYSEC-1".to_owned(),
        aliases: vec!["CVE-1".to_owned()],
        summary: "bad".to_owned(),
        severity,
        fixed: None,
    };
    for (text, severity, expected) in [
        ("", Some(Severity::Critical), 0),
        ("[vulnerabilities]\ndeny = 'any'\n", Some(Severity::Low), 1),
        (
            "[vulnerabilities]\ndeny = 'high'\n",
            Some(Severity::Medium),
            0,
        ),
        (
            "[vulnerabilities]\ndeny = 'high'\n",
            Some(Severity::High),
            1,
        ),
        ("[vulnerabilities]\ndeny = 'high'\n", None, 1),
        (
            "[vulnerabilities]\ndeny = 'any'\nignore = ['CVE-1']\n",
            None,
            0,
        ),
    ] {
        let refused = policy(text).refusals_of_vulnerabilities(&[found(severity)]);
        assert_eq!(refused.len(), expected, "{text} {severity:?}");
    }
}

#[test]
fn a_bundle_is_held_to_what_its_record_says_of_it() {
    use crate::manifest::{Manifest, Segment};
    let about = About {
        licence: Some("MIT".to_owned()),
        size: Some(10),
        uploaded: Some("2026-01-01T00:00:00Z".to_owned()),
        index: "https://pypi.org/simple".to_owned(),
        ..About::default()
    };
    let name: PackageName = "six".parse().expect("a name");
    let segment = Segment {
        package: name.clone(),
        version: "1.0".parse().expect("a version"),
        wheel: "six-1.0-py3-none-any.whl".parse().expect("a wheel"),
        wheel_sha256: Sha256::of(""),
        offset: 0,
        length: 0,
        sha256: Sha256::of(""),
        unpacked: 0,
        files: 0,
        imports: Vec::new(),
        depends: Vec::new(),
        pth: false,
    };
    let mut record = BundleRecord {
        manifest: Manifest {
            format: crate::FORMAT,
            lock: crate::lock::LockHash(Sha256::of("")),
            python: "3.12".to_owned(),
            target: target().family(),
            segments: vec![segment],
            unpacked: 0,
            files: 0,
        },
        size: 1000,
        sha256: Sha256::of(""),
        tail_offset: 0,
        tail_sha256: Sha256::of(""),
        built: String::new(),
        about: BTreeMap::from([(name.clone(), about)]),
        extra: BTreeMap::new(),
    };
    let strict = policy(
        "[packages]\nminimum-age = '7d'\n[licences]\nallow = ['MIT']\n[limits]\nbundle = '1kB'\n\
         [indexes.of]\nsix = 'https://pypi.org/simple'\n",
    );
    assert_eq!(strict.check_record(&record, now()), Ok(()));
    record.size = 1001;
    let known = record.about.get_mut(&name).expect("six");
    known.licence = None;
    known.uploaded = None;
    known.index = String::new();
    known.sdist = Some(Sha256::of(""));
    let parts: Vec<Part> = strict
        .refusals_of_record(&record, now())
        .iter()
        .map(|refusal| refusal.part)
        .collect();
    assert_eq!(
        parts,
        [
            Part::Indexes,
            Part::Sdists,
            Part::Age,
            Part::Licences,
            Part::Limits
        ]
    );
}

#[test]
fn a_policy_is_said_in_words() {
    let all = policy(
        "[packages]\nallow = ['a*']\ndeny = ['ab<2']\nminimum-age = '7 days'\nexempt = ['ac']\n\
         [indexes]\nallow = ['https://h/simple']\n[indexes.of]\nx = 'https://i'\n\
         [sdists]\nallow = ['ad']\n[limits]\npackages = 9\nwheel = '1MB'\nbundle = '2MB'\n\
         [licences]\nallow = ['MIT']\n[vulnerabilities]\ndeny = 'high'\nignore = ['CVE-1']\n",
    );
    assert_eq!(
        all.words(),
        [
            "only these packages are let in: `a*`",
            "these are not: `ab<2`",
            "a release is let in once it has been uploaded for 7 days; younger ones are passed over (but for `ac`)",
            "only these indexes may be asked: `https://h/simple`",
            "`x` comes from `https://i/` alone",
            "only these are built from source: `ad`",
            "a bundle has 9 packages at most",
            "a wheel has 1MB at most",
            "a bundle has 2MB at most",
            "only these licences are let in: `MIT`; one that is not known is not let in",
            "a known vulnerability of severity high or more, or of unknown severity, keeps a release out (but for `CVE-1`)",
        ]
    );
    assert_eq!(
        policy("").words(),
        [
            "every package is let in that nothing below refuses",
            "every index may be asked",
            "nothing is built from source",
        ]
    );
}
