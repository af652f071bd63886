//! The list of a page's files, as long as it may be.
//!
//! In: JSON. Out: at most [`MAX_FILES`] entries. Never: keeps more, whatever the page's size would
//! allow: the shortest entry takes three bytes of text and two hundred of memory.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::{Entry, MAX_FILES};

/// Reads the list, and refuses one that is too long.
pub(super) fn bounded<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Entry<'de>>, D::Error> {
    struct Files;

    impl<'de> Visitor<'de> for Files {
        type Value = Vec<Entry<'de>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of files")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut files = Vec::new();
            while let Some(file) = list.next_element()? {
                if files.len() == MAX_FILES {
                    return Err(A::Error::custom(format!(
                        "it lists more than {MAX_FILES} files"
                    )));
                }
                files.push(file);
            }
            Ok(files)
        }
    }

    deserializer.deserialize_seq(Files)
}
