//! The index does what its switches say, seen by a client that knows nothing of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use pyrun_core::Sha256;
use serde_json::Value;

use super::*;
use crate::wheel::{Wheel, WheelBuilder};

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a text")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a page in JSON")
    }
}

fn send(server: &IndexServer, method: &str, path: &str, headers: &[(&str, &str)]) -> TcpStream {
    let mut stream = TcpStream::connect(server.http.address).expect("the index listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a socket has timeouts");
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    stream
        .write_all((request + "\r\n").as_bytes())
        .expect("the index reads");
    stream
}

/// The answer; `None` when the connection closes without one.
fn ask(server: &IndexServer, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    read(send(server, "GET", path, headers))
}

fn read(mut stream: impl Read) -> Option<Answer> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).ok()?;
    let end = all.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8(all[..end].to_vec()).expect("a head of text");
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Some(Answer {
        status: status.expect("a status line"),
        headers,
        body: all[end + 4..].to_vec(),
    })
}

fn get(server: &IndexServer, path: &str) -> Answer {
    ask(server, path, &[("Accept", super::page::JSON)]).expect("an answer")
}

fn wheel() -> Wheel {
    WheelBuilder::new("My.Package", "1.0+local")
        .requires_python(">=3.8")
        .build()
}

const FILE: &str = "/files/my_package-1.0%2Blocal-py3-none-any.whl";

fn served() -> (Wheel, IndexServer) {
    let wheel = wheel();
    let server = IndexServer::start([&wheel]);
    (wheel, server)
}

