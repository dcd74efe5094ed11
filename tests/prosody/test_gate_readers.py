"""The gate's readers of stanzas and its pages of rooms, on each Prosody's own libraries and without a server."""

import os
import subprocess
from pathlib import Path

import pytest
from lab.process import ROOT

PROSODY_13 = ROOT / "target/prosody13/usr"
LIBRARIES = {"0.12": Path("/usr/lib/prosody"), "13": PROSODY_13 / "lib/prosody"}
MUTATIONS = os.environ.get("MUTATIONS", "300")


def lua(version):
    """The Lua that a Prosody runs on, and its environment; that of 13 has libraries of its own."""
    if version == "0.12":
        return ["lua5.4"], {}
    lib = PROSODY_13 / "lib/x86_64-linux-gnu"
    command = [lib / "ld-linux-x86-64.so.2", "--library-path", lib, PROSODY_13 / "bin/lua5.4"]
    return command, {"LUA_CPATH_5_4": f"{lib}/lua/5.4/?.so"}


@pytest.mark.parametrize("seed", ["20261129"])
def test_what_is_built_is_what_was_read(prosody_version, seed):
    script = ROOT / "tests/lua/requests.lua"
    interpreter, environment = lua(prosody_version)
    command = [*interpreter, script, LIBRARIES[prosody_version], MUTATIONS, seed]
    environment = {**os.environ, **environment}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
    assert "something goes on" in result.stdout


def test_a_page_of_rooms_or_people_is_not_paid_for_by_all_of_them():
    """Ten thousand rooms, people, and stored rooms: sorted once for a reading, and each met once, whoever comes and goes."""
    script, gate = ROOT / "tests/prosody/lua/inquiries.lua", ROOT / "prosody-snippets/mod_vestibule_gate"
    command = ["lua5.4", script, LIBRARIES["0.12"], gate]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
    assert "10,000 rooms" in result.stdout
