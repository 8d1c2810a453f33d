//! What is known of the issuer: its endpoints (OpenID Connect Discovery 1.0 section 4) and keys, kept for a bounded
//! time; and the exchange of a code for an ID token.
//!
//! What never lives here: who may come in.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy::UnixMillis;
use serde::Deserialize;
use store::Secret;

use super::id_token::{Claims, Keys, TokenError, verify};
use super::{Ask, Fetch, Settings, SignOnError, encoded};

/// How long endpoints and keys are kept, in milliseconds: an hour.
const KEPT_MS_MAX: i64 = 3_600_000;
/// Keys are fetched anew for a key that is not known, but not more often than so many milliseconds apart.
const KEYS_MS_MIN: i64 = 60_000;
/// Bytes of one of the issuer's addresses, at most.
const ADDRESS_BYTES_MAX: usize = 2_048;

/// The issuer's endpoints.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Known {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

/// The issuer, and what is known of it.
pub struct Issuer {
    fetch: Fetch,
    known: Mutex<Option<(UnixMillis, Arc<Known>)>>,
    keys: Mutex<Option<(UnixMillis, Arc<Keys>)>>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}

fn broken(why: impl Into<String>) -> SignOnError {
    SignOnError::Issuer(why.into())
}

/// Whether what was kept at `at` is too old at `now`, or from after it.
fn is_old(at: UnixMillis, now: UnixMillis, max_ms: i64) -> bool {
    let age = now.0.saturating_sub(at.0);
    !(0..max_ms).contains(&age)
}

impl Issuer {
    /// An issuer of which nothing is known yet.
    pub fn new(fetch: Fetch) -> Issuer {
        Issuer { fetch, known: Mutex::new(None), keys: Mutex::new(None) }
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, ask: Ask) -> Result<T, SignOnError> {
        let answer = (self.fetch)(ask).await.map_err(SignOnError::Issuer)?;
        if answer.status != 200 {
            return Err(broken(format!("it answers {}", answer.status)));
        }
        serde_json::from_slice(&answer.body).map_err(|_unparsable| {
            broken("it answers something that is not what the standard says")
        })
    }

    /// Its endpoints.
    pub(super) async fn known(
        &self,
        issuer: &str,
        now: UnixMillis,
    ) -> Result<Arc<Known>, SignOnError> {
        let kept = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_at, known)) = kept.filter(|(at, _)| !is_old(*at, now, KEPT_MS_MAX)) {
            return Ok(known);
        }
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let url = format!("{base}/.well-known/openid-configuration");
        let known: Known = self.json(Ask { url, form: None, authorization: None }).await?;
        if known.issuer != issuer {
            return Err(broken("its document names another issuer"));
        }
        let endpoints = [&known.authorization_endpoint, &known.token_endpoint, &known.jwks_uri];
        if !endpoints.iter().all(|endpoint| is_safe(endpoint, issuer)) {
            return Err(broken("its document names an address without https"));
        }
        let known = Arc::new(known);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((now, Arc::clone(&known)));
        Ok(known)
    }

    /// Exchanges a code for an ID token (OpenID Connect Core 1.0 section 3.1.3).
    pub(super) async fn token(
        &self,
        settings: &Settings,
        (code, verifier): (&str, &str),
        now: UnixMillis,
    ) -> Result<Secret<String>, SignOnError> {
        #[derive(Deserialize)]
        struct Answer {
            id_token: String,
        }
        let known = self.known(&settings.issuer, now).await?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", settings.redirect_uri.as_str()),
            ("code_verifier", verifier),
        ];
        let authorization = if let Some(secret) = &settings.client_secret {
            // RFC 6749 section 2.3.1: both are encoded as in a form before they are joined.
            let id = form_word(&settings.client_id)?;
            let pair = Secret::new(format!("{id}:{}", form_word(secret.expose())?));
            Some(Secret::new(format!("Basic {}", STANDARD.encode(pair.expose()))))
        } else {
            fields.push(("client_id", settings.client_id.as_str()));
            None
        };
        let form = Some(Secret::new(encoded(&fields)?));
        let ask = Ask { url: known.token_endpoint.clone(), form, authorization };
        let answer: Answer = self.json(ask).await?;
        Ok(Secret::new(answer.id_token))
    }

    /// What an ID token says, if it is the issuer's, for this console and this sign-in.
    pub(super) async fn claims(
        &self,
        settings: &Settings,
        (token, nonce): (&Secret<String>, &str),
        now: UnixMillis,
    ) -> Result<Claims, SignOnError> {
        let kept = self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let said = |error: TokenError| broken(error.to_string());
        let mut asked_ago_enough = true;
        if let Some((at, keys)) = kept.filter(|(at, _)| !is_old(*at, now, KEPT_MS_MAX)) {
            match verify(token.expose(), &keys, (settings, nonce), now) {
                Err(TokenError::UnknownKey) => asked_ago_enough = is_old(at, now, KEYS_MS_MIN),
                verified => return verified.map_err(said),
            }
        }
        if !asked_ago_enough {
            return Err(said(TokenError::UnknownKey));
        }
        let known = self.known(&settings.issuer, now).await?;
        let ask = Ask { url: known.jwks_uri.clone(), form: None, authorization: None };
        let keys = Arc::new(self.json::<Keys>(ask).await?.bounded());
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&keys)));
        verify(token.expose(), &keys, (settings, nonce), now).map_err(said)
    }
}

fn form_word(text: &str) -> Result<String, SignOnError> {
    let pair = encoded(&[("", text)])?;
    Ok(pair.strip_prefix('=').unwrap_or(&pair).to_owned())
}

/// Whether an address of the issuer is one that nobody on the way reads: https, or the loopback address that the
/// issuer itself has.
fn is_safe(address: &str, issuer: &str) -> bool {
    let Ok(uri) = address.parse::<http::Uri>() else { return false };
    let plain = address.bytes().all(|b| b.is_ascii_graphic()) && !address.contains('#');
    let own_host = issuer.parse::<http::Uri>().ok().is_some_and(|own| {
        own.scheme_str() == Some("http")
            && own.authority().is_some()
            && own.authority() == uri.authority()
    });
    plain
        && address.len() <= ADDRESS_BYTES_MAX
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && (uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && own_host))
}
