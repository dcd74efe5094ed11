"""An operator's first day with Jitsi Meet on Debian: its own package, then ours, and back."""

import jitsi
import layers
import pytest
from day import Day
from lab.documents import blocks
from lab.jitsi_meeting import told_password

COMMANDS = [
    "apt install --yes ./vestibule.deb ./vestibule-prosody-module.deb",
    "vestibule init --preset public --yes",
    "prosodyctl check config",
    "systemctl enable vestibule && systemctl restart prosody vestibule",
    "vestibule status --wait 30",
]
ROOM = f"plan@conference.{jitsi.DOMAIN}"


pytestmark = pytest.mark.skipif(
    not jitsi.checkout(), reason="JITSI_MEET and JITSI_PROSODY_PLUGINS name no checkout of jitsi-meet with debian/"
)


@pytest.fixture
def clients(boot, server, tmp_path):
    """A server with what `apt install jitsi-meet` has."""
    machine = boot(layers.with_jitsi(layers.SERVERS[server]))
    jitsi.install(machine, tmp_path)
    clients = jitsi.JitsiClients(machine)
    clients.trust(*(f"/var/lib/prosody/{host}.crt" for host in (jitsi.DOMAIN, f"auth.{jitsi.DOMAIN}")))
    return clients


async def _open_to_all(crowd):
    """Two guests, of whom nobody is asked for anything."""
    for _ in range(2):
        assert (await (await crowd.tab()).enter(ROOM)).joined


async def _protected(crowd):
    """The first guest opens the meeting and is told its password; without it, nobody comes in."""
    opener, other = await crowd.tab(name="Alice"), await crowd.tab(name="Bob")
    assert (await opener.enter(ROOM)).joined
    await opener.wait_for(lambda _: told_password(opener, ROOM))
    refused = await other.enter(ROOM)
    assert refused.shown in ("prompt", "lobby"), refused
    assert (await other.enter(ROOM, told_password(opener, ROOM))).joined


# Notes of the doctor, and why an operator may leave them.
NOTES = {
    "internal-service-open": "Debian's package leaves it so; no meeting is there",
    "prefixes": "there is no recorder",
    "s2s-strangers": "Debian's Prosody speaks with other servers",
}
# What it cannot know here, and why.
UNKNOWN = {
    "advisories": "the packages of Jicofo, the bridge and the web app are not here",
    "auto-owner": "Jicofo's file has a password, and nobody else may read it",
    "bridge-http": "the bridge's file, likewise",
    "one-address": "nobody is there by HTTP",
}
EDITS = {f"/etc/prosody/conf.avail/{jitsi.DOMAIN}.cfg.lua": "\n-- Looked at by Ann.\n"}


def steps():
    """What docs/jitsi.md has an operator type once the component is ready, answered with yes; last comes the doctor."""
    (block,) = [each for each in blocks("sh") if each.page == "docs/jitsi.md" and "nginx" in each.text]
    *lines, last = block.text.replace("sudo ", "").splitlines()
    assert last == "vestibule doctor"
    return [line.replace("--fix", "--fix --yes") for line in lines]


def test_from_nothing_to_protected_and_back(clients, debs, server):
    scenes = {"before": _open_to_all, "protected": _protected}
    said = {"notes": NOTES, "unknown": UNKNOWN}
    Day(clients, debs, COMMANDS, server=server, then=steps(), edits=EDITS, **said, **scenes).live()
    # Nobody gets past Prosody to Jicofo.
    address = f"--resolve {jitsi.DOMAIN}:443:127.0.0.1 https://{jitsi.DOMAIN}/conference-request/v1"
    asked = f"curl --silent --insecure -X POST -o /dev/null --write-out '%{{http_code}}' {address}"
    assert clients.machine.run(asked).stdout == "404"
