//! Counters of wrong passwords, knocks, and strangers who join a room. In memory: a restart resets them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::jid::BareJid;
use crate::policy::attempt::{Action, Attempt, Auth, Credential, Place, Pressure};
use crate::policy::denial::Denial;
use crate::policy::fingerprint::Mark;
use crate::policy::limits::Limits;
use crate::policy::password::Guesses;
use crate::policy::verdict::{Decision, Verdict};
use crate::policy::{Policy, Rules};

/// Most entries of each table. When it is full, expired entries are dropped; if there are none, new ones are not
/// counted, but the limit per room still holds.
const MOST: usize = 100_000;
/// Number of attempt ids that are remembered, so that an attempt that is sent again is not counted twice.
const REMEMBERED: usize = 10_000;

/// The key of a counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// An IPv4 address or IPv6 /64.
    Network(IpAddr),
    /// An account; for knocks, any bare JID.
    Jid(BareJid),
    /// The account of a gateway, for all of its callers: each new call has a JID of its own.
    Gateway(BareJid),
    /// The ticket of a client, which stays the same when its address changes.
    Ticket(Mark),
}

/// Number of callers of one gateway who may knock at a room as often as one person may, before all of them have to wait.
const CALLS: u32 = 10;

impl Subject {
    /// Returns how often the subject may knock where one person may do so `max_knocks` times.
    const fn knocks(&self, max_knocks: u32) -> u32 {
        match self {
            Self::Gateway(_) => max_knocks.saturating_mul(CALLS),
            Self::Network(_) | Self::Jid(_) | Self::Ticket(_) => max_knocks,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    count: u32,
    last: Timestamp,
    until: Timestamp,
}

impl Tally {
    const fn new(now: Timestamp) -> Self {
        Self { count: 0, last: now, until: now }
    }
}

/// Counters of wrong passwords and of knocks, by network, account and client ticket, and by room.
#[derive(Debug, Default)]
pub struct Counters {
    guesses: HashMap<Subject, Tally>,
    /// Guesses of many people: by room, and by account of a gateway.
    rooms: HashMap<BareJid, Tally>,
    knocks: HashMap<(BareJid, Subject), Tally>,
    counted: HashSet<String>,
    order: VecDeque<String>,
}

impl Counters {
    /// Returns how long the requester must wait, by the counters; no wait for anything but a join.
    pub fn pressure(
        &self,
        policy: &Policy,
        attempt: &Attempt,
        rules: &Rules,
        now: Timestamp,
    ) -> Pressure {
        let (Action::Join { credential }, Some(room)) = (&attempt.action, &attempt.room) else {
            return Pressure::default();
        };
        let mut pressure = Pressure::default();
        if *credential != Credential::None && !self.guesses.is_empty() {
            pressure.guesses = subjects(policy, attempt, false)
                .filter_map(|subject| wait(self.guesses.get(&subject), now))
                .max();
        }
        let shared = [Some(room), attempt.requester.gateway.as_deref()].into_iter().flatten();
        pressure.room = shared.filter_map(|of| wait(self.rooms.get(of), now)).max();
        if !self.knocks.is_empty() {
            let window = rules.lobby.max_knocks_per.value;
            pressure.knocks = subjects(policy, attempt, true)
                .filter_map(|subject| {
                    let most = subject.knocks(rules.lobby.max_knocks.value);
                    let tally = self.knocks.get(&(room.clone(), subject))?;
                    (tally.count >= most).then_some(tally)
                })
                .filter_map(|tally| left(later(tally.last, window), now))
                .max();
        }
        pressure
    }

    /// Counts an attempt: as a wrong password or as a knock, by its denial. A `guess` is a wrong password that was not
    /// refused as one.
    pub fn count(
        &mut self,
        policy: &Policy,
        attempt: &Attempt,
        (denial, guess): (Option<Denial>, bool),
        rules: &Rules,
        now: Timestamp,
    ) {
        let Some(room) = &attempt.room else { return };
        let is_guess = guess || denial == Some(Denial::PasswordWrong);
        let is_knock = matches!(denial, Some(Denial::Lobby | Denial::NotOpenYet));
        if !(is_guess || is_knock) || !self.is_new(&attempt.id) {
            return;
        }
        if is_guess {
            let limits = &rules.password.guesses;
            make_space(&mut self.guesses, limits.reset_after.value, now);
            for subject in subjects(policy, attempt, false) {
                add(&mut self.guesses, subject, limits.burst.value, limits, now);
            }
            make_space(&mut self.rooms, limits.reset_after.value, now);
            for of in [Some(room), attempt.requester.gateway.as_deref()].into_iter().flatten() {
                add(&mut self.rooms, of.clone(), limits.room_burst.value, limits, now);
            }
        }
        if is_knock {
            let window = rules.lobby.max_knocks_per.value;
            make_space(&mut self.knocks, window, now);
            for subject in subjects(policy, attempt, true) {
                add_knock(&mut self.knocks, (room.clone(), subject), window, now);
            }
        }
    }

    fn is_new(&mut self, id: &str) -> bool {
        if !self.counted.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.counted.remove(&oldest);
        }
        true
    }
}

/// Returns the subjects that an attempt counts for. Loopback addresses are left out, and those of a gateway: everyone who
/// comes through a web server on this machine, or calls, would share one. So are anonymous JIDs unless `any_jid`: each session has a new one.
fn subjects<'a>(
    policy: &Policy,
    attempt: &'a Attempt,
    any_jid: bool,
) -> impl Iterator<Item = Subject> + use<'a> {
    let who = &attempt.requester;
    let identity = policy.identify(who, Place::ANY);
    let network = who
        .address
        .filter(|address| identity.gateway.is_none() && !address.to_canonical().is_loopback());
    let network = network.map(self::network);
    let known = matches!(identity.auth, Auth::Account | Auth::Token | Auth::Server)
        || identity.gateway.is_some();
    let own = who.jid.as_ref().filter(|_| known || any_jid);
    let jid = identity.account.or(own).cloned().map(Subject::Jid);
    let ticket = who.ticket.map(Subject::Ticket);
    let gateway = identity.gateway.filter(|_| any_jid).cloned().map(Subject::Gateway);
    network.into_iter().chain(jid).chain(ticket).chain(gateway)
}

