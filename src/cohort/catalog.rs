//! What can be asked: the analytes with their codes and units, as `watari cohort catalog` and the form list them. The names
//! are working names of this project, not displays of a published terminology.

use serde_json::{Value, json};

use crate::harmonise::Catalog;
use crate::terminology::analytes::{Analyte, Rule};

/// Every analyte that both countries' records can be asked for: a ready `context`, `termCodes` and the units to ask in.
pub fn entries(catalog: &Catalog) -> Vec<Value> {
    let askable =
        |analyte: &&Analyte| !matches!(analyte.rule, Rule::Refused | Rule::AlkalinePhosphatase | Rule::HbA1cJds);
    catalog.terminology.analytes.all().iter().filter(askable).filter_map(entry).collect()
}

fn entry(analyte: &Analyte) -> Option<Value> {
    let (system, code) = analyte.codes().into_iter().next()?;
    let mut units = vec![analyte.conventional.unit.as_str()];
    if analyte.si.unit != analyte.conventional.unit {
        units.push(&analyte.si.unit);
    }
    Some(json!({
        "id": analyte.id,
        "name": {"en": analyte.name_en, "ja": analyte.name_ja},
        "context": "observation",
        "termCodes": [{"system": system, "code": code}],
        "units": units,
    }))
}
