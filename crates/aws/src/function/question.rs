//! A payload to a question.
//!
//! In: the bytes of an invocation, and the store for a question that was too large to be sent. Out:
//! a [`Question`], or the fault that answers what is none. Never: trusts that what lies in the
//! store is what was put there; follows more than one reference.

use std::sync::Arc;

use pyrun_core::protocol::{Ask, PROTOCOL};
use pyrun_core::{Code, Fault, Sha256};
use pyrun_store::{Store, catalog};
use serde::Deserialize;

/// Bytes of the largest question that is read from the store.
const LARGEST: u64 = 256 << 20;

/// What is asked, and how.
#[derive(Debug)]
pub(super) struct Question {
    /// What.
    pub(super) ask: Ask,
    /// How many bytes the answer may have, where the caller can't take what a stream can carry.
    pub(super) answer_bytes: Option<u64>,
}

/// What stands in a payload whatever its version.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head {
    protocol: Option<u64>,
    ask: Option<String>,
    answer_bytes: Option<u64>,
}

/// Reads a payload that stands for itself or for an object of the store.
/// `store` is asked for when it is needed.
pub(super) async fn read(
    payload: &[u8],
    store: impl Future<Output = Result<Arc<dyn Store>, Fault>>,
) -> Result<Question, Fault> {
    let question = parse(payload)?;
    let Ask::Stored { sha256 } = question.ask else {
        return Ok(question);
    };
    let bytes = fetch(&*store.await?, &sha256).await?;
    let stored = parse(&bytes)?;
    if matches!(stored.ask, Ask::Stored { .. }) {
        return Err(unknown().cause("a question in the store refers to another one"));
    }
    Ok(Question {
        answer_bytes: question.answer_bytes.or(stored.answer_bytes),
        ..stored
    })
}

async fn fetch(store: &dyn Store, digest: &Sha256) -> Result<Vec<u8>, Fault> {
    let key = catalog::request(digest);
    let again = |message: &str| {
        Fault::new(Code::STORE_UNREADABLE, message)
            .cause(format!("it was looked for at `{key}`"))
            .hint("run again: the question is then put there again")
    };
    let gone = || again("the question is not in the store");
    let meta = store.head(&key).await?.ok_or_else(gone)?;
    if meta.size > LARGEST {
        return Err(Fault::new(
            Code::REMOTE_PAYLOAD,
            format!(
                "the question has {} bytes; a function reads {LARGEST} at most",
                meta.size
            ),
        )
        .hint("put large values where the function can read them itself, and send their place"));
    }
    let bytes = store.get(&key, None).await?.ok_or_else(gone)?;
    if Sha256::of(&bytes) != *digest {
        return Err(again(
            "the question in the store is not the one that was put there",
        ));
    }
    Ok(bytes.into())
}

fn parse(bytes: &[u8]) -> Result<Question, Fault> {
    let head: Head = serde_json::from_slice(bytes).unwrap_or_default();
    if let Some(theirs) = head.protocol.filter(|theirs| *theirs > PROTOCOL.into()) {
        return Err(Fault::new(
            Code::REMOTE_SKEW,
            format!(
                "the deployed function speaks protocol {PROTOCOL}, and was asked in protocol {theirs}"
            ),
        )
        .hint("bring the function up to date with `pyrun deploy`"));
    }
    match serde_json::from_slice(bytes) {
        Ok(ask) => Ok(Question {
            ask,
            answer_bytes: head.answer_bytes,
        }),
        Err(error) => {
            let fault = unknown().cause(error.to_string());
            Err(match head.ask {
                Some(ask) => fault.cause(format!(
                    "it asks for `{}`",
                    ask.chars().take(80).collect::<String>()
                )),
                None => fault,
            })
        }
    }
}

fn unknown() -> Fault {
    Fault::new(
        Code::REMOTE_SKEW,
        "the payload is no question that the deployed function knows",
    )
    .hint("bring pyrun and the function to the same version with `pyrun deploy`")
}

#[cfg(test)]
mod tests {
    use pyrun_store::{Body, MemoryStore};

    use super::*;

    const PREPARE: &str = concat!(
        r#"{"ask":"prepare","protocol":1,"answer_bytes":5000,"lock":""#,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        r#"","moon":"full"}"#
    );

    async fn ask(payload: &str, store: &Arc<MemoryStore>) -> Result<Question, Fault> {
        let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
        read(payload.as_bytes(), async { Ok(store) }).await
    }

    fn empty() -> Arc<MemoryStore> {
        Arc::new(MemoryStore::new())
    }

    fn stored(text: &str) -> String {
        format!(r#"{{"ask":"stored","sha256":"{}"}}"#, Sha256::of(text))
    }

    #[tokio::test]
    async fn a_question_is_read_and_what_is_newer_in_it_ignored() {
        let question = ask(PREPARE, &empty()).await.expect("a question");
        assert!(matches!(question.ask, Ask::Prepare(_)));
        assert_eq!(question.answer_bytes, Some(5000));
    }

    #[tokio::test]
    async fn what_is_no_question_is_answered_with_a_fault() {
        let deep = format!(r#"{{"ask":"run","script":{}"#, "[".repeat(100_000));
        for payload in [
            "",
            "{}",
            "null",
            "[1]",
            r#"{"ask":"dance"}"#,
            "\u{0}",
            &deep,
        ] {
            let fault = ask(payload, &empty()).await.expect_err("no question");
            assert_eq!(fault.code, Code::REMOTE_SKEW, "{fault:?}");
        }
        let fault = ask(r#"{"ask":"dance"}"#, &empty()).await;
        assert!(format!("{fault:?}").contains("`dance`"));
    }

    #[tokio::test]
    async fn a_newer_protocol_is_told_apart_from_nonsense() {
        let newer = r#"{"ask":"run","protocol":99,"code":"whatever"}"#;
        let fault = ask(newer, &empty()).await.expect_err("newer");
        assert_eq!(fault.code, Code::REMOTE_SKEW);
        assert!(fault.message.contains("99"), "{}", fault.message);
    }

    #[tokio::test]
    async fn a_question_in_the_store_is_what_its_digest_says() {
        let store = empty();
        let missing = ask(&stored(PREPARE), &store).await.expect_err("missing");
        assert_eq!(missing.code, Code::STORE_UNREADABLE);
        let key = catalog::request(&Sha256::of(PREPARE));
        let put = |text: &str| Body::from(text.to_owned());
        store.put(&key, put("{}")).await.expect("put");
        let changed = ask(&stored(PREPARE), &store).await.expect_err("changed");
        assert_eq!(changed.code, Code::STORE_UNREADABLE);
        store.put(&key, put(PREPARE)).await.expect("put");
        let question = ask(&stored(PREPARE), &store).await.expect("a question");
        assert!(matches!(question.ask, Ask::Prepare(_)));
    }

    #[tokio::test]
    async fn a_reference_leads_to_no_further_one() {
        let store = empty();
        let inner = stored(PREPARE);
        let key = catalog::request(&Sha256::of(&inner));
        store
            .put(&key, Body::from(inner.clone()))
            .await
            .expect("put");
        let fault = ask(&stored(&inner), &store).await.expect_err("a chain");
        assert_eq!(fault.code, Code::REMOTE_SKEW);
    }
}
