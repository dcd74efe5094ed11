"""On Jitsi: breakout rooms are open to those who came through the meeting's door, and to nobody else."""

import asyncio
import json
from pathlib import Path

from lab import needs_jitsi_plugins
from lab.jitsi_meeting import admit, ended, inside, opened, vestibule
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN
from lab.policy import SECRET
from lab.stanza import CLIENT, element
from test_jitsi_components import JITSI, MAY_NOT_RECORD, MAY_NOT_WRITE, metadata, poll, sends, shows, start_muted, told as told_by
from test_jitsi_permissions import MAY_NOT_DIAL, asked, call, moderation, recording, until_buttons, until_listed, writes

pytestmark = needs_jitsi_plugins
POLICY = f"""{MEET_SERVICE}
[[room]]
match = "password-*"
[room.lobby]
admission = "password"
[[room]]
match = "whole-*"
[room.permissions]
breakout = []
[[room]]
match = "password-heir-*"
[room.lobby]
admission = "password"
[room.moderators]
successors = ["guest"]
succession_after = "1 second"
[room.permissions]
chat = ["moderator"]
[[room]]
match = "password-few-*"
[room.limits]
occupants = 2
[room.lobby]
admission = "password"
[[room]]
match = "password-still-*"
[room.lobby]
admission = "password"
[room.permissions]
audio = ["moderator"]
screen_share = []
chat = ["moderator"]
private = ["moderator"]
rename = ["moderator"]
record = []
[room.moderators]
successors = ["guest"]
succession_after = "1 second"
[[room]]
match = "password-fixed-*"
settings.other = "operator"
[room.lobby]
admission = "password"
[[room]]
match = "password-sent-*"
[room.lobby]
admission = "password"
[room.permissions]
breakout_choice = ["moderator"]
[[room]]
match = "password-led-*"
[room.lobby]
admission = "password"
[room.permissions]
breakout_alone = ["account"]
"""
MEET = {
    "modules": ["lab_web_query"],
    "plugin_paths": [Path(__file__).parent / "modules"],
    "extra_hosts": f"""
Component "files.{DOMAIN}" "filesharing_component"
\tmuc_component = "conference.{DOMAIN}"
""",
}
BREAKOUT = f"breakout.{DOMAIN}"
MEDIA = {"audio", "video", "desktop"}
JITMEET = "http://jitsi.org/jitmeet"
START_MUTED = (f"{JITMEET}/start-muted", "startmuted")


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


async def test_where_nobody_may_make_them_a_moderator_is_told_so(meet):
    async with meet.crowd() as crowd:
        room = meet.room("whole")
        alice, _ = await opened(crowd, room)
        await visit(alice, room)
        since = alice.mark()
        for kind, more in (("add", {"subject": "One"}), ("move-to-room", {"participantJid": alice.jid, "roomJid": room})):
            message = element(CLIENT, "message", to=BREAKOUT)
            message.append(element(CLIENT, "breakout_rooms", type=f"features/breakout-rooms/{kind}", **more))
            alice.send(message)
            refused = await alice.wait_for(lambda seen: seen.sender == BREAKOUT and seen.type == "error", since=since)
            assert refused.error[1] == "forbidden"
            await alice.wait_for(lambda seen: seen.sender == room and "breakout" in (seen.body or ""), since=since)
            since = alice.mark()
        assert not [seen for seen in alice.seen if told(seen)]


async def move(person, origin, target):
    """Changes from one room of a meeting into another, as Jitsi's client does."""
    await person.depart(origin)
    return await person.enter(target)


async def moved(person, origin, target):
    outcome = await move(person, origin, target)
    assert outcome.joined, outcome


async def kicked(alice, bob, room):
    """Alice removes Bob from the meeting."""
    since = bob.mark()
    assert not (await alice.set_role(room, bob.nick, "none", "out")).error
    await bob.wait_for(lambda seen: seen.room == room and 307 in seen.statuses, since=since)


