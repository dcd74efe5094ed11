"""The last moderator leaves: who takes over, and what becomes of those who wait."""

import asyncio

from lab import SERVICE, Crowd
from lab.knocking import answer_knock, invited, knock, knocking
from lab.policy import PRESET, SECRET, rooms

POLICY = (
    SERVICE + PRESET
    + """
[policy.lobby]
unattended_after = "1 second"
[policy.moderators]
succession_after = "1 second"
"""
    + rooms({
        "alone": 'moderators = { succession_after = "never" }\nlobby = { unattended = [] }',
        "patient": 'moderators = { succession_after = "3 seconds" }',
        "rescued": 'moderators = { succession_after = "never" }',
    })
)
# What is due at once is done within a second, and once more the time that it takes.
SOON = 4


def is_promotion(stanza, nick):
    return stanza.name == "presence" and stanza.nick == nick and stanza.item.get("role") == "moderator"


async def events(door, room, seconds=SOON):
    """What the log says was done in the room; waits until it says something."""
    for _ in range(int(seconds * 10)):
        await door.flushed()
        lines = door.component.decisions()
        found = [line for line in lines if line.get("event") == "no-moderator" and line["room"] == room]
        if found:
            return [line["details"] for line in found]
        await asyncio.sleep(0.1)
    return []


async def test_an_account_inside_takes_over_and_lets_people_in(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice = await crowd.connect("alice@localhost")
        guest = await crowd.connect("guest.localhost")
        bob = await crowd.connect("bob@localhost")
        carol = await crowd.connect("carol@localhost")
        await alice.join(room, "Alice")
        await guest.join(room, "Guest", SECRET)
        await bob.join(room, "Bob", SECRET)
        await carol.join(room, "Carol", SECRET)
        await alice.leave(room, "Alice")
        await bob.wait_for(lambda seen: is_promotion(seen, "Bob"), SOON)
        assert bob.occupants(room)["Bob"]["affiliation"] == "owner"
        roles = {nick: item["role"] for nick, item in bob.occupants(room).items()}
        assert roles == {"Bob": "moderator", "Guest": "participant", "Carol": "participant"}
        (done,) = await events(door, room)
        assert (done["done"], done["people"]) == ("promoted", [bob.bare])
        assert done["rule"] == "moderators.successors"
        stranger = await knocking(crowd, room, nick="Stranger")
        answer_knock(bob, room, await knock(bob, room, "Stranger"), True)
        await invited(stranger, room)
        # He keeps it when he comes back.
        await bob.leave(room, "Bob")
        assert (await bob.join(room, "Bob")).presence.item["role"] == "moderator"


async def test_whoever_comes_back_in_time_keeps_it_alone(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="patient")
        await alice.leave(room, "Alice")
        await asyncio.sleep(1.5)
        assert (await alice.join(room, "Alice")).presence.item["role"] == "moderator"
        assert not await events(door, room, 3)
        assert bob.occupants(room)["Bob"]["role"] == "participant"


async def test_no_guest_takes_over(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await door.meeting(crowd, "alice@localhost", "guest.localhost")
        await alice.leave(room, "Alice")
        (done,) = await events(door, room)
        assert (done["done"], done["people"]) == ("nothing", [])
        await asyncio.sleep(2)
        assert guest.occupants(room)["Guest"]["role"] == "participant"
        assert len(await events(door, room)) == 1, "it is said once"
        told = [seen.body for seen in guest.seen if seen.sender == room and seen.body and "No moderator is" in seen.body]
        assert told == ["No moderator is in this meeting any more, so nobody can let in people who knock."]


async def test_an_account_that_waits_is_let_in_and_moderates(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await door.meeting(crowd, "alice@localhost", "guest.localhost", name="rescued")
        first = await crowd.connect("guest.localhost")
        bob = await crowd.connect("bob@localhost")
        await alice.leave(room, "Alice")
        assert (await first.join(room, "First")).condition == "registration-required"
        assert (await bob.join(room, "Bob")).condition == "registration-required"
        await invited(bob, room)
        assert (await bob.join(room, "Bob")).presence.item["role"] == "moderator"
        (done,) = await events(door, room)
        assert (done["done"], done["people"]) == ("admitted", [bob.bare])
        assert done["rule"] == "lobby.unattended"
        answer_knock(bob, room, await knock(bob, room, "First"), True)
        await invited(first, room)


async def test_guests_who_wait_in_vain_are_turned_away_in_words(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="rescued")
        inside = await crowd.connect("guest.localhost")
        guest = await crowd.connect("guest.localhost")
        await inside.join(room, "Inside", SECRET)
        await alice.leave(room, "Alice")
        await guest.join(room, "Guest")
        message = await guest.wait_for(
            lambda seen: seen.name == "message" and seen.sender == room and seen.body, SOON
        )
        assert message.body == "Nobody is here to let you in. Please try again later."
        (done,) = await events(door, room)
        assert (done["done"], done["people"]) == ("refused", [guest.bare])
        assert not door.component.run("room", room, "--json").stdout.count('"Guest"')


async def test_without_a_rescue_people_wait_and_the_operator_is_told(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="alone")
        guest = await crowd.connect("guest.localhost")
        await alice.leave(room, "Alice")
        await guest.join(room, "Guest")
        (done,) = await events(door, room)
        assert (done["done"], done["rule"]) == ("nothing", "lobby.unattended")
        await asyncio.sleep(1.5)
        assert not [seen for seen in guest.seen if seen.name == "message"]
        # Whoever comes back finds him waiting.
        await alice.join(room, "Alice")
        answer_knock(alice, room, await knock(alice, room, "Guest"), True)
        await invited(guest, room)


async def test_a_component_that_was_restarted_meanwhile_sees_to_the_room(start_prosody, start_vestibule):
    server = start_prosody()
    component = start_vestibule(server, POLICY)
    async with Crowd(server) as crowd:
        room = f"patient-again@{server.service}"
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        await alice.join(room, "Alice")
        await bob.join(room, "Bob", SECRET)
        await alice.leave(room, "Alice")
        component.restart()
        await bob.wait_for(lambda seen: is_promotion(seen, "Bob"), SOON + 3)
