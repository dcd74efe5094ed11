//! String formats for JSON Schemas: `#[schemars(with = "…")]` marks a field that is a plain string in Rust.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Schema extension that names the kind of a string, by which forms choose an input field.
pub const KIND: &str = "x-kind";

macro_rules! strings {
    ($($(#[$doc:meta])* $name:ident { $($key:literal : $value:tt),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", $($key: $value),* })
            }
        }
    )*};
}

strings! {
    /// The bare JID of a room.
    Room { "format": "jid", "x-kind": "room" }
    /// The bare JID of a person.
    Person { "format": "jid", "x-kind": "person" }
    /// A duration, such as "2 hours".
    Length { "x-kind": "duration" }
    /// A point in time (RFC 3339).
    Moment { "format": "date-time" }
    /// A day, such as "2026-12-24".
    Day { "format": "date" }
    /// An address on the Web, encrypted.
    Https { "format": "uri", "pattern": "^https://" }
    /// Text of several lines.
    Lines { "x-kind": "lines" }
    /// A text that a form must not show, such as a password.
    Hidden { "format": "password", "writeOnly": true }
}
