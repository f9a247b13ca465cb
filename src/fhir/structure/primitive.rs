//! The primitive types of R4 and the form of their values: <https://hl7.org/fhir/R4/datatypes.html#primitive>.

use super::dates::{self, Moment};
use super::xhtml;

/// Bytes a text may have (R4: 1 MB).
const LONGEST_TEXT: usize = 1024 * 1024;

/// A primitive type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    Text,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

/// The names of the types.
const NAMES: [(&str, Primitive); 20] = [
    ("base64Binary", Primitive::Base64Binary),
    ("boolean", Primitive::Boolean),
    ("canonical", Primitive::Canonical),
    ("code", Primitive::Code),
    ("date", Primitive::Date),
    ("dateTime", Primitive::DateTime),
    ("decimal", Primitive::Decimal),
    ("id", Primitive::Id),
    ("instant", Primitive::Instant),
    ("integer", Primitive::Integer),
    ("markdown", Primitive::Markdown),
    ("oid", Primitive::Oid),
    ("positiveInt", Primitive::PositiveInt),
    ("string", Primitive::Text),
    ("time", Primitive::Time),
    ("unsignedInt", Primitive::UnsignedInt),
    ("uri", Primitive::Uri),
    ("url", Primitive::Url),
    ("uuid", Primitive::Uuid),
    ("xhtml", Primitive::Xhtml),
];

impl Primitive {
    /// By its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, primitive)| *primitive)
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, primitive)| *primitive == self).map_or("", |(name, _)| name)
    }

    /// The JSON that its values are, for people.
    pub(super) fn json(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt => "a JSON number",
            _ => "a JSON string",
        }
    }

    /// Whether its values are JSON numbers.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt)
    }

    /// Whether the digits of a JSON number are one of its values.
    pub(super) fn takes_number(self, digits: &str) -> Result<(), &'static str> {
        if self == Self::Decimal {
            return Ok(());
        }
        let (least, wanted) = match self {
            Self::PositiveInt => (1, "must be a whole number from 1 to 2147483647"),
            Self::UnsignedInt => (0, "must be a whole number from 0 to 2147483647"),
            _ => (i32::MIN, "must be a whole number of 32 bits"),
        };
        digits.parse::<i32>().ok().filter(|number| *number >= least && digits != "-0").map(|_| ()).ok_or(wanted)
    }

    /// Whether a text is one of its values, or what it must be.
    pub(super) fn takes_text(self, text: &str) -> Result<(), &'static str> {
        if text.is_empty() {
            return Err("is empty; leave the element out");
        }
        let (is_right, wanted) = match self {
            Self::Text | Self::Markdown => return takes_string(text),
            Self::Xhtml => return xhtml::check(text),
            Self::Base64Binary => (is_base64(text), "must be base64 (RFC 4648 section 4)"),
            Self::Code => (is_code(text), "must be a code: no spaces at the ends, no two beside each other"),
            Self::Date => (
                Moment::read(text).is_some_and(|moment| !moment.has_time()),
                "must be a date that exists: YYYY, YYYY-MM or YYYY-MM-DD",
            ),
            Self::DateTime => (
                Moment::read(text).is_some(),
                "must be a dateTime that exists: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone (Z or +09:00)",
            ),
            Self::Instant => (
                Moment::read(text).is_some_and(Moment::has_time),
                "must be an instant that exists: YYYY-MM-DDThh:mm:ss with a zone (Z or +09:00)",
            ),
            Self::Time => (dates::is_time(text), "must be a time: hh:mm:ss, without a zone"),
            Self::Id => (crate::fhir::is_valid_id(text), "must be an id: 1 to 64 letters, digits, '-' and '.'"),
            Self::Oid => (is_oid(text), "must be urn:oid: and an OID"),
            Self::Uuid => (is_uuid(text), "must be urn:uuid: and a UUID in lowercase"),
            Self::Canonical | Self::Uri | Self::Url => {
                (!text.chars().any(|c| c.is_whitespace() || c.is_control()), "must be a URI: no spaces")
            }
            Self::Boolean | Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt => {
                (false, self.json())
            }
        };
        if is_right { Ok(()) } else { Err(wanted) }
    }
}

