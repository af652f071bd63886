//! Pages in both formats, whole and broken.

use super::*;
use crate::index::FileKind;

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn read_as(content_type: Option<&str>, body: &str) -> Result<Project, PageError> {
    let base: Url = "https://index.test/simple/foo-bar/".parse().expect("a url");
    let origin = PageOrigin {
        project: &"foo-bar".parse().expect("a name"),
        index: "https://index.test/simple",
        base: &base,
        content_type,
    };
    read(body.as_bytes(), &origin)
}

fn read_json(body: &str) -> Project {
    read_as(
        Some("application/vnd.pypi.simple.v1+json; charset=utf-8"),
        body,
    )
    .expect("a page")
}

#[test]
fn a_json_page_gives_wheels_and_sdists_with_all_that_is_said_of_them() {
    let project = read_json(&format!(
        r#"{{"meta": {{"api-version": "1.3", "x": 1}}, "name": "foo-bar", "versions": ["1.0"], "files": [
        {{"filename": "foo_bar-1.0-py3-none-any.whl", "url": "../../f/foo_bar-1.0-py3-none-any.whl",
          "hashes": {{"sha256": "{DIGEST}", "md5": "x"}}, "size": 7, "requires-python": ">=3.8.*",
          "upload-time": "2024-01-02T03:04:05Z", "yanked": "bad \"news\"", "provenance": null,
          "core-metadata": {{"sha256": "{DIGEST}"}}}},
        {{"filename": "foo-bar-1.0.tar.gz", "url": "https://u:p@f.test/foo-bar-1.0.tar.gz#sha256={DIGEST}",
          "hashes": {{}}, "yanked": true, "requires-python": null, "dist-info-metadata": true}},
        {{"filename": "foo_bar-1.1-py3-none-any.whl", "url": "https://f.test/x", "hashes": {{}}, "yanked": false,
          "core-metadata": false, "size": null}}
        ]}}"#
    ));
    let [wheel, sdist, bare] = &project.files[..] else {
        panic!("three files: {project:?}")
    };
    let digest = DIGEST.parse().expect("a digest");
    assert_eq!(wheel.kind, FileKind::Wheel);
    assert_eq!(
        wheel.url,
        "https://index.test/f/foo_bar-1.0-py3-none-any.whl"
    );
    assert_eq!((wheel.sha256, wheel.size), (Some(digest), Some(7)));
    assert_eq!(
        wheel.requires_python,
        Some(">=3.8".parse().expect("specifiers"))
    );
    assert_eq!(wheel.yanked.as_deref(), Some("bad \"news\""));
    assert_eq!(wheel.metadata, Announced::Digest(digest));
    assert_eq!(sdist.kind, FileKind::Sdist);
    assert_eq!(
        sdist.url, "https://f.test/foo-bar-1.0.tar.gz",
        "no credentials"
    );
    assert_eq!(
        (sdist.sha256, sdist.yanked.as_deref()),
        (Some(digest), Some(""))
    );
    assert_eq!(sdist.metadata, Announced::Yes);
    assert_eq!((bare.sha256, bare.size, &bare.yanked), (None, None, &None));
    assert_eq!(bare.metadata, Announced::Silent);
}

#[test]
fn an_html_page_says_the_same() {
    let page = format!(
        "<!DOCTYPE html><html><head><meta name='pypi:repository-version' content='1.1'>\
         <base href='/files/'></head><body>\
         <a href=\"a/foo_bar-1.0%2Bcpu-py3-none-any.whl#sha256={DIGEST}\" data-requires-python=\"&gt;=3.8\" \
         data-yanked=\"it&#39;s &#x62;ad\" data-core-metadata='sha256={DIGEST}'>foo_bar</a><br/>\
         <a href='javascript:foo_bar-1.0.zip'>x</a><a href='file:///foo_bar-1.0.zip'>x</a>\
         <a href=foo-bar-1.0.tar.gz?x=1 data-dist-info-metadata=true>x</a></body></html>"
    );
    let project = read_as(Some("text/html; charset=UTF-8"), &page).expect("a page");
    let [wheel, sdist] = &project.files[..] else {
        panic!("two files: {project:?}")
    };
    let digest = DIGEST.parse().expect("a digest");
    assert_eq!(wheel.filename, "foo_bar-1.0+cpu-py3-none-any.whl");
    assert_eq!(
        wheel.url,
        "https://index.test/files/a/foo_bar-1.0%2Bcpu-py3-none-any.whl"
    );
    assert_eq!(wheel.version.to_string(), "1.0+cpu");
    assert_eq!(wheel.sha256, Some(digest));
    assert_eq!(
        wheel.requires_python,
        Some(">=3.8".parse().expect("specifiers"))
    );
    assert_eq!(wheel.yanked.as_deref(), Some("it's bad"));
    assert_eq!(wheel.metadata, Announced::Digest(digest));
    assert_eq!(sdist.filename, "foo-bar-1.0.tar.gz");
    assert_eq!(sdist.url, "https://index.test/files/foo-bar-1.0.tar.gz?x=1");
    assert_eq!(sdist.metadata, Announced::Yes);
}

