//! Reads `request` elements of gates as attempts.

use std::sync::Arc;

use smol_str::SmolStr;

use super::{NS, children};
use crate::jid::BareJid;
use crate::policy::attempt::{
    Action, Affiliation, AffiliationChange, Attempt, Auth, Client, Credential, Feature,
    FieldChange, Held, Kind, Requester, Role, RoleChange, RoomView, Strength, Word,
};
use crate::policy::fingerprint::Mark;
use crate::policy::form_field::FormField;
use crate::policy::record::{Person, Record};
use crate::policy::requester::{Domain, Session, SessionKind, Token};
use crate::secret::Secret;
use crate::xmpp::element::{Document, ElementRef};

/// A request of a gate.
#[derive(Clone, Debug)]
pub struct Question {
    /// The attempt to decide. A password in it has no strength yet: see `typed`.
    pub attempt: Attempt,
    /// State of the room.
    pub room: RoomView,
    /// Identifies this life of the room; empty for one that does not exist.
    pub generation: SmolStr,
    /// Number of changes of the room's record.
    pub revision: u64,
    /// Password that a person chose, whose strength must be judged before the attempt is.
    pub typed: Option<Secret>,
    /// How the typed password compares with that of an existing room, whatever is requested.
    pub credential: Credential,
}

impl Question {
    /// Reads a `request` element.
    ///
    /// Never fails: what is missing, doubled or unreadable becomes a fact that the policy refuses.
    pub fn read(ask: ElementRef<'_>) -> Self {
        let empty = Document::default();
        // Of two elements neither is trusted: their sender is no proper gate.
        let requester = ask.only_child(NS, "requester").ok().flatten().unwrap_or(empty.root());
        let state = ask.only_child(NS, "state").ok().flatten();
        let (action, typed) = read_action(ask);
        Self {
            attempt: Attempt {
                id: text(ask, "attempt"),
                room: bare(ask.attr("room")),
                requester: read_requester(requester),
                action,
                behind: ask.only_child(NS, "opener").ok().flatten().map(read_requester),
                others: children(ask, "person")
                    .filter_map(|person| {
                        Some((bare(person.attr("jid"))?, Person::read(&person.text())?))
                    })
                    .collect(),
                banned: Held::default(),
                namesake: None,
            },
            room: state.map(read_state).unwrap_or_default(),
            generation: text(ask, "generation"),
            revision: number(ask, "revision"),
            typed,
            credential: read_credential(ask),
        }
    }

    /// Stores the strength of the typed password in the attempt.
    pub fn judge_typed(&mut self, strength: Strength) {
        if let Action::Open { typed } = &mut self.attempt.action {
            *typed = Some(strength);
        } else if let Action::Configure { fields } = &mut self.attempt.action {
            for field in fields {
                if let FieldChange::PasswordSet(unknown) = field {
                    // The gate has compared it with the room's host code.
                    *unknown = Strength { code: unknown.code, ..strength };
                }
            }
        }
    }
}

/// Reads a person from the attributes that requests, reports and snapshots share.
pub fn read_requester(element: ElementRef<'_>) -> Requester {
    let session = read_session(element);
    let secure = match session.kind {
        // A client's own server knows whether it is encrypted; of other sessions nobody may know.
        SessionKind::Client => Some(is_true(element, "secure")),
        SessionKind::Server | SessionKind::Component | SessionKind::Unknown => {
            element.attr("secure").map(|value| value == "true")
        }
    };
    let is_verified = session.token.is_some();
    let account = bare(element.attr("account"));
    Requester {
        jid: bare(element.attr("jid")),
        session: Some(Arc::new(session)),
        auth: Auth::Unknown,
        account_session: account.as_ref().map(|account| {
            Box::new(Session {
                kind: SessionKind::Client,
                host: account.domain().into(),
                provider: text(element, "account-provider"),
                mechanism: element.attr("account-mechanism").map(SmolStr::new),
                token: None,
            })
        }),
        account: account.map(Box::new),
        gateway: bare(element.attr("gateway")).map(Box::new),
        secure,
        address: element.attr("address").and_then(|address| address.parse().ok()),
        nick: text(element, "nick"),
        name: text(element, "name"),
        affiliation: affiliation(element, "affiliation").unwrap_or_default(),
        role: role(element, "role").unwrap_or_default(),
        claims: children(element, "claim")
            .filter(|_| is_verified)
            .map(|claim| (text(claim, "name").into(), claim.text().into_owned()))
            .collect(),
        unread: Vec::new(),
        person: element.child(NS, "person").and_then(|person| Person::read(&person.text())),
        client: Client::from_name(element.attr("client").unwrap_or_default()),
        language: element.attr("language").filter(|tag| is_language(tag)).map(Box::from),
        ticket: element.attr("ticket").map(|ticket| Mark::of("ticket", ticket)),
        device: element.attr("device").map(|device| Mark::of("device", device)),
        e2ee: is_true(element, "e2ee"),
        breakout: bare(element.attr("breakout")).map(Box::new),
        changes: is_true(element, "changes"),
        sent: is_true(element, "sent"),
        visitor: is_true(element, "visitor"),
    }
}

