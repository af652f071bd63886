//! The names of a lock's files.
//!
//! In: what an entry says of a file. Out: its name, where it has one.

use std::borrow::Cow;

/// PEP 751: a file's name is `name`, else the last part of its address.
pub(super) fn filename_in<'a>(
    name: Option<&'a str>,
    url: Option<&'a str>,
    path: Option<&'a str>,
) -> Option<Cow<'a, str>> {
    if let Some(name) = name {
        return Some(name.into());
    }
    if let Some(url) = url {
        let path = url.split(['?', '#']).next()?;
        return percent_decoded(path.rsplit('/').next()?);
    }
    path?.rsplit(['/', '\\']).next().map(Cow::Borrowed)
}

/// A part of an address as plain text (RFC 3986, section 2.1); `None` where it is no UTF-8.
fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let digit = |at: usize| char::from(*others.get(at)?).to_digit(16);
        let code = match (digit(0), digit(1)) {
            (Some(high), Some(low)) if *first == b'%' => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = &others[if code.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}
