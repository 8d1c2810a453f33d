//! How things look that stand on many pages: verdicts, classes and risks as a shape with a word, times, and texts that others
//! wrote, with what cannot be seen in them made visible. The only place that writes HTML outside a template.
//!
//! What never lives here: what a page is about.

use std::fmt::{self, Display, Formatter, Write as _};

use askama::filters::HtmlSafe;
use jiff::Timestamp;
use policy::UnixMillis;

/// Filters of the templates.
#[expect(
    clippy::inline_always,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    unreachable_pub,
    reason = "what the template engine asks of a filter, and makes of it"
)]
pub(crate) mod filters {
    use std::fmt::Display;

    use askama::{Result, Values};

    use super::Visible;

    /// A text that others wrote: escaped, and what cannot be seen in it named by its code point.
    #[askama::filter_fn]
    pub(crate) fn visible(text: impl Display, _values: &dyn Values) -> Result<Visible> {
        Ok(Visible(text.to_string()))
    }
}

/// A text that others wrote, as HTML.
#[derive(Debug, Clone)]
pub struct Visible(pub String);

impl HtmlSafe for Visible {}

impl Display for Visible {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\n' | '\t' => out.write_char(character),
            hidden if is_unseen(hidden) => {
                write!(out, "<span class=\"unseen\">U+{:04X}</span>", u32::from(hidden))
            }
            shown => escaped(out, shown),
        })
    }
}

fn escaped(out: &mut Formatter<'_>, character: char) -> fmt::Result {
    match character {
        '&' => out.write_str("&amp;"),
        '<' => out.write_str("&lt;"),
        '>' => out.write_str("&gt;"),
        '"' => out.write_str("&quot;"),
        '\'' => out.write_str("&#39;"),
        plain => out.write_char(plain),
    }
}

/// Whether a character changes what a person reads without being seen: control characters, marks of direction, joiners and
/// spaces of no width, fillers, tags, variation selectors, and characters of private use.
pub fn is_unseen(character: char) -> bool {
    let code = u32::from(character);
    character.is_control()
        || matches!(
            code,
            0xAD | 0x34F
                | 0x61C
                | 0x115F..=0x1160
                | 0x17B4..=0x17B5
                | 0x180B..=0x180F
                | 0x200B..=0x200F
                | 0x2028..=0x202E
                | 0x2060..=0x206F
                | 0x2800
                | 0x3164
                | 0xFE00..=0xFE0F
                | 0xFEFF
                | 0xFFA0
                | 0xFFF0..=0xFFFB
                | 0x1D173..=0x1D17A
                | 0xE000..=0xF8FF
                | 0xE0000..=0xE0FFF
                | 0xF0000..=0x10_FFFF
        )
}

/// A word with a shape before it, so that colour says nothing alone.
#[derive(Debug, Clone)]
pub struct Badge {
    /// The class of the style sheet, and the name of the shape.
    kind: &'static str,
    word: String,
}

impl HtmlSafe for Badge {}

impl Badge {
    fn new(kind: &'static str, word: &str) -> Self {
        Self { kind, word: word.to_owned() }
    }

    /// What became of a call.
    pub fn verdict(verdict: &str, reason: Option<&str>) -> Self {
        match (verdict, reason) {
            ("allow", _) => Self::new("allow", "Allowed"),
            ("deny", Some("limit_exceeded")) => Self::new("limit", "Limited"),
            ("deny", _) => Self::new("deny", "Denied"),
            ("hold", _) => Self::new("hold", "Held"),
            ("", _) => Self::new("deny", "Refused unread"),
            (other, _) => Self::new("neutral", other),
        }
    }

    /// What a policy that only observes would have done with a call that passed.
    pub fn would(verdict: &str) -> Self {
        match verdict {
            "deny" => Self::new("observe", "Would be denied"),
            "hold" => Self::new("observe", "Would be held"),
            other => Self::new("observe", other),
        }
    }

    /// The class of a tool (CATALOGUE): `read`, `write`, …; any other word is shown as it is.
    pub fn class(class: &str) -> Self {
        match class {
            "read" => Self::new("read", "Read"),
            "write" => Self::new("write", "Write"),
            "execute" => Self::new("execute", "Execute"),
            "destructive" => Self::new("destructive", "Destructive"),
            "financial" => Self::new("financial", "Financial"),
            "unknown" | "" => Self::new("neutral", "Unknown"),
            other => Self::new("neutral", other),
        }
    }

