//! The gateway: programs' requests on their way to providers.

pub mod authority;
pub mod decode;
