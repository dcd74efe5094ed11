//! Names that look like those of people inside.

use super::registry::Room;
use crate::policy::Policy;
use crate::policy::attempt::Requester;
use crate::policy::names::{Looks, Namesake};
use crate::policy::succession::is_moderator;

impl Room {
    /// Another person in the room with a name that looks like one of these, the one who counts most. A person with the same
    /// account, ticket or device is nobody else.
    pub fn namesake(&self, policy: &Policy, who: &Requester, least: Namesake) -> Option<Namesake> {
        let asked = [&who.nick, &who.name].into_iter().filter(|name| !name.is_empty());
        let asked: Vec<_> = asked.map(|name| Looks::of(name)).collect();
        let others = self.occupants.values().map(|known| &known.who);
        let others = others.filter_map(|other| {
            let is = match is_moderator(policy, other) {
                true => Namesake::Moderator,
                false => Namesake::Occupant,
            };
            (is >= least && !is_same(other, who)).then_some((other, is))
        });
        let alike = others.filter(|(other, _)| {
            let mut names = [&other.nick, &other.name].into_iter().filter(|name| !name.is_empty());
            names.any(|name| asked.iter().any(|asked| asked.is_look_of(name)))
        });
        alike.map(|(_, is)| is).max()
    }
}

/// They are one person: by the account, or by what this client has of its own.
fn is_same(one: &Requester, other: &Requester) -> bool {
    fn both<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
        one.is_some() && one == other
    }
    let account = |who: &'_ Requester| who.account.clone().or_else(|| who.jid.clone());
    both(one.jid.as_ref(), other.jid.as_ref())
        || both(account(one).as_ref(), account(other).as_ref())
        || both(one.ticket.as_ref(), other.ticket.as_ref())
        || both(one.device.as_ref(), other.device.as_ref())
}
