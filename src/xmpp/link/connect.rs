//! From a server's name to a connection.

use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::LinkError;

const LIMIT: Duration = Duration::from_secs(5);

/// Connects to `server` (`host:port`), which must be on this machine unless `allow_network`.
///
/// Every address of the name is checked before the first is tried: the secret's proof and every
/// password of a room would cross the network in the clear.
pub(super) async fn connect(server: String, allow_network: bool) -> Result<TcpStream, LinkError> {
    let addresses: Vec<_> = match timeout(LIMIT, lookup_host(server.clone())).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(source)) => return Err(LinkError::Resolve { server, source: Some(source) }),
        Err(_) => {
            return Err(LinkError::TimedOut { doing: "looking up its address", limit: LIMIT });
        }
    };
    let remote = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback());
    if let (Some(&address), false) = (remote, allow_network) {
        return Err(LinkError::Plaintext { address });
    }
    let mut last = LinkError::Resolve { server, source: None };
    for address in addresses {
        match timeout(LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Answers are written in batches already; waiting for more only delays them.
                stream.set_nodelay(true).map_err(LinkError::Io)?;
                return Ok(stream);
            }
            Ok(Err(source)) => last = LinkError::Connect { address, source },
            Err(_) => last = LinkError::TimedOut { doing: "connecting", limit: LIMIT },
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_server_elsewhere_is_refused_before_it_is_connected_to() {
        let error = connect("192.0.2.1:5347".into(), false).await.unwrap_err();
        assert!(matches!(error, LinkError::Plaintext { .. }), "{error}");
        let error = connect("0.0.0.0:1".into(), false).await.unwrap_err();
        assert!(matches!(error, LinkError::Plaintext { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_server_on_this_machine_is_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(connect(address.to_string(), false).await.unwrap().nodelay().unwrap());
        drop(listener);
        let error = connect(address.to_string(), false).await.unwrap_err();
        assert!(matches!(error, LinkError::Connect { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_name_without_port_is_told() {
        let error = connect("localhost".into(), false).await.unwrap_err();
        assert!(matches!(error, LinkError::Resolve { .. }), "{error}");
    }
}
