//! Finding the people that a command is about, by address, nick, decision id or description.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::IpNet;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use super::people::{ForPeople, Whom};
use super::{conflict, invalid, not_found};
use crate::component::registry::{Last, Seen};
use crate::config::nearest;
use crate::control::{Called, Failure};
use crate::jid::BareJid;
use crate::policy::attempt::{Affiliation, Requester, Role};
use crate::policy::bans::Banned;
use crate::policy::class::Class;
use crate::policy::fingerprint::Mark;
use crate::policy::overrides::Pattern;
use crate::policy::removal::{Removal, certain_marks};
use crate::wire::room::LiveRoom;

/// Where a person is in relation to a room.
#[derive(
    Clone, Copy, Debug, Display, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// Is inside.
    #[strum(to_string = "inside")]
    Inside,
    /// Is waiting to be let in.
    #[strum(to_string = "waiting")]
    Waits,
    /// Was refused recently because of a removal.
    #[strum(to_string = "refused lately as removed")]
    Refused,
    /// Was inside or waiting recently.
    #[strum(to_string = "there lately")]
    Left,
    /// Was not seen recently; the room has a record of them, or they have an affiliation there.
    #[strum(to_string = "not seen lately")]
    Known,
}

/// A person at a room, with the latest facts about them.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) jid: BareJid,
    pub(super) found: Found,
    pub(super) who: Requester,
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jid = format!("`{}`", self.jid);
        f.write_str(&Called::from(&self.who).with_jid(&jid))
    }
}

impl Person {
    fn names(&self) -> [&str; 3] {
        [self.jid.node().unwrap_or_default(), &self.who.nick, &self.who.name]
    }
}

/// Everyone known at a room: people who are inside, wait, were refused or have left.
#[derive(Debug)]
pub(super) struct People(Vec<Person>);

impl People {
    /// Collects the people of a room. `seen` are those who were there recently, the latest first.
    pub(super) fn of<'a>(live: &LiveRoom, seen: impl Iterator<Item = &'a Seen>) -> Self {
        let inside = live.occupants.iter().map(|who| (Found::Inside, who.clone()));
        let waiting = live.waiting.iter().map(|(who, _)| (Found::Waits, who.clone()));
        let seen = seen.map(|seen| {
            let found = match seen.last {
                Last::Refused => Found::Refused,
                Last::Left => Found::Left,
            };
            (found, seen.who.clone())
        });
        let all = inside.chain(waiting).chain(seen);
        let all = all.filter_map(|(found, who)| Some(Person { jid: who.jid.clone()?, found, who }));
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|person| person.found);
        Self(all)
    }

    pub(super) fn have(&self, jid: &BareJid) -> bool {
        self.0.iter().any(|person| person.jid == *jid)
    }

    /// Returns the person with that nick or display name. People who have left only count if no one who is there has
    /// the name.
    ///
    /// # Errors
    /// Several people have the name.
    pub(super) fn called(&self, name: &str) -> Result<Option<&BareJid>, Failure> {
        let folded = name.to_lowercase();
        let exactly = |who: &Requester| who.nick == name || who.name == name;
        let nearly = |who: &Requester| {
            who.nick.to_lowercase() == folded || who.name.to_lowercase() == folded
        };
        let is_there = |person: &Person| person.found <= Found::Waits;
        let tests: [&dyn Fn(&Person) -> bool; 4] = [
            &|person| is_there(person) && exactly(&person.who),
            &|person| is_there(person) && nearly(&person.who),
            &|person| exactly(&person.who),
            &|person| nearly(&person.who),
        ];
        for test in tests {
            let meant = self.0.iter().filter(|person| test(person)).map(|person| &person.jid);
            let meant: BTreeSet<_> = meant.collect();
            match meant.len() {
                0 => {}
                1 => return Ok(meant.into_iter().next()),
                count => {
                    let person = |jid: &BareJid| self.0.iter().find(|person| person.jid == *jid);
                    let meant = meant.into_iter().filter_map(person).map(|person| {
                        let Person { found, who, .. } = person;
                        let moderates = who.role == Role::Moderator;
                        let role = if moderates { ", moderator" } else { "" };
                        format!("{person}, {found}{role}")
                    });
                    let meant: Vec<_> = meant.collect();
                    return Err(conflict(format!(
                        "{count} people are called `{name}`; give an address: {}",
                        meant.join("; ")
                    )));
                }
            }
        }
        Ok(None)
    }

    /// Returns every session that is certainly of the same person as `jid`, also by the marks in the record of a
    /// removal.
    pub(super) fn same(&self, jid: &BareJid, live: &LiveRoom, rules: &Removal) -> Vec<Person> {
        let mut marks = certain_marks(rules, &away(jid, live));
        let named = self.0.iter().filter(|person| person.jid == *jid);
        marks.extend(named.flat_map(|person| certain_marks(rules, &person.who)));
        let removed = live.view.record.iter().flat_map(|record| &record.removed);
        let theirs = removed.filter(|one| one.marks.iter().any(|mark| marks.contains(mark)));
        let more: Vec<Mark> = theirs.flat_map(|one| one.marks.iter().copied()).collect();
        marks.extend(more);
        let is_same = |person: &&Person| {
            certain_marks(rules, &person.who).iter().any(|mark| marks.contains(mark))
        };
        self.0.iter().filter(is_same).cloned().collect()
    }

    /// Returns the failure for a text that names no one, with the address that is nearest to it.
    pub(super) fn nobody(&self, text: &str) -> Failure {
        let is_call = |person: &&Person| {
            let gateway = person.who.gateway.as_deref().map(BareJid::as_str);
            person.found <= Found::Waits && gateway == Some(text)
        };
        let calls: Vec<_> = self.0.iter().filter(is_call).map(ToString::to_string).collect();
        if !calls.is_empty() {
            let calls = calls.join(", ");
            return not_found(format!("`{text}` is a gateway: name one of its callers, {calls}"));
        }
        let node = text.split_once('@').map_or(text, |(node, _)| node);
        let by_address = nearest(text, self.0.iter().map(|person| person.jid.as_str()));
        let of_name = || {
            let names = self.0.iter().flat_map(Person::names).filter(|name| !name.is_empty());
            let near = nearest(node, names)?;
            let owner = self.0.iter().find(|person| person.names().contains(&near));
            owner.map(|person| person.jid.as_str())
        };
        let meant = by_address.or_else(of_name);
        let meant = self.0.iter().find(|person| Some(person.jid.as_str()) == meant);
        let hint = meant.map_or_else(String::new, |person| format!("; did you mean {person}?"));
        not_found(format!("`{text}`: nobody of that address is inside or waits{hint}"))
    }
}

