//! What each target does with an input. The fuzzer and `cargo test` (`tests/seeds.rs`) share it.

pub(crate) mod config;
pub(crate) mod element;
pub(crate) mod framer;
pub(crate) mod question;