async def out(person, room, since=0):
    """Waits until somebody is removed from a room."""
    await person.wait_for(lambda seen: seen.room == room and 307 in seen.statuses, since=since)


async def gathering(crowd, room, *names):
    """A meeting with a breakout room: who moderates it, the breakout room, the others."""
    alice, password = await opened(crowd, room)
    others = await crowd.persons(*names)
    for person in others:
        assert (await person.enter(room, password)).joined
    return alice, await breakout(alice, room), *others


async def test_who_was_removed_is_out_of_the_breakout_rooms_too(meet):
    async with meet.crowd() as crowd:
        for room in (meet.room(), meet.room("password")):
            alice, small, bob, carol = await gathering(crowd, room, "Bob", "Carol")
            await moved(carol, room, small)
            await kicked(alice, bob, room)
            refused = await bob.enter(small)
            assert refused.shown == "destroyed", refused
            again = await crowd.reload(bob)
            assert (await again.join(small)).condition == "not-allowed"
            assert set(carol.occupants(small)) == {"focus", carol.nick}


async def test_whoever_changes_rooms_is_asked_for_nothing_and_keeps_what_they_are(meet):
    """By one password: neither a closed room, nor a limit, nor an empty main room is in their way."""
    async with meet.crowd() as crowd:
        room = meet.room("password-few")
        alice, small, bob = await gathering(crowd, room, "Bob")
        assert meet.component.run("close", room).returncode == 0
        for person, role in ((bob, "participant"), (alice, "moderator")):
            await moved(person, room, small)
            assert person.occupants(small)[person.nick]["role"] == role
        for person, role in ((bob, "participant"), (alice, "moderator")):
            await moved(person, small, room)
            assert person.occupants(room)[person.nick]["role"] == role
        assert not (await (await crowd.person("Dave")).enter(room)).joined, "it is full"