    /// The risk of a tool: `low` to `critical`; any other word is shown as it is.
    pub fn risk(risk: &str) -> Self {
        match risk {
            "low" => Self::new("low", "Low"),
            "medium" => Self::new("medium", "Medium"),
            "high" => Self::new("high", "High"),
            "critical" => Self::new("critical", "Critical"),
            "unknown" | "" => Self::new("neutral", "Unknown"),
            other => Self::new("neutral", other),
        }
    }

    /// A state of something: `ok`, `warn`, `bad`, or any other for plain.
    pub fn state(kind: &str, word: &str) -> Self {
        let kind = match kind {
            "ok" => "ok",
            "warn" => "warn",
            "bad" => "bad",
            "hold" => "hold",
            "observe" => "observe",
            _ => "neutral",
        };
        Self::new(kind, word)
    }
}

impl Display for Badge {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "<span class=\"badge {}\"><svg viewBox=\"0 0 12 12\" aria-hidden=\"true\">{}</svg>{}</span>",
            self.kind,
            shape(self.kind),
            Visible(self.word.clone())
        )
    }
}

const STROKE: &str = "fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.6\" stroke-linecap=\"round\" stroke-linejoin=\"round\"";

/// The shape of a kind: a path in a box of 12 by 12.
fn shape(kind: &str) -> String {
    let lines = match kind {
        "allow" | "ok" => "M2 6.5 5 9.5 10 3.5",
        "deny" => "M3 3 9 9M9 3 3 9",
        "bad" => "M6 2v5M6 9.5v.2",
        "limit" => "M2 9a4.5 4.5 0 1 1 8 0M6 7.5 8 5",
        "hold" => "M4 2.5v7M8 2.5v7",
        "low" => "M6 2v7M3 6l3 3 3-3",
        "medium" | "warn" => "M6 2 10.5 6 6 10 1.5 6Z",
        "high" => "M6 2 11 10H1Z",
        "critical" | "destructive" => "M4 1.5h4L10.5 4v4L8 10.5H4L1.5 8V4ZM6 4v2.5M6 8.3v.2",
        "read" => "M1 6s2-3.5 5-3.5S11 6 11 6 9 9.5 6 9.5 1 6 1 6ZM6 5.5v1",
        "write" => "M2 10l.6-2.4L8.5 1.7l1.8 1.8-5.9 5.9Z",
        "execute" => "M3 2l6.5 4L3 10Z",
        "financial" => "M8.6 3.6C8 2.4 4 2.4 4 4.4s4.4 1 4.4 3.2S4 9.8 3.4 8.4M6 1.5v9",
        "observe" => "M2 5a3.2 3.2 0 1 0 6.4 0 3.2 3.2 0 1 0-6.4 0M7.6 7.6l2.9 2.9",
        _ => "M3 6h6",
    };
    format!("<path d=\"{lines}\" {STROKE}/>")
}

/// A reason word of the log (POLICY section 8), for people. A word that is none of policy's is shown as it is.
pub fn reason(word: &str) -> &str {
    match word.parse::<policy::Reason>() {
        Ok(reason) => reason.meaning(),
        Err(_none_of_policys) => word,
    }
}

/// What a browser says that it is (`User-Agent`), as people say it: "Firefox on Linux". One that is none of the usual ones is
/// shown as it is.
pub fn browser(said: &str) -> String {
    // Whoever comes later in this list is also named by those before it.
    const NAMES: [(&str, &str); 6] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let of = |all: [(&str, &'static str); 6]| {
        all.into_iter().find(|(mark, _)| said.contains(mark)).map(|(_, name)| name)
    };
    match (of(NAMES), of(SYSTEMS)) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => said.to_owned(),
    }
}

/// An instant: how long ago, with the whole time behind it.
#[derive(Debug, Clone, Copy)]
pub struct When {
    at: UnixMillis,
    now: UnixMillis,
}

impl HtmlSafe for When {}

impl When {
    /// That instant, looked at now.
    pub fn new(at: UnixMillis, now: UnixMillis) -> Self {
        Self { at, now }
    }
}

impl Display for When {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let whole = rfc3339(self.at);
        let apart = self.now.0.saturating_sub(self.at.0) / 1_000;
        let words = if apart >= 0 {
            if apart < 5 { "just now".to_owned() } else { format!("{} ago", span(apart)) }
        } else {
            format!("in {}", span(apart.saturating_neg()))
        };
        write!(out, "<time datetime=\"{whole}\" title=\"{whole}\">{words}</time>")
    }
}

/// Seconds in the largest unit that fits.
pub fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let fits = UNITS.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or((1, "s"));
    format!("{} {}", seconds.checked_div(fits.0).unwrap_or_default(), fits.1)
}

/// The whole time, UTC.
pub fn rfc3339(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at.0)
        .map_or_else(|_out_of_range| at.0.to_string(), |time| time.to_string())
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
