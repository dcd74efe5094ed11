"""On Jitsi: who records and calls, whose client has to encrypt, and which media are moderated from the start."""

import json

import pytest
from lab.jitsi_client import NICKNAME
from lab.jitsi_meeting import opened, owner
from lab.jitsi_plugins import needs_jitsi_plugins
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN, RECORDER
from lab.policy import OPEN, rooms, trusted
from lab.process import ROOT
from lab.stanza import CLIENT, element

MODULES = ROOT / "tests/prosody/modules"
MEET = {"plugin_paths": [MODULES], "modules": ["lab_web_query"]}
POLICY = MEET_SERVICE + trusted(RECORDER) + OPEN + rooms({
    "all": 'permissions = { record = ["everyone"], dial = ["everyone"] }',
    "encrypted": 'permissions.e2ee = "require"',
    "sealed": 'permissions.e2ee = "require"\nlobby.admission = "password"',
    "told": 'permissions.e2ee = "prefer"',
    "apart": 'permissions.private = ["moderator"]',
    "unrecorded": 'permissions = { record = [], chat = ["moderator"], screen_share = [] }',
    "still": 'permissions = { chat = ["moderator"], rename = ["moderator"], audio = ["moderator"], screen_share = [] }',
})
JITSI = "http://jitsi.org/jitmeet"
JIBRI = "http://jitsi.org/protocol/jibri"
RAYO = "urn:xmpp:rayo:1"
MAY_NOT_RECORD = ("auth", "forbidden", "You cannot record, stream or transcribe this meeting.")
MAY_NOT_DIAL = ("auth", "forbidden", "You cannot call phone numbers from this meeting.")
ENCRYPTED = "This meeting is end-to-end encrypted, so it cannot be recorded or joined by phone."


def recording(action="start", **more):
    return element(JIBRI, "jibri", action=action, recording_mode="file", **more)


def call(to="tel:+12345"):
    return element(RAYO, "dial", to=to)


async def asked(crowd, person, room, payload):
    """Asks the focus for something; the error of the gate, or None when the focus heard of it."""
    since = crowd.focus.mark()
    reply = await person.iq(f"{room}/focus", "set", payload)
    await crowd.focus.ping()
    reached = any(seen.find(*payload.tag[1:].split("}")) is not None for seen in crowd.focus.seen[since:])
    if crowd.focus.is_stand_in:
        assert reached == (reply.error[1] == "feature-not-implemented"), "what it says of all of these"
    return None if reached else reply.error


async def two(crowd, room):
    """Alice, who has opened the room, and Bob."""
    alice = await crowd.person("Alice")
    assert (await alice.enter(room)).joined
    bob = await crowd.person("Bob")
    assert (await bob.enter(room)).joined
    return alice, bob


# Recorders and telephones


