//! What the two roles may do, and nothing else.

use std::collections::BTreeSet;

use pyrun_aws::names::{self, parameter};
use pyrun_core::{LockHash, Sha256};
use pyrun_store::{Key, catalog};
use serde_json::{Value, json};

use super::document::{resources_of, template};

/// What a role may do with objects: actions, and below which prefix.
type Rights<'a> = &'a [(&'a [&'a str], &'a str)];

const RUNNER: Rights<'_> = &[
    (&["s3:GetObject"], catalog::BUNDLES),
    (&["s3:GetObject"], catalog::POLICIES),
    (&["s3:GetObject"], catalog::REQUESTS),
    (&["s3:PutObject"], catalog::REPLIES),
];

const BUILT: &[&str] = &[
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
];

const BUILDER: Rights<'_> = &[
    (BUILT, catalog::BUNDLES),
    (BUILT, catalog::BYTECODE),
    (BUILT, catalog::LEASES),
    (BUILT, catalog::LOCKS),
    (BUILT, catalog::WHEELS),
    (&["s3:GetObject"], catalog::POLICIES),
    (&["s3:GetObject"], catalog::REQUESTS),
    (
        &["s3:PutObject", "s3:AbortMultipartUpload"],
        catalog::REPLIES,
    ),
];

/// One or several texts or functions.
fn each(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    }
}

/// The statements of a role's policies, whatever condition they hang on.
fn statements(role: &str) -> Vec<Value> {
    let template = template();
    let policies = &resources_of(&template, "AWS::IAM::Role")[role]["Properties"]["Policies"];
    let mut found = Vec::new();
    for policy in policies.as_array().expect("policies") {
        let policy = policy.get("Fn::If").map_or(policy, |either| &either[1]);
        found.extend(each(&policy["PolicyDocument"]["Statement"]));
    }
    found
}

/// Every allowed pair of an action and what it may be done to.
fn allowed(role: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for statement in statements(role) {
        if statement["Effect"] != "Allow" {
            continue;
        }
        assert!(statement.get("NotAction").is_none() && statement.get("NotResource").is_none());
        for action in each(&statement["Action"]) {
            for resource in each(&statement["Resource"]) {
                let action = action.as_str().expect("an action").to_owned();
                found.insert((action, resource.to_string()));
            }
        }
    }
    found
}

fn below(prefix: &str) -> String {
    json!({"Fn::Sub": format!("${{Bucket.Arn}}/${{{}}}{prefix}*", parameter::PREFIX)}).to_string()
}

fn wanted(rights: Rights<'_>, log: &str) -> BTreeSet<(String, String)> {
    let objects = rights.iter().flat_map(|(actions, prefix)| {
        actions
            .iter()
            .map(|action| ((*action).to_owned(), below(prefix)))
    });
    let log = json!({"Fn::GetAtt": [log, "Arn"]}).to_string();
    let logs = ["logs:CreateLogStream", "logs:PutLogEvents"]
        .map(|action| (action.to_owned(), log.clone()));
    let key = json!({"Ref": parameter::KMS_KEY}).to_string();
    let keys =
        ["kms:Decrypt", "kms:GenerateDataKey"].map(|action| (action.to_owned(), key.clone()));
    objects.chain(logs).chain(keys).collect()
}

#[test]
fn the_runner_reads_bundles_and_writes_replies_and_no_more() {
    assert_eq!(allowed("RunnerRole"), wanted(RUNNER, "RunnerLog"));
}

#[test]
fn the_builder_writes_what_it_builds_and_neither_its_program_nor_its_policy() {
    let mut wanted = wanted(BUILDER, "BuilderLog");
    let bucket = json!({"Fn::GetAtt": ["Bucket", "Arn"]}).to_string();
    wanted.insert(("s3:ListBucket".to_owned(), bucket));
    assert_eq!(allowed("BuilderRole"), wanted);

    let list = statements("BuilderRole")
        .into_iter()
        .find(|statement| statement["Action"] == "s3:ListBucket")
        .expect("it lists");
    let prefix = format!("${{{}}}v1/*", parameter::PREFIX);
    assert_eq!(
        list["Condition"],
        json!({"StringLikeIfExists": {"s3:prefix": {"Fn::Sub": prefix}}})
    );
}

