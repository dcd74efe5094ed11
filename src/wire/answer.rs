//! Writes decisions as `answer` elements, and commands as `do` elements.

use std::borrow::Cow;

use smol_str::format_smolstr;

use super::request::Question;
use super::{NS, children};
use crate::jid::BareJid;
use crate::policy::attempt::{Action, Affiliation, Attempt};
use crate::policy::denial::{Denial, Shown, shown};
use crate::policy::record::Person;
use crate::policy::texts::Texts;
use crate::policy::verdict::{Ability, Audience, Decision, Effects, Verdict};
use crate::secret::Secret;
use crate::xmpp::element::{Element, ElementRef};

/// Password and host code that effects set in a room.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// New password, if the effects set one.
    pub password: Option<Secret>,
    /// New host code, if the effects set one.
    pub code: Option<Secret>,
}

/// What an answer needs in addition to the decision's effects.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// Password and host code that the effects set in the room.
    pub secrets: &'a Secrets,
    /// Translations of the texts that people read.
    pub texts: &'a Texts,
    /// Language of the requester, if it is known.
    pub language: Option<&'a str>,
}

/// Returns the answer to a request.
pub fn answer(
    question: &Question,
    decision: &Decision,
    id: &str,
    material: Material<'_>,
) -> Element {
    let mut element = Element::new(NS, "answer")
        .with_attr("attempt", &question.attempt.id)
        .with_attr("base", format_smolstr!("{}", question.revision))
        .with_attr("verdict", decision.verdict.name())
        .with_attr("rule", decision.rule.name)
        .with_attr("decision", id);
    if let Some(denial) = decision.denial {
        element.push_child(error(question, decision, material.texts, denial));
    }
    if decision.effects.affiliation.is_some() || decision.effects.role.is_some() {
        element.push_child(
            Element::new(NS, "requester")
                .with_attr_opt("affiliation", decision.effects.affiliation.map(|a| a.name()))
                .with_attr_opt("role", decision.effects.role.map(|r| r.name())),
        );
    }
    with_effects(element, &decision.effects, material)
}

/// Returns the answer in observe mode: the attempt proceeds as if there were no gate.
pub fn observed(question: &Question, id: &str) -> Element {
    Element::new(NS, "answer")
        .with_attr("attempt", &question.attempt.id)
        .with_attr("base", format_smolstr!("{}", question.revision))
        .with_attr("verdict", Verdict::Allow.name())
        .with_attr("observe", "true")
        .with_attr("decision", id)
}

/// Returns a command to a room. `base`: revision of the room's record that the command was made for; `None` if it does
/// not depend on the record.
pub fn command(
    room: &BareJid,
    generation: &str,
    base: Option<u64>,
    id: &str,
    effects: &Effects,
    material: Material<'_>,
    more: impl IntoIterator<Item = Element>,
) -> Element {
    let element = Element::new(NS, "do")
        .with_attr("room", room.as_str())
        .with_attr("generation", generation)
        .with_attr_opt("base", base.map(|base| base.to_string()))
        .with_attr("decision", id);
    with_effects(element, effects, material).with_children(more)
}

/// Returns the effect that removes a person.
pub fn remove(jid: &BareJid, reason: &str) -> Element {
    Element::new(NS, "remove").with_attr("jid", jid.as_str()).with_text(reason)
}

