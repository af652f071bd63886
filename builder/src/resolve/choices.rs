//! What a package may still be: a set over its candidates and "not there at all".
//!
//! The solver's terms are such sets, so a term and its negation are one type and all set
//! relations of `PubGrub` are bit operations. A set of one package never meets a set of another.

use std::fmt;

/// Packages with fewer candidates than this need no heap.
const INLINE: usize = 3;

/// A subset of {absent, candidate 0, candidate 1, …} of one package.
///
/// Bit 0 stands for "absent", bit `n + 1` for candidate `n`. Bits at `width` and above are 0.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Choices {
    width: u32,
    words: Words,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Words {
    Inline([u64; INLINE]),
    Heap(Box<[u64]>),
}

impl Words {
    fn as_slice(&self) -> &[u64] {
        match self {
            Self::Inline(words) => words,
            Self::Heap(words) => words,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u64] {
        match self {
            Self::Inline(words) => words,
            Self::Heap(words) => words,
        }
    }
}

impl Choices {
    /// How many bytes of it are not in the value itself.
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.words {
            Words::Inline(_) => 0,
            Words::Heap(words) => size_of_val(&**words),
        }
    }

    /// The empty set of a package with this many candidates.
    pub(super) fn none(candidates: usize) -> Self {
        let width = u32::try_from(candidates + 1).expect("a page has fewer than 2^32 versions");
        let count = (candidates + 1).div_ceil(64);
        let words = if count <= INLINE {
            Words::Inline([0; INLINE])
        } else {
            Words::Heap(vec![0; count].into())
        };
        Self { width, words }
    }

    /// All candidates, without "absent".
    pub(super) fn any(candidates: usize) -> Self {
        let mut set = Self::none(candidates).complement();
        set.words.as_mut_slice()[0] &= !1;
        set
    }

    /// Only "absent".
    pub(super) fn absent(candidates: usize) -> Self {
        let mut set = Self::none(candidates);
        set.words.as_mut_slice()[0] = 1;
        set
    }

    /// One candidate.
    pub(super) fn one(candidates: usize, candidate: usize) -> Self {
        let mut set = Self::none(candidates);
        set.insert(candidate);
        set
    }

    /// Adds a candidate.
    pub(super) fn insert(&mut self, candidate: usize) {
        let bit = candidate + 1;
        debug_assert!(bit < self.width as usize, "a candidate of this package");
        self.words.as_mut_slice()[bit / 64] |= 1 << (bit % 64);
    }

    /// Whether the candidate is in it.
    pub(super) fn contains(&self, candidate: usize) -> bool {
        let bit = candidate + 1;
        self.words
            .as_slice()
            .get(bit / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Whether the package must be there: a positive term.
    pub(super) fn requires_presence(&self) -> bool {
        self.words.as_slice()[0] & 1 == 0
    }

    /// Whether nothing is in it, not even "absent".
    pub(super) fn is_empty(&self) -> bool {
        self.words.as_slice().iter().all(|word| *word == 0)
    }

    /// Whether all is in it: a term that says nothing.
    pub(super) fn is_everything(&self) -> bool {
        self.complement().is_empty()
    }

    /// The candidates in it, lowest first.
    pub(super) fn candidates(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        (0..self.width as usize - 1).filter(|candidate| self.contains(*candidate))
    }

    /// How many candidates are in it.
    pub(super) fn count(&self) -> usize {
        let ones: u32 = self
            .words
            .as_slice()
            .iter()
            .map(|word| word.count_ones())
            .sum();
        ones as usize - usize::from(!self.requires_presence())
    }

    /// What is not in it.
    pub(super) fn complement(&self) -> Self {
        let mut set = self.clone();
        let width = self.width as usize;
        for (index, word) in set.words.as_mut_slice().iter_mut().enumerate() {
            let mask = match width.saturating_sub(index * 64) {
                0 => 0,
                bits @ 1..64 => (1 << bits) - 1,
                _ => u64::MAX,
            };
            *word = !*word & mask;
        }
        set
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.zip(other, |mine, theirs| mine & theirs);
        set
    }

    /// What is in either.
    pub(super) fn union(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.zip(other, |mine, theirs| mine | theirs);
        set
    }

    fn zip(&mut self, other: &Self, combine: impl Fn(u64, u64) -> u64) {
        debug_assert_eq!(self.width, other.width, "sets of one package");
        let words = self.words.as_mut_slice().iter_mut();
        for (mine, theirs) in words.zip(other.words.as_slice()) {
            *mine = combine(*mine, *theirs);
        }
    }

    /// Whether all of it is in the other.
    pub(super) fn is_subset(&self, other: &Self) -> bool {
        self.pairs(other).all(|(mine, theirs)| mine & !theirs == 0)
    }

    /// Whether nothing of it is in the other.
    pub(super) fn is_disjoint(&self, other: &Self) -> bool {
        self.pairs(other).all(|(mine, theirs)| mine & theirs == 0)
    }

    fn pairs<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (u64, u64)> + 'a {
        debug_assert_eq!(self.width, other.width, "sets of one package");
        let words = self.words.as_slice().iter().copied();
        words.zip(other.words.as_slice().iter().copied())
    }
}

impl fmt::Debug for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.requires_presence() {
            f.write_str("absent|")?;
        }
        f.debug_set().entries(self.candidates()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn build(candidates: usize, bits: &BTreeSet<usize>) -> Choices {
        let mut set = Choices::none(candidates);
        for bit in bits {
            match bit.checked_sub(1) {
                Some(candidate) => set.insert(candidate),
                None => set = set.union(&Choices::absent(candidates)),
            }
        }
        set
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_set_does(
            candidates in prop_oneof![0usize..5, 60usize..70, 180usize..200, 500usize..520],
            seeds in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..12),
        ) {
            let (mut one, mut two) = (BTreeSet::new(), BTreeSet::new());
            for (index, first) in seeds {
                let bit = index.index(candidates + 1);
                if first { one.insert(bit) } else { two.insert(bit) };
            }
            let everything: BTreeSet<usize> = (0..=candidates).collect();
            let (a, b) = (build(candidates, &one), build(candidates, &two));
            prop_assert_eq!(a.intersection(&b), build(candidates, &(&one & &two)));
            prop_assert_eq!(a.union(&b), build(candidates, &(&one | &two)));
            prop_assert_eq!(a.complement(), build(candidates, &(&everything - &one)));
            prop_assert_eq!(a.is_subset(&b), one.is_subset(&two));
            prop_assert_eq!(a.is_disjoint(&b), one.is_disjoint(&two));
            prop_assert_eq!(a.is_empty(), one.is_empty());
            prop_assert_eq!(a.is_everything(), one == everything);
            prop_assert_eq!(a.requires_presence(), !one.contains(&0));
            let listed: Vec<usize> = one.iter().filter_map(|bit| bit.checked_sub(1)).collect();
            prop_assert_eq!(a.count(), listed.len());
            prop_assert_eq!(a.candidates().collect::<Vec<_>>(), listed);
        }
    }
}
