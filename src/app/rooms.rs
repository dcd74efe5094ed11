//! Asking a gate about its rooms, and telling it to change them.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value};

use super::Shared;
use super::clock::now;
use crate::component::desk::Judged;
use crate::component::making::{self, MakingError};
use crate::jid::{BareJid, JidError, Part};
use crate::policy::denial::Denial;
use crate::policy::removal::taken;
use crate::policy::verdict::{Effects, NewPassword};
use crate::secret::Secret;
use crate::wire::answer::{Material, command};
use crate::wire::done::Done;
use crate::wire::room::{Connected, LiveRoom, glance, look, look_on, who};
use crate::xmpp::Element;
use crate::xmpp::link::RequestError;
use crate::xmpp::stanza::Condition;

/// Commands to rooms that wait for an answer at the same time.
pub(super) const AT_ONCE: usize = 64;
/// The number of tries of a command on a room that changes meanwhile.
const TRIES: u32 = 5;

/// A room cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoomError {
    #[error("`{0}` is no address of a room: {1}")]
    Address(String, #[source] JidError),
    #[error(
        "`{0}` is no address of a room: write `{0}@SERVICE`, with the service that the room is on"
    )]
    NoService(String),
    #[error(
        "`{0}` is no address of a person: {1}. A person who is there all the same is named as `vestibule room` shows them"
    )]
    Person(String, #[source] JidError),
    #[error("the file that this component was started with names no service `{0}`")]
    Service(String),
    #[error("there is no room `{0}`")]
    None(BareJid),
    #[error("no policy was applied to `{0}` yet: that is done when a person joins it")]
    Before(BareJid),
    #[error("nothing was done: {0} moderates the room")]
    Unmet(String),
    #[error("the room changes all the time: try again")]
    Busy,
    #[error("the gate sent something that is no room")]
    Nonsense,
    #[error("no password could be made: {0}")]
    Password(#[from] MakingError),
    #[error("the gate did not do it: {0}")]
    Gate(#[from] RequestError),
}

/// The room of that address.
pub(super) fn address(room: &str) -> Result<BareJid, RoomError> {
    let wrong = |error| RoomError::Address(room.to_owned(), error);
    if !room.contains('@') {
        return Err(RoomError::NoService(room.to_owned()));
    }
    let jid: BareJid = room.parse().map_err(wrong)?;
    if jid.node().is_some() { Ok(jid) } else { Err(wrong(JidError::Empty(Part::Node))) }
}

fn service(shared: &Shared, room: &BareJid) -> Result<Arc<str>, RoomError> {
    let domain = room.domain();
    shared.desk().service(domain).ok_or_else(|| RoomError::Service(domain.to_owned()))
}

/// Returns a room as it is now, and what it remembers of `person`.
pub(super) async fn room(
    shared: &Shared,
    room: &BareJid,
    person: Option<&BareJid>,
) -> Result<LiveRoom, RoomError> {
    read(shared, room, look(room, person)).await
}

async fn read(shared: &Shared, room: &BareJid, ask: Element) -> Result<LiveRoom, RoomError> {
    let service = service(shared, room)?;
    match shared.link.request(&*service, ask).await {
        Ok(element) => {
            let mut live = whole(shared, &service, &element).await?;
            live.view.nobody_logs_in = shared.desk().nobody_logs_in(&service);
            Ok(live)
        }
        Err(RequestError::Refused(error)) if error.condition == Condition::ItemNotFound => {
            Err(RoomError::None(room.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The room of an element, with all the people in it: of more than a page holds, the gate tells the rest part by part.
pub(super) async fn whole(
    shared: &Shared,
    service: &str,
    element: &Element,
) -> Result<LiveRoom, RoomError> {
    let mut live = LiveRoom::read(element).ok_or(RoomError::Nonsense)?;
    while let Some(after) = live.next.take() {
        let part = match shared.link.request(service, look_on(&live.jid, &after)).await {
            Ok(element) => LiveRoom::read(&element).ok_or(RoomError::Nonsense)?,
            Err(RequestError::Refused(error)) if error.condition == Condition::ItemNotFound => {
                return Err(RoomError::None(live.jid));
            }
            Err(error) => return Err(error.into()),
        };
        if part.generation != live.generation {
            return Err(RoomError::Busy);
        }
        if part.next.as_ref().is_some_and(|next| *next <= after) {
            return Err(RoomError::Nonsense);
        }
        live.extend(part);
    }
    Ok(live)
}

/// The sessions of a person, for a room that need not be there.
pub(super) async fn connected(
    shared: &Shared,
    room: &BareJid,
    person: &BareJid,
) -> Result<Connected, RoomError> {
    let service = service(shared, room)?;
    let element = shared.link.request(&*service, who(room, person)).await?;
    Ok(Connected::read(&element))
}

/// Changes a room by what `effects` makes of it, and of what it remembers of `person`, as it is now. Where that is nothing,
/// nothing is sent.
pub(super) async fn apply(
    shared: &Shared,
    jid: &BareJid,
    person: Option<&BareJid>,
    effects: impl Fn(&LiveRoom) -> (Effects, Vec<Element>),
) -> Result<(), RoomError> {
    apply_with(shared, jid, person, None, effects).await
}

/// The same, with the password that an operator has typed.
pub(super) async fn apply_with(
    shared: &Shared,
    jid: &BareJid,
    person: Option<&BareJid>,
    typed: Option<&Secret>,
    effects: impl Fn(&LiveRoom) -> (Effects, Vec<Element>),
) -> Result<(), RoomError> {
    apply_reading(shared, jid, || look(jid, person), typed, effects).await.map(drop)
}

/// Does so with the room that `ask` reads; returns what the gate has met.
async fn apply_reading(
    shared: &Shared,
    jid: &BareJid,
    ask: impl Fn() -> Element,
    typed: Option<&Secret>,
    effects: impl Fn(&LiveRoom) -> (Effects, Vec<Element>),
) -> Result<Done, RoomError> {
    let service = service(shared, jid)?;
    for _ in 0..TRIES {
        let live = match read(shared, jid, ask()).await {
            // It became another one while it was read.
            Err(RoomError::Busy) => continue,
            read => read?,
        };
        if live.generation.is_empty() {
            return Err(RoomError::Before(jid.clone()));
        }
        let (effects, more) = effects(&live);
        if more.is_empty() && effects == Effects::default() {
            return Ok(Done::default());
        }
        let (id, policy) = {
            let mut desk = shared.desk();
            (desk.next_id(), Arc::clone(desk.policy()))
        };
        let password =
            effects.password.map(|new| password(shared, &live, new, typed)).transpose()?;
        let material =
            Material { password: password.as_ref(), texts: &policy.texts, language: None };
        let element =
            command(jid, &live.generation, Some(live.revision), &id, &effects, material, more);
        match shared.link.command(&*service, element).await.map(|done| Done::read(done.as_ref())) {
            // It has come about meanwhile.
            Ok(done) if done.is_unmet => {}
            Ok(done) => {
                if let Some(record) = effects.record {
                    shared.desk().recorded(jid, record);
                }
                return Ok(done);
            }
            Err(RequestError::Refused(error)) if error.condition == Condition::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(RoomError::Busy)
}

/// Has a room of that generation do what makes nothing of its record, without a look at it first.
pub(super) async fn order(
    shared: &Shared,
    jid: &BareJid,
    generation: &str,
    orders: Vec<Element>,
) -> Result<(), RoomError> {
    let service = service(shared, jid)?;
    let (id, policy) = {
        let mut desk = shared.desk();
        (desk.next_id(), Arc::clone(desk.policy()))
    };
    let material = Material { password: None, texts: &policy.texts, language: None };
    let element = command(jid, generation, None, &id, &Effects::default(), material, orders);
    match shared.link.command(&*service, element).await {
        Ok(done) => {
            let done = Done::read(done.as_ref());
            if done.is_unmet { Err(RoomError::Unmet(done.names())) } else { Ok(()) }
        }
        // The room of that address is another by now.
        Err(RequestError::Refused(error)) if is_gone(error.condition) => {
            Err(RoomError::None(jid.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

fn is_gone(condition: Condition) -> bool {
    matches!(condition, Condition::ItemNotFound | Condition::Conflict)
}

fn password(
    shared: &Shared,
    live: &LiveRoom,
    new: NewPassword,
    typed: Option<&Secret>,
) -> Result<Secret, RoomError> {
    let desk = shared.desk();
    let rules = desk.live().rules_at(desk.policy(), live);
    Ok(making::password(new, Some(&live.jid), typed, &rules, now())?)
}

/// Removes those who may no longer be inside; returns of each whether they were, or why they are still.
pub(super) async fn remove_all(
    shared: &Shared,
    removed: &[Judged],
) -> Vec<(BareJid, BareJid, Result<bool, RoomError>)> {
    let those = removed.iter().filter_map(|judged| {
        let (room, jid) = judged.about()?;
        Some((room.clone(), jid.clone(), judged.decision.denial?))
    });
    let those: Vec<_> = those.collect();
    let removals = those.into_iter().map(|(room, jid, denial)| async move {
        let done = remove(shared, &room, &jid, denial).await;
        (room, jid, done)
    });
    stream::iter(removals).buffer_unordered(AT_ONCE).collect().await
}

async fn remove(
    shared: &Shared,
    room: &BareJid,
    jid: &BareJid,
    denial: Denial,
) -> Result<bool, RoomError> {
    let effects = |live: &LiveRoom| {
        let effects = Effects {
            people: vec![(jid.clone(), taken(live.person.as_ref(), live.affiliation))],
            remove: vec![(jid.clone(), denial)],
            ..Effects::default()
        };
        (effects, Vec::new())
    };
    // The other people inside are not needed.
    let done = apply_reading(shared, room, || glance(room, Some(jid)), None, effects).await;
    match done {
        // With the last who left it.
        Err(RoomError::None(_)) => Ok(false),
        Ok(done) if done.met.is_empty() => {
            tracing::info!(?room, ?jid, "had left before they could be removed");
            Ok(false)
        }
        Ok(_) => {
            shared.desk().audit().event("removed", room.as_str(), about(jid), now());
            tracing::info!(?room, ?jid, "removed: the policy no longer admits this person");
            Ok(true)
        }
        Err(error) => {
            tracing::error!(?room, ?jid, %error, "could not be removed");
            Err(error)
        }
    }
}

/// Returns the details of an event that is about one person.
pub(super) fn about(jid: &BareJid) -> Map<String, Value> {
    Map::from_iter([("jid".to_owned(), jid.as_str().into())])
}

/// Tells a gate again what it has to know before it may ask.
pub(super) async fn tell(shared: Shared, service: Arc<str>, welcome: Element) {
    if let Err(error) = shared.link.command(&*service, welcome).await {
        tracing::error!(
            %service, %error,
            "the gate was not told of the services and reserved nicks in the new file: restart this component"
        );
    }
}
