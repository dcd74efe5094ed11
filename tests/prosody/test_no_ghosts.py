"""A parked join that left is gone, and a join that fails leaves nothing behind."""

import asyncio

import pytest
from lab import SERVICE, Crowd
from lab.policy import CHAIR, PRESET, SECRET, rooms
from lab.stanza import MUC

SERVER = {"modules": ["smacks"], "options": {"smacks_hibernation_time": 1}}
POLICY = SERVICE + PRESET + '[policy.access]\nlisted = ["friend@localhost"]\n' + CHAIR + rooms({
    "lobby": 'lobby = { admission = "lobby" }',
    "two": 'close = { at_occupants = 2, may_enter = ["service"] }',
})
JOIN = "<presence to='{}/{}'><x xmlns='" + MUC + "'><password>" + SECRET + "</password></x></presence>"
LEAVE = "<presence to='{}/{}' type='unavailable'/>"


async def gone(door, person):
    """Returns when the server has noticed that this session is over."""
    lines = door.server.log().splitlines()
    login = [line for line in lines if f"Authenticated as {person.bare}" in line][-1]
    session = login.split("\t")[0].split()[-1]
    while not [line for line in door.server.log().splitlines() if f"{session}\tinfo\tClient disc" in line]:
        await asyncio.sleep(0.01)


async def settled(person, room):
    """Returns when the room has handled all that was sent to it before."""
    await asyncio.sleep(0.1)
    await person.disco_info(room)


def exists(door, room):
    return door.component.run("room", room).returncode == 0


@pytest.mark.parametrize("how", ["abort", "close", "unavailable", "unavailable to the room"])
@pytest.mark.parametrize("creates", [True, False])
async def test_whoever_left_while_parked_is_not_in(door, how, creates):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.about_to_join(crowd, creates)
        with door.component.frozen():
            bob.send_raw(JOIN.format(room, "Bob"))
            await bob.ping()
            if how == "abort":
                bob.abort()
            elif how == "close":
                bob.send_raw("</stream:stream>")
            elif how == "unavailable":
                bob.send_raw("<presence type='unavailable'/>")
            else:
                bob.send_raw(LEAVE.format(room, "Bob"))
            if how.startswith("unavailable"):
                await bob.ping()
            else:
                await gone(door, bob)
        await settled(alice, room)
        assert exists(door, room) != creates
        if not creates:
            assert set(alice.occupants(room)) == {"Alice"}
            assert not [seen for seen in alice.seen if seen.nick == "Bob"]
        if how.startswith("unavailable"):
            assert not [answer for answer in bob.answers(room) if answer.joined]


@pytest.mark.parametrize("creates", [True, False])
async def test_joins_and_leaves_in_one_packet_end_outside(door, creates):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.about_to_join(crowd, creates)
        bob.send_raw((JOIN + LEAVE).format(room, "Bob", room, "Bob") * 10)
        await bob.ping()
        await settled(alice, room)
        assert exists(door, room) != creates
        if not creates:
            assert "Bob" not in alice.occupants(room)
        assert "Bob" not in bob.occupants(room)


@pytest.mark.parametrize("creates", [True, False])
async def test_joins_and_leaves_that_end_with_a_join_end_inside(door, creates):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.about_to_join(crowd, creates)
        bob.send_raw((JOIN + LEAVE).format(room, "Bob", room, "Bob") * 5 + JOIN.format(room, "Bob"))
        await bob.wait_for(lambda seen: 110 in seen.statuses and seen.type == "")
        await settled(bob, room)
        assert set(bob.occupants(room)) == ({"Bob"} if creates else {"Alice", "Bob"})


async def test_a_join_and_a_disconnect_in_one_packet_leave_nothing(door):
    async with Crowd(door.server) as crowd:
        for number in range(5):
            room = door.room()
            bob = await crowd.connect("bob@localhost")
            bob.send_raw(JOIN.format(room, "Bob") + "</stream:stream>")
            if number % 2:
                await asyncio.sleep(0)
                bob.abort()
            alice = await crowd.connect("alice@localhost")
            await settled(alice, room)
            assert not exists(door, room)


async def test_a_nick_conflict_takes_back_what_was_given(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="lobby")
        friend = await crowd.connect("friend@localhost")
        chair = await crowd.connect("chair@localhost")
        for person in (friend, chair):
            assert (await person.join(room, "Alice")).condition == "conflict"
            assert len(person.answers(room)) == 1
        assert await alice.list_affiliation(room, "member") == set()
        assert await alice.list_affiliation(room, "owner") == {alice.bare}
        assert set(alice.occupants(room)) == {"Alice"}
        outcome = await chair.join(room, "Chair")
        assert (outcome.presence.item["affiliation"], outcome.presence.item["role"]) == ("owner", "moderator")


