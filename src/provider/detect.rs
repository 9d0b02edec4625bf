//! What a provider's keys look like among other text.

use super::field::Examples;
use super::pattern::Pattern;
use crate::name::FieldName;

/// One shape of a key.
#[derive(Debug, Clone)]
pub struct Detect {
    /// What it looks like, from its first character to its last.
    pub pattern: Pattern,
    /// The field that it is a value of; the first secret one unless said.
    pub field: Option<FieldName>,
    /// How many bits a character must hold, where the shape alone is weak:
    /// words and repeated letters hold few.
    pub min_entropy: Option<f64>,
    /// Made-up values to try the pattern with.
    pub examples: Examples,
}
