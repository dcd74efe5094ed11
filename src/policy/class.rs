//! Who a person is, as far as it was proved.

use std::fmt;

use jiff::Timestamp;

use super::attempt::{Action, Attempt, Auth, Requester};
use super::logins::Proves;
use super::requester::{Session, SessionKind};
use super::{Policy, Rules};
use crate::jid::BareJid;

/// A requester class, from the strongest proof down. A requester may belong to several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A service account of the file (focus, recorder, transcriber): an exact bare JID.
    Service,
    /// An operator of the file: an exact bare JID.
    Operator,
    /// A JID or domain that the file lists.
    Listed,
    /// A session with a token that the server verified.
    Token,
    /// A session authenticated with an account on a local host.
    Account,
    /// A person who was admitted to this life of the room before.
    Returning,
    /// A session of another server.
    Federated,
    /// Everybody else.
    Guest,
}

impl Class {
    /// Every class, from the strongest proof down.
    pub const ALL: [Self; 8] = [
        Self::Service,
        Self::Operator,
        Self::Listed,
        Self::Token,
        Self::Account,
        Self::Returning,
        Self::Federated,
        Self::Guest,
    ];

    /// The name used in the file, the log and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Operator => "operator",
            Self::Listed => "listed",
            Self::Token => "token",
            Self::Account => "account",
            Self::Returning => "returning",
            Self::Federated => "federated",
            Self::Guest => "guest",
        }
    }

    /// The class of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of classes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ClassSet(u8);

impl ClassSet {
    /// No class.
    pub const NONE: Self = Self(0);
    /// Every class.
    pub const ALL: Self = Self(u8::MAX);

    /// The set of these classes.
    pub const fn of(classes: &[Class]) -> Self {
        let mut bits = 0;
        let mut rest = classes;
        while let [class, tail @ ..] = rest {
            bits |= class.bit();
            rest = tail;
        }
        Self(bits)
    }

    /// This set and one class more.
    #[must_use]
    pub const fn with(self, class: Class) -> Self {
        Self(self.0 | class.bit())
    }

    /// This set and the other together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether the class is in the set.
    pub const fn has(self, class: Class) -> bool {
        self.0 & class.bit() != 0
    }

    /// Returns whether the two sets share a class.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The classes in the set, from the strongest down.
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |class| self.has(*class))
    }

    /// The strongest class of the set; a guest if the set is empty.
    pub fn strongest(self) -> Class {
        self.iter().next().unwrap_or(Class::Guest)
    }
}

impl fmt::Debug for ClassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The SASL mechanism that proves nothing (RFC 4505).
const ANONYMOUS: &str = "ANONYMOUS";

/// Where and when it is judged who a person is: a token is for a room, and for a time.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The room. `None`: wherever the token is for.
    pub room: Option<&'a BareJid>,
    /// The time. `None`: of a person who is inside and keeps what they came in with.
    pub now: Option<Timestamp>,
}

impl<'a> Place<'a> {
    /// Anywhere, at any time.
    pub const ANY: Self = Self { room: None, now: None };

    /// Where a person is inside.
    pub const fn inside(room: &'a BareJid) -> Self {
        Self { room: Some(room), now: None }
    }

    /// Where, and when, a person tries something. An occupant keeps what they came in with: a token that
    /// has run out is judged when its bearer comes again.
    pub fn of(attempt: &'a Attempt, now: Timestamp) -> Self {
        let comes = matches!(
            attempt.action,
            Action::Request | Action::Open { .. } | Action::Join { .. } | Action::Unknown
        );
        let now = (comes || attempt.requester.role == super::attempt::Role::None).then_some(now);
        Self { room: attempt.room.as_ref(), now }
    }
}

/// What a person has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// How.
    pub auth: Auth,
    /// The account that was logged in for the session, which itself proves nothing.
    pub account: Option<&'a BareJid>,
    /// The bare JID that was proved: of the session itself, or of that account.
    pub jid: Option<&'a BareJid>,
}

impl Policy {
    /// Returns what a person has proved.
    ///
    /// Only what the server has verified of a session counts: never a nick, a prefix, or anything that a client wrote.
    pub fn identify<'a>(&self, who: &'a Requester, place: Place<'_>) -> Identity<'a> {
        let auth = match &who.session {
            Some(session) => self.auth(session, who.jid.as_ref(), place),
            None => who.auth,
        };
        let account = who.account.as_ref().filter(|account| match &who.account_session {
            Some(session) => self.auth(session, Some(account), place) == Auth::Account,
            None => who.session.is_none(),
        });
        let account = account.filter(|_| auth == Auth::Anonymous);
        let jid = match auth {
            Auth::Account | Auth::Token | Auth::Server | Auth::Component => who.jid.as_ref(),
            Auth::Anonymous | Auth::Unknown => account,
        };
        Identity { auth, account, jid }
    }

