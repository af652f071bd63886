//! A server that says what a test dictates, byte for byte: what a well-behaved HTTP library would
//! never send.
//!
//! In: for each request, what is written in answer. Out: an address, and the heads of the requests
//! that came. Never: listens beyond 127.0.0.1; outlives its value; waits for a client that is gone.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::loopback;

/// The longest head of a request that is read.
const LONGEST_HEAD: usize = 64 << 10;
/// How long a client may be silent: one that hangs fails its test, and does not hang it.
const PATIENCE: Duration = Duration::from_secs(30);

/// One step of an answer.
#[derive(Debug, Clone)]
pub enum Say {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes again and again, until the client goes away.
    Forever(Vec<u8>),
    /// Nothing for so long.
    Wait(Duration),
}

impl Say {
    /// A whole answer: a status line with headers, each without its line end, and a body. The
    /// length is said unless the headers say `transfer-encoding` or a `content-length` of their own.
    pub fn answer(status: &str, headers: &[String], body: &[u8]) -> Self {
        let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
        let mut is_measured = false;
        for header in headers {
            is_measured |= header.starts_with("transfer-encoding");
            is_measured |= header.starts_with("content-length");
            bytes.extend(format!("{header}\r\n").bytes());
        }
        if !is_measured {
            bytes.extend(format!("content-length: {}\r\n", body.len()).bytes());
        }
        bytes.extend(b"connection: close\r\n\r\n");
        bytes.extend(body);
        Self::Bytes(bytes)
    }

    /// A redirect.
    pub fn redirect(location: &str) -> Self {
        Self::answer("302 Found", &[format!("location: {location}")], b"")
    }
}

/// A running server. It stops when it is dropped.
#[derive(Debug)]
pub struct Dictated {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    heads: Mutex<Vec<String>>,
    open: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

impl Shared {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

impl Dictated {
    /// A server that answers the request of a number, counted from 0, and with this head, by what
    /// `dictate` gives; then it closes the connection.
    pub fn start(dictate: impl Fn(usize, &str) -> Vec<Say> + Send + Sync + 'static) -> Self {
        let (listener, address) = loopback::bind();
        let shared = Arc::new(Shared::default());
        let known = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(&listener, &known, &dictate));
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of the requests so far, in order of arrival.
    pub fn heads(&self) -> Vec<String> {
        lock(&self.shared.heads).clone()
    }

    /// A header of each request so far; `None` where it has none.
    pub fn headers(&self, name: &str) -> Vec<Option<String>> {
        let find = |head: &String| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name)
                    .then(|| value.trim().to_owned())
            })
        };
        self.heads().iter().map(find).collect()
    }
}

impl Drop for Dictated {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for stream in lock(&self.shared.open).drain(..) {
            // Ends what waits for a client that does not go away.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(
    listener: &TcpListener,
    shared: &Shared,
    dictate: &(dyn Fn(usize, &str) -> Vec<Say> + Sync),
) {
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            if shared.is_stopped() {
                return;
            }
            let Ok(stream) = stream else { continue };
            scope.spawn(move || {
                // That the client goes away in the middle is what some tests are about.
                let _ = serve(stream, shared, dictate);
            });
        }
    });
}

fn serve(
    mut stream: TcpStream,
    shared: &Shared,
    dictate: &(dyn Fn(usize, &str) -> Vec<Say> + Sync),
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    lock(&shared.open).push(stream.try_clone()?);
    let Some(head) = head(&mut stream)? else {
        return Ok(());
    };
    let number = {
        let mut heads = lock(&shared.heads);
        heads.push(head.clone());
        heads.len() - 1
    };
    for say in dictate(number, &head) {
        match say {
            Say::Bytes(bytes) => stream.write_all(&bytes)?,
            Say::Forever(bytes) => {
                while !shared.is_stopped() {
                    stream.write_all(&bytes)?;
                }
            }
            Say::Wait(time) => wait(time, shared),
        }
    }
    stream.shutdown(Shutdown::Write)?;
    // Closing with bytes unread would reset the connection, and take what was sent with it.
    let mut rest = [0; 1024];
    while stream.read(&mut rest)? > 0 {}
    Ok(())
}

/// Waits so long, or until the server stops.
fn wait(time: Duration, shared: &Shared) {
    let end = Instant::now() + time;
    while Instant::now() < end && !shared.is_stopped() {
        let left = end.saturating_duration_since(Instant::now());
        std::thread::sleep(left.min(Duration::from_millis(10)));
    }
}

/// The head of a request; `None` when none comes.
fn head(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}
