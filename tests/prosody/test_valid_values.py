"""Values that a room would take and that harm it, or the server: each is refused by name, and the server goes on."""

import asyncio
from pathlib import Path

import pytest
from lab import SERVICE, Crowd
from lab.stanza import MUC_OWNER, element, submission

SERVICE_HOST = "conference.localhost"
SERVER = {
    "plugin_paths": [Path(__file__).parent / "modules"],
    "muc_options": {"modules_enabled": ["vestibule_gate", "lab_drift", "muc_mam"]},
}
POLICY = SERVICE + "\n[policy.access]\ncreate = ['guest', 'account']\n"
HISTORY = "muc#roomconfig_historylength"
DEFAULT_HISTORY = "muc#roomconfig_defaulthistorymessages"
WHOIS = "muc#roomconfig_whois"
PRESENCE = "muc#roomconfig_presencebroadcast"
PRIVATE = "muc#roomconfig_allowpm"
MODERATED = "muc#roomconfig_moderatedroom"
NAME, TOPIC, LANGUAGE = (f"muc#roomconfig_{name}" for name in ("roomname", "roomdesc", "lang"))
SECRET = "muc#roomconfig_roomsecret"
CONFIG = "http://jabber.org/protocol/muc#roomconfig"


async def opened(door, crowd, name="room"):
    """A room that a guest has opened, who is its owner, and somebody who is inside with them."""
    room, guest = await door.meeting(crowd, "guest.localhost", name=name)
    bob = await crowd.connect("bob@localhost")
    return room, guest, bob


async def goes_on(door, crowd, room, owner):
    """Others are answered at once, the room's form opens, and somebody can still come and speak."""
    other, elsewhere = await crowd.connect("dora@localhost"), door.room("elsewhere")
    assert (await asyncio.wait_for(other.join(elsewhere, "Dora"), 3)).joined
    since = other.mark()
    other.say(elsewhere, "hello")
    await other.wait_for(lambda seen: seen.body == "hello", seconds=3, since=since)
    since = owner.mark()
    owner.say(room, "still here")
    await owner.wait_for(lambda seen: seen.body == "still here", seconds=3, since=since)
    await asyncio.wait_for(owner.configuration(room), 3)
    assert not [line for line in door.server.complaints() if "traceback" in line.lower()]


NUMBERS = ["-1", "1e300", "1e9", "1000000000", "0x10", "nan", "-nan", "inf", "1.5", "", " 5", "5 ", "1001", "-0x1"]


@pytest.mark.parametrize("field", [HISTORY, DEFAULT_HISTORY])
async def test_a_history_of_an_odd_length_is_refused_by_name(door, field):
    async with Crowd(door.server) as crowd:
        room, guest, _ = await opened(door, crowd)
        before = await guest.configuration(room)
        for number in NUMBERS:
            reply = await guest.configure(room, {field: number})
            assert reply.error, number
            assert reply.error[:2] == ("modify", "not-acceptable"), (number, reply)
            assert field in reply.error[2], reply
        assert await guest.configuration(room) == before
        await goes_on(door, crowd, room, guest)
        for number in ("0", "5", "1000"):
            assert not (await guest.configure(room, {field: number})).error, number


ODD = [
    ({WHOIS: "nobody"}, WHOIS),
    ({WHOIS: ""}, WHOIS),
    ({WHOIS: []}, WHOIS),
    ({WHOIS: ["anyone", "moderators"]}, WHOIS),
    ({PRESENCE: []}, PRESENCE),
    ({PRESENCE: ["participant", "king"]}, PRESENCE),
    ({PRESENCE: ["participant", "participant"]}, PRESENCE),
    ({MODERATED: "yes"}, MODERATED),
    ({MODERATED: "TRUE"}, MODERATED),
    ({MODERATED: ["1", "0"]}, MODERATED),
    ({NAME: "n" * 1025}, NAME),
    ({NAME: ["one", "two"]}, NAME),
    ({NAME: "one\ntwo"}, NAME),
    ({NAME: "one\u2028two"}, NAME),
    ({NAME: "one\u0085two"}, NAME),
    ({SECRET: "one\ttwo"}, SECRET),
    ({TOPIC: "d" * 5000}, TOPIC),
    ({SECRET: "s" * 257}, SECRET),
    ({LANGUAGE: "no language"}, LANGUAGE),
    ({LANGUAGE: "de-"}, LANGUAGE),
    ({LANGUAGE: "-".join(["abcdefgh"] * 5)}, LANGUAGE),
    ({"x" * 300: "1"}, "x" * 256),
    ({"muc#roomconfig_unheard": "u" * 5000}, "muc#roomconfig_unheard"),
    ({"FORM_TYPE": "http://jabber.org/protocol/muc#register"}, "FORM_TYPE"),
    ({"FORM_TYPE": [CONFIG, CONFIG]}, "FORM_TYPE"),
]


