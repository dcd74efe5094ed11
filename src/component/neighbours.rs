//! Prosody modules that decide what the policy decides, or act past it, and what the policy has in their place.

use std::fmt;

/// Where a module comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Jitsi Meet's own folder of plugins.
    Jitsi,
    /// The collection of jitsi-contrib.
    Contrib,
}

/// A Prosody module that conflicts with the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Name of the module in `modules_enabled`.
    pub module: &'static str,
    /// Where the module comes from.
    pub origin: Origin,
    /// What the module does: a phrase that follows its name.
    pub does: &'static str,
    /// What does that in its place: a clause.
    pub instead: &'static str,
    /// The lines for the policy file, with keys as below `[policy]`; none where no key is needed.
    pub lines: &'static [&'static str],
}

/// What the module does, and what to do about it.
impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: take it out, {}", self.does, self.instead)
    }
}

/// Modules that decide what the policy decides, sorted by origin and name. `docs/replaces.md` is made from it.
pub const NEIGHBOURS: &[Neighbour] = &[
    Neighbour {
        module: "muc_allowners",
        origin: Origin::Jitsi,
        does: "makes everybody a moderator, and the gate does not let it",
        instead: "moderators.assign says who moderates",
        lines: &[
            "moderators.assign = [\"operator\", \"listed\", \"token\", \"account\", \"opener\"]",
        ],
    },
    Neighbour {
        module: "muc_auth_ban",
        origin: Origin::Jitsi,
        does: "asks another server who is banned, and disconnects them without a line in the log",
        instead: "[[ban]] and `vestibule ban` do it",
        lines: &[],
    },
    Neighbour {
        module: "muc_flip",
        origin: Origin::Jitsi,
        does: "lets a second device of a token past password and lobby",
        instead: "a person who changes devices enters with password or lobby like anybody",
        lines: &[],
    },
    Neighbour {
        module: "muc_max_occupants",
        origin: Origin::Jitsi,
        does: "refuses people by a number of its own",
        instead: "limits.occupants does it in words",
        lines: &["limits.occupants = 50"],
    },
    Neighbour {
        module: "muc_password_check",
        origin: Origin::Jitsi,
        does: "tells over HTTP whether a password is right, as often as one asks",
        instead: "nothing does that: passwords are tried at the door, and counted there",
        lines: &[],
    },
    Neighbour {
        module: "muc_wait_for_host",
        origin: Origin::Jitsi,
        does: "holds people by its own rule and lets all of them in at once",
        instead: "close.hold_until has people wait for a moderator",
        lines: &[
            "close.hold_until = [\"moderator\"]",
            "moderators.assign = [\"operator\", \"listed\", \"token\", \"account\"]",
        ],
    },
    Neighbour {
        module: "reservations",
        origin: Origin::Jitsi,
        does: "asks another server who may open a room, gives it a password and a lobby, and ends it by its own clock",
        instead: "access.create, [policy.hours] and limits.duration do it",
        lines: &[
            "access.create = [\"account\", \"token\"]",
            "hours.open = [\"mon-fri 08:00-18:00\"]",
            "limits.duration = \"2 hours\"",
        ],
    },
    Neighbour {
        module: "test_observer_http",
        origin: Origin::Jitsi,
        does: "is for tests: anyone who reaches the HTTP port changes what tokens say",
        instead: "nothing does that",
        lines: &[],
    },
    Neighbour {
        module: "token_affiliation",
        origin: Origin::Jitsi,
        does: "makes members and owners of people with tokens",
        instead: "moderators.claim and claim_values say which tokens make a moderator",
        lines: &[
            "moderators.claim = \"affiliation\"",
            "moderators.claim_values = [\"owner\", \"moderator\", \"teacher\"]",
        ],
    },
    Neighbour {
        module: "jibri_autostart",
        origin: Origin::Contrib,
        does: "starts a recording when a moderator comes, and asks neither permissions.record nor permissions.e2ee",
        instead: "a moderator starts it, and permissions.record says who may",
        lines: &[],
    },
    Neighbour {
        module: "lobby_autostart",
        origin: Origin::Contrib,
        does: "raises a lobby that nobody may be able to open",
        instead: "lobby.admission does it, and lobby.unattended helps where nobody can open",
        lines: &["lobby.admission = \"lobby\""],
    },
    Neighbour {
        module: "lobby_autostart_on_owner",
        origin: Origin::Contrib,
        does: "raises a lobby when a moderator comes, and makes moderators by its own rules",
        instead: "lobby.admission and moderators.successors do it",
        lines: &[
            "lobby.admission = \"lobby\"",
            "moderators.successors = [\"operator\", \"listed\", \"token\", \"account\"]",
        ],
    },
    Neighbour {
        module: "lobby_deactivate",
        origin: Origin::Contrib,
        does: "ends the lobby as soon as a person is inside",
        instead: "close.hold_until has people wait for the first moderator, and lobby.admission \"password\" asks for no lobby after that",
        lines: &["lobby.admission = \"password\"", "close.hold_until = [\"moderator\"]"],
    },
    Neighbour {
        module: "matrix_affiliation",
        origin: Origin::Contrib,
        does: "makes members and owners of people by their power in a room of Matrix",
        instead: "moderators.assign does it, by token or by name",
        lines: &["moderators.assign = [\"operator\", \"listed\", \"token\"]"],
    },
    Neighbour {
        module: "matrix_lobby_bypass",
        origin: Origin::Contrib,
        does: "makes members of people of a room of Matrix, who then pass the lobby",
        instead: "lobby.bypass does it, for all who have a token",
        lines: &["lobby.bypass = [\"service\", \"operator\", \"listed\", \"token\"]"],
    },
    Neighbour {
        module: "owner_restricted",
        origin: Origin::Contrib,
        does: "ends a meeting that has no owner, by its own clock",
        instead: "limits.without_moderator does it, with a warning before",
        lines: &["limits.without_moderator = \"1 minute\""],
    },
    Neighbour {
        module: "per_room_max_occupants",
        origin: Origin::Contrib,
        does: "refuses people by numbers of its own for single rooms",
        instead: "limits.occupants in a [[room]] does it in words",
        lines: &["[[room]]", "match = \"cs101\"", "limits.occupants = 100"],
    },
    Neighbour {
        module: "per_room_time_restricted",
        origin: Origin::Contrib,
        does: "ends single rooms by its own clock",
        instead: "limits.duration in a [[room]] does it, with a warning before",
        lines: &["[[room]]", "match = \"cs101\"", "limits.duration = \"100 minutes\""],
    },
    Neighbour {
        module: "secure_domain_lobby_bypass",
        origin: Origin::Contrib,
        does: "lets people with an account past the lobby, and by BOSH alone",
        instead: "lobby.bypass does it, over each connection",
        lines: &["lobby.bypass = [\"service\", \"operator\", \"listed\", \"account\"]"],
    },
    Neighbour {
        module: "time_restricted",
        origin: Origin::Contrib,
        does: "ends meetings by its own clock",
        instead: "limits.duration does it, with a warning before",
        lines: &["limits.duration = \"10 minutes\""],
    },
    Neighbour {
        module: "token_affiliation_legacy",
        origin: Origin::Contrib,
        does: "makes members and owners of people with tokens",
        instead: "moderators.claim and claim_values say which tokens make a moderator",
        lines: &["moderators.claim = \"affiliation\"", "moderators.claim_values = [\"owner\"]"],
    },
    Neighbour {
        module: "token_lobby_autostart",
        origin: Origin::Contrib,
        does: "raises a lobby by the token of the first who joins",
        instead: "lobby.admission does it; a [[room]] with `claim` is for rooms whose opener has another token",
        lines: &["lobby.admission = \"lobby\""],
    },
    Neighbour {
        module: "token_lobby_bypass",
        origin: Origin::Contrib,
        does: "makes members of people whose token says lobby_bypass",
        instead: "lobby.bypass lets all people with a token past the lobby, not only those of a claim; moderators.claim lets in those who are to moderate",
        lines: &["lobby.bypass = [\"service\", \"operator\", \"listed\", \"token\"]"],
    },
    Neighbour {
        module: "token_lobby_bypass_for_initiator",
        origin: Origin::Contrib,
        does: "makes an owner of the first person whose token says moderator",
        instead: "the person who opens a room waits for nobody, and moderators.claim says whose token makes a moderator",
        lines: &["moderators.assign = [\"operator\", \"listed\", \"token\"]"],
    },
    Neighbour {
        module: "token_lobby_ondemand",
        origin: Origin::Contrib,
        does: "raises a lobby for people whose token says so, and makes members of all others with a token",
        instead: "lobby.admission and lobby.bypass do it for all with a token",
        lines: &[
            "lobby.admission = \"lobby\"",
            "lobby.bypass = [\"service\", \"operator\", \"listed\", \"token\"]",
        ],
    },
    Neighbour {
        module: "token_owner_party",
        origin: Origin::Contrib,
        does: "refuses people by its own rule, without words, and ends the meeting when the owner leaves",
        instead: "close.hold_until and limits.without_moderator do it",
        lines: &["close.hold_until = [\"moderator\"]", "limits.without_moderator = \"1 minute\""],
    },
    Neighbour {
        module: "token_security_ondemand",
        origin: Origin::Contrib,
        does: "sets or takes away lobby and password by the token of each person who joins",
        instead: "lobby.admission and password.source do it; a [[room]] with `claim` is for rooms whose opener has another token",
        lines: &["lobby.admission = \"password-and-lobby\""],
    },
];

