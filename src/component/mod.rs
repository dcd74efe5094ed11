//! The component at work: what it knows, decides and writes down. No sockets.

mod arrivals;
pub mod audit;
pub mod counters;
pub mod desk;
pub mod drift;
mod entries;
mod expected;
mod feed;
pub mod headless;
pub mod lately;
pub mod line;
pub mod live;
pub mod making;
pub mod metrics;
mod namesake;
pub mod neighbours;
mod observe;
pub mod people;
pub mod registry;
mod spool;
pub mod timetable;
