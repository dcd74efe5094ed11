//! The page and the API over a real router, with a handler that records the requests.

#![cfg(test)]

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, BodyDataStream, to_bytes};
use axum::http::{Request, StatusCode};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast;
use tower::ServiceExt as _;
use vestibule::app::commands::commands;
use vestibule::component::drift::DriftTally;
use vestibule::component::metrics::{Counted, GateEvent, Tally};
use vestibule::config::{Admin, Listen, Proxy, Token};
use vestibule::control::{
    Caller, Command, Failure, FailureKind, FieldKind, Handler, Impact, Interface, Reply, Role,
    RoomLine, RoomMetrics, RoomState, Status, StatusMetrics,
};
use vestibule::http::{Access, ApiBackend, Totals, router};
use vestibule::metrics::{Group as _, Latency, Registry};
use vestibule::policy::Policy;
use vestibule::policy::attempt::{Action, Attempt, Credential, Pressure, RoomView};
use vestibule::policy::decide::decide;
use vestibule::policy::verdict::Verdict;
use vestibule::secret::Secret;
use vestibule::store::{Entry, Kind};

fn offered() -> impl Iterator<Item = &'static Command> {
    commands().iter().filter(|command| !command.is_local)
}

/// Says yes to everything that the table allows, and remembers it.
struct Noting {
    rooms: Mutex<Vec<RoomLine>>,
    entries: broadcast::Sender<Arc<Entry>>,
    counted: Mutex<Counted>,
    answers: Latency,
    asked: Mutex<Vec<(Caller, String)>>,
    fails: Mutex<Option<FailureKind>>,
    not_ready: Mutex<Vec<String>>,
}

impl Handler for Noting {
    fn commands(&self) -> &'static [Command] {
        commands()
    }

    async fn handle(&self, caller: &Caller, request: vestibule::control::Request) -> Reply {
        self.asked.lock().unwrap().push((caller.clone(), request.name().to_owned()));
        match *self.fails.lock().unwrap() {
            Some(kind) => Reply::Failed(Failure::new(kind, "as it is")),
            None => Reply::Done(json!(request.name())),
        }
    }
}

impl ApiBackend for Noting {
    fn readiness(&self) -> Vec<String> {
        self.not_ready.lock().unwrap().clone()
    }

    fn rooms(&self) -> Vec<RoomLine> {
        self.rooms.lock().unwrap().clone()
    }

    fn status(&self) -> Status {
        Status {
            version: "1".to_owned(),
            ready: self.not_ready.lock().unwrap().is_empty(),
            linked: true,
            trouble: None,
            revision: "r".to_owned(),
            observe: false,
            services: Vec::new(),
            unlisted: Vec::new(),
            strangers: Vec::new(),
            rooms: 0,
            decisions: Tally::default(),
            drift: DriftTally::default(),
            file: None,
            log_lines_lost: 0,
            store: None,
            doctor: None,
            down: Vec::new(),
            uptime: 0,
            processor_ms: 0,
        }
    }

    fn register(&self, registry: &mut Registry) {
        StatusMetrics::from(&self.status()).register(registry);
        RoomMetrics::from(&*self.rooms()).register(registry);
        self.counted.lock().unwrap().metrics.register(registry);
        registry.register("vestibule_answer_seconds", "Latency", self.answers.clone());
    }

