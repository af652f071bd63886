//! Metadata, from the cheapest place that has it.

use std::sync::Arc;

use pyrun_core::{Code, Fault, Sha256};
use pyrun_kit::{
    Failure, Flaw, IndexFile, IndexServer, MetadataFile, Packages, Wheel, WheelBuilder,
};

use crate::index::testing::{World, large_wheel, only, project, wheel};
use crate::index::{IndexError, Metadata, Source as _};

fn serve(file: impl Into<IndexFile>, metadata: MetadataFile) -> IndexServer {
    IndexServer::start(Packages::new().with(file.into().metadata(metadata)))
}

/// Asks for the metadata of the only file of the only project, as a new client.
async fn ask(world: &World, server: &IndexServer) -> Result<Arc<Metadata>, IndexError> {
    let name = server.update(|packages| packages.projects.keys().next().cloned());
    let client = world.client(server);
    let found = project(&client, &name.expect("a project")).await;
    server.clear();
    client.metadata(&found, only(&found)).await
}

async fn asked(server: &IndexServer) -> Metadata {
    let answer = ask(&World::new(), server).await;
    (*answer.expect("metadata")).clone()
}

async fn fault(server: &IndexServer) -> Fault {
    let fault = Fault::from(ask(&World::new(), server).await.expect_err("a failure"));
    assert_eq!(fault.hints.len(), 1, "{fault:?}");
    fault
}

#[tokio::test]
async fn an_announced_file_is_one_request() {
    for metadata in [
        MetadataFile::Announced(wheel().metadata),
        MetadataFile::WithoutDigest(wheel().metadata),
    ] {
        let server = serve(wheel(), metadata);
        let metadata = asked(&server).await;
        assert_eq!(metadata.name.to_string(), "foo-bar");
        assert_eq!(metadata.requires_dist.len(), 2);
        assert_eq!(metadata.requires_dist[0].to_string(), "six>=1.9");
        assert_eq!(
            metadata.requires_python,
            Some(">=3.8".parse().expect("specifiers"))
        );
        assert_eq!(
            server.paths(),
            ["/files/foo_bar-1.0-py3-none-any.whl.metadata"]
        );
    }
}

#[tokio::test]
async fn an_announced_file_with_another_digest_is_refused() {
    let fault = fault(&serve(wheel(), MetadataFile::WrongDigest(wheel().metadata))).await;
    assert_eq!(fault.code, Code::WHEEL_HASH);
    assert!(fault.message.contains("the index promises"), "{fault:?}");
}

#[tokio::test]
async fn an_announced_file_that_is_missing_is_read_from_the_wheel() {
    let server = serve(wheel(), MetadataFile::Missing);
    assert_eq!(asked(&server).await.requires_dist.len(), 2);
}

#[tokio::test]
async fn a_host_is_probed_once_for_what_it_does_not_announce() {
    let packages = Packages::new()
        .with(IndexFile::from(large_wheel("one", 100_000)).metadata(MetadataFile::Absent))
        .with(IndexFile::from(large_wheel("two", 100_000)).metadata(MetadataFile::Absent));
    let (server, world) = (IndexServer::start(packages), World::new());
    let client = world.client(&server);
    let (one, two) = (project(&client, "one").await, project(&client, "two").await);
    let both = [
        client.metadata(&one, only(&one)),
        client.metadata(&two, only(&two)),
    ];
    for metadata in futures::future::join_all(both).await {
        assert_eq!(
            metadata.expect("metadata").requires_dist[0].to_string(),
            "six>=1.9"
        );
    }
    assert_eq!(server.count(".metadata"), 1);
    assert_eq!(
        server.count(".whl"),
        3,
        "a probe, and one range of each wheel"
    );
    server.add(IndexFile::from(large_wheel("three", 100_000)).metadata(MetadataFile::Absent));
    let later = world.client(&server);
    let three = project(&later, "three").await;
    later
        .metadata(&three, only(&three))
        .await
        .expect("metadata");
    assert_eq!(server.count(".metadata"), 1, "the next run remembers");
}

