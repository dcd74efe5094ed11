"""An operator's first day with docker-jitsi-meet: its own scripts and templates, without Docker."""

import shlex

import docker
import pytest
from machine import within

ROOM = f"plan@muc.{docker.DOMAIN}"
CONFIG = "/root/.jitsi-meet-cfg"
COMMANDS = [
    "tar xf vestibule.tar.gz",
    "vestibule-*/install.sh",
    f"vestibule init --docker {docker.FOLDER} --preset company --operator ann@{docker.DOMAIN} --yes",
    "docker compose up -d",
    "docker compose exec vestibule /vestibule status",
]


pytestmark = pytest.mark.skipif(bool(docker.missing()), reason=str(docker.missing()))


@pytest.fixture
def clients(boot):
    """A server by its handbook, of which people need an account to open meetings."""
    machine = boot(docker.image())
    compose = docker.Compose(machine)
    compose.set(ENABLE_AUTH="1", ENABLE_GUESTS="1", AUTH_TYPE="internal", PUBLIC_URL="https://meet.example.org")
    machine.run(f"cd {docker.FOLDER} && bash gen-passwords.sh")
    for folder in ("prosody/config", "prosody/prosody-plugins-custom", "storage/prosody"):
        machine.run(f"mkdir -p {CONFIG}/{folder}", noted=False)
    machine.run(f"chown {docker.OWNER} {CONFIG}/storage/prosody", noted=False)
    clients = docker.DockerClients(compose)
    type_line(clients, "docker compose up -d")
    return clients


def type_line(clients, line):
    """Types a line; returns what it prints."""
    if not line.startswith("docker compose "):
        return clients.machine.run(line).stdout
    said = clients.compose.run(shlex.split(line)[2:])
    if line.endswith("up -d"):
        clients.prepare()
    return said


async def _open_to_accounts(crowd):
    """A guest joins what an account has opened, and is asked for nothing."""
    ann, guest = await crowd.tab(f"ann@{docker.DOMAIN}"), await crowd.tab(name="Guest")
    assert (await ann.enter(ROOM)).joined
    assert (await guest.enter(ROOM)).joined


async def _protected(crowd):
    """An account opens the meeting; a guest waits in its lobby."""
    ann, guest = await crowd.tab(f"ann@{docker.DOMAIN}", name="Ann"), await crowd.tab(name="Guest")
    inside = await ann.enter(ROOM)
    assert inside.joined, inside
    outside = await guest.enter(ROOM)
    assert outside.shown == "lobby", outside


def test_from_nothing_to_protected_and_back(clients, debs):
    machine = clients.machine
    assert len(COMMANDS) <= 5
    clients.play(_open_to_accounts, authentication=True)
    found = machine.picture(docker.FOLDER, CONFIG)
    machine.path("/root/vestibule.tar.gz").write_bytes(debs.archive.read_bytes())
    for line in COMMANDS[:-1]:
        type_line(clients, line)
    within(lambda: ": ready" in _status(clients), 20, "ready", machine.journal)
    clients.play(_protected, authentication=True)
    machine.run(f"vestibule init --docker {docker.FOLDER} --undo --yes")
    after = machine.picture(docker.FOLDER, CONFIG)
    data = f"{CONFIG}/storage"
    assert {path: after[path] for path in after if not path.startswith(data)} == {
        path: found[path] for path in found if not path.startswith(data)
    }
    type_line(clients, "docker compose up -d")
    clients.play(_open_to_accounts, authentication=True)


def _status(clients):
    try:
        return type_line(clients, COMMANDS[-1])
    except AssertionError as said:
        return str(said)
