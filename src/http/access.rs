//! Authentication: tokens of the file, sessions, people whom a proxy names, and the host names of this server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use parking_lot::{Mutex, MutexGuard, RwLock};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::api::ApiBackend;
use super::router::{Refused, State};
use crate::config::{Admin, Listen, is_sign_in_name};
use crate::control::{Caller, Interface, Role};
use crate::jid::BareJid;
use crate::secret::Secret;

/// Lifetime of a session's token.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 60 * 60);
/// Most sessions that commands gave out, and most of people who signed in at the provider; one more ends the oldest of the
/// person who has most.
const SESSIONS: usize = 256;
/// Most sessions of each kind of one person; one more ends the oldest of them.
const OF_PERSON: usize = 16;
/// Failed logins that are answered and logged at once, and the time after which one more is.
const FAILURES: (u32, Duration) = (20, Duration::from_secs(3));

/// SHA-256 digest of a token, by which the token is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    pub(super) fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).ok()?;
        Some(Self(digest))
    }

    fn is(&self, other: &[u8; 32]) -> bool {
        self.0.ct_eq(other).into()
    }
}

/// Tokens and host names that are accepted. A reload replaces those of the file; sessions stay.
#[derive(Debug)]
pub struct Access {
    admin: RwLock<Admin>,
    sessions: Mutex<Vec<Session>>,
    failures: Mutex<Throttle>,
    address: OnceLock<SocketAddr>,
}

#[derive(Debug)]
struct Session {
    digest: [u8; 32],
    holder: Holder,
    until: Instant,
}

/// Whose session it is.
#[derive(Debug)]
enum Holder {
    /// Of a person to whom a command gave its token.
    Given(String, Role),
    /// Of a person who signed in at the provider; their browser has its token in a cookie.
    Member(Person),
}

impl Holder {
    /// Returns the provider, if one named the person, and their name.
    fn person(&self) -> (Option<&str>, &str) {
        match self {
            Self::Given(name, _) => (None, name),
            Self::Member(person) => (Some(&person.issuer), &person.name),
        }
    }

    fn is_member(&self) -> bool {
        matches!(self, Self::Member(_))
    }
}

/// Returns the session that ends so that this person can have another one: nobody's sessions end another person's, unless
/// there are very many people.
fn gives_way(sessions: &[Session], holder: &Holder) -> Option<usize> {
    let of = |person: &Holder| {
        let is_own = move |session: &Session| session.holder.person() == person.person();
        sessions.iter().filter(move |session| is_own(session)).count()
    };
    let is_oldest_of = |person: &Holder| {
        sessions.iter().position(|session| session.holder.person() == person.person())
    };
    if of(holder) >= OF_PERSON {
        return is_oldest_of(holder);
    }
    let pool = || sessions.iter().filter(|it| it.holder.is_member() == holder.is_member());
    if pool().count() < SESSIONS {
        return None;
    }
    // Of several maxima the last counts, which is the oldest here.
    let most = pool().rev().max_by_key(|session| of(&session.holder))?;
    is_oldest_of(&most.holder)
}

/// A person as the provider knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// The provider.
    pub(super) issuer: String,
    /// The name that it gives them.
    pub(super) name: String,
    /// The groups that they are in.
    pub(super) groups: Vec<String>,
}

impl Access {
    /// Creates the access that the file describes, without sessions.
    pub fn new(admin: Admin) -> Self {
        Self {
            admin: RwLock::new(admin),
            sessions: Mutex::default(),
            failures: Mutex::new(Throttle::new(FAILURES.0, FAILURES.1)),
            address: OnceLock::new(),
        }
    }

    /// Takes the settings of a reloaded file. They apply from the next request on; streams whose tokens are gone end.
    pub fn replace(&self, admin: Admin) {
        *self.admin.write() = admin;
    }

    /// Returns the role of a person by `[[admin.person]]`. The policy's operators are not among them.
    pub fn role_of(&self, person: &BareJid) -> Option<Role> {
        self.read(|admin| admin.role_of(person))
    }

