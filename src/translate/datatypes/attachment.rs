//! ED, RP, and text in OBX-5 → Attachment.

use crate::fhir::tree::{Value, json};
use base64::Engine as _;

use super::text::clean;
use crate::translate::build::{Context, Piece};

/// Text as an attachment.
pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";

/// OBX-5 by OBX-2: encapsulated data, a pointer, or the text itself.
pub(crate) fn of(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    match context.text("OBX", 2).as_deref() {
        Some("RP") => rp(piece),
        Some("TX" | "FT" | "ST") => text(piece),
        Some("ED") | None => ed(piece),
        Some(_) => {
            piece.drop_all("a value that is no part of a document");
            None
        }
    }
}

fn text(piece: &Piece<'_>) -> Option<Value> {
    let text = piece.take_whole().and_then(|text| clean(&text))?;
    let data = base64::engine::general_purpose::STANDARD.encode(text.as_bytes());
    Some(json!({"contentType": PLAIN, "data": data}))
}

/// RP: pointer, application, type, subtype. Where the pointer is no address by itself it is one only within its
/// application, and leads nobody else there.
fn rp(piece: &Piece<'_>) -> Option<Value> {
    let address = piece.get(1).filter(|text| !text.chars().any(|c| c.is_whitespace() || c.is_control()));
    let Some(address) = address.filter(|text| text.contains(':')) else {
        piece.drop_all("the pointer is no address that others could follow");
        return None;
    };
    let mut attachment = json!({"url": address});
    piece.book(1);
    if piece.get(3).is_some() {
        attachment["contentType"] = json!(content_type(piece.get(3).as_deref(), piece.get(4).as_deref()));
        piece.book(3);
        piece.book(4);
    }
    Some(attachment)
}

/// ED: source, type, subtype, encoding, data.
pub(crate) fn ed(piece: &Piece<'_>) -> Option<Value> {
    let (Some(data), Some(encoding)) = (piece.get(5), piece.get(4)) else {
        piece.drop_all("encapsulated data without its encoding or its data");
        return None;
    };
    let engine = base64::engine::general_purpose::STANDARD;
    let bytes = match encoding.to_ascii_uppercase().as_str() {
        "BASE64" => engine.decode(data.chars().filter(|c| !c.is_whitespace()).collect::<String>()).ok(),
        "HEX" => hexadecimal(&data),
        "A" => Some(data.into_owned().into_bytes()),
        _ => None,
    };
    let Some(bytes) = bytes else {
        piece.drop_all("encapsulated data that is not in the encoding it names");
        return None;
    };
    let kind = content_type(piece.get(2).as_deref(), piece.get(3).as_deref());
    for part in [2, 3, 4, 5] {
        piece.book(part);
    }
    Some(json!({"contentType": kind, "data": engine.encode(bytes)}))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

/// Tables 0191 and 0291. Older versions give `IM^JPEG`, newer ones the MIME type itself.
fn content_type(kind: Option<&str>, subtype: Option<&str>) -> String {
    let subtype = subtype.unwrap_or("").to_ascii_lowercase();
    let is_token =
        !subtype.is_empty() && subtype.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.'));
    let family = match kind.unwrap_or("").to_ascii_lowercase().as_str() {
        "im" | "image" | "ns" => "image",
        "text" | "ft" | "tx" => "text",
        "au" | "audio" => "audio",
        "video" => "video",
        _ => "application",
    };
    match subtype.as_str() {
        "octet-stream" => "application/octet-stream".to_owned(),
        "pdf" => "application/pdf".to_owned(),
        _ if is_token => format!("{family}/{subtype}"),
        _ => "application/octet-stream".to_owned(),
    }
}
