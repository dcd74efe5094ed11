//! Rules that are never switched off: each is declared here, and named by its constant.

use crate::policy::verdict::Rule;

/// A rule that always holds.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    /// Name of the rule.
    pub name: &'static str,
    /// The keys of the file that it rests on, for the reference.
    pub keys: &'static [&'static str],
    /// Meaning of a decision that rests on it, for people.
    pub meaning: &'static str,
    /// Why it is never switched off, or what to do instead.
    pub because: &'static str,
}

impl Fixed {
    /// Returns the rule, set at that line of the file; 0: by no line.
    pub const fn at(&self, line: u32) -> Rule {
        Rule::new(self.name, line)
    }
}

macro_rules! fixed {
    ($($constant:ident = $name:literal [$($key:literal),*] $meaning:literal, because $because:literal;)*) => {
        $(
            #[doc = concat!("The rule `", $name, "`. ", $meaning)]
            pub const $constant: Fixed =
                Fixed { name: $name, keys: &[$($key),*], meaning: $meaning, because: $because };
        )*

        /// All fixed rules, in the order of the reference.
        pub const FIXED: &[Fixed] = &[$($constant),*];
    };
}

fixed! {
    SERVICE = "service" ["service.focus", "service.trusted"]
        "A service account: it may do everything, and nobody inside may remove it.",
        because "who serves a meeting is named under `[[service]]`: take the account out of it";
    FOCUS = "service.focus" ["service.focus"]
        "Where a focus opens the rooms (Jitsi), nobody else does.",
        because "a service without the key `focus` has none";
    OPERATORS = "policy.operators" ["policy.operators"]
        "An operator of the server: nobody inside may remove or demote them.",
        because "take the account out of the list";
    BAN = "ban" ["[[ban]]"]
        "A ban of the file, or one that an operator made at run time (`vestibule ban`): on an address, a domain or a network, for all rooms or some. It is stronger than everything but a service account.",
        because "a ban is lifted by deleting it, by `vestibule unban` where it was made at run time, or by an exception for one person";
    SUSPENDED = "suspended" []
        "An operator has suspended the meeting: nobody else comes in, only moderators speak, nothing is recorded, and nobody inside takes that back ([suspend.md](suspend.md)).",
        because "an operator resumes it (`vestibule resume`)";
    PRESENCE = "presence" []
        "Authority needs presence: who is not in the room with this session configures nothing, gives and takes no rights, invites, ends and records nothing, whatever their affiliation. Operators may, with the affiliation that the room service asks for.",
        because "it is what an affiliation is worth outside: nothing";
    READING = "reading" []
        "Who reads the configuration form and the lists of the room: who moderates it inside, and operators. It is part of the answer to a join, like the permissions.",
        because "the configuration form and the ban list are for those who moderate";
    OUTCAST = "room.outcast" []
        "The room's own ban (affiliation `outcast`).",
        because "it is the room's own: its owners lift it";
    ROOM_PASSWORD = "room.password" []
        "The room's own password: the policy asks for none here, and a person inside has chosen one.",
        because "it is the room's own: its owners remove it";
    ROOM_LOBBY = "room.lobby" []
        "The room's own lobby: the policy asks for none here, and a moderator has switched one on.",
        because "it is the room's own: its owners switch it off";
    ROOM_MEMBERS = "room.members" []
        "The room's own setting makes it members-only: it was there before the policy, or a moderator has set it. Its list of members says who comes in; others knock.",
        because "it is the room's own: its owners switch it off";
    RECORD = "close.record" []
        "The room's record is missing or unreadable; it might say that the room is closed, so nobody else comes in. Moderators can: `!reopen` writes a new one. Of a value that only a newer version knows, the stricter reading counts (`docs/operating.md`). Both are reported as a difference of the room (`vestibule log --kind drift`).",
        because "what cannot be read might say that the room is closed";
    COMMAND = "command" []
        "A word with `!` in front that no room knows.",
        because "an unknown word has no meaning that could be let through";
    NO_OBJECTION = "no-objection" []
        "No rule has anything against it.",
        because "it refuses nothing";
    UNREADABLE = "unreadable" []
        "The attempt cannot be judged: an address that is none, an empty list, or a kind of attempt that this version does not know.",
        because "what cannot be judged is refused";
}