fn takes_string(text: &str) -> Result<(), &'static str> {
    if text.len() > LONGEST_TEXT {
        return Err("is longer than 1 MB");
    }
    if text.bytes().any(|byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) {
        return Err("has control characters; only tab, line feed and carriage return are allowed");
    }
    if text.trim().is_empty() {
        return Err("is blank; leave the element out");
    }
    Ok(())
}

fn is_code(text: &str) -> bool {
    let mut after_space = true;
    for c in text.chars() {
        let is_space = c.is_whitespace() || c.is_control();
        if is_space && after_space {
            return false;
        }
        after_space = is_space;
    }
    !after_space
}

fn is_oid(text: &str) -> bool {
    let Some(oid) = text.strip_prefix("urn:oid:") else { return false };
    let mut arcs = oid.split('.');
    matches!(arcs.next(), Some("0" | "1" | "2"))
        && oid.contains('.')
        && arcs.all(|arc| {
            !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
        })
}

fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Groups of four, padded at the end; white space stands between groups only.
fn is_base64(text: &str) -> bool {
    let (mut count, mut padding) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => count += 1,
            b'=' => padding += 1,
            b' ' | b'\t' | b'\n' | b'\r' if (count + padding).is_multiple_of(4) => {}
            _ => return false,
        }
    }
    count > 0 && padding <= 2 && (count + padding).is_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::Primitive;

    fn takes(name: &str, text: &str) -> bool {
        Primitive::named(name).unwrap().takes_text(text).is_ok()
    }

    #[test]
    fn texts_have_the_form_of_their_type() {
        for (name, right, wrong) in [
            ("string", &["a", " a\tb\r\n", "渡り"][..], &["", " ", "\u{3000}", "a\u{1}"][..]),
            ("code", &["a", "a b", "<=", "final"], &["", " a", "a ", "a  b", "a\tb\t", "\n"]),
            ("uri", &["http://a.example/b?c=d", "urn:oid:1.2", "x"], &["", "a b", "a\u{3000}b", "\n"]),
            ("id", &["a", "A-1.b"], &["has space", "a_b", "é", "a/b"]),
            (
                "oid",
                &["urn:oid:1.2.3", "urn:oid:2.0"],
                &["1.2.3", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.02", "urn:oid:1."],
            ),
            (
                "uuid",
                &["urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"],
                &[
                    "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
                    "urn:uuid:0C3151BD-1CBF-4D64-B04D-CD9187A4C6E0",
                    "urn:uuid:1",
                ],
            ),
            ("date", &["2024", "2024-02-29"], &["2023-02-29", "2024-02-29T00:00:00Z", "19810228"]),
            ("dateTime", &["2024", "2024-02-29T00:00:00Z"], &["2024-02-29T00:00:00", "2024-02-29T00:00Z"]),
            ("instant", &["2024-02-29T00:00:00.5+09:00"], &["2024-02-29", "2024-02-29T00:00:00"]),
            ("time", &["00:00:00", "23:59:59.5"], &["24:00:00", "10:00", "10:00:00Z"]),
            (
                "base64Binary",
                &["aGVsbG8=", "aGVs\nbG8= ", "QQ=="],
                &["not base64!", "aG VsbG8=", "aGVsbG8", "=", "a=GV", "QQ===", "    "],
            ),
            ("boolean", &[], &["true"]),
            ("decimal", &[], &["1.0"]),
        ] {
            assert!(right.iter().all(|text| takes(name, text)), "{name}");
            for text in wrong {
                assert!(!takes(name, text), "{name} {text:?}");
            }
        }
    }

    #[test]
    fn whole_numbers_have_their_ranges() {
        for (name, right, wrong) in [
            ("integer", &["0", "-2147483648", "2147483647"][..], &["1.0", "1e2", "2147483648", "-0"][..]),
            ("unsignedInt", &["0", "2147483647"], &["-1", "0.5"]),
            ("positiveInt", &["1"], &["0", "-1"]),
            ("decimal", &["1.50", "-0.0", "1e-7", "123456789012345678901234567890"], &[]),
        ] {
            let primitive = Primitive::named(name).unwrap();
            assert!(right.iter().all(|digits| primitive.takes_number(digits).is_ok()), "{name}");
            assert!(wrong.iter().all(|digits| primitive.takes_number(digits).is_err()), "{name}");
        }
    }
}
