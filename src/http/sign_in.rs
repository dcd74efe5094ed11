//! `/sign-in`: how a browser gets into the page without a token, by a proxy or at an OpenID Connect provider.
//!
//! A sign-in at the provider begins at `/sign-in/oidc`, which keeps what it has to be compared with, and ends once at
//! `/sign-in/callback` in the same browser, with a session. What the provider's answer comes to is told by a word in the
//! address of the page, which fetches the sentence for it: nothing that stands in an address is shown.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State as Of};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::access::{
    Access, SESSION, SESSION_COOKIE, SignedIn, Unproved, cookie, is_of_page, new_token, the_only,
};
use super::api::{ApiBackend, Known};
use super::oidc::{Failed, Provider};
use super::router::{Refused, State};
use crate::config::Oidc;
use crate::secret::Secret;

/// How long a sign-in at the provider may take.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Most sign-ins under way; one more ends the oldest.
const UNDER_WAY: usize = 1024;
/// Most answers of the provider that are verified at a time.
const AT_ONCE: usize = 8;
/// Cookie of a browser that is at the provider.
const UNDER_WAY_COOKIE: &str = "__Host-vestibule-sign-in";

names! {
    /// Why a sign-in at the provider did not succeed, as the page's address has it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Refusal {
        /// The provider does not answer.
        Unreachable = "unreachable",
        /// The answer belongs to no sign-in of this browser.
        Expired = "expired",
        /// The provider, or the person, did not go through with it.
        Cancelled = "cancelled",
        /// What the provider answered is not proved.
        Invalid = "invalid",
        /// The claim that is to be the name is missing.
        Nameless = "nameless",
        /// The address that is to be the name is not verified.
        Unverified = "unverified",
        /// The person is not listed in the file.
        Unlisted = "unlisted",
        /// Too many are signing in.
        Busy = "busy",
    }
}

impl Refusal {
    /// Returns the sentence for the person who tried.
    const fn words(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "The sign-in service does not answer. Try again in a moment, or sign in with a \
                 token. Meetings are not affected."
            }
            Self::Expired => {
                "This sign-in took too long, was used already, or began in another browser. Sign \
                 in again."
            }
            Self::Cancelled => "The sign-in service did not sign you in.",
            Self::Invalid => {
                "The answer of the sign-in service could not be verified. An operator finds the \
                 reason in the log."
            }
            Self::Nameless => {
                "The sign-in service did not say who you are. An operator finds what is missing in \
                 the log."
            }
            Self::Unverified => {
                "Your e-mail address is not verified at the sign-in service. Verify it there, and \
                 sign in again."
            }
            Self::Unlisted => {
                "You are signed in at the sign-in service, but are not listed here. An operator \
                 can add you; your name is in the log."
            }
            Self::Busy => "Many people are signing in. Try again in a moment.",
        }
    }
}

/// Who the browser is signed in as without a token, and how it can be.
#[derive(JsonSchema, Serialize)]
pub(super) struct Ways {
    /// The caller; null if nobody is signed in.
    caller: Option<Known>,
    /// Why the last attempt failed.
    reason: Option<String>,
    /// Whether a session of this page can be ended here; a proxy's cannot.
    ends_here: bool,
    /// The provider at which people sign in; null for none.
    provider: Option<String>,
}

/// Returns who the browser is signed in as without a token, and how it can be.
pub(super) async fn ways<S: ApiBackend>(
    Of(state): Of<State<S>>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
) -> Json<Ways> {
    let found = SignedIn::found(&state.access, &headers);
    let refusal = query.iter().find(|(name, _)| name == "refused");
    let refusal = refusal
        .and_then(|(_, word)| Refusal::ALL.into_iter().find(|refusal| refusal.name() == *word));
    let provider = state.access.oidc();
    let ends_here = matches!(&found, Ok(signed) if signed.proof.is_session());
    let (caller, reason) = match found {
        Ok(SignedIn { caller, .. }) => (Some(caller.into()), None),
        Err(Unproved::Nothing) => (None, None),
        Err(why) => (None, Some(why.reason())),
    };
    Json(Ways {
        caller,
        reason: refusal.map(|refusal| refusal.words().to_owned()).or(reason),
        ends_here,
        provider: provider.and_then(|oidc| oidc.issuer.url().host_str().map(str::to_owned)),
    })
}

