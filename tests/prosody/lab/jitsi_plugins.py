"""Jitsi Meet's own Prosody modules: found by JITSI_PROSODY_PLUGINS, never part of this project."""

import os
import subprocess
from pathlib import Path

import pytest

VARIABLE = "JITSI_PROSODY_PLUGINS"


def plugins():
    """The folder that JITSI_PROSODY_PLUGINS names (jitsi-meet's resources/prosody-plugins),
    or None if it is not set; UsageError if the modules are not there."""
    given = os.environ.get(VARIABLE)
    if not given:
        return None
    folder = Path(given).resolve()
    if not (folder / "mod_muc_lobby_rooms.lua").exists():
        raise pytest.UsageError(f"{VARIABLE}={given}: no mod_muc_lobby_rooms.lua in it")
    return folder


def described():
    """One line on what the Jitsi tests run with."""
    folder = plugins()
    if folder is None:
        return f"none ({VARIABLE} is not set): all but the lobby was run without them"
    command = ["git", "-C", folder, "log", "-1", "--format=commit %H of %cs"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return f"{folder}, {commit or 'no git checkout'}"


needs_jitsi_plugins = pytest.mark.skipif(
    not os.environ.get(VARIABLE), reason=f"needs Jitsi's plugins: {VARIABLE} is not set"
)
