//! What a page says was done stands in its address (`told`), which anybody can write into a link. A text is
//! shown only to the session whose form led there; single words choose among a page's own sentences.
//!
//! What never lives here: what is told.

use axum::extract::Request;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;

use super::form::is_same;
use super::visitor::Visitor;

/// The parameter that says what was done.
const TOLD: &str = "told";
/// The parameter that proves by whose form.
const PROOF: &str = "by";

/// Whether an address tells a text.
pub(super) fn tells(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| text_of(query).is_some())
}

/// The value of a pair of this name, as it stands there. Names may be encoded as values are: the page that
/// reads them decodes both.
fn value<'q>(pair: &'q str, name: &str) -> Option<&'q str> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let read: Vec<(String, String)> = serde_urlencoded::from_str(key).unwrap_or_default();
    read.first().is_some_and(|(key, _)| key == name).then_some(value)
}

/// The text that a query tells, as it stands there; none where it is a single word.
fn text_of(query: &str) -> Option<&str> {
    let mut found = query.split('&').filter_map(|pair| value(pair, TOLD));
    let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    found.find(|text| !is_word(text))
}

fn proof(visitor: &Visitor, text: &str) -> String {
    use std::fmt::Write as _;
    let mac = policy::sha256(format!("told {} {text}", visitor.csrf).as_bytes());
    let mut hex = String::with_capacity(32);
    for byte in mac.0.iter().take(16) {
        let _infallible = write!(hex, "{byte:02x}");
    }
    hex
}

/// An answer whose address proves by whose form it tells what it tells.
pub(super) fn proved(mut answer: Response, visitor: &Visitor) -> Response {
    let location = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    let query = location.and_then(|to| to.split_once('?')).map(|(_, query)| query);
    if let (Some(to), Some(text)) = (location, query.and_then(text_of)) {
        let to = format!("{to}&{PROOF}={}", proof(visitor, text));
        if let Ok(to) = HeaderValue::try_from(to) {
            answer.headers_mut().insert(header::LOCATION, to);
        }
    }
    answer
}

/// The request without what its address tells, unless it proves that a form of this session led there.
pub(super) fn held(mut request: Request, visitor: Option<&Visitor>) -> Request {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let Some(text) = text_of(&query) else { return request };
    let shown = query.split('&').find_map(|pair| value(pair, PROOF)).unwrap_or_default();
    let is_own = visitor.is_some_and(|visitor| is_same(shown, &proof(visitor, text)));
    let told_once = query.split('&').filter(|pair| value(pair, TOLD).is_some()).count() == 1;
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| value(pair, PROOF).is_none())
        .filter(|pair| value(pair, TOLD).is_none() || (is_own && told_once))
        .collect();
    let path = request.uri().path();
    let rest = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    if let Ok(uri) = rest.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}
