//! Another policy: what it would mean for those who are there, and putting it in force.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Desk, Mode};
use crate::component::live::Room;
use crate::jid::BareJid;
use crate::policy::attempt::{Action, Attempt, Credential, Requester, RoomView};
use crate::policy::decide::{decide, rejudge};
use crate::policy::facts::Facts;
use crate::policy::made::Held;
use crate::policy::pressure::Pressure;
use crate::policy::rules::{Policy, Rules};
use crate::policy::verdict::{Decision, Verdict};

/// What a policy says of somebody.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Who, in which room.
    pub attempt: Attempt,
    /// The room.
    pub view: RoomView,
    /// The rules for it.
    pub rules: Arc<Rules>,
    /// What.
    pub decision: Decision,
}

impl Judged {
    /// The room and the person.
    pub const fn about(&self) -> Option<(&BareJid, &BareJid)> {
        match (&self.attempt.room, &self.attempt.requester.jid) {
            (Some(room), Some(jid)) => Some((room, jid)),
            _ => None,
        }
    }
}

/// What another policy means for those who are there.
#[derive(Clone, Debug, Default)]
pub struct Consequences {
    /// How many are inside, services apart: each person once for each room.
    pub inside: usize,
    /// Those inside who may not stay: each person once for each room.
    pub removed: Vec<Judged>,
    /// Those waiting who need not wait any longer.
    pub let_in: Vec<Judged>,
    /// Those waiting who would be refused.
    pub turned_away: Vec<Judged>,
}

impl Desk {
    /// What a policy would mean for those who are there, as far as is known here. Nothing is changed.
    pub fn consequences(&self, policy: &Policy, now: Timestamp) -> Consequences {
        let mut all = Consequences::default();
        if self.mode == Mode::Observe {
            return all;
        }
        for (jid, room) in self.live.rooms() {
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
            for who in room.occupants.values().map(|known| &known.who) {
                let attempt = attempt(policy, jid, who, Action::default(), now);
                let decision = rejudge(policy, &rules, &attempt, &room.view, now);
                if let Some(decision) = decision
                    && removed.insert(who.jid.as_ref())
                {
                    let (view, rules) = (room.view.clone(), Arc::clone(&rules));
                    all.removed.push(Judged { attempt, view, rules, decision });
                }
            }
            for who in room.waiting.values().map(|known| &known.who) {
                let Some(judged) = self.waiting(policy, &rules, jid, room, who, now) else {
                    continue;
                };
                match judged.decision.verdict {
                    Verdict::Allow => all.let_in.push(judged),
                    Verdict::Deny => all.turned_away.push(judged),
                    Verdict::Hold | Verdict::Prompt => {}
                }
            }
        }
        all
    }

    /// What another policy says of somebody who waits, if that is something else than what the policy in force says.
    fn waiting(
        &self,
        policy: &Policy,
        rules: &Arc<Rules>,
        jid: &BareJid,
        room: &Room,
        who: &Requester,
        now: Timestamp,
    ) -> Option<Judged> {
        let action = Action::Join { credential: Credential::None };
        let attempt = attempt(policy, jid, who, action, now);
        // He has his place among them already.
        let view = RoomView { waiting: 0, exists: true, ..room.view.clone() };
        let pressure = Pressure::default();
        let unnoted = Attempt { banned: Held::default(), ..attempt.clone() };
        let before = decide(&self.policy, &room.rules, &unnoted, &view, &pressure, now);
        let after = decide(policy, rules, &attempt, &view, &pressure, now);
        (before.verdict != after.verdict).then(|| Judged {
            attempt,
            view,
            rules: Arc::clone(rules),
            decision: after,
        })
    }

    /// Puts another policy in force, unless it would remove more people than `limit` makes of the number inside:
    /// what followed, or would have.
    ///
    /// # Errors
    /// It would remove too many; nothing is changed.
    pub fn replace_policy(
        &mut self,
        policy: Arc<Policy>,
        limit: impl FnOnce(usize) -> usize,
        now: Timestamp,
    ) -> Result<Consequences, Consequences> {
        let consequences = self.consequences(&policy, now);
        if consequences.removed.len() > limit(consequences.inside) {
            return Err(consequences);
        }
        self.policy = policy;
        self.live.replace_policy(&self.policy);
        let pressure = Pressure::default();
        for Judged { attempt, view, rules, decision } in &consequences.removed {
            let id = self.next_id();
            let facts = Facts::of(&self.policy, rules, attempt, view, &pressure);
            self.write_down(decision, (attempt, &facts), &id, true, now);
        }
        Ok(consequences)
    }
}

/// Somebody who is there already, as the policy would meet him.
fn attempt(
    policy: &Policy,
    room: &BareJid,
    who: &Requester,
    action: Action,
    now: Timestamp,
) -> Attempt {
    let attempt = Attempt {
        id: "reload".to_owned(),
        room: Some(room.clone()),
        requester: who.clone(),
        action,
        ..Attempt::default()
    };
    Attempt { banned: policy.held(&attempt, now), ..attempt }
}
