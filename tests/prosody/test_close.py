"""Closed rooms: nobody else may enter, on command, at a number, after a time, until."""

import asyncio

import pytest
from lab import SERVICE, Crowd
from lab.knocking import knock
from lab.policy import CHAIR, OPERATOR, PRESET, SECRET, rooms

POLICY = SERVICE + OPERATOR + PRESET + CHAIR + rooms({
    "two": 'close = { at_occupants = 2 }',
    "soon": 'close = { after = "1 second" }',
    "waiting": 'close = { hold_until = ["password", "moderator"] }\nmoderators = { assign = ["listed"] }',
    "shut": 'close = { may_enter = ["service"], moderators_enter = false }',
    "moment": 'removal = { keep_out_for = "never" }',
    "operators": 'close = { by = "operator", reopen = "nobody" }',
})
CLOSED = ("cancel", "not-allowed")


async def closed(door, crowd, name="room", who="alice@localhost"):
    """A room that its opener has closed, and the opener."""
    room = door.room(name)
    opener = await crowd.connect(who)
    await opener.join(room, "Opener", SECRET)
    await command(opener, room, "!close", "closed to new participants")
    return room, opener


async def command(person, room, word, reply):
    """Writes a word to the room and waits for what the room says to it."""
    since = person.mark()
    person.say(room, word)
    said = await person.wait_for(
        lambda seen: seen.sender == room and reply in (seen.body or ""), since=since
    )
    assert said.type == "groupchat"


async def test_a_moderator_closes_and_reopens_the_room(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await crowd.connect("guest.localhost")
        await command(alice, room, "!close", "closed to new participants")
        await bob.wait_for(lambda seen: seen.sender == room and "closed" in (seen.body or ""))
        refused = await guest.join(room, "Guest", SECRET)
        assert (refused.type, refused.condition) == CLOSED
        assert "closed" in refused.text
        await door.decision(kind="join", room=room, rule="close.by", denial="closed")
        assert "Bob" in alice.occupants(room)
        await command(alice, room, "!reopen", "open to new")
        assert (await guest.join(room, "Guest", SECRET)).joined
        words = [seen.body for seen in [*bob.seen, *guest.seen] if seen.body]
        assert not [word for word in words if word.startswith("!")]


async def test_who_may_enter_a_closed_room(door):
    async with Crowd(door.server) as crowd:
        room, _ = await closed(door, crowd)
        for jid, may in {"chair@localhost": True, "root@localhost": True, "bob@localhost": False}.items():
            person = await crowd.connect(jid)
            assert (await person.join(room, jid.partition("@")[0], SECRET)).joined == may, jid


async def test_whoever_was_inside_may_come_back(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        await command(alice, room, "!close", "closed to new participants")
        await bob.leave(room, "Bob")
        assert (await bob.join(room, "Bob", SECRET)).joined


async def test_a_room_can_be_shut_for_everybody(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="shut")
        await command(alice, room, "!close", "closed to new participants")
        await bob.leave(room, "Bob")
        for jid in ("bob@localhost", "chair@localhost", "root@localhost"):
            person = await crowd.connect(jid)
            outcome = await person.join(room, "Late", SECRET)
            assert (outcome.type, outcome.condition) == CLOSED, jid


async def test_a_removed_person_does_not_return_to_a_closed_room(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="moment")
        await command(alice, room, "!close", "closed to new participants")
        await alice.set_role(room, "Bob", "none")
        await bob.wait_for(lambda seen: 307 in seen.statuses)
        assert (await bob.join(room, "Bob", SECRET)).condition == "not-allowed"


async def test_only_those_whom_the_file_names_close_and_reopen(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="operators")
        root = await crowd.connect("root@localhost")
        bob = await crowd.connect("bob@localhost")
        await root.join(room, "Root")
        await bob.join(room, "Bob", SECRET)
        for person in (alice, bob):
            since = person.mark()
            person.say(room, "!close")
            await person.wait_for(lambda seen: (seen.error or ("",) * 2)[1] == "forbidden", since=since)
        await command(root, room, "!close", "closed to new participants")
        since = root.mark()
        root.say(room, "!reopen")
        await root.wait_for(lambda seen: (seen.error or ("",) * 2)[1] == "forbidden", since=since)
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"


async def test_unknown_words_are_explained_and_other_talk_passes(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        bob.say(room, "!clsoe")
        refused = await bob.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert "!close" in refused.error[2]
        await command(bob, room, "!help", "In this chat you can write !password")
        for talk in ("! close", "please !close", "!close it now", "!!"):
            bob.say(room, talk)
            await alice.wait_for(lambda seen: seen.body == talk)
        assert (await (await crowd.connect("guest.localhost")).join(room, "Guest", SECRET)).joined


async def test_the_room_closes_when_so_many_are_in(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="two")
        guest = await crowd.connect("guest.localhost")
        await alice.wait_for(lambda seen: seen.sender == room and "closed" in (seen.body or ""))
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"
        await door.decision(kind="join", room=room, rule="close.at_occupants", verdict="deny")
        await bob.leave(room, "Bob")
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"
        assert (await bob.join(room, "Bob")).joined


async def test_of_many_at_once_no_more_come_in(door):
    async with Crowd(door.server) as crowd:
        room = door.room("two")
        alice = await crowd.connect("alice@localhost")
        guests = await crowd.connect_many(["guest.localhost"] * 10)
        await alice.join(room, "Alice")
        joins = (guest.join(room, f"G{i}", SECRET) for i, guest in enumerate(guests))
        outcomes = await asyncio.gather(*joins)
        assert [outcome.joined for outcome in outcomes].count(True) == 1
        assert {outcome.condition for outcome in outcomes} == {"", "not-allowed"}


async def test_the_room_closes_after_its_time_and_reopens_for_as_long(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="soon")
        guest = await crowd.connect("guest.localhost")
        await asyncio.sleep(1.05)
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"
        await door.decision(kind="join", room=room, rule="close.after", verdict="deny")
        await command(alice, room, "!reopen", "open to new")
        assert (await guest.join(room, "Guest", SECRET)).joined


async def test_nobody_comes_in_before_a_moderator_is_there(door):
    async with Crowd(door.server) as crowd:
        room = door.room("waiting")
        early = await crowd.connect("early@localhost")
        bob = await crowd.connect("bob@localhost")
        chair = await crowd.connect("chair@localhost")
        first = await early.join(room, "Early", SECRET)
        assert not first.joined or first.presence.item["role"] == "participant"
        held = await bob.join(room, "Bob", SECRET)
        assert (held.type, held.condition) == ("auth", "registration-required")
        assert "not open yet" in held.text
        await door.decision(kind="join", room=room, rule="close.hold_until", verdict="hold")
        assert (await chair.join(room, "Chair")).joined
        await knock(chair, room, "Bob")
        assert (await bob.join(room, "Bob", SECRET)).joined


@pytest.mark.parametrize("word", ["!close", "!reopen", "!password"])
async def test_a_stranger_s_word_does_nothing(door, word):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        guest = await crowd.connect("guest.localhost")
        since = alice.mark()
        guest.say(room, word)
        await guest.wait_for(lambda seen: seen.name == "message" and seen.error)
        await alice.ping()
        assert not [seen for seen in alice.seen[since:] if seen.name == "message"]
        assert (await guest.join(room, "Guest", SECRET)).joined
