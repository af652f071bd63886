//! What a source distribution says of itself (core metadata specification, PEP 643).
//!
//! In: its PKG-INFO. Out: metadata that any wheel built from it must have, or nothing where only a
//! build can tell. Never: takes a field that may differ from build to build.

use crate::index::{Metadata, headers, parse_metadata};

/// The fields that the resolver lives on. The last three may never be dynamic: who says so follows
/// another document than PEP 643.
const NEEDED: [&str; 6] = [
    "requires-dist",
    "requires-python",
    "provides-extra",
    "metadata-version",
    "name",
    "version",
];

/// The metadata, where it is certain: of version 2.2 at least, and with none of what is needed
/// among `Dynamic`.
pub(super) fn certain(pkg_info: &[u8]) -> Option<Metadata> {
    let fields = headers(pkg_info);
    let values = |name: &'static str| {
        let fields = fields
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str())
    };
    let mut numbers = values("Metadata-Version").next()?.split('.');
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
    let version = (number(numbers.next())?, number(numbers.next())?);
    // One field a line, says PEP 643; tools that list several in one mean no less.
    let words = |text: &str| -> Vec<String> {
        let words = text.split([',', ' ', '\t', ';']);
        words.map(str::to_ascii_lowercase).collect()
    };
    let mut dynamic = values("Dynamic").flat_map(words);
    if version < (2, 2) || dynamic.any(|field| NEEDED.contains(&field.as_str())) {
        return None;
    }
    // The name and version that it has are the file's: the resolver compares them.
    parse_metadata(pkg_info).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_t_differ_from_build_to_build_is_taken() {
        let text = |version: &str, more: &str| {
            format!(
                "Metadata-Version: {version}\nName: a\nVersion: 1\nRequires-Dist: b\n{more}\nDynamic: body"
            )
        };
        let known = certain(text("2.2", "Dynamic: License\n").as_bytes()).expect("certain");
        assert_eq!(known.requires_dist.len(), 1);
        assert!(certain(text("2.10", "").as_bytes()).is_some());
        for (version, more) in [
            ("2.1", ""),
            ("1.9", ""),
            ("2", ""),
            ("x.y", ""),
            ("2.4", "Dynamic: Requires-Dist\n"),
            ("2.4", "Dynamic: License\ndynamic: requires-python\n"),
            ("2.3", "Dynamic: PROVIDES-EXTRA\n"),
            ("2.2", "Dynamic: License, Requires-Dist\n"),
            ("2.2", "Dynamic: License\n Requires-Dist\n"),
            ("2.2", "Dynamic: License Requires-Python\n"),
            ("2.2", "Dynamic: Version\n"),
        ] {
            assert_eq!(
                certain(text(version, more).as_bytes()),
                None,
                "{version} {more}"
            );
        }
        assert_eq!(certain(b""), None);
    }
}
