//! How a family of settings is declared: once.
//!
//! From the declaration come the struct, the reader with its errors, the switches for modes and exceptions, the rows of
//! `docs/rules.md`, the file that shows every key, and the JSON Schema of the file: by walks over it ([`Visit`]).

use std::sync::Arc;

use crate::setting::{Kind, Setting};

/// A family of settings: a table of the file, declared with `family!`.
pub trait Family: Default + 'static {
    /// Path of its table under `[policy]`.
    const NAME: &'static str;
    /// Comment under the header of its table, before the keys, line by line.
    const INTRO: &'static [&'static str];

    /// Visits every key, in the order of the declaration.
    fn visit(&mut self, visitor: &mut impl Visit);

    /// Returns the rules of the family that can be switched.
    fn switches() -> Vec<Switch<Self>>;
}

/// A property of a rule other than its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trait {
    /// Live rooms are compared with it.
    Compared,
    /// No described attempt can meet it: it looks at what happened before or at what a person typed, acts unasked, or is
    /// for the gate to compare.
    Undescribed,
}

/// A change that makes a rule neutral.
pub type Change<F> = Arc<dyn Fn(&mut F) + Send + Sync>;

/// A rule that can be switched, by changes of the settings `F` that it is among.
pub struct Switch<F> {
    /// Name of the rule: the family, a dot, and the key.
    pub name: &'static str,
    /// Meaning of a decision that rests on it, for people.
    pub meaning: &'static str,
    /// Properties of the rule other than its verdict.
    pub traits: &'static [Trait],
    /// Makes it neutral for a room: it permits everything, and nothing is preset by it.
    pub off: Change<F>,
    /// Makes it neutral for one person in a room where it holds for others.
    pub exempt: Change<F>,
}

impl<F: 'static> Switch<F> {
    /// Returns the family that the rule belongs to.
    pub fn family(&self) -> &'static str {
        family_of(self.name)
    }

    /// Returns the same rule for the settings `G` that have these as a part.
    pub fn within<G: 'static>(self, part: fn(&mut G) -> &mut F) -> Switch<G> {
        let Self { name, meaning, traits, off, exempt } = self;
        let of_part = |change: Change<F>| -> Change<G> { Arc::new(move |all| change(part(all))) };
        Switch { name, meaning, traits, off: of_part(off), exempt: of_part(exempt) }
    }
}

/// Returns the family of a rule by its name: `password` of `password.required`.
pub fn family_of(rule: &str) -> &str {
    rule.split_once('.').map_or(rule, |(family, _)| family)
}

/// What the declaration says of a key, for people.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Name of the key in its table.
    pub name: &'static str,
    /// Documentation of the key, line by line, as the docstring has it.
    pub doc: &'static [&'static str],
}

/// Walks over the keys of a family, in the order of the declaration.
pub trait Visit {
    /// Visits a key and its setting.
    fn setting<T: 'static>(&mut self, key: &Key, setting: &mut Setting<T>, kind: Kind<T>);

    /// Visits a table inside the table.
    fn table<F: Family>(&mut self, key: &'static str, family: &mut F);
}

/// Declares a family of settings: a table of the operator's file.
///
/// ```text
/// family! {
///     /// Documentation of the struct.
///     "limits": Limits {
///         /// Documentation of the key, which is also its comment in `component.toml`.
///         occupants: u32 = 0, whole(0..=1_000_000), rule "What a decision by it means." [off 0];
///     }
/// }
/// ```
///
/// The rule's name is the family's and the key's. In brackets stands how the rule is made neutral: `off VALUE`, or
/// `switch |family| …` where more than its own value changes, and `exempt |family| …` where the exception of one person is
/// made in another way, and after a semicolon what else is so of it ([`Trait`]). Tables inside the table follow in a
/// block `tables { … }`, and state that is no key in a block `also { … }`. Text in brackets after the family's name
/// stands under the header of the table.
macro_rules! family {
    (
        $(#[$meta:meta])*
        $family:literal $([$($intro:literal),+])?: $struct:ident {
            $(
                $(#[doc = $doc:literal])+
                $name:ident: $type:ty = $default:expr, $kind:expr
                    $(, rule $meaning:literal [$how:ident $neutral:expr $(, exempt $exempt:expr)? $(; $($trait:ident)+)?])?;
            )*
        }
        $(tables { $($(#[$table_meta:meta])* $table:ident: $table_type:ty,)* })?
        $(also { $($(#[$state_meta:meta])* $state:ident: $state_type:ty = $initial:expr,)* })?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $struct {
            $(
                $(#[doc = $doc])+
                pub $name: $crate::setting::Setting<$type>,
            )*
            $($($(#[$table_meta])* pub $table: $table_type,)*)?
            $($($(#[$state_meta])* pub $state: $state_type,)*)?
        }

        impl Default for $struct {
            fn default() -> Self {
                Self {
                    $($name: {
                        let value: $type = $default;
                        $crate::setting::Setting::default_of(
                            concat!($family, ".", stringify!($name)),
                            value,
                        )
                    },)*
                    $($($table: Default::default(),)*)?
                    $($($state: $initial,)*)?
                }
            }
        }

        impl $crate::policy::rules::family::Family for $struct {
            const NAME: &'static str = $family;
            const INTRO: &'static [&'static str] = &[$($($intro),+)?];

            fn visit(&mut self, visitor: &mut impl $crate::policy::rules::family::Visit) {
                $({
                    let key = $crate::policy::rules::family::Key {
                        name: stringify!($name),
                        doc: &[$($doc),+],
                    };
                    let kind: $crate::setting::Kind<$type> = $kind;
                    visitor.setting(&key, &mut self.$name, kind);
                })*
                $($(visitor.table(stringify!($table), &mut self.$table);)*)?
            }

            fn switches() -> Vec<$crate::policy::rules::family::Switch<Self>> {
                let mut switches = Vec::new();
                $($({
                    let off: fn(&mut Self) =
                        $crate::policy::rules::family::neutral!($how $name $neutral);
                    let exempt: Option<fn(&mut Self)> = None$(.or(Some($exempt)))?;
                    switches.push($crate::policy::rules::family::Switch {
                        name: concat!($family, ".", stringify!($name)),
                        meaning: $meaning,
                        traits: &[$($($crate::policy::rules::family::Trait::$trait),+)?],
                        off: std::sync::Arc::new(off),
                        exempt: std::sync::Arc::new(exempt.unwrap_or(off)),
                    });
                })?)*
                $($({
                    let parts = <$table_type as $crate::policy::rules::family::Family>::switches();
                    switches.extend(parts.into_iter().map(|one| one.within(|all: &mut Self| &mut all.$table)));
                })*)?
                switches
            }
        }
    };
}
pub(crate) use family;

macro_rules! neutral {
    (off $name:ident $value:expr) => {
        |family| family.$name.value = $value
    };
    (switch $name:ident $switch:expr) => {
        $switch
    };
}
pub(crate) use neutral;
