//! Where a secret is chosen for a purpose: which field goes where, and only
//! to a host of its own provider. To ask whether it is alive, to renew it, to
//! end it.

pub mod ending;
pub mod grant;
pub mod renew;
pub mod verify;
