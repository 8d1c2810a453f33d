//! Browsers in which somebody signed in before. What such a browser fails is counted by itself, so that
//! strangers who guess at an account from many places keep its owner out of nothing.
//!
//! What never lives here: cookies; what counts as a failure (`store`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use store::{Email, Secret};

use crate::Console;
use crate::ops::OpError;

/// How long a browser is known after a sign-in, in milliseconds: 180 days.
pub const KNOWN_MS_MAX: i64 = 180 * 24 * 3_600_000;
/// Where what a browser carries is sealed for.
const PLACE: &str = "known browser";
/// Bytes of what a browser brings, at most.
const CARRIED_BYTES_MAX: usize = 1_024;

/// A browser in which the owner of an address signed in before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBrowser {
    /// Tells it from other browsers.
    pub(super) id: String,
    email: String,
    until: i64,
}

impl KnownBrowser {
    /// A browser in which the owner of `email` proved just now who they are.
    pub(super) fn new(console: &Console, email: &Email) -> Result<KnownBrowser, OpError> {
        let id: [u8; 16] = console.entropy.bytes()?;
        Ok(KnownBrowser {
            id: URL_SAFE_NO_PAD.encode(id),
            email: email.to_string(),
            until: (console.clock)().0.saturating_add(KNOWN_MS_MAX),
        })
    }

    /// What it brings along from now on; sealed, so that nobody makes one up.
    pub(super) fn carried(&self, console: &Console) -> Result<String, OpError> {
        let clear = serde_json::to_vec(self).map_err(|_never| OpError::Broken)?;
        let sealed = console.store.seal(PLACE, &Secret::new(clear))?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The browser that brings this along, if the owner of this very address signed in there.
    pub(super) fn of(
        console: &Console,
        carried: Option<&str>,
        email: Option<&Email>,
    ) -> Option<KnownBrowser> {
        let known = KnownBrowser::of_anybody(console, carried)?;
        email.is_some_and(|email| email.as_str() == known.email).then_some(known)
    }

    /// The browser that brings this along, if anybody at all signed in there.
    pub(crate) fn of_anybody(console: &Console, carried: Option<&str>) -> Option<KnownBrowser> {
        let carried = carried.filter(|text| text.len() <= CARRIED_BYTES_MAX)?;
        let sealed = URL_SAFE_NO_PAD.decode(carried).ok()?;
        let clear = console.store.unseal(PLACE, &sealed).ok()?;
        let known: KnownBrowser = serde_json::from_slice(clear.expose()).ok()?;
        (known.until > (console.clock)().0).then_some(known)
    }
}
