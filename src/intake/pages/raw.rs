//! How a message's bytes are shown: decoded for the eye, masked unless somebody asked to see them.

use crate::config::Country;

/// The bytes as text. Only for looking: the record keeps the bytes, and translation decodes by the message's own rules.
pub fn decode(bytes: &[u8], country: Country) -> String {
    let escapes = bytes.windows(2).any(|pair| pair == b"\x1b$" || pair == b"\x1b(");
    let encoding = match country {
        _ if escapes => encoding_rs::ISO_2022_JP,
        _ if std::str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        Country::Jp => encoding_rs::SHIFT_JIS,
        Country::Ca => encoding_rs::WINDOWS_1252,
    };
    encoding.decode(bytes).0.replace("\r\n", "\n").replace('\r', "\n")
}

/// The shape of a message without its content: letters and digits become dots. Of HL7 v2 the segment names and the
/// header stay, since MSH carries routing and no patient.
pub fn mask(text: &str) -> String {
    let is_hl7 = text.trim_start().starts_with("MSH") || text.trim_start().starts_with("FHS");
    text.lines().map(|line| if is_hl7 { mask_segment(line) } else { dots(line) }).collect::<Vec<_>>().join("\n")
}

fn mask_segment(line: &str) -> String {
    let name: String = line.chars().take(3).collect();
    let is_name = name.chars().count() == 3 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    match name.as_str() {
        "MSH" | "FHS" | "BHS" => line.to_owned(),
        _ if is_name => format!("{name}{}", dots(&line[3..])),
        _ => dots(line),
    }
}

fn dots(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() { '·' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_patient_shows_through() {
        let text = "MSH|^~\\&|LAB|TGH\nPID|1||8001^^^TGH||渡邉^太郎||19580309\n姓名,1";
        assert_eq!(mask(text), "MSH|^~\\&|LAB|TGH\nPID|·||····^^^···||··^··||········\n··,·");
        assert_eq!(mask("patient_id,name\n8001,Roy"), "·······_··,····\n····,···");
    }

    #[test]
    fn japanese_is_decoded() {
        let jis = b"PID|\x1b$BEOn5\x1b(B\rPV1|";
        let text = decode(jis, Country::Jp);
        assert!(text.starts_with("PID|渡"), "{text}");
        assert!(text.contains("\nPV1|"));
        assert_eq!(decode(b"Tr\xe9panier", Country::Ca), "Trépanier");
        assert_eq!(decode("渡邉".as_bytes(), Country::Ca), "渡邉");
    }
}
