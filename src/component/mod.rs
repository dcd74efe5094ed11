//! The component's state and decisions: engine, room registry, audit and metrics. It opens no sockets.

pub mod audit;
pub mod counters;
pub mod decision_record;
pub mod drift;
pub mod engine;
mod log_writer;
pub mod metrics;
pub mod neighbours;
pub mod registry;
pub mod room_registry;
pub mod timetable;
