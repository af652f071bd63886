//! How much memory building and unpacking take: that of pieces, not that of files.

use pyrun_kit::{Dictated, IndexServer, Packages, Say, TestContext, Wheel, WheelBuilder, python};

use crate::support::PYRUN;

/// Runs a command and prints the most memory that it had, in KiB.
const MEASURE: &str = "\
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
";

const MEGABYTE: u64 = 1 << 20;

/// A wheel with a file of so many megabytes that deflate makes about a sixth smaller.
fn wheel(name: &str, megabytes: usize) -> Wheel {
    let mut state = 1u64;
    let mut content = Vec::with_capacity(megabytes << 20);
    while content.len() < megabytes << 20 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend((state & 0x3f3f_ffff_ffff_3fff).to_le_bytes());
    }
    WheelBuilder::new(name, "1.0")
        .file(format!("{name}/__init__.py"), "")
        .file(format!("{name}/data.bin"), content)
        .build()
}

/// The most memory, in bytes, of a process that builds `package` with its bytecode and unpacks it.
fn peak(index: &IndexServer, package: &str) -> u64 {
    let context = TestContext::new(python()).index(index);
    let arguments = ["-c", MEASURE, PYRUN, "prewarm", package];
    let output = context.run(arguments);
    assert!(output.success(), "{output:?}");
    let kibibytes: u64 = output.stdout.trim().parse().expect("a number");
    kibibytes << 10
}

#[test]
fn a_wheel_is_never_held_in_memory_whole() {
    let large = wheel("large", 160);
    assert!(large.bytes.len() as u64 > 100 * MEGABYTE);
    let index = IndexServer::start(Packages::new().with(wheel("small", 1)).with(large));
    let usual = peak(&index, "small");
    let most = peak(&index, "large");
    // What is more is pieces on their way between network, disk, digests and folders.
    assert!(
        most < usual + 64 * MEGABYTE,
        "{} MB more",
        most.saturating_sub(usual) / MEGABYTE
    );
}

#[test]
fn a_page_that_never_ends_takes_no_more_memory_than_it_may_have() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"files\":[".to_vec();
    let server = Dictated::start(move |_, _| {
        vec![
            Say::Bytes(head.clone()),
            Say::Forever(b"{},".repeat(10_000)),
        ]
    });
    let context = TestContext::new(python()).env("PYRUN_INDEX_URL", server.url());
    let output = context.run(["-c", MEASURE, PYRUN, "lock", "anything"]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stderr.contains("index.broken"), "{output:?}");
    let kibibytes: u64 = output.stdout.trim().parse().expect("a number");
    assert!(kibibytes < 256 << 10, "{kibibytes} KiB");
}
