//! Questions and reports as the gate writes them.

use std::fmt::Write as _;

use vestibule_rivals::{COMPONENT, GATE, SERVICE};

/// The password of the rooms: none of the questions contains it, the gate compares it.
const RECORD: &str = "{&quot;v&quot;:1,&quot;opened&quot;:&quot;2026-11-23T09:00:00Z&quot;,\
    &quot;opener&quot;:&quot;ann@localhost&quot;,&quot;password&quot;:&quot;generated&quot;}";

/// Writes a `join` of person `who` to room `room`, with the right password.
pub fn join(out: &mut String, attempt: u64, room: u64, who: u64, occupants: u64) {
    let _ = write!(
        out,
        "<iq type='set' id='k3v9x1.{attempt}.1' from='{SERVICE}' to='{COMPONENT}'><request xmlns='{GATE}' kind='join' \
         attempt='k3v9x1.{attempt}' room='meeting-{room}@{SERVICE}' generation='g{room}' revision='1'>\
         <requester jid='person-{who}@localhost/Lz8kQpX2' nick='Person {who}' session='client' host='localhost' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true' \
         address='192.0.2.{}' affiliation='none' role='none'/>\
         <state occupants='{occupants}' moderators='1' waiting='0' password='true'><record>{RECORD}</record></state>\
         <credential check='right'/></request></iq>",
        who % 250,
    );
}

/// Writes the report that a room exists.
pub fn created(out: &mut String, room: u64) {
    let _ = write!(
        out,
        "<message type='normal' from='{SERVICE}' to='{COMPONENT}'><report xmlns='{GATE}' event='created' \
         room='meeting-{room}@{SERVICE}' generation='g{room}' revision='1'/></message>"
    );
}

/// Writes the report that a person is in.
pub fn joined(out: &mut String, room: u64, who: u64) {
    let _ = write!(
        out,
        "<message type='normal' from='{SERVICE}' to='{COMPONENT}'><report xmlns='{GATE}' event='joined' \
         room='meeting-{room}@{SERVICE}' generation='g{room}' revision='1' nick='Person {who}' \
         jid='person-{who}@localhost/Lz8kQpX2' affiliation='none' role='participant' session='client' host='localhost' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true' \
         address='192.0.2.{}'/></message>",
        who % 250,
    );
}
