"""On Jitsi: the focus opens the room, for whoever asked it, and the policy is there first."""

import asyncio
import json

from lab import needs_jitsi_plugins
from lab.jitsi_meeting import opened, vestibule
from lab.meet import MEET_SERVICE

POLICY = MEET_SERVICE


async def test_whoever_asked_the_focus_moderates_and_is_told_the_password(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        await alice.ping()
        assert len(password) > 15
        assert alice.occupants(room)[alice.nick]["affiliation"] == "owner"
        assert not crowd.focus.errors
        decision = await meet.decision(kind="open", room=room)
        assert decision["facts"]["on_behalf_of"]["jid"] == alice.bare


async def test_the_second_person_is_stopped_at_the_door(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        _, password = await opened(crowd, room)
        bob = await crowd.person("Bob")
        stopped = await bob.enter(room)
        assert stopped.shown == ("lobby" if meet.server.plugins else "prompt"), stopped
        assert (await bob.enter(room, "wrong")).shown == stopped.shown
        assert (await bob.enter(room, password)).joined
        assert bob.occupants(room)[bob.nick]["affiliation"] != "owner"


async def test_of_many_who_come_at_once_one_opens(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        people = await crowd.persons(*(f"Person {number}" for number in range(8)))
        outcomes = await asyncio.gather(*(person.enter(room) for person in people))
        shown = sorted(outcome.shown for outcome in outcomes)
        others = "lobby" if meet.server.plugins else "prompt"
        assert shown == sorted(["joined", *[others] * 7]), shown


async def test_a_moderator_who_reloads_keeps_his_rights(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        again = await crowd.reload(alice)
        assert again.bare != alice.bare
        outcome = await again.enter(room)
        assert outcome.joined, outcome
        assert again.occupants(room)[again.nick]["affiliation"] == "owner"
        for request in crowd.focus.requests:
            assert "vt-" not in str(request)


async def test_who_asks_for_a_room_and_never_comes_keeps_nobody_out(meet):
    async with meet.crowd() as crowd:
        mallory, bob = await crowd.persons("Mallory", "Bob")
        room = meet.room()

        async def asks_again():
            while True:
                await mallory.request(room)
                await asyncio.sleep(0.2)

        assert (await mallory.request(room)).kind == "ready"
        asks = asyncio.create_task(asks_again())
        came = await bob.enter(room)
        asks.cancel()
        assert came.joined and came.seconds < 4, came
        await bob.ping()
        assert bob.occupants(room)[bob.nick]["affiliation"] == "owner"


async def test_while_the_opener_is_awaited_a_wrong_password_is_one(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await crowd.persons("Alice", "Bob")
        assert (await alice.request(room)).kind == "ready"
        assert (await bob.request(room)).kind == "ready"
        assert (await bob.join(room)).shown == "retry"
        await bob.join(room, password="wrong")
        assert (await meet.decision(kind="join", room=room, verdict="prompt"))["denial"] == "password-wrong"
        assert (await alice.join(room)).joined


@needs_jitsi_plugins
async def test_the_lobby_is_there_before_anybody_is(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await crowd.persons("Alice", "Bob")
        await alice.request(room)
        stopped = await bob.enter(room, "a wrong password")
        assert stopped.shown == "lobby", stopped
        assert (await bob.knock(stopped.lobby)).joined
        assert (await alice.join(room)).joined
        lobby = await alice.attend_lobby(room)
        alice.approve(room, await alice.knocker(lobby, bob.nick))
        outcome = await bob.admitted(room)
        assert outcome.joined, outcome


async def test_a_live_explanation_is_the_decision(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        bob = await crowd.person("Bob")
        await bob.enter(room)
        decision = await meet.decision(kind="join", room=room, jid=bob.bare)
        asked = ["--room", room, "--jid", bob.bare, "--auth", "anonymous", "--jitsi", "--live"]
        explained = vestibule(meet, "explain", *asked)
        for what in ("verdict", "rule", "line"):
            assert explained[what] == decision[what], (explained, decision)


@needs_jitsi_plugins
async def test_a_bench_opens_its_rooms_by_the_focus(meet):
    async with meet.crowd():
        server = f"127.0.0.1:{meet.server.c2s_port}"
        short = ("--rate", "5", "--seconds", "1", "--sessions", "3", "--rooms", "2", "--yes", "--json")
        words = ("bench", "--config", meet.component.config_path, "--server", server, *short)
        done = await asyncio.to_thread(meet.component.run, *words)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["steps"][0]["joined"] == 5 and report["left"] == []
