//! Rules on removals: a person who was removed from a room stays out of it for a while.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use super::family::family;
use crate::jid::BareJid;
use crate::policy::attempt::{Affiliation, Requester};
use crate::policy::class::{Class, ClassSet};
use crate::policy::denial::Denial;
use crate::policy::fields::Unknown;
use crate::policy::fingerprint::Mark;
use crate::policy::record::{Person, Proof, Record, Removed};
use crate::policy::verdict::Effects;
use crate::setting::kind::{SECOND, duration_or_never, list, some_text, word};

/// Greatest number of removals in a record; those of the weakest proof are dropped first, of these the oldest.
const MOST: usize = 32;
/// The longest record that a gate keeps, in bytes.
const LONGEST_RECORD: usize = 4096;

names! {
    /// What a person is recognised by, the strongest first.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum By {
        /// The bare JID, and the account that was logged in for it.
        Account = "account",
        /// The person whom a verified token names.
        Token = "token",
        /// The ticket that the server gave to the client.
        Ticket = "ticket",
        /// The identifier that the client made for itself: it may leave it out, or make another.
        Device = "device",
        /// The network, an IPv4 /24 or IPv6 /64: others are there as well.
        Address = "address",
    }
}

impl By {
    /// The means by which nobody else can be taken for the person who was removed.
    pub(in crate::policy) const STRONG: [Self; 3] = [Self::Account, Self::Token, Self::Ticket];
}

family! {
    /// The rules on those who were removed.
    "removal": Removal {
        /// How long people stay out of a room that they were kicked or banned from; "never": they may come back and knock.
        keep_out_for: Option<Duration> = Some(Duration::from_secs(3600)), duration_or_never(SECOND),
            rule "This person was removed from the room (kicked, banned, or by `vestibule remove`) and stays out for that time. Recognised by account, token or ticket, they are refused; by device or address alone, they have to knock, whatever else would let them in, unless they have been inside and were not removed, have an account or a token of their own (`removal.subject_claim`), or moderate. Letting them in or inviting them lifts it; operators are never kept out. A person who was sent back to the lobby by `vestibule hold` is recognised in the same way, and has to knock for that time, moderators by the file included, until they are let in. Who is removed has no authority from any session, and loses their affiliation until it is over or lifted: then it is given back."
            [off None; Compared Undescribed];
        /// What they are recognised by. One of "account", "token" and "ticket" (given to clients of Jitsi) keeps them out;
        /// "device" (of Jitsi; a caller's name) and "address" (the network) may mean another person, who has to knock.
        by: Vec<By> = By::ALL.to_vec(), list(word());
        /// For "token": the claim that names the person.
        subject_claim: String = "id".to_owned(), some_text();
    }
}

impl Removal {
    /// Returns the fingerprint of a claim by which a person is recognised; `None`: the claim is empty.
    pub(in crate::policy) fn mark_of_claim(value: &str) -> Option<Mark> {
        (!value.is_empty()).then(|| Mark::of(By::Token.name(), value))
    }

    /// Returns the fingerprints of a person, by the means that `by` names.
    pub(in crate::policy) fn marks<'a>(
        &self,
        by: impl IntoIterator<Item = &'a By>,
        who: &Requester,
    ) -> Vec<(By, Mark)> {
        let mut marks = Vec::new();
        for by in by {
            let mut add = |mark: Option<Mark>| marks.extend(mark.map(|mark| (*by, mark)));
            let of = |text: &str| Mark::of(by.name(), text);
            match by {
                By::Account => {
                    add(who.jid.as_ref().map(|jid| of(jid.as_str())));
                    add(who.account.as_ref().map(|jid| of(jid.as_str())));
                }
                By::Token => {
                    let claim = &self.subject_claim.value;
                    let mut claims = who.claims.iter();
                    let subject = claims.find(|(name, text)| name == claim && !text.is_empty());
                    let mut unread = who.unread.iter().filter(|(name, _)| name == claim);
                    let unread = || unread.find_map(|(_, mark)| *mark);
                    add(subject.map(|(_, text)| of(text)).or_else(unread));
                }
                By::Ticket => add(who.ticket),
                // Callers of a gateway share its client. What it says of one, a number as a rule, is in their name.
                By::Device if who.gateway.is_some() => {
                    let called = [&who.name, &who.nick].into_iter().find(|name| !name.is_empty());
                    add(called.map(|name| Mark::of("caller", name)));
                }
                By::Device => add(who.device),
                By::Address if who.gateway.is_some() => {}
                By::Address => {
                    let network = who.address.and_then(network);
                    add(network.map(|network| of(&network.to_string())));
                }
            }
        }
        marks
    }
}

