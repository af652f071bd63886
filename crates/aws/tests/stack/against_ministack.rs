//! What a whole life of a stack looks like.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_credential_types::Credentials;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use bytes::Bytes;
use pyrun_aws::account::{Account, Connection};
use pyrun_aws::names::parameter;
use pyrun_aws::s3::S3Store;
use pyrun_aws::stack::{
    Action, Bucket, ChangeSet, Draft, Emptied, Outputs, Plan, Stack, StackClient, StackEvent,
    outputs,
};
use pyrun_core::{Code, Fault, Sha256};
use pyrun_kit::MiniStack;
use pyrun_kit::archive::{Archive, Member};
use pyrun_store::{Created, Store as _, catalog};

/// The smallest template that has what a deployment needs: what the real one has besides is
/// `infra`'s business.
const TEMPLATE: &str = include_str!("template.yaml");

/// An account on a server of its own.
struct World {
    connection: Connection,
    server: MiniStack,
}

impl World {
    async fn new() -> Self {
        let server = MiniStack::start();
        let account = Account {
            region: Some("eu-central-1".to_owned()),
            endpoint_url: Some(server.url()),
            ..Account::default()
        };
        let connection = Connection::open(&account)
            .await
            .expect("a region is named")
            .with_keys("test", "test");
        Self { connection, server }
    }

    fn client(&self, name: &str) -> StackClient {
        StackClient::new(&self.connection, name)
    }
}

fn draft(parameters: &[(&str, &str)]) -> Draft {
    let mut given: BTreeMap<String, String> = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    given.insert(parameter::VERSION.to_owned(), "0.1.0".to_owned());
    Draft {
        template: TEMPLATE.to_owned(),
        parameters: given,
    }
}

async fn change(client: &StackClient, existing: Option<&Stack>, draft: &Draft) -> ChangeSet {
    match client.plan(existing, draft).await {
        Ok(Plan::Change(set)) => set,
        other => panic!("a change: {other:?}"),
    }
}

async fn make(
    client: &StackClient,
    existing: Option<&Stack>,
    draft: &Draft,
) -> Result<Stack, Fault> {
    let set = change(client, existing, draft).await;
    client.execute(&set, &|_| {}).await
}

/// The store in a stack's bucket.
fn store(connection: &Connection, outputs: &Outputs) -> S3Store {
    let location = outputs.store.parse().expect("a place in S3");
    S3Store::open(location, connection)
}

