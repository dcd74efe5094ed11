//! `suspend` and `resume`: in a suspended meeting only moderators speak, and nobody else may enter.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, conflict};
use crate::app::clock::now;
use crate::app::rooms::{address, apply, room};
use crate::component::drift::scene;
use crate::component::engine::Mode;
use crate::control::{Answer, Failure};
use crate::policy::Policy;
use crate::policy::attempt::Role as Occupancy;
use crate::policy::opinions::suspended::{resuming, suspending};
use crate::policy::succession::is_service;
use crate::schema;
use crate::wire::answer::say_to_room;
use crate::wire::room::LiveRoom;

verb! {
    /// Suspend a meeting: nobody else may enter, only moderators speak, and nothing is recorded
    Suspend("suspend", "Suspend", Duty, Reversible) -> Suspended {
        room,
        /// What those inside are told in addition
        #[arg(long)]
        pub reason: Option<String>,
    }
    |it, call| call.suspend(&it.room, it.reason.as_deref()).await
}

/// The result of suspending a meeting: what is in effect, and what is not.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Suspended {
    /// Bare JID of the room.
    pub room: String,
    /// When the meeting was suspended; null: it is not.
    #[schemars(with = "Option<schema::Moment>")]
    pub suspended: Option<String>,
    /// Restrictions that are in effect, each as a sentence.
    pub done: Vec<String>,
    /// What is not restricted, each as a sentence.
    pub not: Vec<String>,
}

impl Answer for Suspended {
    fn words(&self) -> String {
        let mut lines = vec![format!("{} is suspended", self.room)];
        lines.extend(self.done.iter().map(|line| format!("  done  {line}")));
        lines.extend(self.not.iter().map(|line| format!("  NOT   {line}")));
        lines.join("\n")
    }
}

verb! {
    /// Resume a suspended meeting, and change nothing else
    Resume("resume", "Resume", Duty, Reversible) -> Resumed { room }
    |it, call| call.resume(&it.room).await
}

/// The result of resuming a meeting.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// Bare JID of the room.
    pub room: String,
    /// Why the room is still closed; null: it is open.
    pub closed: Option<String>,
}

impl Answer for Resumed {
    fn words(&self) -> String {
        let closed = if self.closed.is_some() { ", and stays closed as it was before" } else { "" };
        format!("{} is resumed{closed}", self.room)
    }
}

impl Call<'_> {
    /// Suspends a meeting. Returns which restrictions are in effect, and which the server can only ask clients for.
    async fn suspend(&self, name: &str, reason: Option<&str>) -> Result<Suspended, Failure> {
        if self.shared.engine().mode() == Mode::Observe {
            return Err(conflict("this component only observes: nothing would be suspended"));
        }
        let jid = address(name)?;
        apply(&self.shared, &jid, None, |live| {
            let is_news = live.view.suspended().is_none();
            let reason = reason.filter(|reason| is_news && !reason.is_empty()).map(say_to_room);
            (suspending(&live.view, now()), reason.into_iter().collect(), ())
        })
        .await?;
        let live = room(&self.shared, &jid, None).await?;
        Ok(report(self.shared.engine().policy(), &live))
    }

    async fn resume(&self, name: &str) -> Result<Resumed, Failure> {
        let jid = address(name)?;
        let live = room(&self.shared, &jid, None).await?;
        if live.view.suspended().is_none() && live.settings.suspended != Some(true) {
            return Err(conflict(format!("`{jid}` is not suspended")));
        }
        apply(&self.shared, &jid, None, |live| {
            let engine = self.shared.engine();
            let rules = engine.live().rules_at(engine.policy(), live);
            let effects = resuming(&scene(engine.policy(), &rules, live, now()));
            (effects.unwrap_or_default(), Vec::new(), ())
        })
        .await?;
        let closed = live.view.record.as_ref().and_then(|record| record.closed);
        Ok(Resumed { room: jid.to_string(), closed: closed.map(|closed| closed.name().to_owned()) })
    }
}

/// Describes the restrictions in a room after it was suspended.
fn report(policy: &Policy, live: &LiveRoom) -> Suspended {
    // A nick may have several sessions.
    let people = live.occupants.iter().filter(|who| !is_service(policy, who));
    let people: HashMap<_, _> = people.map(|who| (who.nick.as_str(), who.role)).collect();
    let moderators = people.values().filter(|role| **role == Occupancy::Moderator).count();
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
    let apart = live.occupants.iter().filter(|who| who.breakout.is_some() && !who.visitor).count();
    if apart > 0 {
        done.push(format!(
            "people in breakout rooms ({apart}) are called back; those rooms are closed after 5 seconds"
        ));
    }
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
    not.push(
        "what clients send each other past the room (through the bridge, polls, files) goes on"
            .to_owned(),
    );
    if !services.is_empty() {
        let names: Vec<_> = services.iter().map(|jid| jid.as_str()).collect();
        let names = names.join(", ");
        not.push(format!(
            "what records or calls already goes on; these services are inside: {names}"
        ));
    }
    let suspended = live.view.suspended().map(|it| format!("{:.0}", it.since));
    Suspended { room: live.jid.to_string(), suspended, done, not }
}
