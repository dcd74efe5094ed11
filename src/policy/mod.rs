//! The policy: pure, total, deterministic. No I/O, clock, randomness or XML.
//!
//! [`decide::decide`] hears the opinion of each rule family that has a say in an attempt and takes the
//! strongest: deny over prompt over hold over allow. One file per family in [`rules`], with its settings,
//! their defaults and what it thinks.

mod affairs;
pub mod attempt;
pub mod authority;
mod banned;
pub mod bans;
pub mod class;
pub mod classify;
mod compiled;
mod configure;
mod context;
pub mod decide;
pub mod denial;
pub mod drift;
pub mod exceptions;
pub mod explain;
pub mod facts;
mod focus;
pub mod form_field;
mod found;
pub mod gate_words;
pub mod logins;
pub mod made;
pub mod mark;
pub mod modes;
pub mod notice;
mod open;
pub mod overrides;
pub mod pattern;
pub mod pressure;
pub mod providers;
pub mod record;
pub mod requester;
pub mod room_name;
pub mod rules;
pub mod selector;
pub mod session;
pub mod shown;
pub mod strength;
pub mod succession;
pub mod suspended;
pub mod texts;
pub mod timers;
pub mod told;
pub mod unread;
pub mod verdict;
pub mod wave;
pub mod who;
pub mod words;
mod would;

pub use self::compiled::Policy;
pub use self::rules::{
    Rules, access, close, hours, limits, lobby, moderators, names, password, permissions, removal,
    room_form,
};
