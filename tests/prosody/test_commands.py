"""The command line against the component at work."""

import asyncio
import json

import pytest
from lab import SERVICE, Crowd
from lab.knocking import invited, knocking, knocks
from lab.policy import OPERATOR, PRESET, SECRET, rooms
from lab.replies import read, say

POLICY = SERVICE + OPERATOR + PRESET + rooms({
    "derived": 'password = { source = "derived", secret = "0123456789abcdef0123456789abcdef" }',
    "daily": 'password = { source = "derived", secret = "0123456789abcdef0123456789abcdef", period = "1 day" }',
})


async def listed(door, room, occupants):
    """The room in the list, once so many are in it (None: once it is gone): reports take a moment."""
    while True:
        found = [each for each in read(door, "rooms") if each["room"] == room]
        if [each["occupants"] for each in found] == ([] if occupants is None else [occupants]):
            return found[0] if found else None
        await asyncio.sleep(0.01)


async def test_status_says_that_every_service_is_under_the_policy(door):
    assert "ready" in say(door, "status")
    status = read(door, "status")
    assert status["ready"] and status["linked"]
    (service,) = status["services"]
    assert service["domain"] == door.server.service
    assert door.server.version in service["server"]
    assert service["failure"] == "refuse"


async def test_status_counts_what_was_decided(door):
    async with Crowd(door.server) as crowd:
        before = read(door, "status")["decisions"]
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await crowd.connect("guest.localhost")
        await guest.join(room, "Guest", "wrong")
        await guest.join(room, "Guest")
        after = read(door, "status")["decisions"]
        grown = {name: after[name] - before[name] for name in ("allow", "prompt", "hold", "deny")}
        assert grown == {"allow": 2, "prompt": 1, "hold": 1, "deny": 0}


