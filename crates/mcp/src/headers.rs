//! The headers that mirror a modern body: `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`. The body is what counts; a header that says
//! something else is refused. Never trusts a header.

mod annotation;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use annotation::{AnnotationFault, ParamHeader, ParamHeaders};

use crate::{
    canonical,
    decode::{DEPTH_MAX, ELEMENTS_MAX},
    frame::MirrorHeaders,
    method::Method,
    refusal::{Refusal, code},
    request::Request,
    scan::{self, Rules},
    tape::{Node, NodeKind},
    version::Era,
};

/// Begins and ends a value that travels as Base64 (2026-07-28, "Value Encoding"; exactly this spelling).
const SENTINEL: (&str, &str) = ("=?base64?", "?=");
/// Prefix of the headers that mirror arguments.
const PARAM_PREFIX: &str = "Mcp-Param-";

/// The one value of a header, white space around it ignored; `None` when the header is absent.
pub(crate) fn single<'h>(values: &[&'h [u8]], name: &str) -> Result<Option<&'h str>, String> {
    match values {
        [] => Ok(None),
        [value] => {
            let value = value.trim_ascii();
            let plain = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
            let text = core::str::from_utf8(value).ok().filter(|_| plain);
            text.map(Some)
                .ok_or_else(|| format!("the header {name} holds characters that are not allowed"))
        }
        _ => Err(format!("the header {name} stands more than once")),
    }
}

/// Undoes the Base64 form of a value. `None` when it is not canonical Base64 of UTF-8.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix(SENTINEL.0).and_then(|rest| rest.strip_suffix(SENTINEL.1));
    match inner {
        None => Some(Cow::Borrowed(value)),
        Some(inner) => String::from_utf8(STANDARD.decode(inner).ok()?).ok().map(Cow::Owned),
    }
}

/// A value as it travels in `Mcp-Name` or `Mcp-Param-*`: plain, or Base64 where HTTP could change it or a reader could take it
/// for Base64.
pub fn encode_header_value(value: &str) -> Cow<'_, str> {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let bytes = value.as_bytes();
    let plain = bytes.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    let sentinel = value.starts_with(SENTINEL.0) && value.ends_with(SENTINEL.1);
    if plain && !sentinel && !blank(bytes.first()) && !blank(bytes.last()) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("{}{}{}", SENTINEL.0, STANDARD.encode(bytes), SENTINEL.1))
}

/// Whether a modern request must carry `Mcp-Name`.
const fn needs_name(method: &Method) -> bool {
    matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}

/// A header fault in the code of the era: only modern clients know −32020.
fn fault(era: Era, message: String) -> Refusal {
    let refusal = Refusal::header(message);
    match era {
        Era::Modern => refusal,
        Era::Legacy => Refusal { code: code::INVALID_REQUEST, ..refusal },
    }
}

/// Compares `Mcp-Method` and `Mcp-Name` with the body. A modern request (`subject` given or not) must carry them; anything else
/// may leave them out, but what is there must be true: another hop could act on it.
pub(crate) fn check_mirrors(
    era: Era,
    headers: &MirrorHeaders<'_>,
    method: &Method,
    subject: Option<&str>,
) -> Result<(), Refusal> {
    let is_request = method.kind() != Some(crate::method::MessageKind::Notification);
    match single(&headers.method, "Mcp-Method").map_err(|message| fault(era, message))? {
        Some(value) if value != method.as_str() => {
            return Err(fault(era, "Mcp-Method is not the body's method".to_owned()));
        }
        None if era == Era::Modern && is_request => {
            return Err(fault(era, "the header Mcp-Method is missing".to_owned()));
        }
        Some(_) | None => {}
    }
    let name = single(&headers.name, "Mcp-Name").map_err(|message| fault(era, message))?;
    match (name, subject) {
        (Some(value), Some(subject)) => match decoded(value) {
            Some(name) if name == subject => Ok(()),
            Some(_) => Err(fault(era, "Mcp-Name is not what the body names".to_owned())),
            None => Err(fault(era, "Mcp-Name is not canonical Base64 of UTF-8".to_owned())),
        },
        (None, Some(_)) if era == Era::Modern && needs_name(method) => {
            Err(fault(era, "the header Mcp-Name is missing".to_owned()))
        }
        (None, Some(_)) | (Some(_) | None, None) => Ok(()),
    }
}

/// A message without a method mirrors none.
pub(crate) fn check_no_mirrors(headers: &MirrorHeaders<'_>) -> Result<(), Refusal> {
    if headers.method.is_empty() && headers.name.is_empty() {
        return Ok(());
    }
    Err(fault(Era::Legacy, "Mcp-Method and Mcp-Name cannot mirror a response".to_owned()))
}

