//! What the shared store does when its server stops, crashes, or is not the one it should be.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use watari::config::PostgresConfig;
use watari::fault::{Classified, Kind};
use watari::store::postgres::PostgresStore;
use watari::store::{Change, Changes, CommitError, Expect, Handle, StoreError};

use super::super::postgres_server::{self, Server};
use super::{audit, observation};

fn open(settings: &PostgresConfig, replica: &str) -> Handle {
    let settings = PostgresConfig { replica: replica.into(), ..settings.clone() };
    Handle::new(Arc::new(PostgresStore::open(&settings).unwrap()))
}

fn first_version(id: &str) -> Changes {
    Changes::new()
        .expecting(Expect::ResourceVersion { kind: "Observation".into(), id: id.into(), version: None })
        .with(observation(id, 1, "p", "1", 1.0, "1"))
        .with(audit(id))
}

/// What a writer was told: ids that stand, and ids that were refused with the cause.
#[derive(Default)]
struct Told {
    stand: Vec<String>,
    refused: Vec<(String, String)>,
}

fn write_until(stop: &AtomicBool, store: &Handle, name: &str) -> Told {
    let mut told = Told::default();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{name}-{number}");
        match store.commit(first_version(&id)) {
            Ok(()) => told.stand.push(id),
            Err(CommitError::Store(error)) => {
                assert_eq!(error.kind(), Kind::Unavailable, "{error}");
                told.refused.push((id, error.to_string()));
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
    }
    told
}

/// DB-07: PostgreSQL stops and crashes under the load of two replicas.
#[test]
fn a_server_that_restarts_under_load_loses_nothing_acknowledged_and_doubles_nothing() {
    if !postgres_server::is_there() {
        return;
    }
    let mut server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let settings = server.settings(folder.path());
    let (a, b) = (open(&settings, "a"), open(&settings, "b"));
    let stop = AtomicBool::new(false);
    let told: Vec<Told> = std::thread::scope(|scope| {
        let writers: Vec<_> = [("a1", &a), ("a2", &a), ("b1", &b), ("b2", &b)]
            .into_iter()
            .map(|(name, store)| {
                let stop = &stop;
                scope.spawn(move || write_until(stop, store, name))
            })
            .collect();
        for end in ["crash", "stop", "crash", "crash"] {
            std::thread::sleep(Duration::from_millis(300));
            server.tell(end);
            std::thread::sleep(Duration::from_millis(200));
            server.tell("start");
        }
        std::thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let is_there = |id: &str| a.view(|view| view.resource("Observation", id)).unwrap().is_some();
    let mut acknowledged = 0;
    for one in &told {
        assert!(one.stand.iter().all(|id| is_there(id)), "what was acknowledged is there");
        acknowledged += one.stand.len() as u64;
        for (id, cause) in &one.refused {
            assert!(cause.contains("not known") || !is_there(id), "{id} was refused ({cause}), and stands");
        }
        assert!(!one.refused.is_empty() && !one.stand.is_empty());
    }
    let counts = a.view(|view| view.resource_counts()).unwrap();
    let acts: u64 = a.view(|view| watari::audit::verify(view)).unwrap().iter().map(|chain| chain.entries).sum();
    assert_eq!(counts, [("Observation".to_owned(), acts)], "each act once");
    assert!(acts >= acknowledged);
    a.health().unwrap();
}

#[test]
fn an_answer_that_is_lost_while_committing_is_found_out() {
    if !postgres_server::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = postgres_server::settings(folder.path());
    let store = open(&settings, "a");
    // Sessions of this database are ended over and over, in the middle of whatever they do.
    let stop = AtomicBool::new(false);
    let told = std::thread::scope(|scope| {
        let (stop, store) = (&stop, &store);
        let writer = scope.spawn(move || write_until(stop, store, "w"));
        for _ in 0..40 {
            std::thread::sleep(Duration::from_millis(15));
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
            postgres_server::execute(&settings.url, end).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let acts = store.view(|view| watari::audit::verify(view)).unwrap()[0].entries;
    let refused_and_open = told.refused.iter().filter(|(_, cause)| cause.contains("not known")).count() as u64;
    assert_eq!(refused_and_open, 0, "the server is there: it can be asked");
    assert_eq!(acts, told.stand.len() as u64, "told {} refused", told.refused.len());
}

/// Certificate and key for `localhost`, as files.
fn certificate(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("tls.pem"), folder.join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[test]
fn the_server_must_show_a_certificate_of_the_authority_for_the_name_it_was_called_by() {
    if !postgres_server::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (ours, key) = certificate(folder.path());
    let server = Server::start_with(Some((&ours, &key)));
    let elsewhere = tempfile::tempdir().unwrap();
    let (other, _) = certificate(elsewhere.path());
    let at = |host: &str, port: u16, authority: &Path| PostgresConfig {
        url: format!("postgresql://watari@{host}:{port}/postgres"),
        authority: Some(authority.to_owned()),
        unsealed: true,
        ..PostgresConfig::default()
    };
    let opened = |settings: &PostgresConfig| PostgresStore::open(settings).map(drop).map_err(|error| error.to_string());
    opened(&at("localhost", server.port(), &ours)).unwrap();
    let wrong_name = opened(&at("127.0.0.1", server.port(), &ours)).unwrap_err();
    assert!(wrong_name.contains("certificate"), "{wrong_name}");
    let wrong_authority = opened(&at("localhost", server.port(), &other)).unwrap_err();
    assert!(wrong_authority.contains("certificate"), "{wrong_authority}");
    let plain = postgres_server::settings(elsewhere.path());
    let port = plain.url.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
    let without_tls = opened(&at("localhost", port, &ours)).unwrap_err();
    assert!(without_tls.to_lowercase().contains("tls"), "{without_tls}");
}

#[test]
fn a_password_comes_from_its_file_and_is_in_no_error() {
    if !postgres_server::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = postgres_server::settings(folder.path());
    let file = folder.path().join("password");
    std::fs::write(&file, "tiger\n").unwrap();
    let settings =
        PostgresConfig { url: settings.url.replace("watari@", "nobody@"), password_file: Some(file), ..settings };
    let told = PostgresStore::open(&settings).map(drop).map_err(|error| error.to_string()).unwrap_err();
    assert!(!told.contains("tiger") && !format!("{settings:?}").contains("tiger"), "{told}");
    assert_eq!(settings.password().unwrap().as_deref(), Some("tiger"));
}

#[test]
fn texts_that_an_index_does_not_hold_are_kept_and_found() {
    use watari::records::find;
    use watari::store::records::{IndexRow, IndexValue, ResourceWrite};
    super::for_each_store(|_, folder, open| {
        let store = open(folder);
        let long = "髙".repeat(5_000);
        let Change::PutResource(write) = observation("o1", 1, "p1", "c", 1.0, "1") else { unreachable!() };
        let index = vec![
            IndexRow::new("identifier", IndexValue::Token { system: format!("urn:{long}"), code: long.clone() }),
            IndexRow::new("note", IndexValue::Text(long.clone())),
            IndexRow::new("code", IndexValue::Token { system: "s".into(), code: "with\0zero".into() }),
        ];
        store.commit(Changes::new().with(Change::PutResource(ResourceWrite { index, ..write }))).unwrap();
        let found = store.view(|view| view.by_identifier("Observation", &format!("urn:{long}"), &long)).unwrap();
        assert_eq!(found.len(), 1);
        let other = format!("{}x", "髙".repeat(4_999));
        assert!(
            store.view(|view| view.by_identifier("Observation", &format!("urn:{long}"), &other)).unwrap().is_empty()
        );
        let expect = |value: &str| Expect::NoneIdentified {
            kind: "Observation".into(),
            system: format!("urn:{long}"),
            value: value.into(),
        };
        assert!(store.commit(Changes::new().expecting(expect(&long))).is_err());
        store.commit(Changes::new().expecting(expect(&other))).unwrap();
        let patients = store.view(find::all_patients).map_err(|error: StoreError| error).unwrap();
        assert!(patients.is_empty(), "what is referred to is not held");
    });
}
