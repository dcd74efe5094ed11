//! The inventory of a server, as far as more than the doctor needs it.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Shared;
use crate::component::neighbours::{Neighbour, among};
use crate::wire::posture::{Posture, Setting, posture};

/// The addresses from which the servers take it who a person is: those of web servers in front.
pub(super) async fn proxies(shared: &Shared) -> Vec<IpNet> {
    let mut found = Vec::new();
    let services = shared.desk().greeted();
    for service in services {
        // What is not told is not known: without the link nobody comes in either.
        let Ok(element) = shared.link.request(&*service, posture()).await else { continue };
        let hosts = Posture::read(&element).hosts;
        let items = hosts.iter().filter_map(|hosts| hosts.global("trusted_proxies"));
        found.extend(items.flat_map(Setting::items).filter_map(|item| network(item)));
    }
    found
}

fn network(item: &str) -> Option<IpNet> {
    item.parse().ok().or_else(|| item.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Looks for modules of the service that do by themselves what the policy decides, and says so.
pub(super) async fn look_around(shared: Shared, service: Arc<str>) {
    let element = match shared.link.request(&*service, posture()).await {
        Ok(element) => element,
        Err(error) => {
            tracing::warn!(%service, %error, "the modules of the service are not known");
            return;
        }
    };
    let found = among(Posture::read(&element).modules.iter().map(String::as_str));
    for Neighbour { module, advice } in &found {
        tracing::warn!(%service, module, "a module in addition to the gate {advice}");
    }
    shared.desk().found(&service, found);
}
