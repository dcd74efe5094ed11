//! `doctor`: what undoes the policy.

use std::fmt;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::unavailable;
use super::{Call, Verb};
use crate::app::doctor;
use crate::config::Role;
use crate::control::{Answer, Failure, Impact};
use crate::doctor::{Report, in_words};

/// Report what undoes the policy on the server, in the file and on the machine
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct Doctor {
    /// Look now, instead of repeating what was found last
    #[arg(skip)]
    #[serde(default)]
    pub fresh: bool,
}

impl Verb for Doctor {
    const NAME: &'static str = "doctor";
    const TITLE: &'static str = "Doctor";
    const ROLE: Role = Role::Viewer;
    const IMPACT: Impact = Impact::ReadOnly;
    type Reply = Report;

    async fn run(self, call: &Call<'_>) -> Result<Report, Failure> {
        let report = doctor::report(&call.shared, self.fresh).await.map_err(unavailable)?;
        Ok(Report::clone(&report))
    }
}

impl Answer for Report {
    fn is_complete(&self) -> bool {
        self.exit() == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_words(self, false))
    }
}
