"""What is measured and what loads it, each on a core of its own."""

import contextlib
import json
import os
import subprocess

from lab import Prosody, Vestibule
from lab.process import Process, environment

from . import BENCHES
from .figures import Unmeasured

# Whatever the programs, the short form shows that everything can be measured.
QUICK = bool(os.environ.get("BENCH_QUICK"))
PROFILE = "debug" if QUICK else "release"
DRIVERS = BENCHES / "rivals" / "target" / PROFILE
PASSWORD = "measured horse battery"
POLICY = f"""
[log]
level = "warn"
[[service]]
domain = "conference.localhost"
[policy.password]
source = "preset"
preset = "{PASSWORD}"
[policy.password.guesses]
burst = 10000
room_burst = 10000
"""

# The last core is for the load: the first is where the kernel does most of its own work.
CORES = sorted(os.sched_getaffinity(0))
MEASURED, LOAD = CORES[-1], CORES[0]


def pinned(core, command):
    """The command, kept on one core with all its threads."""
    return ["taskset", "-c", str(core), *map(str, command)]


class PinnedVestibule(Vestibule):
    """The component on one core."""

    is_replayed = False

    def __init__(self, server, config=POLICY, *, core=LOAD, **options):
        super().__init__(server, config, **options)
        self.core = core

    def spawn(self, command, env):
        super().spawn(pinned(self.core, command), env)


class PinnedProsody(Prosody):
    """Prosody on the core of what is measured. It does not lock new rooms: nobody configures them. `gate` as in the
    laboratory: True, False for all of the shipped lines but the gate's, or None for none of them."""

    def __init__(self, version, gate, muc_options=None, **options):
        rooms = {"muc_room_locking": False, **(muc_options or {})}
        super().__init__(version, gate=gate, muc_options=rooms, **options)

    def spawn(self, command, env):
        super().spawn(pinned(MEASURED, command), env)


class Driver:
    """A running `asker` or `crowd`."""

    def __init__(self, program, command, *, core=LOAD, **arguments):
        words = [DRIVERS / program, command]
        for name, value in arguments.items():
            words += [f"--{name}", value]
        self.child = subprocess.Popen(
            pinned(core, words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment({}),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.communicate()

    def said(self):
        """The next object that it prints."""
        line = self.child.stdout.readline()
        if not line:
            raise Unmeasured(f"{self.child.args[3]}: {self.child.stderr.read().strip()}")
        return json.loads(line)

    def go_on(self):
        """Lets it take its next step."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()


def drive(program, command, **arguments):
    """Runs a driver to its end; gives the one object that it prints."""
    with Driver(program, command, **arguments) as driver:
        return driver.said()


class Rival(Process):
    """Another component, on the core of what is measured."""

    def __init__(self, home, command):
        super().__init__(home / "output")
        self.command = command

    def start(self):
        self.spawn(pinned(MEASURED, self.command), {})

    def close(self):
        self.kill()


@contextlib.contextmanager
def started(process, **options):
    """A process that is closed whatever happens."""
    try:
        process.start(**options)
        yield process
    finally:
        process.close()
