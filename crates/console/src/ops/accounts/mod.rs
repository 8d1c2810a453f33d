//! People: signing in and out, proving again who they are, joining by a link, and what
//! administrators do with accounts.
//!
//! What never lives here: cookies, forms, pages.

mod known_browser;
mod manage;
mod password;

use std::net::IpAddr;

use policy::UnixMillis;
use store::{
    AccountError, Attempt, By, Credentials, Email, Label, LinkFor, LinkRecord, NewPerson,
    NewSession, PersonId, STEP_UP_MS_MAX, Secret, SetUpOffer, Standing, Store, Token, TokenHash,
    Visit,
};

use super::{Actor, OpError, Permission};
use crate::Console;
pub use known_browser::{KNOWN_MS_MAX, KnownBrowser};
pub use manage::{
    Person, Sessions, change_role, end_other_sessions, end_session, invite, links,
    new_password_link, people, person, remove, rename_organisation, set_standing, withdraw_link,
};
use password::Verdict;
pub use password::{Hashing, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};

/// Where a request of a browser comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browser {
    /// Its address.
    pub address: Option<IpAddr>,
    /// What it calls itself.
    pub name: String,
}

impl Browser {
    /// Where records say that somebody acts from.
    pub fn from(&self) -> String {
        self.address.map_or_else(|| "browser".to_owned(), |ip| ip.to_string())
    }

    /// What all addresses have in common that one person can have: an IPv6 address without its
    /// last 64 bits.
    fn network(&self) -> String {
        match self.address.map(|ip| ip.to_canonical()) {
            None => "unknown".to_owned(),
            Some(IpAddr::V4(ip)) => ip.to_string(),
            Some(IpAddr::V6(ip)) => {
                let [a, b, c, d, ..] = ip.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}")
            }
        }
    }
}

/// A session as the browser gets it: the secret goes into the cookie and is kept nowhere.
#[derive(Debug)]
pub struct Opened {
    /// The secret.
    pub secret: Token,
    /// What the browser brings along from now on, whoever signs in there ([`KnownBrowser`]).
    pub known: String,
}

impl Opened {
    fn of(console: &Console, secret: Token, email: &Email) -> Result<Opened, OpError> {
        Ok(Opened { secret, known: KnownBrowser::new(console, email)?.carried(console)? })
    }
}

/// The address and the password that somebody signs in with.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// As it was typed.
    pub email: String,
    /// As it was typed.
    pub password: Secret<String>,
    /// The session that the browser had before; it ends.
    pub instead: Option<TokenHash>,
    /// What an earlier sign-in gave this browser, if it brings anything.
    pub known: Option<String>,
}

/// Signs somebody in. Who has no account, no password or a wrong one, or is disabled, gets the same
/// answer after the same work.
pub async fn sign_in(
    console: &Console,
    asked: SignIn,
    browser: &Browser,
) -> Result<Opened, OpError> {
    let email = Email::parse(&asked.email).ok();
    let known = KnownBrowser::of(console, asked.known.as_deref(), email.as_ref());
    let attempt = match (&email, &known) {
        (Some(email), Some(known)) => Attempt::of_known(email, known.id.as_str()),
        // What is no address has no account; all of them are counted as one.
        (email, _) => {
            let nobody = Email::parse("nobody@invalid")?;
            Attempt::new(email.as_ref().unwrap_or(&nobody), &browser.network())
        }
    };
    let found = proved(console, (email.as_ref(), attempt), asked.password, browser).await?;
    let of = (&found.person.id, found.version, &found.person.email);
    start(console, of, browser, asked.instead).await
}

/// The credentials of somebody who gave the right password; anything else is
/// [`OpError::WrongPassword`].
async fn proved(
    console: &Console,
    (email, attempt): (Option<&Email>, Attempt),
    password: Secret<String>,
    browser: &Browser,
) -> Result<Credentials, OpError> {
    console.hashing.prepare().await?;
    let nobody = Email::parse("nobody@invalid")?;
    let email = email.unwrap_or(&nobody);
    let place = console.hashing.place().await?;
    console.store.begin_sign_in(attempt, (console.clock)()).await?;
    let found = console.store.credentials(email).await?;
    let known = found.as_ref().map(|found| found.person.email.clone());
    let hash = found.as_ref().and_then(|found| found.password.clone());
    let verdict = console.hashing.verify(place, password, hash).await?;
    match (verdict, found) {
        (Verdict::Right, Some(found)) if found.person.standing == Standing::Active => {
            console.store.end_sign_in(attempt).await?;
            Ok(found)
        }
        _ => {
            tracing::info!(from = %browser.from(), "a password was wrong");
            let at = (console.clock)();
            let by = By { actor: store::Actor::parse("nobody")?, from: browser.from(), at };
            console.store.by(by).note_failed_sign_in(attempt, known.as_ref(), at).await?;
            Err(OpError::WrongPassword)
        }
    }
}

