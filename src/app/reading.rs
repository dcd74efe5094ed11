//! Reads the rooms of a service from its gate, a page at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::clock::now;
use super::enforce::turn_away;
use super::parts::each_room;
use super::rooms::{AT_ONCE, RoomError, room, whole};
use crate::jid::BareJid;
use crate::wire::NS;
use crate::wire::room::{LiveRoom, snapshot, there};
use crate::xmpp::Element;
use crate::xmpp::link::RequestError;

/// Rooms in a page of a snapshot.
const PAGE: u32 = 50;
/// Stored rooms that are looked at.
const MOST_STORED: usize = 10_000;
/// Until rooms that could not be read are read again, at first and at the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The number of tries at rooms that change meanwhile without a report of it.
const TRIES: u32 = 3;

/// Reads all rooms of a service, again until it succeeds or the gate greets once more; then they are compared with the
/// policy.
pub(super) async fn restore(shared: Shared, service: Arc<str>) {
    let life = shared.desk().life(&service);
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
        if shared.desk().life(&service) != life || !shared.link.is_up() {
            return;
        }
    }
    turn_away(&shared).await;
    shared.audit_now.notify_one();
}

/// Has the component know what the gates know now, where it does not; returns the services of which it does not even so.
/// What the gates were told before has come about by then: what they report comes before their reply.
pub(super) async fn catch_up(shared: &Shared) -> Vec<(Arc<str>, RoomError)> {
    let mut unread = Vec::new();
    let services = shared.desk().greeted();
    for service in services {
        if let Err(error) = catch_up_with(shared, &service).await {
            tracing::warn!(%service, %error, "it is not known who is in the rooms of the service");
            unread.push((service, error));
        }
    }
    unread
}

async fn catch_up_with(shared: &Shared, service: &Arc<str>) -> Result<(), RoomError> {
    for _ in 0..TRIES {
        let reply = shared.link.request(&**service, there(&[])).await?;
        let last = reply.attr("seq").and_then(|last| last.parse().ok());
        if shared.desk().is_up_to(service, last) || read_all(shared, service).await? {
            return Ok(());
        }
    }
    Err(RoomError::Busy)
}

async fn read_all(shared: &Shared, service: &Arc<str>) -> Result<bool, RoomError> {
    let _alone = shared.paging.lock().await;
    let mut reading = Reading::new(shared, service);
    while reading.next().await?.is_some() {
        tokio::task::yield_now().await;
    }
    reading.finish().await
}

/// All rooms of a service, read a page at a time, and taken into the view of the rooms as they are. The caller
/// holds [`Shared::paging`].
pub(super) struct Reading<'a> {
    shared: &'a Shared,
    service: &'a Arc<str>,
    pages: Pages<'a>,
    is_over: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(shared: &'a Shared, service: &'a Arc<str>) -> Self {
        shared.desk().begin_reading(service);
        Self { shared, service, pages: Pages::new(shared, service), is_over: false }
    }

    /// The rooms of the next page; `None`: there is none.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<LiveRoom>>, RoomError> {
        self.shared.desk().ask_for_page(self.service);
        let Some(page) = self.pages.next_rooms().await? else { return Ok(None) };
        let mut desk = self.shared.desk();
        desk.told(self.service, self.pages.number);
        for live in &page {
            desk.restore(self.service, live.clone(), now());
        }
        Ok(Some(page))
    }

    /// After the last page: forgets rooms that are known and not there; returns whether every room is known as it is now.
    pub(super) async fn finish(mut self) -> Result<bool, RoomError> {
        let mut unmet = Vec::new();
        each_room(self.shared, |desk, jid, _| {
            if desk.is_unmet(self.service, jid) {
                unmet.push(jid.clone());
            }
        });
        for some in unmet.chunks(AT_ONCE) {
            let found = self.shared.link.request(&**self.service, there(some)).await?;
            let found: HashSet<_> = elements(&found).filter_map(|room| room.attr("jid")).collect();
            let mut desk = self.shared.desk();
            for jid in some.iter().filter(|jid| !found.contains(jid.as_str())) {
                desk.not_there(self.service, jid, now());
            }
        }
        self.is_over = true;
        Ok(self.shared.desk().end_reading(self.service, true))
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.desk().end_reading(self.service, false);
        }
    }
}

/// The rooms of a service, a page at a time, in the order of their addresses. The caller holds
/// [`Shared::paging`].
pub(super) struct Pages<'a> {
    shared: &'a Shared,
    service: &'a str,
    after: Option<String>,
    /// The number of the last report before the last page.
    number: Option<u64>,
    /// Asks for those that come after an address.
    ask: fn(&str) -> Element,
}

impl<'a> Pages<'a> {
    /// The rooms in memory.
    pub(super) fn new(shared: &'a Shared, service: &'a str) -> Self {
        let after = Some(String::new());
        Self { shared, service, after, number: None, ask: |after| snapshot(after, PAGE) }
    }

    /// The next page; `None`: there is none.
    pub(super) async fn next(&mut self) -> Result<Option<Element>, RequestError> {
        let Some(after) = &self.after else { return Ok(None) };
        let page = self.shared.link.request(self.service, (self.ask)(after)).await?;
        self.number = page.attr("seq").and_then(|number| number.parse().ok());
        let next = page.attr("next").filter(|next| *next > after.as_str()).map(str::to_owned);
        self.after = next;
        Ok(Some(page))
    }

    /// The rooms of the next page, each with all its people; `None`: there is no page. A room that ended meanwhile is left
    /// out.
    pub(super) async fn next_rooms(&mut self) -> Result<Option<Vec<LiveRoom>>, RoomError> {
        let Some(page) = self.next().await? else { return Ok(None) };
        let mut rooms = Vec::new();
        for element in elements(&page) {
            match whole(self.shared, self.service, element).await {
                Ok(live) => rooms.push(live),
                Err(RoomError::None(_) | RoomError::Nonsense) => {}
                // It is another one by now.
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

/// Reads the rooms that the server of a service has stored, at most [`MOST_STORED`].
pub(super) async fn stored(shared: &Shared, service: &str) -> Result<Vec<LiveRoom>, RequestError> {
    let _alone = shared.paging.lock().await;
    let mut pages = Pages { ask: crate::wire::room::stored, ..Pages::new(shared, service) };
    let mut rooms = Vec::new();
    while let Some(page) = pages.next().await? {
        rooms.extend(elements(&page).filter_map(LiveRoom::read));
        if rooms.len() >= MOST_STORED {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(rooms)
}

/// The rooms of a page.
fn elements(page: &Element) -> impl Iterator<Item = &Element> {
    page.children().filter(|child| child.is(NS, "room"))
}
