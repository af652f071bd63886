//! A Lambda endpoint that says what a test wants it to say.
//!
//! In: a function from a call to a [`Reply`]. Out: HTTP on 127.0.0.1 as the Lambda API speaks it,
//! streamed answers in the event-stream encoding included, and a log of the calls.
//! Never: runs anything. It is for the ways in which a call goes wrong.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::loopback;

/// A call that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLog {
    /// The function's name.
    pub function: String,
    /// Whether a streamed answer is asked for.
    pub streamed: bool,
    /// The headers, with their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl CallLog {
    /// The payload as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).expect("a question is JSON")
    }
}

/// What a call is answered with.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The function's answer, in parts; a call that asks for no stream gets them at once.
    Answer {
        /// The parts.
        parts: Vec<Vec<u8>>,
        /// The time after each.
        pause: Duration,
        /// How it ends.
        end: End,
        /// The log's tail.
        log: String,
    },
    /// The service's refusal.
    Refusal {
        /// The HTTP status.
        status: u16,
        /// Such as `ResourceNotFoundException`.
        code: &'static str,
        /// In words.
        message: &'static str,
        /// Such as `ConcurrentInvocationLimitExceeded`.
        reason: Option<&'static str>,
    },
    /// The connection is closed without a word.
    Closed,
    /// Nothing is ever said.
    Silence,
}

/// How an answer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Complete,
    /// The function failed.
    Failed {
        /// Such as `Runtime.ExitError`.
        code: &'static str,
        /// In words, or JSON.
        details: String,
    },
    /// The connection breaks after the last part.
    Cut,
    /// Nothing more is ever said.
    Silence,
}

impl Reply {
    /// An answer of lines that ends as it should.
    pub fn lines(lines: &[String]) -> Self {
        Self::answer(lines.concat().into_bytes(), End::Complete, "")
    }

    /// An answer in one part.
    pub fn answer(body: Vec<u8>, end: End, log: &str) -> Self {
        Self::Answer {
            parts: vec![body],
            pause: Duration::ZERO,
            end,
            log: log.to_owned(),
        }
    }

    /// A refusal without a reason.
    pub fn refusal(status: u16, code: &'static str, message: &'static str) -> Self {
        Self::Refusal {
            status,
            code,
            message,
            reason: None,
        }
    }
}

type Answering = dyn Fn(&CallLog, usize) -> Reply + Send + Sync;

/// A running endpoint. It stops when it is dropped.
pub struct CallServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    answering: Box<Answering>,
    calls: Mutex<Vec<CallLog>>,
    stopped: AtomicBool,
}

