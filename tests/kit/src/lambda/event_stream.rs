//! `application/vnd.amazon.eventstream`: the framing of a streamed answer.
//!
//! In: an event's type and payload. Out: the message's bytes: lengths, a CRC of the lengths,
//! headers, payload, a CRC of all (Smithy's "Amazon Event Stream specification").
//! Never: reads a message; that is the client's part, and the tests'.

/// The bytes before the headers: two lengths and their CRC.
const PRELUDE: usize = 12;
/// The type of a header whose value is a string.
const STRING: u8 = 7;

/// A part of the function's answer.
pub(super) fn payload_chunk(payload: &[u8]) -> Vec<u8> {
    event("PayloadChunk", "application/octet-stream", payload)
}

/// The end of the answer; what failed is an error's type and its details.
pub(super) fn invoke_complete(
    error: Option<(&str, Option<&str>)>,
    log_result: Option<&str>,
) -> Vec<u8> {
    let mut members = serde_json::Map::new();
    if let Some((code, details)) = error {
        members.insert("ErrorCode".into(), code.into());
        if let Some(details) = details {
            members.insert("ErrorDetails".into(), details.into());
        }
    }
    if let Some(log_result) = log_result {
        members.insert("LogResult".into(), log_result.into());
    }
    let payload = serde_json::Value::from(members).to_string();
    event("InvokeComplete", "application/json", payload.as_bytes())
}

fn event(kind: &str, content_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":event-type", kind),
        (":content-type", content_type),
        (":message-type", "event"),
    ] {
        headers.push(u8::try_from(name.len()).expect("names are short"));
        headers.extend(name.bytes());
        headers.push(STRING);
        headers.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
        headers.extend(value.bytes());
    }
    let length = |count: usize| u32::try_from(count).expect("chunks are small");
    let total = PRELUDE + headers.len() + payload.len() + 4;
    let mut message = Vec::with_capacity(total);
    message.extend(length(total).to_be_bytes());
    message.extend(length(headers.len()).to_be_bytes());
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message.extend(headers);
    message.extend(payload);
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message
}

/// A message as the tests read it.
#[cfg(test)]
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub kind: String,
    pub payload: Vec<u8>,
}

/// The whole messages that a body begins with, each CRC checked, and how many bytes are left.
#[cfg(test)]
pub(super) fn read(mut bytes: &[u8]) -> (Vec<Message>, usize) {
    let number = |bytes: &[u8]| {
        let bytes = bytes.try_into().expect("four bytes");
        u32::from_be_bytes(bytes)
    };
    let mut messages = Vec::new();
    while bytes.len() >= PRELUDE {
        let total = number(&bytes[..4]) as usize;
        let headers = number(&bytes[4..8]) as usize;
        assert_eq!(crc32fast::hash(&bytes[..8]), number(&bytes[8..12]));
        if bytes.len() < total {
            break;
        }
        let (message, rest) = bytes.split_at(total);
        let (content, sum) = message.split_at(total - 4);
        assert_eq!(crc32fast::hash(content), number(sum));
        let mut kind = String::new();
        let mut head = &content[PRELUDE..PRELUDE + headers];
        while !head.is_empty() {
            let (name, tail) = head[1..].split_at(usize::from(head[0]));
            assert_eq!(tail[0], STRING);
            let size = usize::from(u16::from_be_bytes([tail[1], tail[2]]));
            let (value, tail) = tail[3..].split_at(size);
            if name == b":event-type" {
                kind = String::from_utf8(value.to_vec()).expect("text");
            }
            head = tail;
        }
        messages.push(Message {
            kind,
            payload: content[PRELUDE + headers..].to_vec(),
        });
        bytes = rest;
    }
    (messages, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let mut bytes = payload_chunk(b"one");
        bytes.extend(payload_chunk(b""));
        bytes.extend(invoke_complete(Some(("Kind", Some("why"))), Some("bG9n")));
        bytes.extend([0, 0, 0]);
        let (messages, left) = read(&bytes);
        let kinds: Vec<&str> = messages.iter().map(|one| one.kind.as_str()).collect();
        assert_eq!(kinds, ["PayloadChunk", "PayloadChunk", "InvokeComplete"]);
        assert_eq!(messages[0].payload, b"one");
        let complete: serde_json::Value =
            serde_json::from_slice(&messages[2].payload).expect("JSON");
        assert_eq!(
            complete,
            serde_json::json!({"ErrorCode": "Kind", "ErrorDetails": "why", "LogResult": "bG9n"})
        );
        assert_eq!(left, 3);
    }
}
