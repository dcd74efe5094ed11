//! Vestibule: a server-wide meeting policy for Prosody and Jitsi Meet.
//!
//! One file says who may open a room, who may enter it, who moderates it and when it is closed. This crate
//! is the *component* (XEP-0114) that decides by it; the *gate*, a Prosody module
//! (`prosody-snippets/mod_vestibule_gate`), holds each attempt until the component has decided, and
//! carries the decision out. The gate decides nothing, and the policy carries nothing out.
//!
//! `docs/ARCHITECTURE.md` follows a join through both, says where to look for what, and where state is kept. The
//! record of a room ([`policy::record`]) is kept by the gate and comes with each request, so this process can be killed
//! and started at any moment: what it keeps in memory is a view for people, and counters, like that of wrong guesses.
//!
//! # Layers
//!
//! A module uses only modules below it, and not all of them; `tests/layers.rs` reads the paths in the code.
//!
//! | layer | what it is | what it may not do |
//! |---|---|---|
//! | [`cli`] | the command line | |
//! | [`init`] | setting a server up, and taking that back | ask, decide |
//! | [`app`] | the wiring: clock, signals, tasks | |
//! | [`proof`] | replays of the decision log, and policy tests | open files, read clocks |
//! | [`adhoc`] | the operators' commands in any XMPP client | I/O, clocks, randomness |
//! | [`incident`] | an incident report in one file, and its page | I/O, clocks, randomness |
//! | [`http`] | the page and the JSON API | |
//! | [`control`] | the operators' commands, and their Unix socket | |
//! | [`doctor`] | checks for what bypasses the policy on the server, in the file and on the machine | I/O, clocks |
//! | [`component`] | engine, counters, room registry, audit | open sockets, read clocks |
//! | [`store`] | the audit database, and the runtime bans in it | decide, read clocks |
//! | [`summary`] | the policy in plain words, for participants | I/O, clocks, randomness |
//! | [`config`] | the operator's file | |
//! | [`wire`] | the gate protocol, `docs/protocol.md` | I/O |
//! | [`password`] | making and judging passwords | read clocks |
//! | [`policy`] | the decisions | I/O, clocks, randomness, XML |
//! | [`setting`] | values of the file, and their kinds | decide |
//! | [`xmpp`] | stream, elements, stanzas; the link is the only socket to the server | |
//! | [`metrics`] | groups of metrics | |
//! | [`jid`] | addresses, as the server stamped them | change one |
//! | `private` | directories and sockets that nobody else can open | |
//! | [`thread`] | threads that are started again after a panic | |
//! | [`secret`] | texts that must never be shown | |
//! | [`schema`] | kinds of strings in JSON Schemas | |
//! | `names` | enums whose values have names | |
//!
//! The command line, the file and the wire are the contract. The Rust interface is not: it may change with
//! any version.

#[macro_use]
mod names;

pub mod adhoc;
pub mod app;
pub mod cli;
pub mod component;
pub mod config;
pub mod control;
pub mod doctor;
pub mod http;
pub mod incident;
pub mod init;
pub mod jid;
pub mod metrics;
pub mod password;
pub mod policy;
mod private;
pub mod proof;
pub mod schema;
pub mod secret;
pub mod setting;
pub mod store;
pub mod summary;
pub mod thread;
pub mod wire;
pub mod xmpp;