#[tokio::test]
async fn a_silent_host_that_has_the_files_is_believed() {
    let server = serve(wheel(), MetadataFile::Silent(wheel().metadata));
    assert_eq!(asked(&server).await.requires_dist.len(), 2);
    assert_eq!(
        server.paths(),
        ["/files/foo_bar-1.0-py3-none-any.whl.metadata"]
    );
}

#[tokio::test]
async fn a_page_for_people_is_no_metadata() {
    let server = serve(
        wheel(),
        MetadataFile::Silent("<html>not found</html>".to_owned()),
    );
    assert_eq!(asked(&server).await.requires_dist.len(), 2);
}

#[tokio::test]
async fn a_wheel_is_read_from_its_end_by_ranges() {
    let server = serve(large_wheel("big", 1 << 20), MetadataFile::Absent);
    server.clear();
    let metadata = asked(&server).await;
    assert_eq!(metadata.requires_dist[0].to_string(), "six>=1.9");
    let ranges: Vec<_> = server
        .requests()
        .into_iter()
        .filter_map(|request| request.range)
        .collect();
    assert_eq!(ranges.len(), 1, "{ranges:?}");
    assert!(server.bytes_sent() < 64 << 10, "{}", server.bytes_sent());
}

#[tokio::test]
async fn a_wheel_of_many_files_takes_two_ranges_and_one_of_unknown_size_works() {
    let mut builder = WheelBuilder::new("many", "1.0").requires("six");
    for number in 0..3000 {
        builder = builder.file(format!("many/module_number_{number}.py"), "x = 1\n");
    }
    let wheel = builder.build();
    for file in [IndexFile::from(&wheel), IndexFile::from(&wheel).no_size()] {
        let server = serve(file, MetadataFile::Absent);
        assert_eq!(asked(&server).await.requires_dist.len(), 1);
        let ranges = server
            .requests()
            .into_iter()
            .filter(|request| request.range.is_some());
        assert_eq!(ranges.count(), 2);
    }
}

#[tokio::test]
async fn a_server_without_ranges_gives_the_whole_wheel_which_is_kept() {
    let big = large_wheel("big", 100_000);
    let (server, world) = (serve(&big, MetadataFile::Absent), World::new());
    server.fail(Failure::NoRanges);
    let client = world.client(&server);
    let found = project(&client, "big").await;
    client
        .metadata(&found, only(&found))
        .await
        .expect("metadata");
    assert_eq!(
        server.count("big-1.0-py3-none-any.whl"),
        3,
        "a probe, a range, the whole"
    );
    let kept = client.kept_wheel(&big.sha256).expect("kept");
    assert_eq!(Sha256::of(fs_err::read(kept).expect("a wheel")), big.sha256);
    let other = large_wheel("other", 100_000);
    server.add(IndexFile::from(&other).metadata(MetadataFile::Absent));
    server.clear();
    let later = world.client(&server);
    let found = project(&later, "other").await;
    later
        .metadata(&found, only(&found))
        .await
        .expect("metadata");
    let tried = server
        .requests()
        .into_iter()
        .any(|request| request.range.is_some());
    assert!(!tried, "the next run remembers");
}

