//! What is done with one room.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::invalid;
use super::{Call, Operator, Verb};
use crate::app::clock::now;
use crate::app::rooms::{address, apply};
use crate::config::Role;
use crate::control::{Answer, ENDED, Failure, Impact};
use crate::jid::BareJid;
use crate::policy::Rules;
use crate::policy::close::{closing, shut_by};
use crate::policy::verdict::Effects;
use crate::schema;
use crate::wire::answer::{end, say_to_room};
use crate::wire::room::LiveRoom;
use crate::xmpp::Element;

/// The longest that is said, in characters.
const LONGEST: usize = 1000;

/// Close a room to newcomers: nobody else may enter
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct Close {
    /// The room's address
    #[arg(allow_hyphen_values = true)]
    #[schemars(with = "schema::Room")]
    pub room: String,
}

impl Verb for Close {
    const NAME: &'static str = "close";
    const TITLE: &'static str = "Close to newcomers";
    const ROLE: Role = Role::Duty;
    const IMPACT: Impact = Impact::Reversible;
    type Reply = Closed;

    fn addresses(&self) -> Vec<&str> {
        vec![&self.room]
    }

    async fn run(self, call: &Call<'_>) -> Result<Closed, Failure> {
        call.close(&self.room, true).await.map(Closed)
    }
}

/// What keeps newcomers out of a room, and what did
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Doors {
    /// The room.
    pub room: String,
    /// Why it was closed before; null: it was not.
    pub was_closed: Option<String>,
    /// What still keeps newcomers out of a room that is not closed any more.
    pub shut: Option<Shut>,
}

/// What keeps newcomers out of a room that is not closed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Shut {
    /// The rule.
    pub rule: String,
    /// Its line in the file; 0: the built-in default.
    pub line: u32,
    /// What newcomers are told.
    pub told: String,
}

/// The room, which is closed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Closed(pub Doors);

impl Answer for Closed {}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Doors { room, was_closed, .. } = &self.0;
        let already = if was_closed.is_some() { "was closed already" } else { "is closed" };
        write!(f, "{room} {already}: nobody else may enter")
    }
}

/// Let people enter a closed room again
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct Reopen {
    /// The room's address
    #[arg(allow_hyphen_values = true)]
    #[schemars(with = "schema::Room")]
    pub room: String,
}

impl Verb for Reopen {
    const NAME: &'static str = "reopen";
    const TITLE: &'static str = "Reopen";
    const ROLE: Role = Role::Duty;
    const IMPACT: Impact = Impact::Reversible;
    type Reply = Reopened;

    fn addresses(&self) -> Vec<&str> {
        vec![&self.room]
    }

    async fn run(self, call: &Call<'_>) -> Result<Reopened, Failure> {
        call.close(&self.room, false).await.map(Reopened)
    }
}

/// The room, how it was, and what still keeps people out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Reopened(pub Doors);

impl Answer for Reopened {}

impl fmt::Display for Reopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Doors { room, was_closed, shut } = &self.0;
        match (was_closed, shut) {
            (Some(_), None) => write!(f, "{room} takes people in again")?,
            (Some(_), Some(_)) => write!(f, "{room} is not closed any more")?,
            (None, _) => write!(f, "{room} was not closed")?,
        }
        if let Some(Shut { rule, line, told }) = shut {
            let line = if *line > 0 { format!(", line {line}") } else { String::new() };
            write!(f, "\n  STILL SHUT to newcomers, by {rule}{line}: {told}")?;
        }
        Ok(())
    }
}

/// End a room: everybody leaves, and the room is destroyed
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct End {
    /// The room's address
    #[arg(allow_hyphen_values = true)]
    #[schemars(with = "schema::Room")]
    pub room: String,
    /// What those inside are told
    #[arg(long, default_value = ENDED)]
    #[serde(default = "ended")]
    pub reason: String,
}

pub(super) fn ended() -> String {
    ENDED.to_owned()
}

impl Verb for End {
    const NAME: &'static str = "end";
    const TITLE: &'static str = "End";
    const ROLE: Role = Role::Duty;
    const IMPACT: Impact = Impact::Irreversible;
    type Reply = Ended;

    fn addresses(&self) -> Vec<&str> {
        vec![&self.room]
    }

    async fn run(self, call: &Call<'_>) -> Result<Ended, Failure> {
        call.tell(&self.room, end(&self.reason)).await.map(Ended)
    }
}

/// A room, and how many were inside.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Inside {
    /// The room.
    pub room: String,
    /// How many were inside, one for each nick, services apart.
    pub inside: u32,
}

