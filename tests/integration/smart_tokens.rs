//! SMART Backend Services at a running node: a registered client signs, comes in, and reaches as far as its scopes. The names of
//! the tests are those of the project's list of attacks on tokens.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::StatusCode;
use serde_json::{Value, json};
use watari::clock::{Clock as _, SystemClock};

use super::process::Site;
use super::process::running::RunningNode;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const FHIR: &str = "application/fhir+json";

/// A key pair with its public half as a JWK.
pub struct Signer {
    key: EncodingKey,
    pub public: Value,
    algorithm: Algorithm,
}

pub fn signer(kid: &str, algorithm: Algorithm) -> Signer {
    let _ = jsonwebtoken::crypto::CryptoProvider::install_default(&jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER);
    let key = match algorithm {
        Algorithm::ES384 => {
            let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
            EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap()
        }
        _ => {
            let size = rcgen::RsaKeySize::_2048;
            let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA384, size).unwrap();
            EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap()
        }
    };
    let mut public = serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap();
    public["kid"] = json!(kid);
    Signer { key, public, algorithm }
}

/// A node with the client `lab`, who may ask for `scope`.
pub struct Stage {
    pub site: Site,
    pub node: RunningNode,
    pub ec: Signer,
    rsa: Signer,
}

impl Stage {
    async fn new(scope: &str) -> Self {
        Self::registered(Site::canada("bayview"), scope, &[]).await
    }

    /// The client `lab` of a site, registered with further arguments.
    pub async fn registered(site: Site, scope: &str, more: &[&str]) -> Self {
        let (ec, rsa) = (signer("ec", Algorithm::ES384), signer("rsa", Algorithm::RS384));
        let keys = json!({"keys": [ec.public, rsa.public]}).to_string();
        let file = site.write("lab.json", keys.as_bytes());
        let arguments = ["client", "add", "lab", "--jwks", file.to_str().unwrap(), "--scope", scope];
        site.run(&[&arguments[..], more].concat()).good();
        let node = site.serve().await;
        Self { site, node, ec, rsa }
    }

    /// Registers the client anew, and comes in.
    pub async fn again(&self, scope: &str, more: &[&str]) -> String {
        let file = self.site.path().join("lab.json");
        let arguments = ["client", "add", "lab", "--jwks", file.to_str().unwrap(), "--scope", scope];
        self.site.run(&[&arguments[..], more].concat()).good();
        self.token(scope).await
    }

    fn address(&self) -> String {
        self.node.inside("/oauth/token")
    }

    /// Claims as a well-behaved client makes them.
    pub fn claims(&self) -> Value {
        let now = SystemClock.now().as_second();
        json!({"iss": "lab", "sub": "lab", "aud": self.address(), "iat": now, "exp": now + 240, "jti": watari::ids::fresh()})
    }

    pub fn signed(&self, by: &Signer, claims: &Value) -> String {
        self.signed_under(by, claims, |_| {})
    }

    pub fn signed_under(&self, by: &Signer, claims: &Value, change: impl FnOnce(&mut Header)) -> String {
        let mut header = Header::new(by.algorithm);
        header.kid = by.public["kid"].as_str().map(str::to_owned);
        change(&mut header);
        jsonwebtoken::encode(&header, claims, &by.key).unwrap()
    }

