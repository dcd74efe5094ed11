//! `ban`, `unban` and `bans`: the bans that operators make.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use globset::Glob;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, conflict, invalid, not_found};
use crate::app::bans::{Pages, activate, holds};
use crate::app::clock::now;
use crate::app::reload::{Enforced, enforce};
use crate::app::rooms::{address, catch_up, each_room};
use crate::app::traffic::proxies;
use crate::component::registry::Room;
use crate::control::{Answer, Called, Failure, Length};
use crate::jid::{BareJid, folded, spellings};
use crate::policy::Policy;
use crate::policy::attempt::{Auth, Place, Requester};
use crate::policy::bans::{Banned, canonical};
use crate::policy::fingerprint::Mark;
use crate::policy::providers::Proves;
use crate::policy::removal::By;
use crate::policy::requester::called;
use crate::policy::room_name::{pattern, spellings as spellings_of};
use crate::schema;
use crate::store::{Ban as StoredBan, Store};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// The least number of prefix bits, by whether the network is IPv4: a shorter prefix would match nearly everyone.
const LEAST_BITS: [(bool, u8); 2] = [(true, 8), (false, 16)];
/// Most addresses that are suggested.
const NEAREST: usize = 3;

/// Returns the addresses in the arguments of a ban. `room` may be a pattern of names or an address.
fn typed<'a>(who: &'a str, room: Option<&'a str>) -> Vec<&'a str> {
    let room = room.filter(|room| room.contains('@'));
    // With a room, `who` may be a nick.
    let who = Some(who).filter(|who| room.is_none() || who.contains('@'));
    who.into_iter().chain(room).collect()
}

verb! {
    /// Ban someone: remove them from all rooms, and keep them out
    Ban("ban", "Ban", Duty, Reversible) -> Banishment {
        /// A JID (bob@example.org), a domain (example.org), or a network (192.0.2.0/24); with a room, also a nick there, or
        /// the id of a decision
        #[arg(allow_hyphen_values = true)]
        pub who: String,
        /// Only from rooms whose name (the part before the `@`) matches this; of an address, the name counts
        #[arg(long, value_name = "PATTERN")]
        pub room: Option<String>,
        /// How long, like "7 days", instead of until it is lifted
        #[arg(long, value_name = "LENGTH")]
        #[schemars(with = "Option<schema::Length>")]
        pub r#for: Option<Length>,
        /// Reason for the next operator; those who are banned are not told
        #[arg(long, default_value = "")]
        #[serde(default)]
        pub reason: String,
    }
    addresses |it| typed(&it.who, it.room.as_deref());
    |it, call| call.ban(it).await
}

verb! {
    /// Lift bans that operators made with `ban`
    Unban("unban", "Lift a ban", Duty, Reversible) -> Lifted {
        /// The JID, domain or network
        #[arg(allow_hyphen_values = true)]
        pub who: String,
        /// Only bans for this pattern of room names
        #[arg(long, value_name = "PATTERN")]
        pub room: Option<String>,
    }
    addresses |it| typed(&it.who, it.room.as_deref());
    |it, call| call.unban(&it.who, it.room.as_deref()).await
}

verb! {
    /// List the bans that operators made with `ban`
    Bans("bans", "Bans", Viewer, ReadOnly) -> BanList {}
    |_, call| Ok(call.bans().await)
}

/// A ban that an operator made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BanShown {
    /// The ban as it is stored.
    #[serde(flatten)]
    pub ban: StoredBan,
    /// Kind of its target: `jid`, `domain`, `network`, or `mark` (which identifies a person under any address).
    pub kind: String,
    /// Target of the ban that this ban on a mark was made with; only in the list of bans, absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
}

impl fmt::Display for BanShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoredBan { id, who, room, until, reason, by, at } = &self.ban;
        write!(f, "{who} ({})", self.kind)?;
        self.with.iter().try_for_each(|who| write!(f, " with the ban on {who}"))?;
        room.iter().try_for_each(|room| write!(f, " from rooms like `{room}`"))?;
        match until {
            Some(until) => write!(f, ", until {until:.0}")?,
            None => f.write_str(", until it is lifted")?,
        }
        write!(f, ", by {by} at {at:.0}, id {id}")?;
        if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
    }
}

