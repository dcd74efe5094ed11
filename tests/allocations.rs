//! Allocations of a decision. Alone in its test binary, since it replaces the global allocator to count them.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

#[path = "support/large.rs"]
mod large;

use std::hint::black_box;

use globset::Glob;
use large::{join, now, policy, room};
use vestibule::policy::Policy;
use vestibule::policy::attempt::{Attempt, Credential, Pressure};
use vestibule::policy::class::Class;
use vestibule::policy::decide::decide;
use vestibule::policy::exceptions::{Exception, Whom};
use vestibule::policy::record::{Entry, Person};
use vestibule::policy::verdict::Verdict;

fn allocations(attempt: &Attempt, verdict: Verdict) -> u64 {
    allocations_by(&policy(100, 3000), attempt, verdict)
}

fn allocations_by(policy: &Policy, attempt: &Attempt, verdict: Verdict) -> u64 {
    let (room, pressure, now) = (room(), Pressure::default(), now());
    let mut found = None;
    let counted = allocation_counter::measure(|| {
        found = Some(decide(policy, &policy.base, black_box(attempt), &room, &pressure, now));
    });
    assert_eq!(found.unwrap().verdict, verdict);
    counted.count_total
}

#[test]
fn letting_somebody_back_in_allocates_nothing() {
    let mut attempt = join(Credential::None);
    attempt.requester.person = Some(Person::entered(Entry::Password));
    assert_eq!(allocations(&attempt, Verdict::Allow), 0);
}

#[test]
fn neither_holding_nor_refusing_allocates_anything() {
    assert_eq!(allocations(&join(Credential::None), Verdict::Hold), 0);
    assert_eq!(allocations(&join(Credential::Wrong), Verdict::Prompt), 0);
    let mut outcast = join(Credential::Right);
    outcast.requester.affiliation = vestibule::policy::attempt::Affiliation::Outcast;
    assert_eq!(allocations(&outcast, Verdict::Deny), 0);
}

#[test]
fn exceptions_for_others_allocate_nothing() {
    let mut policy = policy(100, 3000);
    let exception = |number: u32| Exception {
        line: number,
        until: None,
        rooms: None,
        rules: vec![0],
        bans: true,
        reason: String::new(),
    };
    for number in 0..1000 {
        let jid = format!("{number}@elsewhere.invalid").parse().unwrap();
        policy.exceptions.add(Whom::Jid(jid), exception(number));
        policy.exceptions.add(Whom::Domain(format!("{number}.invalid")), exception(number));
    }
    policy.exceptions.add(Whom::Class(Class::Operator), exception(1));
    let elsewhere = Some(Glob::new("elsewhere-*").unwrap().compile_matcher());
    policy.exceptions.add(Whom::All, Exception { rooms: elsewhere, ..exception(2) });
    let mut attempt = join(Credential::None);
    attempt.requester.person = Some(Person::entered(Entry::Password));
    assert_eq!(allocations_by(&policy, &attempt, Verdict::Allow), 0);
}

/// The list of people to remember: what the answer has to say. A short address needs no memory of its own.
#[test]
fn letting_somebody_in_for_the_first_time_allocates_what_is_remembered_and_no_more() {
    assert_eq!(allocations(&join(Credential::Right), Verdict::Allow), 1);
}
