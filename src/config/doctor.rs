//! `[doctor]`: when the server is looked at, and what else may be read for that.

use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;
use super::settings::Doctor;
use crate::setting::values::{duration_or_never, list, some_text, text};
use crate::setting::{Item, Read};

/// Reads `[doctor]`.
pub(super) fn read(mut section: Section<'_>) -> Doctor {
    let mut doctor = Doctor::default();
    section.put("every", &mut doctor.every, duration_or_never(Duration::from_secs(60)));
    section.put("ignore", &mut doctor.ignore, list(some_text));
    section.put("jicofo_config", &mut doctor.jicofo_config, path);
    section.put("docker_env", &mut doctor.docker_env, path);
    section.finish();
    doctor
}

fn path(item: &Item<'_>) -> Read<Option<PathBuf>> {
    text(item).map(|path| (!path.is_empty()).then(|| PathBuf::from(path)))
}
