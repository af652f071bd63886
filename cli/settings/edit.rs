//! One key of the user's own settings file, set without touching the rest.
//!
//! In: the file's text and a name. Out: the text with `use = "NAME"`. Never: loses a comment, a
//! key or an order; writes half a file.

use std::path::Path;

use pyrun_core::{Code, Fault};

/// Sets `use` in the file at `path`, which need not be there.
pub fn set_use(path: &Path, name: &str) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::from_error(Code::CONFIG_INVALID, &error);
    let text = match fs_err::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let text = with_use(&text, name).ok_or_else(|| {
        Fault::new(
            Code::CONFIG_INVALID,
            format!("`use` can't be set in `{}`", path.display()),
        )
        .hint(format!(
            "write `use = \"{name}\"` above its first table yourself"
        ))
    })?;
    super::write_whole(path, text.as_bytes()).map_err(failed)
}

/// The text with `use` set; `None` when that can't be done without changing anything else.
fn with_use(text: &str, name: &str) -> Option<String> {
    let mut before: toml::Table = toml::from_str(text).ok()?;
    let line = format!("use = {}\n", toml::Value::from(name));
    let head = text
        .split_inclusive('\n')
        .take_while(|line| !line.trim_start().starts_with('['));
    let mut at = 0;
    let mut old = None;
    for candidate in head {
        let key = candidate.split('=').next().unwrap_or_default().trim();
        if key == "use" {
            old = Some(at..at + candidate.len());
        }
        at += candidate.len();
    }
    let edited = match old {
        Some(old) => format!("{}{line}{}", &text[..old.start], &text[old.end..]),
        None => format!("{line}{text}"),
    };
    // Whatever was meant by the text, the edit must mean that and nothing else.
    before.insert("use".to_owned(), toml::Value::from(name));
    let after: toml::Table = toml::from_str(&edited).ok()?;
    (before == after).then_some(edited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_set_and_all_else_stays() {
        let rest = "# mine\noffline = true\n\n[on.team] # theirs\nstack = \"x\"\n";
        let first = with_use(rest, "team").expect("it can be set");
        assert_eq!(first, format!("use = \"team\"\n{rest}"));
        let second = with_use(&first, "local").expect("it can be set");
        assert_eq!(second, format!("use = \"local\"\n{rest}"));
        let own = with_use("a = 1 # one\nuse = 'x' # why\nb = 2\n", "y");
        assert_eq!(own.as_deref(), Some("a = 1 # one\nuse = \"y\"\nb = 2\n"));
        assert_eq!(with_use("", "x").as_deref(), Some("use = \"x\"\n"));
    }

    #[test]
    fn what_can_not_be_edited_is_left_alone() {
        // The key is written in another way, inside a text, or the file is no TOML.
        assert_eq!(with_use("\"use\" = 'x'\n", "y"), None);
        assert_eq!(with_use("a = \"\"\"\nuse = 1\n\"\"\"\n", "y"), None);
        assert_eq!(with_use("a = = 1\n", "y"), None);
    }

    #[test]
    fn a_strange_name_stays_a_name() {
        let text = with_use("", "a\"b\\").expect("it can be set");
        let table: toml::Table = toml::from_str(&text).expect("TOML");
        assert_eq!(table["use"].as_str(), Some("a\"b\\"));
    }

    #[test]
    fn the_file_is_made_with_its_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pyrun/pyrun.toml");
        set_use(&path, "aws").expect("it is written");
        set_use(&path, "local").expect("it is written");
        let text = fs_err::read_to_string(&path).expect("a file");
        assert_eq!(text, "use = \"local\"\n");
        let entries = fs_err::read_dir(folder.path().join("pyrun")).expect("a folder");
        assert_eq!(entries.count(), 1, "nothing else is left");
    }
}
