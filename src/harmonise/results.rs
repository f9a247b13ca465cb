//! Laboratory results: the other country's code beside the code, the other unit system beside the quantity.

use std::borrow::Cow;
use std::sync::Arc;

use compact_str::CompactString;

use crate::fhir::tree::Value;

use super::codes::{self, Added};
use super::convert::{Conversion, convert_analyte, fitted};
use super::decimal;
use super::extension::{bar, forget_derived, push_quantity};
use super::scale::{Scale, words};
use super::texts;
use super::units::{Reading, factor};
use super::{Catalog, HarmoniseSetting, Notes, Outcome};
use crate::config::Country;
use crate::fhir::systems;
use crate::fhir::tree::codings;
use crate::terminology::analytes::{Analyte, Rule};

/// Japan's alkaline phosphatase moved from JSCC to IFCC from this day, site by site.
const ALP_SWITCH: &str = "2020-04-01";

/// An Observation and its components.
pub(super) fn observation(catalog: &Catalog, setting: &HarmoniseSetting, resource: &mut Value, notes: &mut Notes<'_>) {
    let when = day(resource).map(CompactString::from);
    result(catalog, setting, resource, when.as_deref(), "", notes);
    for component in resource.get_mut("component").and_then(Value::as_array_mut).into_iter().flatten() {
        result(catalog, setting, component, when.as_deref(), "component.", notes);
    }
}

/// The day of a result, if it is known to the day.
pub(super) fn day(record: &Value) -> Option<&str> {
    let text = record["effectiveDateTime"]
        .as_str()
        .or_else(|| record["effectiveInstant"].as_str())
        .or_else(|| record["effectivePeriod"]["start"].as_str())
        .or_else(|| record["issued"].as_str())?;
    text.get(..10)
}

/// One code with one value. `when` is the day of the whole Observation.
fn result(
    catalog: &Catalog,
    setting: &HarmoniseSetting,
    record: &mut Value,
    when: Option<&str>,
    path: &str,
    notes: &mut Notes<'_>,
) {
    forget_derived(record);
    texts::result(setting.country, record, path, notes);
    if record.get("code").is_none() {
        return;
    }
    let code_element: Cow<'_, str> = if path.is_empty() { "code".into() } else { format!("{path}code").into() };
    let own = codes::known_equivalents(catalog, &mut record["code"], &code_element, notes);
    let own: Vec<(&str, &str)> = own.iter().map(|target| (target.system.as_str(), target.code.as_str())).collect();
    let written: Vec<(&str, &str)> = codings(&record["code"]).collect();
    let Some(analyte) = catalog.analyte(&own).or_else(|| catalog.analyte(&written)) else {
        if record.get("valueQuantity").is_some() {
            note_unmapped(setting, &written, &code_element, notes);
        } else if ["valueString", "valueCodeableConcept"].iter().any(|value| record.get(*value).is_some())
            && let Some((system, code)) = codes::only_local(setting, &record["code"])
        {
            notes.tell(&code_element, "analytes.csv", Outcome::Unmapped, || format!("local code {system}|{code}"));
        }
        plain_quantity(catalog, record, path, notes);
        return;
    };
    let Some(quantity) = Quantity::of(catalog, record) else {
        if record.get("valueQuantity").is_some() {
            notes.add(&format!("{path}valueQuantity"), "unit", Outcome::Unmapped, unit_text(record));
        }
        code_without_unit(catalog, analyte, record, &code_element, notes);
        return;
    };
    let scale = match comparable(analyte, setting.country, record, when, &quantity.ucum) {
        Ok(scale) => scale,
        Err(why) => {
            let element = format!("{path}valueQuantity");
            notes.add(&element, &analyte.id, Outcome::NotConvertible, why.as_str());
            bar(record, &why);
            return;
        }
    };
    code_beside(catalog, analyte, scale, &quantity.ucum, record, &code_element, notes);
    quantities_beside(catalog, analyte, scale, &quantity, record, &format!("{path}valueQuantity"), notes);
}

