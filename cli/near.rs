//! What somebody may have meant who wrote a name that is not there.
//!
//! In: what was written, and the names that are there. Out: the one that is most like it, if one is
//! like it at all. Pure.

/// How much alike two names are, from 0 to 1, that may be meant for each other.
const ALIKE: f64 = 0.85;

/// The name that was probably meant; of several that are equally near, the last.
pub fn nearest<T: AsRef<str>>(written: &str, names: impl IntoIterator<Item = T>) -> Option<T> {
    let scored = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(name.as_ref(), written), name));
    let near = scored
        .filter(|(score, _)| *score > ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    near.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_is_meant_and_nothing_that_is_far() {
        let names = ["staging", "stage", "production"];
        assert_eq!(nearest("stagign", names), Some("staging"));
        assert_eq!(nearest("zzz", names), None);
        assert_eq!(nearest("stage", [] as [&str; 0]), None);
    }
}
