//! Authentication providers by name, and what a login with each proves.

names! {
    /// What a login with a provider proves.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Proves {
        /// The account that the session is named after.
        Account = "account",
        /// What its verified token says; without a token, nothing.
        Token = "token",
        /// Nothing: the person is a guest.
        Guest = "guest",
    }
}

impl Proves {
    /// Returns the value of that name, or `None` for any other word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proves| proves.name() == name)
    }
}

/// A provider that the file lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider {
    /// What a login with it proves.
    pub proves: Proves,
    /// Line of the file that lists it.
    pub line: u32,
}

/// What each `mod_auth_NAME` of Prosody, of Jitsi and of the community's modules proves.
#[rustfmt::skip]
pub(super) const PROVIDERS: [(&str, Proves); 35] = [
    // Prosody
    ("anonymous", Proves::Guest),
    ("insecure", Proves::Guest), // takes any password
    ("internal_hashed", Proves::Account),
    ("internal_plain", Proves::Account),
    ("ldap", Proves::Account),
    ("null", Proves::Guest), // nobody can log in
    // Jitsi
    ("jitsi-anonymous", Proves::Guest),
    ("jitsi-shared-secret", Proves::Account), // of services
    ("token", Proves::Token), // the community has another of this name, whose sessions have no Jitsi token
    // jitsi-contrib and Matrix
    ("hybrid_matrix_token", Proves::Token),
    ("matrix_user_verification", Proves::Guest), // the client signs its token itself
    // the community's modules
    ("any", Proves::Guest), // takes any password
    ("ccert", Proves::Account),
    ("custom_http", Proves::Account),
    ("cyrus", Proves::Account),
    ("dovecot", Proves::Account),
    ("external", Proves::Account),
    ("external_insecure", Proves::Account),
    ("ha1", Proves::Account),
    ("http", Proves::Account),
    ("http_async", Proves::Account),
    ("http_auth_cookie", Proves::Account),
    ("http_cookie", Proves::Account),
    ("imap", Proves::Account),
    ("internal_yubikey", Proves::Account),
    ("joomla", Proves::Account),
    ("ldap2", Proves::Account),
    ("oauth_external", Proves::Account),
    ("oauthbearer", Proves::Account),
    ("pam", Proves::Account),
    ("phpbb", Proves::Account),
    ("phpbb3", Proves::Account),
    ("sql", Proves::Account),
    ("sql_hashed", Proves::Account),
    ("wordpress", Proves::Account),
];

/// Providers of accounts that leave the SASL mechanisms to something else, which may offer ANONYMOUS.
pub(super) const MAY_BE_ANONYMOUS: [&str; 3] = ["cyrus", "dovecot", "imap"];

/// Returns the names of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROVIDERS.iter().map(|(name, _)| *name)
}

/// Returns what the table says of a provider, or `None` if it has no such provider.
pub fn listed(name: &str) -> Option<Proves> {
    PROVIDERS.iter().find(|(known, _)| *known == name).map(|(_, proves)| *proves)
}
