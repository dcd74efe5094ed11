"""On Jitsi: breakout rooms are open to those who came through the meeting's door, and to nobody else."""

import json
from pathlib import Path

from lab import needs_jitsi_plugins
from lab.jitsi_meeting import admit, inside, opened
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN
from lab.stanza import CLIENT, element

pytestmark = needs_jitsi_plugins
POLICY = f"""{MEET_SERVICE}
[[room]]
match = "password-*"
[room.lobby]
admission = "password"
"""
MEET = {"modules": ["lab_web_query"], "plugin_paths": [Path(__file__).parent / "modules"]}
BREAKOUT = f"breakout.{DOMAIN}"
JITMEET = "http://jitsi.org/jitmeet"


async def breakout(moderator, room):
    """Has a breakout room made, as Jitsi's client does; returns its address."""
    await visit(moderator, room)
    since = moderator.mark()
    message = element(CLIENT, "message", to=BREAKOUT)
    message.append(element(CLIENT, "breakout_rooms", type="features/breakout-rooms/add", subject="One"))
    moderator.send(message)
    return told(await moderator.wait_for(told, since=since))[0]


async def visit(person, room):
    """Has come by the room's address in the browser."""
    query = element("urn:lab:web-query", "room", room.partition("@")[0])
    assert (await person.iq(person.server.host, "set", query)).type == "result"


def told(seen):
    """The breakout rooms that this message tells of."""
    text = seen.text(JITMEET, "json-message") if seen.name == "message" else None
    news = json.loads(text) if text else {}
    rooms = news.get("rooms", {}).values() if news.get("type") == "breakout_rooms" else ()
    return [each["jid"] for each in rooms if not each.get("isMainRoom")]


async def test_those_who_were_admitted_go_in_without_a_password(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        bob = await crowd.person("Bob")
        stopped = await bob.enter(room)
        assert (await bob.knock(stopped.lobby)).joined
        lobby = await alice.attend_lobby(room)
        await admit(alice, room, lobby, bob)
        small = await breakout(alice, room)
        await bob.depart(room)
        assert (await bob.enter(small)).joined
        await alice.depart(room)
        assert (await alice.enter(small)).joined
        assert alice.occupants(small)[alice.nick]["role"] == "moderator"
        assert alice.occupants(small)[bob.nick]["role"] == "participant"
        await bob.depart(small)
        assert (await bob.enter(room)).joined, "and back, as somebody who was let in before"
        assert all("vt-" not in str(request) for request in crowd.focus.requests)


async def test_nobody_else_goes_in(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        small = await breakout(alice, room)
        stranger, knocker = await crowd.persons("Stranger", "Knocker")
        assert (await stranger.enter(small)).shown == "reservation", "the focus is not even asked"
        assert (await stranger.join(small)).shown == "retry", "so the room is not there"
        stopped = await knocker.enter(room)
        assert (await knocker.knock(stopped.lobby)).joined
        assert (await knocker.enter(small)).shown == "reservation", "who waits is not in"
        await crowd.focus.open_unasked(small)
        assert (await stranger.join(small)).shown == (await knocker.join(small)).shown == "not-allowed"
        invented = f"11111111-2222-3333-4444-555555555555@{BREAKOUT}"
        assert not (await stranger.join(invented, seconds=1)).joined
        stopped = await knocker.enter(room)
        alice.approve(room, await alice.knocker(await alice.attend_lobby(room), knocker.nick))
        assert (await knocker.admitted(room)).joined
        await knocker.depart(room)
        assert (await knocker.enter(small)).joined, "the same one, once he was let in"


async def test_only_a_moderator_makes_them(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        bob = await inside(crowd, room, "Bob", password=password)
        await visit(bob, room)
        since = bob.mark()
        message = element(CLIENT, "message", to=BREAKOUT)
        message.append(element(CLIENT, "breakout_rooms", type="features/breakout-rooms/add"))
        bob.send(message)
        await bob.ping()
        small = await breakout(alice, room)
        assert told(await bob.wait_for(told, since=since)) == [small]


async def kicked(alice, bob, room):
    """Alice removes Bob from the meeting."""
    since = bob.mark()
    assert not (await alice.set_role(room, bob.nick, "none", "out")).error
    await bob.wait_for(lambda seen: seen.room == room and 307 in seen.statuses, since=since)


async def test_who_was_removed_is_removed_from_breakout_rooms_where_there_is_a_lobby(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        bob, carol = await crowd.persons("Bob", "Carol")
        for person in (bob, carol):
            assert (await person.enter(room, password)).joined
        small = await breakout(alice, room)
        await kicked(alice, bob, room)
        await carol.depart(room)
        assert (await carol.enter(small)).joined
        assert (await bob.enter(small)).condition == "registration-required"
        again = await crowd.reload(bob)
        assert (await again.join(small)).shown == "not-allowed"
        assert set(carol.occupants(small)) == {"focus", carol.nick}


async def test_without_a_lobby_who_was_removed_has_the_breakout_rooms_left(meet):
    """A limit: that service asks whether the session was ever in the meeting, not whether it may still be."""
    async with meet.crowd() as crowd:
        room = meet.room("password")
        alice, password = await opened(crowd, room)
        bob, carol = await crowd.persons("Bob", "Carol")
        for person in (bob, carol):
            assert (await person.enter(room, password)).joined
        small = await breakout(alice, room)
        await carol.depart(room)
        assert (await carol.enter(small)).joined
        await kicked(alice, bob, room)
        assert (await bob.enter(small)).joined
        again = await crowd.reload(bob)
        assert (await again.join(small)).shown == "not-allowed", "only by the connection that was in"


async def test_whoever_goes_alone_into_a_breakout_room_ends_the_meeting(meet):
    """A limit: Jitsi's persistent_lobby takes an empty meeting for the end of it, breakout rooms or not."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        small = await breakout(alice, room)
        await alice.depart(room)
        assert (await alice.join(room)).shown == "retry", "it is gone"
        assert not (await alice.join(small, seconds=1)).joined
