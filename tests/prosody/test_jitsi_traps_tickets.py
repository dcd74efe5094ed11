"""Tickets: forged, foreign, overlong, in two tabs, and after a removal."""

import pytest
from jitsi_traps import opened
from lab.jitsi_meeting import inside
from lab.meet import MEET_SERVICE
from lab.outcome import REMOVALS
from lab.policy import PRESET, SECRET

POLICY = MEET_SERVICE + PRESET
STRANGER = ("prompt", "lobby")


def moderates(person, room):
    return person.occupants(room)[person.nick]["affiliation"] == "owner"


@pytest.mark.parametrize(
    "forged",
    [
        "vt-AAAAAAAAAAAAAAAAAAAAAAAA",
        "vt-",
        "vt-" + "x" * 5000,
        "vt-a b",
        "VT-AAAAAAAAAAAAAAAAAAAAAAAA",
        "6b3a55e0-8d2c-4a0f-9d7c-1f0e6a2f9b11",
        "']<a xmlns='x'/>&\u2028",
    ],
)
async def test_a_ticket_that_nobody_was_given_opens_nothing(meet, forged):
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        eve = await crowd.person("Eve", storage={"machine-uid": "0" * 32, "session-id": forged})
        assert (await eve.enter(room)).shown in STRANGER
        assert eve.storage["session-id"].startswith("vt-")
        assert len(eve.storage["session-id"]) <= 64
        assert (await eve.enter(room, SECRET)).joined
        assert not moderates(eve, room)


async def test_a_ticket_is_good_for_the_room_where_it_was_earned(meet):
    async with meet.crowd() as crowd:
        alice = await opened(crowd, meet.room())
        other = meet.room()
        await opened(crowd, other, "Bob")
        assert (await alice.enter(other)).shown in STRANGER
        again = await crowd.reload(alice)
        assert (await again.enter(other)).shown in STRANGER


async def test_every_browser_has_a_ticket_of_its_own(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        people = [await opened(crowd, room)]
        people += [await inside(crowd, room, name) for name in ("Bob", "Carol")]
        assert len({person.storage["session-id"] for person in people}) == 3


async def test_a_mark_of_the_browser_is_no_ticket(meet):
    """Everybody who was ever asked by the same service can know it."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        eve = await crowd.person("Eve", storage={"machine-uid": alice.storage["machine-uid"]})
        assert (await eve.enter(room)).shown in STRANGER


async def test_a_ticket_is_good_in_the_browser_to_which_it_was_given(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        stolen = {**alice.storage, "machine-uid": "0" * 32}
        eve = await crowd.person("Eve", storage=stolen)
        assert (await eve.enter(room)).shown in STRANGER
        assert (await eve.enter(room, SECRET)).joined
        assert not moderates(eve, room)
        nobody = await crowd.person("Nobody", storage={**stolen, "machine-uid": ""})
        assert (await nobody.enter(room)).shown in STRANGER


async def test_two_tabs_with_one_ticket_are_both_in_and_neither_is_put_out(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        tab = await crowd.person("Alice", storage=alice.storage)
        outcome = await tab.enter(room)
        assert outcome.joined, outcome
        assert moderates(tab, room)
        await alice.ping()
        assert moderates(alice, room) and tab.nick in alice.occupants(room)
        await tab.depart(room)
        assert not (await alice.lock_room(room, "nine wide copper kettles")).error
        await alice.depart(room)
        again = await crowd.reload(alice)
        assert (await again.enter(room)).joined


async def test_a_ticket_brings_nobody_back_who_was_removed(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        eve = await inside(crowd, room, "Eve")
        assert not (await alice.set_role(room, eve.nick, "none")).error
        await eve.wait_for(lambda seen: 307 in seen.statuses)
        assert not (await eve.enter(room)).joined
        again = await crowd.reload(eve)
        assert not (await again.enter(room)).joined


async def test_a_moderator_who_was_removed_has_lost_his_rights_with_the_ticket(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        eve = await inside(crowd, room, "Eve")
        assert not (await alice.set_affiliation(room, eve.bare, "owner")).error
        await eve.wait_for(lambda seen: seen.nick == eve.nick and seen.item.get("role") == "moderator")
        assert not (await alice.set_affiliation(room, eve.bare, "none")).error
        await alice.set_role(room, eve.nick, "none")  # a members-only room has removed her already
        await eve.wait_for(lambda seen: seen.statuses & REMOVALS and 110 in seen.statuses)
        again = await crowd.reload(eve)
        outcome = await again.enter(room, SECRET)
        assert not outcome.joined or not moderates(again, room)


async def test_a_ticket_is_told_to_nobody_else(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob = await inside(crowd, room, "Bob")
        again = await crowd.reload(alice)
        assert (await again.enter(room)).joined
        ticket = alice.storage["session-id"]
        await meet.flushed()
        for person in (bob, crowd.focus):
            assert not [seen for seen in person.seen if ticket in repr(seen)]
        told = [meet.server.log(), meet.component.tail(10_000), str(meet.component.decisions())]
        assert not [text for text in told if ticket in text]
