//! The anchors of an HTML index page (PEP 503, 592, 629, 658, 714).
//!
//! In: text that may be any HTML. Out: one entry for each anchor with an address, up to one more
//! than a page may list. Never: fails; what is not understood is passed over, in time linear in the
//! text's length, and in memory that does not grow with it.

use std::borrow::Cow;

use crate::index::page::{Entry, Hashes, MAX_FILES, Sibling, Text, Yanked};

/// Attributes of one tag that are looked at.
const MAX_ATTRIBUTES: usize = 32;

/// What a page holds.
#[derive(Debug, Default)]
pub(super) struct HtmlPage {
    /// The address that relative ones start from, as `<base>` gives it.
    pub(super) base: Option<String>,
    /// PEP 629's `pypi:repository-version`.
    pub(super) api_version: Option<String>,
    /// PEP 792's `pypi:project-status`.
    pub(super) status: Option<String>,
    /// PEP 792's `pypi:project-status-reason`.
    pub(super) status_reason: Option<String>,
    pub(super) entries: Vec<Entry<'static>>,
}

/// Finds the anchors.
pub(super) fn scan(text: &str) -> HtmlPage {
    let mut page = HtmlPage::default();
    let mut rest = text;
    while page.entries.len() <= MAX_FILES
        && let Some(at) = rest.find('<')
    {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let (tag, after) = tag(rest);
        page.take(&tag);
        rest = after;
    }
    page
}

#[derive(Default)]
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, Cow<'a, str>)>,
}

impl Tag<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.attributes
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| decode_entities(value))
    }
}

impl HtmlPage {
    fn take(&mut self, tag: &Tag<'_>) {
        if tag.name.eq_ignore_ascii_case("a") {
            self.entries
                .extend(tag.get("href").map(|href| entry(tag, &href)));
        } else if tag.name.eq_ignore_ascii_case("base") && self.base.is_none() {
            self.base = tag.get("href");
        } else if tag.name.eq_ignore_ascii_case("meta") {
            match tag.get("name").as_deref() {
                Some("pypi:repository-version") => self.api_version = tag.get("content"),
                Some("pypi:project-status") => self.status = tag.get("content"),
                Some("pypi:project-status-reason") => self.status_reason = tag.get("content"),
                _ => {}
            }
        }
    }
}

fn entry(tag: &Tag<'_>, href: &str) -> Entry<'static> {
    let text = |name| tag.get(name).map(|value| Text(Cow::Owned(value)));
    let sibling = |name| tag.get(name).map(|value| sibling(&value));
    Entry {
        url: Cow::Owned(href.trim().to_owned()),
        requires_python: text("data-requires-python"),
        yanked: text("data-yanked").map(Yanked::Reason),
        core_metadata: sibling("data-core-metadata"),
        dist_info_metadata: sibling("data-dist-info-metadata"),
        ..Entry::default()
    }
}

/// `true`, or the digest as `sha256=<hex>`.
fn sibling(value: &str) -> Sibling<'static> {
    match value.strip_prefix("sha256=") {
        Some(digest) => Sibling::Digest(Hashes {
            sha256: Some(Text(Cow::Owned(digest.to_owned()))),
        }),
        None => Sibling::Flag(!value.eq_ignore_ascii_case("false")),
    }
}

/// The tag that starts here, after its `<`, and what follows it.
fn tag(text: &str) -> (Tag<'_>, &str) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '/' | '!');
    let name_end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let mut tag = Tag {
        name: &text[..name_end],
        attributes: Vec::new(),
    };
    let mut rest = &text[name_end..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return (tag, after);
        }
        // An unclosed tag ends where the next one starts.
        if rest.is_empty() || rest.starts_with('<') {
            return (tag, rest);
        }
        let (attribute, after) = attribute(rest);
        if tag.attributes.len() < MAX_ATTRIBUTES {
            tag.attributes.extend(attribute);
        }
        rest = after;
    }
}

type Attribute<'a> = (&'a str, Cow<'a, str>);

fn attribute(text: &str) -> (Option<Attribute<'_>>, &str) {
    let ends_key = |c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/' | '<');
    let key_end = text.find(ends_key).unwrap_or(text.len());
    let (key, rest) = text.split_at(key_end);
    let Some(after) = rest.trim_start().strip_prefix('=') else {
        let value = Cow::Borrowed("");
        return ((!key.is_empty()).then_some((key, value)), rest);
    };
    let after = after.trim_start();
    let (value, rest) = match after.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inside = &after[1..];
            let end = inside.find(quote).unwrap_or(inside.len());
            (&inside[..end], inside.get(end + 1..).unwrap_or(""))
        }
        _ => after.split_at(
            after
                .find(|c: char| c.is_whitespace() || c == '>')
                .unwrap_or(after.len()),
        ),
    };
    (
        (!key.is_empty()).then_some((key, Cow::Borrowed(value))),
        rest,
    )
}

/// Undoes the character references that index pages use.
fn decode_entities(text: &str) -> String {
    const LONGEST: usize = 10;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(LONGEST).position(|byte| byte == b';');
        let found = end.and_then(|end| Some((character(&rest[1..end])?, end)));
        let (c, end) = found.unwrap_or(('&', 0));
        out.push(c);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_html_is_survived() {
        for text in [
            "<",
            "<a",
            "<a href",
            "<a href=",
            "<a href='",
            "<a href=\"x",
            "<!--",
            "<!-- <a href=x>",
            "<<<<",
            "<a =>",
            "<a / / =x>",
            "&",
            "<a href='&#xffffffff;&#;&;&amp'>",
            "<é>",
            "<a é=é>",
            "<a href=é&>",
            "<a href='\u{0}'>",
        ] {
            scan(text);
        }
        let many = "<a ".repeat(100_000);
        assert!(scan(&many).entries.is_empty());
    }

    #[test]
    fn attributes_are_read_however_they_are_quoted() {
        let page =
            scan("<A HREF = one.whl data-yanked><a\nhref='t&amp;wo'>x</a><!--<a href=no>-->");
        let urls: Vec<&str> = page.entries.iter().map(|entry| &*entry.url).collect();
        assert_eq!(urls, ["one.whl", "t&wo"]);
        assert!(matches!(&page.entries[0].yanked, Some(Yanked::Reason(text)) if text.0.is_empty()));
        assert!(page.entries[1].yanked.is_none());
    }
}
