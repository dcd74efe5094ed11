//! Opinions on permissions: what people inside may do, and what they are told of that.

use super::{moderators, suspended};
use crate::policy::Rules;
use crate::policy::attempt::{Feature, Requester, Role, RoleChange};
use crate::policy::class::{Class, ClassSet};
use crate::policy::classify::classes;
use crate::policy::context::Case;
use crate::policy::denial::Denial;
use crate::policy::notice::{Notice, Told};
use crate::policy::rules::fixed;
use crate::policy::rules::kinds::Who;
use crate::policy::rules::permissions::{E2ee, Permitted};
use crate::policy::verdict::{Ability, Audience, Degree, Effects, May, Opinion, Rule};
use crate::setting::Setting;

/// Returns the rule on an ability, and who has it.
fn on(rules: &Rules, ability: Ability) -> (Rule, Permitted) {
    let permissions = &rules.permissions;
    match ability {
        Ability::Chat => (permissions.chat.rule(), permissions.chat.value),
        Ability::Private => (permissions.private.rule(), permissions.private.value),
        Ability::Rename => (permissions.rename.rule(), permissions.rename.value),
        Ability::Audio => (permissions.audio.rule(), permissions.audio.value),
        Ability::Video => (permissions.video.rule(), permissions.video.value),
        Ability::Desktop => (permissions.screen_share.rule(), permissions.screen_share.value),
        Ability::Record | Ability::Dial if permissions.e2ee.value == E2ee::Require => {
            (permissions.e2ee.rule(), Permitted::OPERATORS)
        }
        Ability::Record => (permissions.record.rule(), permissions.record.value),
        Ability::Dial => (permissions.dial.rule(), permissions.dial.value),
        Ability::Alone => (permissions.breakout_alone.rule(), permissions.breakout_alone.value),
        Ability::Form => (fixed::READING.at(0), Permitted::MODERATORS),
        Ability::Secret => {
            let shown = rules.password.show_to_moderators;
            let is_shown = shown.value || !rules.password.hides;
            let who = if is_shown { Permitted::MODERATORS } else { Permitted::OPERATORS };
            (shown.rule(), who)
        }
    }
}

fn may(rules: &Rules, classes: ClassSet) -> May {
    May(Ability::ALL.map(|ability| on(rules, ability).1.degree(classes)))
}

/// Returns the rule on an ability.
pub(in crate::policy) fn rule(rules: &Rules, ability: Ability) -> Rule {
    on(rules, ability).0
}

/// Returns the rule that a gate has refused by without a question, by the reason that it reports.
pub fn compared(rules: &Rules, reason: &str) -> Option<Rule> {
    if reason == suspended::RULE.name {
        return Some(suspended::RULE);
    }
    let key = |rule: &Rule| rule.name.strip_prefix("permissions.") == Some(reason);
    Ability::ALL.into_iter().map(|ability| rule(rules, ability)).find(key)
}

/// Denies entry to a client that cannot encrypt end to end, where the room requires that.
pub(in crate::policy) fn enter(case: &Case<'_>) -> Option<Opinion> {
    let e2ee = case.rules.permissions.e2ee;
    (e2ee.value == E2ee::Require && !case.who.e2ee)
        .then(|| Opinion::deny(e2ee.rule(), Denial::E2eeNeeded))
}

/// Adds the permissions and notices of a person who comes in, and what moderators are told of their encryption.
pub(in crate::policy) fn entered(case: &Case<'_>, moderates: bool, effects: &mut Effects) {
    custom_notices(case, moderates, effects);
    tell(case, effects);
    match case.rules.permissions.e2ee.value {
        E2ee::Prefer if !case.who.e2ee => {
            effects.notices.push((Audience::ModeratorsAfter, Notice::CannotEncrypt));
        }
        E2ee::Require if moderates => {
            effects.notices.push((Audience::RequesterJoined, Notice::EncryptedOnly));
        }
        E2ee::Off | E2ee::Prefer | E2ee::Require => {}
    }
}

/// Adds the permissions of a person who comes in.
pub(in crate::policy) fn tell(case: &Case<'_>, effects: &mut Effects) {
    let may = may(case.rules, case.classes);
    if may != May::default() {
        effects.may.push((case.jid.clone(), may));
    }
}

/// Adds the permissions that are preset in a room before anybody is in it.
pub(in crate::policy) fn preset(case: &Case<'_>, effects: &mut Effects) {
    effects.moderated = Some(case.rules.permissions.moderated()).filter(|all| !all.is_empty());
}

/// Judges the use of a feature of Jitsi. What runs may be stopped even where encryption is required.
pub(in crate::policy) fn feature(case: &Case<'_>, feature: Feature) -> Opinion {
    let permissions = &case.rules.permissions;
    let (permitted, denial) = match feature {
        Feature::Record { .. } => (permissions.record, Denial::MayNotRecord),
        Feature::Dial => (permissions.dial, Denial::MayNotDial),
        Feature::Breakout { .. } => {
            return require_permission(case, permissions.breakout, Denial::MayNotBreakout);
        }
    };
    if !feature.stops()
        && let Some(refusal) = in_clear(case)
    {
        return refusal;
    }
    require_permission(case, permitted, denial)
}

