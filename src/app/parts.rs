//! Work on all rooms, a part of them at a time, so that no decision waits for all of them.

use std::sync::Arc;

use tokio::task::yield_now;

use super::Shared;
use super::clock::now;
use crate::component::desk::{Consequences, Desk};
use crate::component::registry::Room;
use crate::jid::BareJid;
use crate::policy::Policy;

/// Shows every room to `see`, in the order of their addresses. One that is there all the while is shown once.
pub(super) fn each_room(shared: &Shared, mut see: impl FnMut(&Desk, &BareJid, &Room)) {
    let mut after = None;
    loop {
        let desk = shared.desk();
        let (part, last) = desk.part(after.as_ref());
        for (jid, room) in part.iter().filter_map(|jid| Some((jid, desk.live().room(jid)?))) {
            see(&desk, jid, room);
        }
        if last.is_none() {
            return;
        }
        after = last;
    }
}

/// Returns the consequences of a policy for those who are there, as far as is known here.
pub(super) async fn consequences(shared: &Shared, policy: &Policy) -> Consequences {
    let (mut all, mut after) = (Consequences::default(), None);
    loop {
        let (some, last) = shared.desk().consequences(policy, after.as_ref(), now());
        all.extend(some);
        if last.is_none() {
            return all;
        }
        after = last;
        yield_now().await;
    }
}

/// Returns who is inside and may not be by the policy in force, and who waits and may not enter, as far as is
/// known here.
pub(super) async fn misplaced(shared: &Shared) -> Consequences {
    let (mut all, mut after) = (Consequences::default(), None);
    loop {
        let (some, last) = shared.desk().misplaced(after.as_ref(), now());
        all.extend(some);
        if last.is_none() {
            return all;
        }
        after = last;
        yield_now().await;
    }
}

/// Returns the consequences of the policy in force, compared with the one before, for those who are there. The caller holds
/// [`Shared::reloading`].
pub(super) async fn judge_again(shared: &Shared, before: Arc<Policy>) -> Consequences {
    let (mut all, mut after) = (Consequences::default(), None);
    loop {
        let (some, last) = shared.desk().judge_again(&before, after.as_ref(), now());
        all.extend(some);
        if last.is_none() {
            return all;
        }
        after = last;
        yield_now().await;
    }
}
