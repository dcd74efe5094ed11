"""Other modules change rooms and hold joins: no way around the policy comes of it."""

import asyncio
from pathlib import Path

import pytest
from lab import SERVICE, Crowd
from lab.policy import PRESET, SECRET, rooms
from lab.stanza import element

OTHER = "nine wide copper kettles"
SERVER = {
    "plugin_paths": [Path(__file__).parent / "modules"],
    "muc_options": {"modules_enabled": ["vestibule_gate", "lab_meddler"]},
}
POLICY = (
    SERVICE + PRESET
    + """
[policy.lobby]
admission = "password"
[policy.access]
listed = ["friend@localhost"]
"""
    + rooms({"lobby": 'lobby = { admission = "lobby" }'})
)


async def meddle(person, action, room, value=None):
    """Has the other module do something to the room. Returns how many joins the room has been told of so far."""
    payload = element("urn:lab", "meddle", action=action, room=room, value=value)
    reply = await person.iq(person.server.service, "set", payload)
    assert not reply.error
    return int(reply.child("urn:lab", "seen").get("joins"))


async def opened(door, crowd):
    room, alice = await door.meeting(crowd, "alice@localhost")
    guest = await crowd.connect("guest.localhost")
    return room, alice, guest


async def test_a_password_that_another_module_set_is_the_one_that_counts(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await opened(door, crowd)
        await meddle(alice, "password", room, OTHER)
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-authorized"
        assert (await guest.join(room, "Guest", OTHER)).joined


async def test_another_module_makes_nobody_an_owner(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="lobby")
        friend = await crowd.connect("friend@localhost")
        await meddle(alice, "owner", room, friend.bare)
        assert await alice.list_affiliation(room, "owner") == {alice.bare}
        outcome = await friend.join(room, "Friend")
        assert outcome.joined and outcome.presence.item["role"] == "participant"
        await meddle(alice, "owner", room, friend.bare)
        assert await alice.list_affiliation(room, "owner") == {alice.bare}


async def test_a_room_that_lost_its_password_takes_nobody_in(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await opened(door, crowd)
        await meddle(alice, "password", room)
        for typed in (None, SECRET):
            assert not (await guest.join(room, "Guest", typed)).joined
        await door.decision(kind="join", room=room, rule="close.hold_until", verdict="deny")


async def test_a_room_that_another_module_made_gets_the_policy_before_anybody_is_in(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice = await crowd.connect("alice@localhost")
        await meddle(alice, "create", room)
        assert (await alice.join(room, "Alice")).condition == "not-authorized"
        outcome = await alice.join(room, "Alice", SECRET)
        assert outcome.joined and outcome.presence.item["role"] == "participant"


async def test_a_rate_limiter_that_is_full_lets_nobody_pass(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await opened(door, crowd)
        await meddle(alice, "full", room)
        for typed in (None, SECRET):
            refused = await guest.join(room, "Guest", typed)
            assert (refused.type, refused.condition) == ("wait", "resource-constraint")
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice"}


async def test_a_room_is_told_of_a_join_after_the_answer_and_once(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await opened(door, crowd)
        told = await meddle(alice, "release", room)
        assert not (await guest.join(room, "Guest")).joined
        assert await meddle(alice, "look", room) == told
        assert (await guest.join(room, "Guest", SECRET)).joined
        assert await meddle(alice, "look", room) == told + 1


# Of the first of each pair, the module turns away who joins before the question; of the second, after it.
@pytest.mark.parametrize(
    ("event", "before", "after"), [("muc-occupant-pre-join", 9, 1.5), ("muc-occupant-pre-join", 2.6, 2.4), ("presence/full", 3, None)]
)
async def test_a_module_that_is_loaded_later_sees_a_join_before_or_after_the_question_as_it_is_placed(door, event, before, after):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await opened(door, crowd)
        assert not (await guest.join(room, "Guest")).joined
        for priority, asked in ((before, 1), (after, 2)):
            if priority is None:
                continue
            await meddle(alice, "turn_away", room, f"{event} {priority}")
            outcome = await guest.join(room, "Guest", SECRET)
            await meddle(alice, "release", room)
            assert outcome.condition == "policy-violation"
            await door.flushed()
            assert len(await door.decisions(kind="join", room=room)) == asked
        assert (await guest.join(room, "Guest", SECRET)).joined


@pytest.mark.parametrize("priority", [9, 1.5])
async def test_a_join_that_another_module_held_is_judged_once(door, priority):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await opened(door, crowd)
        await meddle(alice, "hold", room, priority)
        assert (await guest.join(room, "Guest", SECRET)).joined
        await door.flushed()
        assert len(await door.decisions(kind="join", room=room)) == 1
        assert len(guest.answers(room)) == 1


@pytest.mark.parametrize("priority", [9, 1.5])
async def test_a_join_that_another_module_held_is_judged_about_the_room_as_it_is(door, priority):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await opened(door, crowd)
        await meddle(alice, "hold", room, priority)
        guest.ask_to_join(room, "Guest", SECRET)
        await guest.ping()
        alice.say(room, "!close")
        assert (await guest.outcome(room, 0)).condition == "not-allowed"
        assert len(guest.answers(room)) == 1
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice"}


async def test_a_join_that_another_module_held_and_that_left_is_no_ghost(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await opened(door, crowd)
        await meddle(alice, "hold", room, 9)
        guest.ask_to_join(room, "Guest", SECRET)
        await guest.ping()
        await guest.disconnect()
        await asyncio.sleep(0.4)
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice"}
