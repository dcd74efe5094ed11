//! Whether people log in to a server, and with what: by the hosts that its gate reports.

use super::Policy;
use super::providers::{MAY_BE_ANONYMOUS, Proves, listed};

/// A host of the server, components excepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Name of the host.
    pub name: String,
    /// Name of its authentication provider.
    pub provider: String,
    /// Number of its accounts, counted up to a limit; `None`: the provider does not report it.
    pub accounts: Option<u32>,
    /// Whether the server's own configuration says that the host is for services (of Jitsi).
    pub services: bool,
}

/// The hosts of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// The hosts that the gate reported.
    pub hosts: Vec<Host>,
    /// Whether these are all hosts of the server.
    pub complete: bool,
}

impl Policy {
    /// Returns the hosts that people log in to with an account or a token, on the server of this service.
    ///
    /// A host that is for services only does not count: that of the focus, those that hold service accounts of the
    /// file only, and with Jitsi those that its configuration names as such, that have no account at all, and
    /// the `localhost` that Debian ships. The host above the service always counts.
    pub fn login_hosts<'a>(&self, service: &str, hosts: &'a Hosts) -> Vec<&'a Host> {
        hosts.hosts.iter().filter(|host| self.is_for_people(service, host)).collect()
    }

    /// Returns whether nobody logs in to the server of this service; `false` if not all hosts are known.
    pub fn nobody_logs_in(&self, service: &str, hosts: &Hosts) -> bool {
        hosts.complete && self.login_hosts(service, hosts).is_empty()
    }

    /// Returns the hosts whose provider neither the built-in table nor the file lists.
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

impl Policy {
    /// Returns what a login with this provider proves, by the file, else by the built-in table; `None`: in neither.
    pub fn proves(&self, provider: &str) -> Option<Proves> {
        let own = self.providers.get(provider).map(|provider| provider.proves);
        own.or_else(|| listed(provider))
    }

    /// Returns whether every login with this provider proves the same, whatever the SASL mechanism: the built-in table
    /// has it, and it offers no mechanism without an account.
    pub fn always_proves(&self, provider: &str) -> bool {
        let listed = listed(provider);
        listed.is_some() && listed == self.proves(provider) && !MAY_BE_ANONYMOUS.contains(&provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jid::BareJid;
    use crate::policy::providers::{PROVIDERS, Provider, names};

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

    #[test]
    fn every_provider_is_listed_once() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), PROVIDERS.len());
    }

    #[test]
    fn the_file_says_more_than_the_table() {
        let mut policy = Policy::default();
        assert_eq!(policy.proves("internal_hashed"), Some(Proves::Account));
        assert_eq!(policy.proves("Internal_Hashed"), None);
        assert_eq!(policy.proves("homemade"), None);
        let own = |proves| Provider { proves, line: 3 };
        policy.providers.insert("homemade".to_owned(), own(Proves::Account));
        policy.providers.insert("internal_hashed".to_owned(), own(Proves::Guest));
        assert_eq!(policy.proves("homemade"), Some(Proves::Account));
        assert_eq!(policy.proves("internal_hashed"), Some(Proves::Guest));
    }

    #[test]
    fn what_is_not_in_the_table_or_has_its_mechanisms_from_elsewhere_does_not_always_prove_the_same()
     {
        let mut policy = Policy::default();
        let own = Provider { proves: Proves::Account, line: 3 };
        policy.providers.insert("homemade".to_owned(), own);
        policy.providers.insert("insecure".to_owned(), own);
        for (name, always) in [
            ("internal_hashed", true),
            ("ldap", true),
            ("cyrus", false),
            ("homemade", false),
            ("insecure", false),
            ("unknown", false),
        ] {
            assert_eq!(policy.always_proves(name), always, "{name}");
        }
        assert!(MAY_BE_ANONYMOUS.iter().all(|name| listed(name) == Some(Proves::Account)));
    }

    #[test]
    fn what_a_provider_proves_has_a_name_that_reads_back() {
        for proves in Proves::ALL {
            assert_eq!(Proves::from_name(proves.name()), Some(proves));
        }
        assert_eq!(Proves::from_name("operator"), None);
    }
}
