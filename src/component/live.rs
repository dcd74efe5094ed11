//! The rooms as they are, for people and for judging those inside again. A view: the truth is with the
//! gate, and the rooms are read after each connect, at each audit, and where a report is missing.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::expected::Expected;
use crate::jid::BareJid;
use crate::policy::attempt::{Attempt, Requester, RoomView};
use crate::policy::moderators::Become;
use crate::policy::names::{Looks, Namesake};
use crate::policy::record::Record;
use crate::policy::rules::{Policy, Rules};
use crate::policy::selector::Claim;
use crate::policy::succession::is_moderator;
use crate::wire::question::Question;
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
    /// The claims of its opener by which these were chosen.
    claims: Vec<Claim>,
    /// Who is inside, by full JID.
    pub occupants: HashMap<String, Box<Known>>,
    /// Who waits to be let in.
    pub waiting: HashMap<BareJid, Box<Known>>,
    /// When the last moderator left or ceased to be one; `None`: as far as is known, there was none yet.
    pub moderated_until: Option<Timestamp>,
    /// How it was when it was last heard of.
    pub view: RoomView,
}

impl Room {
    /// Notes how it is now. Its rules are chosen anew when its opener is another.
    pub fn seen(&mut self, policy: &Policy, jid: &BareJid, view: RoomView) {
        let claims = view.record.as_ref().map_or(&[][..], |record| &record.claims);
        if self.claims != claims || self.view.is_found() != view.is_found() {
            self.rules = policy.rules_in(jid, claims, view.is_found());
            self.claims = claims.to_vec();
        }
        self.view = view;
    }

    /// The claims of its opener by which the rules for it were chosen.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// A moderator is inside.
    pub fn is_moderated(&self, policy: &Policy) -> bool {
        self.occupants.values().any(|known| is_moderator(policy, &known.who))
    }
}

/// They are one person: by the account, or by what this client has of its own.
fn is_same(one: &Requester, other: &Requester) -> bool {
    fn both<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
        one.is_some() && one == other
    }
    let account = |who: &'_ Requester| who.account.clone().or_else(|| who.jid.clone());
    both(one.jid.as_ref(), other.jid.as_ref())
        || both(account(one).as_ref(), account(other).as_ref())
        || both(one.ticket.as_ref(), other.ticket.as_ref())
        || both(one.device.as_ref(), other.device.as_ref())
}

/// Every room that is known of.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Apart from their keys: a table keeps places free, and an empty one should be small.
    rooms: HashMap<BareJid, Box<Room>>,
    expected: Expected,
}

impl Live {
    /// The rules for a room as far as it is known.
    pub fn rules(&self, policy: &Policy, room: Option<&BareJid>) -> Arc<Rules> {
        let Some(jid) = room else { return Arc::clone(&policy.base) };
        self.rooms
            .get(jid)
            .map_or_else(|| policy.rules_for(jid, &[]), |room| Arc::clone(&room.rules))
    }

    /// The rules for an attempt at a room as it is now, resolved once while its opener is the same.
    pub fn rules_of(
        &self,
        policy: &Policy,
        attempt: &Attempt,
        view: &RoomView,
        now: Timestamp,
    ) -> Arc<Rules> {
        let Some(jid) = &attempt.room else { return Arc::clone(&policy.base) };
        let claims = policy.claims_of(attempt, view, now);
        self.rules_by(policy, jid, &claims, view.is_found())
    }

    /// The rules for a room as it is now.
    pub fn rules_at(&self, policy: &Policy, live: &LiveRoom) -> Arc<Rules> {
        self.rules_by(policy, &live.jid, live.claims(), live.view.is_found())
    }

    fn rules_by(
        &self,
        policy: &Policy,
        jid: &BareJid,
        claims: &[Claim],
        found: bool,
    ) -> Arc<Rules> {
        let is_same = |room: &Room| room.claims == claims && room.view.is_found() == found;
        match self.rooms.get(jid) {
            Some(room) if is_same(room) => Arc::clone(&room.rules),
            _ => policy.rules_in(jid, claims, found),
        }
    }

