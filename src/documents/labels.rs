//! Headings and column names of the documents in English, French and Japanese. Clinical words are never in here.

/// The word for `key` in `language`; a key that is not listed gives itself.
pub(super) fn label(language: &str, key: &'static str) -> &'static str {
    let column = match language {
        "fr" => 1,
        "ja" => 2,
        _ => 0,
    };
    LABELS.iter().find(|(name, _)| *name == key).map_or(key, |(_, words)| words[column])
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
