//! The recipes of `docs/recipes` work as they stand: their files are written, their commands run, and what they say the
//! commands print is printed.

use std::path::Path;
use std::process::Command;

/// A fenced block: what follows the fence, and its lines.
struct Block {
    info: String,
    text: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in document.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => open = Some(Block { info: info.to_owned(), text: String::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Runs the lines of a block; gives all they print.
fn run(folder: &Path, commands: &str) -> String {
    let mut printed = String::new();
    for command in commands.lines() {
        let mut words = command.split(' ');
        assert_eq!(words.next(), Some("watari"), "{command}");
        let output = Command::new(env!("CARGO_BIN_EXE_watari")).args(words).current_dir(folder).output().unwrap();
        printed.push_str(&String::from_utf8(output.stdout).unwrap());
        printed.push_str(&String::from_utf8(output.stderr).unwrap());
    }
    printed
}

fn follow(name: &str) -> tempfile::TempDir {
    let path = format!("{}/docs/recipes/{name}", env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut printed = String::new();
    for block in blocks(&document) {
        match (block.info.split_once(" file="), block.info.as_str()) {
            (Some((kind, file)), _) => {
                let path = folder.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                let text = if kind == "hl7" { block.text.replace('\n', "\r") } else { block.text };
                std::fs::write(path, text).unwrap();
            }
            (None, "sh") => printed = run(folder.path(), &block.text),
            (None, "text") => {
                let mut rest = printed.as_str();
                for line in block.text.lines() {
                    let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} is not in:\n{printed}"));
                    rest = &rest[at + line.len()..];
                }
            }
            (None, other) => panic!("a block of {other:?} is not known here"),
        }
    }
    folder
}

#[test]
fn a_z_segment_is_translated_in_five_steps() {
    let folder = follow("z-segment.md");
    let observations = |run: &str| {
        let path = folder.path().join(run).join("message.hl7.json");
        let bundle: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let made = watari::fhir::bundle::resources(&bundle);
        made.filter(|resource| resource["resourceType"] == "Observation").cloned().collect::<Vec<_>>()
    };
    assert_eq!(observations("before"), Vec::<serde_json::Value>::new());
    let after = observations("after");
    assert_eq!(after.len(), 1);
    assert_eq!(after[0]["valueCodeableConcept"]["coding"][0]["code"], "A-pos");
    assert_eq!(after[0]["effectiveDateTime"], "2026-11-20");
    assert_eq!(after[0]["note"][0]["text"], "verified by the laboratory");
    assert!(after[0]["subject"]["reference"].as_str().unwrap().starts_with("urn:uuid:"));
    let losses = std::fs::read_to_string(folder.path().join("losses.ndjson")).unwrap();
    let of_segment: Vec<&str> = losses.lines().filter(|line| line.contains("\"ZBT-")).collect();
    assert_eq!(of_segment.len(), 4);
    assert!(of_segment.iter().all(|line| line.contains("\"mapped\"")), "{of_segment:#?}");
}
