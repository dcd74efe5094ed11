//! The asking side.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{Reply, Request};
use crate::config::NOT_ALLOWED;

/// How long a reply may take.
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
    /// No reply in time.
    #[error("the component does not reply")]
    Silent,
}

/// Asks the component that listens on `socket`.
///
/// # Errors
/// When there is none, or it does not reply.
pub async fn ask(socket: &Path, request: &Request) -> Result<Reply, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|source| {
        let path = socket.to_owned();
        if source.kind() == io::ErrorKind::PermissionDenied {
            return ClientError::Forbidden { path };
        }
        ClientError::Unreachable { path, source }
    })?;
    tokio::time::timeout(PATIENCE, converse(stream, request))
        .await
        .unwrap_or(Err(ClientError::Silent))
}

async fn converse(stream: UnixStream, request: &Request) -> Result<Reply, ClientError> {
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_string(request).map_err(ClientError::Nonsense)?;
    line.push('\n');
    write.write_all(line.as_bytes()).await.map_err(ClientError::BrokenOff)?;
    let mut reply = String::new();
    BufReader::new(read).read_line(&mut reply).await.map_err(ClientError::BrokenOff)?;
    if reply.is_empty() {
        return Err(ClientError::BrokenOff(io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_str(&reply).map_err(ClientError::Nonsense)
}
