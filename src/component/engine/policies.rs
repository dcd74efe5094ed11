//! Changes of the policy: what they mean for the people in the rooms, and putting a policy in force.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Mode, PolicyEngine};
use crate::component::registry::Room;
use crate::jid::BareJid;
use crate::policy::attempt::{Action, Attempt, Credential, Held, Pressure, Requester, RoomView};
use crate::policy::decide::{decide, reevaluate};
use crate::policy::facts::Facts;
use crate::policy::rules::fixed;
use crate::policy::verdict::{Decision, Verdict};
use crate::policy::{Policy, Rules};

/// The decision of a policy on one person.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The person in their room, as the attempt that was judged.
    pub attempt: Attempt,
    /// State of the room.
    pub view: RoomView,
    /// Rules of the room.
    pub rules: Arc<Rules>,
    /// Revision of the policy that judged: another may be in force by the time that this is recorded.
    pub revision: String,
    /// Decision on the attempt.
    pub decision: Decision,
}

impl Judged {
    /// Returns the room and the person, or `None` if either has no valid JID.
    pub const fn about(&self) -> Option<(&BareJid, &BareJid)> {
        match (&self.attempt.room, &self.attempt.requester.jid) {
            (Some(room), Some(jid)) => Some((room, jid)),
            _ => None,
        }
    }
}

/// What another policy means for the people in the rooms.
#[derive(Clone, Debug, Default)]
pub struct Consequences {
    /// Number of people inside, without services; each counts once per room.
    pub inside: usize,
    /// People inside who may not stay, each once per room.
    pub removed: Vec<Judged>,
    /// People waiting who may enter now.
    pub let_in: Vec<Judged>,
    /// People waiting who would be refused.
    pub turned_away: Vec<Judged>,
}

/// Number of sessions after which a part of the rooms ends: judging these takes about a millisecond.
const PART: usize = 256;

/// Name of the rule on who may enter.
const ENTER: &str = "access.enter";

impl Consequences {
    /// Adds the consequences for other rooms.
    pub fn extend(&mut self, other: Self) {
        self.inside = self.inside.saturating_add(other.inside);
        self.removed.extend(other.removed);
        self.let_in.extend(other.let_in);
        self.turned_away.extend(other.turned_away);
    }
}

impl PolicyEngine {
    /// Returns what a policy would mean for the people in a part of the rooms, those after `after`, as far as is known;
    /// and the last of these rooms, or `None` if no more follow. Changes nothing.
    pub fn consequences(
        &self,
        policy: &Policy,
        after: Option<&BareJid>,
        now: Timestamp,
    ) -> (Consequences, Option<BareJid>) {
        self.judge_part(&self.policy, policy, after, now)
    }

    /// Judges a part of the rooms by `policy`; of those waiting, only the ones on whom `before` has another verdict.
    fn judge_part(
        &self,
        before: &Policy,
        policy: &Policy,
        after: Option<&BareJid>,
        now: Timestamp,
    ) -> (Consequences, Option<BareJid>) {
        let mut all = Consequences::default();
        let (part, last) = self.part(after);
        for jid in &part {
            if let (Mode::Enforce, Some(room)) = (self.mode, self.live.room(jid)) {
                self.judge_room(before, policy, (jid, room), &mut all, now);
            }
        }
        (all, last)
    }

    /// Returns some rooms after an address; and the last of them, or `None` if no more follow.
    pub fn part(&self, after: Option<&BareJid>) -> (Vec<BareJid>, Option<BareJid>) {
        let (mut part, mut sessions) = (Vec::new(), 0_usize);
        for (jid, room) in self.live.rooms.after(after) {
            if sessions >= PART {
                return (part.clone(), part.pop());
            }
            part.push(jid.clone());
            sessions = sessions.saturating_add(room.sessions()).saturating_add(1);
        }
        (part, None)
    }

    fn judge_room(
        &self,
        before: &Policy,
        policy: &Policy,
        (jid, room): (&BareJid, &Room),
        all: &mut Consequences,
        now: Timestamp,
    ) {
        let rules = policy.rules_in(jid, room.claims(), room.view.is_found());
        let mut seen = HashSet::new();
        for who in room.occupants.values().map(|known| &known.who) {
            let is_service = |jid| policy.services.contains_key(jid);
            if who.jid.as_ref().is_some_and(is_service) || !seen.insert(who.jid.as_ref()) {
                continue;
            }
            all.inside = all.inside.saturating_add(1);
        }
        let mut removed = HashSet::new();
        let judge = Judge { policy, rules: &rules, jid, room, now };
        for who in room.occupants.values().map(|known| &known.who) {
            let attempt = judge.attempt(who, Action::default());
            let decision = reevaluate(policy, &rules, &attempt, &room.view, now);
            if let Some(decision) = decision
                && removed.insert(who.jid.as_ref())
            {
                let (view, rules) = (room.view.clone(), Arc::clone(&rules));
                let revision = policy.revision.clone();
                all.removed.push(Judged { attempt, view, rules, revision, decision });
            }
        }
        for who in room.waiting.values().map(|known| &known.who) {
            let Some(judged) = judge.waiting(before, who) else { continue };
            match judged.decision.verdict {
                Verdict::Allow => all.let_in.push(judged),
                Verdict::Deny => all.turned_away.push(judged),
                Verdict::Hold | Verdict::Prompt => {}
            }
        }
    }

