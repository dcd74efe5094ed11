"""An operator's first day with a Prosody on Debian: from nothing to protected, and back."""

import pytest
from day import Day
from layers import SERVERS
from people import Clients

HOST, GUEST, SERVICE = "example.org", "guest.example.org", "conference.example.org"
STAFF, ROOM = f"staff@{SERVICE}", f"plan@{SERVICE}"
# What the operator had written before.
OWN = f"""
VirtualHost "{HOST}"

VirtualHost "{GUEST}"
	authentication = "anonymous"

Component "{SERVICE}" "muc"
	modules_enabled = {{ "muc_mam" }}
"""
# Everything that an operator types, from the first line to a server that is protected.
COMMANDS = [
    "apt install --yes ./vestibule.deb ./vestibule-prosody-module.deb",
    f"vestibule init --preset company --operator ann@{HOST} --yes",
    "prosodyctl check config",
    "systemctl enable vestibule && systemctl restart prosody vestibule",
    "vestibule status --wait 30",
]


@pytest.fixture
def clients(boot, server):
    """The server as it was before: accounts, guests, and a room that somebody owns."""
    machine = boot(SERVERS[server])
    clients = Clients(machine, HOST)
    clients.make_certificate(HOST, GUEST)
    machine.write(f"/etc/prosody/conf.avail/{HOST}.cfg.lua", OWN)
    machine.run(f"ln -s ../conf.avail/{HOST}.cfg.lua /etc/prosody/conf.d/")
    machine.run("systemctl restart prosody")
    for user in ("ann", "bob"):
        clients.add_account(user)
    clients.play(_furnish)
    return clients


async def _furnish(crowd):
    ann = await crowd.connect(f"ann@{HOST}")
    fields = {"muc#roomconfig_persistentroom": "1", "muc#roomconfig_membersonly": "1"}
    assert (await ann.open(STAFF, "Ann", fields)).joined
    await ann.set_affiliation(STAFF, f"bob@{HOST}", "member")
    await ann.set_affiliation(STAFF, f"mallory@{HOST}", "outcast")


async def _open_to_all(crowd):
    """A guest who comes first has the room."""
    guest = await crowd.connect(GUEST)
    assert (await guest.join(ROOM, "Guest")).joined
    await _staff_room(crowd)


async def _protected(crowd):
    """A guest opens no room; an account does; the guest waits outside. The staff room is as it was."""
    guest = await crowd.connect(GUEST)
    refused = await guest.join(ROOM, "Guest")
    assert refused.kind == "error", refused
    ann = await crowd.connect(f"ann@{HOST}")
    assert (await ann.join(ROOM, "Ann")).joined
    outside = await guest.join(ROOM, "Guest")
    assert (outside.kind, outside.condition) == ("error", "registration-required"), outside
    await _staff_room(crowd)


async def _staff_room(crowd):
    """Its member and its owner come in, and nobody else; its lists are there."""
    bob = await crowd.connect(f"bob@{HOST}")
    inside = await bob.join(STAFF, "Bob")
    assert inside.joined, inside
    guest = await crowd.connect(GUEST)
    assert (await guest.join(STAFF, "Guest")).kind == "error"
    ann = await crowd.connect(f"ann@{HOST}")
    assert (await ann.join(STAFF, "Ann")).joined
    assert await ann.list_affiliation(STAFF, "outcast") == {f"mallory@{HOST}"}


# Notes of the doctor, and why an operator may leave them.
NOTES = {
    "rooms-kept": "there is a room of the staff",
    "s2s-strangers": "Debian's Prosody speaks with other servers",
}
EDITS = {f"/etc/prosody/conf.avail/{HOST}.cfg.lua": f'\nVirtualHost "later.{HOST}"\n'}


def test_from_nothing_to_protected_and_back(clients, debs, server):
    scenes = {"before": _open_to_all, "protected": _protected}
    Day(clients, debs, COMMANDS, server=server, notes=NOTES, edits=EDITS, **scenes).live()