/// The result of a ban: whom it removed, and what failed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Banishment {
    /// The ban that was made.
    #[serde(flatten)]
    pub ban: BanShown,
    /// Whether it is one from before, which holds for these rooms and at least as long, so that none was made.
    #[serde(default)]
    pub already: bool,
    /// People who were inside and were removed.
    pub removed: Vec<At>,
    /// People who waited and were turned away.
    pub turned_away: Vec<At>,
    /// People who could not be removed or turned away.
    pub failed: Vec<Remaining>,
    /// Services whose occupants are not known.
    pub unread: Vec<Unread>,
    /// The nick or decision id by which the person was named; absent if an address was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// Number of bans made with it on marks by which the person would be recognised under another address.
    pub marks: usize,
    /// Means by which the person is recognised under another address: `token`, `ticket` or `account`.
    #[serde(default)]
    pub means: Vec<String>,
    /// Whether the address is an anonymous one, which ends with its connection: alone it keeps nobody out.
    #[serde(default)]
    pub anonymous: bool,
    /// Whether the ban is stored and survives a restart.
    pub kept: bool,
    /// Why the ban is in force but not stored; absent if it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
}

/// A person, and the room concerned.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct At {
    /// Bare JID of the room.
    pub room: String,
    /// Bare JID of the person.
    pub jid: String,
    /// What others called the person.
    #[serde(flatten)]
    pub called: Called,
}

/// A person who could not be removed from a room or its lobby.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Remaining {
    /// Bare JID of the room.
    pub room: String,
    /// Bare JID of the person.
    pub jid: String,
    /// What others call the person.
    #[serde(flatten)]
    pub called: Called,
    /// Why the person could not be removed.
    pub reason: String,
}

/// A service whose rooms could not be read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    /// Domain of the service.
    pub service: String,
    /// Why its rooms could not be read.
    pub reason: String,
}

impl Answer for Banishment {
    fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.unread.is_empty()
    }

    fn words(&self) -> String {
        let names = self.called.iter().flat_map(|it| called("", it));
        let mut lines: Vec<_> =
            names.map(|name| format!("{name:?} is {}", self.ban.ban.who)).collect();
        let banned = if self.already { "banned already" } else { "banned" };
        lines.push(format!("{banned}: {}", self.ban));
        for At { room, jid, called } in &self.removed {
            lines.push(format!("  removed from {room}: {}", called.with_jid(jid)));
        }
        for Remaining { room, jid, called, reason } in &self.failed {
            lines.push(format!("  STILL IN {room}: {}: {reason}", called.with_jid(jid)));
        }
        for At { room, jid, called } in &self.turned_away {
            lines.push(format!("  turned away from {room}: {}", called.with_jid(jid)));
        }
        for Unread { service, reason } in &self.unread {
            lines.push(format!("  NOT KNOWN who is in rooms of {service}: {reason}"));
        }
        if self.marks > 0 {
            let then = "on marks by which they would come back under another address";
            lines.push(format!("  and {} {then}: by {}", self.marks, self.means.join(" and ")));
        }
        if self.anonymous {
            lines.push(match self.marks {
                0 => "  NOT KEPT OUT: this address is anonymous and ends with its connection, and nothing else is \
                      known of them; ban their network, or close the room"
                    .to_owned(),
                _ => "  the address itself is anonymous, and alone keeps nobody out; another browser is another \
                      person, who has to knock with the same network or device where they were removed"
                    .to_owned(),
            });
        }
        lines.extend(not_kept(self.not_kept.as_deref()));
        lines.join("\n")
    }
}

fn not_kept(reason: Option<&str>) -> Option<String> {
    reason.map(|it| format!("  NOT STORED, so that it ends with the component: {it}"))
}

/// The result of lifting bans.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Lifted {
    /// The bans that were lifted, with those on marks that were made with them.
    pub lifted: Vec<BanShown>,
    /// Whether the database has recorded that they are lifted, which then survives a restart.
    pub kept: bool,
    /// Why the database still has them; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
}

