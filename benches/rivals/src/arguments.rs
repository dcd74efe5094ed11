//! `COMMAND --name value ...`

use std::collections::HashMap;
use std::str::FromStr;

use crate::Result;

/// The words of the command line.
#[derive(Debug)]
pub struct Arguments {
    /// What to do.
    pub command: String,
    named: HashMap<String, String>,
}

impl Arguments {
    /// Reads the command line of this process.
    ///
    /// # Errors
    /// When it is not of the form above.
    pub fn of_process() -> Result<Self> {
        let mut words = std::env::args().skip(1);
        let command = words.next().ok_or("the first argument says what to do")?;
        let mut named = HashMap::new();
        while let Some(name) = words.next() {
            let name = name.strip_prefix("--").ok_or_else(|| format!("{name}: not a --name"))?;
            let value = words.next().ok_or_else(|| format!("--{name} needs a value"))?;
            named.insert(name.to_owned(), value);
        }
        Ok(Self { command, named })
    }

    /// The value of `--name`.
    ///
    /// # Errors
    /// When it is missing or of another type.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<T> {
        let value = self.named.get(name).ok_or_else(|| format!("--{name} is missing"))?;
        value.parse().map_err(|_| format!("--{name} {value}: of the wrong type").into())
    }
}
