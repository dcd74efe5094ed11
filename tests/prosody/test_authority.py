"""Every command, by every kind of caller, over every face: who may give it, and who may not."""

import asyncio
import hashlib
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from lab import SERVICE, AdHoc, Crowd, canary
from lab.http import Api

# The least role that may give each command, as it is committed: a change of it shows in a review.
PATHS = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text())["paths"]
LEAST = {
    path.removeprefix("/api/v1/commands/"): operations["post"]["x-role"]
    for path, operations in PATHS.items()
    if path.startswith("/api/v1/commands/") and "post" in operations
}
ROLES = ["viewer", "duty", "operator"]
NOBODY_S_ROOM = "nobody-s@conference.localhost"
# What is required: about a room that is not there, so that whoever may is told so and nothing happens.
FIELDS = {
    "room": NOBODY_S_ROOM,
    "jid": "nobody@localhost",
    "who": "nobody@nowhere.example",
    "text": "nothing",
    "decision": "none-1",
}
# Whoever tries too often is told to wait.
REFUSED = {401, 429}
TOKENS = {role: canary.note(f"canary token of a {role} 4720") for role in ROLES}
POLICY = SERVICE + '[policy]\noperators = ["operator@localhost"]\n' + "".join(
    f'[[admin.token]]\nname = "{role}"\nrole = "{role}"\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\n'
    f'[[admin.person]]\njid = "{role}@localhost"\nrole = "{role}"\n'
    for role, token in TOKENS.items()
)


def may(role, command):
    return ROLES.index(role) >= ROLES.index(LEAST[command])


def required(table, command):
    fields = next(one["fields"] for one in table if one["name"] == command)
    return {field["name"]: FIELDS[field["name"]] for field in fields if field["required"]}


async def test_over_http(door):
    _, operators = Api(door.component).get("/api/v1/commands")
    table = operators["commands"]
    assert {one["name"]: one["role"] for one in table} == LEAST
    for role, token in TOKENS.items():
        api = Api(door.component, token=token)
        _, offered = api.get("/api/v1/commands")
        assert {one["name"] for one in offered["commands"]} == {name for name in LEAST if may(role, name)}
        for command in LEAST:
            status, reply = api.do(command, **required(table, command))
            if may(role, command):
                assert status != 403, (role, command, reply)
            else:
                assert (status, reply["failed"]["kind"]) == (403, "forbidden"), (role, command, reply)
    for stranger in ({"token": False}, {"token": False, "headers": {"Authorization": "Bearer 0123456789"}}):
        for command in LEAST:
            status, _, _ = Api(door.component).request("POST", f"/api/v1/commands/{command}", {}, **stranger)
            assert status in REFUSED, (stranger, command)
        for path in ("commands", "status", "rooms", "log", "doctor", "stream", "metrics-summary"):
            assert Api(door.component).request("GET", f"/api/v1/{path}", **stranger)[0] in REFUSED, path
        assert Api(door.component).request("GET", "/metrics", **stranger)[0] in REFUSED


async def test_over_ad_hoc_commands(door):
    async with Crowd(door.server) as crowd:
        for role in ROLES:
            commands = AdHoc(await crowd.connect(f"{role}@localhost"))
            assert set(await commands.listed()) == {name for name in LEAST if may(role, name)}
            for command in LEAST:
                if not may(role, command):
                    assert await commands.refusal(command) == ("forbidden",), (role, command)
                    continue
                stage = await commands.step(command)
                if stage.status == "executing":
                    assert (await stage.go("cancel")).status == "canceled", (role, command)
        strangers = [
            await crowd.connect("somebody@localhost"),
            await crowd.connect("operator2@localhost"),
            await crowd.connect("guest.localhost"),
        ]
        for stranger in strangers:
            commands = AdHoc(stranger)
            assert await commands.listed() == {}
            for command in LEAST:
                assert await commands.refusal(command) == ("forbidden",), (stranger.jid, command)


async def test_over_the_socket(door):
    """Whoever may open it is an operator, and nobody else may."""
    path = str(door.component.home / "socket")

    def asked(request):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(path)
            one.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(one.makefile().readline())

    _, operators = Api(door.component).get("/api/v1/commands")
    for command in LEAST:
        fields = required(operators["commands"], command)
        reply = await asyncio.to_thread(asked, {"do": command, **fields})
        assert reply.get("failed", {}).get("kind") != "forbidden", (command, reply)
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("another account of the system can be tried by root only")
    door.component.home.chmod(0o755)
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})"
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", connect]
    tried = await asyncio.to_thread(subprocess.run, other, capture_output=True, text=True, check=False)
    assert "PermissionError" in tried.stderr, tried
