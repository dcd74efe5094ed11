"""A child process that never outlives the test that started it.

The kernel ends a child with the *thread* that started it, so start children in the main
thread. Starting and waiting block; where clients must go on meanwhile, start with
`ready=False` and wait in a thread: `await asyncio.to_thread(component.wait_ready)`.
"""

import contextlib
import ctypes
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A part of the laboratory did not do what it must; the message ends with its log."""


def _ports():
    """Ports in turn: of those that tests side by side share out among them, none is given twice in a while."""
    worker = re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", ""))
    first = 10_000 + SHARE * (int(worker[0]) % SHARES if worker else SHARES)
    at = random.SystemRandom().randrange(SHARE)
    while True:
        yield first + at
        at = (at + 1) % SHARE


# Below those that the kernel gives to outgoing connections: a client could have it before the server that it is meant for.
SHARES, SHARE = 10, 2_000
PORTS = _ports()


def free_port():
    """A TCP port on loopback that was free a moment ago, and that nobody else here was given."""
    for port in PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def wait_until(condition, seconds, what, log=lambda: ""):
    """Polls until `condition()` is true; raises Failed with the log after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds} s\n{log()}")
        time.sleep(0.01)


def environment(extra):
    """This process's environment without what speaks to the component, and `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")}
    return {**kept, **extra}


def _die_with_parent():
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One child process and the file that its output goes to."""

    def __init__(self, output):
        self.output = pathlib.Path(output)
        self.child = None

    @property
    def pid(self):
        return self.child.pid

    @property
    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def spawn(self, command, env):
        """Starts `command`; its output is appended to the output file."""
        if self.is_running:
            raise Failed(f"{command[0]} is already running")
        with open(self.output, "ab") as output:
            self.child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(env),
                preexec_fn=_die_with_parent,
            )

    def signal(self, number):
        if not self.is_running:
            raise Failed(f"no running process to signal; it said:\n{self.tail()}")
        self.child.send_signal(number)

    def shutdown(self, seconds=10):
        """Asks the process to end (SIGTERM) and waits; returns its exit code."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"did not end within {seconds} s\n{self.tail()}") from None

    def kill(self):
        """Ends the process at once (SIGKILL), as a crash would."""
        if self.is_running:
            self.child.kill()
        if self.child is not None:
            self.child.wait()

    def close(self):
        """Ends the process and removes what it wrote."""
        self.kill()
        self.remove()

    def remove(self):
        """Removes `home`, what the process wrote, unless LAB_KEEP is set."""
        if os.environ.get("LAB_KEEP"):
            print(f"kept: {self.home}")
        else:
            shutil.rmtree(self.home, ignore_errors=True)

    def freeze(self):
        """SIGSTOP: alive, connected, and silent. Returns when every thread has stopped."""
        self.signal(signal.SIGSTOP)
        wait_until(self._is_stopped, 5, "the process to stop", self.tail)

    def _is_stopped(self):
        threads = pathlib.Path(f"/proc/{self.pid}/task").glob("*/stat")
        return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in threads)

    def thaw(self):
        """SIGCONT: goes on after `freeze`."""
        self.signal(signal.SIGCONT)

    @contextlib.contextmanager
    def frozen(self):
        """Silent until the end of the block: what is sent meanwhile waits, in order."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def resident_kib(self):
        """The memory that the process holds now, in KiB."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise Failed("the process has no memory any more")

    def tail(self, lines=60):
        """The end of the process's own output."""
        if not self.output.exists():
            return ""
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-lines:])
