//! The laws of [`Store`], each a function that panics where it is broken.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;

use crate::{Body, Created, Key, Store, StoreError};

/// Holds `store` to every law, one after the other, below the prefix `laws/`, and removes what it
/// made there. Writers and readers that a law calls concurrent are polled together.
///
/// # Panics
/// Where the store breaks a law.
pub async fn conformance(store: &dyn Store) {
    let place = |law: &'static str| Place { store, law };
    let laws = [
        (
            "put",
            Box::pin(get_gives_what_was_put(place("put"))) as Law<'_>,
        ),
        (
            "missing",
            Box::pin(what_is_missing_is_none(place("missing"))),
        ),
        ("once", Box::pin(one_of_many_writers_creates(place("once")))),
        ("keep", Box::pin(put_new_keeps_what_is_there(place("keep")))),
        (
            "whole",
            Box::pin(readers_see_old_or_new_whole(place("whole"))),
        ),
        ("range", Box::pin(a_range_is_exact(place("range")))),
        (
            "past",
            Box::pin(a_range_past_the_end_is_an_error(place("past"))),
        ),
        ("delete", Box::pin(what_is_deleted_is_gone(place("delete")))),
        (
            "empty",
            Box::pin(an_empty_object_is_an_object(place("empty"))),
        ),
        ("large", Box::pin(a_large_object_comes_back(place("large")))),
        ("file", Box::pin(a_file_is_a_body(place("file")))),
        (
            "sorted",
            Box::pin(a_listing_is_sorted_by_key(place("sorted"))),
        ),
        ("prefix", Box::pin(a_prefix_is_text(place("prefix")))),
        (
            "alike",
            Box::pin(keys_that_look_alike_differ(place("alike"))),
        ),
    ];
    for (name, law) in laws {
        law.await;
        place(name).clear().await;
    }
}

type Law<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What is put comes back, and `head` tells its size and time.
async fn get_gives_what_was_put(place: Place<'_>) {
    place.put("object", "content").await;
    assert_eq!(place.get("object").await.as_deref(), Some(&b"content"[..]));
    let meta = place.store.head(&place.key("object")).await;
    let meta = meta.expect("head").expect("it is there");
    assert_eq!(meta.size, 7);
    assert!(meta.modified > 1_600_000_000, "in seconds: {meta:?}");
}

/// What was never put is `None`, with or without a range, and deleting it is no error.
async fn what_is_missing_is_none(place: Place<'_>) {
    let key = place.key("some/where");
    assert_eq!(place.get("some/where").await, None);
    assert_eq!(place.store.get(&key, Some(0..1)).await.expect("get"), None);
    assert_eq!(place.store.head(&key).await.expect("head"), None);
    place.store.delete(&key).await.expect("delete");
    assert_eq!(place.list("").await, Vec::<String>::new());
}

/// Of many that create one object at once, exactly one does, and its content stays.
async fn one_of_many_writers_creates(place: Place<'_>) {
    let key = place.key("object");
    let key = &key;
    let writers = (0..16).map(|writer: u8| {
        boxed(async move {
            let body = Body::from(vec![writer; 20_000]);
            place.store.put_new(key, body).await.expect("put_new")
        })
    });
    let answers = all(writers.collect()).await;
    let winners: Vec<usize> = (0..16).filter(|at| answers[*at] == Created::Yes).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    let content = place.get("object").await.expect("it is there");
    assert_eq!(content.len(), 20_000);
    assert!(content.iter().all(|byte| usize::from(*byte) == winners[0]));
}

/// `put_new` changes nothing where there is an object, and creates again after it is deleted.
async fn put_new_keeps_what_is_there(place: Place<'_>) {
    let key = place.key("object");
    place.put("object", "old").await;
    let again = place.store.put_new(&key, Body::from("new".to_owned()));
    assert_eq!(again.await.expect("put_new"), Created::No);
    assert_eq!(place.get("object").await.as_deref(), Some(&b"old"[..]));
    place.store.delete(&key).await.expect("delete");
    let again = place.store.put_new(&key, Body::from("new".to_owned()));
    assert_eq!(again.await.expect("put_new"), Created::Yes);
    assert_eq!(place.get("object").await.as_deref(), Some(&b"new"[..]));
}

