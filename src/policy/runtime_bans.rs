//! Runtime bans: made by operators while the component runs, in addition to those of the file, and in no revision.
//!
//! A decision that rests on one is logged with it, so that it can be decided again by the file alone.

use std::iter;

use jiff::Timestamp;

use super::Policy;
use super::attempt::{Attempt, Auth, Held, Noted, Place, Requester};
use super::bans::{Ban, Origin};
use super::context::Case;
use super::fingerprint::Mark;
use super::removal::{By, returning_marks};
use crate::jid::BareJid;

impl Policy {
    /// Returns the runtime bans that hold for the people of an attempt, to be noted in it. They hold whether they
    /// are noted or not; noted, the attempt's facts say which.
    pub fn held(&self, attempt: &Attempt, now: Timestamp) -> Held {
        let name = attempt.room.as_ref().and_then(|room| room.node()).unwrap_or_default();
        if self.made.is_empty() {
            return Held::default();
        }
        let noted = |who: &Requester| {
            let (ban, account) = find(self, who, who.jid.as_ref()?, name, now)?;
            let Origin::Made(id) = &ban.origin else { return None };
            Some(Noted { id: id.clone(), account })
        };
        Held {
            requester: noted(&attempt.requester),
            behind: attempt.behind.as_ref().and_then(noted),
        }
    }

    /// Returns the ban, of the file or made at run time, that keeps this person out of the room of that name now. Where an
    /// exception lifts bans on domains and networks, for anybody, only a ban on the person themselves counts.
    pub fn ban_on(
        &self,
        who: &Requester,
        jid: &BareJid,
        room: &str,
        now: Timestamp,
    ) -> Option<&Ban> {
        let named = || iter::once(jid).chain(who.behind());
        let own = || named().find_map(|jid| self.bans.on_account(jid, room, now));
        let other = || named().find_map(|jid| self.bans.on(jid, who.address, room, now));
        let made = find(self, who, jid, room, now);
        let made_own = made.filter(|(_, own)| *own).map(|(ban, _)| ban);
        // An exception lifts bans on domains and networks.
        let is_lifted = self.exceptions.lift_bans(room, now);
        let not_own = || other().or(made.map(|(ban, _)| ban)).filter(|_| !is_lifted);
        own().or(made_own).or_else(not_own)
    }

    /// Returns the fingerprints by which a person is recognised with certainty under another address: ticket, token, and
    /// the account behind them.
    fn marks(&self, who: &Requester) -> Vec<(By, Mark)> {
        let mut marks = returning_marks(&self.base.removal, who);
        let account = self.identify(who, Place::ANY).account;
        let of = |account: &BareJid| (By::Account, Mark::of(By::Account.name(), account.as_str()));
        marks.extend(account.map(of));
        marks
    }

    /// Returns the fingerprints that a ban on a person's address needs, so that they do not come back under another one,
    /// and the means of each. None, where they log in with that address.
    pub fn marks_to_ban(&self, who: &Requester) -> Vec<(By, Mark)> {
        match self.identify(who, Place::ANY).auth {
            Auth::Account => Vec::new(),
            Auth::Unknown | Auth::Anonymous | Auth::Token | Auth::Server | Auth::Component => {
                self.marks(who)
            }
        }
    }
}

/// Returns whether a runtime ban keeps the requester out.
pub(super) fn keeps_out(case: &Case<'_>) -> bool {
    let made = &case.policy.made;
    let account = match case.noted {
        Some(noted) => Some(noted.account),
        None if made.is_empty() => None,
        None => {
            find(case.policy, case.who, case.jid, case.room_name(), case.now).map(|(_, own)| own)
        }
    };
    account.is_some_and(|account| account || !case.exempt)
}

