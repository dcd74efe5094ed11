//! The registry of rooms as they are known, for operators and for judging occupants again. A view: the gates hold the
//! truth, and rooms are read from them after each connect, at each audit, and where a report is missing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::counters::{RecentlyRefused, Refused};
pub use super::registry::Room;
use super::registry::{NextLooks, Registry};
use crate::jid::BareJid;
use crate::policy::attempt::{Attempt, Requester, RoomView};
use crate::policy::fingerprint::Mark;
use crate::policy::moderators::Become;
use crate::policy::record::{Claim, Record};
use crate::policy::requester::Session;
use crate::policy::{Policy, Rules};
use crate::wire::request::Question;
use crate::wire::room::LiveRoom;

/// A person inside or in the lobby.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The person, as last reported.
    pub who: Requester,
    /// When they came; for an occupant who was there before the component, when it first knew of them.
    pub since: Timestamp,
}

/// Returns whether both have the same nick in the same room of the meeting.
fn is_same_seat(one: &Requester, other: &Requester) -> bool {
    (&one.nick, &one.breakout) == (&other.nick, &other.breakout)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Most sessions that are kept to be shared: a server has one for each host and SASL mechanism.
const MOST_SESSIONS: usize = 64;

/// Sessions that people have in common, because they logged in to the same host in the same way.
#[derive(Clone, Debug, Default)]
struct Sessions(VecDeque<Arc<Session>>);

impl Sessions {
    /// Lets a person have the same session in memory as others who have an equal one. One with a token is a person's own.
    fn share(&mut self, who: &mut Requester) {
        let Some(own) = who.session.as_mut().filter(|session| session.token.is_none()) else {
            return;
        };
        if let Some(shared) = self.0.iter().find(|shared| *shared == own) {
            own.clone_from(shared);
            return;
        }
        if self.0.len() >= MOST_SESSIONS {
            self.0.pop_front();
        }
        self.0.push_back(Arc::clone(own));
    }
}

/// All known rooms, and those that are expected to open.
#[derive(Clone, Debug, Default)]
pub struct RoomRegistry {
    pub(super) rooms: Registry,
    pub(super) expected: Expected,
    /// Number of the policy in force: rules of a room that were chosen by an older one do not count.
    policy: u64,
    sessions: Sessions,
}

impl RoomRegistry {
    /// Returns the rules for a room; the base rules without a room.
    pub fn rules(&self, policy: &Policy, room: Option<&BareJid>) -> Arc<Rules> {
        let Some(jid) = room else { return Arc::clone(&policy.base) };
        let known = self.rooms.get(jid).map(|room| self.rules_in(policy, jid, room));
        known.unwrap_or_else(|| policy.rules_for(jid, &[]))
    }

    /// Returns the rules for a known room.
    pub fn rules_in(&self, policy: &Policy, jid: &BareJid, room: &Room) -> Arc<Rules> {
        match room.policy == self.policy {
            true => Arc::clone(&room.rules),
            false => policy.rules_in(jid, room.claims(), room.view.is_found()),
        }
    }

    /// Returns the rules for an attempt at a room as it is now; resolved once while the opener stays the same.
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

    /// Returns the rules for a room as its gate shows it.
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
        let is_same = |room: &Room| {
            room.policy == self.policy && room.claims() == claims && room.view.is_found() == found
        };
        match self.rooms.get(jid) {
            Some(room) if is_same(room) => Arc::clone(&room.rules),
            _ => policy.rules_in(jid, claims, found),
        }
    }

    /// Returns the claims by which the rules for a request's room were chosen; none if it is another life of the room.
    pub fn claims(&self, question: &Question) -> &[Claim] {
        let room = question.attempt.room.as_ref().and_then(|jid| self.rooms.get(jid));
        let room = room.filter(|room| room.generation == question.generation);
        room.map(Room::claims).unwrap_or_default()
    }

    /// Adds a room, unless it is known in this life of it.
    pub fn upsert(&mut self, policy: &Policy, service: &Arc<str>, jid: &BareJid, generation: &str) {
        if self.rooms.get(jid).is_some_and(|room| room.generation == generation) {
            return;
        }
        let record = (!generation.is_empty()).then(|| self.expected.take(jid)).flatten();
        let view = RoomView { exists: true, record, ..RoomView::default() };
        let room = Room {
            service: Arc::clone(service),
            generation: generation.into(),
            rules: policy.rules_in(jid, view.claims(), view.is_found()),
            policy: self.policy,
            occupants: HashMap::new(),
            waiting: HashMap::new(),
            moderated_until: None,
            view,
            looks: NextLooks::default(),
            refused: RecentlyRefused::default(),
        };
        self.rooms.put(jid.clone(), Box::new(room));
    }

    /// Updates the state of a room. Its rules are chosen again when its opener is another.
    pub fn seen(&mut self, policy: &Policy, jid: &BareJid, view: RoomView) {
        let number = self.policy;
        self.rooms.change(jid, |room| {
            let (claims, is_found) = (view.claims(), view.is_found());
            if room.policy != number || room.claims() != claims || room.view.is_found() != is_found
            {
                room.rules = policy.rules_in(jid, claims, is_found);
                room.policy = number;
            }
            room.view = view;
        });
    }

    /// Returns how many rooms people opened, without services and rooms found, including those that may open at any
    /// moment; and how many rooms `opener` has opened.
    pub fn count(&self, policy: &Policy, opener: &BareJid, now: Timestamp) -> (u32, u32) {
        let (live, own) = self.rooms.opened(policy.services.keys(), opener);
        let known = |jid: &BareJid| self.rooms.get(jid).is_some();
        let coming = self.expected.iter(now).filter(|(jid, _)| !known(jid));
        let (mut all, mut own) = (number(live), number(own));
        for (_, record) in coming {
            let is_service = policy.services.keys().any(|jid| jid.as_str() == record.opener);
            all = all.saturating_add(u32::from(!is_service && !record.found));
            own = own.saturating_add(u32::from(record.opener == opener.as_str()));
        }
        (all, own)
    }

    /// Stores the new record of a room.
    pub fn recorded(&mut self, policy: &Policy, jid: &BareJid, record: Record) {
        if let Some(view) = self.rooms.get(jid).map(|room| room.view.clone()) {
            self.seen(policy, jid, RoomView { record: Some(record), ..view });
        }
    }

    /// Adds an occupant, or updates the nick and the name of one.
    pub fn joined(&mut self, jid: &BareJid, full: &str, mut who: Requester, now: Timestamp) {
        self.sessions.share(&mut who);
        self.rooms.change(jid, |room| {
            let since = room.occupants.get(full).map_or(now, |known| known.since);
            room.occupants.insert(full.into(), Box::new(Known { who, since }));
        });
    }

    /// Removes one session of an occupant whose other sessions stay.
    pub fn session_left(&mut self, jid: &BareJid, full: &str) {
        self.rooms.change(jid, |room| room.occupants.remove(full));
    }

    /// Adds a person to the lobby.
    pub fn waits(&mut self, jid: &BareJid, mut who: Requester, now: Timestamp) {
        self.sessions.share(&mut who);
        if let Some(bare) = who.jid.clone() {
            let known = Box::new(Known { who, since: now });
            self.rooms.change(jid, |room| room.waiting.insert(bare, known));
        }
    }

    /// Removes a person from the lobby.
    pub fn gone(&mut self, jid: &BareJid, who: &Requester) {
        if let Some(bare) = &who.jid {
            self.rooms.change(jid, |room| room.waiting.remove(bare));
        }
    }

    /// Changes the affiliation of a person and, where the nick is reported, the role. Adds no occupant.
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
                // A role belongs to a nick: it applies to this session, and to others with the same nick.
                if **address == *full || is_same_seat(known, who) {
                    known.nick.clone_from(&who.nick);
                    known.role = who.role;
                }
            }
        });
    }

    /// Removes an occupant, with every session of that nick.
    pub fn left(
        &mut self,
        policy: &Policy,
        jid: &BareJid,
        full: &str,
        who: &Requester,
        now: Timestamp,
    ) {
        self.may_end_moderation(policy, jid, now, |room| {
            room.occupants.retain(|address, known| {
                **address != *full && (who.nick.is_empty() || !is_same_seat(&known.who, who))
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
        self.rooms.change(jid, |room| {
            let was_moderated = room.is_moderated(policy);
            change(room);
            if was_moderated && !room.is_moderated(policy) {
                room.moderated_until = Some(now);
            }
        });
    }

    /// Counts a refused join of a room, if it is known.
    pub(super) fn refused(&mut self, jid: &BareJid, refused: Refused, now: Timestamp) {
        self.rooms.refused(jid, refused, now);
    }

    /// Returns another room of the same service whose name looks like that of this one.
    pub fn like(&self, jid: &BareJid) -> Option<&BareJid> {
        self.rooms.like(jid)
    }

    /// Removes a room that has ended.
    pub fn destroyed(&mut self, jid: &BareJid) {
        self.rooms.remove(jid);
    }

    /// Takes a room as it was read. Where it `is_older` than what was decided since, the known record stays.
    /// Returns the room as it was known before, if it is the same life of it.
    pub fn restore(
        &mut self,
        policy: &Policy,
        service: &Arc<str>,
        mut live: LiveRoom,
        is_older: bool,
        now: Timestamp,
    ) -> Option<Box<Room>> {
        let waiting = live.waiting.iter_mut().map(|(who, _)| who);
        live.occupants.iter_mut().chain(waiting).for_each(|who| self.sessions.share(who));
        let known = self.rooms.remove(&live.jid);
        let known = known.filter(|room| room.generation == live.generation);
        let view = match &known {
            Some(room) if is_older => room.view.clone(),
            _ => live.view,
        };
        let since = |known: Option<&Box<Known>>| known.map_or(now, |known| known.since);
        let inside = |full: &str| since(known.as_ref().and_then(|it| it.occupants.get(full)));
        let waited = |bare: &BareJid| since(known.as_ref().and_then(|it| it.waiting.get(bare)));
        let occupants = live.sessions.into_iter().zip(live.occupants);
        let occupants = occupants.map(|(full, who)| {
            let since = inside(&full);
            (full.into_boxed_str(), Box::new(Known { who, since }))
        });
        let waiting = live.waiting.into_iter().filter_map(|(who, since)| {
            let bare = who.jid.clone()?;
            let since = since.unwrap_or_else(|| waited(&bare));
            Some((bare, Box::new(Known { who, since })))
        });
        let rules = policy.rules_in(&live.jid, view.claims(), view.is_found());
        let mut room = Room {
            service: Arc::clone(service),
            generation: live.generation,
            rules,
            policy: self.policy,
            occupants: occupants.collect(),
            waiting: waiting.collect(),
            moderated_until: None,
            view,
            looks: NextLooks::default(),
            refused: known.as_ref().map(|room| room.refused.clone()).unwrap_or_default(),
        };
        let heard = known.as_ref().and_then(|room| room.moderated_until);
        room.moderated_until = heard.max(live.unmoderated_since).or_else(|| match &known {
            Some(known) if known.is_moderated(policy) && !room.is_moderated(policy) => Some(now),
            Some(_) => None,
            None => {
                // The opener of a room moderates it: where that is the rule, there was a moderator once.
                let is_open = |record: &Record| record.awaited.is_none() && !record.found;
                let opened = room.view.record.as_ref().is_some_and(is_open);
                let is_rule = room.rules.moderators.assign.value.contains(&Become::Opener);
                (opened && is_rule).then_some(now)
            }
        });
        self.rooms.put(live.jid, Box::new(room));
        known
    }

    /// Invalidates the rules of all rooms, because another policy is in force.
    pub(super) const fn policy_replaced(&mut self) {
        self.policy = self.policy.wrapping_add(1);
    }

    /// Chooses the rules of a room by the policy in force.
    pub(super) fn choose_rules(&mut self, policy: &Policy, jid: &BareJid) {
        if let Some(view) = self.rooms.get(jid).map(|room| room.view.clone()) {
            self.seen(policy, jid, view);
        }
    }

    /// Returns every room with its address, in the order of addresses.
    pub fn rooms(&self) -> impl Iterator<Item = (&BareJid, &Room)> {
        self.rooms.after(None)
    }

    /// Returns the room of which this is a breakout room or the visitors' room, if a person is in that one.
    pub fn main_of(&self, breakout: &BareJid) -> Option<&BareJid> {
        let mut rooms = self.rooms().filter(|(_, room)| {
            room.occupants.values().any(|known| known.who.breakout.as_deref() == Some(breakout))
        });
        rooms.next().map(|(jid, _)| jid)
    }

    /// Returns the number of known rooms.
    pub fn count_rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Returns a room, or `None` if it is not known.
    pub fn room(&self, jid: &BareJid) -> Option<&Room> {
        self.rooms.get(jid)
    }
}

/// How long a room that may be opened is expected; after that it no longer counts.
const PATIENCE: SignedDuration = SignedDuration::from_secs(15);
/// Most rooms that are expected at a time.
const MOST: usize = 10_000;

/// Records of rooms that may be opened and are not known yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected(HashMap<BareJid, (Record, Timestamp)>);

impl Expected {
    /// Expects a room that may be opened, with the record that it gets then.
    pub(super) fn expect(&mut self, room: &BareJid, record: Record, now: Timestamp) {
        self.0.retain(|_, (_, since)| now.duration_since(*since) < PATIENCE);
        if self.0.len() < MOST {
            self.0.insert(room.clone(), (record, now));
        }
    }

    /// Takes the record of a room that has opened.
    pub(super) fn take(&mut self, room: &BareJid) -> Option<Record> {
        self.0.remove(room).map(|(record, _)| record)
    }

    /// Returns the rooms that are still expected.
    pub(super) fn iter(&self, now: Timestamp) -> impl Iterator<Item = (&BareJid, &Record)> {
        self.0
            .iter()
            .filter(move |(_, (_, since))| now.duration_since(*since) < PATIENCE)
            .map(|(room, (record, _))| (room, record))
    }
}

/// An identifier of one person.
#[derive(PartialEq, Eq, Hash)]
enum Own<'a> {
    Address(&'a BareJid),
    Ticket(Mark),
}

/// Returns the number of people among these sessions. Sessions of one bare address, account or ticket are one person's;
/// a session of which nothing is known counts as one person. A device proves nothing, so it links no sessions.
pub fn count<'a>(sessions: impl IntoIterator<Item = &'a Requester>) -> usize {
    // The first session of each identifier; and for each session, the one that stands for it.
    let (mut firsts, mut stands_for) = (HashMap::new(), Vec::<usize>::new());
    let mut people = 0_usize;
    for (number, who) in sessions.into_iter().enumerate() {
        stands_for.push(number);
        people = people.saturating_add(1);
        let addresses = [who.jid.as_ref(), who.account.as_deref()].into_iter().flatten();
        let own = addresses.map(Own::Address).chain(who.ticket.map(Own::Ticket));
        for own in own {
            let first = *firsts.entry(own).or_insert(number);
            let (one, other) = (root(&stands_for, first), root(&stands_for, number));
            if one != other
                && let Some(stands_for) = stands_for.get_mut(other)
            {
                *stands_for = one;
                people = people.saturating_sub(1);
            }
        }
    }
    people
}

fn root(stands_for: &[usize], mut number: usize) -> usize {
    while let Some(&next) = stands_for.get(number)
        && next != number
    {
        number = next;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::{Affiliation, Auth, Role};
    use crate::xmpp::Document;

    const BARE: &str = "bob@example.org";

    fn bob(nick: &str, affiliation: Affiliation, role: Role) -> Requester {
        Requester {
            jid: "bob@example.org".parse().ok(),
            auth: Auth::Account,
            secure: Some(true),
            nick: nick.into(),
            affiliation,
            role,
            ..Requester::default()
        }
    }

    #[test]
    fn a_new_affiliation_is_no_new_occupant() {
        let (mut live, policy, now) =
            (RoomRegistry::default(), Policy::default(), Timestamp::UNIX_EPOCH);
        let tea: BareJid = "tea@conference.example.org".parse().unwrap();
        live.upsert(&policy, &Arc::from("conference.example.org"), &tea, "1");
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
    fn rooms_of_a_service_that_look_alike_are_known_while_both_are_open() {
        let (mut live, policy) = (RoomRegistry::default(), Policy::default());
        let room = |jid: &str| jid.parse::<BareJid>().unwrap();
        let open = |live: &mut RoomRegistry, jid: &BareJid| {
            live.upsert(&policy, &Arc::from(jid.domain()), jid, "1");
        };
        let dean = room("dean@conference.example.org");
        let fake = room("d\u{435}\u{430}n@conference.example.org");
        let elsewhere = room("dean@rooms.example.org");
        open(&mut live, &dean);
        open(&mut live, &elsewhere);
        assert_eq!(live.like(&dean), None);
        open(&mut live, &fake);
        assert_eq!((live.like(&dean), live.like(&fake)), (Some(&fake), Some(&dean)));
        assert_eq!(live.like(&elsewhere), None);
        live.destroyed(&fake);
        assert_eq!(live.like(&dean), None);
    }

    #[test]
    fn refused_joins_are_counted_at_known_rooms_only_and_stay_when_a_room_is_read_again() {
        let (mut live, policy) = (RoomRegistry::default(), Policy::default());
        let now = Timestamp::UNIX_EPOCH;
        let tea: BareJid = "tea@conference.example.org".parse().unwrap();
        let service = Arc::from("conference.example.org");
        let one = Refused { wrong_passwords: 1, ..Refused::default() };
        live.refused(&tea, one, now);
        live.upsert(&policy, &service, &tea, "1");
        live.refused(&tea, one, now);
        let reads = |generation| {
            let room = format!(
                "<room xmlns='urn:vestibule:gate:2' jid='{tea}' generation='{generation}' revision='1'/>"
            );
            LiveRoom::read(Document::parse(room.as_bytes(), "").unwrap().root()).unwrap()
        };
        live.restore(&policy, &service, reads("1"), false, now);
        assert_eq!(live.room(&tea).unwrap().refused(now), one);
        // Another life of the room begins without.
        live.restore(&policy, &service, reads("2"), false, now);
        assert_eq!(live.room(&tea).unwrap().refused(now), Refused::default());
    }

    #[test]
    fn a_room_is_without_a_moderator_from_the_moment_at_which_the_last_one_goes() {
        let (mut live, policy) = (RoomRegistry::default(), Policy::default());
        let at = |second| Timestamp::from_second(second).unwrap();
        let tea: BareJid = "tea@conference.example.org".parse().unwrap();
        let until = |live: &RoomRegistry| live.room(&tea).unwrap().moderated_until;
        let [owner, guest] =
            [(Affiliation::Owner, Role::Moderator), (Affiliation::None, Role::Participant)];
        live.upsert(&policy, &Arc::from("conference.example.org"), &tea, "1");
        live.joined(&tea, "bob@example.org/a", bob("Bob", owner.0, owner.1), at(1));
        live.joined(&tea, "bob@example.org/b", bob("Bob", owner.0, owner.1), at(2));
        live.joined(&tea, "bob@example.org/c", bob("B2", guest.0, guest.1), at(3));
        live.left(&policy, &tea, "bob@example.org/c", &bob("B2", guest.0, guest.1), at(4));
        assert_eq!(until(&live), None);
        // Of several sessions with one nick only the last is reported.
        live.left(&policy, &tea, "bob@example.org/b", &bob("Bob", owner.0, owner.1), at(5));
        assert_eq!(until(&live), Some(at(5)));
        assert!(live.room(&tea).unwrap().occupants.is_empty());

        live.joined(&tea, "bob@example.org/a", bob("Bob", owner.0, owner.1), at(6));
        live.changed(&policy, &tea, "bob@example.org/a", &bob("Bob", guest.0, guest.1), at(7));
        assert_eq!(until(&live), Some(at(7)));
        live.upsert(&policy, &Arc::from("conference.example.org"), &tea, "2");
        assert_eq!(until(&live), None);
    }

    fn session(jid: &str, account: Option<&str>, ticket: Option<&str>) -> Requester {
        Requester {
            jid: jid.parse().ok(),
            account: account.and_then(|account| account.parse().ok()).map(Box::new),
            ticket: ticket.map(|ticket| Mark::of("ticket", ticket)),
            device: Some(Mark::of("device", "the same for all")),
            ..Requester::default()
        }
    }

    #[test]
    fn people_who_logged_in_alike_share_a_session_in_memory() {
        let mut live = RoomRegistry::default();
        let (policy, now) = (Policy::default(), Timestamp::UNIX_EPOCH);
        let tea: BareJid = "tea@conference.example.org".parse().unwrap();
        live.upsert(&policy, &Arc::from("conference.example.org"), &tea, "1");
        let joins = |live: &mut RoomRegistry, full: &str, host: &str| {
            let session = Session { host: host.into(), ..Session::default() };
            let who = Requester { session: Some(session.into()), ..Requester::default() };
            live.joined(&tea, full, who, now);
        };
        let of = |live: &RoomRegistry, full: &str| {
            live.room(&tea).unwrap().occupants[full].who.session.clone().unwrap()
        };
        joins(&mut live, "ann@example.org/a", "example.org");
        joins(&mut live, "bob@example.org/a", "example.org");
        joins(&mut live, "x@guest.example.org/a", "guest.example.org");
        let [ann, bob] = ["ann@example.org/a", "bob@example.org/a"].map(|full| of(&live, full));
        assert!(Arc::ptr_eq(&ann, &bob));
        assert_eq!(of(&live, "x@guest.example.org/a").host, "guest.example.org");
        for number in 0..2 * MOST_SESSIONS {
            joins(&mut live, "ann@example.org/b", &format!("{number}.example.org"));
        }
        assert_eq!(live.sessions.0.len(), MOST_SESSIONS);
    }

    #[test]
    fn sessions_of_one_address_account_or_ticket_are_one_person() {
        let ann = [
            session("ann@example.org", None, None),
            session("x1@guest.example.org", Some("ann@example.org"), Some("t1")),
            session("x2@guest.example.org", None, Some("t1")),
        ];
        assert_eq!(count(&ann), 1);
        assert_eq!(count(ann.iter().rev()), 1);
        // The session that links the others comes last.
        let bob = [
            session("y1@guest.example.org", None, Some("t2")),
            session("bob@example.org", None, None),
            session("y2@guest.example.org", Some("bob@example.org"), Some("t2")),
        ];
        assert_eq!(count(&bob), 1);
        assert_eq!(count(ann.iter().chain(&bob)), 2);
    }

    #[test]
    fn a_device_makes_nobody_one_with_another_and_who_is_unknown_counts() {
        let unknown = Requester::default();
        let guests =
            ["a@guest.example.org", "b@guest.example.org"].map(|jid| session(jid, None, None));
        assert_eq!(count(guests.iter().chain([&unknown, &unknown])), 4);
        assert_eq!(count([]), 0);
    }
}
