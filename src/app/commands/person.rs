//! `person`: what is kept on one person, to be handed to them, or erased.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Call, invalid, unavailable};
use crate::app::bans::holds;
use crate::app::clock::now;
use crate::app::rooms::{each_room, room, stored_about};
use crate::config::counted;
use crate::control::{Answer, Failure};
use crate::jid::BareJid;
use crate::schema;
use crate::store::{
    Ban, BanState, Concern, Entry, Person, Place, Pseudonym, Query, Store, StoreError,
};
use crate::wire::room::LiveRoom;

/// Time within which what was on its way to the database is there.
const SETTLED: Duration = Duration::from_millis(600);
/// Most rooms that are asked what they remember.
const MOST_ROOMS: usize = 200;
/// Most addresses of a person that stored rooms are asked about.
const MOST_STORED: usize = 50;
/// Most texts that the database searches for at once: with more of them, every entry is read.
const MOST_SOUGHT: usize = 200;
/// Most people that are named who were called like the text, and most files.
const NAMED: usize = 5;

verb! {
    /// Collect what is kept on a person
    PersonExport("person-export", "Export what is kept on a person", Operator, ReadOnly, local) -> Kept {
        /// The person's address, or the value of the claim that names them in tokens (`removal.subject_claim`)
        #[schemars(with = "schema::Hidden")]
        pub who: String,
        /// Only entries after this number, for the next page
        pub after: Option<i64>,
    }
    |it, call| it.carry_out(call).await
}

verb! {
    /// Erase what is kept on a person; what stays is named
    PersonErase("person-erase", "Erase what is kept on a person", Operator, Irreversible, local) -> Erasure {
        /// The person's address, or the value of the claim that names them in tokens (`removal.subject_claim`)
        #[schemars(with = "schema::Hidden")]
        pub who: String,
        /// Only count, and erase nothing
        #[arg(long)]
        #[serde(default)]
        pub dry_run: bool,
    }
    |it, call| it.carry_out(call).await
}

/// What is kept on a person: a page of the entries, and with the first one everything else.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// Addresses by which the person was found.
    pub addresses: Vec<String>,
    /// Name of the claim that names people in tokens.
    pub claim: String,
    /// Entries of the audit that are about the person, or name them, in the order of their numbers.
    pub entries: Vec<Entry>,
    /// Number to continue after; null: this is the last page.
    pub next: Option<i64>,
    /// Bans on the person, also lifted ones.
    pub bans: Vec<Ban>,
    /// What open and stored rooms remember of the person.
    pub rooms: Vec<Remembered>,
    /// Path of the decision log; null: there is none.
    pub log: Option<String>,
    /// People who are or were called like the text; only if nothing names a person by it.
    pub called: Vec<String>,
    /// What was not searched, and why; null: everything was.
    pub note: Option<String>,
}

/// What a room remembers of a person.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Remembered {
    /// Bare JID of the room.
    pub room: String,
    /// Whether the room is stored and not open.
    #[serde(default)]
    pub stored: bool,
    /// Bare JID of the person there.
    pub jid: String,
    /// Whether the person opened the room.
    pub opened: bool,
    /// Affiliation of the person.
    pub affiliation: String,
    /// The room's own notes on the person, as in docs/protocol.md; null: none.
    pub notes: Option<Map<String, Value>>,
}

impl Answer for Kept {
    fn words(&self) -> String {
        let entries = self.entries.iter().map(super::line);
        entries.collect::<Vec<_>>().join("\n")
    }

    fn is_complete(&self) -> bool {
        self.note.is_none()
    }
}

/// What was erased, and what stays. It does not name the person.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Erasure {
    /// Whether it was only counted.
    pub dry_run: bool,
    /// Number of addresses by which the person was found.
    pub addresses: usize,
    /// Number of audit entries about the person: address, names and everything that they rested on is erased.
    pub about: u64,
    /// Number of audit entries on something else from which the person is erased.
    pub named: u64,
    /// Number of lines of the decision log.
    pub lines: u64,
    /// Number of bans on the person that have ended.
    pub bans: usize,
    /// What names the person and stays, and why.
    pub stays: Vec<String>,
    /// People who are or were called like the text; only if nothing names a person by it.
    pub called: Vec<String>,
    /// What could not be erased, and why; null: nothing.
    pub failed: Option<String>,
}

impl Erasure {
    const fn is_nothing(&self) -> bool {
        self.about == 0 && self.named == 0 && self.lines == 0 && self.bans == 0
    }
}

impl Answer for Erasure {
    fn is_complete(&self) -> bool {
        self.failed.is_none() && !(self.is_nothing() && self.stays.is_empty())
    }

