//! Requester classes: who a person is, as far as it was proved.

use std::fmt;

names! {
    /// A requester class, from the strongest proof down. A requester may belong to several.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Class {
        /// A service account of the file (focus, recorder, transcriber): an exact bare JID.
        Service = "service",
        /// An operator of the file: an exact bare JID.
        Operator = "operator",
        /// A JID or domain that the file lists.
        Listed = "listed",
        /// A session with a token that the server verified.
        Token = "token",
        /// A session authenticated with an account on a local host.
        Account = "account",
        /// A person who was admitted to this life of the room before.
        Returning = "returning",
        /// A session of another server.
        Federated = "federated",
        /// Everybody else.
        Guest = "guest",
    }
}

impl Class {
    /// Returns the class of that name, or `None` for any other word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of classes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ClassSet(u8);

impl ClassSet {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// The set of all classes.
    pub const ALL: Self = Self(u8::MAX);

    /// Returns the set of these classes.
    pub const fn of(classes: &[Class]) -> Self {
        let mut bits = 0;
        let mut rest = classes;
        while let [class, tail @ ..] = rest {
            bits |= class.bit();
            rest = tail;
        }
        Self(bits)
    }

    /// Returns this set with one class more.
    #[must_use]
    pub const fn with(self, class: Class) -> Self {
        Self(self.0 | class.bit())
    }

    /// Returns the union of both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether the class is in the set.
    pub const fn has(self, class: Class) -> bool {
        self.0 & class.bit() != 0
    }

    /// Returns whether the two sets share a class.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the classes in the set, from the strongest down.
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |class| self.has(*class))
    }

    /// Returns the strongest class of the set, or [`Class::Guest`] if the set is empty.
    pub fn strongest(self) -> Class {
        self.iter().next().unwrap_or(Class::Guest)
    }
}

impl fmt::Debug for ClassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_name_of_its_own_that_reads_back() {
        for class in Class::ALL {
            assert_eq!(Class::from_name(class.name()), Some(class));
        }
    }

    #[test]
    fn the_strongest_class_of_a_set_is_the_one_with_the_best_proof() {
        let set = ClassSet::of(&[Class::Guest, Class::Returning]);
        assert_eq!(set.strongest(), Class::Returning);
        assert_eq!(ClassSet::NONE.strongest(), Class::Guest);
    }

    #[test]
    fn a_set_has_what_was_put_into_it_once_or_more() {
        let two = ClassSet::of(&[Class::Account, Class::Guest]);
        assert_eq!(two.with(Class::Guest), two);
        let three = two.and(ClassSet::of(&[Class::Guest, Class::Token]));
        assert_eq!(three, ClassSet::of(&[Class::Token, Class::Account, Class::Guest]));
        assert_eq!(format!("{two:?}"), "{Account, Guest}");
    }

    #[test]
    fn a_class_is_shown_by_its_name() {
        assert_eq!(Class::Returning.to_string(), "returning");
    }
}
