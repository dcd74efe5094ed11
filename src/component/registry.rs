//! The registry of known rooms. Every change of a room goes through `Registry::change`, which schedules a look at the
//! room, so that no change is missed; only the counts of refused joins, from which nothing follows, do not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use smol_str::SmolStr;

use super::counters::{RecentlyRefused, Refused};
use super::room_registry::Known;
use crate::jid::BareJid;
use crate::metrics::Labels;
use crate::policy::attempt::{Namesake, Requester, RoomView};
use crate::policy::names::{Looks, room_look};
use crate::policy::record::{Claim, Proof, Record};
use crate::policy::succession::is_moderator;
use crate::policy::{Policy, Rules};

/// A room, as it is known from its gate's reports.
#[derive(Clone, Debug)]
pub struct Room {
    /// Domain of the service that hosts the room.
    pub service: Arc<str>,
    /// Identifies this life of the room: one that ends and is opened again gets another.
    pub generation: SmolStr,
    /// Rules for the room by the policy of number `policy`, chosen by the claims of its opener.
    pub(super) rules: Arc<Rules>,
    pub(super) policy: u64,
    /// Sessions inside, by full JID.
    pub occupants: HashMap<Box<str>, Box<Known>>,
    /// People in the lobby, by bare JID.
    pub waiting: HashMap<BareJid, Box<Known>>,
    /// When the last moderator left or ceased to be one; `None` if that is not known to have happened.
    pub moderated_until: Option<Timestamp>,
    /// State of the room by the last report.
    pub view: RoomView,
    pub(super) looks: NextLooks,
    pub(super) refused: RecentlyRefused,
}

impl Room {
    /// Returns the joins that were refused in the last five minutes.
    pub fn refused(&self, now: Timestamp) -> Refused {
        self.refused.count(now)
    }

    /// Returns since when the person who has waited longest waits, or `None` if nobody waits.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        self.waiting.values().map(|known| known.since).min()
    }

    /// Returns the claims of its opener by which the rules for the room were chosen.
    pub fn claims(&self) -> &[Claim] {
        self.view.claims()
    }

    /// Returns whether a moderator is inside.
    pub fn is_moderated(&self, policy: &Policy) -> bool {
        self.occupants.values().any(|known| is_moderator(policy, &known.who))
    }

    /// Returns the number of sessions inside and people in the lobby.
    pub fn sessions(&self) -> usize {
        self.occupants.len().saturating_add(self.waiting.len())
    }
}

names! {
    /// A task that looks at rooms which are due or have changed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Watch {
        /// Timers of the policy.
        Timers = "timers",
        /// Succession in rooms without a moderator.
        Succession = "succession",
    }
}

impl Watch {
    /// Returns the label of the watcher in the metrics.
    pub(super) const fn label(self) -> Labels<1> {
        [("watch", self.name())]
    }
}

/// A value for each watcher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watches<T> {
    timers: T,
    succession: T,
}

impl<T> Watches<T> {
    /// Returns the value of one watcher.
    pub const fn of(&self, watch: Watch) -> &T {
        match watch {
            Watch::Timers => &self.timers,
            Watch::Succession => &self.succession,
        }
    }

    /// Returns the value of one watcher, to be changed.
    pub const fn of_mut(&mut self, watch: Watch) -> &mut T {
        match watch {
            Watch::Timers => &mut self.timers,
            Watch::Succession => &mut self.succession,
        }
    }
}

/// When each watcher looks at a room next; `None`: not before the room changes.
pub(super) type NextLooks = Watches<Option<Timestamp>>;

/// All known rooms, and when to look at each.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    /// Sorted by address, so that they can be walked a part at a time.
    rooms: BTreeMap<BareJid, Box<Room>>,
    /// Rooms by the time of their next look. A room that has changed or ended comes first.
    due: Due,
    opened: Opened,
    /// Rooms by the look of their names.
    alike: BTreeSet<(SmolStr, BareJid)>,
}

type Due = Watches<BTreeSet<(Timestamp, BareJid)>>;