impl CallServer {
    /// Starts an endpoint on a free port. `answering` gets each call and how many came before it.
    pub fn start(answering: impl Fn(&CallLog, usize) -> Reply + Send + Sync + 'static) -> Self {
        let (listener, address) = loopback::bind();
        let shared = Arc::new(Shared {
            answering: Box::new(answering),
            calls: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if served.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let served = Arc::clone(&served);
                if let Ok(connection) = connection {
                    std::thread::spawn(move || served.serve(connection));
                }
            }
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// An address where nothing listens.
    pub fn nowhere() -> String {
        let (_, address) = loopback::bind();
        format!("http://{address}")
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The calls that came, in order.
    pub fn calls(&self) -> Vec<CallLog> {
        self.shared.calls().clone()
    }
}

impl Drop for CallServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Vec<CallLog>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, connection: TcpStream) {
        let Ok(writer) = connection.try_clone() else {
            return;
        };
        let mut reader = BufReader::new(connection);
        while let Ok(Some(call)) = read_call(&mut reader) {
            let number = {
                let mut calls = self.calls();
                calls.push(call.clone());
                calls.len() - 1
            };
            let reply = (self.answering)(&call, number);
            if !self.write(&writer, &call, reply).unwrap_or(false) {
                let _ = writer.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }

    /// Whether the connection is still good.
    fn write(&self, mut to: &TcpStream, call: &CallLog, reply: Reply) -> io::Result<bool> {
        match reply {
            Reply::Closed => Ok(false),
            Reply::Silence => {
                self.be_silent();
                Ok(false)
            }
            Reply::Refusal {
                status,
                code,
                message,
                reason,
            } => {
                let body =
                    serde_json::json!({ "Type": "User", "message": message, "Reason": reason });
                let body = body.to_string();
                write!(
                    to,
                    "HTTP/1.1 {status} No\r\ncontent-type: application/json\r\nx-amzn-errortype: {code}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )?;
                Ok(true)
            }
            Reply::Answer {
                parts,
                pause,
                end,
                log,
            } if call.streamed => self.stream(to, &parts, pause, &end, &log),
            Reply::Answer {
                parts, end, log, ..
            } => self.at_once(to, call, &parts.concat(), &end, &log),
        }
    }

    fn at_once(
        &self,
        mut to: &TcpStream,
        call: &CallLog,
        body: &[u8],
        end: &End,
        log: &str,
    ) -> io::Result<bool> {
        if call
            .headers
            .get("x-amz-invocation-type")
            .map(String::as_str)
            == Some("Event")
        {
            to.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
            return Ok(true);
        }
        if *end == End::Silence {
            self.be_silent();
            return Ok(false);
        }
        let (error, body) = match end {
            End::Failed { code, details } => {
                let json = serde_json::json!({ "errorType": code, "errorMessage": details });
                (
                    "x-amz-function-error: Unhandled\r\n",
                    json.to_string().into_bytes(),
                )
            }
            _ => ("", body.to_vec()),
        };
        let sent = if *end == End::Cut {
            body.len() / 2
        } else {
            body.len()
        };
        write!(
            to,
            "HTTP/1.1 200 OK\r\n{error}x-amz-log-result: {}\r\ncontent-length: {}\r\n\r\n",
            STANDARD.encode(log),
            body.len()
        )?;
        to.write_all(&body[..sent])?;
        Ok(*end != End::Cut)
    }

    fn stream(
        &self,
        mut to: &TcpStream,
        parts: &[Vec<u8>],
        pause: Duration,
        end: &End,
        log: &str,
    ) -> io::Result<bool> {
        to.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n",
        )?;
        for part in parts {
            // Lambda's own chunks are small too.
            for part in part.chunks(64 << 10) {
                let event = event("PayloadChunk", "application/octet-stream", part);
                write_chunk(to, &event)?;
            }
            std::thread::sleep(pause);
        }
        let (code, details) = match end {
            End::Cut => return Ok(false),
            End::Silence => {
                self.be_silent();
                return Ok(false);
            }
            End::Complete => (None, None),
            End::Failed { code, details } => (Some(code), Some(details)),
        };
        let complete = serde_json::json!({
            "ErrorCode": code, "ErrorDetails": details, "LogResult": STANDARD.encode(log),
        });
        let complete = complete.to_string();
        write_chunk(
            to,
            &event("InvokeComplete", "application/json", complete.as_bytes()),
        )?;
        to.write_all(b"0\r\n\r\n")?;
        Ok(true)
    }

    fn be_silent(&self) {
        while !self.stopped.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn read_call(reader: &mut BufReader<TcpStream>) -> io::Result<Option<CallLog>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let function = path.split("/functions/").nth(1).unwrap_or_default();
    let function = function.split('/').next().unwrap_or_default().to_owned();
    let streamed = path.contains("response-streaming-invocations");
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload)?;
    Ok(Some(CallLog {
        function,
        streamed,
        headers,
        payload,
    }))
}

fn write_chunk(mut to: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    write!(to, "{:x}\r\n", bytes.len())?;
    to.write_all(bytes)?;
    to.write_all(b"\r\n")?;
    to.flush()
}

/// One message of the encoding `application/vnd.amazon.eventstream`: lengths, their checksum,
/// headers, payload, a checksum of it all.
fn event(kind: &str, content_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":message-type", "event"),
        (":event-type", kind),
        (":content-type", content_type),
    ] {
        headers.push(u8::try_from(name.len()).expect("a short name"));
        headers.extend_from_slice(name.as_bytes());
        // 7 is a string.
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).expect("short").to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let number = |length: usize| {
        u32::try_from(length)
            .expect("a small message")
            .to_be_bytes()
    };
    let mut message = Vec::new();
    message.extend_from_slice(&number(16 + headers.len() + payload.len()));
    message.extend_from_slice(&number(headers.len()));
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message.extend_from_slice(&headers);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message
}
