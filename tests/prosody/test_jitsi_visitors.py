"""Visitors: an audience on a server of its own is part of the meeting."""

import asyncio
import json

import pytest
from lab.jitsi_meeting import vestibule
from lab.jitsi_outcome import FOCUS
from lab.jitsi_plugins import needs_jitsi_plugins
from lab.meet import MEET_SERVICE
from lab.policy import OPEN, SECRET, rooms
from lab.stanza import CLIENT, element
from lab.visitors import NODE_ROOMS, VisitorsDoor

pytestmark = needs_jitsi_plugins
FREE = "[policy.password]\nrequired = false\n"
LOCKED = f'lobby.admission = "password"\npassword = {{ required = true, source = "preset", preset = "{SECRET}" }}'
JITSI = "http://jitsi.org/jitmeet"
POLICY = MEET_SERVICE + OPEN + FREE + rooms({
    "still": 'permissions = { chat = ["moderator"] }',
    "secret": LOCKED,
    "few": "limits = { occupants = 2, flood_strangers = 5 }",
})


@pytest.fixture(scope="module")
def meet(prosody_version):
    with VisitorsDoor(prosody_version, POLICY) as shared:
        yield shared


async def meeting(meet, crowd, name="room"):
    """A room with Alice in it, its visitors' room, and Vera, who has a connection to the visitors' server."""
    room = meet.room(name)
    alice = await crowd.person("Alice")
    assert (await alice.enter(room)).joined
    there = await meet.audience(crowd, room)
    return room, alice, there, await meet.visitor(crowd, "Vera")


async def visit(person, room):
    """As if the browser had connected with ?room=..."""
    query = element("urn:lab:web-query", "room", room.partition("@")[0])
    assert not (await person.iq(person.server.host, "set", query)).error


async def is_heard(speaker, where, listener, text):
    """Whether the listener hears it within half a second."""
    since = listener.mark()
    speaker.say(where, text)
    await asyncio.sleep(0.5)
    return any(seen.body == text for seen in listener.seen[since:])