async def test_a_person_in_a_breakout_room_is_removed_and_banned_there(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password")
        alice, small, bob, carol, dave, erin = await gathering(crowd, room, "Bob", "Carol", "Dave", "Erin")
        for person in (bob, carol, dave, erin):
            await moved(person, room, small)
        # By a moderator in the main room.
        assert not (await alice.set_affiliation(room, erin.bare, "outcast")).error
        await out(erin, small)
        assert (await erin.enter(small)).shown == "destroyed"
        assert (await (await crowd.reload(erin)).enter(room, SECRET)).shown == "destroyed"
        assert meet.component.run("remove", room, bob.nick).returncode == 0
        await out(bob, small)
        assert (await bob.enter(small)).shown == "destroyed"
        assert (await bob.enter(room)).shown != "joined"
        assert meet.component.run("ban", carol.bare).returncode == 0
        await out(carol, small)
        await moved(alice, room, small)
        since = dave.mark()
        assert (await dave.set_role(small, alice.nick, "none")).error
        log = meet.component.run("log", "--room", room, "--person", carol.bare).stdout
        for words in (
            f"join of {small}: allow",
            f"joined as participant, in {small}",
            "judged again: deny by ban (made at run time)",
            f"left {small}",
            "removed done, by the policy",
        ):
            assert words in log, (words, log)
        await kicked(alice, dave, small)
        assert dave.mark() > since
        assert not (await dave.enter(room)).joined and not (await dave.enter(small)).joined
        assert set(alice.occupants(small)) == {"focus", alice.nick}


async def test_a_meeting_goes_on_in_its_breakout_rooms(meet):
    """Jitsi's persistent_lobby takes an empty main room for the end of it."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, small, bob = await gathering(crowd, room, "Bob")
        await moved(bob, room, small)
        await moved(alice, room, small)
        seen = vestibule(meet, "room", room)
        assert {each["nick"] for each in seen["occupants"]} >= {alice.nick, bob.nick}, seen
        await moved(alice, small, room)
        assert alice.occupants(room)[alice.nick]["role"] == "moderator"
        await moved(bob, small, room)
        for person in (alice, bob):
            await person.depart(room)
        await ended(meet, room, 8)


async def test_whoever_moderates_from_a_breakout_room_is_a_moderator_inside(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-heir")
        alice, small, bob = await gathering(crowd, room, "Bob")
        await moved(alice, room, small)
        await asyncio.sleep(2)
        assert bob.occupants(room)[bob.nick]["role"] == "participant"
        await moved(bob, room, small)
        since = bob.mark()
        await alice.depart(small)
        promoted = await bob.wait_for(
            lambda seen: seen.nick == bob.nick and (seen.item or {}).get("role") == "moderator", since=since
        )
        assert promoted.room == small
        await bob.wait_for(lambda seen: seen.sender == small and "moderator now" in (seen.body or ""), since=since)
        await moved(bob, small, room)
        assert bob.occupants(room)[bob.nick]["role"] == "moderator"


async def test_what_is_said_and_written_in_a_breakout_room_is_as_in_the_meeting(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-heir")
        alice, small, bob = await gathering(crowd, room, "Bob")
        for person in (bob, alice):
            await moved(person, room, small)
        assert meet.component.run("say", room, "Back in five minutes.").returncode == 0
        for person in (alice, bob):
            await person.wait_for(lambda seen: seen.sender == small and seen.body == "Back in five minutes.")
        since = bob.mark(), alice.mark()
        bob.say(small, "may I?")
        await bob.wait_for(lambda seen: seen.type == "error" and seen.room == small, since=since[0])
        alice.say(small, "!close")
        await alice.wait_for(lambda seen: seen.sender == small and "closed" in (seen.body or ""), since=since[1])
        assert vestibule(meet, "room", room)["state"] == "closed"
        await alice.ping()
        assert not [seen for seen in bob.seen[since[0] :] if seen.body in ("!close", "may I?") and not seen.error]
        there = vestibule(meet, "room", room)["occupants"]
        assert {one["nick"]: one["breakout"] for one in there if one["breakout"]} == {alice.nick: small, bob.nick: small}
        explained = vestibule(meet, "explain", "--room", room, "--jid", bob.bare, "--do", "record", "--live")
        assert (explained["verdict"], explained["facts"]["who"]["breakout"]) == ("deny", small)
        # A poll there: more answers than it has would make Jitsi's module fail.
        await visit(alice, room)
        for command, answers in (("new-poll", [{"name": "Yes"}]), ("answer-poll", [True, True])):
            content = {"type": "polls", "command": command, "pollId": "one", "question": "Loud?", "answers": answers}
            message = element(CLIENT, "message", to=f"polls.{DOMAIN}", id=alice.new_id())
            message.append(element(JITMEET, "json-message", json.dumps(content)))
            alice.send(message)
        refused = await alice.wait_for(lambda seen: seen.id == message.get("id"))
        assert refused.error[1] == "not-acceptable" and "Traceback" not in meet.server.log()
        assert meet.component.run("end", room, "--reason", "We go on at 18:00.", "--yes").returncode == 0
        seen = await bob.wait_for(lambda seen: seen.room == small and seen.destroyed is not None)
        assert seen.destroyed == "We go on at 18∶00.", "Jitsi's clients show nothing after a colon"


async def test_in_a_breakout_room_moderators_make_moderators_and_change_nothing_else(meet):
    """Settings are the main room's; a moderator made there moderates the whole meeting."""
    async with meet.crowd() as crowd:
        room = meet.room("password")
        alice, small, bob, carol = await gathering(crowd, room, "Bob", "Carol")
        for person in (alice, bob):
            await moved(person, room, small)
        assert (await bob.set_affiliation(small, bob.bare, "owner")).error
        assert (await alice.set_affiliation(small, bob.bare, "admin")).error
        assert (await alice.set_affiliation(small, carol.bare, "owner")).error, "she is not there"
        assert (await alice.set_role(small, bob.nick, "moderator")).error
        assert (await alice.configure(small, {"muc#roomconfig_roomsecret": "x"})).error
        assert (await alice.destroy(small)).error
        assert alice.occupants(small)[bob.nick]["role"] == "participant"
        since = alice.mark()
        alice.set_subject(small, "Mine")
        await alice.wait_for(lambda seen: seen.type == "error" and seen.room == small, since=since)
        bob.send(element(CLIENT, "presence", to=f"{small}/another"))
        await bob.wait_for(lambda seen: seen.type == "error" and seen.room == small)
        for affiliation, role in (("owner", "moderator"), ("member", "participant"), ("owner", "moderator")):
            assert not (await alice.set_affiliation(small, bob.bare, affiliation)).error
            await alice.ping()
            assert alice.occupants(small)[bob.nick]["role"] == role
            await meet.decision(room=room, jid=alice.bare, kind="affiliation", verdict="allow")
        assert {one["nick"]: one["role"] for one in vestibule(meet, "room", room)["occupants"]}[bob.nick] == "moderator"
        await moved(bob, small, room)
        assert bob.occupants(room)[bob.nick]["role"] == "moderator"


async def test_who_is_in_a_breakout_room_is_called_back_when_the_meeting_is_suspended(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password")
        alice, small, bob, carol = await gathering(crowd, room, "Bob", "Carol")
        for person in (bob, carol):
            await moved(person, room, small)
        assert meet.component.run("suspend", room).returncode == 0
        called = await bob.wait_for(lambda seen: "move-to-room" in (seen.text(JITMEET, "json-message") or ""))
        assert json.loads(called.text(JITMEET, "json-message"))["roomJid"] == room
        since = bob.mark()
        bob.say(small, "still here")
        await bob.wait_for(lambda seen: seen.type == "error" and seen.room == small, since=since)
        await moved(bob, small, room)
        await carol.wait_for(lambda seen: seen.room == small and seen.destroyed is not None, 8)
        assert (await carol.enter(room)).joined, "late, and still of the meeting"
        assert not (await move(carol, room, small)).joined
        assert meet.component.run("resume", room).returncode == 0
        assert (await carol.enter(small)).joined


# What the file permits


async def test_media_are_moderated_in_a_breakout_room_as_in_the_meeting(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-still")
        alice, small, bob = await gathering(crowd, room, "Bob")
        await moved(bob, room, small)
        first = [content for content in moderation(crowd.focus, small) if content.get("enabled")]
        assert {content["mediaType"] for content in first} == {"audio", "desktop"}, "before anybody is in"
        assert {each["mediaType"] for each in moderation(bob, small) if each.get("enabled")} == {"audio", "desktop"}
        await until_listed(meet, crowd.focus, small, "audio")
        await moved(alice, room, small)
        await until_listed(meet, crowd.focus, small, "audio", alice)
        await until_listed(meet, crowd.focus, small, "desktop")
        await until_listed(meet, crowd.focus, room, "audio")
        since = bob.mark()
        await alice.depart(small)
        await bob.wait_for(lambda seen: (seen.item or {}).get("role") == "moderator", since=since)
        await until_listed(meet, crowd.focus, small, "audio", bob)


async def test_media_are_moderated_in_breakout_rooms_while_the_meeting_is_suspended(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password")
        _, small, bob = await gathering(crowd, room, "Bob")
        await moved(bob, room, small)
        assert moderation(crowd.focus, small) == moderation(bob, small) == []
        assert meet.component.run("suspend", room).returncode == 0
        for person in (bob, crowd.focus):
            await person.ping()
            assert {each["mediaType"] for each in moderation(person, small) if each.get("enabled")} == MEDIA
        assert meet.component.run("resume", room).returncode == 0
        for person in (bob, crowd.focus):
            await person.ping()
            assert {each["mediaType"] for each in moderation(person, small) if each.get("enabled") is False} == MEDIA


async def test_a_moderator_lets_single_people_speak_in_a_breakout_room(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-still")
        alice, small, bob = await gathering(crowd, room, "Bob")
        for person in (bob, alice):
            await moved(person, room, small)

        async def commands(**attributes):
            return await sends(alice, "avmoderation", element(CLIENT, "av_moderation", room=small, **attributes))

        assert (await commands(enable="false", mediaType="audio"))[1] == "not-acceptable"
        assert (await commands(jidToWhitelist=f"{small}/{bob.nick}", mediaType="desktop"))[1] == "not-acceptable"
        await until_listed(meet, crowd.focus, small, "audio", alice)
        assert await commands(jidToWhitelist=f"{small}/{bob.nick}", mediaType="audio") is None
        await until_listed(meet, crowd.focus, small, "audio", alice, bob)
        assert await commands(jidToBlacklist=f"{small}/{bob.nick}", mediaType="audio") is None
        await until_listed(meet, crowd.focus, small, "audio", alice)


async def test_buttons_are_grey_in_a_breakout_room_as_in_the_meeting(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-still")
        alice, small, bob = await gathering(crowd, room, "Bob")
        for person in (bob, alice):
            await moved(person, room, small)
        since = bob.mark()
        await alice.depart(small)
        await bob.wait_for(lambda seen: (seen.item or {}).get("role") == "moderator", since=since)
        await until_buttons(bob, small, recording=False, livestreaming=False, outbound_call=True, screen_sharing=False)
        assert meet.component.run("suspend", room).returncode == 0
        await until_buttons(bob, small, recording=False, outbound_call=False, send_groupchat=True)


async def test_in_a_breakout_room_nobody_writes_records_and_calls_who_may_not(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-still")
        alice, small, bob, carol = await gathering(crowd, room, "Bob", "Carol")
        await visit(bob, room)
        for person in (bob, alice, carol):
            await moved(person, room, small)
        # The room, one person in it, and past it.
        since = bob.mark()
        bob.say(small, "may I?")
        await bob.wait_for(lambda seen: seen.error == MAY_NOT_WRITE, since=since)
        for to in (f"{small}/{carol.nick}", carol.jid, carol.bare):
            assert (await writes(bob, to, "psst"))[1] == "forbidden", to
        assert await writes(alice, f"{small}/{carol.nick}", "from a moderator") is None
        # What is shown to everybody.
        file = element(JITSI, "file-sharing", json.dumps({"fileId": "one"}), type="add")
        assert await sends(bob, "polls", poll()) == await sends(bob, "files", file) == MAY_NOT_WRITE
        assert await sends(alice, "polls", poll(2)) is None
        assert told_by(bob, "polls")[0]["pollId"] == "poll-2"
        presence = element(CLIENT, "presence", to=f"{small}/{bob.nick}")
        presence.extend([
            element("http://jabber.org/protocol/nick", "nick", "Alice"), element(CLIENT, "etherpad", "pad"),
            element(CLIENT, "shared-video", "https://example.org/1.mp4", state="start", time="0"),
            element(CLIENT, "audiomuted", "true"),
        ])
        since = alice.mark()
        bob.send(presence)
        seen = await alice.wait_for(lambda seen: seen.text(CLIENT, "audiomuted") == "true", since=since)
        assert seen.text("http://jabber.org/protocol/nick", "nick") == "Bob"
        assert seen.find(CLIENT, "etherpad") is None and seen.find(CLIENT, "shared-video") is None
        # Recorders, telephones, and what else records.
        for who in (alice, bob):
            assert await asked(crowd, who, small, recording()) == MAY_NOT_RECORD
            transcribes = metadata(small, "recording", {"isTranscribingEnabled": True})
            assert await sends(who, "metadata", transcribes) == MAY_NOT_RECORD
        assert await asked(crowd, bob, small, call()) == MAY_NOT_DIAL
        assert await asked(crowd, alice, small, call()) is None
        # The meeting's words.
        for word in ("!close", "!password", "!admit all"):
            since = bob.mark()
            bob.say(small, word)
            await bob.wait_for(lambda seen: seen.error and seen.room == small, since=since)
        assert vestibule(meet, "room", room)["state"] == "open"
        await carol.ping()
        assert [seen.body for seen in carol.seen if seen.room == small and seen.body] == ["from a moderator"]


async def test_who_starts_muted_in_a_breakout_room_is_a_setting_of_the_meeting(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-still")
        alice, small, bob = await gathering(crowd, room, "Bob")
        await visit(bob, room)
        for person in (bob, alice):
            await moved(person, room, small)
        muted = {"audio": False, "video": True}
        assert await sends(bob, "metadata", metadata(small, "startMuted", muted))
        await meet.decision(room=room, jid=bob.bare, kind="configure", verdict="deny")
        assert await sends(alice, "metadata", metadata(small, "startMuted", muted)) is None
        held = [each["metadata"]["startMuted"] for each in told_by(alice, "metadata") if "startMuted" in each["metadata"]]
        assert held[-1]["audio"] is True, "audio is moderated"
        # Older clients say it by presence, which reaches everybody there.
        since = bob.mark(), alice.mark()
        await shows(bob, small, start_muted("false", "true"))
        await bob.ping()
        assert not [seen for seen in alice.seen[since[1] :] if seen.find(*START_MUTED) is not None]
        for _ in range(2):  # clients repeat theirs
            await shows(alice, small, start_muted("true", "false"))
            await bob.wait_for(lambda seen: seen.find(*START_MUTED) is not None, since=since[0])
            since = bob.mark(), since[1]
        await meet.flushed()
        told = [each["verdict"] for each in await meet.decisions(room=room, jid=alice.bare, kind="configure")]
        assert told == ["allow", "allow"], "it is asked about once"


async def test_an_older_client_s_start_muted_is_refused_in_a_breakout_room_as_in_the_meeting(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-fixed")
        alice, small, bob = await gathering(crowd, room, "Bob")
        for person in (bob, alice):
            await moved(person, room, small)
        since = bob.mark(), alice.mark()
        await shows(alice, small, start_muted("true", "false"))
        await alice.wait_for(lambda seen: seen.sender == small and "change" in (seen.body or ""), since=since[1])
        await bob.ping()
        seen = [seen for seen in bob.seen[since[0] :] if seen.sender == f"{small}/{alice.nick}"]
        assert seen and all(each.find(*START_MUTED) is None for each in seen), "the presence goes on without it"
        told = await meet.decision(room=room, jid=alice.bare, kind="configure", verdict="deny")
        assert told["rule"] == "settings.other"


# Who goes there, and who is left there


async def ask(moderator, kind, **attributes):
    """What a moderator's client asks of Jitsi's module for breakout rooms; the error, or None."""
    message = element(CLIENT, "message", to=BREAKOUT, id=moderator.new_id())
    message.append(element(CLIENT, "breakout_rooms", type=f"features/breakout-rooms/{kind}", **attributes))
    since = moderator.mark()
    moderator.send(message)
    await moderator.ping()
    await moderator.ping()
    errors = [seen.error for seen in moderator.seen[since:] if seen.id == message.get("id")]
    return errors[0] if errors else None


async def sent(moderator, person, target):
    """Has a moderator send somebody to a room."""
    since = person.mark()
    assert await ask(moderator, "move-to-room", participantJid=person.jid, roomJid=target) is None
    await called(person, target, since)


async def another(moderator, small):
    """Has a second breakout room made; returns its address."""
    since = moderator.mark()
    assert await ask(moderator, "add", subject="Two") is None
    rooms = told(await moderator.wait_for(lambda seen: len(told(seen)) == 2, since=since))
    return next(each for each in rooms if each != small)


async def called(person, target, since=0, seconds=5):
    """Waits until somebody's client is told to go to a room."""
    def is_it(seen):
        text = seen.text(JITMEET, "json-message") or ""
        return "move-to-room" in text and json.loads(text)["roomJid"] == target
    return await person.wait_for(is_it, seconds, since)


async def test_who_may_not_choose_goes_where_a_moderator_sends_them(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-sent")
        alice, small, bob, carol = await gathering(crowd, room, "Bob", "Carol")
        other = await another(alice, small)
        await bob.depart(room)
        refused = await bob.enter(small)
        assert refused.shown == "destroyed" and "sends you" in refused.text, refused
        await meet.decision(room=room, jid=bob.bare, kind="join", denial="may-not-choose-breakout")
        assert (await bob.enter(room)).joined, "and is let into the meeting again"
        await sent(alice, bob, small)
        await moved(bob, room, small)
        refused = await move(bob, small, other)
        assert refused.shown == "destroyed", "he was not sent there"
        assert (await bob.enter(room)).joined
        await moved(bob, room, small)
        await sent(alice, bob, room)
        await moved(bob, small, room)
        assert (await move(bob, room, small)).shown == "destroyed", "he was called back"
        await moved(alice, room, other)
        await sent(alice, carol, other)
        await moved(carol, room, other)
        # Nobody sends themselves.
        await visit(carol, room)
        since = carol.mark()
        await ask(carol, "move-to-room", participantJid=carol.jid, roomJid=small)
        refused = await carol.wait_for(lambda seen: seen.sender == BREAKOUT and seen.error is not None, since=since)
        assert refused.error[1] == "forbidden"
        assert (await move(carol, other, small)).shown == "destroyed"


async def test_who_may_not_be_alone_in_a_breakout_room_is_brought_back_when_no_moderator_is_there(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-led")
        alice, small, bob, carol, dave = await gathering(crowd, room, "Bob", "Carol", "Dave")
        other = await another(alice, small)
        for person, place in ((dave, other), (alice, small), (bob, small), (carol, small)):
            await moved(person, room, place)
        since, began = bob.mark(), asyncio.get_running_loop().time()
        await moved(alice, small, other)
        await bob.wait_for(lambda seen: seen.sender == small and "No moderator" in (seen.body or ""), 15, since)
        await called(bob, room, since)
        assert asyncio.get_running_loop().time() - began > 8, "the moderator had time to come back"
        told = await meet.decision(event="refused", room=room)
        assert told["details"]["reason"] == "breakout_alone"
        await moved(bob, small, room)
        await carol.wait_for(lambda seen: seen.room == small and 307 in seen.statuses, 8)
        assert (await carol.enter(room)).joined, "as one who was in the meeting"
        assert set(alice.occupants(other)) == {"focus", alice.nick, dave.nick}, "with a moderator they stay"


async def test_an_operator_who_names_a_breakout_room_is_told_its_meeting(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password")
        alice, small, bob = await gathering(crowd, room, "Bob")
        commands = (
            ["room", small], ["close", small], ["suspend", small], ["end", small, "--yes"], ["say", small, "Hello."],
            ["remove", small, bob.nick], ["hold", small, bob.nick], ["rotate", small], ["invite", small],
            ["explain", "--room", small, "--jid", bob.bare, "--live"],
        )
        def run(command):
            refused = meet.component.run(*command)
            assert refused.returncode == 1 and f"is part of `{room}`" in refused.stderr, (command, refused)
        for command in commands:
            run(command)
        await moved(bob, room, small)
        for command in commands[3:6]:
            run(command)
        unknown = meet.component.run("room", f"nobody@{BREAKOUT}")
        assert unknown.returncode == 1 and "names no service" in unknown.stderr, unknown
        assert set(bob.occupants(small)) == {"focus", bob.nick}
        assert vestibule(meet, "room", room)["state"] == "open"
