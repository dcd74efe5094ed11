//! A TCP stream with stanzas on it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Result;
use crate::stanza::Splitter;

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
    /// Those of the socket, and the end of the stream.
    pub async fn fill(&mut self) -> Result<()> {
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
}
