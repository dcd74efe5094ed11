//! The policy: pure, total, deterministic. No I/O, clock, randomness or XML.
//!
//! [`decide::decide`] hears the opinion of each rule family that has one on an attempt, and takes the
//! strongest: deny over prompt over hold over allow. The settings of a family, with their defaults, are in its file in
//! [`rules`], its opinions in its file in [`opinions`]. No file imports itself through others; from the bottom up:
//! values, rules, [`Policy`], the case ([`context`]), opinions, decisions.

pub mod affiliation;
pub mod attempt;
pub mod bans;
pub mod class;
pub mod classify;
mod compiled;
pub mod context;
pub mod decide;
pub mod denial;
pub mod drift;
pub mod exceptions;
pub mod facts;
pub mod fields;
pub mod fingerprint;
pub mod form_field;
pub mod logins;
pub mod messages;
pub mod notice;
pub mod opinions;
pub mod overrides;
pub mod providers;
pub mod record;
pub mod requester;
pub mod room_name;
pub mod rules;
pub mod runtime_bans;
pub mod succession;
pub mod texts;
pub mod timers;
pub mod verdict;

pub use self::compiled::Policy;
pub use self::rules::{
    Rules, access, close, hours, limits, lobby, moderators, names, password, permissions, removal,
    room_form,
};
