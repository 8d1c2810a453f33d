//! Sign-on of people as the console takes it: what the file says, and how the issuer is asked. The issuer stands
//! in the file, so that no rule of addresses is needed; nothing is followed anywhere else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use console::ops::sign_on::{Ask, Fetch, Fetched, Issuer, Settings, SignOn};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::causes::chain;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::outgoing;

/// How long the issuer may take for one answer, in seconds.
const ANSWER_SECONDS_MAX: u64 = 10;
/// Bytes of an answer of the issuer, at most.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

type IssuerClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Sign-on as the file has it; `console_url` is where browsers find the console.
pub(super) fn of(config: &Config, console_url: &str) -> Result<Option<SignOn>, Failure> {
    let Some(said) = &config.sign_on else { return Ok(None) };
    let connector = outgoing::connector()
        .map_err(|error| Failure::because(Exit::Failed, "TLS for sign-on", &error))?;
    let client: IssuerClient = Client::builder(TokioExecutor::new()).build(connector);
    let settings = Settings {
        issuer: said.issuer.clone(),
        client_id: said.client_id.clone(),
        client_secret: said.client_secret.clone(),
        redirect_uri: format!("{console_url}/sign-in/callback"),
        domains: said.domains.clone(),
        role_for_new: said.role_for_new,
    };
    let fetch: Fetch = Arc::new(move |ask| {
        let client = client.clone();
        Box::pin(async move {
            let answer = timeout(Duration::from_secs(ANSWER_SECONDS_MAX), fetch(&client, ask));
            answer.await.unwrap_or_else(|_late| Err("it does not answer in time".to_owned()))
        })
    });
    Ok(Some(SignOn { settings, issuer: Arc::new(Issuer::new(fetch)) }))
}

async fn fetch(client: &IssuerClient, ask: Ask) -> Result<Fetched, String> {
    let method = if ask.form.is_some() { Method::POST } else { Method::GET };
    let mut request =
        Request::builder().method(method).uri(&ask.url).header(header::ACCEPT, "application/json");
    if let Some(authorization) = &ask.authorization {
        request = request.header(header::AUTHORIZATION, authorization.expose());
    }
    if ask.form.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    let body = ask.form.map(|form| Bytes::from(form.expose().clone())).unwrap_or_default();
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    let answer = client.request(request).await.map_err(|error| chain(&error))?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| format!("its answer broke off: {error}"))?.to_bytes();
    Ok(Fetched { status, body })
}