fn network(address: IpAddr) -> Subject {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 32 } else { 64 };
    Subject::Network(IpNet::new(address, bits).map_or(address, |net| net.network()))
}

fn wait(tally: Option<&Tally>, now: Timestamp) -> Option<Duration> {
    left(tally?.until, now)
}

fn left(until: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(until.duration_since(now)).ok().filter(|left| !left.is_zero())
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| at.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

fn add<K: Hash + Eq>(
    tallies: &mut HashMap<K, Tally>,
    key: K,
    free: u32,
    limits: &Guesses,
    now: Timestamp,
) {
    let Some(tally) = tally(tallies, key, now) else { return };
    if later(tally.last, limits.reset_after.value) < now {
        tally.count = 0;
    }
    tally.count = tally.count.saturating_add(1);
    tally.last = now;
    if let Some(delay) = limits.delay_after(tally.count, free) {
        tally.until = later(now, delay);
    }
}

fn add_knock(
    tallies: &mut HashMap<(BareJid, Subject), Tally>,
    key: (BareJid, Subject),
    window: Duration,
    now: Timestamp,
) {
    let Some(tally) = tally(tallies, key, now) else { return };
    // For knocks, `last` is the beginning of the window.
    if later(tally.last, window) <= now {
        *tally = Tally::new(now);
    }
    tally.count = tally.count.saturating_add(1);
}

/// Returns the tally of a key, created if the table is not full.
fn tally<K: Hash + Eq>(
    tallies: &mut HashMap<K, Tally>,
    key: K,
    now: Timestamp,
) -> Option<&mut Tally> {
    if tallies.len() >= MOST && !tallies.contains_key(&key) {
        return None;
    }
    Some(tallies.entry(key).or_insert(Tally::new(now)))
}

fn make_space<K>(tallies: &mut HashMap<K, Tally>, forget: Duration, now: Timestamp) {
    if tallies.len() >= MOST {
        tallies.retain(|_, tally| tally.until > now || later(tally.last, forget) > now);
    }
}

/// The time in which refused joins are counted, in seconds, and the number and length of its slices.
const WINDOW: i64 = 300;
const SLICES: usize = 10;
const SLICE: i64 = 30;

/// Joins of a room that ended in no entry in the last five minutes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Refused {
    /// Wrong passwords.
    pub wrong_passwords: u32,
    /// Times that a person without a password was asked for it.
    pub asked: u32,
    /// Denials.
    pub denied: u32,
}

