"""Joins that Jitsi's modules hold and bring back: judged once, by the policy, and answered."""

import asyncio

from jitsi_traps import MODULES, meddle, opened
from lab import jitsi_plugins, needs_jitsi_plugins
from lab.jitsi_meeting import inside
from lab.meet import MEET_SERVICE
from lab.policy import PRESET, SECRET, rooms

MEET = {
    "plugin_paths": [MODULES],
    "muc_plugins": ["lab_meddler", *(["muc_rate_limit"] if jitsi_plugins.plugins() else [])],
    "muc_options": {"muc_rate_joins": 2},
}
POLICY = MEET_SERVICE + PRESET + rooms({
    "flood": 'password = { guesses = { room_burst = 3, delay = "30 seconds" } }\nlobby = { admission = "password" }',
    "members": 'access = { create = ["account"] }',
})
STRANGER = ("prompt", "lobby")


@needs_jitsi_plugins
async def test_a_rate_limiter_whose_queue_is_full_lets_nobody_pass(meet):
    """With no place left it ends the event, and nothing below it is asked any more."""
    async with meet.crowd() as crowd:
        room = meet.room("flood")  # where no list of members would stop them
        alice = await opened(crowd, room)
        eve, bob = await crowd.persons("Eve", "Bob")
        await asyncio.sleep(1)  # until its own queue is empty
        await meddle(alice, "jam", room)
        assert not (await eve.join(room)).joined
        assert not (await bob.join(room, password=SECRET)).joined
        await alice.ping()
        assert set(alice.occupants(room)) == {"focus", alice.nick}


@needs_jitsi_plugins
async def test_joins_that_the_rate_limiter_spreads_are_judged_once_each(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        people = await crowd.persons(*(f"Person {number}" for number in range(5)))
        for person in people:
            await person.request(room)
        outcomes = await asyncio.gather(*(person.join(room, password=SECRET) for person in people))
        assert all(outcome.joined for outcome in outcomes), outcomes
        assert max(outcome.seconds for outcome in outcomes) > 0.5, "the limiter has limited nothing"
        for person in people:
            assert len(person.answers(room)) == 1
            assert len(await meet.decisions(kind="join", room=room, jid=person.bare)) == 1
        await alice.ping()
        assert {person.nick for person in people} < set(alice.occupants(room))


@needs_jitsi_plugins
async def test_a_guess_that_the_rate_limiter_holds_is_one_guess(meet):
    async with meet.crowd() as crowd:
        room = meet.room("flood")
        await opened(crowd, room)
        eve = await crowd.persons("Eve 1", "Eve 2", "Eve 3")
        for person in eve[:2]:
            await person.request(room)
        outcomes = await asyncio.gather(*(person.join(room, password="wrong") for person in eve[:2]))
        assert [outcome.shown for outcome in outcomes] == ["prompt", "prompt"]
        assert (await eve[2].enter(room, SECRET)).joined, "that were only two of three"


async def test_somebody_who_comes_before_the_focus_is_told_to_come_again(meet):
    """Jitsi's lock parks whoever comes to a room without focus, for ever if none comes."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await crowd.persons("Alice", "Bob")
        early = await bob.join(room)
        assert early.shown == "retry", early
        assert (await alice.enter(room)).joined
        assert alice.occupants(room)[alice.nick]["affiliation"] == "owner"
        assert (await bob.enter(room)).shown in STRANGER


async def test_whoever_came_to_a_room_without_focus_is_judged_when_the_focus_is_there(meet):
    """Jitsi's lock brings back whoever waits while the focus itself is still on its way in."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, eve = await crowd.persons("Alice", "Eve")
        await meddle(alice, "create", room)
        since = eve.ask_to_join(room, eve.nick)
        await eve.ping()
        await alice.request(room)
        outcome = await eve.outcome(room, since, 3)
        assert outcome.kind == "error", outcome
        assert (await alice.join(room, password=SECRET)).joined
        await alice.ping()
        assert eve.nick not in alice.occupants(room)


async def test_whoever_left_while_a_module_held_him_is_no_ghost(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob = await crowd.person("Bob")
        await bob.request(room)
        await meddle(alice, "hold", room, 9)
        bob.ask_to_join(room, bob.nick, SECRET)
        await bob.ping()
        await bob.disconnect()
        await asyncio.sleep(0.4)
        await alice.ping()
        assert set(alice.occupants(room)) == {"focus", alice.nick}


async def test_a_room_that_may_not_be_opened_is_refused_before_the_focus_comes(meet):
    """Refused later, the focus says nothing to whoever asked it, and his client hangs."""
    async with meet.crowd() as crowd:
        room = meet.room("members")
        eve = await crowd.person("Eve")
        refused = await eve.enter(room, seconds=3)
        assert refused.shown in ("log-in", "destroyed"), refused
        assert not crowd.focus.requests and not crowd.focus.errors


async def test_a_room_that_may_not_be_opened_is_not_opened_by_the_focus_either(meet):
    """It can be asked in ways that no server sees."""
    async with meet.crowd() as crowd:
        room = meet.room("members")
        eve = await crowd.person("Eve")
        assert not (await crowd.focus.join(room, "focus")).joined
        await meet.decision(kind="open", room=room, verdict="deny")
        assert not (await eve.join(room)).joined
        assert (await eve.disco_info(room)).error[1] == "item-not-found"


async def test_an_answer_that_is_late_for_the_focus_leaves_no_room_behind(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await crowd.person("Alice")
        with meet.component.frozen():
            alice.send_raw(
                f"<iq type='set' id='ask' to='{meet.server.focus_address}'>"
                f"<conference xmlns='http://jitsi.org/protocol/focus' room='{room}'/></iq>"
            )
            await alice.ping()
            await alice.disconnect()
        await asyncio.sleep(0.3)
        bob = await crowd.person("Bob")
        assert (await bob.disco_info(room)).error[1] == "item-not-found"
        assert (await bob.enter(room)).joined
        assert bob.occupants(room)[bob.nick]["affiliation"] == "owner"


async def test_three_silent_retries_are_no_attack(meet):
    """A client that is told "Room creation is restricted" comes three times more by itself."""
    async with meet.crowd() as crowd:
        room = meet.room("flood")
        bob = await crowd.person("Bob")
        for _ in range(4):
            assert (await bob.join(room)).shown == "retry"
        await opened(crowd, room)
        assert (await inside(crowd, room, "Carol")).occupants(room)
        assert (await bob.enter(room, SECRET)).joined