/// Reads how a session has proved its identity.
fn read_session(element: ElementRef<'_>) -> Session {
    Session {
        kind: SessionKind::from_name(element.attr("session").unwrap_or_default()),
        host: text(element, "host"),
        provider: text(element, "provider"),
        mechanism: element.attr("mechanism").map(SmolStr::new),
        token: own(element, "token-subject").map(|subject| {
            Box::new(Token {
                issuer: own(element, "token-issuer"),
                audience: own(element, "token-audience"),
                subject,
                room: own(element, "token-room"),
                pattern: is_true(element, "token-pattern"),
                found: own(element, "token-found"),
                tenant: own(element, "token-tenant"),
                asked_tenant: own(element, "token-asked-tenant"),
                strict: is_true(element, "token-strict"),
                expires: element
                    .attr("token-expires")
                    .map(|value| value.parse().unwrap_or(i64::MIN)),
                domain: own(element, "token-service").map(|service| {
                    Box::new(Domain {
                        service,
                        prefix: own(element, "token-prefix").unwrap_or_default(),
                        names_room: is_true(element, "token-names-room"),
                    })
                }),
                main: element.attr("token-main").map(|main| bare(Some(main))).unwrap_or_default(),
            })
        }),
    }
}

fn own(element: ElementRef<'_>, name: &str) -> Option<Box<str>> {
    element.attr(name).map(Box::from)
}