    /// Returns the token of a new session, valid for 12 hours or until the component ends.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn log_in(&self, name: String, role: Role) -> Result<Secret, getrandom::Error> {
        self.begin(Holder::Given(name, role))
    }

    /// Returns the token of a new session of a person who signed in at the provider.
    pub(super) fn begin_session(&self, person: Person) -> Result<Secret, getrandom::Error> {
        self.begin(Holder::Member(person))
    }

    fn begin(&self, holder: Holder) -> Result<Secret, getrandom::Error> {
        let token = Secret::random()?;
        let Digest(digest) = Digest::of(token.expose());
        let mut sessions = self.sessions();
        if let Some(oldest) = gives_way(&sessions, &holder) {
            sessions.remove(oldest);
        }
        if let Some(until) = Instant::now().checked_add(SESSION) {
            sessions.push(Session { digest, holder, until });
        }
        Ok(token)
    }

    /// Ends the session of a browser that has a token of this digest in its cookie.
    pub(super) fn end_session(&self, token: &Digest) {
        let is_it = |session: &Session| session.holder.is_member() && token.is(&session.digest);
        self.sessions().retain(|session| !is_it(session));
    }

    /// Returns the role of a person who signed in at the provider, if the file still gives them one.
    pub(super) fn role_of_member(&self, person: &Person) -> Option<Role> {
        self.read(|admin| {
            admin.oidc.as_ref().filter(|oidc| *oidc.issuer == person.issuer)?;
            admin.role_of_member(&person.name, &person.groups)
        })
    }

    /// Returns the caller whom this proves, or `None` if it does not, or no longer.
    pub(super) fn caller(&self, proof: &Proof) -> Option<Caller> {
        let (name, role) = match proof {
            Proof::Token(digest) => self.by_token(digest)?,
            Proof::Proxy(name) => self.read(|admin| {
                admin.proxy.as_ref()?;
                Some((name.clone(), admin.role_of_name(name)?))
            })?,
            Proof::Session(digest) => {
                let person = self.find(digest, |holder| match holder {
                    Holder::Member(person) => Some(person.clone()),
                    Holder::Given(..) => None,
                })?;
                let role = self.role_of_member(&person)?;
                (person.name, role)
            }
        };
        Some(Caller { face: Interface::Http, name, role })
    }

    fn by_token(&self, digest: &Digest) -> Option<(String, Role)> {
        let of_file = self.read(|admin| {
            let token = admin.tokens.iter().find(|token| digest.is(&token.sha256))?;
            Some((token.name.clone(), token.role))
        });
        let of_session = || {
            self.find(digest, |holder| match holder {
                Holder::Given(name, role) => Some((name.clone(), *role)),
                Holder::Member(_) => None,
            })
        };
        of_file.or_else(of_session)
    }

    /// Returns what `read` finds in the holder of the session of that digest.
    fn find<T>(&self, digest: &Digest, read: impl FnOnce(&Holder) -> Option<T>) -> Option<T> {
        let sessions = self.sessions();
        read(&sessions.iter().find(|session| digest.is(&session.digest))?.holder)
    }

    /// Returns what these headers prove their sender by, or why they do not. A token counts before the proxy's header,
    /// and that before a session.
    fn proof(&self, headers: &HeaderMap) -> Result<Proof, Unproved> {
        if let Some(token) = token(headers) {
            return Ok(Proof::Token(Digest::of(token)));
        }
        let proof = match self.named_by_proxy(headers) {
            Err(Unproved::Nothing) => {
                cookie(headers, SESSION_COOKIE).map(|token| Proof::Session(Digest::of(token)))
            }
            named => Some(named?),
        };
        match proof {
            None => Err(Unproved::Nothing),
            Some(_) if !is_of_page(headers) => Err(Unproved::NotThePage),
            Some(proof) => Ok(proof),
        }
    }

    /// Returns whom the proxy names as the sender of these headers.
    fn named_by_proxy(&self, headers: &HeaderMap) -> Result<Proof, Unproved> {
        let admin = self.admin.read();
        let proxy = admin.proxy.as_ref().ok_or(Unproved::Nothing)?;
        if !headers.contains_key(&proxy.header) {
            return Err(Unproved::Nothing);
        }
        let is_proxy = match &proxy.secret {
            Some(secret) => {
                the_only(headers, PROXY_SECRET).is_some_and(|sent| Secret::new(sent) == *secret)
            }
            // The file may have been read again after it was another address.
            None => matches!(admin.http, Listen::Unix(_)),
        };
        if !is_proxy {
            return Err(Unproved::NotTheProxy);
        }
        let name = the_only(headers, &proxy.header).filter(|name| is_sign_in_name(name));
        name.map(|name| Proof::Proxy(name.to_owned())).ok_or(Unproved::NoName)
    }

    /// Returns whether a failed login may be answered and logged as one; `false` if there are too many.
    pub(super) fn may_fail(&self) -> bool {
        self.failures.lock().take()
    }

    /// Returns whether `/metrics` is open to anyone who can connect.
    pub(super) fn metrics_are_open(&self) -> bool {
        self.read(|admin| admin.open_metrics)
    }

    /// Returns whether a request may use this value of `Host`: `localhost`, an IP address, or a name of `admin.hosts`.
    /// Any other name may be an attacker's that leads to this machine (DNS rebinding).
    pub(super) fn is_host(&self, host: &str) -> bool {
        let (name, port) = split_port(host);
        if !port.is_none_or(|port| port.chars().all(|c| c.is_ascii_digit())) {
            return false;
        }
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let name = name.to_ascii_lowercase();
        name == "localhost"
            || bare.parse::<IpAddr>().is_ok()
            || self.read(|admin| {
                admin.hosts.contains(&name)
                    || admin.oidc.as_ref().is_some_and(|oidc| oidc.host() == name)
            })
    }

    /// Records the address that the page and the API listen on.
    pub(super) fn listens_on(&self, address: SocketAddr) {
        // The address is set only once.
        let _ = self.address.set(address);
    }

    /// Returns the URL to open in a browser; `None` if nothing listens, or only on a Unix socket.
    pub fn url(&self) -> Option<String> {
        let mut address = *self.address.get()?;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Some(format!("http://{address}/"))
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Admin) -> T) -> T {
        read(&self.admin.read())
    }

    /// Drops expired sessions, and returns the others.
    fn sessions(&self) -> MutexGuard<'_, Vec<Session>> {
        let mut sessions = self.sessions.lock();
        sessions.retain(|session| session.until > Instant::now());
        sessions
    }
}

