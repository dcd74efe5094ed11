//! Rules that are off or only observed, and exceptions of persons from them.
//!
//! A rule that is off is made *neutral*: the others are left as if the file had no such rule, so whatever
//! looks at the rules need not know of modes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use globset::GlobMatcher;
use jiff::Timestamp;

use super::class::{Class, ClassSet};
use super::classify::classes;
use super::context::Case;
use super::room_name::spellings;
pub use super::rules::fixed::FIXED;
use super::rules::family::Change;
pub use super::rules::{SWITCHES, Switch};
use super::{Policy, Rules};
use crate::jid;
use crate::jid::BareJid;
use crate::setting::Setting;

names! {
    /// What becomes of a rule's verdict.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum Mode {
        /// There is no such rule.
        Off = "off",
        /// It is written down what it would have done.
        Observe = "observe",
        /// It is carried out.
        #[default]
        Enforce = "enforce",
    }
}

/// The families that have rules to switch, each once.
pub fn families() -> impl Iterator<Item = &'static str> {
    let is_first = |at: usize, family| !SWITCHES.iter().take(at).any(|one| one.family() == family);
    let all = SWITCHES.iter().map(Switch::family).enumerate();
    all.filter(move |(at, family)| is_first(*at, *family)).map(|(_, family)| family)
}

/// The rules that a name stands for, by their places among [`SWITCHES`]: one rule, or all of a family; none if
/// there is no such name.
pub fn named(name: &str) -> impl Iterator<Item = usize> {
    let is_one = move |switch: &Switch| switch.name == name || switch.family() == name;
    (0..).zip(SWITCHES.iter()).filter(move |(_, switch)| is_one(switch)).map(|(at, _)| at)
}

/// The mode of each rule. The default enforces all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes(Vec<Setting<Mode>>);

impl Modes {
    /// Returns the mode of the rule in that place among [`SWITCHES`]; its line is 0 where the file does not say it.
    pub fn of(&self, place: usize) -> Setting<Mode> {
        let name = || SWITCHES.get(place).map_or("", |rule| rule.name);
        let default = || Setting::default_of(name(), Mode::Enforce);
        self.0.get(place).copied().unwrap_or_else(default)
    }

    /// Sets that of some, by what stands at `line`.
    pub fn put(&mut self, places: impl IntoIterator<Item = usize>, mode: Mode, line: u32) {
        if self.0.is_empty() {
            if mode == Mode::Enforce {
                return;
            }
            let all = SWITCHES.iter();
            self.0 = all.map(|rule| Setting::default_of(rule.name, Mode::Enforce)).collect();
        }
        for place in places {
            if let Some(of) = self.0.get_mut(place) {
                of.set(mode, line);
            }
        }
    }

    /// Every rule that is not enforced, with its mode.
    pub fn switched(&self) -> impl Iterator<Item = (&'static Switch, Setting<Mode>)> {
        let all = SWITCHES.iter().zip(self.0.iter().copied());
        all.filter(|(_, mode)| mode.value != Mode::Enforce)
    }
}

impl Policy {
    /// Lets the rules be as their modes say. What is wrong with a file is looked for before.
    pub fn activate(&mut self) {
        for rules in self.rooms.rules_mut().chain([&mut self.base]) {
            if rules.modes.switched().next().is_some() {
                *rules = Arc::new(rules.in_force());
            }
        }
    }
}

impl Rules {
    /// The rules if those that are observed were enforced.
    pub fn strict(&self) -> &Self {
        self.observed.as_deref().unwrap_or(self)
    }

    /// These rules as their modes say: what is off or observed is neutral; and, where something is observed, the
    /// rules as if that were enforced.
    #[must_use]
    pub fn in_force(&self) -> Self {
        let modes = Arc::clone(&self.modes);
        let (mut enforced, mut strict) = (self.clone(), self.clone());
        let mut is_observing = false;
        for (switch, mode) in modes.switched() {
            (switch.off)(&mut enforced);
            if mode.value == Mode::Off {
                (switch.off)(&mut strict);
            } else {
                is_observing = true;
            }
        }
        enforced.observed = is_observing.then(|| Arc::new(strict));
        enforced
    }
}

/// Whom an exception is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Everybody in its rooms: the rules do not hold there.
    All,
    /// One account, however its domain is spelt.
    Jid(BareJid),
    /// All accounts of a domain, however it is spelt, and of no subdomain.
    Domain(String),
    /// A class.
    Class(Class),
}

