//! What loading a file needs in addition to its text.

use std::io;
use std::path::Path;

use super::environment::Environment;

/// What loading a file needs in addition to its text.
pub struct Outside<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// Reads another file that the file names.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
    /// Other accounts of this machine can read the file.
    pub exposed: bool,
    /// Nobody runs by what is read: a file with a secret that this account may not read is no error.
    pub lenient: bool,
}
