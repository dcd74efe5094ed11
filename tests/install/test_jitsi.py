"""An operator's first day with Jitsi Meet on Debian: its own package, then ours, and back."""

import jitsi
import layers
import pytest
from day import Day
from lab.jitsi_meeting import told_password

COMMANDS = [
    "apt install --yes ./vestibule.deb ./vestibule-prosody-module.deb",
    "vestibule init --preset public --yes",
    "prosodyctl check config",
    "systemctl enable vestibule && systemctl restart prosody vestibule",
    "vestibule status",
]
ROOM = f"plan@conference.{jitsi.DOMAIN}"


pytestmark = pytest.mark.skipif(
    not jitsi.checkout(), reason="JITSI_MEET and JITSI_PROSODY_PLUGINS name no checkout of jitsi-meet with debian/"
)


@pytest.fixture
def clients(boot, server, tmp_path):
    """A server with what `apt install jitsi-meet` has for Prosody."""
    source = jitsi.checkout()
    machine = boot(layers.with_jitsi(layers.SERVERS[server]))
    machine.path("/root/jitsi-meet-prosody.deb").write_bytes(jitsi.package(source, tmp_path).read_bytes())
    machine.run("debconf-set-selections", stdin=jitsi.ANSWERS)
    machine.run("apt install --yes ./jitsi-meet-prosody.deb")
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


def test_from_nothing_to_protected_and_back(clients, debs, server):
    Day(clients, debs, COMMANDS, server=server, before=_open_to_all, protected=_protected).live()
