//! Pages, and all that can keep a client from one.

use std::time::Duration;

use pyrun_core::Code;
use pyrun_kit::{Failure, IndexFile, IndexServer, Packages};

use crate::index::testing::{World, name, only, project, project_fault, wheel};
use crate::index::{Client, FileKind, IndexError, Source as _};

fn server() -> IndexServer {
    IndexServer::start(Packages::new().with(wheel()))
}

/// What all faults of this module must keep: a code, a cause that does not repeat itself, a hint.
#[track_caller]
fn assert_fault(fault: &pyrun_core::Fault, code: &Code, cause: &str) {
    assert_eq!(&fault.code, code, "{fault:?}");
    let said = format!("{} {}", fault.message, fault.causes.join(" "));
    assert!(said.contains(cause), "{fault:?}");
    assert!(fault.causes.len() <= 1, "{fault:?}");
    assert_eq!(fault.hints.len(), 1, "{fault:?}");
}

#[tokio::test]
async fn a_project_is_listed_in_json_and_in_html_alike() {
    let packages = Packages::new()
        .with(IndexFile::from(wheel()).yanked("bad"))
        .with(IndexFile::sdist("foo-bar", "0.9", b"x".to_vec()));
    let server = IndexServer::start(packages);
    let json = project(&World::new().client(&server), "foo-bar").await;
    assert_eq!(json.files.len(), 2);
    assert_eq!(json.index, server.url());
    let wheel = json.files.iter().find(|file| file.kind == FileKind::Wheel);
    assert_eq!(wheel.expect("a wheel").yanked.as_deref(), Some("bad"));
    server.fail(Failure::HtmlOnly);
    let mut html = (*project(&World::new().client(&server), "foo-bar").await).clone();
    // PEP 503 has neither sizes nor times.
    for (file, full) in html.files.iter_mut().zip(&json.files) {
        file.size = full.size;
        file.upload_time.clone_from(&full.upload_time);
    }
    assert_eq!(html, *json);
}

#[tokio::test]
async fn the_first_index_that_knows_a_project_is_the_only_one_asked() {
    let (first, second) = (server(), server());
    second.update(|packages| packages.add(IndexFile::sdist("only", "1", b"x".to_vec())));
    let world = World::new();
    let options = world.options(&[&first.url(), &second.url()]);
    let client = Client::new(options).expect("options");
    assert_eq!(project(&client, "foo-bar").await.index, first.url());
    assert_eq!(second.requests().len(), 0);
    assert_eq!(project(&client, "only").await.index, second.url());
    assert_eq!(
        client.project(&name("none")).await.expect("an answer"),
        None
    );
}

#[tokio::test]
async fn a_failing_index_is_not_passed_over() {
    let (first, second) = (server(), server());
    first.fail(Failure::Status(500));
    let world = World::new();
    let options = world.options(&[&first.url(), &second.url()]);
    let fault = project_fault(&Client::new(options).expect("options"), "foo-bar").await;
    assert_fault(&fault, &Code::INDEX_UNREACHABLE, "status 500");
    assert_eq!(first.requests().len(), 4, "four tries");
    assert_eq!(second.requests().len(), 0);
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    for failure in [
        Failure::Status(503),
        Failure::RetryAfter(1),
        Failure::Truncated,
        Failure::Close,
    ] {
        let server = server();
        server.fail(failure.clone().times(2));
        let project = project(&World::new().client(&server), "foo-bar").await;
        assert_eq!(project.files.len(), 1, "{failure:?}");
        assert_eq!(server.requests().len(), 3, "{failure:?}");
    }
}

#[tokio::test]
async fn what_does_not_pass_is_said() {
    for (failure, code, cause) in [
        (Failure::Truncated, Code::INDEX_UNREACHABLE, "broke"),
        (Failure::Close, Code::INDEX_UNREACHABLE, "broke"),
        (
            Failure::RetryAfter(1),
            Code::INDEX_UNREACHABLE,
            "status 429",
        ),
        (Failure::Status(400), Code::INDEX_BROKEN, "status 400"),
        (
            Failure::RedirectLoop,
            Code::INDEX_UNREACHABLE,
            "redirects more than 5 times",
        ),
        (Failure::MalformedJson, Code::INDEX_BROKEN, "JSON"),
        (
            Failure::ContentType("image/png"),
            Code::INDEX_BROKEN,
            "`image/png`",
        ),
        (
            Failure::Endless,
            Code::INDEX_BROKEN,
            "more than 67108864 bytes",
        ),
        (
            Failure::HugeJson(100 << 20),
            Code::INDEX_BROKEN,
            "more than 67108864 bytes",
        ),
    ] {
        let server = server();
        server.fail(failure);
        let fault = project_fault(&World::new().client(&server), "foo-bar").await;
        assert_fault(&fault, &code, cause);
        assert!(fault.message.contains("/simple/foo-bar/"), "{fault:?}");
    }
}

