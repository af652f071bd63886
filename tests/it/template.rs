//! infra/template.yaml and the code speak of the same things.
//!
//! Each test reads the template as it is deployed; the names come from `pyrun_aws::names` and the
//! keys from the store's catalog, so that a change on one side alone fails here.

mod document;
mod permissions;

use std::collections::{BTreeMap, BTreeSet};

use pyrun_aws::names::{self, parameter};
use pyrun_store::catalog;
use serde_json::{Value, json};

use document::{TEXT, members, resources_of, template};

/// Bytes of a template that can be sent with the call.
const MOST_BYTES: usize = 51_200;

#[test]
fn plain_cloudformation_of_a_size_that_is_sent_with_the_call() {
    let template = template();
    assert!(template.get("Transform").is_none());
    assert!(TEXT.len() <= MOST_BYTES, "{} bytes", TEXT.len());
    let sections: Vec<&String> = members(&template).keys().collect();
    assert_eq!(
        sections,
        [
            "AWSTemplateFormatVersion",
            "Description",
            "Metadata",
            "Parameters",
            "Rules",
            "Conditions",
            "Resources",
            "Outputs"
        ]
    );
}

#[test]
fn the_parameters_are_those_that_deploy_gives() {
    let template = template();
    let there: BTreeSet<String> = members(&template["Parameters"]).keys().cloned().collect();
    assert_eq!(there, parameter::all().into_iter().collect());

    let mut grouped = Vec::new();
    for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        .as_array()
        .expect("groups")
    {
        for name in group["Parameters"].as_array().expect("names") {
            grouped.push(name.as_str().expect("a name").to_owned());
        }
    }
    assert_eq!(grouped.len(), there.len(), "each in one group");
    assert_eq!(grouped.into_iter().collect::<BTreeSet<_>>(), there);

    for (name, parameter) in members(&template["Parameters"]) {
        assert!(parameter["Description"].is_string(), "{name}");
        let bounded = parameter.get("AllowedPattern").is_some()
            || parameter.get("MinValue").is_some()
            || parameter.get("AllowedValues").is_some();
        assert!(bounded, "{name} takes anything");
        // The version is what every deploy says; all the rest may be left out.
        assert_eq!(
            parameter.get("Default").is_none(),
            name == parameter::VERSION,
            "{name}"
        );
    }
}

#[test]
fn the_outputs_are_those_that_the_command_reads() {
    let template = template();
    let mut wanted = BTreeMap::from([
        (
            names::OUTPUT_STORE.to_owned(),
            json!({"Fn::Sub": format!("s3://${{Bucket}}/${{{}}}", parameter::PREFIX)}),
        ),
        (
            names::OUTPUT_VERSION.to_owned(),
            json!({"Ref": parameter::VERSION}),
        ),
    ]);
    for python in names::PYTHONS {
        for name in [names::builder(python), names::runner(python)] {
            wanted.insert(name.clone(), json!({"Ref": name}));
        }
    }
    let there: BTreeMap<String, Value> = members(&template["Outputs"])
        .iter()
        .map(|(name, output)| (name.clone(), output["Value"].clone()))
        .collect();
    assert_eq!(there, wanted);
}