/// Starts a session of somebody who gave their password just now.
async fn start(
    console: &Console,
    of: (&PersonId, i64, &Email),
    browser: &Browser,
    instead: Option<TokenHash>,
) -> Result<Opened, OpError> {
    let until = UnixMillis((console.clock)().0.saturating_add(STEP_UP_MS_MAX));
    start_with(console, of, browser, (Some(until), instead)).await
}

/// Starts a session of somebody whose proof of who they are is fresh until then, or not at all; the
/// one that the browser had before ends.
pub(crate) async fn start_fresh_until(
    console: &Console,
    of: (&PersonId, i64, &Email),
    browser: &Browser,
    until_instead: (Option<UnixMillis>, Option<TokenHash>),
) -> Result<Opened, OpError> {
    start_with(console, of, browser, until_instead).await
}

async fn start_with(
    console: &Console,
    (person, version, email): (&PersonId, i64, &Email),
    browser: &Browser,
    (stepped_up_until, instead): (Option<UnixMillis>, Option<TokenHash>),
) -> Result<Opened, OpError> {
    let secret = Token::make(console.entropy.bytes()?);
    let session = NewSession {
        hash: secret.hash(),
        csrf: Secret::new(console.entropy.bytes()?),
        stepped_up_until,
        address: browser.from(),
        browser: browser.name.clone(),
    };
    let now = (console.clock)();
    let store = as_person(console, email, browser)?;
    store.start_session((person, version), session, instead, now).await?;
    Opened::of(console, secret, email)
}

/// The store for what a person does who is only now proving who they are.
pub(crate) fn as_person(
    console: &Console,
    email: &Email,
    browser: &Browser,
) -> Result<Store, OpError> {
    Ok(console.store.by(By { actor: email.actor()?, from: browser.from(), at: (console.clock)() }))
}

/// Who a session's secret belongs to, if the session is not over.
pub async fn visit(console: &Console, presented: &str) -> Result<Option<Visit>, OpError> {
    let Ok(secret) = Token::parse(presented) else { return Ok(None) };
    Ok(console.store.visit(secret.hash(), (console.clock)()).await?)
}

/// Whether a session is not over and its person may still do what `actor` may: asked again and again
/// by what goes on for long, such as a live view.
pub(crate) async fn goes_on(console: &Console, actor: &Actor, session: TokenHash) -> bool {
    let role = console.store.session_role(session, (console.clock)()).await;
    role.is_ok_and(|role| role == Some(actor.role))
}

/// Ends a session.
pub async fn sign_out(console: &Console, actor: &Actor, session: TokenHash) -> Result<(), OpError> {
    Ok(actor.store(console).end_session(session).await?)
}

/// Proves again who somebody is, by their password: their session counts as fresh for five minutes,
/// under another secret.
pub async fn step_up(
    console: &Console,
    (email, session): (&Email, TokenHash),
    password: Secret<String>,
    browser: &Browser,
) -> Result<Opened, OpError> {
    let attempt = Attempt::of_known(email, &session_id(session));
    let credentials = proved(console, (Some(email), attempt), password, browser).await?;
    let secret = Token::make(console.entropy.bytes()?);
    let of = (&credentials.person.id, credentials.version);
    let store = as_person(console, email, browser)?;
    store.step_up((session, secret.hash()), of, (console.clock)()).await?;
    Opened::of(console, secret, email)
}

/// Gives somebody another password. All their sessions end; this browser gets a new one.
pub async fn change_password(
    console: &Console,
    (email, session): (&Email, TokenHash),
    (old, new): (Secret<String>, Secret<String>),
    browser: &Browser,
) -> Result<Opened, OpError> {
    password::check_new(&new, &[email.as_str()])?;
    let attempt = Attempt::of_known(email, &session_id(session));
    let credentials = proved(console, (Some(email), attempt), old, browser).await?;
    let hash = console.hashing.hash(new, &console.entropy).await?;
    let (id, version) = (&credentials.person.id, credentials.version);
    as_person(console, email, browser)?.set_password(id, version, hash).await?;
    start(console, (id, version.saturating_add(1), email), browser, None).await
}

