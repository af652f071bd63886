//! Many callers at once: the real functions, a real S3 server, a Lambda on the loopback.
//!
//! The large ones take a while: `cargo test -p pyrun-aws --features client --test scale --
//! --ignored --nocapture scale` runs them and shows what they took.
#![cfg(feature = "client")]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use pyrun_aws::account::{Account, Connection};
use pyrun_aws::invoke::{CONNECTIONS, Call, CallReport, Functions, LONGEST, Mode};
use pyrun_aws::s3::{S3Location, S3Store};
use pyrun_core::protocol::{
    Ask, BuildRequest, Call as Arguments, Entry, Frame, Freshness, Goal, Limits, PROTOCOL,
    RunRequest, Script,
};
use pyrun_core::{
    LockHash, Origin, Request, Requirement, ResolveOptions, Target, parse_requirement,
};
use pyrun_kit::lambda::{Function, LambdaServer, Mode as Start, Role, bootstrap};
use pyrun_kit::seaweed::{Bucket, Keys, Seaweed};
use pyrun_kit::{IndexServer, Packages, Programs, WheelBuilder, python};
use pyrun_store::{MemoryStore, Store, catalog};
use serde_json::json;

/// Callers of one lock's first build.
const BUILDS: usize = 1_000;
/// Builders that there may be at once, so that most callers are sent away at first.
const BUILDERS: usize = 32;
/// Runs at once, and environments for them.
const RUNS: usize = 200;
/// So many of them are at work at one moment, however slow the machine is.
const AT_ONCE: usize = 150;
/// How long callers wait to get in. Two cores have to serve all builders here.
const PATIENCE: Duration = Duration::from_mins(5);

/// A function that says which of the runs it was, and stays until the others have begun.
const SCRIPT: &str = "\
@requirements({'greet': ''})
def f(number):
    import time
    import greet
    time.sleep(2)
    return greet.greet(number)
";

/// The two functions, and one client of them.
struct World {
    index: IndexServer,
    lambda: LambdaServer,
    store: Arc<S3Store>,
    functions: Functions,
}

impl World {
    async fn new(builders: Option<usize>) -> Self {
        let words = WheelBuilder::new("words", "2.0").file("words.py", "WORD = 'hello'\n");
        let greet = WheelBuilder::new("greet", "2.0").requires("words").file(
            "greet.py",
            "import words\n\ndef greet(name):\n    return f'{words.WORD} {name}'\n",
        );
        let packages = Packages::new().with(words.build()).with(greet.build());
        let bucket = Seaweed::shared().bucket();
        let lambda = LambdaServer::start();
        let programs = Programs::build();
        lambda.function(Function {
            memory_mb: 1024,
            reserved_concurrency: builders,
            ..function("builder", &programs.builder, &bucket, &bucket.admin)
        });
        lambda.function(function(
            "runner",
            &programs.runner,
            &bucket,
            &bucket.runner,
        ));
        let store = Arc::new(store(&bucket));
        let shared: Arc<dyn Store> = Arc::<S3Store>::clone(&store);
        let functions = Functions::new(&connection(&lambda).await, shared);
        Self {
            index: IndexServer::start(packages),
            lambda,
            store,
            functions: functions.with_patience(PATIENCE),
        }
    }

    async fn target(&self) -> Target {
        match &ask(&self.functions, "builder", &Ask::Describe).await.0[..] {
            [Frame::Hello { .. }, Frame::Described(description)] => description.target.clone(),
            other => panic!("a description is expected: {other:?}"),
        }
    }

    async fn build_request(&self) -> Ask {
        Ask::Build(Box::new(BuildRequest {
            protocol: PROTOCOL,
            request: Request {
                requirements: vec![Requirement::new(
                    parse_requirement("greet").expect("a requirement"),
                    Origin::default(),
                )],
                requires_python: None,
                target: self.target().await,
                options: ResolveOptions {
                    indexes: vec![self.index.url()],
                    ..ResolveOptions::default()
                },
            },
            pylock: None,
            freshness: Freshness::Remembered,
            goal: Goal::Bundle,
            doubt: false,
            room: None,
        }))
    }

    /// How often a wheel was fetched whole.
    fn downloads(&self, wheel: &str) -> usize {
        let requests = self.index.requests();
        let whole = requests
            .iter()
            .filter(|request| request.path.ends_with(wheel) && request.range.is_none());
        whole.count()
    }

    /// The names of the objects below a prefix.
    async fn objects(&self, prefix: &str) -> Vec<String> {
        let entries = self.store.list(prefix).await.expect("it can be listed");
        let names = entries.iter().map(|entry| entry.key.to_string());
        names.collect()
    }