/// Whether the value means the same in both countries; for HbA1c also on which scale it is.
fn comparable(
    analyte: &Analyte,
    country: Country,
    record: &Value,
    when: Option<&str>,
    ucum: &str,
) -> Result<Option<Scale>, String> {
    match analyte.rule {
        Rule::HbA1c | Rule::HbA1cJds => Scale::of_record(analyte, country, record, when, ucum).map(Some),
        Rule::AlkalinePhosphatase if country == Country::Jp => {
            let text = words(&record["code"]);
            let ifcc = text.contains("IFCC")
                || ["/IF", "_IF", "(IF)", "-IF"].iter().any(|mark| text.contains(mark))
                || has_ifcc_method(&record["code"]);
            match when {
                _ if text.contains("JSCC") => Err("measured by JSCC; IFCC values are about a third".to_owned()),
                _ if ifcc => Ok(None),
                Some(day) if day < ALP_SWITCH => Err("Japanese result before 2020-04, measured by JSCC".to_owned()),
                _ => Err("the method (JSCC or IFCC) is not stated".to_owned()),
            }
        }
        Rule::MolarNitrogen(_) if factor(ucum, &analyte.si.unit).is_none() => {
            let loinc = |code: &str| analyte.si.loinc.as_deref() == Some(code);
            let mut written = codings(&record["code"]);
            // The molar code serves urea and urea nitrogen alike; beside a mass it leaves open which is meant.
            match written.all(|(system, code)| system == systems::LOINC && loinc(code)) {
                true => Err(analyte.reason.clone()),
                false => Ok(None),
            }
        }
        Rule::Refused if analyte.conventional.unit == analyte.si.unit => Err(analyte.reason.clone()),
        Rule::Molar(_) if !analyte.reason.is_empty() && says_nitrogen(&words(&record["code"])) => {
            Err(analyte.reason.clone())
        }
        _ => Ok(None),
    }
}

/// Method digits of JLAC10 that name an IFCC method of alkaline phosphatase.
fn has_ifcc_method(concept: &Value) -> bool {
    codings(concept).any(|(system, code)| {
        codes::is_jlac10(system) && code.starts_with("3B070") && matches!(code.get(12..15), Some("275" | "290"))
    })
}

/// Some laboratories give ammonia as the mass of its nitrogen, which is a fifth less.
fn says_nitrogen(text: &str) -> bool {
    ["窒素", "NH3-N", "NH3N", "NITROGEN", "AZOTE", "-N("].iter().any(|mark| text.contains(mark)) || text.ends_with("-N")
}

/// LOINC by the property that the unit shows; JLAC10 from LOINC with example method digits.
fn code_beside(
    catalog: &Catalog,
    analyte: &Analyte,
    scale: Option<Scale>,
    ucum: &str,
    record: &mut Value,
    element: &str,
    notes: &mut Notes<'_>,
) {
    let unit = fitted(analyte, ucum);
    let side = match scale {
        // A JDS value is not what LOINC's codes or the NGSP code of JLAC10 name.
        Some(Scale::Jds) => return,
        Some(Scale::Ngsp) => Some(&analyte.conventional),
        Some(Scale::Ifcc) => Some(&analyte.si),
        None => [&analyte.conventional, &analyte.si].into_iter().find(|side| factor(&unit, &side.unit).is_some()),
    };
    // A code there is, or one the hospital says there is none for, is not added.
    let site = &catalog.terminology.site;
    let has =
        |name: &str| codings(&record["code"]).any(|(system, code)| system == name || site.bars(system, code, name));
    let (has_loinc, has_jlac10) = (has(systems::LOINC), has(systems::JLAC10));
    // ALP was found comparable by the caller, so its LOINC may stand beside; its JLAC10 method digits are not guessed.
    let Some(side) = side else {
        notes.add(element, "analytes.csv", Outcome::Unmapped, format!("no code of {} in {unit}", analyte.id));
        return;
    };
    match side.loinc.as_deref().filter(|_| analyte.rule != Rule::Refused) {
        Some(code) if !has_loinc => {
            let added = Added { system: systems::LOINC, code, equivalence: "wider", source: "analytes.csv" };
            codes::add(&mut record["code"], element, &added, notes);
        }
        None if !has_loinc => {
            notes.add(element, "analytes.csv", Outcome::Unmapped, format!("no LOINC code of {} in {unit}", analyte.id));
        }
        _ => {}
    }
    if !has_jlac10
        && analyte.crosses_codes()
        && scale != Some(Scale::Ifcc)
        && let Some(code) = &analyte.jlac10
    {
        let added = Added { system: systems::JLAC10, code, equivalence: "narrower", source: "analytes.csv" };
        codes::add(&mut record["code"], element, &added, notes);
    }
}