    fn totals(&self) -> Totals {
        let counted = self.counted.lock().unwrap();
        Totals {
            joins: Verdict::ALL.map(|verdict| counted.joins(verdict)),
            denials: counted.denials().clone(),
            answers: self.answers.counts(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn entries(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.entries.subscribe()
    }
}

struct Http {
    site: Arc<Noting>,
    access: Arc<Access>,
    router: Router,
}

/// The token of a role is its name.
fn admin(roles: &[Role]) -> Admin {
    let token = |role: &Role| Token {
        name: format!("{}-name", role.name()),
        role: *role,
        sha256: Sha256::digest(role.name()).into(),
    };
    Admin { tokens: roles.iter().map(token).collect(), ..Admin::default() }
}

fn face() -> Http {
    let site = Arc::new(Noting {
        rooms: Mutex::default(),
        entries: broadcast::Sender::new(1024),
        counted: Mutex::default(),
        answers: Latency::default(),
        asked: Mutex::default(),
        fails: Mutex::default(),
        not_ready: Mutex::default(),
    });
    let access = Arc::new(Access::new(admin(&Role::ALL)));
    let router = router(Arc::clone(&site), Arc::clone(&access));
    Http { site, access, router }
}

impl Http {
    async fn send(&self, request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 24).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (StatusCode, Value) {
        let request = with_token(Request::get(path).header("host", "localhost"), token);
        let (status, _, text) = self.send(request.body(Body::empty()).unwrap()).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn post(&self, name: &str, token: Option<&str>, body: &Value) -> (StatusCode, Value) {
        let request = Request::post(format!("/api/v1/commands/{name}"))
            .header("host", "localhost")
            .header("content-type", "application/json; charset=utf-8");
        let request = with_token(request, token).body(Body::from(body.to_string())).unwrap();
        let (status, _, text) = self.send(request).await;
        (status, serde_json::from_str(&text).unwrap())
    }
}

fn with_token(
    request: axum::http::request::Builder,
    token: Option<&str>,
) -> axum::http::request::Builder {
    match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

fn required(command: &Command) -> Value {
    let fields = command.fields.iter().filter(|field| field.required);
    fields
        .map(|field| {
            let value = match field.kind {
                FieldKind::Room => json!("tea@conference.example.org"),
                FieldKind::Person => json!("bob@example.org"),
                FieldKind::Duration => json!("2 hours"),
                FieldKind::Time => json!("2026-11-24T00:00:00Z"),
                FieldKind::Flag => json!(true),
                FieldKind::Number => json!(3),
                FieldKind::Choice(words) => json!(words[0]),
                FieldKind::List => json!(["a=b"]),
                FieldKind::Text | FieldKind::Lines | FieldKind::Secret => json!("some text"),
            };
            (field.name.to_owned(), value)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn every_command_is_for_the_roles_that_the_table_says_and_is_given_in_their_name() {
    let face = face();
    for command in offered() {
        for role in Role::ALL {
            face.site.asked.lock().unwrap().clear();
            let (status, reply) =
                face.post(command.name, Some(role.name()), &required(command)).await;
            let asked = std::mem::take(&mut *face.site.asked.lock().unwrap());
            if role < command.role {
                assert_eq!((status, asked.len()), (StatusCode::FORBIDDEN, 0), "{}", command.name);
                assert_eq!(reply["failed"]["kind"], "forbidden");
                continue;
            }
            assert_eq!((status, reply), (StatusCode::OK, json!({ "done": command.name })));
            let name = format!("{}-name", role.name());
            let caller = Caller { face: Interface::Http, name, role };
            assert_eq!(asked, [(caller, command.name.to_owned())]);
        }
        for token in [None, Some(""), Some("nonsense"), Some("Viewer")] {
            let (status, reply) = face.post(command.name, token, &required(command)).await;
            let expected = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
            assert!(expected.contains(&status), "{status}");
            assert!(reply["failed"]["reason"].is_string());
        }
    }
    assert!(face.site.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_caller_is_shown_the_commands_that_he_may_give() {
    let face = face();
    for role in Role::ALL {
        let (status, table) = face.get("/api/v1/commands", Some(role.name())).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(table["caller"], json!({"name": format!("{}-name", role.name()), "role": role}));
        let shown: Vec<_> =
            table["commands"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
        let may: Vec<_> = offered().filter(|it| it.role <= role).map(|it| json!(it.name)).collect();
        assert_eq!(shown, may.iter().collect::<Vec<_>>());
    }
    let (_, table) = face.get("/api/v1/commands", Some("operator")).await;
    let explain = table["commands"].as_array().unwrap().iter().find(|it| it["name"] == "explain");
    let fields = explain.unwrap()["fields"].as_array().unwrap();
    let auth = fields.iter().find(|it| it["name"] == "auth").unwrap();
    assert_eq!(auth["kind"], "choice");
    assert_eq!(auth["choices"][0], "account");
    assert_eq!(auth["required"], false);
}

#[tokio::test]
async fn what_only_looks_has_an_address_of_its_own_and_nothing_else_has() {
    let face = face();
    for command in offered().filter(|it| it.fields.iter().all(|field| !field.required)) {
        let (status, _) = face.get(&format!("/api/v1/{}", command.name), Some("operator")).await;
        let expected = match command.impact {
            Impact::ReadOnly => StatusCode::OK,
            Impact::Reversible | Impact::Irreversible => StatusCode::METHOD_NOT_ALLOWED,
        };
        assert_eq!(status, expected, "{}", command.name);
    }
    let (status, reply) =
        face.get("/api/v1/rooms/tea%40conference.example.org", Some("viewer")).await;
    assert_eq!((status, reply), (StatusCode::OK, json!({ "done": "room" })));
    assert_eq!(face.get("/api/v1/rooms?x=1", Some("viewer")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(face.get("/api/v1/plan", Some("duty")).await.0, StatusCode::FORBIDDEN);
    let path =
        "/api/v1/explain?room=a@b.example&jid=c@d.example&occupants=3&e2ee=true&claims=a=b,c=d";
    assert_eq!(face.get(path, Some("viewer")).await.0, StatusCode::OK);
    for nothing in ["/api/v1/nothing", "/api/v1", "/api/v2/status", "/nothing", "/../Cargo.toml"] {
        assert_eq!(face.get(nothing, Some("operator")).await.0, StatusCode::NOT_FOUND, "{nothing}");
    }
}

#[tokio::test]
async fn each_kind_of_trouble_has_its_status() {
    let face = face();
    for (kind, status) in [
        (FailureKind::Invalid, StatusCode::BAD_REQUEST),
        (FailureKind::Forbidden, StatusCode::FORBIDDEN),
        (FailureKind::NotFound, StatusCode::NOT_FOUND),
        (FailureKind::Conflict, StatusCode::CONFLICT),
        (FailureKind::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        *face.site.fails.lock().unwrap() = Some(kind);
        let (got, reply) = face.post("status", Some("viewer"), &json!({})).await;
        assert_eq!(got, status);
        assert_eq!(reply, json!({ "failed": { "kind": kind, "reason": "as it is" } }));
    }
    *face.site.fails.lock().unwrap() = None;
    let face = &face;
    let post = |name: &'static str, body: Value| async move {
        face.post(name, Some("operator"), &body).await.0
    };
    assert_eq!(post("close", json!({})).await, StatusCode::BAD_REQUEST);
    assert_eq!(
        post("close", json!({ "room": "a@b.example", "x": 1 })).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(post("close", json!([])).await, StatusCode::BAD_REQUEST);
    assert_eq!(post("page", json!({ "role": "operator" })).await, StatusCode::NOT_FOUND);
    assert_eq!(post("nothing", json!({})).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_command_comes_as_json_and_is_not_too_long() {
    let face = face();
    let post = |kind: &str, body: Body| {
        let request = Request::post("/api/v1/commands/reload")
            .header("host", "localhost")
            .header("authorization", "bearer operator")
            .header("content-type", kind);
        face.send(request.body(body).unwrap())
    };
    assert_eq!(post("application/json", Body::from("{\"force\":true}")).await.0, StatusCode::OK);
    assert_eq!(post("application/json", Body::empty()).await.0, StatusCode::OK);
    assert_eq!(post("application/json", Body::from("{")).await.0, StatusCode::BAD_REQUEST);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"] {
        let (status, ..) = post(kind, Body::from("{}")).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    let long = " ".repeat(2 * 1024 * 1024 + 1);
    let (status, ..) = post("application/json", Body::from(long)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_request_comes_by_a_name_of_this_server() {
    let face = face();
    for (path, token) in [("/", None), ("/api/v1/status", Some("operator")), ("/healthz", None)] {
        let by = |hosts: Vec<&str>| {
            let request = hosts
                .into_iter()
                .fold(Request::get(path), |request, it| request.header("host", it));
            let request = with_token(request, token).body(Body::empty()).unwrap();
            async { face.send(request).await.0 }
        };
        assert_eq!(by(vec!["127.0.0.1:5480"]).await, StatusCode::OK);
        assert_eq!(by(vec!["rebound.example"]).await, StatusCode::MISDIRECTED_REQUEST);
        assert_eq!(by(vec![]).await, StatusCode::BAD_REQUEST);
        assert_eq!(by(vec!["localhost", "rebound.example"]).await, StatusCode::BAD_REQUEST);
    }
    for (target, host) in [("rebound.example", "localhost"), ("localhost", "rebound.example")] {
        let request = Request::get(format!("http://{target}/")).header("host", host);
        let (status, ..) = face.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    }
}

#[tokio::test]
async fn a_token_counts_in_no_other_place() {
    let face = face();
    let request = Request::get("/api/v1/status?token=operator&access_token=operator")
        .header("host", "localhost")
        .header("cookie", "token=operator")
        .header("x-api-key", "operator")
        .header("authorization", "Basic b3BlcmF0b3I6b3BlcmF0b3I=");
    let (status, headers, _) = face.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    face.access.replace(admin(&[Role::Viewer]));
    assert_eq!(face.get("/api/v1/status", Some("operator")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(face.get("/api/v1/status", Some("viewer")).await.0, StatusCode::OK);
}

/// Settings with a proxy that names Anna, who is on duty.
fn behind_a_proxy(secret: Option<&str>) -> Admin {
    Admin {
        hosts: vec!["v.example.org".to_owned()],
        proxy: Some(Proxy {
            header: "x-forwarded-user".to_owned(),
            secret: secret.map(Secret::new),
        }),
        names: vec![("anna".to_owned(), Role::Duty)],
        ..admin(&Role::ALL)
    }
}

/// What a proxy sends, and the page.
const BY_PROXY: [(&str, &str); 4] = [
    ("x-forwarded-user", "anna"),
    ("x-vestibule-proxy-secret", "a secret"),
    ("x-vestibule-page", "1"),
    ("sec-fetch-site", "same-origin"),
];

impl Http {
    /// Asks for the commands with these headers: the status, and the reply.
    async fn asked_with(&self, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        let request = headers.iter().fold(
            Request::get("/api/v1/commands").header("host", "v.example.org:8443"),
            |request, (name, value)| request.header(*name, *value),
        );
        let (status, _, text) = self.send(request.body(Body::empty()).unwrap()).await;
        (status, serde_json::from_str(&text).unwrap())
    }
}

#[tokio::test]
async fn a_proxy_with_its_secret_names_the_person() {
    let face = face();
    face.access.replace(behind_a_proxy(Some("a secret")));
    let (status, table) = face.asked_with(&BY_PROXY).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(table["caller"], json!({ "name": "anna", "role": "duty" }));
    let origin = [&BY_PROXY[..], &[("origin", "https://v.example.org")]].concat();
    assert_eq!(face.asked_with(&origin).await.0, StatusCode::OK);
    // A token counts more than what the proxy says, and one that is wrong is not replaced by it.
    let token = |token| [&BY_PROXY[..], &[("authorization", token)]].concat();
    let (_, table) = face.asked_with(&token("Bearer viewer")).await;
    assert_eq!(table["caller"]["name"], "viewer-name");
    assert_eq!(face.asked_with(&token("Bearer nonsense")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(face.asked_with(&token("Basic YTpi")).await.0, StatusCode::OK);
    // A file without them counts at once.
    let proxy = None;
    face.access.replace(Admin { proxy, ..behind_a_proxy(None) });
    assert_eq!(face.asked_with(&BY_PROXY).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nobody_but_the_proxy_names_a_person_and_no_other_site_uses_it() {
    let long = "a".repeat(257);
    let without =
        |left: &str| -> Vec<_> { BY_PROXY.into_iter().filter(|(name, _)| *name != left).collect() };
    let with = |name, value| [&without(name)[..], &[(name, value)]].concat();
    let twice = |name, value| [&BY_PROXY[..], &[(name, value)]].concat();
    let cases = [
        (without("x-vestibule-proxy-secret"), "only the proxy"),
        (with("x-vestibule-proxy-secret", ""), "only the proxy"),
        (with("x-vestibule-proxy-secret", "A secret"), "only the proxy"),
        (twice("x-vestibule-proxy-secret", "a secret"), "only the proxy"),
        (twice("x-forwarded-user", "anna"), "names no person"),
        (twice("x-forwarded-user", "eve"), "names no person"),
        (with("x-forwarded-user", ""), "names no person"),
        (with("x-forwarded-user", "eve, anna"), "names no person"),
        (with("x-forwarded-user", "anna b"), "names no person"),
        (with("x-forwarded-user", "änna"), "names no person"),
        (with("x-forwarded-user", &long), "names no person"),
        (with("x-forwarded-user", "Anna"), "signed in as Anna"),
        (with("x-forwarded-user", "anna-name"), "signed in as anna-name"),
        (without("x-forwarded-user"), "needs a token"),
        (without("x-vestibule-page"), "only the page"),
        (with("sec-fetch-site", "cross-site"), "only the page"),
        (with("sec-fetch-site", "same-site"), "only the page"),
        (with("sec-fetch-site", "none"), "only the page"),
        (twice("sec-fetch-site", "cross-site"), "only the page"),
        (twice("origin", "https://evil.example"), "only the page"),
        (twice("origin", "https://v.example.org.evil.example"), "only the page"),
        (twice("origin", "null"), "only the page"),
    ];
    for (headers, reason) in cases {
        let face = face();
        face.access.replace(behind_a_proxy(Some("a secret")));
        let (status, reply) = face.asked_with(&headers).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{headers:?}");
        let said = reply["failed"]["reason"].as_str().unwrap();
        assert!(said.contains(reason), "{headers:?}: {said}");
    }
}

#[tokio::test]
async fn without_a_secret_only_a_socket_is_the_proxy() {
    let face = face();
    face.access.replace(behind_a_proxy(None));
    assert_eq!(face.asked_with(&BY_PROXY).await.0, StatusCode::UNAUTHORIZED);
    let http = Listen::Unix("/run/vestibule/http.sock".into());
    face.access.replace(Admin { http, ..behind_a_proxy(None) });
    assert_eq!(face.asked_with(&BY_PROXY).await.0, StatusCode::OK);
}

#[tokio::test]
async fn many_failed_logins_are_cut_short_and_keep_nobody_else_out() {
    let face = face();
    let mut seen = Vec::new();
    for _ in 0..40 {
        seen.push(face.get("/api/v1/status", Some("guess")).await.0);
    }
    assert_eq!(seen[0], StatusCode::UNAUTHORIZED);
    assert_eq!(seen[39], StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(face.get("/api/v1/status", Some("viewer")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_page_is_strict_and_asked_for_again_only_when_it_is_another() {
    let face = face();
    let get = |path: &str, known: Option<&str>| {
        let request = Request::get(path).header("host", "localhost");
        let request = known.into_iter().fold(request, |it, tag| it.header("if-none-match", tag));
        face.send(request.body(Body::empty()).unwrap())
    };
    let (status, headers, html) = get("/", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(
        headers["content-security-policy"],
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    assert!(!headers.contains_key("access-control-allow-origin"));
    let tag = headers["etag"].to_str().unwrap();
    assert_eq!(get("/", Some(tag)).await.0, StatusCode::NOT_MODIFIED);
    assert_eq!(get("/", Some("\"other\"")).await.0, StatusCode::OK);
    // Whatever the page refers to is there.
    let refers = html.split(['"', '\'']).filter(|text| text.starts_with('/') && text.len() > 1);
    for path in refers {
        let (status, headers, _) = get(path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let kind = headers["content-type"].to_str().unwrap();
        assert!(!kind.starts_with("text/plain"), "{path}: {kind}");
    }
}

#[tokio::test]
async fn health_is_for_everybody() {
    let face = face();
    assert_eq!(face.get("/healthz", None).await, (StatusCode::OK, json!("ok\n")));
    assert_eq!(
        face.get("/readyz", None).await,
        (StatusCode::OK, json!({"ready": true, "reasons": []}))
    );
    *face.site.not_ready.lock().unwrap() = vec!["no link".to_owned()];
    let (status, told) = face.get("/readyz", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(told, json!({ "ready": false, "reasons": ["no link"] }));
}

fn room(name: &str, occupants: usize) -> RoomLine {
    RoomLine {
        room: name.to_owned(),
        looks_like: None,
        service: "conference.example.org".to_owned(),
        state: RoomState::Open,
        occupants,
        people: occupants,
        moderators: 1,
        waiting: 0,
        waiting_since: None,
        refused: Default::default(),
        password: true,
        lobby: false,
        door: "password".to_owned(),
        opened: None,
        opener: None,
        opener_name: None,
        closed: None,
    }
}

/// The events of a stream, one by one.
struct Events {
    body: Pin<Box<BodyDataStream>>,
    text: String,
}

impl Events {
    async fn of(face: &Http, token: &str) -> Self {
        let request = Request::get("/api/v1/stream").header("host", "localhost");
        let request = with_token(request, Some(token)).body(Body::empty()).unwrap();
        let response = face.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: Box::pin(response.into_body().into_data_stream()), text: String::new() }
    }

    /// The next event with data; `None`: the stream is over.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = event.to_owned();
                self.text = rest.to_owned();
                if let Some((name, data)) = event.split_once("\ndata: ") {
                    let name = name.strip_prefix("event: ").unwrap().to_owned();
                    return Some((name, serde_json::from_str(data).unwrap()));
                }
            }
            let bytes = self.body.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next event of that name.
    async fn named(&mut self, wanted: &str) -> Value {
        loop {
            let (name, data) = self.next().await.unwrap();
            if name == wanted {
                return data;
            }
        }
    }
}

fn send(face: &Http, numbers: std::ops::Range<i64>) {
    for seq in numbers {
        let entry = Entry { seq, ..Entry::new(Kind::Joined, Timestamp::UNIX_EPOCH) };
        face.site.entries.send(Arc::new(entry)).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_everything_first_and_then_what_changes() {
    let face = face();
    *face.site.rooms.lock().unwrap() = vec![room("a@c", 1), room("b@c", 1)];
    let mut events = Events::of(&face, "viewer").await;
    let (name, status) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &status["ready"]), ("status", &json!(true)));
    let (name, rooms) = events.next().await.unwrap();
    assert_eq!(
        (name, rooms),
        ("rooms".to_owned(), json!({"rooms": [room("a@c", 1), room("b@c", 1)]}))
    );

    *face.site.rooms.lock().unwrap() = vec![room("a@c", 2)];
    assert_eq!(
        events.named("rooms").await,
        json!({ "changed": [room("a@c", 2)], "gone": ["b@c"] })
    );
    send(&face, 1..4);
    let told = events.named("entries").await;
    let seen: Vec<_> = told["entries"].as_array().unwrap().iter().map(|it| &it["seq"]).collect();
    assert_eq!((seen, &told["dropped"]), (vec![&json!(1), &json!(2), &json!(3)], &json!(0)));
    *face.site.not_ready.lock().unwrap() = vec!["no link".to_owned()];
    assert_eq!(events.named("status").await["ready"], false);
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_is_told_how_much_was_missed() {
    let face = face();
    let mut events = Events::of(&face, "viewer").await;
    events.named("rooms").await;
    send(&face, 0..3000);
    let told = events.named("entries").await;
    assert_eq!(told["dropped"], 3000 - 1024);
    let request = with_token(Request::get("/metrics").header("host", "localhost"), Some("viewer"));
    let (_, _, text) = face.send(request.body(Body::empty()).unwrap()).await;
    let samples = samples(&text);
    assert_eq!(samples.get("vestibule_http_entries_dropped_total"), Some(&(3000.0 - 1024.0)));
    assert_eq!(samples.get("vestibule_http_streams"), Some(&1.0));
    let entries = told["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &entries[0]["seq"]), (200, &json!(3000 - 1024)));
    let before = tokio::time::Instant::now();
    for _ in 0..5 {
        assert_eq!(events.named("entries").await["dropped"], 0);
    }
    assert!(before.elapsed() >= std::time::Duration::from_secs(1), "at most four a second");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_token() {
    let face = face();
    let mut viewer = Events::of(&face, "viewer").await;
    let mut duty = Events::of(&face, "duty").await;
    let token = face.access.log_in("a session".to_owned(), Role::Viewer).unwrap();
    let mut session = Events::of(&face, token.expose()).await;
    face.access.replace(admin(&[Role::Duty]));
    assert!(viewer.named("over").await["reason"].is_string());
    assert_eq!(viewer.next().await, None);
    tokio::time::advance(std::time::Duration::from_secs(12 * 60 * 60)).await;
    session.named("over").await;
    assert_eq!(session.next().await, None);
    send(&face, 0..1);
    duty.named("entries").await;
}

#[tokio::test(start_paused = true)]
async fn streams_are_bounded_and_give_their_place_back() {
    let face = face();
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(Events::of(&face, "viewer").await);
    }
    assert_eq!(face.get("/api/v1/stream", Some("viewer")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    streams.pop();
    Events::of(&face, "viewer").await;
}

#[tokio::test(start_paused = true)]
async fn whoever_misses_changes_is_sent_all_rooms_again() {
    let face = face();
    let mut slow = Events::of(&face, "viewer").await;
    slow.named("rooms").await;
    for occupants in 0..100 {
        *face.site.rooms.lock().unwrap() = vec![room("a@c", occupants)];
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let told = slow.named("rooms").await;
    assert_eq!(told, json!({ "rooms": [room("a@c", 99)] }));
}

/// A decision on a join without anything, by the built-in defaults.
fn denied(face: &Http, times: usize) {
    let policy = Policy::default();
    let attempt =
        Attempt { action: Action::Join { credential: Credential::None }, ..Attempt::default() };
    let (room, pressure) = (RoomView::default(), Pressure::default());
    let decision = decide(&policy, &policy.base, &attempt, &room, &pressure, Timestamp::UNIX_EPOCH);
    assert_eq!(decision.verdict, Verdict::Deny);
    for _ in 0..times {
        face.site.counted.lock().unwrap().decision(&attempt.action, &decision);
        face.site.answers.observe(std::time::Duration::from_micros(30));
    }
}

/// Every sample of the metrics, by its name with its labels.
fn samples(text: &str) -> HashMap<&str, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect()
}

#[tokio::test]
async fn metrics_tell_what_was_counted_to_whoever_may_know() {
    let face = face();
    *face.site.rooms.lock().unwrap() = vec![room("secret-name@c", 3), room("b@c", 2)];
    denied(&face, 3);
    face.site.counted.lock().unwrap().gate_event(GateEvent::FailedOpen, 1);
    let get = |token| {
        let request = with_token(Request::get("/metrics").header("host", "localhost"), token);
        face.send(request.body(Body::empty()).unwrap())
    };
    assert_eq!(get(None).await.0, StatusCode::UNAUTHORIZED);
    let (status, headers, text) = get(Some("viewer")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text;"));
    assert!(text.ends_with("# EOF\n"), "{text}");
    let samples = samples(&text);
    for (name, value) in [
        ("vestibule_ready", 1.0),
        ("vestibule_link_up", 1.0),
        ("vestibule_policy_info{revision=\"r\",mode=\"enforce\"}", 1.0),
        ("vestibule_rooms{state=\"open\"}", 2.0),
        ("vestibule_occupants", 5.0),
        ("vestibule_people", 5.0),
        ("vestibule_room_looks_total{watch=\"timers\"}", 0.0),
        ("vestibule_gate_deeds_total{deed=\"failed-open\"}", 1.0),
        ("vestibule_http_logins_failed_total", 1.0),
        ("vestibule_answer_seconds_count", 3.0),
        ("vestibule_answer_seconds_bucket{le=\"0.00002\"}", 0.0),
        ("vestibule_answer_seconds_bucket{le=\"0.00005\"}", 3.0),
        ("vestibule_http_streams", 0.0),
        ("vestibule_store_up", 1.0),
        ("vestibule_doctor_findings{severity=\"critical\"}", 0.0),
        ("vestibule_decisions_total{kind=\"join\",verdict=\"deny\",class=\"guest\"}", 3.0),
        ("vestibule_decisions_by_rule_total{family=\"unreadable\",verdict=\"deny\"}", 3.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}\n{text}");
    }
    for name in ["secret-name", "b@c"] {
        assert!(!text.contains(name), "{text}");
    }
    let open = Admin { open_metrics: true, ..Admin::default() };
    face.access.replace(open);
    assert_eq!(get(None).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_last_hour_is_told_by_the_minute() {
    let face = face();
    let minutes = || async {
        let (status, told) = face.get("/api/v1/metrics-summary", Some("viewer")).await;
        assert_eq!(status, StatusCode::OK);
        told["minutes"].as_array().unwrap().clone()
    };
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    denied(&face, 2);
    let first = minutes().await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["joins"], json!({ "allow": 0, "hold": 0, "prompt": 0, "deny": 2 }));
    assert_eq!(first[0]["refusals"].as_object().unwrap().values().collect::<Vec<_>>(), [&json!(2)]);
    assert_eq!(first[0]["latency"], json!({ "count": 2, "p50": 50, "p99": 50 }));
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    denied(&face, 1);
    let second = minutes().await;
    assert_eq!((second.len(), &second[0]), (2, &first[0]));
    assert_eq!(second[1]["joins"]["deny"], 1);
    tokio::time::sleep(std::time::Duration::from_secs(3 * 60 * 60)).await;
    let later = minutes().await;
    assert_eq!(later.len(), 60);
    assert_eq!(later[59]["latency"], json!({ "count": 0, "p50": null, "p99": null }));
}
