//! Recent visitors of rooms: for commands about people who have just left or were refused.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use crate::jid::BareJid;
use crate::policy::attempt::Requester;
use crate::policy::removal::Proof;

/// Most people of one room.
const MOST_OF_ROOM: usize = 100;
/// Most people of all rooms.
const MOST: usize = 20_000;

/// The last event of a person at a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Left, or gave up waiting.
    Left,
    /// Was refused, as one who was removed.
    Refused,
}

/// A recent visitor.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The requester, with the marks of that time.
    pub who: Requester,
    /// The last event.
    pub last: Last,
    /// The proof of their identity.
    pub proof: Proof,
    /// The time.
    pub at: Timestamp,
}

/// The people who were at each room lately, the last first; bounded: those of the weakest proof go, of these the oldest.
#[derive(Debug, Default)]
pub struct Lately {
    rooms: HashMap<BareJid, VecDeque<Box<Seen>>>,
    count: usize,
}

impl Lately {
    /// Notes that a person was at a room.
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

    /// Forgets the room that nobody was seen at for the longest time, other than `room`; false: there is none.
    fn forget_oldest(&mut self, room: &BareJid) -> bool {
        let others = self.rooms.iter().filter(|(other, _)| *other != room);
        let oldest = others.min_by_key(|(_, seen)| seen.front().map(|one| one.at));
        let Some(oldest) = oldest.map(|(jid, _)| jid.clone()) else { return false };
        self.forget(&oldest);
        true
    }

    /// The room is no more.
    pub fn forget(&mut self, room: &BareJid) {
        let gone = self.rooms.remove(room).map_or(0, |seen| seen.len());
        self.count = self.count.saturating_sub(gone);
    }

    /// Everybody of that address who was at any room.
    pub fn everywhere<'a>(&'a self, jid: &'a BareJid) -> impl Iterator<Item = &'a Requester> {
        let seen = self.rooms.values().flatten().map(|seen| &seen.who);
        seen.filter(move |who| who.jid.as_ref() == Some(jid))
    }

    /// Returns who was at that room, the last first.
    pub fn of(&self, room: &BareJid) -> impl Iterator<Item = &Seen> {
        self.rooms.get(room).into_iter().flatten().map(|seen| &**seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
