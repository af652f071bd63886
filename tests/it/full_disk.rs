//! A disk without room: a clear fault, nothing half-written, and the next run works.

use std::path::{Path, PathBuf};
use std::process::Command;

use pyrun_kit::{Packages, TestContext, WheelBuilder};

use crate::support::{PYRUN, World};

/// A file system of a few bytes, gone when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where the machine lets nobody mount one.
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        fs_err::create_dir_all(folder).expect("a folder");
        let option = format!("size={size}");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &option, "tmpfs"])
            .arg(folder)
            .output();
        output
            .is_ok_and(|output| output.status.success())
            .then(|| Self(folder.to_owned()))
    }

    fn grow(&self, size: &str) {
        let option = format!("remount,size={size}");
        let status = Command::new("mount")
            .args(["-o", &option])
            .arg(&self.0)
            .status()
            .expect("mount runs");
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

const SCRIPT: &str =
    "@requirements({'large': ''})\ndef f():\n    import large\n    return len(large.TEXT)\n";

/// Text that deflates to about a megabyte, and is the same each time.
fn large_text() -> String {
    let mut state = 1u64;
    (0..1_500_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap_or(0))
        })
        .collect()
}

#[test]
fn a_full_disk_loses_nothing() {
    let wheel = WheelBuilder::new("large", "1.0")
        .file("large.py", format!("TEXT = '{}'\n", large_text()))
        .build();
    let world = World::with(Packages::new().with(wheel));
    let full = "no space is left";
    for (name, variable, size, status, said) in [
        ("store", "PYRUN_STORE", "600k", 4, full),
        // The file does not fit, and that is seen while it is written.
        ("cache", "PYRUN_CACHE_DIR", "1300k", 4, full),
        // Not even the wheel would, and that is known before it is downloaded.
        ("small", "PYRUN_CACHE_DIR", "600k", 3, "target.too-small"),
    ] {
        let folder = world.context.root().join(name);
        let context = TestContext::new(PYRUN)
            .index(&world.index)
            .env(variable, &folder);
        let Some(disk) = SmallDisk::mount(&folder, size) else {
            eprintln!("skipped: no file system can be mounted here");
            return;
        };
        context.write("script.py", SCRIPT);
        let output = context.run(["run", "script.py"]);
        assert_eq!(
            (output.status, output.stdout.as_str()),
            (Some(status), ""),
            "{name}: {output:?}"
        );
        assert!(
            output.stderr.contains(said) || said == full && output.stderr.contains("store.full"),
            "{name}: {output:?}"
        );
        disk.grow("64m");
        let output = context.run(["run", "script.py"]);
        assert_eq!(output.stdout, "1500000\n", "{name}: {output:?}");
    }
}
