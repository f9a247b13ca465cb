//! What every store promises about exports: the record as it was at a moment, the fence, leases, pieces.

use std::ops::ControlFlow;

use watari::store::exports::{AsOf, Export, ExportStatus, Piece, UNPREPARED};
use watari::store::records::{ResourceWrite, StoredResource};
use watari::store::{Change, Changes, CommitError, Expect, Handle, StoreError, View};

fn for_each_store(case: impl Fn(&Handle)) {
    super::for_each_store(|_, folder, open| case(&open(folder)));
}

fn at(second: u64) -> String {
    format!("2026-01-01T00:00:{second:02}.000Z")
}

fn put(kind: &str, id: &str, version: u64, second: u64, patient: Option<&str>) -> Change {
    let subject = patient.map(|one| format!(r#","subject":{{"reference":"Patient/{one}"}}"#)).unwrap_or_default();
    Change::PutResource(ResourceWrite {
        resource: StoredResource {
            kind: kind.into(),
            id: id.into(),
            version,
            last_updated: at(second),
            event_time: None,
            json: format!(r#"{{"resourceType":"{kind}","id":"{id}","v":{version}{subject}}}"#),
        },
        patient: patient.map(str::to_owned),
        index: Vec::new(),
        message_id: None,
    })
}

fn delete(kind: &str, id: &str, version: u64, second: u64) -> Change {
    Change::DeleteResource { kind: kind.into(), id: id.into(), version, at: at(second) }
}

pub(super) fn export(id: &str, owner: &str, moment: u64) -> Export {
    Export {
        id: id.into(),
        owner: owner.into(),
        asked: br#"{"secret":"who was asked for"}"#.to_vec(),
        moment: at(moment),
        status: ExportStatus::Open,
        reached: UNPREPARED,
        resources: 0,
        error: None,
        created_at: at(moment),
        expires_at: "2026-01-02T00:00:00.000Z".into(),
    }
}

pub(super) fn piece(file: &str, number: u64) -> Piece {
    let bytes = format!("{file} {number}").into_bytes();
    Piece { file: file.into(), number, resources: 2, length: 10, crc: u32::MAX, bytes }
}

fn commit(store: &Handle, change: Change) {
    store.commit(Changes::new().with(change)).unwrap();
}

fn refused(store: &Handle, expect: Expect) {
    let told = store.commit(Changes::new().expecting(expect.clone())).unwrap_err();
    assert!(matches!(&told, CommitError::Unexpected(one) if *one == expect), "{told}");
}

fn read<T>(store: &Handle, read: impl FnOnce(&dyn View) -> Result<T, StoreError>) -> T {
    store.view(read).unwrap()
}

/// `id/version` of what is there at a moment, in steps of at most so many.
fn there(store: &Handle, moment: u64, since: Option<u64>, kinds: &[&str], at_most: usize) -> Vec<String> {
    let (moment, since) = (at(moment), since.map(at));
    let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let (mut behind, mut found) = (0, Vec::new());
    while behind != i64::MAX {
        let asked = AsOf { behind, moment: &moment, since: since.as_deref(), kinds: &kinds, at_most };
        behind = read(store, |view| {
            view.each_as_of(&asked, &mut |held| {
                let json: serde_json::Value = serde_json::from_str(held.json).unwrap();
                assert_eq!(json["resourceType"], held.kind);
                let about = held.patient.map(|one| view.address_at(one).unwrap().unwrap().1);
                let about = about.map(|one| format!(" of {one}")).unwrap_or_default();
                found.push(format!("{}/{}{about}", json["id"].as_str().unwrap(), json["v"]));
                // The half of them break off at each.
                if at_most == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        });
    }
    found.sort();
    found
}

#[test]
fn the_record_of_a_moment_is_read_however_it_changes_meanwhile() {
    for_each_store(|store| {
        commit(store, put("Patient", "p", 1, 1, Some("p")));
        commit(store, put("Goal", "kept", 1, 1, Some("p")));
        commit(store, put("Goal", "changed", 1, 2, Some("p")));
        commit(store, put("Goal", "gone", 1, 3, Some("p")));
        commit(store, put("Goal", "gone-before", 1, 3, None));
        commit(store, delete("Goal", "gone-before", 2, 4));
        commit(store, put("Goal", "again", 1, 3, None));
        // After the moment of second 5:
        commit(store, put("Goal", "changed", 2, 6, Some("q")));
        commit(store, put("Goal", "changed", 3, 7, None));
        commit(store, delete("Goal", "gone", 2, 8));
        commit(store, delete("Goal", "again", 2, 8));
        commit(store, put("Goal", "again", 3, 9, None));
        commit(store, put("Goal", "new", 1, 9, None));
        let then = ["again/1", "changed/1 of p", "gone/1 of p", "kept/1 of p", "p/1 of p"];
        for at_most in [1, 2, 3, 100] {
            assert_eq!(there(store, 5, None, &[], at_most), then, "{at_most} at a time");
        }
        assert_eq!(there(store, 9, None, &["Goal"], 100), ["again/3", "changed/3", "kept/1 of p", "new/1"]);
        assert_eq!(there(store, 5, None, &["Patient", "Device"], 100), ["p/1 of p"]);
        assert_eq!(there(store, 5, Some(2), &[], 2), ["again/1", "gone/1 of p"]);
        assert!(there(store, 5, Some(3), &[], 2).is_empty());
        assert!(there(store, 0, None, &[], 2).is_empty());
    });
}

#[test]
fn deletions_are_told_that_stood_at_the_moment() {
    for_each_store(|store| {
        commit(store, put("Goal", "a", 1, 1, Some("p")));
        commit(store, put("Goal", "a", 2, 2, Some("q")));
        commit(store, delete("Goal", "a", 3, 3));
        commit(store, put("Goal", "back", 1, 1, None));
        commit(store, delete("Goal", "back", 2, 3));
        commit(store, put("Goal", "back", 3, 4, None));
        commit(store, put("Goal", "later", 1, 1, None));
        commit(store, delete("Goal", "later", 2, 6));
        let told = |since: u64, moment: u64| {
            let mut told = Vec::new();
            read(store, |view| {
                view.each_deleted(&at(since), &at(moment), &mut |one| {
                    told.push((format!("{}/{}", one.kind, one.id), one.before.contains("Patient/q")));
                })
            });
            told.sort();
            told
        };
        assert_eq!(told(0, 5), [("Goal/a".to_owned(), true)]);
        assert_eq!(told(0, 3), [("Goal/a".to_owned(), true), ("Goal/back".to_owned(), false)]);
        assert_eq!(told(3, 9), [("Goal/later".to_owned(), false)]);
        assert!(told(6, 9).is_empty());
    });
}

#[test]
fn behind_the_fence_of_an_export_nothing_of_its_moment_is_written() {
    for_each_store(|store| {
        commit(store, put("Goal", "a", 1, 20, None));
        commit(store, Change::StartExport(export("x", "lab", 20)));
        for late in [put("Goal", "late", 1, 20, None), put("Goal", "late", 1, 11, None), delete("Goal", "a", 2, 15)] {
            let told = store.commit(Changes::new().with(late)).unwrap_err();
            assert!(matches!(told, CommitError::Unexpected(Expect::ResourceVersion { .. })), "{told}");
        }
        // Resolved again, it is later; and a clock that was set back does not stop the node.
        commit(store, put("Goal", "late", 1, 21, None));
        commit(store, put("Goal", "old", 1, 5, None));
        assert_eq!(there(store, 20, None, &[], 10), ["a/1", "old/1"]);
        // In the same group as the export, too.
        let together =
            Changes::new().with(Change::StartExport(export("y", "lab", 40))).with(put("Goal", "after", 1, 41, None));
        store.commit(together).unwrap();
        assert!(store.commit(Changes::new().with(put("Goal", "b", 1, 40, None))).is_err());
    });
}

#[test]
fn an_export_is_worked_at_under_a_lease_and_comes_to_its_end() {
    for_each_store(|store| {
        let leased = |lease: &str| Expect::ExportLeased { id: "x".into(), lease: lease.into() };
        let free = |second| Expect::ExportFree { id: "x".into(), now: at(second) };
        commit(store, Change::StartExport(export("x", "lab", 1)));
        assert_eq!(read(store, |view| view.export("x")), Some(export("x", "lab", 1)));
        assert_eq!(read(store, |view| view.exports_due(&at(2), 5)).len(), 1);
        refused(store, leased("one"));
        let lease = Change::LeaseExport { id: "x".into(), lease: "one".into(), until: at(10) };
        store.commit(Changes::new().expecting(free(2)).with(lease)).unwrap();
        refused(store, free(9));
        assert!(read(store, |view| view.exports_due(&at(9), 5)).is_empty());
        assert_eq!(read(store, |view| view.exports_due(&at(10), 5)).len(), 1, "its lease is over");
        let pieces = vec![piece("Patient", 0), piece("Goal", 0), piece("Goal", 1)];
        let step = Change::AddPieces { id: "x".into(), pieces, reached: 7 };
        store.commit(Changes::new().expecting(leased("one")).with(step)).unwrap();
        refused(store, leased("two"));
        let now = read(store, |view| view.export("x")).unwrap();
        assert_eq!((now.reached, now.resources), (7, 6));
        let files = read(store, |view| view.export_files("x"));
        let told: Vec<(&str, usize)> = files.iter().map(|one| (one.file.as_str(), one.pieces.len())).collect();
        assert_eq!(told, [("Goal", 2), ("Patient", 1)]);
        assert_eq!((files[0].pieces[1].stored, files[0].pieces[1].crc, files[0].pieces[1].resources), (6, u32::MAX, 2));
        assert_eq!(read(store, |view| view.export_piece("x", "Goal", 1)), Some(b"Goal 1".to_vec()));
        assert_eq!(read(store, |view| view.export_piece("x", "Goal", 2)), None);
        let end = |status, expires_at: Option<&str>| Change::EndExport {
            id: "x".into(),
            status,
            error: None,
            expires_at: expires_at.map(str::to_owned),
        };
        commit(store, end(ExportStatus::Done, Some(&at(30))));
        refused(store, leased("one"));
        refused(store, free(59));
        assert_eq!(read(store, |view| view.export("x")).unwrap().expires_at, at(30));
        assert!(read(store, |view| view.exports_over(&at(29), 5)).is_empty());
        assert_eq!(read(store, |view| view.exports_over(&at(30), 5)), ["x"]);
        commit(store, end(ExportStatus::Ended, None));
        assert_eq!(read(store, |view| view.exports_over(&at(2), 5)), ["x"]);
        let take = || Change::TakeAwayExport { id: "x".into(), pieces: 2 };
        commit(store, take());
        assert!(read(store, |view| view.export("x")).is_some(), "a piece is left");
        commit(store, take());
        assert_eq!(read(store, |view| view.export("x")), None);
        assert!(read(store, |view| view.export_files("x")).is_empty());
    });
}

#[test]
fn one_owner_has_so_many_exports_open() {
    for_each_store(|store| {
        let below = |owner: &str, most| Expect::ExportsBelow { owner: owner.into(), most };
        let start = |id: &str| {
            let changes = Changes::new().expecting(below("lab", 2)).with(Change::StartExport(export(id, "lab", 1)));
            store.commit(changes)
        };
        start("a").unwrap();
        start("b").unwrap();
        assert!(matches!(start("c"), Err(CommitError::Unexpected(Expect::ExportsBelow { .. }))));
        store.commit(Changes::new().expecting(below("other", 1))).unwrap();
        let end = Change::EndExport {
            id: "a".into(),
            status: ExportStatus::Failed,
            error: Some("e".into()),
            expires_at: None,
        };
        commit(store, end);
        assert_eq!(read(store, |view| view.export("a")).unwrap().error.as_deref(), Some("e"));
        start("c").unwrap();
    });
}
