"""Counts that are held: `benches/counts.toml` says what each is now, and how far it may be from that."""

import os
import re
import subprocess
import tomllib

from lab.community import OWN

from . import BENCHES

FILE = BENCHES / "counts.toml"
TAKEN_WITH = "taken-with"
ACCEPT = "if that is meant, UPDATE=1 make bench-short writes the new count into benches/counts.toml"


def here():
    """The versions on this machine of what a count depends on."""

    def said(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]

    servers = {version: (modules.parent / "prosody.version").read_text().strip() for version, modules in OWN.items()}
    return {"rustc": said("rustc", "--version"), "lua": said("lua5.4", "-v"), **servers}


def depends_on(variant):
    """What a count of this variant, a version of Prosody or a profile of the compiler, depends on."""
    return (variant, "lua") if variant in OWN else ("rustc",)


class Held:
    """The held counts, which of them were not met, and which were not compared. `versions`: those of this machine."""

    def __init__(self, path=FILE, versions=None):
        self.path = path
        self.text = path.read_text()
        self.rows = tomllib.loads(self.text)
        self.versions = here() if versions is None else versions
        self.failures = []
        self.uncompared = []

    def check(self, figure, variant):
        """Compares a figure with what is held of it, or with UPDATE set, notes it."""
        row = self.rows.get(figure.name)
        if row is None:
            return
        if os.environ.get("UPDATE"):
            self._note(figure, variant)
            return
        name, known = f"{figure.name}, {variant}", row.get(variant)
        others = self._others(variant)
        if others:
            self.uncompared.append(f"{name}: {figure.value:,.2f} {figure.unit}; what is held was taken with {others}")
            return
        if known is None:
            self.failures.append(f"{name}: {figure.value:,.2f} {figure.unit}, and nothing is held of it; {ACCEPT}")
            return
        number, percent = re.fullmatch(r"([\d.]+)( %)?", row["margin"]).groups()
        margin = float(number) * (known / 100 if percent else 1)
        if abs(figure.value - known) > margin:
            words = f"{figure.value:,.2f} {figure.unit}, and it was {known:,.2f}, give or take {margin:,.2f}"
            self.failures.append(f"{name}: {words} ({figure.against}); {ACCEPT}")

    def _others(self, variant):
        """Names the versions that a count was taken with and that this machine does not have: another compiler or server
        counts otherwise. Empty if there are none."""
        taken = self.rows.get(TAKEN_WITH, {})
        return ", ".join(f"{name} {taken[name]}" for name in depends_on(variant) if name in taken and taken[name] != self.versions.get(name))

    def _note(self, figure, variant):
        """Puts a count into its table, and what it was taken with into theirs."""
        self._put(figure.name, variant, f"{figure.value:.2f}")
        for name in depends_on(variant):
            self._put(TAKEN_WITH, name, f'"{self.versions[name]}"')

    def _put(self, name, key, value):
        head, table, rest = re.split(rf"(?m)^(\[{re.escape(name)}\]\n(?:[^\[\n].*\n)*)", self.text, maxsplit=1)
        line = f'"{key}" = {value}\n'
        found = re.compile(rf'^"{re.escape(key)}" = .*\n', re.MULTILINE)
        self.text = head + (found.sub(line, table) if found.search(table) else table + line) + rest

    def write(self):
        """Writes what was noted."""
        self.path.write_text(self.text)
