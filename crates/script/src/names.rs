//! What the names of a file stand for.
//!
//! In: the statements of a module. Out: for `dt`, after `from datetime import datetime as dt`, the
//! full name `datetime.datetime`. Never: an import; what only a run could bind is not known.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::statement_visitor::{StatementVisitor, walk_body, walk_stmt};
use ruff_python_ast::{Expr, Stmt, StmtClassDef, StmtImport, StmtImportFrom};

use crate::annotation::EnumClass;

/// The full name of pyrun's decorator.
const REQUIREMENTS: &str = "pyrun.requirements";

/// What looking into the annotations of one file may cost: aliases of aliases could otherwise grow
/// without end. In bytes of text, or 16 for a type.
const BUDGET: usize = 4 << 20;

/// The names that a module binds at its top level.
#[derive(Default)]
pub(crate) struct Names<'a> {
    imports: BTreeMap<&'a str, String>,
    classes: BTreeMap<&'a str, &'a StmtClassDef>,
    assigned: BTreeMap<&'a str, &'a Expr>,
    /// Names bound to what is not looked into: functions, and whatever is assigned twice.
    opaque: BTreeSet<&'a str>,
    spent: Cell<usize>,
}

impl<'a> Names<'a> {
    pub fn of(suite: &'a [Stmt]) -> Self {
        let mut imports = Imports::default();
        walk_body(&mut imports, suite);
        let mut names = Self {
            imports: imports.bound,
            ..Self::default()
        };
        for stmt in suite {
            names.bind(stmt);
        }
        names
    }

    /// Spends some of the budget; `false` when nothing is left.
    pub fn spend(&self, cost: usize) -> bool {
        self.spent.set(self.spent.get().saturating_add(cost));
        self.spent.get() <= BUDGET
    }

    fn bind(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::ClassDef(class) => {
                self.classes.insert(class.name.as_str(), class);
            }
            Stmt::FunctionDef(function) => {
                self.opaque.insert(function.name.as_str());
            }
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.assign(target, Some(&assign.value));
                }
            }
            Stmt::AnnAssign(assign) => self.assign(&assign.target, assign.value.as_deref()),
            Stmt::TypeAlias(alias) => self.assign(&alias.name, Some(&alias.value)),
            _ => {}
        }
    }

    fn assign(&mut self, target: &'a Expr, value: Option<&'a Expr>) {
        let Expr::Name(name) = target else { return };
        let name = name.id.as_str();
        match value {
            Some(value) if !self.assigned.contains_key(name) => {
                self.assigned.insert(name, value);
            }
            _ => {
                self.opaque.insert(name);
            }
        }
    }

    /// The full name of an expression such as `t.Optional`; a name that nothing in the file binds
    /// stands for itself, as builtins do.
    pub fn full_name(&self, expr: &Expr) -> Option<String> {
        // Attributes are followed in a loop: their chain may be long.
        let mut attributes = Vec::new();
        let mut base = expr;
        while let Expr::Attribute(attribute) = base {
            attributes.push(attribute.attr.as_str());
            base = &attribute.value;
        }
        let Expr::Name(name) = base else { return None };
        let name = name.id.as_str();
        let mut full = match self.imports.get(name) {
            Some(imported) => imported.clone(),
            None if self.binds(name) => return None,
            None => name.to_owned(),
        };
        for attribute in attributes.iter().rev() {
            full.push('.');
            full.push_str(attribute);
        }
        Some(full)
    }

    fn binds(&self, name: &str) -> bool {
        self.classes.contains_key(name)
            || self.assigned.contains_key(name)
            || self.opaque.contains(name)
    }

    /// Whether an expression is pyrun's decorator. It needs no import.
    pub fn is_requirements(&self, expr: &Expr) -> bool {
        match self.full_name(expr) {
            Some(full) if full == REQUIREMENTS => {
                // Without an import, `pyrun.requirements` is a NameError when the file runs.
                let Expr::Attribute(_) = expr else {
                    return true;
                };
                self.imports.values().any(|module| module == "pyrun")
            }
            Some(full) => full == "requirements",
            None => false,
        }
    }

    /// What a name was bound to, once, at the top level.
    pub fn assigned(&self, expr: &Expr) -> Option<&'a Expr> {
        let Expr::Name(name) = expr else { return None };
        let name = name.id.as_str();
        if self.opaque.contains(name) || self.imports.contains_key(name) {
            return None;
        }
        self.assigned.get(name).copied()
    }

    /// The enumeration that a name stands for, if its class is in the file.
    pub fn enumeration(&self, expr: &Expr) -> Option<EnumClass> {
        let Expr::Name(name) = expr else { return None };
        let class = self.classes.get(name.id.as_str())?;
        let known = self.spend(16 * class.body.len()) && self.is_enum(class, 0);
        known.then(|| EnumClass::of(class))
    }

    fn is_enum(&self, class: &StmtClassDef, depth: usize) -> bool {
        const DEEPEST: usize = 20;
        let bases = class.arguments.as_ref().map_or(&[][..], |list| &list.args);
        self.spend(16)
            && bases.iter().any(|base| match self.full_name(base) {
                Some(full) => matches!(
                    full.as_str(),
                    "enum.Enum" | "enum.IntEnum" | "enum.StrEnum" | "enum.Flag" | "enum.IntFlag"
                ),
                None => match base {
                    Expr::Name(name) if depth < DEEPEST => self
                        .classes
                        .get(name.id.as_str())
                        .is_some_and(|parent| self.is_enum(parent, depth + 1)),
                    _ => false,
                },
            })
    }
}

/// Imports at the top level, also inside `if TYPE_CHECKING:` and `try:`.
#[derive(Default)]
struct Imports<'a> {
    bound: BTreeMap<&'a str, String>,
}

impl<'a> Imports<'a> {
    fn import(&mut self, import: &'a StmtImport) {
        for alias in &import.names {
            let module = alias.name.as_str();
            if let Some(name) = &alias.asname {
                self.bind(name.as_str(), module.to_owned());
            } else {
                let top = module.split('.').next().unwrap_or(module);
                self.bind(top, top.to_owned());
            }
        }
    }

    fn import_from(&mut self, import: &'a StmtImportFrom) {
        let dots = ".".repeat(usize::try_from(import.level.min(8)).unwrap_or(8));
        let module = import.module.as_ref().map_or("", |name| name.as_str());
        for alias in &import.names {
            let name = alias.asname.as_ref().unwrap_or(&alias.name);
            if alias.name.as_str() == "*" {
                if module == "pyrun" {
                    self.bind("requirements", REQUIREMENTS.to_owned());
                }
            } else {
                let full = format!("{dots}{module}.{}", alias.name.as_str());
                self.bind(name.as_str(), full);
            }
        }
    }

    /// The last import wins, but pyrun's stays: `try: from pyrun import requirements` may be
    /// followed by a stand-in.
    fn bind(&mut self, name: &'a str, full: String) {
        if self.bound.get(name).is_none_or(|old| old != REQUIREMENTS) {
            self.bound.insert(name, full);
        }
    }
}

impl<'a> StatementVisitor<'a> for Imports<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Import(import) => self.import(import),
            Stmt::ImportFrom(import) => self.import_from(import),
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            other => walk_stmt(self, other),
        }
    }
}
