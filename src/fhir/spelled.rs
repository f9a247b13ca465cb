//! Results as laboratories spell them in text: `< 0.5`, `０．５未満`, `1,234`, `(2+)`, `陰性`. A table of spellings, not a
//! guess: what is not in it is [`Spelled::Other`] and stays the text it was. `±` is left alone too: it is a trace on a urine
//! strip and undecided in serology; and so is `-` without brackets, which may say that nothing was measured.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spelled {
    /// A number, with a comparator of FHIR (`<`, `<=`, `>=`, `>`) if it is a bound.
    Number {
        /// Comparator.
        comparator: Option<&'static str>,
        /// Sign, digits and point, as written but in half width and without separators of thousands.
        digits: String,
    },
    /// A code of HL7 table 0078: `POS`, `NEG`, `DET` (detected), `ND` (not detected).
    Coded(&'static str),
    /// Positive by so many plus signs.
    Grade(u8),
    /// Not in the table.
    Other,
}

/// Longest text that is read.
const LONGEST: usize = 60;

/// Reads a result. `thousands`: a comma before three digits separates thousands, as in Japan and English, and is no decimal
/// comma, as in French.
pub fn read(text: &str, thousands: bool) -> Spelled {
    if text.len() > LONGEST {
        return Spelled::Other;
    }
    let folded: Cow<'_, str> = if text.is_ascii() { text.into() } else { text.nfkc().collect::<String>().into() };
    let folded = folded.trim();
    if let Some((comparator, rest)) = compared(folded) {
        return number(rest, thousands)
            .map_or(Spelled::Other, |digits| Spelled::Number { comparator: Some(comparator), digits });
    }
    if let Some(digits) = number(folded, thousands) {
        return Spelled::Number { comparator: None, digits };
    }
    let bare = bare(folded);
    coded(&bare).map(Spelled::Coded).or_else(|| grade(&bare).map(Spelled::Grade)).unwrap_or(Spelled::Other)
}

fn compared(text: &str) -> Option<(&'static str, &str)> {
    const BEFORE: [(&str, &str); 10] = [
        ("<=", "<="),
        (">=", ">="),
        ("=<", "<="),
        ("=>", ">="),
        ("≦", "<="),
        ("≧", ">="),
        ("≤", "<="),
        ("≥", ">="),
        ("<", "<"),
        (">", ">"),
    ];
    const AFTER: [(&str, &str); 8] = [
        ("未満", "<"),
        ("以下", "<="),
        ("以上", ">="),
        ("を超える", ">"),
        ("を越える", ">"),
        ("超過", ">"),
        ("超", ">"),
        ("より大", ">"),
    ];
    let before = BEFORE.iter().find_map(|(sign, code)| Some((*code, text.strip_prefix(sign)?)));
    before.or_else(|| AFTER.iter().find_map(|(word, code)| Some((*code, text.strip_suffix(word)?))))
}

/// Digits of a decimal, separators of thousands taken out where they stand at every third digit.
fn number(text: &str, thousands: bool) -> Option<String> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(fraction) {
        return None;
    }
    if !whole.contains(',') {
        return digits(whole).then(|| text.to_owned());
    }
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let grouped =
        (1..=3).contains(&first.len()) && digits(first) && groups.all(|group| group.len() == 3 && digits(group));
    (thousands && grouped).then(|| text.replace(',', ""))
}

/// Without spaces, signs and brackets in one spelling.
fn bare(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| match letter {
            '‐' | '−' | '–' | '—' | 'ー' | '―' => '-',
            '[' | '〔' => '(',
            ']' | '〕' => ')',
            _ => letter,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

fn coded(bare: &str) -> Option<&'static str> {
    Some(match bare {
        "陰性" | "陰性(-)" | "(-)" | "negative" | "neg" | "négatif" | "négative" => "NEG",
        "陽性" | "陽性(+)" | "+" | "(+)" | "positive" | "pos" | "positif" => "POS",
        "検出せず" | "検出されず" | "検出しない" | "検出なし" | "不検出" | "notdetected" | "nondétecté" => {
            "ND"
        }
        "検出" | "検出あり" | "detected" | "détecté" => "DET",
        _ => return None,
    })
}

/// `1+`, `+1`, `++`, `2プラス`.
fn grade(bare: &str) -> Option<u8> {
    let bare = bare.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(bare);
    if bare.len() >= 2 && bare.bytes().all(|b| b == b'+') {
        return u8::try_from(bare.len()).ok().filter(|grade| *grade <= 5);
    }
    let digit = bare.strip_suffix('+').or_else(|| bare.strip_suffix("プラス"))?;
    digit.parse().ok().filter(|grade| digit.len() == 1 && (1..=5).contains(grade))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_numbers_keep_their_digits() {
        for (text, comparator, digits) in [
            ("5.40", None, "5.40"),
            ("５．４０", None, "5.40"),
            ("1,234", None, "1234"),
            ("-12,345.6", None, "-12345.6"),
            ("< 0.5", Some("<"), "0.5"),
            ("＜０．５", Some("<"), "0.5"),
            ("0.50未満", Some("<"), "0.50"),
            ("１０ 以上", Some(">="), "10"),
            ("≦2.0", Some("<="), "2.0"),
            ("1,000超", Some(">"), "1000"),
            ("3以下", Some("<="), "3"),
        ] {
            let wanted = Spelled::Number { comparator, digits: digits.to_owned() };
            assert_eq!(read(text, true), wanted, "{text}");
        }
        assert_eq!(read("1,234", false), Spelled::Other, "a decimal comma in French");
        assert_eq!(read("12,34", true), Spelled::Other);
    }

    #[test]
    fn words_and_signs_are_read_by_the_table() {
        for (text, code) in [
            ("陰性", "NEG"),
            ("(-)", "NEG"),
            ("（－）", "NEG"),
            ("［−］", "NEG"),
            ("陽性", "POS"),
            ("(＋)", "POS"),
            ("検出せず", "ND"),
            ("Not detected", "ND"),
        ] {
            assert_eq!(read(text, true), Spelled::Coded(code), "{text}");
        }
        for (text, grade) in [("1+", 1), ("(1+)", 1), ("（２＋）", 2), ("+++", 3), ("(++)", 2)] {
            assert_eq!(read(text, true), Spelled::Grade(grade), "{text}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_stays_text() {
        for text in [
            "",
            "-",
            "－",
            "±",
            "(±)",
            "5.0↑",
            "5.4 H",
            "<",
            "未満",
            "<a",
            "1:80",
            "80倍",
            "擬陽性",
            "検体不足",
            "1+1",
            "9+",
        ] {
            assert_eq!(read(text, true), Spelled::Other, "{text}");
        }
    }
}
