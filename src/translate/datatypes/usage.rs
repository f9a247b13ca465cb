//! How and for how long a medicine is used (TQ1), where the parts of the segment change each other's meaning.

use compact_str::CompactString;

use crate::fhir::tree::{Value, json};

use super::{Placed, quantity};
use crate::translate::build::{Context, Piece};

const USAGE_DURATION: &str =
    "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_MedicationDosage_UsageDuration";

/// TQ1-6. Days of use that do not follow each other (every other day, on Mondays, when needed) are a number of days, not a
/// span of time: JP Core has an extension for them.
pub(crate) fn duration(context: &Context<'_>, pieces: &[Piece<'_>]) -> Vec<Placed> {
    let read = pieces.iter().find(|piece| !piece.is_empty()).and_then(|piece| quantity::duration(context, piece));
    let Some(duration) = read else { return Vec::new() };
    if !context.subcomponents("TQ1-3").iter().any(|usage| leaves_days_out(usage)) {
        return vec![Placed { path: None, value: duration }];
    }
    let extension = json!({"url": USAGE_DURATION, "valueDuration": duration});
    vec![Placed { path: Some("dosageInstruction[0].extension[]"), value: extension }]
}

/// TQ1-3 → asNeededBoolean; nothing where the order does not say "when needed".
pub(crate) fn as_needed(context: &Context<'_>, pieces: &[Piece<'_>]) -> Vec<Placed> {
    let needed = context.subcomponents("TQ1-3").iter().any(|usage| is_as_needed(usage));
    if !needed {
        return Vec::new();
    }
    pieces.iter().for_each(|piece| piece.component(1).book(1));
    vec![Placed { path: None, value: Value::Bool(true) }]
}

/// Code, text, system of one usage.
fn part(usage: &[CompactString], number: usize) -> &str {
    usage.get(number - 1).map_or("", |text| text.trim())
}

/// JAMI standard usage: supplements I (days apart) and W (days of the week), and what is taken when needed.
fn leaves_days_out(usage: &[CompactString]) -> bool {
    let is_jami = part(usage, 3).eq_ignore_ascii_case("JAMISDP01");
    is_jami && part(usage, 1).starts_with(['I', 'W']) || is_tonyo(usage)
}

fn is_as_needed(usage: &[CompactString]) -> bool {
    part(usage, 1).eq_ignore_ascii_case("PRN") || is_tonyo(usage)
}

/// 頓用: the third digit of a JAMI code for internal use is 5.
fn is_tonyo(usage: &[CompactString]) -> bool {
    let (code, text) = (part(usage, 1), part(usage, 2));
    let is_jami = part(usage, 3).eq_ignore_ascii_case("JAMISDP01") && code.len() == 16;
    is_jami && code.starts_with('1') && code.as_bytes().get(2) == Some(&b'5')
        || text.contains("頓用")
        || text.contains("頓服")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usages_are_told_apart() {
        let usage = |text: &str| text.split('&').map(CompactString::from).collect::<Vec<_>>();
        for (text, apart, needed) in [
            ("1012040400000000&内服・経口・１日２回朝夕食後&JAMISDP01", false, false),
            ("I1100000&１日おき&JAMISDP01", true, false),
            ("W0101000&月曜日、水曜日&JAMISDP01", true, false),
            ("1050610000000000&発熱時&JAMISDP01", true, true),
            ("99&頓服&99USE", true, true),
            ("BID&twice a day&HL70335", false, false),
            ("PRN&as needed&HL70335", false, true),
        ] {
            assert_eq!((leaves_days_out(&usage(text)), is_as_needed(&usage(text))), (apart, needed), "{text}");
        }
    }
}
