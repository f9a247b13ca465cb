//! Kana in the Latin letters of Japanese passports (modified Hepburn without macrons): M before B, M, P; TCH for ッチ;
//! long O and U written once, but オオ at the end of a word is OO; kana of foreign sounds letter by letter (ティ TEI, ヴァ
//! BUA). On request passports write a long O as OH. Kana do not show where a word ends, so a result is only ever a proposal.

use unicode_normalization::UnicodeNormalization;

/// Kana in passport letters, upper case; `None` if anything else than kana, the length mark, spaces or `・` occurs.
pub fn passport(kana: &str) -> Option<String> {
    text(kana, LongO::Once)
}

/// The same with OH for a long O, which passports allow on request; `None` if it is not written otherwise.
pub fn passport_with_oh(kana: &str) -> Option<String> {
    let other = text(kana, LongO::Oh)?;
    (Some(&other) != text(kana, LongO::Once).as_ref()).then_some(other)
}

/// How a long O is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LongO {
    Once,
    Oh,
}

fn text(kana: &str, long_o: LongO) -> Option<String> {
    let folded: String = super::fold(kana).nfkc().collect();
    let words = folded.split([' ', '・', '=', '＝', '-']).filter(|word| !word.is_empty());
    let words: Option<Vec<String>> = words.map(|one| word(one, long_o)).collect();
    words.filter(|words| !words.is_empty()).map(|words| words.join(" "))
}

fn word(word: &str, long_o: LongO) -> Option<String> {
    let kana: Vec<char> = word.chars().collect();
    let mut letters = String::new();
    let mut place = 0;
    // Whether the last vowel already stands for a long one; a third vowel belongs to the next morpheme (大内 OUCHI).
    let mut lengthened = false;
    let mut doubled = false;
    while let Some(letter) = kana.get(place) {
        let next = kana.get(place + 1);
        match letter {
            'ー' if !letters.is_empty() && !doubled => {
                if long_o == LongO::Oh && letters.ends_with('O') {
                    letters.push('H');
                }
                lengthened = true;
                place += 1;
                continue;
            }
            'ッ' => {
                if doubled {
                    return None;
                }
                doubled = true;
                place += 1;
                continue;
            }
            'ン' if !doubled => {
                letters.push(if next.and_then(|next| plain(*next)).is_some_and(starts_with_lips) { 'M' } else { 'N' });
                lengthened = false;
                place += 1;
                continue;
            }
            _ => {}
        }
        // At the end of a word オ is its own letter: 横尾 YOKOO.
        let is_last_o = *letter == 'オ' && next.is_none();
        if !doubled && !lengthened && !is_last_o && lengthens(&letters, *letter) && !starts_morpheme(&kana, place) {
            if long_o == LongO::Oh && letters.ends_with('O') {
                letters.push('H');
            }
            lengthened = true;
            place += 1;
            continue;
        }
        let (syllable, used) = syllable(*letter, next.copied())?;
        if doubled {
            letters.push(double(&syllable)?);
            doubled = false;
        }
        letters.push_str(&syllable);
        lengthened = false;
        place += used;
    }
    (!doubled && !letters.is_empty()).then_some(letters)
}

/// オウ and オオ are a long O, ウウ a long U.
fn lengthens(letters: &str, kana: char) -> bool {
    matches!((letters.chars().last(), kana), (Some('O'), 'ウ' | 'オ') | (Some('U'), 'ウ'))
}

/// Endings of family names in which ウ begins a word of its own: 〜上 (ノウエ), 〜浦 (ツウラ).
fn starts_morpheme(kana: &[char], place: usize) -> bool {
    let before = place.checked_sub(1).and_then(|before| kana.get(before));
    matches!(
        (before, kana.get(place), kana.get(place + 1)),
        (Some('ノ'), Some('ウ'), Some('エ')) | (Some('ツ'), Some('ウ'), Some('ラ'))
    )
}

fn starts_with_lips(syllable: &str) -> bool {
    syllable.starts_with(['B', 'M', 'P'])
}

/// The consonant that ッ doubles.
fn double(syllable: &str) -> Option<char> {
    let first = syllable.chars().next()?;
    match first {
        'A' | 'I' | 'U' | 'E' | 'O' => None,
        'C' => Some('T'),
        other => Some(other),
    }
}

/// One syllable and how many kana it took.
fn syllable(kana: char, next: Option<char>) -> Option<(String, usize)> {
    let own = plain(kana)?;
    let Some(glide) = next.and_then(small_y) else { return Some((own.to_owned(), 1)) };
    let Some(stem) = own.strip_suffix('I') else { return Some((format!("{own}Y{glide}"), 2)) };
    let joined = match stem {
        "SH" | "CH" | "J" => format!("{stem}{glide}"),
        _ => format!("{stem}Y{glide}"),
    };
    Some((joined, 2))
}