/// While an object is replaced, a reader sees the old one or the new one, whole.
async fn readers_see_old_or_new_whole(place: Place<'_>) {
    let key = &place.key("object");
    let content = |round: u8| vec![round; 10_000 + 5_000 * usize::from(round)];
    let put = async |round| {
        let body = Body::from(content(round));
        place.store.put(key, body).await.expect("put");
    };
    put(0).await;
    let writer = boxed(async {
        for round in 1..12 {
            put(round).await;
        }
    });
    let reader = || {
        boxed(async {
            for _ in 0..30 {
                let seen = place.get("object").await.expect("never missing");
                assert_eq!(seen, content(seen[0]), "a mixture of two objects");
            }
        })
    };
    all(vec![writer, reader(), reader(), reader()]).await;
    assert_eq!(place.get("object").await.expect("it is there"), content(11));
}

/// A range gives these bytes and no others.
async fn a_range_is_exact(place: Place<'_>) {
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let key = place.key("object");
    let put = place.store.put(&key, Body::from(content.clone()));
    put.await.expect("put");
    for range in [0..1, 0..100_000, 99_999..100_000, 777..65_555, 5..5] {
        let got = place.store.get(&key, Some(range.clone())).await;
        let bounds = usize_range(&range);
        assert_eq!(
            got.expect("get").expect("there"),
            content[bounds],
            "{range:?}"
        );
    }
}

/// A range that goes past the end, or backwards, is an error and never a short answer.
async fn a_range_past_the_end_is_an_error(place: Place<'_>) {
    place.put("object", "ten bytes!").await;
    let key = place.key("object");
    let backwards = Range { start: 5, end: 2 };
    for range in [0..11, 10..11, 500..501, 11..11, backwards, 0..u64::MAX] {
        let got = place.store.get(&key, Some(range.clone())).await;
        assert!(
            matches!(got, Err(StoreError::Range { size: 10, .. })),
            "{range:?}: {got:?}"
        );
    }
}

/// What is deleted is gone from `get`, `head` and listings.
async fn what_is_deleted_is_gone(place: Place<'_>) {
    place.put("object", "content").await;
    let key = place.key("object");
    place.store.delete(&key).await.expect("delete");
    assert_eq!(place.get("object").await, None);
    assert_eq!(place.store.head(&key).await.expect("head"), None);
    assert_eq!(place.list("").await, Vec::<String>::new());
}

/// An object of no bytes is an object.
async fn an_empty_object_is_an_object(place: Place<'_>) {
    place.put("object", "").await;
    let key = place.key("object");
    assert_eq!(place.get("object").await, Some(Bytes::new()));
    let none = place.store.get(&key, Some(0..0)).await.expect("get");
    assert_eq!(none, Some(Bytes::new()));
    let meta = place.store.head(&key).await.expect("head");
    assert_eq!(meta.expect("it is there").size, 0);
    let again = place.store.put_new(&key, Body::from("x".to_owned())).await;
    assert_eq!(again.expect("put_new"), Created::No);
}

/// An object of five megabytes comes back whole and in part.
async fn a_large_object_comes_back(place: Place<'_>) {
    let content: Bytes = (0..5_000_000_u32)
        .map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    let key = place.key("object");
    let put = place.store.put_new(&key, Body::from(content.clone()));
    assert_eq!(put.await.expect("put_new"), Created::Yes);
    assert_eq!(place.get("object").await, Some(content.clone()));
    let part = place.store.get(&key, Some(1_234_567..4_999_999)).await;
    assert_eq!(
        part.expect("get"),
        Some(content.slice(1_234_567..4_999_999))
    );
}

/// A finished file can be the body of both kinds of put; it is gone or unchanged afterwards, and
/// removing it does not touch the object.
async fn a_file_is_a_body(place: Place<'_>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, create) in [("created", true), ("replaced", false)] {
        let path = folder.path().join(name);
        fs_err::write(&path, name).expect("written");
        let key = place.key(name);
        if create {
            let created = place.store.put_new(&key, Body::file(&path)).await;
            assert_eq!(created.expect("put_new"), Created::Yes);
        } else {
            place.put(name, "old").await;
            place.store.put(&key, Body::file(&path)).await.expect("put");
        }
        if let Ok(left) = fs_err::read(&path) {
            assert_eq!(left, name.as_bytes());
            fs_err::remove_file(&path).expect("removed");
        }
        assert_eq!(place.get(name).await.as_deref(), Some(name.as_bytes()));
    }
    let missing = Body::file(folder.path().join("missing"));
    let answer = place.store.put_new(&place.key("missing"), missing).await;
    assert!(answer.is_err(), "a file that is not there was stored");
    assert_eq!(place.get("missing").await, None);
}

