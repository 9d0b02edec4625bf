//! JSON as strictly as RFC 8259 has it, kept as the text that it was: numbers
//! lose nothing, and everything knows where it stands.
//!
//! Always true of what was read: no object names a member twice, nothing stands
//! deeper than was allowed, and every text can be decoded.

use std::borrow::Cow;

/// Text beyond this is not read; places in it are kept in 32 bits.
/// So many values and names are read: more than requests to models have.
const MOST_NODES: usize = 1 << 20;
const LONGEST: usize = u32::MAX as usize / 2;

/// One JSON value and all that is in it.
#[derive(Debug)]
pub(super) struct Json<'t> {
    text: &'t str,
    /// In the order of the text; a member is its name, then its value.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    start: u32,
    end: u32,
    /// Behind everything that is in it.
    next: u32,
}

/// Text that is no such JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) reason: &'static str,
    pub(super) offset: usize,
}

/// One value within it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'j> {
    json: &'j Json<'j>,
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number,
    Text,
    Array,
    Object,
}

impl<'t> Json<'t> {
    /// Reads a text in which arrays and objects stand at most so deep.
    pub(super) fn parse(text: &'t str, deepest: usize) -> Result<Self, Malformed> {
        if text.len() > LONGEST {
            return Err(malformed("it is too long", 0));
        }
        let mut reader = Reader {
            text,
            at: 0,
            nodes: Vec::new(),
            open: Vec::new(),
            deepest,
        };
        reader.read()?;
        Ok(Self {
            text,
            nodes: reader.nodes,
        })
    }

    pub(super) fn root(&self) -> Value<'_> {
        Value { json: self, at: 0 }
    }
}

impl<'j> Value<'j> {
    pub(super) fn kind(self) -> Kind {
        match self.raw().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// Where it begins, in bytes.
    pub(super) fn offset(self) -> usize {
        self.node().start as usize
    }

    /// It as it was written.
    pub(super) fn raw(self) -> &'j str {
        let Node { start, end, .. } = self.node();
        self.json
            .text
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    /// What a text says.
    pub(super) fn text(self) -> Option<Cow<'j, str>> {
        (self.kind() == Kind::Text).then(|| decoded(self.raw()))
    }

    /// The members of an object, names first; nothing of anything else.
    pub(super) fn members(self) -> impl Iterator<Item = (Value<'j>, Value<'j>)> {
        let mut inner = self.inner(Kind::Object);
        std::iter::from_fn(move || Some((inner.next()?, inner.next()?)))
    }

    /// The elements of an array; nothing of anything else.
    pub(super) fn elements(self) -> impl Iterator<Item = Value<'j>> {
        self.inner(Kind::Array)
    }

    fn inner(self, kind: Kind) -> impl Iterator<Item = Value<'j>> {
        let end = match self.kind() == kind {
            true => self.node().next as usize,
            false => 0,
        };
        let first = Value {
            at: self.at + 1,
            ..self
        };
        std::iter::successors(Some(first), |value| {
            let at = value.node().next as usize;
            Some(Value { at, ..*value })
        })
        .take_while(move |value| value.at < end)
    }

    fn node(self) -> Node {
        // Only an iterator that is about to end asks beyond the last one.
        let behind = Node {
            start: 0,
            end: 0,
            next: u32::MAX,
        };
        self.json.nodes.get(self.at).copied().unwrap_or(behind)
    }
}

fn malformed(reason: &'static str, offset: usize) -> Malformed {
    Malformed { reason, offset }
}

/// The text that a string stands for, quotes and all. What was read has no
/// escape that is none.
fn decoded(raw: &str) -> Cow<'_, str> {
    let inner = raw
        .strip_prefix('"')
        .and_then(|raw| raw.strip_suffix('"'))
        .unwrap_or(raw);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut characters = after.chars();
        let length = match characters.next() {
            Some('u') => {
                let (character, length) = unicode(after.as_bytes()).unwrap_or(('\u{fffd}', 1));
                text.push(character);
                length
            }
            Some(letter) => {
                text.push(match letter {
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                });
                letter.len_utf8()
            }
            None => 0,
        };
        rest = after.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of `u1234` or `ud83d\ude00`, and how long that is.