async def test_moderators_record_and_call_by_default(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        for payload in (recording(), recording("stop"), recording("START"), recording("?"), call("JITSI_meet_transcribe")):
            assert await asked(crowd, bob, room, payload) == MAY_NOT_RECORD, payload.attrib
            assert await asked(crowd, alice, room, payload) is None, payload.attrib
        for payload in (call(), recording(sipaddress="sip:door@example.org")):
            assert await asked(crowd, bob, room, payload) == MAY_NOT_DIAL, payload.attrib
            assert await asked(crowd, alice, room, payload) is None, payload.attrib
        assert await asked(crowd, bob, room, recording("status")) is None
        await meet.decision(room=room, jid=bob.bare, kind="record", rule="permissions.record")
        await meet.decision(room=room, jid=bob.bare, kind="dial", rule="permissions.dial")


async def test_two_requests_in_one_are_none(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        _, bob = await two(crowd, room)
        since = crowd.focus.mark()
        request = element(CLIENT, "iq", type="set", to=f"{room}/focus", id="two")
        request.extend([recording("status"), recording("start")])
        bob.send(request)
        answer = await bob.wait_for(lambda seen: seen.id == "two")
        assert answer.error[1] == "bad-request"
        await crowd.focus.ping()
        assert not [seen for seen in crowd.focus.seen[since:] if seen.find(JIBRI, "jibri") is not None]


async def transcribes(person, room, text=None, **data):
    """Says so in the room's metadata, or says the text; the error, or None when everybody is told."""
    await person.iq(DOMAIN, "set", element("urn:lab:web-query", "room", room.partition("@")[0]))
    since = person.mark()
    message = element(CLIENT, "message", to=f"metadata.{DOMAIN}", id=person.new_id())
    content = text or json.dumps({"key": "recording", "data": data or {"isTranscribingEnabled": True}})
    message.append(element(JITSI, "room_metadata", content, room=room))
    person.send(message)
    answer = await person.wait_for(lambda seen: seen.sender == message.get("to"), since=since)
    return answer.error


def metadata(person, room):
    """What somebody was told of recording in the metadata of the room, in order."""
    told = [seen.find(JITSI, "json-message") for seen in person.seen if seen.sender == f"metadata.{DOMAIN}"]
    contents = [json.loads(each.text) for each in told if each is not None and each.get("room") == room]
    return [content["metadata"]["recording"] for content in contents if "recording" in content["metadata"]]


@needs_jitsi_plugins
async def test_the_metadata_of_the_room_are_asked_about_like_a_recorder(meet):
    async with meet.crowd() as crowd:
        room, encrypted = meet.room(), meet.room("encrypted")
        alice, bob = await two(crowd, room)
        assert await transcribes(bob, room) == MAY_NOT_RECORD
        for wrong in ({"isTranscribingEnabled": "yes"}, {"other": True}):
            assert (await transcribes(alice, room, **wrong))[1] == "not-acceptable"
        # Other readers of JSON take this; and whoever may not record, says it so in vain.
        loose = '{"key": "recording", "data": {"isTranscribingEnabled": true}, "x": NaN}'
        assert (await transcribes(bob, room, loose))[1] == "not-acceptable"
        await bob.ping()
        assert metadata(bob, room) == []
        assert await transcribes(alice, room, isTranscribingEnabled=True, other="x") is None
        await bob.ping()
        assert metadata(bob, room) == [{"isTranscribingEnabled": True}]
        told = [(each["jid"], each["verdict"]) for each in await meet.decisions(room=room, kind="record")]
        assert [(jid.partition("/")[0], verdict) for jid, verdict in told] == [(bob.bare, "deny"), (alice.bare, "allow")]
        carol = await crowd.person("Carol")
        assert (await joins(carol, encrypted, "https://jitsi.org/meet/e2ee")).joined
        assert (await transcribes(carol, encrypted))[2] == ENCRYPTED
        assert metadata(carol, encrypted) == []
        assert await transcribes(carol, encrypted, isTranscribingEnabled=False) is None
        assert metadata(carol, encrypted) == [{"isTranscribingEnabled": False}]
        assert (await transcribes(carol, room))[1] == "not-acceptable", "she is not in it"


async def test_the_role_of_the_moment_counts(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        assert await asked(crowd, bob, room, recording()) == MAY_NOT_RECORD
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        assert await asked(crowd, bob, room, recording()) is None
        assert not (await alice.set_affiliation(room, bob.bare, "member")).error
        assert await asked(crowd, bob, room, recording()) == MAY_NOT_RECORD


async def test_everybody_may_where_the_file_says_so_and_nobody_from_outside(meet):
    async with meet.crowd() as crowd:
        room = meet.room("all")
        _, bob = await two(crowd, room)
        assert await asked(crowd, bob, room, recording()) is None
        assert await asked(crowd, bob, room, call()) is None
        stranger = await crowd.person("Mallory")
        reply = await stranger.iq(f"{room}/focus", "set", recording())
        assert reply.error
        assert not [seen for seen in crowd.focus.seen if "Mallory" in repr(seen)]


def buttons(person, room):
    """The features that a client has by its own presences, as it was told last; None if it was told nothing."""
    own = [seen for seen in person.seen if seen.name == "presence" and seen.sender == f"{room}/{person.nick}"]
    told = [seen.find(JITSI, "permissions") for seen in own]
    told = [each for each in told if each is not None]
    return {p.get("name"): p.get("val") == "true" for p in told[-1]} if told else None


async def until_buttons(person, room, **expected):
    expected = {name.replace("_", "-"): value for name, value in expected.items()}
    await person.ping()
    await person.ping()
    have = buttons(person, room) or {}
    assert {name: have.get(name) for name in expected} == expected, have


@needs_jitsi_plugins
async def test_a_button_that_may_not_be_pressed_is_grey(meet):
    async with meet.crowd() as crowd:
        room, other, encrypted = meet.room("unrecorded"), meet.room(), meet.room("encrypted")
        alice, bob = await two(crowd, room)
        carol, dora = await two(crowd, other)
        await until_buttons(carol, other, recording=True, livestreaming=True, outbound_call=True, send_groupchat=True)
        assert buttons(dora, other) is None
        grey = {"recording": False, "livestreaming": False, "transcription": False}
        await until_buttons(alice, room, **grey, outbound_call=True, send_groupchat=True, flip=True, screen_sharing=False)
        await until_buttons(bob, room, screen_sharing=False, recording=None)
        assert await asked(crowd, alice, room, recording()) == MAY_NOT_RECORD, "a button says no more than the policy does"
        # With the role and the permissions.
        for where, who, whom, recorded in ((room, alice, bob, False), (other, carol, dora, True)):
            assert not (await who.set_affiliation(where, whom.bare, "owner")).error
            await until_buttons(whom, where, recording=recorded, outbound_call=True, send_groupchat=True)
            assert not (await who.set_affiliation(where, whom.bare, "member")).error
            await until_buttons(whom, where, recording=None, outbound_call=None, send_groupchat=None)
        assert meet.component.run("suspend", other).returncode == 0
        await until_buttons(carol, other, recording=False, outbound_call=False, send_groupchat=True)
        assert meet.component.run("resume", other).returncode == 0
        await until_buttons(carol, other, recording=True, outbound_call=True, send_groupchat=True)
        assert buttons(bob, room)["screen-sharing"] is False
        for person in (alice, bob):
            assert set(person.occupants(room)) >= {alice.nick, bob.nick}, "nobody has left by it"
        eve = await crowd.person("Eve")
        assert (await joins(eve, encrypted, "https://jitsi.org/meet/e2ee")).joined
        await until_buttons(eve, encrypted, recording=False, outbound_call=False, send_groupchat=True)


# End-to-end encryption


async def joins(person, room, *features):
    """Enters as a client that says that it has these features."""
    assert (await person.request(room)).kind == "ready"
    said = element(CLIENT, "features")
    said.extend(element(CLIENT, "feature", var=feature) for feature in features)
    return await person.join(room, extra=[said])


async def test_only_clients_that_say_they_encrypt_come_in(meet):
    async with meet.crowd() as crowd:
        room = meet.room("encrypted")
        alice, bob, carol = await crowd.persons("Alice", "Bob", "Carol")
        opened_by = await joins(alice, room, "https://jitsi.org/meet/e2ee")
        assert opened_by.joined
        await alice.wait_for(lambda seen: seen.body and "nothing is recorded" in seen.body)
        for features in ([], ["https://jitsi.org/meet/e2ee/not"], ["e2ee"]):
            outcome = await joins(bob, room, *features)
            assert outcome.kind == "destroyed", outcome
            assert "end-to-end encrypted" in outcome.text
        assert (await joins(carol, room, "x", "https://jitsi.org/meet/e2ee")).joined
        await meet.decision(room=room, jid=bob.bare, rule="permissions.e2ee", denial="e2ee-needed")
        for payload in (recording(), call("jitsi_meet_transcribe"), call()):
            assert (await asked(crowd, alice, room, payload))[2] == ENCRYPTED
        assert await asked(crowd, alice, room, recording("stop")) is None
        told = [seen for seen in alice.seen if seen.body and "nothing is recorded" in seen.body]
        assert len(told) == 1


async def test_an_opener_who_is_refused_at_the_join_leaves_the_room_to_the_next(meet):
    """What a client can do is known at its join only; until then the room is kept for it."""
    async with meet.crowd() as crowd:
        room = meet.room("sealed")
        xaver, yara = await crowd.persons("Xaver", "Yara")
        assert (await joins(xaver, room)).kind == "destroyed"
        assert (await joins(xaver, room)).kind == "destroyed"
        assert (await joins(yara, room, "https://jitsi.org/meet/e2ee")).joined
        assert owner(yara, room) and len(await meet.decisions(kind="open", room=room)) == 1
        again = await crowd.reload(xaver)
        assert not (await joins(again, room, "https://jitsi.org/meet/e2ee")).joined, "nobody's place is kept"


async def test_moderators_are_told_who_cannot_encrypt(meet):
    async with meet.crowd() as crowd:
        room = meet.room("told")
        alice, bob, carol = await crowd.persons("Alice", "Bob\n\u202e {password}", "Carol")
        assert (await joins(alice, room, "https://jitsi.org/meet/e2ee")).joined
        assert (await joins(bob, room)).joined
        told = await alice.wait_for(lambda seen: seen.body and "end-to-end encryption" in seen.body)
        assert "Only moderators can see this. Bob  {password}'s client does not support" in told.body
        assert (await joins(carol, room, "https://jitsi.org/meet/e2ee")).joined
        await bob.ping()
        assert not [seen for seen in bob.seen if seen.body and "encrypt" in seen.body]
        await alice.ping()
        assert len([seen for seen in alice.seen if seen.body and "encrypt" in seen.body]) == 1


# What people say, and how they are called


async def test_an_error_is_shown_in_the_chat_and_a_name_stays(meet):
    async with meet.crowd() as crowd:
        room = meet.room("still")
        alice, bob = await two(crowd, room)
        bob.say(room, "hello")
        refused = await bob.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert refused.error == ("auth", "forbidden", "You cannot write in this meeting.")
        presence = element(CLIENT, "presence", to=f"{room}/{bob.nick}")
        presence.extend([element(NICKNAME, "nick", "Alice"), element(CLIENT, "audiomuted", "true")])
        since = alice.mark()
        bob.send(presence)
        seen = await alice.wait_for(lambda seen: seen.text(CLIENT, "audiomuted") == "true", since=since)
        assert seen.text(NICKNAME, "nick") == "Bob"
        await bob.wait_for(lambda seen: seen.body == "You cannot change your name in this meeting.")


async def writes(sender, to, text, **attributes):
    """Sends a message to an address past the room; the error, or None."""
    message = element(CLIENT, "message", to=to, id=sender.new_id(), type="chat", **attributes)
    message.append(element(CLIENT, "body", text))
    since = sender.mark()
    sender.send(message)
    await sender.ping()
    await sender.ping()
    errors = [seen.error for seen in sender.seen[since:] if seen.id == message.get("id") and seen.error]
    return errors[0] if errors else None


async def test_a_message_past_the_room_is_a_private_one_between_people_of_one_meeting(meet):
    async with meet.crowd() as crowd:
        apart, other = meet.room("apart"), meet.room()
        alice, bob = await two(crowd, apart)
        carol, dora = await two(crowd, other)
        for to in (alice.jid, alice.bare):
            refused = await writes(bob, to, "past the room")
            assert refused == ("auth", "forbidden", "You cannot send private messages in this meeting.")
        assert await writes(alice, bob.jid, "from a moderator") is None
        assert await writes(bob, carol.jid, "of another meeting") is None
        assert await writes(dora, carol.jid, "where it is free") is None
        await meet.decision(event="refused", room=apart)
        for person in (alice, bob, carol):
            await person.ping()
        assert [seen.body for seen in alice.seen if seen.body == "past the room"] == []
        assert [seen.body for seen in bob.seen if seen.body == "from a moderator"]
        assert {"of another meeting", "where it is free"} <= {seen.body for seen in carol.seen}
        assert meet.component.run("suspend", other).returncode == 0
        assert await writes(dora, carol.jid, "while it is suspended")
        await dora.depart(other)
        assert await writes(dora, carol.jid, "from outside") is None


# Media


def moderation(person, room):
    """What somebody was told of the moderation of media, in order."""
    told = [seen.find(JITSI, "json-message") for seen in person.seen if seen.sender == f"avmoderation.{DOMAIN}"]
    contents = [json.loads(each.text) for each in told if each is not None]
    return [content for content in contents if content["type"] == "av_moderation" and content["room"] == room]


def listed(focus, room, kind):
    """Who may send that medium, as the focus was told last."""
    lists = [content["whitelists"] for content in moderation(focus, room) if "whitelists" in content]
    return {each.rpartition("/")[2] for each in lists[-1].get(kind, [])} if lists else None


async def until_listed(meet, focus, room, kind, *people):
    await focus.ping()
    assert listed(focus, room, kind) == {person.nick for person in people}, moderation(focus, room)


@needs_jitsi_plugins
async def test_the_focus_knows_before_anybody_is_in_that_media_are_moderated(meet):
    async with meet.crowd() as crowd:
        room = meet.room("still")
        await crowd.focus.open_unasked(room)
        await crowd.focus.ping()
        told = moderation(crowd.focus, room)
        enabled = {content["mediaType"]: content for content in told if content.get("enabled")}
        assert set(enabled) == {"audio", "desktop"}
        assert enabled["audio"]["actor"] == f"{room}/focus"
        assert listed(crowd.focus, room, "audio") == set()


@needs_jitsi_plugins
async def test_where_everybody_may_nothing_is_moderated(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        _, bob = await two(crowd, room)
        assert moderation(crowd.focus, room) == []
        assert moderation(bob, room) == []


@needs_jitsi_plugins
async def test_whoever_moderates_may_speak_and_only_while_he_does(meet):
    async with meet.crowd() as crowd:
        room = meet.room("still")
        alice, bob = await two(crowd, room)
        await until_listed(meet, crowd.focus, room, "audio", alice)
        await until_listed(meet, crowd.focus, room, "desktop")
        assert {each["mediaType"] for each in moderation(bob, room) if each.get("enabled")} == {"audio", "desktop"}
        assert not any(each.get("approved") for each in moderation(bob, room))
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        await until_listed(meet, crowd.focus, room, "audio", alice, bob)
        await until_listed(meet, crowd.focus, room, "desktop")
        assert not (await alice.set_affiliation(room, bob.bare, "member")).error
        await until_listed(meet, crowd.focus, room, "audio", alice)
        await bob.ping()
        said = [each for each in moderation(bob, room) if each.get("approved") or each.get("removed")]
        # A moderator's client knows that they may, and would ask them to take part.
        assert [bool(each.get("approved")) for each in said if each["mediaType"] == "audio"] == [False]
        await alice.depart(room)
        await until_listed(meet, crowd.focus, room, "audio")


@needs_jitsi_plugins
async def test_a_moderator_lets_single_people_speak_and_cannot_end_the_moderation(meet):
    async with meet.crowd() as crowd:
        room = meet.room("still")
        alice, bob = await two(crowd, room)
        query = element("urn:lab:web-query", "room", room.partition("@")[0])
        await alice.iq(DOMAIN, "set", query)

        async def commands(**attributes):
            since = alice.mark()
            message = element(CLIENT, "message", to=f"avmoderation.{DOMAIN}", id=alice.new_id())
            message.append(element(CLIENT, "av_moderation", room=room, **attributes))
            alice.send(message)
            await alice.ping()
            await bob.ping()
            return [seen.error for seen in alice.seen[since:] if seen.error]

        refused = [("cancel", "not-acceptable", "Audio, video and screen sharing are controlled by this server.")]
        assert await commands(enable="false", mediaType="audio") == refused
        await until_listed(meet, crowd.focus, room, "audio", alice)
        assert await commands(jidToWhitelist=f"{room}/{bob.nick}", mediaType="desktop") == refused
        await until_listed(meet, crowd.focus, room, "desktop")
        told = await meet.decisions(event="refused", room=room)
        expected = {(alice.jid, "audio"), (alice.jid, "screen_share")}
        assert {(each["details"]["jid"], each["details"]["reason"]) for each in told} == expected
        assert await commands(jidToWhitelist=f"{room}/{bob.nick}", mediaType="audio") == []
        await until_listed(meet, crowd.focus, room, "audio", alice, bob)
        bob.say(room, "still no chat")
        await bob.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert await commands(enable="true", mediaType="video") == []
        assert await commands(enable="false", mediaType="video") == []


@needs_jitsi_plugins
@pytest.mark.parametrize("opener", ["Alice", None])
async def test_the_nick_of_somebody_who_left_is_nobody_s_permission(meet, opener):
    async with meet.crowd() as crowd:
        room = meet.room("still")
        alice, _ = await opened(crowd, room, opener)
        nick = alice.nick
        await until_listed(meet, crowd.focus, room, "audio", alice)
        bob = await crowd.person("Bob")
        assert (await bob.enter(room)).joined
        await alice.depart(room)
        await until_listed(meet, crowd.focus, room, "audio")
        bob.send(element(CLIENT, "presence", to=f"{room}/{nick}"))
        await bob.ping()
        await until_listed(meet, crowd.focus, room, "audio")


@needs_jitsi_plugins
async def test_a_tenant_s_room_is_named_as_its_people_know_it(meet):
    async with meet.crowd() as crowd:
        node = meet.room("still").partition("@")[0]
        room = f"{node}@conference.tenant.{DOMAIN}"
        alice, bob = await two(crowd, room)
        await until_listed(meet, crowd.focus, room, "audio", alice)
        (first, *_) = moderation(bob, room)
        assert (first["enabled"], first["actor"]) == (True, f"{room}/focus")
        bob.say(room, "hello")
        refused = await bob.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert refused.room == room
