//! Listening, and serving connections: a bounded number, each with time limits.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_io_timeout::TimeoutStream;

use super::access::Access;
use crate::config::{Listen, SocketMode};
use crate::private;

/// Most connections at once; more wait until one is free.
const MOST: usize = 256;
/// Time limit for the head of a request, and for an idle connection.
const HEAD: Duration = Duration::from_secs(10);
/// Most bytes of a request's head; hyper requires at least 8 KiB.
const LONGEST_HEAD: usize = 16 * 1024;
/// Most headers of a request.
const HEADERS: usize = 64;

/// The page and the API cannot listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "the page and the API cannot listen on `{at}` ({source}): end what listens there, or set `admin.http` to another address, or to \"\" for none"
)]
pub struct HttpError {
    at: String,
    source: io::Error,
}

/// The listening socket of the page and the API.
#[derive(Debug)]
pub struct Server(Listener);

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Server {
    /// Listens as configured; returns `None` if that is switched off.
    ///
    /// # Errors
    /// When it cannot listen, as where another program already does.
    pub async fn bind(
        listen: &Listen,
        mode: SocketMode,
        access: &Access,
    ) -> Result<Option<Self>, HttpError> {
        match listen {
            Listen::Off => Ok(None),
            Listen::Tcp(address) => {
                let failed = |source| HttpError { at: address.to_string(), source };
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                let address = listener.local_addr().map_err(failed)?;
                access.listens_on(address);
                tracing::info!(%address, "the page and the API are there: `vestibule page` logs in");
                Ok(Some(Self(Listener::Tcp(listener))))
            }
            Listen::Unix(path) => match listen_on_socket(path, mode).await {
                Ok(listener) => {
                    tracing::info!(socket = %path.display(), "the page and the API are there");
                    Ok(Some(Self(Listener::Unix(listener, path.clone()))))
                }
                Err(source) => Err(HttpError { at: format!("unix:{}", path.display()), source }),
            },
        }
    }

    /// Serves until it is dropped.
    pub async fn serve(self, router: Router) -> Infallible {
        let slots = Arc::new(Semaphore::new(MOST));
        loop {
            // The semaphore is never closed.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { continue };
            let accepted = match &self.0 {
                Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                    // Small events are not held back. If this fails, they are only slower.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(converse(stream, router.clone(), slot));
                }),
                Listener::Unix(listener, _) => listener.accept().await.map(|(stream, _)| {
                    tokio::spawn(converse(stream, router.clone(), slot));
                }),
            };
            if let Err(error) = accepted {
                tracing::warn!(%error, "a connection to the API could not begin");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn listen_on_socket(path: &Path, mode: SocketMode) -> io::Result<UnixListener> {
    // A socket on which nobody answers is left over from a component that was killed; anything else stays.
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(path).await.is_err() {
        std::fs::remove_file(path)?;
    }
    let bits = match mode {
        SocketMode::Owner => 0o600,
        SocketMode::Group => 0o660,
    };
    UnixListener::from_std(private::listen(path, bits)?)
}

async fn converse<T>(stream: T, router: Router, slot: OwnedSemaphorePermit)
where
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(HEADERS)
        .max_buf_size(LONGEST_HEAD)
        .half_close(false)
        .serve_connection(TokioIo::new(with_write_timeout(stream)), service);
    // A broken connection is the client's concern, so it is logged for debugging only.
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the API broke off");
    }
    drop(slot);
}

/// Time after which a write fails if the client has taken nothing.
const STALLED: Duration = Duration::from_secs(20);

/// Returns a stream whose writes fail once the client has taken nothing for [`STALLED`]. Reads are not limited here,
/// because the limit depends on what is read.
fn with_write_timeout<T: AsyncRead + AsyncWrite>(stream: T) -> Pin<Box<TimeoutStream<T>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALLED));
    Box::pin(stream)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_may_be_slow_but_not_asleep() {
        let (here, mut there) = tokio::io::duplex(4);
        let mut here = with_write_timeout(here);
        let slow = tokio::spawn(async move {
            let mut taken = [0; 4];
            for _ in 0..3 {
                sleep(STALLED - Duration::from_secs(1)).await;
                there.read_exact(&mut taken).await.unwrap();
            }
            there
        });
        here.write_all(b"abcdefghijkl").await.unwrap();
        let there = slow.await.unwrap();
        here.write_all(b"mnop").await.unwrap();
        let error = here.write_all(b"q").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(there);
    }
}
