//! The rooms as they are, for people and for judging those inside again. A view: the truth is with the
//! gate, and a snapshot rebuilds it after each connect.

use std::collections::HashMap;
use std::sync::Arc;

use jid::BareJid;
use jiff::Timestamp;

use super::expected::Expected;
use crate::policy::attempt::{Requester, RoomView};
use crate::policy::moderators::Become;
use crate::policy::record::Record;
use crate::policy::rules::{Policy, Rules};
use crate::policy::succession::is_moderator;
use crate::wire::room::LiveRoom;

/// Somebody inside or at the door.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Who.
    pub who: Requester,
    /// Since when; for somebody who was there before us: since we know of him.
    pub since: Timestamp,
}

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
    pub occupants: HashMap<String, Known>,
    /// Who waits to be let in.
    pub waiting: HashMap<BareJid, Known>,
    /// When the last moderator left or ceased to be one; `None`: as far as is known, there was none yet.
    pub moderated_until: Option<Timestamp>,
    /// How it was when it was last heard of.
    pub view: RoomView,
}

impl Room {
    /// A moderator is inside.
    pub fn is_moderated(&self, policy: &Policy) -> bool {
        self.occupants.values().any(|known| is_moderator(policy, &known.who))
    }
}

/// Every room that is known of.
#[derive(Clone, Debug, Default)]
pub struct Live {
    rooms: HashMap<BareJid, Room>,
    expected: Expected,
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
            generation: String::new(),
            rules: policy.rules_for(jid),
            occupants: HashMap::new(),
            waiting: HashMap::new(),
            moderated_until: None,
            view: RoomView { exists: true, ..RoomView::default() },
        });
        if room.generation != generation {
            generation.clone_into(&mut room.generation);
            room.occupants.clear();
            room.waiting.clear();
            room.moderated_until = None;
            room.view =
                RoomView { exists: true, record: self.expected.take(jid), ..RoomView::default() };
        }
        room
    }

    /// A room may be opened, and gets this record if it comes.
    pub fn expect(&mut self, jid: &BareJid, record: Record, now: Timestamp) {
        self.expected.expect(jid, record, now);
    }

    /// How many rooms there are that no service opened for itself, with those that may come at any moment;
    /// and how many of them `opener` opened.
    pub fn count(&self, policy: &Policy, opener: &BareJid, now: Timestamp) -> (u32, u32) {
        let live = self.rooms.values().map(|room| room.view.record.as_ref());
        let coming = self.expected.iter(now).filter(|(jid, _)| !self.rooms.contains_key(*jid));
        let (mut all, mut own) = (0_u32, 0_u32);
        for record in live.chain(coming.map(|(_, record)| Some(record))) {
            let by = record.map(|record| record.opener.as_str());
            let is_service =
                by.is_some_and(|by| policy.services.keys().any(|jid| jid.as_str() == by));
            all = all.saturating_add(u32::from(!is_service));
            own = own.saturating_add(u32::from(by == Some(opener.as_str())));
        }
        (all, own)
    }

    /// The record of a room has changed.
    pub fn recorded(&mut self, jid: &BareJid, record: Record) {
        if let Some(room) = self.rooms.get_mut(jid) {
            room.view.record = Some(record);
        }
    }

    /// Somebody came in.
    pub fn joined(&mut self, jid: &BareJid, full: &str, who: Requester, now: Timestamp) {
        if let Some(room) = self.rooms.get_mut(jid) {
            let since = room.occupants.get(full).map_or(now, |known| known.since);
            room.occupants.insert(full.to_owned(), Known { who, since });
        }
    }

    /// Somebody waits to be let in.
    pub fn waits(&mut self, jid: &BareJid, who: Requester, now: Timestamp) {
        if let (Some(room), Some(bare)) = (self.rooms.get_mut(jid), who.jid.clone()) {
            room.waiting.insert(bare, Known { who, since: now });
        }
    }

    /// Somebody waits no longer.
    pub fn gone(&mut self, jid: &BareJid, who: &Requester) {
        if let (Some(room), Some(bare)) = (self.rooms.get_mut(jid), &who.jid) {
            room.waiting.remove(bare);
        }
    }

    /// The affiliation of somebody changed and, where the nick is told, the role. That makes nobody an occupant.
    pub fn changed(
        &mut self,
        policy: &Policy,
        jid: &BareJid,
        full: &str,
        who: &Requester,
        now: Timestamp,
    ) {
        self.may_end_moderation(policy, jid, now, |room| {
            let known = room.occupants.iter_mut().map(|(full, known)| (full, &mut known.who));
            for (address, known) in known.filter(|(_, known)| known.jid == who.jid) {
                known.affiliation = who.affiliation;
                // Nobody reports that a nick was changed.
                if address == full || known.nick == who.nick {
                    known.nick.clone_from(&who.nick);
                    known.role = who.role;
                }
            }
        });
    }

    /// Somebody left, with every session of that nick.
    pub fn left(&mut self, policy: &Policy, jid: &BareJid, full: &str, nick: &str, now: Timestamp) {
        self.may_end_moderation(policy, jid, now, |room| {
            room.occupants.retain(|address, known| {
                address != full && (nick.is_empty() || known.who.nick != nick)
            });
        });
    }

    fn may_end_moderation(
        &mut self,
        policy: &Policy,
        jid: &BareJid,
        now: Timestamp,
        change: impl FnOnce(&mut Room),
    ) {
        let Some(room) = self.rooms.get_mut(jid) else { return };
        let was_moderated = room.is_moderated(policy);
        change(room);
        if was_moderated && !room.is_moderated(policy) {
            room.moderated_until = Some(now);
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
        now: Timestamp,
    ) {
        let occupants = live.occupants.into_iter().map(|who| Known { who, since: now });
        let waiting = live.waiting.into_iter().filter_map(|(who, since)| {
            Some((who.jid.clone()?, Known { who, since: since.unwrap_or(now) }))
        });
        let rules = policy.rules_for(&live.jid);
        // Who opens a room moderates it: where that is the rule, there was a moderator once.
        let opened = live.view.record.as_ref().is_some_and(|record| record.awaited.is_none());
        let had_one = opened && rules.moderators.become_by.value.contains(&Become::Opener);
        let room = Room {
            service: Arc::clone(service),
            generation: live.generation,
            rules,
            occupants: full.iter().cloned().zip(occupants).collect(),
            waiting: waiting.collect(),
            moderated_until: had_one.then_some(now),
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

    /// One room, to be changed.
    pub(super) fn room_mut(&mut self, jid: &BareJid) -> Option<&mut Room> {
        self.rooms.get_mut(jid)
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

    const BARE: &str = "bob@example.org";

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
        let (mut live, policy, now) = (Live::default(), Policy::default(), Timestamp::UNIX_EPOCH);
        let tea: BareJid = "tea@conference.example.org".parse().unwrap();
        live.heard_of(&policy, &Arc::from("conference.example.org"), &tea, "1");
        live.changed(&policy, &tea, BARE, &bob("", Affiliation::Member, Role::None), now);
        assert!(live.room(&tea).unwrap().occupants.is_empty());

        live.joined(
            &tea,
            "bob@example.org/phone",
            bob("Bob", Affiliation::None, Role::Participant),
            now,
        );
        live.changed(&policy, &tea, BARE, &bob("", Affiliation::Member, Role::None), now);
        let owner = bob("Bobby", Affiliation::Owner, Role::Moderator);
        live.changed(&policy, &tea, "bob@example.org/phone", &owner, now);
        let inside: Vec<_> =
            live.room(&tea).unwrap().occupants.values().map(|known| &known.who).collect();
        assert_eq!(inside, [&owner]);
    }
    #[test]
    fn a_room_is_without_a_moderator_from_the_moment_at_which_the_last_one_goes() {
        let (mut live, policy) = (Live::default(), Policy::default());
        let at = |second| Timestamp::from_second(second).unwrap();
        let tea: BareJid = "tea@conference.example.org".parse().unwrap();
        let until = |live: &Live| live.room(&tea).unwrap().moderated_until;
        let [owner, guest] =
            [(Affiliation::Owner, Role::Moderator), (Affiliation::None, Role::Participant)];
        live.heard_of(&policy, &Arc::from("conference.example.org"), &tea, "1");
        live.joined(&tea, "bob@example.org/a", bob("Bob", owner.0, owner.1), at(1));
        live.joined(&tea, "bob@example.org/b", bob("Bob", owner.0, owner.1), at(2));
        live.joined(&tea, "bob@example.org/c", bob("B2", guest.0, guest.1), at(3));
        live.left(&policy, &tea, "bob@example.org/c", "B2", at(4));
        assert_eq!(until(&live), None);
        // Of several sessions with one nick only the last is reported.
        live.left(&policy, &tea, "bob@example.org/b", "Bob", at(5));
        assert_eq!(until(&live), Some(at(5)));
        assert!(live.room(&tea).unwrap().occupants.is_empty());

        live.joined(&tea, "bob@example.org/a", bob("Bob", owner.0, owner.1), at(6));
        live.changed(&policy, &tea, "bob@example.org/a", &bob("Bob", guest.0, guest.1), at(7));
        assert_eq!(until(&live), Some(at(7)));
        live.heard_of(&policy, &Arc::from("conference.example.org"), &tea, "2");
        assert_eq!(until(&live), None);
    }
}
