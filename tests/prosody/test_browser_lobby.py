"""The real client at Jitsi's own lobby, under the policy."""

import asyncio

from lab import needs_jitsi_plugins
from lab.browser_meeting import at
from lab.browser_person import JOINED
from lab.meet import MEET_SERVICE
from lab.policy import PRESET, SECRET, rooms

pytestmark = needs_jitsi_plugins

POLICY = MEET_SERVICE + PRESET + '[policy.lobby]\nmax_knocks = 2\n' + rooms({
    "both": 'lobby = { admission = "password-and-lobby" }',
})
PROMPT = "conference.passwordRequired"
LOBBY = "conference.connectionError.membersOnly"
DENIED = "conference.connectionError.accessDenied"
KNOCKED = "conference.lobby.userJoined"


async def opened(visit, room, *names, **options):
    """The people of the visit; the first has opened the room."""
    people = await visit.people(*names, **options)
    assert (await people[0].join(room)).joined
    return people


async def knocking(guest, moderator, room, password=None):
    """Has somebody come to the room's lobby and knock; returns who that is to a moderator."""
    since = moderator.mark()
    refused = await guest.join(room, password, "Guest")
    lobby = f"{room.partition('@')[0]}@{moderator.server.lobby}"
    assert refused.params == [LOBBY, lobby], refused
    await guest.knock("Guest")
    return (await moderator.wait_for(KNOCKED, ..., "Guest", since=since)).params[0]


async def admitted(guest, moderator, room, password=None):
    """The same, and has him let in."""
    since = guest.mark()
    await moderator.approve(await knocking(guest, moderator, room, password))
    await guest.wait_for(JOINED, since=since)


async def test_who_was_let_in_comes_back_without_knocking(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await opened(visit, room, "alice", "bob")
        await admitted(bob, alice, room)
        await bob.reload()
        assert (await bob.join(room)).joined
        tab = await visit.connect("bob", beside=bob)
        assert (await tab.join(room)).joined
        assert not (await tab.state())["moderator"]
        assert len(alice.events(KNOCKED)) == 1


async def test_all_who_knock_at_once_are_seen_and_let_in(meet, browser):
    """Jitsi's rate limiter holds all but three a second at the lobby's door."""
    names = [f"guest-{number}" for number in range(5)]
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, *guests = await opened(visit, room, "alice", *names)
        await asyncio.gather(*(knocking(guest, alice, room) for guest in guests))
        async with asyncio.timeout(10):
            while len(alice.events(KNOCKED)) < len(guests):
                await asyncio.sleep(0.1)
        knocked = {event.params[0] for event in alice.events(KNOCKED)}
        assert len(knocked) == len(guests)
        for who in knocked:
            await alice.approve(who)
        for guest in guests:
            await guest.wait_for(JOINED)


async def test_who_is_turned_away_twice_is_told_to_wait(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await opened(visit, room, "alice", "bob")
        for _ in range(2):
            since = bob.mark()
            await alice.deny(await knocking(bob, alice, room))
            await bob.wait_for("conference.failed", DENIED, since=since)
        await bob.reload()
        since = await bob.ask_to_join(room, name="Guest")
        ended = await bob.wait_for("conference.failed", "conference.destroyed", since=since)
        assert ended.params[1].startswith("You have asked to join too often. Please try again in "), ended
        assert len(alice.events(KNOCKED)) == 2
        assert not bob.events(JOINED)


async def test_the_password_opens_the_door_as_well(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await opened(visit, room, "alice", "bob")
        assert (await bob.join(room, name="Bob")).error == LOBBY
        # The client shows the lobby still and "Invalid password" in it.
        assert (await bob.join(room, "a wrong guess")).error == LOBBY
        assert (await bob.join(room, SECRET)).joined
        assert not alice.events(KNOCKED)


async def test_after_a_wrong_password_one_may_still_knock(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await opened(visit, room, "alice", "bob")
        await admitted(bob, alice, room, "a wrong guess")


async def test_where_both_are_asked_for_the_prompt_comes_before_the_lobby(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room("both")
        alice, bob = await opened(visit, room, "alice", "bob", transport="bosh")
        assert (await bob.join(room)).error == PROMPT
        await admitted(bob, alice, room, SECRET)


async def test_the_lobby_cannot_be_switched_off(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await opened(visit, room, "alice", "bob")
        await alice.wait_for("conference.membersOnlyChanged", True)
        since = alice.mark()
        await alice.lobby(False)
        words = "The lobby cannot be turned off on this server."
        await alice.hears(words, since)
        await alice.wait_for("conference.messageReceived", None, words, since=since)
        assert (await alice.state())["membersOnly"]
        await admitted(bob, alice, room)
        assert not alice.events("conference.membersOnlyChanged", since)


async def test_of_two_who_come_at_the_same_moment_one_opens_and_one_knocks(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        people = await visit.people("alice", "bob")
        answers = await asyncio.gather(*(person.join(room, name="Somebody") for person in people))
        assert sorted(answer.error for answer in answers) == ["", LOBBY], answers
        opener, guest = sorted(people, key=lambda person: not person.events(JOINED))
        await admitted(guest, opener, room)