    pub async fn ask(&self, assertion: &str, scope: &str) -> (StatusCode, Value) {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion),
            ("scope", scope),
        ];
        let response = self.node.client.post(self.address()).form(&form).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        (response.status(), response.json().await.unwrap())
    }

    /// Refused as every assertion is that does not hold.
    #[track_caller]
    fn refused(&self, what: &str, answer: (StatusCode, Value)) {
        let expected = json!({"error": "invalid_client", "error_description": "the client assertion is not accepted"});
        assert_eq!(answer, (StatusCode::UNAUTHORIZED, expected), "{what}");
    }

    async fn refuses(&self, what: &str, assertion: &str) {
        let answer = self.ask(assertion, "system/Patient.rs").await;
        self.refused(what, answer);
    }

    async fn refuses_claims(&self, what: &str, change: impl FnOnce(&mut Value)) {
        let mut claims = self.claims();
        change(&mut claims);
        self.refuses(what, &self.signed(&self.ec, &claims)).await;
    }

    pub async fn token(&self, scope: &str) -> String {
        let (status, answer) = self.ask(&self.signed(&self.ec, &self.claims()), scope).await;
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn get(&self, token: &str, path: &str) -> (StatusCode, Value) {
        let request = self.node.client.get(self.node.inside(path)).bearer_auth(token);
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn post(&self, token: &str, path: &str, media: &str, body: String) -> (StatusCode, Value) {
        let request = self.node.client.post(self.node.inside(path)).bearer_auth(token);
        let response = request.header("content-type", media).body(body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// A patient with a laboratory result and vital signs; their ids.
    async fn record(&self) -> [String; 3] {
        let made = self.site.run(&["token", "--role", "system"]).good();
        let token = made["token"].as_str().unwrap().to_owned();
        let create = async |resource: Value| {
            let path = format!("/fhir/{}", resource["resourceType"].as_str().unwrap());
            let (status, made) = self.post(&token, &path, FHIR, resource.to_string()).await;
            assert_eq!(status, 201, "{made}");
            made["id"].as_str().unwrap().to_owned()
        };
        let patient = create(json!({"resourceType": "Patient", "name": [{"family": "Lefebvre"}]})).await;
        let observation = |category: &str| {
            json!({"resourceType": "Observation", "status": "final", "subject": {"reference": format!("Patient/{patient}")},
                "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category}]}],
                "code": {"text": "x"}, "valueString": "y"})
        };
        let (laboratory, vital) = (observation("laboratory"), observation("vital-signs"));
        [patient.clone(), create(laboratory).await, create(vital).await]
    }
}

#[tokio::test]
async fn a_registered_client_comes_in_with_either_algorithm() {
    let stage = Stage::new("system/Patient.rs system/Observation.rs").await;
    for by in [&stage.ec, &stage.rsa] {
        let (status, answer) = stage.ask(&stage.signed(by, &stage.claims()), "system/*.cruds").await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["token_type"], "bearer");
        assert_eq!(answer["scope"], "system/Patient.rs system/Observation.rs");
        assert!(answer["expires_in"].as_u64().unwrap() <= 300);
        let token = answer["access_token"].as_str().unwrap();
        assert_eq!(stage.get(token, "/fhir/Patient").await.0, 200);
    }
    for path in ["/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"] {
        let response = stage.node.client.get(stage.node.inside(path)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let told: Value = response.json().await.unwrap();
        assert_eq!(told["token_endpoint"], stage.address());
    }
}

#[tokio::test]
async fn jwt_01_02_03_only_the_agreed_algorithms() {
    let stage = Stage::new("system/Patient.rs").await;
    let good = stage.signed(&stage.ec, &stage.claims());
    let [_, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let encode = |text: String| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    for alg in ["none", "None", "NONE", "nOnE", "HS256", "HS384", "ES256", "RS256", "PS384", ""] {
        let header = encode(json!({"alg": alg, "kid": "ec", "typ": "JWT"}).to_string());
        stage.refuses(alg, &format!("{header}.{claims}.")).await;
        stage.refuses(alg, &format!("{header}.{claims}.{signature}")).await;
    }
    // Signed with the public key as if it were a shared secret.
    for algorithm in [Algorithm::HS256, Algorithm::HS384] {
        let key = EncodingKey::from_secret(stage.ec.public.to_string().as_bytes());
        let by = Signer { key, public: stage.ec.public.clone(), algorithm };
        stage.refuses("HS by the public key", &stage.signed(&by, &stage.claims())).await;
    }
    let other = Signer { key: stage.rsa.key.clone(), public: stage.rsa.public.clone(), algorithm: Algorithm::RS256 };
    stage.refuses("RS256", &stage.signed(&other, &stage.claims())).await;
}

#[tokio::test]
async fn jwt_04_meant_for_exactly_this_node() {
    let stage = Stage::new("system/Patient.rs").await;
    let right = stage.address();
    let wrong = [
        json!("https://other.example/oauth/token"),
        json!(stage.node.inside("")),
        json!(format!("{right}/")),
        json!([right]),
        json!([]),
        json!(null),
    ];
    for aud in wrong {
        stage.refuses_claims(&aud.to_string(), |claims| claims["aud"] = aud.clone()).await;
    }
    stage.refuses_claims("none", |claims| drop(claims.as_object_mut().unwrap().remove("aud"))).await;
}

#[tokio::test]
async fn jwt_05_06_07_not_over_not_long_not_in_the_future() {
    let stage = Stage::new("system/Patient.rs").await;
    let now = SystemClock.now().as_second();
    let cases = [
        ("over", "exp", json!(now - 10)),
        ("over within what libraries allow", "exp", json!(now - 30)),
        ("too far ahead", "exp", json!(now + 320)),
        ("long", "iat", json!(now - 100)),
        ("iat in the future", "iat", json!(now + 30)),
        ("nbf in the future", "nbf", json!(now + 30)),
        ("text", "exp", json!("soon")),
        ("no jti", "jti", json!("")),
        ("long jti", "jti", json!("x".repeat(129))),
        ("another", "sub", json!("somebody")),
        ("another", "iss", json!("somebody")),
    ];
    for (what, claim, value) in cases {
        stage.refuses_claims(what, |claims| claims[claim] = value).await;
    }
}

#[tokio::test]
async fn jwt_08_nothing_is_fetched_for_a_stranger() {
    let stage = Stage::new("system/Patient.rs").await;
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}/keys", trap.local_addr().unwrap());
    let foreign = signer("ec", Algorithm::ES384);
    let headers: [fn(&mut Header, &str); 2] =
        [|header, at| header.jku = Some(at.to_owned()), |header, at| header.x5u = Some(at.to_owned())];
    for by in [&foreign, &stage.ec] {
        for put in headers {
            stage.refuses("address", &stage.signed_under(by, &stage.claims(), |header| put(header, &address))).await;
        }
        let brought: Jwk = serde_json::from_value(by.public.clone()).unwrap();
        stage.refuses("jwk", &stage.signed_under(by, &stage.claims(), |header| header.jwk = Some(brought))).await;
    }
    let asked = tokio::time::timeout(std::time::Duration::from_millis(300), trap.accept()).await;
    assert!(asked.is_err(), "an address of the assertion was asked");
}

#[tokio::test]
async fn jwt_09_a_kid_finds_a_key_of_this_client_or_none() {
    let stage = Stage::new("system/Patient.rs").await;
    let other = signer("theirs", Algorithm::ES384);
    let file = stage.site.write("other.json", json!({"keys": [other.public]}).to_string().as_bytes());
    stage.site.run(&["client", "add", "other", "--jwks", file.to_str().unwrap(), "--scope", "system/*.rs"]).good();
    for kid in ["", "unknown", "../../etc/passwd", "' OR 1=1 --", "theirs", "rsa"] {
        let assertion = stage.signed_under(&stage.ec, &stage.claims(), |header| header.kid = Some(kid.to_owned()));
        stage.refuses(kid, &assertion).await;
    }
    stage.refuses("no kid", &stage.signed_under(&stage.ec, &stage.claims(), |header| header.kid = None)).await;
    stage.refuses("another client's key", &stage.signed(&other, &stage.claims())).await;
}

#[tokio::test]
async fn jwt_10_an_assertion_is_good_once() {
    let stage = Stage::new("system/Patient.rs").await;
    let assertion = stage.signed(&stage.ec, &stage.claims());
    let both = (0..20).map(|_| stage.ask(&assertion, "system/Patient.rs"));
    let mut good = 0;
    for asked in both.collect::<Vec<_>>() {
        // One after the other here; together below.
        good += usize::from(asked.await.0 == 200);
    }
    assert_eq!(good, 1);
    let (claims, by) = (stage.claims(), &stage.rsa);
    let assertion = stage.signed(by, &claims);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (client, address, assertion) = (stage.node.client.clone(), stage.address(), assertion.clone());
        tasks.spawn(async move {
            let form = [
                ("grant_type", "client_credentials"),
                ("client_assertion_type", ASSERTION),
                ("client_assertion", &assertion),
                ("scope", "system/Patient.rs"),
            ];
            client.post(address).form(&form).send().await.unwrap().status()
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 99);
}

#[tokio::test]
async fn jwt_12_an_assertion_is_no_access_token_and_other_tokens_are_no_assertion() {
    let stage = Stage::new("system/Patient.rs").await;
    let assertion = stage.signed(&stage.ec, &stage.claims());
    assert_eq!(stage.get(&assertion, "/fhir/Patient").await.0, 401);
    for typ in ["at+jwt", "id_token", "watari-request+jwt"] {
        let other = stage.signed_under(&stage.ec, &stage.claims(), |header| header.typ = Some(typ.to_owned()));
        stage.refuses(typ, &other).await;
    }
}

#[tokio::test]
async fn scopes_that_are_not_registered_are_not_given() {
    let stage = Stage::new("system/Patient.r").await;
    for (scope, part) in [
        ("system/Observation.rs", "none of these"),
        ("patient/*.rs", "patient/"),
        ("system/Patient.x", "not a scope"),
        ("", "none of these"),
    ] {
        let (status, answer) = stage.ask(&stage.signed(&stage.ec, &stage.claims()), scope).await;
        assert_eq!((status.as_u16(), answer["error"].as_str()), (400, Some("invalid_scope")), "{scope}");
        assert!(answer["error_description"].as_str().unwrap().contains(part), "{answer}");
    }
}

#[tokio::test]
async fn a_removed_client_is_out() {
    let stage = Stage::new("system/Patient.rs").await;
    let token = stage.token("system/Patient.rs").await;
    assert_eq!(stage.get(&token, "/fhir/Patient").await.0, 200);
    stage.site.run(&["client", "remove", "lab"]).good();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(stage.get(&token, "/fhir/Patient").await.0, 401);
    stage.refuses("removed", &stage.signed(&stage.ec, &stage.claims())).await;
}

#[tokio::test]
async fn scopes_hold_on_every_way_to_a_resource() {
    let stage = Stage::new("system/Observation.rs?category=laboratory system/Condition.cruds").await;
    let [patient, laboratory, vital] = stage.record().await;
    let token = stage.token("system/*.cruds").await;
    // What lies within.
    let (status, read) = stage.get(&token, &format!("/fhir/Observation/{laboratory}")).await;
    assert_eq!(status, 200, "{read}");
    for path in ["/fhir/Observation", "/fhir/Observation?status=final", "/fhir/Observation?category=laboratory"] {
        let (status, found) = stage.get(&token, path).await;
        assert_eq!((status.as_u16(), found["total"].as_u64()), (200, Some(1)), "{path}: {found}");
        assert_eq!(found["entry"][0]["resource"]["id"], laboratory.as_str());
    }
    let form = "application/x-www-form-urlencoded";
    let (_, found) = stage.post(&token, "/fhir/Observation/_search", form, "status=final".to_owned()).await;
    assert_eq!(found["total"], 1, "{found}");
    let (_, none) = stage.get(&token, "/fhir/Observation?category=vital-signs").await;
    assert_eq!(none["total"], 0, "{none}");
    // What does not.
    for path in [
        format!("/fhir/Observation/{vital}"),
        format!("/fhir/Observation/{vital}/_history"),
        format!("/fhir/Observation/{vital}/_history/1"),
        "/fhir/Observation/_history".to_owned(),
        "/fhir/_history".to_owned(),
        format!("/fhir/Patient/{patient}"),
        "/fhir/Patient".to_owned(),
        format!("/fhir/Patient/{patient}/$everything"),
        format!("/fhir/Patient/{patient}/$summary"),
        "/fhir/Condition?subject:Patient.name=L".to_owned(),
        "/fhir/Condition?subject.name=L".to_owned(),
        "/fhir/Condition?_has:Observation:subject:code=x".to_owned(),
        "/fhir/Condition?_include=Condition:subject".to_owned(),
        "/fhir/Condition?subject:Patient._has:Observation:subject:code=x".to_owned(),
        format!("/fhir/Patient/{patient}/$everything?_type=Condition"),
        format!("/fhir/Patient/{patient}/Procedure"),
        "/fhir/Composition/1/$document".to_owned(),
        "/fhir/ValueSet/$expand?url=x".to_owned(),
        "/fhir/CodeSystem/$lookup?system=x&code=x".to_owned(),
        "/fhir/ConceptMap/$translate?system=x&code=x".to_owned(),
        "/fhir/Condition?_revinclude=Observation:focus".to_owned(),
    ] {
        let (status, outcome) = stage.get(&token, &path).await;
        assert_eq!(status, 403, "{path}: {outcome}");
        assert_eq!(outcome["issue"][0]["code"], "forbidden");
    }
    let bundle =
        |kind: &str, entry: Value| json!({"resourceType": "Bundle", "type": kind, "entry": [entry]}).to_string();
    let condition = json!({"resourceType": "Condition", "subject": {"reference": format!("Patient/{patient}")}});
    let probing = json!({"resourceType": "Condition", "subject": {"reference": "Patient?family=Lefebvre"}});
    let create = |resource: &Value| json!({"resource": resource, "request": {"method": "POST", "url": "Condition"}});
    for entry in [
        json!({"request": {"method": "GET", "url": format!("Patient/{patient}")}}),
        json!({"request": {"method": "GET", "url": format!("Observation/{vital}")}}),
        json!({"request": {"method": "DELETE", "url": format!("Patient/{patient}")}}),
        json!({"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}),
        create(&probing),
    ] {
        let (status, outcome) = stage.post(&token, "/fhir", FHIR, bundle("transaction", entry.clone())).await;
        assert_eq!(status, 403, "{entry}: {outcome}");
        // In a batch each entry is refused by itself.
        let (status, answer) = stage.post(&token, "/fhir", FHIR, bundle("batch", entry.clone())).await;
        assert_eq!(status, 200, "{entry}: {answer}");
        assert_eq!(answer["entry"][0]["response"]["status"], "403 Forbidden", "{entry}: {answer}");
        assert!(answer["entry"][0].get("resource").is_none(), "{entry}: {answer}");
    }
    assert_eq!(stage.post(&token, "/fhir/Condition", FHIR, probing.to_string()).await.0, 403);
    // What a scope narrows is narrowed within a batch, too.
    let two = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Observation?status=final"}},
        {"request": {"method": "GET", "url": format!("Observation/{laboratory}")}},
        {"request": {"method": "GET", "url": "Patient"}},
    ]});
    let (status, answer) = stage.post(&token, "/fhir", FHIR, two.to_string()).await;
    assert_eq!((status.as_u16(), answer["entry"][0]["resource"]["total"].as_u64()), (200, Some(1)), "{answer}");
    assert_eq!(answer["entry"][1]["resource"]["id"], laboratory.as_str());
    assert_eq!(answer["entry"][2]["response"]["status"], "403 Forbidden");
    let (status, made) = stage.post(&token, "/fhir/", FHIR, bundle("transaction", create(&condition))).await;
    assert_eq!(status, 200, "{made}");
}

#[tokio::test]
async fn links_bodies_and_lenient_handling_are_no_way_around_a_scope() {
    let stage = Stage::new("system/Observation.rs?category=laboratory system/Condition.cruds system/Patient.r").await;
    let [patient, laboratory, _] = stage.record().await;
    let token = stage.token("system/*.cruds").await;
    let whole = stage.site.run(&["token", "--role", "system"]).good()["token"].as_str().unwrap().to_owned();
    // A link to a further page holds the search of whoever began it.
    let (_, first) = stage.get(&whole, "/fhir/Observation?_count=1").await;
    let next = first["link"].as_array().unwrap().iter().find(|link| link["relation"] == "next").unwrap();
    let foreign = format!("/fhir/{}", next["url"].as_str().unwrap());
    assert_eq!(stage.get(&whole, &foreign).await.0, 200);
    for path in [foreign.clone(), format!("{foreign}&category=laboratory")] {
        let (status, outcome) = stage.get(&token, &path).await;
        assert_eq!(status, 403, "{outcome}");
    }
    let (_, own) = stage.get(&token, "/fhir/Observation?_count=0").await;
    assert_eq!(own["total"], 1, "{own}");
    // A parameter that is not known is left out of a lenient search, one that narrows never.
    let lenient = stage.node.client.get(stage.node.inside("/fhir/Observation?_count=10")).bearer_auth(&token);
    let found: Value = lenient.header("prefer", "handling=lenient").send().await.unwrap().json().await.unwrap();
    assert_eq!((found["total"].as_u64(), &found["entry"][0]["resource"]["id"]), (Some(1), &json!(laboratory)));
    // Types that the query names and those of the body count together.
    let body = |kind: &str| {
        json!({"resourceType": "Parameters", "parameter": [{"name": "_type", "valueCode": kind}]}).to_string()
    };
    let path = format!("/fhir/Patient/{patient}/$everything?_type=Condition");
    assert_eq!(stage.post(&token, &path, FHIR, body("Observation")).await.0, 403);
    let (status, found) = stage.post(&token, &path, FHIR, body("Condition")).await;
    assert_eq!(status, 200, "{found}");
    // A compartment, by GET and by POST.
    let (_, found) = stage.get(&token, &format!("/fhir/Patient/{patient}/Observation")).await;
    assert_eq!(found["total"], 1, "{found}");
    let path = format!("/fhir/Patient/{patient}/Observation/_search");
    let form = "application/x-www-form-urlencoded";
    let (_, found) = stage.post(&token, &path, form, "status=final".to_owned()).await;
    assert_eq!(found["total"], 1, "{found}");
    // A condition may lead to another type.
    let condition = json!({"resourceType": "Condition", "subject": {"reference": format!("Patient/{patient}")}});
    let request = stage.node.client.post(stage.node.inside("/fhir/Condition")).bearer_auth(&token);
    let request = request.header("content-type", FHIR).header("if-none-exist", "subject:Patient.family=Lefebvre");
    assert_eq!(request.body(condition.to_string()).send().await.unwrap().status(), 403);
    // Narrowing by what leads elsewhere is not to be had.
    let (status, answer) =
        stage.ask(&stage.signed(&stage.ec, &stage.claims()), "system/Observation.r?_include=Observation:subject").await;
    assert_eq!((status.as_u16(), answer["error"].as_str()), (400, Some("invalid_scope")));
    // A body is read within the limit of the door.
    let request = stage.node.client.post(stage.node.inside("/fhir/Condition")).bearer_auth(&token);
    let response = request.header("content-type", FHIR).body(vec![b' '; 40 * 1024 * 1024]).send().await;
    assert!(response.is_err() || response.unwrap().status() == 413);
}
