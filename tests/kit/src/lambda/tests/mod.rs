//! The emulator over its bare HTTP: no SDK stands between a test and the wire.

mod invoke;
mod life;
mod stream;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::event_stream::{self, Message};
use super::{Function, LambdaServer, bootstrap};

/// A server with one function, `f`, that does what its event says.
struct Stage {
    server: LambdaServer,
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Function)) -> Self {
        let stage = Self {
            server: LambdaServer::start(),
            folder: tempfile::tempdir().expect("room"),
        };
        let mut function = Function::new("f", bootstrap(stage.folder.path()));
        // Other tests may have the machine busy: only what is about time is in a hurry.
        function.timeout = Duration::from_mins(2);
        function.init_timeout = Duration::from_mins(1);
        change(&mut function);
        stage.server.function(function);
        stage
    }

    fn call(&self, event: &Value) -> Reply {
        self.call_with(event, &[("x-amz-log-type", "Tail")])
    }

    fn call_with(&self, event: &Value, headers: &[(&str, &str)]) -> Reply {
        let body = event.to_string();
        self.post(
            "/2015-03-31/functions/f/invocations",
            headers,
            body.as_bytes(),
        )
    }

    fn stream(&self, event: &Value) -> Reply {
        let path = "/2021-11-15/functions/f/response-streaming-invocations";
        let body = event.to_string();
        self.post(path, &[("x-amz-log-type", "Tail")], body.as_bytes())
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut all = vec![("authorization", AUTHORIZATION)];
        all.extend(headers);
        request(&self.server, "POST", path, &all, body)
    }

    fn get(&self, path: &str) -> Reply {
        request(
            &self.server,
            "GET",
            path,
            &[("authorization", AUTHORIZATION)],
            b"",
        )
    }
}

/// A signature, of which the scope counts.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIAEMULATED/20260101/eu-central-1/lambda/aws4_request, SignedHeaders=host, Signature=00";

/// An answer.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    /// Whether the body came to its end.
    whole: bool,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The log's tail.
    fn tail(&self) -> String {
        decode(self.header("x-amz-log-result"))
    }

    /// The error's type, of a call that ended with one.
    fn error(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("x-amz-function-error"), "Unhandled", "{self:?}");
        self.json()["errorType"]
            .as_str()
            .expect("a type")
            .to_owned()
    }

    /// The payload of an event stream, its last event, and how many bytes follow.
    fn events(&self) -> (String, Value, usize) {
        let (messages, left) = event_stream::read(&self.body);
        let mut payload = Vec::new();
        let mut complete = Value::Null;
        for Message {
            kind,
            payload: bytes,
        } in messages
        {
            assert_eq!(complete, Value::Null, "nothing follows the end");
            match kind.as_str() {
                "PayloadChunk" => payload.extend(bytes),
                "InvokeComplete" => complete = serde_json::from_slice(&bytes).expect("JSON"),
                other => panic!("event {other}"),
            }
        }
        let payload = String::from_utf8(payload).expect("text");
        (payload, complete, left)
    }
}

fn decode(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("base64");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn connect(server: &LambdaServer) -> TcpStream {
    let address = server.endpoint().replace("http://", "");
    TcpStream::connect(address).expect("it listens")
}

fn request(
    server: &LambdaServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut stream = connect(server);
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: lambda\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &[name, ": ", value, "\r\n"].concat();
    }
    head += "\r\n";
    // A server that answers early may not read all of it.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    // A connection that breaks is what some tests are about.
    let _ = stream.read_to_end(&mut bytes);
    read(&bytes)
}

fn read(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end else {
        return Reply {
            status: 0,
            headers: BTreeMap::new(),
            body: bytes.to_vec(),
            whole: false,
        };
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let (body, whole) = match headers.get("content-length") {
        Some(length) => (rest.to_vec(), length.parse() == Ok(rest.len())),
        None if headers.contains_key("transfer-encoding") => dechunk(rest),
        None => (rest.to_vec(), true),
    };
    Reply {
        status: status.and_then(|text| text.parse().ok()).expect("a status"),
        headers,
        body,
        whole,
    }
}

fn dechunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
            return (body, false);
        };
        let size = std::str::from_utf8(&bytes[..end]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return (body, true);
        }
        let data = &bytes[end + 2..];
        body.extend(&data[..size.min(data.len())]);
        if data.len() < size + 2 {
            return (body, false);
        }
        bytes = &data[size + 2..];
    }
}

/// The state letter of a process in `/proc`; `None` when it is gone or dead.
fn state_of(process: i64) -> Option<char> {
    let text = fs_err::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let state = text.rsplit_once(')')?.1.trim_start().chars().next()?;
    (state != 'Z' && state != 'X').then_some(state)
}

fn echo() -> Value {
    json!({"do": "echo"})
}
