//! A client's session: XMPP over TCP on loopback, authenticated, bound.

use tokio::net::TcpStream;
use vestibule_rivals::Result;
use vestibule_rivals::stanza::has;
use vestibule_rivals::stream::Stream;

/// The virtual host whose people need no account.
const HOST: &str = "guest.localhost";

/// Logs in at the client port, as nobody in particular (SASL ANONYMOUS).
pub async fn log_in(port: u16) -> Result<Stream> {
    Ok(log_in_as(port).await?.0)
}

/// The same, with the full JID that the session is given.
pub async fn log_in_as(port: u16) -> Result<(Stream, String)> {
    let mut stream = Stream::over(TcpStream::connect(("127.0.0.1", port)).await?)?;
    open(&mut stream).await?;
    stream.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>").await?;
    let answer = stream.next().await?;
    if !has(&answer, "<success") {
        return Err(format!("no login: {}", String::from_utf8_lossy(&answer)).into());
    }
    stream.splitter.restart();
    open(&mut stream).await?;
    stream
        .send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        .await?;
    let answer = stream.next().await?;
    let answer = String::from_utf8_lossy(&answer);
    let jid = answer.split_once("<jid>").and_then(|(_, rest)| rest.split_once("</jid>"));
    let (jid, _) = jid.ok_or_else(|| format!("no resource: {answer}"))?;
    Ok((stream, jid.to_owned()))
}

/// Sends the header; reads the server's, and its features.
async fn open(stream: &mut Stream) -> Result<()> {
    let header = format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams' to='{HOST}' version='1.0'>"
    );
    stream.send(&header).await?;
    stream.next().await?;
    stream.next().await?;
    Ok(())
}
