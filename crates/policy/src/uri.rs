//! Which URIs are odd (POLICY section 2): spellings that a server may read as another resource. No fetching, no rewriting.

#[cfg(test)]
mod tests;

/// True for a URI that matches no glob and is denied wherever `resources` is not empty (POLICY section 2).
pub fn is_odd_uri(uri: &str) -> bool {
    has_dot_segment(uri) || has_odd_byte(uri) || has_capital_scheme(uri) || has_file_authority(uri)
}

fn has_dot_segment(uri: &str) -> bool {
    uri.split(['/', ':', '?', '#', ';']).any(|segment| segment == "." || segment == "..")
}

/// A backslash, or an escape of `/`, `\`, `%` or an unreserved character.
fn has_odd_byte(uri: &str) -> bool {
    let mut rest = uri.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'\\' {
            return true;
        }
        if byte == b'%' {
            let mut ahead = rest.clone();
            let high = ahead.next().and_then(hex_digit);
            let low = ahead.next().and_then(hex_digit);
            if let (Some(high), Some(low)) = (high, low) {
                let decoded = high * 16 + low;
                if decoded.is_ascii_alphanumeric() || b"-._~/\\%".contains(&decoded) {
                    return true;
                }
            }
        }
    }
    false
}

fn has_capital_scheme(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, _)| scheme.bytes().any(|b| b.is_ascii_uppercase()))
}

fn has_file_authority(uri: &str) -> bool {
    uri.starts_with("file:") && !uri.starts_with("file:///")
}

/// The value of one hexadecimal digit of either case.
pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