    /// What the calls took.
    fn summary(&self, began: Instant, reports: &[&CallReport]) -> String {
        let mut walls: Vec<Duration> = reports.iter().map(|report| report.wall).collect();
        walls.sort_unstable();
        let attempts: u64 = reports.iter().map(|report| report.calls).sum();
        let billed: u64 = reports.iter().filter_map(|report| report.billed_ms).sum();
        format!(
            "{:.1} s in all; one call {:.1} s median, {:.1} s at most; {attempts} attempts, {billed} ms billed; {:?}",
            began.elapsed().as_secs_f64(),
            walls[walls.len() / 2].as_secs_f64(),
            walls[walls.len() - 1].as_secs_f64(),
            self.lambda.statistics()
        )
    }
}

/// A function of one of the programs. Its limits on time leave room for a machine that has two
/// cores for all environments.
fn function(name: &str, program: &std::path::Path, bucket: &Bucket, keys: &Keys) -> Function {
    let function = Function {
        memory_mb: 512,
        timeout: Duration::from_mins(5),
        init_timeout: Duration::from_mins(2),
        mode: Start::ExecWrapper {
            runtime: "python3".to_owned(),
            command: vec!["python3".to_owned(), "bootstrap.py".to_owned()],
        },
        role: Role {
            access_key: keys.id.clone(),
            secret_key: keys.secret.clone(),
            session_token: None,
        },
        ..Function::new(name, program)
    };
    function
        .env("PYRUN_STORE", format!("s3://{}/", bucket.name))
        .env("PYRUN_POLICY", "")
        .env("PYRUN_PYTHON", executable())
        .env("AWS_ENDPOINT_URL_S3", Seaweed::shared().endpoint())
}

