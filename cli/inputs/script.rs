//! Scripts: what they require, and how one is called.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;

use pyrun_core::protocol::{self, Entry};
use pyrun_core::{Code, Fault};
use pyrun_script::{EntryPoint, Script, bind, check_call};

use super::{Input, Requirements, Wanted, read_text, sources};

/// The most that `--input` may bring, in bytes.
const MOST_INPUT: u64 = 64 << 20;

/// A script and a call of it.
#[derive(Debug)]
pub struct Call {
    /// The script as it is sent.
    pub script: protocol::Script,
    /// What of it is run, and with which arguments.
    pub entry: Entry,
    /// What it requires.
    pub requirements: Requirements,
    /// Its own limit on wall time, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Its own limit on memory, in bytes.
    pub memory_bytes: Option<u64>,
}

/// `FILE:FUNCTION` as two parts. A colon counts only before a name.
pub fn split(word: &str) -> (&str, Option<&str>) {
    match word.rsplit_once(':') {
        Some((path, name)) if !path.is_empty() && is_name(name) => (path, Some(name)),
        _ => (word, None),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|character| character.is_alphanumeric() || character == '_')
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

/// Reads the words of `pyrun run`: a script and its arguments.
pub fn call(words: &[OsString], input: Option<&str>) -> Result<Call, Fault> {
    let words = words.iter().map(utf8).collect::<Result<Vec<_>, _>>()?;
    let Some((file, arguments)) = words.split_first() else {
        return Err(Fault::new(Code::USAGE, "no file is named"));
    };
    if file.starts_with('-') && file.len() > 1 {
        return Err(
            Fault::new(Code::USAGE, format!("`pyrun run` has no option `{file}`")).hint(
                "`pyrun run --help` lists the options; a function's own arguments follow the file",
            ),
        );
    }
    let (path, function) = split(file);
    let text = read_text(path)?;
    let script = pyrun_script::read(path, &text)?;
    let entry = script.entry(function)?;
    Ok(Call {
        entry: arguments_of(&entry, arguments, input)?,
        requirements: requirements(&entry, path)?,
        timeout_ms: entry.options().and_then(|options| options.timeout_ms),
        memory_bytes: entry.options().and_then(|options| options.memory_bytes),
        script: protocol::Script {
            path: path.to_owned(),
            source: text,
        },
    })
}

fn utf8(word: &OsString) -> Result<String, Fault> {
    word.to_str().map(str::to_owned).ok_or_else(|| {
        Fault::new(
            Code::USAGE_ARGUMENTS,
            format!(
                "the argument `{}` is not UTF-8 text",
                word.to_string_lossy()
            ),
        )
    })
}

/// The call that words or `--input` spell.
fn arguments_of(
    entry: &EntryPoint<'_>,
    words: &[String],
    input: Option<&str>,
) -> Result<Entry, Fault> {
    let both = || {
        Fault::new(
            Code::USAGE_INPUT,
            "`--input` gives the whole call, and there are arguments after the file as well",
        )
        .hint("give the call in one of the two ways")
    };
    match (entry.function(), input) {
        (None, Some(_)) => Err(Fault::new(
            Code::USAGE_INPUT,
            "`--input` gives a function's call, and this script runs as a program",
        )
        .hint("a program reads its arguments and its standard input itself")),
        (None, None) => Ok(Entry::Program {
            argv: words.to_vec(),
        }),
        (Some(_), Some(_)) if !words.is_empty() => Err(both()),
        (Some(function), Some(input)) => {
            let call = check_call(function, parse_call(&read_input(input)?)?)?;
            Ok(Entry::Function {
                name: function.name.clone(),
                call,
            })
        }
        (Some(function), None) => Ok(Entry::Function {
            name: function.name.clone(),
            call: bind(function, words)?,
        }),
    }
}

/// The text that `--input` means: itself, a file's, or standard input's.
fn read_input(input: &str) -> Result<String, Fault> {
    if let Some(path) = input.strip_prefix('@') {
        return read_text(path);
    }
    if input != "-" {
        return Ok(input.to_owned());
    }
    let mut text = String::new();
    let read = std::io::stdin()
        .lock()
        .take(MOST_INPUT + 1)
        .read_to_string(&mut text);
    match read {
        Ok(_) if text.len() as u64 > MOST_INPUT => Err(Fault::new(
            Code::USAGE_INPUT,
            format!("standard input is longer than {} MiB", MOST_INPUT >> 20),
        )),
        Ok(_) => Ok(text),
        Err(error) => Err(Fault::new(
            Code::USAGE_INPUT,
            "standard input can't be read as UTF-8 text",
        )
        .cause(error.to_string())),
    }
}

fn parse_call(text: &str) -> Result<protocol::Call, Fault> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(default)]
        args: Vec<serde_json::Value>,
        #[serde(default)]
        kwargs: std::collections::BTreeMap<String, serde_json::Value>,
    }
    // `serde_json` would round them.
    let text = pyrun_core::value::with_wide_integers_tagged(text);
    let call: Strict = serde_json::from_str(&text).map_err(|error| {
        Fault::new(Code::USAGE_INPUT, "`--input` is not a call")
            .cause(error.to_string())
            .hint(r#"a call is `{"args": [1, "two"], "kwargs": {"name": "value"}}`; `@FILE` reads it from a file"#)
    })?;
    Ok(protocol::Call {
        args: call.args,
        kwargs: call.kwargs,
    })
}

