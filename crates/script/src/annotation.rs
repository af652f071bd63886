//! A parameter's annotation: what kind of value it takes.
//!
//! In: the expression after the `:`. Out: a [`Kind`]. What is not understood is [`Kind::Any`]:
//! such a parameter takes text as it is.

use std::fmt;

use ruff_python_ast::{Expr, Number, Operator, Stmt, StmtClassDef, UnaryOp};
use serde_json::Value;

use crate::bounds;
use crate::names::Names;

/// Types inside types beyond this are not looked into.
const DEEPEST: usize = 32;

/// What kind of value a parameter takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Anything: no annotation, `Any`, or one that is not known.
    Any,
    /// `str`.
    Str,
    /// `int`.
    Int,
    /// `float`.
    Float,
    /// `bool`.
    Bool,
    /// `None`.
    None,
    /// `bytes`.
    Bytes,
    /// `pathlib.Path`.
    Path,
    /// `datetime.datetime`.
    DateTime,
    /// `datetime.date`.
    Date,
    /// `datetime.time`.
    Time,
    /// `datetime.timedelta`.
    TimeDelta,
    /// `decimal.Decimal`.
    Decimal,
    /// `uuid.UUID`.
    Uuid,
    /// `list[T]` and its kin.
    List(Box<Kind>),
    /// `set[T]` and its kin.
    Set(Box<Kind>),
    /// `tuple[T, ...]`.
    Tuple(Box<Kind>),
    /// `tuple[A, B]`.
    FixedTuple(Vec<Kind>),
    /// `dict[K, V]` and its kin.
    Dict(Box<Kind>, Box<Kind>),
    /// `A | B`.
    Union(Vec<Kind>),
    /// `Literal[...]`: its values.
    Literal(Vec<Value>),
    /// A subclass of `Enum` in the same file.
    Enum(EnumClass),
}

/// A subclass of `Enum`.
#[derive(Debug, Clone, PartialEq)]
pub struct EnumClass {
    /// The class's name.
    pub name: String,
    /// The members' names, and their values where they are literals.
    pub members: Vec<(String, Option<Value>)>,
}

impl Kind {
    /// The kind that an annotation names.
    pub(crate) fn of(annotation: &Expr, names: &Names) -> Self {
        Reader { names }.read(annotation, 0)
    }

    /// Whether a flag without a value can stand for `True`: `bool`, or `bool | None`.
    pub fn is_switch(&self) -> bool {
        match self {
            Self::Bool => true,
            Self::Union(kinds) => {
                let mut real = kinds.iter().filter(|kind| **kind != Self::None).peekable();
                real.peek().is_some() && real.all(Self::is_switch)
            }
            _ => false,
        }
    }

    /// The kind of the items, if repeated keywords are collected.
    pub fn collects(&self) -> Option<&Self> {
        match self {
            Self::List(item) | Self::Set(item) | Self::Tuple(item) => Some(item),
            Self::Union(kinds) => kinds.iter().find_map(Self::collects),
            _ => None,
        }
    }

    /// Whether `None` is a value of it.
    pub fn takes_none(&self) -> bool {
        match self {
            Self::Any | Self::None => true,
            Self::Union(kinds) => kinds.iter().any(Self::takes_none),
            Self::Literal(values) => values.contains(&Value::Null),
            _ => false,
        }
    }
}

/// What the kind takes, in words that follow "takes".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any value"),
            Self::Str => f.write_str("text"),
            Self::Int => f.write_str("an integer"),
            Self::Float => f.write_str("a number"),
            Self::Bool => f.write_str("`true` or `false`"),
            Self::None => f.write_str("`null`"),
            Self::Bytes => f.write_str("text for bytes"),
            Self::Path => f.write_str("a path"),
            Self::DateTime => f.write_str("a date and time such as `2024-05-31T12:00:00`"),
            Self::Date => f.write_str("a date such as `2024-05-31`"),
            Self::Time => f.write_str("a time such as `12:00:00`"),
            Self::TimeDelta => f.write_str("a duration such as `90` (seconds) or `1h30m`"),
            Self::Decimal => f.write_str("a decimal number"),
            Self::Uuid => f.write_str("a UUID"),
            Self::List(_) | Self::Set(_) | Self::Tuple(_) => {
                f.write_str("a JSON array such as `[1, 2]`")
            }
            Self::FixedTuple(items) => write!(f, "a JSON array of {} items", items.len()),
            Self::Dict(..) => f.write_str("a JSON object such as `{\"a\": 1}`"),
            Self::Union(kinds) => {
                for (index, kind) in kinds.iter().enumerate() {
                    let before = if index == 0 { "" } else { " or " };
                    write!(f, "{before}{kind}")?;
                }
                Ok(())
            }
            Self::Literal(values) => {
                let words: Vec<_> = values.iter().map(literal_word).collect();
                write!(f, "one of {}", listed(&words))
            }
            Self::Enum(class) => {
                let words: Vec<_> = class.members.iter().map(|(name, _)| name.clone()).collect();
                write!(f, "a member of `{}`: {}", class.name, listed(&words))
            }
        }
    }
}

