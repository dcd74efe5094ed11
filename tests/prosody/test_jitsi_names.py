"""On Jitsi: nobody comes in, or goes on, under a name that is kept for somebody else."""

import pytest
from lab.jitsi_client import NICKNAME
from lab.jitsi_meeting import opened
from lab.meet import MEET_SERVICE
from lab.stanza import CLIENT, element

POLICY = f"""{MEET_SERVICE}
[policy.lobby]
admission = "open"
[policy.close]
hold_until = []
[policy.names]
reserved = ["focus", "Moderator"]
[[room]]
match = "unique-*"
names.unique = "everybody"
"""


async def take(person, room, name):
    """Says another name, as the web client does: in a presence with all the others."""
    presence = element(CLIENT, "presence", to=f"{room}/{person.nick}")
    presence.extend([element(NICKNAME, "nick", name), element(CLIENT, "audiomuted", "true")])
    person.send(presence)


@pytest.mark.parametrize("name", ["Moderator ", "M\u043eder\u0430tor", "Moderator\u3164", "\u202erotaredoM"])
async def test_a_reserved_name_is_refused_at_the_join_and_inside(meet, name):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        mallory = await crowd.person("Mallory")
        mallory.name = name
        refused = await mallory.enter(room)
        assert not refused.joined
        mallory.name = "Mallory"
        assert (await mallory.enter(room)).joined
        since, told = alice.mark(), mallory.mark()
        await take(mallory, room, name)
        await mallory.wait_for(lambda seen: "This name is reserved. Please choose another name." in repr(seen), since=told)
        seen = await alice.wait_for(lambda seen: seen.sender == f"{room}/{mallory.nick}", since=since)
        assert (seen.text(NICKNAME, "nick"), seen.text(CLIENT, "audiomuted")) == ("Mallory", "true")


async def test_a_second_one_of_the_same_name_is_refused_where_names_are_unique(meet):
    async with meet.crowd() as crowd:
        room = meet.room("unique")
        alice, _ = await opened(crowd, room)
        alice_again, mallory = await crowd.person("Alice"), await crowd.person("Mallory")
        alice_again.name = f"{alice.name.upper()} "
        assert not (await alice_again.enter(room)).joined
        assert (await mallory.enter(room)).joined
        told = mallory.mark()
        await take(mallory, room, alice.name)
        await mallory.wait_for(lambda seen: "choose another name" in repr(seen), since=told)
        since = alice.mark()
        await take(mallory, room, "Somebody else")
        seen = await alice.wait_for(lambda seen: seen.text(NICKNAME, "nick") == "Somebody else", since=since)
        assert seen.sender == f"{room}/{mallory.nick}"
        # From now on it is this name that nobody else may have.
        again, other = await crowd.person("SOMEBODY ELSE"), await crowd.person("Mallory")
        assert not (await again.enter(room)).joined
        assert (await other.enter(room)).joined