async def test_rooms_are_listed_while_they_are_open(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        mine = await listed(door, room, occupants=2)
        assert mine["opener"] == alice.bare and not mine["closed"]
        assert room in say(door, "rooms")
        await bob.leave(room, "Bob")
        await alice.leave(room, "Alice")
        await listed(door, room, occupants=None)
        assert room not in say(door, "rooms")


async def test_a_room_shows_who_is_inside_and_who_waits(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await knocking(crowd, room)
        shown = read(door, "room", room)
        inside = {who["nick"]: (who["jid"].partition("/")[0], who["role"]) for who in shown["occupants"]}
        assert inside == {"Alice": (alice.bare, "moderator"), "Bob": (bob.bare, "participant")}
        assert [who["nick"] for who in shown["waiting"]] == ["Guest"]
        assert shown["password"] and shown["opener"] == alice.bare
        words = say(door, "room", room)
        assert "Alice" in words and "waiting  Guest" in words
        assert SECRET not in words + json.dumps(shown)


async def test_a_room_is_closed_and_reopened(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await crowd.connect("guest.localhost")
        say(door, "close", room)
        await alice.wait_for(lambda seen: seen.sender == room and "closed" in (seen.body or ""))
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"
        assert read(door, "room", room)["closed"] == "command"
        assert "CLOSED" in say(door, "room", room)
        say(door, "reopen", room)
        assert (await guest.join(room, "Guest", SECRET)).joined
        assert not read(door, "room", room)["closed"]


async def test_a_room_is_ended_with_a_reason(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        say(door, "end", room, "--reason", "the hall is needed")
        for person in (alice, bob):
            await person.wait_for(lambda seen: seen.destroyed == "the hall is needed")
        say(door, "room", room, code=1)


async def test_somebody_who_waits_is_admitted(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await knocking(crowd, room)
        say(door, "admit", "--", room, guest.bare)
        await invited(guest, room)
        assert (await guest.join(room, "Guest")).joined
        assert len(knocks(alice, room)) == 1
        assert not read(door, "room", room)["waiting"]


async def test_somebody_who_waits_is_rejected(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await knocking(crowd, room)
        say(door, "reject", "--", room, guest.bare)
        told = await guest.wait_for(lambda seen: seen.name == "message" and seen.sender == room)
        assert "declined" in told.body
        assert not read(door, "room", room)["waiting"]
        assert (await guest.join(room, "Guest")).condition == "registration-required"


@pytest.mark.parametrize("verb", ["admit", "reject", "remove"])
async def test_an_address_may_begin_with_a_hyphen(door, verb):
    """As those of anonymous people often do."""
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        assert "nobody of that address" in say(door, verb, room, "-x1_y@guest.localhost", code=1)
        explained = say(door, "explain", "--live", "--room", room, "--jid", "-x1_y@guest.localhost")
        assert "lobby.admission" in explained


async def test_somebody_is_removed_with_a_reason(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        say(door, "remove", room, bob.bare, "--reason", "not invited")
        gone = await bob.wait_for(lambda seen: 307 in seen.statuses)
        assert gone.type == "unavailable" and "not invited" in repr(gone)
        await alice.wait_for(lambda seen: seen.nick == "Bob" and seen.type == "unavailable")
        assert [who["nick"] for who in read(door, "room", room)["occupants"]] == ["Alice"]
        back = await bob.join(room, "Bob", SECRET)
        assert (back.condition, "60 minutes" in back.text) == ("forbidden", True), back
        say(door, "admit", room, bob.bare)
        assert (await bob.join(room, "Bob", SECRET)).joined


async def test_live_explanations_equal_the_decision(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await crowd.connect("guest.localhost")
        for typed, word in ((None, "none"), ("wrong", "wrong"), (SECRET, "right")):
            asked = ["--room", room, f"--jid={guest.bare}", "--auth", "anonymous", "--password", word]
            asked += ["--address", "127.0.0.1"]
            explained = read(door, "explain", "--live", *asked)
            await guest.join(room, "Guest", typed)
            known = {"kind": "join", "room": room, "jid": guest.bare}
            decided = await door.decision(verdict=explained["verdict"], **known)
            for name in ("rule", "line", "class", "denial"):
                assert explained[name] == decided.get(name), name
        say(door, "close", room)
        asked = ["--room", room, "--jid", "new@localhost", "--password", "right"]
        explained = read(door, "explain", "--live", *asked)
        assert (explained["verdict"], explained["rule"]) == ("deny", "close.by")
        assert "close.by" in say(door, "explain", "--live", *asked)


async def test_a_derived_password_is_printed_for_its_period(door):
    config = ["--config", door.component.config_path]
    room = door.room("daily")
    days = [f"2027-03-0{day}T12:00:00Z" for day in (1, 1, 2)]
    first, again, next_day = (say(door, *config, "password", room, "--at", day) for day in days)
    assert first == again != next_day
    assert "2027-03-01T00:00:00Z" in first and "2027-03-02T00:00:00Z" in first
    assert "not derived" in say(door, *config, "password", door.room(), code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("close", "nowhere@conference.localhost"),
        ("reopen", "nowhere@conference.localhost"),
        ("end", "nowhere@conference.localhost"),
        ("room", "nowhere@conference.localhost"),
        ("room", "nowhere@elsewhere.localhost"),
        ("room", "conference.localhost"),
        ("admit", "nowhere@conference.localhost", "bob@localhost"),
        ("remove", "nowhere@conference.localhost", "not an address"),
    ],
)
async def test_what_cannot_be_done_is_said(door, arguments):
    said = say(door, *arguments, code=1)
    assert said.startswith("error: ")


async def test_a_bad_file_never_goes_live(door):
    async with Crowd(door.server) as crowd:
        revision = read(door, "status")["revision"]
        door.component.write_config(POLICY + "\n[policy.lobby]\nadmission = 'nobody'\n")
        try:
            assert "admission" in say(door, "reload", code=1)
            assert read(door, "status")["revision"] == revision
            await door.meeting(crowd, "alice@localhost", "bob@localhost")
        finally:
            door.enforce(POLICY)


async def test_an_operator_s_deeds_are_in_the_log(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        for arguments in (["close", room], ["reopen", room], ["remove", room, bob.bare], ["end", room]):
            say(door, *arguments)
            await door.decisions(event=arguments[0], room=room)
