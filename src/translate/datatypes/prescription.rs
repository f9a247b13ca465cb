//! How JAHIS numbers the lines of a prescription: ORC-4 is the number of the Rp (the group of medicines taken together), bare
//! or behind the order's number, `12345678_01`, and for injections before the number of the dose, `12345678_01_002`.
//!
//! JP Core 1.1.2 tells a line by the number of its Rp and its place there.

use serde_json::{Value, json};

use super::text::clean;
use crate::translate::build::{Context, Piece};

const RP_NUMBER: &str = "urn:oid:1.2.392.100495.20.3.81";
const ORDER_IN_RP: &str = "urn:oid:1.2.392.100495.20.3.82";

/// ORC-4 → the number of the Rp.
pub(crate) fn rp_number(piece: &Piece<'_>) -> Option<Value> {
    let text = piece.component(1).take(1).and_then(|text| clean(&text))?;
    Some(json!({"system": RP_NUMBER, "value": rp(&text)}))
}

/// ORC-4 → the place of the medicine among those of its Rp, as the message lists them.
pub(crate) fn order_in_rp(context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    let here = piece.component(1).get(1)?;
    let at = context.segment?;
    let segments = &context.work.order.message.segments;
    let order = segments.get(at)?.text(2, 1);
    let of_rp = segments.iter().take(at).filter(|segment| {
        segment.name == "ORC" && segment.text(4, 1) == Some(here.as_str()) && segment.text(2, 1) == order
    });
    let place = of_rp.count() + 1;
    piece.component(1).book(1);
    Some(json!({"system": ORDER_IN_RP, "value": place.to_string()}))
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
