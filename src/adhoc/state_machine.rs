//! The state machine of ad-hoc conversations: stages, the transitions between them, and the reply to each step.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::form;
use super::form::{CONFIRM, Choices, Values, offers_people, outcome, room_of, texts};
use super::session::{Session, Sessions, Stage};
use crate::control::{Caller, Command, FailureKind, Field, Impact, Reply, Request};
use crate::xmpp::stanza::{Condition, ErrorType, Iq, IqKind, StanzaError};
use crate::xmpp::{Element, ElementRef, ns};

/// The result of handling a stanza.
#[derive(Debug)]
pub enum Step {
    /// The reply to send.
    Answer(Iq),
    /// A request to carry out; its reply goes to [`AdHoc::resume`].
    Ask(Box<Pending>),
}

impl Step {
    fn ask(request: Request, talk: Talk, why: Why) -> Self {
        Self::Ask(Box::new(Pending { request, talk, why }))
    }
}

/// A conversation in the middle of a step. It is not among the waiting ones, so the same step cannot be taken twice.
#[derive(Debug)]
pub struct Pending {
    request: Request,
    talk: Talk,
    why: Why,
}

impl Pending {
    /// Returns the request to carry out, and its caller.
    pub const fn asks(&self) -> (&Caller, &Request) {
        (&self.talk.caller, &self.request)
    }
}

#[derive(Debug)]
enum Why {
    /// The request looks up the rooms or people to offer in the next form, which may come with a note.
    Choices(Option<Note>),
    /// The request is the caller's command.
    Command,
}

/// A conversation, and the stanza that has not been answered yet.
#[derive(Debug)]
struct Talk {
    iq: Iq,
    id: String,
    session: Session,
    caller: Caller,
    /// Time of the step.
    now: Timestamp,
}

/// The ad-hoc interface: the commands that it offers, and the conversations about them.
#[derive(Debug)]
pub struct AdHoc {
    commands: &'static [Command],
    sessions: Sessions,
}

impl AdHoc {
    /// Offers these commands; there are no conversations yet.
    pub fn new(commands: &'static [Command]) -> Self {
        Self { commands, sessions: Sessions::default() }
    }

    /// Returns the number of conversations that wait for their next step.
    pub fn waiting(&self) -> usize {
        self.sessions.count()
    }

    /// Handles a stanza to `domain`. `caller` is the sender, if they may give any command; `fresh` is the unguessable
    /// id of the conversation that may begin. Returns `None` if the stanza is about something else.
    pub fn handle(
        &mut self,
        iq: &Iq<ElementRef<'_>>,
        domain: &str,
        caller: Option<Caller>,
        fresh: String,
        now: Timestamp,
    ) -> Option<Step> {
        let payload = iq.question().filter(|_| iq.to.as_deref() == Some(domain))?;
        let node = payload.attr("node");
        let answer = |payload| Step::Answer(Iq::result_to(iq, Some(payload)));
        match (&iq.kind, payload.ns(), payload.name()) {
            (IqKind::Get(_), ns::DISCO_ITEMS, "query") if node == Some(ns::COMMANDS) => {
                Some(answer(items(self.commands, domain, caller.as_ref())))
            }
            (IqKind::Get(_), ns::DISCO_INFO, "query") => {
                info(self.commands, node?, caller.as_ref()).map(answer)
            }
            (IqKind::Set(_), ns::COMMANDS, "command") => {
                let step = self.command(iq, payload, caller, fresh, now);
                Some(step.unwrap_or_else(|refusal| refused(iq, refusal)))
            }
            (IqKind::Get(_), ns::COMMANDS, "command") => Some(refused(iq, Refusal::BadRequest)),
            _ => None,
        }
    }

    /// Continues a conversation with the reply to its request.
    pub fn resume(&mut self, pending: Pending, reply: Reply, now: Timestamp) -> Step {
        let Pending { talk, why, .. } = pending;
        let talk = Talk { now, ..talk };
        match why {
            Why::Choices(note) => self.offer(talk, reply, note),
            Why::Command => self.carried_out(talk, reply),
        }
    }

