//! Every command: who may give it, and what it takes. The one table that all faces are made from.

use serde_json::{Map, Value};

use super::caller::Caller;
use super::described::ATTEMPT;
use super::people::{ANSWERED, GOING, HELD};
use super::request::{Failure, FailureKind, Request};
use crate::config::Role;
use crate::store::Kind;

/// A command.
#[derive(Debug)]
pub struct Command {
    /// Its name: the request's `do`, the path of the API, the node of the ad-hoc command.
    pub name: &'static str,
    /// A few words for a button or a list.
    pub title: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// The least role that may give it.
    pub role: Role,
    /// What is at stake.
    pub stakes: Stakes,
    /// What it takes.
    pub fields: &'static [Field],
    /// The key of the request under which the fields stand; `None`: in the request itself.
    pub within: Option<&'static str>,
}

/// What is at stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stakes {
    /// Nothing: it only looks.
    Looks,
    /// Another command takes it back.
    Changes,
    /// Nothing takes it back: a face asks again before it is done.
    Final,
}

impl Stakes {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Looks => "looks",
            Self::Changes => "changes",
            Self::Final => "final",
        }
    }
}

/// Something that a command takes.
#[derive(Debug)]
pub struct Field {
    /// Its key in the request.
    pub name: &'static str,
    /// A few words for a form.
    pub label: &'static str,
    /// What may stand there.
    pub kind: FieldKind,
    /// It has to be given.
    pub required: bool,
}

/// What may stand in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A line of text.
    Text,
    /// Text of many lines.
    Lines,
    /// The bare JID of a room.
    Room,
    /// The bare JID of a person.
    Person,
    /// A length of time: "2 hours".
    Duration,
    /// A moment (RFC 3339).
    Time,
    /// Yes or no; no if it is absent.
    Flag,
    /// A whole number.
    Number,
    /// A text that is shown to nobody.
    Secret,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any number of lines, each a text of its own.
    List,
}

pub(super) const fn must(name: &'static str, label: &'static str, kind: FieldKind) -> Field {
    Field { name, label, kind, required: true }
}

pub(super) const fn may(name: &'static str, label: &'static str, kind: FieldKind) -> Field {
    Field { name, label, kind, required: false }
}

