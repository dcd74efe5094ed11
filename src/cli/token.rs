//! A new token for the file.

use std::process::ExitCode;

use sha2::{Digest as _, Sha256};

use super::out::{fail, note, say};
use crate::control::Role;
use crate::http::new_token;

/// Prints a new token, this once, and the table with which the file admits it.
pub(super) fn print(name: &str, role: Role, json: bool) -> ExitCode {
    let token = match new_token() {
        Ok(token) => token,
        Err(error) => return fail(&format!("the system gives no random numbers: {error}")),
    };
    let sha256 = hex::encode(Sha256::digest(token.expose()));
    if json {
        let table = serde_json::json!({ "name": name, "role": role, "sha256": sha256 });
        say(&serde_json::json!({ "token": token.expose(), "table": table }));
        return ExitCode::SUCCESS;
    }
    say(token.expose());
    note("This is shown once. Put this into the file, and reload it:\n");
    let name = toml::Value::from(name);
    note(&format!(
        "[[admin.token]]\nname = {name}\nrole = \"{}\"\nsha256 = \"{sha256}\"",
        role.name()
    ));
    ExitCode::SUCCESS
}
