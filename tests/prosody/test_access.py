"""Access: who may open and enter, which names, only encrypted, bans, and hidden rooms."""

import pytest
from lab import SERVICE, Crowd, Door
from lab.component import OPENS_BY_DEFAULT
from lab.policy import OPERATOR, PRESET, SECRET, rooms

POLICY = (
    SERVICE + OPENS_BY_DEFAULT + OPERATOR + PRESET
    + """
[policy.access]
listed = ["friend@localhost", "guest.localhost"]
refused_rooms = ["admin-*"]
"""
    + rooms({
        "guests": 'access.create = ["everyone"]',
        "accounts": 'access = { create = ["account"] }',
        "listed": 'access = { create = ["operator", "listed"], enter = ["operator", "listed"] }',
        "named": 'access = { rooms = ["named-[0-9]*"] }',
        "other": 'access = { rooms = ["team-*"] }',
        "private": 'access = { enter = ["account"] }',
        "public": 'access = { hidden = false }',
        "lasting": 'access = { persistent = true }',
        "encrypted": 'access = { trust_loopback = false }',
    })
    + """
[[ban]]
jid = "mallory@localhost"
reason = "shouted down the assembly"
[[ban]]
jid = "trudy@localhost"
room = "quiet-*"
reason = "talks"
[[ban]]
jid = "late@localhost"
until = "2020-01-31"
reason = "was noisy"
[[ban]]
domain = "guest.localhost"
room = "accounts-*"
reason = "guests"
[[ban]]
network = "127.0.0.0/8"
room = "remote-*"
reason = "flood"
"""
)
FORBIDDEN = ("auth", "forbidden")
NOT_ALLOWED = ("cancel", "not-allowed")


async def attempt(door, crowd, room, jid):
    """Joins and returns the Outcome; a room that was opened closes again with its people."""
    person = await crowd.connect(jid)
    outcome = await person.join(room, "Somebody", SECRET)
    assert len(person.answers(room)) == 1
    return outcome


@pytest.mark.parametrize(
    ("name", "jid", "rule"),
    [
        ("room", "alice@localhost", None),
        ("room", "guest.localhost", "access.create"),
        ("accounts", "alice@localhost", None),
        ("accounts", "root@localhost", None),
        ("listed", "friend@localhost", None),
        ("listed", "alice@localhost", "access.enter"),
        ("listed", "guest.localhost", "access.enter"),
        ("named", "alice@localhost", None),
        ("other", "alice@localhost", "access.rooms"),
        ("admin", "alice@localhost", "access.refused_rooms"),
    ],
)
async def test_who_may_open_which_room(door, name, jid, rule):
    async with Crowd(door.server) as crowd:
        room = door.room(name)
        outcome = await attempt(door, crowd, room, jid)
        if rule is None:
            assert outcome.joined
            return
        assert (outcome.type, outcome.condition) == NOT_ALLOWED
        assert outcome.text
        await door.decision(kind="open", room=room, rule=rule, verdict="deny")
        assert door.component.run("room", room).returncode == 1


@pytest.mark.parametrize(
    ("name", "may", "may_not"),
    [
        ("private", "bob@localhost", "guest.localhost"),
        ("listed", "root@localhost", "bob@localhost"),
    ],
)
async def test_who_may_enter_an_open_room(door, name, may, may_not):
    async with Crowd(door.server) as crowd:
        room = door.room(name)
        friend = await crowd.connect("friend@localhost")
        assert (await friend.join(room, "Friend")).joined
        outcome = await attempt(door, crowd, room, may_not)
        assert (outcome.type, outcome.condition) == NOT_ALLOWED
        await door.decision(kind="join", room=room, rule="access.enter", verdict="deny")
        person = await crowd.connect(may)
        assert (await person.join(room, "Other", SECRET)).joined