/// Schedules a watcher's look at a room by that time at the latest.
fn schedule(due: &mut Due, room: &mut Room, (watch, jid): (Watch, &BareJid), at: Timestamp) {
    let next = room.looks.of_mut(watch);
    if next.is_none_or(|next| at < next) {
        let queue = due.of_mut(watch);
        if let Some(before) = next.replace(at) {
            queue.remove(&(before, jid.clone()));
        }
        queue.insert((at, jid.clone()));
    }
}

fn look(jid: &BareJid) -> SmolStr {
    room_look(jid.node().unwrap_or_default())
}

impl Registry {
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(super) fn get(&self, jid: &BareJid) -> Option<&Room> {
        self.rooms.get(jid).map(|room| &**room)
    }

    /// Returns the rooms after an address, in the order of addresses.
    pub(super) fn after(&self, jid: Option<&BareJid>) -> impl Iterator<Item = (&BareJid, &Room)> {
        let from = jid.map_or(Bound::Unbounded, Bound::Excluded);
        let rooms = self.rooms.range::<BareJid, _>((from, Bound::Unbounded));
        rooms.map(|(jid, room)| (jid, &**room))
    }

    /// Changes a room, if it is known, and schedules a look at it.
    pub(super) fn change<T>(
        &mut self,
        jid: &BareJid,
        change: impl FnOnce(&mut Room) -> T,
    ) -> Option<T> {
        let room = self.rooms.get_mut(jid)?;
        let before = room.view.record.as_ref().map(|it| (it.opener.clone(), it.found));
        let changed = change(room);
        let record = room.view.record.as_ref();
        let before = before.as_ref().map(|(opener, found)| (opener, *found));
        if before != record.map(|it| (&it.opener, it.found)) {
            self.opened.remove(before);
            self.opened.add(record);
        }
        for watch in Watch::ALL {
            schedule(&mut self.due, room, (watch, jid), Timestamp::MIN);
        }
        Some(changed)
    }

    /// Adds a room, or replaces what was known of it.
    pub(super) fn put(&mut self, jid: BareJid, room: Box<Room>) {
        self.remove(&jid);
        self.opened.add(room.view.record.as_ref());
        self.alike.insert((look(&jid), jid.clone()));
        self.rooms.insert(jid.clone(), Box::new(Room { looks: NextLooks::default(), ..*room }));
        for watch in Watch::ALL {
            self.look_by(watch, &jid, Timestamp::MIN);
        }
    }

    /// Removes a room. Each watcher learns that it is gone at its next look.
    pub(super) fn remove(&mut self, jid: &BareJid) -> Option<Box<Room>> {
        let room = self.rooms.remove(jid)?;
        self.opened.remove(room.view.record.as_ref().map(|it| (&it.opener, it.found)));
        self.alike.remove(&(look(jid), jid.clone()));
        for watch in Watch::ALL {
            if let Some(at) = room.looks.of(watch) {
                self.due.of_mut(watch).remove(&(*at, jid.clone()));
            }
            self.due.of_mut(watch).insert((Timestamp::MIN, jid.clone()));
        }
        Some(room)
    }

    /// Counts a refused join of a room, if it is known. No look follows: there may be very many.
    pub(super) fn refused(&mut self, jid: &BareJid, refused: Refused, now: Timestamp) {
        if let Some(room) = self.rooms.get_mut(jid) {
            room.refused.add(refused, now);
        }
    }

    /// Returns another room of the service whose name looks like that of this one.
    pub(super) fn like(&self, jid: &BareJid) -> Option<&BareJid> {
        let own = (look(jid), jid.clone());
        let is_like = |(look, _): &&(SmolStr, BareJid)| *look == own.0;
        let before = self.alike.range(..&own).rev().take_while(is_like);
        let after = self.alike.range((Bound::Excluded(&own), Bound::Unbounded)).take_while(is_like);
        let mut others = before.chain(after).map(|(_, other)| other);
        others.find(|other| other.domain() == jid.domain())
    }

    /// Schedules a look at a room by that time at the latest; returns whether the room is known.
    pub(super) fn look_by(&mut self, watch: Watch, jid: &BareJid, at: Timestamp) -> bool {
        let Some(room) = self.rooms.get_mut(jid) else { return false };
        schedule(&mut self.due, room, (watch, jid), at);
        true
    }

