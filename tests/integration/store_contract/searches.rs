//! What is found by which criteria.

use watari::fhir::dates;
use watari::fhir::search::{Criterion, DateRange, Match, Prefix, Search};
use watari::records::find::{self, FactQuery, QuantityRange};
use watari::store::records::ResourceWrite;
use watari::store::{Change, Changes, Handle, StoreError};

use super::{condition, for_each_store, observation};

#[test]
fn history_keeps_every_version_and_search_sees_only_the_last() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        store.commit(Changes::new().with(observation("o1", 1, "p1", "2345-7", 90.0, "mg/dL"))).unwrap();
        store.commit(Changes::new().with(observation("o1", 2, "p1", "14749-6", 5.0, "mmol/L"))).unwrap();
        let by_code = |code: &str| Search::new("Observation", vec![Criterion::token("code", None, code)], 10);
        store
            .view(|view| {
                assert_eq!(find::search(view, &by_code("2345-7")).unwrap().total, Some(0));
                assert_eq!(find::search(view, &by_code("14749-6")).unwrap().total, Some(1));
                assert_eq!(view.resource_version("Observation", "o1", 1)?.unwrap().version, 1);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    });
}

pub(super) fn token(system: Option<&str>, code: &str) -> Match {
    Match::Token { path: "code".into(), system: system.map(str::to_owned), code: code.into() }
}

pub(super) fn refers(patient: &str) -> Match {
    Match::Reference { path: "patient".into(), target: format!("Patient/{patient}") }
}

/// Ids of the resources that meet all criteria, sorted.
pub(super) fn found(store: &Handle, kind: &str, criteria: &[Match]) -> Vec<String> {
    let criteria: Vec<Criterion> = criteria.iter().map(|wanted| Criterion::any(vec![wanted.clone()])).collect();
    let search = Search::new(kind, criteria, 10_000);
    let found = store.view(|view| find::search(view, &search)).unwrap();
    assert_eq!(found.total, Some(found.resources.len() as u64));
    let mut ids: Vec<String> = found.resources.into_iter().map(|resource| resource.id).collect();
    ids.sort();
    ids
}

/// A criterion that few meet and one that most meet are asked in different ways; both find the same.
#[test]
fn a_search_finds_the_same_whether_few_or_many_meet_its_criteria() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let all = 4_100;
        for first in (0..all).step_by(100) {
            let acts = (first..first + 100).map(|number| {
                let code = if number % 50 == 0 { "rare" } else { "frequent" };
                condition(number, 1, &format!("p{}", number % 2), code, 1990 + number % 30)
            });
            let changes = Changes { expect: Vec::new(), changes: acts.map(Change::PutResource).collect() };
            store.commit(changes).unwrap();
        }
        let of = |test: &dyn Fn(usize) -> bool| {
            let mut ids: Vec<String> = (0..all).filter(|n| test(*n)).map(|n| format!("c{n}")).collect();
            ids.sort();
            ids
        };
        let date = |prefix, from: &str, to: &str| {
            let day = |text: &str| dates::span(text).unwrap().0;
            Match::Date { path: "onset".into(), range: DateRange { prefix, from: day(from), to: day(to) } }
        };
        let patient = || refers("p1");
        let is = |text: &str| Match::Text { path: "note".into(), start: text.into() };
        let year = |n: usize| 1990 + n % 30;
        type Case<'a> = (Vec<Match>, &'a dyn Fn(usize) -> bool);
        let cases: [Case<'_>; 13] = [
            (vec![token(None, "rare")], &|n| n % 50 == 0),
            (vec![token(Some("s1"), "frequent")], &|n| n % 50 != 0),
            (vec![token(Some("s2"), "frequent")], &|_| false),
            (vec![token(Some("s1"), "rare"), patient()], &|_| false),
            (vec![token(Some("s2"), "")], &|_| true),
            (vec![token(Some("s1"), "frequent"), patient()], &|n| n % 2 == 1),
            (vec![token(None, "rare"), is("text 3")], &|n| n % 50 == 0 && n % 7 == 3),
            (vec![token(None, "frequent"), is("text 3")], &|n| n % 50 != 0 && n % 7 == 3),
            (vec![date(Prefix::Eq, "2000-01-01", "2001-01-01")], &|n| year(n) == 2000),
            (vec![date(Prefix::Lt, "2000-01-01", "2001-01-01")], &|n| year(n) < 2000),
            (vec![patient(), date(Prefix::Ge, "2000-01-01", "2001-01-01")], &|n| n % 2 == 1 && year(n) >= 2000),
            (vec![token(None, "rare"), date(Prefix::Gt, "2000-01-01", "2001-01-01")], &|n| {
                n % 50 == 0 && year(n) > 2000
            }),
            (vec![token(None, "rare"), date(Prefix::Le, "2000-01-01", "2001-01-01")], &|n| {
                n % 50 == 0 && year(n) <= 2000
            }),
        ];
        for (criteria, test) in cases {
            assert_eq!(found(&store, "Condition", &criteria), of(test), "{criteria:?}");
        }
        assert_eq!(found(&store, "Condition", &[]).len(), all);
        // What is referred to is not held.
        assert_eq!(found(&store, "Patient", &[]), [""; 0]);
    });
}

#[test]
fn a_new_version_is_found_by_what_it_says_and_by_nothing_else() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let put = |write| store.commit(Changes::new().with(Change::PutResource(write))).unwrap();
        put(condition(1, 1, "p1", "a", 2000));
        put(condition(1, 2, "p2", "a", 2001));
        let patients = || {
            let codes = vec![("s1".to_owned(), "a".to_owned())];
            let query = FactQuery { kind: "Condition".into(), codes, quantities: vec![], excluded_statuses: vec![] };
            store.view(|view| find::patients_with(view, &query)).unwrap().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(patients(), ["p2"]);
        assert_eq!(found(&store, "Condition", &[refers("p1")]), [""; 0]);
        assert_eq!(found(&store, "Condition", &[refers("p2")]), ["c1"]);
        assert_eq!(store.view(|view| view.compartment("p1")).unwrap(), []);
        assert_eq!(store.view(|view| view.compartment("p2")).unwrap().len(), 1);
        let second = |write: ResourceWrite| ResourceWrite { index: write.index[..1].to_vec(), ..write };
        put(second(condition(1, 3, "p2", "b", 2001)));
        assert_eq!(patients(), [""; 0]);
        for gone in [token(None, "a-2"), Match::Text { path: "note".into(), start: "text".into() }, refers("p2")] {
            assert_eq!(found(&store, "Condition", std::slice::from_ref(&gone)), [""; 0], "{gone:?}");
        }
        assert_eq!(found(&store, "Condition", &[token(None, "b")]), ["c1"]);
    });
}

#[test]
fn patients_are_counted_by_code_and_quantity_of_the_same_resource() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let mut changes = Changes::new();
        for (id, patient, code, value) in
            [("a", "p1", "4548-4", 7.0), ("b", "p2", "4548-4", 6.9), ("c", "p2", "2345-7", 9.0)]
        {
            changes = changes.with(observation(id, 1, patient, code, value, "%"));
        }
        store.commit(changes).unwrap();
        let query = FactQuery {
            kind: "Observation".into(),
            codes: vec![("http://loinc.org".into(), "4548-4".into())],
            quantities: vec![QuantityRange {
                unit: "%".into(),
                low: Some(7.0),
                low_exclusive: false,
                high: None,
                high_exclusive: false,
            }],
            excluded_statuses: vec!["entered-in-error".into()],
        };
        let found = store.view(|view| find::patients_with(view, &query)).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["p1"]);
    });
}
