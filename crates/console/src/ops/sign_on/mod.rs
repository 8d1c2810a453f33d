//! Signing in through an issuer of OpenID Connect: the authorisation code flow with PKCE (OpenID Connect Core 1.0
//! section 3.1, RFC 7636), as the one relying party that this console is.
//!
//! What never lives here: connections (the binary hands in how an address is asked), cookies.

mod id_token;
mod issuer;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use policy::UnixMillis;
use serde::{Deserialize, Serialize};
use store::{
    ApiRole, By, Credentials, Email, Label, NewPerson, PersonId, STEP_UP_MS_MAX, Secret, Standing,
    Subject, TokenHash,
};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::OpError;
use super::accounts::{self, Browser, Opened};
use crate::Console;
use id_token::Claims;
pub use issuer::Issuer;

/// How long somebody may take at the issuer, in milliseconds.
const FLOW_MS_MAX: i64 = 10 * 60_000;
/// Where what a browser carries through the flow is sealed for.
const PLACE: &str = "sign-on";

/// A request to the issuer.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Where to.
    pub url: String,
    /// The fields of a POST; a GET without.
    pub form: Option<Secret<String>>,
    /// The value of `Authorization`.
    pub authorization: Option<Secret<String>>,
}

/// What the issuer answered.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The HTTP status.
    pub status: u16,
    /// The body, bounded by whoever fetched it.
    pub body: Bytes,
}

/// An answer that takes a while, or why there is none.
pub type FetchFuture = Pin<Box<dyn Future<Output = Result<Fetched, String>> + Send>>;
/// Asks an address of the issuer: bounded in time and size, without following redirects. Handed in by the binary.
pub type Fetch = Arc<dyn Fn(Ask) -> FetchFuture + Send + Sync>;

/// What the configuration says of sign-on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The issuer, as its own documents call it.
    pub issuer: String,
    /// Who this console is there.
    pub client_id: String,
    /// What it proves that with; a public client has none.
    pub client_secret: Option<Secret<String>>,
    /// Where the issuer sends people back to.
    pub redirect_uri: String,
    /// Domains of e-mail addresses, in lower case; none are allowed beside invitations where it is empty.
    pub domains: Vec<String>,
    /// The role of somebody of such a domain whom nobody invited; nobody enters without an invitation otherwise.
    pub role_for_new: Option<ApiRole>,
}

/// Sign-on, as it is configured.
#[derive(Clone)]
pub struct SignOn {
    /// What the configuration says.
    pub settings: Settings,
    /// The issuer and what is known of it.
    pub issuer: Arc<Issuer>,
}

impl fmt::Debug for SignOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignOn").field("issuer", &self.settings.issuer).finish_non_exhaustive()
    }
}

/// Why nobody was signed in.
#[derive(Debug, Error)]
pub enum SignOnError {
    /// The configuration has no sign-on.
    #[error("this console has no sign-on")]
    NotConfigured,
    /// What came back does not belong to a sign-in that this browser began.
    #[error("this sign-in was not begun in this browser, or took too long: begin again")]
    NotBegun,
    /// The issuer said no; its word for why.
    #[error("the sign-on refused: {0}")]
    Refused(String),
    /// The issuer does not answer, or not as it must.
    #[error("the sign-on does not work: {0}")]
    Issuer(String),
    /// Whoever it is has no account here and may make none.
    #[error("there is no account for you here: ask an admin for an invitation")]
    NoAccount,
    /// Accounts did not take it.
    #[error(transparent)]
    Op(#[from] OpError),
}

impl From<store::AccountError> for SignOnError {
    fn from(error: store::AccountError) -> SignOnError {
        SignOnError::Op(error.into())
    }
}

/// Why somebody is sent to the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// To sign in; a session there will do.
    SignIn,
    /// To prove again who they are.
    Again,
}

/// What a browser carries through the flow, sealed.
#[derive(Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
    why: Why,
    ends: i64,
}

/// Where a sign-in begins: the issuer's page, and what the browser carries.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser is sent to.
    pub url: String,
    /// What it brings back; sealed.
    pub carried: String,
}

fn configured(console: &Console) -> Result<&SignOn, SignOnError> {
    console.site.sign_on.as_ref().ok_or(SignOnError::NotConfigured)
}

