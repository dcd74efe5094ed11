//! Live rooms, as a gate reports them, and the requests for them.

use jiff::Timestamp;
use smol_str::SmolStr;

use super::request::{read_requester, read_state};
use super::{NS, children};
use crate::jid::BareJid;
use crate::policy::attempt::{Affiliation, Requester, RoomView};
use crate::policy::context::{Settings, Standing};
use crate::policy::fingerprint::Mark;
use crate::policy::record::{Claim, Person};
use crate::policy::verdict::{Ability, May};
use crate::secret::Secret;
use crate::xmpp::element::{Element, ElementRef};

/// A live room, as its gate reports it.
#[derive(Clone, Debug)]
pub struct LiveRoom {
    /// Address of the room.
    pub jid: BareJid,
    /// Identifies this life of the room.
    pub generation: SmolStr,
    /// Number of changes of the room's record.
    pub revision: u64,
    /// The state of the room.
    pub view: RoomView,
    /// The room's password, where the request asked for it.
    pub password: Option<Secret>,
    /// The room's host code, where the request asked for its password.
    pub code: Option<Secret>,
    /// Settings of the room that are not in its state.
    pub settings: Settings,
    /// Media that only people with permission may use in the room.
    pub media: Vec<Ability>,
    /// Owners and admins, inside or not, as far as the gate reports them.
    pub standing: Vec<Standing>,
    /// Whether the room may have dropped some of what it stored about people.
    pub forgets: bool,
    /// Sessions inside the room.
    pub occupants: Vec<Requester>,
    /// Full JIDs of these sessions, in the same order.
    pub sessions: Vec<String>,
    /// Since when their bare JIDs are inside, in the same order; `None` if the gate does not know.
    pub arrivals: Vec<Option<Timestamp>>,
    /// Time of the gate's clock.
    pub time: Option<Timestamp>,
    /// Permissions of people inside that differ from the default.
    pub may: Vec<(BareJid, May)>,
    /// People in the lobby, and since when they wait, if the gate reports it.
    pub waiting: Vec<(Requester, Option<Timestamp>)>,
    /// What the room stores about the person that the request named.
    pub person: Option<Person>,
    /// Fingerprint of the client ticket that is stored with that person.
    pub ticket: Option<Mark>,
    /// Affiliation of that person, inside or not.
    pub affiliation: Affiliation,
    /// Number of the gate's last report before this reply.
    pub number: Option<u64>,
    /// Where the next part of the room's people begins; `None` if these are all.
    pub next: Option<String>,
    /// Since when no moderator is inside; `None` if one is, none ever was, or the gate does not report it.
    pub unmoderated_since: Option<Timestamp>,
}

impl LiveRoom {
    /// Returns the claims of the opener by which the rules for the room are chosen.
    pub fn claims(&self) -> &[Claim] {
        self.view.claims()
    }

    /// Reads a `room` element; `None` without a valid address or revision.
    pub fn read(element: ElementRef<'_>) -> Option<Self> {
        let children = |name| children(element, name);
        let flag = |name| element.attr(name).map(|value| value == "true");
        let secret = |name| element.child(NS, name).map(|secret| Secret::new(secret.text()));
        Some(Self {
            jid: BareJid::stamped(element.attr("jid")?)?,
            generation: element.attr("generation").unwrap_or_default().into(),
            revision: element.attr("revision").and_then(|value| value.parse().ok())?,
            view: RoomView { exists: true, ..read_state(element) },
            password: secret("secret"),
            code: secret("code"),
            settings: Settings {
                hidden: flag("hidden"),
                persistent: flag("persistent"),
                moderated: flag("moderated"),
                suspended: flag("suspended"),
            },
            media: {
                let named: Vec<_> =
                    element.attr("moderated-media").unwrap_or_default().split(' ').collect();
                Ability::MEDIA.into_iter().filter(|kind| named.contains(&kind.name())).collect()
            },
            standing: children("affiliation").filter_map(read_standing).collect(),
            forgets: flag("forgets") == Some(true),
            occupants: children("occupant").map(read_requester).collect(),
            sessions: children("occupant")
                .map(|occupant| occupant.attr("jid").unwrap_or_default().to_owned())
                .collect(),
            arrivals: children("occupant").map(|occupant| seconds(occupant, "since")).collect(),
            time: seconds(element, "time"),
            may: children("permissions")
                .filter_map(|may| {
                    let jid = BareJid::stamped(may.attr("jid")?)?;
                    Some((jid, May::told(|ability| may.attr(ability.name()))))
                })
                .collect(),
            waiting: children("waiting")
                .map(|waiting| (read_requester(waiting), seconds(waiting, "since")))
                .collect(),
            person: element.child(NS, "person").and_then(|person| Person::read(&person.text())),
            ticket: element.attr("person-ticket").map(|ticket| Mark::of("ticket", ticket)),
            affiliation: element
                .attr("person-affiliation")
                .and_then(Affiliation::from_name)
                .unwrap_or_default(),
            number: element.attr("seq").and_then(|number| number.parse().ok()),
            next: element.attr("next").map(str::to_owned),
            unmoderated_since: seconds(element, "unmoderated-since"),
        })
    }