/// Precondition of a command; if it fails, nothing of the command is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only<'a> {
    /// No moderator is inside; services do not count.
    Unmoderated,
    /// A person with this bare JID is inside.
    Inside(&'a BareJid),
    /// A person with this bare JID waits in the lobby.
    Waiting(&'a BareJid),
}

/// Returns the element of a precondition.
pub fn only(condition: Only<'_>) -> Element {
    let (when, jid) = match condition {
        Only::Unmoderated => ("unmoderated", None),
        Only::Inside(jid) => ("inside", Some(jid.as_str())),
        Only::Waiting(jid) => ("waiting", Some(jid.as_str())),
    };
    Element::new(NS, "only").with_attr("when", when).with_attr_opt("jid", jid)
}

/// Returns the effect that sends a text to everybody inside.
pub fn say_to_room(text: &str) -> Element {
    // A gate replaces what is in braces.
    let text = text.replace(['{', '}'], "");
    Element::new(NS, "say").with_attr("to", "room").with_text(text)
}

/// Returns the effect that destroys the room.
pub fn end(reason: &str) -> Element {
    Element::new(NS, "end").with_text(reason)
}

fn error(question: &Question, decision: &Decision, texts: &Texts, denial: Denial) -> Element {
    let attempt = &question.attempt;
    // Where there is a lobby, a wrong password is one more try of a person who waits: Jitsi's client says that it is wrong.
    let is_one_more_try = decision.verdict == Verdict::Prompt && decision.effects.knock.is_some();
    let is_sent_to_lobby = decision.verdict == Verdict::Hold || is_one_more_try;
    let shown = if is_sent_to_lobby && question.room.lobby {
        Shown::Lobby
    } else {
        shown(denial, attempt.requester.client, &attempt.action)
    };
    let (kind, condition) =
        if is_one_more_try { Denial::Lobby.condition() } else { denial.condition() };
    let language = attempt.requester.language.as_deref();
    let said = texts.denial(denial, language);
    let mut words = said.text.into_owned();
    if let Some(notice) = custom_notice(question, decision, texts) {
        words.extend([" ", &notice]);
    }
    let text = Element::new(NS, "text").with_attr("xml:lang", said.language).with_text(words);
    Element::new(NS, "error")
        .with_attr("type", kind)
        .with_attr("condition", condition)
        .with_attr_opt("as", shown.name())
        .with_child(text)
}

/// Returns the operator's own notice for a person who is not let in, if there is one.
fn custom_notice(question: &Question, decision: &Decision, texts: &Texts) -> Option<String> {
    let Attempt { requester, action, room, .. } = &question.attempt;
    let comes = matches!(action, Action::Request | Action::Open { .. } | Action::Join { .. });
    let told = decision.verdict.custom_notice().filter(|_| comes)?;
    texts.custom_notice(told, requester.language.as_deref(), |name| match name {
        "room" => Some(room.as_ref()?.node()?),
        "rule" => Some(decision.rule.name),
        _ => None,
    })
}

fn with_effects(element: Element, effects: &Effects, material: Material<'_>) -> Element {
    let texts = material.texts;
    let about = |name, jid: &BareJid| Element::new(NS, name).with_attr("jid", jid.as_str());
    let affiliated = |name, (jid, affiliation): &(BareJid, Affiliation)| {
        about(name, jid).with_attr("affiliation", affiliation.name())
    };
    let record = effects.record.as_ref();
    let people = effects.people.iter().map(|(jid, person)| {
        about("person", jid).with_text(person.as_ref().map(Person::write).unwrap_or_default())
    });
    let permissions = effects.may.iter().map(|(jid, may)| {
        let degrees = may.iter().filter(|(ability, degree)| *degree != ability.unsaid());
        degrees.fold(about("permissions", jid), |all, (ability, degree)| {
            all.with_attr(ability.name(), degree.name())
        })
    });
    let notices = effects.notices.iter().filter_map(|(audience, notice)| {
        // Several people may each have another language, so the default is used.
        let (to, when, language) = match audience {
            Audience::RequesterJoined => ("requester", Some("joined"), material.language),
            Audience::Requester => ("requester", None, material.language),
            Audience::Moderators => ("moderators", None, None),
            Audience::ModeratorsAfter => ("moderators", Some("joined"), None),
            Audience::Room => ("room", None, None),
            Audience::Waiting => ("waiting", None, None),
        };
        let text = texts.notice(*notice, language).text;
        let text = match &effects.invitation {
            Some(invitation) => Cow::Owned(invitation.fill(&text)),
            None => text,
        };
        (!text.is_empty()).then_some(((to, when), text))
    });
    let mut says: Vec<(_, Cow<'_, str>)> = Vec::new();
    for (whom, text) in notices {
        match says.last_mut() {
            // The lines of an invitation are one message, to be passed on as it is.
            Some((last, lines)) if effects.invitation.is_some() && *last == whom => {
                lines.to_mut().extend(["\n", &text]);
            }
            _ => says.push((whom, text)),
        }
    }
    let says = says.into_iter().map(|((to, when), text)| {
        let say = Element::new(NS, "say").with_attr("to", to).with_attr_opt("when", when);
        say.with_text(text)
    });
    let knock = effects.knock.map(|wait| wait.as_secs().to_string());
    let removed = effects.remove.iter();
    let rejected = effects.reject.iter().map(|(jid, words)| {
        let text = words.map(|words| texts.notice(words, None).text).unwrap_or_default();
        about("reject", jid).with_text(text)
    });
    element
        .with_child_opt(record.map(|it| Element::new(NS, "record").with_text(it.write())))
        .with_children(people)
        .with_child_opt(room_settings(effects, material.secrets))
        .with_children(permissions)
        .with_children(says)
        .with_child_opt(knock.map(|it| Element::new(NS, "knock").with_attr("expires", it)))
        .with_children(effects.admit.iter().map(|jid| about("admit", jid)))
        .with_children(effects.promote.iter().map(|jid| about("promote", jid)))
        .with_children(effects.demote.iter().map(|it| affiliated("demote", it)))
        .with_children(effects.affiliate.iter().map(|it| affiliated("affiliate", it)))
        .with_children(removed.map(|(jid, it)| remove(jid, &texts.denial(*it, None).text)))
        .with_children(rejected)
}

/// Returns the effect that changes settings of the room, or `None` if all stay.
fn room_settings(effects: &Effects, secrets: &Secrets) -> Option<Element> {
    let flag = |value: Option<bool>| value.map(|value| if value { "true" } else { "false" });
    let password = effects.password.map(|_| secrets.password.as_ref().map(Secret::expose));
    let code = secrets.code.as_ref().filter(|_| effects.code.is_some());
    let room = Element::new(NS, "room")
        .with_attr_opt("password", password.flatten())
        .with_attr_opt("code", code.map(Secret::expose))
        .with_attr_opt("members-only", flag(effects.members_only))
        .with_attr_opt("lobby", flag(effects.lobby))
        .with_attr_opt("hidden", flag(effects.hidden))
        .with_attr_opt("persistent", flag(effects.persistent))
        .with_attr_opt("keep", flag(effects.keep))
        .with_attr_opt("suspended", flag(effects.suspended))
        .with_attr_opt("moderated-media", effects.moderated.as_deref().map(media));
    (password.is_some() || room.attrs().next().is_some()).then_some(room)
}

fn media(moderated: &[Ability]) -> String {
    let names: Vec<_> = moderated.iter().map(|ability| ability.name()).collect();
    names.join(" ")
}

/// Most people that a message names.
const NAMED: usize = 3;

/// The outcome of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Whether nothing was done, because the precondition was not met.
    pub is_unmet: bool,
    /// Nicks of the people who prevented the command, or whom it removed or promoted. At most 64.
    pub met: Vec<String>,
}

impl Done {
    /// Reads a gate's reply to a command.
    pub fn read(element: Option<ElementRef<'_>>) -> Self {
        let Some(element) = element.filter(|element| element.is(NS, "done")) else {
            return Self::default();
        };
        let met = children(element, "met");
        Self {
            is_unmet: element.attr("unmet") == Some("true"),
            met: met.filter_map(|met| met.attr("nick").map(str::to_owned)).collect(),
        }
    }

    /// Returns the first of these nicks as a list for a message.
    pub fn names(&self) -> String {
        let named: Vec<_> = self.met.iter().take(NAMED).map(String::as_str).collect();
        let more = if self.met.len() > NAMED { " and others" } else { "" };
        if named.is_empty() { "a person".to_owned() } else { format!("{}{more}", named.join(", ")) }
    }
}

/// Most addresses of one request to prepare them.
pub const MOST: usize = 64;

/// Returns the request to prepare these addresses as the server would stamp them.
pub fn prepare<'a>(texts: impl IntoIterator<Item = &'a str>) -> Element {
    let addresses = texts.into_iter().map(|text| Element::new(NS, "address").with_text(text));
    Element::new(NS, "prepare").with_children(addresses)
}

/// Reads the reply: each address in the order of the request, `None` where the server refuses it.
pub fn prepared(reply: ElementRef<'_>) -> Vec<Option<BareJid>> {
    children(reply, "address")
        .map(|address| address.attr("jid").and_then(BareJid::stamped))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::element::Document;

    #[test]
    fn each_address_is_answered_in_its_place() {
        let asked = prepare(["J\u{F6}rg@example.org", "ro\u{1D52}t@localhost"]);
        let texts: Vec<_> = asked.children().map(Element::text).collect();
        assert_eq!(texts, ["J\u{F6}rg@example.org", "ro\u{1D52}t@localhost"]);
        let reply = b"<prepared xmlns='urn:vestibule:gate:2'>\
            <address jid='j\xC3\xB6rg@example.org'/><address/></prepared>";
        let read = prepared(Document::parse(reply, "").unwrap().root());
        assert_eq!(read, [BareJid::stamped("j\u{F6}rg@example.org"), None]);
    }
}
