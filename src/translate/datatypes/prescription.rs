//! How JAHIS numbers the lines of a prescription: ORC-4 is the number of the Rp (the group of medicines taken together), bare
//! or behind the order's number, `12345678_01`, and for injections before the number of the dose, `12345678_01_002`.
//!
//! JP Core 1.1.2 tells a line by the number of its Rp and its place there.

use crate::fhir::tree::{Value, json};

use super::text::clean;
use crate::translate::build::{Context, Piece};
use crate::translate::hl7v2::message::Segment;

const RP_NUMBER: &str = "urn:oid:1.2.392.100495.20.3.81";
const ORDER_IN_RP: &str = "urn:oid:1.2.392.100495.20.3.82";

/// ORC-4 → the number of the Rp.
pub(crate) fn rp_number(piece: &Piece<'_>) -> Option<Value> {
    let text = piece.component(1).take(1).and_then(|text| clean(&text))?;
    Some(json!({"system": RP_NUMBER, "value": rp(&text)}))
}

/// ORC-4, or RXA-5 of a medicine that was given → the place of the medicine among those of its Rp, as the message lists
/// them. A medicine that is given several times has one place.
pub(crate) fn order_in_rp(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let at = context.segment?;
    let segments = &context.work.order.message.segments;
    let place = match segments.get(at)?.name.as_str() {
        "RXA" => place_of_dose(segments, at),
        _ => place_of_line(segments, at),
    };
    piece.book(1);
    Some(json!({"system": ORDER_IN_RP, "value": place.to_string()}))
}

/// Lines of a prescription: each has an ORC, and those of one Rp the same ORC-4.
fn place_of_line(segments: &[Segment], at: usize) -> usize {
    let rp = |segment: &Segment| (segment.text(2, 1).map(str::to_owned), segment.text(4, 1).map(str::to_owned));
    let Some(here) = segments.get(at).map(rp) else { return 1 };
    segments.iter().take(at).filter(|segment| segment.name == "ORC" && rp(segment) == here).count() + 1
}

/// Doses: the medicines of an Rp follow one ORC.
fn place_of_dose(segments: &[Segment], at: usize) -> usize {
    let start = segments.iter().take(at).rposition(|segment| segment.name == "ORC").unwrap_or(0);
    let doses = segments.iter().take(at + 1).skip(start).filter(|segment| segment.name == "RXA");
    let mut medicines: Vec<Option<&str>> = Vec::new();
    for medicine in doses.map(|dose| dose.text(5, 1).or_else(|| dose.text(5, 2))) {
        if !medicines.contains(&medicine) {
            medicines.push(medicine);
        }
    }
    let here = segments.get(at).and_then(|dose| dose.text(5, 1).or_else(|| dose.text(5, 2)));
    medicines.iter().position(|medicine| *medicine == here).unwrap_or(0) + 1
}

fn rp(text: &str) -> &str {
    text.split('_').nth(1).filter(|part| !part.is_empty()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::rp;

    #[test]
    fn the_number_of_the_rp_is_found() {
        for (text, number) in [("1", "1"), ("12345678_01", "01"), ("123456789012345_02_003", "02"), ("12_", "12_")] {
            assert_eq!(rp(text), number, "{text}");
        }
    }
}
