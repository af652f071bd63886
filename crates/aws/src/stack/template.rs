//! The template that stacks are made from.

use std::collections::BTreeSet;

/// The template: plain `CloudFormation`, part of this program.
pub const TEMPLATE: &str = include_str!("../../../../infra/template.yaml");

/// Bytes of a template that can be sent with a request; a larger one would have to lie in a
/// bucket, which a first deployment has not made yet.
pub const LIMIT: usize = 51_200;

/// The names of a template's parameters, read from the lines that follow `Parameters:` and are
/// indented by two.
pub fn parameters(template: &str) -> BTreeSet<String> {
    let section = template
        .lines()
        .skip_while(|line| line.trim_end() != "Parameters:")
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let names = section.filter_map(|line| {
        let name = line.strip_prefix("  ")?.split_once(':')?.0;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_name.then(|| name.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::parameter;

    #[test]
    fn the_template_can_be_sent_with_a_request() {
        assert!(TEMPLATE.len() <= LIMIT, "{} bytes", TEMPLATE.len());
    }

    #[test]
    fn the_template_has_the_parameters_that_a_deployment_sets() {
        let names = parameters(TEMPLATE);
        for name in [
            parameter::BUILDER_CODE,
            parameter::RUNNER_CODE,
            parameter::VERSION,
            parameter::ARCHITECTURE,
            parameter::POLICY,
            parameter::MEMORY,
            parameter::BUILDER_MEMORY,
            parameter::STORAGE,
            parameter::TIMEOUT,
            parameter::CONCURRENCY,
        ] {
            assert!(names.contains(name), "{name} is not in {names:?}");
        }
    }

    #[test]
    fn parameters_end_where_the_next_section_begins() {
        let template = "Parameters:\n  # a note: here\n  One:\n    Type: String\n\n  Two: {Type: String}\nRules:\n  Three:\n";
        let names: Vec<_> = parameters(template).into_iter().collect();
        assert_eq!(names, ["One", "Two"]);
    }
}
