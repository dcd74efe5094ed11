//! What is done with one room.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::Operator;
use super::failure::invalid;
use crate::app::clock::now;
use crate::app::rooms::{address, apply};
use crate::control::Failure;
use crate::jid::BareJid;
use crate::policy::Rules;
use crate::policy::close::{closing, shut_by};
use crate::policy::verdict::Effects;
use crate::wire::answer::{end, say_to_room};
use crate::wire::room::LiveRoom;
use crate::xmpp::Element;

/// The longest that is said, in characters.
const LONGEST: usize = 1000;

impl Operator {
    /// Lets nobody else in, or people in again; how it was, and what still keeps people out.
    pub(super) async fn close(&self, room: &str, close: bool) -> Result<Value, Failure> {
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
            Some(json!({ "rule": rule.name, "line": rule.line, "told": told }))
        });
        let was = was.map(|closed| closed.name());
        Ok(json!({ "room": jid.as_str(), "was_closed": was, "shut": shut }))
    }

    /// Everybody out, and the room is no more; how many were inside.
    pub(super) async fn end(&self, room: &str, reason: &str) -> Result<Value, Failure> {
        self.tell(room, end(reason)).await
    }

    /// Says something to everybody inside, as the room; how many that are.
    pub(super) async fn say(&self, room: &str, text: &str) -> Result<Value, Failure> {
        let text = text.trim();
        if let Some(wrong) = unspeakable(text) {
            return Err(invalid(wrong));
        }
        self.tell(room, say_to_room(text)).await
    }

    /// Does something to everybody inside; how many that are, one for each nick, without services.
    async fn tell(&self, room: &str, order: Element) -> Result<Value, Failure> {
        let inside = AtomicU32::new(0);
        let jid = address(room)?;
        apply(&self.shared, &jid, None, |live| {
            inside.store(live.view.occupants, Ordering::Relaxed);
            (Effects::default(), vec![order.clone()])
        })
        .await?;
        Ok(json!({ "room": jid.as_str(), "inside": inside.into_inner() }))
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
    ) -> Result<Value, Failure> {
        let jid = address(room)?;
        apply(&self.shared, &jid, person, effects).await?;
        Ok(json!({ "room": jid.as_str() }))
    }
}

/// Why this is not said to everybody, if so.
fn unspeakable(text: &str) -> Option<String> {
    // These change the order or the look of what stands beside them.
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