impl Answer for Lifted {
    fn words(&self) -> String {
        let lifted = self.lifted.iter().map(|ban| format!("lifted: {ban}"));
        lifted.chain(not_kept(self.not_kept.as_deref())).collect::<Vec<_>>().join("\n")
    }
}

/// The runtime bans, and the number of bans in the file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BanList {
    /// Bans that operators made and that have not expired.
    pub bans: Vec<BanShown>,
    /// Number of bans in the file.
    pub file: usize,
}

impl Answer for BanList {
    fn words(&self) -> String {
        let mut lines: Vec<_> = self.bans.iter().map(BanShown::to_string).collect();
        if lines.is_empty() {
            lines.push("no operator has banned anybody".to_owned());
        }
        if self.file > 0 {
            lines.push(format!("{} more stand in the file", self.file));
        }
        lines.join("\n")
    }
}

impl Call<'_> {
    /// Bans a person, domain or network: removes everyone who matches from the rooms, and keeps them out.
    async fn ban(&self, asked: Ban) -> Result<Banishment, Failure> {
        let Ban { who, room, r#for: time, reason } = asked;
        let rooms = room.as_deref().map(Rooms::read).transpose()?;
        if reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
            return Err(invalid(format!(
                "the reason is at most {LONGEST_REASON} characters, without control characters"
            )));
        }
        // Read first who is in the rooms, and by which marks they would be recognised.
        catch_up(&self.shared).await;
        let (whom, called) = self.to_ban(&who, rooms.as_ref()).await?;
        let own = self.own(&whom).await;
        is_allowed(&whom, self.shared.engine().policy(), &own).map_err(conflict)?;
        let at = now();
        let until = time.and_then(|time| end(at, &time));
        let by = self.caller.name.clone();
        let id = self.shared.engine().next_id().into();
        let room = rooms.map(|rooms| rooms.pattern);
        let ban = StoredBan { id, who: whom.to_string(), room, until, reason, by, at };
        let (marks, anonymous) = self.marks_to_ban(&whom);
        let mut book = self.shared.bans.lock().await;
        let before = book.all().find(|other| holds(other, at) && covers(other, &ban)).cloned();
        let already = before.is_some();
        let ban = before.unwrap_or(ban);
        let mut bans: Vec<_> = (!already).then(|| ban.clone()).into_iter().collect();
        for mark in marks.keys() {
            let id = self.shared.engine().next_id().into();
            let on_mark = StoredBan { id, who: Banned::Mark(*mark).to_string(), ..ban.clone() };
            if !book.all().any(|other| covers(other, &on_mark)) {
                bans.push(on_mark);
            }
        }
        let store = self.store();
        let mut stored = match book.unstored.iter().any(|other| other.id == ban.id) {
            true => Err("the audit database has not taken it yet".to_owned()),
            false => Ok(()),
        };
        for ban in bans {
            match stored {
                Ok(()) => stored = keep(&mut book, store.as_deref(), ban).await,
                // The database refused an earlier one, so it is not tried with the others.
                Err(_) => book.unstored.push(ban),
            }
        }
        let _alone = self.shared.banning.lock().await;
        let consequences = activate(&self.shared, &book).await;
        drop(book);
        let Enforced { removed, turned_away, failed, unread } =
            enforce(&self.shared, consequences).await;
        let engine = self.shared.engine();
        let name = |room: &BareJid, jid: &BareJid| {
            engine.person(room, jid).map(Called::from).unwrap_or_default()
        };
        let at = |(room, jid): &(BareJid, BareJid)| At {
            room: room.to_string(),
            jid: jid.to_string(),
            called: name(room, jid),
        };
        let failed = failed.iter().map(|(room, jid, error)| Remaining {
            room: room.to_string(),
            jid: jid.to_string(),
            called: name(room, jid),
            reason: error.to_string(),
        });
        let unread = unread.iter().map(|(service, error)| Unread {
            service: service.to_string(),
            reason: error.to_string(),
        });
        Ok(Banishment {
            ban: shown(&ban, &whom),
            already,
            removed: removed.iter().map(at).collect(),
            turned_away: turned_away.iter().map(at).collect(),
            failed: failed.collect(),
            unread: unread.collect(),
            called,
            marks: marks.len(),
            means: names(marks.values()),
            anonymous,
            kept: stored.is_ok(),
            not_kept: stored.err(),
        })
    }

    /// Returns the target of a ban, and the nick or decision id by which it was named. They name a person at a room, so
    /// they are only accepted together with a room.
    async fn to_ban(
        &self,
        text: &str,
        rooms: Option<&Rooms>,
    ) -> Result<(Banned, Option<String>), Failure> {
        let read = Banned::read(text);
        let is_other = match &read {
            Ok(Banned::Jid(_) | Banned::Mark(_)) => return Ok((read.map_err(invalid)?, None)),
            Err(_) => text.contains('@'),
            Ok(Banned::Network(_)) => true,
            Ok(Banned::Domain(domain)) => domain.contains('.'),
        };
        let Some(rooms) = rooms else { return Ok((read.map_err(invalid)?, None)) };
        match (self.called(text, rooms).await, is_other) {
            (Err(failure), false) => Err(failure),
            (Err(_), true) => Ok((read.map_err(invalid)?, None)),
            // A nick may be chosen to read like a domain or network.
            (Ok(jid), true) => Err(conflict(format!(
                "`{text}` is the nick of `{jid}`, too: give that address if they are meant; else leave the room out"
            ))),
            (Ok(jid), false) => {
                Ok((Banned::read(jid.as_str()).map_err(invalid)?, Some(text.trim().to_owned())))
            }
        }
    }

    /// Returns the person in these rooms who has that nick, or whom the decision of that id is about.
    async fn called(&self, text: &str, rooms: &Rooms) -> Result<BareJid, Failure> {
        if let Some(room) = &rooms.one {
            return self.whom(room, text).await;
        }
        let (folded, matcher) = (text.trim().to_lowercase(), rooms.glob.compile_matcher());
        let is_called = |who: &Requester| {
            [&who.nick, &who.name].iter().any(|name| name.to_lowercase() == folded)
        };
        let mut found = Vec::new();
        each_room(&self.shared, |engine, jid, room| {
            let mut people = people_of(room);
            let mut lately = engine.lately.of(jid).map(|seen| &seen.who);
            let name = jid.node().unwrap_or_default();
            if spellings_of(name).any(|name| matcher.is_match(&*name))
                && (people.any(is_called) || lately.any(is_called))
            {
                found.push(jid.clone());
            }
        });
        let mut meant = BTreeSet::new();
        for room in &found {
            meant.insert(self.whom(room, text).await?);
        }
        let several = meant.len() > 1;
        match meant.pop_first() {
            Some(jid) if !several => Ok(jid),
            Some(_) => Err(conflict(format!(
                "several people are called `{text}` in these rooms: give an address, or one room"
            ))),
            None => Err(not_found(format!("nobody is called `{text}` in these rooms"))),
        }
    }

    /// Lifts the runtime bans on exactly that JID, domain or network.
    async fn unban(&self, who: &str, room: Option<&str>) -> Result<Lifted, Failure> {
        let whom = Banned::read(who).map_err(invalid)?;
        let name = whom.to_string();
        let room = room.map(Rooms::read).transpose()?.map(|rooms| rooms.pattern);
        let mut book = self.shared.bans.lock().await;
        let is_meant = |ban: &StoredBan| ban.who == name && (room.is_none() || ban.room == room);
        if !book.all().any(|ban| is_meant(ban) && holds(ban, now())) {
            let policy = Arc::clone(self.shared.engine().policy());
            return Err(match policy.bans.just_on(&whom) {
                Some(ban) => conflict(format!(
                    "the ban on `{name}` is one of the file (line {}): take it out there, and reload",
                    ban.line()
                )),
                None => not_found(format!("no operator has banned `{name}`: see `vestibule bans`")),
            });
        }
        // Bans that were made together are lifted together; one on a mark can be lifted alone.
        let together: BTreeSet<_> = if matches!(whom, Banned::Mark(_)) {
            BTreeSet::new()
        } else {
            book.all().filter(|ban| is_meant(ban)).map(|ban| made(ban, ban.by.clone())).collect()
        };
        let goes = |ban: &StoredBan| {
            is_meant(ban) || (is_on_mark(ban) && together.contains(&made(ban, ban.by.clone())))
        };
        let mut lifted: Vec<StoredBan> = book.unstored.extract_if(.., |ban| goes(ban)).collect();
        let stored: Vec<StoredBan> = book.stored.extract_if(.., |ban| goes(ban)).collect();
        let mut kept = Ok(());
        let is_stored = !stored.is_empty();
        lifted.extend(stored);
        // The database may have a ban although it seemed to refuse it.
        let ids: Vec<_> = lifted.iter().map(|ban| ban.id.clone()).collect();
        if let Some(store) = self.store() {
            // The bans are lifted even if that cannot be stored.
            if let Err(error) = store.lift_bans(ids.clone()).await {
                tracing::warn!(who = name, %error, "a ban is lifted, and may be stored still");
                book.unlifted.extend(ids);
                if is_stored {
                    kept = Err(error.to_string());
                }
            }
        }
        let _alone = self.shared.banning.lock().await;
        let consequences = activate(&self.shared, &book).await;
        drop(book);
        enforce(&self.shared, consequences).await;
        let shown = |ban: &StoredBan| shown(ban, &Banned::read(&ban.who).unwrap_or(whom.clone()));
        let lifted = lifted.iter().map(shown).collect();
        Ok(Lifted { lifted, kept: kept.is_ok(), not_kept: kept.err() })
    }

    /// Returns the marks by which a person with a banned address would be recognised under another one, if they are
    /// or were recently at a room, and whether the address is an anonymous one.
    fn marks_to_ban(&self, whom: &Banned) -> (BTreeMap<Mark, By>, bool) {
        let (mut marks, mut is_anonymous) = (BTreeMap::new(), false);
        let Banned::Jid(jid) = whom else { return (marks, is_anonymous) };
        let mut see = |policy: &Policy, who: &Requester| {
            marks.extend(policy.marks_to_ban(who).into_iter().map(|(by, mark)| (mark, by)));
            is_anonymous |= matches!(policy.identify(who, Place::ANY).auth, Auth::Anonymous);
        };
        each_room(&self.shared, |engine, _, room| {
            let theirs = people_of(room).filter(|who| who.jid.as_ref() == Some(jid));
            theirs.for_each(|who| see(engine.policy(), who));
        });
        let engine = self.shared.engine();
        engine.lately.everywhere(jid).for_each(|who| see(engine.policy(), who));
        let policy = engine.policy();
        let hosts = engine.services().filter_map(|(_, hello)| hello).flat_map(|it| &it.hosts.hosts);
        let mut own = hosts.filter(|host| host.name == jid.domain());
        is_anonymous |= own.any(|host| policy.proves(&host.provider) == Some(Proves::Guest));
        (marks, is_anonymous)
    }

    /// Returns the runtime bans, and the number of bans in the file.
    async fn bans(&self) -> BanList {
        let book = self.shared.bans.lock().await;
        let in_force = book.all().filter(|ban| holds(ban, now()));
        let others = book.all().filter(|ban| !is_on_mark(ban));
        let others: BTreeMap<_, _> =
            others.map(|ban| (made(ban, ban.by.as_str()), &ban.who)).collect();
        let bans = in_force.filter_map(|ban| {
            let with = others.get(&made(ban, ban.by.as_str())).filter(|_| is_on_mark(ban));
            let with = with.map(|with| with.to_string());
            Some(BanShown { with, ..shown(ban, &Banned::read(&ban.who).ok()?) })
        });
        let bans: Vec<_> = bans.collect();
        let file = self.shared.engine().policy().bans.lines().count();
        BanList { bans, file }
    }

    /// Returns what belongs to the server and must not be banned, as far as it matters for a ban on this target.
    async fn own(&self, whom: &Banned) -> Own {
        let proxies = match whom {
            Banned::Network(_) => proxies(&self.shared).await,
            Banned::Jid(_) | Banned::Domain(_) | Banned::Mark(_) => Vec::new(),
        };
        let mut people = Vec::new();
        if matches!(whom, Banned::Domain(domain) if !domain.contains('.')) {
            each_room(&self.shared, |_, _, room| {
                let named =
                    |who: &Requester| Some((who.jid.as_ref()?.to_string(), who.nick.to_string()));
                people.extend(people_of(room).filter_map(named));
            });
        }
        let component = self.shared.upkeep.lock().settings.component.domain.to_string();
        let engine = self.shared.engine();
        let services = engine.services().flat_map(|(service, hello)| {
            let hosts = hello.into_iter().flat_map(|hello| &hello.hosts.hosts);
            hosts.map(|host| host.name.clone()).chain([service.to_owned()])
        });
        Own { hosts: services.chain([component]).collect(), proxies, people }
    }

    pub(super) fn store(&self) -> Option<Arc<Store>> {
        self.shared.engine().audit().store().map(Arc::clone)
    }
}

