//! Words for the codes of FHIR's own value sets that stand around recorded words: units of time, moments of the day,
//! severities, interpretations. Code systems of the record (drugs, diseases, tests) are never in here.

/// Family, code, and the word in English, French and Japanese.
pub(super) const WORDS: &[(&str, &str, [&str; 3])] = &[
    ("count", "time", ["time", "fois", "回"]),
    ("count", "times", ["times", "fois", "回"]),
    ("count", "s", ["second", "seconde", "秒"]),
    ("count", "ss", ["seconds", "secondes", "秒"]),
    ("count", "min", ["min", "min", "分"]),
    ("count", "mins", ["min", "min", "分"]),
    ("count", "h", ["hour", "heure", "時間"]),
    ("count", "hs", ["hours", "heures", "時間"]),
    ("count", "d", ["day", "jour", "日"]),
    ("count", "ds", ["days", "jours", "日"]),
    ("count", "wk", ["week", "semaine", "週"]),
    ("count", "wks", ["weeks", "semaines", "週"]),
    ("count", "mo", ["month", "mois", "か月"]),
    ("count", "mos", ["months", "mois", "か月"]),
    ("count", "a", ["year", "an", "年"]),
    ("count", "as", ["years", "ans", "年"]),
    ("when", "mon", ["Monday", "lundi", "月曜"]),
    ("when", "tue", ["Tuesday", "mardi", "火曜"]),
    ("when", "wed", ["Wednesday", "mercredi", "水曜"]),
    ("when", "thu", ["Thursday", "jeudi", "木曜"]),
    ("when", "fri", ["Friday", "vendredi", "金曜"]),
    ("when", "sat", ["Saturday", "samedi", "土曜"]),
    ("when", "sun", ["Sunday", "dimanche", "日曜"]),
    ("when", "MORN", ["morning", "matin", "朝"]),
    ("when", "NOON", ["noon", "midi", "昼"]),
    ("when", "AFT", ["afternoon", "après-midi", "午後"]),
    ("when", "EVE", ["evening", "soir", "夕"]),
    ("when", "NIGHT", ["night", "nuit", "夜"]),
    ("when", "PHS", ["after falling asleep", "après l'endormissement", "入眠後"]),
    ("when", "HS", ["before sleep", "au coucher", "就寝前"]),
    ("when", "WAKE", ["on waking", "au réveil", "起床時"]),
    ("when", "C", ["with a meal", "au repas", "食事時"]),
    ("when", "CM", ["with breakfast", "au petit-déjeuner", "朝食時"]),
    ("when", "CD", ["with lunch", "au dîner (midi)", "昼食時"]),
    ("when", "CV", ["with dinner", "au souper", "夕食時"]),
    ("when", "AC", ["before a meal", "avant le repas", "食前"]),
    ("when", "ACM", ["before breakfast", "avant le petit-déjeuner", "朝食前"]),
    ("when", "ACD", ["before lunch", "avant le dîner (midi)", "昼食前"]),
    ("when", "ACV", ["before dinner", "avant le souper", "夕食前"]),
    ("when", "PC", ["after a meal", "après le repas", "食後"]),
    ("when", "PCM", ["after breakfast", "après le petit-déjeuner", "朝食後"]),
    ("when", "PCD", ["after lunch", "après le dîner (midi)", "昼食後"]),
    ("when", "PCV", ["after dinner", "après le souper", "夕食後"]),
    ("severity", "mild", ["mild", "légère", "軽度"]),
    ("severity", "moderate", ["moderate", "modérée", "中等度"]),
    ("severity", "severe", ["severe", "sévère", "重度"]),
    ("criticality", "low", ["low", "faible", "低"]),
    ("criticality", "high", ["high", "élevée", "高"]),
    ("criticality", "unable-to-assess", ["cannot be assessed", "impossible à évaluer", "評価不能"]),
    ("allergy", "allergy", ["allergy", "allergie", "アレルギー"]),
    ("allergy", "intolerance", ["intolerance", "intolérance", "不耐性"]),
    ("allergy", "food", ["food", "aliment", "食物"]),
    ("allergy", "medication", ["medication", "médicament", "医薬品"]),
    ("allergy", "environment", ["environment", "environnement", "環境"]),
    ("allergy", "biologic", ["biologic", "produit biologique", "生物学的製剤"]),
    ("boolean", "true", ["yes", "oui", "はい"]),
    ("boolean", "false", ["no", "non", "いいえ"]),
    ("flag", "H", ["high", "élevé", "高値"]),
    ("flag", "L", ["low", "bas", "低値"]),
    ("flag", "HH", ["critically high", "dangereusement élevé", "パニック値（高）"]),
    ("flag", "LL", ["critically low", "dangereusement bas", "パニック値（低）"]),
    ("flag", "N", ["normal", "normal", "基準内"]),
    ("flag", "A", ["abnormal", "anormal", "異常"]),
    ("flag", "AA", ["critically abnormal", "gravement anormal", "重度異常"]),
    ("flag", "POS", ["positive", "positif", "陽性"]),
    ("flag", "NEG", ["negative", "négatif", "陰性"]),
    ("flag", "ND", ["not detected", "non détecté", "検出せず"]),
    ("flag", "DET", ["detected", "détecté", "検出"]),
    ("flag", "IND", ["indeterminate", "indéterminé", "判定保留"]),
    ("flag", "S", ["susceptible", "sensible", "感性"]),
    ("flag", "I", ["intermediate", "intermédiaire", "中間"]),
    ("flag", "R", ["resistant", "résistant", "耐性"]),
    ("flag", "HU", ["significantly high", "significativement élevé", "著明高値"]),
    ("flag", "LU", ["significantly low", "significativement bas", "著明低値"]),
    ("flag", "<", ["below the scale", "sous l'échelle", "測定範囲未満"]),
    ("flag", ">", ["above the scale", "au-dessus de l'échelle", "測定範囲超"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_word_in_each_language() {
        for (number, (family, code, words)) in WORDS.iter().enumerate() {
            assert!(words.iter().all(|word| !word.is_empty()), "{family} {code}");
            let again = WORDS.iter().skip(number + 1).any(|(of, other, _)| of == family && other == code);
            assert!(!again, "{family} {code} twice");
        }
    }
}
