//! Where a secret is chosen for a purpose: which connection is meant, which
//! field goes where, and only to a host of its own provider. To put it into a
//! program's environment, to ask whether it is alive, to renew it, to end it.

pub mod allowance;
pub mod approval;
pub mod ending;
pub mod grant;
pub mod policy_file;
pub mod renew;
pub mod select;
pub mod traffic;
pub mod variables;
pub mod verify;