async def test_banned_accounts_neither_open_nor_enter(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        refused = await attempt(door, crowd, room, "mallory@localhost")
        assert (refused.type, refused.condition) == FORBIDDEN
        assert "assembly" not in refused.text
        alice = await crowd.connect("alice@localhost")
        await alice.join(room, "Alice")
        refused = await attempt(door, crowd, room, "mallory@localhost")
        assert (refused.type, refused.condition) == FORBIDDEN
        lines = await door.decisions(room=room, rule="ban", verdict="deny")
        text = door.component.config_path.read_text().splitlines()
        assert {text[line["line"] - 1] for line in lines} <= {"[[ban]]", 'jid = "mallory@localhost"'}


@pytest.mark.parametrize(
    ("name", "jid", "may"),
    [
        ("quiet", "trudy@localhost", False),
        ("room", "trudy@localhost", True),
        ("quiet", "late@localhost", True),
        ("accounts", "guest.localhost", False),
        ("guests", "guest.localhost", True),
        ("remote", "alice@localhost", False),
    ],
)
async def test_a_ban_is_for_those_and_where_it_says(door, name, jid, may):
    async with Crowd(door.server) as crowd:
        room = door.room(name)
        outcome = await attempt(door, crowd, room, jid)
        assert outcome.joined == may
        if not may:
            await door.decision(room=room, rule="ban", verdict="deny")


async def test_a_moderator_s_ban_holds_whatever_is_typed(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        assert not (await alice.set_affiliation(room, bob.bare, "outcast")).error
        await bob.wait_for(lambda seen: 301 in seen.statuses)
        refused = await bob.join(room, "Bob", SECRET)
        assert (refused.type, refused.condition) == FORBIDDEN
        await door.decision(kind="join", room=room, rule="room.outcast", verdict="deny")


async def test_an_unencrypted_connection_does_not_count_where_the_file_says_so(door):
    async with Crowd(door.server) as crowd:
        room = door.room("encrypted")
        outcome = await attempt(door, crowd, room, "alice@localhost")
        assert (outcome.type, outcome.condition) == ("modify", "policy-violation")
        assert "encrypted" in outcome.text
        await door.decision(kind="open", room=room, rule="access.encrypted", verdict="deny")


async def test_an_encrypted_connection_does(prosody_version):
    with Door(prosody_version, POLICY, tls=True) as encrypted:
        async with Crowd(encrypted.server) as crowd:
            outcome = await attempt(encrypted, crowd, encrypted.room("encrypted"), "a@localhost")
            assert outcome.joined


async def test_rooms_are_listed_only_if_the_file_says_so(door):
    async with Crowd(door.server) as crowd:
        hidden, public = door.room(), door.room("public")
        alice = await crowd.connect("alice@localhost")
        guest = await crowd.connect("guest.localhost")
        for room in (hidden, public):
            await alice.join(room, "Alice")
        listed = await guest.disco_items(door.server.service)
        addresses = {item.get("jid") for item in listed.xml.iter() if item.get("jid")}
        assert public in addresses and hidden not in addresses


async def test_rooms_last_only_if_the_file_says_so(door):
    async with Crowd(door.server) as crowd:
        passing, lasting = door.room(), door.room("lasting")
        alice = await crowd.connect("alice@localhost")
        for room in (passing, lasting):
            await alice.join(room, "Alice")
            await alice.leave(room, "Alice")
        assert door.component.run("room", passing).returncode == 1
        assert door.component.run("room", lasting).returncode == 0


async def test_deny_is_stronger_wherever_it_stands_in_the_file(door):
    """An operator who is listed, moderates and knows the password, is banned all the same."""
    allow = f"""
[policy]
operators = ["root@localhost"]
[policy.password]
source = "preset"
preset = "{SECRET}"
"""
    deny = '[[ban]]\njid = "root@localhost"\nreason = "gone"\n'
    try:
        async with Crowd(door.server) as crowd:
            for policy in (allow + deny, deny + allow):
                door.enforce(SERVICE + policy)
                outcome = await attempt(door, crowd, door.room(), "root@localhost")
                assert (outcome.type, outcome.condition) == FORBIDDEN
    finally:
        door.enforce(POLICY)


async def test_a_reload_judges_everybody_inside_again(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        try:
            door.enforce(POLICY + '[[ban]]\njid = "bob@localhost"\nreason = "now"\n')
            gone = await bob.wait_for(lambda seen: seen.type == "unavailable" and 307 in seen.statuses)
            assert gone.room == room
            assert (await bob.join(room, "Bob", SECRET)).condition == "forbidden"
            assert "Alice" in alice.occupants(room)
        finally:
            door.enforce(POLICY)
