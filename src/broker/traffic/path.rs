//! The one way to read a request's path. What passes means the same to policy,
//! to us and to an upstream, whether that decodes it once, twice or not at
//! all, and whether it climbs, merges slashes or cuts path parameters off. All
//! else is refused, not repaired: a repaired path is no longer what was asked.
//!
//! Pure, and without an allocation unless the path has an encoded `%` in it.

use std::borrow::Cow;

use super::refusal::Refusal;

/// What is asked for, as the request line says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A path, and what stands behind its `?`.
    Path {
        /// Begins with `/`; as it was sent.
        path: &'a str,
        /// Without the `?`; as it was sent.
        query: Option<&'a str>,
    },
    /// The `*` of an `OPTIONS` that asks about the server itself. Whether the
    /// method is `OPTIONS` is for the caller to see.
    Asterisk,
}

/// What a path may have in it besides what every path may have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rule {
    /// `%2F` is no border between segments but a part of one: GitLab names a
    /// project `group%2Fproject`. The parts beside it may not be empty, nor
    /// climb, and no dot of the segment may be encoded.
    pub allows_encoded_slash: bool,
}

/// Why a path is refused. Nothing of it is repeated: it may hold anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It is no path: empty, `*`, or a whole address.
    #[error("the path does not begin with '/'")]
    NoSlash,
    /// `.` or `..`, in any spelling.
    #[error("the path has a segment '.' or '..'")]
    DotSegment,
    /// `//`, or nothing but a parameter between two slashes.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `%2F`, where it is not allowed.
    #[error("the path has an encoded '/'")]
    EncodedSlash,
    /// `\` or `%5C`.
    #[error("the path has a backslash")]
    Backslash,
    /// A control character, plain or encoded; in a query a plain one.
    #[error("the request's target has a control character")]
    Control,
    /// A space, or a character beyond ASCII, that is not encoded.
    #[error("the request's target has a character that must be percent-encoded")]
    NotEncoded,
    /// `#`.
    #[error("the request's target has a fragment")]
    Fragment,
    /// A `%` without two hexadecimal digits.
    #[error("the path has a '%' without two hexadecimal digits")]
    Percent,
    /// What is encoded is no UTF-8; overlong forms of dots and slashes are not.
    #[error("the path is not UTF-8 when decoded")]
    NotUtf8,
    /// What would mean something else to an upstream that decodes twice.
    #[error("the path is percent-encoded twice")]
    EncodedTwice,
}

/// A path that was read, as policy sees it.
pub struct Reading<'a> {
    /// Decoded, without its query.
    pub path: Cow<'a, str>,
    /// Whether it has a `%2F`.
    pub has_slash: bool,
}

impl<'a> Reading<'a> {
    /// Reads a path with its query. A `%2F` is noted, and for the provider to
    /// say whether it has a meaning there.
    ///
    /// # Errors
    /// It can be read in more than one way, or is no path.
    pub fn of(target: &'a str) -> Result<Self, BadPath> {
        let read = |rule: Rule| rule.read(target).map(Target::decoded);
        match read(Rule::default()) {
            Ok(path) => Ok(Self {
                path,
                has_slash: false,
            }),
            Err(BadPath::EncodedSlash) => Ok(Self {
                path: read(Rule {
                    allows_encoded_slash: true,
                })?,
                has_slash: true,
            }),
            Err(bad) => Err(bad),
        }
    }
}

impl From<BadPath> for Refusal {
    fn from(bad: BadPath) -> Self {
        Self::new(400, "bad_path", format!("The path is refused: {bad}"))
            .with_hint("Send a path that can be read in one way only")
    }
}

/// Checks a path with its query, by the rule without exceptions.
///
/// # Errors
/// It can be read in more than one way, or is no path.
pub fn check(path_and_query: &str) -> Result<(), BadPath> {
    match Rule::default().read(path_and_query)? {
        Target::Path { .. } => Ok(()),
        Target::Asterisk => Err(BadPath::NoSlash),
    }
}

impl Rule {
    /// Reads what a request line asks for.
    ///
    /// # Errors
    /// It can be read in more than one way, or is no path.
    pub fn read(self, target: &str) -> Result<Target<'_>, BadPath> {
        if target == "*" {
            return Ok(Target::Asterisk);
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let inner = path.strip_prefix('/').ok_or(BadPath::NoSlash)?;
        let mut segments = inner.split('/').peekable();
        while let Some(segment) = segments.next() {
            // Nothing behind the last slash is how folders are asked for.
            if segment.is_empty() && segments.peek().is_none() {
                break;
            }
            self.check_segment(segment.as_bytes())?;
        }
        query.map_or(Ok(()), check_query)?;
        Ok(Target::Path { path, query })
    }

    fn check_segment(self, segment: &[u8]) -> Result<(), BadPath> {
        if segment.iter().all(|byte| PLAIN[usize::from(*byte)]) {
            return match segment {
                b"" => Err(BadPath::EmptySegment),
                b"." | b".." => Err(BadPath::DotSegment),
                _ => Ok(()),
            };
        }
        let mut part = Part::default();
        let (mut slashes, mut dots, mut percents) = (false, false, false);
        let mut rest = segment;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            if first != b'%' {
                check_raw(first)?;
                part.push(first);
                continue;
            }
            let byte = escaped(&mut rest).ok_or(BadPath::Percent)?;
            match byte {
                b'/' if !self.allows_encoded_slash => return Err(BadPath::EncodedSlash),
                b'/' => {
                    slashes = true;
                    std::mem::take(&mut part).finish()?;
                    continue;
                }
                b'\\' => return Err(BadPath::Backslash),
                b'.' => dots = true,
                b'%' => percents = true,
                0x80.. => skip_character(byte, &mut rest)?,
                byte if byte.is_ascii_control() => return Err(BadPath::Control),
                _ => {}
            }
            part.push(byte);
        }
        part.finish()?;
        if slashes && dots {
            return Err(BadPath::DotSegment);
        }
        if percents {
            return check_decoded(segment);
        }
        Ok(())
    }
}