fn unicode(escape: &[u8]) -> Option<(char, usize)> {
    let unit = |from: usize| {
        let digits = escape.get(from..from + 4)?;
        digits.iter().try_fold(0, |sum, digit| {
            Some(sum * 16 + char::from(*digit).to_digit(16)?)
        })
    };
    let first = unit(1)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 5));
    }
    if !(0xd800..0xdc00).contains(&first) || escape.get(5..7) != Some(b"\\u") {
        return None;
    }
    let second = unit(7).filter(|unit| (0xdc00..0xe000).contains(unit))?;
    let character = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
    Some((character, 11))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    nodes: Vec<Node>,
    /// The objects and arrays that have not ended, as their nodes.
    open: Vec<usize>,
    deepest: usize,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), Malformed> {
        self.value()?;
        while let Some(&holder) = self.open.last() {
            // A body of some thousand bytes can, compressed, be one of millions
            // of values: what it takes to read them is bounded too.
            if self.nodes.len() > MOST_NODES {
                return Err(malformed("it has too many values", self.at));
            }
            let is_object = self.peek_at(self.nodes[holder].start as usize) == Some(b'{');
            let close = if is_object { b'}' } else { b']' };
            let is_first = holder + 1 == self.nodes.len();
            match self.peek() {
                Some(byte) if byte == close => {
                    self.at += 1;
                    self.close(holder, is_object)?;
                    continue;
                }
                Some(b',') if !is_first => self.at += 1,
                _ if is_first => {}
                None => return Err(malformed("it ends before its end", self.at)),
                Some(_) => return Err(malformed("a comma or the end is expected", self.at)),
            }
            if is_object {
                if self.peek() != Some(b'"') {
                    return Err(malformed("a member's name in quotes is expected", self.at));
                }
                self.scalar()?;
                if self.peek() != Some(b':') {
                    return Err(malformed("a ':' is expected", self.at));
                }
                self.at += 1;
            }
            self.value()?;
        }
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(malformed("something stands behind its end", self.at)),
        }
    }

    /// Reads a scalar, or opens an array or object.
    fn value(&mut self) -> Result<(), Malformed> {
        if !matches!(self.peek(), Some(b'{' | b'[')) {
            return self.scalar();
        }
        if self.open.len() == self.deepest {
            let reason = "too many objects or arrays stand in each other";
            return Err(malformed(reason, self.at));
        }
        self.open.push(self.nodes.len());
        self.push(self.at, self.at + 1);
        self.at += 1;
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), Malformed> {
        let first = self.peek();
        let start = self.at;
        self.at = match first {
            None => return Err(malformed("it ends before its end", start)),
            Some(b'"') => self.end_of_string(start)?,
            Some(b'-' | b'0'..=b'9') => self.end_of_number(start)?,
            Some(_) => ["true", "false", "null"]
                .iter()
                .find(|word| self.text.as_bytes()[start..].starts_with(word.as_bytes()))
                .map(|word| start + word.len())
                .ok_or(malformed("a value is expected", start))?,
        };
        self.push(start, self.at);
        Ok(())
    }

    fn end_of_string(&self, start: usize) -> Result<usize, Malformed> {
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        loop {
            match self.peek_at(at) {
                None => return Err(malformed("a text does not end", start)),
                Some(b'"') => return Ok(at + 1),
                Some(..b' ') => return Err(malformed("a text has a control character", at)),
                Some(b'\\') => match self.peek_at(at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                    Some(b'u') => {
                        let length = unicode(&bytes[at + 1..]).map(|(_, length)| length);
                        at += 1 + length.ok_or(malformed("a '\\u' names no character", at))?;
                    }
                    _ => return Err(malformed("a '\\' begins nothing that is known", at)),
                },
                Some(_) => at += 1,
            }
        }
    }

    fn end_of_number(&self, start: usize) -> Result<usize, Malformed> {
        let rest = &self.text.as_bytes()[start..];
        match number_length(rest) {
            Some(length) => Ok(start + length),
            None => Err(malformed("this is no number", start)),
        }
    }

    fn close(&mut self, holder: usize, is_object: bool) -> Result<(), Malformed> {
        self.open.pop();
        self.nodes[holder].end = self.at as u32;
        self.nodes[holder].next = self.nodes.len() as u32;
        if is_object {
            self.check_names(holder)
        } else {
            Ok(())
        }
    }

    /// Two readers could each believe another one of two members of one name,
    /// or end a name at its NUL.
    fn check_names(&self, object: usize) -> Result<(), Malformed> {
        let mut names: Vec<(Cow<'_, str>, u32)> = Vec::new();
        let mut at = object + 1;
        while let Some(name) = self.nodes.get(at) {
            let raw = &self.text[name.start as usize..name.end as usize];
            names.push((decoded(raw), name.start));
            at = self.nodes[at + 1].next as usize;
        }
        if let Some((_, offset)) = names.iter().find(|(name, _)| name.contains('\0')) {
            return Err(malformed("a member's name has a NUL", *offset as usize));
        }
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0].0 == pair[1].0);
        match twice {
            Some(pair) => Err(malformed("a member stands twice", pair[1].1 as usize)),
            None => Ok(()),
        }
    }

    fn push(&mut self, start: usize, end: usize) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node {
            start: start as u32,
            end: end as u32,
            next,
        });
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek_at(self.at) {
            self.at += 1;
        }
        self.peek_at(self.at)
    }

    fn peek_at(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }
}

