//! Bans.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use globset::Glob;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Operator;
use super::failure::{conflict, invalid, not_found};
use crate::app::around::proxies;
use crate::app::bans::{Pages, holds, put_in_force};
use crate::app::clock::now;
use crate::app::enforce::{Enforced, enforce};
use crate::app::parts::each_room;
use crate::app::reading::catch_up;
use crate::app::rooms::address;
use crate::control::{Caller, Failure, Length};
use crate::jid::{BareJid, folded, spellings};
use crate::policy::Policy;
use crate::policy::attempt::Requester;
use crate::policy::bans::{Banned, canonical};
use crate::policy::mark::Mark;
use crate::policy::room_name::{pattern, spellings as spellings_of};
use crate::store::{Ban, Store};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// Fewer bits of an address are as good as everybody.
const LEAST_BITS: [(bool, u8); 2] = [(true, 8), (false, 16)];
/// Addresses that are proposed, at most.
const NEAREST: usize = 3;

impl Operator {
    /// Removes everybody of that description from the rooms, and keeps him out.
    pub(super) async fn ban(
        &self,
        caller: &Caller,
        who: &str,
        room: Option<&str>,
        time: Option<&Length>,
        reason: String,
    ) -> Result<Value, Failure> {
        let rooms = room.map(Rooms::read).transpose()?;
        if reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
            return Err(invalid(format!(
                "the reason is at most {LONGEST_REASON} characters, without control characters"
            )));
        }
        // Whom they meet, and by which marks that person comes back, is looked at first.
        catch_up(&self.shared).await;
        let (whom, called) = self.to_ban(who, rooms.as_ref()).await?;
        let own = self.own(&whom).await;
        is_allowed(&whom, self.shared.desk().policy(), &own).map_err(conflict)?;
        let at = now();
        let until = time.and_then(|time| end(at, time));
        let by = caller.name.clone();
        let id = self.shared.desk().next_id();
        let room = rooms.map(|rooms| rooms.pattern);
        let ban = Ban { id, who: whom.to_string(), room, until, reason, by, at };
        let marks = self.marks_to_ban(&whom);
        let mut bans = vec![ban.clone()];
        for mark in &marks {
            let (id, who) = (self.shared.desk().next_id(), Banned::Mark(*mark).to_string());
            bans.push(Ban { id, who, ..ban.clone() });
        }
        let mut book = self.shared.bans.open().await;
        let store = self.store();
        let mut stored = Ok(());
        for ban in bans {
            match stored {
                Ok(()) => stored = keep(&mut book, store.as_deref(), ban).await,
                // It takes no other either.
                Err(_) => book.unstored.push(ban),
            }
        }
        let _alone = self.shared.banning.lock().await;
        let consequences = put_in_force(&self.shared, &book).await;
        drop(book);
        let Enforced { removed, turned_away, failed, unread } =
            enforce(&self.shared, consequences).await;
        let mut reply = shown(&ban, &whom);
        if let Some(fields) = reply.as_object_mut() {
            for (name, people) in [("removed", removed), ("turned_away", turned_away)] {
                let people = people.iter().map(|(room, jid)| json!({ "room": room, "jid": jid }));
                fields.insert(name.to_owned(), people.collect());
            }
            let failed = failed.iter().map(|(room, jid, error)| {
                json!({ "room": room, "jid": jid, "reason": error.to_string() })
            });
            fields.insert("failed".to_owned(), failed.collect());
            let unread = unread.iter().map(
                |(service, error)| json!({ "service": &**service, "reason": error.to_string() }),
            );
            fields.insert("unread".to_owned(), unread.collect());
            if let Some(called) = called {
                fields.insert("called".to_owned(), called.into());
            }
            fields.insert("marks".to_owned(), marks.len().into());
            fields.insert("kept".to_owned(), stored.is_ok().into());
            if let Err(reason) = stored {
                fields.insert("not_kept".to_owned(), reason.into());
            }
        }
        Ok(reply)
    }

    /// Returns whom a ban is to be on, and the nick or the id of a decision by which a person is meant: one at a room, so
    /// only where rooms are named.
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
            // Anybody may bear a nick that reads like something else that can be banned.
            (Ok(jid), true) => Err(conflict(format!(
                "`{text}` is the nick of `{jid}`, too: give that address if they are meant; else leave the room out"
            ))),
            (Ok(jid), false) => {
                Ok((Banned::read(jid.as_str()).map_err(invalid)?, Some(text.trim().to_owned())))
            }
        }
    }

    /// Returns the person in these rooms who bears that nick, or whom a decision of that id is about.
    async fn called(&self, text: &str, rooms: &Rooms) -> Result<BareJid, Failure> {
        if let Some(room) = &rooms.one {
            return self.whom(room, text).await;
        }
        let (folded, matcher) = (text.trim().to_lowercase(), rooms.glob.compile_matcher());
        let is_called = |who: &Requester| {
            [&who.nick, &who.name].iter().any(|name| name.to_lowercase() == folded)
        };
        let mut found = Vec::new();
        each_room(&self.shared, |desk, jid, room| {
            let known = room.occupants.values().chain(room.waiting.values());
            let mut people = known.map(|known| &known.who);
            let mut lately = desk.lately().of(jid).map(|seen| &seen.who);
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

    /// Takes back the bans on just that JID, domain or network.
    pub(super) async fn unban(&self, who: &str, room: Option<&str>) -> Result<Value, Failure> {
        let whom = Banned::read(who).map_err(invalid)?;
        let name = whom.to_string();
        let room = room.map(Rooms::read).transpose()?.map(|rooms| rooms.pattern);
        let mut book = self.shared.bans.open().await;
        let is_meant = |ban: &Ban| ban.who == name && (room.is_none() || ban.room == room);
        if !book.all().any(|ban| is_meant(ban) && holds(ban, now())) {
            let policy = Arc::clone(self.shared.desk().policy());
            return Err(match policy.bans.just_on(&whom) {
                Some(ban) => conflict(format!(
                    "the ban on `{name}` is one of the file (line {}): take it out there, and reload",
                    ban.line()
                )),
                None => not_found(format!("no operator has banned `{name}`: see `vestibule bans`")),
            });
        }
        // What was banned together is lifted together; a mark can be lifted alone.
        let together: BTreeSet<_> = if matches!(whom, Banned::Mark(_)) {
            BTreeSet::new()
        } else {
            book.all().filter(|ban| is_meant(ban)).map(|ban| made(ban, ban.by.clone())).collect()
        };
        let goes = |ban: &Ban| {
            is_meant(ban) || (is_on_mark(ban) && together.contains(&made(ban, ban.by.clone())))
        };
        let mut lifted: Vec<Ban> = book.unstored.extract_if(.., |ban| goes(ban)).collect();
        let stored: Vec<Ban> = book.stored.extract_if(.., |ban| goes(ban)).collect();
        let mut kept = Ok(());
        let is_stored = !stored.is_empty();
        lifted.extend(stored);
        // The database may have one that it seemed not to take.
        let ids: Vec<_> = lifted.iter().map(|ban| ban.id.clone()).collect();
        if let Some(store) = self.store() {
            // What cannot be written is in force all the same.
            if let Err(error) = store.lift_bans(ids.clone()).await {
                tracing::warn!(who = name, %error, "a ban is lifted, and may be stored still");
                book.unlifted.extend(ids);
                if is_stored {
                    kept = Err(error.to_string());
                }
            }
        }
        let _alone = self.shared.banning.lock().await;
        let consequences = put_in_force(&self.shared, &book).await;
        drop(book);
        enforce(&self.shared, consequences).await;
        let shown = |ban: &Ban| shown(ban, &Banned::read(&ban.who).unwrap_or(whom.clone()));
        let lifted: Vec<_> = lifted.iter().map(shown).collect();
        let mut reply = json!({ "lifted": lifted, "kept": kept.is_ok() });
        if let (Err(reason), Some(fields)) = (kept, reply.as_object_mut()) {
            fields.insert("not_kept".to_owned(), reason.into());
        }
        Ok(reply)
    }

    /// The marks by which everybody of an address that is banned comes back under another one, as far as they are or were
    /// lately at a room.
    fn marks_to_ban(&self, whom: &Banned) -> BTreeSet<Mark> {
        let Banned::Jid(jid) = whom else { return BTreeSet::new() };
        let mut marks = BTreeSet::new();
        each_room(&self.shared, |desk, _, room| {
            let known = room.occupants.values().chain(room.waiting.values());
            let theirs = known.map(|known| &known.who).filter(|who| who.jid.as_ref() == Some(jid));
            theirs.for_each(|who| marks.extend(desk.policy().marks_to_ban(who)));
        });
        let desk = self.shared.desk();
        let lately = desk.lately().everywhere(jid);
        lately.for_each(|who| marks.extend(desk.policy().marks_to_ban(who)));
        marks
    }

    /// The bans that operators have made, and how many the file has.
    pub(super) async fn bans(&self) -> Value {
        let book = self.shared.bans.open().await;
        let in_force = book.all().filter(|ban| holds(ban, now()));
        let others = book.all().filter(|ban| !is_on_mark(ban));
        let others: BTreeMap<_, _> =
            others.map(|ban| (made(ban, ban.by.as_str()), &ban.who)).collect();
        let bans = in_force.filter_map(|ban| {
            let mut shown = shown(ban, &Banned::read(&ban.who).ok()?);
            let with = others.get(&made(ban, ban.by.as_str())).filter(|_| is_on_mark(ban));
            if let (Some(with), Some(fields)) = (with, shown.as_object_mut()) {
                fields.insert("with".to_owned(), with.as_str().into());
            }
            Some(shown)
        });
        let bans: Vec<_> = bans.collect();
        let file = self.shared.desk().policy().bans.lines().count();
        json!({ "bans": bans, "file": file })
    }

    /// What the server has of its own, as far as a ban on these may be about it.
    async fn own(&self, whom: &Banned) -> Own {
        let proxies = match whom {
            Banned::Network(_) => proxies(&self.shared).await,
            Banned::Jid(_) | Banned::Domain(_) | Banned::Mark(_) => Vec::new(),
        };
        let mut people = Vec::new();
        if matches!(whom, Banned::Domain(domain) if !domain.contains('.')) {
            each_room(&self.shared, |_, _, room| {
                let known = room.occupants.values().chain(room.waiting.values());
                let known = known.map(|known| &known.who);
                let named =
                    known.filter_map(|who| Some((who.jid.as_ref()?.to_string(), who.nick.clone())));
                people.extend(named);
            });
        }
        let component = self.shared.upkeep().settings.component.domain.to_string();
        let desk = self.shared.desk();
        let services = desk.services().flat_map(|(service, hello)| {
            let hosts = hello.into_iter().flat_map(|hello| &hello.hosts.hosts);
            hosts.map(|host| host.name.clone()).chain([service.to_owned()])
        });
        Own { hosts: services.chain([component]).collect(), proxies, people }
    }

    /// The audit database.
    pub(super) fn store(&self) -> Option<Arc<Store>> {
        self.shared.desk().audit().store().map(Arc::clone)
    }
}

/// Puts a ban into the book, and into the database.
///
/// # Errors
/// The database does not take it; it is in force all the same, and offered again.
async fn keep(book: &mut Pages, store: Option<&Store>, ban: Ban) -> Result<(), String> {
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

/// The rooms that a ban is for.
#[derive(Debug)]
struct Rooms {
    /// The one whose address was given.
    one: Option<BareJid>,
    /// The pattern of their names, as it is kept.
    pattern: String,
    glob: Glob,
}

impl Rooms {
    /// Reads a pattern of names, or the address of a room.
    ///
    /// # Errors
    /// No room's name can be like it, or it is no address of a room.
    fn read(text: &str) -> Result<Self, Failure> {
        let one = text.contains('@').then(|| address(text.trim())).transpose()?;
        let name = one.as_ref().and_then(|room| room.node());
        let pattern = name.map_or_else(|| folded(text.trim()), globset::escape);
        let glob = self::pattern(&pattern).map_err(invalid)?;
        Ok(Self { one, pattern, glob })
    }
}

/// What a server has of its own.
#[derive(Debug, Default)]
struct Own {
    /// Its hosts, its services and this component.
    hosts: Vec<String>,
    /// The web servers in front, whose address people have where those do not say who comes.
    proxies: Vec<IpNet>,
    /// Addresses and nicks of those who are in rooms or wait there.
    people: Vec<(String, String)>,
}

/// Whether somebody may be banned with a word: not those whom the server or its operators need, nor nobody.
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

/// The addresses of this machine (RFC 6890).
fn loopback() -> [IpNet; 2] {
    let four = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    [IpNet::V4(four), IpNet::V6(Ipv6Net::from(Ipv6Addr::LOCALHOST))]
}

/// What bans that were made together have in common: when, as precisely as it is stored, and by whom.
fn made<T>(ban: &Ban, by: T) -> (i64, T) {
    (ban.at.as_microsecond(), by)
}

fn is_on_mark(ban: &Ban) -> bool {
    matches!(Banned::read(&ban.who), Ok(Banned::Mark(_)))
}

fn shown(ban: &Ban, whom: &Banned) -> Value {
    let mut shown = serde_json::to_value(ban).unwrap_or_default();
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("kind".to_owned(), whom.kind().into());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Outside, parse};

    #[test]
    fn nobody_is_banned_whom_the_server_needs_however_the_domain_is_spelt() {
        for written in ["b\u{FC}cher.example", "xn--bcher-kva.example"] {
            let text = format!(
                "version = 1\n[[service]]\ndomain = \"rooms.example.org\"\ntrusted = [\"bot@{written}\"]\n\
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
