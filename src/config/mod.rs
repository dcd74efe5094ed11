//! The operator's file, `component.toml`: what it says, and everything that is wrong with it.
//!
//! The text is parsed with its positions ([`toml::de::DeTable`]), and each table is read key by key: what
//! is read goes into the types of the policy with its line, what is wrong is noted with line and column,
//! and a key that nobody asks for is unknown. So one pass finds every problem.

mod admin;
mod bans;
mod checks;
mod component;
mod covered;
mod described;
mod doctor;
mod effective;
mod environment;
mod exceptions;
mod excerpt;
mod held;
mod json_schema;
mod layers;
mod load;
mod meeting;
mod modes;
mod moot;
mod no_effect;
mod notes;
mod outline;
mod outside;
mod policy;
mod postgres;
mod problem;
mod profiles;
mod providers;
mod redacted;
mod report;
mod restart;
mod rooms;
mod rules;
mod secrets;
mod section;
mod service;
mod settings;
mod store;
mod syntax;
mod texts;
mod ties;
mod times;
mod trials;
mod upkeep;
mod written;

pub use crate::setting::suggest::nearest;
pub use crate::setting::values::{LONGEST, length};
pub use admin::{Admin, Listen, Role, SocketMode, Token};
pub use component::{NO_SECRET, NO_SECRET_HINT};
pub use described::{Described, DescribedError};
pub use effective::{Effective, effective};
pub use environment::Environment;
pub use held::{Held, held};
pub use json_schema::json_schema;
pub use layers::Layer;
pub use load::{LoadError, Loaded, Socket, load, load_to_look, parse, schema, socket};
pub use notes::Written;
pub use outline::{KeyChange, Said, changes};
pub use outside::Outside;
pub use postgres::PostgresAddress;
pub use problem::{Problem, Severity, Visible};
pub use redacted::{redacted, redacted_changes};
pub use report::{ExitKind, NOT_ALLOWED, report};
pub use settings::{
    Addresses, Audit, Component, Doctor, Format, Limit, Log, Service, Settings, Store,
};
pub use store::database;
pub use trials::{Effect, Expected, Trial, load_trials, parse_trials};
