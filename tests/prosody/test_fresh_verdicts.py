"""A verdict is idempotent and fresh: judged once, about the room as it is."""

import asyncio

from lab import SERVICE, Crowd
from lab.policy import PRESET, SECRET, admission, rooms

BETTER = "nine wide copper kettles"
PASSWORD = "muc#roomconfig_roomsecret"
POLICY = SERVICE + PRESET + admission("password") + rooms({
    "guess": f'password = {{ source = "preset", preset = "{SECRET}", guesses = {{ burst = 3, delay = "1 minute" }} }}',
    "three": 'close = { at_occupants = 3 }',
})


async def test_a_wrong_password_counts_once(door):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost", name="guess")
        bob = await crowd.connect("once@localhost")
        for _ in range(3):
            assert (await bob.join(room, "Bob", "wrong")).condition == "not-authorized"
        assert (await bob.join(room, "Bob", SECRET)).condition == "resource-constraint"
        await door.flushed()
        lines = await door.decisions(kind="join", room=room, jid=bob.bare)
        assert [line["verdict"] for line in lines] == ["prompt"] * 3 + ["deny"]
        assert len({line["attempt"] for line in lines}) == 4


async def test_a_question_that_is_asked_again_is_the_same_guess(door):
    """The component dies after it was asked: the next one answers the same attempt."""
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="guess")
        bob = await crowd.connect("again@localhost")
        for _ in range(2):
            since = bob.mark()
            with door.component.frozen():
                bob.ask_to_join(room, "Bob", "wrong")
                await bob.ping()
                # Its room changes under it: the answer is stale, and the question repeated.
                await alice.ping()
            assert (await bob.outcome(room, since)).condition == "not-authorized"
        assert (await bob.join(room, "Bob", SECRET)).joined


async def test_each_allowed_join_is_decided_once(door):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost")
        people = await crowd.connect_many([f"p{number}@localhost" for number in range(10)])
        joins = (person.join(room, person.bare[:2], SECRET) for person in people)
        assert all(outcome.joined for outcome in await asyncio.gather(*joins))
        await door.flushed()
        lines = await door.decisions(kind="join", room=room)
        assert len(lines) == len({line["attempt"] for line in lines}) == 10


async def test_what_came_before_the_closing_is_in_and_what_came_after_is_not(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        early = await crowd.connect("early@localhost")
        late = await crowd.connect("late@localhost")
        with door.component.frozen():
            early.ask_to_join(room, "Early", SECRET)
            await early.ping()
            alice.say(room, "!close")
            await alice.ping()
            late.ask_to_join(room, "Late", SECRET)
            await late.ping()
        assert (await early.outcome(room, 0)).joined
        assert (await late.outcome(room, 0)).condition == "not-allowed"
        shown = door.component.run("room", room).stdout
        assert "CLOSED" in shown


async def test_an_operator_s_closing_is_not_undone_by_an_answer_on_its_way(door):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost")
        people = await crowd.connect_many([f"p{number}@localhost" for number in range(10)])
        closing = asyncio.create_task(asyncio.to_thread(door.component.run, "close", room))
        for number, person in enumerate(people):
            person.ask_to_join(room, f"P{number}", SECRET)
            await asyncio.sleep(0.003)
        assert (await closing).returncode == 0
        for person in people:
            assert (await person.outcome(room, 0)).condition in ("", "not-allowed")
        assert "CLOSED" in door.component.run("room", room).stdout
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"


async def test_joins_that_are_judged_together_are_counted_one_by_one(door):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost", name="three")
        people = await crowd.connect_many(["guest.localhost"] * 6)
        with door.component.frozen():
            for number, person in enumerate(people):
                person.ask_to_join(room, f"P{number}", SECRET)
            for person in people:
                await person.ping()
        outcomes = [await person.outcome(room, 0) for person in people]
        assert [outcome.joined for outcome in outcomes].count(True) == 2


async def test_a_password_that_changed_meanwhile_is_the_one_that_counts(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        old = await crowd.connect("guest.localhost")
        new = await crowd.connect("guest.localhost")
        assert not (await alice.configure(room, {PASSWORD: BETTER})).error
        assert (await old.join(room, "Old", SECRET)).condition == "not-authorized"
        assert (await new.join(room, "New", BETTER)).joined


async def test_a_password_change_that_is_parked_first_counts_for_the_join_behind_it(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        old = await crowd.connect("guest.localhost")
        new = await crowd.connect("guest.localhost")
        with door.component.frozen():
            change = asyncio.create_task(alice.configure(room, {PASSWORD: BETTER}))
            await asyncio.sleep(0)
            await alice.ping()
            for person, password in ((old, SECRET), (new, BETTER)):
                person.ask_to_join(room, "Guest", password)
                await person.ping()
        assert not (await change).error
        assert (await old.outcome(room, 0)).condition == "not-authorized"
        assert (await new.outcome(room, 0)).joined


async def test_a_ban_that_is_parked_first_counts_for_the_join_behind_it(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        with door.component.frozen():
            ban = asyncio.create_task(alice.set_affiliation(room, bob.bare, "outcast"))
            await asyncio.sleep(0)
            await alice.ping()
            bob.ask_to_join(room, "Bob", SECRET)
            await bob.ping()
        assert not (await ban).error
        assert (await bob.outcome(room, 0)).condition == "forbidden"


async def test_who_lost_his_rank_while_parked_does_nothing_with_it(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        await bob.join(room, "Bob", SECRET)
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        with door.component.frozen():
            demotion = asyncio.create_task(alice.set_affiliation(room, bob.bare, "none"))
            await asyncio.sleep(0)
            await alice.ping()
            revenge = asyncio.create_task(bob.set_affiliation(room, alice.bare, "outcast"))
            form = asyncio.create_task(bob.configure(room, {PASSWORD: BETTER}))
            await asyncio.sleep(0)
            await bob.ping()
        assert not (await demotion).error
        assert (await revenge).error and (await form).error
        assert "Alice" in bob.occupants(room)
        assert (await alice.configuration(room))[PASSWORD] == SECRET


async def test_the_record_travels_with_the_room(door):
    """Another component that remembers nothing gives the same answers."""
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        guest = await crowd.connect("guest.localhost")
        await bob.join(room, "Bob", SECRET)
        assert not (await alice.set_affiliation(room, "friend@localhost", "member")).error
        assert door.component.run("close", room).returncode == 0
        door.component.kill()
        door.component.start(ready=False)
        await asyncio.to_thread(door.component.wait_ready)
        await bob.leave(room, "Bob")
        assert (await bob.join(room, "Bob")).joined
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"
        await alice.leave(room, "Alice")
        outcome = await alice.join(room, "Alice")
        assert (outcome.presence.item["affiliation"], outcome.presence.item["role"]) == ("owner", "moderator")
        assert "CLOSED" in door.component.run("room", room).stdout
