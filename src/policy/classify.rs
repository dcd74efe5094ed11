//! Who the requester is taken for.

use super::attempt::{Auth, Requester};
use super::class::{Class, ClassSet};
use super::rules::{Policy, Rules};

/// Every class that the requester has proved to belong to.
///
/// Only what a session authenticated as counts: never a nick, a prefix, or anything that a client wrote.
pub(super) fn classes(policy: &Policy, rules: &Rules, who: &Requester) -> ClassSet {
    let mut classes = ClassSet::NONE;
    if who.jid.is_none() {
        return classes.with(Class::Guest);
    }
    if let Some(jid) = who.proved() {
        // Services come themselves.
        if who.account.is_none() && policy.services.contains_key(jid) {
            classes = classes.with(Class::Service);
        }
        if policy.operators.contains_key(jid) {
            classes = classes.with(Class::Operator);
        }
        if rules.access.listed_jids.value.contains(jid)
            || rules.access.listed_domains.value.contains(jid.domain())
        {
            classes = classes.with(Class::Listed);
        }
    }
    if who.person.is_some_and(|person| person.has_been_inside()) {
        classes = classes.with(Class::Returning);
    }
    classes.with(match who.auth {
        Auth::Token => Class::Token,
        Auth::Account => Class::Account,
        Auth::Server => Class::Federated,
        Auth::Anonymous if who.account.is_some() => Class::Account,
        Auth::Anonymous | Auth::Component | Auth::Unknown => Class::Guest,
    })
}

/// Who somebody in a room is taken for, by the strongest proof.
pub fn class(policy: &Policy, rules: &Rules, who: &Requester) -> Class {
    classes(policy, rules, who).strongest()
}