    /// Returns when the next room is due for this watcher.
    pub(super) fn next_look(&self, watch: Watch) -> Option<Timestamp> {
        self.due.of(watch).first().map(|(at, _)| *at)
    }

    /// Takes the next room that is due, and clears the time of its next look.
    pub(super) fn take(&mut self, watch: Watch, now: Timestamp) -> Option<BareJid> {
        let queue = self.due.of_mut(watch);
        let (_, jid) =
            queue.first().is_some_and(|(at, _)| *at <= now).then(|| queue.pop_first())??;
        if let Some(room) = self.rooms.get_mut(&jid) {
            *room.looks.of_mut(watch) = None;
        }
        Some(jid)
    }

    /// Returns how many rooms people opened, without these services and rooms found; and how many rooms `opener` has.
    pub(super) fn opened<'a>(
        &self,
        services: impl Iterator<Item = &'a BareJid>,
        opener: &BareJid,
    ) -> (usize, usize) {
        let by = |who: &BareJid| self.opened.by.get(who.as_str()).copied().unwrap_or_default();
        let by_services = services.map(|jid| by(jid).new).fold(0, usize::saturating_add);
        let found = self.opened.found.saturating_add(by_services);
        (self.rooms.len().saturating_sub(found), by(opener).all)
    }
}

/// Number of rooms of one opener.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: usize,
    /// Rooms that did not exist before the policy.
    new: usize,
}

/// The number of rooms by opener.
#[derive(Clone, Debug, Default)]
struct Opened {
    by: HashMap<SmolStr, Count>,
    /// Rooms that existed before the policy.
    found: usize,
}

impl Opened {
    fn add(&mut self, record: Option<&Record>) {
        let Some(record) = record else { return };
        let new = usize::from(!record.found);
        self.found = self.found.saturating_add(usize::from(record.found));
        let count = self.by.entry(record.opener.clone()).or_default();
        count.all = count.all.saturating_add(1);
        count.new = count.new.saturating_add(new);
    }

    /// Takes away a room by its opener, and whether it existed before the policy.
    fn remove(&mut self, record: Option<(&SmolStr, bool)>) {
        let Some((opener, found)) = record else { return };
        self.found = self.found.saturating_sub(usize::from(found));
        let Some(count) = self.by.get_mut(opener) else { return };
        count.all = count.all.saturating_sub(1);
        count.new = count.new.saturating_sub(usize::from(!found));
        if count.all == 0 {
            self.by.remove(opener);
        }
    }
}

impl Room {
    /// Returns the highest role, at least `least`, of another person inside whose name looks like one of this person's.
    /// Sessions of the same account, ticket or device are the same person.
    pub fn namesake(&self, policy: &Policy, who: &Requester, least: Namesake) -> Option<Namesake> {
        let others = self.occupants.values().map(|known| &known.who);
        let others = others.filter_map(|other| {
            let is = match is_moderator(policy, other) {
                true => Namesake::Moderator,
                false => Namesake::Occupant,
            };
            (is >= least && !is_same(other, who)).then_some((other, is))
        });
        let mut others = others.peekable();
        others.peek()?;
        let look = |name: &SmolStr| (!name.is_empty()).then(|| Looks::of(name));
        let asked = [look(&who.nick), look(&who.name)];
        let alike = others.filter(|(other, _)| {
            let mut names = [&other.nick, &other.name].into_iter().filter(|name| !name.is_empty());
            names.any(|name| asked.iter().flatten().any(|asked| asked.is_look_of(name)))
        });
        alike.map(|(_, is)| is).max()
    }
}

