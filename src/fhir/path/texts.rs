//! The functions of texts: <http://hl7.org/fhirpath/N1/#string-manipulation>. Characters are counted, not bytes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use regex::{Regex, RegexBuilder};

use super::evaluate::{Frame, Given, Scope, one};
use super::expression::{Expression, Function};
use super::item::Item;
use super::{PathError, evaluation};
use crate::fhir::structure::Node;

/// Bytes that a regular expression may take when it is compiled.
const REGEX_SIZE: usize = 1024 * 1024;
/// Bytes of a text that a function may make.
const LONGEST: usize = 16 * 1024 * 1024;

/// A function of one text.
pub(super) fn function<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    function: Function,
    of: Vec<Item<'a, N>>,
    arguments: &'a [Expression],
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let Some(item) = one(of)? else { return Ok(Vec::new()) };
    let text = item.text().ok_or_else(|| evaluation("a text is wanted"))?;
    scope.spend(text.len() / 100)?;
    if function == Function::Substring {
        return substring(scope, &text, arguments, frame);
    }
    let mut given = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match scope.text(argument, frame)? {
            Some(argument) => given.push(argument),
            None => return Ok(Vec::new()),
        }
    }
    let first = given.first().map_or("", |text| &**text);
    let second = given.get(1).map_or("", |text| &**text);
    let made = |text: String| Item::Text(Cow::Owned(text));
    let whole = |count: usize| Item::Whole(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(vec![match function {
        Function::StartsWith => Item::Truth(text.starts_with(first)),
        Function::EndsWith => Item::Truth(text.ends_with(first)),
        Function::Contains => Item::Truth(text.contains(first)),
        Function::IndexOf => position(&text, text.find(first)),
        Function::LastIndexOf => position(&text, text.rfind(first)),
        Function::Length => whole(text.chars().count()),
        Function::Upper => made(text.to_uppercase()),
        Function::Lower => made(text.to_lowercase()),
        Function::Trim => made(text.trim().to_owned()),
        Function::Matches => Item::Truth(regex(first)?.is_match(&text)),
        Function::MatchesFull => Item::Truth(regex(&format!("^(?:{first})$"))?.is_match(&text)),
        Function::Replace => {
            let grown = text.matches(first).count().saturating_mul(second.len()).saturating_add(text.len());
            is_short(grown)?;
            // Nothing is between all characters, and before the first, but not behind the last.
            if first.is_empty() {
                made(text.chars().fold(second.to_owned(), |made, letter| format!("{made}{letter}{second}")))
            } else {
                made(text.replace(first, second))
            }
        }
        Function::ReplaceMatches if first.is_empty() => Item::Text(text),
        Function::ReplaceMatches => {
            is_short(text.len().saturating_mul(second.len().max(1)))?;
            made(regex(first)?.replace_all(&text, second).into_owned())
        }
        Function::ToChars => return Ok(text.chars().map(|letter| made(letter.to_string())).collect()),
        Function::Split => return Ok(text.split(first).map(|part| made(part.to_owned())).collect()),
        Function::Encode => made(encode(&text, first)?),
        Function::Decode => match decode(&text, first)? {
            Some(text) => made(text),
            None => return Ok(Vec::new()),
        },
        Function::Escape => made(escape(&text, first)?),
        _ => made(unescape(&text, first)?),
    }])
}

fn is_short(length: usize) -> Result<(), PathError> {
    if length > LONGEST { Err(PathError::TooCostly) } else { Ok(()) }
}

fn position<'a, N: Node>(text: &str, byte: Option<usize>) -> Item<'a, N> {
    let count = byte.and_then(|byte| text.get(..byte)).map(|before| before.chars().count());
    Item::Whole(count.and_then(|count| i64::try_from(count).ok()).unwrap_or(-1))
}

/// A regular expression without look-around: it takes time in proportion to the text.
fn regex(pattern: &str) -> Result<Regex, PathError> {
    RegexBuilder::new(pattern)
        .dot_matches_new_line(true)
        .size_limit(REGEX_SIZE)
        .build()
        .map_err(|_| evaluation("a regular expression that is not understood"))
}

fn substring<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    text: &str,
    arguments: &'a [Expression],
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let argument = |at: usize| match arguments.get(at) {
        Some(argument) => scope.whole(argument, frame),
        None => Ok(None),
    };
    let Some(start) = argument(0)?.and_then(|start| usize::try_from(start).ok()) else { return Ok(Vec::new()) };
    let count = argument(1)?.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(0));
    if start >= text.chars().count() {
        return Ok(Vec::new());
    }
    Ok(vec![Item::Text(Cow::Owned(text.chars().skip(start).take(count).collect()))])
}

/// The texts of a collection in one.
pub(super) fn join<'a, N: Node>(of: &[Item<'a, N>], separator: &str) -> Given<'a, N> {
    let mut texts = Vec::with_capacity(of.len());
    let mut length = 0_usize;
    for item in of {
        let text = item.text().ok_or_else(|| evaluation("a text is wanted"))?;
        length = length.saturating_add(text.len()).saturating_add(separator.len());
        is_short(length)?;
        texts.push(text);
    }
    if texts.is_empty() { Ok(Vec::new()) } else { Ok(vec![Item::Text(Cow::Owned(texts.join(separator)))]) }
}

fn encode(text: &str, form: &str) -> Result<String, PathError> {
    match form {
        "base64" => Ok(STANDARD.encode(text)),
        "urlbase64" => Ok(URL_SAFE.encode(text)),
        "hex" => Ok(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
        _ => Err(evaluation("an encoding that is not known: hex, base64 and urlbase64 are")),
    }
}

fn decode(text: &str, form: &str) -> Result<Option<String>, PathError> {
    let bytes = match form {
        "base64" => STANDARD.decode(text).ok(),
        "urlbase64" => URL_SAFE.decode(text).ok(),
        "hex" => {
            let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
            pairs.collect()
        }
        _ => return Err(evaluation("an encoding that is not known: hex, base64 and urlbase64 are")),
    };
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

const HTML: [(&str, &str); 5] = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")];

fn escape(text: &str, form: &str) -> Result<String, PathError> {
    match form {
        "html" => Ok(HTML.iter().fold(text.to_owned(), |text, (plain, escaped)| text.replace(plain, escaped))),
        "json" => {
            let quoted = serde_json::Value::from(text).to_string();
            Ok(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or("").to_owned())
        }
        _ => Err(evaluation("an escaping that is not known: html and json are")),
    }
}

fn unescape(text: &str, form: &str) -> Result<String, PathError> {
    match form {
        "html" => Ok(HTML.iter().rev().fold(text.to_owned(), |text, (plain, escaped)| text.replace(escaped, plain))),
        "json" => {
            // A quote that is not escaped stands for itself.
            let mut quoted = String::with_capacity(text.len() + 2);
            let mut is_escaped = false;
            for letter in text.chars() {
                if letter == '"' && !is_escaped {
                    quoted.push('\\');
                }
                is_escaped = letter == '\\' && !is_escaped;
                quoted.push(letter);
            }
            serde_json::from_str(&format!("\"{quoted}\"")).map_err(|_| evaluation("no escaped JSON text"))
        }
        _ => Err(evaluation("an escaping that is not known: html and json are")),
    }
}
