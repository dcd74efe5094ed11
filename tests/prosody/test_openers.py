"""Who opens rooms where the file does not say: not guests, where people log in to the server."""

import subprocess

import pytest
from lab import SERVICE, Crowd, needs_jitsi_plugins, settings
from lab.component import OPENS_BY_DEFAULT, program
from lab.meet import MEET_SERVICE, MeetDoor
from lab.meet_settings import DOMAIN

EMPTY = "version = 2\n"
POLICY = SERVICE + OPENS_BY_DEFAULT
MEET_POLICY = MEET_SERVICE + OPENS_BY_DEFAULT


async def test_where_accounts_are_guests_open_nothing(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        guest = await crowd.connect("guest.localhost")
        refused = await guest.join(room, "Guest")
        assert (refused.type, refused.condition) == ("cancel", "not-allowed")
        alice = await crowd.connect("alice@localhost")
        assert (await alice.join(room, "Alice")).joined
    status = door.component.run("status").stdout
    assert "rooms are opened by service, operator, listed, token, account (people log in to localhost)" in status


@pytest.mark.parametrize("file", [EMPTY, SERVICE, None])
def test_a_file_that_says_nothing_of_it_is_not_warned_of(tmp_path, file):
    path = tmp_path / "component.toml"
    path.write_text(file or (settings.ROOT / "component.toml").read_text())
    checked = subprocess.run([program(), "check", path], capture_output=True, text=True, env={})
    assert checked.returncode == 0, checked.stderr
    assert "warning" not in checked.stdout + checked.stderr


async def test_what_the_file_says_holds(door):
    door.enforce(SERVICE + '[policy.access]\ncreate = ["guest"]\n')
    try:
        async with Crowd(door.server) as crowd:
            guest = await crowd.connect("guest.localhost")
            assert (await guest.join(door.room(), "Guest")).joined
            alice = await crowd.connect("alice@localhost")
            assert not (await alice.join(door.room(), "Alice")).joined
    finally:
        door.enforce(POLICY)


def host(name, **options):
    return f'\nVirtualHost "{name}"\n' + settings.assignments(options, "\t")


# What is beside a Jitsi's own hosts: by its Debian packages, and by docker-jitsi-meet.
BESIDE = {
    "debian": host("localhost", authentication="internal_hashed"),
    "docker": host(f"hidden.{DOMAIN}", authentication="internal_hashed"),
}


@needs_jitsi_plugins
@pytest.mark.parametrize("layout", BESIDE)
async def test_a_jitsi_of_guests_opens_as_it_always_did(prosody_version, layout):
    with MeetDoor(prosody_version, MEET_POLICY, extra_hosts=BESIDE[layout]) as door:
        assert "guest (nobody logs in to this server)" in door.component.run("status").stdout
        async with door.crowd() as crowd:
            guest = await crowd.person("Guest")
            assert (await guest.enter(door.room())).joined


@needs_jitsi_plugins
@pytest.mark.parametrize("beside", ["", BESIDE["debian"]])
async def test_a_jitsi_with_accounts_asks_for_a_log_in(prosody_version, beside):
    with MeetDoor(prosody_version, MEET_POLICY, accounts=True, extra_hosts=beside) as door:
        assert f"account (people log in to {DOMAIN})" in door.component.run("status").stdout
        async with door.crowd(authentication=True) as crowd:
            room = door.room()
            guest = await crowd.person("Guest")
            assert (await guest.request(room)).shown == "log-in"


