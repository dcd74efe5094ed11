//! `password` and `invite`: give a room another password, and tell it to those who invite people.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, conflict, invalid, unavailable};
use crate::app::clock::now;
use crate::app::rooms::{address, apply_reading, reveal, room};
use crate::control::{Answer, Failure, Typed};
use crate::jid::BareJid;
use crate::password::{judge, period_at};
use crate::policy::Rules;
use crate::policy::moderators::HostCode;
use crate::policy::notice::Notice;
use crate::policy::opinions::close::invitation;
use crate::policy::record::{Record, Source};
use crate::policy::room_name::Invitations;
use crate::policy::verdict::NewPassword;
use crate::schema;
use crate::secret::Secret;
use crate::wire::room::{LiveRoom, reveal as ask};

/// The longest password, in characters.
const LONGEST: usize = 256;

verb! {
    /// Give a room another password; the moderators inside are told it
    ///
    /// Others who come in have to type it, unless `password.ask_again` is off.
    Password("password", "Password", Duty, Reversible) -> PasswordChanged {
        room,
        /// Password; without one, a new one is made
        #[arg(skip)]
        #[schemars(with = "Option<schema::Hidden>")]
        pub password: Option<Typed>,
    }
    |it, call| call.password(&it.room, it.password.map(|typed| typed.0)).await
}

verb! {
    /// Make an invitation to a room, to pass on: link, password, telephone, and what to expect at the door
    ///
    /// The password is in it where the moderators of the room may see it (`password.show_to_moderators`).
    Invite("invite", "Invitation", Duty, Reversible) -> Invited {
        room,
        /// Language of the text, like de, instead of that of the file
        #[arg(long, value_name = "LANGUAGE")]
        pub language: Option<String>,
    }
    |it, call| call.invite(&it.room, it.language.as_deref()).await
}

verb! {
    /// Print the host code of a room, which makes the person who types it a moderator
    ///
    /// It is typed where the password is asked for. An invitation never contains it.
    Code("code", "Host code", Duty, Reversible) -> CodeTold {
        room,
    }
    |it, call| call.code(&it.room).await
}

/// The host code of a room.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CodeTold {
    /// Bare JID of the room.
    pub room: String,
    /// Host code (`moderators.code`).
    pub code: String,
}

impl Answer for CodeTold {
    fn words(&self) -> String {
        self.code.clone()
    }
}

/// An invitation to a room.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Invited {
    /// Bare JID of the room.
    pub room: String,
    /// Link to the room: `link` of its `[[service]]`, or an XMPP address; on Jitsi without a `link` the meeting's name.
    pub link: String,
    /// Text to pass on, of several lines.
    pub text: String,
    /// Whether the password of the room is in the text.
    pub password: bool,
}

impl Answer for Invited {
    fn words(&self) -> String {
        self.text.clone()
    }
}

/// The result of a password change. It never contains the password.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PasswordChanged {
    /// Bare JID of the room.
    pub room: String,
    /// Source of the password: `creator` if it was given, or else `generated`, `preset` or `derived`.
    pub source: String,
    /// Whether the moderators inside are told the password.
    pub told: bool,
    /// The room's `lobby.admission`, if it does not ask for a password; null: it does.
    pub unasked: Option<String>,
}

impl Answer for PasswordChanged {
    fn words(&self) -> String {
        let told = match self.told {
            true => "its moderators are told",
            false => "nobody is told, as the file says",
        };
        let mut lines = vec![format!("{} has another password: {told}", self.room)];
        lines.extend(self.unasked.as_ref().map(|admission| {
            let how = format!("people come in by `lobby.admission = \"{admission}\"`");
            format!("  nothing asks for it there: {how}")
        }));
        lines.join("\n")
    }
}

