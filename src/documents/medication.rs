//! What a medication is called: its own concept, that of the Medication it refers to, contained or sent along, and the
//! ingredients where those are recorded.

use serde_json::Value;

use super::concept::words;
use super::quantity::ratio;

/// The drug of a MedicationRequest or MedicationStatement.
#[derive(Debug, Clone, Default)]
pub struct Medication<'a> {
    /// Its concept.
    pub code: Option<&'a Value>,
    /// The reference's own words, for when the concept has none.
    pub display: Option<&'a str>,
    /// Ingredients with their strength.
    pub ingredients: Vec<String>,
}

/// Reads the drug of `resource`. `find` gives what a reference names among the resources that go along.
pub fn medication<'a>(resource: &'a Value, find: &dyn Fn(&str) -> Option<&'a Value>) -> Medication<'a> {
    if let Some(code) = resource.get("medicationCodeableConcept") {
        return Medication { code: Some(code), ..Medication::default() };
    }
    let Some(reference) = resource.get("medicationReference") else { return Medication::default() };
    let display = reference.get("display").and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let named =
        |target: &Value| -> Option<&'a Value> { referenced(resource, target.get("reference")?.as_str()?, find) };
    let Some(product) = named(reference) else { return Medication { display, ..Medication::default() } };
    let listed = product.get("ingredient").and_then(Value::as_array).into_iter().flatten();
    let ingredients = listed
        .filter_map(|one| {
            let code = one.get("itemCodeableConcept").or_else(|| named(one.get("itemReference")?)?.get("code"));
            let shown =
                code.and_then(words).or_else(|| Some(one.pointer("/itemReference/display")?.as_str()?.to_owned()));
            let strength =
                one.get("strength").and_then(ratio).map(|strength| format!(" {strength}")).unwrap_or_default();
            Some(format!("{}{strength}", shown?))
        })
        .collect();
    Medication { code: product.get("code"), display, ingredients }
}

/// `#id` stands in the resource itself; everything else is asked for.
fn referenced<'a>(resource: &'a Value, reference: &str, find: &dyn Fn(&str) -> Option<&'a Value>) -> Option<&'a Value> {
    match reference.strip_prefix('#') {
        Some(id) => resource.get("contained")?.as_array()?.iter().find(|one| crate::fhir::id(one) == Some(id)),
        None => find(reference),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_contained_drug_has_its_ingredients() {
        let order = json!({"resourceType": "MedicationRequest", "medicationReference": {"reference": "#drip"}, "contained": [
            {"resourceType": "Medication", "id": "drip", "code": {"text": "Infusion"}, "ingredient": [
                {"itemCodeableConcept": {"text": "Potassium chloride"}, "strength": {
                    "numerator": {"value": 20, "unit": "mEq"}, "denominator": {"value": 1, "unit": "L"}}},
                {"itemReference": {"reference": "#water", "display": "Water"}}]},
            {"resourceType": "Substance", "id": "water", "code": {"text": "Water for injection"}}]});
        let found = medication(&order, &|_| None);
        assert_eq!(found.code.and_then(words).as_deref(), Some("Infusion"));
        assert_eq!(found.ingredients, ["Potassium chloride 20 mEq / 1 L", "Water for injection"]);
    }

    #[test]
    fn a_drug_that_is_not_there_keeps_the_words_of_its_reference() {
        let order = json!({"medicationReference": {"reference": "Medication/9", "display": "Aspirin"}});
        let found = medication(&order, &|_| None);
        assert_eq!((found.code, found.display), (None, Some("Aspirin")));
    }
}