    fn auth(&self, session: &Session, jid: Option<&BareJid>, place: Place<'_>) -> Auth {
        // A server says for which domains another one may speak; of its own hosts each speaks for itself.
        let is_own = jid.is_some_and(|jid| jid.domain() == &*session.host);
        match session.kind {
            SessionKind::Server => return Auth::Server,
            SessionKind::Component if is_own => return Auth::Component,
            SessionKind::Client if is_own => {}
            SessionKind::Component | SessionKind::Client | SessionKind::Unknown => {
                return Auth::Unknown;
            }
        }
        match self.proves(&session.provider) {
            Some(Proves::Account) if self.is_of_account(session) => Auth::Account,
            Some(Proves::Token)
                if session.token.as_ref().is_some_and(|token| {
                    place.room.is_none_or(|room| token.is_for(room))
                        && place.now.is_none_or(|now| token.holds(now))
                }) =>
            {
                Auth::Token
            }
            Some(Proves::Account | Proves::Token | Proves::Guest) | None => Auth::Anonymous,
        }
    }
}

impl Policy {
    /// Returns whether a log-in with a provider of accounts was one with an account. A mechanism that is not known is one only
    /// where the provider has none but such.
    fn is_of_account(&self, session: &Session) -> bool {
        match session.mechanism.as_deref() {
            Some(mechanism) => !mechanism.eq_ignore_ascii_case(ANONYMOUS),
            None => self.always_proves(&session.provider),
        }
    }
}

/// Every class that the requester has proved to belong to.
pub fn classes(policy: &Policy, rules: &Rules, who: &Requester, place: Place<'_>) -> ClassSet {
    let mut classes = ClassSet::NONE;
    if who.jid.is_none() {
        return classes.with(Class::Guest);
    }
    let identity = policy.identify(who, place);
    if let Some(jid) = identity.jid {
        // Services come themselves.
        if identity.account.is_none() && policy.services.contains_key(jid) {
            classes = classes.with(Class::Service);
        }
        if policy.operators.contains_key(jid) {
            classes = classes.with(Class::Operator);
        }
        if rules.access.listed.value.jids.contains(jid)
            || rules.access.listed.value.domains.contains(jid.domain())
        {
            classes = classes.with(Class::Listed);
        }
    }
    if who.person.as_ref().is_some_and(|person| person.has_been_inside()) {
        classes = classes.with(Class::Returning);
    }
    classes.with(match identity.auth {
        Auth::Token => Class::Token,
        Auth::Account => Class::Account,
        Auth::Server => Class::Federated,
        Auth::Anonymous if identity.account.is_some() => Class::Account,
        Auth::Anonymous | Auth::Component | Auth::Unknown => Class::Guest,
    })
}

/// Returns who a person in a room is taken for, by the strongest proof.
pub fn class(policy: &Policy, rules: &Rules, who: &Requester, place: Place<'_>) -> Class {
    classes(policy, rules, who, place).strongest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_name_of_its_own_that_reads_back() {
        for class in Class::ALL {
            assert_eq!(Class::from_name(class.name()), Some(class));
        }
    }

    #[test]
    fn the_strongest_class_of_a_set_is_the_one_with_the_best_proof() {
        let set = ClassSet::of(&[Class::Guest, Class::Returning]);
        assert_eq!(set.strongest(), Class::Returning);
        assert_eq!(ClassSet::NONE.strongest(), Class::Guest);
    }

    #[test]
    fn a_set_has_what_was_put_into_it_once_or_more() {
        let two = ClassSet::of(&[Class::Account, Class::Guest]);
        assert_eq!(two.with(Class::Guest), two);
        let three = two.and(ClassSet::of(&[Class::Guest, Class::Token]));
        assert_eq!(three, ClassSet::of(&[Class::Token, Class::Account, Class::Guest]));
        assert_eq!(format!("{two:?}"), "{Account, Guest}");
    }

    #[test]
    fn a_class_is_shown_by_its_name() {
        assert_eq!(Class::Returning.to_string(), "returning");
    }
}
