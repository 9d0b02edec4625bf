//! Traffic: requests that go to providers with a credential, and what comes
//! back.

pub mod decode;
