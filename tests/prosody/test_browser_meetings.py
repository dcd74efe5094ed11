"""The real client at a room: it opens and moderates it, is asked for the password, and comes
back with the rights that it had."""

import asyncio

import pytest
from lab import Failed, needs_jitsi_plugins
from lab.browser_meeting import at
from lab.browser_person import JOINED
from lab.meet import MEET_SERVICE
from lab.policy import PRESET, SECRET, admission, rooms

BETTER = "nine wide copper kettles"
POLICY = (
    MEET_SERVICE + admission("password") + PRESET
    + rooms({
        "generated": 'password = { source = "generated" }',
        "topic": 'settings = { subject = "operator" }',
    })
    + """
[text]
language = "de"
[text.de]
setting-locked = "Sie dürfen {setting} nicht ändern."
settings = { subject = "das Thema" }
"""
)
PROMPT = "conference.passwordRequired"
# Who comes before the person for whom the focus has opened the room: Jitsi Meet joins again by itself.
AGAIN = "conference.connectionError.notAllowed"
TOLD = "Only you can see this. The password of this meeting is: "


async def told(person, since=0):
    """The password that the room tells this person, in the way of the system's messages."""
    message = await person.wait_for("conference.non_participant_message_received", since=since)
    said = message.params[1]
    assert said["type"] == "system_chat_message", said
    assert said["message"].startswith(TOLD), said
    return said["message"].removeprefix(TOLD).partition(" (")[0]


async def moderating(person, room):
    """Has somebody open the room; returns his nick."""
    assert (await person.join(room)).joined
    state = await person.state()
    assert state["moderator"]
    return state["id"]


@pytest.mark.parametrize("transport", ["websocket", "bosh"])
async def test_whoever_opens_a_room_moderates_it_and_is_told_its_password(meet, browser, transport):
    async with at(meet, browser) as visit:
        room = meet.room("generated")
        alice, bob = await visit.people("alice", "bob", transport=transport)
        me = await moderating(alice, room)
        became = await alice.wait_for("conference.roleChanged")
        assert became.params == [me, "moderator"]
        assert alice.seen.index(became) <= alice.seen.index(await alice.wait_for(JOINED))
        password = await told(alice)
        assert (await bob.join(room, password)).joined
        assert not (await bob.state())["moderator"]
        await alice.say("good morning")
        await bob.wait_for("conference.messageReceived", me, "good morning")
        # What the room tells one person is no message of anybody's, and nobody else hears it.
        assert not alice.events("conference.privateMessageReceived")
        assert not bob.events("conference.non_participant_message_received")