impl Inside {
    fn count(&self) -> String {
        match self.inside {
            0 => "nobody".to_owned(),
            1 => "1 occupant".to_owned(),
            count => format!("{count} occupants"),
        }
    }
}

/// The room, and how many were inside when it ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Ended(pub Inside);

impl Answer for Ended {}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has ended, with {} inside", self.0.room, self.0.count())
    }
}

/// Say something to everybody in a room, as the room
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct Say {
    /// The room's address
    #[arg(allow_hyphen_values = true)]
    #[schemars(with = "schema::Room")]
    pub room: String,
    /// What is said: one line of plain text
    #[arg(allow_hyphen_values = true)]
    pub text: String,
}

impl Verb for Say {
    const NAME: &'static str = "say";
    const TITLE: &'static str = "Say";
    const ROLE: Role = Role::Duty;
    const IMPACT: Impact = Impact::Reversible;
    type Reply = Said;

    fn addresses(&self) -> Vec<&str> {
        vec![&self.room]
    }

    async fn run(self, call: &Call<'_>) -> Result<Said, Failure> {
        let text = self.text.trim();
        if let Some(wrong) = unspeakable(text) {
            return Err(invalid(wrong));
        }
        call.tell(&self.room, say_to_room(text)).await.map(Said)
    }
}

/// The room, and how many were told.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Said(pub Inside);

impl Answer for Said {}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} inside, and told", self.0.room, self.0.count())
    }
}

impl Operator {
    /// Lets nobody else in, or people in again; how it was, and what still keeps people out.
    async fn close(&self, room: &str, close: bool) -> Result<Doors, Failure> {
        let found = Mutex::new(None);
        let jid = address(room)?;
        apply(&self.shared, &jid, None, |live| {
            *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
            (closing(&live.view, close, now()), Vec::new())
        })
        .await?;
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let was = found.as_ref().and_then(|live| live.view.record.as_ref()?.closed);
        let shut = found.filter(|_| !close).and_then(|live| {
            let desk = self.shared.desk();
            let rules = desk.live().rules_at(desk.policy(), &live);
            let (rule, denial) = shut_by(&rules, &live.view, now())?;
            let told = desk.policy().texts.denial(denial, None).text.into_owned();
            Some(Shut { rule: rule.name.to_owned(), line: rule.line, told })
        });
        let was_closed = was.map(|closed| closed.name().to_owned());
        Ok(Doors { room: jid.to_string(), was_closed, shut })
    }

    /// Does something to everybody inside; how many that are, one for each nick, without services.
    async fn tell(&self, room: &str, order: Element) -> Result<Inside, Failure> {
        let inside = AtomicU32::new(0);
        let jid = address(room)?;
        apply(&self.shared, &jid, None, |live| {
            inside.store(live.view.occupants, Ordering::Relaxed);
            (Effects::default(), vec![order.clone()])
        })
        .await?;
        Ok(Inside { room: jid.to_string(), inside: inside.into_inner() })
    }

    /// The rules for a room as far as it is known.
    pub(super) fn rules(&self, room: &str) -> Arc<Rules> {
        let desk = self.shared.desk();
        desk.live().rules(desk.policy(), room.parse().ok().as_ref())
    }

    /// Changes a room by what `effects` makes of it, and of what it remembers of `person`.
    pub(super) async fn change(
        &self,
        room: &str,
        person: Option<&BareJid>,
        effects: impl Fn(&LiveRoom) -> (Effects, Vec<Element>),
    ) -> Result<(), Failure> {
        Ok(apply(&self.shared, &address(room)?, person, effects).await?)
    }
}

/// Why this is not said to everybody, if so.
fn unspeakable(text: &str) -> Option<String> {
    // These change the order or the look of the text next to them.
    let is_unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.is_empty() {
        Some("there is nothing to say".to_owned())
    } else if text.chars().count() > LONGEST {
        Some(format!("that is too long: at most {LONGEST} characters"))
    } else if text.chars().any(is_unseen) {
        Some("it has control characters: write one line of plain text".to_owned())
    } else {
        let is_brace = |c| matches!(c, '{' | '}');
        text.contains(is_brace)
            .then(|| "leave out the braces: a gate puts other words there".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_of_plain_text_is_said() {
        for good in ["Two minutes left.", "Zwei Minuten \u{2014} bitte", &"x".repeat(LONGEST)] {
            assert_eq!(unspeakable(good), None);
        }
        for wrong in [
            "",
            "a\nb",
            "a\u{7}b",
            "\u{202e}drow",
            "it is {password}",
            "{nick}",
            &"x".repeat(LONGEST + 1),
        ] {
            assert!(unspeakable(wrong).is_some(), "{wrong:?}");
        }
    }
}
