//! What the index answers.
//!
//! In: the packages, a request, and what shall go wrong. Out: status, headers and a body's plan.
//! Never: sends anything itself.

use bytes::Bytes;
use pyrun_core::Sha256;

use super::body::Plan;
use super::failure::Failure;
use super::packages::Packages;
use super::page;
use crate::wheel::normalise;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ask {
    /// The decoded path, without [`REDIRECTED`].
    pub path: String,
    /// The same path as it came.
    pub raw: String,
    /// Whether the path had [`REDIRECTED`].
    pub redirected: bool,
    /// `Accept`.
    pub accept: String,
    /// `Range`.
    pub range: Option<String>,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
}

/// Where [`Failure::RedirectOnce`] sends its clients.
pub(super) const REDIRECTED: &str = "/redirected";

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Plan,
}

/// The answer to a request.
pub(super) fn reply(
    packages: &Packages,
    max_age: u64,
    ask: &Ask,
    failure: Option<&Failure>,
) -> Reply {
    match failure {
        Some(Failure::Status(status)) => plain(*status, Vec::new()),
        Some(Failure::RetryAfter(seconds)) => {
            plain(429, vec![("retry-after", seconds.to_string())])
        }
        Some(Failure::RedirectOnce) if !ask.redirected => {
            redirect(307, format!("{REDIRECTED}{}", ask.raw))
        }
        Some(Failure::RedirectLoop) => redirect(302, ask.raw.clone()),
        Some(Failure::Endless) => json(Plan::chunked(std::iter::repeat(spaces()))),
        Some(Failure::MalformedJson) => json(Plan::whole("{\"files\": [{\"filename\": ".into())),
        Some(Failure::HugeJson(size)) => json(huge_page(*size)),
        Some(Failure::NoRanges) => {
            let ask = Ask {
                range: None,
                ..ask.clone()
            };
            let mut content = find(packages, max_age, &ask);
            content.headers.retain(|(name, _)| *name != "accept-ranges");
            content.whole()
        }
        Some(Failure::HtmlOnly) => {
            let ask = Ask {
                accept: "text/html".into(),
                ..ask.clone()
            };
            find(packages, max_age, &ask).whole()
        }
        failure => spoil(find(packages, max_age, ask), failure),
    }
}

/// An answer whose body is at hand.
struct Content {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Content {
    fn whole(self) -> Reply {
        Reply {
            status: self.status,
            headers: self.headers,
            body: Plan::whole(self.body),
        }
    }

