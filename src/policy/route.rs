//! Routes: which connection serves a model.

use super::glob::Globs;
use crate::name::ConnectionRef;

/// One way to some models.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which models go this way.
    pub models: Globs,
    /// The connection that serves them.
    pub to: ConnectionRef,
    /// Those that serve them while it does not, in order.
    pub fallback: Vec<ConnectionRef>,
    /// What the model is called there.
    pub rename: Option<String>,
}
