"""Many rooms: more than the server keeps in memory, and all with one due time. `make long` takes 10,001 of them."""

import asyncio
import json
import os
import re

from lab import SERVICE, Crowd, Door
from lab.http import Api
from lab.policy import PRESET, SECRET
from storm import until

ROOMS = int(os.environ.get("ROOMS", "30"))
CACHE = ROOMS - 1 if ROOMS > 1000 else ROOMS // 3
PATIENCE = max(20, ROOMS / 20)
POLICY = SERVICE + PRESET + '[policy.limits]\nwarn_before = "never"\n'


async def enter_all(person, rooms, nick):
    # A gate parks no more than some hundred at once.
    for first in range(0, len(rooms), 50):
        marks = [(room, person.ask_to_join(room, nick, SECRET)) for room in rooms[first : first + 50]]
        for room, mark in marks:
            assert (await person.outcome(room, mark, PATIENCE)).joined


def told(door, *arguments):
    done = door.component.run(*arguments, "--json", seconds=PATIENCE)
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    return json.loads(done.stdout)


def listed(door):
    return {room["room"]: room["people"] for room in told(door, "rooms")}


async def test_an_audit_a_restart_and_a_ban_meet_every_room_that_is_swapped_out(prosody_version):
    with Door(prosody_version, POLICY, muc_options={"muc_room_cache_size": CACHE, "muc_room_locking": False}) as door:
        async with Crowd(door.server) as crowd:
            rooms = [door.room("many") for _ in range(ROOMS)]
            alice, bob = await crowd.connect("alice@localhost"), await crowd.connect("bob@localhost")
            await enter_all(alice, rooms, "Alice")
            await enter_all(bob, rooms, "Bob")
            everybody = dict.fromkeys(rooms, 2)
            await until(lambda: listed(door) == everybody, PATIENCE, "every room and everybody in it")
            before = told(door, "status")["drift"]["audits"]
            door.component.reload()
            await until(lambda: told(door, "status")["drift"]["audits"] > before, PATIENCE, "an audit")
            assert told(door, "status")["drift"]["rooms"] == ROOMS
            door.component.kill()
            door.component.start()
            await until(lambda: listed(door) == everybody, PATIENCE, "every room and everybody in it, again")
            removed = told(door, "ban", bob.bare)["removed"]
            assert sorted(one["room"] for one in removed) == sorted(rooms)
            await until(lambda: listed(door) == dict.fromkeys(rooms, 1), PATIENCE, "one person less in each room")


def looks(door):
    """How often rooms were looked at for their times."""
    text = Api(door.component, "viewer").request("GET", "/metrics")[2]
    return int(re.search(r'^vestibule_room_looks_total\{watch="timers"\} (\d+)', text, re.MULTILINE).group(1))


async def test_many_rooms_with_one_due_time_end_and_each_is_looked_at_a_few_times(prosody_version):
    with Door(prosody_version, POLICY, muc_options={"muc_room_cache_size": ROOMS, "muc_room_locking": False}) as door:
        async with Crowd(door.server) as crowd:
            rooms = [door.room("due") for _ in range(ROOMS)]
            alice = await crowd.connect("alice@localhost")
            await enter_all(alice, rooms, "Alice")
            await until(lambda: len(listed(door)) == ROOMS, PATIENCE, "every room")
            await asyncio.sleep(2)
            before = looks(door)
            await asyncio.sleep(3)
            assert looks(door) == before, "nothing has changed, and nothing is due"
            # All of them are older than that: their time is now.
            door.enforce(POLICY.replace("[policy.limits]", '[policy.limits]\nduration = "1 second"'))
            await until(lambda: not listed(door), PATIENCE, "no room")
            assert looks(door) - before <= 5 * ROOMS
