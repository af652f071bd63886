//! What AWS answers on a bad day.

use std::sync::Mutex;

use pyrun_aws::stack::{ChangeSet, StackClient, StackEvent};
use pyrun_core::{Code, Fault};

use crate::stub::{self, Stub, done, error, events, stack};

/// What looking at a stack comes to when every call is answered with an error.
async fn looked(status: u16, code: &'static str) -> Fault {
    let server = Stub::start(move |_, _| error(status, code, "no, because"));
    let client = StackClient::new(&server.connection().await, "pyrun");
    client.look().await.expect_err("an error")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_kind_it_is() {
    for (status, code, expected) in [
        (403, "AccessDenied", Code::REMOTE_DENIED),
        (403, "ExpiredToken", Code::REMOTE_CREDENTIALS),
        (403, "InvalidClientTokenId", Code::REMOTE_CREDENTIALS),
        (403, "OptInRequired", Code::REMOTE_DENIED),
        (400, "ValidationError", Code::REMOTE_FAILED),
    ] {
        let fault = looked(status, code).await;
        assert_eq!(fault.code, expected, "{code}");
        assert!(
            fault.message.starts_with("can't look at the stack `pyrun`"),
            "{fault}"
        );
        assert_eq!(fault.causes, [format!("{code}: no, because")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_down_is_waited_for_and_then_said() {
    let server = Stub::start(|_, call| match call {
        0 => error(400, "Throttling", "Rate exceeded"),
        _ => stack("CREATE_COMPLETE", ""),
    });
    let client = StackClient::new(&server.connection().await, "pyrun");
    assert!(client.look().await.expect("the second try").is_some());
    assert_eq!(server.count("DescribeStacks"), 2);
    assert_eq!(looked(400, "Throttling").await.code, Code::REMOTE_THROTTLED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    drop(listener);
    let connection = stub::connection(&format!("http://{address}")).await;
    let fault = StackClient::new(&connection, "pyrun").look().await;
    assert_eq!(
        fault.map_err(|fault| fault.code),
        Err(Code::REMOTE_UNREACHABLE)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_stack_says_of_itself_what_it_is() {
    let server = Stub::start(|_, _| stack("CREATE_COMPLETE", "<Description>a shop</Description>"));
    let client = StackClient::new(&server.connection().await, "pyrun");
    let found = client.look().await.expect("an answer").expect("a stack");
    let fault = client.refuse_foreign(&found).await.expect_err("not ours");
    assert_eq!(fault.causes, ["it says of itself: a shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_somebody_else_is_waited_for_and_each_event_told_once() {
    const BEFORE: (&str, &str, &str) = ("pyrun", "CREATE_COMPLETE", "");
    const FIRST: (&str, &str, &str) = ("Runner312", "UPDATE_IN_PROGRESS", "");
    const SECOND: (&str, &str, &str) = ("Runner312", "UPDATE_COMPLETE", "");
    let server = Stub::start(|action, call| match (action, call) {
        ("DescribeStacks", 0..=2) => stack("UPDATE_IN_PROGRESS", ""),
        ("DescribeStacks", _) => stack("UPDATE_COMPLETE", ""),
        (_, 0) => events(&[BEFORE]),
        (_, 1) => events(&[BEFORE, FIRST]),
        _ => events(&[BEFORE, FIRST, SECOND]),
    });
    let client = StackClient::new(&server.connection().await, "pyrun");
    let told = Mutex::new(Vec::new());
    let tell = |event: &StackEvent| {
        told.lock()
            .expect("no panic")
            .push(event.status.to_string());
    };
    let settled = client
        .wait_idle(&tell)
        .await
        .expect("an end")
        .expect("a stack");
    assert_eq!(settled.status.as_str(), "UPDATE_COMPLETE");
    assert_eq!(
        told.into_inner().expect("no panic"),
        ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
    );
}

fn change_set() -> ChangeSet {
    ChangeSet {
        id: "arn:set".to_owned(),
        stack: "arn:pyrun".to_owned(),
        is_creation: false,
        changes: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failure_is_the_reason_and_a_failed_rollback_is_explained() {
    let server = Stub::start(|action, call| match (action, call) {
        ("DescribeStackEvents", 0) => events(&[]),
        ("DescribeStackEvents", _) => events(&[
            ("pyrun", "UPDATE_IN_PROGRESS", ""),
            ("Runner312", "UPDATE_FAILED", "the disk is too large"),
            ("Runner313", "UPDATE_FAILED", "Resource update cancelled"),
            ("pyrun", "UPDATE_ROLLBACK_IN_PROGRESS", ""),
            ("Runner312", "UPDATE_FAILED", "the role is gone"),
            ("pyrun", "UPDATE_ROLLBACK_FAILED", ""),
        ]),
        _ => done(action),
    });
    let client = StackClient::new(&server.connection().await, "pyrun");
    let fault = client
        .execute(&change_set(), &|_| {})
        .await
        .expect_err("it failed");
    assert_eq!(
        fault.causes,
        [
            "Runner312 (AWS::Lambda::Function): the disk is too large",
            "Runner312 (AWS::Lambda::Function): the role is gone"
        ]
    );
    assert!(
        fault.hints[0].contains("continue-update-rollback"),
        "{fault:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_somebody_overtook_is_not_executed() {
    let server = Stub::start(|action, _| match action {
        "ExecuteChangeSet" => error(400, "InvalidChangeSetStatus", "it is OBSOLETE"),
        _ => events(&[]),
    });
    let client = StackClient::new(&server.connection().await, "pyrun");
    let fault = client
        .execute(&change_set(), &|_| {})
        .await
        .expect_err("it is out of date");
    assert_eq!(fault.code, Code::DEPLOY_FAILED);
    assert!(fault.message.contains("out of date"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_stack_is_not_removed() {
    let protected = "<EnableTerminationProtection>true</EnableTerminationProtection>";
    let server = Stub::start(move |_, _| stack("CREATE_COMPLETE", protected));
    let client = StackClient::new(&server.connection().await, "pyrun");
    let found = client.look().await.expect("an answer").expect("a stack");
    let fault = client.delete(&found, &|_| {}).await.expect_err("protected");
    assert!(
        fault.hints[0].contains("update-termination-protection"),
        "{fault:?}"
    );
    assert_eq!(server.count("DeleteStack"), 0);
}
