//! An attempt described on the command line, in a test or in JSON, to have it decided and explained.

use std::net::IpAddr;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::IntoEnumIterator;

use crate::jid::{BareJid, JidError};
use crate::policy::attempt::{
    Action, Affiliation, AffiliationChange, Attempt, Auth, Client, Credential, Feature,
    FieldChange, Requester, Role, RoleChange, RoomView, Strength, Word,
};
use crate::policy::record::{Claim, Closed, Entry, Person, Record, Source};
use crate::schema;

/// Names of all attempts: [`ACTIONS`] and the features.
pub(super) static ATTEMPTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    ACTIONS.iter().map(|(name, _)| *name).chain(Feature::iter().map(Into::into)).collect()
});
/// Makes the action of an attempt, given the password that was typed.
type Make = fn(Credential) -> Action;
/// Attempts other than features, by name.
static ACTIONS: [(&str, Make); 15] = [
    ("request", |_| Action::Request),
    ("open", |credential| {
        let typed = Strength { length: 40, score: 4, denied: false, code: false };
        Action::Open { typed: (credential != Credential::None).then_some(typed) }
    }),
    ("join", |credential| Action::Join { credential }),
    ("remove-password", |_| configure(FieldChange::PasswordRemoved)),
    ("weaken-lobby", |_| configure(FieldChange::MembersOnly(false))),
    ("list", |_| configure(FieldChange::Public(true))),
    ("persist", |_| configure(FieldChange::Persistent(true))),
    ("promote", |_| affiliate(Affiliation::Owner)),
    ("kick", |_| {
        let (from, to) = (Role::Participant, Some(Role::None));
        Action::Role { items: vec![RoleChange { jid: other_person(), from, to, bearer: None }] }
    }),
    ("ban", |_| affiliate(Affiliation::Outcast)),
    ("invite", |_| Action::Invite { to: vec![other_person()] }),
    ("admit", |_| Action::Knock { target: other_person(), admit: true }),
    ("destroy", |_| Action::Destroy),
    ("close", |_| Action::Command(Word::Close)),
    ("reopen", |_| Action::Command(Word::Reopen)),
];
/// Address of the person who opened the room, and who is kicked, banned, invited or admitted.
pub const OTHER_PERSON: &str = "somebody@else.invalid";
/// Nick of a requester whose nick is not given.
pub const UNNAMED: &str = "described";
/// Names of the ways to log in, as [`Auth`] has them.
pub(super) static WAYS: [&str; 5] = ["account", "token", "anonymous", "server", "component"];
/// Passwords that may be typed, as the room sees them.
pub(super) static PASSWORDS: [&str; 4] = ["none", "wrong", "right", "code"];