/// Returns for each of the `asked` whose name theirs looks like: the highest role among other people `inside`. Services
/// have no look-alikes and are none.
pub fn namesakes<'a>(
    policy: &Policy,
    inside: impl Iterator<Item = &'a Requester>,
    asked: impl Iterator<Item = &'a Requester>,
) -> Vec<Option<Namesake>> {
    let looks = |who: &Requester| {
        let names = [&who.nick, &who.name].into_iter().filter(|name| !name.is_empty());
        names
            .flat_map(|name| Looks::of(name).keys().cloned().collect::<Vec<_>>())
            .collect::<BTreeSet<_>>()
    };
    let mut alike: HashMap<SmolStr, Vec<(Namesake, &Requester)>> = HashMap::new();
    let serves =
        |who: &Requester| who.jid.as_ref().is_some_and(|jid| policy.services.contains_key(jid));
    for who in inside.filter(|who| !serves(who)) {
        let is = match is_moderator(policy, who) {
            true => Namesake::Moderator,
            false => Namesake::Occupant,
        };
        looks(who).into_iter().for_each(|key| alike.entry(key).or_default().push((is, who)));
    }
    // Moderators first: mostly the first other person decides.
    alike.values_mut().for_each(|those| those.sort_by_key(|(is, _)| Reverse(*is)));
    let of = |who: &Requester| {
        let those = looks(who).into_iter().filter_map(|key| alike.get(&key));
        let others = those.filter_map(|those| those.iter().find(|(_, it)| !is_same(it, who)));
        others.map(|(is, _)| *is).max()
    };
    asked.map(|who| if serves(who) { None } else { of(who) }).collect()
}

/// Returns whether both are one person: by address, account, client ticket or device.
fn is_same(one: &Requester, other: &Requester) -> bool {
    fn both<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
        one.is_some() && one == other
    }
    fn account(who: &Requester) -> Option<&BareJid> {
        who.account.as_deref().or(who.jid.as_ref())
    }
    both(one.jid.as_ref(), other.jid.as_ref())
        || both(account(one), account(other))
        || both(one.ticket.as_ref(), other.ticket.as_ref())
        || both(one.device.as_ref(), other.device.as_ref())
}

/// Most people remembered per room, for each kind of last event.
const MOST_OF_ROOM: usize = 100;
/// Most people remembered over all rooms.
const MOST: usize = 20_000;

/// The last event of a person at a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Left the room, or stopped waiting.
    Left,
    /// Was refused because they had been removed before.
    Refused,
}

/// A person who was recently at a room.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The person, with the fingerprints that they had then.
    pub who: Requester,
    /// What happened last: they left, or were refused.
    pub last: Last,
    /// How well their identity was proved.
    pub proof: Proof,
    /// When it happened.
    pub at: Timestamp,
}

/// People who were recently at each room, latest first. Bounded: of the weakest proof, the oldest are dropped first.
#[derive(Debug, Default)]
pub struct Lately {
    rooms: HashMap<BareJid, VecDeque<Box<Seen>>>,
    count: usize,
}

impl Lately {
    /// Records that a person was at a room.
    pub fn note(
        &mut self,
        room: &BareJid,
        (who, proof): (Requester, Proof),
        last: Last,
        at: Timestamp,
    ) {
        if who.jid.is_none() {
            return;
        }
        let seen = self.rooms.entry(room.clone()).or_default();
        let before = seen.len();
        seen.retain(|one| one.last != last || one.who.jid != who.jid);
        seen.push_front(Box::new(Seen { who, last, proof, at }));
        // Refusals alone must not push out those who were inside.
        let alike = || seen.iter().enumerate().filter(|(_, one)| one.last == last);
        if alike().count() > MOST_OF_ROOM
            && let Some((weakest, _)) = alike().rev().min_by_key(|(_, one)| one.proof)
        {
            seen.remove(weakest);
        }
        self.count = self.count.saturating_add(seen.len()).saturating_sub(before);
        while self.count > MOST && self.forget_oldest(room) {}
    }

    /// Forgets the room, other than `room`, where nobody was seen for the longest time; returns false if there is none.
    fn forget_oldest(&mut self, room: &BareJid) -> bool {
        let others = self.rooms.iter().filter(|(other, _)| *other != room);
        let oldest = others.min_by_key(|(_, seen)| seen.front().map(|one| one.at));
        let Some(oldest) = oldest.map(|(jid, _)| jid.clone()) else { return false };
        self.forget(&oldest);
        true
    }

    /// Forgets the people of a room that has ended.
    pub fn forget(&mut self, room: &BareJid) {
        let gone = self.rooms.remove(room).map_or(0, |seen| seen.len());
        self.count = self.count.saturating_sub(gone);
    }

