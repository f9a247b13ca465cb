//! An HL7 v2 message as a tree: segments, fields, repetitions, components, subcomponents (HL7 v2.5.1, chapter 2).
//!
//! Splits decoded text only. Positions count from 1, as in the standard. Own code, because delimiters are whatever MSH
//! declares and offsets in Japanese text are characters.

use std::ops::Range;

use compact_str::CompactString;

use super::charset::Charset;
use super::escape;
use super::few::Few;
use crate::translate::{Refused, RefusedCode};

/// More segments than this in one message are refused.
const MAX_SEGMENTS: usize = 20_000;
/// More components than this in one message are refused: a megabyte of `^` must not become a gigabyte of vectors.
const MAX_PARTS: usize = 400_000;

/// The five delimiters of MSH-1 and MSH-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// MSH-1.
    pub field: char,
    /// First of MSH-2.
    pub component: char,
    /// Second of MSH-2.
    pub repetition: char,
    /// Third of MSH-2; `None` if the sender declares none.
    pub escape: Option<char>,
    /// Fourth of MSH-2; `None` if the sender declares none.
    pub subcomponent: Option<char>,
}

/// A parsed message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its segments in order; the first is MSH.
    pub segments: Vec<Segment>,
    /// What it was split from; `None` for one that was put together from parts.
    pub written: Option<Written>,
}

/// The text a message was split from.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// What it is split by.
    pub delimiters: Delimiters,
    /// What `\Xhh..\` escapes are written in.
    pub charset: Charset,
    text: String,
    /// Where every field begins and ends in the text.
    fields: Vec<Range<usize>>,
    /// The first field of every segment.
    segments: Vec<usize>,
}

impl Written {
    /// Field `number` (from 1) of a segment as it is written, escapes and all; empty if the segment ends before it.
    pub fn field(&self, segment: usize, number: usize) -> &str {
        let until = self.segments.get(segment + 1).copied().unwrap_or(self.fields.len());
        let first = self.segments.get(segment).copied().unwrap_or(until);
        let at = number.checked_sub(1).map(|at| first + at).filter(|at| *at < until);
        at.and_then(|at| self.text.get(self.fields.get(at)?.clone())).unwrap_or("")
    }

    /// [`Written::field`], if it means what it says: nothing is escaped, and the delimiters are the usual ones.
    pub fn as_usual(&self, segment: usize, number: usize) -> Option<&str> {
        let Delimiters { component, escape, subcomponent, .. } = self.delimiters;
        let text = self.field(segment, number);
        let is_usual = component == '^' && subcomponent == Some('&');
        (is_usual && !escape.is_some_and(|escape| text.contains(escape))).then_some(text)
    }

    fn add(&mut self, of: &str, field: &str) {
        let from = (field.as_ptr() as usize).saturating_sub(of.as_ptr() as usize);
        self.fields.push(from..from + field.len());
    }
}

/// A segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Three characters, e.g. `PID`.
    pub name: String,
    /// Field 1 is at index 0.
    pub fields: Vec<Field>,
}

/// A field: its repetitions.
pub type Field = Few<Repetition>;
/// A repetition: its components.
pub type Repetition = Few<Component>;
/// A component: its subcomponents, unescaped.
pub type Component = Few<CompactString>;

impl Segment {
    /// Whether it is of this name. Three bytes are compared in place, which is asked for thousands of times a message.
    pub fn is(&self, name: &str) -> bool {
        self.name.len() == name.len() && self.name.bytes().eq(name.bytes())
    }

    /// Field `number` (from 1), without repetitions if the segment ends before it.
    pub fn field(&self, number: usize) -> &[Repetition] {
        number.checked_sub(1).and_then(|at| self.fields.get(at)).map_or(&[], |field| &**field)
    }

    /// Text of one component of the first repetition, trimmed; `None` if absent, empty or the explicit null `""`.
    pub fn text(&self, field: usize, component: usize) -> Option<&str> {
        let text = self.field(field).first()?.get(component.checked_sub(1)?)?.first()?.trim();
        (!text.is_empty() && text != "\"\"").then_some(text)
    }
}