#[test]
fn a_page_in_json_says_what_the_peps_say() {
    let (wheel, server) = served();
    let answer = get(&server, "/simple/my-package/");
    assert_eq!(answer.headers["content-type"], super::page::JSON);
    assert_eq!(answer.headers["cache-control"], "max-age=600, public");
    let expected = serde_json::json!({
        "meta": { "api-version": "1.4" },
        "name": "my-package",
        "versions": ["1.0+local"],
        "files": [{
            "filename": wheel.filename,
            "url": format!("../..{FILE}"),
            "hashes": { "sha256": wheel.sha256 },
            "size": wheel.bytes.len(),
            "requires-python": ">=3.8",
            "upload-time": UPLOAD_TIME,
            "yanked": false,
            "core-metadata": { "sha256": Sha256::of(&wheel.metadata) },
        }],
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(
        get(&server, "/simple/").json()["projects"][0]["name"],
        "my-package"
    );
}

#[test]
fn a_page_in_html_says_the_same() {
    let (wheel, server) = served();
    server.yank(&wheel.filename, "broken & <bad>");
    let answer = ask(&server, "/simple/my-package/", &[]).expect("an answer");
    assert_eq!(answer.headers["content-type"], super::page::HTML);
    let anchor = format!(
        "<a href=\"../..{FILE}#sha256={}\" data-requires-python=\"&gt;=3.8\" \
         data-yanked=\"broken &amp; &lt;bad&gt;\" data-core-metadata=\"sha256={}\">{}</a><br>\n",
        wheel.sha256,
        Sha256::of(&wheel.metadata),
        wheel.filename
    );
    assert!(answer.text().contains(&anchor), "{}", answer.text());
}

#[test]
fn other_spellings_are_redirected_to_the_normal_one() {
    let (_, server) = served();
    for path in ["/simple/My.Package/", "/simple/my-package"] {
        let answer = get(&server, path);
        assert_eq!(
            (answer.status, &*answer.headers["location"]),
            (301, "/simple/my-package/")
        );
    }
    for path in ["/simple/other/", "/files/other.whl", "/other"] {
        assert_eq!(get(&server, path).status, 404, "{path}");
    }
}

#[test]
fn files_and_their_metadata_are_served() {
    let (wheel, server) = served();
    assert_eq!(get(&server, FILE).body, wheel.bytes);
    assert_eq!(
        get(&server, &format!("{FILE}.metadata")).text(),
        wheel.metadata
    );
    let head = read(send(&server, "HEAD", FILE, &[])).expect("an answer");
    assert_eq!(
        head.headers["content-length"],
        wheel.bytes.len().to_string()
    );
    assert!(head.body.is_empty());
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let (wheel, server) = served();
    let tag = get(&server, "/simple/my-package/").headers["etag"].clone();
    let again = |tag: &str| {
        let headers = [("If-None-Match", tag), ("Accept", super::page::JSON)];
        ask(&server, "/simple/my-package/", &headers).expect("an answer")
    };
    assert_eq!((again(&tag).status, again(&tag).body.len()), (304, 0));
    server.yank(&wheel.filename, "");
    assert_eq!(again(&tag).status, 200);
    assert_eq!(again(&tag).json()["files"][0]["yanked"], true);
}

#[test]
fn ranges_are_served() {
    let (wheel, server) = served();
    let size = wheel.bytes.len();
    let range = |range: &str| ask(&server, FILE, &[("Range", range)]).expect("an answer");
    let part = range("bytes=2-5");
    assert_eq!((part.status, &*part.body), (206, &wheel.bytes[2..6]));
    assert_eq!(part.headers["content-range"], format!("bytes 2-5/{size}"));
    assert_eq!(range("bytes=-22").body, wheel.bytes[size - 22..]);
    let beyond = range(&format!("bytes={size}-"));
    assert_eq!(
        (beyond.status, &*beyond.headers["content-range"]),
        (416, &*format!("bytes */{size}"))
    );
    assert_eq!(server.requests()[0].range.as_deref(), Some("bytes=2-5"));
}

#[test]
fn a_page_can_leave_things_out() {
    let file = IndexFile::from(wheel())
        .no_size()
        .no_hash()
        .no_upload_time();
    let server = IndexServer::start(
        Packages::new()
            .with(file.metadata(MetadataFile::Missing))
            .with(IndexFile::sdist("my-package", "0.9", "not a tarball").yanked("old"))
            .with_status("my-package", "archived", Some("enough")),
    );
    let page = get(&server, "/simple/my-package/").json();
    let file = page["files"][0].as_object().expect("a file");
    assert!(!file.contains_key("size") && !file.contains_key("upload-time"));
    assert_eq!(file["hashes"], serde_json::json!({}));
    assert_eq!(file["core-metadata"], true);
    assert_eq!(page["files"][1]["filename"], "my_package-0.9.tar.gz");
    assert_eq!(page["files"][1]["yanked"], "old");
    assert_eq!(page["project-status"]["status"], "archived");
    assert_eq!(page["project-status"]["reason"], "enough");
    assert_eq!(get(&server, &format!("{FILE}.metadata")).status, 404);
    let html = ask(&server, "/simple/my-package/", &[])
        .expect("an answer")
        .text();
    assert!(html.contains("<meta name=\"pypi:project-status-reason\" content=\"enough\">"));
}

#[test]
fn metadata_can_be_announced_in_every_way() {
    use MetadataFile::{Absent, Announced, Silent, WithoutDigest, WrongDigest};
    let text = || "Name: lie\n".to_owned();
    let digest = |text: &str| serde_json::json!({ "sha256": Sha256::of(text) });
    let cases = [
        (Announced(text()), digest(&text()), 200),
        (WithoutDigest(text()), true.into(), 200),
        (WrongDigest(text()), digest("Name: lie\n\n"), 200),
        (Silent(text()), false.into(), 200),
        (Absent, false.into(), 404),
    ];
    let (wheel, server) = served();
    for (metadata, announced, status) in cases {
        server.add(IndexFile::from(&wheel).metadata(metadata.clone()));
        let page = get(&server, "/simple/my-package/").json();
        assert_eq!(page["files"].as_array().map(Vec::len), Some(1));
        assert_eq!(page["files"][0]["core-metadata"], announced, "{metadata:?}");
        assert_eq!(
            get(&server, &format!("{FILE}.metadata")).status,
            status,
            "{metadata:?}"
        );
    }
}

#[test]
fn packages_change_while_the_index_runs() {
    let (wheel, server) = served();
    server.add(WheelBuilder::new("new", "2").build());
    assert_eq!(get(&server, "/simple/new/").status, 200);
    server.remove(&wheel.filename);
    assert_eq!(get(&server, FILE).status, 404);
    assert_eq!(
        get(&server, "/simple/my-package/").json()["files"],
        serde_json::json!([])
    );
}

#[test]
fn requests_are_logged_and_counted() {
    let (wheel, server) = served();
    let _ = ask(&server, "/simple/my-package/", &[("X-Test", "yes")]);
    let before = server.bytes_sent();
    let _ = get(&server, FILE);
    assert_eq!(server.bytes_sent() - before, wheel.bytes.len() as u64);
    let log = server.requests();
    assert_eq!(
        (log.len(), &*log[0].method, &*log[0].headers["x-test"]),
        (2, "GET", "yes")
    );
    assert_eq!(server.paths(), ["/simple/my-package/", FILE]);
    assert_eq!(
        (server.count("/files/"), server.connections(), server.peak()),
        (1, 2, 1)
    );
    server.clear();
    assert_eq!(
        (
            server.requests().len(),
            server.connections(),
            server.bytes_sent()
        ),
        (0, 0, 0)
    );
}

#[test]
fn failures_strike_where_and_as_often_as_they_should() {
    let (_, server) = served();
    server.fail(Failure::Status(503).on("/simple/").times(2));
    server.fail(Failure::RetryAfter(7).when(|path| path.contains(".whl")));
    let page = || get(&server, "/simple/my-package/").status;
    let limited = get(&server, FILE);
    assert_eq!(
        (limited.status, &*limited.headers["retry-after"]),
        (429, "7")
    );
    assert_eq!([page(), page(), page()], [503, 503, 200]);
    server.heal();
    assert_eq!(get(&server, FILE).status, 200);
}

/// What one request gets while a failure is on.
fn with(failure: Failure, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let (_, server) = served();
    server.fail(failure);
    ask(&server, path, headers)
}

#[test]
fn bodies_fail_as_they_should() {
    let wheel = wheel();
    let size = wheel.bytes.len();
    let cut = with(Failure::Truncated, FILE, &[]).expect("half an answer");
    assert_eq!(cut.headers["content-length"], size.to_string());
    assert_eq!(cut.body, wheel.bytes[..size / 2]);

    let wrong = with(Failure::WrongBytes, FILE, &[]).expect("an answer");
    assert_eq!(wrong.body.len(), size);
    let pairs = wrong.body.iter().zip(&wheel.bytes);
    assert_eq!(pairs.filter(|(one, other)| one != other).count(), 1);

    let pause = Duration::from_millis(1);
    let drip = with(Failure::Drip { bytes: 100, pause }, FILE, &[]).expect("an answer");
    assert_eq!(drip.body, wheel.bytes);

    let slow = with(Failure::Slow(pause), FILE, &[]).expect("an answer");
    assert_eq!(slow.body, wheel.bytes);

    assert!(with(Failure::Close, FILE, &[]).is_none());
}

#[test]
fn an_endless_body_goes_on() {
    let (_, server) = served();
    server.fail(Failure::Endless);
    let stream = send(&server, "GET", FILE, &[]);
    let answer = read(stream.take(10 << 20)).expect("a part");
    assert!(answer.body.len() > 9 << 20);
    assert_eq!(answer.headers["transfer-encoding"], "chunked");
}

#[test]
fn ranges_fail_as_they_should() {
    let size = wheel().bytes.len();
    let range = [("Range", "bytes=0-9")];
    let ignored = with(Failure::NoRanges, FILE, &range).expect("an answer");
    assert_eq!((ignored.status, ignored.body.len()), (200, size));
    assert!(!ignored.headers.contains_key("accept-ranges"));
    let wrong = with(Failure::WrongContentRange, FILE, &range).expect("an answer");
    assert_eq!((wrong.status, wrong.body.len()), (206, 10));
    assert_eq!(wrong.headers["content-range"], format!("bytes 1-10/{size}"));
}

#[test]
fn redirects_lead_on_or_in_circles() {
    let (wheel, server) = served();
    server.fail(Failure::RedirectOnce);
    let once = get(&server, FILE);
    assert_eq!(once.status, 307);
    let next = once.headers["location"].clone();
    assert_eq!(next, format!("/redirected{FILE}"));
    assert_eq!(get(&server, &next).body, wheel.bytes);
    server.heal();
    server.fail(Failure::RedirectLoop);
    let circle = get(&server, "/simple/my-package/");
    assert_eq!(
        (circle.status, &*circle.headers["location"]),
        (302, "/simple/my-package/")
    );
}

#[test]
fn pages_fail_as_they_should() {
    let json = [("Accept", super::page::JSON)];
    let page = "/simple/my-package/";
    let malformed = with(Failure::MalformedJson, page, &json).expect("an answer");
    assert!(serde_json::from_slice::<Value>(&malformed.body).is_err());
    let html = with(Failure::HtmlOnly, page, &json).expect("an answer");
    assert_eq!(html.headers["content-type"], super::page::HTML);
    let other = with(Failure::ContentType("image/png"), page, &json).expect("an answer");
    assert_eq!(
        (other.status, &*other.headers["content-type"]),
        (200, "image/png")
    );
    let huge = with(Failure::HugeJson(1 << 20), page, &json).expect("an answer");
    assert!(huge.body.len() > 1 << 20 && huge.body.ends_with(b"]}\r\n0\r\n\r\n"));
}

#[test]
fn nowhere_does_not_listen() {
    let url = IndexServer::nowhere();
    let address = url
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/simple"));
    assert!(TcpStream::connect(address.expect("an address")).is_err());
}

#[test]
fn an_index_stops_when_it_is_dropped_even_in_the_middle_of_an_answer() {
    let (_, server) = served();
    let address = server.http.address;
    server.fail(Failure::Slow(Duration::from_hours(1)));
    let stream = send(&server, "GET", FILE, &[]);
    drop(server);
    assert!(read(stream).is_none());
    assert!(TcpStream::connect(address).is_err());
}