async def test_what_no_field_takes_is_refused_by_name(door):
    async with Crowd(door.server) as crowd:
        room, guest, _ = await opened(door, crowd)
        before = await guest.configuration(room)
        odd = [*ODD, ({PRIVATE: "bogus"}, PRIVATE)] if PRIVATE in before else ODD
        for fields, named in odd:
            reply = await guest.configure(room, {TOPIC: "changed", **fields})
            assert reply.error, fields
            assert named in reply.error[2], reply
        assert await guest.configuration(room) == before
        await goes_on(door, crowd, room, guest)


async def test_what_a_field_takes_is_taken(door):
    async with Crowd(door.server) as crowd:
        room, guest, _ = await opened(door, crowd)
        fields = {
            WHOIS: "anyone",
            PRESENCE: ["moderator", "participant"],
            MODERATED: "true",
            NAME: "Tea, täglich",
            TOPIC: "d" * 4000,
            LANGUAGE: "de-CH-1996",
        }
        assert not (await guest.configure(room, fields)).error
        after = await guest.configuration(room)
        assert after[WHOIS] == "anyone" and after[MODERATED] == "1" and after[TOPIC] == fields[TOPIC]
        assert not (await guest.configure(room, {NAME: "", TOPIC: "", LANGUAGE: ""})).error
        assert not (await guest.configure(room, {**after, NAME: ""})).error
        assert (await guest.configuration(room))[MODERATED] == "1"


async def test_members_only_private_messages_are_refused_to_others_in_words(door, prosody_version):
    """Prosody 13 compares the role with a word that is none, and says nothing to whoever wrote."""
    if prosody_version != "13":
        pytest.skip("Prosody 0.12 has no such setting")
    async with Crowd(door.server) as crowd:
        room, guest, bob = await opened(door, crowd)
        secret = (await guest.configuration(room))[SECRET]
        assert (await bob.join(room, "Bob", secret)).joined
        assert not (await guest.configure(room, {PRIVATE: "affiliated"})).error
        bob.whisper(room, "Guest", "psst")
        refused = await bob.wait_for(lambda seen: seen.name == "message" and seen.error, seconds=3)
        assert refused.error[1] == "policy-violation"
        since = bob.mark()
        guest.whisper(room, "Bob", "hello")
        await bob.wait_for(lambda seen: seen.body == "hello", since=since)
        await goes_on(door, crowd, room, guest)


HISTORIES = [
    "maxstanzas='-1'",
    "maxstanzas='1e300'",
    "maxchars='-1e308'",
    "maxchars='nan' maxstanzas='0x7fffffffffffffff'",
    "seconds='-1e300'",
    "seconds='1e999'",
    "seconds='1.5'",
    "since='9999-99-99T99:99:99Z'",
    "since='0000-00-00T00:00:00+99:99'",
    "since='yesterday'",
    "since='2024-01-01T00:00:00.999999Z' seconds='9223372036854775808'",
]


async def test_whatever_history_a_join_asks_for_it_is_a_join(door):
    async with Crowd(door.server) as crowd:
        room, guest, bob = await opened(door, crowd)
        secret = (await guest.configuration(room))[SECRET]
        guest.say(room, "said before")
        await guest.wait_for(lambda seen: seen.body == "said before")
        for history in HISTORIES:
            since = bob.mark()
            bob.send_raw(
                f"<presence to='{room}/Bob'><x xmlns='http://jabber.org/protocol/muc'>"
                f"<history {history}/><password>{secret}</password></x></presence>"
            )
            assert (await bob.outcome(room, since)).joined, history
            await bob.leave(room, "Bob")
        await goes_on(door, crowd, room, guest)


async def test_what_was_stored_before_is_bounded(door):
    """A length that a room has from before is bounded when somebody speaks."""
    async with Crowd(door.server) as crowd:
        room, guest, _ = await opened(door, crowd)
        for length in ("-1", "1e300", "0.5"):
            stored = element("urn:lab", "drift", action="history", room=room, value=length)
            assert not (await guest.iq(SERVICE_HOST, "set", stored)).error
            await goes_on(door, crowd, room, guest)