    fn command(
        &mut self,
        iq: &Iq<ElementRef<'_>>,
        payload: ElementRef<'_>,
        caller: Option<Caller>,
        fresh: String,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let caller = caller.ok_or(Refusal::Forbidden)?;
        let node = payload.attr("node").unwrap_or_default();
        let command = Command::named(self.commands, node).ok_or(Refusal::NoCommand)?;
        command.authorise(&caller).map_err(|_| Refusal::Forbidden)?;
        let action = payload.attr("action").unwrap_or("execute");
        let action = Action::ALL.into_iter().find(|it| it.name() == action);
        let mut action = action.ok_or(Refusal::MalformedAction)?;
        let form = match payload.child(ns::DATA_FORMS, "x").map(|form| (form, form.attr("type"))) {
            None => None,
            Some((form, Some("submit"))) => Some(form),
            Some((_, Some("cancel"))) => {
                action = Action::Cancel;
                None
            }
            Some(_) => return Err(Refusal::BadPayload),
        };
        let owner = iq.from.as_deref().unwrap_or_default().to_owned();
        let iq = Iq {
            id: iq.id.clone(),
            from: iq.from.clone(),
            to: iq.to.clone(),
            kind: IqKind::Result(None),
        };
        let Some(id) = payload.attr("sessionid").filter(|id| !id.is_empty()) else {
            if action != Action::Execute {
                return Err(Refusal::BadSession);
            }
            let (name, values) = (caller.name.clone(), Values::default());
            let session = Session { owner, name, command, stage: Stage::Fields, values };
            return Ok(self.begin(Talk { iq, id: fresh, session, caller, now }, form));
        };
        let at = self.sessions.find(id, &owner, command, now)?.stage;
        let is_offered = match action {
            Action::Execute | Action::Cancel => true,
            Action::Next => !is_last(command, at),
            Action::Complete => is_last(command, at),
            Action::Prev => before(command, at).is_some(),
        };
        if !is_offered {
            return Err(Refusal::BadAction);
        }
        let session = self.sessions.take(id).ok_or(Refusal::BadSession)?;
        let talk = Talk { iq, id: id.to_owned(), session, caller, now };
        Ok(match action {
            Action::Cancel => answer(&talk, canceled(&talk.id, command)),
            Action::Prev => {
                let stage = before(command, at).unwrap_or(at);
                self.show(talk, stage, None)
            }
            Action::Execute | Action::Next | Action::Complete => self.submitted(talk, form),
        })
    }

    /// Begins a conversation. A client that knows the form may send it filled in at once.
    fn begin(&mut self, mut talk: Talk, form: Option<ElementRef<'_>>) -> Step {
        let command = talk.session.command;
        match (first_stage(command), form) {
            (None, _) => self.run(talk),
            (Some(Stage::Room | Stage::Fields), Some(form)) => {
                talk.session.values.take(command.fields.iter(), form);
                // The form names no person yet.
                if before(command, Stage::Fields).is_some() && talk.session.values.count() < 2 {
                    return self.show(talk, Stage::Fields, None);
                }
                self.filled_in(talk)
            }
            (Some(stage), _) => self.show(talk, stage, None),
        }
    }

    fn submitted(&mut self, mut talk: Talk, form: Option<ElementRef<'_>>) -> Step {
        let (command, stage) = (talk.session.command, talk.session.stage);
        if let Some(form) = form {
            talk.session.values.take(fields(command, stage), form);
        }
        match stage {
            Stage::Room => {
                let room = room_of(command).map(|field| talk.session.values.lines(field.name));
                if room.is_none_or(|room| room.is_empty()) {
                    let note = Note::error("Which room?");
                    return self.show(talk, stage, Some(note));
                }
                self.show(talk, Stage::Fields, None)
            }
            Stage::Fields => self.filled_in(talk),
            Stage::Confirm if form.is_some_and(is_confirmed) => self.run(talk),
            Stage::Confirm => {
                let note = Note::warn("Nothing was done: it has to be confirmed, or canceled.");
                self.show(talk, stage, Some(note))
            }
        }
    }

