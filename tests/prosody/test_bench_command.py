"""`vestibule bench`: a load that an operator puts on their own server, in rooms of its own."""

import json
import signal
import subprocess

import pytest
from lab import SERVICE, Crowd
from lab.component import program
from lab.policy import PRESET, admission
from lab.process import environment, wait_until
from lab.server import PASSWORD

POLICY = SERVICE + PRESET
SERVER = {"tls": True}
SHORT = ("--rate", "10", "--seconds", "1", "--sessions", "3", "--rooms", "2", "--yes")
REFUSING = {
    "limits.flood_strangers": '[policy.limits]\nflood_strangers = 5\n',
    "access.create": '[policy.access]\ncreate = ["account"]\n',
    "lobby.admission": admission("password-and-lobby"),
}


def command(door, server=None):
    server = server or f"127.0.0.1:{door.server.c2s_port}"
    return ["bench", "--config", door.component.config_path, "--server", server]


def bench(door, *arguments, server=None):
    return door.component.run(*command(door, server), *arguments)


def open_rooms(door):
    return [room["room"] for room in json.loads(door.component.run("rooms", "--json").stdout)]


def test_it_measures_as_a_guest_and_ends_its_rooms(door):
    done = bench(door, *SHORT, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [step["rate"] for step in report["steps"]][:2] == [5, 10]
    for step in report["steps"][:2]:
        assert step["joined"] == step["rate"] and not step["refused"]
        assert 0 < step["median_ms"] <= step["p90_ms"] <= step["p99_ms"]
        # Each join of the step is decided, and nothing else is tried meanwhile.
        assert step["component"]["decisions"] == step["rate"]
        assert step["component"]["processor_ms"] >= 0
    assert report["keeps_up_with"] >= 5 and report["left"] == []
    assert "as guests of guest.localhost" in done.stderr and "Its rooms are ended" in done.stderr
    assert not open_rooms(door)


def test_it_measures_with_an_account_whose_password_is_in_a_file(door, tmp_path):
    door.server.add_account("load")
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    account = ("--account", "load@localhost", "--password-file", path)
    done = bench(door, *SHORT, *account)
    assert done.returncode == 0, done.stderr
    assert "Your server answers a join in" in done.stdout and "joins a second" in done.stdout
    path.write_text("wrong\n")
    done = bench(door, *SHORT, *account)
    assert done.returncode == 2 and "refuses the log-in of load@localhost: not-authorized (no such" in done.stderr
    assert "No room was opened" in done.stderr
    path.unlink()
    done = bench(door, *SHORT, *account)
    assert done.returncode == 2 and "cannot read" in done.stderr
    assert not open_rooms(door)


def test_it_asks_before_and_has_limits(door):
    done = bench(door, *SHORT[:-1])
    assert done.returncode == 2 and "--yes" in done.stderr and "Plan:" in done.stderr
    for option, above in (("--rate", 501), ("--seconds", 31), ("--sessions", 201), ("--rooms", 51)):
        done = bench(door, option, above, "--yes")
        assert done.returncode == 2 and f"{above} is not in" in done.stderr, done.stderr
    assert not open_rooms(door)


def test_it_says_which_argument_is_wrong(door):
    for server, arguments, advice in (
        ("127.0.0.1:1", (), "cannot connect to 127.0.0.1:1: "),
        ("127.0.0.1", (), "--server is the host and the port"),
        (None, ("--service", "other.localhost"), f"it has {door.server.service}"),
        (None, ("--account", "localhost"), "an account is like load@localhost"),
    ):
        done = bench(door, *arguments, *SHORT, server=server)
        assert done.returncode == 2 and advice in done.stderr, done.stderr
        assert "Its rooms are ended" not in done.stderr


async def test_it_refuses_rooms_that_exist(door):
    async with Crowd(door.server) as crowd:
        alice = await crowd.connect("alice@localhost")
        room = f"vestibule-bench-tea@{door.server.service}"
        assert (await alice.join(room, "Alice")).joined
        wait_until(lambda: open_rooms(door) == [room], 5, "Alice's room")
        done = bench(door, *SHORT)
        assert done.returncode == 1 and f"{room} is open" in done.stderr
        await alice.leave(room, "Alice")
    wait_until(lambda: not open_rooms(door), 5, "no room")


def test_it_ends_its_rooms_when_it_is_interrupted(door):
    words = [program(), *command(door), "--rate", "5", "--seconds", "30", "--rooms", "2", "--yes"]
    child = subprocess.Popen(
        [*map(str, words)], env=environment(door.component.env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: sum(len(read_room(door, room)) > 1 for room in open_rooms(door)) > 0, 15, "a join")
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=15)
    finally:
        child.kill()
    assert child.returncode == 1 and "interrupted" in said and "Its rooms are ended" in said, said
    assert not open_rooms(door)


def read_room(door, room):
    done = door.component.run("room", room, "--json")
    return json.loads(done.stdout)["occupants"] if done.returncode == 0 else []


@pytest.mark.parametrize("rule", REFUSING)
def test_it_says_what_the_policy_refuses_and_which_lines_let_it_happen(door, rule):
    policy = SERVICE + PRESET + REFUSING[rule]
    door.enforce(policy)
    try:
        done = bench(door, *SHORT)
        assert done.returncode == 1 and f"{rule} (" in done.stderr, done.stderr
        lines = done.stderr[done.stderr.index("[[exception]]") :]
        lines = lines[: lines.index('reason = "vestibule bench"')] + 'reason = "vestibule bench"\n'
        assert not open_rooms(door)
        door.enforce(policy + lines)
        done = bench(door, *SHORT)
        assert done.returncode == 0, done.stderr
    finally:
        door.enforce(POLICY)
