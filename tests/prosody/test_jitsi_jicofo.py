"""On Jitsi, with a real jicofo: what the stand-in for it cannot show."""

import asyncio
import json

from lab import connect_focus
from lab.bridge import Bridge
from lab.jibri import Jibri
from lab.jicofo import CHECKS, needs_jicofo
from lab.jitsi_client import JINGLE, MUTES
from lab.jitsi_meeting import opened, owner
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN
from lab.policy import rooms
from lab.process import ROOT
from lab.stanza import CLIENT, element
from storm import until

pytestmark = needs_jicofo
POLICY = MEET_SERVICE + rooms({
    "public": 'lobby.admission = "open"',
    "still": 'lobby.admission = "open"\npermissions = { audio = ["moderator"] }',
})
MEET = {"plugin_paths": [ROOT / "tests/prosody/modules"], "modules": ["lab_web_query"]}
JITSI = "http://jitsi.org/jitmeet"
JIBRI = "http://jitsi.org/protocol/jibri"


async def met(crowd, room, name):
    """Somebody who came in, and with whom the focus has a session of media."""
    person = await crowd.person(name)
    outcome = await person.enter(room)
    assert outcome.joined, outcome
    return person


async def offered(person):
    """Returns when the focus has offered somebody a session."""
    return await person.wait_for(lambda seen: seen.find(JINGLE, "jingle") is not None, 15)


def muted(person):
    """The media that the focus has told somebody to mute."""
    return {kind for kind, tag in MUTES.items() for seen in person.seen for each in seen.xml if each.tag == tag and each.text == "true"}


async def mutes(person, room, other, value="true"):
    """Asks the focus to mute somebody's microphone, or to unmute it; the reply."""
    mute = element("http://jitsi.org/jitmeet/audio", "mute", value, jid=f"{room}/{other.nick}")
    return await person.iq(f"{room}/focus", "set", mute)


async def test_it_finds_itself_healthy_in_rooms_of_its_own(meet):
    """Such a room is there as long as it waits for somebody."""
    async with meet.crowd(patience=1.0) as crowd:
        crowd.people.append(await Bridge.open(meet.server))
        await until(lambda: crowd.focus.jicofo.request("GET", "/about/health") == (200, "OK"), 30, "health")
        await until(lambda: [room for room, _ in crowd.focus.ended if room.startswith(CHECKS)], 10, "a room of its own")
        assert not crowd.focus.errors
        await meet.flushed()
        assert not [line for line in meet.component.decisions() if line.get("room", "").startswith(CHECKS) and line["verdict"] == "deny"]


async def test_without_a_bridge_it_says_so_and_opens_rooms_all_the_same(meet):
    async with meet.crowd() as crowd:
        room = meet.room("public")
        alice, bob = await met(crowd, room, "Alice"), await met(crowd, room, "Bob")
        alice.say(room, "good morning")
        await bob.wait_for(lambda seen: seen.body == "good morning")
        await until(lambda: "No operational bridges" in crowd.focus.jicofo.request("GET", "/about/health")[1], 10, "a check")


async def test_whom_the_policy_silences_the_bridge_silences(meet):
    async with meet.crowd() as crowd:
        bridge = await Bridge.open(meet.server)
        crowd.people.append(bridge)
        room = meet.room("still")
        alice, bob = await met(crowd, room, "Alice"), await met(crowd, room, "Bob")
        for person in (alice, bob):
            await offered(person)
        assert bridge.muted(bob.nick).get("audio") is True
        assert not bridge.muted(alice.nick).get("audio")
        assert (await mutes(bob, room, bob, "false")).error
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        await crowd.focus.ping()
        assert not (await mutes(bob, room, bob, "false")).error
        await until(lambda: bridge.muted(bob.nick).get("audio") is False, 5, "Bob may speak")
        assert not (await alice.set_affiliation(room, bob.bare, "member")).error
        await crowd.focus.ping()
        # It leaves the medium as it is, until a moderator asks.
        assert bridge.muted(bob.nick)["audio"] is False
        assert not (await mutes(alice, room, bob)).error
        await until(lambda: bridge.muted(bob.nick).get("audio") is True, 5, "Bob may speak no more")
        assert (await mutes(bob, room, bob, "false")).error


