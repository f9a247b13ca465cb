//! The documented configuration is the real one.

use std::path::Path;

use watari::config::Config;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_example_shows_the_defaults() {
    let text = std::fs::read_to_string(project().join("config/watari.example.toml")).unwrap();
    assert_eq!(Config::parse(&text, "example").unwrap(), Config::default());
}

#[test]
fn the_example_names_every_setting() {
    let text = std::fs::read_to_string(project().join("config/watari.example.toml")).unwrap();
    let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
    let mut missing = Vec::new();
    for (section, reference) in schema["properties"].as_object().unwrap() {
        let definition = reference["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        for setting in schema["$defs"][definition]["properties"].as_object().unwrap().keys() {
            let written = text.lines().any(|line| {
                let line = line.trim_start_matches("# ").trim_start_matches('[').trim_start_matches('[');
                line.starts_with(&format!("{setting} =")) || line.starts_with(&format!("{section}.{setting}]"))
            });
            if !written {
                missing.push(format!("{section}.{setting}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_published_schema_is_the_code_s() {
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Config)).unwrap() + "\n";
    let path = project().join("schemas/config.schema.json");
    if std::env::var("UPDATE_FIXTURES").is_ok() {
        std::fs::write(&path, &schema).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), schema, "run the tests with UPDATE_FIXTURES=1");
}

#[test]
fn the_two_example_nodes_load() {
    for node in ["toronto", "tokyo"] {
        let config = Config::load(&project().join(format!("config/{node}/watari.toml"))).unwrap();
        assert_eq!(config.institution.id, node);
        assert!(config.store.keys().join("tls.pem").exists(), "{}", config.store.keys().display());
    }
}

#[test]
fn an_unknown_setting_is_refused_with_its_place() {
    let error = Config::parse("[inside]\nlisten = \"127.0.0.1:1\"\nport = 2\n", "x.toml").unwrap_err().to_string();
    assert!(error.contains("port") && error.contains("line 3"), "{error}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (text, part) in [
        ("[institution]\nid = \"Toronto General\"\n", "institution.id"),
        ("[institution]\ntime_zone = \"Mars/Olympus\"\n", "time_zone"),
        ("[institution]\ninstitution_code = \"13\"\n", "10 digits"),
        ("[cohort]\nthreshold = 3\n", "cohort.threshold"),
        ("[cohort]\nrounding = 1\n", "cohort.rounding"),
    ] {
        let error = Config::parse(text, "x.toml").unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
