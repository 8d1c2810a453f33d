//! From a case to the bytes that are sent: placeholders, generated bodies, default headers. Sends
//! nothing.

use std::collections::BTreeMap;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::case::{Case, Generated, HttpParts};
use crate::wire::Ask;

/// What placeholders stand for.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) host: String,
    pub(super) token_a: String,
    pub(super) token_b: String,
    pub(super) server_a: String,
    pub(super) server_b: String,
}

impl Names {
    /// Replaces every placeholder.
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("{{mcp_path}}", &format!("/mcp/{}", self.server_a))
            .replace("{{host}}", &self.host)
            .replace("{{token_A}}", &self.token_a)
            .replace("{{token_B}}", &self.token_b)
            .replace("{{server_A}}", &self.server_a)
            .replace("{{server_B}}", &self.server_b)
            .replace("{{server_B_upper}}", &self.server_b.to_uppercase())
    }
}

/// The request of a `single` case.
pub(super) fn single(case: &Case, names: &Names) -> Ask {
    let body = body_of(case, names);
    let protocol = case.protocol.as_deref();
    let mut ask = usual(names, &names.server_a, &names.token_a, protocol, body);
    if let Some(media) = &case.content_type {
        ask.headers.retain(|(name, _value)| name != "Content-Type");
        if !media.is_empty() {
            ask = ask.with("Content-Type", media);
        }
    }
    let ask = with_headers(ask, &case.headers, names);
    with_parts(ask, case.http.as_ref(), names)
}

/// A POST with the headers that every client sends.
pub(super) fn usual(
    names: &Names,
    server: &str,
    token: &str,
    protocol: Option<&str>,
    body: Vec<u8>,
) -> Ask {
    let ask = Ask::mcp(&format!("/mcp/{server}"), token, body).with("Host", &names.host);
    match protocol {
        Some(version) => ask.set("MCP-Protocol-Version", version),
        None => ask,
    }
}

/// Applies a case's own headers: `null` leaves one out, a list sends several.
pub(super) fn with_headers(mut ask: Ask, headers: &BTreeMap<String, Value>, names: &Names) -> Ask {
    for (name, value) in headers {
        ask.headers.retain(|(held, _value)| !held.eq_ignore_ascii_case(name));
        let values: Vec<&Value> = match value {
            Value::Null => Vec::new(),
            Value::Array(values) => values.iter().collect(),
            other => vec![other],
        };
        for value in values {
            ask = ask.with(name, &names.fill(value.as_str().unwrap_or_default()));
        }
    }
    ask
}

/// Applies a case's own request line.
pub(super) fn with_parts(mut ask: Ask, parts: Option<&HttpParts>, names: &Names) -> Ask {
    let Some(parts) = parts else {
        return ask;
    };
    if let Some(method) = &parts.method {
        ask.method.clone_from(method);
    }
    if let Some(path) = &parts.path {
        ask.target = names.fill(path);
    }
    if let Some(query) = &parts.query {
        ask.target = format!("{}?{}", ask.target, names.fill(query));
    }
    ask
}

/// The body of a case in whichever way it is given.
pub(super) fn body_of(case: &Case, names: &Names) -> Vec<u8> {
    if let Some(text) = &case.body {
        return names.fill(text).into_bytes();
    }
    if let Some(encoded) = &case.request_body_base64 {
        return STANDARD.decode(encoded).expect("base64 in a case");
    }
    case.body_gen.as_ref().map(generated).unwrap_or_default()
}

fn generated(recipe: &Generated) -> Vec<u8> {
    if let Some(fill) = &recipe.gzip_of_fill {
        let unit = fill.as_str().unwrap_or("A").as_bytes().first().copied().unwrap_or(b'A');
        return gzip_of(unit, recipe.count);
    }
    let middle = match (&recipe.open, &recipe.fill, &recipe.item) {
        (Some(open), _, _) => {
            let close = recipe.close.as_deref().unwrap_or_default();
            format!("{}{}", open.repeat(recipe.count), close.repeat(recipe.count))
        }
        (None, Some(fill), _) => fill.repeat(recipe.count),
        (None, None, Some(item)) => {
            let items = (0..recipe.count).map(|n| item.replace("%d", &n.to_string()));
            items.collect::<Vec<String>>().join(&recipe.sep)
        }
        (None, None, None) => String::new(),
    };
    format!("{}{middle}{}", recipe.prefix, recipe.suffix).into_bytes()
}

fn gzip_of(unit: u8, count: usize) -> Vec<u8> {
    const BLOCK_BYTES: usize = 64 * 1024;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let block = vec![unit; BLOCK_BYTES];
    let mut left = count;
    while left > 0 {
        let now = left.min(BLOCK_BYTES);
        encoder.write_all(&block[..now]).expect("memory takes everything");
        left -= now;
    }
    encoder.finish().expect("memory takes everything")
}

/// The complete bytes of a `raw` case. Placeholders inside segments are filled first, then the
/// segments themselves, which may hold one another, and their lengths.
pub(super) fn raw(case: &Case, names: &Names) -> Vec<u8> {
    let mut segments: BTreeMap<String, String> =
        case.segments.iter().map(|(name, text)| (name.clone(), names.fill(text))).collect();
    // Each round resolves what holds only resolved segments, so as many rounds as segments do.
    for _round in 0..segments.len() {
        let known = segments.clone();
        for text in segments.values_mut() {
            *text = resolve(text, &known);
        }
    }
    let template = case.raw_template.as_deref().unwrap_or_default();
    resolve(&names.fill(template), &segments).into_bytes()
}

/// Replaces `{{seg:x}}`, `{{len:x}}`, `{{len:x+5}}` and `{{hexlen:x}}` of segments that hold no
/// placeholder any more.
fn resolve(text: &str, segments: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find("{{") {
        let Some(length) = rest[begin..].find("}}") else {
            break;
        };
        out.push_str(&rest[..begin]);
        let whole = &rest[begin..begin + length + 2];
        let inner = &rest[begin + 2..begin + length];
        out.push_str(&placeholder(inner, segments).unwrap_or_else(|| whole.to_owned()));
        rest = &rest[begin + length + 2..];
    }
    out.push_str(rest);
    out
}

fn placeholder(inner: &str, segments: &BTreeMap<String, String>) -> Option<String> {
    let (kind, name) = inner.split_once(':')?;
    let (name, more) = match name.split_once('+') {
        Some((name, more)) => (name, more.parse().ok()?),
        None => (name, 0),
    };
    let text = segments.get(name).filter(|text| !text.contains("{{"))?;
    let length = text.len() + more;
    match kind {
        "seg" => Some(text.clone()),
        "len" => Some(length.to_string()),
        "hexlen" => Some(format!("{length:x}")),
        _ => None,
    }
}
