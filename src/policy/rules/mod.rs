//! The rules, a file for each family: its settings with their defaults and bounds, declared once. The opinions of each
//! family on an attempt are in `policy::opinions`.
//!
//! A rule that is off is made *neutral*: the settings are as if the file had no such rule, so code that looks at the
//! rules need not know of modes.

pub mod access;
pub mod close;
pub mod family;
pub mod fixed;
pub mod hours;
pub mod kinds;
pub mod limits;
pub mod lobby;
pub mod moderators;
pub mod names;
pub mod password;
pub mod permissions;
pub mod removal;
pub mod room_form;

use std::sync::{Arc, LazyLock};

pub use self::family::{Family, Key, Trait, Visit};

use self::access::Access;
use self::close::Close;
use self::hours::{AtEnd, Hours};
use self::limits::Limits;
use self::lobby::{Admission, Lobby, Rescue};
use self::moderators::{Become, HostCode, Moderators, Protected};
use self::names::{Names, Unique};
use self::password::{AskAgain, Password};
use self::permissions::{E2ee, Permissions};
use self::removal::{By, Removal};
use self::room_form::{PersistentBy, RoomForm, SubjectBy};

use self::kinds::Who;
use crate::policy::record::Source;
use crate::setting::Setting;
use crate::setting::kind::words;

/// Visits the families, in the order of the file.
pub trait Families {
    /// Visits one family.
    fn family<F: Family + Clone>(&mut self, family: &mut Arc<F>);
}

