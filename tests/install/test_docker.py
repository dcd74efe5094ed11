"""An operator's first day with docker-jitsi-meet: its own scripts and templates, without Docker."""

import json
import shlex

import docker
import pytest
from day import POLICY_EDIT, examined, owned
from layers import ROOT
from machine import within

ROOM = f"plan@muc.{docker.DOMAIN}"
CONFIG = "/root/.jitsi-meet-cfg"
COMMANDS = [
    "tar xf vestibule.tar.gz",
    "vestibule-*/install.sh",
    f"vestibule init --docker {docker.FOLDER} --preset company --operator ann@{docker.DOMAIN} --yes",
    "docker compose up -d",
    "docker compose exec vestibule /vestibule status --wait 30",
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
    if "up -d" in line:
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


# What the page has an operator type, in the folder of docker-jitsi-meet.
PAGE = ROOT / "prosody-snippets/docker-jitsi-meet/README.md"
ANEW = "docker compose up -d --force-recreate prosody vestibule"
UPDATE = [*COMMANDS[:2], f"vestibule init --docker {docker.FOLDER}", ANEW]
AFTER_A_REBOOT = "docker compose up -d && docker compose restart vestibule"
# Notes of the doctor, and what it cannot know in a container, and why.
NOTES = {}
UNKNOWN = {
    "advisories": "the image's tag stands in .env",
    "auto-owner": "so does Jicofo's variable",
    "bridge-http": "the bridge has a container of its own",
    "conference-request": "so has the web server",
    "one-address": "nobody is there by HTTP",
    "web-config": "config.js is in the web server's container",
    "web-server": "so is nginx's configuration",
    "web-unencrypted": "Docker publishes the ports",
}
POLICY, STORAGE = f"{CONFIG}/vestibule/component.toml", f"{CONFIG}/storage"
ENV_EDIT = "\n# Looked at by Ann.\nTZ=Europe/Berlin\n"


def ask_the_doctor(clients):
    said = clients.compose.inside("vestibule", "/vestibule doctor --json", check=False)
    examined(json.loads(said), {}, NOTES, UNKNOWN)


def picture(machine):
    """All of docker-jitsi-meet's folders but what its services and ours store."""
    found = machine.picture(docker.FOLDER, CONFIG)
    return {path: each for path, each in found.items() if not path.startswith(STORAGE)}


def test_from_nothing_to_protected_and_back(clients, debs):
    machine, page = clients.machine, PAGE.read_text()
    assert len(COMMANDS) <= 5
    assert all(f"`{line}`" in page for line in ("vestibule init --docker DIR", ANEW, AFTER_A_REBOOT))
    clients.play(_open_to_accounts, authentication=True)
    found, accounts = picture(machine), owned(machine, STORAGE)
    bring(machine, debs.archive_before)
    for line in COMMANDS[:-1]:
        type_line(clients, line)
    await_ready(clients)
    clients.play(_protected, authentication=True)
    ask_the_doctor(clients)

    for file, text in ((f"{docker.FOLDER}/.env", ENV_EDIT), (POLICY, POLICY_EDIT)):
        path = machine.path(file)
        path.write_text(path.read_text() + text)
    assert "in force" in type_line(clients, "docker compose exec vestibule /vestibule reload")
    policy = machine.path(POLICY).read_bytes()
    bring(machine, debs.archive)
    for line in UPDATE:
        type_line(clients, line)
    await_ready(clients)
    gate = "mod_vestibule_gate/mod_vestibule_gate.lua"
    shipped = (ROOT / "prosody-snippets" / gate).read_bytes()
    assert machine.path(f"{CONFIG}/prosody/prosody-plugins-custom/{gate}").read_bytes() == shipped
    assert machine.path(POLICY).read_bytes() == policy
    clients.play(_protected, authentication=True)

    machine.reboot()
    clients.compose.come_up()
    for line in AFTER_A_REBOOT.split(" && "):
        type_line(clients, line)
    await_ready(clients)
    clients.play(_protected, authentication=True)
    ask_the_doctor(clients)

    machine.run(f"vestibule init --docker {docker.FOLDER} --undo --yes")
    env = machine.path(f"{docker.FOLDER}/.env")
    assert env.read_text().endswith(ENV_EDIT)
    env.write_text(env.read_text().removesuffix(ENV_EDIT))
    # The policy was changed, so it is the operator's.
    assert machine.path(POLICY).read_bytes() == policy
    after = picture(machine)
    changed = {path for path in {*found, *after} if found.get(path) != after.get(path)}
    assert changed == {POLICY, POLICY.rpartition("/")[0]}
    type_line(clients, "docker compose up -d")
    clients.play(_open_to_accounts, authentication=True)
    assert owned(machine, STORAGE) == accounts


def bring(machine, archive):
    """Puts the archive where the operator downloads it to, in place of one from before."""
    machine.run("rm -rf /root/vestibule-*", noted=False)
    machine.path("/root/vestibule.tar.gz").write_bytes(archive.read_bytes())


def await_ready(clients):
    within(lambda: ": ready" in _status(clients), 20, "ready", clients.machine.journal)


def _status(clients):
    try:
        return type_line(clients, COMMANDS[-1])
    except AssertionError as said:
        return str(said)
