//! The base score of a CVSS 3 vector (CVSS 3.1 specification, section 7.1).

/// The score in tenths, 0 to 100; `None` for what is no whole vector of version 3.
pub(super) fn base_score(vector: &str) -> Option<u32> {
    let mut parts = vector.split('/');
    if !matches!(parts.next()?, "CVSS:3.0" | "CVSS:3.1") {
        return None;
    }
    let metrics: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once(':')).collect();
    let metric = |name: &str| {
        let found = metrics.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| *value)
    };
    let changed = match metric("S")? {
        "U" => false,
        "C" => true,
        _ => return None,
    };
    let vector = pick(
        metric("AV")?,
        &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)],
    )?;
    let complexity = pick(metric("AC")?, &[("L", 0.77), ("H", 0.44)])?;
    let privileges = match (metric("PR")?, changed) {
        ("N", _) => 0.85,
        ("L", false) => 0.62,
        ("L", true) => 0.68,
        ("H", false) => 0.27,
        ("H", true) => 0.5,
        _ => return None,
    };
    let interaction = pick(metric("UI")?, &[("N", 0.85), ("R", 0.62)])?;
    let impact = |name: &str| pick(metric(name)?, &[("N", 0.0), ("L", 0.22), ("H", 0.56)]);
    let kept = (1.0 - impact("C")?) * (1.0 - impact("I")?) * (1.0 - impact("A")?);
    let base = 1.0 - kept;
    let impact = if changed {
        7.52 * (base - 0.029) - 3.25 * (base - 0.02).powi(15)
    } else {
        6.42 * base
    };
    if impact <= 0.0 {
        return Some(0);
    }
    let exploitability = 8.22 * vector * complexity * privileges * interaction;
    let sum = impact + exploitability;
    let sum = if changed { 1.08 * sum } else { sum };
    Some(rounded_up(sum.min(10.0)))
}

fn pick(value: &str, table: &[(&str, f64)]) -> Option<f64> {
    let found = table.iter().find(|(name, _)| *name == value);
    found.map(|(_, weight)| *weight)
}

/// Rounded up to a tenth, but for what floating point adds (annex A, "Roundup").
fn rounded_up(score: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a score is between 0 and 10"
    )]
    let parts = (score * 100_000.0).round() as u32;
    parts.div_ceil(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_specification_s_examples() {
        for (vector, score) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(98)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", Some(100)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", Some(61)),
            ("CVSS:3.0/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", Some(78)),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", Some(31)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", Some(0)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N", None),
            ("CVSS:4.0/AV:N", None),
            ("", None),
        ] {
            assert_eq!(base_score(vector), score, "{vector}");
        }
    }
}
