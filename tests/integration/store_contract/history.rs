//! What every store promises about versions, deletions and references.

use std::ops::ControlFlow;

use watari::store::history::HistoryQuery;
use watari::store::records::{IndexRow, IndexValue, ResourceWrite, StoredResource};
use watari::store::{Change, Changes, CommitError, Expect, Handle, StoreError};

fn for_each_store(case: impl Fn(&Handle)) {
    super::for_each_store(|_, folder, open| case(&open(folder)));
}

fn at(second: u64) -> String {
    format!("2026-01-01T00:00:{second:02}.000Z")
}

fn put(kind: &str, id: &str, version: u64, second: u64, refers_to: Option<&str>) -> Change {
    let reference = refers_to.map(|target| IndexRow::new("subject", IndexValue::Reference(target.into())));
    let identifier = IndexRow::new("identifier", IndexValue::Token { system: "urn:x".into(), code: id.into() });
    Change::PutResource(ResourceWrite {
        resource: StoredResource {
            kind: kind.into(),
            id: id.into(),
            version,
            last_updated: at(second),
            event_time: None,
            json: format!(r#"{{"resourceType":"{kind}","id":"{id}","v":{version}}}"#),
        },
        patient: (kind == "Patient").then(|| id.into()),
        index: reference.into_iter().chain([identifier]).collect(),
        message_id: None,
    })
}

fn delete(kind: &str, id: &str, version: u64, second: u64) -> Change {
    Change::DeleteResource { kind: kind.into(), id: id.into(), version, at: at(second) }
}

fn commit(store: &Handle, change: Change) {
    store.commit(Changes::new().with(change)).unwrap();
}

fn version_is(kind: &str, id: &str, version: Option<u64>) -> Changes {
    Changes::new().expecting(Expect::ResourceVersion { kind: kind.into(), id: id.into(), version })
}

fn read<T>(store: &Handle, read: impl FnOnce(&dyn watari::store::View) -> Result<T, StoreError>) -> T {
    store.view(read).unwrap()
}

#[test]
fn a_deleted_resource_is_gone_but_for_its_history_and_may_come_back() {
    for_each_store(|store| {
        commit(store, put("Goal", "g", 1, 1, None));
        commit(store, delete("Goal", "g", 2, 2));
        assert_eq!(read(store, |view| view.resource("Goal", "g")), None);
        assert!(read(store, |view| view.by_identifier("Goal", "urn:x", "g")).is_empty());
        assert!(read(store, |view| view.resource_counts()).is_empty());
        let last = read(store, |view| view.last_version("Goal", "g")).unwrap();
        assert_eq!((last.version, last.is_deletion(), last.last_updated), (2, true, at(2)));
        assert!(read(store, |view| view.resource_version("Goal", "g", 1)).unwrap().json.contains("\"v\":1"));
        assert!(read(store, |view| view.resource_version("Goal", "g", 2)).unwrap().is_deletion());
        assert_eq!(read(store, |view| view.last_version("Goal", "never")), None);

        for (version, holds) in [(None, false), (Some(1), false), (Some(2), true)] {
            assert_eq!(store.commit(version_is("Goal", "g", version)).is_ok(), holds, "{version:?}");
        }
        commit(store, put("Goal", "g", 3, 3, None));
        assert_eq!(read(store, |view| view.resource("Goal", "g")).unwrap().version, 3);
        assert_eq!(read(store, |view| view.by_identifier("Goal", "urn:x", "g")).len(), 1);
        assert!(store.commit(version_is("Goal", "g", Some(3))).is_ok());
    });
}

fn pages(store: &Handle, query: &HistoryQuery) -> Vec<String> {
    let (mut query, mut seen) = (query.clone(), Vec::new());
    loop {
        let page = read(store, |view| view.history(&query));
        assert!(page.versions.len() <= query.count);
        let name = |one: &StoredResource| {
            format!("{}/{}/{}{}", one.kind, one.id, one.version, if one.is_deletion() { "x" } else { "" })
        };
        seen.extend(page.versions.iter().map(name));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return seen,
        }
    }
}

