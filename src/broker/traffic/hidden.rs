//! What of a request is shown to nobody: placeholders, and what let its client
//! in, wherever in a path they stand.

use std::borrow::Cow;

use super::Traffic;
use crate::name::ProviderName;

/// No more characters of a path are kept.
const LONGEST_ENDPOINT: usize = 200;

impl Traffic {
    /// The provider whose placeholder is in a text that goes somewhere else.
    pub fn misplaced(&self, text: &[u8], own: Option<&ProviderName>) -> Option<&ProviderName> {
        let found = self.misplaced.as_ref()?.find_iter(text);
        found
            .map(|found| &self.tokens.placeholders[found.pattern().as_usize()].providers)
            .find(|providers| own.is_none_or(|own| !providers.contains(own)))?
            .first()
    }

    /// A path with a word in the place of what let its client in.
    pub(super) fn without_token<'t>(&self, path: &'t str, token: &str) -> Cow<'t, str> {
        if token.is_empty() || !path.contains(token) {
            return self.without_placeholders(path);
        }
        let path = path.replace(token, "TOKEN");
        self.without_placeholders(&path).into_owned().into()
    }

    /// A text with a word in the place of each placeholder.
    fn without_placeholders<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(misplaced) = &self.misplaced else {
            return Cow::Borrowed(text);
        };
        if !misplaced.is_match(text) {
            return Cow::Borrowed(text);
        }
        let words = vec!["KEY"; self.tokens.placeholders.len()];
        Cow::Owned(misplaced.replace_all(text, &words))
    }

    /// Whether there are placeholders at all.
    pub fn has_placeholders(&self) -> bool {
        self.misplaced.is_some()
    }
}

/// As much of a path as is kept of it.
pub(super) fn cut(path: &str) -> &str {
    match path.char_indices().nth(LONGEST_ENDPOINT) {
        Some((end, _)) => &path[..end],
        None => path,
    }
}
