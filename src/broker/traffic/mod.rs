//! A program's request on its way to a provider: what is read of it before
//! policy and credentials are asked.

pub mod path;
