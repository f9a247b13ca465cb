//! Totals of the loss reports.

use std::collections::BTreeMap;

use watari::store::losses::{LossFilter, LossKey};
use watari::store::{Change, Changes, Expect};

use super::for_each_store;

#[test]
fn losses_are_totalled_with_the_acts_that_stand_and_found_by_day_channel_and_message() {
    let key = |day: &str, channel: &str, field: &str, outcome: &str| LossKey {
        day: day.into(),
        channel: channel.into(),
        kind: "ADT^A08".into(),
        field: field.into(),
        outcome: outcome.into(),
        reason: String::new(),
    };
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let first = BTreeMap::from([(key("2026-11-01", "mllp", "PID-5", "mapped"), 2)]);
        let second = BTreeMap::from([
            (key("2026-11-02", "mllp", "PID-5", "mapped"), 3),
            (key("2026-11-02", "csv", "column mrn", "mapped"), 1),
        ]);
        store.commit(Changes::new().with(Change::CountLosses(first.clone()))).unwrap();
        store.commit(Changes::new().with(Change::CountLosses(second))).unwrap();
        // An act that does not stand counts nothing.
        let unmet = Expect::ResourceVersion { kind: "Patient".into(), id: "p".into(), version: Some(1) };
        store.commit(Changes::new().expecting(unmet).with(Change::CountLosses(first))).unwrap_err();
        let seen = |filter: LossFilter| {
            let totals = open(folder).view(|view| view.loss_totals(&filter)).unwrap();
            totals.into_iter().map(|total| (total.field, total.seen)).collect::<Vec<_>>()
        };
        assert_eq!(seen(LossFilter::default()), [("PID-5".to_owned(), 5), ("column mrn".to_owned(), 1)]);
        let since = Some("2026-11-02".to_owned());
        let channel = Some("mllp".to_owned());
        assert_eq!(seen(LossFilter { since, channel, ..LossFilter::default() }), [("PID-5".to_owned(), 3)]);
        let kind = Some("ORU^R01".to_owned());
        assert_eq!(seen(LossFilter { kind, ..LossFilter::default() }), []);
    });
}
