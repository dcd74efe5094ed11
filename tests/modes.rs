//! Properties of the decision on any attempt, room and policy when rules are off or only observed.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
#![allow(dead_code, reason = "other tests need the rest of the strategies")]

#[path = "support/any.rs"]
mod any;

use std::sync::Arc;

use any::{Parts, attempt, moment, parts, pressure, room};
use jiff::Timestamp;
use proptest::prelude::*;
use vestibule::policy::Policy;
use vestibule::policy::attempt::{Action, Affiliation, Attempt, Pressure, RoomView};
use vestibule::policy::class::Class;
use vestibule::policy::decide::{decide, reevaluate};
use vestibule::policy::exceptions::{Exception, Whom};
use vestibule::policy::rules::fixed::FIXED;
use vestibule::policy::rules::{Mode, SWITCHES};
use vestibule::policy::verdict::{Decision, Verdict};

#[derive(Clone, Debug)]
struct World {
    parts: Parts,
    attempt: Attempt,
    room: RoomView,
    pressure: Pressure,
    now: Timestamp,
}

impl World {
    /// Under the base rules, with these rules (by their places) in that mode.
    fn policy(&self, places: &[usize], mode: Mode) -> Policy {
        let mut policy = Parts { overrides: Vec::new(), ..self.parts.clone() }.policy();
        let base = Arc::make_mut(&mut policy.base);
        Arc::make_mut(&mut base.modes).put(places.iter().copied(), mode, 1);
        policy.activate();
        policy
    }

    fn decide(&self, policy: &Policy) -> Decision {
        decide(policy, &policy.base, &self.attempt, &self.room, &self.pressure, self.now)
    }

    fn under(&self, places: &[usize], mode: Mode) -> Decision {
        self.decide(&self.policy(places, mode))
    }

    /// Makes the room as it is where all rules are enforced.
    fn be_as_enforced(&mut self) {
        let rules = &self.parts.base;
        let limit = rules.close.at_occupants.value;
        if limit > 0 {
            self.room.occupants = self.room.occupants.min(limit - 1);
        }
        self.pressure.strangers = 0;
        (self.room.has_password, self.room.members_only) = (true, true);
    }
}

fn world() -> impl Strategy<Value = World> {
    (parts(), attempt(), room(), pressure(), moment()).prop_map(
        |(parts, attempt, room, pressure, now)| World { parts, attempt, room, pressure, now },
    )
}

fn all() -> Vec<usize> {
    (0..SWITCHES.len()).collect()
}

fn some() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(all()), proptest::sample::subsequence(all(), 0..SWITCHES.len())]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_everything_off_only_what_always_holds_refuses(world in world()) {
        let decision = world.under(&all(), Mode::Off);
        let is_word = matches!(world.attempt.action, Action::Command(_));
        if decision.verdict != Verdict::Allow && !is_word {
            let always = FIXED.iter().any(|rule| rule.name == decision.rule.name);
            // What somebody closed by hand stays closed.
            prop_assert!(always || decision.rule.name == "close.by", "{:?}", decision);
        }
        prop_assert_eq!(decision.would, None);
        let effects = decision.effects;
        if decision.class != Class::Service {
            prop_assert_eq!(effects.password, None);
            prop_assert_eq!((effects.members_only, effects.lobby), (None, None));
            prop_assert_eq!((effects.hidden, effects.persistent), (None, None));
            let is_found = world.room.is_found();
            // What a removal took is given back all the same, and a room that was there before has members.
            let had = world.attempt.requester.person.and_then(|person| person.suspended);
            let is_lent = is_found && effects.affiliation == Some(Affiliation::Member);
            prop_assert!(effects.role.is_none() || is_lent);
            prop_assert!(effects.affiliation.is_none() || is_lent || effects.affiliation == had);
        }
    }

    #[test]
    fn what_is_observed_changes_nothing(world in world(), places in some()) {
        let off = world.under(&places, Mode::Off);
        let mut observed = world.under(&places, Mode::Observe);
        observed.would = None;
        prop_assert_eq!(&off, &observed);
        let (off, observed) = (world.policy(&places, Mode::Off), world.policy(&places, Mode::Observe));
        let again = |policy: &Policy| {
            reevaluate(policy, &policy.base, &world.attempt, &world.room, world.now)
        };
        prop_assert_eq!(again(&off), again(&observed));
    }

    #[test]
    fn what_would_be_is_what_is_when_it_is_enforced(world in world(), places in some()) {
        let mut world = world;
        world.be_as_enforced();
        let enforced = world.under(&places, Mode::Enforce);
        let observed = world.under(&places, Mode::Observe);
        let would = observed.would.map_or(
            (observed.verdict, observed.rule, observed.denial.map(|it| it.code())),
            |would| (would.verdict, would.rule, would.denial.map(|it| it.code())),
        );
        let denial = enforced.denial.map(|it| it.code());
        prop_assert_eq!(would, (enforced.verdict, enforced.rule, denial));
    }

    #[test]
    fn an_exception_for_everybody_everywhere_is_as_off(world in world(), places in some()) {
        let off = world.under(&places, Mode::Off);
        let mut policy = world.policy(&[], Mode::Enforce);
        let exception = Exception {
            line: 9,
            until: None,
            rooms: None,
            rules: places,
            bans: false,
            reason: String::new(),
        };
        policy.exceptions.add(Whom::All, exception.clone());
        let excepted = world.decide(&policy);
        prop_assert_eq!(excepted.rule.name, off.rule.name);
        prop_assert_eq!((excepted.verdict, &excepted.effects), (off.verdict, &off.effects));

        let mut policy = world.policy(&[], Mode::Enforce);
        let plain = world.decide(&policy);
        policy.exceptions.add(Whom::All, Exception { until: Some(world.now), ..exception });
        prop_assert_eq!(world.decide(&policy), plain, "it has ended");
    }

    #[test]
    fn an_exception_for_others_changes_nothing(world in world(), places in some()) {
        let mut policy = world.policy(&[], Mode::Enforce);
        let plain = world.decide(&policy);
        let exception = Exception {
            line: 9,
            until: None,
            rooms: None,
            rules: places,
            bans: true,
            reason: String::new(),
        };
        let other = "nobody@elsewhere.invalid".parse().unwrap();
        policy.exceptions.add(Whom::Jid(other), exception.clone());
        policy.exceptions.add(Whom::Domain("elsewhere.invalid".to_owned()), exception);
        prop_assert_eq!(world.decide(&policy), plain);
    }
}
