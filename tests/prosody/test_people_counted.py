"""People are counted as people: nobody is kept out by sessions of their own, and what is shown says which is counted."""

import asyncio
import json

from lab import SERVICE, Crowd
from lab.policy import PRESET, SECRET, rooms

POLICY = SERVICE + PRESET + rooms({
    "small": 'limits = { occupants = 2 }',
    "tiny": 'close = { at_occupants = 3 }',
})


async def listed(door, room, **wanted):
    """The room in the list, once it shows these values: reports take a moment."""
    found = None
    for _ in range(300):
        rooms = json.loads(door.component.run("rooms", "--json").stdout)
        found = next((each for each in rooms if each["room"] == room), None)
        if found and wanted.items() <= found.items():
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"{found} does not show {wanted}")


async def test_a_full_room_takes_second_sessions_of_those_inside_and_nobody_else(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="small")
        again = await crowd.connect("bob@localhost")
        guest = await crowd.connect("guest.localhost")
        assert (await again.join(room, "Bob again", SECRET)).joined
        assert (await guest.join(room, "Guest", SECRET)).condition == "service-unavailable"
        assert (await door.decision(room=room, verdict="deny"))["rule"] == "limits.occupants"


async def test_two_sessions_of_one_person_leave_a_place_for_another(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="small")
        again = await crowd.connect("alice@localhost")
        guest = await crowd.connect("guest.localhost")
        assert (await again.join(room, "Alice again", SECRET)).joined
        assert (await guest.join(room, "Guest", SECRET)).joined
        shown = await listed(door, room, people=2)
        assert (shown["occupants"], shown["moderators"]) == (3, 2)


async def test_a_second_session_does_not_close_a_room_that_closes_at_a_number_of_people(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="tiny")
        again = await crowd.connect("bob@localhost")
        carol = await crowd.connect("carol@localhost")
        guest = await crowd.connect("guest.localhost")
        assert (await again.join(room, "Bob again", SECRET)).joined
        assert not (await listed(door, room, people=2))["closed"]
        assert (await carol.join(room, "Carol", SECRET)).joined, "the third person"
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"
        assert (await listed(door, room, people=3))["closed"] == "count"


async def test_two_sessions_of_one_nick_are_one_occupant(door):
    async with Crowd(door.server) as crowd:
        room, alice, again = await door.meeting(crowd, "alice@localhost", "alice@localhost")
        shown = await listed(door, room, people=1)
        await door.flushed()
        shown = await listed(door, room, people=1)
        assert shown["occupants"] == 1
        one = json.loads(door.component.run("room", room, "--json").stdout)
        assert (one["people"], len(one["occupants"])) == (1, 1)