macro_rules! families {
    ($($(#[$meta:meta])* $field:ident: $family:ident,)*) => {
        /// The rules for one room, every family with every value. An override shares those families that it does not
        /// change.
        #[derive(Clone, Debug, Default)]
        pub struct Rules {
            $($(#[$meta])* pub $field: Arc<$family>,)*
            /// Modes of the rules: which are off, and which only observed.
            pub modes: Arc<Modes>,
            /// What the rules would be if those that are observed were enforced; `None`: none is.
            pub observed: Option<Arc<Self>>,
        }

        impl Rules {
            /// Visits every family, in the order of the file.
            pub fn visit(&mut self, visitor: &mut impl Families) {
                $(visitor.family(&mut self.$field);)*
            }
        }

        /// Every rule that can be switched, family by family.
        pub static SWITCHES: LazyLock<Vec<Switch>> = LazyLock::new(|| {
            let mut switches = Vec::new();
            $({
                let all = $family::switches().into_iter();
                switches.extend(all.map(|one| one.within(|rules: &mut Rules| Arc::make_mut(&mut rules.$field))));
            })*
            switches.into_iter().map(without_waiting).collect()
        });
    };
}

families! {
    /// Rules on passwords.
    password: Password,
    /// Rules on the lobby.
    lobby: Lobby,
    /// Rules on moderators.
    moderators: Moderators,
    /// Rules on closing.
    close: Close,
    /// Rules on access.
    access: Access,
    /// Rules on people who were removed.
    removal: Removal,
    /// Rules on settings in the configuration form.
    settings: RoomForm,
    /// Rules on names.
    names: Names,
    /// Rules on what people inside may do.
    permissions: Permissions,
    /// Rules on opening hours.
    hours: Hours,
    /// Rules on numbers and durations.
    limits: Limits,
}

words!(
    Admission,
    AskAgain,
    AtEnd,
    Become,
    By,
    E2ee,
    HostCode,
    PersistentBy,
    Protected,
    Rescue,
    Source,
    SubjectBy,
    Unique,
    Who,
);

/// A rule that can be switched.
pub type Switch = family::Switch<Rules>;

/// Extends the switch of `password.required`: where no password is required, nobody is to wait until there is one.
fn without_waiting(switch: Switch) -> Switch {
    if switch.name != Password::default().required.rule().name {
        return switch;
    }
    let Switch { off, .. } = switch;
    let off: family::Change<Rules> = Arc::new(move |rules| {
        off(rules);
        Arc::make_mut(&mut rules.close).hold_until.value.password = false;
    });
    Switch { off, ..switch }
}

/// Former names of keys, and of the rules named after them, with the present name of each.
pub const RENAMED: [(&str, &str); 25] = [
    ("access.open", "access.create"),
    ("limits.wave", "limits.flood_strangers"),
    ("limits.wave_calm", "limits.flood_calm"),
    ("limits.wave_strangers", "limits.flood_strangers"),
    ("limits.wave_within", "limits.flood_within"),
    ("lobby.knock_window", "lobby.max_knocks_per"),
    ("lobby.knocks", "lobby.max_knocks"),
    ("lobby.rescue", "lobby.unattended"),
    ("lobby.rescue_after", "lobby.unattended_after"),
    ("moderators.become", "moderators.assign"),
    ("password.guesses", "password.guesses.burst"),
    ("password.guesses.forget", "password.guesses.reset_after"),
    ("password.guesses.free", "password.guesses.burst"),
    ("password.guesses.room_free", "password.guesses.room_burst"),
    ("password.tell", "password.show_to_moderators"),
    ("permissions.desktop", "permissions.screen_share"),
    ("reload.people", "reload.max_removed"),
    ("reload.percent", "reload.max_removed_percent"),
    ("removal.keep_out", "removal.keep_out_for"),
    ("policy.reserved_nicks", "names.reserved"),
    ("reserved_nicks", "names.reserved"),
    ("settings.max_occupants_least", "settings.max_occupants_min"),
    ("settings.max_occupants_most", "settings.max_occupants_max"),
    ("store.keep", "store.retention"),
    ("store.keep_size", "store.max_size"),
];

/// Returns the present name of a renamed key or rule, or `None` for any other name.
pub fn renamed(name: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(before, _)| *before == name).map(|(_, now)| *now)
}

names! {
    /// What becomes of a rule's verdict.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum Mode {
        /// The rule does not apply.
        Off = "off",
        /// The verdict is logged, and not carried out.
        Observe = "observe",
        /// The verdict is carried out.
        #[default]
        Enforce = "enforce",
    }
}

/// Returns the families that have rules to switch, each once.
pub fn families() -> impl Iterator<Item = &'static str> {
    let is_first = |at: usize, family| !SWITCHES.iter().take(at).any(|one| one.family() == family);
    let all = SWITCHES.iter().map(Switch::family).enumerate();
    all.filter(move |(at, family)| is_first(*at, *family)).map(|(_, family)| family)
}

/// Returns the rules that a name stands for, as indices into [`SWITCHES`]: one rule, or all of a family; none if
/// there is no such name.
pub fn named(name: &str) -> impl Iterator<Item = usize> {
    let is_one = move |switch: &Switch| switch.name == name || switch.family() == name;
    (0..).zip(SWITCHES.iter()).filter(move |(_, switch)| is_one(switch)).map(|(at, _)| at)
}

/// Returns whether a rule, of the file or a built-in one, or a family of rules has that name, or had it.
pub fn is_rule(name: &str) -> bool {
    named(name).next().is_some()
        || fixed::FIXED.iter().any(|rule| rule.name == name)
        || renamed(name).is_some()
}

/// The mode of each rule. The default enforces all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes(Vec<Setting<Mode>>);

impl Modes {
    /// Returns the mode of the rule at that index into [`SWITCHES`]; its line is 0 where the file does not set it.
    pub fn of(&self, place: usize) -> Setting<Mode> {
        let name = || SWITCHES.get(place).map_or("", |rule| rule.name);
        let default = || Setting::default_of(name(), Mode::Enforce);
        self.0.get(place).copied().unwrap_or_else(default)
    }

    /// Sets the mode of the rules at these indices, as line `line` of the file says.
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

    /// Returns every rule that is not enforced, with its mode.
    pub fn switched(&self) -> impl Iterator<Item = (&'static Switch, Setting<Mode>)> {
        let all = SWITCHES.iter().zip(self.0.iter().copied());
        all.filter(|(_, mode)| mode.value != Mode::Enforce)
    }
}

impl Rules {
    /// Returns the rules as if those that are observed were enforced.
    pub fn strict(&self) -> &Self {
        self.observed.as_deref().unwrap_or(self)
    }

    /// Returns these rules with their modes applied: what is off or observed is neutral; where something is observed,
    /// `observed` has the rules as if that were enforced.
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
