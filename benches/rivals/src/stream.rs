//! A TCP stream with stanzas on it.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Result;
use crate::stanza::Splitter;

/// Longer than a gate holds anything: what has not come by then does not come.
const SILENCE: Duration = Duration::from_secs(30);

/// One side of a stream.
#[derive(Debug)]
pub struct Stream {
    /// The socket.
    pub socket: TcpStream,
    /// What came over it.
    pub splitter: Splitter,
}

impl Stream {
    /// Over a connected socket.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn over(socket: TcpStream) -> Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self { socket, splitter: Splitter::default() })
    }

    /// Writes all of the text.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.socket.write_all(text.as_bytes()).await?)
    }

    /// Reads what is there, at least a byte.
    ///
    /// # Errors
    /// Those of the socket, the end of the stream, and silence.
    pub async fn fill(&mut self) -> Result<()> {
        timeout(SILENCE, self.fill_some_time()).await.map_err(|_| "the peer is silent")?
    }

    /// The same, however long the peer is silent.
    ///
    /// # Errors
    /// Those of the socket, and the end of the stream.
    pub async fn fill_some_time(&mut self) -> Result<()> {
        match self.socket.read_buf(self.splitter.buffer()).await? {
            0 => Err("the peer closed the connection".into()),
            _ => Ok(()),
        }
    }

    /// The next stanza, copied.
    ///
    /// # Errors
    /// Those of [`Self::fill`].
    pub async fn next(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(stanza) = self.splitter.cut() {
                return Ok(stanza.to_vec());
            }
            self.fill().await?;
        }
    }

    /// Reads what is there without waiting, and forgets it: a peer whose words are not taken slows down.
    ///
    /// # Errors
    /// Those of the socket, and the end of the stream.
    pub fn drain(&mut self) -> Result<()> {
        loop {
            let buffer = self.splitter.buffer();
            buffer.reserve(64 * 1024);
            match self.socket.try_read_buf(buffer) {
                Ok(0) => return Err("the peer closed the connection".into()),
                Ok(_) => while self.splitter.cut().is_some() {},
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