/// Returns the names of means, each once, the strongest first.
fn names<'a>(means: impl Iterator<Item = &'a By>) -> Vec<String> {
    let means: Vec<_> = means.collect();
    let named = By::ALL.iter().filter(|by| means.contains(by));
    named.map(|by| by.name().to_owned()).collect()
}

/// Returns everyone who is inside or waits.
fn people_of(room: &Room) -> impl Iterator<Item = &Requester> {
    room.occupants.values().chain(room.waiting.values()).map(|known| &known.who)
}

/// Adds a ban to the list, and to the database.
///
/// # Errors
/// The database does not accept the ban; it is in force anyway, and offered again later.
async fn keep(book: &mut Pages, store: Option<&Store>, ban: StoredBan) -> Result<(), String> {
    let stored = match store {
        Some(store) => store.add_ban(ban.clone()).await.map_err(|error| error.to_string()),
        None => Err("there is no audit database (`store.file`)".to_owned()),
    };
    match (&stored, store) {
        (Ok(()), Some(store)) => book.taken(store, ban).await,
        (Ok(()), None) => {}
        (Err(error), _) => {
            tracing::warn!(id = ban.id, error, "a ban is in force, and not stored");
            book.unstored.push(ban);
        }
    }
    stored
}

fn end(at: Timestamp, time: &Length) -> Option<Timestamp> {
    let time = SignedDuration::try_from(time.time()).ok()?;
    at.checked_add(time).ok()
}

