"""On Jitsi: a suspended meeting has its lobby up, its media moderated and nothing recorded, and moderators leave it so."""

from lab.jitsi_meeting import inside, opened, people, popped_up, vestibule
from lab.jitsi_plugins import needs_jitsi_plugins
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN, RECORDER
from lab.policy import admission, rooms, trusted
from lab.process import ROOT
from lab.stanza import CLIENT, element
from test_jitsi_permissions import asked, call, listed, moderation, recording

MEET = {"plugin_paths": [ROOT / "tests/prosody/modules"], "modules": ["lab_web_query"]}
POLICY = MEET_SERVICE + trusted(RECORDER) + admission("password") + rooms({
    "still": 'permissions.audio = ["moderator"]',
    "lobby": 'lobby.admission = "password-or-lobby"',
})
INSIDE = "This meeting has been suspended by the server's operator. That is not possible until it resumes."
LOCKED = ("cancel", "not-acceptable", "Audio, video and screen sharing are controlled by this server.")
MEDIA = ["audio", "video", "desktop"]


async def meeting(crowd, room):
    """Alice, who moderates, Bob, and the password."""
    alice, password = await opened(crowd, room)
    bob = await inside(crowd, room, "Bob", password=password)
    return alice, bob, password


def enabled(person, room, since=0):
    """Which media somebody believes to be moderated, by all that he was told."""
    state = {}
    for content in moderation(person, room)[since:]:
        if "enabled" in content:
            state[content["mediaType"]] = content["enabled"]
    return sorted(kind for kind, is_on in state.items() if is_on)


async def commands(person, room, **attributes):
    """What a moderator's client asks of the moderation of media; the errors."""
    await person.iq(DOMAIN, "set", element("urn:lab:web-query", "room", room.partition("@")[0]))
    since = person.mark()
    message = element(CLIENT, "message", to=f"avmoderation.{DOMAIN}", id=person.new_id())
    message.append(element(CLIENT, "av_moderation", room=room, **attributes))
    person.send(message)
    await person.ping()
    return [seen.error for seen in person.seen[since:] if seen.error]


