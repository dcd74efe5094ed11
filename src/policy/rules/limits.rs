//! Rules on limits: how many people and rooms there may be, for how long, and how many strangers at once.

use std::time::Duration;

use super::family::family;
use crate::setting::kind::{SECOND, duration, duration_or_never, whole};

family! {
    /// The rules on numbers and durations.
    "limits": Limits {
        /// Most people in a room, services not counted; moderators and operators always come in. 0: any number.
        occupants: u32 = 0, whole(0..=1_000_000),
            rule "The room is full. Moderators by the rules, operators and services come in all the same, and services are not counted."
            [off 0];
        /// End the room this long after it opened, or "never".
        duration: Option<Duration> = None, duration_or_never(SECOND),
            rule "The room ends: it was open for as long as a room may be."
            [off None; Undescribed];
        /// How long before its end the room is warned, or "never".
        warn_before: Option<Duration> = Some(Duration::from_secs(300)), duration_or_never(SECOND);
        /// End the room this long after its last moderator left, or "never".
        without_moderator: Option<Duration> = None, duration_or_never(SECOND),
            rule "The room ends: no moderator was inside for so long."
            [off None; Undescribed];
        /// Most rooms at a time that one person opened; 0: any number.
        rooms_per_opener: u32 = 0, whole(0..=1_000_000),
            rule "This person opened so many of the rooms that are there."
            [off 0; Undescribed];
        /// Most rooms at a time on this server; 0: any number.
        rooms: u32 = 0, whole(0..=1_000_000),
            rule "There are so many rooms on the server."
            [off 0; Undescribed];
        /// When this many strangers (guests, people of other servers) come into a room ... (0: any number may)
        flood_strangers: u32 = 0, whole(0..=1000),
            rule "Many strangers came in within a short time: further ones have to knock, even with the right password, and the lobby that was put up for it stays up."
            [off 0; Undescribed];
        /// ... within this time, further ones have to knock, even with the right password ...
        flood_within: Duration = Duration::from_secs(60), duration(SECOND);
        /// ... until none has come for this long.
        flood_calm: Duration = Duration::from_secs(600), duration(SECOND);
    }
}