async def test_of_a_nick_conflict_nobody_is_told(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="lobby")
        since = alice.mark()
        for name in ("friend", "chair"):
            person = await crowd.connect(f"{name}@localhost")
            assert (await person.join(room, "Alice")).condition == "conflict"
        await alice.ping()
        assert not [seen for seen in alice.seen[since:] if seen.room == room]


async def test_a_join_that_failed_makes_nobody_a_returning_person(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Alice", SECRET)).condition == "conflict"
        assert door.component.run("close", room).returncode == 0
        assert (await bob.join(room, "Bob", SECRET)).condition == "not-allowed"


async def test_a_join_that_failed_does_not_count(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="two")
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Alice", SECRET)).condition == "conflict"
        assert (await bob.join(room, "Bob", SECRET)).joined


async def test_what_somebody_had_before_is_not_taken_back(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="lobby")
        friend = await crowd.connect("friend@localhost")
        again = await crowd.connect("friend@localhost")
        assert (await friend.join(room, "Friend")).joined
        assert (await again.join(room, "Alice")).condition == "conflict"
        await settled(alice, room)
        assert await alice.list_affiliation(room, "member") == {friend.bare}
        assert set(alice.occupants(room)) == {"Alice", "Friend"}


async def test_a_join_never_lowers_anybody(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        await alice.set_affiliation(room, bob.bare, "admin")
        await alice.set_affiliation(room, "friend@localhost", "member")
        outcome = await bob.join(room, "Bob")
        assert outcome.presence.item["affiliation"] in ("admin", "owner")
        friend = await crowd.connect("friend@localhost")
        assert (await friend.join(room, "Friend")).presence.item["affiliation"] == "member"


async def test_a_refused_creation_leaves_no_room(door):
    async with Crowd(door.server) as crowd:
        alice = await crowd.connect("alice@localhost")
        for nick in ("🤖", "focus"):
            room = door.room()
            assert (await alice.join(room, nick)).kind == "error"
            assert not exists(door, room)


async def test_a_room_that_ended_meanwhile_is_asked_for_anew(door):
    """The last occupant leaves while somebody is parked: he opens the next room of that name."""
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        with door.component.frozen():
            bob.ask_to_join(room, "Bob")
            await bob.ping()
            await alice.leave(room, "Alice")
        outcome = await bob.outcome(room, 0)
        assert outcome.joined and 201 in outcome.presence.statuses
        assert outcome.presence.item["affiliation"] == "owner"
        await settled(bob, room)
        assert len(bob.answers(room)) == 1
        kinds = [line["kind"] for line in await door.decisions(room=room, jid=bob.bare, kind="open")]
        assert kinds == ["open"]


async def test_a_room_that_was_opened_anew_meanwhile_is_another_room(door):
    """An answer about the old life of a room is not used for the new one."""
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        carol = await crowd.connect("carol@localhost")
        with door.component.frozen():
            bob.ask_to_join(room, "Bob", SECRET)
            await bob.ping()
            await alice.leave(room, "Alice")
            carol.ask_to_join(room, "Carol")
            await carol.ping()
        assert (await bob.outcome(room, 0)).joined
        refused = await carol.outcome(room, 0)
        assert refused.condition == "registration-required"
        assert bob.occupants(room)["Bob"]["affiliation"] == "owner"


async def test_a_room_that_an_operator_ends_answers_those_who_are_parked(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice = await crowd.connect("alice@localhost")
        people = await crowd.connect_many([f"p{n}@localhost" for n in range(5)])
        await alice.join(room, "Alice")
        ending = asyncio.create_task(asyncio.to_thread(door.component.run, "end", room))
        for number, person in enumerate(people):
            person.ask_to_join(room, f"P{number}", SECRET)
            await asyncio.sleep(0.005)
        assert (await ending).returncode == 0
        outcomes = [await person.outcome(room, 0) for person in people]
        assert "silence" not in {outcome.kind for outcome in outcomes}


async def test_whoever_disconnects_inside_is_gone(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        bob.abort()
        await alice.wait_for(lambda seen: seen.nick == "Bob" and seen.type == "unavailable")
        await alice.leave(room, "Alice")
        await settled(alice, room)
        assert not exists(door, room)


async def test_a_session_that_hibernates_is_still_there(door):
    """Stream management (XEP-0198): a session without a connection comes in, and goes when it is over."""
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        bob.send_raw("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        await bob.ping()
        with door.component.frozen():
            bob.send_raw(JOIN.format(room, "Bob"))
            await bob.ping()
            bob.abort()
            await asyncio.sleep(0.1)
        await alice.wait_for(lambda seen: seen.nick == "Bob" and not seen.type)
        await alice.wait_for(lambda seen: seen.nick == "Bob" and seen.type == "unavailable")
        assert set(alice.occupants(room)) == {"Alice"}
