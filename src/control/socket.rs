//! The control socket: its server in the component, and its client in the command line.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_util::codec::{Framed, LinesCodec};

use super::request::Line;
use super::{Caller, Command, Failure, FailureKind, Interface, Reply, Request, Role};
use crate::config::{NOT_ALLOWED, account_behind};
use crate::private;

/// The longest request, in bytes: it may contain a policy file.
const LONGEST: usize = 8 * 1024 * 1024;
/// Interval at which a caller is shown that the command is still running.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// Most connections at once.
const MOST: usize = 64;

/// The socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another component listens there.
    #[error("another component runs and listens on `{}`: stop it first (`systemctl stop vestibule`), or give this one another `component.socket`", .0.display())]
    Taken(PathBuf),
    /// The file cannot be created.
    #[error(
        "the socket `{}` cannot be made: set `component.socket` to a path that the component may write to", .0.display()
    )]
    Other(PathBuf, #[source] io::Error),
}

/// An implementation of the operator commands.
pub trait Handler: Send + Sync + 'static {
    /// Returns every command.
    fn commands(&self) -> &'static [Command];

    /// Carries out a request, if this caller may make it.
    fn handle(&self, caller: &Caller, request: Request) -> impl Future<Output = Reply> + Send;
}

/// The listening control socket. Its file is removed when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct ControlSocket(Arc<Bound>);

#[derive(Debug)]
struct Bound {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl ControlSocket {
    /// Listens on `socket`, which only the component's own account may open.
    ///
    /// # Errors
    /// When the socket cannot be created, for example because another component listens there.
    pub async fn listen(socket: &Path) -> Result<Self, SocketError> {
        let path = socket.to_owned();
        match listen(socket).await {
            Ok(listener) => Ok(Self(Arc::new(Bound { listener, path }))),
            Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
                Err(SocketError::Taken(path))
            }
            Err(source) => Err(SocketError::Other(path, source)),
        }
    }

