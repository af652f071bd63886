//! How much memory a run's processes hold.
//!
//! In: the id of the process above them. Out: bytes that are resident. Never: reads anything but
//! /proc; a process that ends meanwhile counts as nothing.

use std::collections::BTreeMap;

use super::MEMORY_PERIOD;

/// Comes when the processes below `root` hold more than `limit` bytes; never without a limit.
pub(super) async fn exceeds(root: u32, limit: Option<u64>) {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(MEMORY_PERIOD).await;
        if resident_below(root) > limit {
            return;
        }
    }
}

/// The resident bytes of all that descends from `root`. Pages that processes share count for each.
fn resident_below(root: u32) -> u64 {
    let mut children: BTreeMap<u32, Vec<(u32, u64)>> = BTreeMap::new();
    let entries = fs_err::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs_err::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        if let Some((parent, pages)) = parse_stat(&stat) {
            children.entry(parent).or_default().push((id, pages));
        }
    }
    let mut total = 0;
    let mut todo = vec![root];
    while let Some(parent) = todo.pop() {
        for (id, pages) in children.remove(&parent).unwrap_or_default() {
            total += pages * PAGE;
            todo.push(id);
        }
    }
    total
}

/// The page that /proc counts in: 4 KiB on every kernel that Python has wheels for but some
/// 64 KiB ones, where the limit is then more generous than it says.
const PAGE: u64 = 4096;

/// Parent and resident pages (fields 4 and 24 of proc(5) stat). The name in field 2 may hold
/// anything, brackets and spaces too.
fn parse_stat(stat: &str) -> Option<(u32, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let pages = fields.nth(19)?.parse().ok()?;
    Some((parent, pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_process_name_confuses_nobody() {
        let stat = "7 (a) S 1 (b) R 42 7 7 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 99 1000 321 18446744073709551615";
        assert_eq!(parse_stat(stat), Some((42, 321)));
        assert_eq!(parse_stat("7 (x"), None);
    }

    #[test]
    fn a_child_is_counted() {
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .expect("starts");
        let found = resident_below(std::process::id());
        child.kill().expect("is killed");
        child.wait().expect("is reaped");
        assert!(found > 0);
    }
}