/// The rooms that a ban applies to.
#[derive(Debug)]
struct Rooms {
    /// The room whose address was given.
    one: Option<BareJid>,
    /// The pattern of room names, as it is stored.
    pattern: String,
    glob: Glob,
}

impl Rooms {
    /// Parses a pattern of room names, or the address of a room.
    ///
    /// # Errors
    /// The pattern can match no room's name, or the address is invalid.
    fn read(text: &str) -> Result<Self, Failure> {
        let one = text.contains('@').then(|| address(text.trim())).transpose()?;
        let name = one.as_ref().and_then(|room| room.node());
        let pattern = name.map_or_else(|| folded(text.trim()), globset::escape);
        let glob = self::pattern(&pattern).map_err(invalid)?;
        Ok(Self { one, pattern, glob })
    }
}

#[derive(Debug, Default)]
struct Own {
    /// Hosts and services of the server, and the domain of this component.
    hosts: Vec<String>,
    /// Networks of reverse proxies, whose address people have if a proxy does not report theirs.
    proxies: Vec<IpNet>,
    /// Addresses and nicks of the people who are in rooms or wait there.
    people: Vec<(String, String)>,
}

/// Checks that a target may be banned at run time: not services, operators, the server itself or nearly everyone.
fn is_allowed(whom: &Banned, policy: &Policy, own: &Own) -> Result<(), String> {
    match whom {
        Banned::Jid(jid) if policy.services.contains_key(jid) => {
            Err(format!("`{jid}` is a service of the file: rooms do not work without it"))
        }
        Banned::Jid(jid) if policy.operators.contains_key(jid) => {
            Err(format!("`{jid}` is an operator of the file: take that away there first"))
        }
        Banned::Domain(domain) => is_domain_allowed(domain, policy, own),
        Banned::Network(network) => is_network_allowed(network, own),
        Banned::Jid(_) | Banned::Mark(_) => Ok(()),
    }
}