    /// Adds the people from the next part of the same room.
    pub fn extend(&mut self, part: Self) {
        self.standing.extend(part.standing);
        self.occupants.extend(part.occupants);
        self.sessions.extend(part.sessions);
        self.arrivals.extend(part.arrivals);
        self.may.extend(part.may);
        self.waiting.extend(part.waiting);
        self.next = part.next;
    }
}

/// Reads an attribute in seconds since 1970.
fn seconds(element: ElementRef<'_>, name: &str) -> Option<Timestamp> {
    Timestamp::from_second(element.attr(name)?.parse().ok()?).ok()
}

fn read_standing(element: ElementRef<'_>) -> Option<Standing> {
    let who = read_requester(element);
    Some(Standing { jid: who.jid?, affiliation: who.affiliation, person: who.person })
}

/// Returns the request for one room, and for what it stores about `person`.
pub fn look(room: &BareJid, person: Option<&BareJid>) -> Element {
    Element::new(NS, "room-query")
        .with_attr("room", room.as_str())
        .with_attr_opt("person", person.map(|jid| jid.as_str()))
}

/// Returns the request for one room without its people, with its password and host code.
pub fn reveal(room: &BareJid) -> Element {
    glance(room, None).with_attr("secret", "true")
}

/// Returns the request for one room without its people, and for what it stores about `person`.
pub fn glance(room: &BareJid, person: Option<&BareJid>) -> Element {
    look(room, person).with_attr("people", "false")
}

/// Returns the request for the next part of a room's people, after `after`.
pub fn look_on(room: &BareJid, after: &str) -> Element {
    look(room, None).with_attr("after", after)
}

/// Returns the request for the sessions of a person, about a room that need not exist.
pub fn who(room: &BareJid, person: &BareJid) -> Element {
    Element::new(NS, "sessions")
        .with_attr("room", room.as_str())
        .with_attr("person", person.as_str())
}

/// Sessions of a person, who may be offline.
#[derive(Clone, Debug, Default)]
pub struct Connected {
    /// Sessions on this server.
    pub sessions: Vec<Requester>,
    /// What a session of that address would be, judged by its domain alone: without a SASL mechanism or a token.
    pub supposed: Option<Requester>,
}

impl Connected {
    /// Reads the reply to a request for sessions.
    pub fn read(element: ElementRef<'_>) -> Self {
        let children = |name| children(element, name);
        Self {
            sessions: children("session").map(read_requester).collect(),
            supposed: children("supposed").map(read_requester).next(),
        }
    }
}

/// Returns the request for at most `max` rooms whose addresses come after `after`.
pub fn snapshot(after: &str, max: u32) -> Element {
    Element::new(NS, "snapshot").with_attr("after", after).with_attr("max", max.to_string())
}

/// Returns the request which of these rooms exist, in memory or swapped out with the people in them.
pub fn there(rooms: &[BareJid]) -> Element {
    let rooms = rooms.iter().map(|room| Element::new(NS, "room").with_attr("jid", room.as_str()));
    Element::new(NS, "loaded").with_children(rooms)
}

/// Returns the request for stored rooms whose addresses come after `after`: all of them, or those that know one of these people.
pub fn stored(after: &str, people: &[BareJid]) -> Element {
    let about = people.iter().map(|jid| Element::new(NS, "about").with_attr("jid", jid.as_str()));
    Element::new(NS, "stored").with_attr("after", after).with_children(about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::texts::Texts;
    use crate::policy::verdict::Degree::{Given, Moderator, No, Yes};
    use crate::policy::verdict::Effects;
    use crate::wire::answer::{Material, Secrets, command};
    use crate::xmpp::element::received;

    #[test]
    fn what_somebody_may_is_told_as_it_was_said() {
        let ann: BareJid = "ann@example.org".parse().unwrap();
        let may = May::told(|ability| match ability {
            Ability::Chat => Some("given"),
            Ability::Rename => Some("moderator"),
            Ability::Desktop => Some("no"),
            Ability::Private => Some("yes"),
            Ability::Audio | Ability::Video | Ability::Form => Some("whatever"),
            Ability::Alone => Some("no"),
            Ability::Record | Ability::Dial => None,
            Ability::Secret => Some("yes"),
        });
        let degrees =
            [Given, Yes, Moderator, Yes, Yes, No, Moderator, Moderator, No, Moderator, Yes];
        assert!(may.iter().eq(Ability::ALL.into_iter().zip(degrees)));
        let moderated = Some(vec![Ability::Audio, Ability::Desktop]);
        let effects = Effects { may: vec![(ann.clone(), may)], moderated, ..Effects::default() };
        let secrets = Secrets::default();
        let material = Material { secrets: &secrets, texts: &Texts::default(), language: None };
        let tea = "tea@example.org".parse().unwrap();
        let told = command(&tea, "g", Some(1), "c1", &effects, material, []);
        let room = told.child(NS, "room").unwrap();
        assert_eq!(room.attr("moderated-media"), Some("audio desktop"));
        let told = told.child(NS, "permissions").unwrap().clone();
        assert_eq!(
            (told.attr("private"), told.attr("audio"), told.attr("form")),
            (None, None, None)
        );
        assert_eq!(told.attr("secret"), Some("yes"));
        let room = Element::new(NS, "room")
            .with_attr("jid", "tea@example.org")
            .with_attr("revision", "1")
            .with_child(told);
        assert_eq!(LiveRoom::read(received(&room).root()).unwrap().may, [(ann, may)]);
    }
}
