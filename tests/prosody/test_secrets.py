"""Nothing that a stranger, or an account of the machine, can see depends on a secret; and who may not look is told so."""

import asyncio
import os
import pwd
import re
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from lab import SERVICE, Crowd, Door
from lab.component import program
from lab.http import Api
from lab.stanza import element

COMPONENT = "vestibule.localhost"
ROOM = "tea@conference.localhost"
DISCO = "http://jabber.org/protocol/disco#"
ASKED = [
    (COMPONENT, f"{DISCO}info"),
    (COMPONENT, f"{DISCO}items"),
    (COMPONENT, "jabber:iq:version"),
    ("conference.localhost", f"{DISCO}info"),
    ("conference.localhost", f"{DISCO}items"),
    (ROOM, f"{DISCO}info"),
    (ROOM, f"{DISCO}items"),
]


def policy(secret):
    """A file with a secret wherever it may have one."""
    return (
        SERVICE
        + f"""
[component]
secret = "{secret * 3}"
[policy.password]
source = "preset"
preset = "{secret} preset"
secret = "{secret * 20}"
[profile.board.password]
preset = "{secret} profile"
[[room]]
match = "board-*"
profile = "board"
[[room]]
match = "other-*"
password.preset = "{secret} room"
[admin]
open_metrics = true
"""
    )


def text_of(stanza):
    """A stanza without what is new in each: its id, and who it is for."""
    return re.sub(r' (?:id|to|from|stamp)="[^"]*"', "", repr(stanza))


async def everything(server, component):
    """What somebody sees who has no account here, of the server and over HTTP."""
    seen = {}
    async with Crowd(server) as crowd:
        alice, guest = await crowd.connect_many(["alice@localhost", "guest.localhost"])
        assert (await alice.join(ROOM, "Alice")).joined
        for place, namespace in ASKED:
            seen[place, namespace] = text_of(await guest.iq(place, "get", element(namespace, "query")))
        for password in (None, "wrong"):
            start = guest.mark()
            await guest.join(ROOM, "Guest", password)
            await asyncio.sleep(0.3)
            seen["join", password] = [text_of(stanza) for stanza in guest.seen[start:]]
    api = Api(component)
    for path in ("/", "/healthz", "/readyz", "/api/v1/openapi.json", "/nothing"):
        status, _, body = api.request("GET", path, token=False)
        seen[path] = (status, body)
    return seen


@pytest.fixture(scope="module")
def door(prosody_version):
    door = Door(prosody_version, policy("one"))
    yield door.start()
    door.close()


def revision(door):
    return door.component.run("check", door.component.config_path).stdout.split("revision ")[1].split(",")[0]


async def test_changing_only_secrets_changes_nothing_that_can_be_seen(door):
    before, named = await everything(door.server, door.component), revision(door)
    door.enforce(policy("other secret"))
    assert door.component.run("status").stdout.count(f"policy {named}") == 1
    after = await everything(door.server, door.component)
    assert before.keys() == after.keys()
    for what, seen in before.items():
        assert after[what] == seen, what
    shown = f"{DISCO}info"
    assert "urn:vestibule:info" in before[COMPONENT, shown]

    # What says something else is another policy, and strangers see no revision that anybody can compute.
    door.enforce(policy("one").replace("open_metrics = true", ""))
    changed = await everything(door.server, door.component)
    assert changed[COMPONENT, shown] != before[COMPONENT, shown]
    assert named not in before[COMPONENT, shown] and revision(door) != named
    assert revision(door) not in changed[COMPONENT, shown]


def test_the_key_for_what_strangers_see_is_made_at_the_first_start_for_the_component_alone(door):
    (key,) = door.component.state_dir.glob("revision.key")
    assert (stat.S_IMODE(key.stat().st_mode), key.stat().st_size) == (0o600, 32)


