//! ACK: <https://www.hl7.eu/HL7v2x/v251/std251/ch02.html> 2.9.2, original mode: MSH, MSA and, when refused, ERR.

use jiff::Timestamp;

use super::charset;
use super::escape::escape;
use super::header::Header;

/// Longest MSA-3 of version 2.5.
const MAX_TEXT: usize = 80;

/// Builds the reply to the message that `header` came from, in its delimiters, version and character set.
///
/// `code` is `AA`, `AE` or `AR`; `location` is where the error is (`PID-3`), when known. The reply holds no data of the
/// patient: `text` comes from [`crate::translate::Refused::reason`], which has none.
pub fn acknowledge(header: &Header, code: &str, text: Option<&str>, location: Option<&str>, now: Timestamp) -> Vec<u8> {
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
    if !header.declared_charset.is_empty() {
        msh.extend(std::iter::repeat_n(f, 6));
        msh.push_str(&header.declared_charset);
    }
    let control = header.control_id.as_deref().unwrap_or("");
    let mut reply = format!("{msh}\rMSA{f}{code}{f}{control}");
    if let Some(text) = text {
        let short: String = text.chars().take(MAX_TEXT).collect();
        reply.push(f);
        reply.push_str(&escape(&short, by));
    }
    reply.push('\r');
    if code != "AA" {
        reply.push_str(&err_segment(header, text.unwrap_or("refused"), location));
    }
    charset::encode(&reply, header.charset)
}

/// ERR as version 2.5 and later have it (location, code of table 0357, severity, user message), or as before.
fn err_segment(header: &Header, text: &str, location: Option<&str>) -> String {
    let by = &header.delimiters;
    let (f, c) = (by.field, by.component);
    let (segment, field) = location.and_then(|place| place.split_once('-')).unwrap_or((location.unwrap_or(""), ""));
    let place = match (segment, field.split('.').next().unwrap_or("")) {
        ("", _) => String::new(),
        (segment, "") => format!("{segment}{c}1"),
        (segment, field) => format!("{segment}{c}1{c}{field}"),
    };
    let condition = format!("207{c}Application internal error{c}HL70357");
    if matches!(header.version.as_str(), "2.1" | "2.2" | "2.3" | "2.3.1" | "2.4") {
        return format!("ERR{f}{place}\r");
    }
    format!("ERR{f}{f}{place}{f}{condition}{f}E{f}{f}{f}{f}{}\r", escape(text, by))
}

#[cfg(test)]
mod tests {
    use super::super::header::header;
    use super::*;

    fn reply(message: &[u8], code: &str, text: Option<&str>, place: Option<&str>) -> Vec<u8> {
        acknowledge(&header(message).unwrap(), code, text, place, "2026-03-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn roles_are_swapped_and_the_control_id_is_returned() {
        let message = b"MSH|^~\\&|LAB|YUL|GW|HOSP|20260301||ORU^R01^ORU_R01|42|P|2.5\rPID|1";
        let text = String::from_utf8(reply(message, "AA", None, None)).unwrap();
        assert!(text.starts_with("MSH|^~\\&|GW|HOSP|LAB|YUL|20260301000000+0000||ACK^R01^ACK|"), "{text}");
        assert!(text.ends_with("|P|2.5\rMSA|AA|42\r"), "{text}");
    }

    #[test]
    fn a_refusal_says_where() {
        let message = b"MSH|^~\\&|LAB|YUL|GW|HOSP|20260301||ORU^R01|42|P|2.5||||||8859/1\r";
        let text = String::from_utf8(reply(message, "AE", Some("no patient | none"), Some("PID-3"))).unwrap();
        assert!(text.contains("||||||8859/1\rMSA|AE|42|no patient \\F\\ none\r"), "{text}");
        assert!(text.contains("\rERR||PID^1^3|207^Application internal error^HL70357|E||||no patient"), "{text}");
    }

    #[test]
    fn the_reply_keeps_the_character_set() {
        let mut message = b"MSH|^~\\&|".to_vec();
        message.extend_from_slice(&encoding_rs::ISO_2022_JP.encode("検査").0);
        message.extend_from_slice(b"||GW||20260301||OUL^R22|7|P|2.5||||||~ISO IR87\r");
        let bytes = reply(&message, "AA", None, None);
        assert!(bytes.windows(2).any(|pair| pair == b"\x1b$"));
        assert!(encoding_rs::ISO_2022_JP.decode_without_bom_handling(&bytes).0.contains("検査"));
    }
}
