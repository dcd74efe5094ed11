//! `incident`: collects the entries of an incident, and makes its report.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Call, invalid, unavailable};
use crate::app::clock::now;
use crate::control::{Answer, Failure, Interface};
use crate::incident::{About, Context, MOST, bundle, moment, page, seal};
use crate::jid::{BareJid, JidError};
use crate::private::{OWNER, make_directory};
use crate::schema;
use crate::store::{By, Entry, Kind, Query, Store};

/// How far an incident reaches back if no beginning is given.
const USUAL: SignedDuration = SignedDuration::from_hours(24);
/// Most rooms that are searched for one person.
const ROOMS: usize = 20;
/// The size of the entries of a bundle, in bytes, after which no more are added.
const BYTES: usize = 8 * 1024 * 1024;
/// How long recent entries may take to reach the database.
const SETTLED: Duration = Duration::from_millis(150);

verb! {
    /// Put everything about an incident into one file: who was there when, what they did, what was decided and by which policy
    Incident("incident", "Incident report", Duty, Reversible) -> Report {
        /// Room it happened in
        #[arg(long, value_name = "JID")]
        #[schemars(with = "Option<schema::Room>")]
        pub room: Option<String>,
        /// Person it is about
        #[arg(long, value_name = "JID")]
        #[schemars(with = "Option<schema::Person>")]
        pub person: Option<String>,
        /// Beginning (RFC 3339), or how long ago, like "2 hours"; a day ago by default
        #[arg(long, value_name = "WHEN")]
        #[schemars(with = "Option<schema::Moment>")]
        pub since: Option<String>,
        /// End (RFC 3339), or how long ago; now by default
        #[arg(long, value_name = "WHEN")]
        #[schemars(with = "Option<schema::Moment>")]
        pub until: Option<String>,
        /// Note for those who read it
        #[arg(long, value_name = "TEXT")]
        pub note: Option<String>,
    }
    addresses |it| it.room.iter().chain(&it.person).map(String::as_str).collect();
    |it, call| it.carry_out(call).await
}

/// An incident report (docs/incidents.md).
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// SHA-256 checksum of the incident, in hexadecimal.
    pub sha256: String,
    /// The incident; absent in a reply to an ad-hoc command, which names the file instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub incident: Option<Value>,
    /// HTML page that shows the incident; only in replies over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Path of the page on the server; only in replies to ad-hoc commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Number of entries in the incident; only in replies to ad-hoc commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<usize>,
    /// Whether entries were left out because of the size; only in replies to ad-hoc commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<bool>,
    /// Number of people who were there; only in replies to ad-hoc commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<usize>,
}

impl Answer for Report {
    fn words(&self) -> String {
        format!("incident with SHA-256 {}", self.sha256)
    }
}

impl Incident {
    fn about(self, now: Timestamp) -> Result<About, Failure> {
        if self.room.is_none() && self.person.is_none() {
            return Err(invalid("an incident needs `room` or `person`, or both"));
        }
        // The audit may have an address that strict preparation rejects: a look-alike that was refused.
        let read = |text: &str| match BareJid::prepared(text) {
            Err(JidError::Unassigned(..)) => BareJid::stamped(text),
            other => other.ok(),
        };
        let address = |text: Option<String>| match text.map(|text| read(&text)) {
            None => Ok(None),
            Some(Some(jid)) => Ok(Some(jid.to_string())),
            Some(None) => Err(invalid("`room` and `person` have to be bare JIDs")),
        };
        let time = |text: Option<String>, usual: Option<Timestamp>| {
            let Some(text) = text else {
                return usual.ok_or_else(|| invalid("there is no such time"));
            };
            let how = "write it like \"2026-11-24T09:30:00Z\", or \"2 hours\" for two hours ago";
            moment(&text, now).ok_or_else(|| invalid(format!("`{text}` is no moment: {how}")))
        };
        let about = About {
            room: address(self.room)?,
            person: address(self.person)?,
            since: time(self.since, now.checked_sub(USUAL).ok())?,
            // What happens while the entries are collected belongs to the incident.
            until: time(self.until, now.checked_add(SignedDuration::from_secs(1)).ok())?,
            note: self.note,
        };
        if about.since >= about.until {
            return Err(invalid("`since` has to be before `until`"));
        }
        Ok(about)
    }

    /// Makes the report. An ad-hoc command saves it on the server and replies with the path; others return it.
    async fn carry_out(self, call: &Call<'_>) -> Result<Report, Failure> {
        let (about, caller) = (self.about(now())?, call.caller);
        let store = call.shared.engine().audit().store().cloned();
        let store = store.ok_or_else(|| {
            unavailable("nothing is kept to make it of: the file says `store.file = \"\"`")
        })?;
        tokio::time::sleep(SETTLED).await;
        let gathered = Gathered::of(&store, &about).await?;
        let by = By::from(caller);
        let server = call.shared.engine().audit().server().to_owned();
        let context = Context {
            by: &by,
            now: now(),
            server: &server,
            is_cut: gathered.is_cut,
            lost: store.state().lost,
        };
        let Gathered { entries, before, policies, .. } = gathered;
        let bundle = bundle(&about, &entries, &before, &policies, &context);
        let sha256 = seal(&bundle);
        if caller.face != Interface::AdHoc {
            let page = (caller.face == Interface::Http).then(|| page(&bundle));
            return Ok(Report { sha256, page, incident: Some(bundle), ..Report::default() });
        }
        let directory = call.shared.upkeep.lock().settings.component.state_dir.join("incidents");
        let (page, made, seal) = (page(&bundle), context.now, sha256.clone());
        let kept = tokio::task::spawn_blocking(move || keep(&directory, made, &seal, &page));
        let path = kept
            .await
            .map_err(unavailable)?
            .map_err(|error| unavailable(format!("the incident could not be kept: {error}")))?;
        Ok(Report {
            sha256,
            file: Some(path.display().to_string()),
            entries: Some(entries.len()),
            cut: Some(context.is_cut),
            people: Some(people(&bundle)),
            ..Report::default()
        })
    }
}