    /// Handles a complete form: asks for confirmation, or carries the command out.
    fn filled_in(&mut self, talk: Talk) -> Step {
        let command = talk.session.command;
        match command.request(talk.session.values.to_map()) {
            Err(failure) => self.show(talk, Stage::Fields, Some(Note::error(failure))),
            Ok(_) if command.impact == Impact::Irreversible => {
                self.show(talk, Stage::Confirm, None)
            }
            Ok(request) => Step::ask(request, talk, Why::Command),
        }
    }

    fn run(&mut self, talk: Talk) -> Step {
        match talk.session.command.request(talk.session.values.to_map()) {
            Ok(request) => Step::ask(request, talk, Why::Command),
            Err(failure) => self.not_done(talk, failure.reason),
        }
    }

    /// Shows a stage, after looking up the rooms or people that it offers.
    fn show(&mut self, mut talk: Talk, stage: Stage, note: Option<Note>) -> Step {
        let is_known = |room: &Field| !talk.session.values.lines(room.name).is_empty();
        let room_first = before(talk.session.command, stage) == Some(Stage::Room)
            && !room_of(talk.session.command).is_some_and(is_known);
        talk.session.stage = if room_first { Stage::Room } else { stage };
        match lookup(self.commands, &talk.session) {
            Some(request) => Step::ask(request, talk, Why::Choices(note)),
            None => self.wait(talk, &Choices::default(), note.as_ref()),
        }
    }

    fn offer(&mut self, talk: Talk, reply: Reply, note: Option<Note>) -> Step {
        let stage = talk.session.stage;
        let choices = match reply {
            Reply::Done(value) if is_about_people(&talk.session) => Choices::people(&value),
            Reply::Done(value) => Choices::rooms(&value),
            // The room does not exist, or its address is invalid: another one has to be named.
            Reply::Failed(failure) if stage == Stage::Fields && is_about_people(&talk.session) => {
                return self.show(talk, Stage::Room, Some(Note::error(failure)));
            }
            Reply::Failed(_) => Choices::default(),
        };
        self.wait(talk, &choices, note.as_ref())
    }

    fn carried_out(&mut self, talk: Talk, reply: Reply) -> Step {
        let command = talk.session.command;
        match reply {
            Reply::Done(value) => answer(&talk, done(&talk.id, command, &value)),
            Reply::Failed(failure) => match failure.kind {
                FailureKind::Forbidden => refused(&talk.iq, Refusal::Forbidden),
                FailureKind::Invalid => self.not_done(talk, failure.reason),
                FailureKind::NotFound | FailureKind::Conflict | FailureKind::Unavailable => {
                    answer(&talk, failed(&talk.id, command, &failure.reason))
                }
            },
        }
    }

    /// Shows the form again with an error, or reports the failure if the command takes no arguments.
    fn not_done(&mut self, talk: Talk, reason: String) -> Step {
        if talk.session.command.fields.is_empty() {
            return answer(&talk, failed(&talk.id, talk.session.command, &reason));
        }
        self.show(talk, Stage::Fields, Some(Note::error(reason)))
    }

    fn wait(&mut self, talk: Talk, choices: &Choices, note: Option<&Note>) -> Step {
        let step = answer(&talk, stage(&talk.id, &talk.session, choices, note));
        self.sessions.keep(talk.id, talk.session, talk.now);
        step
    }
}

/// Returns the request for the rooms or people that the form of this stage offers, if it offers any.
fn lookup(commands: &'static [Command], session: &Session) -> Option<Request> {
    let room = room_of(session.command)?;
    if is_about_people(session) {
        let room = session.values.lines(room.name).into_iter().next()?;
        let values = Map::from_iter([("room".to_owned(), Value::from(room))]);
        return Command::named(commands, "room")?.request(values).ok();
    }
    let asks_for_room = fields(session.command, session.stage).any(|it| it.name == room.name);
    asks_for_room.then(|| Command::named(commands, "rooms")?.request(Map::new()).ok()).flatten()
}

/// Returns whether the room is known and the form asks for one of its people.
fn is_about_people(session: &Session) -> bool {
    before(session.command, session.stage) == Some(Stage::Room)
}

fn answer(talk: &Talk, payload: Element) -> Step {
    Step::Answer(Iq::result_to(&talk.iq, Some(payload)))
}

