//! Words of a command line: which are positional, which are keywords.
//!
//! In: a function and the words. Out: what was given, in order, not yet converted. The rules are
//! those of docs/VALUES.md, "From the command line".

use super::{Given, keyword_target, misfit};
use crate::error::{Problem, ScriptError, shorten};
use crate::function::Function;
use crate::signature::{Parameter, ParameterKind};

/// What the words say.
pub(super) struct Spoken<'w> {
    pub positional: Vec<Given<'w>>,
    pub keywords: Vec<(String, Given<'w>)>,
}

/// Reads all words.
pub(super) fn read<'w>(
    function: &Function,
    words: &'w [String],
) -> Result<Spoken<'w>, ScriptError> {
    let mut reader = Reader {
        function,
        rest: words.iter(),
        spoken: Spoken {
            positional: Vec::new(),
            keywords: Vec::new(),
        },
    };
    reader.read()?;
    Ok(reader.spoken)
}

struct Reader<'f, 'w> {
    function: &'f Function,
    rest: std::slice::Iter<'w, String>,
    spoken: Spoken<'w>,
}

impl<'w> Reader<'_, 'w> {
    fn read(&mut self) -> Result<(), ScriptError> {
        while let Some(word) = self.rest.next() {
            match word.as_str() {
                "--" => {
                    let rest = self.rest.by_ref();
                    let bare = rest.map(|word| Given::Word(word));
                    self.spoken.positional.extend(bare);
                }
                "-a" => {
                    let value = self.rest.next().ok_or_else(|| {
                        let problem = Problem::new("`-a` needs a value after it");
                        misfit(self.function, problem)
                    })?;
                    self.positional(value);
                }
                bare if !bare.starts_with('-') || bare == "-" || is_negative(bare) => {
                    self.positional(bare);
                }
                option => match option.strip_prefix("-a=") {
                    Some(value) => self.positional(value),
                    None => self.keyword(option)?,
                },
            }
        }
        Ok(())
    }

    fn positional(&mut self, word: &'w str) {
        self.spoken.positional.push(Given::Word(word));
    }

    fn keyword(&mut self, option: &'w str) -> Result<(), ScriptError> {
        let spelled = option
            .strip_prefix("--")
            .or_else(|| option.strip_prefix('-'))
            .unwrap_or(option);
        let (spelled, value) = match spelled.split_once('=') {
            Some((spelled, value)) => (spelled, Some(value)),
            None => (spelled, None),
        };
        let name = spelled.replace('-', "_");
        if !is_identifier(&name) {
            let problem = Problem::new(format!(
                "`{}` is not the name of a parameter",
                shorten(option)
            ))
            .hint("to give it by position, write `-a` before it, or `--` before all that is left");
            return Err(misfit(self.function, problem));
        }
        if value.is_none()
            && let Some(positive) = self.negated(&name)
        {
            return self.add(positive, Given::Flag(false));
        }
        let target = keyword_target(self.function, &name)?;
        let given = match value {
            Some(value) => Given::Word(value),
            None if target.takes.is_switch() => self.switch(),
            None => Given::Word(self.value_of(target, option)?),
        };
        self.add(name, given)
    }

    /// The parameter that `--no-name` turns off.
    fn negated(&self, name: &str) -> Option<String> {
        let signature = &self.function.signature;
        let positive = name.strip_prefix("no_")?;
        let parameter = signature.named(positive)?;
        let turns_off = parameter.takes.is_switch()
            && parameter.kind != ParameterKind::PositionalOnly
            && signature.named(name).is_none();
        turns_off.then(|| positive.to_owned())
    }

    /// A flag: `True`, unless a word for yes or no follows.
    fn switch(&mut self) -> Given<'w> {
        match self.rest.as_slice().first() {
            Some(word) if super::text::boolean(word).is_some() => {
                self.rest.next();
                Given::Word(word)
            }
            _ => Given::Flag(true),
        }
    }

    fn value_of(&mut self, target: &Parameter, option: &str) -> Result<&'w str, ScriptError> {
        if let Some(word) = self.rest.next() {
            return Ok(word);
        }
        let problem = Problem::new(format!("`{}` needs a value after it", shorten(option)));
        let is_flag = matches!(target.default.as_deref(), Some("True" | "False"));
        let problem = if target.annotation.is_none() && is_flag {
            problem.hint(format!(
                "declare `{}: bool` to use it as a flag without a value",
                target.name
            ))
        } else {
            problem
        };
        Err(misfit(self.function, problem))
    }

    fn add(&mut self, name: String, given: Given<'w>) -> Result<(), ScriptError> {
        let target = keyword_target(self.function, &name)?;
        let collects = target.takes.collects().is_some();
        let earlier = self
            .spoken
            .keywords
            .iter_mut()
            .find(|(other, _)| *other == name);
        match (earlier, given) {
            (None, Given::Word(word)) if collects => {
                let given = Given::Words(vec![word]);
                self.spoken.keywords.push((name, given));
            }
            (None, given) => self.spoken.keywords.push((name, given)),
            (Some((_, Given::Words(words))), Given::Word(word)) => words.push(word),
            (Some(_), _) => {
                let problem = Problem::new(format!(
                    "`{name}` of `{}` is given twice",
                    self.function.name
                ));
                return Err(misfit(self.function, problem));
            }
        }
        Ok(())
    }
}

/// `-5`, `-1.5`, `-.5`: a value, not a keyword.
fn is_negative(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or_default();
    let digits = digits.strip_prefix('.').unwrap_or(digits);
    digits.starts_with(|first: char| first.is_ascii_digit())
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|first| first == '_' || first.is_alphabetic())
        && chars.all(|each| each == '_' || each.is_alphanumeric())
}
