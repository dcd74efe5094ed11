//! A component connects, and is greeted.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;
use vestibule_rivals::stanza::{attribute, has};
use vestibule_rivals::stream::Stream;
use vestibule_rivals::{COMPONENT, GATE, Result, SERVICE};

/// How long a component may take to connect.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came from the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An answer that allows.
    Allowed,
    /// Any other answer, and an error.
    Refused,
    /// Nothing that was asked for.
    Aside,
}

/// A link to the component under load.
pub struct Link {
    pub stream: Stream,
}

impl Link {
    /// Waits for the component and for its answer to `hello`.
    ///
    /// Any proof is taken: the program that connects here was started by the one that started this.
    pub async fn accept(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        println!(r#"{{"listening":{port}}}"#);
        let accepted = timeout(PATIENCE, listener.accept()).await;
        let (socket, _) = accepted.map_err(|_| "no component has connected")??;
        let mut stream = Stream::over(socket)?;
        stream.next().await?;
        let header = format!(
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns='jabber:component:accept' from='{COMPONENT}' id='5b1f0c'>"
        );
        stream.send(&header).await?;
        stream.next().await?;
        stream.send("<handshake/>").await?;
        let mut link = Self { stream };
        let hello = format!(
            "<iq type='set' id='hello' from='{SERVICE}' to='{COMPONENT}'><hello xmlns='{GATE}' version='2' level='1' \
             gate='0.1.0' server='Prosody 0.12.3' failure='refuse' grace='5' timeout='5' rooms='0'/></iq>"
        );
        link.stream.send(&hello).await?;
        loop {
            let stanza = link.stream.next().await?;
            if attribute(&stanza, "id") == "hello" {
                let is_welcome = attribute(&stanza, "type") == "result";
                return if is_welcome { Ok(link) } else { Err("hello was refused".into()) };
            }
            link.reply(&stanza).await?;
        }
    }

    /// Answers what the component asks by itself: there are no rooms here but those it is told of.
    pub async fn reply(&mut self, stanza: &[u8]) -> Result<()> {
        let Some(reply) = reply(stanza) else { return Ok(()) };
        self.stream.send(&reply).await
    }
}

/// The reply to a request of the component, as the gate of a server without rooms gives it.
pub fn reply(stanza: &[u8]) -> Option<String> {
    if !matches!(attribute(stanza, "type"), "get" | "set") {
        return None;
    }
    let id = attribute(stanza, "id");
    let names = ["snapshot", "loaded", "stored", "inventory"];
    let payload = match names.into_iter().find(|name| has(stanza, &format!("<{name} "))) {
        Some("inventory") => format!(
            "<inventory xmlns='{GATE}' server='Prosody 0.12.3' lua='5.4' gate='0.1.0'><module name='vestibule_gate'/>\
             <host name='localhost' type='local'/></inventory>"
        ),
        Some(name) => format!("<{name} xmlns='{GATE}' seq='0'/>"),
        None => String::new(),
    };
    Some(format!("<iq type='result' id='{id}' from='{SERVICE}' to='{COMPONENT}'>{payload}</iq>"))
}

/// What a stanza of the component is.
pub fn judge(stanza: &[u8]) -> Heard {
    match attribute(stanza, "type") {
        "result" if has(stanza, "verdict='allow'") || has(stanza, "verdict=\"allow\"") => {
            Heard::Allowed
        }
        "result" | "error" => Heard::Refused,
        _ => Heard::Aside,
    }
}