/// Description of an attempt. By default a person with an account joins a room with one moderator in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clap::Args, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["room", "jid"]))]
pub struct Described {
    /// What is tried: request (of the focus, on Jitsi), open, join, remove-password, weaken-lobby, list, persist, promote, kick, ban, invite, admit, destroy, close, reopen, record, dial, breakout
    #[arg(long = "do", default_value = "join", value_name = "WHAT")]
    pub what: String,
    /// The room's address
    ///
    /// Its name alone is enough where the file names one service.
    #[arg(long, value_name = "ROOM@SERVICE", allow_hyphen_values = true)]
    #[schemars(with = "schema::Room")]
    pub room: String,
    /// The requester's address
    #[schemars(with = "schema::Person")]
    #[arg(long, value_name = "USER@DOMAIN", allow_hyphen_values = true)]
    pub jid: String,
    /// The requester's nick
    #[arg(long)]
    pub nick: Option<String>,
    /// How the session logged in: account, token, anonymous, server, component; by default account, or with --live that of the session
    #[arg(long)]
    #[schemars(extend("enum" = WAYS))]
    pub auth: Option<String>,
    /// A claim of the requester's token
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    pub claims: Vec<String>,
    /// The requester's connection is not encrypted
    #[arg(long)]
    pub unencrypted: bool,
    /// The requester's network address
    #[arg(long)]
    pub address: Option<IpAddr>,
    /// The password that is typed: none, wrong, right, or the room's host code: code; for `open` it is taken to be strong
    #[arg(long, default_value = "none")]
    #[schemars(extend("enum" = PASSWORDS))]
    pub password: String,
    /// A person inside has let the requester in, or invited them
    #[arg(long)]
    pub admitted: bool,
    /// The requester moderates the room (or was made a moderator of it before)
    #[arg(long)]
    pub moderator: bool,
    /// Number of people inside
    #[arg(long, default_value_t = 1)]
    pub occupants: u32,
    /// Number of moderators among them
    #[arg(long, default_value_t = 1)]
    pub moderators: u32,
    /// Number of people in the lobby
    #[arg(long, default_value_t = 0)]
    pub waiting: u32,
    /// The room has no password
    #[arg(long)]
    pub no_password: bool,
    /// The room is closed
    #[arg(long)]
    pub closed: bool,
    /// The requester uses Jitsi Meet, and rooms have Jitsi's lobby
    #[arg(long)]
    pub jitsi: bool,
    /// The requester's client says that it can encrypt end to end
    #[arg(long)]
    pub e2ee: bool,
    /// Nobody logs in to the server, so that guests open rooms by default
    #[arg(long)]
    pub nobody_logs_in: bool,
}

/// Why the description of an attempt is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescribedError {
    /// A word is none of those allowed.
    #[error("`{given}` is no {what}; it is one of: {known}")]
    Word {
        /// What the word stands for, like `attempt`.
        what: &'static str,
        /// The word that was given.
        given: String,
        /// The allowed words, separated by commas.
        known: String,
    },
    /// The text is not a bare JID.
    #[error("`{0}` is no address like `name@domain`: {1}")]
    Address(String, #[source] JidError),
    /// The text is not a claim like `name=value`.
    #[error("`{0}` is no claim like `name=value`")]
    Claim(String),
}

impl DescribedError {
    fn word(what: &'static str, given: &str, known: &[&str]) -> Self {
        Self::Word { what, given: given.to_owned(), known: known.join(", ") }
    }
}

/// Parses a claim of a token, `name=value`.
///
/// # Errors
/// Fails if the text has no `=`.
pub fn claim(text: &str) -> Result<Claim, DescribedError> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| DescribedError::Claim(text.to_owned()))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn address(text: &str) -> Result<BareJid, DescribedError> {
    text.parse().map_err(|error| DescribedError::Address(text.to_owned(), error))
}

impl Default for Described {
    fn default() -> Self {
        Self {
            what: "join".to_owned(),
            room: String::new(),
            jid: String::new(),
            nick: None,
            auth: None,
            claims: Vec::new(),
            unencrypted: false,
            address: None,
            password: "none".to_owned(),
            admitted: false,
            moderator: false,
            occupants: 1,
            moderators: 1,
            waiting: 0,
            no_password: false,
            closed: false,
            jitsi: false,
            e2ee: false,
            nobody_logs_in: false,
        }
    }
}

impl Described {
    /// Returns the room's address.
    ///
    /// # Errors
    /// Fails if it is not a bare JID.
    pub fn room(&self) -> Result<BareJid, DescribedError> {
        address(&self.room)
    }