    /// Returns the people with that address who were recently at any room.
    pub fn everywhere<'a>(&'a self, jid: &'a BareJid) -> impl Iterator<Item = &'a Requester> {
        let seen = self.rooms.values().flatten().map(|seen| &seen.who);
        seen.filter(move |who| who.jid.as_ref() == Some(jid))
    }

    /// Returns the people who were recently at that room, latest first.
    pub fn of(&self, room: &BareJid) -> impl Iterator<Item = &Seen> {
        self.rooms.get(room).into_iter().flatten().map(|seen| &**seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::Role;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn person(number: usize) -> Requester {
        Requester { jid: format!("p{number}@example.org").parse().ok(), ..Requester::default() }
    }

    fn room(number: usize) -> BareJid {
        format!("r{number}@rooms.example.org").parse().unwrap()
    }

    #[test]
    fn a_look_alike_is_one_of_another_person_inside() {
        let mut policy = Policy::default();
        policy.services.insert("focus@example.org".parse().unwrap(), 1);
        let who = |jid: &str, name: &str, role| Requester {
            jid: jid.parse().ok(),
            nick: format!("45fc3d31{jid}").into(),
            name: name.into(),
            role,
            ..Requester::default()
        };
        let inside = [
            who("focus@example.org", "Ann", Role::Moderator),
            who("a@example.org", "Ann", Role::Moderator),
            who("a@example.org", "Ann", Role::Participant),
            who("b@example.org", "\u{410}nn", Role::Participant),
            who("c@example.org", "Carol", Role::Participant),
        ];
        let waits = who("d@example.org", "CAROL", Role::None);
        let asked = inside.iter().chain([&waits]);
        let found = namesakes(&policy, inside.iter(), asked);
        let (moderator, occupant) = (Some(Namesake::Moderator), Some(Namesake::Occupant));
        assert_eq!(found, [None, occupant, occupant, moderator, None, occupant]);
    }

    #[test]
    fn the_last_of_a_room_are_kept_each_once_and_refusals_push_out_nobody_who_was_inside() {
        let mut lately = Lately::default();
        lately.note(&room(0), (person(0), Proof::Account), Last::Left, at(0));
        for number in 0..3 * MOST_OF_ROOM {
            lately.note(&room(0), (person(number), Proof::Account), Last::Refused, at(1));
            lately.note(&room(0), (person(number), Proof::Account), Last::Refused, at(2));
        }
        let refused = lately.of(&room(0)).filter(|seen| seen.last == Last::Refused).count();
        assert_eq!((refused, lately.count), (MOST_OF_ROOM, MOST_OF_ROOM + 1));
        let left: Vec<_> = lately.of(&room(0)).filter(|seen| seen.last == Last::Left).collect();
        assert_eq!(left[0].who, person(0));
        lately.forget(&room(0));
        assert_eq!((lately.of(&room(0)).count(), lately.count), (0, 0));
    }

    #[test]
    fn guests_push_out_no_account() {
        let mut lately = Lately::default();
        lately.note(&room(0), (person(0), Proof::Account), Last::Left, at(0));
        for number in 1..5 * MOST_OF_ROOM {
            lately.note(&room(0), (person(number), Proof::Guest), Last::Left, at(1));
        }
        let kept: Vec<_> = lately.of(&room(0)).map(|seen| &seen.who).collect();
        assert_eq!(kept.len(), MOST_OF_ROOM);
        assert!(kept.contains(&&person(0)) && kept.contains(&&person(5 * MOST_OF_ROOM - 1)));
        assert!(!kept.contains(&&person(1)));
    }

    #[test]
    fn of_many_rooms_those_without_visitors_are_forgotten_first() {
        let mut lately = Lately::default();
        for number in 0..=MOST {
            let who = (person(0), Proof::Account);
            lately.note(&room(number), who, Last::Left, at(number.try_into().unwrap()));
        }
        assert_eq!(lately.count, MOST);
        assert_eq!(lately.of(&room(0)).count(), 0);
        assert_eq!(lately.of(&room(MOST)).count(), 1);
    }
}
