"""What is done in rooms by itself, or in many at once, rests on who is inside when it is done, and outlasts a restart."""

import asyncio
import json
from pathlib import Path

from lab import SERVICE, Crowd
from lab.policy import PRESET, SECRET, rooms
from lab.stanza import element

SERVER = {
    "plugin_paths": [Path(__file__).parent / "modules"],
    "muc_options": {"modules_enabled": ["vestibule_gate", "lab_meanwhile"], "vestibule_also": ["urn:lab"]},
}
POLICY = (
    SERVICE + '[audit]\nevery = "never"\n' + PRESET
    + """
[policy.moderators]
assign = ["listed"]
jids = ["alice@localhost"]
succession_after = "never"
"""
    + rooms({
        "orphan": 'limits = { without_moderator = "2 seconds", warn_before = "never" }',
        "left": 'close = { when_unmoderated = "2 seconds" }',
        "heir": 'moderators = { assign = ["listed", "opener"], succession_after = "1 second" }',
    })
)
SOON = 8


async def meeting(door, crowd, name):
    """A room with a moderator by the file, and two more people."""
    room = door.room(name)
    alice, bob, carol = [await crowd.connect(f"{who}@localhost") for who in ("alice", "bob", "carol")]
    assert (await alice.join(room, "Alice")).joined
    for person, nick in ((bob, "Bob"), (carol, "Carol")):
        assert (await person.join(room, nick, SECRET)).joined
    return room, alice, bob, carol


async def meddle(person, room, nick, role, when="at-once"):
    """Somebody's role changes, and nobody is told: at once, or just before the next command to the room."""
    payload = element("urn:lab", "meanwhile", room=room, nick=nick, role=role, when=when)
    assert not (await person.iq(person.server.service, "set", payload)).error


def log(door, event, room):
    return [line["details"] for line in door.component.decisions() if (line.get("event"), line["room"]) == (event, room)]


async def until(condition, what, seconds=SOON):
    for _ in range(seconds * 20):
        if found := condition():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(what)


async def ended(person, room):
    return await person.wait_for(lambda seen: seen.room == room and seen.destroyed is not None, SOON)


def says(door, *arguments, code=0):
    done = door.component.run(*arguments, "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


async def test_no_moderator_left_counts_after_a_restart_where_openers_moderate_nothing(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd, "orphan")
        other, _, _, _ = await meeting(door, crowd, "left")
        await alice.leave(room, "Alice")
        door.component.restart()
        seen = await ended(bob, room)
        assert "no moderator" in seen.destroyed.lower()
        done = await until(lambda: log(door, "timer", room), "the log has nothing of it")
        assert done[-1]["rule"] == "limits.without_moderator"
        assert not log(door, "timer", other), "a moderator is in the other one"


async def test_a_moderator_who_leaves_while_the_component_is_away_is_missed_from_then_on(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd, "left")
        door.component.shutdown()
        await alice.leave(room, "Alice")
        await asyncio.sleep(2)
        door.component.start()
        await bob.wait_for(lambda seen: seen.sender == room and "now closed" in (seen.body or ""), SOON)
        done = await until(lambda: log(door, "timer", room), "the log has nothing of it")
        assert done[-1]["rule"] == "close.when_unmoderated"


async def test_a_room_in_which_there_was_no_moderator_yet_waits_for_one(door):
    async with Crowd(door.server) as crowd:
        room, bob = await door.meeting(crowd, "bob@localhost", name="orphan")
        door.component.restart()
        await asyncio.sleep(4)
        assert not log(door, "timer", room) and "Bob" in bob.occupants(room)


async def test_a_moderator_who_comes_before_the_room_ends_keeps_it(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd, "orphan")
        await meddle(carol, room, "Carol", "moderator", when="later")
        await alice.leave(room, "Alice")
        await asyncio.sleep(5)
        assert "Carol" in bob.occupants(room) and not log(door, "timer", room)
        # Once nobody moderates it, it ends.
        await meddle(carol, room, "Carol", "participant")
        await ended(bob, room)


async def test_a_moderator_who_comes_before_somebody_is_promoted_stays_the_only_one(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd, "heir")
        await meddle(carol, room, "Carol", "moderator", when="later")
        await alice.leave(room, "Alice")
        await asyncio.sleep(4)
        assert not log(door, "no-moderator", room)
        assert carol.occupants(room)["Bob"]["role"] == "participant"


async def test_rooms_without_a_moderator_are_those_in_which_none_is_when_they_end(door):
    async with Crowd(door.server) as crowd:
        secretly, alice, bob, carol = await meeting(door, crowd, "secretly")
        forsaken, _, other, _ = await meeting(door, crowd, "forsaken")
        await alice.leave(secretly, "Alice")
        await door.flushed()
        # What the component has heard of is the opposite, in both.
        await meddle(carol, secretly, "Carol", "moderator")
        await meddle(other, forsaken, "Alice", "participant")
        done = says(door, "end-many", "--unmoderated", "--yes", code=1)
        assert done["ended"] == [forsaken]
        (kept,) = [one for one in done["failed"] if one["room"] == secretly]
        assert "Carol" in kept["reason"]
        await ended(other, forsaken)
        assert "Carol" in bob.occupants(secretly)
