"""What the component makes is for its own account, whatever the umask that it was started with."""

import json
import os
import socket
import stat

from lab import SERVICE, Crowd
from lab.process import wait_until

ROOM = "tea@conference.localhost"


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


async def test_modes_hold_with_an_open_umask(start_prosody, start_vestibule, tmp_path):
    server = start_prosody()
    state, run = tmp_path / "new" / "state", tmp_path / "run"
    env = {
        "VESTIBULE_COMPONENT__STATE_DIR": str(state),
        "VESTIBULE_COMPONENT__SOCKET": str(run / "socket"),
        "VESTIBULE_ADMIN__HTTP": f"unix:{run / 'http'}",
    }
    before = os.umask(0)
    try:
        component = start_vestibule(server, SERVICE, env=env)
    finally:
        os.umask(before)
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        assert (await alice.join(ROOM, "Alice")).joined
    wait_until((state / "decisions.jsonl").exists, 3, "the decision log")
    assert mode(state) == 0o700 and mode(state.parent) == 0o700
    assert mode(run) == 0o750
    assert {mode(run / name) for name in ("socket", "http")} == {0o600}
    assert {path.name for path in run.iterdir()} == {"socket", "http"}
    files = {path.name: mode(path) for path in state.iterdir()}
    assert {"vestibule.db", "decisions.jsonl"} <= set(files)
    assert set(files.values()) == {0o600}, files
    component.shutdown()
    assert not list(run.iterdir())


async def test_a_plan_without_a_path_looks_beside_the_configuration(start_prosody, start_vestibule):
    server = start_prosody()
    component = start_vestibule(server, SERVICE)
    (component.home / "preset").write_text("correct horse battery staple")
    text = SERVICE + '[policy.password]\nsource = "preset"\npreset_file = "preset"\n'
    for path in ("", "other.toml", str(component.home / "other.toml")):
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(component.home / "socket"))
            request = {"do": "plan", "path": path, "text": text}
            asked.sendall(json.dumps(request).encode() + b"\n")
            reply = json.loads(asked.makefile().readline())
        assert "done" in reply, (path, reply)
