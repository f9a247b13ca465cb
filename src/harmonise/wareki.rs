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

    /// Reads a day: `S64.1.7` (also with `/` or `-`), `昭和64年1月7日`, `令和元年5月1日`, `昭和六十四年一月七日`, `昭64.1.7`,
    /// `S640107` or `3640107`, in any width.
    pub fn parse(&self, text: &str) -> Result<Date, WarekiError> {
        let (era, parts) = self.split(text)?;
        let [year, month, day] = parts[..] else { return Err(WarekiError::Form) };
        era.day(year, month, day)
    }

    /// Reads a day, a month (`令和6年5月`) or a year (`令和6年`) as a FHIR date of that precision. A month or year counts as
    /// inside its era if one of its days is.
    pub fn parse_partial(&self, text: &str) -> Result<String, WarekiError> {
        let (era, parts) = self.split(text)?;
        match parts[..] {
            [year, month, day] => Ok(era.day(year, month, day)?.to_string()),
            [year, month] => {
                let first = era.first_of(year, month)?;
                era.touches(first, first.last_of_month())?;
                Ok(first.strftime("%Y-%m").to_string())
            }
            [year] => {
                let first = era.first_of(year, 1)?;
                era.touches(first, first.last_of_year())?;
                Ok(first.strftime("%Y").to_string())
            }
            _ => Err(WarekiError::Form),
        }
    }

    /// The era and the numbers behind it.
    fn split(&self, text: &str) -> Result<(&Era, Vec<i8>), WarekiError> {
        let folded: String = text.nfkc().filter(|letter| !letter.is_whitespace()).collect();
        let first = folded.chars().next().ok_or(WarekiError::Form)?;
        let is_digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        for era in &self.0 {
            if let Some(rest) = folded.strip_prefix(&era.name) {
                return Ok((era, era_parts(rest)?));
            }
            // The first character of the name, as on forms: 昭64.1.7.
            if era.name.starts_with(first) || era.letter == first.to_ascii_uppercase() {
                let rest = &folded[first.len_utf8()..];
                let parts = if is_digits(rest, 6) { packed(rest)? } else { era_parts(rest)? };
                return Ok((era, parts));
            }
            if is_digits(&folded, 7) && era.digit == first {
                return Ok((era, packed(&folded[1..])?));
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
    fn day(&self, year: i8, month: i8, day: i8) -> Result<Date, WarekiError> {
        if year < 1 {
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

    /// The first day of a month, whether or not the era holds it.
    fn first_of(&self, year: i8, month: i8) -> Result<Date, WarekiError> {
        if year < 1 {
            return Err(WarekiError::Form);
        }
        Date::new(self.first.year() + i16::from(year) - 1, month, 1).map_err(|_| WarekiError::NoSuchDay)
    }

    /// Whether the days from `first` to `last` have one in common with the era.
    fn touches(&self, first: Date, last: Date) -> Result<(), WarekiError> {
        match last >= self.first && self.last.is_none_or(|end| first <= end) {
            true if first < GREGORIAN => Err(WarekiError::Lunar),
            true => Ok(()),
            false => Err(WarekiError::OutsideEra),
        }
    }
}

/// Year, month and day as `64.1.7`, `64/1/7`, `64年1月7日`, `元年5月`.
fn era_parts(text: &str) -> Result<Vec<i8>, WarekiError> {
    const UNITS: [char; 3] = ['年', '月', '日'];
    let parts: Vec<&str> = if text.contains(UNITS) {
        // The units stand in their order, each behind its number, and nothing follows the last.
        let mut rest = text;
        let mut parts = Vec::new();
        for unit in UNITS {
            if rest.is_empty() {
                break;
            }
            let (part, behind) = rest.split_once(unit).ok_or(WarekiError::Form)?;
            parts.push(part);
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(WarekiError::Form);
        }
        parts
    } else {
        text.split(['.', '/', '-']).collect()
    };
    if parts.len() > 3 {
        return Err(WarekiError::Form);
    }
    let numbers = parts.iter().enumerate().map(|(place, part)| match *part {
        "元" if place == 0 => Ok(1),
        part => number(part).or_else(|_| kanji_number(part)),
    });
    numbers.collect()
}

/// Six digits: year, month and day.
fn packed(digits: &str) -> Result<Vec<i8>, WarekiError> {
    let parts = [0, 2, 4].map(|at| digits.get(at..at + 2).ok_or(WarekiError::Form).and_then(number));
    parts.into_iter().collect()
}

fn number(text: &str) -> Result<i8, WarekiError> {
    let shaped = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if shaped { text.parse().map_err(|_| WarekiError::Form) } else { Err(WarekiError::Form) }
}

/// `六`, `十`, `十二`, `六十四`.
fn kanji_number(text: &str) -> Result<i8, WarekiError> {
    const DIGITS: [char; 10] = ['〇', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    let digit = |text: &str| {
        let mut letters = text.chars();
        let (first, rest) = (letters.next(), letters.next());
        let place = first.and_then(|first| DIGITS.iter().position(|digit| *digit == first));
        place.filter(|place| rest.is_none() && *place > 0).and_then(|place| i8::try_from(place).ok())
    };
    let read = match text.split_once('十') {
        None => digit(text),
        Some((tens, ones)) => {
            let tens = if tens.is_empty() { Some(1) } else { digit(tens) };
            let ones = if ones.is_empty() { Some(0) } else { digit(ones) };
            tens.zip(ones).map(|(tens, ones)| tens * 10 + ones)
        }
    };
    read.ok_or(WarekiError::Form)
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
        for text in ["R元.5.1", "令元.5.1", "㋿元年五月一日", "令和一年5月1日", "R010501"] {
            assert_eq!(eras().parse(text), Ok(date(2019, 5, 1)), "{text}");
        }
        for text in ["昭和六十四年一月七日", "昭64.1.7", "S640107"] {
            assert_eq!(eras().parse(text), Ok(date(1989, 1, 7)), "{text}");
        }
        assert_eq!(eras().parse("令和6年10月二十三日"), Ok(date(2024, 10, 23)));
    }

    #[test]
    fn months_and_years_keep_their_precision() {
        for (text, date) in [
            ("令和6年5月", Ok("2024-05")),
            ("R6.5", Ok("2024-05")),
            ("令和6年", Ok("2024")),
            ("平成元年", Ok("1989")),
            ("昭和64年", Ok("1989")),
            ("昭和64年1月", Ok("1989-01")),
            ("S64.1.7", Ok("1989-01-07")),
            ("昭和64年2月", Err(WarekiError::OutsideEra)),
            ("平成32年", Err(WarekiError::OutsideEra)),
            ("令和6年13月", Err(WarekiError::NoSuchDay)),
            ("明治3年", Err(WarekiError::Lunar)),
            ("令和", Err(WarekiError::Form)),
            ("令和6", Ok("2024")),
        ] {
            assert_eq!(eras().parse_partial(text), date.map(str::to_owned), "{text}");
        }
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
