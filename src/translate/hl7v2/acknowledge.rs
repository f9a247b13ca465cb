//! ACK: <https://www.hl7.eu/HL7v2x/v251/std251/ch02.html> 2.9: MSH, MSA and, when refused, ERR.

use jiff::Timestamp;

use super::charset;
use super::escape::escape;
use super::header::Header;

/// Longest MSA-3 of version 2.5.
const MAX_TEXT: usize = 80;

/// What is wrong with a message. Holds no patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Error condition: one of the constants.
    pub condition: &'static str,
    /// For a person.
    pub text: String,
    /// Where (`PID-3`), when known.
    pub place: Option<String>,
}

impl Complaint {
    /// Table 0357, 100.
    pub const SEQUENCE: &'static str = "100";
    /// Table 0357, 101.
    pub const FIELD_MISSING: &'static str = "101";
    /// Table 0357, 102.
    pub const DATA_TYPE: &'static str = "102";
    /// Table 0357, 200.
    pub const MESSAGE_TYPE: &'static str = "200";
    /// Table 0357, 201.
    pub const EVENT_CODE: &'static str = "201";
    /// Table 0357, 204.
    pub const UNKNOWN_KEY: &'static str = "204";
    /// Table 0357, 207.
    pub const INTERNAL: &'static str = "207";

    /// Without a place.
    pub fn new(condition: &'static str, text: &str) -> Self {
        Self { condition, text: text.to_owned(), place: None }
    }

    fn meaning(&self) -> &'static str {
        match self.condition {
            Self::SEQUENCE => "Segment sequence error",
            Self::FIELD_MISSING => "Required field missing",
            Self::DATA_TYPE => "Data type error",
            Self::MESSAGE_TYPE => "Unsupported message type",
            Self::EVENT_CODE => "Unsupported event code",
            Self::UNKNOWN_KEY => "Unknown key identifier",
            _ => "Application internal error",
        }
    }
}

/// Builds the reply to the message that `header` came from, in its delimiters, version and character set: original mode
/// (`AA`, `AE`, `AR`) or the commit acknowledgement of enhanced mode (`CA`, `CE`, `CR`).
///
/// The reply holds no data of the patient: the complaint comes from [`crate::translate::Refused`], which has none.
pub fn acknowledge(header: &Header, code: &str, complaint: Option<&Complaint>, now: Timestamp) -> Vec<u8> {
    reply(header, code, complaint, now, false)
}

/// Builds the application acknowledgement of enhanced mode. It is a message of its own and wants no answer itself.
pub fn application_acknowledge(header: &Header, code: &str, complaint: Option<&Complaint>, now: Timestamp) -> Vec<u8> {
    reply(header, code, complaint, now, true)
}

fn reply(header: &Header, code: &str, complaint: Option<&Complaint>, now: Timestamp, wants_none: bool) -> Vec<u8> {
    let by = &header.delimiters;
    let f = by.field;
    let c = by.component;
    let declared: String = [Some(c), Some(by.repetition), by.escape, by.subcomponent].into_iter().flatten().collect();
    let time = now.strftime("%Y%m%d%H%M%S+0000");
    let identifier: String = crate::ids::fresh().chars().filter(|c| *c != '-').take(20).collect();
    let kind = match header.trigger.as_str() {
        "" => "ACK".to_owned(),
        trigger => format!("ACK{c}{trigger}{c}ACK"),
    };
    let version = if header.version.is_empty() { "2.5" } else { &header.version };
    let processing = if header.processing_id.is_empty() { "P" } else { &header.processing_id };
    let mut msh = format!(
        "MSH{f}{declared}{f}{}{f}{}{f}{}{f}{}{f}{time}{f}{f}{kind}{f}{identifier}{f}{processing}{f}{version}",
        header.receiving_application, header.receiving_facility, header.sending_application, header.sending_facility,
    );
    let modes = if wants_none { format!("{f}{f}{f}NE{f}NE") } else { String::new() };
    msh.push_str(&modes);
    if !header.declared_charset.is_empty() {
        msh.extend(std::iter::repeat_n(f, if wants_none { 2 } else { 6 }));
        msh.push_str(&header.declared_charset);
    }
    let control = header.control_id.as_deref().unwrap_or("");
    let mut reply = format!("{msh}\rMSA{f}{code}{f}{control}");
    if let Some(complaint) = complaint {
        let short: String = complaint.text.chars().take(MAX_TEXT).collect();
        reply.push(f);
        reply.push_str(&escape(&short, by));
    }
    reply.push('\r');
    if let Some(complaint) = complaint {
        reply.push_str(&err_segment(header, complaint));
    }
    charset::encode(&reply, header.charset)
}

