"""Nobody is in a room before its policy is: nothing of a room reaches a stranger."""

import asyncio

import pytest
from lab import SERVICE, Crowd
from lab.knocking import is_invitation, knock, knocking
from lab.policy import PRESET, SECRET, rooms
from lab.stanza import MUC_ADMIN, MUC_OWNER, element

SERVER = {"muc_options": {"modules_enabled": ["vestibule_gate", "muc_mam"]}}
POLICY = SERVICE + PRESET + rooms({
    mode: f'lobby = {{ admission = "{mode}" }}' for mode in ("password", "password-and-lobby", "lobby")
})
DISCO = "http://jabber.org/protocol/disco"
TALK = "the secret of the meeting"
MAM = ["urn:xmpp:mam:2", "urn:xmpp:mam:1", "urn:xmpp:mam:0"]


async def meeting(crowd, door, name="room"):
    """A room with talk, a subject and two people in it."""
    room, alice = await door.meeting(crowd, "alice@localhost", name=name)
    alice.set_subject(room, TALK)
    alice.say(room, TALK)
    await alice.wait_for(lambda seen: seen.body == TALK)
    return room, alice


def leaks(person, room, since=0):
    """What this person was sent of the room, errors to what he sent himself aside."""
    return [
        seen
        for seen in person.seen[since:]
        if seen.room == room and seen.type not in ("error", "result") and not is_invitation(seen, room)
    ]


@pytest.mark.parametrize("name", ["room", "password", "password-and-lobby", "lobby"])
@pytest.mark.parametrize("typed", [None, "wrong", SECRET])
async def test_whoever_is_outside_receives_nothing_of_the_room(door, name, typed):
    async with Crowd(door.server) as crowd:
        room, alice = await meeting(crowd, door, name)
        guest = await crowd.connect("guest.localhost")
        outcome = await guest.join(room, "Guest", typed)
        alice.say(room, TALK)
        alice.whisper(room, "Guest", TALK)
        alice.set_subject(room, "another")
        await alice.set_affiliation(room, "somebody@localhost", "member")
        await alice.ping()
        await guest.ping()
        if outcome.joined:
            assert (name, typed) in {("room", SECRET), ("password", SECRET)}
            assert leaks(guest, room)
        else:
            assert leaks(guest, room) == []
            assert "Guest" not in alice.occupants(room)
            assert TALK not in "".join(map(repr, guest.seen))


async def test_whoever_waits_receives_nothing_until_he_is_let_in(door):
    async with Crowd(door.server) as crowd:
        room, alice = await meeting(crowd, door)
        guest = await knocking(crowd, room)
        await knock(alice, room, "Guest")
        for _ in range(3):
            alice.say(room, TALK)
            bob = await crowd.connect("bob@localhost")
            await bob.join(room, "Bob", SECRET)
            await bob.leave(room, "Bob")
        await guest.ping()
        assert [seen.type for seen in guest.seen if seen.room == room] == ["error"]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_stranger_can_read_nothing(door, waits):
    async with Crowd(door.server) as crowd:
        room, alice = await meeting(crowd, door)
        guest = await crowd.connect("guest.localhost")
        if waits:
            await guest.join(room, "Guest")
        archive = element(MAM[0], "query", queryid="q")
        assert not (await alice.iq(room, "set", archive)).error
        assert [seen for seen in alice.seen if seen.name == "message" and TALK in repr(seen)][1:]
        queries = [("get", element(f"{DISCO}#items", "query"))]
        queries += [("set", element(archive, "query", queryid="q")) for archive in MAM]
        queries += [("get", element(archive, "query")) for archive in MAM]
        queries += [("get", element(MAM[0], "metadata")), ("get", element("vcard-temp", "vCard"))]
        queries += [("get", element(MUC_OWNER, "query")), ("get", element("jabber:iq:last", "query"))]
        for affiliation in ("owner", "admin", "member", "outcast"):
            listing = element(MUC_ADMIN, "query")
            listing.append(element(MUC_ADMIN, "item", affiliation=affiliation))
            queries.append(("get", listing))
        for role in ("moderator", "participant", "visitor"):
            listing = element(MUC_ADMIN, "query")
            listing.append(element(MUC_ADMIN, "item", role=role))
            queries.append(("get", listing))
        for kind, query in queries:
            reply = await guest.iq(room, kind, query)
            text = repr(reply)
            assert "Alice" not in text and alice.bare not in text and TALK not in text, text
        assert leaks(guest, room) == []
        for to in (f"{room}/Alice", f"{room}/Nobody"):
            reply = await guest.iq(to, "get", element(f"{DISCO}#info", "query"))
            assert reply.error


