//! The audit database: what holds for every kind of it (`suite`), and what is SQLite's own.

#![cfg(test)]

mod sqlite;
mod suite;
