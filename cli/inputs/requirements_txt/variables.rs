//! Variables of the environment in a requirements file: `${NAME}`, as pip has them.
//!
//! In: text. Out: the text with their values. Never: another spelling: a `$NAME` stays as it is.

/// The text with the variables' values in it; the name of the first that is not set otherwise. (pip
/// leaves such a one as it stands, and fails over it later.)
pub fn expand(text: &str) -> Result<String, String> {
    expand_with(text, |name| std::env::var(name).ok())
}

fn expand_with(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let inside = &rest[at + 2..];
        let name = inside.split('}').next().unwrap_or_default();
        let is_name = inside.len() > name.len()
            && !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if is_name {
            expanded.push_str(&rest[..at]);
            let value = value(name).filter(|value| !value.is_empty());
            expanded.push_str(&value.ok_or_else(|| name.to_owned())?);
            rest = &inside[name.len() + 1..];
        } else {
            expanded.push_str(&rest[..at + 2]);
            rest = inside;
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_once_and_in_one_spelling() {
        let value = |name: &str| match name {
            "A" => Some("${B}".to_owned()),
            "B_1" => Some("é".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, expanded) in [
            ("x${A}y", Ok("x${B}y")),
            ("${B_1}${B_1}", Ok("éé")),
            ("$A ${a} ${A", Ok("$A ${a} ${A")),
            ("${}", Ok("${}")),
            ("a ${NONE}", Err("NONE")),
            ("${EMPTY}", Err("EMPTY")),
        ] {
            let found = expand_with(text, value);
            assert_eq!(found.as_deref().map_err(String::as_str), expanded, "{text}");
        }
    }
}
