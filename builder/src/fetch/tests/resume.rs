//! Downloads that break off: they go on where they broke, and never join parts of two files.

use std::sync::Arc;

use pyrun_kit::{Dictated, Say};

use super::*;

/// How a server gives a file.
#[derive(Debug, Clone)]
struct Giving {
    bytes: Vec<u8>,
    tag: Option<&'static str>,
    ranges: bool,
    /// Whether a range of another version is given all the same.
    ignores_if_range: bool,
    /// After how many bytes each answer breaks off.
    cut: usize,
}

impl Giving {
    fn new(wheel: &Wheel, cut: usize) -> Self {
        Self {
            bytes: wheel.bytes.to_vec(),
            tag: Some("\"one\""),
            ranges: true,
            ignores_if_range: false,
            cut,
        }
    }

    fn say(&self, head: &str) -> Vec<Say> {
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
        };
        let asked = header("range").and_then(|range| range.strip_prefix("bytes="));
        let start = asked.map_or(0, |range| {
            range
                .trim_end_matches('-')
                .parse::<usize>()
                .expect("a range")
        });
        let is_same = header("if-range").is_none_or(|tag| Some(tag) == self.tag);
        let is_part = self.ranges && asked.is_some() && (is_same || self.ignores_if_range);
        let start = if is_part { start } else { 0 };
        let size = self.bytes.len();
        let mut headers = vec![format!("content-length: {}", size.saturating_sub(start))];
        headers.extend(self.tag.map(|tag| format!("etag: {tag}")));
        if is_part && start >= size {
            return vec![Say::answer("416 Range Not Satisfiable", &[], b"")];
        }
        if is_part {
            headers.push(format!("content-range: bytes {start}-{}/{size}", size - 1));
        }
        let status = if is_part {
            "206 Partial Content"
        } else {
            "200 OK"
        };
        let end = size.min(start.saturating_add(self.cut));
        vec![Say::answer(status, &headers, &self.bytes[start..end])]
    }
}

/// A server that gives the file in these ways, one after the other; the last one stays.
fn serve(ways: Vec<Giving>) -> Dictated {
    let ways = Arc::new(ways);
    Dictated::start(move |number, head| ways[number.min(ways.len() - 1)].say(head))
}

fn file() -> Wheel {
    large_wheel("one", 5 << 20)
}

/// Another file of the same size.
fn other() -> Wheel {
    let mut wheel = file();
    let mut bytes = wheel.bytes.to_vec();
    for byte in &mut bytes {
        *byte ^= 0xff;
    }
    wheel.sha256 = Sha256::of(&bytes);
    wheel.bytes = bytes.into();
    wheel
}

/// A scene whose lock wants this file from the server.
fn scene(wanted: &Wheel, server: &Dictated) -> Scene {
    let mut scene = Scene::new(&[file()]);
    scene.wheel().url = format!("{}/one-1.0-py3-none-any.whl", server.url());
    scene.wheel().sha256 = wanted.sha256;
    scene
}

/// What comes when nobody knows the digest.
async fn found(server: &Dictated) -> Sha256 {
    let scene = Scene::new(&[file()]);
    let part = tempfile::NamedTempFile::new().expect("a file");
    let client = scene.world.client(&scene.server);
    let url = format!("{}/x", server.url());
    let expected = Expected::default();
    let found = client.download(&url, expected, part.path(), &|_| {}).await;
    let found = found.expect("a file");
    let bytes = fs_err::read(part.path()).expect("written");
    assert_eq!(Sha256::of(bytes), found.sha256, "what is hashed is kept");
    found.sha256
}

/// More than what makes a broken attempt count as progress.
const CUT: usize = 3 << 19;

#[tokio::test]
async fn a_server_that_cuts_again_and_again_is_asked_for_the_rest() {
    let server = serve(vec![Giving::new(&file(), CUT)]);
    let scene = scene(&file(), &server);
    scene.fetch().await.expect("wheels");
    assert_eq!(scene.stored().await, [file().sha256]);
    let range = |start: usize| Some(format!("bytes={start}-"));
    assert_eq!(
        server.headers("range"),
        [None, range(CUT), range(2 * CUT), range(3 * CUT)]
    );
    let tag = Some("\"one\"".to_owned());
    assert_eq!(
        server.headers("if-range"),
        [None, tag.clone(), tag.clone(), tag]
    );
}

