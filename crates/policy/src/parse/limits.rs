//! Limits and the shorthand `rate_limit` (POLICY sections 3 and 5).

use std::sync::Arc;

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged as _;

use super::rules::Under;
use super::{Fields, Place, Reader, did_you_mean, number_of, span, text_of};
use crate::document::{Increment, Limit};
use crate::{Algorithm, Decimal, Micro, PathRoot, Scope, Window};

/// Longest name of a counter, in characters.
const COUNTER_CHARS_MAX: usize = 128;
const CALENDAR: [&str; 6] = ["second", "minute", "hour", "day", "week", "month"];
const WINDOWS: [&str; 7] = ["second", "minute", "hour", "day", "week", "month", "in_flight"];
const LIMIT_KEYS: [&str; 8] =
    ["counter", "window", "max", "scope", "increment", "increment_from", "algorithm", "on_deny"];

/// Whether a limit may count the calls that run now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InFlight {
    Taken,
    Refused,
}

impl Reader {
    pub(super) fn limits(&mut self, fields: &Fields<'_, '_>, under: &Under<'_>) -> Vec<Arc<Limit>> {
        let Some(elements) = self.array(fields, "limits") else { return Vec::new() };
        let place = fields.place.key("limits");
        let mut limits = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            limits.extend(self.limit(&place.index(index), element, under).map(Arc::new));
        }
        limits
    }

    fn limit(&mut self, place: &Place<'_>, value: &Ast<'_>, under: &Under<'_>) -> Option<Limit> {
        let fields = self.fields(place, value, &LIMIT_KEYS)?;
        let counter = self.counter(&fields);
        self.require_member(&fields, "window");
        self.require_member(&fields, "max");
        let window = self.window(&fields, InFlight::Taken);
        let max = self.max(&fields);
        let words = ["grant", "session", "server", "organisation"];
        let scope = match self.word(&fields, "scope", Some(&words)) {
            Some("session") => Scope::Session,
            Some("server") => Scope::Server,
            Some("organisation") => Scope::Organisation,
            _ => Scope::Grant,
        };
        let increment = self.increment(&fields, under);
        let algorithm = self.algorithm(&fields, window);
        let message = self.word(&fields, "on_deny", None).map(Arc::from);
        let window = window?;
        Some(Limit {
            name: place.to_string().into(),
            at: value.start(),
            counter: match counter {
                Some(counter) => Arc::from(counter),
                None => format!("{}_{window}", under.name()).into(),
            },
            window,
            scope,
            algorithm,
            max: max?,
            increment: increment?,
            message,
        })
    }

    fn counter<'t>(&mut self, fields: &Fields<'t, '_>) -> Option<&'t str> {
        let text = self.word(fields, "counter", None)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !text.is_empty() && text.len() <= COUNTER_CHARS_MAX && text.chars().all(plain) {
            return Some(text);
        }
        let message =
            format!("a counter's name is 1 to {COUNTER_CHARS_MAX} of `A-Z a-z 0-9 _ . -`");
        let span = fields.get("counter").map_or(0..0, span);
        self.report(&fields.place.key("counter"), span, message);
        None
    }

    fn window(&mut self, fields: &Fields<'_, '_>, in_flight: InFlight) -> Option<Window> {
        let value = fields.get("window")?;
        let window = match (text_of(value), number_of(value)) {
            (Some(name), _) => Window::from_name(name),
            (None, Some(number)) => Decimal::parse(number)
                .and_then(|number| number.to_u64())
                .and_then(Window::from_seconds),
            (None, None) => None,
        };
        match window {
            Some(Window::InFlight) if in_flight == InFlight::Refused => {}
            Some(window) => return Some(window),
            None => {}
        }
        let message = match in_flight {
            InFlight::Taken => format!("expected {}, or 1 to 31536000 seconds", WINDOWS.join(", ")),
            InFlight::Refused => {
                format!("expected {}, or 1 to 31536000 seconds", CALENDAR.join(", "))
            }
        };
        let help = text_of(value).and_then(|text| did_you_mean(text, WINDOWS));
        self.report_with_help(&fields.place.key("window"), span(value), message, help);
        None
    }

    fn max(&mut self, fields: &Fields<'_, '_>) -> Option<Micro> {
        let value = fields.get("max")?;
        let max = number_of(value).and_then(micro_max);
        if max.is_none() {
            let message =
                "expected a number from 0 to 1000000000000 with at most 6 decimals".to_owned();
            self.report(&fields.place.key("max"), span(value), message);
        }
        max
    }

    fn increment(&mut self, fields: &Fields<'_, '_>, under: &Under<'_>) -> Option<Increment> {
        let fixed = fields.get("increment").map(|value| {
            let units = number_of(value).and_then(micro_increment);
            if units.is_none() {
                let message = "expected a number above 0 and at most 1000000000000".to_owned();
                self.report(&fields.place.key("increment"), span(value), message);
            }
            units.map(Increment::Fixed)
        });
        let Some(value) = fields.get("increment_from") else {
            return fixed.unwrap_or(Some(Increment::Fixed(Micro::ONE)));
        };
        let place = fields.place.key("increment_from");
        if fixed.is_some() {
            let message = "`increment` and `increment_from` exclude each other".to_owned();
            self.report(&place, span(value), message);
            return None;
        }
        let text = self.word(fields, "increment_from", None)?;
        let path = self.path(&place, text, span(value), under.section)?;
        if path.root() != PathRoot::Args || path.has_star() || path.steps().is_empty() {
            let message = "expected a path into `args` without `[*]`".to_owned();
            self.report(&place, span(value), message);
            return None;
        }
        Some(Increment::From(path))
    }

    fn algorithm(&mut self, fields: &Fields<'_, '_>, window: Option<Window>) -> Algorithm {
        match self.word(fields, "algorithm", Some(&["fixed", "sliding"])) {
            Some("sliding") => {}
            _ => return Algorithm::Fixed,
        }
        if matches!(window, Some(Window::Month | Window::InFlight)) {
            let message = "`sliding` does not go with this window".to_owned();
            let span = fields.get("algorithm").map_or(0..0, span);
            self.report(&fields.place.key("algorithm"), span, message);
        }
        Algorithm::Sliding
    }

    /// `{"max", "window"}` or `"10/minute"`.
    pub(super) fn rate_limit(
        &mut self,
        fields: &Fields<'_, '_>,
        under: &Under<'_>,
    ) -> Option<Limit> {
        let value = fields.get("rate_limit")?;
        let place = fields.place.key("rate_limit");
        let (max, window) = if let Some(text) = text_of(value) {
            let Some(rate) = short_rate(text) else {
                let message = "expected a rate such as \"10/minute\": a number up to \
                               1000000000000, `/` and a window, without spaces"
                    .to_owned();
                self.report(&place, span(value), message);
                return None;
            };
            rate
        } else if let Ast::Object(_) = value {
            let fields = self.fields(&place, value, &["max", "window"])?;
            self.require_member(&fields, "max");
            self.require_member(&fields, "window");
            let max = self.max(&fields);
            let window = self.window(&fields, InFlight::Refused);
            (max?, window?)
        } else {
            self.wrong_type(&place, value, "an object or a text such as \"10/minute\"");
            return None;
        };
        Some(Limit {
            name: place.to_string().into(),
            at: value.start(),
            counter: format!("{}_rate", under.name()).into(),
            window,
            scope: Scope::Grant,
            algorithm: Algorithm::Fixed,
            max,
            increment: Increment::Fixed(Micro::ONE),
            message: None,
        })
    }
}

/// A `max`: 0 to 10^12 with at most 6 decimals.
fn micro_max(text: &str) -> Option<Micro> {
    Decimal::parse(text)?.to_micro_exact().filter(|max| *max <= Micro::LIMIT_MAX)
}

/// An `increment`: above 0 and at most 10^12; finer than a millionth rounds up, as amounts of calls do.
fn micro_increment(text: &str) -> Option<Micro> {
    let number = Decimal::parse(text)?;
    let most = Decimal::parse("1000000000000")?;
    if number.is_negative() || number.is_zero() || number > most {
        return None;
    }
    number.to_micro_ceil()
}

/// `<max>/<window>`: a JSON number, a slash, the name of a window or whole seconds in digits.
fn short_rate(text: &str) -> Option<(Micro, Window)> {
    let (max, window) = text.split_once('/')?;
    let digits = !window.is_empty() && window.bytes().all(|byte| byte.is_ascii_digit());
    let window = if digits && !window.starts_with('0') {
        Window::from_seconds(window.parse().ok()?)?
    } else {
        Window::from_name(window).filter(|window| *window != Window::InFlight)?
    };
    Some((micro_max(max)?, window))
}
