//! Names of rooms, as rules refer to them.

use std::borrow::Cow;

use globset::{ErrorKind, Glob, GlobBuilder};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::jid::{BareJid, folded};

/// Address of a room, split into its name and its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomName<'a> {
    /// The part before the `@`, with Jitsi's tenant in front: `[acme]tea`.
    pub name: Cow<'a, str>,
    /// Domain of the service.
    pub service: &'a str,
}

impl<'a> RoomName<'a> {
    /// Splits the address of a room on one of these services. Jitsi's clients write `tea@conference.acme.example.org`
    /// for what the server knows as `[acme]tea@conference.example.org` (its `muc_domain_mapper`): both are one room.
    pub fn of(room: &'a BareJid, services: &'a [String]) -> Self {
        let (name, domain) = (room.node().unwrap_or_default(), room.domain());
        let own = || RoomName { name: Cow::Borrowed(name), service: domain };
        if name.is_empty() || services.iter().any(|service| service == domain) {
            return own();
        }
        let mapped = services.iter().find_map(|service| {
            let (prefix, base) = service.split_once('.')?;
            let tenant = domain.strip_prefix(prefix)?.strip_suffix(base)?;
            let tenant = tenant.strip_prefix('.')?.strip_suffix('.')?;
            let is_one = !tenant.is_empty() && !tenant.contains('.');
            is_one.then(|| RoomName { name: Cow::Owned(format!("[{tenant}]{name}")), service })
        });
        mapped.unwrap_or_else(own)
    }

    /// Returns Jitsi's tenant, if the name has one.
    pub fn tenant(&self) -> Option<&str> {
        split_tenant(&self.name).map(|(tenant, _)| tenant)
    }

    /// Returns the spellings of the room's name that a rule may use: as it is, without the tenant in front, and each
    /// decoded where Jitsi's clients percent-encode it (`caf%c3%a9`). An ordinary name has one spelling, and costs no
    /// allocation.
    pub fn spellings(&self) -> impl Iterator<Item = Cow<'_, str>> {
        spellings(&self.name)
    }
}

/// The place of the room's name in a link.
pub const ROOM: &str = "{room}";
/// What a part of a path may not hold as it is. Jitsi's clients have encoded other characters already.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What invitations to the rooms of a service hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invitations {
    /// Link to a room, with [`ROOM`] in it; empty: none.
    pub link: String,
    /// Telephone numbers, as people read them; empty: none.
    pub phone: String,
    /// Whether the rooms are meetings on Jitsi, into which no XMPP address leads.
    pub on_jitsi: bool,
}

impl Invitations {
    /// Fills link and telephone numbers into a line of an invitation.
    pub fn fill(&self, line: &str) -> String {
        // The gate replaces what is in braces.
        let plain = |text: &str| text.replace(['{', '}'], "");
        line.replace("{link}", &plain(&self.link)).replace("{phone}", &plain(&self.phone))
    }

    /// Returns whether there is a link to each room.
    pub const fn have_links(&self) -> bool {
        !self.link.is_empty() || !self.on_jitsi
    }

    /// Returns the link to a room: the page of the meeting, with Jitsi's tenant as a part of the path, or else the XMPP
    /// address (RFC 5122, XEP-0045 §17.2). A meeting on Jitsi without a link has its name instead.
    pub fn link_to(&self, room: &BareJid) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, PATH).to_string();
        let name = room.node().unwrap_or_default();
        if !self.have_links() {
            return name.to_owned();
        }
        if self.link.is_empty() {
            return format!("xmpp:{}@{}?join", encoded(name), room.domain());
        }
        let path = match split_tenant(name) {
            Some((tenant, name)) => format!("{}/{}", encoded(tenant), encoded(name)),
            None => encoded(name),
        };
        self.link.replace(ROOM, &path)
    }
}

/// Why a text is no pattern for names of rooms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text has an `@`, which no name has.
    #[error(
        "`{0}` is an address, and only the name before the `@` is compared: give a name or pattern of names, like `tea-*`"
    )]
    Address(String),
    /// The text is empty.
    #[error("an empty pattern is for no room: leave it out for all rooms")]
    Empty,
    /// The text is no valid pattern.
    #[error("`{0}` is not a pattern: {1}")]
    Unreadable(String, ErrorKind),
}

/// Reads a pattern for names of rooms, normalised as the server normalises them.
///
/// # Errors
/// No name of a room can match the text.
pub fn pattern(text: &str) -> Result<Glob, PatternError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(PatternError::Empty);
    }
    if text.contains('@') {
        return Err(PatternError::Address(text.to_owned()));
    }
    let glob = GlobBuilder::new(&folded(text)).literal_separator(false).build();
    glob.map_err(|error| PatternError::Unreadable(text.to_owned(), error.kind().clone()))
}