impl Refused {
    /// Returns how a join that was decided like this counts; nothing if it ended in the room or in its lobby. A
    /// `guess` is a wrong password that was not refused as one.
    pub(super) fn of(attempt: &Attempt, decision: &Decision, guess: bool) -> Self {
        let mut refused = Self::default();
        if !matches!(attempt.action, Action::Join { .. }) {
            return refused;
        }
        match decision.verdict {
            _ if guess || decision.denial == Some(Denial::PasswordWrong) => {
                refused.wrong_passwords = 1;
            }
            Verdict::Prompt => refused.asked = 1,
            Verdict::Deny => refused.denied = 1,
            Verdict::Allow | Verdict::Hold => {}
        }
        refused
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            wrong_passwords: self.wrong_passwords.saturating_add(other.wrong_passwords),
            asked: self.asked.saturating_add(other.asked),
            denied: self.denied.saturating_add(other.denied),
        }
    }
}

/// Refused joins of one room, by slices of time, the newest last: at most ten, however many joins there are.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentlyRefused(VecDeque<(i64, Refused)>);

impl RecentlyRefused {
    /// Counts a join.
    pub(super) fn add(&mut self, refused: Refused, now: Timestamp) {
        let slice = now.as_second().div_euclid(SLICE);
        if self.0.back().is_none_or(|(last, _)| *last != slice) {
            self.0.push_back((slice, Refused::default()));
        }
        if self.0.len() > SLICES {
            self.0.pop_front();
        }
        if let Some((_, counts)) = self.0.back_mut() {
            *counts = counts.plus(refused);
        }
    }

    /// Returns the counts of the last five minutes.
    pub(super) fn count(&self, now: Timestamp) -> Refused {
        let since = now.as_second().saturating_sub(WINDOW);
        let recent = self.0.iter().filter(|(slice, _)| slice.saturating_mul(SLICE) > since);
        recent.fold(Refused::default(), |sum, (_, refused)| sum.plus(*refused))
    }
}

/// Most rooms whose strangers are counted; when full, new rooms are not counted until old ones expire.
const MOST_ROOMS: usize = 10_000;

/// Strangers who recently came to one room.
#[derive(Clone, Debug)]
struct Strangers {
    /// Those who joined, oldest first, at most as many as make a join flood.
    came: VecDeque<(Timestamp, BareJid)>,
    /// When the last stranger joined or knocked.
    last: Timestamp,
}

/// Recent strangers of all rooms.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals(HashMap<BareJid, Strangers>);

impl Arrivals {
    /// Returns how many other strangers joined the room within `flood_within`.
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

