//! Conditions of conditional requests (<https://hl7.org/fhir/R4/http.html#ccreate>). Only `identifier=system|value` is
//! taken: it is the one kind that identifies.

/// System and value of a condition; `None` if it is anything but one `identifier=system|value`.
pub fn identifier(query: &str) -> Option<(String, String)> {
    let token = query.strip_prefix("identifier=").filter(|token| !token.contains('&'))?;
    let token = percent_decoded(token);
    let (system, value) = split_token(&token)?;
    (!value.is_empty() && !has_bare_comma(value)).then(|| (unescaped(system), unescaped(value)))
}

/// At the first `|` that is not escaped.
fn split_token(token: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, letter) in token.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '|' => return Some((&token[..at], &token[at + 1..])),
            _ => {}
        }
    }
    None
}

/// A comma that is not escaped would mean "or".
fn has_bare_comma(value: &str) -> bool {
    let mut escaped = false;
    value.chars().any(|letter| {
        let bare = letter == ',' && !escaped;
        escaped = letter == '\\' && !escaped;
        bare
    })
}

/// Undoes the escapes of search values: `\|`, `\,`, `\$` (R4 search, "escaping search parameters").
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// Undoes percent-encoding; text that is not valid encoding stays as written.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = (byte == b'%').then(|| tail.get(..2)).flatten().and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &tail[2..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
