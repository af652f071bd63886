//! Servers that mean harm: each ends with a fault, in bounded time and memory.

use std::io::Write as _;
use std::time::Duration;

use pyrun_core::{Code, Fault};
use pyrun_kit::{Dictated, IndexFile, IndexServer, MetadataFile, Packages, Say};

use crate::index::testing::{World, name, only, project, project_fault, wheel};
use crate::index::{Client, Source as _};

const JSON: &str = "content-type: application/vnd.pypi.simple.v1+json";

/// A client that waits for 200 ms at most, and tries once.
fn impatient(world: &World, url: &str) -> Client {
    let mut options = world.options(&[url]);
    options.limits.tries = 1;
    options.limits.read = Duration::from_millis(200);
    options.limits.grace = Duration::from_millis(300);
    options.limits.slowest = 1 << 20;
    Client::new(options).expect("options")
}

async fn fault_of(server: &Dictated) -> Fault {
    let world = World::new();
    project_fault(&impatient(&world, &server.url()), "foo-bar").await
}

#[track_caller]
fn assert_said(fault: &Fault, code: &Code, part: &str) {
    assert_eq!(&fault.code, code, "{fault:?}");
    let said = format!("{} {}", fault.message, fault.causes.join(" "));
    assert!(said.contains(part), "{fault:?}");
    assert!(!said.contains(char::is_control), "{fault:?}");
}

#[tokio::test]
async fn a_page_that_is_a_gzip_bomb_is_not_inflated_whole() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"{\"files\": [").expect("memory");
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..100 {
        gzip.write_all(&spaces).expect("memory");
    }
    let bomb = gzip.finish().expect("memory");
    assert!(bomb.len() < 1 << 20, "100 MB in {}", bomb.len());
    let headers = [JSON.to_owned(), "content-encoding: gzip".to_owned()];
    let server = Dictated::start(move |_, _| vec![Say::answer("200 OK", &headers, &bomb)]);
    let fault = fault_of(&server).await;
    assert_said(&fault, &Code::INDEX_BROKEN, "more than 67108864 bytes");
}

#[tokio::test]
async fn headers_that_drip_or_never_end_are_given_up() {
    let start = || Say::Bytes(b"HTTP/1.1 200 OK\r\n".to_vec());
    let drip = move || {
        let mut steps = vec![start()];
        for _ in 0..200 {
            steps.push(Say::Wait(Duration::from_millis(50)));
            steps.push(Say::Bytes(b"x: y\r\n".to_vec()));
        }
        steps
    };
    let flood = move || vec![start(), Say::Forever(b"x: y\r\n".repeat(100))];
    let early = || vec![Say::Forever(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100))];
    for (server, said) in [
        (
            Dictated::start(move |_, _| drip()),
            "nothing came for 200ms",
        ),
        (Dictated::start(move |_, _| flood()), "broke"),
        (
            Dictated::start(move |_, _| early()),
            "nothing came for 200ms",
        ),
    ] {
        let fault = fault_of(&server).await;
        assert_said(&fault, &Code::INDEX_UNREACHABLE, said);
    }
}

#[tokio::test]
async fn redirects_that_dawdle_are_given_up_together() {
    let server = Dictated::start(|number, _| {
        let wait = Say::Wait(Duration::from_millis(120));
        vec![wait, Say::redirect(&format!("/on/{number}"))]
    });
    let fault = fault_of(&server).await;
    assert_said(&fault, &Code::INDEX_UNREACHABLE, "nothing came for 200ms");
}

#[tokio::test]
async fn what_drips_beside_the_body_is_given_up_too() {
    let steps = |of_each: &'static [u8]| {
        move |_: usize, _: &str| {
            let headers = [JSON.to_owned(), "transfer-encoding: chunked".to_owned()];
            let mut steps = vec![Say::answer("200 OK", &headers, of_each)];
            for _ in 0..200 {
                steps.push(Say::Wait(Duration::from_millis(50)));
                steps.push(Say::Bytes(b"x".to_vec()));
            }
            steps
        }
    };
    // The extension of a chunk's length, and the trailers after the last chunk.
    for beside in [&b"5;"[..], b"c\r\n{\"files\":[]}\r\n0\r\nx: "] {
        let server = Dictated::start(steps(beside));
        let fault = fault_of(&server).await;
        assert_said(&fault, &Code::INDEX_UNREACHABLE, "nothing came for 200ms");
    }
}

#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    let server = Dictated::start(|_, _| {
        let headers = [JSON.to_owned(), "content-length: 1000000".to_owned()];
        let mut steps = vec![Say::answer("200 OK", &headers, b"{")];
        for _ in 0..1000 {
            steps.push(Say::Wait(Duration::from_millis(50)));
            steps.push(Say::Bytes(b" ".to_vec()));
        }
        steps
    });
    let fault = fault_of(&server).await;
    assert_said(&fault, &Code::INDEX_UNREACHABLE, "fewer than 1048576 bytes");
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_not_waited_for() {
    let server = Dictated::start(|_, _| {
        let headers = [JSON.to_owned(), "content-length: 104857600".to_owned()];
        vec![Say::answer("200 OK", &headers, b"{")]
    });
    let fault = fault_of(&server).await;
    assert_said(&fault, &Code::INDEX_BROKEN, "more than 67108864 bytes");
}