    /// Records a stranger who joined (`came_in`) or knocked.
    pub(super) fn add(
        &mut self,
        room: &BareJid,
        who: &BareJid,
        came_in: bool,
        limits: &Limits,
        now: Timestamp,
    ) {
        if self.0.len() >= MOST_ROOMS && !self.0.contains_key(room) {
            let longest = limits.flood_within.value.max(limits.flood_calm.value);
            let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX);
            self.0.retain(|_, strangers| now.duration_since(strangers.last) < longest);
            if self.0.len() >= MOST_ROOMS {
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

    /// Returns when the last stranger joined or knocked, or `None` if none is remembered.
    pub(super) fn last(&self, room: &BareJid) -> Option<Timestamp> {
        self.0.get(room).map(|strangers| strangers.last)
    }

    /// Forgets the strangers of a room.
    pub(super) fn forget(&mut self, room: &BareJid) {
        self.0.remove(room);
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use smol_str::{SmolStr, format_smolstr};

    use super::*;
    use crate::policy::Policy;
    use crate::policy::attempt::{Requester, RoomView};
    use crate::policy::decide::decide;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn guess(id: usize, address: &str, credential: Credential) -> Attempt {
        Attempt {
            id: format_smolstr!("{id}"),
            room: BareJid::from_str("tea@conference.example.org").ok(),
            requester: Requester {
                jid: BareJid::from_str("mallory@example.org").ok(),
                auth: Auth::Anonymous,
                secure: Some(true),
                address: Some(address.parse().unwrap()),
                nick: "M".into(),
                ..Requester::default()
            },
            action: Action::Join { credential },
            ..Attempt::default()
        }
    }

    fn room() -> RoomView {
        RoomView {
            exists: true,
            has_password: true,
            occupants: 1,
            moderators: 1,
            record: Some(crate::policy::record::Record::new(
                Timestamp::UNIX_EPOCH,
                "ann@example.org".to_owned(),
                None,
            )),
            ..RoomView::default()
        }
    }

    /// Decides an attempt under the present counters, counts it, and returns the decision.
    fn step(counters: &mut Counters, attempt: &Attempt, now: Timestamp) -> Decision {
        let (policy, rules) = (Policy::default(), Rules::default());
        let pressure = counters.pressure(&policy, attempt, &rules, now);
        let decision = decide(&policy, &rules, attempt, &room(), &pressure, now);
        counters.count(&policy, attempt, (decision.denial, false), &rules, now);
        decision
    }

    #[test]
    fn after_some_wrong_passwords_even_the_right_one_has_to_wait() {
        let mut counters = Counters::default();
        for id in 0..5 {
            let decision = step(&mut counters, &guess(id, "192.0.2.1", Credential::Wrong), NOW);
            assert_eq!(decision.verdict, Verdict::Prompt);
        }
        let right = guess(9, "192.0.2.1", Credential::Right);
        assert_eq!(
            step(&mut counters, &right, NOW).denial,
            Some(Denial::TooManyGuesses { wait: Duration::from_secs(2) })
        );
        let later = NOW + SignedDuration::from_secs(2);
        assert_eq!(step(&mut counters, &right, later).verdict, Verdict::Allow);
    }

    #[test]
    fn a_client_that_comes_back_with_another_address_is_the_same_one() {
        let mut counters = Counters::default();
        let with_ticket = |id, jid: &str, credential| {
            let mut attempt = guess(id, "127.0.0.1", credential);
            attempt.requester.jid = jid.parse().ok();
            attempt.requester.ticket = Some(Mark::of("ticket", "k3v9"));
            attempt
        };
        for id in 0..8 {
            let attempt = with_ticket(id, &format!("{id}@guest.example.org"), Credential::Wrong);
            step(&mut counters, &attempt, NOW);
        }
        let again = with_ticket(99, "again@guest.example.org", Credential::Right);
        assert_eq!(step(&mut counters, &again, NOW).verdict, Verdict::Deny);
    }

    #[test]
    fn each_call_of_a_gateway_counts_by_itself_and_all_of_them_together() {
        let mut counters = Counters::default();
        let call = |id: usize, credential| {
            let mut attempt = guess(id, "192.0.2.1", credential);
            let who = &mut attempt.requester;
            who.jid = format!("phone.{id}@auth.example.org").parse().ok();
            let gateway: Option<BareJid> = "phone@auth.example.org".parse().ok();
            (who.gateway, who.auth) = (gateway.map(Box::new), Auth::Account);
            attempt
        };
        for _ in 0..8 {
            step(
                &mut counters,
                &Attempt { id: SmolStr::default(), ..call(1, Credential::Wrong) },
                NOW,
            );
            counters.counted.clear();
        }
        assert_eq!(step(&mut counters, &call(1, Credential::Right), NOW).verdict, Verdict::Deny);
        assert_eq!(step(&mut counters, &call(2, Credential::Right), NOW).verdict, Verdict::Allow);
        for id in 3..60 {
            step(&mut counters, &call(id, Credential::Wrong), NOW);
        }
        let mut elsewhere = call(99, Credential::Right);
        elsewhere.room = "other@conference.example.org".parse().ok();
        assert_eq!(step(&mut counters, &elsewhere, NOW).verdict, Verdict::Hold);
    }

    #[test]
    fn another_network_is_not_held_up() {
        let mut counters = Counters::default();
        for id in 0..8 {
            step(&mut counters, &guess(id, "192.0.2.1", Credential::Wrong), NOW);
        }
        let other = guess(99, "198.51.100.7", Credential::Right);
        assert_eq!(step(&mut counters, &other, NOW).verdict, Verdict::Allow);
    }

    #[test]
    fn an_attempt_that_is_asked_again_is_counted_once() {
        let mut counters = Counters::default();
        for _ in 0..20 {
            step(&mut counters, &guess(1, "192.0.2.1", Credential::Wrong), NOW);
        }
        let right = guess(2, "192.0.2.1", Credential::Right);
        assert_eq!(step(&mut counters, &right, NOW).verdict, Verdict::Allow);
    }

    #[test]
    fn guesses_from_everywhere_send_strangers_to_the_lobby() {
        let mut counters = Counters::default();
        for id in 0..50 {
            step(&mut counters, &guess(id, &format!("198.51.100.{id}"), Credential::Wrong), NOW);
        }
        let right = guess(99, "192.0.2.200", Credential::Right);
        assert_eq!(step(&mut counters, &right, NOW).verdict, Verdict::Hold);
    }

    #[test]
    fn knocking_is_limited_and_the_limit_passes() {
        let mut counters = Counters::default();
        for id in 0..5 {
            let knock = guess(id, "192.0.2.1", Credential::None);
            assert_eq!(step(&mut counters, &knock, NOW).verdict, Verdict::Hold);
        }
        let again = guess(9, "192.0.2.1", Credential::None);
        let wait = Duration::from_secs(300);
        assert_eq!(step(&mut counters, &again, NOW).denial, Some(Denial::TooManyKnocks { wait }));
        let later = NOW + SignedDuration::from_secs(300);
        assert_eq!(step(&mut counters, &again, later).verdict, Verdict::Hold);
    }

    #[test]
    fn refused_joins_are_counted_for_five_minutes_in_constant_memory() {
        let mut refused = RecentlyRefused::default();
        let at = |seconds| NOW + SignedDuration::from_secs(seconds);
        let one = |credential| {
            let attempt = guess(0, "192.0.2.1", credential);
            let decision = step(&mut Counters::default(), &attempt, NOW);
            Refused::of(&attempt, &decision, false)
        };
        let wrong = one(Credential::Wrong);
        assert_eq!(wrong, Refused { wrong_passwords: 1, ..Refused::default() });
        assert_eq!(one(Credential::None), Refused::default());
        for second in 0..3600 {
            refused.add(wrong, at(second));
            assert!(refused.0.len() <= SLICES);
        }
        let count = |seconds| refused.count(at(seconds)).wrong_passwords;
        assert_eq!(count(3600), 300 - 30);
        assert_eq!(count(3600 + 100), 300 - 30 - 90);
        assert_eq!(count(3600 + 300), 0);
        // A clock that is set back neither counts for longer nor grows the memory.
        for second in (0..3600).rev() {
            refused.add(wrong, at(second));
        }
        assert!(refused.0.len() <= SLICES);
    }
}
