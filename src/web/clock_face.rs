//! Times and dates as people read them: in an institution's own zone, named, in the page's language.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::markup::Markup;
use super::texts::Texts;

/// An RFC 3339 moment in `zone`. Text that is not a moment is shown as it is.
pub fn moment(texts: &Texts, at: &str, zone: &TimeZone) -> Markup {
    let Ok(timestamp) = at.parse::<Timestamp>() else { return date(texts, at) };
    let local = timestamp.to_zoned(zone.clone());
    let time = local.strftime("%H:%M").to_string();
    let name = local.strftime("%Z").to_string();
    let day = day(texts, local.date());
    let shown = texts.with("clock-moment", &[("day", &day), ("time", &time), ("zone", &name)]);
    Markup::time(at, &shown)
}

/// A FHIR date or dateTime at its own precision; nothing is filled in.
pub fn date(texts: &Texts, text: &str) -> Markup {
    let shown = match text.parse::<Date>() {
        Ok(date) if text.len() == 10 => day(texts, date),
        _ => match text.split_once('-') {
            Some((year, month)) if text.len() == 7 => {
                let month = texts.code("clock-month", month.trim_start_matches('0'));
                texts.with("clock-year-month", &[("year", year), ("month", &month)])
            }
            _ => text.to_owned(),
        },
    };
    Markup::time(text, &shown)
}

/// How long ago, in the largest fitting unit.
pub fn age(texts: &Texts, now: Timestamp, at: &str) -> String {
    let Ok(then) = at.parse::<Timestamp>() else { return String::new() };
    let minutes = u64::try_from(now.duration_since(then).as_mins()).unwrap_or(0);
    match minutes {
        0 => texts.say("clock-age-now"),
        1..60 => texts.count("clock-age-minutes", minutes),
        60..2880 => texts.count("clock-age-hours", minutes / 60),
        _ => texts.count("clock-age-days", minutes / 1440),
    }
}

fn day(texts: &Texts, date: Date) -> String {
    let month = texts.say(&format!("clock-month-{}", date.month()));
    let (year, day) = (date.year().to_string(), date.day().to_string());
    texts.with("clock-day", &[("year", &year), ("month", &month), ("day", &day)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::language::Language;

    #[test]
    fn both_ends_read_their_own_clock() {
        let at = "2026-11-24T15:04:05.000Z";
        let toronto = moment(Texts::of(Language::En), at, &TimeZone::get("America/Toronto").unwrap()).to_string();
        assert!(toronto.contains("Nov 24, 2026, 10:04 EST"), "{toronto}");
        let tokyo = moment(Texts::of(Language::Ja), at, &TimeZone::get("Asia/Tokyo").unwrap()).to_string();
        assert!(tokyo.contains("2026年11月25日 0:04 JST") || tokyo.contains("2026年11月25日 00:04 JST"), "{tokyo}");
    }

    #[test]
    fn partial_dates_stay_partial() {
        let texts = Texts::of(Language::En);
        assert!(date(texts, "1958").to_string().contains(">1958<"));
        assert!(date(texts, "1958-03").to_string().contains(">Mar 1958<"));
        assert!(date(texts, "1958-03-09").to_string().contains(">Mar 9, 1958<"));
        assert!(date(texts, "last spring").to_string().contains(">last spring<"));
    }

    #[test]
    fn ages_take_the_fitting_unit() {
        let now: Timestamp = "2026-11-24T15:00:00Z".parse().unwrap();
        let age = |at| age(Texts::of(Language::En), now, at);
        assert_eq!(age("2026-11-24T14:59:40Z"), "just now");
        assert_eq!(age("2026-11-24T14:59:00Z"), "1 minute ago");
        assert_eq!(age("2026-11-24T12:00:00Z"), "3 hours ago");
        assert_eq!(age("2026-11-20T15:00:00Z"), "4 days ago");
        assert_eq!(age("2026-11-24T16:00:00Z"), "just now");
    }
}
