//! Regular expressions from definitions: always matched against the whole
//! text, in linear time, compiled when first used and within fixed limits.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use crate::text;

const LONGEST: usize = 2048;
const COMPILED_SIZE: usize = 1 << 18;
const DEEPEST: u32 = 32;

/// An expression that fits a text as a whole or not at all. Letters, digits
/// and white space in classes such as `\w` are ASCII.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    ignores_case: bool,
    compiled: OnceLock<Option<Regex>>,
}

/// An expression that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the expression '{}' {reason}", text::printable(expression))]
pub struct BadPattern {
    pub(super) expression: String,
    reason: String,
}

impl Pattern {
    /// The same expression for text whose case does not matter.
    pub(super) fn ignoring_case(self) -> Self {
        Self {
            text: self.text,
            ignores_case: true,
            compiled: OnceLock::new(),
        }
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of `text` fits. An expression that cannot be compiled fits
    /// nothing; [`Pattern::check`] tells.
    pub fn fits(&self, text: &str) -> bool {
        self.compiled
            .get_or_init(|| self.compile().ok())
            .as_ref()
            .is_some_and(|regex| regex.is_match(text.as_bytes()))
    }

    /// Whether the expression is well formed and small enough.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self) -> Result<(), BadPattern> {
        let compiled = self.compile()?;
        let _ = self.compiled.set(Some(compiled));
        Ok(())
    }

    fn compile(&self) -> Result<Regex, BadPattern> {
        // On its own first: `a)|(b` must not break out of the group below.
        self.syntax()?;
        RegexBuilder::new(&format!(r"\A(?:{})\z", self.text))
            .unicode(false)
            .case_insensitive(self.ignores_case)
            .size_limit(COMPILED_SIZE)
            .dfa_size_limit(COMPILED_SIZE)
            .nest_limit(DEEPEST)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => self.bad("grows too large"),
                other => self.bad(&format!("is wrong: {}", last_line(&other.to_string()))),
            })
    }

    /// The syntax tree, under the same rules as the compiled form.
    pub(super) fn syntax(&self) -> Result<Hir, BadPattern> {
        ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .nest_limit(DEEPEST)
            .build()
            .parse(&self.text)
            .map_err(|error| self.bad(&format!("is wrong: {}", last_line(&error.to_string()))))
    }

    fn bad(&self, reason: &str) -> BadPattern {
        BadPattern {
            expression: self.text.clone(),
            reason: text::printable(reason).into_owned(),
        }
    }
}

impl FromStr for Pattern {
    type Err = BadPattern;

    /// Takes the text of an expression; only its length is checked here.
    fn from_str(text: &str) -> Result<Self, BadPattern> {
        if text.len() > LONGEST {
            let cut: String = text.chars().take(40).collect();
            return Err(BadPattern {
                expression: format!("{cut}…"),
                reason: format!("is longer than {LONGEST} bytes"),
            });
        }
        Ok(Self {
            text: text.to_owned(),
            ignores_case: false,
            compiled: OnceLock::new(),
        })
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

/// The sentence at the end of a message that draws the place with carets.
fn last_line(message: &str) -> &str {
    let line = message.trim_end().rsplit('\n').next().unwrap_or(message);
    line.strip_prefix("error: ").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_fits_the_whole_text_whether_or_not_it_is_anchored() {
        for written in ["sk-[a-z]+", "^sk-[a-z]+$", "^sk-a|sk-[a-z]+"] {
            assert!(pattern(written).fits("sk-abc"), "{written}");
            for other in ["xsk-abc", "sk-abc\n", "sk-abc ", "sk-"] {
                assert!(!pattern(written).fits(other), "{written} {other:?}");
            }
        }
    }

    #[test]
    fn a_pattern_cannot_break_out_of_its_anchors() {
        let sly = pattern("a)|(?:b");
        assert!(sly.check().is_err());
        assert!(!sly.fits("xxb"));
        assert!(!pattern("(?x)a # ").fits("axx"));
    }

    #[test]
    fn a_pattern_that_grows_too_large_or_is_wrong_is_refused() {
        for wrong in [
            "(",
            "(?=a)b",
            r"(a)\1",
            "((a{1000}){1000}){1000}",
            "(?i)[a-z]{100000}",
            &"(".repeat(1000),
            &format!("{}a{}", "(".repeat(100), ")".repeat(100)),
        ] {
            assert!(pattern(wrong).check().is_err(), "{wrong}");
            assert!(!pattern(wrong).fits("a"));
        }
        assert!("x".repeat(LONGEST + 1).parse::<Pattern>().is_err());
        let error = pattern("(?=a)b").check().unwrap_err().to_string();
        assert!(error.contains("look-around"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn classes_are_ascii_and_long_repetitions_stay_within_the_limits() {
        assert!(pattern(r"\w{20,255}").check().is_ok());
        assert!(pattern("[A-Za-z0-9_-]{50,1000}").check().is_ok());
        assert!(pattern("(?i)[a-z]+").fits("ABC"));
        assert!(!pattern(r"\d").fits("٣"));
    }
}
