//! Japanese calendar dates (和暦) in and out. A day outside its era is refused, and so is every day before 1873-01-01,
//! when Japan still counted days by the moon.

use jiff::civil::Date;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

use crate::fault::{Classified, Kind};
use crate::terminology::{self, TableError};

/// The Gregorian calendar began in Japan.
const GREGORIAN: Date = jiff::civil::date(1873, 1, 1);

/// The eras, oldest first.
#[derive(Debug)]
pub struct Eras(Vec<Era>);

#[derive(Debug)]
struct Era {
    name: String,
    letter: char,
    digit: char,
    first: Date,
    /// Open for the present era.
    last: Option<Date>,
}

/// How a date is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `昭和64年1月7日`, `令和元年5月1日`.
    Kanji,
    /// `S64.1.7`.
    Letter,
}

/// Why a Japanese date was not read. Carries no date: birth dates stay out of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WarekiError {
    /// Not of any known form.
    #[error("not a Japanese calendar date; S64.1.7, 昭和64年1月7日 or 3640107 are")]
    Form,
    /// No such day of any month.
    #[error("there is no such day")]
    NoSuchDay,
    /// The day lies before or after the era.
    #[error("the day lies outside its era")]
    OutsideEra,
    /// Before 1873 the calendar was lunisolar.
    #[error("days before 1873-01-01 followed the lunar calendar and are not converted")]
    Lunar,
}

impl Classified for WarekiError {
    fn kind(&self) -> Kind {
        Kind::Unprocessable
    }
}

impl Eras {
    /// Reads the table.
    pub fn read(table: &str, text: &str) -> Result<Self, TableError> {
        #[derive(Deserialize)]
        struct Row {
            era: String,
            letter: char,
            digit: char,
            first_day: Date,
            last_day: Option<Date>,
        }
        let rows = terminology::rows::<Row>(table, text)?.into_iter().map(|(_, row)| Era {
            name: row.era,
            letter: row.letter,
            digit: row.digit,
            first: row.first_day,
            last: row.last_day,
        });
        Ok(Self(rows.collect()))
    }

    /// Reads `S64.1.7` (also with `/` or `-`), `昭和64年1月7日`, `令和元年5月1日` or `3640107`, in any width.
    pub fn parse(&self, text: &str) -> Result<Date, WarekiError> {
        let folded: String = text.nfkc().filter(|letter| !letter.is_whitespace()).collect();
        let first = folded.chars().next().ok_or(WarekiError::Form)?;
        let digits_only = folded.len() == 7 && folded.bytes().all(|b| b.is_ascii_digit());
        for era in &self.0 {
            if let Some(rest) = folded.strip_prefix(&era.name) {
                let rest = rest.strip_suffix('日').ok_or(WarekiError::Form)?;
                return era.day(rest.split(['年', '月']));
            }
            if era.letter == first.to_ascii_uppercase() {
                return era.day(folded[first.len_utf8()..].split(['.', '/', '-']));
            }
            if digits_only && era.digit == first {
                return era.day([&folded[1..3], &folded[3..5], &folded[5..7]].into_iter());
            }
        }
        Err(WarekiError::Form)
    }

    /// A date in the Japanese calendar; `None` before 1873.
    pub fn write(&self, date: Date, style: Style) -> Option<String> {
        if date < GREGORIAN {
            return None;
        }
        let era = self.0.iter().find(|era| era.holds(date))?;
        let year = date.year() - era.first.year() + 1;
        Some(match style {
            Style::Letter => format!("{}{year}.{}.{}", era.letter, date.month(), date.day()),
            Style::Kanji if year == 1 => format!("{}元年{}月{}日", era.name, date.month(), date.day()),
            Style::Kanji => format!("{}{year}年{}月{}日", era.name, date.month(), date.day()),
        })
    }
}

impl Era {
    fn holds(&self, date: Date) -> bool {
        date >= self.first && self.last.is_none_or(|last| date <= last)
    }

    /// The day that year, month and day of this era name.
    fn day<'a>(&self, mut parts: impl Iterator<Item = &'a str>) -> Result<Date, WarekiError> {
        let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(WarekiError::Form);
        };
        let year = if year == "元" { 1 } else { number(year)? };
        let (month, day) = (number(month)?, number(day)?);
        if year == 0 {
            return Err(WarekiError::Form);
        }
        let date =
            Date::new(self.first.year() + i16::from(year) - 1, month, day).map_err(|_| WarekiError::NoSuchDay)?;
        match date {
            date if !self.holds(date) => Err(WarekiError::OutsideEra),
            date if date < GREGORIAN => Err(WarekiError::Lunar),
            date => Ok(date),
        }
    }
}

fn number(text: &str) -> Result<i8, WarekiError> {
    let shaped = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if shaped { text.parse().map_err(|_| WarekiError::Form) } else { Err(WarekiError::Form) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn eras() -> Eras {
        Eras::read("eras.csv", include_str!("../../config/codes/eras.csv")).unwrap()
    }

    #[test]
    fn every_spelling_of_the_last_day_of_showa() {
        for text in
            ["S64.1.7", "s64/01/07", "S64-1-7", "昭和64年1月7日", "昭和６４年１月７日", "㍼64年1月7日", "3640107"]
        {
            assert_eq!(eras().parse(text), Ok(date(1989, 1, 7)), "{text}");
        }
        assert_eq!(eras().parse("令和元年5月1日"), Ok(date(2019, 5, 1)));
        assert_eq!(eras().parse("Ｒ１．５．１"), Ok(date(2019, 5, 1)));
    }

    #[test]
    fn days_outside_their_era_are_refused() {
        for (text, why) in [
            ("S64.1.8", WarekiError::OutsideEra),
            ("昭和元年12月24日", WarekiError::OutsideEra),
            ("平成31年5月1日", WarekiError::OutsideEra),
            ("H1.1.7", WarekiError::OutsideEra),
            ("M5.12.1", WarekiError::Lunar),
            ("S58.2.29", WarekiError::NoSuchDay),
            ("S0.1.1", WarekiError::Form),
            ("1989-01-07", WarekiError::Form),
            ("昭和64年1月", WarekiError::Form),
            ("S64.1", WarekiError::Form),
            ("S64.1.7.1", WarekiError::Form),
            ("S1000.1.7", WarekiError::Form),
            ("", WarekiError::Form),
        ] {
            assert_eq!(eras().parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let eras = eras();
        for day in [date(1873, 1, 1), date(1912, 7, 29), date(1912, 7, 30), date(1989, 1, 8), date(2019, 5, 1)] {
            for style in [Style::Kanji, Style::Letter] {
                assert_eq!(eras.parse(&eras.write(day, style).unwrap()), Ok(day));
            }
        }
        assert_eq!(eras.write(date(2019, 5, 1), Style::Kanji).unwrap(), "令和元年5月1日");
        assert_eq!(eras.write(date(1872, 12, 31), Style::Kanji), None);
    }
}