/// ERR as version 2.5 and later have it (location, code of table 0357, severity, user message), or as before (ELD).
fn err_segment(header: &Header, complaint: &Complaint) -> String {
    let by = &header.delimiters;
    let (f, c) = (by.field, by.component);
    let place = complaint.place.as_deref().unwrap_or("");
    let (segment, field) = place.split_once('-').unwrap_or((place, ""));
    let (field, component) = field.split_once('.').unwrap_or((field, ""));
    let (code, meaning) = (complaint.condition, complaint.meaning());
    if matches!(header.version.as_str(), "2.1" | "2.2" | "2.3" | "2.3.1" | "2.4") {
        // Its fourth component is a coded element of subcomponents.
        let coded = by.subcomponent.map_or_else(|| code.to_owned(), |s| format!("{code}{s}{meaning}{s}HL70357"));
        let sequence = if segment.is_empty() { "" } else { "1" };
        return format!("ERR{f}{segment}{c}{sequence}{c}{field}{c}{coded}\r");
    }
    let place = match (segment, field, component) {
        ("", ..) => String::new(),
        (segment, "", _) => format!("{segment}{c}1"),
        (segment, field, "") => format!("{segment}{c}1{c}{field}"),
        (segment, field, component) => format!("{segment}{c}1{c}{field}{c}1{c}{component}"),
    };
    let condition = format!("{code}{c}{meaning}{c}HL70357");
    format!("ERR{f}{f}{place}{f}{condition}{f}E{f}{f}{f}{f}{}\r", escape(&complaint.text, by))
}

#[cfg(test)]
mod tests {
    use super::super::header::header;
    use super::*;

    fn reply(message: &[u8], code: &str, complaint: Option<&Complaint>) -> Vec<u8> {
        acknowledge(&header(message).unwrap(), code, complaint, "2026-03-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn roles_are_swapped_and_the_control_id_is_returned() {
        let message = b"MSH|^~\\&|LAB|YUL|GW|HOSP|20260301||ORU^R01^ORU_R01|42|P|2.5\rPID|1";
        let text = String::from_utf8(reply(message, "AA", None)).unwrap();
        assert!(text.starts_with("MSH|^~\\&|GW|HOSP|LAB|YUL|20260301000000+0000||ACK^R01^ACK|"), "{text}");
        assert!(text.ends_with("|P|2.5\rMSA|AA|42\r"), "{text}");
    }

    #[test]
    fn a_refusal_says_where() {
        let message = b"MSH|^~\\&|LAB|YUL|GW|HOSP|20260301||ORU^R01|42|P|2.5||||||8859/1\r";
        let at = |place: &str| Complaint {
            place: Some(place.to_owned()),
            ..Complaint::new(Complaint::FIELD_MISSING, "no patient | none")
        };
        let text = String::from_utf8(reply(message, "AE", Some(&at("PID-3")))).unwrap();
        assert!(text.contains("||||||8859/1\rMSA|AE|42|no patient \\F\\ none\r"), "{text}");
        assert!(text.contains("\rERR||PID^1^3|101^Required field missing^HL70357|E||||no patient"), "{text}");
        let text = String::from_utf8(reply(message, "AR", Some(&at("MSH-9.2")))).unwrap();
        assert!(text.contains("\rERR||MSH^1^9^1^2|101^"), "{text}");
        let old = String::from_utf8_lossy(message).replace("|2.5|", "|2.3|");
        let text = String::from_utf8(reply(old.as_bytes(), "AE", Some(&at("PID-3")))).unwrap();
        assert!(text.contains("\rERR|PID^1^3^101&Required field missing&HL70357\r"), "{text}");
    }

    #[test]
    fn the_reply_keeps_the_character_set() {
        let mut message = b"MSH|^~\\&|".to_vec();
        message.extend_from_slice(&encoding_rs::ISO_2022_JP.encode("検査").0);
        message.extend_from_slice(b"||GW||20260301||OUL^R22|7|P|2.5||||||~ISO IR87\r");
        let bytes = reply(&message, "AA", None);
        assert!(bytes.windows(2).any(|pair| pair == b"\x1b$"));
        assert!(encoding_rs::ISO_2022_JP.decode_without_bom_handling(&bytes).0.contains("検査"));
    }
}
