//! Ways to obtain a credential and to renew it.

pub mod local;