fn people(bundle: &Value) -> usize {
    let presences = bundle.get("presence").and_then(Value::as_array);
    let people = presences.into_iter().flatten().filter_map(|it| it.get("person")?.as_str());
    people.collect::<BTreeSet<_>>().len()
}

#[derive(Debug, Default)]
struct Gathered {
    entries: Vec<Entry>,
    before: Vec<Entry>,
    policies: Vec<Entry>,
    is_cut: bool,
}

/// Entries in the order of time, over all servers.
type Found = BTreeMap<(Timestamp, i64, String), Entry>;

impl Gathered {
    async fn of(store: &Store, about: &About) -> Result<Self, Failure> {
        let (mut found, mut is_cut) = (Found::new(), false);
        let window =
            Query { since: Some(about.since), until: Some(about.until), ..Query::default() };
        let mut rooms: BTreeSet<String> = about.room.iter().cloned().collect();
        if about.person.is_some() {
            let query =
                Query { person: about.person.clone(), room: about.room.clone(), ..window.clone() };
            is_cut |= pages(store, query, about, &mut found).await?;
            if about.room.is_none() {
                rooms.extend(found.values().filter_map(|entry| entry.room.clone()));
            }
        }
        is_cut |= rooms.len() > ROOMS;
        let mut before = Found::new();
        for room in rooms.iter().take(ROOMS) {
            let query = Query { room: Some(room.clone()), ..window.clone() };
            is_cut |= pages(store, query, about, &mut found).await?;
            before.extend(earlier(store, room, about).await?);
        }
        let policies = policies(store, about).await?;
        Ok(Self {
            entries: found.into_values().collect(),
            before: before.into_values().collect(),
            policies,
            is_cut,
        })
    }
}

/// Reads the entries that match a query, the newest first, until a limit is reached. Returns whether there were more.
async fn pages(
    store: &Store,
    query: Query,
    about: &About,
    found: &mut Found,
) -> Result<bool, Failure> {
    let mut bytes: usize = found.values().map(|entry| entry.body.len()).sum();
    let mut before = None;
    loop {
        let page = Query { before, limit: Some(Query::MOST), ..query.clone() };
        let page = store.search(page).await.map_err(unavailable)?;
        let is_last = page.len() < usize::try_from(Query::MOST).unwrap_or(usize::MAX);
        before = page.first().map(|entry| entry.seq);
        for entry in page.into_iter().rev().filter(|entry| about.is_met_by(entry)) {
            if found.len() >= MOST || bytes > BYTES {
                return Ok(true);
            }
            bytes = bytes.saturating_add(entry.body.len());
            found.insert(key(&entry), entry);
        }
        if is_last || before.is_none() {
            return Ok(false);
        }
    }
}

/// Returns earlier joins and leaves, which may show who was there at the beginning.
async fn earlier(store: &Store, room: &str, about: &About) -> Result<Found, Failure> {
    let mut found = Found::new();
    for kind in [Kind::Opened, Kind::Joined, Kind::Left, Kind::Waiting, Kind::Gone, Kind::Ended] {
        let query = Query {
            room: Some(room.to_owned()),
            kind: Some(kind),
            until: Some(about.since),
            limit: Some(if kind == Kind::Opened { 1 } else { Query::MOST }),
            ..Query::default()
        };
        let entries = store.search(query).await.map_err(unavailable)?;
        found.extend(entries.into_iter().map(|entry| (key(&entry), entry)));
    }
    Ok(found)
}

/// Returns the policy at the beginning, and each one that came into force later.
async fn policies(store: &Store, about: &About) -> Result<Vec<Entry>, Failure> {
    let of = Query { kind: Some(Kind::Revision), ..Query::default() };
    let first = Query { until: Some(about.since), limit: Some(1), ..of.clone() };
    let mut found = store.search(first).await.map_err(unavailable)?;
    let then = Query { since: Some(about.since), until: Some(about.until), ..of };
    found.extend(store.search(then).await.map_err(unavailable)?);
    Ok(found)
}

fn key(entry: &Entry) -> (Timestamp, i64, String) {
    (entry.at, entry.seq, entry.server.clone())
}

/// The largest number of files in the directory. None is ever deleted automatically: that is up to the operators.
const MOST_KEPT: usize = 1000;

/// Writes a new file that only its owner may read.
///
/// # Errors
/// The file exists, or it cannot be written; an incomplete file is removed.
pub fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

/// Saves the page of an incident in `directory`, under a name made of time and checksum.
///
/// # Errors
/// The file cannot be written, or the directory is full.
pub(super) fn keep(
    directory: &Path,
    made: Timestamp,
    sha256: &str,
    page: &str,
) -> io::Result<PathBuf> {
    make_directory(directory, OWNER)?;
    if std::fs::read_dir(directory)?.count() >= MOST_KEPT {
        let reason = format!("{MOST_KEPT} incidents are in {}: remove some", directory.display());
        return Err(io::Error::other(reason));
    }
    let short: String = sha256.chars().take(12).collect();
    let path = directory.join(format!("incident-{}-{short}.html", made.strftime("%Y%m%dT%H%M%SZ")));
    write_new(&path, page)?;
    Ok(path)
}
