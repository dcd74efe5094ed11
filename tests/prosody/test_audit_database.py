"""The audit database beside other programs that open it."""

import contextlib
import sqlite3

from lab import SERVICE
from lab.process import wait_until


def revisions(component):
    """How many policies it has, for a program that opens and closes it."""
    with contextlib.closing(sqlite3.connect(component.state_dir / "vestibule.db")) as database:
        return database.execute("SELECT count(*) FROM entries WHERE kind = 'revision'").fetchone()[0]


def test_whoever_reads_it_takes_nothing_of_what_is_written_later(door):
    component = door.component
    wait_until(lambda: revisions(component) == 1, 5, "the first policy", component.tail)
    for number in (2, 3, 4):
        door.enforce(f"{SERVICE}# {number}\n")
        wait_until(lambda: revisions(component) == number, 5, "an entry", component.tail)
