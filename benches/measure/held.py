"""Counts that are held: `benches/counts.toml` says what each is now, and how far it may be from that."""

import os
import re
import tomllib

from . import BENCHES

FILE = BENCHES / "counts.toml"
ACCEPT = "if that is meant, UPDATE=1 make bench-short writes the new count into benches/counts.toml"


class Held:
    """The held counts, and which of them were not met."""

    def __init__(self, path=FILE):
        self.path = path
        self.text = path.read_text()
        self.rows = tomllib.loads(self.text)
        self.failures = []

    def check(self, figure, variant):
        """Compares a figure with what is held of it, or with UPDATE set, notes it."""
        row = self.rows.get(figure.name)
        if row is None:
            return
        if os.environ.get("UPDATE"):
            self._note(figure, variant)
            return
        name, known = f"{figure.name}, {variant}", row.get(variant)
        if known is None:
            self.failures.append(f"{name}: {figure.value:,.2f} {figure.unit}, and nothing is held of it; {ACCEPT}")
            return
        number, percent = re.fullmatch(r"([\d.]+)( %)?", row["margin"]).groups()
        margin = float(number) * (known / 100 if percent else 1)
        if abs(figure.value - known) > margin:
            words = f"{figure.value:,.2f} {figure.unit}, and it was {known:,.2f}, give or take {margin:,.2f}"
            self.failures.append(f"{name}: {words} ({figure.against}); {ACCEPT}")

    def _note(self, figure, variant):
        """Puts a count into its table."""
        head, table, rest = re.split(rf"(?m)^(\[{re.escape(figure.name)}\]\n(?:[^\[\n].*\n)*)", self.text, maxsplit=1)
        line = f'"{variant}" = {figure.value:.2f}\n'
        found = re.compile(rf'^"{re.escape(variant)}" = .*\n', re.MULTILINE)
        self.text = head + (found.sub(line, table) if found.search(table) else table + line) + rest

    def write(self):
        """Writes what was noted."""
        self.path.write_text(self.text)