pub(super) const ROOM: Field = must("room", "Room", FieldKind::Room);
pub(super) const PERSON: Field = must("jid", "Person", FieldKind::Person);
/// Every command, those that only look first.
pub static COMMANDS: &[Command] = &[
    looks("status", "Status", "How the component is.", &[]),
    looks(
        "doctor",
        "Doctor",
        "What undoes the policy on the server, in the file and on the machine.",
        &[may("fresh", "Look now, instead of what was found last", FieldKind::Flag)],
    ),
    looks("rooms", "Rooms", "The rooms that are open.", &[]),
    looks("room", "One room", "Who is in a room, and who waits.", &[ROOM]),
    looks("log", "Log", "What was decided, done by operators, and seen to happen.", SEARCH),
    looks(
        "why",
        "Why",
        "A decision of the log, explained again from what it rested on.",
        &[must("decision", "Id of the decision", FieldKind::Text)],
    ),
    looks("bans", "Bans", "Who stays out of rooms, by bans that operators have made.", &[]),
    Command {
        within: Some("attempt"),
        ..looks("explain", "Explain", "What would be decided on an attempt, and why.", ATTEMPT)
    },
    on_rooms("close", "Close", "Nobody else may enter the room.", Stakes::Changes, &[ROOM]),
    on_rooms("reopen", "Reopen", "People may enter the room again.", Stakes::Changes, &[ROOM]),
    on_rooms(
        "suspend",
        "Suspend",
        "Nobody else may enter, only moderators speak, and nothing is recorded.",
        Stakes::Changes,
        &[ROOM, may("reason", "What those inside are told", FieldKind::Text)],
    ),
    on_rooms(
        "resume",
        "Resume",
        "Take a suspension back, and nothing else.",
        Stakes::Changes,
        &[ROOM],
    ),
    on_rooms(
        "end",
        "End",
        "Everybody out, and the room is no more.",
        Stakes::Final,
        &[ROOM, may("reason", "What those inside are told", FieldKind::Text)],
    ),
    on_rooms(
        "admit",
        "Admit",
        "Let somebody in who waits or was removed; or everybody who waits and of whom all the rest is true.",
        Stakes::Changes,
        ANSWERED,
    ),
    on_rooms(
        "reject",
        "Reject",
        "Turn somebody away who waits; or everybody who waits and of whom all the rest is true.",
        Stakes::Changes,
        ANSWERED,
    ),
    on_rooms(
        "remove",
        "Remove",
        "Remove somebody from a room, also one who has just left; or everybody who is inside or waits and of whom all the rest is true.",
        Stakes::Changes,
        GOING,
    ),
    on_rooms(
        "hold",
        "Back to the lobby",
        "Somebody out of a room, who comes in again once a moderator lets them in; or everybody inside of whom all the rest is true.",
        Stakes::Changes,
        HELD,
    ),
    on_rooms(
        "ban",
        "Ban",
        "Remove somebody from all rooms, and keep him out.",
        Stakes::Changes,
        &[
            must("who", "JID, domain, or network; with a room, a nick there", FieldKind::Text),
            may(
                "room",
                "Only from rooms whose name is like this; of an address, the name counts",
                FieldKind::Text,
            ),
            may("for", "For how long", FieldKind::Duration),
            may("reason", "Why, for the next operator", FieldKind::Text),
        ],
    ),
    on_rooms(
        "unban",
        "Lift a ban",
        "Take back bans that operators have made.",
        Stakes::Changes,
        &[
            must("who", "JID, domain, or network", FieldKind::Text),
            may("room", "Only those for rooms whose name is like this", FieldKind::Text),
        ],
    ),
    on_rooms(
        "password",
        "Password",
        "Give the room another password; the moderators inside are told, others who come in have to type it (`password.ask_again`).",
        Stakes::Changes,
        &[ROOM, may("password", "Password; without one, a new one is made", FieldKind::Secret)],
    ),
    on_rooms(
        "say",
        "Say",
        "Say something to everybody in the room, as the room.",
        Stakes::Changes,
        &[ROOM, must("text", "Text", FieldKind::Text)],
    ),
    Command {
        role: Role::Operator,
        ..on_rooms(
            "end-many",
            "End many rooms",
            "Everybody out of all rooms that these are true of, and the rooms are no more.",
            Stakes::Final,
            &[
                may("match", "Whose name is like this", FieldKind::Text),
                may("service", "Of this service", FieldKind::Text),
                may("older", "Opened at least so long ago", FieldKind::Duration),
                may("unmoderated", "Without a moderator inside", FieldKind::Flag),
                may("all", "Every room there is", FieldKind::Flag),
                may("reason", "What those inside are told", FieldKind::Text),
                may("dry_run", "Only say which", FieldKind::Flag),
            ],
        )
    },
    on_rooms(
        "incident",
        "Incident report",
        "Who was there when, what they did, what was decided and by which policy, in one file.",
        Stakes::Changes,
        &[
            may("room", "Room", FieldKind::Room),
            may("person", "Person", FieldKind::Person),
            may("since", "Since, if not for a day", FieldKind::Time),
            may("until", "Until, if not now", FieldKind::Time),
            may("note", "What there is to say of it", FieldKind::Text),
        ],
    ),
    Command {
        role: Role::Operator,
        within: Some("candidate"),
        ..looks(
            "plan",
            "Plan",
            "What another file would do to the rooms and people that are there; without one, the component's own as it is now.",
            &[may("path", "Its name", FieldKind::Text), may("text", "The file", FieldKind::Lines)],
        )
    },
    Command {
        name: "reload",
        title: "Reload",
        about: "Read the policy file again.",
        role: Role::Operator,
        stakes: Stakes::Changes,
        fields: &[may("force", "Whatever it does to those who are there", FieldKind::Flag)],
        within: None,
    },
];

/// A command that is in no table: only those who may open the socket get a token by it.
pub(super) static PAGE: Command = Command {
    name: "page",
    title: "Page",
    about: "A token for a session on the page.",
    role: Role::Operator,
    stakes: Stakes::Changes,
    fields: &[],
    within: None,
};

/// Like [`PAGE`] in no table: it is about files of this machine.
pub(super) static REOPEN_LOG: Command = Command {
    name: "reopen-log",
    title: "Reopen the log",
    about: "Go on in a new file of the same name, after the decision log was moved away.",
    role: Role::Operator,
    stakes: Stakes::Looks,
    fields: &[],
    within: None,
};

/// What is searched for ([`crate::store::Query`]).
const SEARCH: &[Field] = &[
    may("room", "Room", FieldKind::Room),
    may("person", "Person", FieldKind::Person),
    may("rule", "Rule, or family of rules", FieldKind::Text),
    may("verdict", "Verdict", FieldKind::Choice(&["allow", "hold", "prompt", "deny"])),
    may("kind", "What it is about", FieldKind::Choice(&Kind::NAMES)),
    may("id", "Id of a decision or an action", FieldKind::Text),
    may("since", "From then on", FieldKind::Time),
    may("until", "Before that", FieldKind::Time),
    may("text", "Words in it", FieldKind::Text),
    may("after", "Numbers after this one, the oldest first", FieldKind::Number),
    may("before", "Numbers before this one", FieldKind::Number),
    may("limit", "At most so many (100, and at most 1000)", FieldKind::Number),
];

