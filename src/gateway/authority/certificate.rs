//! What an authority's own certificate says, read back from the vault: no
//! more of X.509 than that takes. Whatever is not of the form that this
//! program writes is refused; nothing panics.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[3]`: the extensions of a certificate.
const EXTENSIONS: u8 = 0xa3;
/// `[0]`: the permitted subtrees of name constraints.
const PERMITTED: u8 = 0xa0;
/// `[2]`: a DNS name.
const DNS_NAME: u8 = 0x82;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];

/// What the certificate says.
#[derive(Debug)]
pub(super) struct Said {
    /// Its subject's common name.
    pub(super) name: String,
    /// When it ends.
    pub(super) end: Timestamp,
    /// The public key with its algorithm, as DER.
    pub(super) public_key: Vec<u8>,
    /// The DNS subtrees that it permits.
    pub(super) subtrees: Vec<String>,
}

/// Reads a certificate.
pub(super) fn read(der: &[u8]) -> Option<Said> {
    let mut outer = Reader(Reader(der).content(SEQUENCE)?);
    let mut body = Reader(outer.content(SEQUENCE)?);
    body.next()?; // version
    body.next()?; // serial number
    body.content(SEQUENCE)?; // algorithm
    body.content(SEQUENCE)?; // issuer
    let mut validity = Reader(body.content(SEQUENCE)?);
    validity.next()?;
    let (kind, end) = validity.next()?;
    let subject = body.content(SEQUENCE)?;
    let (public_key, _) = body.whole(SEQUENCE)?;
    Some(Said {
        name: common_name(subject)?,
        end: time(kind, end)?,
        public_key: public_key.to_vec(),
        subtrees: match constraints(body)? {
            Some(constraints) => permitted(constraints)?,
            None => Vec::new(),
        },
    })
}

fn common_name(subject: &[u8]) -> Option<String> {
    let mut part = Reader(Reader(Reader(subject).content(SET)?).content(SEQUENCE)?);
    (part.content(OID)? == COMMON_NAME).then_some(())?;
    text(part.next()?.1)
}

fn time(kind: u8, content: &[u8]) -> Option<Timestamp> {
    let digits = text(content)?;
    let digits = digits.strip_suffix('Z')?;
    let full = match kind {
        // RFC 5280, 4.1.2.5.1: below 50 is this century.
        UTC_TIME if digits < "50" => format!("20{digits}"),
        UTC_TIME => format!("19{digits}"),
        GENERALIZED_TIME => digits.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", full).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The content of the extension with the name constraints, if it is there.
fn constraints(mut rest: Reader<'_>) -> Option<Option<&[u8]>> {
    let mut list = Reader(Reader(rest.content(EXTENSIONS)?).content(SEQUENCE)?);
    while !list.0.is_empty() {
        let mut extension = Reader(list.content(SEQUENCE)?);
        if extension.content(OID)? == NAME_CONSTRAINTS {
            // Whether it is critical may stand in between.
            let (kind, content) = extension.next()?;
            return match kind {
                OCTETS => Some(Some(content)),
                _ => extension.content(OCTETS).map(Some),
            };
        }
    }
    Some(None)
}

fn permitted(constraints: &[u8]) -> Option<Vec<String>> {
    let mut list = Reader(Reader(Reader(constraints).content(SEQUENCE)?).content(PERMITTED)?);
    let mut names = Vec::new();
    while !list.0.is_empty() {
        let (kind, name) = Reader(list.content(SEQUENCE)?).next()?;
        if kind == DNS_NAME {
            names.push(text(name)?);
        }
    }
    Some(names)
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// DER, element by element.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&kind, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Three bytes of length are more than any certificate has.
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                let length = digits
                    .iter()
                    .fold(0, |length, digit| length << 8 | usize::from(*digit));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((kind, content))
    }

    /// The content of the next element, which has to be of this kind.
    fn content(&mut self, kind: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(found, _)| *found == kind)
            .map(|(_, content)| content)
    }

    /// The next element with its tag and length, and its content.
    fn whole(&mut self, kind: u8) -> Option<(&'a [u8], &'a [u8])> {
        let before = self.0;
        let content = self.content(kind)?;
        Some((&before[..before.len() - self.0.len()], content))
    }
}
