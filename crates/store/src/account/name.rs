//! Names of people and what proves who they are: each a newtype whose only constructor is a parser.
//!
//! What never lives here: records, SQL.

use std::fmt;
use std::sync::Arc;

use crate::name::{Actor, NameError, id_of, is_id_of};
use crate::secret::Secret;

/// Bytes of an e-mail address, at most: with `user:` before it, it is an [`Actor`].
pub const EMAIL_BYTES_MAX: usize = 190;
/// Bytes before the `@` of an e-mail address, at most (RFC 5321 section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Bytes of one label of a domain name, at most (RFC 1035 section 2.3.4).
const DOMAIN_LABEL_BYTES_MAX: usize = 63;
/// What stands before the characters of a person's id.
const PERSON_ID_PREFIX: &str = "usr_";
/// Bytes of an issuer or a subject of sign-on, at most (OpenID Connect Core 1.0 section 2: a
/// subject has at most 255).
const SUBJECT_BYTES_MAX: usize = 255;

/// The identity of a person: `usr_` and 26 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(Arc<str>);

impl PersonId {
    /// Reads an id that [`PersonId::from_bytes`] made.
    pub fn parse(text: &str) -> Result<PersonId, NameError> {
        if is_id_of(PERSON_ID_PREFIX, text) {
            Ok(PersonId(text.into()))
        } else {
            Err(NameError::new("person id", text, "usr_ and 26 characters"))
        }
    }

    /// Makes an id from 16 random bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> PersonId {
        PersonId(id_of(PERSON_ID_PREFIX, bytes).into())
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An e-mail address, folded to lower case: what people sign in with, and what records call them.
/// Only what nobody can mistake for something else is taken: ASCII letters, digits and
/// ``!#$%&'*+/=?^_`{|}~.-`` before the `@`, a domain name after it. A domain name in another script
/// is written in its ASCII form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(Arc<str>);

impl Email {
    /// Reads an address; white space around it is left out.
    pub fn parse(text: &str) -> Result<Email, NameError> {
        let folded = text.trim().to_ascii_lowercase();
        if is_address(&folded) {
            Ok(Email(folded.into()))
        } else {
            let rule = "an e-mail address such as ada@example.com, up to 190 ASCII characters";
            Err(NameError::new("e-mail address", text, rule))
        }
    }

    /// The address as text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_local, domain)| domain)
    }

    /// How records name this person: `user:ada@example.com`.
    pub fn actor(&self) -> Result<Actor, NameError> {
        Actor::parse(&format!("user:{}", self.0))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let local_fits = (1..=LOCAL_BYTES_MAX).contains(&local.len())
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&b));
    let label_fits = |label: &str| {
        (1..=DOMAIN_LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= EMAIL_BYTES_MAX && local_fits && domain.split('.').all(label_fits)
}

/// The argon2id hash of a password in the PHC string format; stored sealed, and printed nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash(Secret<String>);

impl PasswordHash {
    /// Takes a hash as the hashing made it.
    pub fn new(phc: String) -> PasswordHash {
        PasswordHash(Secret::new(phc))
    }

    /// The hash, for verification only.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Who somebody is at an issuer of OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    issuer: Arc<str>,
    subject: Arc<str>,
}

impl Subject {
    /// Reads an issuer and the subject there: each 1 to 255 bytes without control characters.
    pub fn parse(issuer: &str, subject: &str) -> Result<Subject, NameError> {
        let fits = |text: &str| {
            (1..=SUBJECT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        if fits(issuer) && fits(subject) {
            Ok(Subject { issuer: issuer.into(), subject: subject.into() })
        } else {
            let rule = "1 to 255 bytes without control characters";
            Err(NameError::new("subject of sign-on", subject, rule))
        }
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The name there.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

#[cfg(test)]
mod tests;