#[test]
fn nothing_is_allowed_on_everything() {
    for role in ["BuilderRole", "RunnerRole"] {
        for (action, resource) in allowed(role) {
            assert!(!action.contains('*'), "{role}: {action}");
            assert_ne!(resource, "\"*\"", "{role}: {action}");
        }
    }
}

#[test]
fn code_in_a_function_can_touch_no_network_interface() {
    for role in ["BuilderRole", "RunnerRole"] {
        let denied: Vec<Value> = statements(role)
            .into_iter()
            .filter(|statement| statement["Effect"] == "Deny")
            .collect();
        assert_eq!(denied.len(), 1, "{role}");
        assert_eq!(denied[0]["Action"], "ec2:*");
        assert!(denied[0]["Condition"]["ArnLike"]["lambda:SourceFunctionArn"].is_object());
    }
}

#[test]
fn each_function_has_the_role_of_its_kind() {
    let template = template();
    let functions = resources_of(&template, "AWS::Lambda::Function");
    for python in names::PYTHONS {
        for (name, role) in [
            (names::builder(python), "BuilderRole"),
            (names::runner(python), "RunnerRole"),
        ] {
            assert_eq!(
                functions[&name]["Properties"]["Role"],
                json!({"Fn::GetAtt": [role, "Arn"]})
            );
        }
    }
}

/// Whether a role may do something to the object of a key, in a stack without a prefix.
fn may(role: &str, action: &str, key: &Key) -> bool {
    let head = format!("{{\"Fn::Sub\":\"${{Bucket.Arn}}/${{{}}}", parameter::PREFIX);
    allowed(role).iter().any(|(allowed, resource)| {
        let pattern = resource
            .strip_prefix(&head)
            .and_then(|rest| rest.strip_suffix("*\"}"));
        allowed == action && pattern.is_some_and(|prefix| key.to_string().starts_with(prefix))
    })
}

#[test]
fn each_kind_of_object_is_open_to_whom_it_is_for() {
    let digest = Sha256::of(b"anything");
    let lock = LockHash(digest);
    let (get, put, delete) = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject");
    let (runner, builder) = ("RunnerRole", "BuilderRole");

    for key in [
        catalog::bundle(&lock),
        catalog::bundle_record(&lock),
        catalog::companion(&lock, 3571),
    ] {
        assert!(may(runner, get, &key), "{key}");
        assert!(!may(runner, put, &key), "{key}");
        assert!(!may(runner, delete, &key), "{key}");
        assert!(may(builder, get, &key) && may(builder, put, &key) && may(builder, delete, &key));
    }
    for key in [
        catalog::lock(&digest),
        catalog::wheel(&digest),
        catalog::bytecode(&digest, 3571),
        catalog::lease_generation(&lock, 0),
        catalog::lease_generation(&lock, 3),
    ] {
        for action in [get, put, delete] {
            assert!(!may(runner, action, &key), "{key}");
            assert!(may(builder, action, &key), "{key}");
        }
    }
    for role in [runner, builder] {
        assert!(may(role, get, &catalog::request(&digest)));
        assert!(!may(role, put, &catalog::request(&digest)));
        assert!(may(role, put, &catalog::reply(&digest)));
        assert!(!may(role, get, &catalog::reply(&digest)));
        assert!(may(role, get, &catalog::policy(&digest)));
        assert!(!may(role, put, &catalog::policy(&digest)));
        for action in [get, put, delete] {
            assert!(!may(role, action, &catalog::code(&digest)));
        }
    }
}