/// A listing is sorted by the whole key, byte by byte, whatever the order of writing.
async fn a_listing_is_sorted_by_key(place: Place<'_>) {
    let names = ["b", "a/z", "a.x", "a-x", "a/b/c", "A", "0", "a0"];
    for name in names {
        place.put(name, name).await;
    }
    let sorted: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(place.list("").await, Vec::from_iter(sorted));
    let entries = place.store.list(&place.text("")).await.expect("list");
    assert!(
        entries.iter().zip(["-"; 8]).all(|(entry, _)| {
            let name = &entry.key.as_str()[place.text("").len()..];
            entry.meta.size == name.len() as u64
        }),
        "{entries:?}"
    );
}

/// A prefix is text: it may end within a name, and it never matches more than it says.
async fn a_prefix_is_text(place: Place<'_>) {
    for name in ["ab/1", "ab/2/x", "abc", "b/ab"] {
        place.put(name, "x").await;
    }
    for (prefix, expected) in [
        ("ab", vec!["ab/1", "ab/2/x", "abc"]),
        ("ab/", vec!["ab/1", "ab/2/x"]),
        ("ab/2", vec!["ab/2/x"]),
        ("ab/2/x", vec!["ab/2/x"]),
        ("ab/2/x/", vec![]),
        ("abc/", vec![]),
        ("a/", vec![]),
        ("ab//", vec![]),
        ("../", vec![]),
        ("ab/../", vec![]),
    ] {
        assert_eq!(place.list(prefix).await, expected, "{prefix}");
    }
    assert_eq!(place.store.list("/").await.expect("list"), vec![]);
}

/// Keys that differ in one character name different objects.
async fn keys_that_look_alike_differ(place: Place<'_>) {
    let names = ["a.b", "a-b", "a_b", "ab", "a/b", "a.b.c", "a..b"];
    for name in names {
        place.put(name, name).await;
    }
    for name in names {
        assert_eq!(place.get(name).await.as_deref(), Some(name.as_bytes()));
    }
}

/// Where one law puts its objects.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    store: &'a dyn Store,
    law: &'static str,
}

impl Place<'_> {
    fn text(&self, name: &str) -> String {
        format!("laws/{}/{name}", self.law)
    }

    fn key(&self, name: &str) -> Key {
        self.text(name).parse().expect("a key")
    }

    async fn put(&self, name: &str, content: &str) {
        let body = Body::from(content.to_owned());
        self.store.put(&self.key(name), body).await.expect("put");
    }

    async fn get(&self, name: &str) -> Option<Bytes> {
        self.store.get(&self.key(name), None).await.expect("get")
    }

    /// The names that a listing gives, in its order.
    async fn list(&self, prefix: &str) -> Vec<String> {
        let entries = self.store.list(&self.text(prefix)).await.expect("list");
        let start = self.text("").len();
        entries
            .iter()
            .map(|entry| entry.key.as_str()[start..].to_owned())
            .collect()
    }

    async fn clear(&self) {
        for entry in self.store.list(&self.text("")).await.expect("list") {
            self.store.delete(&entry.key).await.expect("delete");
        }
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

fn boxed<'a, T>(future: impl Future<Output = T> + Send + 'a) -> Boxed<'a, T> {
    Box::pin(future)
}

/// Polls all futures together until each has answered.
async fn all<T>(mut futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut answers: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, answer) in futures.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *answer = Some(value);
            }
        }
        if answers.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    answers.into_iter().flatten().collect()
}

fn usize_range(range: &Range<u64>) -> Range<usize> {
    let bound = |at: u64| usize::try_from(at).expect("small");
    bound(range.start)..bound(range.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    #[tokio::test]
    async fn memory_keeps_the_laws() {
        let store = MemoryStore::new();
        conformance(&store).await;
        assert_eq!(store.list("").await.expect("list"), vec![]);
    }
}
