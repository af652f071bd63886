//! The variables that a run sees.
//!
//! In: this process's variables, the run's folder, and what the request adds. Out: the whole
//! environment of the run. Never: lets a variable that is not on the list through to a run in a
//! folder of its own, so that no credential of the host reaches it by accident. A run in the
//! user's folder is the user's own program, and finds what it would find without pyrun.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// What is passed on from this process.
const PASSED: &[&str] = &[
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TERM",
    "COLUMNS",
    "NO_COLOR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "LD_LIBRARY_PATH",
];

/// The environment, in the order of its names.
pub(super) fn of_run(
    ours: impl IntoIterator<Item = (OsString, OsString)>,
    fresh: Option<&Path>,
    site: Option<&Path>,
    added: &BTreeMap<String, String>,
) -> Vec<(OsString, OsString)> {
    let mut variables: BTreeMap<OsString, OsString> = ours
        .into_iter()
        .filter(|(name, _)| {
            name.to_str().is_some_and(|name| {
                // What steers Python would make the interpreter another one than was locked for.
                let is_users_own = fresh.is_none() && !name.starts_with("PYTHON");
                is_users_own || PASSED.contains(&name) || name.starts_with("LC_")
            })
        })
        .collect();
    variables
        .entry("LANG".into())
        .or_insert_with(|| "C.UTF-8".into());
    variables
        .entry("PATH".into())
        .or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".into());
    if let Some(folder) = fresh {
        variables.insert("HOME".into(), folder.into());
        variables.insert("TMPDIR".into(), folder.into());
    }
    // For the Pythons that the run itself starts.
    if let Some(site) = site {
        variables.insert("PYTHONPATH".into(), site.into());
    }
    variables.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
    let usable = |name: &str, value: &str| {
        !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
    };
    variables.extend(
        added
            .iter()
            .filter(|(name, value)| usable(name, value))
            .map(|(name, value)| (name.into(), value.into())),
    );
    variables.into_iter().collect()
}

/// What Python starts with, and what the worker sets once it is there: what speaks to Python
/// itself reaches the Pythons that the run starts, and can't mislead the worker's own start.
///
/// `-I` would do that too, but the run's children inherit it where they are started as
/// `multiprocessing` and joblib start theirs, and then they don't find the bundle.
pub(super) fn split(
    variables: Vec<(OsString, OsString)>,
) -> (Vec<(OsString, OsString)>, BTreeMap<String, String>) {
    let mut first = Vec::new();
    let mut later = BTreeMap::new();
    for (name, value) in variables {
        match (name.to_str(), value.to_str()) {
            (Some(known), Some(text)) if known.starts_with("PYTHON") => {
                later.insert(known.to_owned(), text.to_owned());
            }
            (Some(known), None) if known.starts_with("PYTHON") => {}
            _ => first.push((name, value)),
        }
    }
    (first, later)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(fresh: Option<&Path>) -> Vec<(String, String)> {
        let ours = [
            ("AWS_SECRET_ACCESS_KEY", "s3cret"),
            ("HOME", "/home/me"),
            ("LC_ALL", "de_DE.UTF-8"),
            ("PATH", "/bin"),
            ("PYTHONHOME", "/nowhere"),
        ];
        let added = BTreeMap::from([
            ("GREETING".to_owned(), "hello".to_owned()),
            ("BAD=NAME".to_owned(), String::new()),
        ]);
        of_run(
            ours.map(|(name, value)| (name.into(), value.into())),
            fresh,
            None,
            &added,
        )
        .into_iter()
        .map(|(name, value)| {
            (
                name.into_string().expect("text"),
                value.into_string().expect("text"),
            )
        })
        .collect()
    }

    #[test]
    fn only_the_list_and_the_request_get_through() {
        let expected = [
            ("GREETING", "hello"),
            ("HOME", "/run"),
            ("LANG", "C.UTF-8"),
            ("LC_ALL", "de_DE.UTF-8"),
            ("PATH", "/bin"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("TMPDIR", "/run"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(names(Some(Path::new("/run"))), expected);
    }

    #[test]
    fn a_run_in_the_users_folder_keeps_all_but_what_steers_python() {
        let names: Vec<String> = names(None).into_iter().map(|(name, _)| name).collect();
        let expected = [
            "AWS_SECRET_ACCESS_KEY",
            "GREETING",
            "HOME",
            "LANG",
            "LC_ALL",
            "PATH",
            "PYTHONDONTWRITEBYTECODE",
        ];
        assert_eq!(names, expected);
    }
}
