//! ID tokens (OpenID Connect Core 1.0 section 3.1.3.7): signed with RS256, ES256 or EdDSA by a key that the issuer
//! publishes, for this console, for this sign-in, now. Nothing else is taken: no other algorithm, none, no key
//! that the token itself brings.
//!
//! What never lives here: fetching keys.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::UnixMillis;
use serde::Deserialize;
use thiserror::Error;

use super::Settings;

/// Keys of an issuer, at most; further ones are not looked at.
const KEYS_MAX: usize = 100;
/// Bytes of an ID token, at most.
const TOKEN_BYTES_MAX: usize = 32 * 1024;
/// How far the issuer's clock may be from ours, in seconds.
const CLOCKS_SECONDS_MAX: i64 = 60;

/// Why an ID token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum TokenError {
    /// Not three parts of base64url, or not the JSON that the standard says.
    #[error("its token is malformed")]
    Form,
    /// Signed in a way that is not taken.
    #[error("its token is signed in a way that is not taken")]
    Algorithm,
    /// The key is not known.
    #[error("its token is signed with a key that it does not publish")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the signature of its token is wrong")]
    Signature,
    /// Of another issuer, for somebody else, or for another sign-in.
    #[error("its token is not for this sign-in")]
    Other,
    /// Over, or not yet.
    #[error("its token is over, or the clocks differ")]
    Time,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// One audience or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What an ID token says.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    nonce: Option<String>,
    azp: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    pub(super) name: Option<String>,
    pub(super) auth_time: Option<i64>,
}

impl Claims {
    /// The address, if the issuer has verified it.
    pub(super) fn verified_email(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.email_verified == Some(true))
    }
}

/// A published key (RFC 7517, RFC 7518 section 6, RFC 8037).
#[derive(Debug, Clone, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys that an issuer publishes.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Keys {
    keys: Vec<Key>,
}

impl Keys {
    /// The first of them, up to the bound.
    pub(super) fn bounded(mut self) -> Keys {
        self.keys.truncate(KEYS_MAX);
        self
    }
}

/// What a token says, if it is the issuer's, for this console, for this sign-in, now.
pub(super) fn verify(
    token: &str,
    keys: &Keys,
    (settings, nonce): (&Settings, &str),
    now: UnixMillis,
) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Form);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Form)?;
    let (head, claims) = signed.split_once('.').ok_or(TokenError::Form)?;
    let head: Head = part(head)?;
    let algorithm = match head.alg.as_str() {
        "RS256" => Algorithm::Rs256,
        "ES256" => Algorithm::Es256,
        // RFC 9864 gives the one curve that is taken a name of its own.
        "EdDSA" | "Ed25519" => Algorithm::EdDsa,
        _ => return Err(TokenError::Algorithm),
    };
    if head.crit.is_some() {
        return Err(TokenError::Algorithm);
    }
    let signature = bytes(signature)?;
    let mut fitting = keys.keys.iter().filter(|key| fits(key, algorithm, head.kid.as_deref()));
    let key = fitting.next().ok_or(TokenError::UnknownKey)?;
    if head.kid.is_none() && fitting.next().is_some() {
        return Err(TokenError::UnknownKey);
    }
    check_signature(key, algorithm, (signed.as_bytes(), &signature))?;
    let claims: Claims = part(claims)?;
    check_claims(&claims, settings, nonce)?;
    let seconds = now.0.div_euclid(1_000);
    let over = claims.exp.saturating_add(CLOCKS_SECONDS_MAX) <= seconds;
    let early = claims.iat > seconds.saturating_add(CLOCKS_SECONDS_MAX);
    if over || early { Err(TokenError::Time) } else { Ok(claims) }
}

fn bytes(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_digits| TokenError::Form)
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, TokenError> {
    serde_json::from_slice(&bytes(text)?).map_err(|_json| TokenError::Form)
}

/// Whether a key is meant for such a signature, and named by the token.
fn fits(key: &Key, algorithm: Algorithm, kid: Option<&str>) -> bool {
    let (kty, crv, alg) = match algorithm {
        Algorithm::Rs256 => ("RSA", None, ["RS256", "RS256"]),
        Algorithm::Es256 => ("EC", Some("P-256"), ["ES256", "ES256"]),
        Algorithm::EdDsa => ("OKP", Some("Ed25519"), ["EdDSA", "Ed25519"]),
    };
    key.kty == kty
        && (crv.is_none() || key.crv.as_deref() == crv)
        && key.alg.as_deref().is_none_or(|named| alg.contains(&named))
        && key.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
        && kid.is_none_or(|kid| key.kid.as_deref() == Some(kid))
}

fn check_signature(
    key: &Key,
    algorithm: Algorithm,
    (signed, signature): (&[u8], &[u8]),
) -> Result<(), TokenError> {
    let member = |text: &Option<String>| bytes(text.as_deref().ok_or(TokenError::UnknownKey)?);
    let verified = match algorithm {
        Algorithm::Rs256 => {
            let key = RsaPublicKeyComponents { n: member(&key.n)?, e: member(&key.e)? };
            key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
        }
        Algorithm::Es256 => {
            let mut point = vec![4];
            point.extend(member(&key.x)?);
            point.extend(member(&key.y)?);
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
        }
        Algorithm::EdDsa => {
            UnparsedPublicKey::new(&ED25519, member(&key.x)?).verify(signed, signature)
        }
    };
    verified.map_err(|_unspecified| TokenError::Signature)
}

fn check_claims(claims: &Claims, settings: &Settings, nonce: &str) -> Result<(), TokenError> {
    let client = settings.client_id.as_str();
    let for_this = match &claims.aud {
        Audience::One(one) => one == client,
        // Others may read such a token; it counts only where it names this console as its holder.
        Audience::Several(several) => {
            several.iter().any(|one| one == client)
                && (several.len() == 1 || claims.azp.as_deref() == Some(client))
        }
    };
    let holder = claims.azp.as_deref().is_none_or(|azp| azp == client);
    let this_sign_in = claims.nonce.as_deref() == Some(nonce);
    if claims.iss == settings.issuer && for_this && holder && this_sign_in {
        Ok(())
    } else {
        Err(TokenError::Other)
    }
}
