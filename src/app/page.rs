//! A session on the page, for whoever may open the socket.

use serde_json::{Value, json};

use crate::control::{Caller, Face, Failure, FailureKind, Role};
use crate::http::Access;

/// A new session's token, and the address that logs in with it.
pub(super) fn page(access: &Access, caller: &Caller, role: Role) -> Result<Value, Failure> {
    if caller.face != Face::CommandLine {
        return Err(Failure::new(FailureKind::Forbidden, "a session begins at the command line"));
    }
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
