//! `Date`, `DateTime` and `Time` of FHIRPath, as far as they were written: <http://hl7.org/fhirpath/N1/#datetime>.

use std::cmp::Ordering;
use std::fmt::Write as _;

use jiff::ToSpan as _;
use jiff::civil;

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MomentKind {
    /// A day, a month or a year.
    Date,
    /// A day and what time.
    DateTime,
    /// A time of any day.
    Time,
}

/// A date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Which of the three.
    pub kind: MomentKind,
    /// Year, month, day, hour, minute, second.
    fields: [i32; 6],
    /// The field after the last that was written: 1 to 6.
    end: usize,
    /// Billionths of a second, and how many digits of them were written.
    fraction: (i32, usize),
    /// Minutes east of UTC, where a zone was written.
    zone: Option<i32>,
}

/// What is added to a moment, in the words of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl Unit {
    /// `year` or `years`, and so on.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name.strip_suffix('s').unwrap_or(name) {
            "year" => Self::Year,
            "month" => Self::Month,
            "week" => Self::Week,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            "second" => Self::Second,
            "millisecond" => Self::Millisecond,
            _ => return None,
        })
    }

    /// The unit of UCUM that is as long, always.
    pub(super) fn ucum(self) -> Option<&'static str> {
        Some(match self {
            Self::Year | Self::Month => return None,
            Self::Week => "wk",
            Self::Day => "d",
            Self::Hour => "h",
            Self::Minute => "min",
            Self::Second => "s",
            Self::Millisecond => "ms",
        })
    }

    /// A unit of UCUM of a length that never changes.
    pub(super) fn of_ucum(code: &str) -> Option<Self> {
        let all = [Self::Week, Self::Day, Self::Hour, Self::Minute, Self::Second, Self::Millisecond];
        all.into_iter().find(|unit| unit.ucum() == Some(code))
    }

    /// The field that it counts.
    fn field(self) -> usize {
        match self {
            Self::Year => 0,
            Self::Month => 1,
            Self::Week | Self::Day => 2,
            Self::Hour => 3,
            Self::Minute => 4,
            Self::Second | Self::Millisecond => 5,
        }
    }
}

impl Moment {
    /// Reads what FHIRPath writes after `@`, what FHIR writes as date, dateTime, instant or time, without `T` before a time.
    pub fn read(kind: MomentKind, text: &str) -> Option<Self> {
        let mut moment = Self { kind, fields: [0; 6], end: 0, fraction: (0, 0), zone: None };
        let (date, clock) = match kind {
            MomentKind::Time => ("", Some(text)),
            MomentKind::Date => (text, None),
            MomentKind::DateTime => match text.split_once('T') {
                Some((date, "")) => (date, None),
                Some((date, clock)) => (date, Some(clock)),
                None => (text, None),
            },
        };
        if kind != MomentKind::Time {
            moment.date(date)?;
        }
        if let Some(clock) = clock {
            if kind != MomentKind::Time && moment.end != 3 {
                return None;
            }
            moment.clock(clock)?;
        }
        Some(moment)
    }

