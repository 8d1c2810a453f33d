//! How the lenient twin reads: as generously as the worst server ever seen. Every habit of this file
//! is one by which some real server ran what a gateway had not judged.

use std::io::Read as _;

use super::log::RawRequest;
use super::node::Node;
use super::strict::Message;

/// Deepest nesting that the reader follows; deeper text ends the document.
const DEPTH_MAX: usize = 3_000;
/// Largest body after decompression, in bytes.
const INFLATED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Every message that can be found in a request, whatever its HTTP method and headers.
pub(super) fn read(request: &RawRequest) -> Vec<Message> {
    let text = decoded(&inflated(&request.body));
    let mut reader = Reader { text: text.chars().collect(), at: 0 };
    let mut messages = Vec::new();
    while let Some(node) = reader.document() {
        collect(&node, &mut messages);
    }
    messages
}

fn collect(node: &Node, messages: &mut Vec<Message>) {
    if let Node::Array(elements) = node {
        for element in elements {
            collect(element, messages);
        }
        return;
    }
    let member = |key: &str| node.member(|held| folded(held) == folded(key));
    let Some(method) = member("method").and_then(Node::as_text) else {
        return;
    };
    let id = member("id").and_then(|id| match id {
        Node::Text(text) => Some(serde_json::Value::from(text.as_str()).to_string()),
        Node::Number(number) => Some(number.clone()),
        _ => None,
    });
    let params = member("params").cloned().unwrap_or(Node::Null);
    messages.push(Message { id, method: Some(method.to_owned()), params: keyed(params) });
}

/// Params under the keys that the server knows, whatever their spelling; positions have names.
fn keyed(params: Node) -> Node {
    const KNOWN: [&str; 4] = ["name", "arguments", "uri", "_meta"];
    match params {
        Node::Object(members) => {
            let rename = |key: String| {
                let known = KNOWN.iter().find(|known| folded(known) == folded(&key));
                known.map_or(key, |known| (*known).to_owned())
            };
            Node::Object(members.into_iter().map(|(key, value)| (rename(key), value)).collect())
        }
        Node::Array(elements) => {
            let names = KNOWN.iter().map(|name| (*name).to_owned());
            Node::Object(names.zip(elements).collect())
        }
        Node::Text(text) => {
            let mut reader = Reader { text: text.chars().collect(), at: 0 };
            reader.document().map_or(Node::Null, keyed)
        }
        other => other,
    }
}

/// Equal for all keys that some case folding makes equal.
pub(super) fn folded(key: &str) -> String {
    key.trim().to_uppercase().to_lowercase()
}

/// A method or tool name as the most helpful of servers would understand it.
pub(super) fn understood(name: &str) -> String {
    let cut = name.split('\0').next().unwrap_or_default();
    let unescaped = cut.replace("%5f", "_").replace("%5F", "_").replace("%2f", "/");
    let plain: String = unescaped.chars().filter_map(plain_letter).collect();
    folded(&plain)
}

fn plain_letter(letter: char) -> Option<char> {
    match letter {
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' => {
            None
        }
        letter if letter.is_control() => None,
        // Full-width forms stand 0xFEE0 above their ASCII twins.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0),
        'а' => Some('a'),
        'е' => Some('e'),
        'о' => Some('o'),
        'р' => Some('p'),
        'с' => Some('c'),
        'ԁ' => Some('d'),
        'і' | 'ı' => Some('i'),
        letter => Some(letter),
    }
}

fn inflated(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let gzip = body.starts_with(&[0x1f, 0x8b]);
    let zlib = body.first() == Some(&0x78) && body.len() > 2;
    let done = if gzip {
        flate2::read::GzDecoder::new(body).take(INFLATED_BYTES_MAX).read_to_end(&mut out).is_ok()
    } else if zlib {
        flate2::read::ZlibDecoder::new(body).take(INFLATED_BYTES_MAX).read_to_end(&mut out).is_ok()
    } else {
        false
    };
    match (done, out.starts_with(&[0x1f, 0x8b])) {
        (true, true) => inflated(&out),
        (true, false) => out,
        (false, _) => body.to_vec(),
    }
}

