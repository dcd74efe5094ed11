"""What an operator tells people beside: whoever comes in, moderates, waits, or may not come in; and the gate's own words."""

import asyncio

from lab import SERVICE, Crowd
from lab.policy import CHAIR, PRESET, SECRET, rooms
from lab.stanza import CLIENT, element

POLICY = (
    SERVICE + PRESET + CHAIR + '[policy.permissions]\nrename = ["moderator"]\n'
    + rooms({
        "lobby": 'lobby = { admission = "lobby" }',
        "password": 'lobby = { admission = "password" }',
        "silent": 'permissions = { chat = [] }',
        "untold": 'password = { show_to_moderators = false }',
    })
    + """
[text]
language = "de"
[text.de]
notice-enter = "Willkommen in {room}, {nick}."
notice-moderate = "Geben Sie {password} weiter."
notice-wait = "In {room} lässt man Sie ein ({rule})."
notice-password = "Es steht in der Einladung."
notice-refused = "Fragen Sie nach {rule}."
closed = "Zu."
gate-chat = "Hier schreibt niemand."
[text.fr]
notice-enter = "Bienvenue."
gate-chat = "Personne n'écrit ici."
[text.fr.settings]
name = "x"
"""
)


def told(person, room):
    """What the room has said to somebody alone or to all, in order."""
    return [seen.body for seen in person.seen if seen.sender == room and seen.body]


async def test_whoever_comes_in_is_told_in_his_language(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        name = room.partition("@")[0]
        for language, words in ((None, f"Willkommen in {name}, G {{password}}."), ("fr-CH", "Bienvenue."), ("es", f"Willkommen in {name}, Es.")):
            nick = {None: "G {password}", "es": "Es"}.get(language, "Fr")
            guest = await crowd.connect("guest.localhost", language=language)
            assert (await guest.join(room, nick, SECRET)).joined
            seen = await guest.wait_for(lambda seen, words=words: seen.body == words)
            assert seen.type == "groupchat" and seen.sender == room
            await guest.ping()
            assert told(guest, room) == [words]
        await alice.ping()
        assert told(alice, room)[0] == f"Willkommen in {name}, Alice."
        assert not any("Bienvenue" in words or "Es." in words for words in told(alice, room)), "the others' own"


async def test_moderators_are_told_more_and_nobody_else_the_password(door):
    async with Crowd(door.server) as crowd:
        for name, tells in (("room", True), ("untold", False)):
            room, alice = await door.meeting(crowd, "alice@localhost", name=name)
            chair = await crowd.connect("chair@localhost")
            bob = await crowd.connect("bob@localhost")
            assert (await chair.join(room, "Chair", SECRET)).joined
            assert (await bob.join(room, "Bob", SECRET)).joined
            for person in (alice, chair, bob):
                await person.ping()
            passing_on = f"Geben Sie {SECRET} weiter."
            assert (passing_on in told(alice, room), passing_on in told(chair, room)) == (tells, tells)
            assert not any(SECRET in (seen.body or "") for seen in bob.seen)
            await chair.disconnect()
            await alice.disconnect()


async def test_the_reason_for_waiting_or_not_coming_in_has_words_beside(door):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost", name="lobby")
        guest = await crowd.connect("guest.localhost")
        held = await guest.join(room, "Guest")
        name = room.partition("@")[0]
        assert held.text.startswith("You're in the lobby.")
        assert held.text.endswith(f"In {name} lässt man Sie ein (lobby.admission).")
        room, alice = await door.meeting(crowd, "alice@localhost", name="password")
        asked = await guest.join(room, "Guest")
        assert asked.text == "This meeting requires a password. Es steht in der Einladung."
        alice.say(room, "!close")
        await alice.wait_for(lambda seen: seen.body and "closed" in seen.body)
        refused = await guest.join(room, "Guest", SECRET)
        assert refused.text == "Zu. Fragen Sie nach close.by."
        # Whoever is inside and may not is told the reason alone.
        bob = await crowd.connect("bob@localhost")
        room, alice = await door.meeting(crowd, "alice@localhost")
        assert (await bob.join(room, "Bob", SECRET)).joined
        since = bob.mark()
        bob.say(room, "!close")
        refused = await bob.wait_for(lambda seen: seen.error, since=since)
        assert "Fragen" not in refused.error[2]


async def said_no(person, room):
    since = person.mark()
    person.say(room, "hello")
    return (await person.wait_for(lambda seen: seen.error, since=since)).error[2]


async def test_the_gate_has_the_operator_s_words(door):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost", name="silent")
        people = {}
        for language, words in ((None, "Hier schreibt niemand."), ("fr", "Personne n'écrit ici."), ("en-GB", "You cannot write in this meeting.")):
            person = await crowd.connect("guest.localhost", language=language)
            assert (await person.join(room, f"P{language}", SECRET)).joined
            people[person] = words
            assert await said_no(person, room) == words
        # What has no words of the operator's has those built in.
        (german, *_) = people
        german.send(element(CLIENT, "presence", to=f"{room}/Other"))
        refused = await german.wait_for(lambda seen: seen.name == "presence" and seen.error)
        assert refused.error[2] == "You cannot change your name in this meeting."
        # Another file has other words, and a gate whose component is away has them still.
        door.enforce(POLICY.replace("Hier schreibt niemand.", "Niemand schreibt hier."))
        # The gate is told once the file is in force.
        for _ in range(100):
            if await said_no(german, room) == "Niemand schreibt hier.":
                break
            await asyncio.sleep(0.02)
        door.component.kill()
        assert await said_no(german, room) == "Niemand schreibt hier."
        door.component.start()
        door.enforce(POLICY)


async def test_off_unless_written(door):
    async with Crowd(door.server) as crowd:
        door.enforce(POLICY.partition("[text]")[0])
        try:
            room, alice = await door.meeting(crowd, "alice@localhost")
            guest = await crowd.connect("guest.localhost", language="de")
            assert (await guest.join(room, "Guest", SECRET)).joined
            await guest.ping()
            assert told(guest, room) == []
            await alice.ping()
            assert len(told(alice, room)) == 1, "the password"
            await door.flushed()
        finally:
            door.enforce(POLICY)
