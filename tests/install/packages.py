"""The packages under test: as `make deb` builds them, and as the version before."""

import functools
import os
import re
import shutil
import subprocess

from layers import ROOT

NAMES = ("vestibule", "vestibule-prosody-module")
BEFORE = "0.0.9-1"


def program():
    """The program under test."""
    return ROOT / (os.environ.get("VESTIBULE_BIN") or "target/debug/vestibule")


def _run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


class Packages:
    """`now` and `before`: folders with the two packages, without versions in the files' names."""

    def __init__(self, place):
        target = place / "target"
        env = {**os.environ, "PROGRAM": str(program()), "CARGO_TARGET_DIR": str(target), "DEB_COMPRESSION": "none"}
        _run("scripts/deb.sh", cwd=ROOT, env=env)
        self.now, self.before = place / "now", place / "before"
        for folder in (self.now, self.before):
            folder.mkdir()
        for name in NAMES:
            (built,) = (target / "debian").glob(f"{name}_*.deb")
            self.version = _run("dpkg-deb", "--field", built, "Version").strip()
            _older(built, place / "unpacked" / name, self.before / f"{name}.deb")
            shutil.move(built, self.now / f"{name}.deb")
        shutil.rmtree(place / "unpacked")
        self._env = env

    @functools.cached_property
    def archive(self):
        """The archive with an installer, as `make static` packs it."""
        return ROOT / _run("scripts/archive.sh", cwd=ROOT, env=self._env).splitlines()[-1]

    @functools.cached_property
    def archive_before(self):
        """The same with another gate."""
        place = self.now.parent / "archive"
        place.mkdir()
        _run("tar", "xf", self.archive, cwd=place)
        (top,) = place.iterdir()
        gate = "prosody-snippets/mod_vestibule_gate/mod_vestibule_gate.lua"
        with open(top / gate, "a") as file:
            file.write("-- Of the version before.\n")
        older = place / "before.tar.gz"
        _run("tar", "czf", older, top.name, cwd=place)
        return older


def _older(built, place, deb):
    """The same program in a package with a lower version."""
    place.parent.mkdir(exist_ok=True)
    _run("dpkg-deb", "--raw-extract", built, place)
    control = place / "DEBIAN/control"
    text = control.read_text()
    version = re.search(r"^Version: (.*)$", text, re.MULTILINE)[1]
    control.write_text(text.replace(version, BEFORE))
    _run("dpkg-deb", "--root-owner-group", "-Znone", "--build", place, deb)
