//! A patient's names for lists: every representation, as the sender wrote them.

use serde_json::Value;

/// Names looked at, and characters of each kept: a list is no place for a stranger's essay.
const MOST_NAMES: usize = 8;
const LONGEST: usize = 120;

/// All names joined by ` / `, each once; old names (`use` = `old`) are left out.
pub fn all(patient: &Value) -> String {
    let mut found: Vec<String> = Vec::new();
    for name in patient.get("name").and_then(Value::as_array).into_iter().flatten().take(MOST_NAMES) {
        if name.get("use").and_then(Value::as_str) == Some("old") {
            continue;
        }
        let written: String = written(name).chars().take(LONGEST).collect();
        if !written.is_empty() && !found.contains(&written) {
            found.push(written);
        }
    }
    found.join(" / ")
}

fn written(name: &Value) -> String {
    if let Some(text) = name.get("text").and_then(Value::as_str) {
        return text.trim().to_owned();
    }
    let family = name.get("family").and_then(Value::as_str);
    let given = name.get("given").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    family.into_iter().chain(given).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_representation_once_and_no_old_name() {
        let patient = json!({"name": [
            {"family": "渡邉", "given": ["花子"]}, {"text": "ワタナベ ハナコ"}, {"family": "渡邉", "given": ["花子"]},
            {"use": "old", "family": "佐藤"}
        ]});
        assert_eq!(all(&patient), "渡邉 花子 / ワタナベ ハナコ");
    }
}