    /// The claims by which the rules for the room of a question were chosen, in this life of it.
    pub fn claims(&self, question: &Question) -> &[Claim] {
        let room = question.attempt.room.as_ref().and_then(|jid| self.rooms.get(jid));
        let room = room.filter(|room| room.generation == question.generation);
        room.map(|room| room.claims.as_slice()).unwrap_or_default()
    }

    /// Notes that a room is there, in this life of it.
    pub fn heard_of(
        &mut self,
        policy: &Policy,
        service: &Arc<str>,
        jid: &BareJid,
        generation: &str,
    ) -> &mut Room {
        let room = self.rooms.entry(jid.clone()).or_insert_with(|| {
            Box::new(Room {
                service: Arc::clone(service),
                generation: String::new(),
                rules: policy.rules_for(jid, &[]),
                claims: Vec::new(),
                occupants: HashMap::new(),
                waiting: HashMap::new(),
                moderated_until: None,
                view: RoomView { exists: true, ..RoomView::default() },
            })
        });
        if room.generation != generation {
            generation.clone_into(&mut room.generation);
            room.occupants.clear();
            room.waiting.clear();
            room.moderated_until = None;
            let record = self.expected.take(jid);
            room.seen(policy, jid, RoomView { exists: true, record, ..RoomView::default() });
        }
        room
    }

    /// A room may be opened, and gets this record if it comes.
    pub fn expect(&mut self, jid: &BareJid, record: Record, now: Timestamp) {
        self.expected.expect(jid, record, now);
    }

    /// How many rooms there are that were opened, by no service for itself, with those that may come at any moment;
    /// and how many of them `opener` opened.
    pub fn count(&self, policy: &Policy, opener: &BareJid, now: Timestamp) -> (u32, u32) {
        let live = self.rooms.values().map(|room| room.view.record.as_ref());
        let coming = self.expected.iter(now).filter(|(jid, _)| !self.rooms.contains_key(*jid));
        let (mut all, mut own) = (0_u32, 0_u32);
        for record in live.chain(coming.map(|(_, record)| Some(record))) {
            let by = record.map(|record| record.opener.as_str());
            let is_service =
                by.is_some_and(|by| policy.services.keys().any(|jid| jid.as_str() == by));
            let is_found = record.is_some_and(|record| record.found);
            all = all.saturating_add(u32::from(!is_service && !is_found));
            own = own.saturating_add(u32::from(by == Some(opener.as_str())));
        }
        (all, own)
    }

    /// The record of a room has changed.
    pub fn recorded(&mut self, policy: &Policy, jid: &BareJid, record: Record) {
        if let Some(room) = self.rooms.get_mut(jid) {
            let view = RoomView { record: Some(record), ..std::mem::take(&mut room.view) };
            room.seen(policy, jid, view);
        }
    }

    /// Somebody came in.
    pub fn joined(&mut self, jid: &BareJid, full: &str, who: Requester, now: Timestamp) {
        if let Some(room) = self.rooms.get_mut(jid) {
            let since = room.occupants.get(full).map_or(now, |known| known.since);
            room.occupants.insert(full.to_owned(), Box::new(Known { who, since }));
        }
    }

    /// A session inside takes another nick, or shows another name.
    pub fn renamed(&mut self, jid: &BareJid, full: &str, who: Requester, now: Timestamp) {
        self.joined(jid, full, who, now);
    }

    /// A session left. Its nick has others.
    pub fn session_left(&mut self, jid: &BareJid, full: &str) {
        if let Some(room) = self.rooms.get_mut(jid) {
            room.occupants.remove(full);
        }
    }

    /// Somebody else in the room with a name that looks like one of these, the one who counts most. Whoever has the same
    /// account, ticket or device is nobody else.
    pub fn namesake(
        &self,
        policy: &Policy,
        jid: &BareJid,
        who: &Requester,
        least: Namesake,
    ) -> Option<Namesake> {
        let room = self.rooms.get(jid)?;
        let asked = [&who.nick, &who.name].into_iter().filter(|name| !name.is_empty());
        let asked: Vec<_> = asked.map(|name| Looks::of(name)).collect();
        let others = room.occupants.values().map(|known| &known.who);
        let others = others.filter_map(|other| {
            let is = match is_moderator(policy, other) {
                true => Namesake::Moderator,
                false => Namesake::Occupant,
            };
            (is >= least && !is_same(other, who)).then_some((other, is))
        });
        let alike = others.filter(|(other, _)| {
            let mut names = [&other.nick, &other.name].into_iter().filter(|name| !name.is_empty());
            names.any(|name| asked.iter().any(|asked| asked.is_look_of(name)))
        });
        alike.map(|(_, is)| is).max()
    }

