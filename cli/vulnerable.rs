//! Known vulnerabilities, as they are told.
//!
//! In: what a dump says. Out: lines. Never: looks for any itself.

use pyrun_builder::osv::Found;
use pyrun_core::osv::Vulnerability;

use crate::console::Console;

/// What is known, in a line.
pub fn line(found: &Vulnerability) -> String {
    let severity = found.severity.map_or_else(
        || "severity unknown".to_owned(),
        |severity| severity.to_string(),
    );
    let names: Vec<&str> = std::iter::once(&found.id)
        .chain(&found.aliases)
        .map(String::as_str)
        .collect();
    let fixed = match &found.fixed {
        Some(version) => format!("; mended in {version}"),
        None => String::new(),
    };
    let summary = match found.summary.as_str() {
        "" => String::new(),
        text => format!(": {text}"),
    };
    format!(
        "`{}` {} has a known vulnerability, {} ({severity}){summary}{fixed}",
        found.package,
        found.version,
        names.join(", ")
    )
}

/// Warns of what is known, and of what could not be read.
pub fn warn(found: &Found, console: &Console) {
    for warning in &found.warnings {
        console.warn(warning);
    }
    for one in &found.vulnerabilities {
        console.warn(&line(one));
    }
}
