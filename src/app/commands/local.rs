//! What only those may do who can open the socket: `page` and `reopen-log`.

use std::fmt;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::{conflict, unavailable};
use super::{Call, Verb};
use crate::app::PAGE;
use crate::config::Role;
use crate::control::{Answer, Failure, Impact};

/// Print the address that opens the page, logged in for 12 hours
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct Page {
    /// What the session may do: viewer, duty or operator
    #[arg(skip)]
    #[schemars(with = "String", extend("enum" = ["viewer", "duty", "operator"]))]
    pub role: Role,
}

impl Verb for Page {
    const NAME: &'static str = "page";
    const TITLE: &'static str = "Page";
    const ROLE: Role = Role::Operator;
    const IMPACT: Impact = Impact::Reversible;
    const IS_LOCAL: bool = true;
    type Reply = Session;

    async fn run(self, call: &Call<'_>) -> Result<Session, Failure> {
        if let Some(down) = call.shared.down.all().into_iter().find(|down| down.task == PAGE) {
            return Err(unavailable(format!("the page is not there: {}", down.reason)));
        }
        let access = &call.shared.access;
        let url = access.url().ok_or_else(|| {
            unavailable(
                "the page listens on no address of this machine: see `admin.http` in the file",
            )
        })?;
        let token = access
            .log_in(call.caller.name.clone(), self.role)
            .map_err(|error| unavailable(format!("the system gives no random numbers: {error}")))?;
        // The part behind `#` is never sent, so it stands in no log of a proxy.
        let url = format!("{url}#login={}", token.expose());
        Ok(Session { url, role: self.role })
    }
}

/// A new session on the page.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// The address that logs in.
    pub url: String,
    /// What the session may do.
    #[schemars(with = "String", extend("enum" = ["viewer", "duty", "operator"]))]
    pub role: Role,
}

impl Answer for Session {}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// Go on in a new file of the same name, after the decision log was moved away
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct ReopenLog {}

impl Verb for ReopenLog {
    const NAME: &'static str = "reopen-log";
    const TITLE: &'static str = "Reopen the log";
    const ROLE: Role = Role::Operator;
    const IMPACT: Impact = Impact::ReadOnly;
    const IS_LOCAL: bool = true;
    type Reply = LogReopened;

    async fn run(self, call: &Call<'_>) -> Result<LogReopened, Failure> {
        let path = call.shared.desk().audit().reopen();
        let path = path.map_err(conflict)?;
        Ok(LogReopened { log: path.display().to_string() })
    }
}

/// The decision log that is begun.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogReopened {
    /// Its path.
    pub log: String,
}

impl Answer for LogReopened {}

impl fmt::Display for LogReopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is begun again", self.log)
    }
}