async def test_a_visitor_is_a_person_of_the_meeting(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        assert (await vera.join(there)).joined
        assert await is_heard(vera, there, alice, "hello")
        assert await is_heard(alice, room, vera, "welcome")
        told = await meet.decision(room=room, kind="join", jid=vera.bare)
        assert (told["verdict"], told["class"]) == ("allow", "guest")
        shown = vestibule(meet, "room", room)
        seat = next(who for who in shown["occupants"] if who["jid"] == vera.bare)
        assert (seat["role"], seat["breakout"], seat["name"]) == ("visitor", there, "Vera")
        assert shown["moderators"] == 1
        await vera.leave(there, vera.nick)
        await asyncio.sleep(0.3)
        assert vera.bare not in json.dumps(vestibule(meet, "room", room))
        log = meet.component.run("log", "--room", room, "--person", vera.bare).stdout
        assert f"joined as visitor, in {there}" in log and f"left {there}" in log, log


async def test_what_the_room_says_reaches_its_audience(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        assert (await vera.join(there)).joined
        marks = [(one, one.mark()) for one in (alice, vera)]
        said = vestibule(meet, "say", room, "We go on at noon.")
        assert (said["inside"], said["visitors"]) == (1, 1)
        for one, since in marks:
            words = await one.wait_for(lambda seen: seen.body == "We go on at noon.", since=since)
            assert words.find("http://jitsi.org/protocol/display-name", "display-name").text == "Meeting rules"
        assert "1 occupant and 1 visitor inside" in meet.component.run("say", room, "Again.").stdout


async def test_who_may_not_enter_the_meeting_is_no_visitor_of_it(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        vestibule(meet, "ban", vera.bare)
        refused = await vera.join(there)
        assert not refused.joined and "banned" in refused.text
        vestibule(meet, "unban", vera.bare)
        assert (await vera.join(there)).joined
        await vera.leave(there, vera.nick)
        vestibule(meet, "close", room)
        refused = await vera.join(there)
        assert not refused.joined and "closed" in refused.text
        assert (await meet.decision(room=room, kind="join", jid=vera.bare))["rule"].startswith("close")
        vestibule(meet, "reopen", room)
        assert (await vera.join(there)).joined


async def test_a_banned_or_removed_visitor_is_gone(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        vic = await meet.visitor(crowd, "Vic")
        for one, act in ((vera, ("ban", vera.bare)), (vic, ("remove", room, vic.bare))):
            assert (await one.join(there)).joined
            since = one.mark()
            vestibule(meet, *act)
            gone = await one.wait_for(lambda seen: seen.type == "unavailable" and 307 in seen.statuses, since=since)
            assert gone.room == there
            assert not (await one.join(there)).joined
        vestibule(meet, "unban", vera.bare)


async def test_a_suspended_meeting_hears_no_visitor_and_takes_none(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        vic = await meet.visitor(crowd, "Vic")
        for one in (vera, vic):
            assert (await one.join(there)).joined
        vestibule(meet, "suspend", room)
        await asyncio.sleep(0.3)
        since = vera.mark()
        assert not await is_heard(vera, there, alice, "psst")
        (refused,) = [seen.error for seen in vera.seen[since:] if seen.error]
        assert refused[1] == "forbidden" and "suspended" in refused[2]
        assert not any(seen.body == "psst" for seen in vic.seen if not seen.error)
        assert not (await (await meet.visitor(crowd, "Val")).join(there)).joined
        vestibule(meet, "resume", room)
        await asyncio.sleep(0.3)
        assert await is_heard(vera, there, alice, "back")


async def test_visitors_write_where_everybody_may(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd, "still")
        assert (await vera.join(there)).joined
        since = vera.mark()
        assert not await is_heard(vera, there, alice, "hello")
        (refused,) = [seen.error for seen in vera.seen[since:] if seen.error]
        assert refused == ("auth", "forbidden", "You cannot write in this meeting.")
        assert await is_heard(alice, room, vera, "welcome")


async def test_the_password_is_asked_of_visitors(meet):
    async with meet.crowd() as crowd:
        room = meet.room("secret")
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        there = await meet.audience(crowd, room)
        vera = await meet.visitor(crowd, "Vera")
        assert (await vera.join(there)).condition == "not-authorized"
        assert (await vera.join(there, password="wrong")).condition == "not-authorized"
        assert (await vera.join(there, password=SECRET)).joined


async def test_an_audience_comes_at_once_to_a_meeting_that_is_full(meet):
    async with meet.crowd() as crowd:
        room = meet.room("few")
        alice, bob = await crowd.persons("Alice", "Bob")
        for person in (alice, bob):
            assert (await person.enter(room)).joined
        there = await meet.audience(crowd, room)
        visitors = [await meet.visitor(crowd, f"V{number}") for number in range(25)]
        outcomes = await asyncio.gather(*(one.join(there) for one in visitors))
        assert all(outcome.joined for outcome in outcomes)
        assert await is_heard(visitors[-1], there, bob, "we are many")
        assert len(vestibule(meet, "room", room)["occupants"]) == 27
        await asyncio.gather(*(one.leave(there, one.nick) for one in visitors))
        await asyncio.sleep(0.3)
        assert len(vestibule(meet, "room", room)["occupants"]) == 2


@pytest.mark.parametrize("asked", [{"visitors-version": "1"}, {"visitors-version": "1", "visitor": "true"}, {}])
async def test_who_asks_for_a_full_meeting_may_be_sent_to_its_audience(meet, asked):
    """The focus decides who watches, so it is asked; a client that knows of no audience is told that the room is full."""
    async with meet.crowd() as crowd:
        room = meet.room("few")
        people = await crowd.persons("Alice", "Bob")
        for person in people:
            assert (await person.enter(room)).joined
        late = await crowd.person("Late")
        request = element(FOCUS, "conference", room=room, **{"machine-uid": late.storage["machine-uid"]})
        request.extend(element(FOCUS, "property", name=name, value=value) for name, value in asked.items())
        reply = await late.iq(meet.server.focus_address, "set", request)
        assert not reply.error
        await crowd.focus.ping()
        assert len(crowd.focus.requests) == (3 if asked else 2)
        if reply.find(FOCUS, "conference").get("vnode"):
            return  # Jicofo has a seat in the audience for them.
        refused = await late.join(room)
        assert refused.shown == "destroyed" and "full" in refused.text, refused


async def test_visitors_go_with_the_meeting_and_its_component(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        assert (await vera.join(there)).joined
        vic = await meet.visitor(crowd, "Vic")
        since = vera.mark()
        vestibule(meet, "end", room)
        await vera.wait_for(lambda seen: seen.room == there and seen.destroyed is not None, since=since)
        assert not (await vic.join(there)).joined


async def test_an_audience_is_known_after_its_modules_are_reloaded(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        assert (await vera.join(there)).joined
        for person, host, module in (
            (alice, meet.server.service, "vestibule_gate"), (vera, NODE_ROOMS, "vestibule_visitors")
        ):
            reload = element("urn:lab", "reload", host=host, module=module)
            assert not (await person.iq(person.server.host, "set", reload)).error
        await asyncio.sleep(0.5)
        assert vera.bare in json.dumps(vestibule(meet, "room", room))
        assert await is_heard(vera, there, alice, "still here")
        assert (await (await meet.visitor(crowd, "Vic")).join(there)).joined
        vestibule(meet, "remove", room, vera.bare)
        await vera.wait_for(lambda seen: seen.type == "unavailable" and 307 in seen.statuses)


async def test_nobody_is_a_visitor_while_the_component_is_away(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        meet.component.shutdown()
        try:
            refused = await vera.join(there, seconds=20)
            assert refused.shown == "retry"
        finally:
            meet.component.start()
        assert (await vera.join(there)).joined
        assert vera.bare in json.dumps(vestibule(meet, "room", room))


async def test_a_visitor_comes_into_the_meeting_by_its_own_server_alone(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        assert (await vera.join(room)).condition == "item-not-found"
        assert (await vera.join(there)).joined
        assert (await vera.join(room)).condition == "item-not-found"


async def test_people_of_the_main_server_come_to_the_audience_by_the_meeting_alone(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        assert (await vera.join(there)).joined
        eve = await crowd.person("Eve")
        refused = await eve.join(there, seconds=3)
        assert not refused.joined
        await asyncio.sleep(0.3)
        assert not await is_heard(eve, there, vera, "fooled you")
        assert eve.nick not in vera.occupants(there)


def poll(room, **content):
    message = element(CLIENT, "message", to=f"polls.{room.partition('@conference.')[2]}")
    message.append(element(JITSI, "json-message", json.dumps({"type": "polls", **content})))
    return message


async def test_a_visitor_answers_polls_where_everybody_may(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        for person, at in ((alice, room), (vera, there)):
            await visit(person, at)
        assert (await vera.join(there)).joined
        asked = {"command": "new-poll", "pollId": "p1", "question": "Tea?", "answers": [{"name": "Yes"}, {"name": "No"}]}
        alice.send(poll(room, **asked))
        await vera.wait_for(lambda seen: "Tea?" in repr(seen))
        since, mine = alice.mark(), {"command": "answer-poll", "pollId": "p1", "answers": [True, False]}
        vera.send(poll(there, **mine))
        await alice.wait_for(lambda seen: "answer-poll" in repr(seen), since=since)
        vestibule(meet, "suspend", room)
        await asyncio.sleep(0.3)
        since = alice.mark()
        vera.send(poll(there, **{**mine, "answers": [False, True]}))
        await asyncio.sleep(0.5)
        assert not any("answer-poll" in repr(seen) for seen in alice.seen[since:])


async def test_a_name_that_was_judged_stays(meet):
    async with meet.crowd() as crowd:
        room, alice, there, vera = await meeting(meet, crowd)
        assert (await vera.join(there)).joined
        presence = element(CLIENT, "presence", to=f"{there}/{vera.nick}")
        presence.append(element("http://jabber.org/protocol/nick", "nick", "focus"))
        vera.send(presence)
        vera.say(there, "it is me")
        heard = await alice.wait_for(lambda seen: seen.body == "it is me")
        assert heard.text("http://jabber.org/protocol/nick", "nick") == "Vera"


async def test_of_a_server_without_the_module_nothing_is_heard_and_the_doctor_says_so(prosody_version):
    with VisitorsDoor(prosody_version, POLICY, guarded=False) as meet:
        async with meet.crowd() as crowd:
            room, alice, there, vera = await meeting(meet, crowd)
            assert (await vera.join(there)).joined, "Jitsi itself lets everybody in"
            assert not await is_heard(vera, there, alice, "hello")
            row = {row["id"]: row for row in json.loads(meet.component.run("doctor", "--json").stdout)["checks"]}
            assert NODE_ROOMS in json.dumps(row["visitors-unguarded"])
            assert "has no vestibule_visitors" in meet.server.log()
