//! The audit database: what holds for every kind of it (`suite`), and what is one kind's own.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

mod exchange;
mod postgres;
mod server;
mod sqlite;
mod suite;
