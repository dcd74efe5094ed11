//! The asking side.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::request::Line;
use super::{Reply, Request};
use crate::config::NOT_ALLOWED;

/// How long the component may send neither a reply nor a sign of life: several of those.
const PATIENCE: Duration = Duration::from_secs(30);

/// The component could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no component listens on `{}`: is `vestibule run` up, and is `component.socket` the same for both?", path.display()
    )]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This account may not speak to it.
    #[error("the component's socket `{}`: {NOT_ALLOWED}", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// The conversation broke off.
    #[error("the component broke off without a reply")]
    BrokenOff(#[source] io::Error),
    /// The reply is none.
    #[error("the component's reply makes no sense: are both of the same version?")]
    Nonsense(#[source] serde_json::Error),
    /// Neither a reply nor a sign of life.
    #[error("the component has sent no sign of life for {} s; it may still do what it was asked for", PATIENCE.as_secs())]
    Silent,
}

/// Asks the component that listens on `socket`, and waits for as long as it works on the reply. `working` gets the
/// seconds that it has worked by now, every few seconds.
///
/// # Errors
/// When there is none, or it does not reply.
pub async fn ask(
    socket: &Path,
    request: &Request,
    working: impl FnMut(u64),
) -> Result<Reply, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|source| {
        let path = socket.to_owned();
        if source.kind() == io::ErrorKind::PermissionDenied {
            return ClientError::Forbidden { path };
        }
        ClientError::Unreachable { path, source }
    })?;
    converse(stream, request, working).await
}

pub(super) async fn converse(
    stream: UnixStream,
    request: &Request,
    mut working: impl FnMut(u64),
) -> Result<Reply, ClientError> {
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_string(request).map_err(ClientError::Nonsense)?;
    line.push('\n');
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