fn small_y(kana: char) -> Option<char> {
    match kana {
        'ャ' => Some('A'),
        'ュ' => Some('U'),
        'ョ' => Some('O'),
        _ => None,
    }
}

fn plain(kana: char) -> Option<&'static str> {
    const TABLE: [(&str, &[&str]); 16] = [
        ("アイウエオ", &["A", "I", "U", "E", "O"]),
        ("ァィゥェォ", &["A", "I", "U", "E", "O"]),
        ("カキクケコ", &["KA", "KI", "KU", "KE", "KO"]),
        ("ガギグゲゴ", &["GA", "GI", "GU", "GE", "GO"]),
        ("サシスセソ", &["SA", "SHI", "SU", "SE", "SO"]),
        ("ザジズゼゾ", &["ZA", "JI", "ZU", "ZE", "ZO"]),
        ("タチツテト", &["TA", "CHI", "TSU", "TE", "TO"]),
        ("ダヂヅデド", &["DA", "JI", "ZU", "DE", "DO"]),
        ("ナニヌネノ", &["NA", "NI", "NU", "NE", "NO"]),
        ("ハヒフヘホ", &["HA", "HI", "FU", "HE", "HO"]),
        ("バビブベボ", &["BA", "BI", "BU", "BE", "BO"]),
        ("パピプペポ", &["PA", "PI", "PU", "PE", "PO"]),
        ("マミムメモ", &["MA", "MI", "MU", "ME", "MO"]),
        ("ヤユヨラリ", &["YA", "YU", "YO", "RA", "RI"]),
        ("ルレロワヲ", &["RU", "RE", "RO", "WA", "O"]),
        ("ヰヱヴヵヶ", &["I", "E", "BU", "KA", "KE"]),
    ];
    TABLE.iter().find_map(|(row, letters)| letters.get(row.chars().position(|own| own == kana)?).copied())
}

#[cfg(test)]
mod tests {
    use super::passport;

    #[test]
    fn names_are_written_as_in_passports() {
        for (kana, letters) in [
            ("オオノ", "ONO"),
            ("サトウ", "SATO"),
            ("ジュンイチロウ", "JUNICHIRO"),
            ("シンバシ", "SHIMBASHI"),
            ("ハッチョウ", "HATCHO"),
            ("ワタナベ", "WATANABE"),
            ("ﾜﾀﾅﾍﾞ", "WATANABE"),
            ("わたなべ", "WATANABE"),
            ("ホンマ", "HOMMA"),
            ("サンペイ", "SAMPEI"),
            ("ハットリ", "HATTORI"),
            ("キッカワ", "KIKKAWA"),
            ("ニイガタ", "NIIGATA"),
            ("オオオカ", "OOKA"),
            ("オオウチ", "OUCHI"),
            ("イノウエ", "INOUE"),
            ("マツウラ", "MATSUURA"),
            ("ユウコ", "YUKO"),
            ("ショウタ", "SHOTA"),
            ("チュウゾウ", "CHUZO"),
            ("リュウ", "RYU"),
            ("コオリ", "KORI"),
            ("エーコ", "EKO"),
            ("チヅル", "CHIZURU"),
            ("ヴァン", "BUAN"),
            ("マリア・アンナ", "MARIA ANNA"),
            ("ケンイチ", "KENICHI"),
            ("ヨコオ", "YOKOO"),
            ("タカトオ", "TAKATOO"),
            ("トオル", "TORU"),
            ("キッチョウ", "KITCHO"),
            ("ティナ", "TEINA"),
            ("ジェーン", "JIEN"),
            ("デュポン", "DEYUPON"),
            ("ファビオ", "FUABIO"),
            ("ウィリアム", "UIRIAMU"),
            ("ｼｮｳｼﾞ ｹﾝ", "SHOJI KEN"),
            ("グエン＝チャン", "GUEN CHAN"),
            ("ナンバ", "NAMBA"),
            ("カンノ", "KANNO"),
        ] {
            assert_eq!(passport(kana).as_deref(), Some(letters), "{kana}");
        }
    }

    #[test]
    fn a_long_o_may_be_written_oh() {
        for (kana, letters) in [
            ("オオノ", Some("OHNO")),
            ("サトウ", Some("SATOH")),
            ("オオタ ジロウ", Some("OHTA JIROH")),
            ("コーノ", Some("KOHNO")),
            ("イノウエ", None),
            ("ユウコ", None),
            ("ヨコオ", None),
            ("渡辺", None),
        ] {
            assert_eq!(super::passport_with_oh(kana).as_deref(), letters, "{kana}");
        }
    }

    #[test]
    fn what_is_not_kana_gives_no_proposal() {
        for text in ["", "渡辺", "ワタナベA", "ッ", "アッ", "ー", "ッア", "ャ", "■"] {
            assert_eq!(passport(text), None, "{text}");
        }
    }
}
