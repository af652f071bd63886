//! Plans and events as people read them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use pyrun_aws::stack::{Action, Change, ChangeSet, Replacement, StackEvent};
use serde_json::json;

use crate::console::{Align, Console, Table, Tone, words};

/// Names that the live line holds at most.
const NAMED: usize = 3;

/// A plan as a table.
pub fn plan(set: &ChangeSet) -> Table {
    let mut columns = vec![
        ("CHANGE", Align::Left),
        ("RESOURCE", Align::Left),
        ("TYPE", Align::Left),
    ];
    let effects: Vec<String> = set.changes.iter().map(effect).collect();
    // What is only made or removed has no details.
    let has_details = effects.iter().any(|effect| !effect.is_empty());
    if has_details {
        columns.push(("DETAILS", Align::Left));
    }
    let mut table = Table::new(&columns);
    for (change, effect) in set.changes.iter().zip(effects) {
        let mut cells = vec![
            action(change).to_owned(),
            change.logical.clone(),
            kind(&change.kind).to_owned(),
        ];
        if has_details {
            cells.push(effect);
        }
        table.row(cells);
    }
    table
}

/// A plan for programs.
pub fn plan_json(set: &ChangeSet) -> serde_json::Value {
    let changes: Vec<_> = set
        .changes
        .iter()
        .map(|change| {
            json!({
                "action": action(change).trim_start_matches(['+', '~', '-', '!', '?', ' ']),
                "resource": change.logical,
                "type": change.kind,
                "why": change.why,
            })
        })
        .collect();
    json!({ "type": "plan", "creates": set.is_creation, "changes": changes })
}

fn action(change: &Change) -> &'static str {
    match (change.action, change.replacement) {
        (Action::Add, _) => "+ add",
        (Action::Modify, Replacement::No) => "~ change",
        (Action::Modify, Replacement::Maybe) => "! change",
        (Action::Modify, Replacement::Yes) => "! replace",
        (Action::Remove, _) => "- remove",
        (Action::Other, _) => "? other",
    }
}

fn effect(change: &Change) -> String {
    let mut parts = change.why.clone();
    match (change.action, change.replacement) {
        (Action::Modify, Replacement::Yes) => parts.push("made anew".to_owned()),
        (Action::Modify, Replacement::Maybe) => parts.push("may be made anew".to_owned()),
        _ => {}
    }
    parts.join(", ")
}

/// A type without what all types begin with.
fn kind(kind: &str) -> &str {
    kind.strip_prefix("AWS::").unwrap_or(kind)
}

/// Events as they come: a line for each resource that is done, and on a terminal a live line with
/// what is going on.
pub struct Happening<'a> {
    console: &'a Console,
    doing: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    working: BTreeSet<String>,
    done: u64,
}

impl<'a> Happening<'a> {
    /// Shows events of what `doing` names, such as `Making`.
    pub fn new(console: &'a Console, doing: &'static str) -> Self {
        console.working(doing);
        Self {
            console,
            doing,
            state: Mutex::default(),
        }
    }

    /// Shows one event.
    pub fn event(&self, event: &StackEvent) {
        if self.console.is_json() {
            self.console.out_line(
                &json!({
                    "type": "event",
                    "resource": event.logical,
                    "resource_type": event.kind,
                    "status": event.status.as_str(),
                    "reason": event.reason,
                })
                .to_string(),
            );
            return;
        }
        if let Some((tone, line)) = line(event) {
            let (mark, rest) = line.split_once(' ').unwrap_or(("", &line));
            let mark = self.console.paint().tone(tone, mark);
            self.console.tell(&format!("  {mark} {rest}"));
        }
        if event.is_stack {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if event.status.is_busy() {
            state.working.insert(event.logical.clone());
        } else if state.working.remove(&event.logical) {
            state.done += 1;
        }
        self.console.working(&live(self.doing, &state));
    }

    /// Takes the live line away.
    pub fn end(&self) {
        self.console.idle();
    }
}

/// The live line.
fn live(doing: &str, state: &State) -> String {
    let mut names: Vec<&str> = state
        .working
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect();
    let more = state.working.len().saturating_sub(NAMED);
    let more = format!("{more} more");
    if state.working.len() > NAMED {
        names.push(&more);
    }
    let done = words::count(state.done, "resource");
    match &*names {
        [] => format!("{doing} ({done} done)"),
        names => format!("{doing} {} ({done} done)", names.join(", ")),
    }
}

/// The line that stays of an event; none while it only begins.
fn line(event: &StackEvent) -> Option<(Tone, String)> {
    let status = event.status.as_str();
    let because = event
        .reason
        .as_deref()
        .map_or_else(String::new, |reason| format!(": {}", reason.trim()));
    if event.is_stack {
        let is_turn = status == "ROLLBACK_IN_PROGRESS" || status == "UPDATE_ROLLBACK_IN_PROGRESS";
        return is_turn.then(|| (Tone::Warn, format!("! taking it back{because}")));
    }
    let (tone, mark, done) = match status {
        "CREATE_COMPLETE" => (Tone::Good, "✓", "made".to_owned()),
        "UPDATE_COMPLETE" => (Tone::Good, "✓", "up to date".to_owned()),
        "DELETE_COMPLETE" => (Tone::Good, "✓", "removed".to_owned()),
        "DELETE_SKIPPED" => (Tone::Warn, "·", "kept".to_owned()),
        _ if event.is_failure() => (Tone::Bad, "✗", format!("failed{because}")),
        _ if status.ends_with("_FAILED") => (Tone::Dim, "·", "not gone on with".to_owned()),
        _ => return None,
    };
    Some((
        tone,
        format!("{mark} {}  {}  {done}", event.logical, kind(&event.kind)),
    ))
}

#[cfg(test)]
mod tests {
    use pyrun_aws::stack::Status;