    fn date(&mut self, text: &str) -> Option<()> {
        let mut parts = text.split('-');
        self.fields = [number(parts.next()?, 4)?, 1, 1, 0, 0, 0];
        self.end = 1;
        for (at, most) in [(1, 12), (2, 31)] {
            let Some(part) = parts.next() else { return civil::Date::new(self.year()?, 1, 1).ok().map(|_| ()) };
            *self.fields.get_mut(at)? = number(part, 2).filter(|number| (1..=most).contains(number))?;
            self.end = at + 1;
        }
        let [_, month, day, ..] = self.fields;
        civil::Date::new(self.year()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        parts.next().is_none().then_some(())
    }

    fn year(&self) -> Option<i16> {
        let [year, ..] = self.fields;
        i16::try_from(year).ok().filter(|year| *year > 0)
    }

    fn clock(&mut self, text: &str) -> Option<()> {
        let zone = text.find(['Z', '+', '-']).unwrap_or(text.len());
        let (clock, zone) = text.split_at_checked(zone)?;
        if !zone.is_empty() {
            if self.kind == MomentKind::Time {
                return None;
            }
            self.zone = Some(offset(zone)?);
        }
        let (clock, fraction) = match clock.split_once('.') {
            Some((clock, digits)) => (clock, Some(digits)),
            None => (clock, None),
        };
        let mut parts = clock.split(':');
        for (at, most) in [(3, 23), (4, 59), (5, 59)] {
            let Some(part) = parts.next() else { break };
            *self.fields.get_mut(at)? = number(part, 2).filter(|number| (0..=most).contains(number))?;
            self.end = at + 1;
        }
        if let Some(digits) = fraction {
            let is_right = self.end == 6 && (1..=9).contains(&digits.len());
            let padded = format!("{digits:0<9}");
            self.fraction = (number(&padded, 9).filter(|_| is_right)?, digits.len());
        }
        (parts.next().is_none() && self.end > 3).then_some(())
    }

    /// As FHIRPath writes it, without `@` and `T`.
    pub fn text(&self) -> String {
        let [year, month, day, hour, minute, second] = self.fields;
        let mut text = String::new();
        if self.kind != MomentKind::Time {
            let _ = write!(text, "{year:04}");
            for (at, field) in [(1, month), (2, day)] {
                if self.end > at {
                    let _ = write!(text, "-{field:02}");
                }
            }
            if self.end > 3 {
                text.push('T');
            }
        }
        for (at, field, before) in [(3, hour, ""), (4, minute, ":"), (5, second, ":")] {
            if self.end > at {
                let _ = write!(text, "{before}{field:02}");
            }
        }
        if self.fraction.1 > 0 {
            let digits = format!("{:09}", self.fraction.0);
            let _ = write!(text, ".{}", digits.get(..self.fraction.1).unwrap_or(""));
        }
        match self.zone {
            Some(0) => text.push('Z'),
            Some(zone) => {
                let sign = if zone < 0 { '-' } else { '+' };
                let _ = write!(text, "{sign}{:02}:{:02}", zone.abs() / 60, zone.abs() % 60);
            }
            None => {}
        }
        text
    }

    /// Digits that were written, as `precision()` counts them.
    pub(super) fn digits(&self) -> i64 {
        let of_date = if self.kind == MomentKind::Time { 8 } else { 0 };
        let fields = [4, 6, 8, 10, 12, 14].get(self.end.saturating_sub(1)).copied().unwrap_or(0) - of_date;
        fields + if self.fraction.1 > 0 { 3 } else { 0 }
    }

    /// Which is earlier; `None` where one was not written far enough to tell, or a time is compared with a date.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        let is_time = |one: &Self| one.kind == MomentKind::Time;
        if is_time(self) != is_time(other) {
            return None;
        }
        let (mut one, mut two) = (*self, *other);
        if one.end > 3 && two.end > 3 && !is_time(self) {
            match (one.zone, two.zone) {
                (Some(_), Some(_)) => (one, two) = (one.in_utc()?, two.in_utc()?),
                (None, None) => {}
                _ => return None,
            }
        }
        let first = if is_time(self) { 3 } else { 0 };
        for at in first..6 {
            match (at < one.end, at < two.end) {
                (true, true) => {}
                (false, false) => return Some(Ordering::Equal),
                _ => return None,
            }
            match one.fields.get(at).cmp(&two.fields.get(at)) {
                Ordering::Equal => {}
                order => return Some(order),
            }
        }
        Some(one.fraction.0.cmp(&two.fraction.0))
    }

    fn in_utc(self) -> Option<Self> {
        let minutes = i64::from(self.zone?);
        let moved = self.civil()?.checked_sub(minutes.minutes()).ok()?;
        Some(Self { zone: Some(0), ..self.at(moved) })
    }

    fn civil(&self) -> Option<civil::DateTime> {
        let [_, month, day, hour, minute, second] = self.fields.map(|field| i8::try_from(field).unwrap_or(-1));
        let year = if self.kind == MomentKind::Time { 1 } else { self.year()? };
        let (month, day) = if self.kind == MomentKind::Time { (1, 1) } else { (month, day) };
        civil::DateTime::new(year, month, day, hour, minute, second, self.fraction.0).ok()
    }

    /// This moment moved to another, as far as it was written.
    fn at(self, time: civil::DateTime) -> Self {
        let fields = [
            i32::from(time.year()),
            i32::from(time.month()),
            i32::from(time.day()),
            i32::from(time.hour()),
            i32::from(time.minute()),
            i32::from(time.second()),
        ];
        Self { fields, fraction: (time.subsec_nanosecond(), self.fraction.1), ..self }
    }

    /// Later by so many units, or earlier. What is finer than was written counts as far as it makes up whole units of that.
    pub(super) fn plus(&self, count: i64, unit: Unit) -> Option<Self> {
        let (mut count, mut unit) = (count, unit);
        let first_fine = self.end.saturating_sub(1);
        while unit.field() > first_fine {
            (count, unit) = match unit {
                Unit::Millisecond => (count / 1000, Unit::Second),
                Unit::Second => (count / 60, Unit::Minute),
                Unit::Minute => (count / 60, Unit::Hour),
                Unit::Hour => (count / 24, Unit::Day),
                Unit::Week => (count.checked_mul(7)?, Unit::Day),
                Unit::Day => (count / 30, Unit::Month),
                Unit::Month => (count / 12, Unit::Year),
                Unit::Year => return None,
            };
        }
        let span = jiff::Span::new();
        let span = match unit {
            Unit::Year => span.try_years(count),
            Unit::Month => span.try_months(count),
            Unit::Week => span.try_weeks(count),
            Unit::Day => span.try_days(count),
            Unit::Hour => span.try_hours(count),
            Unit::Minute => span.try_minutes(count),
            Unit::Second => span.try_seconds(count),
            Unit::Millisecond => span.try_milliseconds(count),
        };
        let moved = self.civil()?.checked_add(span.ok()?).ok()?;
        let mut moved = self.at(moved);
        if unit == Unit::Millisecond && moved.fraction.0 != 0 {
            moved.fraction.1 = moved.fraction.1.max(3);
        }
        Some(moved)
    }

