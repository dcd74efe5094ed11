"""On Jitsi: who ends a meeting for all. Its component takes the room from the address that a client connected to."""

from lab import Crowd
from lab.jitsi_meeting import ended, is_open, waiting
from lab.jitsi_plugins import needs_jitsi_plugins
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN
from lab.policy import OPEN, rooms
from lab.process import ROOT
from lab.stanza import CLIENT, element

pytestmark = needs_jitsi_plugins
MEET = {"plugin_paths": [ROOT / "tests/prosody/modules"], "modules": ["lab_web_query"]}
POLICY = MEET_SERVICE + OPEN + rooms({
    "shut": 'hours = { open = ["mon 00:00-00:01"] }',
    "kept": 'moderators.end = "operator"',
    "guarded": 'lobby.admission = "lobby"',
    "still": 'permissions.audio = ["moderator"]',
}) + '[text.en]\nnotice-refused = "Please come back at 8:00."\n'
MAY_NOT_END = ("auth", "forbidden", "You cannot end this meeting.")


async def two(crowd, room):
    """Alice, who has opened the room and moderates it, and Bob."""
    alice, bob = await crowd.persons("Alice", "Bob")
    assert (await alice.enter(room)).joined
    assert (await bob.enter(room)).joined
    return alice, bob


async def connected_for(person, room, prefix=""):
    """As if the browser had connected with ?room=...&prefix=..."""
    query = element("urn:lab:web-query", "room", room.partition("@")[0], prefix=prefix)
    assert not (await person.iq(DOMAIN, "set", query)).error


async def ends(person, *more):
    """Says "End meeting for all"; the error, or None."""
    since = person.mark()
    message = element(CLIENT, "message", to=f"endconference.{DOMAIN}", id=person.new_id())
    message.extend([element(CLIENT, "end_conference"), *more])
    person.send(message)
    answer = await person.wait_for(
        lambda seen: seen.id == message.get("id") or seen.name == "presence" and seen.type == "unavailable", since=since
    )
    return answer.error


