//! A text that is mostly the one of last time, shared instead of copied: what
//! is told of each request goes to another thread, and is freed there.

use std::sync::{Arc, Mutex, PoisonError};

/// Remembers one text.
pub(super) struct Recent(Mutex<Arc<str>>);

impl Default for Recent {
    fn default() -> Self {
        Self(Mutex::new("".into()))
    }
}

impl Recent {
    /// This text; the same one as last time where it reads the same.
    pub(super) fn of(&self, text: &str) -> Arc<str> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if **last != *text {
            *last = text.into();
        }
        Arc::clone(&last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_shared_and_another_one_is_another() {
        let recent = Recent::default();
        let one = recent.of("/v1/models");
        assert!(Arc::ptr_eq(&one, &recent.of("/v1/models")));
        assert_eq!(&*recent.of("/v1/files"), "/v1/files");
        assert_eq!(&*one, "/v1/models");
    }
}