#[tokio::test]
async fn a_redirect_to_another_host_does_not_take_the_credentials_along() {
    let page =
        |_: usize, _: &str| vec![Say::answer("200 OK", &[JSON.to_owned()], b"{\"files\":[]}")];
    let other = Dictated::start(page);
    let target = format!("{}/simple/foo-bar/", other.url());
    let with_password = target.replace("http://", "http://you:theirs@");
    for location in [target, with_password] {
        let index = Dictated::start(move |_, _| vec![Say::redirect(&location)]);
        let url = index.url().replace("http://", "http://me:s3cret@");
        let world = World::new();
        let client = impatient(&world, &url);
        let found = client.project(&name("foo-bar")).await.expect("an answer");
        assert!(found.is_some());
        let sent = index.headers("authorization");
        assert_eq!(sent, [Some("Basic bWU6czNjcmV0".to_owned())]);
    }
    for head in other.heads() {
        assert!(!head.contains("bWU6czNjcmV0"), "{head}");
        assert!(!head.contains("referer"), "{head}");
    }
    assert_eq!(other.heads().len(), 2);
}

#[tokio::test]
async fn redirects_that_lead_round_or_off_the_web_are_refused() {
    let second = Dictated::start(|number, _| vec![Say::redirect(&format!("/round/{number}"))]);
    let fault = fault_of(&second).await;
    assert_said(&fault, &Code::INDEX_UNREACHABLE, "redirects more than 5");
    assert_eq!(second.heads().len(), 6);
    for location in ["file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:1"] {
        let server = Dictated::start(move |_, _| vec![Say::redirect(location)]);
        let fault = fault_of(&server).await;
        assert!(
            [Code::INDEX_UNREACHABLE, Code::INDEX_BROKEN].contains(&fault.code),
            "{fault:?}"
        );
        assert_eq!(server.heads().len(), 1);
    }
}

#[tokio::test]
async fn what_would_move_a_cursor_is_not_said() {
    let evil = "\\u001b[2J\\u0007evil";
    for body in [
        format!("{{\"meta\": {{\"api-version\": \"{evil}\"}}, \"files\": []}}"),
        format!("{{\"files\": \"{evil}\"}}"),
        format!("{{\"files\": [{{\"size\": \"{evil}\"}}]}}"),
        format!("{{\"files\": [{{\"{evil}\": ?"),
    ] {
        let server = Dictated::start(move |_, _| {
            vec![Say::answer("200 OK", &[JSON.to_owned()], body.as_bytes())]
        });
        let fault = fault_of(&server).await;
        assert_said(&fault, &Code::INDEX_BROKEN, "foo-bar");
    }
}

/// The fault of asking for metadata that is this text.
async fn metadata_fault(text: String) -> Fault {
    let file = IndexFile::from(wheel()).metadata(MetadataFile::Announced(text));
    let server = IndexServer::start(Packages::new().with(file));
    let world = World::new();
    let client = world.client(&server);
    let found = project(&client, "foo-bar").await;
    let answer = client.metadata(&found, only(&found)).await;
    Fault::from(answer.expect_err("a failure"))
}

#[tokio::test]
async fn metadata_of_fifty_megabytes_is_refused() {
    let text = wheel().metadata + "\n" + &"x".repeat(50 << 20);
    let fault = metadata_fault(text).await;
    assert_said(&fault, &Code::INDEX_BROKEN, "more than 10485760 bytes");
}

#[tokio::test]
async fn metadata_whose_markers_would_not_end_is_refused() {
    let with = |lines: &str| format!("Name: Foo.Bar\nVersion: 1.0\n{lines}");
    let pairs = |count: usize, salt: usize| {
        let pair = |at| format!("extra == 'a{salt}x{at}' and extra == 'b{salt}x{at}'");
        let pairs = (0..count).map(pair).collect::<Vec<_>>().join(" or ");
        format!("Requires-Dist: six; {pairs}\n")
    };
    let fault = metadata_fault(with(&pairs(60, 0))).await;
    assert_said(&fault, &Code::INDEX_BROKEN, "tangled");
    // Many that are bearable each are not together.
    let many: String = (0..2000).map(|salt| pairs(12, salt)).collect();
    let fault = metadata_fault(with(&many)).await;
    assert_said(&fault, &Code::INDEX_BROKEN, "tangled");
    let nested = "(".repeat(5000) + "os_name == 'x'" + &")".repeat(5000);
    let fault = metadata_fault(with(&format!("Requires-Dist: six; {nested}\n"))).await;
    assert_said(&fault, &Code::INDEX_BROKEN, "tangled");
    let nested = "(".repeat(80) + "os_name == 'x'" + &")".repeat(80);
    let fault = metadata_fault(with(&format!("Requires-Dist: six; {nested}\n"))).await;
    assert_said(&fault, &Code::INDEX_BROKEN, "not valid");
}

#[tokio::test]
async fn metadata_with_more_requirements_than_a_package_can_mean_is_refused() {
    for line in ["Requires-Dist: six\n", "Provides-Extra: x\n"] {
        let text = format!("Name: Foo.Bar\nVersion: 1.0\n{}", line.repeat(10_001));
        let fault = metadata_fault(text).await;
        assert_said(&fault, &Code::INDEX_BROKEN, "more than 10000");
    }
}