/// Makes a requester of what the room knows about a person who is not there.
pub(super) fn away(jid: &BareJid, live: &LiveRoom) -> Requester {
    Requester { jid: Some(jid.clone()), ticket: live.ticket, ..Requester::default() }
}

/// Makes a [`Person`] of what the room knows about a person who is not there.
pub(super) fn known(jid: &BareJid, live: &LiveRoom) -> Person {
    Person { jid: jid.clone(), found: Found::Known, who: away(jid, live) }
}

/// Returns whether the room knows a person who is not there; `live` must have been read for them.
pub(super) fn is_known(jid: &BareJid, live: &LiveRoom, rules: &Removal) -> bool {
    let marks = certain_marks(rules, &away(jid, live));
    let mut removed = live.view.record.iter().flat_map(|record| &record.removed);
    live.person.is_some()
        || live.affiliation != Affiliation::None
        || removed.any(|one| one.marks.iter().any(|mark| marks.contains(mark)))
}

/// Checks that a request for one person has no description of several people.
///
/// # Errors
/// When it has one.
pub(super) fn only_one(asked: &ForPeople) -> Result<(), Failure> {
    if asked.whom.all || asked.moderators || is_described(&asked.whom) {
        return Err(invalid(
            "give either one person, or what is true of everybody who is meant (`all`, `since`, `match`, `class`, `network`)",
        ));
    }
    Ok(())
}

const fn is_described(whom: &Whom) -> bool {
    let Whom { since, r#match, class, network, .. } = whom;
    since.is_some() || r#match.is_some() || class.is_some() || network.is_some()
}

/// The criteria that describe people, parsed.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) since: Option<SignedDuration>,
    pub(super) pattern: Option<Pattern>,
    pub(super) class: Option<Class>,
    pub(super) network: Option<IpNet>,
    pub(super) moderators: bool,
}

impl Wanted {
    pub(super) fn new(whom: &Whom, moderators: bool) -> Result<Self, Failure> {
        if !whom.all && !is_described(whom) {
            return Err(invalid(
                "nobody is named: give a person, or what is true of everybody who is meant (`since`, `match`, `class`, \
                 `network`), or `all` if everybody is meant",
            ));
        }
        let network = whom.network.as_deref().map(|text| match Banned::read(text) {
            Ok(Banned::Network(network)) => Ok(network),
            Ok(Banned::Jid(_) | Banned::Domain(_) | Banned::Mark(_)) => Err(invalid(format!(
                "`{text}` is no network: write it like `192.0.2.0/24`, `2001:db8::/32` or `192.0.2.7`"
            ))),
            Err(reason) => Err(invalid(reason)),
        });
        let class = whom.class.as_deref().map(|name| {
            let class = Class::from_name(name).filter(|class| *class != Class::Service);
            class.ok_or_else(|| invalid(format!("`{name}` is no class of people")))
        });
        Ok(Self {
            since: whom
                .since
                .as_ref()
                .map(|time| SignedDuration::try_from(time.time()).unwrap_or(SignedDuration::MAX)),
            pattern: whom.r#match.as_deref().map(Pattern::new).transpose().map_err(invalid)?,
            class: class.transpose()?,
            network: network.transpose()?,
            moderators,
        })
    }
}
