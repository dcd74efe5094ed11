"""`vestibule explain --live` says beforehand what is decided afterwards."""

import json

import pytest
from lab import SERVICE, Crowd
from lab.federation import FAR, FederatedDoor
from lab.policy import OPERATOR, PRESET, SECRET, rooms
from lab.settings import assignments
from test_rooms_that_were_there import OWN, house

CORP = "corp.localhost"
HOMEMADE = '\n[[provider]]\nname = "lab_homemade"\nproves = "account"\n'
POLICY = SERVICE + OPERATOR + '[policy.access]\ncreate = "default"\n' + PRESET + rooms({
    "unique": 'names.unique = "everybody"',
    "encrypted": 'access = { trust_loopback = false }',
    "guests": 'access = { create = ["guest"], enter = ["guest"] }',
    "afar": 'access = { enter = ["federated"] }',
})
SAME = ("verdict", "rule", "line", "class", "denial")


@pytest.fixture(scope="module")
def door(prosody_version):
    host = f'\nVirtualHost "{CORP}"\n' + assignments({"authentication": "lab_homemade"}, "\t")
    with FederatedDoor(prosody_version, POLICY + HOMEMADE, extra_hosts=host) as shared:
        yield shared


def explained(door, room, who, *more, code=0):
    """What the command says of `who`, who tries to join `room`."""
    done = door.component.run("explain", "--live", "--json", "--room", room, f"--jid={who}", *more)
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout) if code == 0 else done.stderr


async def decided(door, person, room, nick="Somebody", password=None):
    """What is decided on their join, in the end: a room that was there is brought under the policy first."""
    before = len(door.component.decisions())
    outcome = await person.join(room, nick, password)
    await door.flushed()
    lines = [line for line in door.component.decisions()[before:] if line.get("jid") == person.bare]
    return outcome, [line for line in lines if line.get("kind") in ("open", "join")][-1]


def is_same(said, line):
    told = {name: said[name] for name in SAME}
    assert told == {name: line.get(name) for name in SAME}, (said, line)
    return said


async def test_the_lists_of_a_stored_room_count_for_whoever_comes(prosody_version):
    async with house(prosody_version) as door:
        door.start()
        async with Crowd(door.server) as crowd:
            for room in (door.staff, door.cafe):
                for name in ("mallory", "eve", "bob", "dan", "ann"):
                    absent = explained(door, room, f"{name}@localhost", "--nick", name)
                    person = await crowd.connect(f"{name}@localhost")
                    there = explained(door, room, person.bare, "--nick", name)
                    outcome, line = await decided(door, person, room, name)
                    is_same(absent, line)
                    is_same(there, line)
                    assert (there["verdict"] == "allow") == outcome.joined
                    if outcome.joined:
                        # From another device, and with what others type.
                        is_same(explained(door, room, person.bare, "--nick", name), line)
                        await person.leave(room, name)
                    await person.disconnect()
        assert explained(door, door.staff, "mallory@localhost")["rule"] == "room.outcast"
        eve = explained(door, door.staff, "eve@localhost", "--password", "right")
        assert (eve["verdict"], eve["rule"]) == ("hold", "room.members")
        assert OWN not in json.dumps(eve)


@pytest.mark.parametrize("kind", ["room", "guests", "afar", "encrypted"])
async def test_whoever_is_not_connected_is_taken_for_what_people_of_that_host_are(door, kind):
    async with Crowd(door.server) as crowd, door.abroad() as abroad:
        chosen = [("g1@guest.localhost", "guest.localhost", crowd, "guest"),
                  (f"y@{CORP}", f"y@{CORP}", crowd, "account"),
                  ("ann@localhost", "ann@localhost", crowd, "account"),
                  (f"bob@{FAR}", f"bob@{FAR}", abroad, "federated")]  # fmt: skip
        for who, jid, people, kind_of in chosen:
            # The room is not open: whoever joins opens it.
            room = door.room(kind)
            said = [explained(door, room, who, "--do", what) for what in ("join", "open")]
            person = await people.connect(jid)
            outcome, line = await decided(door, person, room)
            assert (said[0]["class"], line["class"]) == (kind_of, kind_of)
            assert any("not open" in text for text in said[0]["assumed"])
            secure = "an encrypted connection" in said[0]["assumed"]
            assert secure == (kind_of != "federated"), said[0]["assumed"]
            there = is_same(explained(door, room, person.bare), line) if not outcome.joined else None
            if kind != "encrypted" or kind_of == "federated":
                for each in said:
                    is_same(each, line)
            elif there:
                # Somebody who is connected is looked at, though the room is not open.
                assert there["rule"] == "access.encrypted"
                assert there["facts"]["who"].get("secure") is line["facts"]["who"]["secure"] is False
                assert "an encrypted connection" not in there["assumed"]
            await person.disconnect()


async def test_a_provider_that_nobody_knows_proves_nothing_beforehand_either(door):
    room = door.room()
    try:
        door.enforce(POLICY)
        said = explained(door, room, f"y@{CORP}")
        async with Crowd(door.server) as crowd:
            person = await crowd.connect(f"y@{CORP}")
            outcome, line = await decided(door, person, room)
            assert not outcome.joined and is_same(said, line)["class"] == "guest"
            assert any("mod_auth_lab_homemade" in text for text in said["assumed"])
    finally:
        door.enforce(POLICY + HOMEMADE)


async def test_a_nick_that_is_taken_is_taken_beforehand(door):
    async with Crowd(door.server) as crowd:
        room = door.room("unique")
        alice, bob = [await crowd.connect(f"{name}@localhost") for name in ("alice", "bob")]
        assert (await alice.join(room, "Alice")).joined
        for nick, rule in (("alice", "names.unique"), ("Bob", None)):
            said = explained(door, room, bob.bare, "--nick", nick, "--password", "right")
            outcome, line = await decided(door, bob, room, nick, SECRET)
            assert is_same(said, line) and outcome.joined == (rule is None)
            assert rule in (None, said["rule"])
        # Who is inside keeps the name, and may do what they may there.
        again = explained(door, room, alice.bare)
        assert (again["verdict"], again["facts"]["who"]["nick"]) == ("allow", "Alice")
        mine = explained(door, room, alice.bare, "--do", "destroy")
        theirs = explained(door, room, bob.bare, "--do", "destroy")
        assert (mine["verdict"], theirs["verdict"]) == ("allow", "deny")


async def test_what_was_assumed_is_said_in_words(door):
    room = door.room()
    done = door.component.run("explain", "--live", "--room", room, "--jid", "g1@guest.localhost")
    assert done.returncode == 0, done.stderr
    for text in (
        "assumed: not connected: as the users of guest.localhost log in (mod_auth_anonymous)",
        "assumed: an encrypted connection",
        "class: guest",
    ):
        assert text in done.stdout, done.stdout
    refused = explained(door, room, "ann@localhost", "--do", "destroy", code=1)
    assert "there is no room" in refused and "--do join" in refused


async def test_a_stored_room_under_no_policy_is_not_changed_by_a_command(prosody_version):
    async with house(prosody_version) as door:
        door.start()
        done = door.component.run("close", door.staff)
        assert done.returncode == 1 and "no policy was applied" in done.stderr
        assert door.component.run("room", door.staff).returncode == 0