#[tokio::test]
async fn one_redirect_is_followed() {
    let server = server();
    server.fail(Failure::RedirectOnce);
    let project = project(&World::new().client(&server), "foo-bar").await;
    assert_eq!(only(&project).version.to_string(), "1.0");
}

#[tokio::test]
async fn silence_and_slowness_end() {
    let server = server();
    let world = World::new();
    let mut options = world.options(&[&server.url()]);
    options.limits.tries = 1;
    options.limits.read = Duration::from_millis(200);
    options.limits.grace = Duration::from_millis(50);
    options.limits.slowest = 1 << 20;
    let client = Client::new(options).expect("options");
    server.fail(Failure::Slow(Duration::from_mins(1)));
    let fault = project_fault(&client, "foo-bar").await;
    assert_fault(&fault, &Code::INDEX_UNREACHABLE, "nothing came for 200ms");
    server.heal();
    server.fail(Failure::Drip {
        bytes: 1,
        pause: Duration::from_millis(20),
    });
    let fault = project_fault(&client, "foo-bar").await;
    assert_fault(&fault, &Code::INDEX_UNREACHABLE, "fewer than 1048576 bytes");
}

#[tokio::test]
async fn an_index_that_is_not_there_is_said_in_few_words() {
    let world = World::new();
    let options = world.options(&[&IndexServer::nowhere()]);
    let fault = project_fault(&Client::new(options).expect("options"), "six").await;
    assert_fault(
        &fault,
        &Code::INDEX_UNREACHABLE,
        "the connection is refused",
    );
    assert!(fault.hints[0].contains("--offline"), "{fault:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_said_to_be_one() {
    let server = server();
    let url = server.url().replace("http://", "https://");
    let world = World::new();
    let fault = project_fault(
        &Client::new(world.options(&[&url])).expect("options"),
        "six",
    )
    .await;
    assert_fault(&fault, &Code::INDEX_UNREACHABLE, "TLS fails");
}

#[tokio::test]
async fn credentials_are_sent_to_their_index_and_shown_nowhere() {
    let server = server();
    let url = server.url().replace("http://", "http://me:s3cret@");
    let world = World::new();
    let client = Client::new(world.options(&[&url])).expect("options");
    let project = project(&client, "foo-bar").await;
    assert_eq!(project.index, server.url());
    assert!(!only(&project).url.contains("s3cret"));
    let sent = server.requests()[0].headers.get("authorization").cloned();
    assert_eq!(sent.as_deref(), Some("Basic bWU6czNjcmV0"));
    for status in [401, 403] {
        server.fail(Failure::Status(status));
        let fault = project_fault(&client, "other").await;
        assert_fault(&fault, &Code::INDEX_DENIED, &format!("status {status}"));
        assert!(!format!("{fault:?}").contains("s3cret"), "{fault:?}");
        server.heal();
    }
    assert!(!format!("{client:?}").contains("s3cret"));
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_request() {
    let server = server();
    server.fail(Failure::Slow(Duration::from_millis(50)).times(1));
    let client = World::new().client(&server);
    let asks = (0..20).map(|_| project(&client, "foo-bar"));
    let answers = futures::future::join_all(asks).await;
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    let server = server();
    server.fail(Failure::Slow(Duration::from_millis(5)));
    let world = World::new();
    let mut options = world.options(&[&server.url()]);
    options.limits.concurrent = 3;
    let client = Client::new(options).expect("options");
    let names: Vec<_> = (0..20).map(|number| name(&format!("p{number}"))).collect();
    futures::future::join_all(names.iter().map(|name| client.project(name))).await;
    assert_eq!(server.requests().len(), 20);
    assert!(server.peak() <= 3, "{}", server.peak());
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let server = server();
    server.fail(Failure::Status(400));
    let client = World::new().client(&server);
    let error = client
        .project(&name("foo-bar"))
        .await
        .expect_err("a failure");
    assert!(matches!(error, IndexError::Status { status: 400, .. }));
    server.heal();
    assert_eq!(project(&client, "foo-bar").await.files.len(), 1);
}
