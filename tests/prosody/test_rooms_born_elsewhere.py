"""Rooms that were there before the gate, swapped out, or restored: the policy holds for them."""

import asyncio
import contextlib

from lab import SERVICE, Crowd, Door
from lab.policy import PRESET, SECRET, admission, rooms

OTHER = "a password of the room's own"
PASSWORD = "muc#roomconfig_roomsecret"
PERSISTENT = "muc#roomconfig_persistentroom"
POLICY = SERVICE + PRESET + admission("password") + rooms({
    "strict": 'password.source = "preset"\naccess.hidden = true',
    "lasting": 'access = { persistent = true }',
    "lobby": 'access = { persistent = true }\nlobby = { admission = "lobby" }',
})


@contextlib.contextmanager
def house(version, **options):
    """A Door whose rooms survive a restart of the server."""
    door = Door(version, POLICY, storage="internal", **options)
    try:
        yield door
    finally:
        door.close()


async def ready(door):
    await asyncio.to_thread(door.component.wait_ready)


async def before_the_gate(door, fields, name="room"):
    """A persistent room, made on this server before the gate was."""
    room = door.room(name)
    door.server.gate = False
    door.server.start()
    async with Crowd(door.server) as crowd:
        alice = await crowd.connect("alice@localhost")
        await alice.open(room, "Alice", {PERSISTENT: True, **fields})
        assert (await alice.configuration(room))[PERSISTENT] == "1"
    door.server.stop()
    door.server.gate = True
    door.start()
    return room


async def test_a_room_older_than_the_gate_gets_the_policy_before_anybody_is_in(prosody_version):
    with house(prosody_version) as door:
        room = await before_the_gate(door, {"muc#roomconfig_publicroom": True}, "strict")
        async with Crowd(door.server) as crowd:
            guest = await crowd.connect("guest.localhost")
            assert (await guest.join(room, "Guest")).condition == "not-authorized"
            assert not [seen for seen in guest.seen if seen.room == room and seen.type != "error"]
            kinds = [line["kind"] for line in await door.decisions(room=room, kind="open")]
            assert kinds == ["open"]
            await door.decisions(room=room, kind="join", verdict="prompt")
            assert (await guest.join(room, "Guest", SECRET)).presence.item["role"] == "participant"
            alice = await crowd.connect("alice@localhost")
            assert (await alice.join(room, "Alice")).presence.item["affiliation"] == "owner"
            form = await alice.configuration(room)
            assert form[PASSWORD] == SECRET
            assert form["muc#roomconfig_publicroom"] == "0"


async def test_a_room_older_than_the_gate_keeps_its_own_password(prosody_version):
    with house(prosody_version) as door:
        room = await before_the_gate(door, {PASSWORD: OTHER})
        async with Crowd(door.server) as crowd:
            guest = await crowd.connect("guest.localhost")
            assert (await guest.join(room, "Guest", SECRET)).condition == "not-authorized"
            assert (await guest.join(room, "Guest", OTHER)).joined


async def test_the_first_to_come_into_an_old_room_does_not_moderate_it(prosody_version):
    with house(prosody_version) as door:
        room = await before_the_gate(door, {})
        async with Crowd(door.server) as crowd:
            bob = await crowd.connect("bob@localhost")
            outcome = await bob.join(room, "Bob", SECRET)
            assert outcome.presence.item["role"] == "participant"
            assert outcome.presence.item["affiliation"] == "none"


async def test_a_room_restored_after_a_restart_is_as_it_was(prosody_version):
    with house(prosody_version) as door:
        door.start()
        lasting, lobby = door.room("lasting"), door.room("lobby")
        async with Crowd(door.server) as crowd:
            alice = await crowd.connect("alice@localhost")
            bob = await crowd.connect("bob@localhost")
            for room in (lasting, lobby):
                assert (await alice.join(room, "Alice")).joined
            assert (await bob.join(lasting, "Bob", SECRET)).joined
            assert not (await alice.configure(lasting, {PASSWORD: OTHER})).error
            assert door.component.run("close", lasting).returncode == 0
        door.server.stop()
        door.server.start()
        await ready(door)
        async with Crowd(door.server) as crowd:
            alice = await crowd.connect("alice@localhost")
            bob = await crowd.connect("bob@localhost")
            guest = await crowd.connect("guest.localhost")
            assert (await guest.join(lasting, "Guest", OTHER)).condition == "not-allowed"
            assert (await guest.join(lobby, "Guest", SECRET)).condition == "registration-required"
            assert (await bob.join(lasting, "Bob", OTHER)).joined
            outcome = await alice.join(lasting, "Alice")
            assert (outcome.presence.item["affiliation"], outcome.presence.item["role"]) == (
                "owner",
                "moderator",
            )
            assert (await alice.configuration(lasting))[PASSWORD] == OTHER
        lines = await door.decisions(kind="open")
        assert len(lines) == 2


async def test_rooms_that_are_swapped_out_keep_their_policy(prosody_version):
    with house(prosody_version, muc_options={"muc_room_cache_size": 1}) as door:
        door.start()
        async with Crowd(door.server) as crowd:
            rooms = [door.room() for _ in range(4)]
            owners = await crowd.connect_many([f"owner{n}@localhost" for n in range(4)])
            for owner, room in zip(owners, rooms, strict=True):
                assert (await owner.join(room, "Owner")).joined
            assert door.component.run("close", rooms[0]).returncode == 0
            guests = await crowd.connect_many(["guest.localhost"] * 4)
            for number in (1, 0, 3, 2):
                guest, room = guests[number], rooms[number]
                refused = await guest.join(room, "Guest", "wrong")
                expected = "not-allowed" if number == 0 else "not-authorized"
                assert refused.condition == expected, number
                assert (await guest.join(room, "Guest", SECRET)).joined == (number != 0)
            opened = [line["room"] for line in await door.decisions(kind="open")]
            assert sorted(opened) == sorted(rooms)


async def test_joins_into_rooms_that_are_swapped_out_meanwhile_are_answered(prosody_version):
    """The room comes back as another object while the join is parked: no verdict is lost."""
    with house(prosody_version, muc_options={"muc_room_cache_size": 1}) as door:
        door.start()
        async with Crowd(door.server) as crowd:
            rooms = [door.room() for _ in range(3)]
            owners = await crowd.connect_many([f"owner{n}@localhost" for n in range(3)])
            for owner, room in zip(owners, rooms, strict=True):
                await owner.join(room, "Owner")
            guests = await crowd.connect_many(["guest.localhost"] * 12)
            joins = (guest.join(rooms[n % 3], f"G{n}", SECRET) for n, guest in enumerate(guests))
            outcomes = await asyncio.gather(*joins)
            assert all(outcome.joined for outcome in outcomes)
            for number, guest in enumerate(guests):
                assert len(guest.answers(rooms[number % 3])) == 1