/// A literal as it is written on a command line.
fn literal_word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn listed(words: &[String]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

impl EnumClass {
    pub(crate) fn of(class: &StmtClassDef) -> Self {
        let mut members = Vec::new();
        for stmt in &class.body {
            let (target, value) = match stmt {
                Stmt::Assign(assign) => match assign.targets.as_slice() {
                    [target] => (target, &*assign.value),
                    _ => continue,
                },
                Stmt::AnnAssign(assign) => match &assign.value {
                    Some(value) => (&*assign.target, &**value),
                    None => continue,
                },
                _ => continue,
            };
            if let Expr::Name(name) = target
                && !name.id.as_str().starts_with('_')
            {
                members.push((name.id.as_str().to_owned(), literal_value(value)));
            }
        }
        Self {
            name: class.name.as_str().to_owned(),
            members,
        }
    }
}

/// The value of a literal that JSON has a word for.
fn literal_value(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::StringLiteral(literal) => Some(Value::from(literal.value.to_str())),
        Expr::BooleanLiteral(literal) => Some(Value::from(literal.value)),
        Expr::NoneLiteral(_) => Some(Value::Null),
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(number) => number.as_i64().map(Value::from),
            Number::Float(number) => serde_json::Number::from_f64(*number).map(Value::Number),
            Number::Complex { .. } => None,
        },
        Expr::UnaryOp(unary) if unary.op == UnaryOp::USub => match literal_value(&unary.operand)? {
            Value::Number(number) => match number.as_i64() {
                Some(whole) => whole.checked_neg().map(Value::from),
                None => number.as_f64().map(|real| Value::from(-real)),
            },
            _ => None,
        },
        _ => None,
    }
}

struct Reader<'n, 'a> {
    names: &'n Names<'a>,
}

impl Reader<'_, '_> {
    fn read(&self, expr: &Expr, depth: usize) -> Kind {
        if depth > DEEPEST || !self.names.spend(16) {
            return Kind::Any;
        }
        match expr {
            Expr::NoneLiteral(_) => Kind::None,
            Expr::StringLiteral(literal) => self.read_text(literal.value.to_str(), depth),
            Expr::BinOp(operation) if operation.op == Operator::BitOr => {
                self.read_union(expr, depth)
            }
            Expr::Subscript(subscript) => match self.names.full_name(&subscript.value) {
                Some(base) => self.read_generic(&base, &subscript.slice, depth),
                None => Kind::Any,
            },
            Expr::Name(_) | Expr::Attribute(_) => self.read_name(expr, depth),
            _ => Kind::Any,
        }
    }

    /// A forward reference.
    fn read_text(&self, text: &str, depth: usize) -> Kind {
        if !self.names.spend(text.len()) || bounds::excess(text).is_some() {
            return Kind::Any;
        }
        match ruff_python_parser::parse_expression(text.trim()) {
            Ok(parsed) => self.read(parsed.expr(), depth + 1),
            Err(_) => Kind::Any,
        }
    }

    fn read_union(&self, expr: &Expr, depth: usize) -> Kind {
        // `a | b | c` leans to the left, and may be long.
        let mut parts = Vec::new();
        let mut rest = expr;
        while let Expr::BinOp(operation) = rest
            && operation.op == Operator::BitOr
        {
            parts.push(&*operation.right);
            rest = &operation.left;
        }
        parts.push(rest);
        let kinds = parts
            .iter()
            .rev()
            .map(|part| self.read(part, depth + 1))
            .collect();
        union(kinds)
    }

