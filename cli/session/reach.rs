//! What a builder on a remote can reach.
//!
//! In: a question, or a lock. Out: nothing, or a fault that names what lies on this machine alone.
//! Never: asks anybody.

use pyrun_core::lock::Draft;
use pyrun_core::{Code, Fault, Requirement, ResolveOptions, VersionOrUrl};

/// Refuses what lies on this machine alone, which a builder elsewhere can't reach.
pub fn check(list: &[Requirement], options: &ResolveOptions) -> Result<(), Fault> {
    let all = list
        .iter()
        .chain(&options.constraints)
        .chain(&options.overrides);
    for requirement in all {
        if let Some(VersionOrUrl::Url(url)) = &requirement.spec.version_or_url
            && url.scheme() == "file"
        {
            let fault = unreachable(&format!("`{url}`"));
            return Err(requirement
                .origin
                .span
                .iter()
                .cloned()
                .fold(fault, Fault::span));
        }
    }
    match options
        .find_links
        .iter()
        .find(|links| !links.contains("://"))
    {
        Some(folder) => Err(unreachable(&format!("`{folder}` (`--find-links`)"))),
        None => Ok(()),
    }
}

/// The same of a lock. What was built from source has no address: it is found by its digest.
pub fn check_lock(draft: &Draft) -> Result<(), Fault> {
    let packages = draft.lock.packages.values();
    let urls = packages.flat_map(|package| {
        let sdist = package.sdist.as_ref().map(|sdist| &sdist.url);
        [Some(&package.wheel.url), sdist]
    });
    let unbuilt = draft.unbuilt.values().map(|package| &package.sdist.url);
    let is_near = |url: &&String| {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        !url.is_empty() && scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case("file"))
    };
    match urls.flatten().chain(unbuilt).find(is_near) {
        Some(url) => Err(unreachable(&format!("`{url}`, which the lock names,"))),
        None => Ok(()),
    }
}

fn unreachable(what: &str) -> Fault {
    Fault::new(
        Code::USAGE,
        format!("{what} lies on this machine, and the bundle is built on a remote"),
    )
    .hint("put the wheel where the remote can reach it, or work on this machine with `--on local`")
}

#[cfg(test)]
mod tests {
    use pyrun_core::Origin;

    use super::*;

    #[test]
    fn a_remote_builder_is_sent_to_no_file_of_this_machine() {
        let list = |text: &str| {
            [Requirement::new(
                text.parse().expect(text),
                Origin::default(),
            )]
        };
        let options = ResolveOptions::default();
        let near = "a @ file:///w/a-1-py3-none-any.whl";
        assert!(check(&list(near), &options).is_err());
        assert!(check(&list("a @ https://x/a-1-py3-none-any.whl"), &options).is_ok());
        let mut links = options.clone();
        links.find_links = vec!["/w".to_owned()];
        assert!(check(&[], &links).is_err());
        let mut bounds = options;
        bounds.constraints = list(near).to_vec();
        assert!(check(&[], &bounds).is_err());
    }

    #[test]
    fn a_lock_with_files_of_this_machine_goes_to_no_remote() {
        let draft = |url: &str| {
            let mut lock = crate::graph::testing::lock(&[("app", "1.5", &[])]);
            for package in lock.packages.values_mut() {
                url.clone_into(&mut package.wheel.url);
            }
            let unbuilt = std::collections::BTreeMap::new();
            Draft { lock, unbuilt }
        };
        for near in ["/w/a.whl", "FILE:///w/a.whl"] {
            let fault = check_lock(&draft(near)).expect_err(near);
            assert!(fault.message.contains(near), "{fault:?}");
        }
        for far in ["https://h/a.whl", ""] {
            assert_eq!(check_lock(&draft(far)), Ok(()), "{far}");
        }
    }
}