    fn header_mut(&mut self, name: &str) -> Option<&mut String> {
        let mut headers = self.headers.iter_mut();
        headers
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }
}

fn spoil(mut content: Content, failure: Option<&Failure>) -> Reply {
    match failure {
        Some(Failure::WrongBytes) if !content.body.is_empty() => {
            let mut body = content.body.to_vec();
            let middle = body.len() / 2;
            body[middle] ^= 1;
            content.body = body.into();
        }
        Some(Failure::WrongContentRange) => {
            if let Some(value) = content.header_mut("content-range") {
                *value = shifted(value);
            }
        }
        Some(Failure::ContentType(other)) => {
            if let Some(value) = content.header_mut("content-type") {
                (*other).clone_into(value);
            }
        }
        _ => {}
    }
    let body = match failure {
        Some(Failure::Truncated) => Plan::truncated(&content.body),
        Some(Failure::Drip { bytes, pause }) => Plan::drip(content.body.clone(), *bytes, *pause),
        _ => return content.whole(),
    };
    Reply {
        body,
        ..content.whole()
    }
}

/// `bytes 0-9/20` as `bytes 1-10/20`.
fn shifted(range: &str) -> String {
    let numbers: Vec<u64> = range
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect();
    match numbers[..] {
        [first, last, size] => format!("bytes {}-{}/{size}", first + 1, last + 1),
        _ => range.to_owned(),
    }
}

fn find(packages: &Packages, max_age: u64, ask: &Ask) -> Content {
    let wants_json = ask.accept.contains("json");
    let page = |json: fn(&Packages) -> String, html: fn(&Packages) -> String| {
        let (kind, text) = if wants_json {
            (page::JSON, json(packages))
        } else {
            (page::HTML, html(packages))
        };
        content(kind, text.into(), max_age, ask)
    };
    if ask.path == "/simple/" {
        return page(page::root_json, page::root_html);
    }
    if let Some(name) = ask.path.strip_prefix("/simple/") {
        return project(packages, name, wants_json, max_age, ask);
    }
    match ask.path.strip_prefix("/files/") {
        Some(name) => file(packages, name, ask),
        None => missing(),
    }
}

fn project(packages: &Packages, name: &str, json: bool, max_age: u64, ask: &Ask) -> Content {
    let normal = normalise(name.trim_end_matches('/'));
    let Some(listing) = packages.projects.get(&normal) else {
        return missing();
    };
    if name.strip_suffix('/') != Some(&normal) {
        let prefix = if ask.redirected { REDIRECTED } else { "" };
        return Content {
            status: 301,
            headers: vec![("location", format!("{prefix}/simple/{normal}/"))],
            body: Bytes::new(),
        };
    }
    let (kind, text) = if json {
        (page::JSON, page::project_json(&normal, listing))
    } else {
        (page::HTML, page::project_html(&normal, listing))
    };
    content(kind, text.into(), max_age, ask)
}

fn file(packages: &Packages, name: &str, ask: &Ask) -> Content {
    // A file never changes: its client may keep it for a year.
    let year = 365 * 24 * 3600;
    if let Some(file) = packages.file(name) {
        return content("application/octet-stream", file.bytes.clone(), year, ask);
    }
    let published = name
        .strip_suffix(".provenance")
        .and_then(|name| packages.file(name));
    if let Some(json) = published.and_then(|file| file.provenance.clone()) {
        return content(
            "application/vnd.pypi.integrity.v1+json",
            json.into(),
            year,
            ask,
        );
    }
    let described = name
        .strip_suffix(".metadata")
        .and_then(|name| packages.file(name));
    match described.and_then(|file| file.metadata.text()) {
        Some(text) => content(
            "text/plain; charset=utf-8",
            text.to_owned().into(),
            year,
            ask,
        ),
        None => missing(),
    }
}

/// The whole body, a part of it, or word that it has not changed.
fn content(kind: &str, body: Bytes, max_age: u64, ask: &Ask) -> Content {
    let tag = format!("\"{}\"", Sha256::of(&body).short());
    let mut headers = vec![
        ("content-type", kind.to_owned()),
        ("etag", tag.clone()),
        ("cache-control", format!("max-age={max_age}, public")),
        ("vary", "accept".to_owned()),
        ("accept-ranges", "bytes".to_owned()),
    ];
    if ask
        .if_none_match
        .as_deref()
        .is_some_and(|known| known.contains(&tag))
    {
        return Content {
            status: 304,
            headers,
            body: Bytes::new(),
        };
    }
    let size = body.len();
    match ask.range.as_deref().map(|range| parse_range(range, size)) {
        None | Some(Range::Whole) => Content {
            status: 200,
            headers,
            body,
        },
        Some(Range::Part(first, last)) => {
            headers.push(("content-range", format!("bytes {first}-{last}/{size}")));
            Content {
                status: 206,
                headers,
                body: body.slice(first..=last),
            }
        }
        Some(Range::Unsatisfiable) => {
            headers.push(("content-range", format!("bytes */{size}")));
            Content {
                status: 416,
                headers,
                body: Bytes::new(),
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part(usize, usize),
    Unsatisfiable,
}

/// One range (RFC 9110, section 14). What is no range, or several, is ignored, as servers may.
fn parse_range(text: &str, size: usize) -> Range {
    let pair = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'));
    let Some((first, last)) = pair else {
        return Range::Whole;
    };
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last),
        (Ok(first), Err(_)) if last.is_empty() => (first, usize::MAX),
        (Err(_), Ok(0)) if first.is_empty() => return Range::Unsatisfiable,
        (Err(_), Ok(count)) if first.is_empty() => (size.saturating_sub(count), usize::MAX),
        _ => return Range::Whole,
    };
    if first >= size {
        return Range::Unsatisfiable;
    }
    Range::Part(first, last.min(size - 1))
}

fn missing() -> Content {
    Content {
        status: 404,
        headers: vec![("content-type", "text/plain".to_owned())],
        body: "404".into(),
    }
}

fn plain(status: u16, mut headers: Vec<(&'static str, String)>) -> Reply {
    headers.push(("content-type", "text/plain".to_owned()));
    Reply {
        status,
        headers,
        body: Plan::whole(status.to_string().into()),
    }
}

fn redirect(status: u16, location: String) -> Reply {
    plain(status, vec![("location", location)])
}

fn json(body: Plan) -> Reply {
    Reply {
        status: 200,
        headers: vec![("content-type", page::JSON.to_owned())],
        body,
    }
}

fn spaces() -> Bytes {
    static SPACES: [u8; 1 << 16] = [b' '; 1 << 16];
    Bytes::from_static(&SPACES)
}

fn huge_page(size: u64) -> Plan {
    let start = r#"{"meta": {"api-version": "1.1"}, "name": "huge", "files": ["#;
    let count = usize::try_from(size >> 16).expect("a test's page fits the address space");
    let parts = std::iter::once(Bytes::from_static(start.as_bytes()))
        .chain(std::iter::repeat_n(spaces(), count))
        .chain(std::iter::once(Bytes::from_static(b"]}")));
    Plan::chunked(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let cases = [
            ("bytes=0-9", Range::Part(0, 9)),
            ("bytes=90-", Range::Part(90, 99)),
            ("bytes=90-1000", Range::Part(90, 99)),
            ("bytes=-10", Range::Part(90, 99)),
            ("bytes=-1000", Range::Part(0, 99)),
            ("bytes=100-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=9-0", Range::Whole),
            ("bytes=0-1,5-6", Range::Whole),
            ("items=0-1", Range::Whole),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_range(text, 100), expected, "{text}");
        }
    }

    #[test]
    fn a_content_range_is_shifted_by_one() {
        assert_eq!(shifted("bytes 0-9/20"), "bytes 1-10/20");
        assert_eq!(shifted("bytes */20"), "bytes */20");
    }
}
