//! Fields that are a flag or something else.
//!
//! In: JSON. Out: [`Yanked`] and [`Sibling`]. Written by hand because serde's untagged enums copy
//! every value before they look at it, and a page has two such fields for each of its thousands of
//! files.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::{Hashes, Sibling, Text, Yanked};

impl<'de: 'a, 'a> Deserialize<'de> for Yanked<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Yanked<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flag or a reason")
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Yanked::Flag(flag))
            }

            fn visit_borrowed_str<E: Error>(self, reason: &'de str) -> Result<Self::Value, E> {
                Ok(Yanked::Reason(Text(Cow::Borrowed(reason))))
            }

            fn visit_str<E: Error>(self, reason: &str) -> Result<Self::Value, E> {
                Ok(Yanked::Reason(Text(Cow::Owned(reason.to_owned()))))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Sibling<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Sibling<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flag or digests")
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Sibling::Flag(flag))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Hashes::deserialize(MapAccessDeserializer::new(map)).map(Sibling::Digest)
            }
        }

        deserializer.deserialize_any(Either)
    }
}
