//! How dates and numbers are compared with what a query says (<https://hl7.org/fhir/R4/search.html#prefix>).

use crate::fhir::search::{DateRange, NumberRange, Prefix};

/// Whether the span of a value, `from` to `to`, meets a range.
pub(super) fn date(range: &DateRange, from: i64, to: i64) -> bool {
    let is_within = from >= range.from && to <= range.to;
    match range.prefix {
        Prefix::Eq => is_within,
        Prefix::Ne => !is_within,
        Prefix::Lt => from < range.from,
        Prefix::Le => from < range.from || is_within,
        Prefix::Gt => to > range.to,
        Prefix::Ge => to > range.to || is_within,
        Prefix::Sa => from >= range.to,
        Prefix::Eb => to <= range.from,
        Prefix::Ap => from < range.to && to > range.from,
    }
}

/// Whether a number, or a range of numbers, meets a range. What is not a number meets none.
pub(super) fn number(range: &NumberRange, low: f64, high: f64) -> bool {
    // Factors between units are not exact in binary.
    let slack = |end: f64| end.abs() * 1e-9;
    let is_within = low >= range.low - slack(range.low) && high < range.high - slack(range.high);
    let (value, near) = (range.value, slack(range.value));
    match range.prefix {
        Prefix::Eq => is_within,
        Prefix::Ne => !is_within && !low.is_nan(),
        Prefix::Lt | Prefix::Eb => low < value - near && (range.prefix == Prefix::Lt || high < value - near),
        Prefix::Le => low <= value + near,
        Prefix::Gt | Prefix::Sa => high > value + near && (range.prefix == Prefix::Gt || low > value + near),
        Prefix::Ge => high >= value - near,
        Prefix::Ap => low <= value + value.abs() * 0.1 + near && high >= value - value.abs() * 0.1 - near,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_compared_as_the_standard_says() {
        let of = |prefix| DateRange { prefix, from: 10, to: 20 };
        // (span, prefixes that it meets)
        type Case<'a> = ((i64, i64), &'a [Prefix]);
        let cases: [Case<'_>; 5] = [
            ((12, 13), &[Prefix::Eq, Prefix::Le, Prefix::Ge, Prefix::Ap]),
            ((5, 10), &[Prefix::Ne, Prefix::Lt, Prefix::Le, Prefix::Eb]),
            ((20, 25), &[Prefix::Ne, Prefix::Gt, Prefix::Ge, Prefix::Sa]),
            ((5, 25), &[Prefix::Ne, Prefix::Lt, Prefix::Le, Prefix::Gt, Prefix::Ge, Prefix::Ap]),
            ((15, 25), &[Prefix::Ne, Prefix::Gt, Prefix::Ge, Prefix::Ap]),
        ];
        for ((from, to), met) in cases {
            for prefix in [
                Prefix::Eq,
                Prefix::Ne,
                Prefix::Lt,
                Prefix::Le,
                Prefix::Gt,
                Prefix::Ge,
                Prefix::Sa,
                Prefix::Eb,
                Prefix::Ap,
            ] {
                assert_eq!(date(&of(prefix), from, to), met.contains(&prefix), "{prefix:?} {from}-{to}");
            }
        }
    }

    #[test]
    fn numbers_have_the_width_of_their_digits_and_bounds_are_ranges() {
        let of = |prefix| NumberRange { prefix, value: 5.4, low: 5.35, high: 5.45 };
        assert!(number(&of(Prefix::Eq), 5.44, 5.44));
        assert!(!number(&of(Prefix::Eq), 5.45, 5.45));
        assert!(number(&of(Prefix::Gt), 5.5, 5.5) && !number(&of(Prefix::Gt), 5.4, 5.4));
        assert!(number(&of(Prefix::Ge), 5.4, 5.4) && number(&of(Prefix::Le), 5.4, 5.4));
        // Below 5: surely less, never more.
        assert!(number(&of(Prefix::Lt), f64::NEG_INFINITY, 5.0) && number(&of(Prefix::Eb), f64::NEG_INFINITY, 5.0));
        assert!(!number(&of(Prefix::Gt), f64::NEG_INFINITY, 5.0));
        for prefix in [Prefix::Eq, Prefix::Ne, Prefix::Lt, Prefix::Gt, Prefix::Ap] {
            assert!(!number(&of(prefix), f64::NAN, f64::NAN), "{prefix:?}");
        }
    }
}
