//! The trail of requests.

use std::ops::ControlFlow;

use watari::store::Handle;
use watari::store::requests::{RequestFilter, RequestRow, SEGMENT, chain_hash, chain_start, find};

use super::for_each_store;

fn row(at: i64, target: &str, patients: &str) -> RequestRow {
    RequestRow {
        at,
        actor: "token:a".into(),
        role: "system".into(),
        act: "read".into(),
        target: target.into(),
        parameters: "name,birthdate".into(),
        patients: patients.into(),
        shown: 1,
        outcome: 200,
        purpose: "TREAT".into(),
        request_id: "r-1".into(),
        origin: "192.0.2.1".into(),
    }
}

fn found(store: &Handle, subjects: &[&str], from: Option<i64>, to: Option<i64>) -> Vec<u64> {
    let filter = RequestFilter { subjects: subjects.iter().map(|one| (*one).to_owned()).collect(), from, to };
    let mut positions = Vec::new();
    store
        .view(|view| {
            find(view, &filter, &mut |one| {
                positions.push(one.position);
                ControlFlow::Continue(())
            })
        })
        .unwrap();
    assert!(positions.is_sorted_by(|a, b| a > b), "the latest first");
    positions.reverse();
    positions
}

#[test]
fn a_row_is_read_back_as_it_was_and_chained_also_after_a_restart() {
    for_each_store(|name, folder, open| {
        let store = open(folder);
        assert_eq!(store.view(|view| view.request_chains()).unwrap(), [""; 0]);
        assert_eq!(store.view(|view| view.request_head("")).unwrap(), None);
        let rows = [row(1, "Patient/山", "1 2"), row(2, "", ""), row(3, "Observation", "3")];
        for one in &rows[..2] {
            store.note_and_wait(one.clone()).unwrap();
        }
        drop(store);
        let store = open(folder);
        store.note_and_wait(rows[2].clone()).unwrap();
        let read = store.view(|view| view.requests("", 1, 10)).unwrap();
        assert_eq!(read.iter().map(|one| one.row.clone()).collect::<Vec<_>>(), rows, "{name}");
        let mut before = chain_start("");
        for (one, position) in read.iter().zip(1..) {
            before = chain_hash(&before, position, &one.row);
            assert_eq!((one.position, one.hash), (position, before));
        }
        assert_eq!(store.view(|view| view.request_head("")).unwrap(), Some((3, before)));
        assert_eq!(store.view(|view| view.request_chains()).unwrap(), [""]);
        assert!(store.view(|view| view.requests("other", 1, 10)).unwrap().is_empty());
        assert_eq!(store.view(|view| watari::audit::verify(view)).unwrap()[1].entries, 3);
    });
}

#[test]
fn rows_of_a_patient_are_found_among_many() {
    for_each_store(|name, folder, open| {
        let store = open(folder);
        // As many at once as a recorder may meet.
        std::thread::scope(|threads| {
            for thread in 0..4 {
                let store = &store;
                threads.spawn(move || {
                    for number in 0..SEGMENT / 4 + 100 {
                        let id = format!("p{}", number + thread * 10_000);
                        store.note_and_wait(row(number as i64, &format!("Patient/{id}"), &id)).unwrap();
                    }
                });
            }
        });
        store.note_and_wait(row(5_000, "Observation", "p7 q")).unwrap();
        store.note_and_wait(row(6_000, "Patient/p7/Observation", "")).unwrap();
        let of_p7 = found(&store, &["Patient/p7"], None, None);
        assert_eq!(of_p7.len(), 3, "{name}");
        assert_eq!(found(&store, &["Patient/p7"], Some(5_000), Some(6_000)), of_p7[1..2]);
        assert_eq!(found(&store, &["Patient/q", "Patient/p7"], Some(5_000), None), of_p7[1..]);
        assert_eq!(found(&store, &["Patient/nobody"], None, None), [0; 0]);
        assert_eq!(found(&store, &[], None, None).len() as u64, SEGMENT + 402);
        assert_eq!(store.view(|view| watari::audit::verify(view)).unwrap()[1].entries, SEGMENT + 402);
        let segments = store.view(|view| view.request_segments("", u64::MAX >> 1, 10)).unwrap();
        assert_eq!(segments.iter().map(|one| one.last).collect::<Vec<_>>(), [SEGMENT]);
        assert!(store.view(|view| view.request_segments("", SEGMENT, 10)).unwrap().is_empty());
    });
}
