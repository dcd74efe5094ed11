//! The operators' commands: what can be asked of the running component, by whom, and the socket that the command
//! line speaks to, one JSON request a line, one JSON reply a line.
//!
//! A [`Command`] is made from its declaration in `app::commands`, and handed to each interface by the [`Handler`].
//!
//! It is a Unix socket that only the component's own account (and root) may open: anyone who can, is an
//! operator. Every other face (ad-hoc commands, HTTP) hands the same [`Request`] to the same [`Handler`], with
//! a [`Caller`] of its own.

mod command;
mod reply;
mod request;
mod socket;

pub use self::command::{
    Answer, Caller, Command, Field, FieldKind, Impact, Interface, Shown, strict,
};
pub use self::reply::{
    List, LogIn, OccupantLine, PersonChange, Plan, ProviderChange, RoomChange, RoomDetails,
    RoomLine, RoomMetrics, RoomState, ServiceStatus, Status, StatusMetrics, TaskDown, WaitingLine,
};
pub use self::request::{
    ENDED, Failure, FailureKind, HELD, Length, REMOVED, Reply, Request, Typed,
};
pub use self::socket::{ClientError, ControlSocket, Handler, SocketError, ask};
pub use crate::config::Role;