    /// Puts another policy in force for all later decisions, and returns the one before. The people in the rooms are
    /// judged by [`Self::judge_again`].
    pub fn replace_policy(&mut self, policy: Arc<Policy>) -> Arc<Policy> {
        self.live.policy_replaced();
        std::mem::replace(&mut self.policy, policy)
    }

    /// Judges the people in a part of the rooms, those after `after`, by the policy in force instead of the one before,
    /// and records who is to be removed; returns the last of these rooms too, or `None` if no more follow.
    pub fn judge_again(
        &mut self,
        before: &Policy,
        after: Option<&BareJid>,
        now: Timestamp,
    ) -> (Consequences, Option<BareJid>) {
        let policy = Arc::clone(&self.policy);
        let (consequences, last) = self.judge_part(before, &policy, after, now);
        for jid in self.part(after).0 {
            self.live.choose_rules(&policy, &jid);
        }
        self.write_removals(&consequences.removed, now);
        (consequences, last)
    }

    /// Returns who is inside a part of the rooms, those after `after`, and may not stay, and who waits although a ban
    /// or `access.enter` refuses them; and the last of these rooms, or `None` if no more follow.
    pub fn misplaced(
        &self,
        after: Option<&BareJid>,
        now: Timestamp,
    ) -> (Consequences, Option<BareJid>) {
        let policy = &self.policy;
        let (mut all, last) = self.judge_part(policy, policy, after, now);
        for jid in self.part(after).0 {
            let (Mode::Enforce, Some(room)) = (self.mode, self.live.room(&jid)) else { continue };
            let rules = policy.rules_in(&jid, room.claims(), room.view.is_found());
            let judge = Judge { policy, rules: &rules, jid: &jid, room, now };
            let judged = room.waiting.values().map(|known| judge.knocking(&known.who));
            all.turned_away.extend(judged.filter(waits_in_vain));
        }
        (all, last)
    }

    /// Records that these people are to be removed.
    pub fn write_removals(&mut self, removed: &[Judged], now: Timestamp) {
        let pressure = Pressure::default();
        for Judged { attempt, view, rules, revision, decision } in removed {
            let id = self.next_id();
            let facts = Facts::of(&self.policy, rules, attempt, view, &pressure);
            self.write_down(decision, (attempt, &facts), &id, Some(revision), now);
        }
    }
}

/// Returns whether a ban or `access.enter` refuses this person. Other refusals may pass: a closed room can open again.
fn waits_in_vain(judged: &Judged) -> bool {
    let Decision { verdict, rule, .. } = &judged.decision;
    *verdict == Verdict::Deny && (rule.name == fixed::BAN.name || rule.name == ENTER)
}

/// Judges the people of one room by a policy.
struct Judge<'a> {
    policy: &'a Policy,
    rules: &'a Arc<Rules>,
    jid: &'a BareJid,
    room: &'a Room,
    now: Timestamp,
}

impl Judge<'_> {
    /// Judges a person who waits; `None` if the policy before has the same verdict.
    fn waiting(&self, before: &Policy, who: &Requester) -> Option<Judged> {
        let judged = self.knocking(who);
        let unnoted = Attempt { banned: Held::default(), ..judged.attempt.clone() };
        let rules = before.rules_in(self.jid, self.room.claims(), self.room.view.is_found());
        let pressure = Pressure::default();
        let decided = decide(before, &rules, &unnoted, &judged.view, &pressure, self.now);
        (decided.verdict != judged.decision.verdict).then_some(judged)
    }

    /// Judges a person who waits as one who joins without a password.
    fn knocking(&self, who: &Requester) -> Judged {
        let Self { policy, rules, now, .. } = *self;
        let attempt = self.attempt(who, Action::Join { credential: Credential::None });
        // They have a place in the lobby already, so its limit must not count against them.
        let view = RoomView { waiting: 0, exists: true, ..self.room.view.clone() };
        let decision = decide(policy, rules, &attempt, &view, &Pressure::default(), now);
        let revision = policy.revision.clone();
        Judged { attempt, view, rules: Arc::clone(rules), revision, decision }
    }

    /// Returns the attempt by which the policy judges a person.
    fn attempt(&self, who: &Requester, action: Action) -> Attempt {
        let attempt = Attempt {
            id: "reload".into(),
            room: Some(self.jid.clone()),
            requester: who.clone(),
            action,
            ..Attempt::default()
        };
        Attempt { banned: self.policy.held(&attempt, self.now), ..attempt }
    }
}