async def test_a_moderator_ends_the_meeting_for_all(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        await connected_for(alice, room)
        assert await ends(alice, element("urn:lab", "also")) is None
        gone = await bob.wait_for(lambda seen: seen.sender == f"{room}/{bob.nick}" and seen.type == "unavailable")
        assert "The meeting has been terminated" in "".join(gone.xml.itertext())
        await ended(meet, room)
        told = await meet.decision(room=room, jid=alice.bare, kind="destroy")
        assert (told["verdict"], told["rule"]) == ("allow", "moderators.end")


async def test_a_meeting_that_ends_while_somebody_waits_leaves_no_error_in_the_log(meet):
    async with meet.crowd() as crowd:
        for end in ("by the operator", "for all"):
            room = meet.room("guarded")
            alice = await crowd.person("Alice")
            assert (await alice.enter(room)).joined
            assert (await meet.decision(kind="join", room=room))["class"] == "guest", "who opens comes for the first time"
            await alice.attend_lobby(room)
            (wanda,) = await waiting(crowd, room, "Wanda")
            since = wanda.mark()
            if end == "for all":
                await connected_for(alice, room)
                assert await ends(alice) is None
            else:
                assert meet.component.run("end", room).returncode == 0
            await wanda.wait_for(lambda seen: seen.name == "presence" and seen.type == "unavailable", since=since)
            await ended(meet, room)
        assert "Main room not found" not in meet.server.tail(100_000)


async def test_no_word_of_a_reason_is_lost_at_a_colon(meet):
    """Jitsi's dialog drops what is before one; other clients get it as it was written."""
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room, reason = meet.room(), "Fire drill: we go on at 18:00."
        alice, bob = await two(crowd, room)
        plain = await others.connect(meet.server.guests)
        assert (await plain.join(room, "Plain")).joined
        assert meet.component.run("end", room, "--reason", reason).returncode == 0
        for person, words in ((alice, reason.replace(":", "∶")), (bob, reason.replace(":", "∶")), (plain, reason)):
            gone = await person.wait_for(lambda seen: seen.room == room and seen.destroyed is not None)
            assert gone.destroyed == words and gone.nick == (person.nick if person is not plain else "Plain")
        again, wait = await crowd.person("Again"), meet.room("shut")
        assert "come back at 8∶00" in (await again.enter(wait)).text


async def test_who_may_not_is_refused_and_everybody_stays(meet):
    async with meet.crowd() as crowd:
        room, kept = meet.room(), meet.room("kept")
        _, bob = await two(crowd, room)
        await connected_for(bob, room)
        assert await ends(bob) == MAY_NOT_END
        carol, _ = await two(crowd, kept)
        await connected_for(carol, kept)
        assert await ends(carol) == MAY_NOT_END
        for person, where in ((bob, room), (carol, kept)):
            told = await meet.decision(room=where, jid=person.bare, kind="destroy")
            assert (told["verdict"], told["rule"]) == ("deny", "moderators.end")
            assert is_open(meet, where)
            await person.ping()
            assert not [seen for seen in person.seen if seen.name == "presence" and seen.type == "unavailable"]


async def test_an_address_that_names_another_room_proves_nothing(meet):
    async with meet.crowd() as crowd:
        room, other = meet.room(), meet.room()
        alice, _ = await two(crowd, room)
        mallory = await crowd.person("Mallory")
        assert (await mallory.enter(other)).joined
        for prefix in ("", DOMAIN):
            await connected_for(mallory, room, prefix)
            assert (await ends(mallory))[:2] == ("cancel", "not-acceptable")
        told = {each["jid"].partition("/")[0] for each in await meet.decisions(room=room)}
        assert mallory.bare not in told, "nobody is asked about somebody who is not in it"
        await connected_for(mallory, other, "tenant")
        assert await ends(mallory), "the tenant has no such room"
        assert is_open(meet, room) and is_open(meet, other)
        await connected_for(alice, room, DOMAIN)
        assert await ends(alice) is None
        await ended(meet, room)


async def test_a_tenant_s_meeting_is_ended_and_no_other_of_that_name(meet):
    async with meet.crowd() as crowd:
        plain = meet.room()
        node = plain.partition("@")[0]
        _, bob = await two(crowd, plain)
        alice = await crowd.person("Alice")
        assert (await alice.enter(f"{node}@conference.tenant.{DOMAIN}")).joined
        await connected_for(alice, node, "tenant")
        assert await ends(alice) is None
        await ended(meet, f"[tenant]{plain}")
        assert is_open(meet, plain)
        assert bob.nick not in {seen.sender.rpartition("/")[2] for seen in bob.seen if seen.type == "unavailable"}


async def test_the_moderation_of_media_is_guarded_by_whatever_name_the_room_is_found(meet):
    async with meet.crowd() as crowd:
        for tenant, prefixes in ((None, ("", DOMAIN)), ("tenant", ("tenant",))):
            node = meet.room("still").partition("@")[0]
            room = f"{node}@conference.{f'{tenant}.' if tenant else ''}{DOMAIN}"
            alice, bob = await two(crowd, room)
            for prefix in prefixes:
                await connected_for(alice, room, prefix)
                message = element(CLIENT, "message", to=f"avmoderation.{DOMAIN}", id=alice.new_id())
                message.append(element(CLIENT, "av_moderation", room=room, enable="false", mediaType="audio"))
                alice.send(message)
                refused = await alice.wait_for(lambda seen, message=message: seen.id == message.get("id"))
                assert refused.error[1] == "not-acceptable", (room, prefix)
            # Jitsi's module takes none of it from those who do not moderate.
            await connected_for(bob, room, prefixes[0])
            message = element(CLIENT, "message", to=f"avmoderation.{DOMAIN}", id=bob.new_id())
            message.append(element(CLIENT, "av_moderation", room=room, enable="true", mediaType="video"))
            bob.send(message)
            assert (await bob.wait_for(lambda seen, message=message: seen.id == message.get("id"))).error
            await alice.ping()
            assert not [seen for seen in alice.seen if '"mediaType":"video"' in "".join(seen.xml.itertext())]
            await bob.ping()
            ended = [seen for seen in bob.seen if seen.sender == f"avmoderation.{DOMAIN}" and '"enabled":false' in "".join(seen.xml.itertext())]
            assert not ended
