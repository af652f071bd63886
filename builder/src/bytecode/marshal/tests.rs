//! Marshal streams, whole and broken, and what normalising makes of them.

use proptest::prelude::*;

use super::*;

/// Python 3.12.
const MAGIC: u16 = 3531;

fn layout() -> Layout {
    Layout::of(MAGIC).expect("a known version")
}

fn normal(stream: &[u8]) -> Result<Vec<u8>, MarshalError> {
    normalise(stream, layout())
}

#[test]
fn flags_follow_references_and_nothing_else() {
    // ("ab", "ab", "cd") with every flag set, and with those that matter.
    let flagged = b"\xa9\x03\xfa\x02abr\x01\0\0\0\xfa\x02cd";
    let needed = b"\x29\x03\xfa\x02abr\0\0\0\0\x7a\x02cd";
    assert_eq!(normal(flagged).as_deref(), Ok(&needed[..]));
    assert_eq!(normal(needed).as_deref(), Ok(&needed[..]), "it is stable");
}

#[test]
fn interned_strings_are_one_object() {
    let twice = b")\x02Z\x02abZ\x02ab";
    assert_eq!(
        normal(twice).as_deref(),
        Ok(&b")\x02\xda\x02abr\0\0\0\0"[..])
    );
    let not_interned = b")\x02z\x02abz\x02ab";
    assert_eq!(normal(not_interned).as_deref(), Ok(&not_interned[..]));
}

#[test]
fn whether_a_single_character_is_interned_does_not_matter() {
    for (one, other) in [
        (&b"z\x01a"[..], &b"Z\x01a"[..]),
        (b"z\0", b"Z\0"),
        (b"u\x02\0\0\0\xc3\xa9", b"t\x02\0\0\0\xc3\xa9"),
    ] {
        assert_eq!(normal(one), normal(other));
        assert_eq!(normal(one).as_deref(), Ok(other));
    }
}

#[test]
fn the_order_of_a_frozenset_does_not_matter() {
    // frozenset({("ab", None), "ab", 7}) in two orders: the reference moves along.
    let one = b">\x03\0\0\0\xa9\x02\xfa\x02abNr\x01\0\0\0i\x07\0\0\0";
    let other = b"\xbe\x03\0\0\0\xe9\x07\0\0\0\xfa\x02ab\xa9\x02r\x02\0\0\0N";
    let normal_one = normal(one).expect("known types");
    assert_eq!(Ok(&normal_one), normal(other).as_ref());
    assert_eq!(normal(&normal_one).as_deref(), Ok(&normal_one[..]));
}

#[test]
fn what_is_not_a_code_object_s_is_an_error() {
    for (stream, error) in [
        (&b""[..], MarshalError::Truncated),
        (b"z\x05ab", MarshalError::Truncated),
        (b"s\xff\xff\xff\xff", MarshalError::Truncated),
        (b"l\0\0\0\x80", MarshalError::Truncated),
        (b"(\xff\xff\xff\x7fN", MarshalError::Truncated),
        (b"NN", MarshalError::Trailing(1)),
        (b"[\0\0\0\0", MarshalError::UnknownType(b'[')),
        (b"{0", MarshalError::UnknownType(b'{')),
        (b"\xceN", MarshalError::UnknownType(0xce)),
        (b"r\0\0\0\0", MarshalError::BadReference(0)),
        // A tuple that holds itself.
        (b"\xa9\x01r\0\0\0\0", MarshalError::BadReference(0)),
    ] {
        assert_eq!(normal(stream), Err(error), "{stream:?}");
    }
}

#[test]
fn depth_is_bounded_also_when_it_is_built_by_references() {
    let deep = |depth: usize| [b")\x01".repeat(depth), b"N".to_vec()].concat();
    assert!(normal(&deep(999)).is_ok());
    assert_eq!(normal(&deep(1001)), Err(MarshalError::TooDeep));
    assert_eq!(normal(&deep(1_000_000)), Err(MarshalError::TooDeep));
    // (a, (a,), ((a,),), …), each by a reference to the one before.
    let mut stream = b"(\xd0\x07\0\0\xa9\0".to_vec();
    for reference in 0u32..1999 {
        stream.extend(b"\xa9\x01r");
        stream.extend(reference.to_le_bytes());
    }
    assert_eq!(normal(&stream), Err(MarshalError::TooDeep));
}

#[test]
fn sharing_does_not_multiply_the_work() {
    // Sets of pairs of the one before: 2^60 members if they were written out.
    let mut stream = b"(\x3c\0\0\0\xa9\0".to_vec();
    for reference in 0u32..59 {
        stream.extend(b"\xbe\x02\0\0\0");
        for _ in 0..2 {
            stream.push(b'r');
            stream.extend(reference.to_le_bytes());
        }
    }
    let normal_form = normal(&stream).expect("known types");
    assert_eq!(normal_form.len(), stream.len());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(stream in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(one) = normal(&stream) {
            prop_assert_eq!(normal(&one), Ok(one));
        }
    }

    /// As above, of bytes that are types more often than not.
    #[test]
    fn no_types_make_it_panic(
        stream in prop::collection::vec(
            prop_oneof![
                prop::sample::select(b"NTFiZzaAut)>(:crs\xa9\xbe\xe3\xda\xfa\xf3".to_vec()),
                0..4u8,
            ],
            0..400,
        ),
    ) {
        for magic in [3425, MAGIC] {
            let layout = Layout::of(magic).expect("a known version");
            if let Ok(one) = normalise(&stream, layout) {
                prop_assert_eq!(normalise(&one, layout), Ok(one));
            }
        }
    }
}
