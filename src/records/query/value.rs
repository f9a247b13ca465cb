//! Values of a query: escapes, numbers with the precision of their digits, dates with theirs.

use jiff::Timestamp;

use super::QueryError;
use crate::fhir::dates;
use crate::fhir::search::{DateRange, NumberRange, Prefix};

/// The pairs of a query or form, percent-decoded.
pub fn decoded(query: &str) -> Result<Vec<(String, String)>, QueryError> {
    serde_urlencoded::from_str(query).map_err(|_| QueryError::Malformed("the query cannot be read".to_owned()))
}

/// The parts between a separator that is not escaped by `\`; escapes stay.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        if !escaped && letter == separator {
            parts.push(&text[from..at]);
            from = at + separator.len_utf8();
        }
        escaped = letter == '\\' && !escaped;
    }
    parts.push(&text[from..]);
    parts
}

/// Undoes `\,`, `\|`, `\$` and `\\`.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// The comparison prefix, and what stands behind it.
pub(super) fn prefixed(text: &str) -> (Prefix, &str) {
    let prefix = match text.get(..2) {
        Some("eq") => Prefix::Eq,
        Some("ne") => Prefix::Ne,
        Some("lt") => Prefix::Lt,
        Some("le") => Prefix::Le,
        Some("gt") => Prefix::Gt,
        Some("ge") => Prefix::Ge,
        Some("sa") => Prefix::Sa,
        Some("eb") => Prefix::Eb,
        Some("ap") => Prefix::Ap,
        _ => return (Prefix::Eq, text),
    };
    (prefix, text.get(2..).unwrap_or(""))
}

/// A date of any precision with its prefix; `ap` is widened by a tenth of how long ago it is.
pub(super) fn date(name: &str, text: &str, now: Option<Timestamp>) -> Result<DateRange, QueryError> {
    let (prefix, date) = prefixed(text);
    // In a query, `+` of a zone is often left unencoded and arrives as a blank.
    let date = date.replace(' ', "+");
    let span = match without_seconds(&date) {
        Some(date) => dates::span(&date).map(|(from, _)| (from, from + 60_000)),
        None => dates::span(&date),
    };
    let (from, to) = span.ok_or_else(|| {
        QueryError::Malformed(format!(
            "{name}: this is not a FHIR date, with or without a prefix (eq ne lt le gt ge sa eb ap)"
        ))
    })?;
    let gap = match (prefix, now) {
        (Prefix::Ap, Some(now)) => (now.as_millisecond() - from).abs() / 10,
        (Prefix::Ap, None) => return Err(QueryError::NotServed(format!("{name}: ap is not served in a condition"))),
        _ => 0,
    };
    Ok(DateRange { prefix, from: from.saturating_sub(gap), to: to.saturating_add(gap) })
}

/// `2024-01-01T10:00Z` with seconds, if it has none (R4 allows it in a query).
fn without_seconds(text: &str) -> Option<String> {
    let (day, time) = text.split_once('T')?;
    let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(at)?;
    let zone = if zone.is_empty() { "Z" } else { zone };
    match clock.len() {
        5 => Some(format!("{day}T{clock}:00{zone}")),
        _ => None,
    }
}

/// A number with its prefix and the span of its digits.
pub(super) fn number(name: &str, text: &str) -> Result<NumberRange, QueryError> {
    let (prefix, written) = prefixed(text);
    let wrong = || QueryError::Malformed(format!("{name}: this is not a number, with or without a prefix"));
    let is_number = written.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    let value: f64 = written.parse().ok().filter(|value: &f64| is_number && value.is_finite()).ok_or_else(wrong)?;
    let (digits, exponent) = match written.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| wrong())?),
        None => (written, 0),
    };
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| i32::try_from(decimals.len()).unwrap_or(0));
    // The standard's example: `1e2` is from 95 to 105.
    let half = if exponent == 0 { 0.5 } else { 0.05 } * 10f64.powi(exponent - decimals);
    Ok(NumberRange { prefix, value, low: value - half, high: value + half })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_found_where_they_are_not_escaped() {
        assert_eq!(split(r"a,b\,c,\\,d", ','), ["a", r"b\,c", r"\\", "d"]);
        assert_eq!(unescaped(r"b\,c\|d\\e\$"), r"b,c|d\e$");
        assert_eq!(split("", ','), [""]);
    }

    #[test]
    fn numbers_have_the_width_of_their_digits() {
        let range = |text| number("n", text).map(|found| (found.low, found.high)).unwrap();
        assert_eq!(range("100"), (99.5, 100.5));
        assert_eq!(range("1e2"), (95.0, 105.0));
        let (low, high) = range("lt5.40");
        assert!((low - 5.395).abs() < 1e-9 && (high - 5.405).abs() < 1e-9);
        for wrong in ["", "lt", "five", "1e999", "nan", "inf", "0x10"] {
            assert!(number("n", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_have_the_width_of_their_precision() {
        let now = Timestamp::from_second(1_700_000_000).ok();
        let span = |text| date("d", text, now).map(|found| found.to - found.from).unwrap();
        assert_eq!(span("2024-02-29"), 86_400_000);
        assert_eq!(span("ge2024-02-29T10:00Z"), 60_000);
        assert_eq!(span("2024-02-29T10:00:00 09:00"), 1_000);
        assert!(span("ap2024") > 366 * 86_400_000);
        assert!(date("d", "yesterday", now).is_err());
    }
}
