//! When nobody else may come in.

use std::time::Duration;

use super::class::{Class, ClassSet};
use super::set::Set;
use super::who::Who;

/// What must hold before others may come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conditions {
    /// The room has a password.
    pub password: bool,
    /// A moderator is present.
    pub moderator: bool,
}

/// The rules on closing.
#[derive(Clone, Debug)]
pub struct Close {
    /// What must hold before others may come in.
    pub hold_until: Set<Conditions>,
    /// Close when so many are in; 0: never.
    pub at_occupants: Set<u32>,
    /// Close so long after opening; `None`: never.
    pub after: Set<Option<Duration>>,
    /// Who may come in all the same.
    pub may_enter: Set<ClassSet>,
    /// Whether those who are moderators by the policy may come in all the same.
    pub moderators_enter: Set<bool>,
    /// Who may close the room.
    pub by: Set<Who>,
    /// Who may open it again.
    pub reopen: Set<Who>,
}

impl Default for Close {
    fn default() -> Self {
        Self {
            hold_until: Set::default_of(Conditions { password: true, moderator: false }),
            at_occupants: Set::default_of(0),
            after: Set::default(),
            may_enter: Set::default_of(ClassSet::of(&[
                Class::Service,
                Class::Operator,
                Class::Returning,
            ])),
            moderators_enter: Set::default_of(true),
            by: Set::default_of(Who::Moderator),
            reopen: Set::default_of(Who::Moderator),
        }
    }
}
