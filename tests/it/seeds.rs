//! Every seed of the fuzz targets, and with them all that fuzzing ever found, is read again.

use std::path::Path;

#[path = "../../fuzz/src/targets.rs"]
mod targets;

use targets::TARGETS;

fn seeds() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).expect("a folder of seeds");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_target_has_seeds_and_every_seed_a_target() {
    let mut targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    targets.sort_unstable();
    assert_eq!(names(&seeds()), targets);
}

#[test]
fn every_seed_is_read_whole_cut_and_changed() {
    for (target, read) in TARGETS {
        let folder = seeds().join(target);
        for name in names(&folder) {
            let seed = fs_err::read(folder.join(&name)).expect("a seed");
            read(&seed);
            // A few of what a fuzzer would try first.
            for part in 1..8 {
                let at = seed.len() * part / 8;
                read(&seed[..at]);
                let mut changed = seed.clone();
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= 0x20;
                }
                read(&changed);
            }
        }
    }
}
