//! FHIR dates of any precision as half-open ranges of instants, which is how search compares them
//! (<https://hl7.org/fhir/R4/search.html#date>).

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// An RFC 3339 instant with milliseconds, as FHIR `instant` and the store's time columns want it. Sorts as text.
pub fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// `[from, to)` of a `date`, `dateTime` or `instant`, as sortable RFC 3339 UTC text. Dates without a time are read in
/// UTC. `None` if the text is no FHIR date.
pub fn range(text: &str) -> Option<(String, String)> {
    let (from, to) = moments_of(text)?;
    Some((instant(from), instant(to)))
}

/// [`range`] in milliseconds since 1970 UTC.
pub fn span(text: &str) -> Option<(i64, i64)> {
    let (from, to) = moments_of(text)?;
    Some((from.as_millisecond(), to.as_millisecond()))
}

/// Milliseconds since 1970 of an RFC 3339 time.
pub fn milliseconds(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

fn moments_of(text: &str) -> Option<(Timestamp, Timestamp)> {
    match text.len() {
        4 => years(text),
        7 => months(text),
        10 => days(text),
        _ => moments(text),
    }
}

fn years(text: &str) -> Option<(Timestamp, Timestamp)> {
    let first = Date::new(text.parse().ok()?, 1, 1).ok()?;
    between(first, first.checked_add(1.year()).ok()?)
}

fn months(text: &str) -> Option<(Timestamp, Timestamp)> {
    let (year, month) = text.split_once('-')?;
    let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
    between(first, first.checked_add(1.month()).ok()?)
}

fn days(text: &str) -> Option<(Timestamp, Timestamp)> {
    let day: Date = text.parse().ok()?;
    between(day, day.tomorrow().ok()?)
}

fn between(first: Date, next: Date) -> Option<(Timestamp, Timestamp)> {
    let start = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    Some((start(first)?, start(next)?))
}

fn moments(text: &str) -> Option<(Timestamp, Timestamp)> {
    let at: Timestamp = text.parse().ok()?;
    let step = if text.contains('.') { SignedDuration::from_millis(1) } else { SignedDuration::from_secs(1) };
    Some((at, at.checked_add(step).ok()?))
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn precision_gives_the_width() {
        for (text, from, to) in [
            ("2024", "2024-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"),
            ("2024-02", "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
            ("2024-02-29T09:00:00+09:00", "2024-02-29T00:00:00.000Z", "2024-02-29T00:00:01.000Z"),
        ] {
            assert_eq!(range(text), Some((from.to_owned(), to.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_has_no_range() {
        for text in ["", "24", "2023-02-29", "2023-13", "yesterday", "2024-02-29T25:00:00Z"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