    /// Somebody waits to be let in.
    pub fn waits(&mut self, jid: &BareJid, who: Requester, now: Timestamp) {
        if let (Some(room), Some(bare)) = (self.rooms.get_mut(jid), who.jid.clone()) {
            room.waiting.insert(bare, Box::new(Known { who, since: now }));
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

    /// Takes a room as it was read. Where it `is_older` than what was decided since, its record stays as it is known.
    /// Returns the room as it was known before, if it was, in the same life of it.
    pub fn restore(
        &mut self,
        policy: &Policy,
        service: &Arc<str>,
        live: LiveRoom,
        is_older: bool,
        now: Timestamp,
    ) -> Option<Box<Room>> {
        let known = self.rooms.remove(&live.jid);
        let known = known.filter(|room| room.generation == live.generation);
        let (claims, view) = match &known {
            Some(room) if is_older => (room.claims.clone(), room.view.clone()),
            _ => (live.claims().to_vec(), live.view),
        };
        let since = |known: Option<&Box<Known>>| known.map_or(now, |known| known.since);
        let inside = |full: &String| since(known.as_ref().and_then(|it| it.occupants.get(full)));
        let waited = |bare: &BareJid| since(known.as_ref().and_then(|it| it.waiting.get(bare)));
        let occupants = live.sessions.into_iter().zip(live.occupants);
        let occupants = occupants.map(|(full, who)| {
            let since = inside(&full);
            (full, Box::new(Known { who, since }))
        });
        let waiting = live.waiting.into_iter().filter_map(|(who, since)| {
            let bare = who.jid.clone()?;
            let since = since.unwrap_or_else(|| waited(&bare));
            Some((bare, Box::new(Known { who, since })))
        });
        let rules = policy.rules_in(&live.jid, &claims, view.is_found());
        let mut room = Room {
            service: Arc::clone(service),
            generation: live.generation,
            rules,
            claims,
            occupants: occupants.collect(),
            waiting: waiting.collect(),
            moderated_until: None,
            view,
        };
        let heard = known.as_ref().and_then(|room| room.moderated_until);
        room.moderated_until = heard.max(live.unmoderated_since).or_else(|| match &known {
            Some(known) if known.is_moderated(policy) && !room.is_moderated(policy) => Some(now),
            Some(_) => None,
            None => {
                // Who opens a room moderates it: where that is the rule, there was a moderator once.
                let is_open = |record: &Record| record.awaited.is_none() && !record.found;
                let opened = room.view.record.as_ref().is_some_and(is_open);
                let is_rule = room.rules.moderators.become_by.value.contains(&Become::Opener);
                (opened && is_rule).then_some(now)
            }
        });
        self.rooms.insert(live.jid, Box::new(room));
        known
    }

    /// Resolves every room's rules by another policy.
    pub fn replace_policy(&mut self, policy: &Policy) {
        for (jid, room) in &mut self.rooms {
            room.rules = policy.rules_in(jid, &room.claims, room.view.is_found());
        }
    }

    /// Every room with its address.
    pub fn rooms(&self) -> impl Iterator<Item = (&BareJid, &Room)> {
        self.rooms.iter().map(|(jid, room)| (jid, &**room))
    }

    /// A session of that address, of those that are in rooms.
    pub fn session_of(&self, jid: Option<&BareJid>) -> Option<Requester> {
        let known = self.rooms.values().flat_map(|room| room.occupants.values());
        let mut sessions = known.map(|known| &known.who).filter(|who| who.jid.as_ref() == jid);
        sessions.find(|who| who.session.is_some()).cloned()
    }

    /// One room, to be changed.
    pub(super) fn room_mut(&mut self, jid: &BareJid) -> Option<&mut Room> {
        self.rooms.get_mut(jid).map(|room| &mut **room)
    }

    /// One room.
    pub fn room(&self, jid: &BareJid) -> Option<&Room> {
        self.rooms.get(jid).map(|room| &**room)
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
