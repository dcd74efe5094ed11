//! A session on the page, for anyone who may open the socket.

use serde_json::{Value, json};

use super::{PAGE, Shared};
use crate::control::{Caller, Face, Failure, FailureKind, Role};

/// A new session's token, and the address that logs in with it.
pub(super) fn page(shared: &Shared, caller: &Caller, role: Role) -> Result<Value, Failure> {
    if caller.face != Face::CommandLine {
        return Err(Failure::new(FailureKind::Forbidden, "a session begins at the command line"));
    }
    if let Some(down) = shared.down.all().into_iter().find(|down| down.task == PAGE) {
        let reason = format!("the page is not there: {}", down.reason);
        return Err(Failure::new(FailureKind::Unavailable, reason));
    }
    let access = &shared.access;
    let Some(url) = access.url() else {
        let reason = "the page listens on no address of this machine: see `admin.http` in the file";
        return Err(Failure::new(FailureKind::Unavailable, reason));
    };
    let token = access.log_in(caller.name.clone(), role).map_err(|error| {
        Failure::new(
            FailureKind::Unavailable,
            format!("the system gives no random numbers: {error}"),
        )
    })?;
    // The part behind `#` is never sent, so it stands in no log of a proxy.
    Ok(json!({ "url": format!("{url}#login={}", token.expose()), "role": role }))
}