/// UTF-8, UTF-16 or UTF-32 by byte order mark, else by where the zeros are.
fn decoded(body: &[u8]) -> String {
    let pair = |little: bool| {
        let units = body.chunks_exact(2).map(|two| {
            let two = [two[0], two[1]];
            if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) }
        });
        let units: Vec<u16> = units.collect();
        String::from_utf16_lossy(&units)
    };
    let quad = |little: bool| {
        let points = body.chunks_exact(4).map(|four| {
            let four = [four[0], four[1], four[2], four[3]];
            if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) }
        });
        points.filter_map(char::from_u32).collect::<String>()
    };
    match body {
        [0xff, 0xfe, 0, 0, ..] => quad(true),
        [0, 0, 0xfe, 0xff, ..] => quad(false),
        [0xff, 0xfe, ..] => pair(true),
        [0xfe, 0xff, ..] => pair(false),
        [first, 0, 0, 0, ..] if *first != 0 => quad(true),
        [0, 0, 0, last, ..] if *last != 0 => quad(false),
        [first, 0, ..] if *first != 0 => pair(true),
        [0, second, ..] if *second != 0 => pair(false),
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}

/// Reads JSON and everything that was ever mistaken for it.
struct Reader {
    text: Vec<char>,
    at: usize,
}

impl Reader {
    /// The next document of the text; what cannot be one is skipped.
    fn document(&mut self) -> Option<Node> {
        while self.at < self.text.len() {
            self.blank();
            if matches!(self.peek(), Some('{' | '['))
                && let Some(node) = self.value(0)
            {
                return Some(node);
            }
            self.at += 1;
        }
        None
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn ahead(&self, wanted: &str) -> bool {
        wanted.chars().enumerate().all(|(n, c)| self.text.get(self.at + n) == Some(&c))
    }

    /// White space of every kind, marks, and comments.
    fn blank(&mut self) {
        loop {
            match self.peek() {
                Some(c) if c.is_whitespace() || c.is_control() || c == '\u{feff}' => self.at += 1,
                Some('/') if self.ahead("//") => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                Some('/') if self.ahead("/*") => {
                    while self.peek().is_some() && !self.ahead("*/") {
                        self.at += 1;
                    }
                    self.at += 2;
                }
                _ => return,
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.blank();
        match self.peek()? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' | '\'' => self.text_value().map(Node::Text),
            _ => Some(word(&self.bare())),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Node> {
        self.at += 1;
        let mut members = Vec::new();
        loop {
            self.blank();
            if self.eat('}') {
                return Some(Node::Object(members));
            }
            if self.eat(',') {
                continue;
            }
            let key =
                if matches!(self.peek()?, '"' | '\'') { self.text_value()? } else { self.bare() };
            self.blank();
            if !self.eat(':') {
                return None;
            }
            members.push((key, self.value(depth + 1)?));
        }
    }

    fn array(&mut self, depth: usize) -> Option<Node> {
        self.at += 1;
        let mut elements = Vec::new();
        loop {
            self.blank();
            if self.eat(']') {
                return Some(Node::Array(elements));
            }
            if self.eat(',') {
                continue;
            }
            let before = self.at;
            elements.push(self.value(depth + 1)?);
            if self.at == before {
                return None;
            }
        }
    }

    /// A word without quotes, up to the next mark.
    fn bare(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace() || "{}[],:\"'".contains(c) {
                break;
            }
            word.push(c);
            self.at += 1;
        }
        word
    }

    fn text_value(&mut self) -> Option<String> {
        let quote = self.peek()?;
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.peek()?;
            self.at += 1;
            match c {
                c if c == quote => return Some(text),
                '\\' => text.push(self.escape()?),
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let high = self.unit()?;
                let pair = (0xd800..0xdc00).contains(&high) && self.ahead("\\u");
                if !pair {
                    return Some(char::from_u32(high).unwrap_or('\u{fffd}'));
                }
                self.at += 2;
                let low = self.unit()?;
                let point = 0x10000 + ((high - 0xd800) << 10) + low.wrapping_sub(0xdc00);
                char::from_u32(point).unwrap_or('\u{fffd}')
            }
            other => other,
        })
    }

    fn unit(&mut self) -> Option<u32> {
        let digits: String = self.text.get(self.at..self.at + 4)?.iter().collect();
        self.at += 4;
        u32::from_str_radix(&digits, 16).ok()
    }
}

/// What a word without quotes stands for.
fn word(word: &str) -> Node {
    match word {
        "null" | "undefined" | "" => Node::Null,
        "true" | "True" => Node::Bool(true),
        "false" | "False" => Node::Bool(false),
        other => Node::Number(other.to_owned()),
    }
}