@needs_jitsi_plugins
async def test_media_are_moderated_while_it_is_suspended_and_no_longer(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob, _ = await meeting(crowd, room)
        assert moderation(crowd.focus, room) == []
        report = vestibule(meet, "suspend", room)
        assert "audio, video, desktop: Jitsi's focus is told to mute" in "\n".join(report["done"])
        assert "the lobby is up" in report["done"]
        for person in (crowd.focus, alice, bob):
            await person.ping()
            assert enabled(person, room) == sorted(MEDIA)
        for kind in MEDIA:
            assert listed(crowd.focus, room, kind) == {alice.nick}
        assert not any(content.get("approved") for one in (alice, bob) for content in moderation(one, room))
        # The focus knows whom not to mute before it mutes.
        told = [content for content in moderation(crowd.focus, room) if content.get("mediaType") == "audio"]
        assert "whitelists" in told[0] and told[-1]["enabled"]
        for kind in MEDIA:
            assert await commands(alice, room, enable="false", mediaType=kind) == [LOCKED]
            assert await commands(alice, room, jidToWhitelist=f"{room}/{bob.nick}", mediaType=kind) == [LOCKED]
            assert listed(crowd.focus, room, kind) == {alice.nick}
        carol = await crowd.person("Carol", RECORDER)
        assert (await carol.enter(room)).joined, "a service comes in"
        vestibule(meet, "resume", room)
        for person in (crowd.focus, alice, bob):
            await person.ping()
            assert enabled(person, room) == []
        assert await commands(alice, room, enable="true", mediaType="audio") == [], "it is hers again"
        assert await commands(alice, room, jidToWhitelist=f"{room}/{bob.nick}", mediaType="audio") == []


@needs_jitsi_plugins
async def test_what_was_moderated_before_stays_so(meet):
    async with meet.crowd() as crowd:
        room = meet.room("still")
        alice, bob, _ = await meeting(crowd, room)
        assert await commands(alice, room, enable="true", mediaType="video") == []
        assert await commands(alice, room, jidToWhitelist=f"{room}/{bob.nick}", mediaType="audio") == []
        await crowd.focus.ping()
        assert listed(crowd.focus, room, "audio") == {alice.nick, bob.nick}
        vestibule(meet, "suspend", room)
        await crowd.focus.ping()
        assert enabled(crowd.focus, room) == sorted(MEDIA)
        assert listed(crowd.focus, room, "audio") == {alice.nick}
        vestibule(meet, "resume", room)
        await crowd.focus.ping()
        assert enabled(crowd.focus, room) == ["audio", "video"], "the file's, and hers"
        assert await commands(alice, room, enable="false", mediaType="video") == []
        assert await commands(alice, room, enable="false", mediaType="audio") == [LOCKED]


@needs_jitsi_plugins
async def test_the_lobby_is_up_and_down_again_as_it_was(meet):
    async with meet.crowd() as crowd:
        for name, had_one in (("room", False), ("lobby", True)):
            room = meet.room(name)
            alice, bob, password = await meeting(crowd, room)

            async def has_lobby(room=room, alice=alice):
                features, _ = await alice.features(room)
                return "muc_membersonly" in features

            assert await has_lobby() == had_one
            waits = None
            if had_one:
                waits = await crowd.person("Wanda")
                assert (await waits.knock((await waits.enter(room)).lobby)).joined
                lobby = await alice.attend_lobby(room)
                address = await alice.knocker(lobby, waits.nick)
            vestibule(meet, "suspend", room)
            assert await has_lobby()
            since = alice.mark()
            refused = await alice.set_members_only(room, False)
            assert refused.error[2] == ("The lobby cannot be turned off on this server." if had_one else INSIDE)
            if waits:
                alice.approve(room, address)
                await alice.wait_for(lambda seen: seen.error and seen.error[2] == INSIDE, since=since)
            stranger = await crowd.person("Stranger")
            refused = await stranger.enter(room, password)
            assert refused.shown == "destroyed" and "suspended" in (refused.text or ""), refused
            assert people(alice, room) == {bob.nick}, "nobody went, and nobody came"
            vestibule(meet, "resume", room)
            assert await has_lobby() == had_one
            if waits:
                since = waits.mark()
                alice.approve(room, address)
                assert (await waits.admitted(room, since)).joined
            late = await inside(crowd, room, "Late", password=password)


async def test_nothing_is_recorded_and_nobody_called(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _, _ = await meeting(crowd, room)
        assert await asked(crowd, alice, room, recording()) is None
        vestibule(meet, "suspend", room)
        for payload in (recording(), call(), call("jitsi_meet_transcribe"), recording(sipaddress="sip:a@b")):
            assert (await asked(crowd, alice, room, payload))[2] == INSIDE
        assert await asked(crowd, alice, room, recording("stop")) is None
        await meet.decision(room=room, jid=alice.bare, kind="record", rule="suspended")
        vestibule(meet, "resume", room)
        assert await asked(crowd, alice, room, recording()) is None


async def test_the_people_inside_are_told_in_their_client(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob, _ = await meeting(crowd, room)
        report = vestibule(meet, "suspend", room, "--reason", "One moment.")
        for person in (alice, bob):
            for words in ("has suspended this meeting", "One moment."):
                await person.wait_for(lambda seen, words=words: words in (seen.body or ""))
                assert any(words in shown for shown in popped_up(person, room))
        bob.say(room, "hello")
        refused = await bob.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert "Only moderators can speak" in refused.error[2]
        alice.say(room, "hello from me")
        await bob.wait_for(lambda seen: seen.body == "hello from me")
        assert not any("focus@" in line for line in report["not"])