/// One exception of the file.
#[derive(Clone, Debug)]
pub struct Exception {
    /// Its 1-based line in the file.
    pub line: u32,
    /// When it ends; `None`: never.
    pub until: Option<Timestamp>,
    /// The rooms it is for, by name; `None`: all.
    pub rooms: Option<GlobMatcher>,
    /// The rules that do not hold, by their places among [`SWITCHES`].
    pub rules: Vec<usize>,
    /// Bans on domains and networks do not hold either.
    pub bans: bool,
    /// Why, for the operator.
    pub reason: String,
}

impl Exception {
    fn holds(&self, room: &str, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
            && self
                .rooms
                .as_ref()
                .is_none_or(|rooms| spellings(room).any(|spelling| rooms.is_match(&*spelling)))
    }

    fn switches(&self) -> impl Iterator<Item = &'static Switch> {
        self.rules.iter().filter_map(|place| SWITCHES.get(*place))
    }
}

/// Every exception, found by whom it is for.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    all: Vec<Exception>,
    jids: HashMap<BareJid, Vec<Exception>>,
    domains: HashMap<String, Vec<Exception>>,
    classes: Vec<(Class, Exception)>,
    lines: Vec<u32>,
}

/// What does not hold for an attempt.
#[derive(Clone, Debug)]
pub(super) struct Excepted {
    /// The rules for the room: what is preset follows them.
    pub(super) room: Rules,
    /// The rules for the requester in it, by which they are judged.
    pub(super) person: Rules,
    /// Bans on domains and networks do not hold.
    pub(super) bans: bool,
    /// The lines of the exceptions, in the order of the file.
    pub(super) lines: Vec<u32>,
}

impl Exceptions {
    /// Adds one.
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

    /// The line of each.
    pub fn lines(&self) -> impl Iterator<Item = u32> {
        self.lines.iter().copied()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The rules as they hold in this room for everybody: what the policy does in rooms by itself follows them.
    pub fn in_room<'a>(&self, rules: &'a Rules, room: &BareJid, now: Timestamp) -> Cow<'a, Rules> {
        let name = room.node().unwrap_or_default();
        let mut rules = Cow::Borrowed(rules);
        for switch in self.for_all(name, now).flat_map(Exception::switches) {
            neutralise(rules.to_mut(), &switch.off);
        }
        rules
    }

    /// Returns when the next of those ends that hold in this room for everybody; `None`: none ends.
    pub fn next_end(&self, room: &BareJid, now: Timestamp) -> Option<Timestamp> {
        self.for_all(room.node().unwrap_or_default(), now).filter_map(|one| one.until).min()
    }

    /// Returns whether one lifts bans on domains and networks in the room of that name, for anybody.
    pub(super) fn lift_bans(&self, room: &str, now: Timestamp) -> bool {
        let of_some = self.jids.values().chain(self.domains.values()).flatten();
        let of_classes = self.classes.iter().map(|(_, one)| one);
        let mut all = self.all.iter().chain(of_some).chain(of_classes);
        all.any(|one| one.bans && one.holds(room, now))
    }

    /// Those for everybody in the room of that name.
    fn for_all(&self, room: &str, now: Timestamp) -> impl Iterator<Item = &Exception> {
        self.all.iter().filter(move |one| one.holds(room, now))
    }

    /// Those for a person, whatever the room and the time. Only what they have proved counts, as for the class
    /// `listed`.
    fn of<'a>(
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

/// Returns what does not hold in this case. `None`, and no cost to speak of: all holds.
pub(super) fn excepted(case: &Case<'_>) -> Option<Excepted> {
    let Case { policy, rules, attempt, now, .. } = *case;
    let exceptions = &policy.exceptions;
    if exceptions.is_empty() {
        return None;
    }
    let room = case.room_name();
    // What a focus does, it does for a person.
    let behind = attempt.behind.as_ref().filter(|_| case.is_service());
    let who = behind.unwrap_or(case.who);
    let classes = classes(policy, rules, who, case.place);
    let proved = policy.identify(who, case.place).jid;
    let mut for_person =
        exceptions.of(proved, classes).filter(|one| one.holds(room, now)).peekable();
    if exceptions.for_all(room, now).next().is_none() && for_person.peek().is_none() {
        return None;
    }
    let mut bans = false;
    let mut lines = Vec::new();
    for exception in exceptions.for_all(room, now) {
        bans |= exception.bans;
        lines.push(exception.line);
    }
    let of_room = exceptions.in_room(rules, case.room_jid, now).into_owned();
    let mut of_person = of_room.clone();
    for exception in for_person {
        exception.switches().for_each(|switch| neutralise(&mut of_person, &switch.exempt));
        bans |= exception.bans;
        lines.push(exception.line);
    }
    lines.sort_unstable();
    Some(Excepted { room: of_room, person: of_person, bans, lines })
}

