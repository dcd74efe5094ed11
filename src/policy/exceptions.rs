//! Exceptions of persons and rooms from rules: for them these rules are neutral.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use globset::GlobMatcher;
use jiff::Timestamp;

use super::Rules;
use super::class::{Class, ClassSet};
use super::room_name::spellings;
use super::rules::family::Change;
use super::rules::{SWITCHES, Switch};
use crate::jid;
use crate::jid::BareJid;

/// Whom an exception is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Everybody in its rooms: the rules do not hold there.
    All,
    /// One account, however its domain is spelt.
    Jid(BareJid),
    /// All accounts of a domain, however it is spelt, and of no subdomain.
    Domain(String),
    /// Everybody of a requester class.
    Class(Class),
}

/// One exception of the file.
#[derive(Clone, Debug)]
pub struct Exception {
    /// Its 1-based line in the file.
    pub line: u32,
    /// When it ends; `None`: never.
    pub until: Option<Timestamp>,
    /// Rooms that it is for, by name; `None`: all.
    pub rooms: Option<GlobMatcher>,
    /// Rules that do not hold, as indices into [`SWITCHES`].
    pub rules: Vec<usize>,
    /// Whether bans on domains and networks do not hold either.
    pub bans: bool,
    /// Reason, for the operator.
    pub reason: String,
}

impl Exception {
    pub(super) fn holds(&self, room: &str, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
            && self
                .rooms
                .as_ref()
                .is_none_or(|rooms| spellings(room).any(|spelling| rooms.is_match(&*spelling)))
    }

    pub(super) fn switches(&self) -> impl Iterator<Item = &'static Switch> {
        self.rules.iter().filter_map(|place| SWITCHES.get(*place))
    }
}

/// All exceptions of the file, found by whom they are for.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    all: Vec<Exception>,
    jids: HashMap<BareJid, Vec<Exception>>,
    domains: HashMap<String, Vec<Exception>>,
    classes: Vec<(Class, Exception)>,
    lines: Vec<u32>,
}

impl Exceptions {
    /// Adds an exception.
    pub fn add(&mut self, whom: Whom, exception: Exception) {
        self.lines.push(exception.line);
        match whom {
            Whom::All => self.all.push(exception),
            Whom::Jid(jid) => {
                for jid in jid.spellings() {
                    self.jids.entry(jid).or_default().push(exception.clone());
                }
            }
            Whom::Domain(domain) => {
                for domain in jid::spellings(&domain) {
                    self.domains.entry(domain).or_default().push(exception.clone());
                }
            }
            Whom::Class(class) => self.classes.push((class, exception)),
        }
    }

    /// Returns the line of each exception.
    pub fn lines(&self) -> impl Iterator<Item = u32> {
        self.lines.iter().copied()
    }

    /// Returns whether there are no exceptions.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the rules as they hold in this room for everybody: what the policy does in rooms by itself follows them.
    pub fn in_room<'a>(&self, rules: &'a Rules, room: &BareJid, now: Timestamp) -> Cow<'a, Rules> {
        let name = room.node().unwrap_or_default();
        let mut rules = Cow::Borrowed(rules);
        for switch in self.for_all(name, now).flat_map(Exception::switches) {
            neutralise(rules.to_mut(), &switch.off);
        }
        rules
    }

    /// Returns when the next exception for everybody in this room ends; `None`: none does.
    pub fn next_end(&self, room: &BareJid, now: Timestamp) -> Option<Timestamp> {
        self.for_all(room.node().unwrap_or_default(), now).filter_map(|one| one.until).min()
    }

    /// Returns whether any exception lifts bans on domains and networks in the room of that name, for anybody.
    pub(super) fn lift_bans(&self, room: &str, now: Timestamp) -> bool {
        let of_some = self.jids.values().chain(self.domains.values()).flatten();
        let of_classes = self.classes.iter().map(|(_, one)| one);
        let mut all = self.all.iter().chain(of_some).chain(of_classes);
        all.any(|one| one.bans && one.holds(room, now))
    }

    /// Returns the exceptions for everybody in the room of that name that are in force.
    pub(super) fn for_all(&self, room: &str, now: Timestamp) -> impl Iterator<Item = &Exception> {
        self.all.iter().filter(move |one| one.holds(room, now))
    }

    /// Returns the exceptions for a person, whatever the room and the time. Only what they have proved counts, as for
    /// the class `listed`.
    pub(super) fn of<'a>(
        &'a self,
        proved: Option<&BareJid>,
        classes: ClassSet,
    ) -> impl Iterator<Item = &'a Exception> {
        let by_jid = proved.and_then(|jid| self.jids.get(jid));
        let by_domain = proved.and_then(|jid| self.domains.get(jid.domain()));
        let by_class = self.classes.iter().filter(move |(class, _)| classes.has(*class));
        by_jid
            .into_iter()
            .chain(by_domain)
            .flatten()
            .chain(by_class.map(|(_, exception)| exception))
    }
}

/// Makes a rule neutral, also among those observed: it would not have affected a person for whom it does not hold.
pub(super) fn neutralise(rules: &mut Rules, make_neutral: &Change<Rules>) {
    make_neutral(rules);
    if let Some(observed) = &mut rules.observed {
        make_neutral(Arc::make_mut(observed));
    }
}

#[cfg(test)]
mod tests {
    use globset::Glob;

    use super::*;
    use crate::policy::rules::named;

    fn exception(line: u32) -> Exception {
        let (until, rooms, rules, reason) = (None, None, Vec::new(), String::new());
        Exception { line, until, rooms, rules, bans: true, reason }
    }

    #[test]
    fn what_sees_to_rooms_by_itself_goes_by_what_holds_in_them_now() {
        let mut exceptions = Exceptions::default();
        let one = Exception {
            until: Some(Timestamp::from_second(100).unwrap()),
            rooms: Some(Glob::new("lounge").unwrap().compile_matcher()),
            rules: named("password.required").collect(),
            ..exception(7)
        };
        exceptions.add(Whom::All, one);
        let rules = Rules::default();
        let requires = |room: &str, second| {
            let now = Timestamp::from_second(second).unwrap();
            let rules = exceptions.in_room(&rules, &room.parse().unwrap(), now);
            (rules.password.required.value, matches!(rules, Cow::Borrowed(_)))
        };
        assert_eq!(requires("lounge@c.example", 99), (false, false));
        assert_eq!(requires("lounge@c.example", 100), (true, true));
        assert_eq!(requires("tea@c.example", 99), (true, true));
    }

    #[test]
    fn each_exception_of_any_kind_is_named_by_its_line() {
        let jid = Whom::Jid("ann@example.org".parse().unwrap());
        let domain = Whom::Domain("example.org".to_owned());
        let mut exceptions = Exceptions::default();
        assert!(exceptions.is_empty());
        for (whom, line) in [Whom::All, jid, domain, Whom::Class(Class::Guest)].into_iter().zip(7..)
        {
            let mut alone = Exceptions::default();
            alone.add(whom.clone(), exception(line));
            assert!(!alone.is_empty() && alone.lines().eq([line]), "{whom:?}");
            exceptions.add(whom, exception(line));
        }
        let mut lines: Vec<_> = exceptions.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, [7, 8, 9, 10]);
    }
}