/// Without a unit only a code that serves both unit systems may be added.
fn code_without_unit(catalog: &Catalog, analyte: &Analyte, record: &mut Value, element: &str, notes: &mut Notes<'_>) {
    let one = analyte.conventional.loinc.is_some() && analyte.conventional.loinc == analyte.si.loinc;
    if !one || !analyte.crosses_codes() {
        return;
    }
    code_beside(catalog, analyte, None, &analyte.si.unit, record, element, notes);
}

fn quantities_beside(
    catalog: &Catalog,
    analyte: &Analyte,
    scale: Option<Scale>,
    quantity: &Quantity,
    record: &mut Value,
    element: &str,
    notes: &mut Notes<'_>,
) {
    let ways = catalog.ways(analyte, &quantity.ucum);
    let mut refusals: Vec<String> = Vec::new();
    for (target, way) in &ways.targets {
        let is_jds = scale == Some(Scale::Jds);
        if quantity.declared() == Some(target) && !is_jds {
            continue;
        }
        let conversion = match way {
            Some(way) => way.go(&quantity.value),
            None => convert_analyte(analyte, scale, &quantity.value, &ways.own, target),
        };
        match conversion {
            Conversion::Converted { value, rule, .. } => {
                let (value, rule) = if ways.own == *target && !is_jds {
                    (quantity.text.to_string(), format!("unit {} is UCUM {target}", quantity.written))
                } else {
                    (value, rule)
                };
                notes.add(element, &rule, Outcome::Added, target.as_str());
                push_quantity(record, &value, target, &rule);
            }
            Conversion::NotConvertible { why } if !refusals.contains(&why) => refusals.push(why),
            Conversion::NotConvertible { .. } => {}
        }
    }
    for why in refusals {
        notes.add(element, &analyte.id, Outcome::NotConvertible, why);
    }
}

/// A quantity of no known analyte: its unit in UCUM, if the writer spelled it otherwise.
fn plain_quantity(catalog: &Catalog, record: &mut Value, path: &str, notes: &mut Notes<'_>) {
    let Some(quantity) = Quantity::of(catalog, record) else { return };
    if quantity.declared() == Some(&*quantity.ucum) {
        return;
    }
    let rule = format!("unit {} is UCUM {}", quantity.written, quantity.ucum);
    notes.add(&format!("{path}valueQuantity"), &rule, Outcome::Added, &*quantity.ucum);
    push_quantity(record, &quantity.text, &quantity.ucum, &rule);
}

/// A `valueQuantity` whose number and unit could be read.
struct Quantity {
    /// As written.
    text: CompactString,
    value: decimal::Decimal,
    /// The unit as written.
    written: CompactString,
    /// The writer declared that it is UCUM.
    is_declared: bool,
    /// The unit in UCUM.
    ucum: Arc<str>,
}

impl Quantity {
    fn of(catalog: &Catalog, record: &Value) -> Option<Self> {
        let quantity = record.get("valueQuantity")?;
        let Value::Number(number) = quantity.get("value")? else { return None };
        let text = CompactString::from(number.as_str());
        let value = decimal::parse(&text)?;
        let is_ucum = quantity["system"] == systems::UCUM;
        let code = quantity["code"].as_str();
        let (written, is_declared) = match (code, quantity["unit"].as_str()) {
            (Some(code), _) if is_ucum => (code, true),
            (_, Some(unit)) => (unit, false),
            (Some(code), None) => (code, false),
            (None, None) => return None,
        };
        match catalog.units.read(written, is_declared) {
            Reading::Ucum(ucum) => Some(Self { text, value, written: written.into(), is_declared, ucum }),
            Reading::Refused(_) | Reading::Unknown => None,
        }
    }

    /// The UCUM code the writer declared.
    fn declared(&self) -> Option<&str> {
        self.is_declared.then_some(&self.written)
    }
}

fn unit_text(record: &Value) -> String {
    let quantity = &record["valueQuantity"];
    match quantity["unit"].as_str().or_else(|| quantity["code"].as_str()) {
        Some(unit) => format!("unit {unit} is not known or could mean two things"),
        None => "no unit".to_owned(),
    }
}

fn note_unmapped(setting: &HarmoniseSetting, written: &[(&str, &str)], element: &str, notes: &mut Notes<'_>) {
    let Some((system, code)) = written.first() else {
        notes.add(element, "analytes.csv", Outcome::Unmapped, "no coding");
        return;
    };
    let whose = if system.starts_with(&setting.namespace) { "local code " } else { "" };
    notes.tell(element, "analytes.csv", Outcome::Unmapped, || format!("{whose}{system}|{code}"));
}
