//! The strict reading of JSON text into a [`Value`]: one pass, no recursion, borrowed wherever no escape stands.

use std::borrow::Cow;

use super::build::split_number;
use super::{BuildError, JsonError, Value, ValueBuilder};

/// See [`Value::parse`].
pub(super) fn parse(text: &str) -> Result<Value<'_>, JsonError> {
    if u32::try_from(text.len()).is_err() {
        return Err(JsonError::TooLong);
    }
    let mut reader = Reader { text, at: 0, builder: Value::builder() };
    let mut open: Vec<Container> = Vec::new();
    reader.skip_space();
    reader.begin_value(&mut open)?;
    while let Some(container) = open.last().copied() {
        reader.continue_container(container, &mut open)?;
        if let Some(error) = reader.builder.failed() {
            return Err(error.clone().into());
        }
    }
    reader.skip_space();
    if reader.at != text.len() {
        return Err(reader.syntax("the end of the text"));
    }
    Ok(reader.builder.finish()?)
}

impl From<BuildError> for JsonError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::DuplicateKey { key } => Self::DuplicateKey { key },
            BuildError::TooDeep => Self::TooDeep,
            BuildError::TooLong => Self::TooLong,
            BuildError::Unbalanced => Self::Syntax { at: 0, expected: "one value" },
            BuildError::BadNumber { .. } => Self::Syntax { at: 0, expected: "a number" },
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Container {
    /// Just begun: may end at once.
    ArrayBegun,
    Array,
    ObjectBegun,
    Object,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    builder: ValueBuilder<'a>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn syntax(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { at: self.at, expected }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Reads a scalar, or the opening bracket of a container, which goes on `open`.
    fn begin_value(&mut self, open: &mut Vec<Container>) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                self.builder.begin_object();
                open.push(Container::ObjectBegun);
            }
            Some(b'[') => {
                self.at += 1;
                self.builder.begin_array();
                open.push(Container::ArrayBegun);
            }
            Some(b'"') => {
                let text = self.string()?;
                self.builder.string(text);
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'n') => self.word("null", ValueBuilder::null)?,
            Some(b't') => self.word("true", |builder| builder.bool(true))?,
            Some(b'f') => self.word("false", |builder| builder.bool(false))?,
            _ => return Err(self.syntax("a value")),
        }
        Ok(())
    }

    /// Reads one element or member, or the end, of the innermost container.
    fn continue_container(
        &mut self,
        container: Container,
        open: &mut Vec<Container>,
    ) -> Result<(), JsonError> {
        self.skip_space();
        let (end, next) = match container {
            Container::ArrayBegun | Container::Array => (b']', Container::Array),
            Container::ObjectBegun | Container::Object => (b'}', Container::Object),
        };
        if self.take(end) {
            open.pop();
            match next {
                Container::Array | Container::ArrayBegun => self.builder.end_array(),
                Container::Object | Container::ObjectBegun => self.builder.end_object(),
            }
            return Ok(());
        }
        if let Some(top) = open.last_mut() {
            *top = next;
        }
        if matches!(container, Container::Array | Container::Object) {
            if !self.take(b',') {
                return Err(self.syntax("a comma or the closing bracket"));
            }
            self.skip_space();
        }
        if matches!(next, Container::Object) {
            if self.peek() != Some(b'"') {
                return Err(self.syntax("a key in quotes"));
            }
            let key = self.string()?;
            self.builder.key(key);
            self.skip_space();
            if !self.take(b':') {
                return Err(self.syntax("a colon"));
            }
            self.skip_space();
        }
        self.begin_value(open)
    }

    fn word(
        &mut self,
        word: &'static str,
        add: impl FnOnce(&mut ValueBuilder<'a>),
    ) -> Result<(), JsonError> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.syntax("null, true or false"));
        }
        self.at += word.len();
        add(&mut self.builder);
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let (len, rest) = split_number(bytes);
        let text = self.text.get(self.at..self.at + len);
        let (Some(_), Some(text)) = (rest, text) else {
            self.at += len;
            return Err(self.syntax("a digit, and no leading zero"));
        };
        self.at += len;
        self.builder.checked_number(text);
        Ok(())
    }

    /// Reads a string from its opening to its closing quote.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let mut decoded: Option<String> = None;
        loop {
            let run = self.run()?;
            if self.take(b'"') {
                return Ok(match decoded {
                    None => Cow::Borrowed(run),
                    Some(mut text) => {
                        text.push_str(run);
                        Cow::Owned(text)
                    }
                });
            }
            let text = decoded.get_or_insert_default();
            text.push_str(run);
            text.push(self.escape()?);
        }
    }

    /// The characters up to the next quote or backslash.
    fn run(&mut self) -> Result<&'a str, JsonError> {
        let from = self.at;
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        let stops = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        self.at += rest.iter().position(stops).unwrap_or(rest.len());
        if !matches!(self.peek(), Some(b'"' | b'\\')) {
            return Err(self.syntax("a closing quote; control characters are escaped"));
        }
        // Quotes and backslashes are ASCII, so both ends are character boundaries.
        self.text.get(from..self.at).ok_or_else(|| self.syntax("UTF-8"))
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let began = self.at;
        self.at += 2;
        Ok(match self.text.as_bytes().get(began + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(began),
            _ => {
                self.at = began;
                return Err(self.syntax("an escape of JSON"));
            }
        })
    }

    fn unicode_escape(&mut self, began: usize) -> Result<char, JsonError> {
        let first = self.four_hex()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).ok_or(JsonError::LoneSurrogate { at: began });
        }
        let lone = JsonError::LoneSurrogate { at: began };
        if first >= 0xdc00 || !self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u"))
        {
            return Err(lone);
        }
        self.at += 2;
        let second = self.four_hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(lone);
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(lone)
    }

    fn four_hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        let value = digits
            .iter()
            .try_fold(0_u32, |value, byte| Some(value * 16 + char::from(*byte).to_digit(16)?));
        match value {
            Some(value) if digits.len() == 4 => {
                self.at += 4;
                Ok(value)
            }
            _ => Err(self.syntax("four hexadecimal digits")),
        }
    }
}
