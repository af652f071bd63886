//! The licence that a wheel's METADATA states, where that is known.
//!
//! In: a file of an index. Out: an SPDX expression. Never: more than its metadata costs.

use pyrun_core::{Sha256, licence};

use super::Client;
use crate::index::{File, IndexError, Project, Source as _, headers};

impl Client {
    /// The licence of a wheel, as its METADATA states it; `None` when that states none which can
    /// be understood, or is not kept.
    pub async fn licence(
        &self,
        project: &Project,
        file: &File,
    ) -> Result<Option<String>, IndexError> {
        // Whoever finds metadata keeps its headers.
        self.metadata(project, file).await?;
        let kept = file.sha256.and_then(|sha256| {
            let name = Sha256::of(format!("{} {sha256}", project.index));
            self.cache.metadata(&name)
        });
        Ok(kept.and_then(|bytes| stated(&bytes)))
    }
}

fn stated(metadata: &[u8]) -> Option<String> {
    let fields = headers(metadata);
    let of = |name: &'static str| {
        let same = fields
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str())
    };
    licence::stated(of("License-Expression").next(), of("Classifier"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_or_the_classifiers_say_it() {
        let of = |text: &str| stated(format!("Name: a\n{text}").as_bytes());
        assert_eq!(of("license-expression: MIT\n"), Some("MIT".to_owned()));
        let classified = "Classifier: License :: OSI Approved :: MIT License\n";
        assert_eq!(of(classified), Some("MIT".to_owned()));
        assert_eq!(of("License: MIT\n"), None);
    }
}