/// Records that this person was removed at `now`. In a record that is full, removals of weaker proof are forgotten.
pub fn keep_out(
    record: &mut Record,
    rules: &Removal,
    who: &Requester,
    proof: Proof,
    now: Timestamp,
) {
    if let Some(removed) = removal(rules, who, proof, now) {
        remember(record, removed, now);
    }
}

/// Records that this person was sent back to the lobby at `now`, and lifts an earlier removal.
pub fn hold(record: &mut Record, rules: &Removal, who: &Requester, proof: Proof, now: Timestamp) {
    lift(record, rules, who);
    if let Some(removed) = removal(rules, who, proof, now) {
        remember(record, Removed { knocks: true, ..removed }, now);
    }
}

/// Records that a ban removed this person at `now`: others with their network or device have to knock, as after a removal.
pub fn suspect(
    record: &mut Record,
    rules: &Removal,
    who: &Requester,
    proof: Proof,
    now: Timestamp,
) {
    if let Some(removed) = removal(rules, who, proof, now)
        && !is_kept_out(record, rules, who, now)
    {
        remember(record, Removed { banned: true, ..removed }, now);
    }
}

/// Returns the entry of a person who is removed at `now`, or `None` where the rules keep nobody out.
fn removal(rules: &Removal, who: &Requester, proof: Proof, now: Timestamp) -> Option<Removed> {
    let time = rules.keep_out_for.value?;
    let until = SignedDuration::try_from(time).ok().and_then(|time| now.checked_add(time).ok());
    let until = until.unwrap_or(Timestamp::MAX);
    let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
    // The account is kept whatever `by` says: by it a person is let in again.
    let by = By::ALL.iter().filter(|by| **by == By::Account || rules.by.value.contains(by));
    let marks: Vec<_> = rules.marks(by, who).into_iter().map(|(_, mark)| mark).collect();
    let (knocks, banned, unknown, unread) = (false, false, Unknown::new(), None);
    Some(Removed { until, marks, proof, knocks, banned, unknown, unread })
}

fn remember(record: &mut Record, removed: Removed, now: Timestamp) {
    record.removed.retain(|one| {
        let is_in = |mark| removed.marks.contains(mark);
        let is_same = one.unread.is_none() && one.marks.iter().all(is_in);
        one.until > now && !is_same
    });
    record.removed.push(removed);
    while record.removed.len() > MOST || record.write().len() > LONGEST_RECORD {
        let all = record.removed.iter().enumerate();
        let weakest = all.min_by_key(|(at, one)| (one.proof, *at)).map(|(at, _)| at);
        let Some(weakest) = weakest else { return };
        record.removed.remove(weakest);
    }
}

/// Returns whether this person is recognised at `now`, with certainty and by means of the rules, as one who was removed.
pub fn is_kept_out(record: &Record, rules: &Removal, who: &Requester, now: Timestamp) -> bool {
    let by = By::STRONG.iter().filter(|by| rules.by.value.contains(by));
    let marks = rules.marks(by, who);
    let mut removed = record.removed.iter().filter(|one| one.until > now && !one.banned);
    removed.any(|one| marks.iter().any(|(_, mark)| one.marks.contains(mark)))
}

/// Returns whether people of these classes are exempt from removals.
pub const fn is_exempt(classes: ClassSet) -> bool {
    classes.has(Class::Service) || classes.has(Class::Operator)
}

