//! A line of the decision log, as it is written and as it is read again.

use std::borrow::Cow;
use std::fmt;
use std::ops::Not;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::jid::BareJid;
use crate::policy::attempt::Attempt;
use crate::policy::facts::Facts;
use crate::policy::rules::renamed;
use crate::policy::verdict::{Decision, Opinion};

/// The version written, and the only one that can be decided again. One of version 2 is read as such: only names are
/// others in it.
pub const VERSION: u8 = 3;

/// What a line holds in addition to the decision.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The decision's id.
    pub id: &'a str,
    /// The policy's revision.
    pub revision: &'a str,
    /// Whether it was only observed, not carried out.
    pub observed: bool,
    /// Whether an occupant was judged again, because the policy has changed.
    pub again: bool,
    /// The time.
    pub now: Timestamp,
}

/// The line of a decision (`docs/replay.md`): who tried what and what became of it, then the facts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line<'a> {
    /// [`VERSION`].
    #[serde(deserialize_with = "version")]
    pub v: u8,
    /// The time, and therefore the `now` of the decision.
    pub at: Timestamp,
    /// The decision's id, unique over restarts.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The gate's name for the attempt.
    #[serde(borrow)]
    pub attempt: Cow<'a, str>,
    /// The kind of attempt.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// The room. `None`: not a JID.
    pub room: Option<Cow<'a, BareJid>>,
    /// The requester. `None`: not a JID.
    #[serde(borrow)]
    pub jid: Option<Cow<'a, str>>,
    /// The class of the requester.
    #[serde(borrow)]
    pub class: Cow<'a, str>,
    /// The verdict.
    #[serde(borrow)]
    pub verdict: Cow<'a, str>,
    /// By which rule; of one that was renamed since, the name that it has now.
    #[serde(borrow, deserialize_with = "current_rule")]
    pub rule: Cow<'a, str>,
    /// Its line in the file; 0: the built-in default.
    pub line: u32,
    /// Why not, unless allowed.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Cow<'a, str>>,
    /// Whether it was only observed.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub observed: bool,
    /// The opinion of the observed rules, where it differs.
    #[serde(
        default,
        borrow,
        rename = "shadow",
        alias = "would",
        skip_serializing_if = "Option::is_none"
    )]
    pub would: Option<Would<'a>>,
    /// The lines of the exceptions that held for it.
    #[serde(default, skip_serializing_if = "<[u32]>::is_empty")]
    pub exceptions: Cow<'a, [u32]>,
    /// Whether an occupant was judged again.
    #[serde(default, rename = "reevaluated", alias = "again", skip_serializing_if = "Not::not")]
    pub again: bool,
    /// The policy's revision.
    #[serde(borrow)]
    pub revision: Cow<'a, str>,
    /// The facts of the decision.
    pub facts: Cow<'a, Facts<'a>>,
}

/// The decision by the observed rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Would<'a> {
    /// The verdict.
    #[serde(borrow)]
    pub verdict: Cow<'a, str>,
    /// By which rule; of one that was renamed since, the name that it has now.
    #[serde(borrow, deserialize_with = "current_rule")]
    pub rule: Cow<'a, str>,
    /// Its line in the file; 0: the built-in default.
    pub line: u32,
    /// Why not, unless allowed.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Cow<'a, str>>,
}

/// Reads a version: that of the names before is the present one.
///
/// # Errors
/// It is no version.
pub fn version<'de, D: Deserializer<'de>>(reader: D) -> Result<u8, D::Error> {
    u8::deserialize(reader).map(|v| if v == 2 { VERSION } else { v })
}

/// Reads the name of a rule, by whichever name it was written down.
fn current_rule<'de: 'a, 'a, D: Deserializer<'de>>(reader: D) -> Result<Cow<'a, str>, D::Error> {
    #[derive(Deserialize)]
    struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
    let Name(name) = Name::deserialize(reader)?;
    Ok(renamed(&name).map_or(name, Cow::Borrowed))
}

impl Would<'_> {
    /// Returns an opinion as a line shows it.
    pub fn of(opinion: &Opinion) -> Self {
        Self {
            verdict: opinion.verdict.name().into(),
            rule: opinion.rule.name.into(),
            line: opinion.rule.line,
            denial: opinion.denial.map(|denial| denial.code().into()),
        }
    }
}

impl fmt::Display for Would<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, rule, line, denial } = self;
        write!(f, "{verdict}, by {rule} (line {line})")?;
        denial.iter().try_for_each(|denial| write!(f, ", {denial}"))
    }
}

impl<'a> Line<'a> {
    /// The line of a decision.
    pub fn new(
        decision: &'a Decision,
        attempt: &'a Attempt,
        facts: &'a Facts<'a>,
        context: Context<'a>,
    ) -> Self {
        Self {
            v: VERSION,
            at: context.now,
            id: context.id.into(),
            attempt: attempt.id.as_str().into(),
            kind: attempt.action.name().into(),
            room: attempt.room.as_ref().map(Cow::Borrowed),
            jid: attempt.requester.jid.as_ref().map(|jid| jid.as_str().into()),
            class: decision.class.name().into(),
            verdict: decision.verdict.name().into(),
            rule: decision.rule.name.into(),
            line: decision.rule.line,
            denial: decision.denial.map(|denial| denial.code().into()),
            observed: context.observed,
            would: decision.would.as_ref().map(Would::of),
            exceptions: Cow::Borrowed(&decision.exceptions),
            again: context.again,
            revision: context.revision.into(),
            facts: Cow::Borrowed(facts),
        }
    }
}