fn random(console: &Console) -> Result<String, SignOnError> {
    let bytes: [u8; 32] = console.entropy.bytes().map_err(OpError::from)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Begins a sign-in that leads back to `next`.
pub async fn begin(console: &Console, next: &str, why: Why) -> Result<Begun, SignOnError> {
    let SignOn { settings, issuer } = configured(console)?;
    let now = (console.clock)();
    let known = issuer.known(&settings.issuer, now).await?;
    let flow = Flow {
        state: random(console)?,
        nonce: random(console)?,
        verifier: random(console)?,
        next: next.to_owned(),
        why,
        ends: now.0.saturating_add(FLOW_MS_MAX),
    };
    let challenge = URL_SAFE_NO_PAD.encode(policy::sha256(flow.verifier.as_bytes()).0);
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", settings.client_id.as_str()),
        ("redirect_uri", settings.redirect_uri.as_str()),
        ("scope", "openid email profile"),
        ("state", flow.state.as_str()),
        ("nonce", flow.nonce.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    if why == Why::Again {
        fields.extend([("prompt", "login"), ("max_age", "0")]);
    }
    let query = encoded(&fields)?;
    let joint = if known.authorization_endpoint.contains('?') { '&' } else { '?' };
    let url = format!("{}{joint}{query}", known.authorization_endpoint);
    let clear = serde_json::to_vec(&flow).map_err(|_never| OpError::Broken)?;
    let sealed = console.store.seal(PLACE, &Secret::new(clear)).map_err(OpError::from)?;
    Ok(Begun { url, carried: URL_SAFE_NO_PAD.encode(sealed) })
}

fn encoded(fields: &[(&str, &str)]) -> Result<String, SignOnError> {
    serde_urlencoded::to_string(fields).map_err(|_never| OpError::Broken.into())
}

/// What the issuer sends a browser back with.
#[derive(Debug, Default, Deserialize)]
pub struct Returned {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Somebody who is signed in, and where they wanted to go.
#[derive(Debug)]
pub struct Ended {
    /// The session.
    pub opened: Opened,
    /// A path of this console.
    pub next: String,
}

/// Ends a sign-in: holds what came back against what the browser carries, asks the issuer who it is, and
/// opens a session, in the place of the one that the browser had before, if any.
pub async fn finish(
    console: &Console,
    carried: (&str, Option<TokenHash>),
    returned: Returned,
    browser: &Browser,
) -> Result<Ended, SignOnError> {
    let ended = end(console, carried, returned, browser).await;
    if let Err(
        error @ (SignOnError::Refused(_) | SignOnError::Issuer(_) | SignOnError::NoAccount),
    ) = &ended
    {
        let at = (console.clock)();
        let actor = store::Actor::parse("nobody").map_err(OpError::from)?;
        let by = By { actor, from: browser.from(), at };
        console.store.by(by).note_failed_sign_on(error.to_string(), at).await?;
    }
    ended
}

async fn end(
    console: &Console,
    (carried, instead): (&str, Option<TokenHash>),
    returned: Returned,
    browser: &Browser,
) -> Result<Ended, SignOnError> {
    let SignOn { settings, issuer } = configured(console)?;
    let now = (console.clock)();
    let flow = unsealed(console, carried, now).ok_or(SignOnError::NotBegun)?;
    let state = returned.state.unwrap_or_default();
    if !bool::from(state.as_bytes().ct_eq(flow.state.as_bytes())) {
        return Err(SignOnError::NotBegun);
    }
    // RFC 9207: an answer of another issuer is no answer.
    if returned.iss.is_some_and(|iss| iss != settings.issuer) {
        return Err(SignOnError::NotBegun);
    }
    if let Some(error) = returned.error {
        let word: String = error.chars().filter(|c| !c.is_control()).take(100).collect();
        return Err(SignOnError::Refused(word));
    }
    let code = returned.code.ok_or(SignOnError::NotBegun)?;
    let token = issuer.token(settings, (&code, &flow.verifier), now).await?;
    let claims = issuer.claims(settings, (&token, &flow.nonce), now).await?;
    let fresh_until = claims.auth_time.map(|at| {
        UnixMillis(
            at.saturating_mul(1_000)
                .saturating_add(STEP_UP_MS_MAX)
                .min(now.0.saturating_add(STEP_UP_MS_MAX)),
        )
    });
    let fresh_until = fresh_until.filter(|until| *until > now);
    if flow.why == Why::Again && fresh_until.is_none() {
        return Err(SignOnError::Refused("it did not ask who you are again".to_owned()));
    }
    let found = whose(console, settings, &claims, browser).await?;
    if found.person.standing != Standing::Active {
        return Err(SignOnError::NoAccount);
    }
    let of = (&found.person.id, found.version, &found.person.email);
    let opened = accounts::start_fresh_until(console, of, browser, (fresh_until, instead)).await?;
    Ok(Ended { opened, next: flow.next })
}

fn unsealed(console: &Console, carried: &str, now: UnixMillis) -> Option<Flow> {
    let sealed = URL_SAFE_NO_PAD.decode(carried).ok()?;
    let clear = console.store.unseal(PLACE, &sealed).ok()?;
    let flow: Flow = serde_json::from_slice(clear.expose()).ok()?;
    (flow.ends > now.0).then_some(flow)
}

/// The account of whoever the issuer vouches for: the one that is tied to them; else one with their address, if
/// the file trusts the issuer with its domain; else the one of their invitation; else a new one, if the file
/// says so. An address that the issuer has not verified is none.
async fn whose(
    console: &Console,
    settings: &Settings,
    claims: &Claims,
    browser: &Browser,
) -> Result<Credentials, SignOnError> {
    let now = (console.clock)();
    let subject = Subject::parse(&settings.issuer, &claims.sub).map_err(OpError::from)?;
    if let Some(found) = console.store.credentials_by_subject(&subject).await? {
        return Ok(found);
    }
    let email = claims.verified_email().and_then(|text| Email::parse(text).ok());
    let email = email.ok_or(SignOnError::NoAccount)?;
    let trusted = settings.domains.iter().any(|domain| domain == email.domain());
    if let Some(found) = console.store.credentials(&email).await? {
        if !trusted {
            return Err(SignOnError::NoAccount);
        }
        let store = accounts::as_person(console, &email, browser)?;
        store.tie_subject(&found.person.id, subject).await?;
        return Ok(found);
    }
    let random = console.entropy.bytes().map_err(OpError::from)?;
    let name = claims.name.as_deref().and_then(|name| Label::parse(name.trim()).ok());
    let person = NewPerson {
        id: PersonId::from_bytes(random),
        display: name.map_or_else(|| Label::parse(email.as_str()), Ok).map_err(OpError::from)?,
        password: None,
        subject: Some(subject.clone()),
    };
    let store = accounts::as_person(console, &email, browser)?;
    if store.invitation_of(&email, now).await?.is_some() {
        store.join_by_sign_on(&email, person, now).await?;
    } else {
        let role = settings.role_for_new.filter(|_| trusted).ok_or(SignOnError::NoAccount)?;
        store.create_person(person, (email, role), now).await?;
    }
    console.store.credentials_by_subject(&subject).await?.ok_or(SignOnError::NoAccount)
}

#[cfg(test)]
mod tests;
