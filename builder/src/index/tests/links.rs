//! Folders and pages with links, and pins to an index.

use pyrun_core::Code;
use pyrun_kit::{Failure, IndexFile, IndexServer, Packages, WheelBuilder};

use crate::index::testing::{World, name, only, project, project_fault, wheel};
use crate::index::{Client, FileKind, Source as _};

/// A client of an index with a second version of the wheel, and of links.
fn client(world: &World, server: &IndexServer, links: &str) -> Client {
    let mut options = world.options(&[&server.url()]);
    options.find_links = vec![links.to_owned()];
    Client::new(options).expect("options")
}

fn newer() -> IndexServer {
    IndexServer::start([WheelBuilder::new("foo.bar", "2.0").build()])
}

#[tokio::test]
async fn the_files_of_a_folder_stand_beside_those_of_the_index() {
    let (world, server) = (World::new(), newer());
    let folder = tempfile::tempdir().expect("a folder");
    let wheel = wheel();
    wheel.write_into(folder.path());
    for other in [
        "foo_bar-0.9.tar.gz",
        "notes.txt",
        "six-1.0-py3-none-any.whl",
    ] {
        fs_err::write(folder.path().join(other), "x").expect("written");
    }
    fs_err::create_dir(folder.path().join("foo_bar-3.0.tar.gz")).expect("a folder");
    for links in [
        folder.path().display().to_string(),
        format!("file://{}", folder.path().display()),
    ] {
        let client = client(&world, &server, &links);
        let found = project(&client, "foo-bar").await;
        let names: Vec<&str> = found.files.iter().map(|file| &*file.filename).collect();
        assert_eq!(
            names,
            [
                "foo_bar-2.0-py3-none-any.whl",
                "foo_bar-0.9.tar.gz",
                &wheel.filename,
            ]
        );
        let linked: Vec<bool> = found.files.iter().map(|file| file.linked).collect();
        assert_eq!(
            (&*linked, &found.index),
            (&[false, true, true][..], &server.url())
        );
        let here = &found.files[2];
        assert_eq!(here.sha256, Some(wheel.sha256));
        assert_eq!(here.size, Some(wheel.bytes.len() as u64));
        let metadata = client.metadata(&found, here).await.expect("metadata");
        assert_eq!(metadata.requires_dist.len(), 2);
        let alone = project(&client, "six").await;
        assert!(only(&alone).linked);
        assert_eq!(alone.index, "", "no index knows it");
    }
}

#[tokio::test]
async fn a_page_of_links_lists_many_projects() {
    let (world, server) = (World::new(), newer());
    let packages =
        Packages::new()
            .with(wheel())
            .with(IndexFile::sdist("foo-bar", "0.9", b"x".to_vec()));
    let pages = IndexServer::start(packages);
    pages.fail(Failure::HtmlOnly);
    let client = client(&world, &server, &format!("{}/foo-bar/", pages.url()));
    let found = project(&client, "foo-bar").await;
    let kinds: Vec<FileKind> = found.files.iter().map(|file| file.kind).collect();
    assert_eq!(kinds, [FileKind::Wheel, FileKind::Wheel, FileKind::Sdist]);
    assert_eq!(found.files[1].sha256, Some(wheel().sha256));
    let known = client.project(&name("six")).await.expect("an answer");
    assert_eq!(known, None);
    assert_eq!(pages.requests().len(), 1, "one page serves all projects");
}

#[tokio::test]
async fn a_page_of_this_machine_may_link_to_files_beside_it() {
    let (world, server) = (World::new(), newer());
    let folder = tempfile::tempdir().expect("a folder");
    let wheel = wheel();
    wheel.write_into(folder.path());
    let page = folder.path().join("links.html");
    fs_err::write(&page, format!("<a href='{}'>x</a>", wheel.filename)).expect("written");
    let client = client(&world, &server, &page.display().to_string());
    let found = project(&client, "foo-bar").await;
    assert_eq!(found.files[1].sha256, Some(wheel.sha256));
}

#[tokio::test]
async fn links_that_are_not_there_are_a_fault() {
    let (world, server) = (World::new(), newer());
    let client = client(&world, &server, "/nowhere/at/all");
    let fault = project_fault(&client, "foo-bar").await;
    assert_eq!(fault.code, Code::INDEX_UNREACHABLE);
    assert!(fault.message.contains("/nowhere/at/all"), "{fault:?}");
    let mut options = world.options(&[&server.url()]);
    options.find_links = vec!["ftp://u:secret@h/links".to_owned()];
    let error = Client::new(options).expect_err("no links").to_string();
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_pinned_package_is_asked_for_on_its_index_alone() {
    let (world, public, private) = (World::new(), newer(), IndexServer::start([wheel()]));
    let folder = tempfile::tempdir().expect("a folder");
    WheelBuilder::new("foo.bar", "3.0")
        .build()
        .write_into(folder.path());
    let mut options = world.options(&[&public.url()]);
    options.index_of = [(name("foo-bar"), private.url())].into();
    options.find_links = vec![folder.path().display().to_string()];
    let client = Client::new(options.clone()).expect("options");
    let found = project(&client, "foo-bar").await;
    assert_eq!(only(&found).version.to_string(), "1.0");
    assert_eq!(found.index, private.url());
    assert!(public.requests().is_empty());
    private.remove(&wheel().filename);
    private.update(|packages| packages.projects.clear());
    options.refresh = true;
    let client = Client::new(options).expect("options");
    let known = client.project(&name("foo-bar")).await.expect("an answer");
    assert_eq!(known, None, "another index is no substitute");
    assert!(public.requests().is_empty());
}
