//! What can be shown of a policy without a server: a log decided again, and tests of a policy.

pub mod policy_tests;
pub mod replay;
pub mod unused_entries;