/// In what is observed, too: nobody would have met with a rule that does not hold for them.
fn neutralise(rules: &mut Rules, make_neutral: &Change<Rules>) {
    make_neutral(rules);
    if let Some(observed) = &mut rules.observed {
        make_neutral(Arc::make_mut(observed));
    }
}

#[cfg(test)]
mod tests {
    use globset::Glob;

    use super::*;

    #[test]
    fn making_rules_neutral_twice_or_in_another_order_makes_no_difference() {
        let shown = |switches: &mut dyn Iterator<Item = &Switch>| {
            let mut rules = Rules::default();
            switches.for_each(|switch| (switch.off)(&mut rules));
            format!("{rules:?}")
        };
        let once = shown(&mut SWITCHES.iter());
        assert_eq!(once, shown(&mut SWITCHES.iter().rev()));
        assert_eq!(once, shown(&mut SWITCHES.iter().chain(SWITCHES.iter())));
    }

    #[test]
    fn a_switch_belongs_to_the_family_before_the_first_dot() {
        let room_burst = named("password.guesses.room_burst").next().unwrap();
        assert_eq!(SWITCHES[room_burst].family(), "password");
        assert_eq!(named("removal").count(), 1);
        assert_eq!(named("remov").count(), 0);
    }

    #[test]
    fn each_family_is_told_once_in_the_order_of_its_rules() {
        let mut expected: Vec<_> = SWITCHES.iter().map(Switch::family).collect();
        expected.dedup();
        let told: Vec<_> = families().collect();
        assert!(told.len() > 5 && told.iter().all(|family| expected.contains(family)), "{told:?}");
        let mut once = told.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!((once.len(), told[0]), (told.len(), SWITCHES[0].family()));
    }

    #[test]
    fn a_mode_is_that_of_its_place_and_its_line() {
        let mut modes = Modes::default();
        modes.put([2], Mode::Observe, 41);
        assert_eq!((modes.of(2).value, modes.of(2).line), (Mode::Observe, 41));
        assert_eq!(modes.of(1).value, Mode::Enforce);
    }

    #[test]
    fn what_is_observed_is_strict_where_it_is_judged_as_if_it_were_enforced() {
        let mut rules = Rules::default();
        let mut modes = Modes::default();
        modes.put(named("password.required"), Mode::Observe, 41);
        rules.modes = Arc::new(modes);
        Arc::make_mut(&mut rules.password).required.line = 12;
        let in_force = rules.in_force();
        assert_eq!(in_force.strict().password.required.line, 12);
        assert!(!in_force.password.required.value && in_force.strict().password.required.value);
    }

    #[test]
    fn what_sees_to_rooms_by_itself_goes_by_what_holds_in_them_now() {
        let end = Timestamp::from_second(100).unwrap();
        let mut exceptions = Exceptions::default();
        assert!(exceptions.is_empty());
        exceptions.add(
            Whom::All,
            Exception {
                line: 7,
                until: Some(end),
                rooms: Some(Glob::new("lounge").unwrap().compile_matcher()),
                rules: named("password.required").collect(),
                bans: false,
                reason: String::new(),
            },
        );
        assert!(!exceptions.is_empty());
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
    fn exceptions_of_any_kind_are_not_none() {
        let one = Exception {
            line: 1,
            until: None,
            rooms: None,
            rules: Vec::new(),
            bans: false,
            reason: String::new(),
        };
        let jid = Whom::Jid("ann@example.org".parse().unwrap());
        let domain = Whom::Domain("example.org".to_owned());
        assert!(Exceptions::default().is_empty());
        for whom in [Whom::All, jid, domain, Whom::Class(Class::Guest)] {
            let mut exceptions = Exceptions::default();
            exceptions.add(whom, one.clone());
            assert!(!exceptions.is_empty());
        }
    }

    #[test]
    fn each_exception_is_named_by_its_line() {
        let of = |line| Exception {
            line,
            until: None,
            rooms: None,
            rules: Vec::new(),
            bans: true,
            reason: String::new(),
        };
        let mut exceptions = Exceptions::default();
        exceptions.add(Whom::All, of(7));
        exceptions.add(Whom::Class(Class::Guest), of(9));
        let mut lines: Vec<_> = exceptions.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, [7, 9]);
    }
}
