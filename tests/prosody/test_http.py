"""The page and its API against the component at work."""

import asyncio
import hashlib
import json
import re
import shlex
import socket
import stat
import subprocess
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from lab import SERVICE, Crowd
from lab.http import Api
from lab.knocking import knocking
from lab.policy import PRESET, SECRET
from lab.process import ROOT

POLICY = SERVICE + PRESET


async def until(read, is_right):
    """Reads again until it is right: reports take a moment."""
    while not is_right(value := read()):
        await asyncio.sleep(0.01)
    return value


async def test_the_address_that_the_command_line_prints_logs_in(door):
    done = door.component.run("page")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#login=[0-9a-f]{64}\n", done.stdout)
    for role in ("viewer", "duty", "operator"):
        _, table = Api(door.component, role).get("/api/v1/commands")
        assert table["caller"]["role"] == role
    assert "one of viewer, duty, operator" in door.component.run("page", "--role", "king").stderr


async def test_the_rooms_and_one_of_them_are_shown(door):
    async with Crowd(door.server) as crowd:
        api = Api(door.component, "viewer")
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await knocking(crowd, room)

        def mine():
            return [each for each in api.get("/api/v1/rooms")[1]["done"] if each["room"] == room]

        (line,) = await until(mine, lambda it: [(1, 2)] == [(r["waiting"], r["occupants"]) for r in it])
        opened, since = line.pop("opened"), line.pop("waiting_since")
        for moment in (opened, since):
            assert re.fullmatch(r"[-0-9]{10}T[0-9:]{8}Z", moment)
        assert line == {
            "room": room,
            "looks_like": None,
            "service": door.server.service,
            "state": "open",
            "occupants": 2,
            "people": 2,
            "moderators": 1,
            "waiting": 1,
            "refused": {"wrong_passwords": 0, "asked": 0, "denied": 0},
            "password": True,
            "lobby": False,
            "door": "password-or-lobby",
            "opener": alice.bare,
            "opener_name": "Alice",
            "closed": None,
        }
        status, shown = api.get(f"/api/v1/rooms/{room}")
        shown = shown["done"]
        assert status == 200 and (shown["room"], shown["state"], shown["moderators"]) == (room, "open", 1)
        inside = {who["nick"]: (who["jid"], who["role"], who["class"]) for who in shown["occupants"]}
        assert inside == {
            "Alice": (alice.bare, "moderator", "account"),
            "Bob": (bob.bare, "participant", "account"),
        }
        assert all(who["since"] for who in shown["occupants"] + shown["waiting"])
        assert [(who["nick"], who["jid"]) for who in shown["waiting"]] == [("Guest", guest.bare)]


async def test_commands_do_what_they_do_on_the_command_line(door):
    async with Crowd(door.server) as crowd:
        api = Api(door.component, "duty")
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        assert api.done("close", room=room) == {"room": room, "was_closed": None, "shut": None}
        assert api.done("room", room=room)["state"] == "closed"
        assert api.done("reopen", room=room) == {"room": room, "was_closed": "command", "shut": None}
        assert api.done("remove", room=room, jid=bob.bare, reason="not invited")
        gone = await bob.wait_for(lambda seen: 307 in seen.statuses)
        assert "not invited" in repr(gone)
        for verb in ("admit", "reject", "remove"):
            assert api.do(verb, room=room, jid="*")[0] == 404
        assert api.do("reject", room=room, jid=alice.bare)[0] == 409
        assert api.done("end", room=room)
        await alice.wait_for(lambda seen: seen.destroyed)
        assert api.do("end", room=room)[0] == 404
        assert api.do("close", room="no address")[0] == 400
        assert api.do("reload")[0] == 403
        closed = await door.decisions(event="close", room=room)
        assert closed[0]["details"]["by"]["interface"] == "http"


async def test_a_token_of_the_file_is_good_until_the_file_is_without_it(door):
    made = door.component.run("token", "--name", 'Anna "A." O\'Neill', "--role", "duty")
    token, table = made.stdout.strip(), made.stderr.partition("\n\n")[2]
    assert re.fullmatch("[0-9a-f]{64}", token) and token not in table
    api = Api(door.component, token=token)
    assert api.get("/api/v1/status")[0] == 401
    try:
        door.enforce(POLICY + "\n" + table)
        _, told = api.get("/api/v1/commands")
        assert told["caller"] == {"name": 'Anna "A." O\'Neill', "role": "duty"}
    finally:
        door.enforce(POLICY)
    status, headers, text = api.request("GET", "/api/v1/status")
    assert status == 401 and token not in text and "Bearer" in headers["WWW-Authenticate"]


async def test_whoever_looks_on_sees_what_happens(door):
    async with Crowd(door.server) as crowd:
        with closing(Api(door.component, "viewer").stream()) as stream:
            first = [stream.next() for _ in range(2)]
            assert [name for name, _ in first] == ["status", "rooms"]
            assert first[0][1]["ready"] and first[1][1]["rooms"] == []
            begin = time.monotonic()
            room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
            read = partial(asyncio.to_thread, stream.until)
            await read(lambda name, it: [r["occupants"] for r in it.get("changed", []) if r["room"] == room] == [2])
            assert time.monotonic() - begin < 5
            await bob.join(room, "Bobby")
            await bob.leave(room, "Bob")
            guest = await crowd.connect("guest.localhost")
            await guest.join(room, "Guest", "wrong")
            seen = await read(lambda name, it: name == "entries" and "prompt" in str(it))
            entries = [entry for name, it in seen if name == "entries" for entry in it["entries"]]
            (mine,) = [entry for entry in entries if entry.get("verdict") == "prompt"]
            assert (mine["kind"], mine["room"], mine["person"]) == ("decision", room, guest.bare)
            assert SECRET not in str(seen) and "wrong" not in [entry.get("password") for entry in entries]


