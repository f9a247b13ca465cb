//! No words in templates: every word of a page comes from the Fluent files, every key that is asked for exists, and no key
//! is left over.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use watari::web::language::Language;
use watari::web::texts::Texts;

/// Families of keys that are put together from a code.
const FAMILIES: [&str; 23] = [
    "language-",
    "role-",
    "country-",
    "peer-",
    "clock-month-",
    "problem-",
    "channel-",
    "message-",
    "referral-",
    "business-",
    "priority-",
    "spoken-",
    "gender-",
    "state-",
    "event-",
    "delivery-",
    "act-",
    "absence-",
    "choice-",
    "left-out-",
    "choices-",
    "answer-",
    "home-",
];

fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// A template without its expressions, statements and comments.
fn literal(template: &str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let close = match rest[open..].get(..2) {
            Some("{{") => "}}",
            Some("{%") => "%}",
            Some("{#") => "#}",
            _ => panic!("a brace that is not template syntax: {}", &rest[open..].chars().take(40).collect::<String>()),
        };
        out.push_str(&rest[..open]);
        out.push('\u{0}');
        let end = rest[open..].find(close).unwrap() + open + 2;
        rest = &rest[end..];
    }
    out + rest
}

#[test]
fn templates_hold_no_words() {
    for (path, template) in files("templates", ".html") {
        let text = literal(&template);
        let mut outside = String::new();
        let mut inside = false;
        for c in text.chars() {
            match c {
                '<' => inside = true,
                '>' => inside = false,
                _ if !inside => outside.push(c),
                _ => {}
            }
        }
        let words: String = outside.chars().filter(|c| c.is_alphanumeric()).collect();
        assert!(words.is_empty(), "{}: {words:?} is not from the Fluent files", path.display());
        for attribute in ["aria-label=\"", "placeholder=\"", "title=\"", "alt=\"", "label=\""] {
            for value in text.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                let words: String = value.chars().filter(|c| c.is_alphanumeric()).collect();
                // `aria-labelledby` holds ids.
                assert!(words.is_empty(), "{}: {attribute}{value}", path.display());
            }
        }
    }
}

/// Keys asked for by name, and the names that templates and code hold as strings.
fn asked_for() -> (BTreeSet<String>, String) {
    let mut keys = BTreeSet::new();
    let mut everything = String::new();
    let code = files("src/web", ".rs").into_iter().chain(
        ["src/intake/pages", "src/referral/pages", "src/cohort/pages"]
            .into_iter()
            .flat_map(|folder| files(folder, ".rs")),
    );
    for (_, text) in code.chain(files("templates", ".html")) {
        for call in ["say(\"", "count(\"", "fill(\"", "with(\""] {
            for rest in text.split(call).skip(1) {
                let key = rest.split('"').next().unwrap();
                let is_key = key.contains('-') || key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
                if is_key && !key.is_empty() && !key.contains([' ', '{', '/', '_', '|', '.']) {
                    keys.insert(key.to_owned());
                }
            }
        }
        everything.push_str(&text);
    }
    (keys, everything)
}

#[test]
fn every_key_asked_for_exists() {
    // `starts_with("MSH")`-like calls are not texts.
    let (keys, _) = asked_for();
    assert!(keys.len() > 100, "{}", keys.len());
    for key in keys.iter().filter(|key| !matches!(key.as_str(), "q" | "bearer" | "application")) {
        assert!(Texts::of(Language::En).has(key), "{key} is asked for and not written");
    }
}

#[test]
fn no_key_is_left_over() {
    let (_, everything) = asked_for();
    for (_, source) in files("locales/en", ".ftl") {
        for line in source.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())) {
            let key = line.split('=').next().unwrap().trim();
            let is_used =
                everything.contains(&format!("\"{key}\"")) || FAMILIES.iter().any(|family| key.starts_with(family));
            assert!(is_used, "{key} is written and never asked for");
        }
    }
}