/// Sign-ins at the provider that have begun and not ended.
#[derive(Debug)]
pub(super) struct SignIns {
    under_way: Mutex<VecDeque<UnderWay>>,
    provider: Provider,
    slots: Semaphore,
}

impl Default for SignIns {
    fn default() -> Self {
        Self {
            under_way: Mutex::default(),
            provider: Provider::default(),
            slots: Semaphore::new(AT_ONCE),
        }
    }
}

/// A sign-in that has begun: what its end is compared with.
#[derive(Debug)]
struct UnderWay {
    state: Secret,
    browser: Secret,
    nonce: Secret,
    verifier: Secret,
    begun: Instant,
}

impl SignIns {
    fn begin(&self) -> Result<UnderWay, getrandom::Error> {
        Ok(UnderWay {
            state: new_token()?,
            browser: new_token()?,
            nonce: new_token()?,
            verifier: new_token()?,
            begun: Instant::now(),
        })
    }

    fn keep(&self, sign_in: UnderWay) {
        let mut under_way = self.under_way.lock();
        under_way.retain(|other| other.begun.elapsed() < PATIENCE);
        if under_way.len() >= UNDER_WAY {
            under_way.pop_front();
        }
        under_way.push_back(sign_in);
    }

    /// Takes out the sign-in of that state, and returns it if it is this browser's and in time.
    fn take(&self, state: &Secret, browser: &Secret) -> Option<UnderWay> {
        let mut under_way = self.under_way.lock();
        let at = under_way.iter().position(|sign_in| sign_in.state == *state)?;
        let sign_in = under_way.remove(at)?;
        (sign_in.browser == *browser && sign_in.begun.elapsed() < PATIENCE).then_some(sign_in)
    }
}

/// Sends the browser to the provider.
pub(super) async fn begin<S: ApiBackend>(
    Of(state): Of<State<S>>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let Some(oidc) = state.access.oidc() else { return nothing_here() };
    // The provider sends the browser back to the public address, where a cookie of another name is not seen.
    let is_public = the_only(&headers, "host").is_some_and(|host| is_authority(&oidc, host));
    if !is_public && query.is_empty() {
        return redirect(&format!("{}sign-in/oidc?moved", oidc.public_url), &[]);
    }
    let sign_ins = &state.sign_ins;
    let Ok(_slot) = sign_ins.slots.try_acquire() else { return refuse(Refusal::Busy) };
    let Ok(sign_in) = sign_ins.begin() else { return refuse(Refusal::Busy) };
    let url =
        sign_ins.provider.address(&oidc, &sign_in.state, &sign_in.nonce, &sign_in.verifier).await;
    match url {
        Ok(url) => {
            let cookie = set_cookie(UNDER_WAY_COOKIE, sign_in.browser.expose(), "Lax", PATIENCE);
            sign_ins.keep(sign_in);
            redirect(url.as_str(), &[cookie])
        }
        Err(failed) => failure(&failed),
    }
}

/// Ends a sign-in: the browser comes back from the provider.
pub(super) async fn end<S: ApiBackend>(
    Of(state): Of<State<S>>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let Some(oidc) = state.access.oidc() else { return nothing_here() };
    let field = |name: &str| {
        let mut values = query.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    };
    let browser = cookie(&headers, UNDER_WAY_COOKIE).unwrap_or_default();
    let state_given = Secret::new(field("state").map_or("", String::as_str));
    let Some(sign_in) = state.sign_ins.take(&state_given, &Secret::new(browser)) else {
        return refuse(Refusal::Expired);
    };
    // The provider names itself, so that the answer of another one is not taken for its own (RFC 9207).
    if field("iss").is_some_and(|issuer| *issuer != *oidc.issuer) {
        tracing::warn!("the answer to a sign-in names another provider");
        return refuse(Refusal::Invalid);
    }
    let Some(code) = field("code") else { return refuse(Refusal::Cancelled) };
    let Ok(_slot) = state.sign_ins.slots.try_acquire() else { return refuse(Refusal::Busy) };
    let provider = &state.sign_ins.provider;
    let person = match provider.person(&oidc, code, &sign_in.nonce, &sign_in.verifier).await {
        Ok(person) => person,
        Err(failed) => return failure(&failed),
    };
    let name = person.name.clone();
    let Some(role) = state.access.role_of_member(&person) else {
        tracing::warn!(
            name,
            groups = ?person.groups,
            "a person signed in who has no role: see `sign_in` of [[admin.person]] and [admin.oidc.groups]"
        );
        return refuse(Refusal::Unlisted);
    };
    let Ok(token) = state.access.begin_session(person) else { return refuse(Refusal::Busy) };
    tracing::info!(name, role = role.name(), "a person signed in to the page");
    let session = set_cookie(SESSION_COOKIE, token.expose(), "Strict", SESSION);
    redirect("/#/rooms", &[session, no_cookie(UNDER_WAY_COOKIE)])
}

