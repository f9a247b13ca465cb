//! Text in a destination's character set. A character the set lacks is replaced by its usual spelling in it, or by the sign
//! Japanese systems put for a character outside their set (`■`), elsewhere `?`; each is counted, none goes unseen.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::super::charset;
use super::Charset;

/// The bytes, and how many characters were replaced.
pub(super) fn encode(text: &str, set: Charset) -> (Vec<u8>, usize) {
    if set == Charset::Utf8 {
        return (text.as_bytes().to_vec(), 0);
    }
    let mut out = String::with_capacity(text.len());
    let mut replaced = 0;
    for c in text.chars() {
        if holds(c, set) {
            out.push(c);
        } else {
            out.push_str(&substitute(c, set));
            // Two code points of one and the same character are no loss.
            replaced += usize::from(twin(c).is_none());
        }
    }
    (charset::encode(&out, set), replaced)
}

fn holds(c: char, set: Charset) -> bool {
    match set {
        Charset::Utf8 => true,
        Charset::Ascii => c.is_ascii(),
        Charset::Latin1 => u32::from(c) < 0x100 && !('\u{80}'..='\u{9f}').contains(&c),
        Charset::ShiftJis => c.is_ascii() || (c != '\u{a5}' && c != '\u{203e}' && encodes(encoding_rs::SHIFT_JIS, c)),
        Charset::Iso2022Jp => c.is_ascii() || is_jis_x_0208(c),
        Charset::Latin(_) | Charset::Kana | Charset::EucJp => {
            charset::encode_exactly(c.encode_utf8(&mut [0; 4]), set).is_ok()
        }
    }
}

/// JIS X 0208 proper, rows 1 to 8 and 16 to 84: the encoder also writes what only CP932 has (①, ㈱, 髙). Half-width kana are
/// written full-width.
fn is_jis_x_0208(c: char) -> bool {
    if ('\u{ff61}'..='\u{ff9f}').contains(&c) {
        return true;
    }
    if matches!(c, '\u{a5}' | '\u{203e}') {
        return false;
    }
    let mut buffer = [0; 4];
    let (bytes, _, failed) = encoding_rs::EUC_JP.encode(c.encode_utf8(&mut buffer));
    match bytes.as_ref() {
        [row, _] if !failed => matches!(row.wrapping_sub(0xa0), 1..=8 | 16..=84),
        _ => false,
    }
}

fn encodes(encoding: &'static encoding_rs::Encoding, c: char) -> bool {
    let mut buffer = [0; 4];
    !encoding.encode(c.encode_utf8(&mut buffer)).2
}

/// Characters that Japanese tables and Unicode give two code points.
fn twin(c: char) -> Option<char> {
    Some(match c {
        '〜' => '～',
        '‖' => '∥',
        '—' => '―',
        '¥' => '￥',
        '¢' => '￠',
        '£' => '￡',
        '¬' => '￢',
        '‾' => '￣',
        _ => return None,
    })
}

fn substitute(c: char, set: Charset) -> String {
    let japanese = matches!(set, Charset::Iso2022Jp | Charset::Kana | Charset::ShiftJis | Charset::EucJp);
    if japanese
        && let Some(twin) = twin(c)
        && holds(twin, set)
    {
        return twin.to_string();
    }
    // ① → 1, ㈱ → (株), Ⅳ → IV, é → e.
    let plain: String = std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let plain = if ('①'..='⑳').contains(&c) { format!("({plain})") } else { plain };
    if !plain.is_empty() && plain.chars().all(|c| holds(c, set)) {
        return plain;
    }
    if japanese { "■".to_owned() } else { "?".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, set: Charset) -> (String, usize) {
        let (bytes, replaced) = encode(text, set);
        let text = match set {
            Charset::Iso2022Jp => encoding_rs::ISO_2022_JP.decode_without_bom_handling(&bytes).0.into_owned(),
            Charset::ShiftJis => encoding_rs::SHIFT_JIS.decode_without_bom_handling(&bytes).0.into_owned(),
            Charset::Latin1 => encoding_rs::WINDOWS_1252.decode_without_bom_handling(&bytes).0.into_owned(),
            _ => String::from_utf8(bytes).unwrap(),
        };
        (text, replaced)
    }

    #[test]
    fn what_the_set_lacks_is_replaced_and_counted() {
        let jis = |text| read(text, Charset::Iso2022Jp);
        assert_eq!(jis("渡邉 ワタナベ"), ("渡邉 ワタナベ".to_owned(), 0));
        assert_eq!(jis("ﾜﾀﾅﾍﾞ").1, 0);
        assert_eq!(jis("①㈱Ⅳ"), ("(1)(株)IV".to_owned(), 3));
        assert_eq!(jis("髙橋 Noémie"), ("■橋 Noemie".to_owned(), 2));
        assert_eq!(jis("〜¥\\"), ("～￥\\".to_owned(), 0));
        assert_eq!(read("髙橋①", Charset::ShiftJis), ("髙橋①".to_owned(), 0));
        assert_eq!(read("Noémie 渡", Charset::Latin1), ("Noémie ?".to_owned(), 1));
        assert_eq!(read("Noémie", Charset::Ascii), ("Noemie".to_owned(), 1));
        assert_eq!(read("渡邉①é", Charset::Utf8), ("渡邉①é".to_owned(), 0));
    }
}
