//! The map in docs/ARCHITECTURE.md, kept true: who may know whom, and which libraries live in which rooms.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Rooms from the roof to the ground. A room may know its own floor's neighbours only where [`NEIGHBOURS`] says so, and
/// everything below.
const FLOORS: &[&[&str]] = &[
    &["commands", "demo", "node", "routes"],
    &["fhir_api", "endpoints", "pages"],
    &["server", "web"],
    &["referral", "cohort", "exports", "filing", "intake", "keeping"],
    &["documents", "records", "exchange"],
    &["harmonise", "translate", "validation"],
    &["terminology"],
    &["access", "audit"],
    &["store", "extracts", "wire"],
    &["fhir", "fault", "config", "ids", "clock", "telemetry"],
];

/// Rooms of one floor that may know each other.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("commands", "demo"),
    ("commands", "node"),
    ("demo", "node"),
    ("node", "routes"),
    ("referral", "filing"),
    ("filing", "intake"),
    ("web", "server"),
    ("access", "audit"),
    ("store", "wire"),
    ("config", "fault"),
    ("clock", "fhir"),
    ("fhir", "fault"),
    ("fhir", "ids"),
];

/// What `translate` alone may know: it is pure.
const TRANSLATE_KNOWS: &[&str] = &["translate", "fhir", "fault", "ids", "config"];

/// Libraries and the rooms they live in.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("axum", &["server", "web", "fhir_api", "endpoints", "pages", "routes"]),
    ("reqwest", &["exchange", "demo"]),
    ("rusqlite", &["store", "extracts"]),
    ("askama", &["web", "pages"]),
    ("clap", &["commands"]),
];

struct Source {
    room: String,
    path: PathBuf,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let code = production_code(&std::fs::read_to_string(&path).unwrap());
            found.push(Source { room: room(path.strip_prefix(root).unwrap()), path, code });
        }
    }
}

/// The room of a file: its top folder, except that endpoints and pages are rooms of their own wherever they stand.
fn room(relative: &Path) -> String {
    let parts: Vec<String> = relative
        .components()
        .map(|part| part.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned())
        .collect();
    let inner = parts.iter().skip(1).find(|part| *part == "endpoints" || *part == "pages");
    inner.unwrap_or(&parts[0]).clone()
}

/// Without comments and without the unit tests at the end.
fn production_code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or("");
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

fn may_know(from: &str, to: &str) -> bool {
    if from == to || matches!(from, "lib" | "main") {
        return true;
    }
    if from == "translate" {
        return TRANSLATE_KNOWS.contains(&to);
    }
    // A room's pages and endpoints are reached by its own router only; `routes` names them.
    match (floor(from), floor(to)) {
        (Some(from_floor), Some(to_floor)) if from_floor < to_floor => true,
        (Some(from_floor), Some(to_floor)) if from_floor == to_floor => NEIGHBOURS.contains(&(from, to)),
        _ => false,
    }
}

/// Rooms named by `crate::…` in the code, `use` groups included.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (position, _) in code.match_indices("crate::") {
        let rest = &code[position + "crate::".len()..];
        let heads: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or("").split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        for head in heads {
            let path: String = head.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            let mut parts = path.split("::").filter(|part| !part.is_empty());
            let Some(top) = parts.next() else { continue };
            let inner = parts.find(|part| *part == "endpoints" || *part == "pages");
            named.insert(inner.unwrap_or(top).to_owned());
        }
    }
    named
}

#[test]
fn rooms_know_only_what_the_map_allows() {
    let mut wrong = Vec::new();
    for source in sources() {
        for to in rooms_named(&source.code) {
            if !may_know(&source.room, &to) {
                wrong.push(format!("{}: {} knows {to}", source.path.display(), source.room));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_stands_on_the_map() {
    let rooms: BTreeSet<String> = sources().into_iter().map(|source| source.room).collect();
    let unknown: Vec<_> =
        rooms.iter().filter(|room| floor(room).is_none() && !matches!(room.as_str(), "lib" | "main")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn libraries_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (library, rooms) in LIBRARIES {
            let used =
                source.code.contains(&format!("{library}::")) || source.code.contains(&format!("use {library};"));
            if used && !rooms.contains(&source.room.as_str()) {
                wrong.push(format!("{}: {} uses {library}", source.path.display(), source.room));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
