//! `[admin]`: the page and the API, and who may use them.

use std::net::SocketAddr;
use std::path::PathBuf;

use openidconnect::IssuerUrl;
use openidconnect::url::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::Outside;
use super::secrets::{self, Keys};
use super::store::is_local;
use super::table_reader::TableReader;
use crate::jid::BareJid;
use crate::secret::Secret;
use crate::setting::values::{account, boolean, list, optional, some_text, text, word};
use crate::setting::{Item, Read};

names! {
    /// Role of a person or token. Each role may do what those before it may.
    #[derive(
        Clone,
        Copy,
        Debug,
        Default,
        PartialEq,
        Eq,
        PartialOrd,
        Ord,
        Hash,
        Serialize,
        Deserialize,
        JsonSchema,
    )]
    #[serde(rename_all = "kebab-case")]
    pub enum Role {
        /// Has read-only access.
        #[default]
        Viewer = "viewer",
        /// Is on duty: may also act on rooms and on people.
        Duty = "duty",
        /// May do everything: also change the policy, and end meetings in bulk.
        Operator = "operator",
    }
}

/// `[admin]`: the web page and the API, and who may use them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// Address on which the page and the API listen.
    pub http: Listen,
    /// Whether `http` may be reachable from other machines, though it is not encrypted.
    pub allow_network: bool,
    /// Permissions of the socket, where `http` is a Unix socket.
    pub socket_mode: SocketMode,
    /// Host names of the page in addition to those of this machine, in lower case.
    pub hosts: Vec<String>,
    /// Whether `/metrics` is open to anyone who can connect, without a token.
    pub open_metrics: bool,
    /// Tokens that may use the API.
    pub tokens: Vec<Token>,
    /// Accounts that may give commands by XMPP, in addition to the policy's operators.
    pub persons: Vec<(BareJid, Role)>,
    /// Names by which people sign in to the page without a token.
    pub names: Vec<(String, Role)>,
    /// The proxy that says who a request comes from; `None`: no request is taken for a person's.
    pub proxy: Option<Proxy>,
    /// The OpenID Connect provider at which people sign in; `None`: none.
    pub oidc: Option<Oidc>,
}

/// `[admin.oidc]`: the OpenID Connect provider at which people sign in to the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// Its address, as it writes it itself.
    pub issuer: IssuerUrl,
    /// Name of the page there.
    pub client_id: String,
    /// The secret shared with it; `None`: a public client, which proves itself by PKCE alone.
    pub client_secret: Option<Secret>,
    /// Address of the page for browsers, without a path.
    pub public_url: Url,
    /// Claim of the ID token that is the person's name.
    pub claim: String,
    /// Claim of the ID token that lists their groups.
    pub groups_claim: String,
    /// Scopes that are asked for in addition to `openid`.
    pub scopes: Vec<String>,
    /// Groups whose members have a role.
    pub groups: Vec<(String, Role)>,
}

impl Oidc {
    /// Returns the page's host name.
    pub fn host(&self) -> &str {
        self.public_url.host_str().unwrap_or_default()
    }
}

/// `proxy_header` and `proxy_secret`: the proxy that names the people who use the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Name of the header with the person's name, in lower case.
    pub header: String,
    /// The secret that the proxy sends with it; `None`: only a Unix socket proves that it is the proxy.
    pub secret: Option<Secret>,
}

/// Longest name by which a person signs in, in bytes.
const LONGEST_NAME: usize = 256;

/// Returns whether a text is a name by which a person can sign in: printable ASCII without spaces, and without the comma
/// by which proxies join two headers.
pub fn is_sign_in_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// Address on which the page and the API listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// They are off.
    Off,
    /// TCP address; port 0 is any that is free.
    Tcp(SocketAddr),
    /// Absolute path of a Unix socket.
    Unix(PathBuf),
}

impl Default for Listen {
    fn default() -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], 5480)))
    }
}

names! {
    /// Who may open the Unix socket.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum SocketMode {
        /// Only the component's account.
        #[default]
        Owner = "0600",
        /// Also the accounts in its group, such as that of a proxy.
        Group = "0660",
    }
}

