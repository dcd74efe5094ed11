//! Bans.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Operator;
use super::failure::{conflict, invalid, not_found, unavailable};
use crate::app::bans::{holds, pattern, put_in_force};
use crate::app::clock::now;
use crate::app::reload::carry_out;
use crate::component::desk::Judged;
use crate::control::{Caller, Failure, Length};
use crate::jid::folded;
use crate::policy::bans::Banned;
use crate::policy::rules::Policy;
use crate::store::{Ban, Store};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// Fewer bits of an address are as good as everybody.
const LEAST_BITS: [(bool, u8); 2] = [(true, 8), (false, 16)];

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
        let whom = Banned::read(who).map_err(invalid)?;
        let room = room.map(|room| pattern(room).map(|_| folded(room.trim())));
        let room = room.transpose().map_err(invalid)?;
        if reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
            return Err(invalid(format!(
                "the reason is at most {LONGEST_REASON} characters, without control characters"
            )));
        }
        is_allowed(&whom, self.shared.desk().policy()).map_err(conflict)?;
        let at = now();
        let ban = Ban {
            id: self.shared.desk().next_id(),
            who: whom.to_string(),
            room,
            until: time.and_then(|time| end(at, time)),
            reason,
            by: caller.name.clone(),
            at,
        };
        let mut book = self.shared.bans.open().await;
        let store = self.store();
        match &store {
            Some(store) => {
                store.add_ban(ban.clone()).await.map_err(unavailable)?;
                *book = store.bans().await.map_err(unavailable)?;
            }
            None => book.push(ban.clone()),
        }
        let consequences = put_in_force(&self.shared, &book).await;
        drop(book);
        let failed = carry_out(&self.shared, &consequences).await;
        let is_inside = |judged: &&Judged| {
            let mut failed = failed.iter().map(|(room, jid, _)| (room, jid));
            !failed.any(|one| judged.about() == Some(one))
        };
        let removed = consequences.removed.iter().filter(is_inside).filter_map(Judged::about);
        let mut reply = shown(&ban, &whom);
        if let Some(fields) = reply.as_object_mut() {
            let removed = removed.map(|(room, jid)| json!({ "room": room, "jid": jid }));
            fields.insert("removed".to_owned(), removed.collect());
            let failed = failed.iter().map(|(room, jid, error)| {
                json!({ "room": room, "jid": jid, "reason": error.to_string() })
            });
            fields.insert("failed".to_owned(), failed.collect());
            fields.insert("kept".to_owned(), store.is_some().into());
        }
        Ok(reply)
    }

    /// Takes back the bans on just that JID, domain or network.
    pub(super) async fn unban(&self, who: &str, room: Option<&str>) -> Result<Value, Failure> {
        let whom = Banned::read(who).map_err(invalid)?;
        let (name, room) = (whom.to_string(), room.map(|room| folded(room.trim())));
        let mut book = self.shared.bans.open().await;
        let is_meant = |ban: &Ban| ban.who == name && (room.is_none() || ban.room == room);
        if !book.iter().any(|ban| is_meant(ban) && holds(ban, now())) {
            let policy = Arc::clone(self.shared.desk().policy());
            return Err(match policy.bans.just_on(&whom) {
                Some(ban) => conflict(format!(
                    "the ban on `{name}` is one of the file (line {}): take it out there, and reload",
                    ban.line()
                )),
                None => not_found(format!("no operator has banned `{name}`: see `vestibule bans`")),
            });
        }
        let lifted = match self.store() {
            Some(store) => {
                let lifted = store.lift_bans(name, room).await.map_err(unavailable)?;
                *book = store.bans().await.map_err(unavailable)?;
                lifted
            }
            None => book.extract_if(.., |ban| is_meant(ban)).collect(),
        };
        let consequences = put_in_force(&self.shared, &book).await;
        drop(book);
        carry_out(&self.shared, &consequences).await;
        let lifted = lifted.iter().map(|ban| shown(ban, &whom));
        Ok(json!({ "lifted": lifted.collect::<Vec<_>>() }))
    }

    /// The bans that operators have made, and how many the file has.
    pub(super) async fn bans(&self) -> Value {
        let book = self.shared.bans.open().await;
        let in_force = book.iter().filter(|ban| holds(ban, now()));
        let bans = in_force.filter_map(|ban| Some(shown(ban, &Banned::read(&ban.who).ok()?)));
        let bans: Vec<_> = bans.collect();
        let file = self.shared.desk().policy().bans.lines().count();
        json!({ "bans": bans, "file": file })
    }

    /// The audit database.
    pub(super) fn store(&self) -> Option<Arc<Store>> {
        self.shared.desk().audit().store().map(Arc::clone)
    }
}

fn end(at: Timestamp, time: &Length) -> Option<Timestamp> {
    let time = SignedDuration::try_from(time.time()).ok()?;
    at.checked_add(time).ok()
}

/// Whether somebody may be banned with a word: not those whom the server or its operators need.
fn is_allowed(whom: &Banned, policy: &Policy) -> Result<(), String> {
    match whom {
        Banned::Jid(jid) if policy.services.contains_key(jid) => {
            Err(format!("`{jid}` is a service of the file: rooms do not work without it"))
        }
        Banned::Jid(jid) if policy.operators.contains_key(jid) => {
            Err(format!("`{jid}` is an operator of the file: take that away there first"))
        }
        Banned::Domain(domain) => {
            let operator = policy.operators.keys().find(|jid| jid.domain() == domain);
            operator.map_or(Ok(()), |operator| {
                Err(format!(
                    "`{operator}` is an operator of the file, and would be kept out, too: ban JIDs, or write a \
                     `[[ban]]` into the file"
                ))
            })
        }
        Banned::Network(network) => {
            let is_v4 = network.addr().is_ipv4();
            let least = LEAST_BITS.iter().find(|(v4, _)| *v4 == is_v4).map_or(0, |(_, bits)| *bits);
            if network.prefix_len() >= least {
                return Ok(());
            }
            Err(format!(
                "`{network}` is as good as everybody: a ban of less than {least} bits has to stand in the file, where \
                 `vestibule plan` says whom it meets"
            ))
        }
        Banned::Jid(_) => Ok(()),
    }
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
                    let found = is_allowed(&whom, &policy).is_ok();
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
            assert_eq!(is_allowed(&Banned::read(who).unwrap(), &policy).is_ok(), allowed, "{who}");
        }
    }
}