fn requirements(entry: &EntryPoint<'_>, path: &str) -> Result<Requirements, Fault> {
    let options = entry.options().cloned().unwrap_or_default();
    if let Some(name) = options.data.first() {
        return Err(Fault::new(
            Code::SCRIPT_METADATA,
            format!("this version has no named data, and the script reads `{name}`"),
        )
        .hint("take `data` out of `[tool.pyrun]`, and fetch the data in the function"));
    }
    let mut list = entry.requirements()?;
    let mut settings = options.wishes;
    let pins = sources::apply(&mut list, &options.sources, &[])?;
    settings.pins.extend(pins);
    sources::settle_links(&mut settings, Path::new(path));
    Ok(Requirements {
        list,
        requires_python: entry.requires_python()?,
        settings,
        remarks: Vec::new(),
    })
}

/// One input for each bundle that a script needs: of the function that is named, else of each
/// decorated one, else of the program.
pub fn inputs(word: &str) -> Result<Vec<Input>, Fault> {
    let (path, function) = split(word);
    let script: Script = pyrun_script::read(path, &read_text(path)?)?;
    let names: Vec<Option<&str>> = if let Some(name) = function {
        vec![Some(name)]
    } else {
        let decorated = script
            .functions
            .iter()
            .filter(|function| function.decorated);
        let names: Vec<_> = decorated
            .map(|function| Some(function.name.as_str()))
            .collect();
        if names.is_empty() { vec![None] } else { names }
    };
    names
        .into_iter()
        .map(|name| {
            let entry = script.entry(name)?;
            Ok(Input {
                name: name.map_or_else(|| path.to_owned(), |name| format!("{path}:{name}")),
                wanted: Wanted::Requirements(requirements(&entry, path)?.into()),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_counts_only_before_a_name() {
        for (word, parts) in [
            ("a.py", ("a.py", None)),
            ("a.py:f", ("a.py", Some("f"))),
            ("c:/a.py", ("c:/a.py", None)),
            ("a.py:", ("a.py:", None)),
            ("a.py:1", ("a.py:1", None)),
            (":f", (":f", None)),
        ] {
            assert_eq!(split(word), parts, "{word}");
        }
    }

    #[test]
    fn a_call_keeps_every_digit() {
        let wide = "123456789012345678901234567890";
        let call = parse_call(&format!(r#"{{"args": [[{wide}, 1]]}}"#)).expect("a call");
        let tagged = serde_json::json!({"$pyrun": "int", "value": wide});
        assert_eq!(call.args, [serde_json::json!([tagged, 1])]);
    }

    #[test]
    fn only_a_call_is_a_call() {
        assert!(parse_call(r#"{"args": [1]}"#).is_ok());
        for text in ["[1]", "{\"arg\": 1}", "", "1"] {
            assert_eq!(parse_call(text).expect_err(text).code, Code::USAGE_INPUT);
        }
    }
}