async def test_a_guest_is_prompted_in_every_tab_until_the_password_is_right(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob")
        await moderating(alice, room)
        assert (await bob.join(room)).error == PROMPT
        assert (await bob.join(room, "a wrong guess")).error == PROMPT
        tab = await visit.connect("bob", beside=bob)
        assert (await tab.join(room)).error == PROMPT
        assert not alice.events("conference.userJoined")
        assert (await bob.join(room, SECRET)).joined
        await alice.wait_for("conference.userJoined", (await bob.state())["id"])


async def test_a_moderator_who_reloads_is_a_moderator(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob", transport="bosh")
        before = await moderating(alice, room)
        assert (await bob.join(room, SECRET)).joined
        since = bob.mark()
        await alice.reload()
        await bob.wait_for("conference.userLeft", before, since=since)
        after = await moderating(alice, room)
        assert after != before
        await alice.kick((await bob.state())["id"])
        await bob.wait_for("conference.kicked")


async def test_the_password_cannot_be_removed_nor_be_weak(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob")
        await moderating(alice, room)
        with pytest.raises(Failed, match="not-acceptable(?s:.*)must have a password"):
            await alice.lock("")
        with pytest.raises(Failed, match="too easy to guess"):
            await alice.lock("password")
        assert (await alice.state())["locked"]
        assert (await bob.join(room)).error == PROMPT
        assert (await bob.join(room, "password")).error == PROMPT
        assert (await bob.join(room, SECRET)).joined


async def test_a_good_password_takes_the_place_of_the_old_one(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob", transport="bosh")
        await moderating(alice, room)
        await alice.lock(BETTER)
        assert (await bob.join(room)).error == PROMPT
        assert (await bob.join(room, SECRET)).error == PROMPT
        assert (await bob.join(room, BETTER)).joined
        assert (await alice.state())["locked"]


async def come(person, room):
    """A join as Jitsi Meet makes it."""
    answer = await person.join(room)
    for _ in range(3):
        if answer.error == AGAIN:
            await asyncio.sleep(0.5)
            answer = await person.join(room)
    return answer


async def test_of_two_who_come_at_the_same_moment_one_opens_and_one_is_prompted(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        people = await visit.people("alice", "bob")
        answers = await asyncio.gather(*(come(person, room) for person in people))
        assert sorted(answer.error for answer in answers) == ["", PROMPT], answers
        (opener,) = [person for person in people if person.events(JOINED)]
        assert (await opener.state())["moderator"]


async def test_a_second_tab_of_a_moderator_moderates_too(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice = await visit.connect("alice")
        me = await moderating(alice, room)
        tab = await visit.connect("alice", beside=alice)
        assert tab.jid != alice.jid
        again = await moderating(tab, room)
        await tab.close()
        await alice.wait_for("conference.userLeft", again)
        state = await alice.state()
        assert (state["id"], state["moderator"], state["joined"]) == (me, True, True)


async def test_who_was_removed_stays_out_after_a_reload(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob, zoe = await visit.people("alice", "bob", "zoe")
        await moderating(alice, room)
        for guest in (bob, zoe):
            assert (await guest.join(room, SECRET)).joined
        await alice.kick((await bob.state())["id"])
        await bob.wait_for("conference.kicked")
        await bob.reload()
        since = await bob.ask_to_join(room, SECRET)
        refused = await bob.wait_for("conference.failed", "conference.destroyed", since=since)
        assert refused.params[1].startswith("You were removed from this meeting."), refused
        assert not bob.events(JOINED, since)


@needs_jitsi_plugins
async def test_people_change_between_a_meeting_and_its_breakout_room_until_they_are_removed_there(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob", room=room)
        await moderating(alice, room)
        assert (await bob.join(room, SECRET)).joined
        small = await alice.breakout("Group one")
        for place in (small, room, small):
            await bob.leave()
            assert (await bob.join(place)).joined, "without a password"
        await bob.reload()
        assert (await bob.join(room)).joined, "by the ticket that is stored"
        await bob.leave()
        assert (await bob.join(small)).joined
        await alice.leave()
        await moderating(alice, small)
        await alice.kick((await bob.state())["id"])
        await bob.wait_for("conference.kicked")
        await bob.reload()
        since = await bob.ask_to_join(room, SECRET)
        refused = await bob.wait_for("conference.failed", "conference.destroyed", since=since)
        assert refused.params[1].startswith("You were removed from this meeting."), refused


async def test_who_is_removed_by_the_operator_reads_why_and_the_others_see_a_kick(meet, browser):
    async with at(meet, browser) as visit:
        room, reason = meet.room(), "Fire drill: please leave until 18:00."
        alice, bob = await visit.people("alice", "bob")
        await moderating(alice, room)
        assert (await bob.join(room, SECRET)).joined
        nick, since, before = (await bob.state())["id"], bob.mark(), alice.mark()
        bare = bob.jid.partition("/")[0]
        assert meet.component.run("remove", room, bare, "--reason", reason).returncode == 0
        await bob.wait_for("conference.failed", "conference.destroyed", reason.replace(":", "∶"), since=since)
        await alice.wait_for("conference.userLeft", nick, since=before)
        assert "307" in (await alice.hears("unavailable", before)).params[0]



@pytest.mark.parametrize("transport", ["websocket", "bosh"])
async def test_a_refused_setting_is_shown_in_the_default_language(meet, browser, transport):
    """The client says `en` over BOSH and nothing over WebSocket, whatever its user reads."""
    async with at(meet, browser) as visit:
        room = meet.room("topic")
        (alice,) = await visit.people("alice", transport=transport)
        await moderating(alice, room)
        since = alice.mark()
        await alice.subject("Coffee")
        shown = await alice.wait_for(
            "conference.error", "conference.chatError", "Sie dürfen das Thema nicht ändern.", since=since
        )
        assert shown
