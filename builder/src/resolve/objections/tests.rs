//! Locks that satisfy a request, and locks that do not.

use pyrun_core::request::Selection;
use pyrun_core::{ResolveOptions, Sha256};
use pyrun_kit::locks::{lock, requirements};

use super::*;
use crate::index::parse_metadata;

/// The METADATA of packages: `name version` and further lines.
fn known(packages: &[(&str, &str, &str)]) -> Known {
    let packages = packages.iter().map(|(name, version, lines)| {
        let text = format!("Name: {name}\nVersion: {version}\n{lines}\n");
        let metadata = parse_metadata(text.as_bytes()).expect("METADATA");
        (name.parse().expect("a name"), Arc::new(metadata))
    });
    packages.collect()
}

fn asking(specs: &[&str], options: ResolveOptions) -> Request {
    Request {
        requirements: requirements(specs),
        requires_python: None,
        target: sample().target,
        options,
    }
}

fn told(lock: &Lock, specs: &[&str], options: &ResolveOptions, known: &Known) -> Vec<String> {
    let request = asking(specs, options.clone());
    objections(&request, lock, known, Timestamp::UNIX_EPOCH).expect("no contradiction")
}

fn sample() -> Lock {
    lock(&[("app", "1.5", &["lib"]), ("lib", "2.0", &[])])
}

#[test]
fn what_is_satisfied_has_no_reason() {
    let options = ResolveOptions::default();
    let none: Vec<String> = Vec::new();
    let known = known(&[("app", "1.5", "Requires-Dist: lib>=1"), ("lib", "2.0", "")]);
    for specs in [
        &["app"][..],
        &["app>=1,<2", "lib==2.*"],
        &["app", "gone; python_version<'3'"],
    ] {
        assert_eq!(
            told(&sample(), specs, &options, &Known::new()),
            none,
            "{specs:?}"
        );
        assert_eq!(told(&sample(), specs, &options, &known), none, "{specs:?}");
    }
}

#[test]
fn every_reason_is_told_with_its_place() {
    let options = ResolveOptions::default();
    assert_eq!(
        told(
            &sample(),
            &["app>=2", "new", "app @ https://h/app.whl"],
            &options,
            &Known::new()
        ),
        [
            "r.txt:1 asks for `app>=2`, and the lock has `app` 1.5",
            "r.txt:2 asks for `new`, and the lock has no `new`",
            "r.txt:3 asks for `app @ https://h/app.whl`, and the lock has `app` 1.5 from `https://h/app-1.5-py3-none-any.whl`",
        ]
    );
    assert_eq!(
        told(&sample(), &["lib"], &options, &known(&[("lib", "2.0", "")])),
        ["nothing needs `app` 1.5, which the lock has"]
    );
    let known = known(&[(
        "app",
        "1.5",
        "Requires-Dist: lib>=3\nRequires-Dist: more; extra == 'x'",
    )]);
    assert_eq!(
        told(&sample(), &["app[x]"], &options, &known),
        [
            "`app` 1.5 needs `lib>=3`, and the lock has `lib` 2.0",
            "`app` 1.5 needs `more`, and the lock has no `more`",
        ]
    );
}

#[test]
fn options_are_held_to_as_well() {
    let mut options = ResolveOptions {
        constraints: requirements(&["lib<2"]),
        no_binary: Selection::All,
        exclude_newer: Some("2019-01-01T00:00:00Z".to_owned()),
        ..ResolveOptions::default()
    };
    options.index_of.insert(
        "app".parse().expect("a name"),
        "https://i/simple".to_owned(),
    );
    let told_all = told(&sample(), &["app"], &options, &Known::new());
    assert_eq!(told_all.len(), 6, "{told_all:#?}");
    options = ResolveOptions {
        overrides: requirements(&["lib>=3"]),
        ..ResolveOptions::default()
    };
    assert_eq!(
        told(&sample(), &["app"], &options, &Known::new()),
        ["`app` 1.5 needs `lib`, r.txt:1 puts `lib>=3` in its place, and the lock has `lib` 2.0"]
    );
}