/// Ends the session of the browser.
pub(super) async fn out<S: ApiBackend>(
    Of(state): Of<State<S>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if !is_of_page(&headers) {
        let reason = Unproved::NotThePage.reason();
        return Err(Refused::with(StatusCode::FORBIDDEN, &reason));
    }
    if let Some(token) = cookie(&headers, SESSION_COOKIE) {
        state.access.end_session(token);
    }
    let ended = [(SET_COOKIE, no_cookie(SESSION_COOKIE))];
    Ok((StatusCode::NO_CONTENT, ended).into_response())
}

impl Access {
    /// Returns the provider of the file.
    pub(super) fn oidc(&self) -> Option<Oidc> {
        self.read(|admin| admin.oidc.clone())
    }
}

/// Returns whether a `Host` header is the page's public address.
fn is_authority(oidc: &Oidc, host: &str) -> bool {
    // A proxy may have left the port out.
    let url = &oidc.public_url;
    let name = url.host_str().unwrap_or_default();
    let with_port = url.port().map(|port| format!("{name}:{port}"));
    host.eq_ignore_ascii_case(name) || with_port.is_some_and(|it| host.eq_ignore_ascii_case(&it))
}

fn nothing_here() -> Response {
    Refused::with(StatusCode::NOT_FOUND, "there is nothing here").into_response()
}

fn failure(failed: &Failed) -> Response {
    tracing::warn!(reason = %failed, "a person could not sign in");
    refuse(match failed {
        Failed::Unreachable(_) => Refusal::Unreachable,
        Failed::Invalid(_) => Refusal::Invalid,
        Failed::Nameless(_) => Refusal::Nameless,
        Failed::Unverified => Refusal::Unverified,
    })
}

/// Sends the browser back to the page, which shows why.
fn refuse(refusal: Refusal) -> Response {
    redirect(&format!("/#refused={}", refusal.name()), &[no_cookie(UNDER_WAY_COOKIE)])
}

fn redirect(to: &str, cookies: &[HeaderValue]) -> Response {
    let Ok(to) = HeaderValue::from_str(to) else { return nothing_here() };
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(LOCATION, to);
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    response
}

/// Returns the header of a cookie that scripts do not see, and that is sent only here, and encrypted.
fn set_cookie(name: &str, value: &str, same_site: &str, lasts: Duration) -> HeaderValue {
    let lasts = lasts.as_secs();
    let cookie =
        format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={lasts}");
    let mut cookie =
        HeaderValue::from_str(&cookie).unwrap_or_else(|_| HeaderValue::from_static(""));
    cookie.set_sensitive(true);
    cookie
}

fn no_cookie(name: &str) -> HeaderValue {
    set_cookie(name, "", "Strict", Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sign_in_ends_once_in_its_own_browser_and_in_time() {
        let sign_ins = SignIns::default();
        let begin = || {
            let sign_in = sign_ins.begin().unwrap();
            let keys = (sign_in.state.clone(), sign_in.browser.clone());
            sign_ins.keep(sign_in);
            keys
        };
        let (state, browser) = begin();
        assert!(sign_ins.take(&state, &browser).is_some());
        assert!(sign_ins.take(&state, &browser).is_none(), "it was used");
        let (state, browser) = begin();
        let (other, _) = begin();
        assert!(sign_ins.take(&other, &browser).is_none(), "it is another browser's");
        assert!(sign_ins.take(&Secret::new(""), &Secret::new("")).is_none());
        tokio::time::advance(PATIENCE).await;
        assert!(sign_ins.take(&state, &browser).is_none(), "it is too late");
        let (first, browser) = begin();
        (0..UNDER_WAY).for_each(|_| drop(begin()));
        assert_eq!(sign_ins.under_way.lock().len(), UNDER_WAY);
        assert!(sign_ins.take(&first, &browser).is_none(), "there were too many after it");
    }
}