const fn looks(
    name: &'static str,
    title: &'static str,
    about: &'static str,
    fields: &'static [Field],
) -> Command {
    Command { name, title, about, role: Role::Viewer, stakes: Stakes::Looks, fields, within: None }
}

const fn on_rooms(
    name: &'static str,
    title: &'static str,
    about: &'static str,
    stakes: Stakes,
    fields: &'static [Field],
) -> Command {
    Command { name, title, about, role: Role::Duty, stakes, fields, within: None }
}

impl Command {
    /// The command of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| command.name == name)
    }

    /// The request that this command is with these values. A field that is absent or null has its default.
    ///
    /// # Errors
    /// [`FailureKind::Invalid`] when a value is missing, unknown, or cannot be what it should be.
    pub fn request(&self, mut values: Map<String, Value>) -> Result<Request, Failure> {
        let invalid = |reason: String| Failure::new(FailureKind::Invalid, reason);
        values.retain(|_, value| !value.is_null());
        for given in values.keys() {
            if !self.fields.iter().any(|field| field.name == given) {
                let known: Vec<_> = self.fields.iter().map(|field| field.name).collect();
                let known = if known.is_empty() { "nothing".into() } else { known.join(", ") };
                return Err(invalid(format!(
                    "`{}` takes no `{given}`; it takes {known}",
                    self.name
                )));
            }
        }
        let missing = |field: &&Field| field.required && !values.contains_key(field.name);
        if let Some(field) = self.fields.iter().find(missing) {
            return Err(invalid(format!("`{}` needs `{}`", self.name, field.name)));
        }
        let mut request = match self.within {
            None => values,
            Some(_) if values.is_empty() => Map::new(),
            Some(key) => Map::from_iter([(key.to_owned(), Value::Object(values))]),
        };
        request.insert("do".to_owned(), self.name.into());
        serde_json::from_value(Value::Object(request)).map_err(|error| invalid(error.to_string()))
    }

    /// Whether this caller may give it.
    ///
    /// # Errors
    /// [`FailureKind::Forbidden`] when not.
    pub fn authorise(&self, caller: &Caller) -> Result<(), Failure> {
        if caller.role >= self.role {
            return Ok(());
        }
        let (name, needs, has) = (self.name, self.role.name(), caller.role.name());
        Err(Failure::new(
            FailureKind::Forbidden,
            format!("`{name}` is for the role \"{needs}\"; yours is \"{has}\""),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Face;

    /// A value that may stand in a field.
    fn sample(kind: FieldKind) -> Value {
        match kind {
            FieldKind::Text | FieldKind::Lines | FieldKind::Secret => "some text".into(),
            FieldKind::Room => "tea@conference.example.org".into(),
            FieldKind::Person => "bob@example.org".into(),
            FieldKind::Duration => "2 hours".into(),
            FieldKind::Time => "2026-11-24T00:00:00Z".into(),
            FieldKind::Flag => true.into(),
            FieldKind::Number => 3.into(),
            FieldKind::Choice(words) => words[0].into(),
            FieldKind::List => vec!["a=b"].into(),
        }
    }

    fn filled(command: &Command, only_required: bool) -> Map<String, Value> {
        let fields = command.fields.iter().filter(|field| field.required || !only_required);
        fields
            .map(|field| {
                let value =
                    if field.name == "address" { "192.0.2.7".into() } else { sample(field.kind) };
                (field.name.to_owned(), value)
            })
            .collect()
    }

    #[test]
    fn each_command_is_the_request_of_its_name_with_all_its_fields_or_the_required_ones() {
        for command in COMMANDS {
            for only_required in [false, true] {
                let request = command.request(filled(command, only_required)).unwrap();
                assert_eq!(request.command().map(|it| it.name), Some(command.name));
            }
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let close = Command::named("close").unwrap();
        let reason = |values: Value| {
            let failure = close.request(values.as_object().unwrap().clone()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Invalid);
            failure.reason
        };
        assert_eq!(reason(serde_json::json!({})), "`close` needs `room`");
        assert_eq!(
            reason(serde_json::json!({"room": "a@b.example", "roam": "x"})),
            "`close` takes no `roam`; it takes room"
        );
    }

    #[test]
    fn a_role_may_do_what_those_before_it_may_and_no_more() {
        for command in COMMANDS {
            for role in Role::ALL {
                let caller = Caller { face: Face::Http, name: "ann".to_owned(), role };
                assert_eq!(command.authorise(&caller).is_ok(), role >= command.role);
            }
        }
    }
}
