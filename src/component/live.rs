//! The rooms as they are, for people and for judging those inside again. A view: the truth is with the
//! gate, and a snapshot rebuilds it after each connect.

use std::collections::HashMap;
use std::sync::Arc;

use jid::BareJid;

use crate::policy::attempt::{Requester, RoomView};
use crate::policy::rules::{Policy, Rules};
use crate::wire::room::LiveRoom;

/// One room.
#[derive(Clone, Debug)]
pub struct Room {
    /// The service it lives on.
    pub service: Arc<str>,
    /// Names this life of it.
    pub generation: String,
    /// The rules for it.
    pub rules: Arc<Rules>,
    /// Who is inside, by full JID.
    pub occupants: HashMap<String, Requester>,
    /// How it was when it was last heard of.
    pub view: RoomView,
}

/// Every room that is known of.
#[derive(Clone, Debug, Default)]
pub struct Live {
    rooms: HashMap<BareJid, Room>,
}

impl Live {
    /// The rules for a room, resolved once while it is known.
    pub fn rules(&self, policy: &Policy, room: Option<&BareJid>) -> Arc<Rules> {
        let Some(jid) = room else { return Arc::clone(&policy.base) };
        self.rooms.get(jid).map_or_else(|| policy.rules_for(jid), |room| Arc::clone(&room.rules))
    }

    /// Notes that a room is there, in this life of it.
    pub fn heard_of(
        &mut self,
        policy: &Policy,
        service: &Arc<str>,
        jid: &BareJid,
        generation: &str,
    ) -> &mut Room {
        let room = self.rooms.entry(jid.clone()).or_insert_with(|| Room {
            service: Arc::clone(service),
            generation: generation.to_owned(),
            rules: policy.rules_for(jid),
            occupants: HashMap::new(),
            view: RoomView { exists: true, ..RoomView::default() },
        });
        if room.generation != generation {
            generation.clone_into(&mut room.generation);
            room.occupants.clear();
        }
        room
    }

    /// Somebody came in, or is somebody else now.
    pub fn joined(&mut self, jid: &BareJid, full: &str, who: Requester) {
        if let Some(room) = self.rooms.get_mut(jid) {
            room.occupants.insert(full.to_owned(), who);
        }
    }

    /// Somebody left.
    pub fn left(&mut self, jid: &BareJid, full: &str) {
        if let Some(room) = self.rooms.get_mut(jid) {
            room.occupants.remove(full);
        }
    }

    /// The room is no more.
    pub fn destroyed(&mut self, jid: &BareJid) {
        self.rooms.remove(jid);
    }

    /// Forgets every room of a service: its snapshot follows.
    pub fn forget(&mut self, service: &str) {
        self.rooms.retain(|_, room| &*room.service != service);
    }

    /// Takes a room from a snapshot.
    pub fn restore(
        &mut self,
        policy: &Policy,
        service: &Arc<str>,
        live: LiveRoom,
        full: &[String],
    ) {
        let occupants = full.iter().cloned().zip(live.occupants).collect();
        let rules = policy.rules_for(&live.jid);
        let room = Room {
            service: Arc::clone(service),
            generation: live.generation,
            rules,
            occupants,
            view: live.view,
        };
        self.rooms.insert(live.jid, room);
    }

    /// Resolves every room's rules by another policy.
    pub fn replace_policy(&mut self, policy: &Policy) {
        for (jid, room) in &mut self.rooms {
            room.rules = policy.rules_for(jid);
        }
    }

    /// Every room with its address.
    pub fn rooms(&self) -> impl Iterator<Item = (&BareJid, &Room)> {
        self.rooms.iter()
    }

    /// One room.
    pub fn room(&self, jid: &BareJid) -> Option<&Room> {
        self.rooms.get(jid)
    }
}
