//! PAR-06, PAR-07, PAR-08, PAR-13, PAR-17: hostile and broken FHIR files, taken in by the command as a hospital would.

use serde_json::{Value, json};

use super::process::Site;

/// Imports one file; what came of it, and the reasons of what was quarantined by source.
fn import(site: &Site, name: &str, content: &[u8]) -> (Value, Vec<(String, String)>) {
    let path = site.write(name, content);
    let done = site.run(&["import", "fhir", path.to_str().unwrap()]);
    assert!(matches!(done.code, 0 | 3), "{done:?}");
    let reasons =
        site.quarantined().into_iter().map(|message| (message.source, message.reason.unwrap_or_default())).collect();
    (done.json(), reasons)
}

fn patient(id: &str) -> String {
    json!({"resourceType": "Patient", "id": id, "name": [{"text": "Test Person"}]}).to_string()
}

#[test]
fn par_06_hostile_json_is_quarantined_quickly_and_nothing_of_it_is_in_the_record() {
    let site = Site::canada("ridgeway");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let long = format!(r#"{{"resourceType":"Patient","id":"p","name":[{}{{}}]}}"#, "{},".repeat(1_000_000));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("deep.json", format!(r#"{{"resourceType":"Patient","id":"p","x":{deep}}}"#).into_bytes()),
        ("long.json", long.into_bytes()),
        ("twice.json", br#"{"resourceType":"Patient","id":"p","gender":"male","gender":"female"}"#.to_vec()),
        ("nan.json", br#"{"resourceType":"Patient","id":"p","multipleBirthInteger":NaN}"#.to_vec()),
        ("surrogate.json", br#"{"resourceType":"Patient","id":"p","name":[{"text":"\ud800"}]}"#.to_vec()),
        ("latin.json", b"{\"resourceType\":\"Patient\",\"id\":\"p\",\"name\":[{\"text\":\"Ad\xe8le\"}]}".to_vec()),
        ("cut.json", br#"{"resourceType":"Patient","id":"p","na"#.to_vec()),
        ("empty.json", Vec::new()),
    ];
    for (name, content) in &cases {
        site.write(&format!("in/{name}"), content);
    }
    // Sparse: larger than what is read, without writing it.
    let large = std::fs::File::create(site.path().join("in/large.json")).unwrap();
    large.set_len(100 << 20).unwrap();
    let started = std::time::Instant::now();
    let done = site.run(&["import", "fhir", site.path().join("in").to_str().unwrap()]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    assert_eq!(done.json()["quarantined"], cases.len() + 1);
    assert_eq!(site.count("Patient"), 0);
    let reasons = site.quarantined();
    let reason = |name: &str| {
        reasons.iter().find(|message| message.source == name).and_then(|message| message.reason.clone()).unwrap()
    };
    assert!(reason("deep.json").contains("recursion"), "{}", reason("deep.json"));
    assert!(reason("long.json").contains("1000000"));
    assert!(reason("twice.json").contains("twice"));
    assert!(reason("large.json").contains("larger"));
}

#[test]
fn par_06_a_number_beyond_all_measure_is_refused_or_kept_digit_by_digit() {
    let site = Site::canada("ridgeway");
    let text = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"valueQuantity":{"value":1e400}}"#;
    let (done, _) = import(&site, "o.json", text.as_bytes());
    if done["translated"] == 1 {
        let stored = site.read(|view| view.resource("Observation", "o")).unwrap();
        assert!(stored.json.contains("1e400") || stored.json.contains("1e+400"), "{}", stored.json);
    }
}

#[test]
fn par_07_decimals_keep_their_digits() {
    let site = Site::canada("ridgeway");
    let lines: String = ["1.50", "0.000", "12345678901234567890.12345678901234567890", "7.0"]
        .iter()
        .enumerate()
        .map(|(n, value)| {
            format!(
                "{{\"resourceType\":\"Observation\",\"id\":\"o{n}\",\"status\":\"final\",\"code\":{{\"text\":\"x\"}},\
                 \"valueQuantity\":{{\"value\":{value},\"unit\":\"mmol/L\"}}}}\n"
            )
        })
        .collect();
    let (done, reasons) = import(&site, "o.ndjson", lines.as_bytes());
    assert_eq!(done["translated"], 4, "{reasons:?}");
    for (n, value) in ["1.50", "0.000", "12345678901234567890.12345678901234567890", "7.0"].iter().enumerate() {
        let stored = site.read(|view| view.resource("Observation", &format!("o{n}"))).unwrap();
        assert!(stored.json.contains(&format!("\"value\":{value}")), "{}", stored.json);
    }
}

#[test]
fn par_08_bad_lines_of_ndjson_are_told_by_number_and_the_others_are_kept() {
    let site = Site::canada("ridgeway");
    let mut content = Vec::new();
    content.extend_from_slice(format!("\u{feff}{}\r\n", patient("a")).as_bytes());
    content.extend_from_slice(b"this is no JSON\r\n\r\n   \r\n");
    content.extend_from_slice(
        b"{\"resourceType\":\"Observation\",\"id\":\"o\",\"status\":\"final\",\"code\":{\"text\":\"x\"}}\n",
    );
    content
        .extend_from_slice(format!("{{\"resourceType\":\"Patient\",\"x\":\"{}\"}}\n", "y".repeat(17 << 20)).as_bytes());
    content.extend_from_slice(format!("{}\n", patient("b")).as_bytes());
    content.extend_from_slice(b"{\"resourceType\":\"Patient\",\"id\":\"c\",");
    let (done, mut reasons) = import(&site, "mixed.ndjson", &content);
    assert_eq!((&done["received"], &done["translated"], &done["quarantined"]), (&6.into(), &3.into(), &3.into()));
    reasons.sort();
    let sources: Vec<&str> = reasons.iter().map(|(source, _)| source.as_str()).collect();
    assert_eq!(sources, ["mixed.ndjson:2", "mixed.ndjson:6", "mixed.ndjson:8"]);
    assert!(reasons[1].1.contains("longer than"), "{reasons:?}");
    assert_eq!((site.count("Patient"), site.count("Observation")), (2, 1));
    let long = site.quarantined().into_iter().find(|message| message.source == "mixed.ndjson:6").unwrap();
    let kept = site.read(|view| view.message(&long.id)).unwrap();
    assert!(kept.raw.len() <= 64 << 10, "the beginning only");
}

#[test]
fn par_13_an_archive_is_refused_before_it_is_unpacked() {
    let site = Site::canada("ridgeway");
    for (name, magic) in
        [("a.json", &b"PK\x03\x04aaaa"[..]), ("b.ndjson", b"PK\x03\x04aaaa"), ("c.json", b"\x1f\x8b\x08")]
    {
        let (_, reasons) = import(&site, name, magic);
        let (_, reason) = reasons.iter().find(|(source, _)| source.starts_with(name)).unwrap();
        assert!(reason.contains("archive") && reason.contains("unpack it first"), "{reason}");
    }
    let zip = site.write("in/bundle.zip", b"PK\x03\x04");
    let done = site.run(&["import", "fhir", zip.parent().unwrap().to_str().unwrap()]);
    assert_eq!((done.code, &done.json()["skipped"]), (0, &1.into()));
    assert!(done.stderr.contains("bundle.zip"));
}

#[test]
fn par_17_bundles_that_are_too_large_or_contain_themselves_are_refused_and_circles_do_no_harm() {
    let site = Site::canada("ridgeway");
    let many: Vec<Value> = (0..100_000)
        .map(|n| json!({"resource": {"resourceType": "Basic", "id": format!("b{n}"), "code": {"text": "x"}}}))
        .collect();
    let many = json!({"resourceType": "Bundle", "type": "collection", "entry": many});
    let (_, reasons) = import(&site, "many.json", many.to_string().as_bytes());
    assert!(reasons[0].1.contains("entries") || reasons[0].1.contains("1000000"), "{reasons:?}");

    let circle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": {"resourceType": "Location", "id": "a", "partOf": {"reference": "Location/b"}}},
        {"resource": {"resourceType": "Location", "id": "b", "partOf": {"reference": "Location/a"}}}]});
    let (done, reasons) = import(&site, "circle.json", circle.to_string().as_bytes());
    assert_eq!(done["translated"], 1, "{reasons:?}");

    let contained = json!({"resourceType": "Patient", "id": "p", "contained": [
        {"resourceType": "Organization", "id": "o", "contained": [{"resourceType": "Organization", "id": "i"}]}]});
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": contained}]});
    let (_, reasons) = import(&site, "contained.json", bundle.to_string().as_bytes());
    assert!(reasons.iter().any(|(_, reason)| reason.contains("Bundle.entry[0].resource.contained")), "{reasons:?}");
    assert_eq!(site.count("Patient"), 0);
}