/// Lifts every removal by which this person is recognised with certainty.
pub fn lift(record: &mut Record, rules: &Removal, who: &Requester) {
    let marks = certain_marks(rules, who);
    record.removed.retain(|one| !marks.iter().any(|mark| one.marks.contains(mark)));
}

/// Returns the fingerprints by which this person is recognised with certainty.
pub fn certain_marks(rules: &Removal, who: &Requester) -> Vec<Mark> {
    rules.marks(&By::STRONG, who).into_iter().map(|(_, mark)| mark).collect()
}

/// Returns the fingerprints by which this person is recognised with certainty under another address.
pub(in crate::policy) fn returning_marks(rules: &Removal, who: &Requester) -> Vec<(By, Mark)> {
    let by = [By::Token, By::Ticket];
    rules.marks(by.iter().filter(|by| rules.by.value.contains(by)), who)
}

/// Returns the means by which this person would be recognised, the strongest first.
pub fn recognised_by(rules: &Removal, who: &Requester, proof: Proof) -> Vec<By> {
    let is_proved = |by: &By| proof > Proof::Guest || *by != By::Account;
    let all = By::ALL.iter().filter(|by| rules.by.value.contains(by) && is_proved(by));
    let mut found: Vec<_> = rules.marks(all, who).into_iter().map(|(by, _)| by).collect();
    found.dedup();
    found
}

/// Returns the effects that let this person in and give back what a removal took; `before`: their record.
pub fn admission(jid: &BareJid, before: Option<&Person>) -> Effects {
    let suspended = before.and_then(|before| before.suspended);
    Effects {
        people: vec![(jid.clone(), Some(Person::admitted(before).given_back()))],
        admit: vec![jid.clone()],
        affiliate: suspended.map(|had| (jid.clone(), had)).into_iter().collect(),
        ..Effects::default()
    }
}

/// Returns the record of a person who may no longer be inside, with the affiliation to be given back when that ends.
/// `None`: there is nothing to give back.
pub fn taken(before: Option<&Person>, affiliation: Affiliation) -> Option<Person> {
    let person = Person::suspended(before, affiliation);
    person.suspended.is_some().then_some(person)
}

/// Returns the effects that remove a person who had this affiliation, and tell them why.
pub fn expulsion(
    jid: &BareJid,
    before: Option<&Person>,
    affiliation: Affiliation,
    denial: Denial,
) -> Effects {
    Effects {
        people: vec![(jid.clone(), taken(before, affiliation))],
        remove: vec![(jid.clone(), denial)],
        ..Effects::default()
    }
}

/// Returns whether two sessions are certainly of one person.
pub fn is_same(rules: &Removal, one: &Requester, other: &Requester) -> bool {
    let own = certain_marks(rules, one);
    certain_marks(rules, other).iter().any(|mark| own.contains(mark))
}