/// `[[admin.token]]`: a token of the API, of which only the digest is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Name of its owner, for the audit.
    pub name: String,
    /// Role of those who use it.
    pub role: Role,
    /// The SHA-256 of the token.
    pub sha256: [u8; 32],
}

impl Admin {
    /// Returns the role of an account by `[[admin.person]]`, which does not list the policy's operators.
    pub fn role_of(&self, person: &BareJid) -> Option<Role> {
        let mut roles = self.persons.iter().filter(|(jid, _)| jid == person).map(|(_, role)| *role);
        roles.next()
    }

    /// Returns the role of the person who signs in by this name.
    pub fn role_of_name(&self, name: &str) -> Option<Role> {
        self.names.iter().find(|(known, _)| known == name).map(|(_, role)| *role)
    }

    /// Returns the role of a person whom the provider names: their own, or the highest of their groups.
    pub fn role_of_member(&self, name: &str, groups: &[String]) -> Option<Role> {
        let of_groups = || {
            let known = self.oidc.iter().flat_map(|oidc| &oidc.groups);
            known.filter(|(group, _)| groups.contains(group)).map(|(_, role)| *role).max()
        };
        self.role_of_name(name).or_else(of_groups)
    }
}

/// Reads `[admin]`.
pub(super) fn read(mut section: TableReader<'_>, outside: &Outside<'_>) -> Admin {
    outside.environment.put_into("admin", &mut section);
    let mut admin = Admin::default();
    let http = section.read("http", listen);
    section.put("allow_network", &mut admin.allow_network, boolean);
    section.put("socket_mode", &mut admin.socket_mode, word(&SocketMode::ALL, SocketMode::name));
    section.put("hosts", &mut admin.hosts, list(host));
    section.put("open_metrics", &mut admin.open_metrics, boolean);
    if let Some((listen, place)) = http {
        if let Listen::Tcp(address) = listen
            && !address.ip().to_canonical().is_loopback()
            && !admin.allow_network
        {
            section.error_with(
                place,
                "http",
                format!("`{address}` can be reached from other machines, and nothing encrypts it"),
                "listen on 127.0.0.1 behind a proxy that has TLS, or set `allow_network = true`",
            );
        }
        admin.http = listen;
    }
    admin.proxy = read_proxy(&mut section, &admin.http, outside);
    admin.oidc = read_oidc(section.table("oidc"), outside);
    for token in section.tables("token") {
        read_token(token, &mut admin.tokens);
    }
    for person in section.tables("person") {
        read_person(person, &mut admin);
    }
    section.finish();
    admin
}

fn read_token(mut section: TableReader<'_>, tokens: &mut Vec<Token>) {
    let hint = "`vestibule token --name NAME --role ROLE` prints the whole table";
    ["name", "role", "sha256"].into_iter().for_each(|key| section.require(key, hint));
    let name = section.read("name", some_text);
    let role = section.value("role", word(&Role::ALL, Role::name));
    let notes = section.notes();
    // The operator may have written the token itself there.
    section.given("sha256", |item| notes.hide(&item.place));
    let sha256 = section.read("sha256", digest);
    if let (Some((name, place)), Some(role), Some((sha256, other))) = (name, role, sha256) {
        if tokens.iter().any(|token| token.name == name) {
            section.error(place, "name", format!("there is a token of the name `{name}` already"));
        } else if tokens.iter().any(|token| token.sha256 == sha256) {
            section.error(other, "sha256", "it is the token of another name, too");
        } else {
            tokens.push(Token { name, role, sha256 });
        }
    }
    section.finish();
}