/// Splits a host and its port; an IPv6 address stands in brackets (RFC 3986 §3.2.2).
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// Header in which the proxy sends its secret.
const PROXY_SECRET: &str = "x-vestibule-proxy-secret";
/// Header that the page sends with what it asks without a token.
const OF_PAGE: &str = "x-vestibule-page";
/// Header by which browsers say whose page made them send a request (Fetch Metadata).
const FETCH_SITE: &str = "sec-fetch-site";

/// What a request proved its sender by; a stream looks at it again for as long as it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// A token that has this digest.
    Token(Digest),
    /// The proxy, which named this person.
    Proxy(String),
    /// A cookie with a session's token that has this digest.
    Session(Digest),
}

impl Proof {
    /// Returns whether it is a session that the page itself can end.
    pub(super) const fn is_session(&self) -> bool {
        matches!(self, Self::Session(_))
    }
}

/// Why a request does not prove who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unproved {
    /// It has no token, and names no person.
    Nothing,
    /// Its token is not valid, or no longer.
    Token,
    /// Its session is over.
    Session,
    /// It names a person, and does not come from the proxy.
    NotTheProxy,
    /// The proxy names no person in it, or several, or in odd characters.
    NoName,
    /// A browser may have been made to send it by another site's page.
    NotThePage,
    /// The person is not listed in the file.
    Unlisted(String),
}

impl Unproved {
    /// Returns the reason, for the person who reads the page.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Nothing => "this needs a token, as `Authorization: Bearer TOKEN`".to_owned(),
            Self::Token => "this token is not valid, or no longer".to_owned(),
            Self::Session => "Your session is over. Sign in again.".to_owned(),
            Self::NotTheProxy => "only the proxy may say who a person is, with its secret in \
                 X-Vestibule-Proxy-Secret"
                .to_owned(),
            Self::NoName => "the proxy names no person, or several, or has odd characters in the \
                             name"
                .to_owned(),
            Self::NotThePage => "without a token only the page itself may ask: the request needs \
                                 `X-Vestibule-Page: 1`, and the proxy has to pass `Host` on"
                .to_owned(),
            Self::Unlisted(name) => format!(
                "You are signed in as {name}, who is not listed here. An operator can add \
                 `sign_in = \"{name}\"` to a `[[admin.person]]` of the file."
            ),
        }
    }
}

/// Cookie with the token of a session; browsers take one of this name only for this host, and encrypted.
pub(super) const SESSION_COOKIE: &str = "__Host-vestibule-session";

/// Returns the value of a cookie, if it is there and not empty (RFC 6265 §4.2).
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|it| it.split_once('='));
    let (_, value) = pairs.find(|(key, value)| key.trim() == name && !value.trim().is_empty())?;
    Some(value.trim())
}

/// Returns the value of a header that is there once, as text.
pub(super) fn the_only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Returns whether a request without a token comes from the page itself. What the proxy or a cookie adds to every request
/// of a browser is added to those that another site's page has it send, too. Such a page cannot set a header of its own:
/// browsers ask for permission first, and get none here (CORS).
pub(super) fn is_of_page(headers: &HeaderMap) -> bool {
    let host = |address: &str| split_port(address).0.to_ascii_lowercase();
    let is_own_origin = || {
        let Some((_, origin)) = the_only(headers, "origin")?.split_once("://") else {
            return Some(false);
        };
        Some(host(origin) == host(the_only(headers, "host")?))
    };
    the_only(headers, OF_PAGE) == Some("1")
        && headers.get_all(FETCH_SITE).iter().all(|site| site == "same-origin")
        && (!headers.contains_key("origin") || is_own_origin() == Some(true))
}

