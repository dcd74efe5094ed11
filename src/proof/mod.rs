//! Checks of a policy without a server: replays of the decision log, policy tests, and unused entries.

pub mod policy_tests;
pub mod replay;
pub mod unused_entries;