/// Denies recorders and telephones where end-to-end encryption is required: they take no part in it.
fn in_clear(case: &Case<'_>) -> Option<Opinion> {
    let e2ee = case.rules.permissions.e2ee;
    (e2ee.value == E2ee::Require).then(|| Opinion::deny(e2ee.rule(), Denial::E2eeOnly))
}

/// Denies a person a breakout room that they have chosen, if they may not. Nobody who comes has a role yet: a person who will
/// moderate there counts as a moderator.
pub(in crate::policy) fn choose_breakout(case: &Case<'_>) -> Option<Opinion> {
    let choice = case.rules.permissions.breakout_choice;
    let may_choose = match choice.value.degree(case.classes) {
        Degree::Yes | Degree::Given => true,
        Degree::Moderator => moderators::entitlement(case).is_some(),
        Degree::No => false,
    };
    (case.who.breakout.is_some() && !case.who.sent && !may_choose)
        .then(|| Opinion::deny(choice.rule(), Denial::MayNotChooseBreakout))
}

fn require_permission(case: &Case<'_>, permitted: Setting<Permitted>, denial: Denial) -> Opinion {
    let rule = permitted.rule();
    let allowed = match permitted.value.degree(case.classes) {
        Degree::Yes | Degree::Given => true,
        Degree::Moderator => moderators::may(case, Who::Moderator),
        Degree::No => false,
    };
    if allowed { Opinion::allow(rule) } else { Opinion::deny(rule, denial) }
}

/// Gives voice to a person who does not moderate: they may write from now on.
pub(in crate::policy) fn voice(case: &Case<'_>, item: &RoleChange, effects: &mut Effects) {
    let (Some(jid), Some(Role::Participant)) = (&item.jid, item.to) else { return };
    // A moderator who loses the role by it gains nothing.
    if item.from == Role::Moderator {
        return;
    }
    let person = case.attempt.other(jid).cloned();
    let bearer = item.bearer.clone().unwrap_or_default();
    let bearer = Requester { jid: Some(jid.clone()), person, ..bearer };
    let before = may(case.rules, classes(case.policy, case.rules, &bearer, case.place));
    let after = before.with_voice();
    if after != before {
        effects.may.push((jid.clone(), after));
    }
}

/// Returns the first ability in which `told` is not what the rules give to the requester, who is inside, and the
/// permissions to tell them instead. Both what they have without voice and what voice makes of it are right.
pub(in crate::policy) fn differing(case: &Case<'_>, told: May) -> Option<(Ability, May)> {
    // On their first join, an occupant did not yet count as returning.
    let new = Requester { person: None, ..case.who.clone() };
    let new = classes(case.policy, case.rules, &new, case.place);
    let least = may(case.rules, new);
    let most = may(case.rules, new.with(Class::Returning)).with_voice();
    let mut should = told;
    let mut first = None;
    let range = most.iter().zip(least.iter());
    for (degree, ((ability, most), (_, least))) in should.0.iter_mut().zip(range) {
        if *degree < most || *degree > least {
            *degree = least;
            first = first.or(Some(ability));
        }
    }
    first.map(|ability| (ability, should))
}

/// Adds the operator's own notices for a person who enters.
fn custom_notices(case: &Case<'_>, moderates: bool, effects: &mut Effects) {
    let texts = &case.policy.texts;
    let mut tell = |told: Told| {
        // Moderators who are not shown the password do not get it in this way either.
        let tells = case.rules.password.show_to_moderators.value;
        if texts.has(told, |text| tells || !text.contains("{password}")) {
            effects.notices.push((Audience::RequesterJoined, Notice::Told(told)));
        }
    };
    tell(Told::Enter);
    if moderates {
        tell(Told::Moderate);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::rules::permissions::Permissions;

    #[test]
    fn voice_gives_no_more_than_moderators_have() {
        let moderators = Permitted::MODERATORS;
        let nobody = Permitted { classes: ClassSet::NONE, moderators: false };
        let mut rules = Permissions::default();
        (rules.chat.value, rules.private.value, rules.rename.value) =
            (moderators, nobody, moderators);
        let rules = Rules { permissions: Arc::new(rules), ..Rules::default() };
        let guest = may(&rules, ClassSet::of(&[Class::Guest]));
        let degrees: Vec<_> = guest.with_voice().iter().map(|(_, degree)| degree.name()).collect();
        assert_eq!(
            degrees,
            [
                "given",
                "no",
                "moderator",
                "yes",
                "yes",
                "yes",
                "moderator",
                "moderator",
                "yes",
                "moderator",
                "moderator"
            ]
        );
    }

    #[test]
    fn operators_alone_read_a_password_that_is_told_to_nobody() {
        let mut rules = Rules::default();
        Arc::make_mut(&mut rules.password).show_to_moderators.value = false;
        let degree = |class| {
            let [.., form, secret] = may(&rules, ClassSet::of(&[class])).0;
            (form.name(), secret.name())
        };
        assert_eq!(degree(Class::Account), ("moderator", "no"));
        assert_eq!(degree(Class::Operator), ("yes", "yes"));
    }

    #[test]
    fn operators_may_where_nobody_may() {
        let nobody = Permitted { classes: ClassSet::NONE, moderators: false };
        assert_eq!(nobody.degree(ClassSet::of(&[Class::Operator])), Degree::Yes);
        assert_eq!(nobody.degree(ClassSet::of(&[Class::Account])), Degree::No);
    }
}
