//! The rules, a file for each family: its settings with their defaults and bounds, declared once, and what it thinks.

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
use self::moderators::{Become, Moderators, Protected};
use self::names::{Names, Unique};
use self::password::{AskAgain, Password};
use self::permissions::{E2ee, Permissions};
use self::removal::{By, Removal};
use self::room_form::{PersistentBy, RoomForm, SubjectBy};

use self::kinds::Who;
use crate::policy::modes::Modes;
use crate::policy::record::Source;
use crate::setting::kind::words;

/// Does something with each family, in the order of the file.
pub trait Families {
    /// Does it with this one.
    fn family<F: Family + Clone>(&mut self, family: &mut Arc<F>);
}

macro_rules! families {
    ($($(#[$meta:meta])* $field:ident: $family:ident,)*) => {
        /// The rules for one room, every family with every value. An override shares the families of which it says
        /// nothing.
        #[derive(Clone, Debug, Default)]
        pub struct Rules {
            $($(#[$meta])* pub $field: Arc<$family>,)*
            /// Which of these are off, and which only observed.
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
    /// Passwords.
    password: Password,
    /// The lobby.
    lobby: Lobby,
    /// Moderators.
    moderators: Moderators,
    /// Closing.
    close: Close,
    /// Access.
    access: Access,
    /// People who were removed.
    removal: Removal,
    /// Settings that moderators know from the configuration form.
    settings: RoomForm,
    /// What people may call themselves.
    names: Names,
    /// What people inside may do.
    permissions: Permissions,
    /// Opening hours.
    hours: Hours,
    /// Numbers and durations.
    limits: Limits,
}

words!(
    Admission,
    AskAgain,
    AtEnd,
    Become,
    By,
    E2ee,
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

/// Where no password is required, nobody is to wait until there is one.
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

/// Keys of the file, and the rules named after them, by the names that they had before, with the name that each has now.
pub const RENAMED: [(&str, &str); 24] = [
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
    ("reserved_nicks", "names.reserved"),
    ("settings.max_occupants_least", "settings.max_occupants_min"),
    ("settings.max_occupants_most", "settings.max_occupants_max"),
    ("store.keep", "store.retention"),
    ("store.keep_size", "store.max_size"),
];

/// Returns the name that a renamed key or rule has now, or `None` of any other.
pub fn renamed(name: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(before, _)| *before == name).map(|(_, now)| *now)
}
