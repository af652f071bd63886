//! The options of a line: which there are, and what they say.
//!
//! In: a logical line. Out: the requirement's text and the options behind it, each with its place.
//! Never: expands a variable in a place that pip would not.

use std::ops::Range;

use crate::near::nearest;

/// A logical line, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// What stands before the first option; may be empty.
    pub requirement: Range<usize>,
    /// The options.
    pub options: Vec<Word>,
}

/// An option of pip's requirements file format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Which one.
    pub option: Known,
    /// Its value; empty where it takes none.
    pub value: String,
    /// Where it stands in the line.
    pub range: Range<usize>,
}

/// The options that a requirements file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Requirement,
    Constraint,
    Editable,
    IndexUrl,
    ExtraIndexUrl,
    NoIndex,
    FindLinks,
    NoBinary,
    OnlyBinary,
    PreferBinary,
    RequireHashes,
    Pre,
    TrustedHost,
    UseFeature,
    Hash,
    GlobalOption,
    ConfigSettings,
}

/// Long spelling, short spelling, what it is, whether it takes a value.
const OPTIONS: [(&str, &str, Known, bool); 19] = [
    ("--requirement", "-r", Known::Requirement, true),
    ("--constraint", "-c", Known::Constraint, true),
    ("--editable", "-e", Known::Editable, true),
    ("--index-url", "-i", Known::IndexUrl, true),
    ("--pypi-url", "", Known::IndexUrl, true),
    ("--extra-index-url", "", Known::ExtraIndexUrl, true),
    ("--no-index", "", Known::NoIndex, false),
    ("--find-links", "-f", Known::FindLinks, true),
    ("--no-binary", "", Known::NoBinary, true),
    ("--only-binary", "", Known::OnlyBinary, true),
    ("--prefer-binary", "", Known::PreferBinary, false),
    ("--require-hashes", "", Known::RequireHashes, false),
    ("--pre", "", Known::Pre, false),
    ("--trusted-host", "", Known::TrustedHost, true),
    ("--use-feature", "", Known::UseFeature, true),
    ("--hash", "", Known::Hash, true),
    ("--global-option", "", Known::GlobalOption, true),
    ("--config-settings", "-C", Known::ConfigSettings, true),
    ("--config-setting", "", Known::ConfigSettings, true),
];

impl Known {
    /// Its long spelling.
    pub fn spelling(self) -> &'static str {
        let row = OPTIONS.iter().find(|(_, _, known, _)| *known == self);
        row.map_or("", |(long, ..)| long)
    }
}

/// What is wrong with a line's words, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub meant: Option<&'static str>,
    /// Where.
    pub range: Range<usize>,
}

/// Takes a line apart.
pub fn read(text: &str) -> Result<Words, Wrong> {
    let start = text.len() - text.trim_start().len();
    let split = option_start(text, start);
    let requirement = start..start + text[start..split].trim_end().len();
    let mut tokens = tokens(text, split)?.into_iter().peekable();
    let mut options = Vec::new();
    while let Some(token) = tokens.next() {
        let (option, takes_value, attached) = known(&token)?;
        let mut range = token.range.clone();
        let value = match (takes_value, attached) {
            (false, Some(_)) => {
                let message = format!("`{}` takes no value", option.spelling());
                return Err(wrong(message, range));
            }
            (false, None) => String::new(),
            (true, Some(value)) => value,
            (true, None) => {
                let next = tokens.next_if(|next| !next.text.starts_with('-'));
                let Some(next) = next else {
                    let message = format!("`{}` needs a value", option.spelling());
                    return Err(wrong(message, range));
                };
                range.end = next.range.end;
                next.text
            }
        };
        options.push(Word {
            option,
            value,
            range,
        });
    }
    Ok(Words {
        requirement,
        options,
    })
}

fn wrong(message: String, range: Range<usize>) -> Wrong {
    Wrong {
        message,
        meant: None,
        range,
    }
}

/// Where the first word begins that begins with a dash.
fn option_start(text: &str, start: usize) -> usize {
    let mut at = start;
    for word in text[start..].split_inclusive(char::is_whitespace) {
        if word.starts_with('-') {
            return at;
        }
        at += word.len();
    }
    text.len()
}

