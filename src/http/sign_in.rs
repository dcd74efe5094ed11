//! `/sign-in`: how a browser gets into the page without a token, by a proxy or at an OpenID Connect provider.
//!
//! A sign-in at the provider begins at `/sign-in/oidc`, and ends once at `/sign-in/callback` in the same browser, with a
//! session. What its end is compared with is derived from a cookie of that browser, so that no number of sign-ins that begin
//! ends another one. What the provider's answer comes to is told by a word in the
//! address of the page, which fetches the sentence for it: nothing that stands in an address is shown.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State as Of};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::access::{
    Access, Digest, SESSION, SESSION_COOKIE, SignedIn, Unproved, cookie, is_of_page, the_only,
};
use super::api::{ApiBackend, Known};
use super::oidc::{Failed, Provider};
use super::router::{Refused, State};
use crate::config::{Oidc, Visible};
use crate::secret::Secret;

/// How long a sign-in at the provider may take.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Most sign-ins that are remembered as ended. If the oldest is forgotten, its code is still good only once at the provider.
const ENDED: usize = 1024;
/// Most sign-ins that begin at a time, and most answers of the provider that are verified at a time.
const AT_ONCE: usize = 8;
/// How long a sign-in, or an answer of the provider, waits until it is its turn.
const TURN: Duration = Duration::from_secs(5);
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

/// Sign-ins at the provider.
#[derive(Debug)]
pub(super) struct SignIns {
    key: OnceLock<Secret>,
    started: Instant,
    ended: Mutex<VecDeque<(Secret, Instant)>>,
    provider: Provider,
    /// Apart from the answers: each of these may take long, and anyone may send many.
    beginning: Semaphore,
    slots: Semaphore,
}

impl Default for SignIns {
    fn default() -> Self {
        Self {
            key: OnceLock::new(),
            started: Instant::now(),
            ended: Mutex::default(),
            provider: Provider::default(),
            beginning: Semaphore::new(AT_ONCE),
            slots: Semaphore::new(AT_ONCE),
        }
    }
}

/// A sign-in that has begun. All but the cookie is derived from the cookie, with a key that only this process has.
#[derive(Debug)]
struct UnderWay {
    /// When it began (seconds after [`SignIns::started`]), a random number, and the digest of the browser's former session.
    cookie: Secret,
    state: Secret,
    nonce: Secret,
    verifier: Secret,
}

impl UnderWay {
    fn of(key: &Secret, cookie: &str) -> Option<Self> {
        let derived = |label: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).ok()?;
            mac.update(format!("{label}.{cookie}").as_bytes());
            Some(Secret::new(hex::encode(mac.finalize().into_bytes())))
        };
        Some(Self {
            cookie: Secret::new(cookie),
            state: derived("state")?,
            nonce: derived("nonce")?,
            verifier: derived("verifier")?,
        })
    }

    fn begun(&self) -> Option<Duration> {
        let seconds = self.cookie.expose().split('.').next()?;
        seconds.parse().ok().map(Duration::from_secs)
    }

    /// Returns the digest of the token of the session that the browser had when it began.
    fn former_session(&self) -> Option<Digest> {
        Digest::from_hex(self.cookie.expose().split('.').nth(2)?)
    }
}

impl SignIns {
    /// Begins a sign-in of a browser that has a session with this token. `None`: the system has no random numbers.
    fn begin(&self, session: Option<&str>) -> Option<UnderWay> {
        let key = match self.key.get() {
            Some(key) => key,
            None => {
                let fresh = Secret::random().ok()?;
                self.key.get_or_init(|| fresh)
            }
        };
        let begun = self.started.elapsed().as_secs();
        let former = session.map(|token| Digest::of(token).to_hex()).unwrap_or_default();
        UnderWay::of(key, &format!("{begun}.{}.{former}", Secret::random().ok()?.expose()))
    }

    /// Returns the sign-in of that state, if it is this browser's and in time.
    fn find(&self, state: &Secret, cookie: &str) -> Option<UnderWay> {
        let sign_in = UnderWay::of(self.key.get()?, cookie)?;
        if sign_in.state != *state {
            return None;
        }
        let age = self.started.elapsed().checked_sub(sign_in.begun()?)?;
        (age < PATIENCE).then_some(sign_in)
    }