def test_a_changed_preset_is_told_to_the_operator_though_the_revision_is_the_same(door):
    door.enforce(policy("one"))
    named = revision(door)
    assert "on the disk" not in door.component.run("status").stdout
    door.component.write_config(policy("two"))
    assert "the file on the disk is not in force" in door.component.run("status").stdout
    planned = door.component.run("reload", "--plan").stdout
    assert "keys that change" in planned and "0 keys" not in planned
    assert revision(door) == named
    door.enforce(policy("two"))
    assert "on the disk" not in door.component.run("status").stdout


def test_status_says_that_the_file_on_the_disk_is_wrong_and_a_reload_fails(door):
    door.enforce(policy("one"))
    door.component.write_config(policy("one") + "[policy]\nlobby.admision = 1\n")
    status = door.component.run("status")
    assert "the file on the disk is WRONG" in status.stdout
    reloaded = door.component.run("reload", "--config", door.component.config_path)
    assert reloaded.returncode == 1
    assert "unchanged" in reloaded.stderr
    door.component.write_config(policy("one"))
    assert "on the disk" not in door.component.run("status").stdout
    status = door.component.run("status", "--json")
    assert '"file":null' in status.stdout.replace(" ", "")


def as_nobody(*command, env=None):
    """Runs a command as an account without rights."""
    nobody = pwd.getpwnam("nobody")
    return subprocess.run(
        [str(part) for part in command], text=True, capture_output=True, timeout=30, user=nobody.pw_uid, group=nobody.pw_gid,
        extra_groups=[], env={"PATH": os.environ["PATH"], **(env or {})},
    )


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may be another account")


@pytest.fixture
def world():
    """A folder that everybody may enter, unlike those of pytest, with a program in it."""
    with tempfile.TemporaryDirectory(prefix="lab-world-") as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "vestibule").write_bytes(program().read_bytes())
        (place / "vestibule").chmod(0o755)
        yield place


@needs_root
def test_whoever_may_not_is_told_so(door, world):
    closed = world / "closed"
    closed.mkdir(mode=0o700)
    socket = closed / "socket"
    config = world / "component.toml"
    config.write_text(SERVICE)
    for command in (["status"], ["rooms"], ["reload"], ["doctor"], ["log"], ["incident", "--room", ROOM], ["plan", config]):
        told = as_nobody(world / "vestibule", "--config", config, "--socket", socket, *command)
        assert told.returncode == 2, told
        assert "not allowed: run it with sudo" in told.stderr, command
    # The file itself.
    config.chmod(0o600)
    for command in (["status"], ["check"], ["reload"]):
        told = as_nobody(world / "vestibule", "--config", config, *command)
        assert (told.returncode, "not allowed: run it with sudo" in told.stdout + told.stderr) == (2, True), told
    # Nobody there is something else.
    gone = as_nobody(world / "vestibule", "--socket", world / "none", "status")
    assert gone.returncode == 2 and "no component listens" in gone.stderr


@needs_root
def test_what_only_looks_needs_no_secret(world):
    for name in ("link", "derive"):
        (world / name).write_text("s3cret-" * 6 + "\n")
        (world / name).chmod(0o600)
    config = world / "component.toml"
    config.write_text(
        SERVICE + '[component]\nsecret_file = "link"\n[policy.password]\nsource = "derived"\nsecret_file = "derive"\n'
    )
    run = [world / "vestibule", "--config", config]
    checked = as_nobody(*run, "check")
    assert checked.returncode == 0, checked
    assert checked.stdout.count("this account may not read") == 2
    assert "is valid: revision" in checked.stdout
    for command in (["show", ROOM], ["explain", "--room", ROOM, "--jid", "bob@localhost"]):
        shown = as_nobody(*run, *command)
        assert shown.returncode == 0, shown
    # What needs it does not go on without.
    for command in (["run"], ["password", ROOM]):
        refused = as_nobody(*run, *command)
        assert refused.returncode == 2 and "Permission denied" in refused.stderr, refused
    # A file that is not there is a mistake all the same.
    (world / "link").unlink()
    assert as_nobody(*run, "check").returncode == 1
