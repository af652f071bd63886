//! Numbers as Python spells them.
//!
//! In: a word. Out: the value, or `None`. Integers have no bound but the one on digits that
//! Python itself sets.

use serde_json::{Number, Value};

use super::wire;

/// Python's limit on the digits of an integer in text.
const MOST_DIGITS: usize = 4300;

/// `int(word, 0)`, with leading zeros allowed as in `int(word)`.
pub(super) fn int(word: &str) -> Option<Value> {
    let word = word.trim();
    let (sign, unsigned) = match word.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", word.strip_prefix('+').unwrap_or(word)),
    };
    let prefix = unsigned.get(..2).unwrap_or_default().to_ascii_lowercase();
    let radix = match prefix.as_str() {
        "0x" => 16,
        "0o" => 8,
        "0b" => 2,
        _ => 10,
    };
    let digits = if radix == 10 {
        unsigned
    } else {
        // An underscore may stand between the prefix and the first digit.
        let rest = &unsigned[2..];
        rest.strip_prefix('_').unwrap_or(rest)
    };
    let digits = without_underscores(digits, |each| each.is_digit(radix))?;
    let valid = !digits.is_empty() && digits.chars().all(|each| each.is_digit(radix));
    if !valid || digits.len() > MOST_DIGITS {
        return None;
    }
    let text = format!("{sign}{}", decimal_digits(&digits, radix));
    match (text.parse::<i64>(), text.parse::<u64>()) {
        (Ok(number), _) => Some(Value::from(number)),
        (_, Ok(number)) => Some(Value::from(number)),
        _ => Some(wire::tagged("int", text)),
    }
}

/// Digits of any radix in decimal, without leading zeros.
fn decimal_digits(digits: &str, radix: u32) -> String {
    const BASE: u64 = 1_000_000_000;
    if radix == 10 {
        let trimmed = digits.trim_start_matches('0');
        return if trimmed.is_empty() { "0" } else { trimmed }.to_owned();
    }
    let mut limbs: Vec<u64> = vec![0];
    for digit in digits.chars().filter_map(|each| each.to_digit(radix)) {
        let mut carry = u64::from(digit);
        for limb in &mut limbs {
            let product = *limb * u64::from(radix) + carry;
            *limb = product % BASE;
            carry = product / BASE;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let mut rest = limbs.iter().rev();
    let first = rest.next().map(ToString::to_string).unwrap_or_default();
    rest.fold(first, |text, limb| format!("{text}{limb:09}"))
}

/// `float(word)`.
pub(super) fn float(word: &str) -> Option<Value> {
    let text = without_underscores(word.trim(), |each| each.is_ascii_digit())?;
    text.parse::<f64>().ok().and_then(real)
}

/// A float as the wire carries it.
pub(super) fn real(number: f64) -> Option<Value> {
    if number.is_nan() {
        return Some(wire::tagged("float", "nan"));
    }
    if number.is_infinite() {
        let word = if number > 0.0 { "inf" } else { "-inf" };
        return Some(wire::tagged("float", word));
    }
    Number::from_f64(number).map(Value::Number)
}

/// `decimal.Decimal(word)`: the word itself, checked.
pub(super) fn decimal(word: &str) -> Option<String> {
    let text = word.trim().replace('_', "");
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let lower = unsigned.to_ascii_lowercase();
    if matches!(lower.as_str(), "nan" | "snan" | "inf" | "infinity") {
        return Some(text);
    }
    let (number, exponent) = match lower.split_once('e') {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (lower.as_str(), None),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|text| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        // Beyond this many digits Python's own limit on exponents is passed.
        !digits.is_empty() && digits.len() <= 18 && all_digits(digits)
    });
    let valid = whole.len() + fraction.len() > 0
        && all_digits(whole)
        && all_digits(fraction)
        && exponent_fits;
    valid.then_some(text)
}

/// Leaves out underscores, each of which must stand between two digits.
fn without_underscores(word: &str, is_digit: impl Fn(char) -> bool) -> Option<String> {
    let mut text = String::with_capacity(word.len());
    let mut before = None;
    let mut chars = word.chars().peekable();
    while let Some(each) = chars.next() {
        if each == '_' {
            let between =
                before.is_some_and(&is_digit) && chars.peek().copied().is_some_and(&is_digit);
            if !between {
                return None;
            }
        } else {
            text.push(each);
        }
        before = Some(each);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_are_spelled_as_in_python() {
        let big = |text: &str| Some(wire::tagged("int", text));
        for (word, value) in [
            ("42", Some(json!(42))),
            (" -7 ", Some(json!(-7))),
            ("+1_000", Some(json!(1000))),
            ("007", Some(json!(7))),
            ("0xFF", Some(json!(255))),
            ("-0b1_01", Some(json!(-5))),
            ("0o_17", Some(json!(15))),
            ("18446744073709551615", Some(json!(u64::MAX))),
            ("-9223372036854775808", Some(json!(i64::MIN))),
            ("18446744073709551616", big("18446744073709551616")),
            ("-0x1_0000_0000_0000_0000", big("-18446744073709551616")),
            (
                "0x10000000000000000000000000",
                big("1267650600228229401496703205376"),
            ),
            ("", None),
            ("-", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("0x", None),
            ("1.0", None),
            ("1e3", None),
            ("٣", None),
            ("é", None),
        ] {
            assert_eq!(int(word), value, "{word}");
        }
        assert_eq!(int(&"9".repeat(MOST_DIGITS + 1)), None);
    }

    #[test]
    fn floats_are_spelled_as_in_python() {
        for (word, value) in [
            ("1", Some(json!(1.0))),
            ("1_0.5e-1", Some(json!(1.05))),
            (".5", Some(json!(0.5))),
            ("5.", Some(json!(5.0))),
            ("1e999", Some(wire::tagged("float", "inf"))),
            ("-Infinity", Some(wire::tagged("float", "-inf"))),
            ("NaN", Some(wire::tagged("float", "nan"))),
            ("1_.5", None),
            ("0x1", None),
            ("one", None),
            ("", None),
        ] {
            assert_eq!(float(word), value, "{word}");
        }
    }

    #[test]
    fn decimals_keep_their_digits() {
        for (word, text) in [
            ("1.50", Some("1.50")),
            ("-1_000", Some("-1000")),
            ("1E+5", Some("1E+5")),
            ("-Infinity", Some("-Infinity")),
            ("sNaN", Some("sNaN")),
            (".", None),
            ("1e", None),
            ("1,5", None),
            ("1e9999999999999999999", None),
        ] {
            assert_eq!(decimal(word).as_deref(), text, "{word}");
        }
    }
}