/// The Python itself, not a shim before it: two hundred shims are too much for two cores.
fn executable() -> String {
    let output = Command::new(python())
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .expect("Python runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn connection(lambda: &LambdaServer) -> Connection {
    let account = Account {
        region: Some(LambdaServer::REGION.to_owned()),
        endpoint_url: Some(lambda.endpoint()),
        ..Account::default()
    };
    let opened = Connection::open(&account).await.expect("a region is given");
    opened.with_keys(LambdaServer::ACCESS_KEY, LambdaServer::SECRET_KEY)
}

fn store(bucket: &Bucket) -> S3Store {
    let location: S3Location = format!("s3://{}/", bucket.name).parse().expect("a place");
    let store = S3Store::from_variables(location, |name| {
        Some(match name {
            "AWS_REGION" => LambdaServer::REGION.to_owned(),
            "AWS_ACCESS_KEY_ID" => bucket.admin.id.clone(),
            "AWS_SECRET_ACCESS_KEY" => bucket.admin.secret.clone(),
            "AWS_ENDPOINT_URL" => Seaweed::shared().endpoint(),
            _ => return None,
        })
    });
    store.expect("all is given")
}

/// The lines of an answer that came to its end, and what it took.
async fn hear(functions: &Functions, function: &str, ask: &Ask) -> (Vec<String>, CallReport) {
    let (sender, mut heard) = tokio::sync::mpsc::channel(64);
    let call = Call {
        function,
        ask,
        mode: Mode::Streaming,
        longest: LONGEST,
    };
    let calling = async {
        let ended = functions.call(call, &sender, &|_| {}).await;
        drop(sender);
        ended
    };
    let hearing = async {
        let mut lines = Vec::new();
        while let Some(line) = heard.recv().await {
            lines.push(line);
        }
        lines
    };
    let (ended, lines) = tokio::join!(calling, hearing);
    let report = ended.report;
    let failed = |fault| panic!("{fault:?} after {report:?} and {lines:?}");
    ended.outcome.unwrap_or_else(failed);
    (lines, report)
}

/// The frames of an answer.
async fn ask(functions: &Functions, function: &str, ask: &Ask) -> (Vec<Frame>, CallReport) {
    let (lines, report) = hear(functions, function, ask).await;
    let frame = |line: &String| Frame::from_line(line).expect("a frame");
    (lines.iter().map(frame).collect(), report)
}

/// The bundle that was built.
fn built(frames: &[Frame]) -> LockHash {
    match frames.last() {
        Some(Frame::Built {
            lock,
            record: Some(_),
            ..
        }) => *lock,
        other => panic!("a bundle is expected: {other:?}"),
    }
}

#[track_caller]
fn only<T: Debug>(mut all: Vec<T>) -> T {
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[tokio::test]
#[ignore = "scale: a thousand calls"]
async fn scale_a_thousand_first_builds_of_one_lock_build_it_once() {
    let world = World::new(Some(BUILDERS)).await;
    let question = world.build_request().await;
    world.lambda.retire_idle();
    world.lambda.clear();
    let began = Instant::now();
    let answers = join_all((0..BUILDS).map(|_| ask(&world.functions, "builder", &question))).await;
    let reports: Vec<_> = answers.iter().map(|(_, report)| report).collect();
    println!("builds: {}", world.summary(began, &reports));

    let locks: BTreeSet<LockHash> = answers.iter().map(|(frames, _)| built(frames)).collect();
    let lock = only(locks.into_iter().collect());
    for wheel in ["/greet-2.0-py3-none-any.whl", "/words-2.0-py3-none-any.whl"] {
        assert_eq!(world.downloads(wheel), 1, "{wheel}");
    }
    let bundles = world.objects(catalog::BUNDLES).await;
    let record = catalog::bundle_record(&lock).to_string();
    assert_eq!(bundles, [record, catalog::bundle(&lock).to_string()]);
    only(world.objects(catalog::LOCKS).await);
    let leases = world.objects(catalog::LEASES).await;
    assert!(leases.is_empty(), "{leases:?}");

    let counts = world.lambda.statistics();
    assert_eq!(counts.invocations, BUILDS as u64, "{counts:?}");
    assert_eq!(counts.refused, 0, "{counts:?}");
    assert_eq!(counts.peak, BUILDERS, "{counts:?}");
    assert!(counts.throttled > 0, "{counts:?}");
    assert!(counts.peak_connections <= CONNECTIONS.get(), "{counts:?}");
}

#[tokio::test]
#[ignore = "scale: two hundred environments"]
async fn scale_two_hundred_runs_on_as_many_environments_all_end_well() {
    let world = World::new(None).await;
    let question = world.build_request().await;
    let lock = built(&ask(&world.functions, "builder", &question).await.0);
    // One after the other: two cores can't start so many Pythons at once in the time that an
    // environment has for it.
    let began = Instant::now();
    assert_eq!(world.lambda.provision("runner", RUNS), RUNS);
    println!("environments: {:.1} s", began.elapsed().as_secs_f64());
    world.lambda.clear();
    let run = async |number: usize| {
        let run = Ask::Run(Box::new(RunRequest {
            protocol: PROTOCOL,
            lock,
            script: Script {
                path: "script.py".to_owned(),
                source: SCRIPT.to_owned(),
            },
            entry: Entry::Function {
                name: "f".to_owned(),
                call: Arguments {
                    args: vec![json!(number)],
                    ..Arguments::default()
                },
            },
            limits: Limits::default(),
            env: std::collections::BTreeMap::new(),
        }));
        ask(&world.functions, "runner", &run).await
    };
    let began = Instant::now();
    let answers = join_all((0..RUNS).map(run)).await;
    let reports: Vec<_> = answers.iter().map(|(_, report)| report).collect();
    println!("runs: {}", world.summary(began, &reports));

    for (number, (frames, report)) in answers.iter().enumerate() {
        let [
            Frame::Hello { .. },
            ..,
            Frame::Result { value },
            Frame::Report(_),
        ] = &frames[..]
        else {
            panic!("a result is expected: {frames:?}");
        };
        assert_eq!(*value, json!(format!("hello {number}")));
        assert_eq!(report.calls, 1, "a run is asked for once");
    }
    let calls = world.lambda.calls();
    let failed: Vec<_> = calls.iter().filter(|call| call.error.is_some()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let environments: BTreeSet<u64> = calls.iter().map(|call| call.environment).collect();
    assert!(environments.len() >= AT_ONCE, "{environments:?}");
    let counts = world.lambda.statistics();
    assert!(counts.peak >= AT_ONCE, "{counts:?}");
    assert_eq!((counts.throttled, counts.refused), (0, 0), "{counts:?}");
    assert!(counts.peak_connections <= CONNECTIONS.get(), "{counts:?}");
}

#[tokio::test]
async fn a_client_opens_no_more_connections_than_it_may() {
    let folder = tempfile::tempdir().expect("room");
    let lambda = LambdaServer::start();
    lambda.function(Function {
        timeout: Duration::from_mins(1),
        init_timeout: Duration::from_mins(1),
        ..Function::new("f", bootstrap(folder.path()))
    });
    let most = NonZeroUsize::new(3).expect("not 0");
    let store = Arc::<MemoryStore>::default();
    let functions = Functions::new(&connection(&lambda).await, store).with_connections(most);
    // A copy has no connections of its own.
    let copy = functions.clone();
    let all = (0..12).map(|number| {
        let functions = if number % 2 == 0 { &functions } else { &copy };
        hear(functions, "f", &Ask::Describe)
    });
    join_all(all).await;
    let counts = lambda.statistics();
    assert_eq!(counts.invocations, 12, "{counts:?}");
    assert_eq!(counts.peak, most.get(), "{counts:?}");
    assert_eq!(counts.peak_connections, most.get(), "{counts:?}");
    // Each is used again for the next call.
    assert_eq!(counts.connections, 3, "{counts:?}");
}
