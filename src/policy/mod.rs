//! The policy: pure, total, deterministic. No I/O, clock, randomness or XML.

pub mod access;
pub mod attempt;
pub mod bans;
pub mod class;
pub mod close;
pub mod lobby;
pub mod moderators;
pub mod password;
pub mod record;
pub mod rules;
pub mod set;
pub mod strength;
pub mod who;
