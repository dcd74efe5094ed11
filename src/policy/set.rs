//! A setting and the line it comes from.

/// A value of the policy, with the place it was written.
///
/// `line` is the 1-based line in the operator's file, or 0 for the built-in default. It is carried
/// into every decision, so that a verdict can always name what it rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Set<T> {
    /// The value in force.
    pub value: T,
    /// 1-based line in the operator's file; 0: the built-in default.
    pub line: u32,
}

impl<T> Set<T> {
    /// A built-in default.
    pub const fn default_of(value: T) -> Self {
        Self { value, line: 0 }
    }

    /// A value written at `line`.
    pub const fn at(value: T, line: u32) -> Self {
        Self { value, line }
    }
}
