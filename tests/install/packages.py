"""The packages under test: as `make deb` builds them, and as the version before.

That is the commit that the variable BEFORE names, with a program of its own; else this tree with a lower version.
"""

import fcntl
import functools
import os
import re
import shutil
import subprocess

from layers import HOME, ROOT

NAMES = ("vestibule", "vestibule-prosody-module")
LOWER = "0.0.9-1"


def program():
    """The program under test."""
    return ROOT / (os.environ.get("VESTIBULE_BIN") or "target/debug/vestibule")


def _run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def _built(tree, place, binary):
    """The folder with the packages that the tree's own script makes of a program."""
    env = {**os.environ, "PROGRAM": str(binary), "CARGO_TARGET_DIR": str(place), "DEB_COMPRESSION": "none"}
    _run("scripts/deb.sh", cwd=tree, env=env)
    return place / "debian", env


def _tree_before(commit, place):
    """What `_built` has to know of a commit: its files, the folder, and its program, which is built once."""
    commit = _run("git", "rev-parse", "--short", commit, cwd=ROOT).strip()
    before = HOME / "before"
    tree, target = before / commit, before / "target"
    binary = tree / "vestibule"
    tree.mkdir(parents=True, exist_ok=True)
    with open(before / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _run("sh", "-c", f"git -C '{ROOT}' archive {commit} | tar x", cwd=tree)
            options = {"cwd": tree, "env": {**os.environ, "CARGO_TARGET_DIR": str(target)}}
            _run("cargo", "build", "--locked", "--bin", "vestibule", **options)
            shutil.copy(target / "debug/vestibule", binary)
    return tree, place, binary


class Packages:
    """`now` and `before`: folders with the two packages, without versions in the files' names; `commit` is of the latter,
    or None if that is this tree."""

    def __init__(self, place):
        self.now, self.before = place / "now", place / "before"
        built, self._env = _built(ROOT, place / "target", program())
        self.commit = os.environ.get("BEFORE")
        older = _built(*_tree_before(self.commit, place / "older"))[0] if self.commit else built
        for folder in (self.now, self.before):
            folder.mkdir()
        for name in NAMES:
            (found,) = older.glob(f"{name}_*.deb")
            _lower(found, place / "unpacked" / name, self.before / f"{name}.deb")
            (found,) = built.glob(f"{name}_*.deb")
            self.version = _run("dpkg-deb", "--field", found, "Version").strip()
            shutil.move(found, self.now / f"{name}.deb")
        shutil.rmtree(place / "unpacked")

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


def _lower(built, place, deb):
    """The same package with a lower version."""
    place.parent.mkdir(exist_ok=True)
    _run("dpkg-deb", "--raw-extract", built, place)
    control = place / "DEBIAN/control"
    text = control.read_text()
    version = re.search(r"^Version: (.*)$", text, re.MULTILINE)[1]
    control.write_text(text.replace(version, LOWER))
    _run("dpkg-deb", "--root-owner-group", "-Znone", "--build", place, deb)
