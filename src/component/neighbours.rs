//! Modules of the server that do by themselves what the policy decides.

/// A conflicting module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name in `modules_enabled`.
    pub module: &'static str,
    /// What it does, and what to do about it.
    pub advice: &'static str,
}

const NEIGHBOURS: [Neighbour; 11] = [
    Neighbour {
        module: "muc_allowners",
        advice: "makes everybody a moderator, and the gate does not let it: take it out",
    },
    Neighbour {
        module: "muc_wait_for_host",
        advice: "holds people by its own rule and lets all of them in at once: take it out, and set close.hold_until = [\"moderator\"]",
    },
    Neighbour {
        module: "token_affiliation",
        advice: "makes members and owners of people with tokens: take it out, \"token\" in moderators.assign does the same",
    },
    Neighbour {
        module: "token_affiliation_legacy",
        advice: "makes members and owners of people with tokens: take it out, \"token\" in moderators.assign does the same",
    },
    Neighbour {
        module: "lobby_autostart",
        advice: "raises a lobby that nobody may be able to open: take it out, lobby.admission does it",
    },
    Neighbour {
        module: "token_lobby_autostart",
        advice: "raises a lobby by the token of the first who joins: take it out, lobby.admission does it",
    },
    Neighbour {
        module: "lobby_autostart_on_owner",
        advice: "makes moderators by its own rules: take it out, moderators.successors does it",
    },
    Neighbour {
        module: "token_owner_party",
        advice: "refuses people by its own rule, without words: take it out, close.hold_until does it",
    },
    Neighbour {
        module: "token_lobby_bypass",
        advice: "makes members of people with tokens: take it out, \"token\" in lobby.bypass does the same",
    },
    Neighbour {
        module: "muc_flip",
        advice: "lets a second device of a token past password and lobby",
    },
    Neighbour {
        module: "muc_password_check",
        advice: "tells over HTTP whether a password is right, as often as one asks: take it out",
    },
];

/// Returns the conflicting modules among those of a service, by name.
pub fn among<'a>(modules: impl IntoIterator<Item = &'a str>) -> Vec<Neighbour> {
    let mut found: Vec<Neighbour> = modules
        .into_iter()
        .filter_map(|name| NEIGHBOURS.into_iter().find(|neighbour| neighbour.module == name))
        .collect();
    found.sort_unstable_by_key(|neighbour| neighbour.module);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_that_meddle_are_named() {
        let names: Vec<&str> =
            among(["muc", "muc_flip", "muc_allowners"]).iter().map(|n| n.module).collect();
        assert_eq!(names, ["muc_allowners", "muc_flip"]);
    }
}
