//! Every file of `tests/scenarios`.
//!
//! With `UPDATE_SCENARIOS` set, the messages in the files are written anew: read the difference.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use pyrun_builder::resolve::resolve;
use pyrun_core::{Event, Fault, Lock, LockedPackage, LockedWheel, Request, Sha256};
use pyrun_kit::scenario::{Scenario, show};

use crate::memory::{self, Memory, URL};

#[test]
fn scenarios_come_out_as_their_files_say() {
    let files = Scenario::files().expect("tests/scenarios is there");
    assert!(files.len() >= 170, "{} scenarios", files.len());
    let problems: Vec<String> = files.iter().filter_map(|path| check(path).err()).collect();
    assert!(
        problems.is_empty(),
        "{} fail:\n\n{}",
        problems.len(),
        problems.join("\n\n")
    );
}

fn check(path: &Path) -> Result<(), String> {
    let text = fs_err::read_to_string(path).expect("a scenario is readable");
    let at = path
        .file_name()
        .expect("a file")
        .to_string_lossy()
        .into_owned();
    let scenario = Scenario::parse(&text).map_err(|error| format!("{at}: {error}"))?;
    let (outcome, warnings) = run(&scenario);
    let expect = &scenario.expect;
    let problem = match (&outcome, &expect.fault) {
        (Ok(lock), None) => compare(&scenario, lock, &warnings),
        (Err(fault), Some(code)) if fault.code.as_str() == code => {
            let shown = show(fault);
            if std::env::var_os("UPDATE_SCENARIOS").is_some_and(|value| !value.is_empty()) {
                update(path, &text, &shown);
                return Ok(());
            }
            let expected = expect.message.clone().unwrap_or_default();
            (expected != shown).then(|| format!("says\n{shown}"))
        }
        (Err(fault), _) => Some(format!("fails with {}\n{}", fault.code, show(fault))),
        (Ok(lock), Some(_)) => Some(format!("is solved: {:?}", pins(lock))),
    };
    problem.map_or(Ok(()), |problem| {
        Err(format!("{at} ({}) {problem}", scenario.about))
    })
}

fn compare(scenario: &Scenario, lock: &Lock, warnings: &[String]) -> Option<String> {
    let expect = &scenario.expect;
    let pins = pins(lock);
    if pins != expect.pins {
        return Some(format!("pins {pins:?}"));
    }
    if warnings != expect.warnings {
        return Some(format!("warns {warnings:?}"));
    }
    let wheels: Vec<&str> = lock
        .packages
        .values()
        .map(|package| package.wheel.filename.as_str())
        .collect();
    if let Some(missing) = expect
        .wheels
        .iter()
        .find(|name| !wheels.contains(&name.as_str()))
    {
        return Some(format!("does not take {missing} but {wheels:?}"));
    }
    for (name, index) in &expect.from {
        let found = &lock.packages[&name.parse().expect("a name")].index;
        let expected = match index.as_str() {
            "main" => URL.to_owned(),
            "none" => String::new(),
            other => format!("https://{other}.test/simple"),
        };
        if *found != expected {
            return Some(format!("takes {name} from `{found}`"));
        }
    }
    let built = lock.packages.iter().filter(|(_, one)| one.sdist.is_some());
    let built: Vec<String> = built.map(|(name, _)| name.to_string()).collect();
    if built != expect.built {
        return Some(format!("builds {built:?}"));
    }
    for (name, expected) in &expect.edges {
        let package = &lock.packages[&name.parse().expect("a name")];
        let edges: Vec<String> = package
            .dependencies
            .iter()
            .map(ToString::to_string)
            .collect();
        if edges != *expected {
            return Some(format!("locks {edges:?} under {name}"));
        }
    }
    None
}

fn run(scenario: &Scenario) -> (Result<Lock, Fault>, Vec<String>) {
    let request = memory::request(scenario);
    let preferences = older_lock(&request, &scenario.preferences);
    let warnings = Mutex::new(Vec::new());
    let events = |event| {
        if let Event::Warning { message } = event {
            warnings
                .lock()
                .expect("no one panics with it")
                .push(message);
        }
    };
    let source = Memory::of(scenario);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let outcome = runtime.block_on(resolve(&request, &source, Some(&preferences), &events));
    (
        outcome.map_err(Fault::from),
        warnings.into_inner().expect("no one panics with it"),
    )
}

fn pins(lock: &Lock) -> BTreeMap<String, String> {
    let packages = lock.packages.iter();
    packages
        .map(|(name, package)| (name.to_string(), package.version.to_string()))
        .collect()
}

fn older_lock(request: &Request, versions: &BTreeMap<String, String>) -> Lock {
    let package = |(name, version): (&String, &String)| {
        let filename = format!("{name}-{version}-py3-none-any.whl");
        let package = LockedPackage {
            version: version.parse().expect("a version"),
            wheel: LockedWheel {
                filename: filename.parse().expect("a wheel name"),
                url: String::new(),
                sha256: Sha256::of(&filename),
                size: None,
                upload_time: None,
            },
            index: String::new(),
            requires_python: None,
            sdist: None,
            metadata: None,
            dependencies: Vec::new(),
        };
        (name.parse().expect("a name"), package)
    };
    Lock {
        target: request.target.clone(),
        packages: versions.iter().map(package).collect(),
        resolved: None,
        exclude_newer: None,
    }
}

fn update(path: &Path, text: &str, shown: &str) {
    let before = text
        .split("message = ")
        .next()
        .expect("a split has a first part")
        .trim_end();
    let text = format!("{before}\nmessage = '''\n{shown}'''\n");
    fs_err::write(path, text).expect("scenarios can be written");
}
