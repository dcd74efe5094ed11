//! A line of the decision log, as it is written and as it is read back.

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

/// Format version that is written, and the only one that can be decided again. Lines of version 2 are read as this one:
/// only names differ.
pub const VERSION: u8 = 3;

/// Context of a decision that its line holds in addition.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Id of the decision, unique over restarts.
    pub id: &'a str,
    /// Revision of the policy that decided.
    pub revision: &'a str,
    /// Whether the decision was only observed, not carried out.
    pub observed: bool,
    /// Whether an occupant was judged again because the policy has changed.
    pub again: bool,
    /// Time of the decision.
    pub now: Timestamp,
}

/// A line of the decision log (`docs/replay.md`): who tried what, the verdict, and the facts that it rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line<'a> {
    /// Format version: [`VERSION`] in lines that are written now.
    #[serde(deserialize_with = "version")]
    pub v: u8,
    /// Time of the decision, which is its `now` when it is decided again.
    pub at: Timestamp,
    /// Id of the decision, unique over restarts.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Id that the gate gave to the attempt.
    #[serde(borrow)]
    pub attempt: Cow<'a, str>,
    /// Kind of the attempt, such as `join`.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// Room of the attempt; `None` if its address was not a valid JID.
    pub room: Option<Cow<'a, BareJid>>,
    /// Bare JID of the requester; `None` if it was not a valid JID.
    #[serde(borrow)]
    pub jid: Option<Cow<'a, str>>,
    /// Class of the requester, such as `guest` or `account`.
    #[serde(borrow)]
    pub class: Cow<'a, str>,
    /// The verdict: `allow`, `hold`, `prompt` or `deny`.
    #[serde(borrow)]
    pub verdict: Cow<'a, str>,
    /// Name of the deciding rule; one that was renamed is read by its present name.
    #[serde(borrow, deserialize_with = "current_rule")]
    pub rule: Cow<'a, str>,
    /// Line of the rule in the policy file; 0 for a built-in default.
    pub line: u32,
    /// Code of the denial; `None` if the attempt was allowed.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Cow<'a, str>>,
    /// Whether the decision was only observed, not carried out.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub observed: bool,
    /// What the observed rules would have decided, where that differs.
    #[serde(
        default,
        borrow,
        rename = "shadow",
        alias = "would",
        skip_serializing_if = "Option::is_none"
    )]
    pub would: Option<Would<'a>>,
    /// Lines in the policy file of the exceptions that applied.
    #[serde(default, skip_serializing_if = "<[u32]>::is_empty")]
    pub exceptions: Cow<'a, [u32]>,
    /// Whether an occupant was judged again because the policy has changed.
    #[serde(default, rename = "reevaluated", alias = "again", skip_serializing_if = "Not::not")]
    pub again: bool,
    /// Revision of the policy that decided.
    #[serde(borrow)]
    pub revision: Cow<'a, str>,
    /// Facts that the decision rests on.
    pub facts: Cow<'a, Facts<'a>>,
}

/// What the observed rules would have decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Would<'a> {
    /// The verdict: `allow`, `hold`, `prompt` or `deny`.
    #[serde(borrow)]
    pub verdict: Cow<'a, str>,
    /// Name of the deciding rule; one that was renamed is read by its present name.
    #[serde(borrow, deserialize_with = "current_rule")]
    pub rule: Cow<'a, str>,
    /// Line of the rule in the policy file; 0 for a built-in default.
    pub line: u32,
    /// Code of the denial; `None` if the attempt would have been allowed.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Cow<'a, str>>,
}

/// Reads a format version; version 2 is read as [`VERSION`], because only names differ.
///
/// # Errors
/// When the value is not an integer from 0 to 255.
pub fn version<'de, D: Deserializer<'de>>(reader: D) -> Result<u8, D::Error> {
    u8::deserialize(reader).map(|v| if v == 2 { VERSION } else { v })
}

/// Reads the name of a rule; a former name becomes the present one.
fn current_rule<'de: 'a, 'a, D: Deserializer<'de>>(reader: D) -> Result<Cow<'a, str>, D::Error> {
    #[derive(Deserialize)]
    struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
    let Name(name) = Name::deserialize(reader)?;
    Ok(renamed(&name).map_or(name, Cow::Borrowed))
}

impl Would<'_> {
    /// Converts an opinion to the form that a line shows.
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
    /// Creates the line of a decision, borrowing its parts.
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
