//! The operator's file, `component.toml`: parsing, validation and diagnostics.
//!
//! The text is parsed with positions ([`toml::de::DeTable`]), and each table is read key by key: values go into
//! the types of the policy with their lines, problems are recorded with line and column, and a key that no
//! reader asks for is unknown. So one pass finds every problem.

mod admin;
mod attempt_args;
mod checks;
mod diagnostics;
mod effective;
mod environment;
mod file;
mod json_schema;
mod key_diff;
mod load;
mod pattern_overlap;
mod policy;
mod policy_tests;
mod redaction;
mod secrets;
mod settings;
mod store;
mod table_reader;
mod texts;

pub use self::attempt_args::{Described, DescribedError, OTHER_PERSON, UNNAMED, claim};
pub use self::checks::GUESTS_OPEN;
pub use self::diagnostics::{Held, Problem, Severity, Visible, Written};
pub use self::environment::{Outside, of_session};
pub use self::key_diff::{KeyChange, Said, changes};
pub use self::policy_tests::{Effect, Expected, Trial, load_trials, parse_trials};
pub use self::redaction::{held, redacted, redacted_changes};
pub use self::secrets::SECRET_IS_READABLE;
pub use crate::policy::messages::counted;
pub use crate::setting::kind::nearest;
pub use crate::setting::values::{LONGEST, length};
pub use admin::{Admin, Listen, Oidc, Proxy, Role, SocketMode, Token, is_sign_in_name};
pub use effective::{Effective, Layer, effective};
pub use environment::{Environment, account_behind};
pub use file::read_file;
pub use json_schema::json_schema;
pub use load::{
    ExitKind, LoadError, Loaded, NOT_ALLOWED, Socket, load, load_to_look, parse, report, schema,
    socket,
};
pub use settings::{
    Audit, Component, Doctor, Format, Limit, Log, NO_SECRET, NO_SECRET_HINT, Service, Settings,
    is_link, is_this_machine,
};
pub use store::{Addresses, PostgresAddress, Store, database, is_local};