    fn words(&self) -> String {
        let mut lines = vec![match (self.is_nothing(), self.dry_run) {
            (true, _) => "nothing is kept that has to be erased".to_owned(),
            (false, is_dry) => format!(
                "{}: {} about the person, {} on something else that {} them, {} of the decision log, {}",
                if is_dry { "would be erased" } else { "erased" },
                counted(self.about, "entry", "entries"),
                counted(self.named, "entry", "entries"),
                if self.named == 1 { "names" } else { "name" },
                counted(self.lines, "line", "lines"),
                counted(self.bans, "ban that has ended", "bans that have ended"),
            ),
        }];
        if self.addresses > 1 {
            lines.push(format!("  under {} addresses", self.addresses));
        }
        lines.extend(self.stays.iter().map(|what| format!("  stays: {what}")));
        lines.extend(called(&self.called));
        lines.extend(self.failed.iter().map(|why| format!("  NOT ERASED everywhere: {why}")));
        lines.join("\n")
    }
}

/// Returns what to say of people who are called like a text that names nobody.
pub fn called(people: &[String]) -> Option<String> {
    let told = "a name may be anybody's, so it is not enough; people who were called so";
    (!people.is_empty()).then(|| format!("  {told}: {}", people.join(", ")))
}

/// What the entries in one place have to do with a person.
#[derive(Debug, Default)]
struct Counts {
    about: u64,
    named: u64,
    gave: u64,
    policies: u64,
    rooms: BTreeSet<String>,
}

impl Counts {
    fn add(&mut self, concern: Concern, entry: &Entry) {
        let count = match concern {
            Concern::About => &mut self.about,
            Concern::Names => &mut self.named,
            Concern::Gave => &mut self.gave,
            Concern::Policy => &mut self.policies,
        };
        *count = count.saturating_add(1);
        if concern == Concern::About {
            self.rooms.extend(entry.room.clone());
        }
    }
}

/// Entries in one place that name a person, page by page.
struct Pages<'a> {
    store: &'a Store,
    place: Place,
    after: i64,
}

impl<'a> Pages<'a> {
    const fn of(store: &'a Store, place: Place) -> Self {
        Self { store, place, after: 0 }
    }

    /// Returns the next page; an empty one is the last.
    async fn next(&mut self, person: &Person) -> Result<Vec<Entry>, StoreError> {
        let mut mentions = person.needles();
        if mentions.len() > MOST_SOUGHT {
            mentions.clear();
        }
        let query = Query {
            mentions,
            after: Some(self.after),
            limit: Some(Query::MOST),
            ..Query::default()
        };
        let found = self.store.search_in(self.place, query).await.transpose()?;
        let page = found.unwrap_or_default();
        self.after = page.last().map_or(self.after, |last| last.seq);
        Ok(page)
    }
}

/// Counts what the entries have to do with a person, and learns under which other addresses they came.
async fn look(store: &Store, place: Place, person: &mut Person) -> Result<Counts, StoreError> {
    loop {
        let (mut counts, mut is_new) = (Counts::default(), false);
        let mut pages = Pages::of(store, place);
        loop {
            let page = pages.next(person).await?;
            if page.is_empty() {
                break;
            }
            for entry in &page {
                is_new |= person.learn(entry);
                person.concern(entry).into_iter().for_each(|concern| counts.add(concern, entry));
            }
        }
        if !is_new {
            return Ok(counts);
        }
    }
}

/// Erases a person from all entries in one place.
async fn erase(
    store: &Store,
    place: Place,
    person: &Person,
    by: &Pseudonym,
) -> Result<(), StoreError> {
    let mut pages = Pages::of(store, place);
    loop {
        let page = pages.next(person).await?;
        if page.is_empty() {
            return Ok(());
        }
        let new: Vec<_> = page.iter().filter_map(|entry| person.erased(entry, by)).collect();
        if !new.is_empty() {
            store.replace_in(place, new).await?;
        }
    }
}

fn read(who: &str, call: &Call<'_>) -> Result<Person, Failure> {
    if who.trim().is_empty() {
        return Err(invalid("nobody is named: give an address, or what names them in tokens"));
    }
    // The reply goes into the audit, which must not name the person.
    let person = Person::named(who, &claim(call))
        .map_err(|_| invalid("that has an `@`, and is no address"))?;
    let engine = call.shared.engine();
    let is_room = |jid: &str| {
        engine
            .services()
            .any(|(service, _)| jid.split_once('@').is_some_and(|(_, at)| at == service))
    };
    if person.jids().any(is_room) {
        return Err(invalid("that is the address of a room, and not of a person"));
    }
    Ok(person)
}

