"""What people send to Jitsi's components: only what is named, only from inside the room, and as far as the file lets them."""

import asyncio
import json

import pytest
from lab.jitsi_meeting import vestibule
from lab.jitsi_plugins import needs_jitsi_plugins
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN
from lab.policy import OPEN, rooms
from lab.process import ROOT
from lab.stanza import CLIENT, element

pytestmark = needs_jitsi_plugins
MEET = {
    "plugin_paths": [ROOT / "tests/prosody/modules"],
    "modules": ["lab_web_query"],
    "muc_options": {"jitsi_default_permissions": dict.fromkeys(("file-upload", "create-polls", "live-translation"), True)},
    "extra_hosts": f"""
Component "files.{DOMAIN}" "filesharing_component"
\tmuc_component = "conference.{DOMAIN}"
Component "translation.{DOMAIN}" "audio_translation_component"
\tmuc_component = "conference.{DOMAIN}"
""",
}
POLICY = MEET_SERVICE + OPEN + rooms({
    "still": 'permissions = { chat = ["moderator"], audio = ["moderator"] }',
    "shown": 'permissions = { chat = ["moderator"], screen_share = ["moderator"] }',
    "fixed": 'settings = { other = "operator" }\nmoderators = { admit = "operator" }',
})
JITSI = "http://jitsi.org/jitmeet"
OUTSIDE = ("cancel", "not-acceptable", "You are not in this room. Please join first.")
MAY_NOT_WRITE = ("auth", "forbidden", "You cannot write in this meeting.")
MAY_NOT_RECORD = ("auth", "forbidden", "You cannot record, stream or transcribe this meeting.")


async def two(crowd, room):
    """Alice, who has opened the room and moderates it, and Bob; both by the room's address in the browser."""
    alice, bob = await crowd.persons("Alice", "Bob")
    for person in (alice, bob):
        assert (await person.enter(room)).joined
        await visit(person, room)
    return alice, bob


async def visit(person, room):
    """As if the browser had connected with ?room=..."""
    query = element("urn:lab:web-query", "room", room.partition("@")[0])
    assert not (await person.iq(DOMAIN, "set", query)).error


async def sends(person, component, *payloads):
    """Sends these to the component; the error, or None."""
    since = person.mark()
    message = element(CLIENT, "message", to=f"{component}.{DOMAIN}", id=person.new_id())
    message.extend(payloads)
    person.send(message)
    # Questions of one person are answered in their order.
    await person.iq(DOMAIN, "get", element("http://jabber.org/protocol/disco#info", "query"))
    for _ in range(15):
        errors = [seen.error for seen in person.seen[since:] if seen.id == message.get("id")]
        if errors:
            break
        await asyncio.sleep(0.02)
    assert len(errors) <= 1
    return errors[0] if errors else None


def poll(number=1, **more):
    content = {"type": "polls", "command": "new-poll", "pollId": f"poll-{number}", "question": "Loud?"}
    content |= {"answers": [{"name": "Yes"}, {"name": "No"}], **more}
    return element(JITSI, "json-message", json.dumps(content))


def metadata(room, key, data):
    return element(JITSI, "room_metadata", json.dumps({"key": key, "data": data}), room=room)


def told(person, component):
    """What somebody was told by a component, in order."""
    seen = [seen.find(JITSI, "json-message") for seen in person.seen if seen.sender == f"{component}.{DOMAIN}"]
    return [json.loads(each.text) for each in seen if each is not None]


def held(person):
    """The metadata of the room, as somebody was told last."""
    return told(person, "metadata")[-1]["metadata"]


def shouts(room):
    """What somebody may send to each component."""
    return {
        "endconference": element(CLIENT, "end_conference"),
        "avmoderation": element(CLIENT, "av_moderation", enable="true", mediaType="video"),
        "metadata": metadata(room, "startMuted", {"audio": True}),
        "polls": poll(),
        "files": element(JITSI, "file-sharing", json.dumps({"fileId": "one"}), type="add"),
        "speakerstats": element(JITSI, "speakerstats", room=room),
        "translation": element(JITSI, "audio-translation", json.dumps({"0123abcd": "en"})),
    }


