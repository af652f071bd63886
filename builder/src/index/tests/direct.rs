//! Files at addresses of their own.

use pyrun_core::{Code, Fault, Sha256};
use pyrun_kit::{Failure, Flaw, IndexFile, IndexServer, WheelBuilder};

use crate::index::testing::{World, name, only, wheel};
use crate::index::{Client, FileKind, Source as _};

async fn fault(client: &Client, url: &str) -> Fault {
    let found = client.address(&name("foo-bar"), url).await;
    Fault::from(found.expect_err("a failure"))
}

#[tokio::test]
async fn a_wheel_is_downloaded_checked_and_read_once() {
    let (world, wheel) = (World::new(), wheel());
    let server = IndexServer::start([wheel.clone()]);
    let client = world.client(&server);
    let url = format!(
        "{}#sha256={}",
        server.file_url(&wheel.filename),
        wheel.sha256
    );
    let found = client
        .address(&name("foo-bar"), &url)
        .await
        .expect("a wheel");
    let file = only(&found);
    assert_eq!((only(&found).linked, &*found.index), (true, ""));
    assert_eq!(file.url, server.file_url(&wheel.filename));
    assert_eq!(file.sha256, Some(wheel.sha256));
    assert_eq!(file.size, Some(wheel.bytes.len() as u64));
    let metadata = client.metadata(&found, file).await.expect("metadata");
    assert_eq!(metadata.version.to_string(), "1.0");
    assert_eq!(server.requests().len(), 1);
    let kept = client.kept_wheel(&wheel.sha256).expect("for the bundle");
    assert_eq!(
        Sha256::of(fs_err::read(kept).expect("a file")),
        wheel.sha256
    );
}

#[tokio::test]
async fn a_file_of_this_machine_is_taken_from_where_it_is() {
    let (world, wheel) = (World::new(), wheel());
    let server = IndexServer::start([wheel.clone()]);
    let client = world.client(&server);
    let folder = tempfile::tempdir().expect("a folder");
    let path = wheel.write_into(folder.path());
    let url = format!("file://{}", path.display());
    let found = client
        .address(&name("foo-bar"), &url)
        .await
        .expect("a wheel");
    assert_eq!(only(&found).sha256, Some(wheel.sha256));
    assert!(client.metadata(&found, only(&found)).await.is_ok());
    let other = format!("{url}#sha256={}", Sha256::of("other"));
    assert_eq!(fault(&client, &other).await.code, Code::WHEEL_HASH);
    let gone = format!(
        "file://{}/foo_bar-9-py3-none-any.whl",
        folder.path().display()
    );
    assert_eq!(fault(&client, &gone).await.code, Code::INDEX_UNREACHABLE);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_source_distribution_is_known_by_its_name() {
    let world = World::new();
    let server = IndexServer::start([IndexFile::sdist("foo-bar", "0.9", b"x".to_vec())]);
    let client = world.client(&server);
    let url = server.file_url("foo_bar-0.9.tar.gz");
    let found = client
        .address(&name("foo-bar"), &url)
        .await
        .expect("a source");
    assert_eq!(only(&found).kind, FileKind::Sdist);
    assert_eq!(only(&found).sha256, Some(Sha256::of(b"x")));
}

#[tokio::test]
async fn what_is_not_what_the_address_says_is_refused() {
    let world = World::new();
    let lame = WheelBuilder::new("foo.bar", "1.0")
        .flaw(Flaw::ParentPath)
        .build();
    let server = IndexServer::start([lame.clone()]);
    let client = world.client(&server);
    let at = |file: &str| server.file_url(file);
    let refused = fault(&client, &at(&lame.filename)).await;
    assert_eq!(refused.code, Code::WHEEL_UNSAFE_PATH);
    let other = format!("{}#sha256={}", at(&lame.filename), Sha256::of("other"));
    assert_eq!(fault(&client, &other).await.code, Code::WHEEL_HASH);
    for (url, part) in [
        (at("other-1.0-py3-none-any.whl"), "no file of `foo-bar`"),
        (at("foo-bar"), "no file of `foo-bar`"),
        (at("foo_bar-9.0-py3-none-any.whl"), "status 404"),
        (
            format!("{}#sha256=x", at("foo_bar-1.0.tar.gz")),
            "a sha256 that is none",
        ),
        (
            format!("{}#subdirectory=x", at("foo_bar-1.0.tar.gz")),
            "a folder within",
        ),
        ("nonsense".to_owned(), "is no address"),
    ] {
        let fault = fault(&client, &url).await;
        assert!(fault.message.contains(part), "{url}: {fault:?}");
    }
}

#[tokio::test]
async fn credentials_of_an_address_are_sent_and_shown_nowhere() {
    let (world, wheel) = (World::new(), wheel());
    let server = IndexServer::start([wheel.clone()]);
    let client = world.client(&server);
    let plain = server.file_url(&wheel.filename);
    let url = plain.replace("http://", "http://me:s3cret@");
    let found = client
        .address(&name("foo-bar"), &url)
        .await
        .expect("a wheel");
    assert_eq!(only(&found).url, plain);
    let sent = server.requests()[0].headers.get("authorization").cloned();
    assert!(sent.is_some_and(|value| value.starts_with("Basic ")));
    server.fail(Failure::Status(403));
    let gone = url.replace("1.0", "2.0");
    let fault = fault(&client, &gone).await;
    assert!(!format!("{fault:?}").contains("s3cret"), "{fault:?}");
}