/// A caller who has proved who they are.
#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) caller: Caller,
    pub(super) proof: Proof,
}

impl SignedIn {
    /// Returns who sent these headers, without counting a failure.
    pub(super) fn found(access: &Access, headers: &HeaderMap) -> Result<Self, Unproved> {
        let proof = access.proof(headers)?;
        match (access.caller(&proof), proof) {
            (Some(caller), proof) => Ok(Self { caller, proof }),
            (None, Proof::Token(_)) => Err(Unproved::Token),
            (None, Proof::Session(_)) => Err(Unproved::Session),
            (None, Proof::Proxy(name)) => Err(Unproved::Unlisted(name)),
        }
    }

    /// Returns who sent these headers; a request that does not prove it is refused and counted.
    pub(super) fn checked<S: ApiBackend>(
        state: &State<S>,
        headers: &HeaderMap,
    ) -> Result<Self, Refused> {
        Self::found(&state.access, headers).map_err(|why| {
            state.metrics.logins_failed.inc();
            refused(&state.access, &why)
        })
    }
}

impl<S: ApiBackend> FromRequestParts<State<S>> for SignedIn {
    type Rejection = Refused;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &State<S>,
    ) -> Result<Self, Self::Rejection> {
        Self::checked(state, &parts.headers)
    }
}

/// Returns the bearer token of a request. The name of the scheme has no case (RFC 9110 §11.1).
fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refused(access: &Access, why: &Unproved) -> Refused {
    if !access.may_fail() {
        let reason = "too many requests without a valid token: try again later";
        return Refused::with(StatusCode::TOO_MANY_REQUESTS, reason);
    }
    if *why != Unproved::Nothing {
        tracing::warn!(reason = why.reason(), "a request to the API is refused");
    }
    Refused::with(StatusCode::UNAUTHORIZED, &why.reason())
}

/// A token bucket, for rate limits.
#[derive(Debug)]
pub(super) struct Throttle {
    left: u32,
    most: u32,
    every: Duration,
    filled: Instant,
}

impl Throttle {
    /// Creates a full bucket of `most` tokens, which gains one each `every`.
    pub(super) fn new(most: u32, every: Duration) -> Self {
        Self { left: most, most, every, filled: Instant::now() }
    }

