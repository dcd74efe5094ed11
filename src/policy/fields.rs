//! Objects as they are written down: unset fields are left out, and fields of a newer program are kept.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Returns whether a fact has its default value, with which it is left out of the log.
pub(super) fn is_unset<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Declares a struct of facts, one row each: documentation, name and type. The name is the key in the log, which is left out while the fact
/// is unset; `FACTS` lists both for `docs/replay.md`.
macro_rules! facts {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])+ pub $fact:ident: $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "crate::policy::fields::is_unset")]
                pub $fact: $type,
            )*
        }

        impl $name {
            /// Name and documentation of each fact.
            pub const FACTS: &'static [(&'static str, &'static str)] =
                &[$( (stringify!($fact), concat!($($doc),+)), )*];
        }
    };
}
pub(super) use facts;

/// Fields that this program does not know, by name. There are hardly ever any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::box_collection,
    reason = "an empty set takes a third of the memory in each record"
)]
pub struct Unknown(Option<Box<BTreeMap<String, Value>>>);

impl Unknown {
    /// Returns an empty set: every field is known.
    pub const fn new() -> Self {
        Self(None)
    }
}

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().flat_map(|fields| &**fields))
    }
}

impl<'de> Deserialize<'de> for Unknown {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let fields = BTreeMap::deserialize(from)?;
        Ok(Self((!fields.is_empty()).then(|| Box::new(fields))))
    }
}

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// Known fields whose values are not understood. There are hardly ever any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::box_collection,
    reason = "an empty set takes a third of the memory in each record"
)]
pub struct Unread(Option<Box<BTreeMap<String, Replaced>>>);

/// A value that is not understood, and its replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replaced {
    was: Value,
    /// Value that is read instead, as it is written; `None`: the field is absent.
    read_as: Option<Value>,
}

impl Unread {
    /// Returns an empty set: everything was understood.
    pub const fn new() -> Self {
        Self(None)
    }

    fn of(fields: BTreeMap<String, Replaced>) -> Self {
        Self((!fields.is_empty()).then(|| Box::new(fields)))
    }

    /// Returns whether everything was understood.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the names of the fields that were not understood.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|fields| fields.keys()).map(String::as_str)
    }

    /// Forgets a field, whose new value is written from then on.
    pub(super) fn forget(&mut self, name: &str) {
        self.retain(|other| other != name);
    }

    /// Forgets every field but this one.
    pub(super) fn only(mut self, name: &str) -> Self {
        self.retain(|other| other == name);
        self
    }

    fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        if let Some(mut fields) = self.0.take() {
            fields.retain(|name, _| keeps(name));
            *self = Self::of(*fields);
        }
    }
}

/// Reads an object whose fields are not all understood, each by itself. `stricter` gives what is read instead of a
/// value that is not understood, from its name and the object; `None`: as if the field were absent.
///
/// Returns `None` where the `required` fields are not understood.
pub(super) fn read<T: DeserializeOwned + Serialize>(
    text: &str,
    required: &[&str],
    stricter: impl Fn(&str, &Object) -> Option<Value>,
) -> Option<(T, Unread)> {
    let mut whole: Object = serde_json::from_str(text).ok()?;
    for (before, now) in RENAMED {
        if let Some(value) = whole.remove(before) {
            whole.insert(now.to_owned(), value);
        }
    }
    let is_required = |name: &str| required.contains(&name);
    let base: Object = whole
        .iter()
        .filter(|(name, _)| is_required(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let is_understood = |object: &Object| T::deserialize(Value::from(object.clone())).is_ok();
    if !is_understood(&base) {
        return None;
    }
    let (mut known, mut unread) = (whole.clone(), BTreeMap::new());
    for (name, value) in whole.iter().filter(|(name, _)| !is_required(name)) {
        let mut alone = base.clone();
        alone.insert(name.clone(), value.clone());
        if is_understood(&alone) {
            continue;
        }
        match stricter(name, &whole) {
            Some(instead) => known.insert(name.clone(), instead),
            None => known.remove(name),
        };
        unread.insert(name.clone(), Replaced { was: value.clone(), read_as: None });
    }
    let read = T::deserialize(Value::from(known)).ok()?;
    let written = serde_json::to_value(&read).ok()?;
    for (name, replaced) in &mut unread {
        replaced.read_as = written.get(name).cloned();
    }
    Some((read, Unread::of(unread)))
}

/// Writes an object. A value that was not understood, and that nothing has replaced since, is written as it was.
pub(super) fn write<T: Serialize>(object: &T, unread: &Unread) -> String {
    let Some(unread) = &unread.0 else {
        return serde_json::to_string(object).unwrap_or_default();
    };
    let mut written = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = written.as_object_mut() {
        for (name, Replaced { was, read_as }) in &**unread {
            if fields.get(name) == read_as.as_ref() {
                fields.insert(name.clone(), was.clone());
            }
        }
    }
    written.to_string()
}

/// Former names of fields, with the present name of each.
pub(super) const RENAMED: [(&str, &str); 1] = [("wave", "join_flood")];