#[tokio::test]
async fn a_whole_wheel_with_another_digest_is_not_kept() {
    let big = large_wheel("big", 100_000);
    let (server, world) = (serve(&big, MetadataFile::Absent), World::new());
    server.fail(Failure::NoRanges.on(".whl").times(2));
    server.fail(Failure::WrongBytes.on(".whl"));
    let fault = Fault::from(ask(&world, &server).await.expect_err("a failure"));
    assert_eq!(fault.code, Code::WHEEL_HASH);
    assert!(fault.message.contains("the index promises"), "{fault:?}");
    assert_eq!(world.client(&server).kept_wheel(&big.sha256), None);
    let left = fs_err::read_dir(world.cache.path().join("wheels")).expect("a folder");
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_cache_that_can_t_be_written_is_no_fault_of_the_index() {
    let big = large_wheel("big", 100_000);
    let (server, world) = (serve(&big, MetadataFile::Absent), World::new());
    server.fail(Failure::NoRanges.on(".whl"));
    fs_err::write(world.cache.path().join("wheels"), "no folder").expect("written");
    let fault = Fault::from(ask(&world, &server).await.expect_err("a failure"));
    assert_eq!(fault.code, Code::STORE_UNWRITABLE, "{fault:?}");
    let full = IndexError::Unwritable {
        path: world.cache.path().to_owned(),
        source: std::io::ErrorKind::StorageFull.into(),
    };
    assert_eq!(Fault::from(full).code, Code::STORE_FULL);
}

#[tokio::test]
async fn a_range_that_is_not_the_one_asked_for_is_refused() {
    let server = serve(large_wheel("big", 100_000), MetadataFile::Absent);
    server.fail(Failure::WrongContentRange);
    let fault = fault(&server).await;
    assert_eq!(fault.code, Code::INDEX_BROKEN);
    assert!(fault.message.contains(" range "), "{fault:?}");
}

#[tokio::test]
async fn a_size_that_is_not_the_wheels_is_refused() {
    let server = serve(large_wheel("big", 100_000), MetadataFile::Absent);
    let world = World::new();
    let client = world.client(&server);
    let mut found = (*project(&client, "big").await).clone();
    found.files[0].size = Some(90_000);
    let error = client
        .metadata(&found, only(&found))
        .await
        .expect_err("a failure");
    assert!(matches!(error, IndexError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn metadata_of_another_package_or_version_is_refused() {
    let other = |text: &str, from: &str, to: &str| text.replace(from, to);
    let text = wheel().metadata;
    for lie in [
        other(&text, "Name: Foo.Bar", "Name: evil"),
        other(&text, "\nVersion: 1.0", "\nVersion: 2.0"),
    ] {
        assert_ne!(lie, text);
        let fault = fault(&serve(wheel(), MetadataFile::Announced(lie))).await;
        assert_eq!(fault.code, Code::INDEX_BROKEN);
        assert!(fault.message.contains("says in its METADATA"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_requirement_that_nobody_can_read_is_named() {
    let text = format!("{}\n", wheel().metadata.replace("six>=1.9.*", "six ?? 1.9"));
    let fault = fault(&serve(wheel(), MetadataFile::Announced(text))).await;
    assert_eq!(fault.code, Code::INDEX_BROKEN);
    assert!(
        fault.message.contains("`Requires-Dist: six ?? 1.9`"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn no_flaw_of_a_wheel_hangs_or_panics() {
    for flaw in Flaw::ALL {
        let wheel: Wheel = WheelBuilder::new("foo", "1.0")
            .file("foo.py", "")
            .flaw(*flaw)
            .build();
        let server = serve(wheel, MetadataFile::Absent);
        if let Err(error) = ask(&World::new(), &server).await {
            let fault = Fault::from(error);
            assert_eq!(fault.code, Code::INDEX_BROKEN, "{flaw:?}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn an_sdist_has_no_metadata_that_can_be_read() {
    let server =
        IndexServer::start(Packages::new().with(IndexFile::sdist("foo", "1.0", b"x".to_vec())));
    let fault = fault(&server).await;
    assert!(fault.message.contains("is no wheel"), "{fault:?}");
}

#[tokio::test]
async fn a_digest_that_no_index_says_costs_a_download() {
    let server = serve(
        IndexFile::from(wheel()).no_hash(),
        MetadataFile::Announced(wheel().metadata),
    );
    let world = World::new();
    let client = world.client(&server);
    let found = project(&client, "foo-bar").await;
    assert_eq!(only(&found).sha256, None);
    let digest = client.digest(only(&found)).await.expect("a digest");
    assert_eq!(digest, wheel().sha256);
    assert!(client.kept_wheel(&digest).is_some());
}
