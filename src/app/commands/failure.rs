//! Why a command was not carried out.

use crate::app::rooms::RoomError;
use crate::control::{Failure, FailureKind};

impl From<RoomError> for Failure {
    fn from(error: RoomError) -> Self {
        let kind = match &error {
            RoomError::Address(..)
            | RoomError::NoService(_)
            | RoomError::Person(..)
            | RoomError::Service(_) => FailureKind::Invalid,
            RoomError::None(_) => FailureKind::NotFound,
            RoomError::Busy | RoomError::Before(_) | RoomError::Unmet(_) => FailureKind::Conflict,
            RoomError::Nonsense | RoomError::Password(_) | RoomError::Gate(_) => {
                FailureKind::Unavailable
            }
        };
        Self::new(kind, error)
    }
}

pub(super) fn invalid(reason: impl ToString) -> Failure {
    Failure::new(FailureKind::Invalid, reason)
}

pub(super) fn conflict(reason: impl ToString) -> Failure {
    Failure::new(FailureKind::Conflict, reason)
}

pub(super) fn not_found(reason: impl ToString) -> Failure {
    Failure::new(FailureKind::NotFound, reason)
}

pub(super) fn unavailable(reason: impl ToString) -> Failure {
    Failure::new(FailureKind::Unavailable, reason)
}
