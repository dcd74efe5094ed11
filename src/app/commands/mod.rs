//! The operator commands. Each is declared once, in one `verb!` ([`Verb`]). Everything else is made from that: its form
//! on the command line, its help, its request on the socket, its HTTP route, its part of `docs/openapi.json`, its
//! ad-hoc form, its form on the page and its entry in the audit.

/// Declares a command: description, name, title, required role, impact, reply, arguments and implementation. `room`
/// before the arguments: it is about one room; `whom`: about people of one. `local`: it is for the control socket only.
/// `addresses`: returns the addresses among its arguments.
macro_rules! verb {
    ($(#[$about:meta])* $name:ident $row:tt -> $reply:ty { room $(, $($fields:tt)*)? } $($run:tt)*) => {
        verb! {
            $(#[$about])* $name $row -> $reply {
                /// The room's address
                ///
                /// Its name alone is enough where the file names one service.
                #[arg(allow_hyphen_values = true)]
                #[schemars(with = "crate::schema::Room")]
                pub room: String,
                $($($fields)*)?
            }
            addresses |it| vec![&it.room];
            $($run)*
        }
    };
    ($(#[$about:meta])* $name:ident $row:tt -> $reply:ty { whom $(, $($fields:tt)*)? } $($run:tt)*) => {
        verb! {
            $(#[$about])* $name $row -> $reply {
                /// People it is about
                #[command(flatten)]
                #[serde(flatten)]
                pub whom: crate::app::commands::people::Whom,
                $($($fields)*)?
            }
            addresses |it| it.whom.addresses();
            $($run)*
        }
    };
    (
        $(#[$about:meta])*
        $name:ident($word:literal, $title:literal, $role:ident, $impact:ident $(, $local:ident)?) -> $reply:ty {
            $($fields:tt)*
        }
        $(addresses $addresses:expr;)?
        |$it:pat_param, $call:pat_param| $run:expr
    ) => {
        $(#[$about])*
        #[derive(
            Clone, Debug, Default, serde::Serialize, serde::Deserialize, clap::Args, schemars::JsonSchema,
        )]
        pub struct $name {
            $($fields)*
        }

        impl crate::app::commands::Verb for $name {
            const NAME: &'static str = $word;
            const TITLE: &'static str = $title;
            const ROLE: crate::config::Role = crate::config::Role::$role;
            const IMPACT: crate::control::Impact = crate::control::Impact::$impact;
            $(const IS_LOCAL: bool = !stringify!($local).is_empty();)?
            type Reply = $reply;

            $(fn addresses(&self) -> Vec<&str> {
                let addresses: fn(&Self) -> Vec<&str> = $addresses;
                addresses(self)
            })?

            async fn run(
                self,
                $call: &crate::app::commands::Call<'_>,
            ) -> Result<$reply, crate::control::Failure> {
                let $it = self;
                $run
            }
        }
    };
}

mod audited;
mod bans;
mod crowd;
mod explain;
pub(super) mod incident;
pub(super) mod listing;
mod log;
mod outcome;
mod password;
mod people;
mod person;
mod policy;
mod rooms;
mod status;
mod suspend;
mod targets;

use std::sync::LazyLock;

use clap::{ArgMatches, Args, FromArgMatches, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::audited::Deed;
pub use self::bans::{Ban, Bans, Unban};
pub use self::explain::{Explain, Explained, Why};
pub use self::incident::Incident;
pub use self::listing::{Room, Rooms};
pub use self::log::{Entries, Log, line};
pub use self::password::{Code, Invite, Password};
pub use self::people::{Admit, Hold, Reject, Remove};
pub use self::person::{Erasure, Kept, PersonErase, PersonExport, called, unreadable};
pub use self::policy::{Plan, Reload};
pub use self::rooms::{Close, End, EndMany, Reopen, Say};
pub use self::status::{Doctor, Page, ReopenLog, Session, Status};
pub use self::suspend::{Resume, Suspend};
use super::{Shared, addresses};
use crate::app::rooms::RoomError;
use crate::config::Role;
use crate::control::{
    Answer, Caller, Command, Failure, FailureKind, Handler, Impact, Reply, Request,
};

/// A command: the type of its arguments. The first paragraph of its docstring describes the command, that of a field is
/// the label of the argument.
pub trait Verb: Args + Serialize + DeserializeOwned + JsonSchema + Default + Send {
    /// Name of the command: the request's `do`, the word of the command line, the path in the API, the ad-hoc node.
    const NAME: &'static str;
    /// Short title for a button or a list.
    const TITLE: &'static str;
    /// Lowest role that may give it.
    const ROLE: Role;
    /// Whether it changes anything, and whether that can be undone.
    const IMPACT: Impact;
    /// Whether it is for the control socket only; no other interface shows it.
    const IS_LOCAL: bool = false;
    /// The type of its reply.
    type Reply: Answer;

    /// Returns the addresses among the arguments, as typed: the server prepares them as well before the command runs.
    fn addresses(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Carries out the command.
    fn run(self, call: &Call<'_>) -> impl Future<Output = Result<Self::Reply, Failure>> + Send;
}

/// Makes the table of commands for the interfaces, and the dispatch of requests. The `given` commands have their
/// declared arguments on the command line; `src/cli` has its own form of the others.
macro_rules! commands {
    (given { $($given:ident),* $(,)? } others { $($other:ident),* $(,)? }) => {
        static COMMANDS: LazyLock<Vec<Command>> = LazyLock::new(|| {
            let mut all = vec![$(table_entry::<$given>(),)* $(table_entry::<$other>(),)*];
            all.sort_by_key(|command| command.impact != Impact::ReadOnly);
            all
        });

        const GIVEN: &[Form] = &[$(Form::of::<$given>()),*];

        async fn dispatch(request: Request, call: &Call<'_>) -> Result<Value, Failure> {
            match request.name() {
                $(<$given as Verb>::NAME => carry_out::<$given>(request, call).await,)*
                $(<$other as Verb>::NAME => carry_out::<$other>(request, call).await,)*
                other => Err(unavailable(format!("nobody carries out `{other}`"))),
            }
        }
    };
}

commands! {
    given {
        Rooms, Room, Why, Bans, Close, Suspend, Resume, End, Admit, Reject, Remove, Hold, Ban, Unban, Say,
        Invite, Code, EndMany,
    }
    others {
        Status, Doctor, Log, Explain, Reopen, Password, Incident, Plan, Reload, Page, ReopenLog, PersonExport, PersonErase,
    }
}

/// Returns every command, those that only read first.
pub fn commands() -> &'static [Command] {
    &COMMANDS
}

/// Makes the request of a command with these arguments.
///
/// # Errors
/// The arguments do not fit together, which is a mistake in the declaration.
pub fn request<V: Verb>(arguments: &V) -> Result<Request, Failure> {
    let command = COMMANDS.iter().find(|command| command.name == V::NAME);
    let command = command.ok_or_else(|| unavailable(format!("no command `{}`", V::NAME)))?;
    match serde_json::to_value(arguments) {
        Ok(Value::Object(values)) => command.request(values),
        Ok(_) => Err(unavailable("the arguments are no object")),
        Err(error) => Err(unavailable(error)),
    }
}

fn table_entry<V: Verb>() -> Command {
    Command::new::<V, V::Reply>((V::NAME, V::TITLE), V::ROLE, V::IMPACT, V::IS_LOCAL)
}

async fn carry_out<V: Verb>(request: Request, call: &Call<'_>) -> Result<Value, Failure> {
    let verb: V = request.parse()?;
    for address in verb.addresses() {
        addresses::confirm(&call.shared, address).await?;
    }
    serde_json::to_value(verb.run(call).await?).map_err(unavailable)
}

/// The form of a command on the command line.
struct Form {
    name: &'static str,
    command: fn() -> clap::Command,
    read: fn(&ArgMatches) -> Result<Result<Request, Failure>, clap::Error>,
}

impl Form {
    const fn of<V: Verb>() -> Self {
        Self {
            name: V::NAME,
            command: || {
                let command = V::augment_args(clap::Command::new(V::NAME));
                match V::IMPACT {
                    Impact::Irreversible => command.arg(clap::arg!(-y --yes "Do not ask again")),
                    Impact::ReadOnly | Impact::Reversible => command,
                }
            },
            read: |matches| V::from_arg_matches(matches).map(|verb| request(&verb)),
        }
    }
}

/// A command given on the command line.
#[derive(Debug)]
pub struct Given {
    /// The request, or why the arguments are invalid.
    pub request: Result<Request, Failure>,
    /// Whether `--yes` was given, so that no confirmation is asked for.
    pub is_confirmed: bool,
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let form = GIVEN.iter().find(|form| form.name == name).ok_or_else(missing)?;
        let is_confirmed = matches.try_get_one("yes").ok().flatten().copied().unwrap_or(false);
        Ok(Self { request: (form.read)(matches)?, is_confirmed })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Given {
    fn augment_subcommands(app: clap::Command) -> clap::Command {
        app.subcommands(GIVEN.iter().map(|form| (form.command)()))
    }

    fn augment_subcommands_for_update(app: clap::Command) -> clap::Command {
        Self::augment_subcommands(app)
    }

    fn has_subcommand(name: &str) -> bool {
        GIVEN.iter().any(|form| form.name == name)
    }
}

/// The implementation of the operator commands.
#[derive(Debug)]
pub struct Operator {
    shared: Shared,
}

/// A command that is being carried out, and its caller.
#[derive(Debug)]
pub struct Call<'a> {
    operator: &'a Operator,
    caller: &'a Caller,
    deed: &'a Deed,
}

impl std::ops::Deref for Call<'_> {
    type Target = Operator;

    fn deref(&self) -> &Operator {
        self.operator
    }
}

impl Operator {
    pub(super) const fn new(shared: Shared) -> Self {
        Self { shared }
    }

    pub(super) const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Returns the address of a room of which only the name was given, if the component has one service only.
    fn whole_room(&self, name: &str) -> Option<String> {
        let engine = self.shared.engine();
        let mut services = engine.services().map(|(service, _)| service);
        let only = services.next().filter(|_| services.next().is_none())?;
        (!name.contains('@') && name != only).then(|| format!("{name}@{only}"))
    }
}

impl Handler for Operator {
    fn commands(&self) -> &'static [Command] {
        commands()
    }

    async fn handle(&self, caller: &Caller, request: Request) -> Reply {
        let request = request.with_room(|room| self.whole_room(room));
        let deed = Deed::new(caller, &request);
        let call = Call { operator: self, caller, deed: &deed };
        let outcome = match request.command().authorise(caller) {
            Ok(()) => dispatch(request, &call).await,
            Err(forbidden) => Err(forbidden),
        };
        self.shared.metrics.command(caller.face, outcome.is_ok());
        self.write_down(deed, outcome.as_ref());
        match outcome {
            Ok(value) => Reply::Done(value),
            Err(failure) => Reply::Failed(failure),
        }
    }
}

impl From<RoomError> for Failure {
    fn from(error: RoomError) -> Self {
        let kind = match &error {
            RoomError::Address(..)
            | RoomError::NoService(_)
            | RoomError::Person(..)
            | RoomError::Service(_)
            | RoomError::Breakout(..) => FailureKind::Invalid,
            RoomError::None(_) => FailureKind::NotFound,
            RoomError::Busy | RoomError::Before(_) | RoomError::Unmet(_) => FailureKind::Conflict,
            RoomError::Nonsense
            | RoomError::Outdated
            | RoomError::Password(_)
            | RoomError::Gate(_) => FailureKind::Unavailable,
        };
        Self::new(kind, error)
    }
}

pub(super) fn invalid(reason: impl ToString) -> Failure {
    Failure::new(FailureKind::Invalid, reason)
}

pub(super) fn conflict(reason: impl ToString) -> Failure {
    Failure::new(FailureKind::Conflict, reason)
}

pub(super) fn not_found(reason: impl ToString) -> Failure {
    Failure::new(FailureKind::NotFound, reason)
}

pub(super) fn unavailable(reason: impl ToString) -> Failure {
    Failure::new(FailureKind::Unavailable, reason)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::control::{FailureKind, Field, FieldKind, Interface};

    /// Returns a valid value of this type.
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
        let value = |field: &Field| match field.name {
            "address" => "192.0.2.7".into(),
            _ => sample(field.kind),
        };
        fields.map(|field| (field.name.to_owned(), value(field))).collect()
    }

    fn named(name: &str) -> &'static Command {
        Command::named(commands(), name).unwrap()
    }

    #[test]
    fn each_command_takes_all_its_fields_or_the_required_ones() {
        for command in commands() {
            assert!(!command.about.is_empty(), "{}", command.name);
            for only_required in [false, true] {
                let request = command.request(filled(command, only_required)).unwrap();
                assert_eq!(request.name(), command.name);
                for (name, value) in filled(command, only_required) {
                    assert_eq!(request.arguments()[&name], value, "{}", command.name);
                }
            }
        }
    }

    #[test]
    fn a_request_is_read_from_the_socket_as_it_was_sent() {
        for command in commands() {
            let sent = command.request(filled(command, false)).unwrap();
            let read = serde_json::from_value(serde_json::to_value(&sent).unwrap()).unwrap();
            let read = Request::read(commands(), read).unwrap();
            assert_eq!((read.name(), read.arguments()), (sent.name(), sent.arguments()));
        }
    }

    #[test]
    fn the_fields_of_a_form_are_in_the_order_of_the_declaration() {
        let of = |name| named(name).fields.iter().map(|it| (it.name, it.label)).collect::<Vec<_>>();
        assert_eq!(
            of("suspend"),
            [("room", "The room's address"), ("reason", "What those inside are told in addition")]
        );
        let remove: Vec<_> = of("remove").into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            remove.join(" "),
            "room jid all since match class network dry_run moderators reason keep_out_for"
        );
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let reason = |values: Value| {
            let failure = named("close").request(values.as_object().unwrap().clone()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Invalid);
            failure.reason
        };
        assert_eq!(reason(json!({})), "`close` needs `room`");
        assert_eq!(
            reason(json!({"room": "a@b.example", "roam": "x"})),
            "`close` takes no `roam`; it takes room"
        );
    }

    #[test]
    fn a_role_may_do_what_those_before_it_may_and_no_more() {
        for command in commands() {
            for role in Role::ALL {
                let caller = |face| Caller { face, name: "ann".to_owned(), role };
                let may = role >= command.role;
                assert_eq!(command.authorise(&caller(Interface::CommandLine)).is_ok(), may);
                let may = may && !command.is_local;
                assert_eq!(command.authorise(&caller(Interface::Http)).is_ok(), may);
            }
        }
    }
}