#[test]
fn history_is_told_newest_first_at_three_levels_and_between_times() {
    for_each_store(|store| {
        commit(store, put("Goal", "g", 1, 1, None));
        commit(store, put("Patient", "p", 1, 2, None));
        commit(store, put("Goal", "g", 2, 3, None));
        commit(store, put("Goal", "h", 1, 3, None));
        commit(store, delete("Goal", "g", 3, 5));
        for count in [1, 2, 100] {
            let all = HistoryQuery { count, ..HistoryQuery::default() };
            let goals = HistoryQuery { kind: Some("Goal".into()), ..all.clone() };
            let one = HistoryQuery { id: Some("g".into()), ..goals.clone() };
            assert_eq!(pages(store, &all), ["Goal/g/3x", "Goal/h/1", "Goal/g/2", "Patient/p/1", "Goal/g/1"]);
            assert_eq!(pages(store, &goals), ["Goal/g/3x", "Goal/h/1", "Goal/g/2", "Goal/g/1"]);
            assert_eq!(pages(store, &one), ["Goal/g/3x", "Goal/g/2", "Goal/g/1"]);
            assert_eq!(read(store, |view| view.history(&one)).total, Some(3));
            let since = HistoryQuery { since: Some(at(3)), ..all.clone() };
            assert_eq!(pages(store, &since), ["Goal/g/3x", "Goal/h/1", "Goal/g/2"]);
            let between = HistoryQuery { at: Some((at(2), at(3))), ..all.clone() };
            assert_eq!(pages(store, &between), ["Patient/p/1", "Goal/g/1"]);
            let nothing = HistoryQuery { kind: Some("Goal".into()), id: Some("never".into()), ..all.clone() };
            assert_eq!(pages(store, &nothing), [""; 0]);
        }
    });
}

#[test]
fn what_is_written_between_two_pages_of_history_moves_nothing() {
    for_each_store(|store| {
        for second in 1..=5 {
            commit(store, put("Goal", &format!("g{second}"), 1, second, None));
        }
        let mut query = HistoryQuery { count: 2, ..HistoryQuery::default() };
        let first = read(store, |view| view.history(&query));
        commit(store, put("Goal", "g1", 2, 9, None));
        query.after = first.next;
        let second = read(store, |view| view.history(&query));
        let ids: Vec<&str> = second.versions.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["g3", "g2"]);
    });
}

#[test]
fn who_refers_to_a_resource_is_told_and_expected_at_the_commit() {
    for_each_store(|store| {
        commit(store, put("Patient", "p", 1, 1, None));
        let unreferred = |except: &[(&str, &str)]| {
            let except = except.iter().map(|(kind, id)| ((*kind).to_owned(), (*id).to_owned())).collect();
            store.commit(Changes::new().expecting(Expect::Unreferred {
                kind: "Patient".into(),
                id: "p".into(),
                except,
            }))
        };
        assert!(unreferred(&[]).is_ok(), "it refers to itself only");
        commit(store, put("Provenance", "v", 1, 1, Some("Patient/p")));
        assert!(unreferred(&[]).is_ok(), "a record about a record holds nothing back");
        commit(store, put("Goal", "g", 1, 2, Some("Patient/p")));
        let goal = ("Goal".to_owned(), "g".to_owned());
        assert_eq!(read(store, |view| view.referrers("Patient", "p", 10)), [goal]);
        assert!(matches!(unreferred(&[]), Err(CommitError::Unexpected(Expect::Unreferred { .. }))));
        assert!(unreferred(&[("Goal", "g")]).is_ok());
        commit(store, delete("Goal", "g", 2, 3));
        assert!(unreferred(&[]).is_ok());
    });
}

#[test]
fn all_of_the_record_is_gone_through_once() {
    for_each_store(|store| {
        commit(store, put("Patient", "p", 1, 1, None));
        commit(store, put("Goal", "g", 1, 2, Some("Patient/p")));
        commit(store, put("Goal", "gone", 1, 2, None));
        commit(store, delete("Goal", "gone", 2, 3));
        commit(store, put("Patient", "p", 2, 4, None));
        let passed = |kinds: &[&str], most: usize| {
            let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            let mut seen = Vec::new();
            let mut visit = |one: watari::store::history::Passed| {
                let patient = one.patient.unwrap_or_default();
                seen.push(format!("{}/{}/{} {patient}", one.resource.kind, one.resource.id, one.resource.version));
                if seen.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            read(store, |view| view.each_resource(&kinds, &mut visit));
            seen
        };
        assert_eq!(passed(&[], 9), ["Patient/p/2 p", "Goal/g/1 "]);
        assert_eq!(passed(&[], 1), ["Patient/p/2 p"]);
        assert_eq!(passed(&["Goal"], 9), ["Goal/g/1 "]);
        assert_eq!(passed(&["Task"], 9), [""; 0]);
    });
}
