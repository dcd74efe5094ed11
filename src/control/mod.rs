//! The operators' commands: their requests and replies, who may give them, and the Unix socket of the command line,
//! which carries one JSON request and one JSON reply per line.
//!
//! Each [`Command`] is made from its declaration in `app::commands`, and offered to each interface by a [`Handler`].
//!
//! Only the component's own account (and root) may open the socket: anyone who can, is an operator. The other
//! interfaces (ad-hoc commands, HTTP) hand the same [`Request`] to the same [`Handler`], with a [`Caller`] that
//! they have authenticated.

mod command;
mod reply;
mod request;
mod socket;

pub use self::command::{
    Answer, Caller, Command, Field, FieldKind, Impact, Interface, Shown, strict,
};
pub use self::reply::{
    Called, List, LogIn, OccupantLine, PersonChange, Plan, ProviderChange, RoomChange, RoomDetails,
    RoomLine, RoomMetrics, RoomState, ServiceStatus, Status, StatusMetrics, TaskDown, WaitingLine,
};
pub use self::request::{
    ENDED, Failure, FailureKind, HELD, Length, REMOVED, Reply, Request, Typed,
};
pub use self::socket::{ClientError, ControlSocket, Handler, SocketError, ask};
pub use crate::config::Role;