struct Token {
    text: String,
    range: Range<usize>,
}

/// The words from an offset on, as a POSIX shell splits them: quotes and backslashes.
fn tokens(text: &str, from: usize) -> Result<Vec<Token>, Wrong> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut word: Option<Token> = None;
    let mut quote: Option<(char, usize)> = None;
    let mut characters = text[from..].char_indices();
    while let Some((at, character)) = characters.next() {
        let at = from + at;
        if quote.is_none() && character.is_whitespace() {
            tokens.extend(word.take());
            continue;
        }
        let token = word.get_or_insert_with(|| Token {
            text: String::new(),
            range: at..at,
        });
        token.range.end = at + character.len_utf8();
        match (quote, character) {
            (None, '\'' | '"') => quote = Some((character, at)),
            (Some((open, _)), close) if open == close => quote = None,
            (None | Some(('"', _)), '\\') => {
                if let Some((next, escaped)) = characters.next() {
                    token.text.push(escaped);
                    token.range.end = from + next + escaped.len_utf8();
                }
            }
            (_, plain) => token.text.push(plain),
        }
    }
    if let Some((open, at)) = quote {
        return Err(wrong(format!("`{open}` is not closed"), at..text.len()));
    }
    tokens.extend(word);
    Ok(tokens)
}

/// Which option a word is, whether it takes a value, and the value that is attached to it.
fn known(token: &Token) -> Result<(Known, bool, Option<String>), Wrong> {
    let text = token.text.as_str();
    let (name, attached) = match text.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
        _ => (text, None),
    };
    if let Some((.., known, takes)) = OPTIONS.iter().find(|(long, ..)| *long == name) {
        return Ok((*known, *takes, attached));
    }
    if !text.starts_with("--") && text.len() > 1 {
        let short = text.char_indices().nth(2).map_or(text.len(), |(at, _)| at);
        let (name, value) = text.split_at(short);
        if let Some((.., known, takes)) = OPTIONS.iter().find(|(_, short, ..)| *short == name) {
            let value = Some(value.to_owned()).filter(|value| !value.is_empty());
            return Ok((*known, *takes, value));
        }
    }
    let meant = nearest(name, OPTIONS.iter().map(|(long, ..)| *long));
    Err(Wrong {
        message: if text.starts_with('-') {
            format!("`{name}` is no option of a requirements file")
        } else {
            format!("`{name}` does not belong here")
        },
        meant,
        range: token.range.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Vec<(Known, String)> {
        let words = read(text).expect(text);
        let pairs = words.options.into_iter();
        pairs.map(|word| (word.option, word.value)).collect()
    }

    #[test]
    fn every_spelling_is_read() {
        for text in [
            "-r a.txt",
            "-ra.txt",
            "--requirement a.txt",
            "--requirement=a.txt",
            "  -r  'a.txt'",
            "-r \"a\".tx\\t",
        ] {
            assert_eq!(
                options(text),
                [(Known::Requirement, "a.txt".to_owned())],
                "{text}"
            );
        }
    }

    #[test]
    fn a_requirement_ends_where_its_options_begin() {
        let text = "a>=1 ; os_name == 'b'  --hash=sha256:00 --hash sha256:11";
        let words = read(text).expect("words");
        assert_eq!(&text[words.requirement.clone()], "a>=1 ; os_name == 'b'");
        let values: Vec<&str> = words
            .options
            .iter()
            .map(|word| word.value.as_str())
            .collect();
        assert_eq!(values, ["sha256:00", "sha256:11"]);
        assert_eq!(&text[words.options[1].range.clone()], "--hash sha256:11");
    }

    #[test]
    fn what_is_no_option_is_named_with_what_was_meant() {
        for (text, meant) in [
            ("--indx-url x", Some("--index-url")),
            ("-x", None),
            ("-r", None),
            ("--pre=1", None),
            ("-i 'x", None),
            ("--no-index more", None),
            ("-", None),
        ] {
            assert_eq!(read(text).expect_err(text).meant, meant, "{text}");
        }
    }
}
