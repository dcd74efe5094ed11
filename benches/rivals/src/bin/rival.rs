//! The same component on tokio-xmpp: `rival run --port P`. It allows everything, in the words of the real one.
//!
//! One thread, and one write for all that is there to answer: the best that the crate's interface gives.

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio_xmpp::connect::DnsConfig;
use tokio_xmpp::minidom::{Element, rxml::xml_ncname};
use tokio_xmpp::parsers::iq::Iq;
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Component, Stanza};
use vestibule_rivals::arguments::Arguments;
use vestibule_rivals::{COMPONENT, GATE, Result};

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let port: u16 = Arguments::of_process()?.get("port")?;
        let server = DnsConfig::addr(&format!("127.0.0.1:{port}"));
        let mut component =
            Component::new_plaintext(COMPONENT, "laboratory secret", server, Timeouts::tight())
                .await?;
        let mut decision = 0;
        while let Some(first) = component.next().await {
            let mut stanza = Some(first);
            while let Some(question) = stanza {
                decision += 1;
                if let Some(reply) = reply(question, decision)? {
                    component.feed(reply.into()).await?;
                }
                stanza = component.next().now_or_never().flatten();
            }
            component.flush().await?;
        }
        Ok(())
    })
}

fn reply(stanza: Stanza, decision: u64) -> Result<Option<Iq>> {
    let Stanza::Iq(Iq::Set { from, to, id, payload }) = stanza else { return Ok(None) };
    let payload = if payload.is("request", GATE) {
        allow(&payload, decision)?
    } else {
        Element::bare("hello", GATE)
    };
    Ok(Some(Iq::Result { from: to, to: from, id, payload: Some(payload) }))
}

fn allow(ask: &Element, decision: u64) -> Result<Element> {
    let requester = ask.get_child("requester", GATE).ok_or("no requester")?;
    let jid = requester.attr("jid").unwrap_or_default();
    let bare = jid.split_once('/').map_or(jid, |(bare, _)| bare);
    Ok(Element::builder("answer", GATE)
        .attr(xml_ncname!("attempt").into(), ask.attr("attempt"))
        .attr(xml_ncname!("base").into(), ask.attr("revision"))
        .attr(xml_ncname!("verdict").into(), "allow")
        .attr(xml_ncname!("rule").into(), "lobby.admission")
        .attr(xml_ncname!("decision").into(), format!("c41-{decision}"))
        .append(
            Element::builder("person", GATE)
                .attr(xml_ncname!("jid").into(), bare)
                .append(r#"{"v":1,"entry":"password"}"#)
                .build(),
        )
        .build())
}