/// Returns the most specific runtime ban that matches, and whether it names the account itself.
fn find<'a>(
    policy: &'a Policy,
    who: &Requester,
    jid: &BareJid,
    room: &str,
    now: Timestamp,
) -> Option<(&'a Ban, bool)> {
    let bans = &*policy.made;
    let named = || iter::once(jid).chain(who.behind());
    let own = named().find_map(|jid| bans.on_account(jid, room, now));
    let marked = || {
        let is_named = policy.identify(who, Place::ANY).jid.is_some_and(|jid| {
            policy.operators.contains_key(jid) || policy.services.contains_key(jid)
        });
        // An operator or a service with the same client is another person.
        let marks = || policy.marks(who).into_iter().map(|(_, mark)| mark);
        if is_named { None } else { bans.on_marks(marks(), room, now) }
    };
    let own = own.or_else(|| bans.have_marks().then(marked).flatten());
    let other = || named().find_map(|jid| bans.on(jid, who.address, room, now));
    own.map(|ban| (ban, true)).or_else(|| other().map(|ban| (ban, false)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::attempt::{Action, Credential, Pressure, RoomView};
    use crate::policy::bans::{Banned, Bans};
    use crate::policy::decide::{decide, reevaluate};
    use crate::policy::exceptions::{Exception, Whom};
    use crate::policy::facts::Facts;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn policy(bans: &[(&str, &str)]) -> Policy {
        let mut made = Bans::default();
        for (id, whom) in bans {
            let ban = Ban {
                origin: Origin::Made((*id).to_owned()),
                until: Timestamp::from_second(60).ok(),
                rooms: None,
                reason: String::new(),
            };
            made.ban(Banned::read(whom).unwrap(), ban);
        }
        Policy { made: Arc::new(made), ..Policy::default() }
    }

    fn bob(action: Action) -> Attempt {
        Attempt {
            room: "tea@rooms.example.org".parse().ok(),
            requester: Requester {
                jid: "bob@example.org".parse().ok(),
                auth: Auth::Account,
                address: "192.0.2.7".parse().ok(),
                secure: Some(true),
                ..Requester::default()
            },
            action,
            ..Attempt::default()
        }
    }

    fn join() -> Attempt {
        bob(Action::Join { credential: Credential::Right })
    }

    /// Returns the rule of the decision on the person, and the ban that the facts name.
    fn ends(
        policy: &Policy,
        mut attempt: Attempt,
        now: Timestamp,
    ) -> (&'static str, Option<String>) {
        attempt.banned = policy.held(&attempt, now);
        let (view, calm) = (RoomView { exists: true, ..RoomView::default() }, Pressure::default());
        let decision = decide(policy, &policy.base, &attempt, &view, &calm, now);
        let facts = Facts::of(policy, &policy.base, &attempt, &view, &calm);
        let ban = facts.ban().map(str::to_owned);
        // As logged, decided again by a file without that ban.
        let facts: Facts<'_> =
            serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
        let (again, view, calm) = facts.into_parts("", attempt.room.clone());
        let file = Policy { made: Arc::default(), ..policy.clone() };
        assert_eq!(decide(&file, &file.base, &again, &view, &calm, now), decision);
        let stays = reevaluate(&file, &file.base, &again, &view, now).is_none();
        assert_eq!(stays, reevaluate(policy, &policy.base, &attempt, &view, now).is_none());
        assert_eq!(stays, decision.rule.name != crate::policy::rules::fixed::BAN.name);
        (decision.rule.name, ban)
    }

    #[test]
    fn a_ban_made_at_run_time_holds_until_its_end_and_is_decided_again_by_the_file_alone() {
        for whom in ["bob@example.org", "example.org", "192.0.2.0/24", "192.0.2.7"] {
            let policy = policy(&[("b1", whom), ("b2", "carol@example.net")]);
            assert_eq!(ends(&policy, join(), NOW), ("ban", Some("b1".to_owned())), "{whom}");
            let after = Timestamp::from_second(60).unwrap();
            assert_ne!(ends(&policy, join(), after).0, "ban", "{whom}");
        }
        assert_ne!(ends(&policy(&[("b2", "carol@example.net")]), join(), NOW).0, "ban");
    }

    #[test]
    fn it_holds_although_nobody_noted_it() {
        let policy = policy(&[("b1", "example.org")]);
        let (view, calm) = (RoomView::default(), Pressure::default());
        let decision = decide(&policy, &policy.base, &join(), &view, &calm, NOW);
        assert_eq!((decision.rule.name, decision.rule.line), ("ban", 0));
    }

    #[test]
    fn an_exception_lifts_one_on_a_domain_and_none_on_the_account() {
        let excepted = |bans: &[(&str, &str)]| {
            let mut policy = policy(bans);
            let exception = Exception {
                line: 7,
                until: None,
                rooms: None,
                rules: Vec::new(),
                bans: true,
                reason: String::new(),
            };
            policy.exceptions.add(Whom::Jid("bob@example.org".parse().unwrap()), exception);
            policy
        };
        assert_ne!(ends(&excepted(&[("b1", "example.org")]), join(), NOW).0, "ban");
        let both = excepted(&[("b1", "example.org"), ("b2", "bob@example.org")]);
        assert_eq!(ends(&both, join(), NOW), ("ban", Some("b2".to_owned())));
    }

    #[test]
    fn a_ban_on_a_mark_holds_under_another_address_and_on_nobody_whom_the_file_names() {
        let ticket = Mark::of("ticket", "t1");
        let guest = |jid: &str| Attempt {
            requester: Requester {
                jid: jid.parse().ok(),
                auth: Auth::Anonymous,
                ticket: Some(ticket),
                ..join().requester
            },
            ..join()
        };
        let one = guest("x1@guest.example.org");
        let whom = Banned::Mark(ticket).to_string();
        let mut policy = policy(&[("b1", &whom)]);
        assert_eq!(policy.marks_to_ban(&one.requester), [(By::Ticket, ticket)]);
        assert!(policy.marks_to_ban(&join().requester).is_empty(), "an account is its address");
        assert_eq!(
            ends(&policy, guest("x2@guest.example.org"), NOW),
            ("ban", Some("b1".to_owned()))
        );
        let other = Requester { ticket: Some(Mark::of("ticket", "t2")), ..one.requester };
        assert_ne!(ends(&policy, Attempt { requester: other, ..join() }, NOW).0, "ban");
        let mut root = guest("root@example.org");
        root.requester.auth = Auth::Account;
        assert_eq!(ends(&policy, root.clone(), NOW).0, "ban");
        policy.operators.insert("root@example.org".parse().unwrap(), 1);
        assert_ne!(ends(&policy, root, NOW).0, "ban");
    }

    #[test]
    fn whoever_stands_behind_a_focus_is_kept_out() {
        let mut policy = policy(&[("b1", "bob@example.org")]);
        let focus: BareJid = "focus@example.org".parse().unwrap();
        policy.services.insert(focus.clone(), 1);
        policy.focuses.insert("rooms.example.org".to_owned(), focus.clone());
        let bob = bob(Action::Open { typed: None });
        let attempt = Attempt {
            behind: Some(bob.requester.clone()),
            requester: Requester { jid: Some(focus), ..bob.requester.clone() },
            ..bob
        };
        let held = policy.held(&attempt, NOW);
        let id = held.behind.as_ref().map(|ban| ban.id.clone());
        assert_eq!((&held.requester, id), (&None, Some("b1".to_owned())));
        // Decided again by the file alone, as from the log.
        policy.made = Arc::default();
        let attempt = Attempt { banned: held, ..attempt };
        let (view, calm) = (RoomView::default(), Pressure::default());
        let decision = decide(&policy, &policy.base, &attempt, &view, &calm, NOW);
        assert_eq!(decision.rule.name, "ban");
    }
}
