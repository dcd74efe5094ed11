"""On Jitsi: what the server tells people pops up in their client, a password is for the chat alone, and what an operator
adds is in the reason of a refusal."""

import json

from lab import Crowd
from lab.jitsi_meeting import inside, opened, popped_up
from lab.jitsi_outcome import DISPLAY_NAME
from lab.meet import MEET_SERVICE

POLICY = f"""{MEET_SERVICE}
[policy.lobby]
admission = "password"
[text]
language = "de"
[text.de]
notice-enter = "Willkommen in {{room}}, {{nick}}."
notice-moderate = "Bitte nicht weitersagen."
notice-refused = "Fragen Sie nach {{rule}}."
gate-chat = "Hier schreibt niemand."
[[room]]
match = "silent-*"
permissions = {{ chat = [] }}
[[room]]
match = "titled-*"
settings = {{ subject = "nobody" }}
"""


POINTER = "The chat shows the password of this meeting, to you alone."


def system(person, room):
    """The messages of the system that somebody was told by the room, as his client reads them."""
    told = [seen.find("http://jitsi.org/jitmeet", "json-message") for seen in person.seen if seen.sender == room]
    contents = [json.loads(each.text) for each in told if each is not None]
    return [content["message"] for content in contents if content["type"] == "system_chat_message"]


async def test_what_people_are_told_pops_up(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        bob = await inside(crowd, room, "Bob", password=password)
        name = room.partition("@")[0]
        await bob.wait_for(lambda seen: seen.body == f"Willkommen in {name}, Bob.")
        await bob.ping()
        assert popped_up(bob, room) == [f"Willkommen in {name}, Bob."] and system(bob, room) == []
        await alice.ping()
        told = popped_up(alice, room)
        assert f"Willkommen in {name}, Alice." in told and "Bitte nicht weitersagen." in told
        assert not any("Bob" in words for words in told)
        assert system(crowd.focus, room) == popped_up(crowd.focus, room) == []


async def test_the_password_is_in_the_chat_alone_and_the_pop_up_points_there(meet):
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room()
        alice, password = await opened(crowd, room)
        await alice.wait_for(lambda seen: seen.body == POINTER)
        secret = [words for words in system(alice, room) if password in words]
        assert len(secret) == 1 and popped_up(alice, room).count(POINTER) == 1
        assert not any(password in words for words in popped_up(alice, room))
        alice.say(room, "!password")
        await alice.ping()
        await alice.wait_for(lambda seen: system(alice, room).count(secret[0]) == 2)
        assert popped_up(alice, room).count(POINTER) == 1, "the chat is open where it was typed"
        plain = await others.connect(meet.server.guests)
        assert (await plain.join(room, "Plain", password)).joined
        name = room.partition("@")[0]
        told = await plain.wait_for(lambda seen: seen.body == f"Willkommen in {name}, Plain.")
        assert told.type == "groupchat" and told.find(DISPLAY_NAME, "display-name") is None


async def test_a_subject_that_stays_says_so(meet):
    async with meet.crowd() as crowd:
        room = meet.room("titled")
        alice, _ = await opened(crowd, room)
        since = alice.mark()
        alice.set_subject(room, "Mine")
        refused = await alice.wait_for(lambda seen: seen.name == "message" and seen.error, since=since)
        await alice.ping()
        assert refused.error[2] and popped_up(alice, room, since) == [refused.error[2]]
        assert (await meet.decision(room=room, kind="configure", jid=alice.bare))["rule"] == "settings.subject"


async def test_the_reason_that_is_shown_has_words_beside(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        alice.say(room, "!close")
        await alice.wait_for(lambda seen: seen.body and "closed" in seen.body)
        bob = await crowd.person("Bob")
        refused = await bob.enter(room, password)
        assert refused.shown == "destroyed", refused
        assert refused.text == "This meeting is closed to new participants. Fragen Sie nach close.by."


async def test_the_gate_refuses_in_the_operator_s_words(meet):
    async with meet.crowd() as crowd:
        room = meet.room("silent")
        alice, _ = await opened(crowd, room)
        alice.say(room, "hello")
        refused = await alice.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert refused.error[2] == "Hier schreibt niemand."
