//! Headings and column names of the documents in English, French and Japanese. Clinical words are never in here.

use super::words::WORDS;

/// The word for `key` in `language`; a key that is not listed gives itself.
pub(super) fn label(language: &str, key: &'static str) -> &'static str {
    LABELS.iter().find(|(name, _)| *name == key).map_or(key, |(_, words)| words[column(language)])
}

/// The word for a `code` of a `family` of FHIR codes; a code that is not listed is shown as it is.
pub(super) fn word(language: &str, family: &str, code: &str) -> String {
    let found = WORDS.iter().find(|(of, codes, _)| *of == family && *codes == code);
    found.map_or_else(|| code.to_owned(), |(_, _, words)| words[column(language)].to_owned())
}

/// The word for a unit of time, or `time`, in the number that `amount` asks for.
pub(super) fn count(language: &str, unit: &str, amount: &str) -> String {
    let many = format!("{unit}s");
    word(language, "count", if amount == "1" { unit } else { &many })
}

fn column(language: &str) -> usize {
    match language {
        "fr" => 1,
        "ja" => 2,
        _ => 0,
    }
}

const LABELS: &[(&str, [&str; 3])] = &[
    ("summary", ["International patient summary", "Résumé international du patient", "国際患者サマリー"]),
    ("reply", ["Consultation report", "Rapport de consultation", "診療情報提供書に対する返書"]),
    ("report", ["Report", "Rapport", "報告"]),
    ("problems", ["Problems", "Problèmes de santé", "傷病名・プロブレム"]),
    ("allergies", ["Allergies and intolerances", "Allergies et intolérances", "アレルギー・不耐性"]),
    ("medications", ["Medications", "Médicaments", "投薬"]),
    ("results", ["Results", "Résultats", "検査結果"]),
    ("immunizations", ["Immunizations", "Immunisations", "予防接種歴"]),
    ("procedures", ["Procedures", "Interventions", "手術・処置"]),
    ("vitals", ["Vital signs", "Signes vitaux", "バイタルサイン"]),
    ("past-problems", ["Past problems", "Antécédents", "既往歴"]),
    ("name", ["Item", "Élément", "項目"]),
    ("status", ["Status", "Statut", "状態"]),
    ("date", ["Date", "Date", "日付"]),
    ("value", ["Value", "Valeur", "値"]),
    ("converted", ["Converted", "Converti", "換算値"]),
    ("reference-range", ["Reference range", "Intervalle de référence", "基準値"]),
    ("detail", ["Detail", "Précision", "詳細"]),
    ("patient", ["Patient", "Patient", "患者"]),
    ("birth-date", ["Date of birth", "Date de naissance", "生年月日"]),
    ("author", ["Author", "Auteur", "作成医療機関"]),
    ("dose", ["dose", "dose", "1回量"]),
    ("rate", ["rate", "débit", "投与速度"]),
    ("daily-dose", ["per day", "par jour", "1日量"]),
    ("most", ["at most", "maximum", "上限"]),
    ("most-at-once", ["at most at once", "maximum par prise", "1回の上限"]),
    ("most-ever", ["at most in a lifetime", "maximum à vie", "生涯の上限"]),
    ("as-needed", ["as needed", "au besoin", "頓用"]),
    ("route", ["route", "voie", "投与経路"]),
    ("site", ["site", "site", "部位"]),
    ("method", ["method", "méthode", "方法"]),
    ("period", ["period", "période", "使用期間"]),
    ("duration", ["duration", "durée", "期間"]),
    ("days-of-use", ["days of use", "jours d'utilisation", "実投与日数"]),
    ("interval", ["interval", "intervalle", "間隔"]),
    ("lasting", ["each over", "chacune sur", "1回の時間"]),
    ("count", ["number of times", "nombre de fois", "回数"]),
    ("offset", ["offset", "décalage", "前後"]),
    ("ingredients", ["ingredients", "ingrédients", "成分"]),
    ("ended", ["ended by its dates", "terminé selon ses dates", "日付上終了"]),
    ("recorded-as", ["recorded as", "consigné comme", "記録上の状態"]),
    ("severity", ["severity", "gravité", "重症度"]),
    ("criticality", ["criticality", "criticité", "危険度"]),
    ("kind", ["kind", "nature", "種類"]),
    ("last", ["last occurrence", "dernier épisode", "直近の発現"]),
    ("substance", ["substance", "substance", "原因物質"]),
    ("reason", ["reason", "motif", "理由"]),
    ("why-status", ["reason for the status", "motif du statut", "状態の理由"]),
    ("note", ["note", "note", "備考"]),
    (
        "sampled",
        ["sampled data, in the record only", "données échantillonnées, au dossier seulement", "波形データ(記録内のみ)"],
    ),
    ("reported-unit", ["in the reported unit", "dans l'unité rapportée", "報告値の単位"]),
    (
        "no-information",
        [
            "No information. The sender's record holds nothing here; this does not mean that there is none.",
            "Aucune information. Le dossier de l'expéditeur ne contient rien ici; cela ne veut pas dire qu'il n'y en a pas.",
            "情報なし。送付元の記録に該当する項目はありません(「該当なし」を意味するものではありません)。",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_a_heading_in_three_languages() {
        for section in super::super::sections::SECTIONS {
            for language in ["en", "fr", "ja"] {
                assert_ne!(label(language, section.key), section.key);
            }
        }
        assert!(LABELS.iter().all(|(_, words)| words.iter().all(|word| !word.is_empty())));
    }
}
