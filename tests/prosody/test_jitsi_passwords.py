"""Passwords on Jitsi: guessing, choosing, and why a moderator cannot do without one."""

import pytest
from lab import Crowd
from lab.jitsi_meeting import at_the_door, opened
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN
from lab.policy import PRESET, SECRET, rooms

MEET = {"accounts": True}
POLICY = MEET_SERVICE + PRESET + rooms({
    "locked": 'password = { change = "nobody" }',
    "guessed": 'lobby = { admission = "password" }\npassword = { guesses = { burst = 1, delay = "1 minute" } }',
    "chosen": 'password = { source = "creator" }',
})


async def test_whoever_guesses_is_told_how_long_to_wait(meet):
    """Reloading does not help: the browser keeps its ticket."""
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room("guessed")
        await opened(crowd, room)
        jitsi = await crowd.person("Jitsi")
        plain = await others.connect(f"guesser@{DOMAIN}")
        assert (await jitsi.enter(room, "a wrong guess")).shown == "prompt"
        assert (await plain.join(room, "Plain", "a wrong guess")).condition == "not-authorized"
        for typed in ("a wrong guess", SECRET):
            jitsi = await crowd.reload(jitsi)
            refused = await jitsi.enter(room, typed)
            assert refused.shown == "destroyed" and "Too many wrong passwords" in refused.text
            answer = await plain.join(room, "Plain", typed)
            assert (answer.type, answer.condition) == ("wait", "resource-constraint")
            assert "try again in" in answer.text and "second" in answer.text
        assert len(await meet.decisions(kind="join", room=room, denial="too-many-guesses")) == 4


@pytest.mark.parametrize(
    ("name", "password", "words"),
    [
        ("room", "", "You can change it, but not remove it"),
        ("room", "1234", "This password is too easy to guess. Use at least 8 characters"),
        ("room", "password1", "This password is too easy to guess."),
        ("locked", "twelve slow violet ferries", "set by the server and cannot be changed"),
    ],
)
async def test_a_moderator_is_told_why_the_password_stays(meet, name, password, words):
    async with meet.crowd() as crowd:
        room = meet.room(name)
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        reply = await alice.lock_room(room, password)
        assert reply.error and words in reply.error[2], reply
        weak = ("auth", "not-authorized") if "guess" in words else ("cancel", "not-acceptable")
        assert reply.error[:2] == weak
        bob = await crowd.person("Bob")
        assert (await bob.enter(room, password or None)).shown != "joined"
        assert (await bob.enter(room, SECRET)).joined


async def test_whoever_opens_a_room_chooses_its_password_inside(meet):
    """The focus cannot be asked for one, so the room has another until then."""
    async with meet.crowd() as crowd:
        room = meet.room("chosen")
        alice, first = await opened(crowd, room)
        bob, carol = await crowd.persons("Bob", "Carol")
        assert (await bob.enter(room)).shown == at_the_door(meet.server)
        assert (await alice.lock_room(room, "12")).error
        assert (await bob.enter(room, "12")).shown == at_the_door(meet.server)
        assert not (await alice.lock_room(room, SECRET)).error
        assert (await bob.enter(room, SECRET)).joined
        assert first != SECRET and (await carol.enter(room, first)).shown == "prompt"
