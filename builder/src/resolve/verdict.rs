//! From the facts of a failure to a fault in plain words.

use std::collections::BTreeMap;

use pyrun_core::{Code, Fault, Request};

use super::choices::Choices;
use super::dead_end;
use super::explain::{Explanation, Fact, NeedFact, Why};
use super::packages::PackageId;
use super::phrases::{list, subject};
use super::solver::Solver;
use super::spoken::{bare, bounds, names, spans, spelled};

/// With more requirements than this, the message does not name them.
const MAX_NAMED: usize = 4;
/// With more different needs of one package for another than this, one stands for all.
const MAX_NEEDS: usize = 3;

/// What facts amount to.
pub(super) fn verdict(solver: &Solver, facts: &[Fact], request: &Request) -> Explanation {
    let words = Words { solver, request };
    let (mut fault, bounds) = match words.single_dead_end(facts) {
        Some(package) => (words.nothing_there(package, facts), Vec::new()),
        None => (words.conflict(facts), bounds(facts)),
    };
    for fact in facts {
        for span in spans(request, fact) {
            if !fault.spans.contains(&span) {
                fault.spans.push(span);
            }
        }
    }
    Explanation {
        fault,
        bounds,
        names: names(solver, facts),
    }
}

struct Words<'a> {
    solver: &'a Solver,
    request: &'a Request,
}

