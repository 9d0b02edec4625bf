//! The outer form of a vault file: a magic line, then armored age files, each
//! after a bare line that names it.

use std::ops::Range;

use super::digest;

const MAGIC: &str = "vault-file/1\n";
const PASSPHRASE: &str = "slot passphrase\n";
const RECIPIENTS: &str = "slot recipients\n";
const PAYLOAD: &str = "payload\n";
const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----\n";
const END: &str = "-----END AGE ENCRYPTED FILE-----\n";

/// The largest vault file that is read.
pub(super) const LARGEST: usize = 64 * 1024 * 1024;

/// Which slots a vault has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// One that a passphrase opens.
    pub passphrase: bool,
    /// One that identities open.
    pub recipients: bool,
}

/// Where the parts of a vault file lie in it.
pub(super) struct Layout {
    pub(super) passphrase: Option<Range<usize>>,
    pub(super) recipients: Option<Range<usize>>,
    pub(super) payload: Range<usize>,
}

impl Layout {
    /// The number of a format that is not ours.
    pub(super) fn foreign_format(bytes: &[u8]) -> Option<u64> {
        let rest = bytes.strip_prefix(b"vault-file/")?;
        let digits = rest.split(|byte| *byte == b'\n').next()?;
        let format = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (format > 1).then_some(format)
    }

    /// Finds the parts; the reason where the file has another form.
    pub(super) fn of(text: &str) -> Result<Self, &'static str> {
        let Some(body) = text.strip_prefix(MAGIC) else {
            return Err(if text.starts_with("vault-file/1\r\n") {
                "its line endings were changed to CRLF; bring it back as it was (git: *.age -text)"
            } else {
                "it does not begin like a vault file"
            });
        };
        let mut reader = Reader {
            text,
            at: text.len() - body.len(),
        };
        let passphrase = reader.section(PASSPHRASE)?;
        let recipients = reader.section(RECIPIENTS)?;
        if passphrase.is_none() && recipients.is_none() {
            return Err("it has no key slot");
        }
        let payload = reader.section(PAYLOAD)?.ok_or("its payload is missing")?;
        if reader.at != text.len() {
            return Err("something follows its payload");
        }
        Ok(Self {
            passphrase,
            recipients,
            payload,
        })
    }

    pub(super) fn slots(&self) -> Slots {
        Slots {
            passphrase: self.passphrase.is_some(),
            recipients: self.recipients.is_some(),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// The armored file after this name, if the name is what comes next.
    fn section(&mut self, name: &str) -> Result<Option<Range<usize>>, &'static str> {
        let Some(after) = self.text[self.at..].strip_prefix(name) else {
            return Ok(None);
        };
        if !after.starts_with(BEGIN) {
            return Err("a part does not begin like an age file");
        }
        let start = self.at + name.len();
        // No character of armor is a dash: the first one after the beginning
        // is where the part ends.
        let length = BEGIN.len() + after[BEGIN.len()..].find('-').ok_or("it is cut short")?;
        if !after[length..].starts_with(END) {
            return Err("a part does not end like an age file");
        }
        self.at = start + length + END.len();
        Ok(Some(start..self.at))
    }
}

/// The sealed parts of a vault file.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) passphrase: Option<String>,
    pub(super) recipients: Option<String>,
}

impl Parts {
    /// The slots of a file, to be written again with another payload.
    pub(super) fn of(text: &str, layout: &Layout) -> Self {
        let part = |range: &Option<Range<usize>>| range.clone().map(|range| text[range].to_owned());
        Self {
            passphrase: part(&layout.passphrase),
            recipients: part(&layout.recipients),
        }
    }

    /// The digest that the document keeps, so that no slot can be swapped for
    /// an older one.
    pub(super) fn digest(&self) -> String {
        digest(self.slots_text().as_bytes())
    }

    /// The whole file.
    pub(super) fn render(&self, payload: &str) -> String {
        format!("{MAGIC}{}{PAYLOAD}{payload}", self.slots_text())
    }

    fn slots_text(&self) -> String {
        let mut text = String::new();
        for (name, part) in [
            (PASSPHRASE, &self.passphrase),
            (RECIPIENTS, &self.recipients),
        ] {
            if let Some(part) = part {
                text.push_str(name);
                text.push_str(part);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: &str =
        "-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n";

    #[test]
    fn what_is_rendered_is_found_again() {
        for (passphrase, recipients) in [(true, false), (false, true), (true, true)] {
            let parts = Parts {
                passphrase: passphrase.then(|| PART.to_owned()),
                recipients: recipients.then(|| PART.to_owned()),
            };
            let text = parts.render(PART);
            let layout = Layout::of(&text).unwrap();
            assert_eq!(
                layout.slots(),
                Slots {
                    passphrase,
                    recipients
                }
            );
            assert_eq!(&text[layout.payload.clone()], PART);
            assert_eq!(Parts::of(&text, &layout).digest(), parts.digest());
        }
    }

    #[test]
    fn every_other_form_is_refused() {
        let good = format!("{MAGIC}{PASSPHRASE}{PART}{PAYLOAD}{PART}");
        assert!(Layout::of(&good).is_ok());
        for bad in [
            String::new(),
            "vault-file/2\n".to_owned(),
            format!("{good} "),
            format!("{good}{PAYLOAD}{PART}"),
            format!("{MAGIC}{PAYLOAD}{PART}"),
            format!("{MAGIC}{PASSPHRASE}{PART}"),
            format!("{MAGIC}{PASSPHRASE}{PART}{PASSPHRASE}{PART}{PAYLOAD}{PART}"),
            format!("{MAGIC}{RECIPIENTS}{PART}{PASSPHRASE}{PART}{PAYLOAD}{PART}"),
            format!("{MAGIC}{PASSPHRASE}junk\n{PART}{PAYLOAD}{PART}"),
            good.replace('\n', "\r\n"),
        ] {
            assert!(Layout::of(&bad).is_err(), "{bad:?}");
        }
        for end in 0..good.len() {
            assert!(Layout::of(&good[..end]).is_err(), "cut at {end}");
        }
    }
}
