//! `date`, `dateTime`, `instant` and `time` as R4 writes them (<https://hl7.org/fhir/R4/datatypes.html#primitive>): checked
//! against the calendar, and compared.

use std::cmp::Ordering;

/// Minutes that a zone may be away from UTC.
const MOST_OFFSET: u32 = 14 * 60;

/// A date or time as far as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment<'a> {
    /// Year, month and day; 0 for what was not written.
    day: [u32; 3],
    time: Option<Time<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time<'a> {
    /// Seconds of the day.
    seconds: u32,
    /// Digits after the decimal point.
    fraction: &'a str,
    /// Minutes east of UTC.
    offset: i64,
}

impl<'a> Moment<'a> {
    /// A date of any precision, or a date with time and zone. `None` where R4 has no such thing or the calendar no such day.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year = number(parts.next()?, 4)?;
        let month = parts.next().map_or(Some(0), |part| number(part, 2).filter(|month| (1..=12).contains(month)))?;
        let day =
            parts.next().map_or(Some(0), |part| number(part, 2).filter(|day| (1..=days(year, month)).contains(day)))?;
        if year == 0 || parts.next().is_some() {
            return None;
        }
        let time = match time {
            Some(_) if day == 0 => return None,
            Some(time) => Some(Time::read(time)?),
            None => None,
        };
        Some(Self { day: [year, month, day], time })
    }

    /// Whether it tells the time.
    pub(super) fn has_time(self) -> bool {
        self.time.is_some()
    }

    /// Which is earlier, as far as both were written; `None` where that does not tell.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        if let (Some(one), Some(two)) = (self.time, other.time) {
            let order = self.minute_and_second(one).cmp(&other.minute_and_second(two));
            return Some(order.then_with(|| fractions(one.fraction, two.fraction)));
        }
        for (one, two) in self.day.into_iter().zip(other.day) {
            match one.cmp(&two) {
                _ if one == 0 && two == 0 => break,
                _ if one == 0 || two == 0 => return None,
                Ordering::Equal => {}
                order => return Some(order),
            }
        }
        (self.time.is_none() && other.time.is_none()).then_some(Ordering::Equal)
    }

    fn minute_and_second(self, time: Time<'_>) -> i64 {
        let [year, month, day] = self.day.map(i64::from);
        // Days since the first of March of year 0: https://howardhinnant.github.io/date_algorithms.html
        let year = if month <= 2 { year - 1 } else { year };
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year;
        days * 86_400 + i64::from(time.seconds) - time.offset * 60
    }
}

impl<'a> Time<'a> {
    /// `hh:mm:ss`, a fraction, and a zone.
    fn read(text: &'a str) -> Option<Self> {
        let zone = text.find(['Z', '+', '-'])?;
        let (clock, zone) = text.split_at_checked(zone)?;
        let (seconds, fraction) = clock_time(clock)?;
        let offset = match zone.strip_prefix(['+', '-']) {
            None if zone == "Z" => 0,
            None => return None,
            Some(hours) => {
                let (hour, minute) = hours.split_once(':')?;
                let minutes = number(hour, 2)? * 60 + number(minute, 2).filter(|minute| *minute < 60)?;
                let minutes = i64::from(Some(minutes).filter(|minutes| *minutes <= MOST_OFFSET)?);
                if zone.starts_with('-') { -minutes } else { minutes }
            }
        };
        Some(Self { seconds, fraction, offset })
    }
}

/// Whether a text is a `time`.
pub(super) fn is_time(text: &str) -> bool {
    clock_time(text).is_some()
}

/// `hh:mm:ss` with or without a fraction: seconds of the day, and the fraction. A minute may have a leap second.
fn clock_time(text: &str) -> Option<(u32, &str)> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) if !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            (clock, fraction)
        }
        Some(_) => return None,
        None => (text, ""),
    };
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = number(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = number(parts.next()?, 2).filter(|second| *second <= 60)?;
    parts.next().is_none().then_some((hour * 3600 + minute * 60 + second, fraction))
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().fold(0, |number, byte| number * 10 + u32::from(byte - b'0')))
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Compares digits after the decimal point: `5` and `50` are the same.
fn fractions(one: &str, two: &str) -> Ordering {
    one.trim_end_matches('0').cmp(two.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_that_exist_are_read() {
        for text in [
            "2024",
            "2024-02",
            "2024-02-29",
            "0001-01-01",
            "2024-02-29T23:59:60Z",
            "2024-01-01T00:00:00.123456789+14:00",
            "2024-01-01T00:00:00-03:30",
        ] {
            assert!(Moment::read(text).is_some(), "{text}");
        }
    }

    #[test]
    fn others_are_not() {
        for text in [
            "",
            "0000",
            "24",
            "2024-13",
            "2024-00",
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "2024-1-1",
            "20240101",
            "2024-01-01-01",
            "2024-01-01T10:00",
            "2024-01-01T10:00Z",
            "2024-01-01T10:00:00",
            "2024-01-01T24:00:00Z",
            "2024-01-01T10:60:00Z",
            "2024-01-01T10:00:00.Z",
            "2024-01-01T10:00:00+14:01",
            "2024-01-01T10:00:00+1:00",
            "2024-01-01T10:00:00z",
            "2024-01T10:00:00Z",
            " 2024",
            "２０２４",
        ] {
            assert!(Moment::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn moments_are_compared_as_far_as_they_were_written() {
        let compare = |one, two| Moment::read(one).unwrap().compare(Moment::read(two).unwrap());
        assert_eq!(compare("2024-03-01", "2024-03-02"), Some(Ordering::Less));
        assert_eq!(compare("2024-03", "2024-04-02"), Some(Ordering::Less));
        assert_eq!(compare("2024-03", "2024-03-02"), None);
        assert_eq!(compare("2024", "2024"), Some(Ordering::Equal));
        assert_eq!(compare("2024-03-02T08:00:00+09:00", "2024-03-01T23:00:00Z"), Some(Ordering::Equal));
        assert_eq!(compare("2024-03-01T00:30:00+01:00", "2024-02-29T23:31:00Z"), Some(Ordering::Less));
        assert_eq!(compare("2024-03-01T00:00:00.5Z", "2024-03-01T00:00:00.50Z"), Some(Ordering::Equal));
        assert_eq!(compare("2024-03-01T00:00:00.5Z", "2024-03-01T00:00:00.49Z"), Some(Ordering::Greater));
        assert_eq!(compare("2024-03-01T10:00:00Z", "2024-03-01"), None);
        assert_eq!(compare("2024-03-02T10:00:00Z", "2024-03-01"), Some(Ordering::Greater));
    }
}
