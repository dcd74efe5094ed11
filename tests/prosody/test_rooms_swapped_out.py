"""Rooms that the server has swapped out of memory are rooms like others: bans and audits reach the people in them."""

import asyncio
import json

import pytest
from lab import SERVICE, Crowd, Door
from lab.policy import PRESET, SECRET
from storm import MODULES, shell, until

POLICY = SERVICE + PRESET


@pytest.fixture
def small(prosody_version):
    """A server that keeps one room in memory."""
    options = {"modules": ["lab_unload"], "plugin_paths": [MODULES], "muc_options": {"muc_room_cache_size": 1}}
    with Door(prosody_version, POLICY, storage="internal", **options) as door:
        yield door


async def three(small, crowd):
    """Three rooms with Alice in each, and Alice."""
    rooms = [small.room() for _ in range(3)]
    alice = await crowd.connect("alice@localhost")
    for room in rooms:
        assert (await alice.join(room, "Alice")).joined
    return rooms, alice


def listed(door):
    return {one["room"]: one["people"] for one in json.loads(door.component.run("rooms", "--json").stdout)}


async def test_a_ban_reaches_somebody_in_rooms_that_are_swapped_out(small):
    async with Crowd(small.server) as crowd:
        rooms = [small.room() for _ in range(4)]
        alice, bob = await crowd.connect("alice@localhost"), await crowd.connect("bob@localhost")
        for room in rooms:
            assert (await alice.join(room, "Alice")).joined
            assert (await bob.join(room, "Bob", SECRET)).joined
        small.component.restart()
        for _ in range(100):
            if listed(small) == dict.fromkeys(rooms, 2):
                break
            await asyncio.sleep(0.05)
        assert listed(small) == dict.fromkeys(rooms, 2)
        done = small.component.run("ban", bob.bare, "--json")
        assert done.returncode == 0, done.stderr
        assert sorted(one["room"] for one in json.loads(done.stdout)["removed"]) == sorted(rooms)
        for room in rooms:
            await alice.wait_for(lambda seen, room=room: seen.room == room and seen.nick == "Bob" and seen.type == "unavailable")
            assert set(alice.occupants(room)) == {"Alice"}


async def test_after_a_crash_of_the_server_nobody_is_in_rooms_that_were_swapped_out(small):
    async with Crowd(small.server) as crowd:
        rooms, _ = await three(small, crowd)
    small.server.kill()
    small.server.start()
    small.component.wait_ready()
    async with Crowd(small.server) as crowd:
        bob = await crowd.connect("bob@localhost")
        await shell(bob, "reload")
        await until(lambda: listed(small) == {}, 3, "nobody is in any room")
        await bob.join(rooms[0], "Bob", SECRET)
        await until(lambda: set(bob.occupants(rooms[0])) == {"Bob"}, 3, "Bob is alone")
        await until(lambda: listed(small) == {rooms[0]: 1}, 3, "one room with Bob")


async def test_a_room_that_everybody_has_left_is_known_no_more(small):
    async with Crowd(small.server) as crowd:
        rooms, alice = await three(small, crowd)
        await alice.leave(rooms[0], "Alice")
        small.component.restart()
        for _ in range(100):
            if set(listed(small)) == set(rooms[1:]):
                break
            await asyncio.sleep(0.05)
        assert listed(small) == dict.fromkeys(rooms[1:], 1)
