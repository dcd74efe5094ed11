//! The tracker of join floods: arrivals of strangers by room. In memory: a restart forgets it.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::jid::BareJid;
use crate::policy::limits::Limits;

/// Most rooms; beyond it, new ones are not counted until old ones are over.
const MOST: usize = 10_000;

/// The strangers of one room.
#[derive(Clone, Debug)]
struct Strangers {
    /// Those who came in, no more of them than make a wave.
    came: VecDeque<(Timestamp, BareJid)>,
    /// The last one who came in or knocked.
    last: Timestamp,
}

/// The strangers of all rooms.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals(HashMap<BareJid, Strangers>);

impl Arrivals {
    /// Returns the number of strangers that have come into the room within the time that counts, this one apart.
    pub(super) fn count(
        &self,
        room: &BareJid,
        who: &BareJid,
        limits: &Limits,
        now: Timestamp,
    ) -> u32 {
        let Some(strangers) = self.0.get(room) else { return 0 };
        let within = SignedDuration::try_from(limits.flood_within.value).unwrap_or_default();
        let is_recent = |came: &Timestamp| now.duration_since(*came) < within;
        let came = strangers.came.iter().filter(|(came, one)| is_recent(came) && one != who);
        let count = came.count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// A stranger came in, or knocks.
    pub(super) fn add(
        &mut self,
        room: &BareJid,
        who: &BareJid,
        came_in: bool,
        limits: &Limits,
        now: Timestamp,
    ) {
        if self.0.len() >= MOST && !self.0.contains_key(room) {
            let longest = limits.flood_within.value.max(limits.flood_calm.value);
            let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX);
            self.0.retain(|_, strangers| now.duration_since(strangers.last) < longest);
            if self.0.len() >= MOST {
                return;
            }
        }
        let strangers = self
            .0
            .entry(room.clone())
            .or_insert_with(|| Strangers { came: VecDeque::new(), last: now });
        strangers.last = now;
        if came_in {
            strangers.came.retain(|(_, one)| one != who);
            strangers.came.push_back((now, who.clone()));
            let most = usize::try_from(limits.flood_strangers.value).unwrap_or(usize::MAX);
            while strangers.came.len() > most {
                strangers.came.pop_front();
            }
        }
    }

    /// Returns when the last stranger came or knocked.
    pub(super) fn last(&self, room: &BareJid) -> Option<Timestamp> {
        self.0.get(room).map(|strangers| strangers.last)
    }

    /// The room is no more.
    pub(super) fn forget(&mut self, room: &BareJid) {
        self.0.remove(room);
    }
}
