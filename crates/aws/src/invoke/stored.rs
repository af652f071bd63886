//! Questions and frames that are too large to be sent, by way of the store.
//!
//! In: a question, or the digest of a frame. Out: what is sent instead, or the frame's own line.
//! Never: trusts what lies in the store before its digest is checked.

use pyrun_core::protocol::{Ask, Frame};
use pyrun_core::{Code, Fault, Sha256};
use pyrun_store::{Body, Store, catalog};

use serde::Serialize;

use super::CallReport;

/// The largest frame that is fetched from the store, in bytes.
pub(super) const MOST_FETCHED: u64 = 512 << 20;

/// What is sent: a question, and what its answer may be.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(flatten)]
    ask: &'a Ask,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_bytes: Option<u64>,
}

/// The bytes to send for a question: itself, or where it lies when it is longer than `most`. The
/// answer may have `answer_bytes`, or as many as a stream carries.
pub(super) async fn question(
    store: &dyn Store,
    ask: &Ask,
    most: usize,
    answer_bytes: Option<u64>,
    report: &mut CallReport,
) -> Result<Vec<u8>, Fault> {
    let payload = |ask: &Ask| {
        let payload = Payload { ask, answer_bytes };
        serde_json::to_vec(&payload).expect("a question is plain values")
    };
    let whole = payload(ask);
    if whole.len() <= most {
        return Ok(whole);
    }
    let stored = serde_json::to_vec(ask).expect("a question is plain values");
    let sha256 = Sha256::of(&stored);
    store
        .put_new(&catalog::request(&sha256), Body::from(stored))
        .await?;
    report.puts += 1;
    Ok(payload(&Ask::Stored { sha256 }))
}

/// The reference that a line is, if it is one.
pub(super) fn reference(line: &str) -> Option<(Sha256, u64)> {
    // A reference is short; a long line is not parsed twice.
    if line.len() > 1024 || !line.contains("\"stored\"") {
        return None;
    }
    match Frame::from_line(line) {
        Ok(Frame::Stored { sha256, size }) => Some((sha256, size)),
        _ => None,
    }
}

/// The line that lies in the store.
pub(super) async fn reply(store: &dyn Store, sha256: &Sha256, size: u64) -> Result<String, Fault> {
    if size > MOST_FETCHED {
        return Err(Fault::new(
            Code::REMOTE_PAYLOAD,
            format!("a frame of the answer has {size} bytes, and {MOST_FETCHED} are the most"),
        )
        .hint("return less, or write it to a bucket in the function and return its name"));
    }
    let key = catalog::reply(sha256);
    let Some(bytes) = store.get(&key, Some(0..size)).await? else {
        return Err(Fault::new(
            Code::STORE_UNREADABLE,
            format!("a part of the answer, `{key}`, is not in the store"),
        )
        .hint("parts of answers are removed after some days; run it again"));
    };
    if Sha256::of(&bytes) != *sha256 {
        return Err(Fault::new(
            Code::STORE_UNREADABLE,
            format!("a part of the answer, `{key}`, is not what its name says"),
        )
        .hint("run it again; if it stays so, look at who else writes to the store's bucket"));
    }
    match String::from_utf8(bytes.into()) {
        Ok(text) => Ok(text.trim_end_matches('\n').to_owned()),
        Err(_) => Err(Fault::new(
            Code::RUN_PROTOCOL,
            format!("a part of the answer, `{key}`, is not UTF-8 text"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use pyrun_core::LockHash;
    use pyrun_core::protocol::{PROTOCOL, PrepareRequest};
    use pyrun_store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_long_question_is_sent_by_name() {
        let store = MemoryStore::default();
        let ask = Ask::Prepare(PrepareRequest {
            protocol: PROTOCOL,
            lock: LockHash(Sha256::of("x")),
            hold_ms: 0,
        });
        let mut report = CallReport::default();
        let short = question(&store, &ask, 1000, None, &mut report).await;
        let short = short.expect("a memory store takes all");
        assert_eq!(
            serde_json::from_slice::<Ask>(&short).ok(),
            Some(ask.clone())
        );
        assert_eq!(report.puts, 0);
        let long = question(&store, &ask, 10, Some(7), &mut report).await;
        let long = long.expect("stored");
        let sent: Ask = serde_json::from_slice(&long).expect("a question");
        let beside: serde_json::Value = serde_json::from_slice(&long).expect("JSON");
        assert_eq!(beside["answer_bytes"], 7);
        let Ask::Stored { sha256 } = sent else {
            panic!("{sent:?}")
        };
        let kept = store.get(&catalog::request(&sha256), None).await;
        assert_eq!(kept.expect("a store"), Some(short.into()));
        assert_eq!(report.puts, 1);
    }

    #[tokio::test]
    async fn a_frame_is_taken_only_if_it_is_what_its_name_says() {
        let store = MemoryStore::default();
        let line = "{\"type\":\"result\",\"value\":1}\n";
        let sha256 = Sha256::of(line);
        let size = line.len() as u64;
        let code = |got: Result<String, Fault>| got.map_err(|fault| fault.code);
        assert_eq!(
            code(reply(&store, &sha256, size).await),
            Err(Code::STORE_UNREADABLE)
        );
        let key = catalog::reply(&sha256);
        store.put(&key, line.to_owned().into()).await.expect("put");
        assert_eq!(
            code(reply(&store, &sha256, size).await).as_deref(),
            Ok(line.trim_end())
        );
        let other = line.replace('1', "2");
        store.put(&key, other.into()).await.expect("put");
        assert_eq!(
            code(reply(&store, &sha256, size).await),
            Err(Code::STORE_UNREADABLE)
        );
        assert_eq!(
            code(reply(&store, &sha256, MOST_FETCHED + 1).await),
            Err(Code::REMOTE_PAYLOAD)
        );
    }

    #[test]
    fn only_a_reference_is_one() {
        let stored = Frame::Stored {
            sha256: Sha256::of("x"),
            size: 5,
        };
        assert_eq!(
            reference(stored.to_line().trim_end()),
            Some((Sha256::of("x"), 5))
        );
        assert_eq!(reference(r#"{"type":"result","value":"stored"}"#), None);
        assert_eq!(
            reference(r#"{"type":"log","stream":"stdout","micros":0,"text":"\"stored\""}"#),
            None
        );
    }
}
