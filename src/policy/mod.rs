//! The policy: pure, total, deterministic. No I/O, clock, randomness or XML.
//!
//! [`decide::decide`] hears the opinion of each rule family that has a say in an attempt and takes the
//! strongest: deny over prompt over hold over allow. One file per family, with its settings, their
//! defaults and what it thinks.

pub mod access;
mod affairs;
pub mod attempt;
pub mod authority;
mod banned;
pub mod bans;
pub mod class;
pub mod classify;
pub mod close;
mod configure;
pub mod decide;
pub mod denial;
pub mod drift;
pub mod exceptions;
pub mod explain;
pub mod facts;
mod focus;
mod found;
pub mod gate_words;
pub mod hours;
pub mod limits;
pub mod lobby;
pub mod logins;
pub mod made;
pub mod mark;
pub mod moderators;
pub mod modes;
pub mod names;
pub mod notice;
mod open;
pub mod overrides;
pub mod password;
pub mod pattern;
pub mod permissions;
pub mod pressure;
pub mod providers;
pub mod record;
pub mod removal;
pub mod requester;
pub mod room_name;
pub mod rules;
pub mod selector;
pub mod session;
pub mod set;
pub mod setting;
pub mod settings;
pub mod shown;
pub mod strength;
pub mod succession;
pub mod suspended;
mod switches;
pub mod texts;
pub mod timers;
pub mod told;
pub mod unread;
pub mod verdict;
pub mod wave;
pub mod who;
pub mod words;
mod would;
