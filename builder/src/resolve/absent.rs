//! A package that no index has, or that none may be asked for. Pure.

use pep508_rs::PackageName;
use pyrun_core::request::without_credentials;
use pyrun_core::{Code, Fault, Request};

use super::suggest::did_you_mean;

/// No index knows it, or the one that it is pinned to does not.
pub(super) fn unknown(name: &PackageName, request: &Request) -> Fault {
    let linked = !request.options.find_links.is_empty();
    let place = match request.options.indexes.as_slice() {
        [] if linked => "among the links".to_owned(),
        [only] if linked => format!("on {} or among the links", without_credentials(only)),
        [only] => format!("on {}", without_credentials(only)),
        _ => "on any of the indexes".to_owned(),
    };
    if let Some(pin) = request.options.index_of.get(name) {
        let pin = without_credentials(pin);
        return Fault::new(
            Code::PACKAGE_UNKNOWN,
            format!("there is no package `{name}` on {pin}"),
        )
        .cause(format!(
            "`{name}` is pinned to that index, and no other is asked for it"
        ))
        .hint("check its name, or pin it to the index that has it");
    }
    let fault = Fault::new(
        Code::PACKAGE_UNKNOWN,
        format!("there is no package `{name}` {place}"),
    );
    match did_you_mean(name.as_ref()) {
        Some(meant) if is_asked(name, request) => fault.hint(format!("did you mean `{meant}`?")),
        _ if !is_asked(name, request) => {
            fault.hint("add the index that has it with `--extra-index-url`")
        }
        _ => not_in_the_root(
            fault.hint("check its name, or add the index that has it with `--extra-index-url`"),
            request,
        ),
    }
}

/// PEP 792: what is in quarantine must not be installed.
pub(super) fn quarantined(name: &PackageName, index: &str, reason: &str) -> Fault {
    let fault = Fault::new(
        Code::PACKAGE_QUARANTINED,
        format!("`{name}` is in quarantine on {index}"),
    );
    let fault = match reason.trim() {
        "" => fault,
        reason => fault.cause(format!("the reason is given as: {reason}")),
    };
    fault.hint("it may be malicious: use another package, and look at what was installed from it")
}

/// An index that is named without its last step knows no package at all.
fn not_in_the_root(fault: Fault, request: &Request) -> Fault {
    match request
        .options
        .indexes
        .iter()
        .find_map(|index| below_root(&without_credentials(index)))
    {
        Some(whole) => fault.hint(format!(
            "most indexes answer below `/simple`: try `{whole}`"
        )),
        None => fault,
    }
}

/// The address that was probably meant by one that is a host alone.
fn below_root(index: &str) -> Option<String> {
    let address = index.trim_end_matches('/');
    let (_, host) = address.split_once("://")?;
    (!host.contains('/')).then(|| format!("{address}/simple"))
}

/// Whether the user asks for it.
pub(super) fn is_asked(name: &PackageName, request: &Request) -> bool {
    request
        .requirements
        .iter()
        .any(|one| one.spec.name == *name)
}

/// Another index may have more; the user has to say so.
pub(super) fn first_that_knows(fault: Fault, name: &PackageName, request: &Request) -> Fault {
    let options = &request.options;
    if options.index_of.contains_key(name) {
        fault.cause("it is pinned to that index, and no other is asked for it")
    } else if options.indexes.len() > 1 {
        fault
            .cause("the first index that knows a package is the only one that is asked for it")
            .hint(format!(
                "if another index is the one for it, pin `{name}` to that one"
            ))
    } else {
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_without_a_path_is_probably_meant_below_simple() {
        for index in ["https://pypi.org", "https://pypi.org/"] {
            assert_eq!(
                below_root(index).as_deref(),
                Some("https://pypi.org/simple")
            );
        }
        assert_eq!(below_root("https://example.org/team/simple"), None);
    }
}