#[test]
fn a_stack_without_code_is_the_bucket_alone() {
    let template = template();
    let always: Vec<&String> = members(&template["Resources"])
        .iter()
        .filter(|(_, resource)| resource.get("Condition").is_none())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(always, ["Bucket", "BucketPolicy"]);

    let given = |name: &str| json!({"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]});
    assert_eq!(
        template["Conditions"]["WithFunctions"],
        json!({"Fn::And": [given(parameter::BUILDER_CODE), given(parameter::RUNNER_CODE)]})
    );
    for (name, condition) in members(&template["Conditions"]) {
        // Functions, alarms and the dashboard each hang on it.
        if name.starts_with("With3") || name == "WithAlarms" || name == "WithDashboard" {
            assert_eq!(
                condition["Fn::And"][0],
                json!({"Condition": "WithFunctions"}),
                "{name}"
            );
        }
    }
}

#[test]
fn every_python_version_has_both_functions() {
    let template = template();
    let functions = resources_of(&template, "AWS::Lambda::Function");
    let wanted: BTreeSet<String> = names::PYTHONS
        .iter()
        .flat_map(|python| [names::builder(python), names::runner(python)])
        .collect();
    assert_eq!(functions.keys().cloned().collect::<BTreeSet<_>>(), wanted);

    for python in names::PYTHONS {
        let short = python.replace('.', "");
        assert_eq!(
            template["Conditions"][format!("With{short}")]["Fn::And"][1],
            json!({"Fn::Equals": [{"Ref": parameter::python(python)}, "yes"]})
        );
        for name in [names::builder(python), names::runner(python)] {
            assert_eq!(functions[&name]["Condition"], format!("With{short}"));
            assert_eq!(
                functions[&name]["Properties"]["Runtime"],
                json!({"Fn::If": ["Managed", format!("python{python}"), "provided.al2023"]})
            );
        }
    }
}

#[test]
fn the_functions_of_all_versions_are_alike() {
    let template = template();
    let functions = resources_of(&template, "AWS::Lambda::Function");
    for kind in [names::builder, names::runner] {
        let mut shapes = BTreeSet::new();
        for python in names::PYTHONS {
            let text = functions[&kind(python)].to_string();
            shapes.insert(
                text.replace(python, "VERSION")
                    .replace(&python.replace('.', ""), "SHORT"),
            );
        }
        assert_eq!(shapes.len(), 1, "{shapes:#?}");
    }
}

#[test]
fn a_function_gets_the_variables_that_its_program_reads() {
    let template = template();
    for (name, function) in resources_of(&template, "AWS::Lambda::Function") {
        let there = function["Properties"]["Environment"]["Variables"].clone();
        let nothing = json!({"Ref": "AWS::NoValue"});
        let program = format!("{}/{}", names::PROGRAM_FOLDER, names::PROGRAM);
        let wanted = json!({
            names::WRAPPER: {"Fn::If": ["Managed", program, nothing]},
            names::STORE: {"Fn::Sub": format!("s3://${{Bucket}}/${{{}}}", parameter::PREFIX)},
            names::POLICY: {"Ref": parameter::POLICY},
            names::PYTHON: {"Fn::If": ["WithPythonPath", {"Ref": parameter::PYTHON_PATH}, nothing]},
        });
        assert_eq!(there, wanted, "{name}");
    }
}

#[test]
fn a_function_is_as_large_as_its_parameters_say() {
    let template = template();
    let functions = resources_of(&template, "AWS::Lambda::Function");
    for python in names::PYTHONS {
        for (name, code, memory, timeout) in [
            (
                names::builder(python),
                parameter::BUILDER_CODE,
                parameter::BUILDER_MEMORY,
                json!(900),
            ),
            (
                names::runner(python),
                parameter::RUNNER_CODE,
                parameter::MEMORY,
                json!({"Ref": parameter::TIMEOUT}),
            ),
        ] {
            let properties = &functions[&name]["Properties"];
            assert_eq!(properties["Code"]["S3Bucket"], json!({"Ref": "Bucket"}));
            assert_eq!(properties["Code"]["S3Key"], json!({"Ref": code}));
            assert_eq!(properties["MemorySize"], json!({"Ref": memory}));
            assert_eq!(properties["Timeout"], timeout);
            assert_eq!(
                properties["EphemeralStorage"]["Size"],
                json!({"Ref": parameter::STORAGE})
            );
            assert_eq!(
                properties["Architectures"],
                json!([{"Ref": parameter::ARCHITECTURE}])
            );
        }
        let reserved =
            &functions[&names::runner(python)]["Properties"]["ReservedConcurrentExecutions"];
        assert_eq!(
            reserved["Fn::If"][1],
            json!({"Ref": parameter::CONCURRENCY})
        );
    }
}

/// What S3 removes by itself, and after how many days; [`None`] where the owner says.
const KEPT_FOR: &[(&str, Option<u64>)] = &[
    (catalog::REQUESTS, Some(1)),
    (catalog::REPLIES, Some(1)),
    (catalog::LEASES, Some(2)),
    (catalog::LOCKS, None),
    (catalog::WHEELS, None),
    (catalog::BYTECODE, None),
    (catalog::BUNDLES, None),
];

#[test]
fn what_is_of_no_use_any_more_is_removed() {
    let template = template();
    let rules = template["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        .as_array()
        .expect("rules")
        .clone();
    let (uploads, rules): (Vec<Value>, Vec<Value>) = rules
        .into_iter()
        .partition(|rule| rule.get("AbortIncompleteMultipartUpload").is_some());
    assert_eq!(uploads.len(), 1);
    assert!(
        uploads[0].get("Prefix").is_none(),
        "it is for the whole bucket"
    );

    let wanted: Vec<Value> = KEPT_FOR
        .iter()
        .map(|(prefix, days)| {
            let prefix = json!({"Fn::Sub": format!("${{{}}}{prefix}", parameter::PREFIX)});
            match days {
                Some(days) => {
                    json!({"Status": "Enabled", "Prefix": prefix, "ExpirationInDays": days})
                }
                None => json!({
                    "Status": {"Fn::If": ["DataExpires", "Enabled", "Disabled"]},
                    "Prefix": prefix,
                    "ExpirationInDays": {"Fn::If": ["DataExpires", {"Ref": parameter::DATA_DAYS}, 3650]},
                }),
            }
        })
        .collect();
    let there: Vec<Value> = rules
        .into_iter()
        .map(|mut rule| {
            rule.as_object_mut().expect("a rule").remove("Id");
            rule
        })
        .collect();
    assert_eq!(there, wanted);
}

#[test]
fn no_rule_removes_a_program_or_a_policy() {
    for kept in [catalog::CODE, catalog::POLICIES] {
        assert!(KEPT_FOR.iter().all(|(prefix, _)| !kept.starts_with(prefix)));
    }
}

#[test]
fn the_bucket_is_closed_and_outlives_the_stack() {
    let template = template();
    let bucket = &template["Resources"]["Bucket"];
    for kept in ["Bucket", "BucketPolicy"] {
        let resource = &template["Resources"][kept];
        assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain");
    }
    assert_eq!(
        bucket["Properties"]["PublicAccessBlockConfiguration"],
        json!({
            "BlockPublicAcls": true,
            "BlockPublicPolicy": true,
            "IgnorePublicAcls": true,
            "RestrictPublicBuckets": true,
        })
    );
    assert_eq!(
        bucket["Properties"]["OwnershipControls"]["Rules"],
        json!([{"ObjectOwnership": "BucketOwnerEnforced"}])
    );
    let either =
        &bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["Fn::If"];
    assert_eq!(either[0], "WithKmsKey");
    assert_eq!(
        either[1]["ServerSideEncryptionByDefault"],
        json!({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": parameter::KMS_KEY}})
    );
    assert_eq!(
        either[2]["ServerSideEncryptionByDefault"],
        json!({"SSEAlgorithm": "AES256"})
    );

    let policy = &template["Resources"]["BucketPolicy"]["Properties"];
    assert_eq!(policy["Bucket"], json!({"Ref": "Bucket"}));
    let statements = policy["PolicyDocument"]["Statement"]
        .as_array()
        .expect("statements");
    for statement in statements {
        assert_eq!(statement["Effect"], "Deny", "it gives nobody anything");
        assert_eq!(statement["Principal"], "*");
        assert_eq!(statement["Action"], "s3:*");
    }
    assert_eq!(
        statements[0]["Condition"],
        json!({"Bool": {"aws:SecureTransport": "false"}})
    );
}

#[test]
fn alarms_and_the_dashboard_look_at_every_function() {
    let template = template();
    for (name, alarm) in resources_of(&template, "AWS::CloudWatch::Alarm") {
        let text = alarm.to_string();
        let kind: fn(&str) -> String = match name.as_str() {
            "AccountConcurrency" => continue,
            name if name.starts_with("Builder") => names::builder,
            _ => names::runner,
        };
        for python in names::PYTHONS {
            assert!(
                text.contains(&json!({"Ref": kind(python)}).to_string()),
                "{name} {python}"
            );
        }
    }
    let body = &template["Resources"]["Overview"]["Properties"]["DashboardBody"]["Fn::Sub"];
    let text = body[0].as_str().expect("a text");
    for python in names::PYTHONS {
        for name in [names::builder(python), names::runner(python)] {
            assert!(text.contains(&format!("${{{name}}}")), "{name}");
            assert_eq!(body[1][&name]["Fn::If"][1], json!({"Ref": name}));
        }
    }
    let widgets: Value = serde_json::from_str(text).expect("the dashboard is JSON");
    assert!(
        widgets["widgets"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
}

#[test]
fn aws_md_says_what_each_parameter_does_and_its_policies_are_json() {
    let text = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/aws.md"))
        .expect("docs/aws.md");
    for name in parameter::all() {
        assert!(
            text.contains(&format!("`{name}`")),
            "docs/aws.md does not name {name}"
        );
    }
    let mut policies = 0;
    for block in text.split("```json").skip(1) {
        let json = block.split("```").next().expect("an end");
        let policy: Value = serde_json::from_str(json).expect(json);
        assert_eq!(policy["Version"], "2012-10-17");
        policies += 1;
    }
    assert!(policies >= 2, "the deployer's and the user's");
}