fn read_person(mut section: TableReader<'_>, admin: &mut Admin) {
    let hint = "write `jid = \"anna@example.org\"` and `role = \"duty\"`";
    section.require("role", hint);
    if !section.has("sign_in") {
        section.require("jid", hint);
    }
    let jid = section.read("jid", account);
    let name = section.read("sign_in", sign_in_name);
    let role = section.value("role", word(&Role::ALL, Role::name));
    if let Some(role) = role {
        if let Some((jid, place)) = jid {
            if admin.persons.iter().any(|(other, _)| *other == jid) {
                section.error(place, "jid", format!("`{jid}` has a role already"));
            } else {
                admin.persons.extend(jid.spellings().into_iter().map(|jid| (jid, role)));
            }
        }
        if let Some((name, place)) = name {
            if admin.role_of_name(&name).is_some() {
                section.error(place, "sign_in", format!("`{name}` has a role already"));
            } else {
                admin.names.push((name, role));
            }
        }
    }
    section.finish();
}

const PROXY_SECRET: Keys = Keys { inline: "proxy_secret", file: "proxy_secret_file", least: 32 };

/// Reads the keys of the proxy that names people.
fn read_proxy(
    section: &mut TableReader<'_>,
    listen: &Listen,
    outside: &Outside<'_>,
) -> Option<Proxy> {
    let secret = secrets::read(section, PROXY_SECRET, outside);
    let header = section.read("proxy_header", header).filter(|(header, _)| !header.is_empty());
    // What is wrong with the secret has been reported.
    let secret = secret.ok()?.and_then(|(secret, place)| Some((secret?, place)));
    let Some((header, place)) = header else {
        if let Some((_, place)) = secret {
            let hint =
                "name the header with the person's name, `proxy_header = \"X-Forwarded-User\"`";
            section.warning_with(place, "proxy_secret", "it is not used without a header", hint);
        }
        return None;
    };
    let secret = secret.map(|(secret, _)| secret);
    if secret.is_none() && !matches!(listen, Listen::Unix(_)) {
        section.error_with(
            place,
            "proxy_header",
            "anyone who can connect could send this header, and be whom they like",
            "name the file of a secret that the proxy sends, too, `proxy_secret_file = \"…\"`, or \
             have the proxy connect by a socket, `http = \"unix:/run/vestibule/http.sock\"`",
        );
        return None;
    }
    Some(Proxy { header, secret })
}

const CLIENT_SECRET: Keys = Keys { inline: "client_secret", file: "client_secret_file", least: 1 };

/// Reads `[admin.oidc]`; `None` if it names no provider, or is wrong (which is reported).
fn read_oidc(mut section: TableReader<'_>, outside: &Outside<'_>) -> Option<Oidc> {
    let issuer = section.read("issuer", optional(address));
    let client_secret = secrets::read(&mut section, CLIENT_SECRET, outside);
    let client_id = section.value("client_id", optional(some_text));
    let public_url = section.value("public_url", optional(origin));
    let (mut claim, mut groups_claim) = ("sub".to_owned(), "groups".to_owned());
    section.put("claim", &mut claim, some_text);
    section.put("groups_claim", &mut groups_claim, some_text);
    let mut scopes = ["email", "profile"].map(str::to_owned).to_vec();
    section.put("scopes", &mut scopes, list(some_text));
    let mut groups: Vec<(String, Role)> = Vec::new();
    let mut table = section.table("groups");
    for role in Role::ALL {
        if let Some(named) = table.value(role.name(), list(some_text)) {
            groups.extend(named.into_iter().map(|group| (group, role)));
        }
    }
    table.finish();
    if let Some((Some(issuer), place)) = issuer {
        let wanted = [
            ("client_id", matches!(client_id, Some(Some(_)))),
            ("public_url", matches!(public_url, Some(Some(_)))),
        ];
        for (key, _) in wanted.iter().filter(|(_, is_given)| !is_given) {
            if !section.has(key) {
                let message = format!("it needs `{key}`, too");
                section.error(place.clone(), "issuer", message);
            }
        }
        let issuer = IssuerUrl::new(issuer).ok();
        section.finish();
        return Some(Oidc {
            issuer: issuer?,
            client_id: client_id??,
            client_secret: client_secret.ok()?.and_then(|(secret, _)| secret),
            public_url: public_url??,
            claim,
            groups_claim,
            scopes,
            groups,
        });
    }
    section.finish();
    None
}