/// Returns the name of the claim that names people in tokens.
fn claim(call: &Call<'_>) -> String {
    let engine = call.shared.engine();
    engine.live().rules(engine.policy(), None).removal.subject_claim.value.clone()
}

impl PersonExport {
    async fn carry_out(self, call: &Call<'_>) -> Result<Kept, Failure> {
        let mut person = read(&self.who, call)?;
        let store = call.audit_database()?;
        let here = look(&store, Place::File, &mut person).await.map_err(unavailable)?;
        let shared = look(&store, Place::Shared, &mut person).await;
        let note = shared
            .as_ref()
            .err()
            .map(|error| format!("only the entries of this server were searched: {error}"));
        let place = match (&shared, store.state().shared) {
            (Ok(_), Some(_)) => Place::Shared,
            _ => Place::File,
        };
        let mut pages = Pages { store: &store, place, after: self.after.unwrap_or_default() };
        let (mut entries, mut next) = (Vec::new(), None);
        while entries.is_empty() {
            let page = pages.next(&person).await.map_err(unavailable)?;
            next = page.last().map(|last| last.seq);
            if next.is_none() {
                break;
            }
            entries.extend(page.into_iter().filter(|it| person.concern(it).is_some()));
        }
        let mut kept = Kept {
            addresses: person.jids().map(str::to_owned).collect(),
            claim: claim(call),
            entries,
            next,
            bans: Vec::new(),
            rooms: Vec::new(),
            log: call.shared.engine().audit().log_path().map(|path| path.display().to_string()),
            called: Vec::new(),
            note,
        };
        if self.after.is_none() {
            let bans = store.every_ban().await.map_err(unavailable)?;
            let bans = bans.into_iter().map(|state| state.ban);
            kept.bans = bans.filter(|ban| person.is_in(&ban.who)).collect();
            let rooms = here.rooms.into_iter().chain(shared.unwrap_or_default().rooms).collect();
            let (rooms, unread) = call.remembered(&person, rooms).await;
            kept.rooms = rooms;
            kept.note =
                kept.note.into_iter().chain(unread).reduce(|one, other| format!("{one}; {other}"));
            if kept.entries.is_empty() && kept.bans.is_empty() {
                kept.called = call.called_so(&store, &self.who).await;
            }
        }
        Ok(kept)
    }
}

impl PersonErase {
    async fn carry_out(self, call: &Call<'_>) -> Result<Erasure, Failure> {
        let mut person = read(&self.who, call)?;
        let store = call.audit_database()?;
        let here = look(&store, Place::File, &mut person).await.map_err(unavailable)?;
        let shared = look(&store, Place::Shared, &mut person).await;
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|error| unavailable(format!("the system gives no random numbers: {error}")))?;
        let by = Pseudonym::of(random);
        let bans = store.every_ban().await.map_err(unavailable)?;
        let bans = bans.into_iter().filter(|state| person.is_in(&state.ban.who));
        let (ended, in_force): (Vec<_>, Vec<_>) =
            bans.partition(|BanState { ban, lifted }| *lifted || !holds(ban, now()));
        let mut failed = shared.as_ref().err().map(|error| {
            format!("the servers' database cannot be reached: {error}; give the command again")
        });
        if !self.dry_run {
            let ids: Vec<_> = ended.iter().map(|state| state.ban.id.clone()).collect();
            let done = erase_in(&store, Place::File, (&person, &by), ids.clone()).await;
            done.map_err(unavailable)?;
            // What was on its way into the file or into the servers' database.
            tokio::time::sleep(SETTLED).await;
            for place in [Place::File, Place::Shared] {
                let done = erase_in(&store, place, (&person, &by), ids.clone()).await;
                failed = failed.or(done.err().map(|error| error.to_string()));
            }
            // Also if nothing was found: what was deleted before may be on the disk still.
            failed = failed.or(store.wipe().await.err().map(|error| error.to_string()));
        }
        let (lines, unread) = match self.lines(call, &person, by).await {
            Ok(lines) => lines,
            Err(why) => {
                failed.get_or_insert(format!("the decision log: {why}"));
                (0, 0)
            }
        };
        let all = match (&shared, store.state().shared) {
            (Ok(all), Some(_)) => all,
            _ => &here,
        };
        let rooms = here.rooms.iter().chain(shared.iter().flat_map(|it| &it.rooms));
        let mut erasure = Erasure {
            dry_run: self.dry_run,
            addresses: person.jids().count(),
            about: all.about,
            named: all.named,
            lines,
            bans: ended.len(),
            stays: in_force.iter().map(|state| stays(&state.ban)).collect(),
            called: Vec::new(),
            failed,
        };
        let (rooms, not_read) = call.remembered(&person, rooms.cloned().collect()).await;
        erasure.stays.extend(rooms.iter().map(|it| match it.stored {
            true => format!(
                "what the stored room {} remembers of them ({}), as long as it is there",
                it.room, it.affiliation
            ),
            false => format!("what the room {} remembers of them, until it ends", it.room),
        }));
        erasure.stays.extend(not_read);
        erasure.stays.extend(unreadable(unread));
        erasure.stays.extend(more_that_stays(all, store.state().shared.is_some()));
        if erasure.is_nothing() && erasure.stays.is_empty() {
            erasure.called = call.called_so(&store, &self.who).await;
        } else {
            erasure.stays.extend(call.copies().await);
        }
        Ok(erasure)
    }

    /// Erases the person from the decision log, or counts the lines that name them; returns how many, and how many lines
    /// cannot be read.
    async fn lines(
        &self,
        call: &Call<'_>,
        person: &Person,
        by: Pseudonym,
    ) -> Result<(u64, u64), String> {
        let (person, is_dry) = (person.clone(), self.dry_run);
        let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let counting = Arc::clone(&counts);
        let rewriting = call.shared.engine().audit().rewrite_log(move |line| {
            let [named, unread] = &*counting;
            let Some(line) = Person::readable(line) else {
                unread.fetch_add(u64::from(!line.is_empty()), Ordering::Relaxed);
                return None;
            };
            let erased = person.erased_line(line, &by)?;
            named.fetch_add(1, Ordering::Relaxed);
            (!is_dry).then_some(erased)
        });
        if let Some(rewriting) = rewriting {
            let ended = |_| "the thread that writes it has ended".to_owned();
            rewriting.await.map_err(ended)?.map_err(|error| error.to_string())?;
        }
        let [named, unread] = counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        Ok((named, unread))
    }
}

