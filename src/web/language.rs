//! The language of a page: the reader's own choice (`?lang=`, then a cookie), else what the browser asks for, else English.

use axum::http::{HeaderMap, Uri, header};

/// Cookie that remembers the choice. It holds `en`, `fr` or `ja` and nothing about the person.
pub const COOKIE: &str = "watari_language";

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// English, as written in Canada.
    En,
    /// French, as written in Québec.
    Fr,
    /// Japanese.
    Ja,
}

impl Language {
    /// All, in the order of the switch.
    pub const ALL: [Self; 3] = [Self::En, Self::Fr, Self::Ja];

    /// `en`, `fr`, `ja`: the value of `lang` attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::Ja => "ja",
        }
    }

    /// Reads a language tag; the region does not matter.
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|language| language.as_str().eq_ignore_ascii_case(primary))
    }

    /// What the request asks for.
    pub fn of(headers: &HeaderMap) -> Self {
        cookie(headers, COOKIE)
            .and_then(|value| Self::parse(&value))
            .or_else(|| accepted(headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?))
            .unwrap_or(Self::En)
    }

    /// An explicit `?lang=`.
    pub fn chosen(uri: &Uri) -> Option<Self> {
        parameters(uri).find(|(name, _)| *name == "lang").and_then(|(_, value)| Self::parse(value))
    }

    /// `Set-Cookie` that remembers the choice for a year.
    pub fn cookie(self) -> String {
        format!("{COOKIE}={}; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax", self.as_str())
    }
}

/// The same address without `lang`.
pub fn without_choice(uri: &Uri) -> String {
    let rest: Vec<String> =
        parameters(uri).filter(|(name, _)| *name != "lang").map(|(name, value)| format!("{name}={value}")).collect();
    let path = own_path(uri);
    if rest.is_empty() { path } else { format!("{path}?{}", rest.join("&")) }
}

/// The path, for a link of a page. One such as `//elsewhere.example` would send the browser to another host, and browsers
/// read `\\` as `/`.
pub fn own_path(uri: &Uri) -> String {
    format!("/{}", uri.path().trim_start_matches(['/', '\\']))
}

/// A cookie of the request.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// Raw query parameters, not decoded: `lang` needs no decoding and the others are passed on as they came.
fn parameters(uri: &Uri) -> impl Iterator<Item = (&str, &str)> {
    uri.query()
        .unwrap_or("")
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The supported language of highest quality (RFC 9110 12.5.4); of equal ones the first named.
fn accepted(header: &str) -> Option<Language> {
    let mut best: Option<(Language, u32)> = None;
    for range in header.split(',').take(20) {
        let mut parts = range.trim().split(';');
        let Some(language) = parts.next().and_then(Language::parse) else { continue };
        let quality = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(Some(1000), thousandths);
        let Some(quality) = quality.filter(|quality| *quality > 0) else { continue };
        if best.is_none_or(|(_, highest)| quality > highest) {
            best = Some((language, quality));
        }
    }
    best.map(|(language, _)| language)
}

/// `0.8` as 800.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if fraction.len() > 3 || !matches!(whole, "0" | "1") {
        return None;
    }
    let fraction: u32 = format!("{fraction:0<3}").parse().ok()?;
    Some((whole.parse::<u32>().ok()? * 1000 + fraction).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_decides() {
        assert_eq!(accepted("fr-CA,fr;q=0.9,en;q=0.8"), Some(Language::Fr));
        assert_eq!(accepted("de, en;q=0.4, ja;q=0.6"), Some(Language::Ja));
        assert_eq!(accepted("en;q=0, ja;q=0.1"), Some(Language::Ja));
        assert_eq!(accepted("de"), None);
        assert_eq!(accepted(";;;=,q"), None);
    }

    #[test]
    fn the_choice_leaves_the_address() {
        let uri: Uri = "/messages?status=quarantined&lang=fr&page=2".parse().unwrap();
        assert_eq!(Language::chosen(&uri), Some(Language::Fr));
        assert_eq!(without_choice(&uri), "/messages?status=quarantined&page=2");
        assert_eq!(without_choice(&"//elsewhere.example/x?lang=en".parse().unwrap()), "/elsewhere.example/x");
        for path in ["//elsewhere.example/x", "/\\elsewhere.example/x", "/\\/elsewhere.example/x"] {
            assert_eq!(own_path(&path.parse().unwrap()), "/elsewhere.example/x");
        }
    }

    #[test]
    fn the_cookie_wins_over_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, "en".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::En);
        headers.insert(header::COOKIE, "a=b; watari_language=ja".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::Ja);
    }
}