/// Returns every spelling of a room's name that a rule may use: see [`RoomName::spellings`].
pub fn spellings(name: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let without_tenant = split_tenant(name).map(|(_, rest)| rest);
    let written = [Some(name), without_tenant].into_iter().flatten();
    written.flat_map(|spelling| [Some(Cow::Borrowed(spelling)), decoded(spelling)]).flatten()
}

fn split_tenant(name: &str) -> Option<(&str, &str)> {
    let (tenant, rest) = name.strip_prefix('[')?.split_once(']')?;
    (!tenant.is_empty() && !rest.is_empty()).then_some((tenant, rest))
}

fn decoded(name: &str) -> Option<Cow<'_, str>> {
    if !name.contains('%') {
        return None;
    }
    let decoded = percent_decode_str(name).decode_utf8().ok()?;
    Some(Cow::Owned(folded(&decoded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str) -> Vec<String> {
        spellings(name).map(Cow::into_owned).collect()
    }

    #[test]
    fn a_link_leads_to_the_room() {
        let service =
            Invitations { link: "https://meet.example.org/{room}#x".into(), ..Default::default() };
        for (room, path) in [
            ("tea@conference.meet.example.org", "tea"),
            ("[acme]tea@conference.meet.example.org", "acme/tea"),
            ("caf%c3%a9@conference.meet.example.org", "caf%c3%a9"),
            ("caf\u{e9}?@conference.meet.example.org", "caf%C3%A9%3F"),
        ] {
            let room = BareJid::stamped(room).unwrap();
            assert_eq!(service.link_to(&room), format!("https://meet.example.org/{path}#x"));
        }
        let room = "tea@conference.example.org".parse().unwrap();
        assert_eq!(Invitations::default().link_to(&room), "xmpp:tea@conference.example.org?join");
        let on_jitsi = Invitations { on_jitsi: true, ..Default::default() };
        assert_eq!(on_jitsi.link_to(&room), "tea");
    }

    #[test]
    fn a_pattern_is_of_names() {
        assert!(pattern("Tea-*").unwrap().compile_matcher().is_match("tea-1"));
        for wrong in ["tea@rooms.example.org", "*@*", "", " ", "[a"] {
            assert!(pattern(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_room_is_known_by_the_name_that_people_read() {
        assert_eq!(all("tea"), ["tea"]);
        assert_eq!(all("[acme]tea"), ["[acme]tea", "tea"]);
        assert_eq!(all("caf%c3%89"), ["caf%c3%89", "café"]);
        assert_eq!(all("[acme]caf%c3%a9").last().unwrap(), "café");
    }

    #[test]
    fn what_is_no_text_and_no_tenant_stays_as_it_is() {
        assert_eq!(all("100%"), ["100%", "100%"]);
        assert_eq!(all("%ff"), ["%ff"]);
        assert_eq!(all("[acme]"), ["[acme]"]);
        assert_eq!(all("[acme"), ["[acme"]);
    }

    #[test]
    fn a_tenant_is_one_before_and_after_the_mapping() {
        let services = ["conference.example.org".to_owned(), "rooms.test".to_owned()];
        let read = |room: &str| {
            let room: BareJid = room.parse().unwrap();
            let name = RoomName::of(&room, &services);
            (name.name.to_string(), name.service.to_owned(), name.tenant().map(str::to_owned))
        };
        let own = |name: &str, service: &str, tenant: Option<&str>| {
            (name.to_owned(), service.to_owned(), tenant.map(str::to_owned))
        };
        let mapped = own("[acme]tea", "conference.example.org", Some("acme"));
        assert_eq!(read("[acme]tea@conference.example.org"), mapped);
        assert_eq!(read("tea@conference.acme.example.org"), mapped);
        assert_eq!(read("tea@rooms.test"), own("tea", "rooms.test", None));
        for other in
            ["conference.a.b.example.org", "conference..example.org", "conference.acme.org"]
        {
            if let Ok(room) = format!("tea@{other}").parse::<BareJid>() {
                assert_eq!(RoomName::of(&room, &services).tenant(), None, "{other}");
            }
        }
        assert_eq!(read("tea@elsewhere.test"), own("tea", "elsewhere.test", None));
    }

    #[test]
    fn a_service_of_the_file_is_itself_though_its_name_looks_like_a_tenant_of_another() {
        let services =
            ["conference.example.org".to_owned(), "conference.acme.example.org".to_owned()];
        for room in ["tea@conference.acme.example.org", "conference.beta.example.org"] {
            let room: BareJid = room.parse().unwrap();
            let read = RoomName::of(&room, &services);
            assert_eq!((read.tenant(), read.service), (None, room.domain()));
        }
    }
}
