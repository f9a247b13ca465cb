//! Somebody at a browser: signs in by link, reads pages, fills in forms. Sees only what a browser would see.

use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};

use super::DemoError;
use super::site::Site;
use crate::access::Role;

/// A signed-in person.
pub(super) struct Person<'a> {
    site: &'a Site,
    cookie: String,
    language: &'static str,
}

/// A page as read.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) text: String,
    /// Where a redirect leads.
    pub(super) leads_to: Option<String>,
}

impl<'a> Person<'a> {
    /// Opens the link and presses its button.
    pub(super) async fn sign_in(site: &'a Site, role: Role, language: &'static str) -> Result<Self, DemoError> {
        let link = site.sign_in(role)?;
        let response =
            site.client.post(&link).header(ORIGIN, site.inside("")).send().await.map_err(|error| lost(&error))?;
        let cookie = response
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .find(|value| value.starts_with("watari_session="))
            .and_then(|value| value.split(';').next())
            .ok_or_else(|| DemoError::Story(format!("signing in as {role} gave no session")))?;
        Ok(Self { site, cookie: cookie.to_owned(), language })
    }

    /// Reads a page.
    pub(super) async fn read(&self, path: &str) -> Result<Page, DemoError> {
        let request = self.site.client.get(self.site.inside(path));
        self.send(request).await
    }

    /// Fills in and sends the form found on `page`, with its hidden token.
    pub(super) async fn submit(&self, page: &Page, path: &str, fields: &[(&str, &str)]) -> Result<Page, DemoError> {
        let token = hidden(&page.text, "form_token")
            .ok_or_else(|| DemoError::Story(format!("the page for {path} has no form")))?;
        let mut form: Vec<(&str, &str)> = vec![("form_token", &token)];
        form.extend_from_slice(fields);
        let request = self.site.client.post(self.site.inside(path)).header(ORIGIN, self.site.inside("")).form(&form);
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Page, DemoError> {
        let response = request
            .header(COOKIE, &self.cookie)
            .header("accept-language", self.language)
            .header("accept", "text/html")
            .send()
            .await
            .map_err(|error| lost(&error))?;
        let status = response.status().as_u16();
        let leads_to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = response.text().await.map_err(|error| lost(&error))?;
        Ok(Page { status, text, leads_to })
    }
}

fn lost(error: &reqwest::Error) -> DemoError {
    DemoError::Story(format!("a page did not come: {error}"))
}

/// The value of a hidden field.
fn hidden(html: &str, name: &str) -> Option<String> {
    let (_, after) = html.split_once(&format!("name=\"{name}\" value=\""))?;
    let (value, _) = after.split_once('"')?;
    Some(value.to_owned())
}
