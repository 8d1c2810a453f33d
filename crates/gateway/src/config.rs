//! What the binary hands to the gateway: names, bounds, waits, the clock and the source of
//! randomness. Nothing here reads a file, the environment or a clock of its own.

use std::fmt;
use std::sync::Arc;

use policy::UnixMillis;

use crate::observer::CallObserver;

/// The gateway's only clock: the wall clock of the edge, as a function.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> UnixMillis + Send + Sync>);

impl Clock {
    /// Wraps the function that reads the time.
    pub fn new(read: impl Fn() -> UnixMillis + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The time now, in milliseconds since the Unix epoch.
    pub fn now(&self) -> UnixMillis {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The gateway's only source of unpredictable bytes (session, request and approval identifiers).
#[derive(Clone, Copy)]
pub struct Randomness(fn(&mut [u8]));

impl Randomness {
    /// Wraps the function that fills a slice with bytes of a cryptographic generator.
    pub const fn new(fill: fn(&mut [u8])) -> Self {
        Self(fill)
    }

    /// `N` fresh random bytes.
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        let mut out = [0; N];
        (self.0)(&mut out);
        out
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Randomness")
    }
}

/// The class and risk that the catalogue gives to a tool definition; `None` where it has none.
pub type Classification = (Option<policy::Class>, Option<policy::Risk>);

/// The function behind a [`Classifier`].
type Classify = dyn Fn(&str, &str) -> Classification + Send + Sync;

/// Classifies a tool when its definition is pinned: `(name, definition as JSON)`. The catalogue is
/// no dependency of the gateway, so the binary hands it in as a function.
#[derive(Clone)]
pub struct Classifier(Arc<Classify>);

impl Classifier {
    /// Wraps the catalogue's function.
    pub fn new(classify: impl Fn(&str, &str) -> Classification + Send + Sync + 'static) -> Self {
        Self(Arc::new(classify))
    }

    /// A classifier that knows no tool: every tool stays without a class.
    pub fn unknown() -> Self {
        Self::new(|_, _| (None, None))
    }

    pub(crate) fn classify(&self, name: &str, definition: &str) -> Classification {
        (self.0)(name, definition)
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Classifier")
    }
}

/// How much of a call's arguments an audit record holds (GATEWAY.md section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditValues {
    /// Only the names of the arguments.
    None,
    /// Values with long strings cut and members masked whose key looks like a secret.
    #[default]
    Redacted,
    /// Values as they came, within the record's bound.
    Full,
}

/// How long a held call waits for a person (GATEWAY.md section 7) when its rules do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldWaits {
    /// Seconds without a progress token; 0 answers at once.
    pub plain_seconds: u32,
    /// Seconds when the client sent a progress token.
    pub with_progress_seconds: u32,
}

impl Default for HoldWaits {
    fn default() -> Self {
        Self { plain_seconds: 25, with_progress_seconds: 120 }
    }
}

/// Everything that the gateway needs to know beyond the store's rows.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The absolute URL under which agents reach the gateway, without a closing slash; it stands
    /// in the protected-resource metadata.
    pub public_url: String,
    /// The absolute URL of the console; links to approvals are `<console_url>/approvals/<id>`.
    pub console_url: String,
    /// Further names that a `Host` header may carry (no port), beside the gateway's own.
    pub host_names: Vec<String>,
    /// Further values that an `Origin` header may carry, beside the gateway's own.
    pub origins: Vec<String>,
    /// How long held calls wait.
    pub hold_waits: HoldWaits,
    /// What audit records hold of argument values.
    pub audit_values: AuditValues,
    /// The classes of tools that are pinned.
    pub classifier: Classifier,
    /// The clock.
    pub clock: Clock,
    /// The random bytes.
    pub randomness: Randomness,
    /// How long calls that run may take to finish once the gateway shuts down, in seconds.
    pub drain_seconds: u32,
    /// Hears of every call once it is over; without one nothing is collected for it.
    pub observer: Option<CallObserver>,
}
