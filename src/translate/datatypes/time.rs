//! TS, DTM, DT → date, dateTime, instant (HL7 v2.5.1, 2.A.21; FHIR R4 date/time primitives).
//!
//! Precision stays what it was. FHIR wants an offset with every time, so one without is read in the institution's zone,
//! and seconds where there are minutes; both are said in a warning.

use std::borrow::Cow;

use crate::fhir::tree::{Map, Value, json};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

use super::Placed;
use crate::translate::build::{Context, Piece};

/// A point in time with the precision it was given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// As FHIR writes it.
    text: String,
    day: Date,
    at: Option<Timestamp>,
    /// The zone had to be assumed.
    pub zone_assumed: bool,
    /// Only the hour was given.
    pub minutes_assumed: bool,
    /// The local time is twice or never on that day (daylight saving).
    pub ambiguous: bool,
}

/// Characters of a whole date.
const DATE: usize = "2026-01-15".len();

impl Moment {
    /// FHIR `date`: the day, month or year.
    pub(crate) fn date(&self) -> &str {
        self.text.get(..DATE).unwrap_or(&self.text)
    }

    /// FHIR `dateTime`.
    pub(crate) fn date_time(&self) -> &str {
        &self.text
    }

    /// FHIR `instant`; `None` without a time of day.
    pub(crate) fn instant(&self) -> Option<&str> {
        self.at.map(|_| self.text.as_str())
    }

    /// The moment, or the first of the day, month or year in `zone`.
    pub(crate) fn timestamp(&self, zone: &TimeZone) -> Option<Timestamp> {
        self.at.or_else(|| self.day.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp()))
    }
}

/// Reads `YYYY[MM[DD[HH[MM[SS[.S…]]]]]][±ZZZZ]`, or ISO 8601 with year first.
pub(crate) fn read(text: &str, zone: &TimeZone) -> Option<Moment> {
    let text = text.trim();
    if text.len() > 40 || !text.is_ascii() {
        return None;
    }
    let compact = iso_to_compact(text).map_or(Cow::Borrowed(text), Cow::Owned);
    let (digits, offset) = split_offset(&compact)?;
    let (digits, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !digits.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) || fraction.len() > 9 {
        return None;
    }
    if !matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14) {
        return None;
    }
    let part = |from: usize| digits.get(from..from + 2);
    let number = |from: usize| part(from).and_then(|part| part.parse::<i8>().ok());
    let year: i16 = digits.get(0..4)?.parse().ok().filter(|year| *year > 0)?;
    let day = Date::new(year, number(4).unwrap_or(1), number(6).unwrap_or(1)).ok()?;
    let mut out = String::with_capacity(LONGEST);
    out.push_str(&digits[..4]);
    for part in [part(4), part(6)].into_iter().flatten() {
        out.push('-');
        out.push_str(part);
    }
    let mut moment =
        Moment { text: out, day, at: None, zone_assumed: false, minutes_assumed: digits.len() == 10, ambiguous: false };
    let Some(hour) = number(8) else { return Some(moment) };
    let (minute, second) = (number(10).unwrap_or(0), number(12).unwrap_or(0));
    let local = DateTime::from_parts(day, Time::new(hour, minute, second, nanoseconds(fraction)).ok()?);
    let offset = match offset {
        Some(offset) => {
            moment.at = Some(offset.to_timestamp(local).ok()?);
            offset
        }
        None => {
            let ambiguous = zone.to_ambiguous_zoned(local);
            moment.zone_assumed = true;
            moment.ambiguous = ambiguous.is_ambiguous();
            let zoned = ambiguous.compatible().ok()?;
            moment.at = Some(zoned.timestamp());
            zoned.offset()
        }
    };
    let mut separator = 'T';
    for from in [8, 10, 12] {
        moment.text.push(separator);
        moment.text.push_str(part(from).unwrap_or("00"));
        separator = ':';
    }
    if !fraction.is_empty() && digits.len() == 14 {
        moment.text.push('.');
        moment.text.push_str(fraction);
    }
    push_offset(&mut moment.text, offset);
    Some(moment)
}

/// Characters of `2026-01-15T08:30:59.123456789-05:00`.
const LONGEST: usize = 35;

fn nanoseconds(fraction: &str) -> i32 {
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    digits.fold(0, |number, digit| number * 10 + i32::from(digit - b'0'))
}

fn push_offset(out: &mut String, offset: Offset) {
    let minutes = offset.seconds() / 60;
    out.push(if minutes < 0 { '-' } else { '+' });
    for (part, mark) in [(minutes.abs() / 60, ":"), (minutes.abs() % 60, "")] {
        for digit in [part / 10, part % 10] {
            out.push(char::from_digit(digit.unsigned_abs(), 10).unwrap_or('0'));
        }
        out.push_str(mark);
    }
}

