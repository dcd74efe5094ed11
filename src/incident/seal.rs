//! The checksum: SHA-256 over the one way in which a JSON value can be written.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A value as canonical JSON: no spaces, keys in the order of their bytes, strings and numbers as `serde_json` writes
/// them. It is what Python's `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)` writes.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(map.get(key).unwrap_or(&Value::Null), out);
            }
            out.push('}');
        }
        Value::Array(all) => {
            out.push('[');
            for (at, value) in all.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(value, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}

/// The checksum of a bundle, in hexadecimal.
pub fn seal(bundle: &Value) -> String {
    hex::encode(Sha256::digest(canonical(bundle)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_and_the_spaces_make_no_difference() {
        let one: Value =
            serde_json::from_str(r#"{"b": [1, {"z": null, "y": "é<"}], "a": 2}"#).unwrap();
        let other = json!({"a": 2, "b": [1, {"y": "é<", "z": null}]});
        assert_eq!(canonical(&one), r#"{"a":2,"b":[1,{"y":"é<","z":null}]}"#);
        assert_eq!(seal(&one), seal(&other));
        assert_ne!(seal(&one), seal(&json!({"a": 2, "b": [1, {"y": "é>", "z": null}]})));
    }

    #[test]
    fn the_checksum_is_what_others_make_of_it() {
        // printf '{"a":1}' | sha256sum
        let known = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
        assert_eq!(seal(&json!({"a": 1})), known);
    }
}