/// Compares the `Mcp-Param-*` headers of a modern tool call with its arguments; any other request passes.
///
/// `headers` are the request's header lines whose name begins with `Mcp-Param-` (any case): full name and value. An argument that
/// is there and is no `null` must be mirrored exactly once and truly, integers by value (2026-07-28, "Server Behavior for Custom
/// Headers"); one that is not there must not be mirrored. Headers that the tool does not ask for are forwarded and ignored. An
/// argument that is an object or array cannot be mirrored: then there must be no header.
///
/// # Errors
/// A [`Refusal`] with −32020 and the request's id.
pub fn check_param_headers(
    request: &Request,
    params: &ParamHeaders,
    headers: &[(&str, &[u8])],
) -> Result<(), Refusal> {
    if request.era() != Era::Modern || *request.method() != Method::ToolsCall {
        return Ok(());
    }
    params.iter().try_for_each(|param| {
        check_param(request, param, headers)
            .map_err(|message| Refusal::header(message).with_id(Some(request.id().clone())))
    })
}

/// The refusal of `Mcp-Param-*` headers of a call whose tool has annotations that break the rules: nothing says what they mirror.
pub fn unmirrored(request: &Request, fault: &AnnotationFault) -> Refusal {
    Refusal::header(fault.to_string()).with_id(Some(request.id().clone()))
}

fn check_param(
    request: &Request,
    param: &ParamHeader,
    headers: &[(&str, &[u8])],
) -> Result<(), String> {
    let values: crate::frame::HeaderValues<'_> = headers
        .iter()
        .filter(|(name, _)| is_param_header(name, &param.name))
        .map(|(_, value)| *value)
        .collect();
    let name = format!("{PARAM_PREFIX}{}", param.name);
    let header = single(&values, &name)?;
    let argument = request.arguments().and_then(|arguments| argument_at(arguments.node(), param));
    match (header, argument) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(format!("the header {name} mirrors an argument that is not there")),
        (None, Some(_)) => Err(format!("the header {name} is missing")),
        (Some(value), Some(argument)) => {
            let value = decoded(value)
                .ok_or_else(|| format!("the header {name} is not canonical Base64 of UTF-8"))?;
            if mirrors(argument, &value) {
                Ok(())
            } else {
                Err(format!("the header {name} is not the argument's value"))
            }
        }
    }
}

/// The argument that a header mirrors, if it is there and is something that a header can hold.
fn argument_at<'a>(arguments: Node<'a>, param: &ParamHeader) -> Option<Node<'a>> {
    let argument = param.path.iter().try_fold(arguments, |node, name| node.get(name))?;
    matches!(argument.kind(), NodeKind::String | NodeKind::Bool | NodeKind::Number)
        .then_some(argument)
}

/// The `Mcp-Param-*` headers of a call with these arguments (JSON text), each with its full name and its value as it travels
/// (2026-07-28, "Value Encoding"): what [`check_param_headers`] asks for. Arguments that can be read in two ways mirror nothing.
pub fn param_headers(params: &ParamHeaders, arguments: &[u8]) -> Vec<(String, String)> {
    let Ok(tape) = scan::scan(arguments, Rules::contract(DEPTH_MAX, ELEMENTS_MAX)) else {
        return Vec::new();
    };
    let root = Node::new(arguments, &tape, 0);
    let mirrored = params.iter().filter_map(|param| {
        let value = match argument_at(root, param)? {
            text if text.kind() == NodeKind::String => {
                encode_header_value(&text.as_str()?).into_owned()
            }
            number if number.kind() == NodeKind::Number => decimal(number.raw_str()),
            other => other.raw_str().to_owned(),
        };
        Some((format!("{PARAM_PREFIX}{}", param.name), value))
    });
    mirrored.collect()
}

/// An integer without point and exponent, however it is spelt; any other number as it stands.
fn decimal(number: &str) -> String {
    let digits = |text: &str| {
        text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit())
    };
    if digits(number) {
        return number.to_owned();
    }
    let plain = canonical::number(number);
    if digits(&plain) { plain } else { number.to_owned() }
}

fn is_param_header(name: &str, param: &str) -> bool {
    let split = name.split_at_checked(PARAM_PREFIX.len());
    split.is_some_and(|(prefix, rest)| {
        prefix.eq_ignore_ascii_case(PARAM_PREFIX) && rest.eq_ignore_ascii_case(param)
    })
}

fn mirrors(argument: Node<'_>, value: &str) -> bool {
    match argument.kind() {
        NodeKind::String => argument.as_str().is_some_and(|text| text == value),
        NodeKind::Bool => argument.raw_str() == value,
        NodeKind::Number => canonical::number_of_text(value)
            .is_some_and(|number| number == canonical::number(argument.raw_str())),
        NodeKind::Null | NodeKind::Array | NodeKind::Object => false,
    }
}