impl<'a> Target<'a> {
    /// The path as policy is to compare it: decoded, so that `/%66iles` is
    /// `/files`. A slash that is no border stays `%2F`; nothing else can look
    /// like it, since what is encoded twice was refused.
    pub fn decoded(self) -> Cow<'a, str> {
        let path = match self {
            Self::Asterisk => "*",
            Self::Path { path, .. } => path,
        };
        if !path.contains('%') {
            return Cow::Borrowed(path);
        }
        let mut bytes = Vec::with_capacity(path.len());
        let mut rest = path.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            match (first == b'%').then(|| escaped(&mut rest)).flatten() {
                Some(b'/') => bytes.extend(b"%2F"),
                Some(byte) => bytes.push(byte),
                None => bytes.push(first),
            }
        }
        Cow::Owned(String::from_utf8(bytes).expect("a path that was read is UTF-8 when decoded"))
    }
}

/// Bytes that mean nothing by themselves. A dot only does where it is all that
/// a segment has.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        plain[byte as usize] = !matches!(byte, b'%' | b'\\' | b'#' | b';' | b'/' | b'?');
        byte += 1;
    }
    plain
};

/// What stands between two slashes, plain or encoded ones.
#[derive(Default)]
struct Part {
    dots: usize,
    has_other: bool,
    has_parameter: bool,
}

impl Part {
    fn push(&mut self, byte: u8) {
        match byte {
            // Some upstreams cut off from here on, and climb afterwards.
            b';' => self.has_parameter = true,
            _ if self.has_parameter => {}
            b'.' => self.dots += 1,
            _ => self.has_other = true,
        }
    }

    fn finish(self) -> Result<(), BadPath> {
        match (self.has_other, self.dots) {
            (false, 0) => Err(BadPath::EmptySegment),
            (false, 1 | 2) => Err(BadPath::DotSegment),
            _ => Ok(()),
        }
    }
}

fn check_raw(byte: u8) -> Result<(), BadPath> {
    match byte {
        b'#' => Err(BadPath::Fragment),
        b'\\' => Err(BadPath::Backslash),
        byte if byte.is_ascii_control() => Err(BadPath::Control),
        b' ' | 0x80.. => Err(BadPath::NotEncoded),
        _ => Ok(()),
    }
}

/// A query is not climbed, and providers take all sorts of things in it, but
/// it must end where the request line says.
fn check_query(query: &str) -> Result<(), BadPath> {
    match query.bytes().find(|byte| !QUERY[usize::from(*byte)]) {
        None => Ok(()),
        Some(byte) => check_raw(byte),
    }
}

const QUERY: [bool; 256] = {
    let mut query = PLAIN;
    let mut others: &[u8] = b"%\\;/?";
    while let [byte, rest @ ..] = others {
        query[*byte as usize] = true;
        others = rest;
    }
    query
};

/// The byte that the two digits at the beginning say, which are taken off.
fn escaped(rest: &mut &[u8]) -> Option<u8> {
    let [high, low, after @ ..] = rest else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    *rest = after;
    Some(byte)
}

/// Takes the other bytes of a character off, each of which is encoded.
fn skip_character(first: u8, rest: &mut &[u8]) -> Result<(), BadPath> {
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Err(BadPath::NotUtf8),
    };
    let mut character = [first; 4];
    for byte in &mut character[1..length] {
        *rest = rest.strip_prefix(b"%").ok_or(BadPath::NotUtf8)?;
        *byte = escaped(rest).ok_or(BadPath::Percent)?;
    }
    std::str::from_utf8(&character[..length]).map_err(|_| BadPath::NotUtf8)?;
    Ok(())
}

/// A segment with an encoded `%`, to those who decode once more. They may find
/// escapes (`%2520` may be meant), but none that means something.
fn check_decoded(segment: &[u8]) -> Result<(), BadPath> {
    let mut once = decode(segment, |_| false).ok_or(BadPath::EncodedTwice)?;
    // Whoever decodes more often than this is not followed.
    for _ in 0..3 {
        let twice = decode(&once, |byte| {
            matches!(byte, b'.' | b'/' | b'\\' | b';') || byte.is_ascii_control()
        })
        .filter(|twice| std::str::from_utf8(twice).is_ok())
        .ok_or(BadPath::EncodedTwice)?;
        if twice.len() == once.len() {
            return Ok(());
        }
        once = twice;
    }
    Err(BadPath::EncodedTwice)
}

/// A text with its escapes resolved; what only looks like one stays. Nothing
/// where an escape is of a byte that is refused.
fn decode(text: &[u8], is_refused: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first == b'%').then(|| escaped(&mut rest)).flatten() {
            Some(byte) if is_refused(byte) => return None,
            Some(byte) => decoded.push(byte),
            None => decoded.push(first),
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests;