impl Delimiters {
    /// How many of them a text holds.
    fn count(&self, text: &str) -> usize {
        let all = [Some(self.field), Some(self.component), Some(self.repetition), self.subcomponent];
        let ascii: Vec<u8> = all.into_iter().flatten().filter_map(|letter| u8::try_from(letter).ok()).collect();
        match ascii[..] {
            // The usual ones are bytes.
            [a, b, c, d] if [a, b, c, d].is_ascii() => {
                text.bytes().filter(|byte| *byte == a || *byte == b || *byte == c || *byte == d).count()
            }
            _ => text.chars().filter(|letter| self.contain(*letter)).count(),
        }
    }

    /// Whether `letter` parts a message into fields, repetitions, components or subcomponents.
    fn contain(&self, letter: char) -> bool {
        letter == self.field
            || letter == self.component
            || letter == self.repetition
            || self.subcomponent == Some(letter)
    }
}

impl Message {
    /// A message that is put together from parts.
    pub fn of(segments: Vec<Segment>) -> Self {
        Self { segments, written: None }
    }

    /// The first segment of a name.
    pub fn first(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.is(name))
    }
}

/// Splits decoded text. `charset` is what `\Xhh..\` escapes are written in.
pub fn parse(text: &str, charset: Charset) -> Result<(Message, Vec<String>), Refused> {
    let text = text.trim_start_matches(['\u{feff}', '\u{b}', '\r', '\n', ' ']);
    let (delimiters, warning) = delimiters(text)?;
    // Counted before anything is built: a megabyte of delimiters would become a hundred of empty parts.
    if delimiters.count(text) > MAX_PARTS {
        return Err(too_large(format!("the message has more than {MAX_PARTS} components")));
    }
    let mut parts = 0;
    let mut segments = Vec::new();
    let lines = lines(text);
    let mut written = Written {
        delimiters,
        charset,
        text: text.to_owned(),
        fields: Vec::with_capacity(lines.len() * 16),
        segments: Vec::with_capacity(lines.len()),
    };
    for (index, line) in lines.iter().enumerate() {
        let is_last = index + 1 == lines.len();
        let name = segment_name(line, delimiters.field).ok_or_else(|| bad_segment(index, is_last))?;
        if segments.len() == MAX_SEGMENTS {
            return Err(too_large(format!("the message has more than {MAX_SEGMENTS} segments")));
        }
        written.segments.push(written.fields.len());
        let mut note = |field: &str| written.add(text, field);
        let segment = split_segment(name, line, &delimiters, charset, index == 0, &mut parts, &mut note);
        if parts > MAX_PARTS {
            return Err(too_large(format!("the message has more than {MAX_PARTS} components")));
        }
        segments.push(segment);
    }
    Ok((Message { segments, written: Some(written) }, warning.into_iter().collect()))
}

fn too_large(reason: String) -> Refused {
    Refused::new(RefusedCode::TooLarge, format!("{reason}; split it at the sender"))
}

/// Reads MSH-1 and MSH-2.
pub fn delimiters(text: &str) -> Result<(Delimiters, Option<String>), Refused> {
    let mut characters =
        text.strip_prefix("MSH").ok_or_else(|| unreadable("the message does not begin with MSH"))?.chars();
    let field = characters.next().ok_or_else(|| truncated("the message ends inside MSH"))?;
    if field.is_alphanumeric() || field.is_whitespace() {
        return Err(unreadable("the character after MSH is no delimiter").at("MSH-1"));
    }
    let declared: Vec<char> = characters.take_while(|c| *c != field && *c != '\r' && *c != '\n').collect();
    let [component, repetition, ref rest @ ..] = declared[..] else {
        return Err(unreadable("MSH-2 must hold at least the component and repetition delimiters").at("MSH-2"));
    };
    let (escape, subcomponent, warning) = match rest {
        [] => (None, None, None),
        [escape] => (Some(*escape), None, None),
        // A sender that doubled the backslash on its way through a program text; nothing else can be meant.
        [escape, doubled, subcomponent, ..] if escape == doubled => {
            let warning = "MSH-2 holds the escape character twice; read as once".to_owned();
            (Some(*escape), Some(*subcomponent), Some(warning))
        }
        [escape, subcomponent, ..] => (Some(*escape), Some(*subcomponent), None),
    };
    let all: Vec<char> =
        [Some(field), Some(component), Some(repetition), escape, subcomponent].into_iter().flatten().collect();
    let distinct = all.iter().enumerate().all(|(at, c)| !all[..at].contains(c));
    if !distinct || all.iter().any(|c| c.is_alphanumeric()) {
        return Err(unreadable("MSH-1 and MSH-2 must hold different delimiters, no letters or digits").at("MSH-2"));
    }
    Ok((Delimiters { field, component, repetition, escape, subcomponent }, warning))
}