fn refused<P>(iq: &Iq<P>, refusal: Refusal) -> Step {
    Step::Answer(Iq::error_to(iq, refusal.into()))
}

/// Returns the commands that this caller may give; none for a sender who is no caller.
fn offered(
    commands: &'static [Command],
    caller: Option<&Caller>,
) -> impl Iterator<Item = &'static Command> {
    commands.iter().filter(move |it| caller.is_some_and(|caller| it.authorise(caller).is_ok()))
}

fn items(commands: &'static [Command], domain: &str, caller: Option<&Caller>) -> Element {
    let item = |command: &Command| {
        Element::new(ns::DISCO_ITEMS, "item")
            .with_attr("jid", domain)
            .with_attr("node", command.name)
            .with_attr("name", command.title)
    };
    Element::new(ns::DISCO_ITEMS, "query")
        .with_attr("node", ns::COMMANDS)
        .with_children(offered(commands, caller).map(item))
}

/// Returns the service discovery information of a node, or `None` if it has none for this caller.
fn info(commands: &'static [Command], node: &str, caller: Option<&Caller>) -> Option<Element> {
    if node == ns::COMMANDS {
        return Some(about(node, "command-list", "Commands", &[ns::DISCO_ITEMS]));
    }
    let command = offered(commands, caller).find(|command| command.name == node)?;
    Some(about(node, "command-node", command.title, &[ns::COMMANDS, ns::DATA_FORMS]))
}

fn about(node: &str, kind: &'static str, name: &str, features: &[&str]) -> Element {
    let identity = Element::new(ns::DISCO_INFO, "identity")
        .with_attr("category", "automation")
        .with_attr("type", kind)
        .with_attr("name", name);
    let feature = |var: &&str| Element::new(ns::DISCO_INFO, "feature").with_attr("var", var);
    Element::new(ns::DISCO_INFO, "query")
        .with_attr("node", node)
        .with_child(identity)
        .with_children(features.iter().map(feature))
}

/// Why a step is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The sender may not give this command.
    #[error("This is not for you.")]
    Forbidden,
    /// No command has this node.
    #[error("There is no such command.")]
    NoCommand,
    /// XEP-0050 does not define this action.
    #[error("There is no such action.")]
    MalformedAction,
    /// This stage does not offer the action.
    #[error("This action is not offered here.")]
    BadAction,
    /// The form is not one that was asked for.
    #[error("This is not the form that was asked for.")]
    BadPayload,
    /// No conversation has this id, or it is not this client's.
    #[error("There is no such conversation of yours: begin again.")]
    BadSession,
    /// The conversation has waited for its next step for too long.
    #[error("This has waited too long: begin again.")]
    Expired,
    /// The stanza is of type `get`, but a command has to be of type `set`.
    #[error("A command has to be an iq of type \"set\".")]
    BadRequest,
    /// Too many commands are being carried out.
    #[error("Too many commands are being carried out: try again in a moment.")]
    Busy,
}

impl From<Refusal> for StanzaError {
    fn from(refusal: Refusal) -> Self {
        use Condition::{BadRequest, Forbidden, ItemNotFound, NotAllowed, ResourceConstraint};
        use ErrorType::{Auth, Cancel, Modify, Wait};
        let (kind, condition, detail) = match refusal {
            Refusal::Forbidden => (Auth, Forbidden, None),
            Refusal::NoCommand => (Cancel, ItemNotFound, None),
            Refusal::MalformedAction => (Modify, BadRequest, Some("malformed-action")),
            Refusal::BadAction => (Modify, BadRequest, Some("bad-action")),
            Refusal::BadPayload => (Modify, BadRequest, Some("bad-payload")),
            Refusal::BadSession => (Modify, BadRequest, Some("bad-sessionid")),
            Refusal::Expired => (Cancel, NotAllowed, Some("session-expired")),
            Refusal::BadRequest => (Modify, BadRequest, None),
            Refusal::Busy => (Wait, ResourceConstraint, None),
        };
        let error = Self::new(kind, condition).with_text(refusal.to_string());
        detail.into_iter().fold(error, |error, detail| error.with_detail(ns::COMMANDS, detail))
    }
}

