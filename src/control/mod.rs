//! The operators' commands: what can be asked of the running component, by whom, and the socket that the command
//! line speaks to, one JSON request a line, one JSON reply a line.
//!
//! A [`Command`] is made from its declaration in `app::commands`, and handed to each interface by the [`Handler`].
//!
//! It is a Unix socket that only the component's own account (and root) may open: anyone who can, is an
//! operator. Every other face (ad-hoc commands, HTTP) hands the same [`Request`] to the same [`Handler`], with
//! a [`Caller`] of its own.

mod caller;
mod client;
mod command;
mod plan;
mod request;
mod room_line;
mod server;
mod status;
mod typed;

pub use self::caller::{Caller, Interface};
pub use self::client::{ClientError, ask};
pub use self::command::{Answer, Command, Field, FieldKind, Impact, Shown, strict};
pub use self::plan::{Candidate, List, PersonChange, Plan, ProviderChange, RoomChange};
pub use self::request::{ENDED, Failure, FailureKind, HELD, REMOVED, Reply, Request};
pub use self::room_line::{
    OccupantLine, RoomDetails, RoomLine, RoomMetrics, RoomState, WaitingLine,
};
pub use self::server::{ControlSocket, Handler, SocketError};
pub use self::status::{LogIn, ServiceStatus, Status, StatusMetrics, TaskDown};
pub use self::typed::{Length, Typed};
pub use crate::config::Role;