    /// The earliest or latest moment that this may be, written with so many digits (<http://build.fhir.org/ig/HL7/FHIRPath/>,
    /// boundaries).
    pub(super) fn boundary(&self, digits: Option<i64>, is_high: bool) -> Option<Self> {
        let most = if self.kind == MomentKind::Time { 9 } else { 17 };
        let most = if self.kind == MomentKind::Date { 8 } else { most };
        let digits = digits.unwrap_or(most);
        let end = match (self.kind, digits) {
            (MomentKind::Time, 2) | (MomentKind::DateTime, 10) => 4,
            (MomentKind::Time, 4) | (MomentKind::DateTime, 12) => 5,
            (MomentKind::Time, 6 | 9) | (MomentKind::DateTime, 14 | 17) => 6,
            (MomentKind::Date | MomentKind::DateTime, 4) => 1,
            (MomentKind::Date | MomentKind::DateTime, 6) => 2,
            (MomentKind::Date | MomentKind::DateTime, 8) => 3,
            _ => return None,
        };
        let mut found = *self;
        let [year, month, ..] = self.fields;
        let limits = if is_high { [9999, 12, 31, 23, 59, 59] } else { [1, 1, 1, 0, 0, 0] };
        for (at, (field, limit)) in found.fields.iter_mut().zip(limits).enumerate() {
            if at >= self.end {
                *field = limit;
            }
        }
        if is_high && self.end < 3 && self.kind != MomentKind::Time {
            let month = if self.end < 2 { 12 } else { month };
            let first = civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
            *found.fields.get_mut(2)? = i32::from(first.days_in_month());
        }
        found.end = end;
        if self.fraction.1 == 0 && is_high {
            found.fraction.0 = 999_000_000;
        }
        found.fraction.1 = if matches!(digits, 9 | 17) { 3 } else { 0 };
        if end > 3 && found.kind == MomentKind::DateTime && self.zone.is_none() {
            // The latest local time is that of the westernmost zone.
            found.zone = Some(if is_high { -12 * 60 } else { 14 * 60 });
        }
        if end <= 3 {
            found.zone = None;
        }
        Some(found)
    }

    /// The day of a moment.
    pub(super) fn day(&self) -> Self {
        Self { kind: MomentKind::Date, end: self.end.min(3), fraction: (0, 0), zone: None, ..*self }
    }

    /// The time of a moment.
    pub(super) fn time(&self) -> Self {
        Self { kind: MomentKind::Time, zone: None, ..*self }
    }

    /// The moment as a DateTime.
    pub(super) fn with_kind(self, kind: MomentKind) -> Self {
        Self { kind, ..self }
    }
}

/// `Z` or `+09:00`.
fn offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':')?;
    let minutes = number(hours, 2)?.checked_mul(60)? + number(minutes, 2).filter(|minutes| *minutes < 60)?;
    if minutes > 14 * 60 {
        return None;
    }
    Some(if text.starts_with('-') { -minutes } else { minutes })
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<i32> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::read(MomentKind::DateTime, text).unwrap()
    }

    #[test]
    fn moments_are_read_as_far_as_written() {
        for text in ["2015", "2015-02", "2015-02-04", "2015-02-04T14", "2015-02-04T14:34:28.123+10:00"] {
            assert_eq!(at(text).text(), text);
        }
        for bad in ["", "15", "2015-13", "2015-02-30", "2015-02T10", "2015-02-04T25", "2015-02-04T10:00:00+15:00"] {
            assert!(Moment::read(MomentKind::DateTime, bad).is_none(), "{bad}");
        }
        assert!(Moment::read(MomentKind::Time, "14:34:28Z").is_none());
        assert_eq!(Moment::read(MomentKind::Time, "14:34").unwrap().digits(), 4);
    }

    #[test]
    fn what_was_not_written_is_not_compared() {
        assert_eq!(at("2018-03").order(&at("2018-03-01")), None);
        assert_eq!(at("2018-03").order(&at("2018-04-01")), Some(Ordering::Less));
        assert_eq!(at("2018-03-01T10:00:00+09:00").order(&at("2018-03-01T01:00:00Z")), Some(Ordering::Equal));
        assert_eq!(at("2018-03-01T10:00:00Z").order(&at("2018-03-01T10:00:00")), None);
    }

    #[test]
    fn the_calendar_is_kept_when_adding() {
        assert_eq!(at("2024-01-31").plus(1, Unit::Month).unwrap().text(), "2024-02-29");
        assert_eq!(at("2024").plus(25, Unit::Month).unwrap().text(), "2026");
        assert_eq!(
            at("1973-12-25T00:00:00.000+10:00").plus(10, Unit::Millisecond).unwrap().text(),
            "1973-12-25T00:00:00.010+10:00"
        );
        assert!(at("9999-12-31").plus(1, Unit::Day).is_none());
    }
}
