//! From the facts of a failure to a fault in plain words.

use std::collections::BTreeMap;

use pyrun_core::{Code, Fault, Request};

use super::choices::Choices;
use super::dead_end;
use super::explain::{Fact, NeedFact, Why};
use super::packages::PackageId;
use super::phrases::{list, subject};
use super::solver::Solver;

/// With more requirements than this, the message does not name them.
const MAX_NAMED: usize = 4;
/// With more different needs of one package for another than this, one stands for all.
const MAX_NEEDS: usize = 3;

/// The fault that facts amount to.
pub(super) fn verdict(solver: &Solver, facts: &[Fact], request: &Request) -> Fault {
    let words = Words { solver, request };
    let fault = match words.single_dead_end(facts) {
        Some(package) => words.nothing_there(package, facts),
        None => words.conflict(facts),
    };
    let asked = facts.iter().filter_map(|fact| match fact {
        Fact::Need(fact) => fact.need.asked,
        Fact::Out { .. } => None,
    });
    let spans = asked.filter_map(|place| request.requirements[place].origin.span.clone());
    let mut fault = fault;
    for span in spans {
        if !fault.spans.contains(&span) {
            fault.spans.push(span);
        }
    }
    fault
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
        let asked: Vec<String> = facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Need(fact) => fact.need.asked.map(|place| self.as_asked(place)),
                Fact::Out { .. } => None,
            })
            .collect();
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
        let (clashes, plain) = self.clashes(facts);
        fault.causes.extend(clashes);
        let bounded = |fact: &&Fact| matches!(fact, Fact::Need(fact) if fact.need.asked.is_some() && !fact.need.specifiers.is_empty());
        let bounds: Vec<String> = facts
            .iter()
            .filter(bounded)
            .filter_map(|fact| match fact {
                Fact::Need(fact) => fact.need.asked.map(|place| self.as_asked(place)),
                Fact::Out { .. } => None,
            })
            .collect();
        match (bounds.len(), plain) {
            (0, _) => fault,
            (1, _) => fault.hint(format!("ask for other versions than {}", bounds[0])),
            (2..=MAX_NAMED, _) => fault.hint(format!("change one of {}", list(bounds))),
            _ => fault,
        }
    }

    /// Where the ranges that are asked for have nothing in common.
    fn clashes(&self, facts: &[Fact]) -> (Vec<String>, bool) {
        let mut sets: BTreeMap<PackageId, (usize, Choices)> = BTreeMap::new();
        for fact in facts {
            if let Fact::Need(fact) = fact
                && !fact.allowed.is_empty()
            {
                let (count, common) = sets
                    .entry(self.base(fact.need.target))
                    .or_insert_with(|| (0, fact.allowed.clone()));
                *count += 1;
                *common = common.intersection(&fact.allowed);
            }
        }
        let clashing: Vec<String> = sets
            .into_iter()
            .filter(|(_, (count, common))| *count > 1 && common.is_empty())
            .map(|(package, (count, _))| {
                let both = if count == 2 { "both" } else { "all of these" };
                format!("no version of {} satisfies {both}", self.label(package))
            })
            .collect();
        match clashing.len() {
            1 => (clashing, true),
            _ => (Vec::new(), false),
        }
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
        let target = self.label(self.base(newest.need.target));
        let (example, plural) = self.subject(newest.need.dependent, &newest.versions);
        let verb = if plural { "need" } else { "needs" };
        format!(
            "{who}: each needs its own versions of {target}; {example} {verb} {}",
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
        if let Some(place) = fact.need.asked {
            let origin = &self.request.requirements[place].origin.to_string();
            let origin = if origin.is_empty() {
                String::new()
            } else {
                format!(" ({origin})")
            };
            return format!("you ask for {}{origin}{end}", self.as_asked(place));
        }
        let (who, plural) = self.subject(fact.need.dependent, &fact.versions);
        let verb = if plural { "need" } else { "needs" };
        format!("{who} {verb} {}{end}", self.what(fact))
    }

    fn out(&self, package: PackageId, versions: &Choices, why: &Why) -> String {
        let (who, plural) = self.subject(package, versions);
        match why {
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

    /// A requirement as the user wrote it, without its marker.
    fn as_asked(&self, place: usize) -> String {
        let mut spec = self.request.requirements[place].spec.clone();
        spec.marker = pep508_rs::MarkerTree::TRUE;
        format!("`{spec}`")
    }
}