/// Returns the network of an address; `None` for this machine: behind a web server on it, it would stand for everybody.
fn network(address: IpAddr) -> Option<IpNet> {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 24 } else { 64 };
    let network = IpNet::new(address, bits).ok()?.trunc();
    (!address.is_loopback()).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::Auth;
    use crate::policy::requester::{Session, Token};

    fn record() -> Record {
        Record::new(Timestamp::UNIX_EPOCH, "ann@example.org".to_owned(), None)
    }

    fn person(name: &str) -> Requester {
        Requester {
            jid: format!("{name}@example.org").parse().ok(),
            auth: Auth::Token,
            address: "192.0.2.7".parse().ok(),
            claims: vec![("id".to_owned(), name.to_owned())],
            ticket: Some(Mark::of("ticket", name)),
            device: Some(Mark::of("device", name)),
            ..Requester::default()
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_record_with_removals_reads_back_and_never_names_anybody() {
        let mut record = record();
        keep_out(&mut record, &Removal::default(), &person("mallory"), Proof::Account, at(100));
        assert_eq!(record.removed[0].until, at(3700));
        assert_eq!(record.removed[0].marks.len(), 5);
        let text = record.write();
        assert!(!text.contains("mallory") && !text.contains("192.0"), "{text}");
        assert_eq!(Record::read(&text), Some(record));
    }

    #[test]
    fn a_record_stays_as_short_as_a_gate_keeps_it_and_forgets_the_oldest() {
        for opener in ["ann@example.org".to_owned(), format!("{}@example.org", "é".repeat(500))] {
            let mut record = Record::new(at(0), opener, None);
            for n in 0..100 {
                keep_out(
                    &mut record,
                    &Removal::default(),
                    &person(&format!("p{n}")),
                    Proof::Account,
                    at(n),
                );
                assert!(record.write().len() <= 4096 && record.removed.len() <= 32);
                assert_eq!(record.removed.last().map(|one| one.until), Some(at(n + 3600)));
            }
            assert!(record.removed.len() >= 20, "{}", record.removed.len());
        }
    }

    #[test]
    fn a_record_that_is_as_long_as_may_be_loses_nobody() {
        let (mut record, rules) = (record(), Removal::default());
        for n in 0..20 {
            keep_out(&mut record, &rules, &person(&format!("p{n}")), Proof::Account, at(n));
        }
        let more = "x".repeat(LONGEST_RECORD - record.write().len());
        record.opener = format!("{}{more}", record.opener).into();
        keep_out(&mut record, &rules, &person("p0"), Proof::Account, at(20));
        assert_eq!((record.write().len(), record.removed.len()), (LONGEST_RECORD, 20));
    }

    #[test]
    fn what_is_over_goes_and_somebody_removed_again_stands_there_once() {
        let (mut record, rules) = (record(), Removal::default());
        keep_out(&mut record, &rules, &person("bob"), Proof::Account, at(0));
        keep_out(&mut record, &rules, &person("bob"), Proof::Account, at(10));
        assert_eq!(record.removed.len(), 1);
        keep_out(&mut record, &rules, &person("eve"), Proof::Account, at(3610));
        assert_eq!(record.removed.len(), 1);
        assert_eq!(record.removed[0].until, at(7210));
    }

    #[test]
    fn letting_somebody_in_lifts_his_removal_and_no_neighbour_s() {
        let (mut record, rules) = (record(), Removal::default());
        keep_out(&mut record, &rules, &person("bob"), Proof::Account, at(0));
        keep_out(&mut record, &rules, &person("eve"), Proof::Account, at(0));
        lift(&mut record, &rules, &Requester { jid: person("bob").jid, ..Requester::default() });
        let ticket = Mark::of("ticket", "eve");
        assert!(record.removed.len() == 1 && record.removed[0].marks.contains(&ticket));
    }

    #[test]
    fn a_removal_without_end_is_no_failure() {
        let mut rules = Removal::default();
        rules.keep_out_for.value = Some(Duration::MAX);
        let mut record = record();
        keep_out(&mut record, &rules, &person("bob"), Proof::Account, at(0));
        assert_eq!(Record::read(&record.write()), Some(record));
    }

    #[test]
    fn hundreds_of_guests_push_out_no_account_and_no_newer_guest() {
        let (mut record, rules) = (record(), Removal::default());
        keep_out(&mut record, &rules, &person("mallory"), Proof::Account, at(0));
        keep_out(&mut record, &rules, &person("abroad"), Proof::Server, at(0));
        for n in 0..500 {
            keep_out(&mut record, &rules, &person(&format!("g{n}")), Proof::Guest, at(n));
        }
        let record = Record::read(&record.write()).unwrap();
        assert!(record.write().len() <= LONGEST_RECORD);
        for (name, is_kept) in [("mallory", true), ("abroad", true), ("g499", true), ("g0", false)]
        {
            assert_eq!(is_kept_out(&record, &rules, &person(name), at(1)), is_kept, "{name}");
        }
    }

    #[test]
    fn a_hold_takes_the_place_of_a_removal_and_a_removal_that_of_a_hold() {
        let (mut record, rules) = (record(), Removal::default());
        keep_out(&mut record, &rules, &person("bob"), Proof::Guest, at(0));
        hold(&mut record, &rules, &person("bob"), Proof::Guest, at(1));
        let entries =
            |record: &Record| record.removed.iter().map(|one| one.knocks).collect::<Vec<_>>();
        assert_eq!(entries(&Record::read(&record.write()).unwrap()), [true]);
        keep_out(&mut record, &rules, &person("bob"), Proof::Guest, at(2));
        assert_eq!(entries(&record), [false]);
    }

    #[test]
    fn an_entry_without_a_proof_is_one_of_an_account() {
        let mut record = record();
        let rules = Removal::default();
        keep_out(&mut record, &rules, &person("bob"), Proof::Account, at(0));
        assert!(!record.write().contains("proof"));
        keep_out(&mut record, &rules, &person("bob"), Proof::Guest, at(0));
        assert!(record.write().contains(r#""proof":"guest""#));
    }

    #[test]
    fn neighbours_share_a_network_and_this_machine_has_none() {
        let of = |address: &str| network(address.parse().unwrap());
        assert_eq!(of("192.0.2.7"), of("::ffff:192.0.2.200"));
        assert_ne!(of("192.0.2.7"), of("192.0.3.7"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!((of("127.0.0.1"), of("::1"), of("::ffff:127.0.0.1")), (None, None, None));
    }

    #[test]
    fn a_ban_leaves_a_suspicion_that_is_on_others_and_takes_the_place_of_no_removal() {
        let (mut record, rules) = (record(), Removal::default());
        suspect(&mut record, &rules, &person("bob"), Proof::Guest, at(0));
        assert!(record.removed[0].banned && record.removed[0].marks.len() == 5);
        assert!(!is_kept_out(&record, &rules, &person("bob"), at(1)), "the ban does that");
        assert_eq!(Record::read(&record.write()).unwrap(), record);
        keep_out(&mut record, &rules, &person("bob"), Proof::Guest, at(1));
        suspect(&mut record, &rules, &person("bob"), Proof::Guest, at(2));
        assert_eq!(record.removed.len(), 1);
        assert!(is_kept_out(&record, &rules, &person("bob"), at(3)));
    }

    #[test]
    fn a_removal_keeps_the_account_and_what_the_file_names() {
        let mut by_ticket = Removal::default();
        by_ticket.by.value = vec![By::Ticket];
        let mut record = record();
        keep_out(&mut record, &by_ticket, &person("bob"), Proof::Account, at(0));
        let account = Mark::of("account", "bob@example.org");
        assert_eq!(record.removed[0].marks, [account, Mark::of("ticket", "bob")]);
    }

    #[test]
    fn whom_a_removal_knows_by_nothing_that_the_file_names_is_not_kept_out() {
        let mut by_token = Removal::default();
        by_token.by.value = vec![By::Token];
        let bob = || person("bob");
        let nameless = Requester { claims: Vec::new(), ..bob() };
        for (who, is_known) in [(bob(), true), (nameless, false)] {
            let mut record = record();
            keep_out(&mut record, &by_token, &who, Proof::Account, at(0));
            assert_eq!(is_kept_out(&record, &by_token, &who, at(1)), is_known);
            assert!(!is_kept_out(&record, &by_token, &who, at(3600)), "it is over");
            let known_by = recognised_by(&by_token, &who, Proof::Account);
            assert_eq!(!known_by.is_empty(), is_known);
        }
    }

    #[test]
    fn whoever_comes_with_a_token_for_another_room_is_recognised_by_it() {
        let token = Token { room: Some("other".into()), ..Token::default() };
        let session = Session { token: Some(Box::new(token)), ..Session::default() };
        let one = Requester { session: Some(session.into()), ..person("bob") };
        assert_eq!(Removal::default().marks(&[By::Token], &one).len(), 1);
    }

    #[test]
    fn a_claim_of_which_only_the_mark_is_kept_marks_by_its_own_name() {
        let mark = |text| Some(Mark::of("token", text));
        let who = Requester {
            claims: Vec::new(),
            unread: vec![("email".to_owned(), mark("mail")), ("id".to_owned(), mark("mallory"))],
            ..person("mallory")
        };
        let marks = Removal::default().marks(&[By::Token], &who);
        assert_eq!(marks, [(By::Token, Mark::of("token", "mallory"))]);
    }
}
