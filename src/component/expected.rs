//! Rooms that may be opened and are not there yet.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::jid::BareJid;
use crate::policy::record::Record;

/// A room that has not come by then does not come.
const PATIENCE: SignedDuration = SignedDuration::from_secs(15);
/// Most at a time.
const MOST: usize = 10_000;

/// The records of rooms that may be opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected(HashMap<BareJid, (Record, Timestamp)>);

impl Expected {
    /// A room may be opened.
    pub(super) fn expect(&mut self, room: &BareJid, record: Record, now: Timestamp) {
        self.0.retain(|_, (_, since)| now.duration_since(*since) < PATIENCE);
        if self.0.len() < MOST {
            self.0.insert(room.clone(), (record, now));
        }
    }

    /// It is there.
    pub(super) fn take(&mut self, room: &BareJid) -> Option<Record> {
        self.0.remove(room).map(|(record, _)| record)
    }

    /// Those that are still to come.
    pub(super) fn iter(&self, now: Timestamp) -> impl Iterator<Item = (&BareJid, &Record)> {
        self.0
            .iter()
            .filter(move |(_, (_, since))| now.duration_since(*since) < PATIENCE)
            .map(|(room, (record, _))| (room, record))
    }
}