/// Modules by which the holder of a key of their own acts past the policy over HTTP.
pub const HTTP_COMMANDS: &[Neighbour] = &[
    Neighbour {
        module: "muc_kick_participant",
        origin: Origin::Jitsi,
        does: "removes people, past moderators.remove and without their coming back being judged",
        instead: "`vestibule remove` and POST /api/v1/commands/remove do it",
        lines: &[],
    },
    Neighbour {
        module: "muc_end_meeting",
        origin: Origin::Jitsi,
        does: "ends meetings, past moderators.end",
        instead: "`vestibule end` and POST /api/v1/commands/end do it",
        lines: &[],
    },
    Neighbour {
        module: "system_chat_message",
        origin: Origin::Jitsi,
        does: "speaks to people inside as the server",
        instead: "`vestibule say` and POST /api/v1/commands/say do it",
        lines: &[],
    },
    Neighbour {
        module: "muc_jigasi_invite",
        origin: Origin::Jitsi,
        does: "calls telephone numbers into a meeting, past permissions.dial and permissions.e2ee",
        instead: "a person inside calls, and permissions.dial says who may",
        lines: &[],
    },
];

/// Returns which of these modules are in a list of conflicting ones, sorted by name.
pub fn among<'a>(
    listed: &[Neighbour],
    modules: impl IntoIterator<Item = &'a str>,
) -> Vec<Neighbour> {
    let mut found: Vec<Neighbour> = modules
        .into_iter()
        .filter_map(|name| listed.iter().find(|neighbour| neighbour.module == name).copied())
        .collect();
    found.sort_unstable_by_key(|neighbour| neighbour.module);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_that_meddle_are_named() {
        let names: Vec<&str> = among(NEIGHBOURS, ["muc", "muc_flip", "muc_allowners"])
            .iter()
            .map(|n| n.module)
            .collect();
        assert_eq!(names, ["muc_allowners", "muc_flip"]);
    }
}
