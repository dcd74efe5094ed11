"""Who was removed from a room stays out of it."""

import asyncio

import pytest
from lab import SERVICE, Crowd
from lab.knocking import invited
from lab.policy import OPERATOR, PRESET, SECRET, rooms

POLICY = SERVICE + OPERATOR + PRESET + rooms({
    "soon": 'removal = { keep_out_for = "2 seconds" }',
    "open": 'lobby = { admission = "open" }',
})
OUT = ("auth", "forbidden")


async def meeting(door, crowd, name="room", jid="bob@localhost"):
    """A room, its opener, and somebody else in it."""
    room = door.room(name)
    alice = await crowd.connect("alice@localhost")
    bob = await crowd.connect(jid)
    assert (await alice.join(room, "Alice")).joined
    assert (await bob.join(room, "Bob", SECRET)).joined
    return room, alice, bob


async def kicked(alice, bob, room):
    """Kicks Bob, who has seen it then."""
    since = bob.mark()
    assert not (await alice.set_role(room, "Bob", "none")).error
    await bob.wait_for(lambda seen: 307 in seen.statuses, since=since)


def stays_out(outcome):
    assert (outcome.type, outcome.condition) == OUT, outcome
    assert outcome.text.startswith("You were removed from this meeting."), outcome


@pytest.mark.parametrize("name", ["room", "open"])
async def test_who_was_kicked_stays_out_whatever_he_knows(door, name):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await meeting(door, crowd, name)
        await kicked(alice, bob, room)
        refused = await bob.join(room, "Bob", SECRET)
        stays_out(refused)
        assert "60 minutes" in refused.text
        other_session = await crowd.connect("bob@localhost")
        stays_out(await other_session.join(room, "Robert", SECRET))
        decision = await door.decision(kind="join", room=room, verdict="deny")
        assert (decision["rule"], decision["denial"]) == ("removal.keep_out_for", "removed")


async def test_who_was_kicked_may_enter_other_rooms(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await meeting(door, crowd)
        await kicked(alice, bob, room)
        other = door.room()
        assert (await alice.join(other, "Alice")).joined
        assert (await bob.join(other, "Bob", SECRET)).joined


async def test_an_anonymous_person_stays_out_for_the_session_and_others_come_in(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await meeting(door, crowd, jid="guest.localhost")
        await kicked(alice, guest, room)
        stays_out(await guest.join(room, "Guest", SECRET))
        other = await crowd.connect("guest.localhost")
        assert (await other.join(room, "Guest", SECRET)).joined


async def test_an_invitation_ends_it(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await meeting(door, crowd)
        await kicked(alice, bob, room)
        stays_out(await bob.join(room, "Bob", SECRET))
        since = bob.mark()
        alice.invite(room, bob.bare)
        await invited(bob, room, since)
        assert (await bob.join(room, "Bob")).joined


async def test_a_ban_that_is_taken_back_is_over(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await meeting(door, crowd)
        assert not (await alice.set_affiliation(room, bob.bare, "outcast")).error
        await bob.wait_for(lambda seen: 301 in seen.statuses)
        assert (await bob.join(room, "Bob", SECRET)).condition == "forbidden"
        assert not (await alice.set_affiliation(room, bob.bare, "none")).error
        assert (await bob.join(room, "Bob", SECRET)).joined


async def test_it_is_over_after_the_time_of_the_file(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await meeting(door, crowd, "soon")
        await kicked(alice, bob, room)
        stays_out(await bob.join(room, "Bob", SECRET))
        await asyncio.sleep(2.1)
        assert (await bob.join(room, "Bob", SECRET)).joined


async def test_a_moderator_who_ends_his_own_session_comes_back(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await meeting(door, crowd)
        phone = await crowd.connect("alice@localhost")
        assert (await phone.join(room, "Phone")).joined
        await alice.set_role(room, "Phone", "none")
        assert (await alice.join(room, "Alice", SECRET)).joined


async def test_a_killed_component_forgets_nobody(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, POLICY)
    room = "tea@conference.localhost"
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        assert (await alice.join(room, "Alice")).joined
        assert (await bob.join(room, "Bob", SECRET)).joined
        await kicked(alice, bob, room)
        vestibule.kill()
        vestibule.start()
        stays_out(await bob.join(room, "Bob", SECRET))