async def test_disco_tells_a_stranger_neither_numbers_nor_names(door):
    async with Crowd(door.server) as crowd:
        room, alice = await meeting(crowd, door)
        await alice.configure(room, {"muc#roomconfig_roomname": TALK, "muc#roomconfig_roomdesc": TALK})
        guest = await crowd.connect("guest.localhost")
        outside = await guest.disco_info(room)
        assert outside.form is None and TALK not in repr(outside)
        inside = await alice.disco_info(room)
        assert inside.form["muc#roominfo_occupants"] == "1"
        assert TALK in repr(inside)


async def test_a_stranger_can_say_nothing(door):
    async with Crowd(door.server) as crowd:
        room, alice = await meeting(crowd, door)
        guest = await crowd.connect("guest.localhost")
        since = alice.mark()
        guest.say(room, "hello")
        guest.set_subject(room, "hello")
        guest.whisper(room, "Alice", "hello")
        guest.send_raw(f"<message to='{room}'><body>hello</body></message>")
        guest.send_raw(f"<message to='{room}/Alice' type='groupchat'><body>hello</body></message>")
        guest.send_raw(f"<presence to='{room}/Guest'><show>away</show></presence>")
        guest.send_raw(f"<presence to='{room}'/>")
        await guest.ping()
        await alice.ping()
        assert "hello" not in "".join(map(repr, alice.seen[since:]))
        assert "Guest" not in alice.occupants(room)
        assert leaks(guest, room) == []


async def test_a_room_that_nobody_opened_does_not_exist(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        guest = await crowd.connect("guest.localhost")
        for query in (element(f"{DISCO}#info", "query"), element(MUC_OWNER, "query")):
            assert (await guest.iq(room, "get", query)).error
        guest.say(room, "hello")
        await guest.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert door.component.run("room", room).returncode == 1


async def test_the_first_of_many_opens_and_the_rest_are_judged(door):
    """Early arrival is no bypass: of a hundred at once, one opens, and nobody slips in."""
    async with Crowd(door.server) as crowd:
        room = door.room()
        guests = await crowd.connect_many(["guest.localhost"] * 30)
        joins = (guest.join(room, f"G{number}") for number, guest in enumerate(guests))
        outcomes = await asyncio.gather(*joins)
        assert [outcome.joined for outcome in outcomes].count(True) == 1
        for guest, outcome in zip(guests, outcomes, strict=True):
            assert len(guest.answers(room)) == 1
            if not outcome.joined:
                assert outcome.condition == "registration-required"
                assert leaks(guest, room) == []
        opener = next(guest for guest, outcome in zip(guests, outcomes, strict=True) if outcome.joined)
        assert len(opener.occupants(room)) == 1
        assert len(await door.decisions(kind="open", room=room)) == 1


async def test_presets_are_in_force_before_the_opener_is_told(door):
    async with Crowd(door.server) as crowd:
        for name, members_only in (("room", False), ("lobby", True)):
            room, alice = await door.meeting(crowd, "alice@localhost", name=name)
            form = await alice.configuration(room)
            assert form["muc#roomconfig_roomsecret"] == SECRET
            assert (form["muc#roomconfig_membersonly"] == "1") == members_only
            assert form["muc#roomconfig_publicroom"] == "0"
            assert 104 not in {code for seen in alice.seen for code in seen.statuses}
