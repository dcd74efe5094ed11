//! Settings of the operator's file: their values, where they were written, and the kinds of values there are.

pub mod kind;
pub mod values;

pub use self::kind::{Foreign, Item, Place, Read, Wrong};
pub use kind::Kind;

/// A value of the policy, with its key and the place where it was written.
///
/// Key and line are carried into every decision, so that a verdict always names what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting<T> {
    /// The value in force.
    pub value: T,
    /// 1-based line in the operator's file; 0: the built-in default.
    pub line: u32,
    /// The rule's name: the path of its key under `[policy]`, like `password.required`.
    pub key: &'static str,
}

impl<T> Setting<T> {
    /// Returns the built-in default of a key.
    pub const fn default_of(key: &'static str, value: T) -> Self {
        Self { value, line: 0, key }
    }

    /// Sets a value that was written at `line`.
    pub fn set(&mut self, value: T, line: u32) {
        (self.value, self.line) = (value, line);
    }

    /// Returns the same setting with another value, such as what the rule means for one case.
    pub fn with<U>(&self, value: U) -> Setting<U> {
        Setting { value, line: self.line, key: self.key }
    }
}
