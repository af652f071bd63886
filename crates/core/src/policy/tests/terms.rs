//! Sources, age, sizes, licences, index pins and vulnerabilities.

use super::*;
use crate::lock::LockedSdist;

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