/// Returns whether a text has the form of a language tag (BCP 47), of at most 35 characters (RFC 5646 §4.4.1).
fn is_language(tag: &str) -> bool {
    (1..=35).contains(&tag.len())
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Reads the state of a room from the attributes that requests, reports and snapshots share.
pub fn read_state(element: ElementRef<'_>) -> RoomView {
    let written = element.child(NS, "record").map(ElementRef::text);
    let record = written.as_ref().and_then(|record| Record::read(record));
    RoomView {
        occupants: count(element, "occupants"),
        others: element.attr("others").map(|_| count(element, "others")),
        moderators: count(element, "moderators"),
        waiting: count(element, "waiting"),
        has_password: is_true(element, "password"),
        members_only: is_true(element, "members-only"),
        lobby: is_true(element, "lobby"),
        nobody_logs_in: false,
        exists: is_true(element, "existing"),
        persistent: is_true(element, "persistent"),
        unasked: is_true(element, "unasked"),
        affiliations: count(element, "affiliations"),
        unreadable: written.is_some() && record.is_none(),
        record,
    }
}

fn read_action(ask: ElementRef<'_>) -> (Action, Option<Secret>) {
    let children = |name| children(ask, name);
    let credential = ask.only_child(NS, "credential").ok().flatten();
    let kind = ask.attr("kind").and_then(|kind| kind.parse().ok());
    let kind = kind.unwrap_or(Kind::Unknown);
    let feature = Feature::read(kind.name(), is_true(ask, "stops"));
    let action = match (kind, feature) {
        (_, Some(feature)) => Action::Feature(feature),
        (Kind::Open, None) => {
            let typed = credential.map(|it| it.text().into_owned()).filter(|text| !text.is_empty());
            let strength = typed.is_some().then(Strength::default);
            return (Action::Open { typed: strength }, typed.map(Secret::new));
        }
        (Kind::Request, None) => Action::Request,
        (Kind::Join, None) => Action::Join { credential: read_credential(ask) },
        (Kind::Configure, None) => {
            let mut typed = None;
            let fields: Vec<_> =
                children("field").map(|field| read_field(field, &mut typed)).collect();
            let passwords = fields.iter().filter(|f| matches!(f, FieldChange::PasswordSet(_)));
            // Servers differ in which of two they take: neither is judged, so both count as too weak.
            let typed = typed.filter(|_| passwords.count() == 1);
            return (Action::Configure { fields }, typed);
        }
        (Kind::Affiliation, None) => Action::Affiliation {
            items: children("item")
                .map(|item| AffiliationChange {
                    jid: bare(item.attr("jid")),
                    from: affiliation(item, "current").unwrap_or_default(),
                    to: affiliation(item, "affiliation"),
                    nick: item.attr("nick").map(str::to_owned),
                    bearer: bearer(item),
                    displaced: super::children(item, "displaced").map(read_requester).collect(),
                })
                .collect(),
            register: is_true(ask, "register"),
        },
        (Kind::Role, None) => Action::Role {
            items: children("item")
                .map(|item| RoleChange {
                    jid: bare(item.attr("jid")),
                    from: role(item, "current").unwrap_or_default(),
                    to: role(item, "role"),
                    bearer: bearer(item),
                })
                .collect(),
        },
        (Kind::Destroy, None) => Action::Destroy,
        (Kind::Invite, None) => Action::Invite {
            to: children("target").map(|target| bare(target.attr("jid"))).collect(),
        },
        (Kind::Knock, None) => {
            let target = ask.only_child(NS, "target").ok().flatten();
            Action::Knock {
                target: target.and_then(|target| bare(target.attr("jid"))),
                admit: target.and_then(|target| target.attr("answer")) == Some("admit"),
            }
        }
        (Kind::Rename, None) => Action::Rename,
        (Kind::Command, None) => {
            let command = ask.only_child(NS, "command").ok().flatten();
            let answer_all = |admit| {
                let waiting = children("target").filter_map(|target| bare(target.attr("jid")));
                Action::AnswerAll { waiting: waiting.collect(), admit }
            };
            match command.and_then(|command| command.attr("name")) {
                Some("password") => Action::Command(Word::Password),
                Some("invite") => Action::Command(Word::Invite),
                Some("help") => Action::Command(Word::Help),
                Some("close") => Action::Command(Word::Close),
                Some("reopen") => Action::Command(Word::Reopen),
                Some("admit all") => answer_all(true),
                Some("reject all") => answer_all(false),
                Some(_) | None => Action::Command(Word::Unknown),
            }
        }
        (_, None) => Action::Unknown,
    };
    (action, None)
}

/// Reads the person who has the nick that an item names.
fn bearer(item: ElementRef<'_>) -> Option<Requester> {
    item.child(NS, "bearer").map(read_requester)
}

fn read_credential(ask: ElementRef<'_>) -> Credential {
    let mut credentials = children(ask, "credential");
    match (credentials.next(), credentials.next()) {
        (None, _) => Credential::None,
        (Some(one), None) => match one.attr("check") {
            Some("right") => Credential::Right,
            Some("code") => Credential::Code,
            Some("none") => Credential::None,
            Some(_) | None => Credential::Wrong,
        },
        (Some(_), Some(_)) => Credential::Wrong,
    }
}

fn read_field(field: ElementRef<'_>, typed: &mut Option<Secret>) -> FieldChange {
    let value = || field.text();
    let on = || matches!(&*field.text(), "1" | "true");
    match field.attr("var").unwrap_or_default() {
        "muc#roomconfig_roomsecret" if is_true(field, "same") => FieldChange::PasswordKept,
        "muc#roomconfig_roomsecret" if value().is_empty() => FieldChange::PasswordRemoved,
        "muc#roomconfig_roomsecret" => {
            *typed = Some(Secret::new(value().into_owned()));
            FieldChange::PasswordSet(Strength {
                code: is_true(field, "code"),
                ..Strength::default()
            })
        }
        "muc#roomconfig_membersonly" => FieldChange::MembersOnly(on()),
        "muc#roomconfig_publicroom" => FieldChange::Public(on()),
        // This field names the form, and changes nothing.
        "FORM_TYPE" => FieldChange::Kept("FORM_TYPE".to_owned()),
        other if is_true(field, "same") => FieldChange::Kept(other.to_owned()),
        "muc#roomconfig_persistentroom" => FieldChange::Persistent(on()),
        other => match FormField::of_field(other, &value()) {
            Some((setting, to)) => FieldChange::Setting(setting, to),
            None => FieldChange::Other(other.to_owned()),
        },
    }
}

fn bare(jid: Option<&str>) -> Option<BareJid> {
    BareJid::stamped(jid?)
}

fn text(element: ElementRef<'_>, name: &str) -> SmolStr {
    element.attr(name).unwrap_or_default().into()
}

fn is_true(element: ElementRef<'_>, name: &str) -> bool {
    element.attr(name) == Some("true")
}

fn number(element: ElementRef<'_>, name: &str) -> u64 {
    element.attr(name).and_then(|value| value.parse().ok()).unwrap_or_default()
}

fn count(element: ElementRef<'_>, name: &str) -> u32 {
    u32::try_from(number(element, name)).unwrap_or(u32::MAX)
}

fn affiliation(element: ElementRef<'_>, name: &str) -> Option<Affiliation> {
    Affiliation::from_name(element.attr(name)?)
}

fn role(element: ElementRef<'_>, name: &str) -> Option<Role> {
    Role::from_name(element.attr(name)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::form_field::To;

    fn read(attributes: &str, body: &str) -> Question {
        let xml = format!("<request xmlns='{NS}' {attributes}>{body}</request>");
        Question::read(Document::parse(xml.as_bytes(), "").unwrap().root())
    }

    #[test]
    fn a_join_reads_as_it_was_written() {
        let question = read(
            "kind='join' attempt='a1' room='tea@conference.example.org' generation='g' revision='7'",
            "<requester jid='bob@example.org/phone' nick='Bob' session='client' host='example.org' provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='false' address='192.0.2.7' affiliation='none' role='none'>\
             <claim name='moderator'>true</claim></requester>\
             <state occupants='3' moderators='1' waiting='2' password='true'/><credential check='wrong'/>",
        );
        assert_eq!(question.attempt.action, Action::Join { credential: Credential::Wrong });
        assert_eq!(question.revision, 7);
        assert_eq!(question.room.occupants, 3);
        let who = &question.attempt.requester;
        assert_eq!(who.jid.as_ref().unwrap().as_str(), "bob@example.org");
        assert_eq!(who.secure, Some(false));
        assert_eq!(who.claims, [], "no token was verified");
    }

    #[test]
    fn a_client_that_is_not_said_to_be_encrypted_is_not() {
        let secure = |kind: &str| {
            let requester = format!("<requester jid='a@b' session='{kind}'/>");
            read("kind='join'", &requester).attempt.requester.secure
        };
        assert_eq!(secure("client"), Some(false));
        assert_eq!(secure("server"), None);
    }

    #[test]
    fn two_credentials_are_a_wrong_one() {
        let right = "<credential check='right'/>";
        let question = read("kind='join'", &right.repeat(2));
        assert_eq!(question.attempt.action, Action::Join { credential: Credential::Wrong });
    }

    #[test]
    fn two_requesters_are_none() {
        let question = read(
            "kind='join'",
            "<requester jid='a@b' session='client' host='b' provider='internal_hashed' mechanism='SCRAM-SHA-1'/><requester jid='c@d' session='client' host='d' provider='internal_hashed' mechanism='SCRAM-SHA-1'/>",
        );
        assert_eq!(question.attempt.requester.jid, None);
        let session = question.attempt.requester.session.unwrap();
        assert_eq!(*session, Session::default());
    }

    #[test]
    fn an_unparsable_address_is_a_fact_and_no_failure() {
        let requester = "<requester jid='\u{1F916}@@x' nick='\u{1F916}'/>";
        let question = read("kind='join' room='@@'", requester);
        assert_eq!(question.attempt.room, None);
        assert_eq!(question.attempt.requester.jid, None);
    }

    #[test]
    fn a_form_reads_as_changes_of_settings() {
        let question = read(
            "kind='configure'",
            "<requester jid='a@b' language='de-CH'/>\
             <field var='FORM_TYPE'>http://jabber.org/protocol/muc#roomconfig</field>\
             <field var='muc#roomconfig_roomname' same='true'>Tea</field>\
             <field var='muc#roomconfig_historylength'>20</field>\
             <field var='x'>y</field>",
        );
        let fields = vec![
            FieldChange::Kept("FORM_TYPE".to_owned()),
            FieldChange::Kept("muc#roomconfig_roomname".to_owned()),
            FieldChange::Setting(FormField::History, To::Number(Some(20))),
            FieldChange::Other("x".to_owned()),
        ];
        assert_eq!(question.attempt.action, Action::Configure { fields });
        assert_eq!(question.attempt.requester.language.as_deref(), Some("de-CH"));
    }

    #[test]
    fn a_language_is_a_short_word() {
        for tag in ["", "d\u{e9}", "x y", &"a".repeat(36)] {
            let requester = format!("<requester jid='a@b' language='{tag}'/>");
            assert_eq!(read("", &requester).attempt.requester.language, None, "{tag}");
        }
    }

    #[test]
    fn of_two_new_passwords_neither_is_judged() {
        let question = read(
            "kind='configure'",
            "<field var='muc#roomconfig_roomsecret'>1</field>\
             <field var='muc#roomconfig_roomsecret'>umbrella-kiwi-thunder</field>",
        );
        assert_eq!(question.typed, None);
        let weak = FieldChange::PasswordSet(Strength::default());
        assert_eq!(question.attempt.action, Action::Configure { fields: vec![weak.clone(), weak] });
    }

    #[test]
    fn a_typed_password_is_kept_apart_from_the_attempt() {
        let question = read("kind='open'", "<credential>correct horse</credential>");
        assert_eq!(question.typed, Some(Secret::new("correct horse")));
        assert!(!format!("{question:?}").contains("horse"));
    }
}
