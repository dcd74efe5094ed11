//! Who stays out of every room.

use std::collections::HashMap;
use std::net::IpAddr;

use globset::GlobMatcher;
use ipnet::IpNet;
use jid::BareJid;
use jiff::Timestamp;

/// One ban of the file.
#[derive(Clone, Debug)]
pub struct Ban {
    /// Its 1-based line in the file.
    pub line: u32,
    /// When it ends; `None`: never.
    pub until: Option<Timestamp>,
    /// The rooms it is for, by name; `None`: all.
    pub rooms: Option<GlobMatcher>,
    /// Why, for the operator.
    pub reason: String,
}

impl Ban {
    fn holds(&self, room: &str, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
            && self.rooms.as_ref().is_none_or(|rooms| rooms.is_match(room))
    }
}

/// Every ban, found by whom it is on.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    jids: HashMap<BareJid, Vec<Ban>>,
    domains: HashMap<String, Vec<Ban>>,
    /// By prefix length, so that a look-up costs at most one probe per length in use.
    networks: Vec<(u8, bool, HashMap<IpAddr, Vec<Ban>>)>,
}

impl Bans {
    /// Bans a bare JID.
    pub fn ban_jid(&mut self, jid: BareJid, ban: Ban) {
        self.jids.entry(jid).or_default().push(ban);
    }

    /// Bans a domain, all its users and no subdomain.
    pub fn ban_domain(&mut self, domain: &str, ban: Ban) {
        self.domains.entry(domain.to_lowercase()).or_default().push(ban);
    }

    /// Bans a network.
    pub fn ban_network(&mut self, network: IpNet, ban: Ban) {
        let network = network.trunc();
        let key = (network.prefix_len(), matches!(network, IpNet::V4(_)));
        let at = self.networks.iter().position(|(len, v4, _)| (*len, *v4) == key);
        let at = at.unwrap_or_else(|| {
            self.networks.push((key.0, key.1, HashMap::new()));
            self.networks.len().saturating_sub(1)
        });
        if let Some((_, _, map)) = self.networks.get_mut(at) {
            map.entry(network.network()).or_default().push(ban);
        }
    }

    /// The ban that keeps this requester out of the room of that name now, if any.
    pub fn on(
        &self,
        jid: &BareJid,
        address: Option<IpAddr>,
        room: &str,
        now: Timestamp,
    ) -> Option<&Ban> {
        find(self.jids.get(jid), room, now)
            .or_else(|| find(self.domains.get(jid.domain().as_str()), room, now))
            .or_else(|| {
                let address = address?.to_canonical();
                self.networks.iter().find_map(|(len, v4, map)| {
                    if *v4 != address.is_ipv4() {
                        return None;
                    }
                    let network = IpNet::new(address, *len).ok()?.network();
                    find(map.get(&network), room, now)
                })
            })
    }
}

fn find<'a>(bans: Option<&'a Vec<Ban>>, room: &str, now: Timestamp) -> Option<&'a Ban> {
    bans?.iter().find(|ban| ban.holds(room, now))
}
