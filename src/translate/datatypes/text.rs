//! ST, TX, FT → string.

use crate::fhir::tree::{Text, Value};

use crate::translate::build::Piece;
use crate::translate::rows::file::Row;

/// One string per repetition for a list element, else one string with a line per repetition: in TX and FT a repetition is
/// a line.
pub(crate) fn strings(row: &Row, pieces: &[Piece<'_>]) -> Vec<Value> {
    let texts = pieces.iter().filter_map(|piece| {
        let text = piece.whole().and_then(|text| clean(&text));
        match &text {
            Some(_) => piece.book_all(),
            None if !piece.is_empty() => piece.drop_all("it holds only characters that FHIR text may not"),
            None => {}
        }
        text
    });
    if row.path.grows() {
        return texts.map(Value::from).collect();
    }
    let lines: Vec<Text> = texts.collect();
    match &lines[..] {
        [] => Vec::new(),
        [line] => vec![Value::from(line)],
        lines => vec![Value::from(lines.join("\n"))],
    }
}

/// Text without the control characters that FHIR strings exclude and without white space around; `None` if nothing is
/// left.
pub(crate) fn clean(text: &str) -> Option<Text> {
    if !text.chars().any(char::is_control) {
        let trimmed = text.trim();
        return (!trimmed.is_empty()).then(|| Text::copied(trimmed));
    }
    let kept: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')).collect();
    let trimmed = kept.trim();
    (!trimmed.is_empty()).then(|| Text::copied(trimmed))
}
