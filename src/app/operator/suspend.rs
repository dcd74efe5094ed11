//! Suspending a meeting by one stroke, and resuming it.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Operator;
use super::failure::conflict;
use crate::app::clock::now;
use crate::app::rooms::{address, room};
use crate::component::desk::Mode;
use crate::component::drift::scene;
use crate::control::Failure;
use crate::policy::Policy;
use crate::policy::attempt::Role;
use crate::policy::succession::is_service;
use crate::policy::suspended::{self, resuming, suspending};
use crate::wire::answer::say_to_room;
use crate::wire::room::LiveRoom;

impl Operator {
    /// Suspends a meeting; what was done, and what a server can only ask of clients.
    pub(super) async fn suspend(&self, name: &str, reason: Option<&str>) -> Result<Value, Failure> {
        if self.shared.desk().mode() == Mode::Observe {
            return Err(conflict("this component only looks on: nothing would be suspended"));
        }
        self.change(name, None, |live| {
            let is_news = suspended::of(&live.view).is_none();
            let reason = reason.filter(|reason| is_news && !reason.is_empty()).map(say_to_room);
            (suspending(&live.view, now()), reason.into_iter().collect())
        })
        .await?;
        let live = room(&self.shared, &address(name)?, None).await?;
        Ok(report(self.shared.desk().policy(), &live))
    }

    /// Takes that back.
    pub(super) async fn resume(&self, name: &str) -> Result<Value, Failure> {
        let jid = address(name)?;
        let live = room(&self.shared, &jid, None).await?;
        if suspended::of(&live.view).is_none() && live.settings.suspended != Some(true) {
            return Err(conflict(format!("`{jid}` is not suspended")));
        }
        self.change(name, None, |live| {
            let desk = self.shared.desk();
            let rules = desk.live().rules_at(desk.policy(), live);
            let effects = resuming(&scene(desk.policy(), &rules, live, now()));
            (effects.unwrap_or_default(), Vec::new())
        })
        .await?;
        let closed = live.view.record.as_ref().and_then(|record| record.closed);
        Ok(json!({ "room": jid.as_str(), "closed": closed.map(|closed| closed.name()) }))
    }
}

/// What is so in a room after it was suspended, in words.
fn report(policy: &Policy, live: &LiveRoom) -> Value {
    // A nick may have several sessions.
    let people = live.occupants.iter().filter(|who| !is_service(policy, who));
    let people: HashMap<_, _> = people.map(|who| (who.nick.as_str(), who.role)).collect();
    let moderators = people.values().filter(|role| **role == Role::Moderator).count();
    let silent = people.len().saturating_sub(moderators);
    let focus = policy.focuses.get(live.jid.domain());
    let services = live.occupants.iter().filter(|who| is_service(policy, who));
    let mut services: Vec<_> =
        services.filter_map(|who| who.jid.as_ref()).filter(|jid| Some(*jid) != focus).collect();
    services.dedup();
    let mut done = vec![
        "nobody else may enter but those whom `close` lets into a closed room".to_owned(),
        if live.view.lobby { "the lobby is up" } else { "the room is members-only" }.to_owned(),
        format!(
            "only moderators write and change their names: {moderators} inside; {silent} others do not"
        ),
        "who asks to record, stream, transcribe or call a telephone is refused".to_owned(),
        "moderators inside cannot take this back".to_owned(),
    ];
    let mut not = Vec::new();
    if live.media.is_empty() {
        not.push(
            "audio, video and the screen: nothing on this server moderates them (Jitsi's `av_moderation_component` does)".to_owned(),
        );
    } else {
        let kinds: Vec<_> = live.media.iter().map(|kind| kind.name()).collect();
        let kinds = kinds.join(", ");
        done.push(format!(
            "{kinds}: Jitsi's focus is told to mute all but moderators, and to keep them muted"
        ));
        not.push("between two people, media may flow from client to client, past the bridge: there, their clients are only asked".to_owned());
    }
    not.push("what clients send each other past the room (through the bridge, polls, files, breakout rooms) goes on".to_owned());
    if !services.is_empty() {
        let names: Vec<_> = services.iter().map(|jid| jid.as_str()).collect();
        let names = names.join(", ");
        not.push(format!(
            "what records or calls already goes on; these services are inside: {names}"
        ));
    }
    json!({
        "room": live.jid.as_str(),
        "suspended": suspended::of(&live.view).map(|it| format!("{:.0}", it.since)),
        "done": done,
        "not": not,
    })
}