#[tokio::test]
async fn a_file_without_a_tag_is_resumed_where_its_digest_will_tell() {
    let bare = Giving {
        tag: None,
        ..Giving::new(&file(), CUT)
    };
    let server = serve(vec![bare]);
    let scene = scene(&file(), &server);
    scene.fetch().await.expect("wheels");
    assert_eq!(scene.stored().await, [file().sha256]);
    assert_eq!(server.headers("if-range"), [None, None, None, None]);
}

#[tokio::test]
async fn without_a_tag_and_a_digest_it_starts_anew() {
    let giving = |cut| Giving {
        tag: None,
        ..Giving::new(&file(), cut)
    };
    let server = serve(vec![giving(CUT), giving(usize::MAX)]);
    assert_eq!(found(&server).await, file().sha256);
    assert_eq!(server.headers("range"), [None, None]);
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_taken_whole() {
    let new = |ignores_if_range| Giving {
        tag: Some("\"two\""),
        ignores_if_range,
        ..Giving::new(&other(), usize::MAX)
    };
    for ignores_if_range in [false, true] {
        let ways = vec![Giving::new(&file(), CUT), new(ignores_if_range)];
        let server = serve(ways.clone());
        let scene = scene(&other(), &server);
        scene.fetch().await.expect("wheels");
        assert_eq!(scene.stored().await, [other().sha256]);
        // Nor is it joined where no digest would tell.
        assert_eq!(found(&serve(ways)).await, other().sha256);
    }
}

#[tokio::test]
async fn a_range_that_does_not_say_of_which_file_it_is_is_not_joined() {
    let bare = Giving {
        tag: None,
        ignores_if_range: true,
        ..Giving::new(&other(), usize::MAX)
    };
    let ways = vec![Giving::new(&file(), CUT), bare];
    assert_eq!(found(&serve(ways.clone())).await, other().sha256);
    // With a digest it may be, and is then found out.
    let server = serve(ways);
    let scene = scene(&file(), &server);
    assert_eq!(scene.fault().await.code, Code::WHEEL_HASH);
}

#[tokio::test]
async fn a_weak_tag_names_no_bytes() {
    let weak = Giving {
        tag: Some("W/\"one\""),
        ..Giving::new(&file(), CUT)
    };
    let whole = Giving {
        cut: usize::MAX,
        ..weak.clone()
    };
    let server = serve(vec![weak, whole]);
    assert_eq!(found(&server).await, file().sha256);
    assert_eq!(server.headers("range"), [None, None]);
}

#[tokio::test]
async fn a_file_that_has_become_shorter_starts_anew() {
    let short = large_wheel("short", 100);
    let new = Giving {
        ignores_if_range: true,
        tag: Some("\"two\""),
        ..Giving::new(&short, usize::MAX)
    };
    let server = serve(vec![Giving::new(&file(), CUT), new]);
    assert_eq!(found(&server).await, short.sha256);
}

#[tokio::test]
async fn one_without_ranges_that_always_breaks_is_given_up_with_how_far_it_came() {
    let whole = Giving {
        ranges: false,
        ..Giving::new(&file(), CUT)
    };
    let server = serve(vec![whole]);
    let scene = scene(&file(), &server);
    let fault = scene.fault().await;
    assert_eq!(fault.code, Code::INDEX_UNREACHABLE);
    let size = file().bytes.len();
    let said = format!("it was tried 4 times, and {CUT} of {size} bytes came");
    assert!(fault.causes[1].contains(&said), "{fault:?}");
}

#[tokio::test]
async fn the_number_of_breaks_is_bounded_however_far_it_comes() {
    let server = serve(vec![Giving::new(&file(), CUT)]);
    let scene = scene(&file(), &server);
    let mut options = scene.world.options(&[&scene.server.url()]);
    options.limits.breaks = 2;
    let client = Client::new(options).expect("options");
    let fetched = scene.fetch_with(&client, |_, _| Ok::<(), Refused>(()));
    let fault = Fault::from(fetched.await.expect_err("a failure"));
    assert!(fault.causes[1].contains("tried 2 times"), "{fault:?}");
    assert_eq!(server.heads().len(), 2);
    assert_eq!(scene.left(), 0);
}