    /// Returns the described attempt.
    ///
    /// # Errors
    /// Fails if an address, a claim or a word is invalid.
    pub fn attempt(&self) -> Result<Attempt, DescribedError> {
        let jid = address(&self.jid)?;
        let given = self.auth.as_deref().unwrap_or(WAYS[0]);
        let auth = Auth::from_name(given);
        if auth == Auth::Unknown {
            return Err(DescribedError::word("way to log in", given, &WAYS));
        }
        let claims = self.claims.iter().map(|text| claim(text)).collect::<Result<_, _>>()?;
        let entry = if self.admitted { Entry::Admitted } else { Entry::Both };
        let is_known = self.admitted || self.moderator;
        let person = is_known.then(|| Person::entered(entry).as_moderator(self.moderator));
        let (affiliation, role) = if self.moderator {
            (Affiliation::Owner, Role::Moderator)
        } else {
            let is_inside = !matches!(self.what.as_str(), "request" | "open" | "join");
            (Affiliation::None, if is_inside { Role::Participant } else { Role::None })
        };
        Ok(Attempt {
            id: "described".into(),
            room: Some(self.room()?),
            requester: Requester {
                jid: Some(jid),
                auth,
                secure: Some(!self.unencrypted),
                address: self.address,
                nick: self.nick.as_deref().unwrap_or(UNNAMED).into(),
                affiliation,
                role,
                claims,
                person,
                client: if self.jitsi { Client::Jitsi } else { Client::Plain },
                e2ee: self.e2ee,
                ..Requester::default()
            },
            action: self.action()?,
            ..Attempt::default()
        })
    }

    /// Returns the room as described, opened by `somebody@else.invalid` at `now`; for `open` it does not exist.
    pub fn view(&self, now: Timestamp) -> RoomView {
        let nobody_logs_in = self.nobody_logs_in;
        if self.what == "open" {
            return RoomView { nobody_logs_in, ..RoomView::default() };
        }
        let mut record = Record::new(now, OTHER_PERSON, None);
        record.code = (self.password == Credential::Code.name()).then_some(Source::Generated);
        record.closed = self.closed.then_some(Closed::Command);
        RoomView {
            occupants: self.occupants,
            moderators: self.moderators,
            waiting: self.waiting,
            has_password: !self.no_password,
            lobby: self.jitsi,
            exists: true,
            record: Some(record),
            nobody_logs_in,
            ..RoomView::default()
        }
    }

    fn action(&self) -> Result<Action, DescribedError> {
        let every = [Credential::None, Credential::Wrong, Credential::Right, Credential::Code];
        let credential = every
            .into_iter()
            .find(|credential| credential.name() == self.password)
            .ok_or_else(|| {
                DescribedError::word("password, as seen from the room", &self.password, &PASSWORDS)
            })?;
        if let Some(feature) = Feature::read(&self.what, false) {
            return Ok(Action::Feature(feature));
        }
        let action = ACTIONS.iter().find(|(name, _)| *name == self.what);
        let (_, make) =
            action.ok_or_else(|| DescribedError::word("attempt", &self.what, &ATTEMPTS))?;
        Ok(make(credential))
    }
}

fn other_person() -> Option<BareJid> {
    OTHER_PERSON.parse().ok()
}

fn configure(field: FieldChange) -> Action {
    Action::Configure { fields: vec![field] }
}

fn affiliate(to: Affiliation) -> Action {
    let change = AffiliationChange { jid: other_person(), to: Some(to), ..Default::default() };
    let items = vec![AffiliationChange { from: Affiliation::None, ..change }];
    Action::Affiliation { items, register: false }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        described: Described,
    }

    fn ann_at_tea() -> Described {
        let room = "tea@conference.example.org".to_owned();
        Described { room, jid: "ann@example.org".to_owned(), ..Described::default() }
    }

    #[test]
    fn what_is_not_said_is_the_same_on_the_command_line_and_in_a_file() {
        let words = ["explain", "--room=tea@conference.example.org", "--jid=ann@example.org"];
        let said = CommandLine::parse_from(words).described;
        assert_eq!(said, ann_at_tea());
    }

    #[test]
    fn every_attempt_that_is_named_can_be_described() {
        for what in ATTEMPTS.iter() {
            let described = Described { what: (*what).to_owned(), ..ann_at_tea() };
            assert!(described.attempt().is_ok(), "{what}");
        }
    }
}