#[test]
fn odd_files_are_left_out() {
    let project = read_json(
        r#"{"files": [
        {"filename": "other-1.0-py3-none-any.whl", "url": "x"},
        {"filename": "foo_bar-one-py3-none-any.whl", "url": "x"},
        {"filename": "foo_bar-1.0.win32.exe", "url": "x"},
        {"filename": "foo_bar-1.0-py3-none-any.whl", "url": "file:///etc/passwd"},
        {"filename": "foo_bar-1.0-py3-none-any.whl", "url": "https://["},
        {"filename": "", "url": "https://f.test/"},
        {"filename": "foo_bar-2.0-py3-none-any.whl", "url": "https://f.test/a b\u001b[31m",
         "requires-python": "nonsense", "hashes": {"sha256": "short"}}
        ]}"#,
    );
    let [file] = &project.files[..] else {
        panic!("one file: {project:?}")
    };
    assert_eq!(file.version.to_string(), "2.0");
    assert_eq!((&file.requires_python, file.sha256), (&None, None));
    assert!(
        file.url.bytes().all(|byte| byte.is_ascii_graphic()),
        "{}",
        file.url
    );
}

#[test]
fn pages_that_are_none_are_refused_with_a_reason() {
    let json = Some("application/vnd.pypi.simple.v1+json");
    for (content_type, body, part) in [
        (json, "{", "JSON"),
        (json, "[]", "JSON"),
        (json, r#"{"meta": {"api-version": "1.0"}}"#, "files"),
        (
            json,
            r#"{"meta": {"api-version": "2.0"}, "files": []}"#,
            "version 2.0",
        ),
        (
            json,
            r#"{"meta": {"api-version": "2.0"}, "files": {}}"#,
            "version 2.0",
        ),
        (
            Some("text/html"),
            "<meta name=pypi:repository-version content=2.0>",
            "version 2.0",
        ),
        (Some("image/png"), "", "`image/png`"),
    ] {
        let error = read_as(content_type, body).expect_err(body).to_string();
        assert!(error.contains(part), "{body}: {error}");
    }
}

#[test]
fn a_page_without_a_content_type_is_told_by_its_start() {
    assert!(read_as(None, r#" {"files": []}"#).is_ok());
    let html = read_as(None, "<a href=foo-bar-1.tar.gz>").expect("a page");
    assert_eq!(html.files.len(), 1);
}

#[test]
fn a_projects_status_is_read_in_both_formats() {
    let of = |status: &str| {
        let json = format!(r#"{{"meta": {{}}, "files": [], "project-status": {status}}}"#);
        read_json(&json).status
    };
    let archived = ProjectStatus {
        standing: Standing::Archived,
        reason: "it is done".to_owned(),
    };
    assert_eq!(
        of(r#"{"status": "archived", "reason": "it is done\u0007"}"#),
        Some(archived.clone())
    );
    let quarantined = of(r#"{"status": "quarantined"}"#).expect("a status");
    assert_eq!(quarantined.standing, Standing::Quarantined);
    for active in [
        r#"{"status": "active"}"#,
        r#"{"status": "new"}"#,
        "{}",
        "null",
        "7",
    ] {
        assert_eq!(of(active), None, "{active}");
    }
    let html = r#"<meta name="pypi:project-status" content="archived">
        <meta name="pypi:project-status-reason" content="it is done">"#;
    let page = read_as(Some("text/html"), html).expect("a page");
    assert_eq!(page.status, Some(archived));
}

#[test]
fn a_page_of_the_network_leads_to_no_file_of_this_machine() {
    let page = html::scan("<a href='file:///a/foo_bar-1.0-py3-none-any.whl'>x</a>");
    let base: Url = "https://index.test/".parse().expect("a url");
    let name = "foo-bar".parse().expect("a name");
    let found = |reach| files(&page.entries, &base, &name, reach).len();
    assert_eq!((found(Reach::Network), found(Reach::Machine)), (0, 1));
}

#[test]
fn a_page_of_a_million_files_is_refused() {
    let page = |list: String| format!("{{\"files\": [{list}]}}");
    let many = page(vec!["{}"; 1_000_000].join(","));
    let error = read_as(Some("application/json"), &many).expect_err("too many");
    assert!(error.to_string().contains("more than 250000 files"));
    let html = "<a href=x>".repeat(1_000_000);
    let error = read_as(Some("text/html"), &html).expect_err("too many");
    assert!(matches!(error, PageError::TooManyFiles), "{error}");
    let most = page(vec!["{}"; MAX_FILES].join(","));
    assert_eq!(read_json(&most).files, []);
}

#[test]
fn json_of_any_depth_is_survived() {
    let deep = "[".repeat(100_000);
    let closed = deep.clone() + &"]".repeat(100_000);
    // Where nobody looks it is passed over; where a value is expected it is refused.
    let aside = format!("{{\"x\": {closed}, \"files\": []}}");
    assert_eq!(read_json(&aside).files, []);
    for page in [
        deep.clone(),
        format!("{{\"x\": {deep}"),
        format!("{{\"files\": {closed}}}"),
        format!("{{\"files\": [{{\"hashes\": {closed}}}]}}"),
        format!("{{\"files\": [{{\"yanked\": {closed}}}]}}"),
        format!("{{\"meta\": {closed}, \"files\": []}}"),
        "{\"files\":[{\"hashes\":".repeat(100_000),
    ] {
        assert!(read_as(Some("application/json"), &page).is_err());
    }
}

#[test]
fn a_tag_of_a_million_attributes_is_survived() {
    let html = format!("<a href=foo_bar-1.0.tar.gz {}>", "x ".repeat(1_000_000));
    let project = read_as(Some("text/html"), &html).expect("a page");
    assert_eq!(project.files.len(), 1);
}