    /// Has `handler` carry out the requests of every client, until the future is dropped.
    pub async fn serve<E>(self, handler: Arc<impl Handler>) -> E {
        let slots = Arc::new(Semaphore::new(MOST));
        loop {
            // The semaphore is never closed.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { continue };
            match self.0.listener.accept().await {
                Ok((stream, _)) => {
                    let handler = Arc::clone(&handler);
                    tokio::spawn(async move {
                        converse(stream, &*handler).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a conversation on the socket could not begin");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn listen(socket: &Path) -> io::Result<UnixListener> {
    if let Some(directory) = socket.parent() {
        private::make_directory(directory, private::GROUP)?;
    }
    // A socket that does not accept connections is left over from a component that was killed.
    if UnixStream::connect(socket).await.is_err() {
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    UnixListener::from_std(private::listen(socket, 0o600)?)
}

/// Returns the caller of a connection: an operator, named after the account of the operating system.
fn caller(stream: &UnixStream) -> Caller {
    let name =
        stream.peer_cred().map_or_else(|_| "?".to_owned(), |peer| format!("uid {}", peer.uid()));
    Caller { face: Interface::CommandLine, name, role: Role::Operator }
}

/// Key of a request on the socket, next to `do`: the account of the person who became another one to make it. The
/// caller says so themself; nobody but root and the component's own account may open the socket.
const BEHIND: &str = "behind";
/// Longest name of an account that is believed, in characters, as useradd(8) has it.
const LONGEST_ACCOUNT: usize = 32;

/// Returns the caller with the account of the person behind them, if a request names one.
fn with_account(caller: &Caller, values: &mut Map<String, Value>) -> Caller {
    let mut caller = caller.clone();
    if let Some(Value::String(account)) = values.remove(BEHIND)
        && (1..=LONGEST_ACCOUNT).contains(&account.len())
        && account.bytes().all(|byte| byte.is_ascii_graphic())
    {
        caller.name = format!("{account} ({})", caller.name);
    }
    caller
}

async fn sign_of_life(lines: &mut Framed<UnixStream, LinesCodec>, since: Duration) {
    if let Ok(line) = serde_json::to_string(&Line::Working(since.as_secs())) {
        // A client that does not read must not delay the command.
        let _ = timeout(SIGN_OF_LIFE, lines.send(line)).await;
    }
}

async fn converse(stream: UnixStream, handler: &impl Handler) {
    let caller = caller(&stream);
    let invalid = |reason: String| Reply::Failed(Failure::new(FailureKind::Invalid, reason));
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(LONGEST));
    while let Some(line) = lines.next().await {
        let read = |mut values| {
            let caller = with_account(&caller, &mut values);
            Request::read(handler.commands(), values).map(|request| (caller, request))
        };
        let reply = match line.map(|line| serde_json::from_str(&line).map(read)) {
            Ok(Ok(Err(failure))) => Reply::Failed(failure),
            Ok(Ok(Ok((caller, request)))) => {
                let mut handled = pin!(handler.handle(&caller, request));
                let began = Instant::now();
                loop {
                    // A command runs to its end even if the client no longer waits for the reply.
                    match timeout(SIGN_OF_LIFE, &mut handled).await {
                        Ok(reply) => break reply,
                        Err(_) => sign_of_life(&mut lines, began.elapsed()).await,
                    }
                }
            }
            Ok(Err(error)) => invalid(format!("the request makes no sense: {error}")),
            Err(_) => invalid("the request is too long, or no text".to_owned()),
        };
        let Ok(reply) = serde_json::to_string(&Line::Reply(reply)) else { return };
        if lines.send(reply).await.is_err() {
            return;
        }
    }
}

/// How long to wait for a reply or a sign of life: several times [`SIGN_OF_LIFE`].
const PATIENCE: Duration = Duration::from_secs(30);

/// The request got no reply.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No component listens on the socket.
    #[error(
        "no component listens on `{}`: is `vestibule run` up, and is `component.socket` the same for both?", .0.display()
    )]
    Unreachable(PathBuf, #[source] io::Error),
    /// This account may not open the socket.
    #[error("the component's socket `{}`: {NOT_ALLOWED}", .0.display())]
    Forbidden(PathBuf),
    /// The connection ended before the reply.
    #[error("the component broke off without a reply")]
    BrokenOff(#[source] io::Error),
    /// The request or the reply is not the expected JSON.
    #[error("the component's reply makes no sense: are both of the same version?")]
    Nonsense(#[source] serde_json::Error),
    /// The component sent neither a reply nor a sign of life in time.
    #[error("the component has sent no sign of life for {} s; it may still do what it was asked for", PATIENCE.as_secs())]
    Silent,
}

/// Sends a request to the component that listens on `socket`, and waits while the component works on it. `working` is
/// called every few seconds with the seconds so far.
///
/// # Errors
/// When no component listens, this account may not open the socket, or no valid reply arrives.
pub async fn ask(
    socket: &Path,
    request: &Request,
    working: impl FnMut(u64),
) -> Result<Reply, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|source| {
        let path = socket.to_owned();
        if source.kind() == io::ErrorKind::PermissionDenied {
            return ClientError::Forbidden(path);
        }
        ClientError::Unreachable(path, source)
    })?;
    send_request(stream, request, working).await
}

pub(super) async fn send_request(
    stream: UnixStream,
    request: &Request,
    mut working: impl FnMut(u64),
) -> Result<Reply, ClientError> {
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_value(request).map_err(ClientError::Nonsense)?;
    if let (Some(values), Some(account)) = (line.as_object_mut(), account_behind()) {
        values.insert(BEHIND.to_owned(), account.into());
    }
    let line = format!("{line}\n");
    let written = timeout(PATIENCE, write.write_all(line.as_bytes())).await;
    written.map_err(|_| ClientError::Silent)?.map_err(ClientError::BrokenOff)?;
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        let taken = timeout(PATIENCE, read.read_line(&mut line)).await;
        taken.map_err(|_| ClientError::Silent)?.map_err(ClientError::BrokenOff)?;
        if line.is_empty() {
            return Err(ClientError::BrokenOff(io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_str(&line).map_err(ClientError::Nonsense)? {
            Line::Working(seconds) => working(seconds),
            Line::Reply(reply) => return Ok(reply),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::control::{Impact, RoomDetails};

    /// A command without arguments.
    #[derive(Default, Deserialize, JsonSchema, Serialize)]
    struct Nothing {}

    static COMMANDS: LazyLock<[Command; 1]> = LazyLock::new(|| {
        [Command::new::<Nothing, RoomDetails>(
            ("status", "Status"),
            Role::Viewer,
            Impact::ReadOnly,
            false,
        )]
    });

    fn status() -> Request {
        COMMANDS[0].request(Map::new()).unwrap()
    }

    /// A handler whose commands take this long.
    struct Slow(Duration);

    impl Handler for Slow {
        fn commands(&self) -> &'static [Command] {
            &*COMMANDS
        }

        async fn handle(&self, _: &Caller, _: Request) -> Reply {
            tokio::time::sleep(self.0).await;
            Reply::Done(json!("done"))
        }
    }

    async fn ask(takes: Duration) -> (Reply, Vec<u64>) {
        let (here, there) = UnixStream::pair().unwrap();
        let server = tokio::spawn(async move { converse(there, &Slow(takes)).await });
        let mut signs = Vec::new();
        let request = status();
        let asked = send_request(here, &request, |seconds| signs.push(seconds));
        let reply = asked.await.unwrap();
        server.await.unwrap();
        (reply, signs)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_is_waited_for_as_long_as_it_is_worked_on() {
        let done = Reply::Done(json!("done"));
        assert_eq!(ask(Duration::from_secs(1)).await, (done.clone(), Vec::new()));
        let (reply, signs) = ask(Duration::from_secs(301)).await;
        assert_eq!((reply, signs.first(), signs.last()), (done, Some(&5), Some(&300)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_component_that_gives_no_sign_of_life_is_given_up() {
        let (here, there) = UnixStream::pair().unwrap();
        let error = send_request(here, &status(), |_| {}).await.unwrap_err();
        assert!(matches!(error, ClientError::Silent), "{error}");
        drop(there);
    }
}