/// The segments as lines. CR ends a segment; LF does too where the text has no CR, or where a segment follows it.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let has_cr = text.contains('\r');
    for piece in text.split('\r') {
        if !has_cr {
            lines.extend(piece.split('\n'));
            continue;
        }
        let mut start = 0;
        for (at, _) in piece.match_indices('\n') {
            let rest = &piece[at + 1..];
            if begins_segment(rest) || rest.trim().is_empty() || start == at {
                lines.push(&piece[start..at]);
                start = at + 1;
            }
        }
        lines.push(&piece[start..]);
    }
    lines.retain(|line| !line.trim_matches([' ', '\t', '\n', '\u{1c}', '\u{b}', '\0']).is_empty());
    lines
}

fn begins_segment(line: &str) -> bool {
    let mut characters = line.chars();
    let name: String = characters.by_ref().take(3).collect();
    is_segment_name(&name) && characters.next().is_some_and(|c| !c.is_alphanumeric() && !c.is_whitespace())
}

fn is_segment_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() == 3
        && bytes[0].is_ascii_uppercase()
        && bytes[1..].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// The name of a segment; a name alone on its line is an empty segment.
fn segment_name(line: &str, field: char) -> Option<&str> {
    let name = line.split(field).next()?.trim();
    is_segment_name(name).then_some(name)
}

fn bad_segment(index: usize, is_last: bool) -> Refused {
    let at = index + 1;
    if is_last {
        truncated(format!("segment {at}, the last, does not begin with a segment name: the message seems cut off"))
    } else {
        unreadable(format!("segment {at} does not begin with a segment name of three capital letters or digits"))
    }
}

/// `note` is told every field as it is written.
fn split_segment(
    name: &str,
    line: &str,
    by: &Delimiters,
    charset: Charset,
    header: bool,
    parts: &mut usize,
    note: &mut dyn FnMut(&str),
) -> Segment {
    let mut fields: Vec<Field> = Vec::with_capacity(Pieces::of(line, by.field).count() + 1);
    let mut texts = Pieces::of(line, by.field).skip(1);
    if header {
        *parts += 2;
        let delimiters = texts.next().unwrap_or("");
        note("");
        note(delimiters);
        fields.push(single(by.field.encode_utf8(&mut [0; 4])));
        fields.push(single(delimiters));
    }
    for text in texts {
        *parts += 1;
        let text = text.trim_end_matches(['\u{1c}', '\0']);
        note(text);
        if text.is_empty() {
            fields.push(Few::None);
        } else if *parts <= MAX_PARTS {
            fields
                .push(Pieces::of(text, by.repetition).map(|text| split_repetition(text, by, charset, parts)).collect());
        }
    }
    Segment { name: name.to_owned(), fields }
}

/// The pieces of a text between delimiters. They are short: what `str::split` makes ready for a long search costs more
/// than looking at every byte.
struct Pieces<'a> {
    rest: Option<&'a str>,
    by: char,
}

impl<'a> Pieces<'a> {
    fn of(text: &'a str, by: char) -> Self {
        Self { rest: Some(text), by }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let at = match u8::try_from(self.by) {
            // No byte of a longer character is one of ASCII.
            Ok(by) if by.is_ascii() => rest.bytes().position(|byte| byte == by),
            _ => rest.find(self.by),
        };
        let Some(at) = at else {
            self.rest = None;
            return Some(rest);
        };
        self.rest = Some(&rest[at + self.by.len_utf8()..]);
        Some(&rest[..at])
    }
}

/// A field of one component without parts.
pub(crate) fn single(text: &str) -> Field {
    Few::one(Few::one(Few::one(text.into())))
}

