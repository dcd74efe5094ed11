"""The demo, as `make demo` runs it: its story checks every step by itself."""

import os
import subprocess
import sys

from lab.component import program
from lab.process import ROOT

LANDMARKS = [
    "is told  “Only you can see this.",
    "sees  error auth / registration-required, “You're in the lobby.",
    "sees  error wait / resource-constraint, “Too many wrong passwords.",
    "decision  deny, by password.required",
    "sees  error cancel / not-allowed, “This meeting is closed to new participants.”",
    "with the room being open again: allow, by lobby.admission",
    "sees  error wait / remote-server-timeout",
    "steps went as told",
]


def play(component):
    """Runs the story once with this program as the component."""
    return subprocess.run(
        [sys.executable, ROOT / "demo" / "story.py"],
        env={**os.environ, "ONCE": "1", "VESTIBULE_BIN": str(component)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_story_goes_as_told_and_fits_on_a_terminal():
    done = play(program())
    assert done.returncode == 0, done.stdout + done.stderr
    assert [each for each in LANDMARKS if each not in done.stdout] == []
    assert done.stderr == ""
    assert "\033" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 100


def test_a_story_that_goes_otherwise_is_no_success():
    done = play("/bin/false")
    assert done.returncode == 1
    assert "FAILED" in done.stdout
