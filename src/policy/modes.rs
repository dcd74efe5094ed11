//! Rules that are off, or only looked on.
//!
//! A rule that is off is made *neutral*: the others are left as if the file had no such rule, so whatever
//! looks at the rules need not know of modes.

use std::sync::Arc;

pub use super::rules::fixed::FIXED;
pub use super::rules::{SWITCHES, Switch};
use super::{Policy, Rules};
use crate::setting::Setting;

/// What becomes of a rule's verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// There is no such rule.
    Off,
    /// It is written down what it would have done.
    Observe,
    /// It is carried out.
    #[default]
    Enforce,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Off, Self::Observe, Self::Enforce];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
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
    pub fn put_in_force(&mut self) {
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

#[cfg(test)]
mod tests {
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
}
