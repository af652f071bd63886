//! What the user's code could learn of this process, being of the same user.
//!
//! In: this process's memory and environment. Out: neither can be read through /proc, by anything
//! that it starts. Never: changes what this process itself finds in its environment.
#![expect(
    unsafe_code,
    reason = "prctl has no safe form, and the first environment lies where the kernel put it"
)]

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

/// Hides this process from others of its user: `/proc/PID/mem`, `/proc/PID/environ` and `ptrace`
/// are closed to all but root, and the environment that it was started with is wiped where the
/// kernel shows it, for where the user is root. To be called first, while there is one thread.
/// Says whether the kernel agreed.
pub fn undumpable() -> bool {
    wipe_first_environment();
    // SAFETY: a plain system call on this process.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 }
}

/// Moves every variable to a place that /proc does not show, and overwrites where it was.
fn wipe_first_environment() {
    let kept: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    for entry in first_environment() {
        // SAFETY: the bytes up to the zero are the entry's own, on a stack that is writable; no
        // other thread is there to read them, and what is read later is written anew below.
        unsafe { std::ptr::write_bytes(entry.cast_mut(), 0, CStr::from_ptr(entry).count_bytes()) };
    }
    // SAFETY: there is one thread; what it held is kept above.
    unsafe { libc::clearenv() };
    for (name, value) in kept {
        let usable = !name.is_empty() && !name.as_bytes().contains(&b'=');
        if usable {
            set(&name, &value);
        }
    }
}

/// The entries that the process was started with.
fn first_environment() -> Vec<*const libc::c_char> {
    unsafe extern "C" {
        static environ: *const *const libc::c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: the list ends with a null pointer, and nothing changes it meanwhile: there is one
    // thread.
    unsafe {
        let mut at = environ;
        while !at.is_null() && !(*at).is_null() {
            entries.push(*at);
            at = at.add(1);
        }
    }
    entries
}

fn set(name: &OsStr, value: &OsStr) {
    // SAFETY: there is one thread.
    unsafe { std::env::set_var(name, value) };
}
