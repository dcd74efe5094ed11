"""What the unit relies on: the component says to systemd how it is, and goes on saying it."""

import configparser
import socket
import time

import pytest
from lab import SERVICE, Vestibule
from lab.process import ROOT

WATCHDOG = 1
POLICY = SERVICE.replace("[[service]]", '[component]\nready_within = "1 second"\n[[service]]')


class Manager:
    """systemd's end of the notification socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": f"{WATCHDOG * 1e6:.0f}"}

    def hear(self, seconds):
        """The lines of every message that comes within so many seconds, with their times."""
        heard, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                text = self.socket.recv(4096).decode()
            except TimeoutError:
                break
            heard += [(time.monotonic(), line) for line in text.splitlines()]
        return heard


@pytest.fixture
def manager(tmp_path):
    """A socket of its own."""
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.socket.close()


def lines(heard):
    return [line for _, line in heard]


def beats(heard):
    return [when for when, line in heard if line == "WATCHDOG=1"]


def test_started_is_said_once_and_the_watchdog_is_fed(start_prosody, start_vestibule, manager):
    component = start_vestibule(start_prosody(), POLICY, env=manager.environment)
    heard = manager.hear(3 * WATCHDOG)
    assert lines(heard).count("READY=1") == 1
    assert "STATUS=ready" in lines(heard)
    # One at half of that time: more than half of those that were due, however late each was read here.
    assert len(beats(heard)) >= 4
    component.shutdown()
    assert "STOPPING=1" in lines(manager.hear(0.2))


def test_without_a_gate_it_is_started_and_says_that_it_is_not_ready(start, start_prosody, manager):
    server = start_prosody(gate=False)
    start(Vestibule(server, POLICY, env=manager.environment), ready=False)
    heard = manager.hear(3)
    assert lines(heard).count("READY=1") == 1
    assert "STATUS=ready" not in lines(heard)
    assert "STATUS=not ready: a gate is missing" in lines(heard)
    assert len(beats(heard)) >= 4


def test_the_unit_asks_for_what_the_component_says():
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(ROOT / "contrib/vestibule.service")
    assert unit["Service"]["Type"] == "notify"
    assert int(unit["Service"]["WatchdogSec"]) > 0
