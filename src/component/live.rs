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

    /// Somebody came in.
    pub fn joined(&mut self, jid: &BareJid, full: &str, who: Requester) {
        if let Some(room) = self.rooms.get_mut(jid) {
            room.occupants.insert(full.to_owned(), who);
        }
    }

    /// The affiliation of somebody changed and, where the nick is told, the role. That makes nobody an occupant.
    pub fn changed(&mut self, jid: &BareJid, who: &Requester) {
        let Some(room) = self.rooms.get_mut(jid) else { return };
        for known in room.occupants.values_mut().filter(|known| known.jid == who.jid) {
            known.affiliation = who.affiliation;
            if known.nick == who.nick {
                known.role = who.role;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::{Affiliation, Auth, Role};

    fn bob(nick: &str, affiliation: Affiliation, role: Role) -> Requester {
        Requester {
            jid: "bob@example.org".parse().ok(),
            auth: Auth::Account,
            secure: Some(true),
            nick: nick.to_owned(),
            affiliation,
            role,
            ..Requester::default()
        }
    }

    #[test]
    fn a_new_affiliation_is_no_new_occupant() {
        let (mut live, policy) = (Live::default(), Policy::default());
        let tea: BareJid = "tea@conference.example.org".parse().unwrap();
        live.heard_of(&policy, &Arc::from("conference.example.org"), &tea, "1");
        live.changed(&tea, &bob("", Affiliation::Member, Role::None));
        assert!(live.room(&tea).unwrap().occupants.is_empty());

        live.joined(
            &tea,
            "bob@example.org/phone",
            bob("Bob", Affiliation::None, Role::Participant),
        );
        live.changed(&tea, &bob("", Affiliation::Member, Role::None));
        live.changed(&tea, &bob("Bob", Affiliation::Owner, Role::Moderator));
        let inside: Vec<_> = live.room(&tea).unwrap().occupants.values().collect();
        assert_eq!(inside, [&bob("Bob", Affiliation::Owner, Role::Moderator)]);
    }
}
