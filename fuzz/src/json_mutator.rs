//! Mutations that keep a JSON text nearly one: tokens are swapped, doubled, cut and spelled in
//! another way. Never judges the result.

/// Texts that parsers disagree about.
const TOKENS: &[&str] = &[
    "1",
    "-0",
    "1.0",
    "1e0",
    "1E+2",
    "0.1e-3",
    "9007199254740993",
    "1e308",
    "1e309",
    "5e-324",
    "1e-400",
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "\"\"",
    "\"a\"",
    "\"\\u0061\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"\\udbff\\udfff\"",
    "\"\\udc00\\udc00\"",
    "\"\\ud800\\ud800\"",
    "\"\\ud800\\ue000\"",
    "\"\\/\"",
    "\"\u{212a}\"",
    "\"\u{17f}\"",
    "\"_meta\"",
    "\"name\"",
    "\"Name\"",
    "\"arguments\"",
    "\"params\"",
    "\"method\"",
    "\"id\"",
    "\"result\"",
    "\"error\"",
    "\"code\"",
    "\"jsonrpc\"",
    "\"2.0\"",
    "\"tools/call\"",
    "\"ping\"",
    "\"resources/read\"",
    "\"uri\"",
    "\"tools\"",
    "\"cacheScope\"",
    "\"isError\"",
    "\"io.modelcontextprotocol/protocolVersion\"",
    "\"io.modelcontextprotocol/clientCapabilities\"",
    "\"2026-07-28\"",
    "{\"a\":1,\"a\":2}",
    "[[[[[[[[]]]]]]]]",
    "\"\\u0000\"",
    "\u{feff}",
    " ",
    "\t",
    "\r\n",
];

/// Changes `text` in one place, by the numbers that `pick` gives (each below its argument).
/// `None` where there is nothing to change.
pub fn mutate(text: &[u8], pick: &mut impl FnMut(usize) -> usize) -> Option<Vec<u8>> {
    let tokens = tokens(text);
    if tokens.is_empty() {
        return None;
    }
    let at = tokens.get(pick(tokens.len()))?.clone();
    let other = tokens.get(pick(tokens.len()))?.clone();
    let with: Vec<u8> = match pick(8) {
        0 => TOKENS.get(pick(TOKENS.len()))?.as_bytes().to_vec(),
        1 => text.get(other)?.to_vec(),
        2 => Vec::new(),
        3 => text.get(at.clone())?.repeat(2),
        4 => [text.get(at.clone())?, b",", text.get(other)?].concat(),
        5 => respelled(text.get(at.clone())?, pick)?,
        6 => [b"[", text.get(at.clone())?, b"]"].concat(),
        _ => {
            let value = text.get(at.clone())?;
            [value, b",", TOKENS.get(pick(TOKENS.len()))?.as_bytes(), b":", value].concat()
        }
    };
    let (before, after) = (text.get(..at.start)?, text.get(at.end..)?);
    Some([before, &with, after].concat())
}

/// Ranges of strings, brackets and runs of anything else, white space and commas left out.
fn tokens(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let begin = at;
        at += 1;
        match byte {
            b'"' => {
                while let Some(byte) = text.get(at) {
                    at += if *byte == b'\\' { 2 } else { 1 };
                    if *byte == b'"' {
                        break;
                    }
                }
                at = at.min(text.len());
            }
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => continue,
            b'{' | b'}' | b'[' | b']' => {}
            _ => {
                let plain = |byte: &u8| !b" \t\r\n,:{}[]\"".contains(byte);
                while text.get(at).is_some_and(plain) {
                    at += 1;
                }
            }
        }
        found.push(begin..at);
    }
    found
}

/// The same meaning in another spelling: an escaped character, a number with an exponent.
fn respelled(token: &[u8], pick: &mut impl FnMut(usize) -> usize) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(token).ok()?;
    if let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        let nth = pick(inner.chars().count().max(1));
        let (at, c) = inner.char_indices().nth(nth)?;
        let mut units = [0; 2];
        let escaped: String =
            c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let behind = inner.get(at + c.len_utf8()..)?;
        return Some(format!("\"{}{escaped}{behind}\"", inner.get(..at)?).into_bytes());
    }
    token.first()?.is_ascii_digit().then(|| format!("{text}.0e0").into_bytes())
}
