//! The console of whole processes, as browsers ask it.

pub(crate) mod people;
mod sign_on;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use it::wire::{self, Answer, Ask};

/// A browser without scripts: it keeps cookies, says where its forms come from, and follows nothing.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    console: SocketAddr,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(console: SocketAddr) -> Self {
        Self { console, cookies: BTreeMap::new() }
    }

    /// The session that it is signed in with.
    pub(crate) fn session(&self) -> Option<&str> {
        self.cookies.get("__Host-portcullis").map(String::as_str).filter(|held| !held.is_empty())
    }

    fn cookie_line(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    async fn send(&mut self, ask: Ask) -> Answer {
        let ask = ask.with("Cookie", &self.cookie_line()).with("User-Agent", "Test/1");
        let answer = wire::ask(self.console, &ask).await.expect("the console answers");
        for (name, line) in &answer.headers {
            if name == "set-cookie" {
                let pair = line.split(';').next().and_then(|pair| pair.split_once('='));
                let (name, value) = pair.expect("a cookie");
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(crate) async fn open(&mut self, path: &str) -> Answer {
        self.send(Ask::bare("GET", path)).await
    }

    /// Opens a page and sends a form from it, with the secret that the page's forms carry.
    pub(crate) async fn submit(&mut self, page: &str, (to, fields): (&str, &str)) -> Answer {
        let shown = self.open(page).await.text();
        let secret = shown.split("name=\"csrf\" value=\"").nth(1);
        let secret = secret.and_then(|rest| rest.split('"').next());
        let secret = secret.unwrap_or_else(|| panic!("{page} has no form: {shown}"));
        let body = format!("csrf={secret}&{fields}");
        let ask = Ask { body: body.into_bytes(), ..Ask::bare("POST", to) };
        let origin = format!("http://{}", self.console);
        let ask = ask
            .with("Content-Type", "application/x-www-form-urlencoded")
            .with("Origin", &origin)
            .with("Sec-Fetch-Site", "same-origin");
        self.send(ask).await
    }

    /// The hidden fields of the form of that id on a page, as a body.
    pub(crate) async fn form(&mut self, page: &str, id: &str) -> String {
        let shown = self.open(page).await.text();
        let form = shown.split("<form").find(|form| form.contains(&format!("id=\"{id}\"")));
        let form = form.unwrap_or_else(|| panic!("{page} has no such form: {shown}"));
        let form = form.split("</form>").next().unwrap_or_default();
        let fields = form.split("type=\"hidden\" name=\"").skip(1).filter_map(|field| {
            let (name, rest) = field.split_once("\" value=\"")?;
            Some(format!("{name}={}", rest.split('"').next()?))
        });
        fields.collect::<Vec<_>>().join("&")
    }

    /// A form that is filled in and not sent yet.
    pub(crate) fn filled(&self, to: &str, body: &str) -> Ask {
        let ask = Ask { body: body.to_owned().into_bytes(), ..Ask::bare("POST", to) };
        let origin = format!("http://{}", self.console);
        ask.with("Content-Type", "application/x-www-form-urlencoded")
            .with("Origin", &origin)
            .with("Sec-Fetch-Site", "same-origin")
            .with("Cookie", &self.cookie_line())
            .with("User-Agent", "Test/1")
    }

    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        let email = email.replace('@', "%40");
        let fields = format!("email={email}&password={}&next=/", password.replace(' ', "+"));
        self.submit("/sign-in", ("/sign-in", &fields)).await
    }
}