async def test_a_moderator_mutes_everybody_and_others_nobody(meet):
    async with meet.crowd() as crowd:
        crowd.people.append(await Bridge.open(meet.server))
        room = meet.room("public")
        alice, bob, carol = [await met(crowd, room, name) for name in ("Alice", "Bob", "Carol")]
        for person in (alice, bob, carol):
            await offered(person)
        assert (await mutes(bob, room, carol)).error
        await carol.ping()
        assert not muted(carol)
        assert not (await mutes(alice, room, carol)).error
        await until(lambda: muted(carol) == {"audio"}, 5, "Carol to be muted")
        for person, silenced in ((bob, set()), (alice, {bob, carol})):
            query = element("urn:lab:web-query", "room", room.partition("@")[0])
            await person.iq(DOMAIN, "set", query)
            message = element(CLIENT, "message", to=f"avmoderation.{DOMAIN}", id=person.new_id())
            message.append(element(CLIENT, "av_moderation", room=room, enable="true", mediaType="video"))
            person.send(message)
            await person.ping()
            await crowd.focus.ping()
            assert {each for each in (alice, bob, carol) if "video" in muted(each)} == silenced


async def test_a_recorder_is_asked_for_only_by_whom_the_policy_lets(meet):
    async with meet.crowd() as crowd:
        recorder = await Jibri.open(meet.server)
        crowd.people.append(recorder)
        room = meet.room("public")
        alice, bob = await met(crowd, room, "Alice"), await met(crowd, room, "Bob")
        start = element(JIBRI, "jibri", action="start", recording_mode="file")
        refused = await bob.iq(f"{room}/focus", "set", start)
        assert refused.error[:2] == ("auth", "forbidden")
        assert not recorder.asked
        allowed = await alice.iq(f"{room}/focus", "set", start)
        assert not allowed.error, allowed
        (asked,) = recorder.asked
        assert asked.find(JIBRI, "jibri").get("room") == room


async def test_transcription_reaches_it_only_from_whom_the_policy_lets(meet):
    async with meet.crowd() as crowd:
        room = meet.room("public")
        alice, bob = await met(crowd, room, "Alice"), await met(crowd, room, "Bob")

        async def transcribes(person):
            await person.iq(DOMAIN, "set", element("urn:lab:web-query", "room", room.partition("@")[0]))
            content = json.dumps({"key": "recording", "data": {"isTranscribingEnabled": True}})
            message = element(CLIENT, "message", to=f"metadata.{DOMAIN}", id=person.new_id())
            message.append(element(JITSI, "room_metadata", content, room=room))
            person.send(message)
            await person.ping()
            await crowd.focus.ping()
            told = [seen.find(JITSI, "json-message") for seen in crowd.focus.seen if seen.sender == f"metadata.{DOMAIN}"]
            contents = [json.loads(each.text) for each in told if each is not None]
            return any(each["metadata"].get("recording", {}).get("isTranscribingEnabled") for each in contents)

        assert not await transcribes(bob)
        assert await transcribes(alice)


async def test_after_a_crash_it_comes_back_into_its_rooms(meet):
    """The server keeps its place, for its connection can be resumed, until its successor logs in."""
    async with meet.crowd() as crowd:
        room = meet.room("public")
        alice = await met(crowd, room, "Alice")
        crowd.focus.hand.abort()
        crowd.focus.jicofo.kill()
        crowd.focus = await connect_focus(meet.server)
        bob = await crowd.person("Bob")
        assert (await bob.enter(room)).joined
        await alice.ping()
        assert alice.occupants(room)["focus"]["role"] == "moderator"
        assert owner(alice, room) and not owner(alice, room, bob)
        assert not crowd.focus.errors


async def test_a_connection_that_was_cut_is_resumed_without_anybody_noticing(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        since = alice.mark()
        crowd.focus.jicofo.wire.cut()
        await until(lambda: crowd.focus.jicofo.said("Registered (resumed=true)"), 15, "its connection to be resumed")
        bob = await crowd.person("Bob")
        assert (await bob.enter(room, password)).joined
        await asyncio.sleep(0.5)
        assert not [seen for seen in alice.seen[since:] if seen.sender == f"{room}/focus" and seen.type == "unavailable"]
        assert not crowd.focus.errors
