//! Addresses of code systems, identifier systems and extensions, each written once.

/// LOINC.
pub const LOINC: &str = "http://loinc.org";
/// UCUM units.
pub const UCUM: &str = "http://unitsofmeasure.org";
/// SNOMED CT.
pub const SNOMED: &str = "http://snomed.info/sct";
/// JLAC10, 17 digits (JP Core address).
pub const JLAC10: &str = "http://medis.or.jp/CodeSystem/master-JLAC10-17digits";
/// ICD-10, Japanese 2013 edition (JP Core address).
pub const ICD10_JP: &str = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full";
/// ICD-10, WHO.
pub const ICD10: &str = "http://hl7.org/fhir/sid/icd-10";
/// ICD-10-CA (CIHI).
pub const ICD10_CA: &str = "http://hl7.org/fhir/sid/icd-10-ca";
/// Canadian Drug Identification Number.
pub const DIN: &str = "http://hl7.org/fhir/NamingSystem/ca-hc-din";
/// MEDIS HOT9 drug code.
pub const HOT9: &str = "http://medis.or.jp/CodeSystem/master-HOT9";
/// YJ individual drug code.
pub const YJ: &str = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code";
/// HL7 v2 table prefix; a table's system is this plus its four digits.
pub const V2: &str = "http://terminology.hl7.org/CodeSystem/v2-";
/// Name representation extension (`IDE` kanji, `SYL` kana, `ABC` alphabetic).
pub const EN_REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
/// Why a value is missing.
pub const DATA_ABSENT_REASON: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// Base of the addresses this project defines.
pub const WATARI: &str = "https://watari.dev/fhir";
/// Extension on a Quantity or Observation that carries the harmonised quantity beside the original.
pub const HARMONISED_QUANTITY: &str = "https://watari.dev/fhir/StructureDefinition/harmonised-quantity";
/// Extension on an Observation whose result is a text of known meaning: `code` (valueCodeableConcept) or `grade`
/// (valueInteger, the number of plus signs), and `rule`.
pub const HARMONISED_RESULT: &str = "https://watari.dev/fhir/StructureDefinition/harmonised-result";
/// Extension on a HumanName that was proposed by transliteration and is not yet confirmed by a person.
pub const PROPOSED_NAME: &str = "https://watari.dev/fhir/StructureDefinition/proposed-transliteration";
/// Extension on such a HumanName: the other spelling that passports allow (OH for a long O).
pub const PROPOSED_SPELLING: &str = "https://watari.dev/fhir/StructureDefinition/proposed-other-spelling";
/// Extension on an Address: its parts in the form of the country (`state`, `postalCode`), and `rule`.
pub const HARMONISED_ADDRESS: &str = "https://watari.dev/fhir/StructureDefinition/harmonised-address";
/// Extension on a HealthcareService with the IANA time zone of the institution, so that partners can show its clock.
pub const TIME_ZONE: &str = "https://watari.dev/fhir/StructureDefinition/time-zone";
