//! Vestibule: a server-wide meeting policy for Prosody and Jitsi Meet.

pub mod component;
pub mod config;
pub mod control;
pub mod password;
pub mod policy;
pub mod secret;
pub mod wire;
pub mod xmpp;
