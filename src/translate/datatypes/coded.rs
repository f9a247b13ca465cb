//! CE, CWE, CNE, IS, ID → CodeableConcept, Coding, code.
//!
//! A coding system that no row knows is the hospital's own: its address is made from the institution's namespace, so that
//! two hospitals' `99Z01` stay two systems.

use crate::fhir::tree::{Map, Text, Value, json};

use super::text::clean;
use crate::translate::build::{Context, Piece};
use crate::translate::rows::file::Row;

/// Positions of code, text, system and version in a coded value.
const TRIPLETS: [[usize; 4]; 3] = [[1, 2, 3, 7], [4, 5, 6, 8], [10, 11, 12, 13]];
const ORIGINAL_TEXT: usize = 9;
const NO_ENTRY: &str = "the code is not in the table that the element is bound to";

/// → CodeableConcept.
pub(crate) fn concept(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let wanted: &[[usize; 4]] = match row.triplet {
        Some(1) => &TRIPLETS[..1],
        Some(2) => &TRIPLETS[1..2],
        _ => &TRIPLETS,
    };
    let mut concept = concept_of(context, piece, from_table(row, context, piece), wanted)?;
    if let Some(name) = &row.system
        && let Some(coding) = concept.pointer_mut("/coding/0")
        && coding.get("system").is_none()
    {
        let code = coding["code"].as_str().unwrap_or("").to_owned();
        coding["system"] = json!(system_address(context, name, &code));
    }
    rename(row, context, &mut concept);
    for coding in concept.get_mut("coding").and_then(Value::as_array_mut).into_iter().flatten() {
        name(context, coding);
    }
    Some(concept)
}

/// Systems whose name means another list in this field.
fn rename(row: &Row, context: &Context<'_>, concept: &mut Value) {
    if row.names.is_empty() {
        return;
    }
    for coding in concept.get_mut("coding").and_then(Value::as_array_mut).into_iter().flatten() {
        let code = coding["code"].as_str().unwrap_or("").to_owned();
        let address = |name: &str| json!(system_address(context, name, &code));
        if let Some((_, name)) = row.names.iter().find(|(name, _)| coding["system"] == address(name)) {
            coding["system"] = address(name);
        }
    }
}

/// → CodeableConcept with the code of BCP 47, or what the source has where the table knows none.
pub(crate) fn language(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let Some(mut coding) = from_table(row, context, piece) else { return plain_concept(context, piece) };
    piece.book(3);
    if let Some(display) = piece.take(2).and_then(|text| clean(&text)) {
        coding["display"] = json!(display);
    }
    let text = piece.take(ORIGINAL_TEXT).and_then(|text| clean(&text));
    build(std::iter::once(coding).chain(other_language(row, context, piece)).collect(), text)
}

/// What the alternate code of a language says: BCP 47 where the table knows it.
fn other_language(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let [code, display, system, _] = TRIPLETS[1];
    let Some((known, address)) = piece.get(code).and_then(|source| entry(row, context, &source)) else {
        return source_coding(context, piece, TRIPLETS[1]);
    };
    for part in [code, display, system] {
        piece.book(part);
    }
    let mut coding = Map::new();
    if let Some(address) = address {
        coding.insert("system", json!(address));
    }
    coding.insert("code", json!(known));
    let mut coding = Value::Object(coding);
    name(context, &mut coding);
    Some(coding)
}

/// → CodeableConcept with the codings of the source only.
pub(crate) fn plain_concept(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    concept_of(context, piece, None, &TRIPLETS)
}

fn concept_of(context: &Context<'_>, piece: &Piece<'_>, first: Option<Value>, wanted: &[[usize; 4]]) -> Option<Value> {
    let mut codings: Vec<Value> = first.into_iter().collect();
    let mut text = None;
    if wanted[0] == TRIPLETS[0] {
        text = piece.take(ORIGINAL_TEXT).and_then(|text| clean(&text));
    }
    for triplet in wanted {
        match source_coding(context, piece, *triplet) {
            // The table's coding says what a bare code says.
            Some(coding) if !codings.is_empty() && coding.as_object().is_some_and(|coding| coding.len() == 1) => {}
            Some(coding) => codings.push(coding),
            None => {
                // A text without a code is the concept's text.
                if text.is_none() {
                    text = piece.take(triplet[1]).or_else(|| piece.take(triplet[0])).and_then(|text| clean(&text));
                }
            }
        }
    }
    build(codings, text)
}

/// Text that stands for an uncoded value: IS and ID, or a `CodeableConcept` written as plain text.
fn build(codings: Vec<Value>, text: Option<Text>) -> Option<Value> {
    let mut concept = Map::new();
    if !codings.is_empty() {
        concept.insert("coding", Value::Array(codings));
    }
    if let Some(text) = text {
        concept.insert("text", Value::from(text));
    }
    (!concept.is_empty()).then_some(Value::Object(concept))
}

/// → CodeableConcept whose codes must be the table's.
pub(crate) fn bound_concept(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let Some(coding) = from_table(row, context, piece) else {
        piece.drop_all(NO_ENTRY);
        return None;
    };
    piece.book(3);
    let text = piece.take(2).and_then(|text| clean(&text));
    build(vec![coding], text)
}

