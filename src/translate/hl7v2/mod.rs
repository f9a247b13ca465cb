//! HL7 v2 messages in ER7 encoding, versions 2.1 to 2.8, as hospitals in Canada and Japan send them.

pub(crate) mod charset;
pub(crate) mod message;

mod acknowledge;
mod batch;
mod escape;
pub(crate) mod few;
mod header;
pub mod write;

use super::build::{self, Order};
use super::rows::file::MessageRow;
use super::{Mappings, Refused, RefusedCode, Setting, Translated};
use message::Message;

pub use acknowledge::{Complaint, acknowledge, application_acknowledge};
pub use batch::{Envelope, Line, split_batch};
pub use charset::{Charset, encode_exactly};
pub use header::{Header, header};
pub use message::Delimiters;

/// Translates one message.
pub fn translate(mappings: &Mappings, setting: &Setting, bytes: &[u8]) -> Result<Translated, Refused> {
    let read = read(setting, bytes)?;
    let rules = mappings.rules(setting.country);
    let row = rules.messages.get(&read.kind).ok_or_else(|| unsupported(mappings, setting, &read))?;
    finish(mappings, setting, bytes, read, row, None, None)
}

/// A message that could be read.
pub(crate) struct Read {
    pub message: Message,
    pub kind: String,
    pub control_id: Option<String>,
    warnings: Vec<String>,
}

/// Decodes and splits a message, and says what it is.
pub(crate) fn read(setting: &Setting, bytes: &[u8]) -> Result<Read, Refused> {
    let header = header(bytes);
    let kind = header.as_ref().map_or("?".to_owned(), Header::kind);
    let control_id = header.as_ref().and_then(|header| header.control_id.clone());
    let refused = |refused: Refused| refused.of(&kind, control_id.as_deref());
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(refused(Refused::new(RefusedCode::Truncated, "the message is empty; have it sent again")));
    }
    let decoded =
        charset::decode(bytes, setting.country, setting.charset_unnamed, setting.charset_binds).map_err(refused)?;
    let (message, mut warnings) = message::parse(&decoded.text, decoded.charset).map_err(refused)?;
    warnings.extend(decoded.warning);
    let processing = message.first("MSH").and_then(|header| header.text(11, 1));
    if let Some(code @ ("T" | "D")) = processing {
        warnings.push(format!("MSH-11 is {code}: the sender marks this as test data"));
    }
    let kind = kind_of(&message);
    let refused = |refused: Refused| refused.of(&kind, control_id.as_deref());
    if kind == "?" {
        let reason = "MSH-9 does not say what the message is (ADT^A01); the header seems cut off or slipped by a field";
        return Err(refused(Refused::new(RefusedCode::Truncated, reason).at("MSH-9")));
    }
    if message.segments.len() == 1 {
        let reason = "nothing follows MSH: the message seems cut off; have it sent again";
        return Err(refused(Refused::new(RefusedCode::Truncated, reason)));
    }
    Ok(Read { message, kind, control_id, warnings })
}

/// `ADT^A08`; the trigger of EVN-1 where old senders leave MSH-9.2 empty.
fn kind_of(message: &Message) -> String {
    let Some(code) = message.first("MSH").and_then(|header| header.text(9, 1)) else { return "?".to_owned() };
    let trigger = message.first("MSH").and_then(|header| header.text(9, 2));
    header::kind(code, trigger.or_else(|| message.first("EVN").and_then(|event| event.text(1, 1))).unwrap_or(""))
}

/// Builds the bundle of a message that was read.
pub(crate) fn finish(
    mappings: &Mappings,
    setting: &Setting,
    bytes: &[u8],
    read: Read,
    row: &MessageRow,
    history: Option<&str>,
    fallback_time: Option<jiff::Timestamp>,
) -> Result<Translated, Refused> {
    let order = Order {
        rules: mappings.rules(setting.country),
        setting,
        message: &read.message,
        row,
        original: bytes,
        kind: &read.kind,
        history,
        column: &|_| None,
        trace: mappings.trace(),
        fallback_time,
    };
    let built = build::build(&order).map_err(|refused| refused.of(&read.kind, read.control_id.as_deref()))?;
    let mut warnings = read.warnings;
    warnings.extend(built.warnings);
    Ok(Translated {
        kind: read.kind,
        control_id: read.control_id,
        event_time: built.event_time,
        bundle: built.bundle,
        amendments: built.amendments,
        losses: built.losses,
        warnings,
    })
}

fn unsupported(mappings: &Mappings, setting: &Setting, read: &Read) -> Refused {
    let known: Vec<&str> = mappings.rules(setting.country).messages.keys().map(String::as_str).collect();
    let reason = format!(
        "{} is not translated by this release; the message is kept and can be released again after an upgrade or with \
         mapping rows for it; translated are {}",
        read.kind,
        known.join(", ")
    );
    Refused::new(RefusedCode::UnsupportedType, reason).at("MSH-9").of(&read.kind, read.control_id.as_deref())
}
