//! Where a record comes from: what rows and data types need to know of the institution.

use super::hl7v2::Charset;
use crate::config::{Country, InstitutionConfig};

/// The institution whose systems wrote the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Chooses the overlay of rows (`ca`, `jahis`) and the reading of undeclared bytes.
    pub country: Country,
    /// Zone of times without an offset.
    pub zone: jiff::tz::TimeZone,
    /// Base URI of identifier and code systems that local systems leave unnamed, without a slash at the end.
    pub namespace: String,
    /// Short id of the institution.
    pub institution: String,
    /// Japan: 10-digit medical institution code.
    pub institution_code: Option<String>,
    /// Canada: province of health cards without a named issuer.
    pub province: Option<String>,
    /// Bytes that contradict MSH-18 are refused (live feeds) rather than read as what they prove to be (files).
    pub charset_binds: bool,
    /// Character set of messages whose MSH-18 is empty; else told by the bytes and the country.
    pub charset_unnamed: Option<Charset>,
}

impl From<&InstitutionConfig> for Setting {
    fn from(config: &InstitutionConfig) -> Self {
        Self {
            country: config.country,
            zone: config.zone(),
            namespace: config.namespace.trim_end_matches('/').to_owned(),
            institution: config.id.clone(),
            institution_code: config.institution_code.clone(),
            province: config.province.clone(),
            charset_binds: false,
            charset_unnamed: None,
        }
    }
}

impl Setting {
    /// A country's setting without an institution, for `watari translate` on files.
    pub fn anonymous(country: Country) -> Self {
        let zone = match country {
            Country::Ca => "America/Toronto",
            Country::Jp => "Asia/Tokyo",
        };
        let config = InstitutionConfig { country, time_zone: zone.to_owned(), ..InstitutionConfig::default() };
        Self::from(&config)
    }

    /// `{namespace}/identifier/{name}`.
    pub fn identifier_system(&self, name: &str) -> String {
        self.address("/identifier/", name)
    }

    /// `{namespace}/CodeSystem/{name}`: a site-local code system, told apart from every other hospital's.
    pub fn code_system(&self, name: &str) -> String {
        self.address("/CodeSystem/", name)
    }

    /// An address in the institution's namespace, with a name as one path segment.
    fn address(&self, room: &str, name: &str) -> String {
        let name = name.trim();
        let mut address = String::with_capacity(self.namespace.len() + room.len() + name.len());
        address.push_str(&self.namespace);
        address.push_str(room);
        percent(name, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'), &mut address);
        address
    }

    /// The system of patient numbers that name no issuer.
    pub fn patient_system(&self) -> String {
        match (self.country, &self.institution_code) {
            (Country::Jp, Some(code)) => format!("urn:oid:1.2.392.100495.20.3.51.1{code}"),
            _ => self.identifier_system("patient"),
        }
    }
}

/// Writes a text with every byte of UTF-8 percent-encoded that `keep` does not let through.
pub(crate) fn percent(text: &str, keep: impl Fn(u8) -> bool, out: &mut String) {
    if text.bytes().all(&keep) {
        return out.push_str(text);
    }
    for byte in text.bytes() {
        if keep(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}