async def test_a_stream_ends_with_its_token(door):
    made = door.component.run("token", "--name", "anna", "--role", "viewer")
    try:
        door.enforce(POLICY + made.stderr.partition("\n\n")[2])
        with closing(Api(door.component, token=made.stdout.strip()).stream()) as stream:
            door.enforce(POLICY)
            stream.until(lambda name, it: name == "over")
            assert stream.next() is None
    finally:
        door.enforce(POLICY)


async def test_a_slow_client_holds_nothing(door):
    """A head that never ends, and a body that never comes."""
    api = Api(door.component)
    host, port = api.address.split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(20)]
    for each in slow:
        each.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    assert api.get("/api/v1/status")[0] == 200
    head = f"POST /api/v1/commands/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n"
    slow[0].close()
    slow[0] = socket.create_connection((host, int(port)))
    slow[0].sendall(head.encode())
    begin = time.monotonic()
    for each in slow:
        with closing(each):
            each.settimeout(30)
            first = await asyncio.to_thread(each.recv, 100)
            assert first == b"" or b" 408 " in first, first
    assert time.monotonic() - begin < 25


async def test_a_head_that_is_too_long_is_refused(door):
    api = Api(door.component)
    assert api.request("GET", "/", headers={"X-Long": "x" * 40_000})[0] == 431
    assert api.request("GET", "/", headers={f"X-{n}": "x" for n in range(100)})[0] == 431


async def test_metrics_count_what_happens_and_name_nobody(door):
    async with Crowd(door.server) as crowd:
        api = Api(door.component, "viewer")

        def samples():
            status, headers, text = api.request("GET", "/metrics")
            assert status == 200 and headers["Content-Type"].startswith("application/openmetrics-text")
            lines = [line for line in text.splitlines() if not line.startswith("#")]
            return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}, text

        before, _ = samples()
        room, alice, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="quietly")
        guest = await crowd.connect("guest.localhost")
        await guest.join(room, "Guest", "wrong")
        after, text = samples()
        grown = {name: value - before.get(name, 0) for name, value in after.items()}
        assert grown['vestibule_decisions_total{kind="join",verdict="prompt",class="guest"}'] == 1
        assert grown['vestibule_decisions_total{kind="join",verdict="allow",class="account"}'] >= 1
        assert grown['vestibule_decisions_by_rule_total{family="password",verdict="prompt"}'] == 1
        assert grown["vestibule_answer_seconds_count"] >= 3
        assert after["vestibule_link_up"] == after["vestibule_ready"] == 1
        assert after["vestibule_gates_greeted"] == after["vestibule_gates_expected"] == 1
        for secret in (room, "quietly", alice.bare, guest.bare, "127.0.0.1", SECRET, api.token):
            assert secret not in text
        assert api.request("GET", "/metrics", token=False)[0] == 401
        _, told = api.get("/api/v1/metrics-summary")
        assert told["minutes"][-1]["joins"]["prompt"] >= 1
        assert told["minutes"][-1]["latency"]["p99"] > 0


async def test_readiness_is_what_status_says(door):
    api = Api(door.component)
    assert api.get("/readyz", token=False) == (200, {"ready": True, "reasons": []})
    assert api.request("GET", "/healthz", token=False)[::2] == (200, "ok\n")


async def test_the_examples_of_the_documentation_work(door):
    text = (ROOT / "docs/http.md").read_text()
    examples = [line.strip() for line in text.splitlines() if line.startswith("    curl ")]
    assert len(examples) >= 7
    async with Crowd(door.server) as crowd:
        api = Api(door.component)
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        for example in examples:
            seconds = 1 if "/stream" in example else 20
            words = shlex.split(example.replace("$TOKEN", api.token))
            words = [word.replace("127.0.0.1:5480", api.address) for word in words]
            words = [word.replace("tea@conference.localhost", room) for word in words]
            done = subprocess.run(
                [*words, "--silent", "--max-time", str(seconds), "--write-out", "%{http_code}"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.stdout.endswith("200"), (example, done.stdout)


async def test_a_unix_socket_is_for_its_owner_or_its_group(door, start_prosody, start_vestibule):
    for mode, bits in (("0600", 0o600), ("0660", 0o660)):
        server = start_prosody()
        policy = f"{POLICY}\n[admin]\nsocket_mode = '{mode}'\n[[admin.token]]\nname = 'x'\nrole = 'viewer'\n"
        policy += f"sha256 = '{hashlib.sha256(b'a token').hexdigest()}'\n"
        path = Path(tempfile.mkdtemp(prefix="lab-http-")) / "http.sock"
        component = start_vestibule(server, policy, env={"VESTIBULE_ADMIN__HTTP": f"unix:{path}"})
        assert stat.S_IMODE(path.stat().st_mode) == bits
        url = "http://localhost/api/v1/status"
        done = subprocess.run(
            ["curl", "--silent", "--unix-socket", path, "-H", "Authorization: Bearer a token", url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout)["done"]["ready"]
        component.kill()
        component.start()
        component.shutdown()
        assert not path.exists()


async def test_it_is_not_ready_while_the_link_is_down(start_prosody, start_vestibule):
    server = start_prosody()
    component = start_vestibule(server, POLICY)
    api = Api(component)
    server.kill()
    ready = await until(lambda: api.get("/readyz", token=False), lambda it: it[0] == 503)
    assert ready == (503, {"ready": False, "reasons": ["no link to the server"]})
    assert api.request("GET", "/healthz", token=False)[0] == 200
    status, reply = api.get("/api/v1/rooms")
    assert (status, reply["failed"]["kind"]) == (503, "unavailable")
    assert "vestibule_ready 0" in api.request("GET", "/metrics")[2]