    use super::*;
    use crate::console::Paint;

    fn change(action: Action, logical: &str, replacement: Replacement, why: &[&str]) -> Change {
        Change {
            action,
            logical: logical.to_owned(),
            kind: "AWS::Lambda::Function".to_owned(),
            replacement,
            why: why.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_plan_reads_without_colour() {
        let set = ChangeSet {
            id: String::new(),
            stack: String::new(),
            is_creation: false,
            changes: vec![
                change(Action::Add, "Runner314", Replacement::No, &[]),
                change(
                    Action::Modify,
                    "Runner312",
                    Replacement::No,
                    &["Code (RunnerCode)", "MemorySize (RunnerMemory)"],
                ),
                change(
                    Action::Modify,
                    "Runner313",
                    Replacement::Yes,
                    &["Architectures"],
                ),
                change(Action::Remove, "Builder312", Replacement::No, &[]),
            ],
        };
        assert_eq!(
            plan(&set).render(Paint::off()),
            "\
CHANGE     RESOURCE    TYPE              DETAILS
+ add      Runner314   Lambda::Function
~ change   Runner312   Lambda::Function  Code (RunnerCode), MemorySize (RunnerMemory)
! replace  Runner313   Lambda::Function  Architectures, made anew
- remove   Builder312  Lambda::Function
"
        );
        assert_eq!(plan_json(&set)["changes"][2]["action"], "replace");
    }

    #[test]
    fn the_live_line_names_a_few() {
        let mut state = State::default();
        assert_eq!(live("Making", &state), "Making (0 resources done)");
        state.done = 1;
        state.working = ["A", "B", "C", "D", "E"].map(str::to_owned).into();
        assert_eq!(
            live("Making", &state),
            "Making A, B, C, 2 more (1 resource done)"
        );
    }

    fn event(status: &str, reason: &str, is_stack: bool) -> StackEvent {
        StackEvent {
            id: String::new(),
            logical: "Runner312".to_owned(),
            physical: String::new(),
            kind: "AWS::Lambda::Function".to_owned(),
            status: Status::new(status),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            is_stack,
        }
    }

    #[test]
    fn an_event_leaves_a_line_when_something_is_done() {
        let said = |status: &str, reason: &str, is_stack| {
            line(&event(status, reason, is_stack)).map(|(_, line)| line)
        };
        assert_eq!(said("CREATE_IN_PROGRESS", "", false), None);
        assert_eq!(
            said("CREATE_COMPLETE", "", false).as_deref(),
            Some("✓ Runner312  Lambda::Function  made")
        );
        assert_eq!(
            said("CREATE_FAILED", "too much memory", false).as_deref(),
            Some("✗ Runner312  Lambda::Function  failed: too much memory")
        );
        assert_eq!(
            said("CREATE_FAILED", "Resource creation cancelled", false).as_deref(),
            Some("· Runner312  Lambda::Function  not gone on with")
        );
        assert_eq!(
            said("UPDATE_ROLLBACK_IN_PROGRESS", "Runner312 failed", true).as_deref(),
            Some("! taking it back: Runner312 failed")
        );
    }
}
