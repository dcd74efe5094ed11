"""On Jitsi: what an operator tells people beside comes as a private message of the system, and in the reason of a refusal."""

import json

from lab.jitsi_meeting import inside, opened
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
"""


def system(person, room):
    """The messages of the system that somebody was told by the room, as his client reads them."""
    told = [seen.find("http://jitsi.org/jitmeet", "json-message") for seen in person.seen if seen.sender == room]
    contents = [json.loads(each.text) for each in told if each is not None]
    return [content["message"] for content in contents if content["type"] == "system_chat_message"]


async def test_people_are_told_privately_by_the_system(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        bob = await inside(crowd, room, "Bob", password=password)
        name = room.partition("@")[0]
        await bob.wait_for(lambda seen: seen.body == f"Willkommen in {name}, Bob.")
        await bob.ping()
        assert system(bob, room) == [f"Willkommen in {name}, Bob."]
        await alice.ping()
        told = system(alice, room)
        assert f"Willkommen in {name}, Alice." in told and "Bitte nicht weitersagen." in told
        assert not any("Bob" in words for words in told)
        assert system(crowd.focus, room) == []


async def test_the_reason_that_is_shown_has_words_beside(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        alice.say(room, "!close")
        await alice.wait_for(lambda seen: seen.body and "closed" in seen.body)
        bob = await crowd.person("Bob")
        refused = await bob.enter(room, password)
        assert refused.shown in ("reservation", "destroyed"), refused
        assert refused.text == "This meeting is closed to new participants. Fragen Sie nach close.by."


async def test_the_gate_refuses_in_the_operator_s_words(meet):
    async with meet.crowd() as crowd:
        room = meet.room("silent")
        alice, _ = await opened(crowd, room)
        alice.say(room, "hello")
        refused = await alice.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert refused.error[2] == "Hier schreibt niemand."
