//! The words of the pages, from the Fluent files of `locales/`, embedded. A test holds the three languages to the same keys.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

use super::language::Language;

/// The Fluent files of a language.
fn sources(language: Language) -> [&'static str; 4] {
    macro_rules! files {
        ($folder:literal) => {
            [
                include_str!(concat!("../../locales/", $folder, "/web.ftl")),
                include_str!(concat!("../../locales/", $folder, "/intake.ftl")),
                include_str!(concat!("../../locales/", $folder, "/referral.ftl")),
                include_str!(concat!("../../locales/", $folder, "/cohort.ftl")),
            ]
        };
    }
    match language {
        Language::En => files!("en"),
        Language::Fr => files!("fr"),
        Language::Ja => files!("ja"),
    }
}

/// The words of one language.
pub struct Texts {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

static ALL: LazyLock<[Texts; 3]> = LazyLock::new(|| Language::ALL.map(Texts::build));

impl Texts {
    /// The words of `language`.
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &ALL[0],
            Language::Fr => &ALL[1],
            Language::Ja => &ALL[2],
        }
    }

    fn build(language: Language) -> Self {
        let tag: LanguageIdentifier = language.as_str().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        // The isolating marks are for right-to-left text, which the pages do not have; copied text stays clean without.
        bundle.set_use_isolating(false);
        for source in sources(language) {
            // The files are part of the binary and parsed by a test; what parses is used.
            let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
            let _ = bundle.add_resource(resource);
        }
        Self { language, bundle }
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// `en`, `fr`, `ja`.
    pub fn tag(&self) -> &'static str {
        self.language.as_str()
    }

    /// Whether there is such a text.
    pub fn has(&self, key: &str) -> bool {
        self.bundle.get_message(key).is_some_and(|message| message.value().is_some())
    }

    /// A text without arguments.
    pub fn say(&self, key: &str) -> String {
        self.format(key, None)
    }

    /// The text of `prefix-code`, if there is one, else `code` itself: for codes that come from data.
    pub fn code(&self, prefix: &str, code: &str) -> String {
        let key = format!("{prefix}-{code}");
        if self.has(&key) { self.say(&key) } else { code.to_owned() }
    }

    /// A text that depends on a number: `$n` selects the plural form, `$shown` is the number as written here.
    pub fn count(&self, key: &str, n: u64) -> String {
        let mut args = FluentArgs::new();
        args.set("n", n);
        args.set("shown", self.number(n));
        self.format(key, Some(&args))
    }

    /// A text with one argument.
    pub fn fill(&self, key: &str, name: &str, value: &str) -> String {
        self.with(key, &[(name, value)])
    }

    /// A text with arguments.
    pub fn with(&self, key: &str, arguments: &[(&str, &str)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in arguments {
            args.set((*name).to_owned(), (*value).to_owned());
        }
        self.format(key, Some(&args))
    }

    /// A whole number with the grouping of the language.
    pub fn number(&self, n: u64) -> String {
        let separator = if self.language == Language::Fr { "\u{202f}" } else { "," };
        let digits = n.to_string();
        let mut out = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                out.push_str(separator);
            }
            out.push(digit);
        }
        out
    }

    fn format(&self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let Some(pattern) = self.bundle.get_message(key).and_then(|message| message.value()) else {
            return format!("[{key}]");
        };
        let mut errors = Vec::new();
        self.bundle.format_pattern(pattern, args, &mut errors).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Keys of a Fluent file by its grammar: an identifier at the start of a line, then `=`.
    fn keys(language: Language) -> Vec<String> {
        sources(language)
            .iter()
            .flat_map(|source| source.lines())
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter_map(|line| line.split_once('='))
            .map(|(key, _)| key.trim().to_owned())
            .collect()
    }

    #[test]
    fn files_parse() {
        for language in Language::ALL {
            for source in sources(language) {
                if let Err((_, errors)) = FluentResource::try_new(source.to_owned()) {
                    panic!("{language:?}: {errors:?}");
                }
            }
        }
    }

    #[test]
    fn three_languages_have_the_same_keys_once() {
        let english: BTreeSet<String> = keys(Language::En).into_iter().collect();
        assert!(english.len() > 100);
        for language in Language::ALL {
            let listed = keys(language);
            let set: BTreeSet<String> = listed.iter().cloned().collect();
            assert_eq!(listed.len(), set.len(), "{language:?} has a key twice");
            let missing: Vec<_> = english.difference(&set).collect();
            let extra: Vec<_> = set.difference(&english).collect();
            assert!(missing.is_empty() && extra.is_empty(), "{language:?} lacks {missing:?}, has more {extra:?}");
            for key in &set {
                assert!(Texts::of(language).has(key), "{language:?} {key} has no value");
            }
        }
    }

    #[test]
    fn the_same_arguments_are_used() {
        let arguments = |language, key: &str| -> BTreeSet<String> {
            let text = sources(language).join("\n");
            let start = text.find(&format!("\n{key} =")).or_else(|| text.starts_with(&format!("{key} =")).then_some(0));
            let body: Vec<&str> = match start {
                Some(start) => {
                    let mut lines = text[start..].trim_start().lines();
                    let first = lines.next().into_iter();
                    first.chain(lines.take_while(|line| line.starts_with([' ', '}', '\t']))).collect()
                }
                None => Vec::new(),
            };
            body.join("\n")
                .split('$')
                .skip(1)
                .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect::<String>())
                // The plural selector may be unused where a language has no plural.
                .filter(|name| name != "n")
                .collect()
        };
        for key in keys(Language::En) {
            let english = arguments(Language::En, &key);
            for language in [Language::Fr, Language::Ja] {
                assert_eq!(arguments(language, &key), english, "{language:?} {key}");
            }
        }
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(Texts::of(Language::En).number(1_234_567), "1,234,567");
        assert_eq!(Texts::of(Language::Fr).number(1240), "1\u{202f}240");
        assert_eq!(Texts::of(Language::Ja).number(120), "120");
    }
}