fn split_repetition(text: &str, by: &Delimiters, charset: Charset, parts: &mut usize) -> Repetition {
    let split = |component: &str| -> Component {
        match by.subcomponent {
            Some(sub) if component.contains(sub) => {
                Pieces::of(component, sub).map(|text| escape::unescape(text, by, charset)).collect()
            }
            _ => Few::one(escape::unescape(component, by, charset)),
        }
    };
    let mut within = |component: &str| {
        let component = (*parts <= MAX_PARTS).then(|| split(component))?;
        *parts += component.len();
        Some(component)
    };
    Pieces::of(text, by.component).map_while(&mut within).collect()
}

fn unreadable(reason: impl Into<String>) -> Refused {
    Refused::new(RefusedCode::Unreadable, format!("{}; this is not an HL7 v2 message as ER7 text", reason.into()))
}

fn truncated(reason: impl Into<String>) -> Refused {
    Refused::new(RefusedCode::Truncated, format!("{}; have it sent again", reason.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Message {
        parse(text, Charset::Utf8).unwrap().0
    }

    #[test]
    fn positions_count_as_in_the_standard() {
        let message = read("MSH|^~\\&|APP|FAC\rPID|1||77^^^A&1.2&ISO~88||渡邉^花子\r");
        let [msh, pid] = &message.segments[..] else { panic!("two segments") };
        assert_eq!(msh.text(1, 1), Some("|"));
        assert_eq!(msh.text(2, 1), Some("^~\\&"));
        assert_eq!(msh.text(4, 1), Some("FAC"));
        assert_eq!(pid.field(3)[0][3], ["A", "1.2", "ISO"]);
        assert_eq!(pid.field(3)[1][0], ["88"]);
        assert_eq!(pid.text(5, 2), Some("花子"));
        assert_eq!(pid.text(9, 1), None);
        let written = message.written.as_ref().unwrap();
        assert_eq!(written.field(0, 4), "FAC");
        assert_eq!(written.field(1, 3), "77^^^A&1.2&ISO~88");
        assert_eq!((written.field(1, 9), written.field(1, 0), written.field(9, 1)), ("", "", ""));
    }

    #[test]
    fn every_line_ending_and_other_delimiters() {
        for text in [
            "MSH|^~\\&|A\rPID|1\r",
            "MSH|^~\\&|A\r\nPID|1\r\n",
            "MSH|^~\\&|A\n\nPID|1",
            "\u{b}MSH|^~\\&|A\rPID|1\u{1c}\r",
        ] {
            let message = read(text);
            assert_eq!(message.segments.len(), 2, "{text:?}");
            assert_eq!(message.segments[1].text(1, 1), Some("1"), "{text:?}");
        }
        let odd = read("MSH#*+!$#A\rPID###1*2+3$4");
        assert_eq!(odd.segments[1].field(3)[1][0], ["3", "4"]);
        let yen = read("MSH|^~¥&|A\rOBX|1|TX|||a¥F¥b");
        assert_eq!(yen.segments[1].text(5, 1), Some("a|b"));
    }

    #[test]
    fn a_line_feed_inside_a_field_stays_text() {
        let message = read("MSH|^~\\&|A\rOBX|1|TX|||first line\nsecond line\rNTE|1\r");
        assert_eq!(message.segments.len(), 3);
        assert_eq!(message.segments[1].text(5, 1), Some("first line\nsecond line"));
    }

    #[test]
    fn what_is_no_message_is_refused_by_kind() {
        let code = |text: &str| parse(text, Charset::Utf8).err().unwrap().code;
        assert_eq!(code("hello"), RefusedCode::Unreadable);
        assert_eq!(code("MSHxyz"), RefusedCode::Unreadable);
        assert_eq!(code("MSH|^^^^|A"), RefusedCode::Unreadable);
        assert_eq!(code("MSH"), RefusedCode::Truncated);
        assert_eq!(code("MSH|^~\\&|A\rPID|1\rOB"), RefusedCode::Truncated);
        assert_eq!(code("MSH|^~\\&|A\rnot a segment\rPID|1"), RefusedCode::Unreadable);
        assert_eq!(code(&format!("MSH|^~\\&|A\rOBX|{}", "^".repeat(MAX_PARTS + 10))), RefusedCode::TooLarge);
    }
}
