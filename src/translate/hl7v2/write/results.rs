//! The results that come with a referral → ORU^R01.

use serde_json::Value;

use super::clinical::{observed, obx};
use super::fields::{components, escaped, text, time};
use super::patient::pid;
use super::{Cover, Segment, Written, finish, header};

/// ORU^R01 with one OBR per moment of observation; nothing, if there is no result to tell.
pub fn results_message(
    cover: &Cover,
    referral: &str,
    patient: &Value,
    author: &Value,
    observations: &[&Value],
) -> Option<Written> {
    let mut segments = vec![header(cover, "ORU", "R01", "ORU_R01"), pid(cover, patient)];
    let mut moments: Vec<String> = Vec::new();
    for observation in observations {
        let moment = time(observed(observation));
        if !moments.contains(&moment) {
            moments.push(moment);
        }
    }
    let mut groups = 0;
    for moment in &moments {
        let mut number = 0;
        let of_it = observations.iter().filter(|one| time(observed(one)) == *moment);
        let results: Vec<Segment> = of_it.flat_map(|one| obx(cover, &mut number, one)).collect();
        if !results.is_empty() {
            groups += 1;
            let order = format!("{referral}-{groups}");
            let obr = obr(&order, author).set(1, groups.to_string()).set(7, moment.clone());
            segments.push(obr);
            segments.extend(results);
        }
    }
    (groups > 0).then(|| finish(cover, "ORU^R01", &segments))
}

/// The order the results stand under: the referral they came with. LOINC 30954-2 is the section of the patient summary.
pub(super) fn obr(order: &str, author: &Value) -> Segment {
    let number = components(&[&escaped(order), &escaped(text(author, "/identifier/0/value"))]);
    Segment::new("OBR")
        .set(1, "1")
        .set(3, number)
        .set(4, "30954-2^Relevant diagnostic tests/laboratory data^LN")
        .set(25, "F")
}