#[test]
fn hashes_and_pythons_must_fit() {
    let mut lock = sample();
    let options = ResolveOptions {
        require_hashes: true,
        ..ResolveOptions::default()
    };
    for package in lock.packages.values_mut() {
        package.requires_python = Some(">=3.13".to_owned());
    }
    let mut requirements = requirements(&["app", "lib"]);
    requirements[0].hashes = vec![Sha256::of("other")];
    requirements[1].hashes = vec![Sha256::of("lib 2.0")];
    let bound = ">=3.13".parse().expect("a bound");
    let request = Request {
        requirements,
        requires_python: Some(bound),
        ..asking(&[], options)
    };
    let told = objections(&request, &lock, &Known::new(), Timestamp::UNIX_EPOCH);
    let told = told.expect("no contradiction");
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[2].contains("none of the hashes"), "{told:#?}");
}

#[test]
fn all_overrides_count_as_the_resolver_has_them() {
    let told = |specs: &[&str], overrides: &[&str]| {
        let options = ResolveOptions {
            overrides: requirements(overrides),
            ..ResolveOptions::default()
        };
        told(&sample(), specs, &options, &Known::new())
    };
    let none: Vec<String> = Vec::new();
    // Each that holds must be met, not the first alone.
    assert_eq!(told(&["app"], &["lib>=1", "lib>=3"]).len(), 1);
    // One for other machines takes the requirement away, whoever has it.
    let never = "lib; python_version < '3'";
    assert_eq!(
        told(&["app", "lib>=9"], &[never]),
        ["nothing needs `lib` 2.0, which the lock has"]
    );
    // One that holds stands in the place of a requirement for other machines.
    assert_eq!(told(&["app; python_version < '3'"], &["app>1"]), none);
    assert_eq!(told(&["app; python_version < '3'"], &["app>2"]).len(), 1);
}

#[test]
fn versions_are_compared_as_the_resolver_does() {
    let lock = lock(&[("app", "2.0rc1", &[])]);
    let options = ResolveOptions::default();
    let told = |spec: &str| told(&lock, &[spec], &options, &Known::new()).len();
    assert_eq!(
        (told("app<2.0rc2"), told("app<2.0"), told("app==2.0.*")),
        (0, 1, 0)
    );
}

#[test]
fn a_package_that_is_named_counts_before_all_of_them() {
    let options = ResolveOptions {
        no_binary: Selection::All,
        only_binary: Selection::Only(
            ["app", "lib"]
                .map(|name| name.parse().expect("a name"))
                .into(),
        ),
        ..ResolveOptions::default()
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(told(&sample(), &["app"], &options, &Known::new()), none);
}

#[test]
fn a_relative_time_counts_from_now_and_to_the_file_that_was_taken() {
    let mut lock = sample();
    let app = lock.packages.values_mut().next().expect("app");
    app.sdist = Some(pyrun_core::LockedSdist {
        filename: "app-1.5.tar.gz".to_owned(),
        url: "https://h/app-1.5.tar.gz".to_owned(),
        sha256: Sha256::of("source"),
        size: None,
        upload_time: Some("2020-01-08T00:00:00Z".to_owned()),
    });
    app.wheel.upload_time = None;
    let mut request = asking(&["app"], ResolveOptions::default());
    request.options.exclude_newer = Some("P7D".to_owned());
    let told = |now: &str, request: &Request| {
        let now = now.parse().expect("a time");
        objections(request, &lock, &Known::new(), now).expect("no contradiction")
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(told("2020-02-01T00:00:00Z", &request), none);
    assert_eq!(
        told("2020-01-10T00:00:00Z", &request),
        [
            "`app` 1.5 was uploaded on 2020-01-08T00:00:00Z, and nothing after 2020-01-03T00:00:00Z is asked for"
        ]
    );
    // The digest that counts is that of the source.
    for (digest, count) in [("source", 0), ("app 1.5", 1)] {
        request.requirements[0].hashes = vec![Sha256::of(digest)];
        assert_eq!(
            told("2020-02-01T00:00:00Z", &request).len(),
            count,
            "{digest}"
        );
    }
}

#[test]
fn no_password_is_told() {
    let told = told(
        &sample(),
        &["app @ https://me:s3cret@h/other.whl", "lib"],
        &ResolveOptions::default(),
        &Known::new(),
    );
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(!told[0].contains("s3cret"), "{told:#?}");
}
