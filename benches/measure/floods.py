"""What others wait while a person floods the server, against what they wait without."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

from lab.federation import STRANGERS, FederatedDoor
from lab.websocket import web

from . import BENCHES
from .figures import Figure, Unmeasured
from .parts import LOAD, MEASURED, PASSWORD, POLICY, Driver, pinned

ON_PROSODY = True
STORM = {"rooms": 20, "people": 20, "every": 200}
KINDS = ("sender", "guests", "network", "stream")
BURST = 5000


class PinnedDoor(FederatedDoor):
    """The server on the core of what is measured, everything else on the other."""

    def __init__(self, version):
        served, self.web_port = web(consider_websocket_secure=True)
        super().__init__(version, POLICY, muc_options={"muc_room_locking": False}, **served)
        for process, core in ((self.server, MEASURED), (self.component, LOAD), (self.far, LOAD)):
            process.spawn = self._on(core, process.spawn)

    @staticmethod
    def _on(core, spawn):
        return lambda command, env: spawn(pinned(core, command), env)


@contextlib.contextmanager
def flood(door, kind, rooms, count):
    """A flood that is ready; gives what makes it begin."""
    server = door.far if kind == "stream" else door.server
    port = {"stream": server.component_port, "network": door.web_port}.get(kind, server.c2s_port)
    given = {"port": port, "domain": STRANGERS, "secret": server.secret, "rooms": rooms, "count": count}
    command = pinned(LOAD, [sys.executable, BENCHES / "flood.py", kind, json.dumps(given)])
    with_lab = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=with_lab)
    try:
        if not child.stdout.readline():
            raise Unmeasured(f"the flood of one {kind} is not connected")

        def begin():
            child.stdin.write("\n")
            child.stdin.flush()

        yield begin
    finally:
        child.kill()
        child.communicate()


def commanded(door, room, seconds):
    """The seconds that each of an operator's commands took, one after the other, with the start of the program."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        done = door.component.run("say", room, "Two minutes left.")
        took.append(time.monotonic() - began)
        if done.returncode:
            raise Unmeasured(f"say {room}: {done.stderr or done.stdout}")
    return took


def waits(door, prefix, seconds, kind=None, count=0):
    """The milliseconds that each of others waited, how many of them were refused, and the seconds of commands."""
    rooms = [f"{prefix}{number}@conference.localhost" for number in range(STORM["rooms"])]
    arguments = {"port": door.server.c2s_port, "prefix": prefix, "password": PASSWORD, "seconds": seconds, **STORM}
    with contextlib.ExitStack() as stack:
        begin = stack.enter_context(flood(door, kind, rooms, count)) if kind else lambda: None
        storm = stack.enter_context(Driver("crowd", "storm", **arguments))
        storm.said()
        time.sleep(seconds / 4)
        begin()
        took = commanded(door, f"{prefix}0@conference.localhost", seconds / 2) if kind else []
        outcomes = storm.said()
    refused = [outcome for _, _, right, outcome in outcomes if right and outcome != "joined"]
    return [(done - sent) * 1000 for sent, done, _, _ in outcomes], len(refused), took


def measure(_rounds, scale, version):
    """Each kind after a time of peace."""
    seconds, count = max(1, 6 * scale), int(BURST * scale)
    for kind in KINDS:
        door = PinnedDoor(version)  # another flood may still be waiting at the last one
        try:
            door.start()
            waits(door, "warm", 1)
            peace, _, _ = waits(door, f"peace-{kind}-", seconds)
            war, refused, took = waits(door, f"flood-{kind}-", seconds, kind, count)
        finally:
            door.close()
        words = (
            f"{count:,} joins at once; median {statistics.median(war):.3g} ms against {statistics.median(peace):.3g} ms,"
            f" worst {max(war):.3g} ms against {max(peace):.3g} ms; {len(war):,} joins of others"
        )
        yield Figure(f"flood-{kind}", statistics.median(war) / statistics.median(peace), "times", words)
        yield Figure(f"flood-{kind}-refused", refused, "joins", "of others, with the right password")
        yield Figure(f"flood-{kind}-command", max(took), "s", f"the slowest of {len(took)} commands")
