//! `watari serve`: one start line, health, a prompt end, and clear refusals.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use watari::config::Config;

use super::process::Site;
use super::process::running::serve_to_the_end;

/// With nothing under way, a stop has nothing to wait for.
const PROMPT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn the_start_line_tells_the_three_doors() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let outside = format!("https://{}", site.config.outside.listen);
    assert_eq!(node.line["outside"], outside.as_str());
    assert!(node.line["inside"].as_str().unwrap().starts_with("https://127.0.0.1:"));
    assert!(!node.line["inside"].as_str().unwrap().ends_with(":0"), "the port that was taken: {}", node.line);
    std::net::TcpStream::connect(node.mllp()).unwrap();

    for (path, expected) in [("/health", "live"), ("/ready", "ready")] {
        let response = node.client.get(node.inside(path)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["status"], expected);
    }
}

#[tokio::test]
async fn sigterm_ends_a_node_promptly_with_0() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    // An idle connection of each kind does not hold it up.
    let _feed = std::net::TcpStream::connect(node.mllp()).unwrap();
    assert_eq!(node.client.get(node.inside("/health")).send().await.unwrap().status(), 200);
    let (status, took) = node.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < PROMPT, "{took:?}");
    // The port is free and the data is whole: it starts again.
    site.serve().await;
}

#[tokio::test]
async fn a_second_node_on_the_same_port_says_so() {
    let site = Site::canada("bayview");
    let mut node = site.serve().await;
    let other = Site::canada("lakeshore").with(|config| config.outside.listen.clone_from(&site.config.outside.listen));
    let done = serve_to_the_end(&other, &[]);
    done.refused(2, &site.config.outside.listen);
    assert!(done.stderr.contains("outside") && done.stderr.contains("another program may hold the port"), "{done:?}");
    assert_eq!(done.stdout, "", "no start line of a node that does not run");
    assert!(node.is_alive());
}

#[tokio::test]
async fn the_published_example_keys_are_for_demonstrations_only() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut site = Site::canada("toronto");
    let examples = Config::load(&project.join("config/toronto/watari.toml")).unwrap();
    site.config.store.keys = examples.store.keys;
    let done = serve_to_the_end(&site, &[]);
    done.refused(2, "published examples");
    assert!(done.stderr.contains("watari init"), "it says what to do instead: {done:?}");
    serve_to_the_end(&site, &["--check"]).refused(2, "published examples");

    // The node shows the example certificate, which the client of this test trusts only if it is told to.
    let (keys, own) = (site.config.store.keys.clone().unwrap(), site.path().join("keys"));
    for name in ["tls.pem", "tls.key", "signing.key"] {
        std::fs::copy(keys.join(name), own.join(name)).unwrap();
    }
    let node = site.serve_demo().await;
    let ready: Value = node.client.get(node.inside("/ready")).send().await.unwrap().json().await.unwrap();
    assert_eq!(ready["institution"], "toronto");
}

#[test]
fn check_validates_and_exits() {
    let site = Site::canada("bayview");
    let done = serve_to_the_end(&site, &["--check"]);
    assert_eq!(done.good(), serde_json::json!({"ok": true}));

    let other = Site::canada("bayview").with(|config| "lakeshore".clone_into(&mut config.institution.id));
    serve_to_the_end(&other, &["--check"]).refused(2, "the configuration says \"lakeshore\"");

    let mappings = site.write("mappings/broken.toml", b"[[segment]]\nname = \"PID\"\nto = \"Nonsense\"\nrows = [");
    let broken = site.with(|config| config.intake.mappings.push(mappings.parent().unwrap().to_path_buf()));
    serve_to_the_end(&broken, &["--check"]).refused(2, "broken.toml");
}

#[test]
fn a_setting_that_does_not_exist_is_refused_by_name() {
    let site = Site::canada("bayview");
    let path = site.write("wrong.toml", b"[institution]\nid = \"bayview\"\ncolour = \"blue\"\n");
    let done = super::process::watari(["serve", "--config", path.to_str().unwrap()]);
    done.refused(2, "colour");
    super::process::watari(["serve", "--config", "/nowhere/watari.toml"]).refused(2, "watari init");
}
