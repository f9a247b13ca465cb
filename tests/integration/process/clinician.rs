//! A clinician at a browser: signs in by link, refers a patient by the form, sees what a browser sees.

use std::time::Duration;

use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use watari::access::{Role, session};
use watari::clock::SystemClock;

use super::Site;
use super::running::RunningNode;

/// Signed in.
pub struct Clinician<'a> {
    node: &'a RunningNode,
    cookie: String,
}

impl<'a> Clinician<'a> {
    /// By a one-time link made beside the running node.
    pub async fn sign_in(site: &Site, node: &'a RunningNode) -> Self {
        let secret = session::create_link(&site.store(), &SystemClock, "dr-okafor", Role::Clinician).unwrap();
        let link = node.inside(&format!("/sign-in/{secret}"));
        let response = node.client.post(link).header(ORIGIN, node.inside("")).send().await.unwrap();
        let cookie = response
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok()?.split(';').next())
            .find(|pair| pair.starts_with("watari_session="))
            .expect("signing in gives a session");
        Self { node, cookie: cookie.to_owned() }
    }

    /// Refers the patient with this logical id to a partner's service; gives the referral's id.
    pub async fn refer(&self, patient: &str, find: &str, peer: &str) -> String {
        let path = "/referrals/new";
        let service = format!("{peer}/regenerative-medicine");
        let blank = self.read(path).await;
        let found = self.submit(&blank, path, &[("do", "find"), ("find", find)]).await.1;
        assert!(found.contains(patient), "the search does not show the patient");
        let mut fields = vec![
            ("find", find),
            ("patient", patient),
            ("service", &service),
            ("priority", "routine"),
            ("reason", "Knee pain in spite of conservative treatment."),
            ("question", "Is cell therapy an option?"),
        ];
        let asking = [fields.clone(), vec![("do", "consent")]].concat();
        let consent = self.submit(&found, path, &asking).await.1;
        fields.extend([("consent_language", "en"), ("consent_for", peer), ("consent", "yes"), ("do", "send")]);
        let (leads_to, page) = self.submit(&consent, path, &fields).await;
        let address = leads_to.unwrap_or_else(|| panic!("the referral was not sent: {page}"));
        address.rsplit('/').next().unwrap().to_owned()
    }

    pub async fn read(&self, path: &str) -> String {
        self.send(self.node.client.get(self.node.inside(path))).await.1
    }

    async fn submit(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> (Option<String>, String) {
        let (_, after) = page.split_once("name=\"form_token\" value=\"").expect("the page has a form");
        let token = after.split('"').next().unwrap();
        let form: Vec<(&str, &str)> = std::iter::once(("form_token", token)).chain(fields.iter().copied()).collect();
        let request = self.node.client.post(self.node.inside(path)).header(ORIGIN, self.node.inside(""));
        self.send(request.form(&form)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (Option<String>, String) {
        let request =
            request.header(COOKIE, &self.cookie).header("accept", "text/html").timeout(Duration::from_secs(20));
        let response = request.send().await.unwrap();
        let leads_to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        (leads_to, response.text().await.unwrap())
    }
}