async def test_who_is_outside_says_nothing_to_a_component_and_no_question_is_asked(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        _, bob = await two(crowd, room)
        mallory = await crowd.person("Mallory")
        for where in (room, "nothing-there@" + room.partition("@")[2]):
            await visit(mallory, where)
            for component, payload in shouts(where).items():
                assert await sends(mallory, component, payload) == OUTSIDE, component
        of_whom = [decision["jid"].partition("/")[0] for decision in await meet.decisions(room=room)]
        assert bob.bare in of_whom and mallory.bare not in of_whom
        assert not told(bob, "polls") and not told(bob, "avmoderation")
        assert vestibule(meet, "room", room)


async def test_what_is_not_named_goes_to_no_component(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        before = len(told(bob, "metadata"))
        for component in shouts(room):
            for payload in (element("urn:other", "x"), element(CLIENT, "body", "hello")):
                assert (await sends(bob, component, payload))[:2] == ("cancel", "service-unavailable"), component
        for component, name in (("speakerstats", "speakerstats"), ("speakerstats", "faceLandmarks"), ("metadata", "room_metadata")):
            assert await sends(alice, component, element(JITSI, name)) == OUTSIDE, "it names no room"
        assert len(told(bob, "metadata")) == before
        assert await sends(bob, "speakerstats", element(JITSI, "speakerstats", room=room)) is None


async def test_polls_and_files_are_what_somebody_may_write(meet):
    async with meet.crowd() as crowd:
        room = meet.room("still")
        alice, bob = await two(crowd, room)
        file = element(JITSI, "file-sharing", json.dumps({"fileId": "one"}), type="add")
        assert await sends(bob, "polls", poll()) == MAY_NOT_WRITE
        assert await sends(bob, "files", file) == MAY_NOT_WRITE
        assert told(alice, "polls") == []
        line = POLICY.splitlines().index('permissions = { chat = ["moderator"], audio = ["moderator"] }') + 1
        await meet.flushed()
        explained = meet.component.run("log", "--room", room, "--kind", "gate").stdout
        assert f"refused by the gate: chat by permissions.chat (line {line})" in explained, explained
        assert await sends(alice, "polls", poll(2)) is None
        assert told(bob, "polls")[0]["question"] == "Loud?"
        answer = {"command": "answer-poll", "answers": [True, False]}
        assert await sends(bob, "polls", poll(2, **answer)) == MAY_NOT_WRITE
        assert await sends(alice, "polls", poll(2, **answer)) is None
        too_many = await sends(alice, "polls", poll(2, command="answer-poll", answers=[True] * 3))
        assert too_many[:2] == ("modify", "not-acceptable")
        for odd in ("5", "{}", '{"fileId": 5}', '{"fileId": {"a": 1}}', '{"fileId": NaN}'):
            assert (await sends(alice, "files", element(JITSI, "file-sharing", odd, type="add")))[1] == "not-acceptable", odd
        assert await sends(alice, "files", file) is None
        assert [each["file"]["authorParticipantId"] for each in told(bob, "files")] == [alice.nick]
        remove = element(JITSI, "file-sharing", type="remove", fileId="one")
        assert await sends(bob, "files", remove) == MAY_NOT_WRITE
        assert await sends(alice, "files", remove) is None
        assert [each["event"] for each in told(bob, "files")] == ["add", "remove"]


async def test_a_poll_stays_what_its_author_made_it_and_is_no_flood(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        mallory = await crowd.person("Mallory")
        await visit(mallory, room)
        assert await sends(alice, "polls", poll()) is None
        vote = {"command": "answer-poll", "answers": [True, False]}
        assert await sends(mallory, "polls", poll(**vote)) == OUTSIDE
        assert (await sends(bob, "polls", poll(question="Quiet?")))[:2] == ("cancel", "not-allowed"), "another's poll"
        assert await sends(bob, "polls", poll(**vote, senderId=alice.nick, senderName="Alice")) is None
        assert [(each["command"], each["senderId"]) for each in told(alice, "polls")] == [("new-poll", alice.nick), ("answer-poll", bob.nick)]
        # Jitsi's module drops what is large, and what goes beyond 128 polls.
        assert await sends(bob, "polls", poll(2, question="?" * 2000)) is None
        assert (await sends(bob, "polls", poll(2, question="?" * 70000)))[1] == "not-acceptable"
        for number in range(3, 140):
            bob.send_raw(f"<message to='polls.{DOMAIN}'><json-message xmlns='{JITSI}'>{poll(number).text}</json-message></message>")
        await bob.iq(DOMAIN, "get", element("http://jabber.org/protocol/disco#info", "query"))
        await alice.ping()
        assert sum(each["command"] == "new-poll" for each in told(alice, "polls")) == 128


async def test_who_speaks_is_counted_for_themselves_alone(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        await sends(bob, "speakerstats", element(JITSI, "speakerstats", room=room, silence="false", nick=alice.nick))
        carol = await crowd.person("Carol")
        assert (await carol.enter(room)).joined
        await carol.ping()
        users = told(carol, "speakerstats")[-1]["users"]
        speaks = {nick for nick, user in users.items() if user["totalDominantSpeakerTime"]}
        assert speaks == {bob.nick} and set(users) == {alice.nick, bob.nick}


ODD_JSON = ["5", "true", '"text"', "[", "", "nothing"]


async def test_what_is_no_object_reaches_no_module_that_looks_for_one(meet):
    async with meet.crowd() as crowd:
        room = meet.room("loud")
        alice, bob = await two(crowd, room)
        for text in ODD_JSON:
            for namespace in (f" xmlns='{JITSI}'", ""):
                odd, since = f"<json-message{namespace}>{text}</json-message>", alice.mark()
                alice.send_raw(f"<message type='groupchat' to='{room}' id='odd'>{odd}</message>")
                refused = await alice.wait_for(lambda seen: seen.id == "odd" and seen.type == "error", since=since)
                assert refused.error[1] == "bad-request", (text, refused)
            assert (await sends(alice, "polls", element(JITSI, "json-message", text)))[1] == "not-acceptable", text
        assert await sends(alice, "polls", poll(3)) is None
        assert "attempt to index" not in meet.server.log()


async def test_the_metadata_that_modules_read_hold_what_they_can_read(meet):
    """Text where a table is looked for made their modules fail, and kept an operator from suspending the meeting."""
    async with meet.crowd() as crowd:
        room = meet.room("still")
        alice, bob = await two(crowd, room)
        for key in ("startMuted", "permissions", "visitors", "recording", "audioTranslation"):
            for data in ("x", True, 5, {"audio": "x", "groupChatRestricted": "x"} if key != "visitors" else "x"):
                assert (await sends(alice, "metadata", metadata(room, key, data)))[1] == "not-acceptable", (key, data)
        for text in ("[1]", '"x"', "{", '{"key":"a"}', '{"key":"a","data":null}', '{"key":1,"data":1}'):
            wrong = element(JITSI, "room_metadata", text, room=room)
            assert (await sends(alice, "metadata", wrong))[1] == "not-acceptable", text
        assert (await sends(alice, "metadata", metadata(room, "lobbyEnabled", True)))[1] == "not-acceptable"
        # What is moderated by the file stays so for newcomers.
        assert await sends(alice, "metadata", metadata(room, "startMuted", {"audio": False, "video": True})) is None
        assert held(bob)["startMuted"] == {"audio": True, "video": True}
        assert meet.component.run("suspend", room).returncode == 0
        since = alice.mark()
        bob.say(room, "still there")
        await bob.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert not [seen for seen in alice.seen[since:] if seen.body == "still there"]


async def test_what_xml_cannot_hold_is_no_metadata(meet):
    """The component would not read the question: nobody on the server was let in until it had timed out."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        for key, data in (("a\x01b", True), ("a\x00", True), ("\ufffe", True), ("x", "\uffff"), ("x", {"y": [{"\ufffe": 1}]})):
            assert (await sends(alice, "metadata", metadata(room, key, data)))[1] == "not-acceptable", (key, data)
        assert await sends(alice, "metadata", metadata(room, "x", "a\x01b")) is None, "JSON escapes it"
        assert held(bob)["x"] == "a\x01b"


# What participants would like to set.
MINE = {
    "custom": "mine",
    "startMuted": {"audio": True, "video": True},
    "visitors": {"live": True, "autoPromote": True},
    "permissions": {"groupChatRestricted": True, "pollCreationRestricted": True},
    "whiteboard": {"collabDetails": {"roomId": "one", "roomKey": "two"}},
}


async def test_other_metadata_are_a_setting_of_the_room(meet):
    async with meet.crowd() as crowd:
        room, fixed = meet.room(), meet.room("fixed")
        alice, bob = await two(crowd, room)
        carol, _ = await two(crowd, fixed)
        data = {"list": [1, {"a": "b"}], "flag": False}
        assert await sends(alice, "metadata", metadata(room, "custom", data)) is None
        assert held(bob)["custom"] == data
        for key, value in MINE.items():
            assert (await sends(bob, "metadata", metadata(room, key, value)))[1] == "not-acceptable", key
        assert set(held(bob)) & set(MINE) == {"custom"}
        assert await sends(alice, "metadata", metadata(room, "whiteboard", MINE["whiteboard"])) is None
        assert held(bob)["whiteboard"] == MINE["whiteboard"]
        assert (await sends(carol, "metadata", metadata(fixed, "custom", data)))[1] == "not-acceptable"
        told_of = [(each["verdict"], each["rule"]) for each in await meet.decisions(room=room, kind="configure")]
        refusals = [("deny", "settings.other")] * len(MINE)
        assert told_of == [("allow", "no-objection"), *refusals, ("allow", "no-objection")]
        assert (await meet.decision(room=fixed, kind="configure"))["rule"] == "settings.other"


async def test_translating_is_asked_about_like_a_recorder(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        wanted = element(JITSI, "audio-translation", json.dumps({alice.nick: "en"}))
        assert await sends(bob, "translation", wanted) == MAY_NOT_RECORD
        assert await sends(bob, "metadata", metadata(room, "audioTranslation", {"enabled": True})) == MAY_NOT_RECORD
        assert (await sends(alice, "translation", element(JITSI, "audio-translation", "[true]")))[1] == "not-acceptable"
        assert await sends(alice, "translation", element(JITSI, "audio-translation", json.dumps({bob.nick: "de"}))) is None
        assert await sends(alice, "metadata", metadata(room, "audioTranslation", {"enabled": False})) is None
        assert held(bob)["audioTranslation"] == {"enabled": False}
        rules = {decision["rule"] for decision in await meet.decisions(room=room, kind="record")}
        assert "permissions.record" in rules


# Visitors


def promotion(*visitors, approved=True):
    content = {"type": "visitors", "action": "promotion-response", "approved": approved}
    content |= {"ids": visitors} if len(visitors) > 1 else {"id": visitors[0]}
    return element(JITSI, "json-message", json.dumps(content))


async def promotes(person, room, payload):
    """Sends this to the room; the error, or None."""
    since, message = person.mark(), element(CLIENT, "message", to=room, type="groupchat", id=person.new_id())
    message.append(payload)
    person.send(message)
    await person.iq(DOMAIN, "get", element("http://jabber.org/protocol/disco#info", "query"))
    await asyncio.sleep(0.3)
    errors = [seen.error for seen in person.seen[since:] if seen.id == message.get("id") and seen.error]
    return errors[0] if errors else None


async def test_visitors_are_promoted_by_those_who_may_let_people_in(meet):
    async with meet.crowd() as crowd:
        room, fixed = meet.room(), meet.room("fixed")
        alice, bob = await two(crowd, room)
        carol, dora = await two(crowd, fixed)
        visitors = [f"{name}@visitors1.example.org/1" for name in ("vera", "vic")]
        refused = await promotes(carol, fixed, promotion(visitors[0]))
        assert refused[:2] == ("auth", "forbidden") and refused[2]
        told = await meet.decision(room=fixed, kind="invite", jid=carol.bare)
        assert (told["verdict"], told["rule"]) == ("deny", "moderators.admit")
        assert await promotes(alice, room, promotion(*visitors)) is None
        assert await promotes(alice, room, promotion(visitors[0], approved=False)) is None
        for odd in (promotion("@@"), promotion(5), promotion(*visitors * 40), promotion("vera@visitors1\x01/1")):
            assert (await promotes(alice, room, odd))[1] == "not-acceptable"
        assert (await promotes(bob, room, promotion(visitors[0])))[:2] == ("auth", "forbidden")
        for person, expected in ((bob, 2), (dora, 0)):
            await person.ping()
            seen = [seen for seen in person.seen if "promotion-response" in repr(seen.text(JITSI, "json-message"))]
            assert len(seen) == expected, "without visitors' servers everybody gets what went on"


# What presences show everybody


def video(state="playing", url="https://example.org/loud.mp4"):
    return element(CLIENT, "shared-video", url, state=state, time="0")


def pad(name="minutes"):
    return element(CLIENT, "etherpad", name)


async def shows(person, room, *payloads):
    """Sends a presence with these from inside the room, as Jitsi's clients do."""
    presence = element(CLIENT, "presence", to=f"{room}/{person.nick}")
    presence.extend([element(CLIENT, "audiomuted", "true"), *payloads])
    person.send(presence)
    await person.ping()


def shown(person, sender, *names):
    """Which of these elements somebody saw in the presences of a sender, with their text, in order."""
    seen = [seen for seen in person.seen if seen.name == "presence" and seen.sender.rpartition("/")[2] == sender.nick]
    return [(name, each.text(CLIENT, name)) for each in seen for name in names if each.find(CLIENT, name) is not None]


async def test_a_video_or_a_document_for_everybody_is_shown_by_those_who_may(meet):
    """Everybody's client plays the one and opens the other without asking."""
    async with meet.crowd() as crowd:
        room = meet.room("shown")
        alice, bob = await two(crowd, room)
        names = ("shared-video", "etherpad", "call-control", "audiomuted")
        number = element(CLIENT, "call-control", phone="+900123", pin="1")
        for _ in range(2):  # clients repeat theirs
            await shows(bob, room, video(), pad(), number)
        await shows(bob, room, video("stop", alice.nick))
        await alice.ping()
        assert shown(alice, bob, *names) == [("audiomuted", "true")] * 3
        assert bob.nick in alice.occupants(room)
        told = [seen.body for seen in bob.seen if seen.body and seen.sender == room]
        assert told.count("Audio, video and screen sharing are controlled by this server.") == 1
        assert told.count("You cannot write in this meeting.") == 1
        refused = await meet.decisions(event="refused", room=room)
        assert {(each["details"]["jid"], each["details"]["reason"]) for each in refused} == {(bob.jid, "chat"), (bob.jid, "screen_share")}
        # Newcomers bring nothing along, either.
        carol = await crowd.person("Carol")
        assert (await carol.request(room)).kind == "ready"
        assert (await carol.join(room, extra=[video(), pad()])).joined
        await alice.ping()
        assert shown(alice, carol, *names) == []
        since = len(shown(bob, alice, *names))
        await shows(alice, room, video(), pad())
        await shows(alice, room, video("stop"))
        await bob.ping()
        assert [name for name, _ in shown(bob, alice, *names)[since:] if name != "audiomuted"] == ["shared-video", "etherpad", "shared-video"]


async def test_whoever_may_no_longer_show_a_video_can_still_stop_it(meet):
    async with meet.crowd() as crowd:
        room = meet.room("shown")
        alice, bob = await two(crowd, room)
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        await shows(bob, room, video())
        assert not (await alice.set_affiliation(room, bob.bare, "member")).error
        await shows(bob, room, video("pause", "https://example.org/other.mp4"))
        await shows(bob, room, video("stop"))
        await shows(bob, room, video("stop"))
        await alice.ping()
        url = "https://example.org/loud.mp4"
        seen = shown(alice, bob, "shared-video")
        assert seen[0] == ("shared-video", url) and ("shared-video", "https://example.org/other.mp4") not in seen, seen
        states = [each.find(CLIENT, "shared-video").get("state") for each in alice.seen
                  if each.name == "presence" and each.find(CLIENT, "shared-video") is not None]
        assert states[-1] == "stop" and states.count("stop") == 1, states


def start_muted(audio, video):
    return element("http://jitsi.org/jitmeet/start-muted", "startmuted", audio=audio, video=video)


async def test_newcomers_start_muted_by_an_older_client_s_presence_where_settings_may_be_changed(meet):
    async with meet.crowd() as crowd:
        room, fixed = meet.room(), meet.room("fixed")
        alice, bob = await two(crowd, room)
        carol, dora = await two(crowd, fixed)
        for _ in range(2):  # clients repeat theirs
            await shows(alice, room, start_muted("true", "false"))
            await shows(bob, room, start_muted("false", "true"))
            await shows(carol, fixed, start_muted("true", "false"))
        await meet.flushed()
        await bob.ping()
        await dora.ping()
        assert held(bob)["startMuted"] == {"audio": True, "video": False}
        assert "startMuted" not in held(dora)
        seen = [seen for seen in bob.seen if seen.find("http://jitsi.org/jitmeet/start-muted", "startmuted") is not None]
        assert seen and {each.sender for each in seen} == {f"{room}/{alice.nick}"}
        assert not [seen for seen in dora.seen if seen.find("http://jitsi.org/jitmeet/start-muted", "startmuted") is not None]
        assert carol.nick in dora.occupants(fixed)
        told = [(each["jid"], each["verdict"]) for each in await meet.decisions(room=room, kind="configure")]
        assert told == [(alice.bare, "allow")]
        told = [(each["jid"], each["rule"]) for each in await meet.decisions(room=fixed, kind="configure")]
        assert told == [(carol.bare, "settings.other")]
        assert [seen for seen in carol.seen if seen.body and seen.sender == fixed and "change" in seen.body], "the reason"
        await carol.depart(fixed)
        assert (await carol.join(fixed, extra=[start_muted("true", "true")])).joined
        await dora.ping()
        assert carol.nick in dora.occupants(fixed) and "startMuted" not in held(dora)


# What the server alone says


def as_focus():
    """In front of the room's own word on who sends a presence, one like it: clients take the first, at any depth."""
    item = f"<item affiliation='owner' role='moderator' jid='focus@auth.{DOMAIN}/focus'/>"
    return f"<a xmlns='urn:other'><x xmlns='http://jabber.org/protocol/muc#user'>{item}</x><status>words</status></a>"


async def test_nobody_looks_like_the_focus_or_speaks_as_the_server(meet):
    """Clients made a moderator of whoever said so, took their words for the server's, and the meeting's name from them."""
    async with meet.crowd() as crowd:
        room = meet.room("fixed")
        alice, bob = await two(crowd, room)
        since = alice.mark()
        name = "<display-name xmlns='http://jitsi.org/protocol/display-name' source='visitor'>Meeting rules</display-name>"
        past = "<delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/><x xmlns='jabber:x:delay' stamp='20200101T00:00:00'/>"
        text = "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>words of the server</text>"
        error = f"<error type='cancel'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error>"
        bob.send_raw(f"<presence to='{room}/{bob.nick}'>{as_focus()}</presence>")
        bob.send_raw(f"<message type='groupchat' to='{room}'><body>one</body>{name}{past}</message>")
        bob.send_raw(f"<message type='groupchat' to='{room}'><body>two</body><subject>Other</subject></message>")
        bob.send_raw(f"<message type='chat' to='{room}/{alice.nick}'><body>three</body><subject>Other</subject>{name}</message>")
        bob.send_raw(f"<message type='error' to='{room}/{alice.nick}'>{error}</message>")
        for of_module in ({"type": "lobby-notify", "event": "LOBBY-ACCESS-DENIED", "name": "Other"}, {"type": "system_chat_message", "message": "Other"}):
            said = f"<json-message xmlns='{JITSI}'>{json.dumps(of_module)}</json-message>"
            for kind, to in (("groupchat", room), ("chat", f"{room}/{alice.nick}")):
                bob.send_raw(f"<message type='{kind}' to='{to}' id='{kind}-{of_module['type']}'>{said}</message>")
                refused = await bob.wait_for(lambda seen: seen.id == f"{kind}-{of_module['type']}" and seen.type == "error")
                assert refused.error[1] == "bad-request"
        bob.send_raw(f"<presence type='unavailable' to='{room}/{bob.nick}'><ignore xmlns='http://jitsi.org/jitmeet/'/></presence>")
        await bob.ping()
        carol = await crowd.person("Carol")
        assert (await carol.request(room)).kind == "ready"
        carol.send_raw(f"<presence to='{room}/{carol.nick}'>{as_focus()}<x xmlns='http://jabber.org/protocol/muc'/></presence>")
        await carol.wait_for(lambda seen: 110 in seen.statuses)
        await alice.ping()
        seen = [seen for seen in alice.seen[since:] if seen.sender in (f"{room}/{bob.nick}", f"{room}/{carol.nick}")]
        assert [each.body for each in seen if each.body] == ["one", "two", "three"]
        assert sum(each.name == "presence" for each in seen) == 3
        for each in seen:
            for word in ("auth.", "Meeting rules", "2020", "Other", "words of the server", "ignore"):
                assert word not in repr(each), each
        assert not [each for each in carol.seen if "2020" in repr(each) or "Meeting rules" in repr(each) and "delay" in repr(each)]


async def test_whoever_may_not_write_writes_in_no_part_of_a_presence(meet):
    async with meet.crowd() as crowd:
        room = meet.room("still")
        alice, bob = await two(crowd, room)
        since = alice.mark()
        bob.send_raw(f"<presence to='{room}/{bob.nick}'>{as_focus()}</presence>")
        # A body with elements in it is no text, and no reader of it fails.
        bob.send_raw(f"<message type='groupchat' to='{room}' id='odd'><body>one<b/>two</body></message>")
        refused = await bob.wait_for(lambda seen: seen.id == "odd" and seen.type == "error")
        assert refused.error == MAY_NOT_WRITE
        await alice.ping()
        seen = [each for each in alice.seen[since:] if each.sender == f"{room}/{bob.nick}"]
        assert len(seen) == 1 and "words" not in repr(seen), seen
        assert "attempt to index" not in meet.server.log()


@pytest.mark.parametrize("body", ["\n" * 60000, f"!password a{' ' * 60000}b", f"!{' ' * 60000}b"])
async def test_a_message_of_very_many_lines_keeps_nobody_waiting(meet, body):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        for kind, to in (("groupchat", room), ("chat", f"{room}/{alice.nick}")):
            bob.send_raw(f"<message type='{kind}' to='{to}'><body>{body}</body></message>")
        await bob.ping()  # it waits for ten seconds; the server took 20 or more for each


# Whom the focus makes rooms for


@pytest.mark.parametrize("host", ["lobby.{}", "breakout.{}", "focus.{}", "conference.a.b.{}", "internal.auth.{}", "elsewhere.org"])
async def test_the_focus_makes_no_room_where_nobody_decides(meet, host):
    async with meet.crowd() as crowd:
        room = f"meeting@{host.format(DOMAIN)}"
        eve, mallory = await crowd.persons("Eve", "Mallory")
        asked = await eve.ask_focus(room)
        assert asked.error == ("cancel", "service-unavailable", "No meetings are held at this address.")
        assert not [seen for seen in crowd.focus.requests if "meeting@" in repr(seen)]
        assert not (await mallory.join(room, seconds=2)).joined
