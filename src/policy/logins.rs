//! Whether people log in to a server, and with what: by the hosts that its gate tells of.

use super::Policy;
use super::providers::Proves;

/// A host of the server that is no component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its authentication provider.
    pub provider: String,
    /// How many accounts it has, counted up to a limit; `None`: the provider does not tell.
    pub accounts: Option<u32>,
    /// The server's own configuration says that it is for services (of Jitsi).
    pub services: bool,
}

/// The hosts of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Those that were told.
    pub hosts: Vec<Host>,
    /// That is all of them.
    pub complete: bool,
}

impl Policy {
    /// The hosts that people log in to with an account or a token, on the server of this service.
    ///
    /// A host that is for services only does not count: that of the focus, those that hold service accounts of the
    /// file only, and with Jitsi those that its configuration names as such, that have no account at all, and
    /// the `localhost` that Debian ships. The host above the service always counts.
    pub fn login_hosts<'a>(&self, service: &str, hosts: &'a Hosts) -> Vec<&'a Host> {
        hosts.hosts.iter().filter(|host| self.is_for_people(service, host)).collect()
    }

    /// Nobody logs in to the server of this service, as far as it is known for certain.
    pub fn nobody_logs_in(&self, service: &str, hosts: &Hosts) -> bool {
        hosts.complete && self.login_hosts(service, hosts).is_empty()
    }

    /// The hosts with a provider of which neither the table nor the file says what it proves.
    pub fn unlisted<'a>(&self, hosts: &'a Hosts) -> impl Iterator<Item = &'a Host> {
        hosts.hosts.iter().filter(|host| self.proves(&host.provider).is_none())
    }

    fn is_for_people(&self, service: &str, host: &Host) -> bool {
        if self.proves(&host.provider) == Some(Proves::Guest) {
            return false;
        }
        let above = service.split_once('.').map(|(_, above)| above);
        if above == Some(host.name.as_str()) {
            return true;
        }
        let focus = self.focuses.get(service);
        if focus.is_some_and(|focus| focus.domain() == host.name) {
            return false;
        }
        let own = self.services.keys().filter(|jid| jid.domain() == host.name).count();
        if own > 0 && host.accounts.map_or(host.services, |all| all as usize <= own) {
            return false;
        }
        let is_beside = host.services || host.name == "localhost" || host.accounts == Some(0);
        focus.is_none() || !is_beside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jid::BareJid;

    const MEET: &str = "conference.meet.example.org";

    fn host(name: &str, provider: &str, accounts: Option<u32>) -> Host {
        Host { name: name.to_owned(), provider: provider.to_owned(), accounts, services: false }
    }

    fn people(policy: &Policy, service: &str, hosts: Vec<Host>) -> Vec<String> {
        let hosts = Hosts { hosts, complete: true };
        policy.login_hosts(service, &hosts).iter().map(|host| host.name.clone()).collect()
    }

    fn jitsi() -> Policy {
        let focus = BareJid::stamped("focus@auth.meet.example.org").unwrap();
        let mut policy = Policy::default();
        policy.services.insert(focus.clone(), 1);
        policy.focuses.insert(MEET.to_owned(), focus);
        policy
    }

    #[test]
    fn hosts_of_services_are_not_for_people() {
        let recorder = Host {
            services: true,
            ..host("recorder.meet.example.org", "internal_hashed", Some(2))
        };
        let hosts = |main: &str| {
            vec![
                host("meet.example.org", main, None),
                host("auth.meet.example.org", "internal_hashed", Some(2)),
                host("localhost", "internal_hashed", Some(1)),
                host("hidden.meet.example.org", "internal_hashed", Some(0)),
                recorder.clone(),
            ]
        };
        let none: [&str; 0] = [];
        assert_eq!(people(&jitsi(), MEET, hosts("jitsi-anonymous")), none);
        for main in ["internal_hashed", "token", "ldap2", "homemade"] {
            assert_eq!(people(&jitsi(), MEET, hosts(main)), ["meet.example.org"], "{main}");
        }
        let mut more = hosts("jitsi-anonymous");
        more.push(host("chat.example.org", "internal_hashed", Some(3)));
        assert_eq!(people(&jitsi(), MEET, more), ["chat.example.org"]);
    }

    #[test]
    fn a_service_account_does_not_make_a_host_that_cannot_count_one_of_services() {
        let mut policy = jitsi();
        policy.services.insert(BareJid::stamped("bot@corp.example.org").unwrap(), 2);
        let corp = |services| Host { services, ..host("corp.example.org", "ldap", None) };
        assert_eq!(people(&policy, MEET, vec![corp(false)]), ["corp.example.org"]);
        assert!(people(&policy, MEET, vec![corp(true)]).is_empty());
    }

    #[test]
    fn without_a_jitsi_only_hosts_of_nothing_but_services_of_the_file_are_not_for_people() {
        let mut policy = Policy::default();
        policy.services.insert(BareJid::stamped("bot@bots.example.org").unwrap(), 1);
        let hosts = |bots| {
            vec![
                host("guest.example.org", "anonymous", None),
                host("bots.example.org", "internal_hashed", bots),
            ]
        };
        let service = "rooms.example.org";
        assert!(people(&policy, service, hosts(Some(1))).is_empty());
        assert_eq!(people(&policy, service, hosts(Some(2))), ["bots.example.org"]);
        assert_eq!(people(&policy, service, hosts(None)), ["bots.example.org"]);
        let fresh = vec![host("localhost", "internal_hashed", Some(0))];
        assert_eq!(people(&policy, "conference.localhost", fresh), ["localhost"]);
    }

    #[test]
    fn what_is_not_known_is_no_server_where_nobody_logs_in() {
        let (policy, mut hosts) = (jitsi(), Hosts::default());
        assert!(!policy.nobody_logs_in(MEET, &hosts));
        hosts.complete = true;
        assert!(policy.nobody_logs_in(MEET, &hosts));
        hosts.hosts.push(host("meet.example.org", "homemade", None));
        assert!(!policy.nobody_logs_in(MEET, &hosts));
        assert_eq!(policy.unlisted(&hosts).count(), 1);
    }
}