fn is_domain_allowed(domain: &str, policy: &Policy, own: &Own) -> Result<(), String> {
    let operator = policy.operators.keys().find(|jid| jid.domain() == domain);
    if let Some(operator) = operator {
        return Err(format!(
            "`{operator}` is an operator of the file, and would be kept out, too: ban JIDs, or write a `[[ban]]` \
             into the file"
        ));
    }
    if own.hosts.iter().any(|host| spellings(host).iter().any(|host| host == domain)) {
        return Err(format!(
            "`{domain}` is a host of this server: everybody there would be kept out. Ban JIDs, or say in the file who \
             may enter (`access.enter`)"
        ));
    }
    if domain.contains('.') {
        return Ok(());
    }
    let folded = domain.to_lowercase();
    let is_near = |(jid, nick): &&(String, String)| {
        let node = jid.split_once('@').map_or("", |(node, _)| node);
        [node, nick].iter().any(|name| name.to_lowercase().contains(&folded))
    };
    let mut near: Vec<_> = own.people.iter().filter(is_near).map(|(jid, _)| jid).collect();
    near.sort();
    near.dedup();
    let near: Vec<_> = near.into_iter().take(NEAREST).map(|jid| format!("`{jid}`")).collect();
    let meant = match near.as_slice() {
        [] => "give an address like `bob@example.org`.".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    };
    Err(format!(
        "`{domain}` is taken for a domain, has no dot, and is nobody's: {meant} A nick needs the room that it is in \
         (`room`)"
    ))
}