    fn read_name(&self, expr: &Expr, depth: usize) -> Kind {
        let Some(full) = self.names.full_name(expr) else {
            if let Some(class) = self.names.enumeration(expr) {
                return Kind::Enum(class);
            }
            return match self.names.assigned(expr) {
                Some(alias) => self.read(alias, depth + 1),
                None => Kind::Any,
            };
        };
        let any = || Box::new(Kind::Any);
        match plain(&full) {
            "str" | "Text" => Kind::Str,
            "int" => Kind::Int,
            "float" => Kind::Float,
            "bool" => Kind::Bool,
            "bytes" => Kind::Bytes,
            "NoneType" => Kind::None,
            "pathlib.Path" | "pathlib.PurePath" | "pathlib.PosixPath" | "pathlib.PurePosixPath" => {
                Kind::Path
            }
            "datetime.datetime" => Kind::DateTime,
            "datetime.date" => Kind::Date,
            "datetime.time" => Kind::Time,
            "datetime.timedelta" => Kind::TimeDelta,
            "decimal.Decimal" => Kind::Decimal,
            "uuid.UUID" => Kind::Uuid,
            base if is_list(base) => Kind::List(any()),
            base if is_set(base) => Kind::Set(any()),
            base if is_dict(base) => Kind::Dict(any(), any()),
            "tuple" | "Tuple" => Kind::Tuple(any()),
            _ => Kind::Any,
        }
    }

    fn read_generic(&self, base: &str, slice: &Expr, depth: usize) -> Kind {
        let arguments: Vec<&Expr> = match slice {
            Expr::Tuple(tuple) => tuple.elts.iter().collect(),
            other => vec![other],
        };
        let nth = |index: usize| {
            let kind = arguments.get(index);
            kind.map_or(Kind::Any, |expr| self.read(expr, depth + 1))
        };
        match plain(base) {
            "Optional" => union(vec![nth(0), Kind::None]),
            "Union" => union((0..arguments.len()).map(nth).collect()),
            "Annotated" | "Final" => nth(0),
            "Literal" if self.names.spend(16 * arguments.len()) => {
                let values: Option<Vec<Value>> =
                    arguments.iter().map(|expr| literal_value(expr)).collect();
                values.map_or(Kind::Any, Kind::Literal)
            }
            "tuple" | "Tuple" => match arguments.as_slice() {
                [_, Expr::EllipsisLiteral(_)] => Kind::Tuple(Box::new(nth(0))),
                [Expr::Tuple(empty)] if empty.elts.is_empty() => Kind::FixedTuple(Vec::new()),
                _ => Kind::FixedTuple((0..arguments.len()).map(nth).collect()),
            },
            base if is_list(base) => Kind::List(Box::new(nth(0))),
            base if is_set(base) => Kind::Set(Box::new(nth(0))),
            base if is_dict(base) => Kind::Dict(Box::new(nth(0)), Box::new(nth(1))),
            _ => Kind::Any,
        }
    }
}

/// One union of all, flat.
fn union(kinds: Vec<Kind>) -> Kind {
    let mut flat = Vec::new();
    for kind in kinds {
        match kind {
            Kind::Union(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    Kind::Union(flat)
}

/// A name without the modules that re-export builtin collections and typing's words.
fn plain(full: &str) -> &str {
    [
        "typing.",
        "typing_extensions.",
        "collections.abc.",
        "collections.",
        "types.",
        "builtins.",
    ]
    .iter()
    .find_map(|module| full.strip_prefix(module))
    .unwrap_or(full)
}

fn is_list(base: &str) -> bool {
    matches!(
        base,
        "list" | "List" | "Sequence" | "MutableSequence" | "Iterable" | "Collection"
    )
}

fn is_set(base: &str) -> bool {
    matches!(
        base,
        "set" | "Set" | "frozenset" | "FrozenSet" | "AbstractSet" | "MutableSet"
    )
}

fn is_dict(base: &str) -> bool {
    matches!(
        base,
        "dict" | "Dict" | "Mapping" | "MutableMapping" | "OrderedDict" | "DefaultDict"
    )
}
