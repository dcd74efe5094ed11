//! Vestibule: a server-wide meeting policy for Prosody and Jitsi Meet.
//!
//! One file says who may open a room, who may enter it, who moderates it and when it is closed. This crate
//! is the *component* (XEP-0114) that decides by it; the *gate*, a Prosody module
//! (`prosody-snippets/mod_vestibule_gate`), holds each attempt until the component has decided, and
//! carries the decision out. The gate decides nothing, the policy does nothing.
//!
//! # The life of a join
//!
//! 1. A person sends a join. The gate parks it and asks: an IQ with a `request` ([`crate::wire::request`]) that
//!    holds the facts of the session, the room, and what the room remembers.
//! 2. The [`xmpp::link`] cuts the stanza out of the stream and hands it to [`app`]; [`crate::component::engine`]
//!    looks up the room's rules and what the counters say, and calls [`policy::decide::decide`].
//! 3. The decision is written down ([`component::audit`]) and goes back ([`wire::answer`]), with its
//!    effects: the room's password, the requester's role, what the room has to remember.
//! 4. The gate applies the effects, and lets the join go on, or answers it with the one error that makes
//!    the client do the right thing.
//!
//! The truth about a room travels with the room: its [`policy::record`] is kept by the gate and comes with
//! each request. So this process can be killed and started at any moment; what it keeps in memory is a
//! view for people, and the counters of wrong guesses.
//!
//! # Layers
//!
//! Arrows point down only; a test reads the `use` lines.
//!
//! | layer | what it is | what it may not do |
//! |---|---|---|
//! | [`cli`] | the command line | |
//! | [`app`] | the wiring: clock, signals, tasks | |
//! | [`proof`] | a log decided again, tests of a policy | open files, read clocks |
//! | [`incident`] | an incident in one file, and its page | I/O, clocks, randomness |
//! | [`http`] | the page and the JSON API | |
//! | [`adhoc`] | the operators' commands in any XMPP client | I/O, clocks, randomness |
//! | [`control`] | the socket for operators | |
//! | [`doctor`] | what undoes the policy on the server, in the file and on the machine | I/O, clocks |
//! | [`component`] | engine, counters, live rooms, decision log | open sockets, read clocks |
//! | [`store`] | the audit database and the bans in it | decide, read clocks |
//! | [`config`] | the operator's file | |
//! | [`wire`] | the gate protocol, `docs/protocol.md` | I/O |
//! | [`password`] | making and judging passwords | read clocks |
//! | [`policy`] | the decisions | I/O, clocks, randomness, XML |
//! | [`setting`] | values of the file, and the kinds there are | decide |
//! | [`xmpp`] | stream, elements, stanzas; the link is the only socket to the server | |
//! | [`jid`] | addresses, as the server stamped them | change one |
//! | [`metrics`] | the types of metrics | |
//! | [`schema`] | kinds of strings in JSON Schemas | |
//! | [`secret`] | texts that must never be seen | |
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
pub mod thread;
pub mod wire;
pub mod xmpp;