/// Splits `±ZZZZ` off.
fn split_offset(text: &str) -> Option<(&str, Option<Offset>)> {
    let Some(at) = text.find(['+', '-']) else { return Some((text, None)) };
    let (digits, offset) = text.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = match offset.len() {
        5 => (&offset[1..3], &offset[3..]),
        6 if offset.as_bytes()[3] == b':' => (&offset[1..3], &offset[4..]),
        _ => return None,
    };
    if !hours.bytes().chain(minutes.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    // FHIR: offsets up to 14:00.
    if hours > 14 || minutes > 59 || (hours == 14 && minutes > 0) {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok().map(|offset| (digits, Some(offset)))
}

/// `2026-03-01T08:30:00Z`, `2026/3/1`, `2026-03` as HL7 writes them; `None` if it is not of that form.
fn iso_to_compact(text: &str) -> Option<String> {
    if !matches!(text.as_bytes().get(4), Some(b'-' | b'/')) {
        return None;
    }
    let (date, time) = text.split_once(['T', ' ']).map_or((text, ""), |(date, time)| (date, time.trim()));
    let separator = date.chars().nth(4).filter(|c| matches!(c, '-' | '/'))?;
    let parts: Vec<&str> = date.split(separator).collect();
    // `2026-0500` is a year with an offset, not a date.
    let fits = |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if parts.len() > 3 || !parts[1..].iter().all(fits) {
        return None;
    }
    let mut compact = parts[0].to_owned();
    for part in &parts[1..] {
        compact.push_str(&format!("{part:0>2}"));
    }
    let (clock, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => (&time[..at], time[at..].replace('Z', "+0000")),
        None => (time, String::new()),
    };
    compact.push_str(&clock.replace(':', ""));
    compact.push_str(&offset);
    Some(compact)
}

/// Reads the first part and books it, or says why not.
fn moment(context: &Context<'_>, piece: &Piece<'_>, part: usize) -> Option<Moment> {
    let text = piece.get(part)?;
    match read(&text, &context.setting.zone) {
        Some(moment) => {
            piece.book(part);
            context.note_time(&moment);
            Some(moment)
        }
        None => {
            piece.drop_part(part, "it is not a date or time of the calendar");
            None
        }
    }
}

/// → date.
pub(crate) fn date(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    moment(context, piece, 1).map(|moment| json!(moment.date()))
}

/// → dateTime.
pub(crate) fn date_time(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    moment(context, piece, 1).map(|moment| json!(moment.date_time()))
}

/// → instant.
pub(crate) fn instant(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let text = piece.get(1)?;
    let Some(read) = read(&text, &context.setting.zone).filter(|moment| moment.instant().is_some()) else {
        piece.drop_all("the element holds an instant, and the time of day is not given");
        return None;
    };
    moment(context, piece, 1);
    Some(json!(read.date_time()))
}

/// DR → Period.
pub(crate) fn period(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    bounds(context, piece, 1, 2)
}

/// Two parts → Period.
pub(crate) fn bounds(context: &Context<'_>, piece: &Piece<'_>, start: usize, end: usize) -> Option<Value> {
    let mut period = Map::new();
    for (name, part) in [("start", start), ("end", end)] {
        if let Some(moment) = moment(context, piece, part) {
            period.insert(name, json!(moment.date_time()));
        }
    }
    (!period.is_empty()).then_some(Value::Object(period))
}

/// PID-7 → birthDate, and `patient-birthTime` where the time is given.
pub(crate) fn birth_date(context: &Context<'_>, piece: &Piece<'_>) -> Vec<Placed> {
    let Some(moment) = moment(context, piece, 1) else { return Vec::new() };
    let mut placed = vec![Placed { path: None, value: json!(moment.date()) }];
    if let Some(instant) = moment.instant() {
        let extension = json!({
            "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
            "valueDateTime": instant,
        });
        placed.push(Placed { path: Some("_birthDate.extension[]"), value: extension });
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<String> {
        read(text, &TimeZone::get("America/Toronto").unwrap()).map(|moment| moment.date_time().to_owned())
    }

    #[test]
    fn precision_is_kept() {
        for (text, time) in [
            ("1948", "1948"),
            ("194804", "1948-04"),
            ("19480405", "1948-04-05"),
            ("202601150830", "2026-01-15T08:30:00-05:00"),
            ("20260715083059.1230", "2026-07-15T08:30:59.1230-04:00"),
            ("20260115083059+0900", "2026-01-15T08:30:59+09:00"),
            ("2026-01-15", "2026-01-15"),
            ("2026/1/5 08:30", "2026-01-05T08:30:00-05:00"),
            ("2026-01-15T08:30:00Z", "2026-01-15T08:30:00+00:00"),
        ] {
            assert_eq!(at(text).as_deref(), Some(time), "{text}");
        }
    }

    #[test]
    fn what_is_not_in_the_calendar_is_refused() {
        for text in [
            "",
            "0000",
            "20260230",
            "20261301",
            "202601152460",
            "04/24/2007",
            "2026011",
            "20260115+1500",
            "令和8年",
            "abcd",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn an_hour_that_is_twice_is_marked() {
        let read = |text: &str| read(text, &TimeZone::get("America/Toronto").unwrap()).unwrap();
        assert!(read("20251102013000").ambiguous);
        assert!(!read("20251102033000").ambiguous);
        assert!(read("2025110203").minutes_assumed);
        assert!(!read("20251102013000-0400").zone_assumed);
    }
}