/// Reads the address of a provider: it is encrypted, or on this machine.
fn address(item: &Item<'_>) -> Read<String> {
    let text = some_text(item)?;
    let Ok(url) = Url::parse(&text) else {
        let hint = Some("write it like \"https://login.example.org\"".to_owned());
        return item.wrong(format!("`{text}` is no address of a server"), hint);
    };
    let is_encrypted = url.scheme() == "https";
    let is_here = url.scheme() == "http" && url.host_str().is_some_and(is_local);
    let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if (is_encrypted || is_here) && is_bare {
        return Ok(text);
    }
    let hint = Some("write it like \"https://login.example.org\"".to_owned());
    item.wrong(format!("`{text}` is no address that is encrypted, or on this machine"), hint)
}

/// Reads the address of the page, without a path.
fn origin(item: &Item<'_>) -> Read<Url> {
    let text = address(item)?;
    match Url::parse(&text) {
        Ok(url) if url.path() == "/" => Ok(url),
        _ => {
            let hint = Some("write it like \"https://vestibule.example.org\"".to_owned());
            item.wrong(format!("`{text}` has a path, and the page has none"), hint)
        }
    }
}

/// Reads the name of a header that a proxy sets; empty for none.
fn header(item: &Item<'_>) -> Read<String> {
    /// Headers with a meaning of their own, which browsers send.
    const TAKEN: [&str; 8] = [
        "authorization",
        "cookie",
        "host",
        "origin",
        "referer",
        "user-agent",
        "x-vestibule-page",
        "x-vestibule-proxy-secret",
    ];
    let header = text(item)?.to_ascii_lowercase();
    let is_token = header.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_token && !TAKEN.contains(&header.as_str()) {
        return Ok(header);
    }
    let hint = Some("write the header that the proxy sets, like \"X-Forwarded-User\"".to_owned());
    item.wrong(format!("`{header}` is no header for a person's name"), hint)
}

fn sign_in_name(item: &Item<'_>) -> Read<String> {
    let name = some_text(item)?;
    if is_sign_in_name(&name) {
        return Ok(name);
    }
    let message = format!(
        "`{name}` is no name to sign in by: at most {LONGEST_NAME} letters, digits and signs of \
         ASCII, without spaces and commas"
    );
    item.wrong(message, None)
}

fn listen(item: &Item<'_>) -> Read<Listen> {
    let text = text(item)?;
    if text.is_empty() || text == "off" {
        return Ok(Listen::Off);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        if path.starts_with('/') {
            return Ok(Listen::Unix(path.into()));
        }
        let hint = Some("write it like \"unix:/run/vestibule/http.sock\"".to_owned());
        return item.wrong(format!("`{path}` is no absolute path"), hint);
    }
    let hint = "write it like \"127.0.0.1:5480\" or \"unix:/run/vestibule/http.sock\"";
    match text.replace("localhost:", "127.0.0.1:").parse() {
        Ok(address) => Ok(Listen::Tcp(address)),
        Err(_) => item.wrong(format!("`{text}` is no address with a port"), Some(hint.to_owned())),
    }
}

/// Reads a host name without port, as a browser sends it in `Host`.
fn host(item: &Item<'_>) -> Read<String> {
    let host = some_text(item)?.to_lowercase();
    if host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        return Ok(host);
    }
    let hint = Some("write the name alone, like \"vestibule.example.org\"".to_owned());
    item.wrong(format!("`{host}` is no name of a host"), hint)
}

fn digest(item: &Item<'_>) -> Read<[u8; 32]> {
    let text = text(item)?;
    let mut digest = [0; 32];
    match hex::decode_to_slice(&text, &mut digest) {
        Ok(()) => Ok(digest),
        Err(_) => {
            let hint = "`vestibule token` prints a new token, and the table for this file";
            item.wrong("this is no SHA-256 in hex: 64 digits", Some(hint.to_owned()))
        }
    }
}