/// Describes lines of the decision log that cannot be read; `None`: there are none.
pub fn unreadable(lines: u64) -> Option<String> {
    let what = counted(lines, "line", "lines");
    (lines > 0).then(|| {
        format!("{what} of the decision log that cannot be read (no UTF-8, or no whole JSON)")
    })
}

/// Erases a person from the entries in one place, and from the bans of these ids.
async fn erase_in(
    store: &Store,
    place: Place,
    (person, by): (&Person, &Pseudonym),
    bans: Vec<String>,
) -> Result<(), StoreError> {
    erase(store, place, person, by).await?;
    if bans.is_empty() { Ok(()) } else { store.forget_bans_in(place, bans).await }
}

/// Describes a ban in force, which stays.
fn stays(ban: &Ban) -> String {
    let until = ban.until.map_or("until it is lifted".to_owned(), |it| format!("until {it:.0}"));
    format!(
        "the ban {}, in force {until} (`vestibule unban` ends it; then give this command again)",
        ban.id
    )
}

/// Describes what else stays.
fn more_that_stays(counts: &Counts, is_shared: bool) -> Vec<String> {
    let Counts { gave, policies, .. } = counts;
    let gave = (*gave > 0).then(|| {
        let commands = counted(*gave, "command", "commands");
        format!("{commands} that they gave as an operator: who did what with others' meetings")
    });
    let policies = (*policies > 0).then(|| {
        let files = counted(*policies, "policy file", "policy files");
        format!("{files} that named them, kept with the decisions made by it")
    });
    let others = is_shared.then(|| {
        "what the files of the other servers have: give the command on each of them, too".to_owned()
    });
    [gave, policies, others].into_iter().flatten().collect()
}

/// Returns what a room remembers of a person, if it remembers anything.
fn remembered(jid: &BareJid, live: &LiveRoom, stored: bool) -> Option<Remembered> {
    let opener = live.view.record.as_ref().map(|record| record.opener.as_str());
    let notes = live.person.as_ref().and_then(|it| serde_json::to_value(it).ok());
    let remembered = Remembered {
        room: live.jid.to_string(),
        stored,
        jid: jid.to_string(),
        opened: opener == Some(jid.as_str()),
        affiliation: live.affiliation.name().to_owned(),
        notes: notes.and_then(|notes| notes.as_object().cloned()),
    };
    let is_any =
        remembered.opened || remembered.notes.is_some() || remembered.affiliation != "none";
    is_any.then_some(remembered)
}

/// What follows the name of a file of this program in those of the others that it writes itself.
const OWN_ENDS: [&str; 6] = ["", ".1", ".rewritten", "-wal", "-shm", "-journal"];