    /// Takes a token; returns whether there was one.
    pub(super) fn take(&mut self) -> bool {
        let passed = self.filled.elapsed().as_nanos().checked_div(self.every.as_nanos());
        if let Some(more) = passed.and_then(|passed| u32::try_from(passed).ok())
            && let Some(until) = self.every.checked_mul(more)
        {
            self.left = self.left.saturating_add(more).min(self.most);
            self.filled = self.filled.checked_add(until).unwrap_or_else(Instant::now);
        } else {
            self.left = self.most;
            self.filled = Instant::now();
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use openidconnect::IssuerUrl;

    use super::*;
    use crate::config::{Oidc, Token};

    fn admin(tokens: &[(&str, Role, &str)]) -> Admin {
        let token = |&(name, role, text): &(&str, Role, &str)| Token {
            name: name.to_owned(),
            role,
            sha256: Digest::of(text).0,
        };
        Admin {
            tokens: tokens.iter().map(token).collect(),
            hosts: vec!["v.example.org".to_owned()],
            ..Admin::default()
        }
    }

    #[tokio::test]
    async fn a_token_is_found_until_the_file_is_without_it() {
        let access = Access::new(admin(&[("anna", Role::Duty, "t1"), ("bob", Role::Viewer, "t2")]));
        let proof = |token: &str| Proof::Token(Digest::of(token));
        let caller = |token: &str| access.caller(&proof(token)).map(|it| (it.name, it.role));
        assert_eq!(caller("t1"), Some(("anna".to_owned(), Role::Duty)));
        assert_eq!(caller("t2"), Some(("bob".to_owned(), Role::Viewer)));
        assert_eq!([caller("t3"), caller(""), caller("T1")], [None, None, None]);
        access.replace(admin(&[("bob", Role::Operator, "t2")]));
        assert_eq!(caller("t1"), None);
        assert_eq!(caller("t2"), Some(("bob".to_owned(), Role::Operator)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_after_its_time_or_as_the_oldest_of_too_many_of_its_person() {
        let access = Access::new(Admin::default());
        let log_in = |name: &str| access.log_in(name.to_owned(), Role::Viewer).unwrap();
        let is_in =
            |token: &Secret| access.caller(&Proof::Token(Digest::of(token.expose()))).is_some();
        let first = log_in("first");
        assert_eq!(first.expose().len(), 64);
        tokio::time::advance(SESSION - Duration::from_secs(1)).await;
        let second = log_in("second");
        assert!(is_in(&first) && is_in(&second));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!is_in(&first) && is_in(&second));
        let own: Vec<_> = (1..OF_PERSON).map(|_| log_in("second")).collect();
        assert!(is_in(&second) && own.iter().all(is_in));
        log_in("second");
        assert!(!is_in(&second) && own.iter().all(is_in));
        let other = log_in("other");
        let guest = |n: usize| {
            let person = Person { issuer: String::new(), name: n.to_string(), groups: Vec::new() };
            access.begin_session(person).unwrap();
        };
        (0..2 * SESSIONS).for_each(guest);
        assert!(is_in(&other) && own.iter().all(is_in), "they are of another kind");
        let crowd: Vec<_> = (OF_PERSON..SESSIONS).map(|n| log_in(&n.to_string())).collect();
        assert!(is_in(&other) && crowd.iter().all(is_in));
        assert!(!is_in(&own[0]) && is_in(&own[1]), "one person has most");
        assert_eq!(access.sessions().len(), 2 * SESSIONS);
    }

    fn with_provider() -> Admin {
        let oidc = Oidc {
            issuer: IssuerUrl::new("https://login.example.org".to_owned()).unwrap(),
            client_id: "vestibule".to_owned(),
            client_secret: None,
            public_url: "https://page.example.org".parse().unwrap(),
            claim: "sub".to_owned(),
            groups_claim: "groups".to_owned(),
            scopes: Vec::new(),
            groups: vec![("a".to_owned(), Role::Duty), ("b".to_owned(), Role::Viewer)],
        };
        let names = vec![("anna".to_owned(), Role::Viewer)];
        Admin { names, oidc: Some(oidc), ..Admin::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_s_session_has_the_role_that_the_file_gives_and_ends_in_time() {
        let access = Access::new(with_provider());
        let begin = |name: &str, groups: &[&str]| {
            let groups = groups.iter().map(|&group| group.to_owned()).collect();
            let issuer = "https://login.example.org".to_owned();
            access.begin_session(Person { issuer, name: name.to_owned(), groups }).unwrap()
        };
        let role = |token: &Secret| {
            let proof = Proof::Session(Digest::of(token.expose()));
            access.caller(&proof).map(|caller| caller.role)
        };
        let (anna, bert) = (begin("anna", &["a"]), begin("bert", &["x", "b", "a"]));
        assert_eq!(role(&anna), Some(Role::Viewer), "a person's own role counts before groups");
        assert_eq!(role(&bert), Some(Role::Duty));
        assert_eq!(role(&begin("bert", &["x", "A"])), None);
        assert!(access.caller(&Proof::Token(Digest::of(anna.expose()))).is_none());
        assert!(access.is_host("page.example.org:443"));
        let mut other = with_provider();
        other.oidc.as_mut().unwrap().issuer = IssuerUrl::new("https://x.example".into()).unwrap();
        access.replace(other);
        assert_eq!([role(&anna), role(&bert)], [None, None], "another provider knows others");
        access.replace(with_provider());
        access.end_session(&Digest::of(bert.expose()));
        assert_eq!([role(&anna), role(&bert)], [Some(Role::Viewer), None]);
        tokio::time::advance(SESSION).await;
        assert_eq!(role(&anna), None);
    }

    #[tokio::test]
    async fn only_names_of_this_server_are_hosts() {
        let access = Access::new(admin(&[]));
        let good = ["localhost", "LOCALHOST:5480", "127.0.0.1:1", "[::1]:80", "[::1]", "10.0.0.1"];
        for host in good.into_iter().chain(["v.example.org", "V.example.org:443"]) {
            assert!(access.is_host(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "localhost:x", "::1:evil", "a:b:c"]
        {
            assert!(!access.is_host(host), "{host}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_lets_a_few_through_and_then_one_at_a_time() {
        let mut throttle = Throttle::new(3, Duration::from_secs(6));
        assert_eq!([(); 5].map(|()| throttle.take()), [true, true, true, false, false]);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!([(); 2].map(|()| throttle.take()), [true, false]);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(throttle.take(), "what is left of a time counts for the next");
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        assert_eq!([(); 4].map(|()| throttle.take()), [true, true, true, false]);
    }
}
