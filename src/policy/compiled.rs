//! The policy compiled from a file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Rules;
use super::attempt::{Action, Attempt, Auth, Place, Requester, RoomView};
use super::bans::Bans;
use super::exceptions::Exceptions;
use super::overrides::Overrides;
use super::providers::Provider;
use super::record::Claim;
use super::room_name::Invitations;
use super::texts::Texts;
use crate::jid::BareJid;

/// Beginning of the names of rooms in which a focus checks its own health (jicofo's `HealthCheckRequest`).
const HEALTH_CHECK: &str = "__jicofo-health-check";

/// The policy: everything that decisions rest on, except the attempt and the room.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Revision of the policy: the first 12 hex digits of the SHA-256 of the file without comments and secrets.
    pub revision: String,
    /// Service accounts: exact bare JIDs, with their line in the file.
    pub services: HashMap<BareJid, u32>,
    /// The account of each service's conference focus, by the domain of the service.
    pub focuses: HashMap<String, BareJid>,
    /// Accounts by which gateways join for their callers: exact bare JIDs, with their line in the file.
    pub gateways: HashMap<BareJid, u32>,
    /// What invitations to rooms hold, by the domain of their service.
    pub invitations: HashMap<String, Invitations>,
    /// Operators: exact bare JIDs, with their line in the file.
    pub operators: HashMap<BareJid, u32>,
    /// Authentication providers that the file names, by name.
    pub providers: HashMap<String, Provider>,
    /// Bans of the file.
    pub bans: Bans,
    /// Runtime bans, which operators made while the component ran. They are not part of the revision.
    pub made: Arc<Bans>,
    /// Exceptions of persons and rooms from rules.
    pub exceptions: Exceptions,
    /// The operator's texts for people.
    pub texts: Texts,
    /// Rules of rooms that no override matches.
    pub base: Arc<Rules>,
    /// Overrides: other rules for some rooms.
    pub rooms: Overrides,
}

impl Policy {
    /// Returns the rules for a room that a person with these claims opened: those of the most specific override that
    /// matches, else the base. It hashes the room's names, so it is called when a room is first seen, not for each decision.
    pub fn rules_for(&self, room: &BareJid, claims: &[Claim]) -> Arc<Rules> {
        let best = self.rooms.best(room, claims);
        Arc::clone(best.map_or(&self.base, |best| &best.rules))
    }

    /// Returns the rules for a room, without some presets if it was there before the policy (`found`).
    pub fn rules_in(&self, room: &BareJid, claims: &[Claim], found: bool) -> Arc<Rules> {
        let rules = self.rules_for(room, claims);
        if found { Arc::new(rules.of_found(&self.base)) } else { rules }
    }

    /// Returns the rules for an attempt at a room in this state.
    pub fn rules_of(&self, attempt: &Attempt, room: &RoomView, now: Timestamp) -> Arc<Rules> {
        let Some(jid) = &attempt.room else { return Arc::clone(&self.base) };
        self.rules_in(jid, &self.claims_of(attempt, room, now), room.is_found())
    }

    /// Returns the claims by which the rules of a room are chosen: those of the opener, which its record keeps, or of
    /// the person about to open it, if they have a token for it.
    pub fn claims_of<'a>(
        &self,
        attempt: &Attempt,
        room: &'a RoomView,
        now: Timestamp,
    ) -> Cow<'a, [Claim]> {
        let opens = matches!(attempt.action, Action::Open { .. }) && !room.exists;
        match &room.record {
            Some(record) if !opens => Cow::Borrowed(&record.claims),
            // The first who comes to a room that was there before did not open it.
            None if room.exists => Cow::Borrowed(&[]),
            Some(_) | None => {
                let opener = attempt.behind.as_ref().unwrap_or(&attempt.requester);
                Cow::Owned(self.claims_by(opener, Place::of(attempt, now)))
            }
        }
    }

    /// Returns whether this person asks the focus for a room that is not open, instead of opening it.
    pub fn asks_focus(&self, room: &BareJid, who: &BareJid) -> bool {
        self.focuses.contains_key(room.domain()) && !self.services.contains_key(who)
    }

    /// Returns whether the room is a health check of its focus, which nobody else enters.
    pub(super) fn is_health_check(&self, room: &BareJid, opener: &str) -> bool {
        let focus = self.focuses.get(room.domain());
        focus.is_some_and(|focus| focus.as_str() == opener)
            && room.node().is_some_and(|name| name.starts_with(HEALTH_CHECK))
    }

    /// Applies the modes of the rules: those that are off or observed become neutral. The file was validated before.
    pub fn activate(&mut self) {
        for rules in self.rooms.rules_mut().chain([&mut self.base]) {
            if rules.modes.switched().next().is_some() {
                *rules = Arc::new(rules.in_force());
            }
        }
    }

    /// Returns the claims of an opener by which the rules of the room are chosen: none without a token for it.
    pub(super) fn claims_by(&self, opener: &Requester, place: Place<'_>) -> Vec<Claim> {
        let has_token = self.identify(opener, place).auth == Auth::Token;
        if has_token { self.rooms.wanted(&opener.claims) } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::overrides::{Override, Selector};
    use crate::policy::record::Record;

    fn claim(value: &str) -> Claim {
        ("group".to_owned(), value.to_owned())
    }

    #[test]
    fn a_room_has_the_claims_of_whoever_opened_it_or_is_about_to() {
        let selector = Selector {
            claim: Some(("group".to_owned(), vec!["board".to_owned(), "staff".to_owned()])),
            ..Selector::default()
        };
        let one = Override { selector, priority: 0, profile: None, line: 3, rules: Arc::default() };
        let policy =
            Policy { rooms: Overrides::new(vec![one], Vec::new()).unwrap(), ..Policy::default() };
        let who = |value: &str| Requester {
            auth: Auth::Token,
            claims: vec![claim(value)],
            ..Requester::default()
        };
        let now = Timestamp::UNIX_EPOCH;
        let of =
            |attempt: &Attempt, room: &RoomView| policy.claims_of(attempt, room, now).into_owned();
        let open = Attempt {
            requester: who("staff"),
            action: Action::Open { typed: None },
            ..Attempt::default()
        };
        let mut record = Record::new(Timestamp::UNIX_EPOCH, "ann@example.org", None);
        record.claims = vec![claim("board")];
        let there = RoomView { exists: true, record: Some(record), ..RoomView::default() };
        let gone = RoomView { exists: false, ..there.clone() };
        let bare = RoomView { exists: true, ..RoomView::default() };
        let none = RoomView::default();
        let join =
            Attempt { requester: who("staff"), action: Action::Destroy, ..Attempt::default() };
        assert_eq!(of(&open, &none), [claim("staff")]);
        assert_eq!(of(&open, &gone), [claim("staff")]);
        assert_eq!(of(&open, &bare), []);
        assert_eq!(of(&open, &there), [claim("board")]);
        assert_eq!(of(&join, &there), [claim("board")]);
        assert_eq!(of(&join, &gone), [claim("board")]);
        assert_eq!(of(&join, &none), [claim("staff")]);
        let behind = Attempt { behind: Some(who("board")), ..open };
        assert_eq!(of(&behind, &none), [claim("board")]);
    }
}
