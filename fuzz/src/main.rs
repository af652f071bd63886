//! The fuzz targets: one program, and `PYRUN_FUZZ` chooses. `fuzz/run` builds and starts it.
#![no_main]

mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use targets::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let wanted = std::env::var("PYRUN_FUZZ").unwrap_or_default();
    let found = TARGETS.iter().find(|(name, _)| *name == wanted);
    found.map_or_else(
        || panic!("PYRUN_FUZZ names no target: `{wanted}`"),
        |(_, target)| *target,
    )
});

fuzz_target!(|data: &[u8]| TARGET(data));