@pytest.mark.parametrize(("language", "is_one"), [("de-AT", True), ("x" * 3000, False), ("no language", False)])
async def test_a_room_takes_the_language_of_its_opener_if_it_is_one(door, language, is_one):
    async with Crowd(door.server) as crowd:
        room, guest = door.room(), await crowd.connect("guest.localhost")
        since = guest.mark()
        join = f"<x xmlns='http://jabber.org/protocol/muc'/>"
        guest.send_raw(f"<presence to='{room}/Guest' xml:lang='{language}'>{join}</presence>")
        assert (await guest.outcome(room, since)).joined
        assert (await guest.configuration(room))[LANGUAGE] == (language if is_one else "")


async def test_an_overlong_subject_is_refused_by_name(door):
    async with Crowd(door.server) as crowd:
        room, guest, _ = await opened(door, crowd)
        guest.set_subject(room, "s" * 5000)
        refused = await guest.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert refused.error[1] == "not-acceptable" and "subject" in refused.error[2]
        since = guest.mark()
        guest.set_subject(room, "s" * 4000)
        await guest.wait_for(lambda seen: seen.subject == "s" * 4000, since=since)


async def test_the_end_of_a_room_says_only_what_was_read(door):
    async with Crowd(door.server) as crowd:
        room, guest, bob = await opened(door, crowd)
        secret = (await guest.configuration(room))[SECRET]
        assert (await bob.join(room, "Bob", secret)).joined
        for inside in (
            "<destroy jid='@@'/>",
            f"<destroy><reason>{'r' * 2000}</reason></destroy>",
            "<destroy><reason>a</reason><reason>b</reason></destroy>",
            "<destroy xmlns='urn:x'/>",
            "<destroy/><destroy/>",
        ):
            since = guest.mark()
            guest.send_raw(f"<iq type='set' to='{room}' id='end'><query xmlns='{MUC_OWNER}'>{inside}</query></iq>")
            assert (await guest.wait_for(lambda seen: seen.id == "end", since=since)).error, inside
        guest.send_raw(
            f"<iq type='set' to='{room}' id='end'><query xmlns='{MUC_OWNER}'><destroy jid='tea@elsewhere.localhost'>"
            "<reason>enough</reason><password>sesame</password><other>noise</other></destroy></query></iq>"
        )
        gone = await bob.wait_for(lambda seen: seen.type == "unavailable" and "destroy" in repr(seen))
        assert "enough" in repr(gone) and "tea@elsewhere.localhost" in repr(gone)
        assert "sesame" not in repr(gone) and "noise" not in repr(gone)


async def test_a_password_that_the_form_hides_is_not_taken_away_by_it(door):
    async with Crowd(door.server) as crowd:
        room, guest, bob = await opened(door, crowd)
        secret = (await guest.configuration(room))[SECRET]
        hidden = element("urn:lab", "drift", action="hide", room=room)
        assert not (await guest.iq(SERVICE_HOST, "set", hidden)).error
        shown = await guest.configuration(room)
        assert shown[SECRET] == ""
        for fields in ({**shown, NAME: "Tea"}, {SECRET: ""}, {SECRET: []}, {NAME: "Coffee"}):
            assert not (await guest.configure(room, fields)).error, fields
        assert (await guest.configuration(room))[NAME] == "Coffee"
        assert (await bob.join(room, "Bob", "wrong")).condition
        assert (await bob.join(room, "Bob", secret)).joined
        # Guessing it is a change as any other: the answer does not tell.
        assert not (await guest.configure(room, {SECRET: secret})).error
        await door.flushed()
        changes = [line for line in door.component.decisions() if line.get("room") == room]
        assert "password-set" in str(changes[-1]["facts"]), changes[-1]


async def test_a_form_that_is_not_read_is_refused_and_reported(door):
    async with Crowd(door.server) as crowd:
        room, guest, _ = await opened(door, crowd)
        assert (await guest.configure(room, {HISTORY: "-1"})).error
        query = element(MUC_OWNER, "query")
        query.append(submission({"FORM_TYPE": CONFIG, NAME: "Tea"}))
        query.append(submission({"FORM_TYPE": CONFIG, NAME: "Coffee"}))
        assert (await guest.iq(room, "set", query)).error
        await door.flushed()
        asked = [line for line in door.component.decisions() if line.get("room") == room]
        assert not [line for line in asked if line.get("kind") == "configure"]
