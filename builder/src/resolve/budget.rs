//! How much one search may ask for: real sets of requirements stay far below, and what is made to
//! grow without end is ended.
//!
//! In: what was asked and what came. Out: the limit that is reached, if one is. Never: a clock.

use super::error::Limit;
use crate::index::{Metadata, Project};

/// Pages: the largest applications need some two thousand packages.
const MAX_PAGES: usize = 5_000;
/// Versions whose metadata is read.
const MAX_VERSIONS: usize = 50_000;
/// Bytes of memory that all of it takes, roughly.
const MAX_BYTES: usize = 1 << 30;

/// What a search has asked for.
#[derive(Debug, Default)]
pub(super) struct Budget {
    pages: usize,
    versions: usize,
    bytes: usize,
    /// How many versions a try may still ask for, while there is one.
    tries: Option<usize>,
}

impl Budget {
    /// The limit that another page would break.
    pub(super) fn page(&self) -> Result<(), Limit> {
        if self.tries == Some(0) {
            return Err(Limit::Try);
        }
        within(self.pages, MAX_PAGES, Limit::Pages)?;
        within(self.bytes, MAX_BYTES, Limit::Bytes)
    }

    /// The limit that another version would break.
    pub(super) fn version(&self) -> Result<(), Limit> {
        if self.tries == Some(0) {
            return Err(Limit::Try);
        }
        within(self.versions, MAX_VERSIONS, Limit::Versions)?;
        within(self.bytes, MAX_BYTES, Limit::Bytes)
    }

    /// Counts a page that is asked for.
    pub(super) fn asks_page(&mut self) {
        self.pages += 1;
        self.tries = self.tries.map(|left| left.saturating_sub(1));
    }

    /// Counts a version that is asked for.
    pub(super) fn asks_version(&mut self) {
        self.versions += 1;
        self.tries = self.tries.map(|left| left.saturating_sub(1));
    }

    /// Counts a page that came.
    pub(super) fn came(&mut self, project: &Project) {
        let texts = |file: &crate::index::File| file.filename.len() + file.url.len();
        let files = project.files.iter();
        self.bytes += files
            .map(|file| size_of::<crate::index::File>() + texts(file))
            .sum::<usize>();
    }

    /// Counts metadata that came.
    pub(super) fn told(&mut self, metadata: &Metadata) {
        // A parsed requirement holds its specifiers and extras on the heap.
        let one = size_of::<pep508_rs::Requirement>() + 200;
        self.bytes += metadata.requires_dist.len() * one;
    }

    /// Whether only so many more questions may be asked.
    pub(super) fn is_try(&self) -> bool {
        self.tries.is_some()
    }

    /// From now on only so many more questions; `None` ends it.
    pub(super) fn set_tries(&mut self, tries: Option<usize>) {
        self.tries = tries;
    }
}

fn within(count: usize, most: usize, limit: Limit) -> Result<(), Limit> {
    if count < most { Ok(()) } else { Err(limit) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Announced, File, FileKind};

    #[test]
    fn heavy_pages_reach_the_limit_long_before_their_number_does() {
        let file = File {
            kind: FileKind::Wheel,
            filename: String::new(),
            version: "1".parse().expect("a version"),
            url: "x".repeat(8 << 20),
            sha256: None,
            size: None,
            requires_python: None,
            yanked: None,
            upload_time: None,
            metadata: Announced::Silent,
            linked: false,
        };
        let page = Project {
            name: "a".parse().expect("a name"),
            index: String::new(),
            files: vec![file],
            status: None,
        };
        let mut budget = Budget::default();
        let mut pages = 0;
        while budget.page().is_ok() {
            budget.asks_page();
            budget.came(&page);
            pages += 1;
        }
        assert_eq!(budget.page(), Err(Limit::Bytes));
        assert_eq!(budget.version(), Err(Limit::Bytes));
        assert!((100..200).contains(&pages), "{pages}");
    }

    #[test]
    fn a_try_has_few_questions_and_leaves_the_rest_as_it_was() {
        let mut budget = Budget::default();
        budget.set_tries(Some(2));
        budget.asks_page();
        assert!(budget.is_try() && budget.version().is_ok());
        budget.asks_version();
        assert_eq!(budget.page(), Err(Limit::Try));
        assert_eq!(budget.version(), Err(Limit::Try));
        budget.set_tries(None);
        assert!(budget.page().is_ok() && !budget.is_try());
    }
}
