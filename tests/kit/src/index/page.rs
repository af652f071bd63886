//! An index's pages.
//!
//! In: a listing. Out: the page as JSON (PEP 691, 700, 714, 792) or as HTML (PEP 503, 592, 658).

use std::collections::BTreeSet;

use pyrun_core::Sha256;
use serde_json::{Map, Value, json};

use super::packages::{IndexFile, Listing, MetadataFile, Packages};

/// The content type of pages in JSON.
pub(super) const JSON: &str = "application/vnd.pypi.simple.v1+json";
/// The content type of pages in HTML.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// A project's page in JSON.
pub(super) fn project_json(name: &str, listing: &Listing) -> String {
    let versions: BTreeSet<&str> = listing.files.iter().map(|file| &*file.version).collect();
    let files: Vec<Value> = listing.files.iter().map(file_json).collect();
    let mut page = json!({
        "meta": { "api-version": "1.4" },
        "name": name,
        "versions": versions,
        "files": files,
    });
    if let Some((status, reason)) = &listing.status {
        page["project-status"] = json!({ "status": status });
        if let Some(reason) = reason {
            page["project-status"]["reason"] = json!(reason);
        }
    }
    page.to_string()
}

fn file_json(file: &IndexFile) -> Value {
    let mut entry = Map::new();
    entry.insert("filename".into(), json!(file.filename));
    entry.insert("url".into(), json!(file_url(&file.filename)));
    let hashes = if file.says_hash {
        json!({ "sha256": file.sha256 })
    } else {
        json!({})
    };
    entry.insert("hashes".into(), hashes);
    if file.says_size {
        entry.insert("size".into(), json!(file.bytes.len()));
    }
    if let Some(specifiers) = &file.requires_python {
        entry.insert("requires-python".into(), json!(specifiers));
    }
    if let Some(time) = &file.upload_time {
        entry.insert("upload-time".into(), json!(time));
    }
    let yanked = match file.yanked.as_deref() {
        None => json!(false),
        Some("") => json!(true),
        Some(reason) => json!(reason),
    };
    entry.insert("yanked".into(), yanked);
    let metadata = match announced(&file.metadata) {
        Announced::No => json!(false),
        Announced::Yes => json!(true),
        Announced::Digest(digest) => json!({ "sha256": digest }),
    };
    entry.insert("core-metadata".into(), metadata);
    if file.provenance.is_some() {
        let url = file_url(&file.filename) + ".provenance";
        entry.insert("provenance".into(), json!(url));
    }
    Value::Object(entry)
}

/// A project's page in HTML.
pub(super) fn project_html(name: &str, listing: &Listing) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html><head>\n");
    page += "<meta name=\"pypi:repository-version\" content=\"1.4\">\n";
    if let Some((status, reason)) = &listing.status {
        page += &meta("pypi:project-status", status);
        if let Some(reason) = reason {
            page += &meta("pypi:project-status-reason", reason);
        }
    }
    page.extend([
        "<title>Links for ",
        &escape(name),
        "</title>\n</head><body>\n",
    ]);
    for file in &listing.files {
        page += &anchor(file);
    }
    page + "</body></html>\n"
}

fn meta(name: &str, content: &str) -> String {
    format!("<meta name=\"{name}\" content=\"{}\">\n", escape(content))
}

fn anchor(file: &IndexFile) -> String {
    let mut url = file_url(&file.filename);
    if file.says_hash {
        url.extend(["#sha256=", &file.sha256.to_string()]);
    }
    let mut tag = attribute("<a", "href", &url);
    if let Some(specifiers) = &file.requires_python {
        tag = attribute(&tag, "data-requires-python", specifiers);
    }
    if let Some(reason) = &file.yanked {
        tag = attribute(&tag, "data-yanked", reason);
    }
    tag = match announced(&file.metadata) {
        Announced::No => tag,
        Announced::Yes => attribute(&tag, "data-core-metadata", "true"),
        Announced::Digest(digest) => {
            attribute(&tag, "data-core-metadata", &format!("sha256={digest}"))
        }
    };
    format!("{tag}>{}</a><br>\n", escape(&file.filename))
}

fn attribute(tag: &str, name: &str, value: &str) -> String {
    format!("{tag} {name}=\"{}\"", escape(value))
}

enum Announced {
    No,
    Yes,
    Digest(Sha256),
}

fn announced(metadata: &MetadataFile) -> Announced {
    match metadata {
        MetadataFile::Announced(text) => Announced::Digest(Sha256::of(text)),
        MetadataFile::WrongDigest(text) => Announced::Digest(Sha256::of(text.clone() + "\n")),
        MetadataFile::WithoutDigest(_) | MetadataFile::Missing => Announced::Yes,
        MetadataFile::Silent(_) | MetadataFile::Absent => Announced::No,
    }
}

/// The list of projects in JSON.
pub(super) fn root_json(packages: &Packages) -> String {
    let names = packages.projects.keys();
    let projects: Vec<Value> = names.map(|name| json!({ "name": name })).collect();
    json!({ "meta": { "api-version": "1.4" }, "projects": projects }).to_string()
}

/// The list of projects in HTML.
pub(super) fn root_html(packages: &Packages) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html><body>\n");
    for name in packages.projects.keys() {
        page.extend(["<a href=\"", name, "/\">", name, "</a><br>\n"]);
    }
    page + "</body></html>\n"
}

/// A file's address, relative to its project's page.
fn file_url(filename: &str) -> String {
    let mut url = String::from("../../files/");
    for byte in filename.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url += &percent(byte);
        }
    }
    url
}

fn percent(byte: u8) -> String {
    format!("%{byte:02X}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
