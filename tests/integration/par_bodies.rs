//! Bodies that would grow when they are read.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::process::Site;

/// 20 kB that inflate to 20 MB: more than the door takes.
const BOMB: &[u8] = include_bytes!("../fixtures/process/patient-of-20-mb.json.gz");

#[tokio::test]
async fn par_14_a_compressed_body_is_refused_and_never_inflated() {
    let site = Site::canada("par-14");
    let node = site.serve().await;
    let token = site.run(&["token", "--role", "system"]).good()["token"].as_str().unwrap().to_owned();
    for encoding in ["gzip", "zstd", "deflate", "gzip, gzip", "br"] {
        let start = Instant::now();
        let request = node.client.post(node.inside("/fhir/Patient")).bearer_auth(&token).body(BOMB);
        let request = request.header(CONTENT_TYPE, "application/fhir+json").header(CONTENT_ENCODING, encoding);
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 415, "{encoding}: {text}");
        assert!(text.contains("compressed bodies are not taken"), "{text}");
        assert!(start.elapsed() < Duration::from_secs(5), "{encoding}");
    }
    // Bytes that do not say that they are compressed are no JSON, and nothing guesses.
    let request = node.client.post(node.inside("/fhir/Patient")).bearer_auth(&token).body(BOMB);
    let answer = request.header(CONTENT_TYPE, "application/fhir+json").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(site.count("Patient"), 0);
}
