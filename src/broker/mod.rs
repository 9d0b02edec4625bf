//! Where a secret is chosen for a purpose: which field goes where, and only
//! to a host of its own provider. The one purpose so far is to ask a provider
//! whether a credential is alive.

pub mod verify;