/// Returns the names of files that begin as one of these, and that this program does not write.
fn copies(files: &[PathBuf]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { continue };
        let name = name.to_string_lossy();
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let others = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        found.extend(others.filter(|other| {
            let end = other.strip_prefix(&*name);
            end.is_some_and(|end| !OWN_ENDS.contains(&end))
        }));
    }
    found
}

impl Call<'_> {
    /// Describes copies of the log and the database that others have made, such as logrotate; `None`: there are none.
    async fn copies(&self) -> Option<String> {
        let settings = Arc::clone(&self.shared.upkeep.lock().settings);
        let database = settings.store.file.as_ref();
        let database = database.map(|file| settings.component.state_dir.join(file));
        let log = self.shared.engine().audit().log_path().map(Path::to_owned);
        let files: Vec<_> = database.into_iter().chain(log).collect();
        let found = tokio::task::spawn_blocking(move || copies(&files)).await.unwrap_or_default();
        let more = found.len().saturating_sub(NAMED);
        let mut names: Vec<_> = found.into_iter().take(NAMED).collect();
        if more > 0 {
            names.push(format!("and {more} more"));
        }
        let names = names.join(", ");
        (!names.is_empty())
            .then(|| format!("what copies of its files have that others made: {names}"))
    }

    /// Returns what rooms remember of a person: open ones that they have opened or are at, and those of `rooms`; and all that are
    /// stored. In addition, which stored rooms could not be read.
    async fn remembered(
        &self,
        person: &Person,
        mut rooms: BTreeSet<String>,
    ) -> (Vec<Remembered>, Option<String>) {
        let theirs = |jid: Option<&BareJid>| jid.is_some_and(|jid| person.is_in(jid.as_str()));
        let mut open = BTreeSet::new();
        each_room(&self.shared, |_, jid, room| {
            let mut people = room.occupants.values().chain(room.waiting.values());
            let opener = room.view.record.as_ref().map(|record| record.opener.as_str());
            if people.any(|known| theirs(known.who.jid.as_ref()))
                || opener.is_some_and(|opener| person.is_in(opener))
            {
                rooms.insert(jid.to_string());
            }
            if rooms.contains(jid.as_str()) {
                open.insert(jid.clone());
            }
        });
        let mut all = Vec::new();
        let jids: Vec<_> = person.jids().filter_map(BareJid::stamped).collect();
        let pairs = open.iter().flat_map(|at| jids.iter().map(move |jid| (at.clone(), jid)));
        let mut pairs: Vec<_> = pairs.take(MOST_ROOMS.saturating_add(1)).collect();
        let mut unread = None;
        if pairs.len() > MOST_ROOMS {
            pairs.truncate(MOST_ROOMS);
            unread =
                Some(format!("what open rooms remember of them: only {MOST_ROOMS} were asked"));
        }
        for (at, jid) in pairs {
            // A room that has ended meanwhile remembers nothing.
            let Ok(live) = room(&self.shared, &at, Some(jid)).await else { continue };
            all.extend(remembered(jid, &live, false));
        }
        let services: Vec<_> =
            self.shared.engine().services().map(|(domain, _)| domain.to_owned()).collect();
        let asked = jids.get(..MOST_STORED.min(jids.len())).unwrap_or_default();
        for service in services.into_iter().filter(|_| !asked.is_empty()) {
            match stored_about(&self.shared, &service, asked).await {
                Ok(known) => {
                    let engine = self.shared.engine();
                    let known = known.iter().filter(|(_, live)| !open.contains(&live.jid));
                    // A room that is stored may be open, too, with others in it.
                    all.extend(known.filter_map(|(jid, live)| {
                        remembered(jid, live, engine.live().room(&live.jid).is_none())
                    }));
                }
                Err(error) => {
                    let what = format!("what the stored rooms of {service} remember: {error}");
                    unread.get_or_insert(what);
                }
            }
        }
        if jids.len() > MOST_STORED {
            let what = "what stored rooms remember of them under further addresses";
            unread.get_or_insert(format!("{what}: only {MOST_STORED} were looked for"));
        }
        (all, unread)
    }

    /// Returns people who are or were called like a text, which names nobody.
    async fn called_so(&self, store: &Store, text: &str) -> Vec<String> {
        let query = Query { person: Some(text.trim().to_owned()), ..Query::default() };
        let found = store.search_all(query).await.map(|found| found.entries).unwrap_or_default();
        let people: BTreeSet<_> = found.into_iter().filter_map(|entry| entry.person).collect();
        people.into_iter().filter(|jid| !Pseudonym::is(jid)).take(NAMED).collect()
    }
}