/// How long the number is that the bytes begin with.
pub(super) fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || whole > 1 && bytes[at] == b'0' {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let part = digits(at + 1);
        at += 1 + part;
        (part > 0).then_some(())?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        at += 1 + sign + exponent;
        (exponent > 0).then_some(())?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Json<'_>, &'static str> {
        Json::parse(text, 8).map_err(|bad| bad.reason)
    }

    /// As `serde_json` has it, for comparison.
    fn rebuilt(value: Value<'_>) -> serde_json::Value {
        match value.kind() {
            Kind::Object => value
                .members()
                .map(|(name, value)| (name.text().unwrap().into_owned(), rebuilt(value)))
                .collect(),
            Kind::Array => value.elements().map(rebuilt).collect(),
            Kind::Text => value.text().unwrap().into(),
            Kind::Bool(is) => is.into(),
            Kind::Null => serde_json::Value::Null,
            Kind::Number => serde_json::from_str(value.raw()).unwrap(),
        }
    }

    #[test]
    fn values_keep_their_text_and_their_place() {
        let text =
            r#" {"a": [1.50, -0, {"b": null}], "c\n": "\ud83d\ude00\u00e9\/", "d": {}, "e": []} "#;
        let json = read(text).unwrap();
        let expected: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(rebuilt(json.root()), expected);
        let (name, array) = json.root().members().next().unwrap();
        assert_eq!((name.offset(), array.offset()), (2, 7));
        assert_eq!(array.elements().next().unwrap().raw(), "1.50");
        assert_eq!(array.raw(), r#"[1.50, -0, {"b": null}]"#);
        assert_eq!(json.root().members().count(), 4);
        assert_eq!(array.members().count(), 0);
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_however_it_is_written_and_however_deep() {
        for twice in [
            r#"{"a":1,"a":1}"#,
            r#"{"model":1,"mod\u0065l":1}"#,
            r#"[{"x":{"a":1,"b":2,"a":3}}]"#,
        ] {
            assert_eq!(read(twice).unwrap_err(), "a member stands twice", "{twice}");
        }
        let bad = Json::parse(r#"{"a":1,"b":2,"a":3}"#, 8).unwrap_err();
        assert_eq!(bad.offset, 13);
        assert!(read(r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#).is_ok());
        assert_eq!(
            read(r#"{"a\u0000b":1}"#).unwrap_err(),
            "a member's name has a NUL"
        );
    }

    #[test]
    fn what_rfc_8259_does_not_have_is_refused() {
        for wrong in [
            "",
            " ",
            "{",
            "[1",
            "[1,]",
            "{,}",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "{1:1}",
            "[1 2]",
            "1 2",
            "{} {}",
            "nul",
            "True",
            "NaN",
            "-",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "0x10",
            "--1",
            "Infinity",
            "\"\t\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\u12\"",
            "\"",
            "[}",
            "{]",
            "\u{feff}{}",
            "// x\n1",
            "\u{a0}1",
            "1,",
            "]",
            "}",
            ":",
            "truex",
            "\"\\",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(8)).is_ok());
        assert!(read(&nested(9)).is_err());
        assert!(read(&"[".repeat(1_000_000)).is_err());
    }

    proptest! {
        #[test]
        fn it_takes_what_serde_json_takes_and_reads_the_same(
            text in "([\\[\\]{},:] ?|\"[ab\\\\u0e1]{0,6}\"|-?[0-9.eE+-]{1,4}|true|false|null| |é|\"){0,14}"
        ) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match (Json::parse(&text, 127), theirs) {
                (Ok(json), Ok(value)) => prop_assert_eq!(rebuilt(json.root()), value),
                // Beyond what a double holds, which is ours to compare.
                (Ok(_), Err(theirs)) => prop_assert!(theirs.to_string().contains("out of range")),
                (Err(ours), Ok(_)) => {
                    prop_assert!(ours.reason.contains("twice") || ours.reason.contains("NUL"));
                }
                (Err(_), Err(_)) => {}
            }
        }

        #[test]
        fn what_serde_json_writes_is_read_as_it_was(
            values in prop::collection::vec((".{0,8}", any::<f64>(), any::<i64>()), 0..6)
        ) {
            let object: serde_json::Map<String, serde_json::Value> = values
                .into_iter()
                .filter(|(name, ..)| !name.contains('\0'))
                .map(|(name, a, b)| (name.clone(), serde_json::json!([name, a, b])))
                .collect();
            let value = serde_json::Value::Object(object);
            let text = value.to_string();
            let json = Json::parse(&text, 8).unwrap();
            // Their reading of a double is not always the double they wrote.
            let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(rebuilt(json.root()), theirs);
        }
    }
}