impl Call<'_> {
    /// Returns an invitation to a room, in the first language that has texts.
    async fn invite(&self, name: &str, language: Option<&str>) -> Result<Invited, Failure> {
        let jid = address(name)?;
        let live = reveal(&self.shared, &jid).await?;
        let engine = self.shared.engine();
        let policy = engine.policy();
        let rules = engine.live().rules_at(policy, &live);
        let invitations = policy.invitations.get(jid.domain()).cloned().unwrap_or_default();
        let lines = invitation(&rules, &live.view, &invitations, now());
        let link = invitations.link_to(&jid);
        let invitations = Invitations { link: link.clone(), ..invitations };
        let password = live.password.as_ref().filter(|_| lines.contains(&Notice::InvitePassword));
        let is_told = |line: &&Notice| password.is_some() || **line != Notice::InvitePassword;
        let lines = lines.iter().filter(is_told).map(|line| {
            let line = invitations.fill(&policy.texts.notice(*line, language).text);
            line.replace("{password}", password.map(Secret::expose).unwrap_or_default())
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        Ok(Invited { room: jid.to_string(), link, text, password: password.is_some() })
    }

    /// Returns the host code of a room, where it has one that counts.
    async fn code(&self, name: &str) -> Result<CodeTold, Failure> {
        let jid = address(name)?;
        let live = reveal(&self.shared, &jid).await?;
        let engine = self.shared.engine();
        let rules = engine.live().rules_at(engine.policy(), &live);
        let is_on = rules.moderators.code.value != HostCode::Nowhere;
        let code = live.code.as_ref().filter(|_| is_on && !rules.moderators.by_room);
        let code = code
            .ok_or_else(|| conflict("this room has no host code (`moderators.code`)".to_owned()))?;
        Ok(CodeTold { room: jid.to_string(), code: code.expose().to_owned() })
    }

    /// Gives a room this password, or one that the policy makes. The reply never contains it; the moderators inside are
    /// shown it if the room's rules say so.
    async fn password(
        &self,
        name: &str,
        typed: Option<Secret>,
    ) -> Result<PasswordChanged, Failure> {
        let jid = address(name)?;
        let live = room(&self.shared, &jid, None).await?;
        let rules = {
            let engine = self.shared.engine();
            engine.live().rules_at(engine.policy(), &live)
        };
        let (new, source) = match &typed {
            Some(typed) => {
                self.is_good(typed, &jid, &rules).await?;
                (NewPassword::Typed, Source::Creator)
            }
            None => {
                let source = source(&rules, &live).map_err(conflict)?;
                (NewPassword::Made(source), source)
            }
        };
        let admission = rules.lobby.admission.value;
        let is_chosen = |record: &Record| record.password == Some(Source::Creator);
        let change = |live: &LiveRoom| {
            let record = live.view.record.clone();
            // Where the policy asks for no password, that of a person is asked for, and so is what takes its place.
            let was_chosen = !admission.has_password() && record.as_ref().is_some_and(is_chosen);
            let kept = if was_chosen { Source::Creator } else { source };
            let effects = rules.password.changed(record, new, kept);
            let is_asked =
                admission.has_password() || effects.record.as_ref().is_none_or(is_chosen);
            (effects, Vec::new(), is_asked)
        };
        let (_, is_asked) =
            apply_reading(&self.shared, &jid, || ask(&jid), typed.as_ref(), change).await?;
        let unasked = (!is_asked).then(|| admission.name().to_owned());
        let (room, source) = (jid.to_string(), source.name().to_owned());
        Ok(PasswordChanged { room, source, told: rules.password.show_to_moderators.value, unasked })
    }

    /// Checks that a typed password is as strong as a moderator's has to be.
    async fn is_good(
        &self,
        typed: &Secret,
        room: &BareJid,
        rules: &Arc<Rules>,
    ) -> Result<(), Failure> {
        let text = typed.expose();
        if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            return Err(invalid(format!(
                "a password is at most {LONGEST} characters, without control characters"
            )));
        }
        let strength = tokio::task::spawn_blocking({
            let (typed, room, rules) = (typed.clone(), room.clone(), Arc::clone(rules));
            move || judge(&typed, &room, &rules.password.deny_list.value)
        });
        let strength = strength.await.map_err(unavailable)?;
        match rules.password.weakness(strength) {
            None => Ok(()),
            Some((rule, denial)) => Err(invalid(format!(
                "{} ({}, line {})",
                self.shared.engine().policy().texts.denial(denial, None).text,
                rule.name,
                rule.line
            ))),
        }
    }
}

/// Returns the source of another password.
///
/// # Errors
/// The room needs no password, or the new one would be the same.
fn source(rules: &Rules, live: &LiveRoom) -> Result<Source, String> {
    let settings = &rules.password;
    if !live.view.has_password && !settings.required.value {
        return Err(
            "this room has no password, and the file asks for none there (`password.required = false`): \
             `vestibule set-password` gives it one"
                .to_owned(),
        );
    }
    let record = live.view.record.as_ref();
    let is_from =
        |source| live.view.has_password && record.is_some_and(|it| it.password == Some(source));
    let same = "set one yourself, or change the file";
    match settings.source.value {
        // No creator is present who could be asked for one.
        Source::Creator | Source::Generated => Ok(Source::Generated),
        Source::Preset if is_from(Source::Preset) => Err(format!(
            "the password of this room stands in the file, and would be the same again: {same}"
        )),
        Source::Derived if is_from(Source::Derived) => {
            let period = |at| period_at(settings.period.value, at);
            if record.is_some_and(|record| period(record.opened) == period(now())) {
                return Err(format!(
                    "the password of this room is derived, and would be the same again: {same}"
                ));
            }
            Ok(Source::Derived)
        }
        source @ (Source::Preset | Source::Derived) => Ok(source),
    }
}
