//! Classification of a requester, by the policy and by what their session proved.

use super::attempt::{Auth, Place, Requester};
use super::class::{Class, ClassSet};
use super::providers::Proves;
use super::record::Proof;
use super::requester::{Session, SessionKind};
use super::{Policy, Rules};
use crate::jid::BareJid;

/// The SASL mechanism that proves nothing (RFC 4505).
pub(super) const ANONYMOUS: &str = "ANONYMOUS";

/// Identity that a person has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// How it was proved.
    pub auth: Auth,
    /// Account that was logged in for the session (Jitsi's secure domain), where the session itself proves nothing.
    pub account: Option<&'a BareJid>,
    /// The bare JID that was proved: of the session itself, or of that account.
    pub jid: Option<&'a BareJid>,
    /// Account of the gateway by which the person calls. It is proved, and says nothing of the person.
    pub gateway: Option<&'a BareJid>,
}

impl<'a> Identity<'a> {
    /// Returns the bare JID by which lists and exceptions of the file name a person: a gateway's for all of its callers.
    pub fn named(&self) -> Option<&'a BareJid> {
        self.jid.or(self.gateway)
    }
}

impl Policy {
    /// Returns the identity that a person has proved, for that room and time.
    ///
    /// Only what the server has verified of a session counts: never a nick, a prefix, or anything that a client wrote.
    pub fn identify<'a>(&self, who: &'a Requester, place: Place<'_>) -> Identity<'a> {
        let auth = match &who.session {
            Some(session) => self.auth(session, who.jid.as_ref(), place),
            None => who.auth,
        };
        let own = who.jid.as_ref().filter(|jid| self.gateways.contains_key(*jid));
        if let Some(gateway) = who.gateway.as_deref().or(own) {
            let gateway = (auth == Auth::Account).then_some(gateway);
            return Identity { auth: Auth::Anonymous, account: None, jid: None, gateway };
        }
        let account = who.account.as_deref().filter(|account| match &who.account_session {
            Some(session) => self.auth(session, Some(account), place) == Auth::Account,
            None => who.session.is_none(),
        });
        let account = account.filter(|_| auth == Auth::Anonymous);
        let jid = match auth {
            Auth::Account | Auth::Token | Auth::Server | Auth::Component => who.jid.as_ref(),
            Auth::Anonymous | Auth::Unknown => account,
        };
        Identity { auth, account, jid, gateway: None }
    }

    fn auth(&self, session: &Session, jid: Option<&BareJid>, place: Place<'_>) -> Auth {
        // Prosody has checked for which domains another server speaks; a session of this one speaks for its own host.
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
    /// Returns how strongly a person's identity was proved.
    pub fn proof(&self, who: &Requester) -> Proof {
        if who.session.is_none() && who.auth == Auth::Unknown {
            return Proof::Account;
        }
        let identity = self.identify(who, Place::ANY);
        match (identity.auth, identity.jid) {
            (Auth::Server, _) => Proof::Server,
            (_, Some(_)) => Proof::Account,
            (_, None) => Proof::Guest,
        }
    }

    /// Returns whether a login with a provider of accounts was one with an account. A login by an unknown mechanism is
    /// one only if the provider has no mechanism without an account.
    fn is_of_account(&self, session: &Session) -> bool {
        match session.mechanism.as_deref() {
            Some(mechanism) => !mechanism.eq_ignore_ascii_case(ANONYMOUS),
            None => self.always_proves(&session.provider),
        }
    }
}

/// Returns every class that the requester has proved to belong to.
pub fn classes(policy: &Policy, rules: &Rules, who: &Requester, place: Place<'_>) -> ClassSet {
    let mut classes = ClassSet::NONE;
    if who.jid.is_none() {
        return classes.with(Class::Guest);
    }
    let identity = policy.identify(who, place);
    if let Some(jid) = identity.jid {
        // Services log in themselves, not through an account behind a session.
        if identity.account.is_none() && policy.services.contains_key(jid) {
            classes = classes.with(Class::Service);
        }
        if policy.operators.contains_key(jid) {
            classes = classes.with(Class::Operator);
        }
    }
    let listed = &rules.access.listed.value;
    let is_listed =
        |jid: &BareJid| listed.jids.contains(jid) || listed.domains.contains(jid.domain());
    if identity.named().is_some_and(is_listed) {
        classes = classes.with(Class::Listed);
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

/// Returns the strongest class that a person has proved to belong to.
pub fn class(policy: &Policy, rules: &Rules, who: &Requester, place: Place<'_>) -> Class {
    classes(policy, rules, who, place).strongest()
}

/// Returns the strongest class of a person who is inside, but `returning`, to which everybody inside belongs.
pub fn class_inside(policy: &Policy, rules: &Rules, who: &Requester, place: Place<'_>) -> Class {
    let mut classes = classes(policy, rules, who, place).iter();
    classes.find(|class| *class != Class::Returning).unwrap_or(Class::Guest)
}
