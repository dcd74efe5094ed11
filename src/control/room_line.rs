//! A room in the list of rooms, and one room with those in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::{EncodeLabelSet, Family, Gauge, gauged, metrics};
use crate::schema;

/// A room in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomLine {
    /// Its address.
    pub room: String,
    /// The service that it lives on.
    pub service: String,
    /// Who may enter.
    pub state: RoomState,
    /// Occupants (XEP-0045: one for each nick), services apart. A person with two tabs is two.
    pub occupants: usize,
    /// People inside, services apart, however many sessions each has.
    #[serde(default)]
    pub people: usize,
    /// Of the occupants, moderators.
    pub moderators: usize,
    /// People who wait to be let in.
    pub waiting: usize,
    /// It has a password.
    pub password: bool,
    /// Strangers have to be let in.
    pub lobby: bool,
    /// When the policy was applied to it; `None`: it was not yet.
    #[schemars(with = "Option<schema::Moment>")]
    pub opened: Option<String>,
    /// Who opened it.
    pub opener: Option<String>,
    /// Why it is closed.
    pub closed: Option<String>,
}

/// One room, the people inside, services included, and those who wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomDetails {
    /// Its address.
    pub room: String,
    /// The service that it lives on.
    pub service: String,
    /// Who may enter.
    pub state: RoomState,
    /// Who is inside, one for each nick.
    pub occupants: Vec<OccupantLine>,
    /// People inside, services apart, however many sessions each has.
    pub people: usize,
    /// Of the occupants, moderators.
    pub moderators: usize,
    /// Who waits.
    pub waiting: Vec<WaitingLine>,
    /// It has a password.
    pub password: bool,
    /// Strangers have to be let in.
    pub lobby: bool,
    /// When the policy was applied to it; null: it was not yet.
    #[schemars(with = "Option<schema::Moment>")]
    pub opened: Option<String>,
    /// Who opened it.
    pub opener: Option<String>,
    /// Why it is closed.
    pub closed: Option<String>,
}

/// Who may enter a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RoomState {
    /// Nobody yet: what `close.hold_until` asks for is not there.
    Held,
    /// Those whom the rules admit.
    Open,
    /// Nobody else.
    Closed,
    /// Nobody else, and only moderators speak; it may be closed as well.
    Suspended,
}

impl RoomState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Held, Self::Open, Self::Closed, Self::Suspended];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Suspended => "suspended",
        }
    }
}

/// A person inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OccupantLine {
    /// The nick.
    pub nick: String,
    /// The bare JID.
    pub jid: Option<String>,
    /// `moderator`, `participant` or `visitor` (XEP-0045 §5.1).
    pub role: String,
    /// `owner`, `admin`, `member` or `none` (XEP-0045 §5.2).
    pub affiliation: String,
    /// The class of the person.
    pub class: String,
    /// Since when, as far as is known.
    #[schemars(with = "Option<schema::Moment>")]
    pub since: Option<String>,
}

/// A person who waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingLine {
    /// The nick.
    pub nick: String,
    /// The bare JID.
    pub jid: Option<String>,
    /// Since when, as far as is known.
    #[schemars(with = "Option<schema::Moment>")]
    pub since: Option<String>,
}

metrics! {
    /// What the list of rooms shows, as metrics.
    pub struct RoomMetrics {
        /// Rooms, by who may enter
        rooms: Family<StateLabel, Gauge> = "vestibule_rooms";
        /// Occupants of rooms, services apart: one for each nick
        occupants: Gauge = "vestibule_occupants";
        /// People inside rooms, services apart, however many sessions each has
        people: Gauge = "vestibule_people";
        /// People who wait to be let in
        waiting: Gauge = "vestibule_waiting";
        /// Rooms with people inside and no moderator
        unmoderated: Gauge = "vestibule_rooms_unmoderated";
    }
}

/// The label of `vestibule_rooms`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    state: &'static str,
}

impl From<&[RoomLine]> for RoomMetrics {
    fn from(rooms: &[RoomLine]) -> Self {
        let metrics = Self::default();
        for state in RoomState::ALL {
            let count = rooms.iter().filter(|room| room.state == state).count();
            metrics.rooms.get_or_create(&StateLabel { state: state.name() }).set(gauged(count));
        }
        let sum = |count: fn(&RoomLine) -> usize| {
            gauged(rooms.iter().map(count).fold(0, usize::saturating_add))
        };
        metrics.occupants.set(sum(|room| room.occupants));
        metrics.people.set(sum(|room| room.people));
        metrics.waiting.set(sum(|room| room.waiting));
        metrics
            .unmoderated
            .set(sum(|room| usize::from(room.occupants > 0 && room.moderators == 0)));
        metrics
    }
}
