"""The gate's files by themselves, on each Prosody's own Lua and libraries and without a server: tests/lua."""

import os
import subprocess
from pathlib import Path

import pytest
from lab.process import ROOT

PROSODY_13 = ROOT / "target/prosody13/usr"
LIBRARIES = {"0.12": Path("/usr/lib/prosody"), "13": PROSODY_13 / "lib/prosody"}
MUTATIONS = os.environ.get("MUTATIONS", "300")
SCRIPTS = ROOT / "tests/lua"


def lua(version):
    """The Lua that a Prosody runs on, and its environment; that of 13 has libraries of its own."""
    if version == "0.12":
        return ["lua5.4"], {}
    lib = PROSODY_13 / "lib/x86_64-linux-gnu"
    command = [lib / "ld-linux-x86-64.so.2", "--library-path", lib, PROSODY_13 / "bin/lua5.4"]
    return command, {"LUA_CPATH_5_4": f"{lib}/lua/5.4/?.so"}


def run(version, name, *arguments):
    """What a script of tests/lua prints."""
    interpreter, environment = lua(version)
    command = [*interpreter, SCRIPTS / f"{name}.lua", LIBRARIES[version], *arguments]
    environment = {**os.environ, **environment}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout


@pytest.mark.parametrize("seed", ["20261129"])
def test_what_is_built_is_what_was_read(prosody_version, seed):
    assert "something goes on" in run(prosody_version, "requests", MUTATIONS, seed)


def test_a_page_of_rooms_or_people_is_not_paid_for_by_all_of_them(prosody_version):
    """Ten thousand rooms, people, and stored rooms: sorted once for a reading, and each met once, whoever comes and goes."""
    assert "10,000 rooms" in run(prosody_version, "queries")


def test_the_queue_by_itself(prosody_version):
    """Limits, networks, and three hundred steps at random."""
    assert len(run(prosody_version, "queue").splitlines()) >= 9


def test_the_pure_files_by_themselves(prosody_version):
    """Texts, fair turns, answers, what a room remembers, names, permissions, and what a client is told."""
    assert len(run(prosody_version, "units").splitlines()) >= 40


def test_no_script_is_left_out():
    ran = {"harness", "queries", "queue", "requests", "units"}
    assert {path.stem for path in SCRIPTS.glob("*.lua")} == ran
