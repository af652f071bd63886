//! What is kept between two clients, and for how long.

use pyrun_core::{Code, Fault};
use pyrun_kit::{IndexServer, MetadataFile, Packages};

use crate::index::testing::{World, name, only, project, project_fault, wheel};
use crate::index::{Client, Source as _, Standing};

fn server() -> IndexServer {
    IndexServer::start(Packages::new().with(wheel()))
}

#[tokio::test]
async fn a_page_that_holds_is_not_asked_for_again() {
    let (server, world) = (server(), World::new());
    let first = project(&world.client(&server), "foo-bar").await;
    let second = project(&world.client(&server), "foo-bar").await;
    assert_eq!(first, second);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_page_that_may_have_changed_is_confirmed_by_its_etag() {
    let (server, world) = (server(), World::new());
    server.set_max_age(0);
    let first = project(&world.client(&server), "foo-bar").await;
    let sent = server.bytes_sent();
    assert_eq!(project(&world.client(&server), "foo-bar").await, first);
    assert!(server.requests()[1].headers.contains_key("if-none-match"));
    assert_eq!(server.bytes_sent(), sent, "a confirmation has no body");
    // A confirmation that made it hold again is remembered, with the same ETag.
    server.set_max_age(600);
    project(&world.client(&server), "foo-bar").await;
    project(&world.client(&server), "foo-bar").await;
    assert_eq!(server.requests().len(), 3);
    server.yank("foo_bar-1.0-py3-none-any.whl", "gone");
    let mut options = world.options(&[&server.url()]);
    options.refresh = true;
    let fresh = project(&Client::new(options).expect("options"), "foo-bar").await;
    assert_eq!(only(&fresh).yanked.as_deref(), Some("gone"));
}

#[tokio::test]
async fn offline_takes_what_is_kept_and_asks_nothing() {
    let (server, world) = (server(), World::new());
    server.set_max_age(0);
    let online = world.client(&server);
    let found = project(&online, "foo-bar").await;
    let metadata = online
        .metadata(&found, only(&found))
        .await
        .expect("metadata");
    assert_eq!(
        online.project(&name("none")).await.expect("an answer"),
        None
    );
    server.clear();
    let offline = world.offline(&server);
    assert_eq!(project(&offline, "foo-bar").await, found);
    let again = offline
        .metadata(&found, only(&found))
        .await
        .expect("metadata");
    assert_eq!(again, metadata);
    assert_eq!(
        offline
            .project(&name("none"))
            .await
            .expect("known to be none"),
        None
    );
    let fault = project_fault(&offline, "never-asked").await;
    assert_eq!(fault.code, Code::INDEX_OFFLINE);
    assert!(fault.hints[0].contains("without `--offline`"), "{fault:?}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn offline_metadata_that_is_not_kept_is_said() {
    let (server, world) = (server(), World::new());
    for metadata in [
        MetadataFile::Announced(wheel().metadata),
        MetadataFile::Silent(wheel().metadata),
    ] {
        server.update(|packages| {
            let file = packages.file_mut("foo_bar-1.0-py3-none-any.whl");
            file.expect("the wheel").metadata = metadata;
        });
        let mut options = world.options(&[&server.url()]);
        options.refresh = true;
        let found = project(&Client::new(options).expect("options"), "foo-bar").await;
        let missing = world.offline(&server).metadata(&found, only(&found)).await;
        let fault = Fault::from(missing.expect_err("not kept"));
        assert_eq!(fault.code, Code::INDEX_OFFLINE);
    }
}

#[tokio::test]
async fn an_unknown_project_is_asked_for_again() {
    let (server, world) = (IndexServer::start(Packages::new()), World::new());
    assert_eq!(
        world
            .client(&server)
            .project(&name("foo-bar"))
            .await
            .expect("an answer"),
        None
    );
    server.add(wheel());
    assert_eq!(
        project(&world.client(&server), "foo-bar").await.files.len(),
        1
    );
}

#[tokio::test]
async fn a_damaged_cache_costs_requests_and_nothing_else() {
    let (server, world) = (server(), World::new());
    let client = world.client(&server);
    let found = project(&client, "foo-bar").await;
    let metadata = client
        .metadata(&found, only(&found))
        .await
        .expect("metadata");
    let mut folders = vec![world.cache.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                fs_err::write(path, "damaged").expect("written");
            }
        }
    }
    let client = world.client(&server);
    assert_eq!(project(&client, "foo-bar").await, found);
    assert_eq!(
        client
            .metadata(&found, only(&found))
            .await
            .expect("metadata"),
        metadata
    );
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_cache_that_can_not_be_written_is_none() {
    let server = server();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let world = World::new();
    let mut options = world.options(&[&server.url()]);
    options.cache_dir = file.path().join("below-a-file");
    let client = Client::new(options).expect("options");
    let found = project(&client, "foo-bar").await;
    client
        .metadata(&found, only(&found))
        .await
        .expect("metadata");
}

#[tokio::test]
async fn a_projects_status_is_kept_with_its_page() {
    let packages =
        Packages::new()
            .with(wheel())
            .with_status("foo-bar", "archived", Some("it is done"));
    let (world, server) = (World::new(), IndexServer::start(packages));
    let first = project(&world.client(&server), "foo-bar").await;
    let status = first.status.clone().expect("a status");
    assert_eq!(status.standing, Standing::Archived);
    assert_eq!(status.reason, "it is done");
    let kept = project(&world.offline(&server), "foo-bar").await;
    assert_eq!(kept.status, Some(status));
}