fn is_network_allowed(network: &IpNet, own: &Own) -> Result<(), String> {
    let is_v4 = network.addr().is_ipv4();
    let least = LEAST_BITS.iter().find(|(v4, _)| *v4 == is_v4).map_or(0, |(_, bits)| *bits);
    if network.prefix_len() < least {
        return Err(format!(
            "`{network}` is as good as everybody: a ban of less than {least} bits has to stand in the file, where \
             `vestibule plan` says whom it meets"
        ));
    }
    let meets = |other: &IpNet| network.contains(other) || other.contains(network);
    if loopback().iter().any(meets) {
        return Err(format!(
            "`{network}` is this machine: all who come by a web server in front of it may have that address"
        ));
    }
    match own.proxies.iter().find(|proxy| meets(&canonical(**proxy))) {
        Some(proxy) => Err(format!(
            "`{network}` has the web server in front (`{proxy}` of Prosody's `trusted_proxies`): all who come by it may \
             have that address"
        )),
        None => Ok(()),
    }
}

/// Returns the loopback networks (RFC 6890).
fn loopback() -> [IpNet; 2] {
    let four = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    [IpNet::V4(four), IpNet::V6(Ipv6Net::from(Ipv6Addr::LOCALHOST))]
}

/// Returns what bans that were made together have in common: the time, as precisely as it is stored, and the operator.
fn made<T>(ban: &StoredBan, by: T) -> (i64, T) {
    (ban.at.as_microsecond(), by)
}

/// Returns whether a ban makes another one on the same target superfluous: it is for the same rooms or all, and ends
/// no sooner.
fn covers(ban: &StoredBan, other: &StoredBan) -> bool {
    let lasts = ban.until.is_none_or(|until| other.until.is_some_and(|other| other <= until));
    ban.who == other.who && (ban.room.is_none() || ban.room == other.room) && lasts
}

fn is_on_mark(ban: &StoredBan) -> bool {
    matches!(Banned::read(&ban.who), Ok(Banned::Mark(_)))
}