/// What somebody makes their account of.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// What people call them.
    pub display: String,
    /// The password.
    pub password: Secret<String>,
}

/// Offers a link to make the first account where nobody may administer, in place of each earlier
/// one. The token is shown once.
pub async fn offer_set_up(console: &Console, actor: &Actor) -> Result<Option<Token>, OpError> {
    actor.may(Permission::ManagePeople)?;
    let token = Token::make(console.entropy.bytes()?);
    let offer = (token.hash(), actor.name.clone());
    match actor.store(console).offer_set_up(offer, (console.clock)()).await? {
        SetUpOffer::Made => Ok(Some(token)),
        SetUpOffer::NotNeeded => Ok(None),
    }
}

/// The page of a link: `welcome` to make the first account, `join`, or `new-password`.
pub fn link_path(page: &str, token: &Token) -> String {
    format!("/{page}/{}", token.expose())
}

/// What a link is for, if it works.
pub async fn link(console: &Console, presented: &str) -> Result<LinkRecord, OpError> {
    let token = Token::parse(presented).map_err(|_other| AccountError::LinkOver)?;
    let found = console.store.link(token.hash(), (console.clock)()).await?;
    Ok(found.ok_or(AccountError::LinkOver)?)
}

/// Makes the first account, an administrator's, names the organisation, and signs in.
pub async fn set_up(
    console: &Console,
    presented: &str,
    (account, email, organisation): (NewAccount, &str, &str),
    browser: &Browser,
) -> Result<Opened, OpError> {
    if link(console, presented).await?.purpose != LinkFor::SetUp {
        return Err(AccountError::LinkOver.into());
    }
    let (email, organisation) = (Email::parse(email)?, Label::parse(organisation.trim())?);
    let person = new_person(console, account, &email).await?;
    let id = person.id.clone();
    let made = (person, email.clone(), organisation);
    let store = as_person(console, &email, browser)?;
    store.set_up(TokenHash::of(presented), made, (console.clock)()).await?;
    start(console, (&id, 1, &email), browser, None).await
}

/// Makes the account of an invitation, and signs in.
pub async fn join(
    console: &Console,
    presented: &str,
    account: NewAccount,
    browser: &Browser,
) -> Result<Opened, OpError> {
    let LinkFor::Invitation { email, role: _ } = link(console, presented).await?.purpose else {
        return Err(AccountError::LinkOver.into());
    };
    let person = new_person(console, account, &email).await?;
    let id = person.id.clone();
    let store = as_person(console, &email, browser)?;
    store.join(TokenHash::of(presented), person, (console.clock)()).await?;
    start(console, (&id, 1, &email), browser, None).await
}

/// Chooses another password by a link. All sessions of the person end.
pub async fn renew_password(
    console: &Console,
    presented: &str,
    new: Secret<String>,
    browser: &Browser,
) -> Result<(), OpError> {
    let LinkFor::NewPassword(id) = link(console, presented).await?.purpose else {
        return Err(AccountError::LinkOver.into());
    };
    let person = console.store.person(&id).await?.ok_or(AccountError::LinkOver)?;
    password::check_new(&new, &[person.email.as_str(), person.display.as_str()])?;
    let hash = console.hashing.hash(new, &console.entropy).await?;
    let token = TokenHash::of(presented);
    let store = as_person(console, &person.email, browser)?;
    store.renew_password(token, hash, (console.clock)()).await?;
    Ok(())
}

/// What failed proofs within one session are counted by.
fn session_id(session: TokenHash) -> String {
    format!("session {:02x?}", session.0)
}

async fn new_person(
    console: &Console,
    account: NewAccount,
    email: &Email,
) -> Result<NewPerson, OpError> {
    let display = Label::parse(account.display.trim())?;
    password::check_new(&account.password, &[email.as_str(), display.as_str()])?;
    let hash = console.hashing.hash(account.password, &console.entropy).await?;
    let id = PersonId::from_bytes(console.entropy.bytes()?);
    Ok(NewPerson { id, display, password: Some(hash), subject: None })
}

#[cfg(test)]
mod tests;