impl Words<'_> {
    fn base(&self, package: PackageId) -> PackageId {
        self.solver.packages.get(package).base
    }

    fn label(&self, package: PackageId) -> String {
        self.solver.packages.get(package).identity.to_string()
    }

    /// The one package of which nothing can be used, if that alone is what is wrong.
    fn single_dead_end(&self, facts: &[Fact]) -> Option<PackageId> {
        let is_bound = |fact: &Fact| {
            let why = match fact {
                Fact::Out { why, .. } => Some(why),
                Fact::Need(_) => None,
            };
            matches!(why, Some(Why::Constraint(_)))
        };
        if facts.iter().any(is_bound) {
            return None;
        }
        let mut dead: Vec<PackageId> = facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Out { package, .. } => Some(self.base(*package)),
                Fact::Need(fact) => fact.allowed.is_empty().then(|| self.base(fact.need.target)),
            })
            .collect();
        dead.sort_unstable();
        dead.dedup();
        let [only] = dead[..] else {
            return None;
        };
        let disputed = self.disputed(facts);
        disputed
            .iter()
            .all(|package| *package == only && self.dead_by_itself(facts, only))
            .then_some(only)
    }

    /// Whether nothing that satisfies any one need of the package can be used.
    fn dead_by_itself(&self, facts: &[Fact], package: PackageId) -> bool {
        facts.iter().all(|fact| match fact {
            Fact::Need(fact) => self.base(fact.need.target) != package || fact.allowed.is_empty(),
            Fact::Out { .. } => false,
        })
    }

    /// The packages that several others, or the user twice, need.
    fn disputed(&self, facts: &[Fact]) -> Vec<PackageId> {
        let mut needed: BTreeMap<PackageId, Vec<(PackageId, Option<usize>)>> = BTreeMap::new();
        for fact in facts {
            if let Fact::Need(fact) = fact {
                let by = (self.base(fact.need.dependent), fact.need.asked);
                let known = needed.entry(self.base(fact.need.target)).or_default();
                if !known.contains(&by) {
                    known.push(by);
                }
            }
        }
        needed
            .into_iter()
            .filter(|(_, by)| by.len() > 1)
            .map(|(package, _)| package)
            .collect()
    }

    /// Nothing of one package can be used.
    fn nothing_there(&self, package: PackageId, facts: &[Fact]) -> Fault {
        let wanted: Vec<&NeedFact> = facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Need(fact) if self.base(fact.need.target) == package => Some(fact),
                _ => None,
            })
            .collect();
        let known = self.solver.packages.get(package);
        let specifiers = wanted.first().map_or("", |fact| &fact.need.specifiers);
        let name = known.name().expect("the root can be used");
        let fault = match dead_end::describe(name, &known.candidates, specifiers, self.request) {
            Some(fault) if wanted.iter().all(|fact| fact.allowed.is_empty()) => fault,
            _ => self.unusable(package, specifiers, facts),
        };
        let evidence = fault.causes.clone();
        let mut fault = Fault {
            causes: Vec::new(),
            ..fault
        };
        fault.causes = self.sentences(facts, Some(package));
        fault.causes.extend(evidence);
        fault
    }

    /// Versions are there, and their metadata shuts them out.
    fn unusable(&self, package: PackageId, specifiers: &str, facts: &[Fact]) -> Fault {
        let name = self
            .solver
            .packages
            .get(package)
            .name()
            .expect("the root can be used");
        let python = facts.iter().all(|fact| {
            !matches!(
                fact,
                Fact::Out {
                    why: Why::Unusable(_),
                    ..
                }
            )
        });
        let problem = if python {
            format!("runs on Python {}", self.request.target.python)
        } else {
            "can be used".to_owned()
        };
        let fault = Fault::new(
            Code::PACKAGE_NO_VERSION,
            format!("no version of `{name}{specifiers}` {problem}"),
        );
        if python {
            fault.hint("choose another Python with `--python-version`")
        } else {
            fault
        }
    }

    /// The requirements contradict each other.
    fn conflict(&self, facts: &[Fact]) -> Fault {
        let mut asked: Vec<String> = Vec::new();
        for fact in facts {
            let text = match fact {
                Fact::Need(fact) => fact.need.asked.map(|_| self.as_asked(fact)),
                Fact::Out { why, .. } => match why {
                    Why::Constraint(place) => Some(self.constraint(*place)),
                    Why::Python(_) | Why::Unusable(_) => None,
                },
            };
            asked.extend(text.filter(|text| !asked.contains(text)));
        }
        let message = match asked.len() {
            1 => format!("{} can't be satisfied", asked[0]),
            2..=MAX_NAMED => format!(
                "{} can't be satisfied together",
                list(asked.iter().cloned())
            ),
            _ => "the requirements can't be satisfied together".to_owned(),
        };
        let mut fault = Fault::new(Code::RESOLVE_CONFLICT, message);
        fault.causes = self.sentences(facts, None);
        fault.causes.extend(self.clash(facts));
        fault
    }

    /// Where what is asked for has nothing in common, if that is in one place.
    fn clash(&self, facts: &[Fact]) -> Option<String> {
        // Versions of one package may need different things: any one of them is enough.
        let mut alternatives: BTreeMap<(PackageId, Bounding), Choices> = BTreeMap::new();
        for fact in facts {
            let (target, by, allowed) = match fact {
                Fact::Need(fact) => {
                    let by = Bounding::Need(self.base(fact.need.dependent), fact.need.asked);
                    (self.base(fact.need.target), by, fact.allowed.clone())
                }
                Fact::Out {
                    package,
                    versions,
                    why: Why::Constraint(place),
                } => {
                    let all = Choices::any(self.solver.packages.get(*package).len());
                    let inside = all.intersection(&versions.complement());
                    (self.base(*package), Bounding::Constraint(*place), inside)
                }
                Fact::Out { .. } => continue,
            };
            if !allowed.is_empty() {
                let known = alternatives.entry((target, by));
                let known = known.or_insert_with(|| allowed.clone());
                *known = known.union(&allowed);
            }
        }
        let mut common: BTreeMap<PackageId, (usize, Choices)> = BTreeMap::new();
        for ((target, _), allowed) in alternatives {
            let (count, known) = common.entry(target).or_insert_with(|| (0, allowed.clone()));
            *count += 1;
            *known = known.intersection(&allowed);
        }
        common.retain(|_, (count, allowed)| *count > 1 && allowed.is_empty());
        let (package, (count, _)) = common.pop_first().filter(|_| common.is_empty())?;
        let all = if count == 2 { "both" } else { "all of these" };
        Some(format!(
            "no version of {} satisfies {all}",
            self.label(package)
        ))
    }

    /// A sentence for each fact; those that only repeat why `dead` is at an end are left short.
    fn sentences(&self, facts: &[Fact], dead: Option<PackageId>) -> Vec<String> {
        let mut sentences = Vec::new();
        let mut told: Vec<(PackageId, PackageId)> = Vec::new();
        for fact in facts {
            let sentence = match fact {
                Fact::Out {
                    package,
                    versions,
                    why,
                } => self.out(*package, versions, why),
                Fact::Need(fact) => {
                    let pair = (fact.need.dependent, self.base(fact.need.target));
                    let alike = self.alike(facts, pair);
                    if fact.need.asked.is_none() && alike.len() > MAX_NEEDS {
                        if told.contains(&pair) {
                            continue;
                        }
                        told.push(pair);
                        self.many_needs(&alike)
                    } else {
                        self.need(fact, dead)
                    }
                }
            };
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        sentences
    }

    /// All needs of one package for another.
    fn alike<'f>(&self, facts: &'f [Fact], pair: (PackageId, PackageId)) -> Vec<&'f NeedFact> {
        let same = |fact: &&NeedFact| (fact.need.dependent, self.base(fact.need.target)) == pair;
        let needs = facts.iter().filter_map(|fact| match fact {
            Fact::Need(fact) => Some(fact),
            Fact::Out { .. } => None,
        });
        needs.filter(same).collect()
    }

    /// "`boto3` 1.0 to 1.9 each need other versions of `botocore`, such as …".
    fn many_needs(&self, alike: &[&NeedFact]) -> String {
        let newest = alike
            .iter()
            .max_by_key(|fact| fact.versions.candidates().next_back())
            .expect("there are several");
        let all = alike.iter().map(|fact| fact.versions.clone());
        let all = all
            .reduce(|one, two| one.union(&two))
            .expect("there are several");
        let (who, _) = self.subject(newest.need.dependent, &all);
        let who = who
            .strip_prefix("every version")
            .map_or(format!("each of {who}"), |rest| {
                format!("each version{rest}")
            });
        let target = self.label(self.base(newest.need.target));
        let (example, plural) = self.subject(newest.need.dependent, &newest.versions);
        let verb = if plural { "need" } else { "needs" };
        format!(
            "{who} needs its own {target}; {example} {verb} {}",
            self.what(newest)
        )
    }

    /// "you ask for `a<2` (app.py:3)", "`a` 1.0 needs `b>=2`".
    fn need(&self, fact: &NeedFact, dead: Option<PackageId>) -> String {
        let target = self.base(fact.need.target);
        let end = if fact.allowed.is_empty() && dead != Some(target) {
            let known = self.solver.packages.get(target);
            let name = known.name().expect("nothing needs the root");
            dead_end::in_short(name, &known.candidates, &fact.need.specifiers, self.request)
        } else {
            String::new()
        };
        let replaced = fact.need.by.map(|place| {
            let by = &self.request.options.overrides[place];
            format!(", which the override {} replaces", spelled(by))
        });
        let replaced = replaced.unwrap_or_default();
        if let Some(place) = fact.need.asked {
            let asked = spelled(&self.request.requirements[place]);
            return format!("you ask for {asked}{replaced}{end}");
        }
        let (who, plural) = self.subject(fact.need.dependent, &fact.versions);
        let verb = if plural { "need" } else { "needs" };
        let what = if replaced.is_empty() {
            self.what(fact)
        } else {
            // What it needs itself does not count.
            self.label(self.base(target))
        };
        format!("{who} {verb} {what}{replaced}{end}")
    }

    fn out(&self, package: PackageId, versions: &Choices, why: &Why) -> String {
        let (who, plural) = self.subject(package, versions);
        match why {
            Why::Constraint(place) => {
                let constraint = spelled(&self.request.options.constraints[*place]);
                format!("the constraint {constraint} shuts out {who}")
            }
            Why::Python(bound) => {
                let verb = if plural { "need" } else { "needs" };
                let python = &self.request.target.python;
                format!("{who} {verb} Python {bound}, and the target has {python}")
            }
            Why::Unusable(problem) if plural => format!("{who} {}", dead_end::plural(problem)),
            Why::Unusable(problem) => format!("{who} {problem}"),
        }
    }

    fn subject(&self, package: PackageId, versions: &Choices) -> (String, bool) {
        subject(
            &self.label(package),
            &self.solver.packages.get(package).candidates,
            versions,
        )
    }

    /// "`b[x]>=2`".
    fn what(&self, fact: &NeedFact) -> String {
        let label = self.label(fact.need.target);
        format!("{}{}`", label.trim_end_matches('`'), fact.need.specifiers)
    }

    /// A requirement as the user wrote it, or the override that stands for it.
    fn as_asked(&self, fact: &NeedFact) -> String {
        match (fact.need.by, fact.need.asked) {
            (Some(place), _) => {
                let by = bare(&self.request.options.overrides[place]);
                format!("the override {by}")
            }
            (None, Some(place)) => bare(&self.request.requirements[place]),
            (None, None) => self.what(fact),
        }
    }

    fn constraint(&self, place: usize) -> String {
        format!(
            "the constraint {}",
            bare(&self.request.options.constraints[place])
        )
    }
}

/// Who bounds a package.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bounding {
    /// Another package, or the user with the requirement at this place.
    Need(PackageId, Option<usize>),
    /// The constraint at this place.
    Constraint(usize),
}