fn shown(ban: &StoredBan, whom: &Banned) -> BanShown {
    BanShown { ban: ban.clone(), kind: whom.kind().to_owned(), with: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Outside, parse};

    #[test]
    fn nobody_is_banned_whom_the_server_needs_however_the_domain_is_spelt() {
        for written in ["b\u{FC}cher.example", "xn--bcher-kva.example"] {
            let text = format!(
                "version = 2\n[[service]]\ndomain = \"rooms.example.org\"\ntrusted = [\"bot@{written}\"]\n\
                 [policy]\noperators = [\"root@{written}\"]\n"
            );
            let environment = Environment::default();
            let outside = Outside {
                environment: &environment,
                read: &|_| Err(std::io::ErrorKind::NotFound.into()),
                exposed: false,
                lenient: false,
            };
            let policy = parse("component.toml", &text, &outside).unwrap().policy;
            for spelling in ["b\u{FC}cher.example", "xn--bcher-kva.example", "B\u{DC}CHER.example"]
            {
                for (who, allowed) in
                    [("bot@", false), ("root@", false), ("", false), ("bob@", true)]
                {
                    let whom = Banned::read(&format!("{who}{spelling}")).unwrap();
                    let found = is_allowed(&whom, &policy, &Own::default()).is_ok();
                    assert_eq!(found, allowed, "{who}{spelling} of {written}");
                }
            }
        }
    }

    #[test]
    fn nobody_is_banned_whom_the_server_needs() {
        let mut policy = Policy::default();
        policy.services.insert("focus@auth.example.org".parse().unwrap(), 1);
        policy.operators.insert("root@example.org".parse().unwrap(), 2);
        for (who, allowed) in [
            ("focus@auth.example.org", false),
            ("root@example.org", false),
            ("example.org", false),
            ("bob@example.org", true),
            ("auth.example.org", true),
            ("elsewhere.example", true),
            ("0.0.0.0/0", false),
            ("11.0.0.0/7", false),
            ("10.0.0.0/8", true),
            ("::/0", false),
            ("2001:db8::/32", true),
        ] {
            let whom = Banned::read(who).unwrap();
            assert_eq!(is_allowed(&whom, &policy, &Own::default()).is_ok(), allowed, "{who}");
        }
    }

    #[test]
    fn what_is_the_server_s_own_is_not_banned_whatever_the_file_says() {
        let own = Own {
            hosts: vec!["guest.example.org".to_owned(), "xn--bcher-kva.example".to_owned()],
            proxies: vec!["192.0.2.7/32".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()],
            people: Vec::new(),
        };
        for (who, reason) in [
            ("guest.example.org", "a host of this server"),
            ("b\u{FC}cher.example", "a host of this server"),
            ("127.0.0.1", "this machine"),
            ("127.4.0.0/16", "this machine"),
            ("::1", "this machine"),
            ("::/16", "this machine"),
            ("::ffff:127.0.0.1", "this machine"),
            ("192.0.2.0/24", "`192.0.2.7/32` of Prosody's `trusted_proxies`"),
            ("192.0.2.7", "web server in front"),
            ("2001:db8:1:2::/64", "web server in front"),
            ("192.0.3.0/24", ""),
            ("2001:db8:2::/64", ""),
            ("elsewhere.example", ""),
            ("mallory@guest.example.org", ""),
        ] {
            let found = is_allowed(&Banned::read(who).unwrap(), &Policy::default(), &own);
            let found = found.err().unwrap_or_default();
            assert_eq!(reason.is_empty(), found.is_empty(), "{who}: {found}");
            assert!(found.contains(reason), "{who}: {found}");
        }
    }

    #[test]
    fn a_nick_is_nobody_and_who_may_be_meant_is_named() {
        let people = ["bob@example.org", "x1@guest.example.org", "ann@example.org"];
        let nicks = ["Robert", "Bobby", "Ann"];
        let people = people.map(str::to_owned).into_iter().zip(nicks.map(str::to_owned));
        let own = Own { people: people.collect(), ..Own::default() };
        let refused = |who: &str| {
            is_allowed(&Banned::read(who).unwrap(), &Policy::default(), &own).unwrap_err()
        };
        let bob = refused("Bob");
        assert!(bob.contains("did you mean `bob@example.org` or `x1@guest.example.org`?"), "{bob}");
        assert!(refused("mallory").contains("like `bob@example.org`"));
    }
}
