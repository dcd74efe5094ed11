//! A client's session (RFC 6120): STARTTLS where it is offered, SASL, a bound resource; and joins and leaves of rooms.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

use super::scram::{Hash, Salted, Scram};
use crate::jid::BareJid;
use crate::secret::Secret;
use crate::xmpp::element::Scope;
use crate::xmpp::framer::{Frame, Framer, FramerError};
use crate::xmpp::handshake::{StreamError, stream_header};
use crate::xmpp::{Document, Element, ElementError, ElementRef, ns};

const CLIENT: &str = "jabber:client";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
const MUC: &str = "http://jabber.org/protocol/muc";
const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
const FOCUS: &str = "http://jitsi.org/protocol/focus";

/// Longest that a log-in, a join or a leave may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Why a session could not be had, or has ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// There is no server at the address.
    #[error(
        "cannot connect to {server}: {error}; --server is the host and the port for clients, like 127.0.0.1:5222"
    )]
    Connect { server: String, error: io::Error },
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server sent no valid stream.
    #[error("{0}")]
    Framer(#[from] FramerError),
    /// The server sent an element that cannot be read.
    #[error("the server's stream cannot be read: {0}")]
    Element(#[from] ElementError),
    /// The server closed the stream with an error.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The server closed the stream, or the connection.
    #[error("the server closed the stream")]
    Closed,
    /// The server refused the log-in.
    #[error("the server refuses the log-in of {who}: {condition}")]
    LogIn { who: String, condition: String },
    /// The server offers no way to log in that can be taken.
    #[error("{host} offers no way to log in {how}: it has {offered}")]
    NoMechanism { host: String, how: &'static str, offered: String },
    /// The password would be sent over a network in the clear.
    #[error("the server offers no STARTTLS, and is not on this machine: the password is not sent")]
    Plaintext,
    /// The server's answer is none that the protocol provides for.
    #[error("the server's answer makes no sense: {0}")]
    Unexpected(&'static str),
    /// TLS cannot be had.
    #[error("TLS: {why}")]
    Tls { why: String, is_local: bool },
    /// The server did not answer in time.
    #[error("the server has not answered for {} s", TIMEOUT.as_secs())]
    Late,
}

/// An account, and what its password comes to once the server has named the salt.
#[derive(Debug)]
pub(super) struct Account {
    jid: BareJid,
    password: Secret,
    salted: Mutex<Option<Salted>>,
}

impl Account {
    pub(super) const fn new(jid: BareJid, password: Secret) -> Self {
        Self { jid, password, salted: Mutex::new(None) }
    }

    pub(super) const fn jid(&self) -> &BareJid {
        &self.jid
    }

    fn name(&self) -> &str {
        self.jid.node().unwrap_or_default()
    }
}

/// Where sessions log in, and as whom; without an account by SASL ANONYMOUS.
#[derive(Debug)]
pub(super) struct Login {
    /// Address and port of the server.
    pub(super) server: String,
    /// Host to log in to.
    pub(super) host: String,
    pub(super) account: Option<Account>,
}

trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A session that is logged in.
pub(super) struct Session {
    stream: Framed<Box<dyn Transport>, Framer>,
    scope: Scope,
    /// Full address that the server gave it.
    pub(super) jid: String,
}

/// What became of a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// The session is inside.
    In {
        /// Whether this join made the room (status 201).
        created: bool,
    },
    /// The join was refused, with this condition and text, or not answered.
    Refused(String),
}

impl Session {
    /// Connects, logs in, and binds a resource.
    pub(super) async fn open(login: &Login) -> Result<Self, ClientError> {
        let log_in = async |takes_tls| {
            timeout(TIMEOUT, Self::log_in(login, takes_tls)).await.map_err(|_| ClientError::Late)?
        };
        match log_in(true).await {
            // A host without a certificate offers it all the same.
            Err(ClientError::Tls { is_local: true, .. }) => log_in(false).await,
            done => done,
        }
    }

    fn over(transport: Box<dyn Transport>) -> Self {
        let stream = Framed::new(transport, Framer::default());
        Self { stream, scope: Scope::default(), jid: String::new() }
    }

    async fn log_in(login: &Login, takes_tls: bool) -> Result<Self, ClientError> {
        let server = &login.server;
        let tcp = TcpStream::connect(server)
            .await
            .map_err(|error| ClientError::Connect { server: server.clone(), error })?;
        tcp.set_nodelay(true)?;
        let is_local = tcp.peer_addr()?.ip().is_loopback();
        let mut session = Self::over(Box::new(tcp));
        let mut features = session.begin(&login.host).await?;
        let is_encrypted = takes_tls && features.root().child(TLS, "starttls").is_some();
        if is_encrypted {
            session.send(&Element::new(TLS, "starttls")).await?;
            if !session.next().await?.root().is(TLS, "proceed") {
                return Err(ClientError::Unexpected("STARTTLS was offered, and is refused"));
            }
            let broken = |why: String| ClientError::Tls { why, is_local };
            let name = ServerName::try_from(login.host.clone());
            let name = name.map_err(|error| broken(error.to_string()))?;
            let config = tls(is_local).map_err(|error| broken(error.to_string()))?;
            let connecting =
                TlsConnector::from(Arc::new(config)).connect(name, session.stream.into_inner());
            let encrypted = connecting.await.map_err(|error| broken(error.to_string()))?;
            session = Self::over(Box::new(encrypted));
            features = session.begin(&login.host).await?;
        }
        let offered = features.root().child(SASL, "mechanisms");
        let offered: Vec<_> = offered
            .into_iter()
            .flat_map(ElementRef::children)
            .map(|mechanism| mechanism.text().into_owned())
            .collect();
        match &login.account {
            None => session.as_guest(login, &offered).await?,
            Some(_) if !is_encrypted && !is_local => return Err(ClientError::Plaintext),
            Some(account) => session.as_account(login, account, &offered).await?,
        }
        let mut session = Self::over(session.stream.into_inner());
        session.begin(&login.host).await?;
        session.bind().await?;
        Ok(session)
    }

    async fn as_guest(&mut self, login: &Login, offered: &[String]) -> Result<(), ClientError> {
        if !offered.iter().any(|it| it == "ANONYMOUS") {
            return Err(none_of(login, "as a guest", offered));
        }
        self.send(&auth("ANONYMOUS", None)).await?;
        let answer = self.next().await?;
        match answer.root().name() {
            "success" => Ok(()),
            _ => Err(refused(login, answer.root())),
        }
    }

    async fn as_account(
        &mut self,
        login: &Login,
        account: &Account,
        offered: &[String],
    ) -> Result<(), ClientError> {
        let has = |name: &str| offered.iter().any(|it| it == name);
        let hash = Hash::ALL.into_iter().find(|hash| has(hash.mechanism()));
        let Some(hash) = hash else {
            if !has("PLAIN") {
                return Err(none_of(login, "with a password", offered));
            }
            let response = format!("\0{}\0{}", account.name(), account.password.expose());
            self.send(&auth("PLAIN", Some(response.as_bytes()))).await?;
            let answer = self.next().await?;
            return match answer.root().name() {
                "success" => Ok(()),
                _ => Err(refused(login, answer.root())),
            };
        };
        let nonce = Secret::random().map_err(|it| io::Error::other(it.to_string()))?;
        let scram = Scram::new(hash, account.name(), nonce.expose());
        self.send(&auth(hash.mechanism(), Some(scram.first().as_bytes()))).await?;
        let answer = self.next().await?;
        if answer.root().name() != "challenge" {
            return Err(refused(login, answer.root()));
        }
        let challenge = decoded(answer.root())?;
        // The hash of the password takes longer than all the rest, and is the same for each session.
        let before = account.salted.lock().clone();
        let proof = scram.answer(&challenge, &account.password, before);
        let proof = proof.ok_or(ClientError::Unexpected("its SCRAM challenge"))?;
        *account.salted.lock() = Some(proof.salted);
        let response = STANDARD.encode(proof.response);
        self.send(&Element::new(SASL, "response").with_text(response)).await?;
        let answer = self.next().await?;
        if answer.root().name() != "success" {
            return Err(refused(login, answer.root()));
        }
        match decoded(answer.root())? == proof.verifier {
            true => Ok(()),
            false => Err(ClientError::Unexpected("it does not know the password itself")),
        }
    }

    async fn bind(&mut self) -> Result<(), ClientError> {
        let bind = Element::new(CLIENT, "iq").with_attr("type", "set").with_attr("id", "bind");
        let answer = self.ask(bind.with_child(Element::new(BIND, "bind")), "bind").await?;
        let bound = answer.root().child(BIND, "bind").and_then(|bind| bind.child(BIND, "jid"));
        self.jid = bound.ok_or(ClientError::Unexpected("no resource"))?.text().into_owned();
        Ok(())
    }

    /// Asks Jitsi's focus at this address for a room. Returns why it refuses, if it does.
    pub(super) async fn ask_focus(
        &mut self,
        focus: &str,
        room: &str,
    ) -> Result<Option<String>, ClientError> {
        let conference = Element::new(FOCUS, "conference").with_attr("room", room);
        let iq = Element::new(CLIENT, "iq")
            .with_attr("type", "set")
            .with_attr("id", "focus")
            .with_attr("to", focus)
            .with_child(conference);
        let asked = timeout(TIMEOUT, self.ask(iq, "focus"));
        let answer = asked.await.map_err(|_| ClientError::Late)??;
        Ok((answer.root().attr("type") == Some("error")).then(|| condition(answer.root())))
    }

    /// Sends a request, and returns the answer to it.
    async fn ask(&mut self, iq: Element, id: &str) -> Result<Document, ClientError> {
        self.send(&iq).await?;
        loop {
            let answer = self.next().await?;
            let root = answer.root();
            if root.is(CLIENT, "iq") && root.attr("id") == Some(id) && is_answer(root) {
                return Ok(answer);
            }
        }
    }

    /// Joins a room, and waits until it has answered.
    pub(super) async fn join(
        &mut self,
        room: &str,
        nick: &str,
        password: Option<&str>,
    ) -> Result<Entered, ClientError> {
        let password = password.map(|it| Element::new(MUC, "password").with_text(it));
        // The history of the room is none of what is measured.
        let history = Element::new(MUC, "history").with_attr("maxstanzas", "0");
        let enter = Element::new(MUC, "x").with_child(history).with_child_opt(password);
        let join = Element::new(CLIENT, "presence").with_attr("to", format!("{room}/{nick}"));
        self.send(&join.with_child(enter)).await?;
        timeout(TIMEOUT, self.entered(room))
            .await
            .unwrap_or_else(|_| Ok(Entered::Refused("no answer".to_owned())))
    }

    async fn entered(&mut self, room: &str) -> Result<Entered, ClientError> {
        loop {
            let stanza = self.next().await?;
            let presence = stanza.root();
            if !is_from(presence, room) {
                continue;
            }
            match presence.attr("type") {
                Some("error") => return Ok(Entered::Refused(condition(presence))),
                None if has_status(presence, "110") => {
                    return Ok(Entered::In { created: has_status(presence, "201") });
                }
                _ => {}
            }
        }
    }

    /// Leaves a room, and waits until it has answered.
    pub(super) async fn leave(&mut self, room: &str, nick: &str) -> Result<(), ClientError> {
        let leave = Element::new(CLIENT, "presence")
            .with_attr("to", format!("{room}/{nick}"))
            .with_attr("type", "unavailable");
        self.send(&leave).await?;
        let left = async {
            loop {
                let stanza = self.next().await?;
                let presence = stanza.root();
                let is_end = matches!(presence.attr("type"), Some("unavailable" | "error"));
                if is_from(presence, room) && is_end {
                    return Ok(());
                }
            }
        };
        // Who was never let in gets no answer to a leave.
        timeout(TIMEOUT, left).await.unwrap_or(Ok(()))
    }

    /// Reads and forgets what comes, until that is cancelled or the stream ends; then closes the stream.
    pub(super) async fn stay(mut self, until: CancellationToken) {
        let reading = async { while self.next().await.is_ok() {} };
        let _ = until.run_until_cancelled(reading).await;
        self.close().await;
    }

    /// Closes the stream; the server takes the session out of every room.
    pub(super) async fn close(mut self) {
        let transport = self.stream.get_mut();
        let farewell = async {
            transport.write_all(b"</stream:stream>").await?;
            transport.shutdown().await
        };
        // The session is over in any case.
        let _ = timeout(Duration::from_secs(1), farewell).await;
    }

    /// Opens the stream; returns the server's features.
    async fn begin(&mut self, host: &str) -> Result<Document, ClientError> {
        self.write(&stream_header(CLIENT, " version='1.0'", host)).await?;
        let features = self.next().await?;
        match features.root().is(ns::STREAM, "features") {
            true => Ok(features),
            false => Err(ClientError::Unexpected("no stream features")),
        }
    }

    async fn send(&mut self, element: &Element) -> Result<(), ClientError> {
        let mut bytes = Vec::new();
        element.write_in(CLIENT, &mut bytes);
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let transport = self.stream.get_mut();
        transport.write_all(bytes).await?;
        Ok(transport.flush().await?)
    }

    /// Reads the next stanza.
    async fn next(&mut self) -> Result<Document, ClientError> {
        loop {
            match self.stream.next().await.ok_or(ClientError::Closed)?? {
                Frame::Open(header) => self.scope = header.scope,
                Frame::Close => return Err(ClientError::Closed),
                Frame::Keepalive | Frame::Refused(_) => {}
                Frame::Stanza(bytes) => {
                    let stanza = Document::parse_in(&bytes, &self.scope)?;
                    return match StreamError::read(stanza.root()) {
                        Some(error) => Err(error.into()),
                        None => Ok(stanza),
                    };
                }
            }
        }
    }
}

fn auth(mechanism: &'static str, response: Option<&[u8]>) -> Element {
    let element = Element::new(SASL, "auth").with_attr("mechanism", mechanism);
    match response {
        Some(response) => element.with_text(STANDARD.encode(response)),
        None => element,
    }
}

fn decoded(element: ElementRef<'_>) -> Result<String, ClientError> {
    let bytes = STANDARD.decode(element.text().as_bytes()).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or(ClientError::Unexpected("no base64 in SASL"))
}

fn refused(login: &Login, answer: ElementRef<'_>) -> ClientError {
    let condition = answer.children().map(ElementRef::name).find(|name| *name != "text");
    let condition = condition.unwrap_or("no reason is given");
    let (who, advice) = match &login.account {
        Some(account) if condition == "not-authorized" => {
            (account.jid.as_str(), " (no such account, or the password is wrong)")
        }
        Some(account) => (account.jid.as_str(), ""),
        None => ("a guest", ""),
    };
    ClientError::LogIn { who: who.to_owned(), condition: format!("{condition}{advice}") }
}

fn none_of(login: &Login, how: &'static str, offered: &[String]) -> ClientError {
    let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
    ClientError::NoMechanism { host: login.host.clone(), how, offered }
}

fn is_answer(iq: ElementRef<'_>) -> bool {
    matches!(iq.attr("type"), Some("result" | "error"))
}

fn is_from(presence: ElementRef<'_>, room: &str) -> bool {
    let from = presence.attr("from").unwrap_or_default();
    let bare = from.split_once('/').map_or(from, |(bare, _)| bare);
    presence.is(CLIENT, "presence") && bare == room
}

fn has_status(presence: ElementRef<'_>, code: &str) -> bool {
    let user = presence.child(MUC_USER, "x");
    user.is_some_and(|x| {
        x.children().any(|it| it.is(MUC_USER, "status") && it.attr("code") == Some(code))
    })
}

/// Returns the condition of an error, and its text if there is one.
fn condition(stanza: ElementRef<'_>) -> String {
    let Some(error) = stanza.child(CLIENT, "error") else { return "error".to_owned() };
    let of_ns = |child: &ElementRef<'_>| child.ns() == ns::STANZA_ERRORS && child.name() != "text";
    let condition = error.children().find(of_ns).map_or("error", ElementRef::name);
    match error.child(ns::STANZA_ERRORS, "text") {
        Some(text) => format!("{condition}: {}", text.text()),
        None => condition.to_owned(),
    }
}

/// Returns TLS with the authorities of the system. On this machine any certificate will do: nothing is between it and
/// the server, and servers here often have one that nobody has signed.
fn tls(is_local: bool) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    if is_local {
        let any = Arc::new(AnyCertificate(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth());
    }
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Ok(builder.with_root_certificates(authorities).with_no_client_auth())
}

/// Takes any certificate of a server on this machine.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