/// A zip that holds a `bootstrap` which does nothing: `MiniStack` wants a zip, and nobody calls it here.
fn program() -> Bytes {
    let member = Member::stored("bootstrap", b"#!/bin/sh\n", 0o755);
    Archive::of(vec![member]).to_bytes().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_made_in_two_steps_changed_and_removed() {
    let world = World::new().await;
    let client = world.client("pyrun");
    assert_eq!(client.look().await.expect("an answer"), None);
    let fault = outputs(&world.connection, "pyrun").await.expect_err("none");
    assert_eq!(fault.code, Code::REMOTE_NO_STACK);

    // The bucket alone.
    let told = Mutex::new(Vec::<StackEvent>::new());
    let tell = |event: &StackEvent| told.lock().expect("no panic").push(event.clone());
    let set = change(&client, None, &draft(&[])).await;
    assert!(set.is_creation);
    let stack = client.execute(&set, &tell).await.expect("a bucket");
    assert!(stack.status.is_good() && stack.is_ours(), "{stack:?}");
    let told = std::mem::take(&mut *told.lock().expect("no panic"));
    let said: Vec<String> = told
        .iter()
        .filter(|event| !event.is_stack)
        .map(|event| format!("{} {}", event.logical, event.status))
        .collect();
    assert_eq!(
        said,
        ["Bucket CREATE_IN_PROGRESS", "Bucket CREATE_COMPLETE"]
    );
    assert_eq!(
        told.last().map(|event| event.status.as_str()),
        Some("CREATE_COMPLETE")
    );
    let fault = outputs(&world.connection, "pyrun")
        .await
        .expect_err("no functions");
    assert!(fault.message.contains("no functions yet"), "{fault}");

    // The programs.
    let found = stack.outputs().expect("a store");
    let bucket = Bucket::new(&world.connection, &found);
    let store = store(&world.connection, &found);
    let zip = program();
    let key = catalog::code(&Sha256::of(&zip));
    for expected in [Created::Yes, Created::No] {
        let created = store.put_new(&key, zip.clone().into()).await;
        assert_eq!(created.expect("a store that can be used"), expected);
    }

    // The functions.
    let code = [
        (parameter::BUILDER_CODE, key.as_str()),
        (parameter::RUNNER_CODE, key.as_str()),
    ];
    let stack = make(&client, Some(&stack), &draft(&code))
        .await
        .expect("functions");
    let found = outputs(&world.connection, "pyrun")
        .await
        .expect("functions");
    assert_eq!(found.version, "0.1.0");
    assert_eq!(found.builders.keys().collect::<Vec<_>>(), ["3.12"]);
    assert_eq!(found.runners.keys().collect::<Vec<_>>(), ["3.12"]);

    // Nothing new.
    let plan = client.plan(Some(&stack), &draft(&code)).await;
    assert_eq!(plan, Ok(Plan::Nothing));

    // One parameter, all others as they are.
    let set = change(
        &client,
        Some(&stack),
        &draft(&[(parameter::MEMORY, "4096")]),
    )
    .await;
    let runner = set
        .changes
        .iter()
        .find(|change| change.logical == "Runner312");
    let runner = runner.expect("the runner changes");
    assert_eq!(runner.action, Action::Modify);
    assert_eq!(runner.why, ["MemorySize (RunnerMemory)"]);
    let stack = client.execute(&set, &|_| {}).await.expect("more memory");
    assert_eq!(stack.parameters[parameter::MEMORY], "4096");
    assert_eq!(stack.parameters[parameter::RUNNER_CODE], key.as_str());

    // The end: the bucket stays and is named, then goes.
    let removed = client.delete(&stack, &|_| {}).await.expect("removed");
    assert_eq!(
        removed.kept,
        [("Bucket".to_owned(), bucket.name().to_owned())]
    );
    assert_eq!(client.look().await.expect("an answer"), None);
    assert_eq!(bucket.weigh().await.expect("it is there").objects, 1);
    let emptied = bucket.purge(&|_| {}).await.expect("purged");
    assert_eq!((emptied.objects, emptied.uploads), (1, 0));
    let fault = bucket.weigh().await.expect_err("it is gone");
    assert_eq!(fault.code, Code::STORE_MISSING);
    assert_eq!(bucket.purge(&|_| {}).await, Ok(Emptied::default()));
    drop(world.server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_is_taken_back_and_says_why() {
    let world = World::new().await;
    let client = world.client("pyrun");
    let stack = make(&client, None, &draft(&[])).await.expect("a bucket");
    let store = store(&world.connection, &stack.outputs().expect("a store"));
    let zip = program();
    let key = catalog::code(&Sha256::of(&zip));
    let put = store.put_new(&key, zip.into()).await;
    put.expect("it is ours");
    let code = |runner| {
        [
            (parameter::BUILDER_CODE, key.as_str()),
            (parameter::RUNNER_CODE, runner),
        ]
    };
    let stack = make(&client, Some(&stack), &draft(&code(key.as_str())))
        .await
        .expect("functions");
    let fault = make(&client, Some(&stack), &draft(&code("v1/code/missing.zip")))
        .await
        .expect_err("there is no such zip");
    assert_eq!(fault.code, Code::DEPLOY_FAILED);
    assert!(
        fault.message.contains("what was there before works on"),
        "{fault}"
    );
    assert!(
        fault.causes[0].contains("AWS::Lambda::Function")
            && fault.causes[0].contains("missing.zip"),
        "{fault:?}"
    );
    let stack = client
        .look()
        .await
        .expect("an answer")
        .expect("it is there");
    assert_eq!(stack.status.as_str(), "UPDATE_ROLLBACK_COMPLETE");
    // It can be changed again.
    StackClient::refuse_stuck(&stack).expect("not stuck");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_fails_leaves_remains_that_can_be_removed() {
    let world = World::new().await;
    let client = world.client("pyrun");
    // A name that another bucket has already.
    let taken = Draft {
        template: "Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketName: taken\n".to_owned(),
        parameters: BTreeMap::new(),
    };
    make(&world.client("other"), None, &taken)
        .await
        .expect("the name is free");
    let fault = make(&client, None, &taken).await.expect_err("it is not");
    assert!(fault.message.contains("could not be made"), "{fault}");
    assert!(
        fault.causes[0].starts_with("Bucket (AWS::S3::Bucket): ")
            && fault.causes[0].contains("already exists"),
        "{fault:?}"
    );
    let stack = client.look().await.expect("an answer").expect("remains");
    assert!(stack.status.is_remains() && stack.is_ours(), "{stack:?}");
    client.delete(&stack, &|_| {}).await.expect("removed");
    make(&client, None, &draft(&[])).await.expect("made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_discarded_leaves_nothing() {
    let world = World::new().await;
    let client = world.client("pyrun");
    let set = change(&client, None, &draft(&[])).await;
    let review = client
        .look()
        .await
        .expect("an answer")
        .expect("a plan waits");
    assert!(review.status.is_review());
    client.refuse_foreign(&review).await.expect("it is ours");
    client.discard(&set).await.expect("taken back");
    assert_eq!(client.look().await.expect("an answer"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_somebody_else_is_left_alone() {
    let world = World::new().await;
    let client = world.client("shop");
    let foreign = Draft {
        template: "Description: a shop\nResources:\n  Topic:\n    Type: AWS::SNS::Topic\n"
            .to_owned(),
        parameters: BTreeMap::new(),
    };
    let mut stack = make(&client, None, &foreign).await.expect("a stack");
    // As if others had made it: without pyrun's tag.
    stack.tags.clear();
    let fault = client.refuse_foreign(&stack).await.expect_err("not ours");
    assert!(fault.message.contains("not one of pyrun"), "{fault}");
    assert!(fault.hints[0].contains("--stack"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_a_parameter_cannot_have_is_said_before_anything_is_made() {
    let world = World::new().await;
    let client = world.client("pyrun");
    let fault = client
        .plan(None, &draft(&[(parameter::ARCHITECTURE, "vax")]))
        .await
        .expect_err("no such architecture");
    assert_eq!(fault.code, Code::USAGE, "{fault:?}");
    assert!(
        fault.causes[0].contains(parameter::ARCHITECTURE),
        "{fault:?}"
    );
    assert_eq!(client.look().await.expect("an answer"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_goes_on_changing_is_waited_for() {
    let world = World::new().await;
    let client = world.client("pyrun");
    let set = change(&client, None, &draft(&[])).await;
    let other = client.clone();
    let (made, idle) = tokio::join!(other.execute(&set, &|_| {}), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        client.wait_idle(&|_| {}).await
    });
    made.expect("made");
    let idle = idle.expect("an answer").expect("it is there");
    assert!(!idle.status.is_busy(), "{idle:?}");
}

/// S3 itself, for what pyrun never does.
fn s3(server: &MiniStack) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_s3::config::Region::new("eu-central-1"))
        .endpoint_url(server.url())
        .force_path_style(true)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_takes_old_versions_and_unfinished_uploads_along() {
    let world = World::new().await;
    let client = world.client("pyrun");
    let stack = make(&client, None, &draft(&[])).await.expect("a bucket");
    let bucket = Bucket::new(&world.connection, &stack.outputs().expect("a store"));
    let s3 = s3(&world.server);
    let versions = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    s3.put_bucket_versioning()
        .bucket(bucket.name())
        .versioning_configuration(versions)
        .send()
        .await
        .expect("versions are kept");
    for key in ["a", "a", "b"] {
        let put = s3.put_object().bucket(bucket.name()).key(key).send().await;
        put.expect("an object");
    }
    let deleted = s3.delete_object().bucket(bucket.name()).key("a").send();
    deleted.await.expect("a marker");
    let begun = s3
        .create_multipart_upload()
        .bucket(bucket.name())
        .key("c")
        .send();
    begun.await.expect("an upload");
    let told = Mutex::new(0);
    let emptied = bucket
        .purge(&|count| *told.lock().expect("no panic") = count)
        .await
        .expect("purged");
    // Two versions of one, the marker over them, one version of the other.
    assert_eq!((emptied.objects, emptied.uploads), (4, 1));
    assert_eq!(told.into_inner().expect("no panic"), 4);
}