/// → Coding.
pub(crate) fn coding(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    if let Some(coding) = from_table(row, context, piece) {
        piece.book(2);
        piece.book(3);
        return Some(coding);
    }
    let coding = source_coding(context, piece, TRIPLETS[0]).or_else(|| source_coding(context, piece, TRIPLETS[1]));
    if coding.is_none() {
        piece.drop_all("it has no code");
    }
    coding.map(|mut coding| {
        // The table's own system is known even where the sender leaves it out.
        if coding.get("system").is_none()
            && let Some(table) = &row.table
            && let Some(system) = context.rules.system(&format!("HL7{}", table.get_ref()), "")
        {
            coding["system"] = json!(system);
        }
        coding
    })
}

/// → code.
pub(crate) fn code(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    match look_up(row, context, piece) {
        Some((code, _)) => {
            piece.book(1);
            piece.book(2);
            piece.book(3);
            Some(Value::from(code))
        }
        None => {
            piece.drop_all(NO_ENTRY);
            None
        }
    }
}

/// → string: what the source says in words, else its code.
pub(crate) fn display(piece: &Piece<'_>) -> Option<Value> {
    let words = [ORIGINAL_TEXT, 2, 5, 1].into_iter().find(|part| piece.get(*part).is_some())?;
    piece.take(words).and_then(|text| clean(&text)).map(Value::from)
}

/// `Y`/`N` → boolean.
pub(crate) fn boolean(piece: &Piece<'_>) -> Option<Value> {
    let value = match piece.get(1)?.as_ref() {
        "Y" | "y" | "1" => true,
        "N" | "n" | "0" => false,
        _ => {
            piece.drop_all("it is neither Y nor N");
            return None;
        }
    };
    piece.book_all();
    Some(Value::Bool(value))
}

fn look_up<'a>(row: &Row, context: &Context<'a>, piece: &Piece<'_>) -> Option<(&'a Text, Option<&'a Text>)> {
    entry(row, context, &piece.get(1)?)
}

/// What the row's table has for a code of the source: its code, and the system of it.
fn entry<'a>(row: &Row, context: &Context<'a>, source: &str) -> Option<(&'a Text, Option<&'a Text>)> {
    let table = context.rules.table(row.table.as_ref()?.get_ref())?;
    let code = table.codes.get(source).or_else(|| table.codes.get(&source.to_uppercase()));
    let code = code.or_else(|| table.codes.get(&source.to_lowercase()))?;
    Some((code, table.system.as_ref()))
}

fn from_table(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let (code, system) = look_up(row, context, piece)?;
    piece.book(1);
    let mut coding = Map::new();
    if let Some(system) = system {
        coding.insert("system", json!(system));
    }
    coding.insert("code", json!(code));
    let mut coding = Value::Object(coding);
    name(context, &mut coding);
    Some(coding)
}

/// A code of one of HL7's tables, in the words of the table.
pub(crate) fn table_coding(context: &Context<'_>, table: &str, code: &str) -> Value {
    let mut coding = json!({"system": format!("{}{table}", crate::fhir::systems::V2), "code": code});
    name(context, &mut coding);
    coding
}

/// The coding at a triplet, booked; `None` if it has no code.
pub(crate) fn source_coding(
    context: &Context<'_>,
    piece: &Piece<'_>,
    [code, display, system, version]: [usize; 4],
) -> Option<Value> {
    let text = piece.get(code)?;
    // Words without a coding system are a text that somebody wrote where a code should be.
    if !is_code(&text) || (text.contains(' ') && piece.get(system).is_none()) {
        return None;
    }
    let mut coding = Map::new();
    if let Some(name) = piece.take(system) {
        coding.insert("system", json!(system_address(context, &name, &text)));
        if let Some(version) = piece.take(version).and_then(|text| clean(&text)) {
            coding.insert("version", json!(version));
        }
    }
    piece.book(code);
    coding.insert("code", json!(text));
    if let Some(display) = piece.take(display).and_then(|text| clean(&text)) {
        coding.insert("display", json!(display));
    }
    Some(Value::Object(coding))
}

/// The name that the code system itself gives, where the source gives none.
fn name(context: &Context<'_>, coding: &mut Value) {
    if coding.get("display").is_none()
        && let (Some(system), Some(code)) = (coding["system"].as_str(), coding["code"].as_str())
        && let Some(display) = context.rules.display(system, code)
    {
        coding["display"] = json!(display);
    }
}

/// The address of a coding system by its name in a message.
pub(crate) fn system_address(context: &Context<'_>, name: &str, code: &str) -> Text {
    if let Some(url) = context.rules.system(name, code) {
        return url;
    }
    if is_oid(name) {
        return format!("urn:oid:{name}").into();
    }
    let is_address = ["http://", "https://", "urn:"].iter().any(|scheme| name.starts_with(scheme));
    if is_address && !name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Text::copied(name);
    }
    context.setting.code_system(name).into()
}

/// FHIR `code`: no white space at the ends, single spaces within.
pub(crate) fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text.split(' ').all(|word| !word.is_empty() && !word.chars().any(|c| c.is_whitespace() || c.is_control()))
}

/// An object identifier with at least three arcs.
pub(crate) fn is_oid(text: &str) -> bool {
    let arcs: Vec<&str> = text.split('.').collect();
    let is_arc = |arc: &&str| {
        !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()) && (*arc == "0" || !arc.starts_with('0'))
    };
    arcs.len() >= 3 && matches!(arcs[0], "0" | "1" | "2") && arcs.iter().all(is_arc)
}