names! {
    /// The action that a caller requests (XEP-0050 section 2.4).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Action {
        /// The default action of the stage: `next` or `complete`.
        Execute = "execute",
        Next = "next",
        Prev = "prev",
        Complete = "complete",
        Cancel = "cancel",
    }
}

/// A note shown with a form (XEP-0050 section 2.5).
#[derive(Clone, Debug)]
struct Note {
    kind: &'static str,
    text: String,
}

impl Note {
    fn info(text: impl ToString) -> Self {
        Self { kind: "info", text: text.to_string() }
    }

    fn warn(text: impl ToString) -> Self {
        Self { kind: "warn", ..Self::info(text) }
    }

    fn error(text: impl ToString) -> Self {
        Self { kind: "error", ..Self::info(text) }
    }

    fn element(&self) -> Element {
        element("note").with_attr("type", self.kind).with_text(&self.text)
    }
}

/// Returns the first stage of a command, or `None` if it is carried out at once.
fn first_stage(command: &Command) -> Option<Stage> {
    match command.fields {
        [] if command.impact == Impact::Irreversible => Some(Stage::Confirm),
        [] => None,
        _ if offers_people(command) => Some(Stage::Room),
        _ => Some(Stage::Fields),
    }
}

fn before(command: &Command, stage: Stage) -> Option<Stage> {
    match stage {
        Stage::Room => None,
        Stage::Fields => offers_people(command).then_some(Stage::Room),
        Stage::Confirm => (!command.fields.is_empty()).then_some(Stage::Fields),
    }
}

/// Returns whether the command is carried out after this stage.
fn is_last(command: &Command, stage: Stage) -> bool {
    match stage {
        Stage::Room => false,
        Stage::Fields => command.impact != Impact::Irreversible,
        Stage::Confirm => true,
    }
}

fn fields(command: &'static Command, stage: Stage) -> impl Iterator<Item = &'static Field> {
    let room = room_of(command).map(|room| room.name);
    let divided = offers_people(command);
    command.fields.iter().filter(move |field| match stage {
        Stage::Room => Some(field.name) == room,
        Stage::Fields => !divided || Some(field.name) != room,
        Stage::Confirm => false,
    })
}

/// Returns whether the form confirms an irreversible command.
fn is_confirmed(form: ElementRef<'_>) -> bool {
    texts(form, CONFIRM).first().is_some_and(|value| matches!(value.trim(), "1" | "true"))
}

/// Renders a stage as a `<command/>` with its form.
fn stage(id: &str, session: &Session, choices: &Choices, note: Option<&Note>) -> Element {
    let (command, at) = (session.command, session.stage);
    let next = if is_last(command, at) { "complete" } else { "next" };
    let prev = before(command, at).map(|_| element("prev"));
    let form = match at {
        Stage::Confirm => form::confirm(command, &session.values),
        Stage::Room | Stage::Fields => {
            form::ask(command, fields(command, at), &session.values, choices)
        }
    };
    let actions = element("actions").with_attr("execute", next).with_child_opt(prev);
    reply(command, id, "executing")
        .with_child(actions.with_child(element(next)))
        .with_children(note.map(Note::element))
        .with_child(form)
}

fn done(id: &str, command: &Command, result: &Value) -> Element {
    let outcome = outcome(command, result);
    let said = match result.as_array() {
        Some(list) => format!("{}: {}", command.title, list.len()),
        None => format!("{}: done.", command.title),
    };
    let cut = (outcome.left_out > 0)
        .then(|| Note::warn(format!("{} more entries do not fit here.", outcome.left_out)));
    reply(command, id, "completed")
        .with_child(Note::info(said).element())
        .with_children(cut.iter().map(Note::element))
        .with_child_opt(outcome.form)
}

fn failed(id: &str, command: &Command, reason: &str) -> Element {
    reply(command, id, "completed").with_child(Note::error(reason).element())
}

fn canceled(id: &str, command: &Command) -> Element {
    reply(command, id, "canceled")
}

fn reply(command: &Command, id: &str, status: &'static str) -> Element {
    element("command")
        .with_attr("node", command.name)
        .with_attr("sessionid", id)
        .with_attr("status", status)
}

fn element(name: &'static str) -> Element {
    Element::new(ns::COMMANDS, name)
}
