//! What each key says is right, and all together is not.

use super::notes::Notes;
use crate::policy::rules::Policy;

/// Notes what cannot be meant.
pub(super) fn check(notes: &Notes<'_>, policy: &Policy) {
    _ = (notes, policy);
}