    /// Ends a sign-in. Returns whether it had not ended before.
    fn ends(&self, sign_in: &UnderWay) -> bool {
        let mut ended = self.ended.lock();
        ended.retain(|(_, at)| at.elapsed() < PATIENCE);
        if ended.iter().any(|(state, _)| *state == sign_in.state) {
            return false;
        }
        if ended.len() >= ENDED {
            ended.pop_front();
        }
        ended.push_back((sign_in.state.clone(), Instant::now()));
        true
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
    let Ok(Ok(_slot)) = timeout(TURN, sign_ins.beginning.acquire()).await else {
        return refuse(Refusal::Busy);
    };
    let session = cookie(&headers, SESSION_COOKIE);
    let Some(sign_in) = sign_ins.begin(session) else { return refuse(Refusal::Busy) };
    let url =
        sign_ins.provider.address(&oidc, &sign_in.state, &sign_in.nonce, &sign_in.verifier).await;
    match url {
        Ok(url) => {
            let cookie = set_cookie(UNDER_WAY_COOKIE, sign_in.cookie.expose(), "Lax", PATIENCE);
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
    let values = |name: &'static str| query.iter().filter(move |(key, _)| key == name);
    let field =
        |name| values(name).map(|(_, value)| value).next().filter(|_| values(name).count() == 1);
    let browser = cookie(&headers, UNDER_WAY_COOKIE).unwrap_or_default();
    let state_given = Secret::new(field("state").map_or("", String::as_str));
    let sign_ins = &state.sign_ins;
    let Some(sign_in) = sign_ins.find(&state_given, browser) else {
        // It is none of this browser's, which another site's page may have led here: its own goes on.
        return redirect(&refused(Refusal::Expired), &[]);
    };
    // The provider names itself, so that the answer of another one is not taken for its own (RFC 9207).
    if values("iss").any(|(_, issuer)| *issuer != *oidc.issuer) {
        tracing::warn!("the answer to a sign-in names another provider");
        return refuse(Refusal::Invalid);
    }
    let Some(code) = field("code") else { return refuse(Refusal::Cancelled) };
    let Ok(Ok(_slot)) = timeout(TURN, sign_ins.slots.acquire()).await else {
        // The sign-in has not ended: the same address, loaded again, ends it.
        return redirect(&refused(Refusal::Busy), &[]);
    };
    if !sign_ins.ends(&sign_in) {
        return refuse(Refusal::Expired);
    }
    let secrets = (&sign_in.nonce, &sign_in.verifier);
    let person = match sign_ins.provider.person(&oidc, code, secrets, state.site.now()).await {
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
    if let Some(former) = sign_in.former_session() {
        state.access.end_session(&former);
    }
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
        state.access.end_session(&Digest::of(token));
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
    // The provider's words may be anything.
    tracing::warn!(reason = %Visible(&failed.to_string()), "a person could not sign in");
    refuse(match failed {
        Failed::Unreachable(_) => Refusal::Unreachable,
        Failed::Invalid(_) => Refusal::Invalid,
        Failed::Nameless(_) => Refusal::Nameless,
        Failed::Unverified => Refusal::Unverified,
    })
}

/// Sends the browser back to the page, which shows why.
fn refuse(refusal: Refusal) -> Response {
    redirect(&refused(refusal), &[no_cookie(UNDER_WAY_COOKIE)])
}

fn refused(refusal: Refusal) -> String {
    format!("/#refused={}", refusal.name())
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
        let take = |state: &Secret, cookie: &Secret| {
            sign_ins.find(state, cookie.expose()).is_some_and(|found| sign_ins.ends(&found))
        };
        assert!(!take(&Secret::new(""), &Secret::new("")), "none has begun");
        let begin = || sign_ins.begin(None).unwrap();
        let first = begin();
        assert!(take(&first.state, &first.cookie));
        assert!(!take(&first.state, &first.cookie), "it was used");
        let (own, other) = (begin(), begin());
        assert!(!take(&other.state, &own.cookie), "it is another browser's");
        assert!(!take(&Secret::new(""), &Secret::new("")));
        let later = own.cookie.expose().replacen('0', "9", 1);
        assert!(!take(&own.state, &Secret::new(later)), "the cookie was changed");
        let known = [&own.state, &own.nonce, &own.verifier, &other.state];
        assert!(known.iter().enumerate().all(|(at, one)| !known[..at].contains(one)));
        for _ in 0..ENDED * 2 {
            let flood = begin();
            assert!(take(&flood.state, &flood.cookie));
        }
        assert_eq!(sign_ins.ended.lock().len(), ENDED);
        assert!(take(&own.state, &own.cookie), "others came and went meanwhile");
        tokio::time::advance(PATIENCE).await;
        assert!(!take(&other.state, &other.cookie), "it is too late");
    }

    #[tokio::test]
    async fn a_sign_in_knows_the_session_that_it_replaces() {
        let sign_ins = SignIns::default();
        let sign_in = sign_ins.begin(Some("token")).unwrap();
        let found = sign_ins.find(&sign_in.state, sign_in.cookie.expose()).unwrap();
        assert_eq!(found.former_session(), Some(Digest::of("token")));
        assert_eq!(sign_ins.begin(None).unwrap().former_session(), None);
    }
}
