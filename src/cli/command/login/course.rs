//! How a login goes, and why one stops.

use super::client::redirect_of;
use crate::error::Error;
use crate::flow::local::LocalError;
use crate::flow::{FlowError, Server};
use crate::provider::Definition;

/// What a part of a login comes to.
pub(super) type Course<T> = std::result::Result<T, Stop>;

/// Why a login stopped.
pub(super) enum Stop {
    /// At the provider.
    Flow(FlowError),
    /// Here.
    Here(Error),
}

impl From<FlowError> for Stop {
    fn from(error: FlowError) -> Self {
        Self::Flow(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

impl From<LocalError> for Stop {
    fn from(error: LocalError) -> Self {
        Self::Here(error.into())
    }
}

impl Stop {
    /// The same for the person, with what this login's provider adds to it.
    pub(super) fn edge(self, server: &Server, definition: &Definition) -> Error {
        let error = match self {
            Self::Here(error) => return error,
            Self::Flow(error) => error,
        };
        let hint = match &error {
            FlowError::Odd { .. } | FlowError::Endpoint { .. } => Some(format!(
                "Look at its addresses: vault inspect {}",
                definition.name
            )),
            _ if error.is_code("redirect_uri_mismatch") => Some(format!(
                "Register this redirect address with your OAuth app: {}",
                redirect_of(server)
            )),
            _ => None,
        };
        let edge = Error::from(error);
        match hint {
            Some(hint) => edge.with_hint(hint),
            None => edge,
        }
    }
}
