//! An attempt that somebody describes, at the server as it is at this moment.

use serde_json::Value;

use super::Operator;
use super::failure::{invalid, not_found};
use super::looks::explanation_to_json;
use crate::app::Shared;
use crate::app::clock::now;
use crate::app::parts::each_room;
use crate::app::rooms::{RoomError, connected, room};
use crate::config::Described;
use crate::control::Failure;
use crate::jid::BareJid;
use crate::policy::Policy;
use crate::policy::attempt::{Action, Attempt, Auth, Credential, Requester, Role, RoomView};
use crate::policy::providers::Proves;
use crate::policy::session::{Session, SessionKind};
use crate::policy::strength::Strength;
use crate::wire::room::LiveRoom;

/// A session of that address, of those that are in rooms.
fn session_of(shared: &Shared, jid: &BareJid) -> Option<Requester> {
    let mut found = None;
    each_room(shared, |_, _, room| {
        let mut sessions = room.occupants.values().map(|known| &known.who);
        let is_one = |who: &&Requester| who.jid.as_ref() == Some(jid) && who.session.is_some();
        if found.is_none() {
            found = sessions.find(is_one).cloned();
        }
    });
    found
}

impl Operator {
    /// What would be decided on an attempt, by how the room and the person are; and what of that was assumed.
    pub(super) async fn explain(&self, described: &Described) -> Result<Value, Failure> {
        let mut attempt = described.attempt().map_err(invalid)?;
        let jid = described.room().map_err(invalid)?;
        let Some(person) = attempt.requester.jid.clone() else {
            return Err(invalid("nobody is described"));
        };
        let live = match room(&self.shared, &jid, Some(&person)).await {
            Ok(live) => Some(live),
            Err(RoomError::None(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let connected = connected(&self.shared, &jid, &person).await?;
        let elsewhere = session_of(&self.shared, &person);
        let desk = self.shared.desk();
        let mut notes = Vec::new();
        if !is_at(&mut attempt, live.as_ref(), &mut notes) {
            return Err(not_found(format!(
                "there is no room `{jid}`: at a room that is not open, only `--do join` can be explained, which opens it"
            )));
        }
        let inside = live.iter().flat_map(|live| &live.occupants);
        let inside: Vec<_> = inside.filter(|who| who.jid.as_ref() == Some(&person)).collect();
        if described.auth.is_none() && described.claims.is_empty() {
            let mut known = inside.iter().copied().chain(&connected.sessions).chain(&elsewhere);
            let who = &mut attempt.requester;
            match known.find(|who| is_known(who)).cloned() {
                Some(there) => as_there(who, there, described),
                None => {
                    let supposed = connected.supposed.and_then(|who| who.session);
                    let supposed = supposed.unwrap_or_default();
                    as_supposed(who, &supposed, desk.policy(), described, &mut notes);
                }
            }
        }
        as_inside(&mut attempt, &inside, described, &mut notes);
        let is_told_all = matches!(attempt.action, Action::Open { .. } | Action::Request);
        let view = live.map_or_else(RoomView::default, |live| {
            let who = &mut attempt.requester;
            who.person = who.person.take().or(live.person);
            if !described.moderator {
                who.affiliation = live.affiliation;
            }
            RoomView { exists: is_told_all, ..live.view }
        });
        let (attempt, view) = desk.complete(attempt, view, now());
        let (explanation, facts) = desk.explain(&attempt, &view, now());
        let mut shown = explanation_to_json(&explanation, &facts, &desk.policy().texts);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("assumed".to_owned(), notes.into());
        }
        Ok(shown)
    }
}

/// Makes of a join of a room that is not open one that opens it, and the other way round, as the gate does; false where
/// the gate would ask nothing, since there is no room.
fn is_at(attempt: &mut Attempt, live: Option<&LiveRoom>, notes: &mut Vec<String>) -> bool {
    match (&attempt.action, live) {
        (Action::Join { credential }, None) => {
            notes.push("the room is not open: a join opens it, and is judged as that".to_owned());
            let typed = *credential != Credential::None;
            let good = Strength { length: 40, score: 4, denied: false };
            attempt.action = Action::Open { typed: typed.then_some(good) };
        }
        (Action::Open { typed }, Some(_)) => {
            notes.push("the room is open: who comes joins it, and is judged so".to_owned());
            let credential = if typed.is_some() { Credential::Right } else { Credential::None };
            attempt.action = Action::Join { credential };
        }
        (Action::Open { .. } | Action::Request, None) | (_, Some(_)) => {}
        (_, None) => return false,
    }
    let joins = matches!(attempt.action, Action::Join { .. });
    if joins && live.is_some_and(|live| live.generation.is_empty()) {
        let first =
            "no policy was applied to the room yet: judged as the join that follows once one is";
        notes.push(first.to_owned());
    }
    true
}

/// The gate has seen the session, and told what it is.
fn is_known(who: &Requester) -> bool {
    who.session.as_ref().is_some_and(|session| session.kind != SessionKind::Unknown)
}

/// Takes over by what somebody has proved who they are: of a session that is there.
fn as_there(who: &mut Requester, there: Requester, described: &Described) {
    who.auth = Auth::Unknown;
    who.session = there.session;
    who.account = there.account;
    who.account_session = there.account_session;
    who.claims = there.claims;
    who.secure = if described.unencrypted { Some(false) } else { there.secure };
    who.address = who.address.or(there.address);
    who.ticket = there.ticket;
    who.device = there.device;
    if !described.jitsi {
        who.client = there.client;
    }
}

/// Takes somebody who is not connected for what people of that host are.
fn as_supposed(
    who: &mut Requester,
    supposed: &Session,
    policy: &Policy,
    described: &Described,
    notes: &mut Vec<String>,
) {
    let Session { kind, host, provider, .. } = supposed;
    let (auth, note) = match kind {
        SessionKind::Client => {
            let (auth, how) = match policy.proves(provider) {
                Some(Proves::Account) => (Auth::Account, ""),
                Some(Proves::Token) => (Auth::Anonymous, ", without a token"),
                Some(Proves::Guest) => (Auth::Anonymous, ""),
                None => (Auth::Anonymous, ", of which the file does not say what it proves"),
            };
            let note =
                format!("not connected: as the users of {host} log in (mod_auth_{provider}{how})");
            (auth, note)
        }
        SessionKind::Server => {
            (Auth::Server, "as somebody of another server: this one has no such host".to_owned())
        }
        SessionKind::Component => {
            (Auth::Component, format!("as the component {host} of this server"))
        }
        SessionKind::Unknown => (Auth::Unknown, "as somebody of whom nothing is known".to_owned()),
    };
    notes.push(note);
    who.auth = auth;
    let is_client = *kind == SessionKind::Client;
    who.secure = match (described.unencrypted, is_client) {
        (true, _) => Some(false),
        (false, true) => {
            notes.push("an encrypted connection".to_owned());
            Some(true)
        }
        (false, false) => None,
    };
    if who.address.is_none() && is_client {
        notes.push("a network address that no ban is on (`--address` says which)".to_owned());
    }
}

/// Takes over what somebody is in the room.
fn as_inside(
    attempt: &mut Attempt,
    inside: &[&Requester],
    described: &Described,
    notes: &mut Vec<String>,
) {
    let who = &mut attempt.requester;
    let comes =
        matches!(attempt.action, Action::Request | Action::Open { .. } | Action::Join { .. });
    match (inside.first(), &described.nick) {
        (_, Some(_)) => {}
        (Some(there), None) => {
            who.nick.clone_from(&there.nick);
            who.name.clone_from(&there.name);
        }
        (None, None) if !matches!(attempt.action, Action::Request) => {
            notes.push("a nick that nobody else has (`--nick` says which)".to_owned());
        }
        (None, None) => {}
    }
    if comes || described.moderator {
        return;
    }
    match inside.iter().map(|who| who.role).max() {
        Some(role) => who.role = role,
        None => {
            who.role = Role::Participant;
            notes.push("somebody who is inside and does not moderate".to_owned());
        }
    }
}
