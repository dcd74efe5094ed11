//! Reading rooms from their gates, and changing them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value};
use tokio::task::yield_now;

use super::Shared;
use super::clock::now;
use super::reload::turn_away;
use crate::component::engine::rooms::secrets;
use crate::component::engine::{Consequences, Judged, PolicyEngine};
use crate::component::registry::Room;
use crate::jid::{BareJid, JidError, Part};
use crate::password::MakingError;
use crate::policy::Policy;
use crate::policy::attempt::Requester;
use crate::policy::denial::Denial;
use crate::policy::removal::{expulsion, suspect};
use crate::policy::verdict::Effects;
use crate::secret::Secret;
use crate::wire::NS;
use crate::wire::answer::{Done, Material, Secrets, command};
use crate::wire::room::{Connected, LiveRoom, glance, look, look_on, snapshot, there, who};
use crate::xmpp::link::RequestError;
use crate::xmpp::stanza::Condition;
use crate::xmpp::{Document, Element, ElementRef};

/// Commands to rooms that wait for a reply at the same time.
pub(super) const AT_ONCE: usize = 64;
/// The number of attempts at a command to a room that changes meanwhile.
const TRIES: u32 = 5;

/// Why a room could not be read or changed.
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
    #[error("`{0}` is part of `{1}`: name that room")]
    Breakout(BareJid, BareJid),
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
    #[error("the gate is older than this question: update it, and restart Prosody")]
    Outdated,
    #[error("no password could be made: {0}")]
    Password(#[from] MakingError),
    #[error("the gate did not do it: {0}")]
    Gate(#[from] RequestError),
}

/// Parses the address of a room: a bare JID with a local part.
pub(super) fn address(room: &str) -> Result<BareJid, RoomError> {
    let wrong = |error| RoomError::Address(room.to_owned(), error);
    if !room.contains('@') {
        return Err(RoomError::NoService(room.to_owned()));
    }
    let jid: BareJid = room.parse().map_err(wrong)?;
    if jid.node().is_some() { Ok(jid) } else { Err(wrong(JidError::Empty(Part::Node))) }
}

/// Returns the service of a room, or why the file names none: a breakout room or the visitors' room goes by its main room.
async fn service(shared: &Shared, room: &BareJid) -> Result<Arc<str>, RoomError> {
    let services: Vec<_> = {
        let engine = shared.engine();
        if let Some(service) = engine.service(room.domain()) {
            return Ok(service);
        }
        if let Some(main) = engine.live().main_of(room) {
            return Err(RoomError::Breakout(room.clone(), main.clone()));
        }
        engine.services().map(|(service, _)| service.to_owned()).collect()
    };
    for service in services {
        // Of an empty one only the gate knows: it answers for a breakout room with the main room.
        let told = shared.ask(&service, glance(room, None)).await;
        if let Some(main) = told.ok().and_then(|told| LiveRoom::read(told.root())) {
            return Err(RoomError::Breakout(room.clone(), main.jid));
        }
    }
    Err(RoomError::Service(room.domain().to_owned()))
}

/// Reads a room as it is now, and what it remembers of `person`.
pub(super) async fn room(
    shared: &Shared,
    room: &BareJid,
    person: Option<&BareJid>,
) -> Result<LiveRoom, RoomError> {
    read(shared, room, look(room, person)).await
}

/// Reads a room as it is now without its people, with its password and host code.
pub(super) async fn reveal(shared: &Shared, room: &BareJid) -> Result<LiveRoom, RoomError> {
    read(shared, room, crate::wire::room::reveal(room)).await
}

async fn read(shared: &Shared, room: &BareJid, ask: Element) -> Result<LiveRoom, RoomError> {
    let service = service(shared, room).await?;
    let element = part(shared, &service, room, ask).await?;
    let mut live = whole(shared, &service, element.root()).await?;
    live.view.nobody_logs_in = shared.engine().nobody_logs_in(&service);
    Ok(live)
}

/// Returns a part of a room, with at most one page of its people.
async fn part(
    shared: &Shared,
    service: &str,
    room: &BareJid,
    ask: Element,
) -> Result<Document, RoomError> {
    match shared.ask(service, ask).await {
        Err(RequestError::Refused(error)) if error.condition == Condition::ItemNotFound => {
            Err(RoomError::None(room.clone()))
        }
        told => Ok(told?),
    }
}

/// Reads a room with all of its people from an element that may have only the first page of them.
pub(super) async fn whole(
    shared: &Shared,
    service: &str,
    element: ElementRef<'_>,
) -> Result<LiveRoom, RoomError> {
    let mut live = LiveRoom::read(element).ok_or(RoomError::Nonsense)?;
    while let Some(after) = live.next.take() {
        let part = part(shared, service, &live.jid, look_on(&live.jid, &after)).await?;
        let part = LiveRoom::read(part.root()).ok_or(RoomError::Nonsense)?;
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

/// Returns the sessions of a person on the server of a room, which need not exist.
pub(super) async fn connected(
    shared: &Shared,
    room: &BareJid,
    person: &BareJid,
) -> Result<Connected, RoomError> {
    let service = service(shared, room).await?;
    let element = shared.ask(&service, who(room, person)).await?;
    Ok(Connected::read(element.root()))
}

/// Changes a room. `effects` gets the room as it is now, with what it remembers of `person`, and returns the changes;
/// if there are none, nothing is sent. Returns the third part of what `effects` returned in the last attempt.
pub(super) async fn apply<T>(
    shared: &Shared,
    jid: &BareJid,
    person: Option<&BareJid>,
    effects: impl Fn(&LiveRoom) -> (Effects, Vec<Element>, T),
) -> Result<T, RoomError> {
    let (_, note) = apply_reading(shared, jid, || look(jid, person), None, effects).await?;
    Ok(note)
}

/// Changes a room like [`apply`], but reads it with `ask`, and may set the password that an operator has `typed`. Also
/// returns the gate's reply.
pub(super) async fn apply_reading<T>(
    shared: &Shared,
    jid: &BareJid,
    ask: impl Fn() -> Element,
    typed: Option<&Secret>,
    effects: impl Fn(&LiveRoom) -> (Effects, Vec<Element>, T),
) -> Result<(Done, T), RoomError> {
    let service = service(shared, jid).await?;
    for _ in 0..TRIES {
        let live = match read(shared, jid, ask()).await {
            // Another room took its address while it was read.
            Err(RoomError::Busy) => continue,
            read => read?,
        };
        if live.generation.is_empty() {
            return Err(RoomError::Before(jid.clone()));
        }
        let (effects, more, note) = effects(&live);
        if more.is_empty() && effects == Effects::default() {
            return Ok((Done::default(), note));
        }
        let (id, policy) = {
            let mut engine = shared.engine();
            (engine.next_id(), Arc::clone(engine.policy()))
        };
        let rules = {
            let engine = shared.engine();
            engine.live().rules_at(engine.policy(), &live)
        };
        let made = secrets(&effects, Some(jid), (typed, live.code.as_ref()), &rules, now())?;
        let material = Material { secrets: &made, texts: &policy.texts, language: None };
        let element =
            command(jid, &live.generation, Some(live.revision), &id, &effects, material, more);
        match shared
            .link
            .command(&*service, element)
            .await
            .map(|done| Done::read(done.as_ref().map(Document::root)))
        {
            // A precondition was not met: something has changed meanwhile.
            Ok(done) if done.is_unmet => {}
            Ok(done) => {
                if let Some(record) = effects.record {
                    shared.engine().recorded(jid, record);
                }
                return Ok((done, note));
            }
            Err(RequestError::Refused(error)) if error.condition == Condition::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(RoomError::Busy)
}

/// Sends orders that do not depend on the room's record to a room of that generation, without reading it first.
pub(super) async fn order(
    shared: &Shared,
    jid: &BareJid,
    generation: &str,
    orders: Vec<Element>,
) -> Result<(), RoomError> {
    let service = service(shared, jid).await?;
    let (id, policy) = {
        let mut engine = shared.engine();
        (engine.next_id(), Arc::clone(engine.policy()))
    };
    let none = Secrets::default();
    let material = Material { secrets: &none, texts: &policy.texts, language: None };
    let element = command(jid, generation, None, &id, &Effects::default(), material, orders);
    match shared.link.command(&*service, element).await {
        Ok(done) => {
            let done = Done::read(done.as_ref().map(Document::root));
            if done.is_unmet { Err(RoomError::Unmet(done.names())) } else { Ok(()) }
        }
        // Another room has this address by now.
        Err(RequestError::Refused(error))
            if matches!(error.condition, Condition::ItemNotFound | Condition::Conflict) =>
        {
            Err(RoomError::None(jid.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes people who may no longer be inside. Returns for each whether they were inside, or why the removal failed.
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
    let suspected = if denial == Denial::Banned { known(shared, room, jid) } else { Vec::new() };
    let effects = |live: &LiveRoom| {
        let mut effects = expulsion(jid, live.person.as_ref(), live.affiliation, denial);
        effects.record = live.view.record.clone().filter(|_| !suspected.is_empty());
        if let Some(record) = &mut effects.record {
            let engine = shared.engine();
            let (policy, rules) = (engine.policy(), engine.live().rules_at(engine.policy(), live));
            for who in &suspected {
                suspect(record, &rules.removal, who, policy.proof(who), now());
            }
        }
        (effects, Vec::new(), ())
    };
    // The list of the other occupants is not needed.
    let done = apply_reading(shared, room, || glance(room, Some(jid)), None, effects).await;
    match done {
        // The room ended when its last occupant left.
        Err(RoomError::None(_)) => Ok(false),
        Ok((done, ())) if done.met.is_empty() => {
            tracing::info!(?room, ?jid, "had left before they could be removed");
            Ok(false)
        }
        Ok(_) => {
            shared.engine().write_event("removed", room.as_str(), about(jid), now());
            tracing::info!(?room, ?jid, "removed: the policy no longer admits this person");
            Ok(true)
        }
        Err(error) => {
            tracing::error!(?room, ?jid, %error, "could not be removed");
            Err(error)
        }
    }
}

/// Returns the sessions of a person in a room, as far as the registry knows.
fn known(shared: &Shared, room: &BareJid, jid: &BareJid) -> Vec<Requester> {
    let engine = shared.engine();
    let occupants = engine.live().room(room).into_iter().flat_map(|room| room.occupants.values());
    let theirs = occupants.map(|known| &known.who).filter(|who| who.jid.as_ref() == Some(jid));
    theirs.cloned().collect()
}

/// Returns the details of an audit event about one person.
pub(super) fn about(jid: &BareJid) -> Map<String, Value> {
    Map::from_iter([("jid".to_owned(), jid.as_str().into())])
}

/// Sends a gate again what it has to know before it may ask for decisions.
pub(super) async fn tell(shared: Shared, service: Arc<str>, welcome: Element) {
    if let Err(error) = shared.link.command(&*service, welcome).await {
        tracing::error!(
            %service, %error,
            "the gate was not told of the services and reserved nicks in the new file: restart this component"
        );
    }
}

/// Calls `see` with every room, in the order of their addresses, each once. The engine is released in between.
pub(super) fn each_room(shared: &Shared, mut see: impl FnMut(&PolicyEngine, &BareJid, &Room)) {
    let mut after = None;
    loop {
        let engine = shared.engine();
        let (part, last) = engine.part(after.as_ref());
        for (jid, room) in part.iter().filter_map(|jid| Some((jid, engine.live().room(jid)?))) {
            see(&engine, jid, room);
        }
        if last.is_none() {
            return;
        }
        after = last;
    }
}

/// Returns the consequences of a policy for the people in rooms, as far as the registry knows.
pub(super) async fn consequences(shared: &Shared, policy: &Policy) -> Consequences {
    part_by_part(shared, |engine, after| engine.consequences(policy, after, now())).await
}

/// Returns who is inside or waits although the policy in force does not allow it, as far as the registry
/// knows.
pub(super) async fn misplaced(shared: &Shared) -> Consequences {
    part_by_part(shared, |engine, after| engine.misplaced(after, now())).await
}

/// Returns the consequences of the policy in force for the people in rooms, compared with the policy before. The caller
/// holds [`Shared::reloading`].
pub(super) async fn judge_again(shared: &Shared, before: Arc<Policy>) -> Consequences {
    part_by_part(shared, |engine, after| engine.judge_again(&before, after, now())).await
}

/// Merges what `judge` finds in all rooms. It handles some rooms after an address, and returns the last one handled.
async fn part_by_part(
    shared: &Shared,
    judge: impl Fn(&mut PolicyEngine, Option<&BareJid>) -> (Consequences, Option<BareJid>),
) -> Consequences {
    let (mut all, mut after) = (Consequences::default(), None);
    loop {
        let (some, last) = judge(&mut shared.engine(), after.as_ref());
        all.extend(some);
        if last.is_none() {
            return all;
        }
        after = last;
        yield_now().await;
    }
}

/// The number of rooms in a page of a snapshot.
const PAGE: u32 = 50;
/// The number of stored rooms after which reading stops.
const MOST_STORED: usize = 10_000;
/// The first and the longest pause before rooms that could not be read are read again.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The number of attempts to catch up with rooms that change meanwhile without a report.
const PAGE_TRIES: u32 = 3;

/// Reads all rooms of a service, with retries until that succeeds or the gate greets again; then the rooms are compared
/// with the policy.
pub(super) async fn restore(shared: Shared, service: Arc<str>) {
    let life = shared.engine().life(&service);
    let mut wait = FIRST_WAIT;
    loop {
        match read_all(&shared, &service).await {
            Ok(true) => break,
            Ok(false) => tracing::warn!(%service, "a report is missing: the rooms are read again"),
            Err(error) => tracing::warn!(
                %service, %error,
                "the rooms of the service could not be read: what is known of them may be out of date; again in {wait:?}"
            ),
        }
        tokio::time::sleep(wait).await;
        wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        if shared.engine().life(&service) != life || !shared.link.is_up() {
            return;
        }
    }
    turn_away(&shared).await;
    shared.audit_now.notify_one();
}

/// Reads the rooms of every gate that the registry is behind; returns the services for which that failed. All earlier
/// commands have taken effect by then: the gates send their reports before the reply.
pub(super) async fn catch_up(shared: &Shared) -> Vec<(Arc<str>, RoomError)> {
    let mut unread = Vec::new();
    let services = shared.engine().greeted();
    for service in services {
        if let Err(error) = catch_up_with(shared, &service).await {
            tracing::warn!(%service, %error, "it is not known who is in the rooms of the service");
            unread.push((service, error));
        }
    }
    unread
}

async fn catch_up_with(shared: &Shared, service: &Arc<str>) -> Result<(), RoomError> {
    for _ in 0..PAGE_TRIES {
        let reply = shared.ask(service, there(&[])).await?;
        let last = reply.root().attr("seq").and_then(|last| last.parse().ok());
        if shared.engine().is_up_to(service, last) || read_all(shared, service).await? {
            return Ok(());
        }
    }
    Err(RoomError::Busy)
}

async fn read_all(shared: &Shared, service: &Arc<str>) -> Result<bool, RoomError> {
    let _alone = shared.paging.lock().await;
    let mut reading = Reading::new(shared, service);
    while reading.next().await?.is_some() {
        yield_now().await;
    }
    reading.finish().await
}

/// Reads all rooms of a service into the registry, page by page. The caller holds
/// [`Shared::paging`].
pub(super) struct Reading<'a> {
    shared: &'a Shared,
    service: &'a Arc<str>,
    pages: Pages<'a>,
    is_over: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(shared: &'a Shared, service: &'a Arc<str>) -> Self {
        shared.engine().begin_reading(service);
        Self { shared, service, pages: Pages::new(shared, service), is_over: false }
    }

    /// Reads the next page into the registry and returns its rooms, or `None` after the last page.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<LiveRoom>>, RoomError> {
        self.shared.engine().ask_for_page(self.service);
        let Some(page) = self.pages.next_rooms().await? else { return Ok(None) };
        let mut engine = self.shared.engine();
        engine.told(self.service, self.pages.number);
        for live in &page {
            engine.restore(self.service, live.clone(), now());
        }
        Ok(Some(page))
    }

    /// Forgets known rooms that were on no page and do not exist. Returns whether every room is known as it is now.
    pub(super) async fn finish(mut self) -> Result<bool, RoomError> {
        let mut unmet = Vec::new();
        each_room(self.shared, |engine, jid, _| {
            if engine.is_unmet(self.service, jid) {
                unmet.push(jid.clone());
            }
        });
        for some in unmet.chunks(AT_ONCE) {
            let found = self.shared.link.request(&**self.service, there(some)).await?;
            let found: HashSet<_> =
                elements(found.root()).filter_map(|room| room.attr("jid")).collect();
            let mut engine = self.shared.engine();
            for jid in some.iter().filter(|jid| !found.contains(jid.as_str())) {
                engine.not_there(self.service, jid, now());
            }
        }
        self.is_over = true;
        Ok(self.shared.engine().end_reading(self.service, true))
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.engine().end_reading(self.service, false);
        }
    }
}

/// The rooms of a service, page by page, in the order of their addresses. The caller holds
/// [`Shared::paging`].
pub(super) struct Pages<'a> {
    shared: &'a Shared,
    service: &'a str,
    after: Option<String>,
    /// Sequence number of the last report before the last page was made.
    number: Option<u64>,
    /// Makes the request for the page after an address.
    ask: Box<dyn Fn(&str) -> Element + Send + Sync + 'a>,
}

impl<'a> Pages<'a> {
    /// Reads the rooms in memory, from the first page on.
    pub(super) fn new(shared: &'a Shared, service: &'a str) -> Self {
        let after = Some(String::new());
        Self { shared, service, after, number: None, ask: Box::new(|after| snapshot(after, PAGE)) }
    }

    /// Reads the next page; returns `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Document>, RequestError> {
        let Some(after) = &self.after else { return Ok(None) };
        let page = self.shared.ask(self.service, (self.ask)(after)).await?;
        self.number = page.root().attr("seq").and_then(|number| number.parse().ok());
        let next =
            page.root().attr("next").filter(|next| *next > after.as_str()).map(str::to_owned);
        self.after = next;
        Ok(Some(page))
    }

    /// Reads the rooms of the next page with all of their people; returns `None` after the last page. A room that has
    /// ended meanwhile is left out.
    pub(super) async fn next_rooms(&mut self) -> Result<Option<Vec<LiveRoom>>, RoomError> {
        let Some(page) = self.next().await? else { return Ok(None) };
        let mut rooms = Vec::new();
        for element in elements(page.root()) {
            match whole(self.shared, self.service, element).await {
                Ok(live) => rooms.push(live),
                Err(RoomError::None(_) | RoomError::Nonsense) => {}
                // Another room has this address by now.
                Err(RoomError::Busy) => {
                    let jid = element.attr("jid").and_then(BareJid::stamped);
                    let jid = jid.ok_or(RoomError::Nonsense)?;
                    match room(self.shared, &jid, None).await {
                        Ok(live) => rooms.push(live),
                        Err(RoomError::None(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(rooms))
    }
}

/// Reads the rooms that the server of a service has stored, up to about [`MOST_STORED`].
pub(super) async fn stored(shared: &Shared, service: &str) -> Result<Vec<LiveRoom>, RequestError> {
    let _alone = shared.paging.lock().await;
    let ask = Box::new(|after: &str| crate::wire::room::stored(after, &[]));
    let mut pages = Pages { ask, ..Pages::new(shared, service) };
    let mut rooms = Vec::new();
    while let Some(page) = pages.next().await? {
        rooms.extend(elements(page.root()).filter_map(LiveRoom::read));
        if rooms.len() >= MOST_STORED {
            break;
        }
        yield_now().await;
    }
    Ok(rooms)
}

/// Reads what the stored rooms of a service know of these people, room by room.
pub(super) async fn stored_about(
    shared: &Shared,
    service: &str,
    people: &[BareJid],
) -> Result<Vec<(BareJid, LiveRoom)>, RoomError> {
    let _alone = shared.paging.lock().await;
    let ask = Box::new(|after: &str| crate::wire::room::stored(after, people));
    let mut pages = Pages { ask, ..Pages::new(shared, service) };
    let mut known = Vec::new();
    while let Some(page) = pages.next().await? {
        for room in elements(page.root()) {
            // A gate that is older than the question tells of every room, and of nobody in it.
            let about = room.attr("about").and_then(BareJid::stamped);
            known.push((
                about.ok_or(RoomError::Outdated)?,
                LiveRoom::read(room).ok_or(RoomError::Nonsense)?,
            ));
        }
        yield_now().await;
    }
    Ok(known)
}

fn elements(page: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    page.children().filter(|child| child.is(NS, "room"))
}
