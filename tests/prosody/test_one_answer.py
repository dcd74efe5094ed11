"""Every attempt gets exactly one answer, in bounded time, whatever happens meanwhile."""

import asyncio

import pytest
from lab import SERVICE, Crowd
from lab.policy import OPERATOR, PRESET, SECRET, rooms
from lab.stanza import CLIENT, MUC, MUC_OWNER, MUC_USER, element

SERVER = {
    "muc_options": {"vestibule_timeout": 1, "vestibule_grace": 1},
    # Above what Prosody takes from a component: the gate must not pass it on.
    "options": {"c2s_stanza_size_limit": 1024 * 1024},
}
POLICY = SERVICE + OPERATOR + PRESET + rooms({
    "password": 'lobby = { admission = "password" }',
    "refused": 'access = { create = ["operator"] }',
})
LINKED = "External component successfully authenticated"
TIMEOUT = ("wait", "remote-server-timeout")


async def answered(person, room, expected):
    """Waits until all that was sent is handled; the answers to the joins, as conditions."""
    for _ in range(200):
        await person.ping()
        if len(person.answers(room)) >= expected:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    return [answer.condition or answer.kind for answer in person.answers(room)]


@pytest.mark.parametrize(
    ("name", "typed", "answer"),
    [
        ("room", SECRET, "joined"),
        ("room", None, "registration-required"),
        ("room", "wrong", "not-authorized"),
        ("password", None, "not-authorized"),
    ],
)
async def test_a_join_gets_one_answer_whatever_the_verdict(door, name, typed, answer):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name=name)
        bob = await crowd.connect("bob@localhost")
        bob.ask_to_join(room, "Bob", typed)
        assert await answered(bob, room, 1) == [answer]


async def test_a_refused_creation_gets_one_answer(door):
    async with Crowd(door.server) as crowd:
        room = door.room("refused")
        guest = await crowd.connect("guest.localhost")
        for attempt in (1, 2):
            guest.ask_to_join(room, "Guest")
            assert await answered(guest, room, attempt) == ["not-allowed"] * attempt


async def test_many_joins_of_one_session_in_one_packet(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        join = "<presence to='{}/{}'><x xmlns='{}'><password>{}</password></x></presence>"
        bob.send_raw("".join(join.format(room, "Bob", MUC, SECRET) for _ in range(5)))
        answers = await answered(bob, room, 1)
        assert answers and set(answers) == {"joined"}
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice", "Bob"}


async def test_two_joins_with_two_nicks_in_one_packet(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        join = "<presence to='{}/{}'><x xmlns='{}'><password>{}</password></x></presence>"
        bob.send_raw("".join(join.format(room, nick, MUC, SECRET) for nick in ("One", "Two")))
        answers = await answered(bob, room, 2)
        assert sorted(answers) == ["conflict", "joined"]
        await alice.ping()
        assert len(alice.occupants(room)) == 2


@pytest.mark.parametrize("nick", ["🤖", "a\u00adb", "\u2028", "nick\ufdd0", "x" * 1023, "א1ב", "\u0627 \u0031"])
@pytest.mark.parametrize("creates", [True, False])
async def test_an_odd_nick_gets_one_answer(door, nick, creates):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.about_to_join(crowd, creates)
        bob.ask_to_join(room, nick, SECRET)
        answers = await answered(bob, room, 1)
        assert len(answers) == 1
        if answers != ["joined"]:
            exists = door.component.run("room", room).returncode == 0
            assert exists != creates
        assert (await alice.join(room, "Alice", SECRET)).joined


@pytest.mark.parametrize("creates", [True, False])
@pytest.mark.parametrize("to", ["{room}", "{room}/", "{service}", "{service}/nick", "{room}/ "])
async def test_a_join_without_a_nick_is_answered_and_leaves_no_room(door, to, creates):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.about_to_join(crowd, creates)
        address = to.format(room=room, service=door.server.service)
        bob.send_raw(f"<presence to='{address}' id='odd'><x xmlns='{MUC}'/></presence>")
        await bob.wait_for(lambda seen: seen.id == "odd" and seen.error)
        await bob.ping()
        assert len([seen for seen in bob.seen if seen.id == "odd"]) == 1
        assert (door.component.run("room", room).returncode == 0) != creates
        outcome = await alice.join(room, "Alice", SECRET)
        assert outcome.joined and outcome.presence.item["affiliation"] == "owner"


def everything(room):
    """One of every kind of attempt of an owner, as (stanza name, text)."""
    form = "<x xmlns='jabber:x:data' type='submit'><field var='muc#roomconfig_roomname'><value>T</value></field></x>"
    owner, admin = MUC_OWNER, "http://jabber.org/protocol/muc#admin"
    return {
        "configure": f"<iq type='set' to='{room}' id='configure'><query xmlns='{owner}'>{form}</query></iq>",
        "affiliation": f"<iq type='set' to='{room}' id='affiliation'><query xmlns='{admin}'>"
        "<item jid='friend@localhost' affiliation='member'/></query></iq>",
        "role": f"<iq type='set' to='{room}' id='role'><query xmlns='{admin}'>"
        "<item nick='Bob' role='visitor'/></query></iq>",
        "register": f"<iq type='set' to='{room}' id='register'><query xmlns='jabber:iq:register'>"
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        "<value>http://jabber.org/protocol/muc#register</value></field>"
        "<field var='muc#register_roomnick'><value>Al</value></field></x></query></iq>",
        "destroy": f"<iq type='set' to='{room}' id='destroy'><query xmlns='{owner}'><destroy/></query></iq>",
        "invite": f"<message to='{room}' id='invite'><x xmlns='{MUC_USER}'><invite to='x@localhost'/></x></message>",
        "command": f"<message to='{room}' id='command' type='groupchat'><body>!close</body></message>",
    }


async def silence(door, crowd, quieten):
    """A room whose owner has tried everything while the component cannot answer."""
    room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
    carol = await crowd.connect("carol@localhost")
    quieten()
    carol.ask_to_join(room, "Carol", SECRET)
    carol.ask_to_join(door.room(), "Carol")
    tried = everything(room)
    alice.send_raw("".join(tried.values()))
    return room, alice, bob, carol, set(tried)


@pytest.mark.parametrize("how", ["frozen", "gone"])
async def test_every_attempt_is_refused_in_time_when_the_component_is(door, how):
    component = door.component
    async with Crowd(door.server) as crowd:
        quieten = component.freeze if how == "frozen" else component.kill
        room, alice, bob, carol, tried = await silence(door, crowd, quieten)
        try:
            refused = await carol.outcome(room, 0, seconds=8)
            assert (refused.type, refused.condition) == TIMEOUT
            for name in tried:
                await alice.wait_for(lambda seen: seen.id == name and seen.error)
            errors = {seen.id: seen.error[:2] for seen in alice.seen if seen.error}
            assert errors == dict.fromkeys(tried, TIMEOUT)
            await carol.wait_for(lambda seen: seen.error and seen.room != room)
            await carol.ping()
            assert len([seen for seen in carol.seen if seen.error]) == 2
            await bob.ping()
            assert set(alice.occupants(room)) == {"Alice", "Bob"}
            alice.say(room, "we go on")
            await bob.wait_for(lambda seen: seen.body == "we go on")
        finally:
            if how == "frozen":
                component.thaw()
            else:
                component.start()
        await asyncio.to_thread(component.wait_ready)
        assert (await carol.join(room, "Carol", SECRET)).joined
        assert len([seen for seen in alice.seen if seen.error]) == len(tried)


async def test_whoever_was_parked_is_asked_for_again_when_the_component_is_back(door):
    component = door.component
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        component.freeze()
        bob.ask_to_join(room, "Bob", SECRET)
        await bob.ping()
        component.kill()
        component.start(ready=False)
        assert await answered(bob, room, 1) == ["joined"]
        await asyncio.to_thread(component.wait_ready)


async def test_too_many_attempts_of_one_session_are_refused_at_once_and_each_is_answered(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        with door.component.frozen():
            item = "<item jid='x@localhost' affiliation='member'/>"
            query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>"
            tried = [f"attempt-{number}" for number in range(400)]
            alice.send_raw("".join(f"<iq type='set' to='{room}' id='{name}'>{query}</iq>" for name in tried))
            for name in tried:
                await alice.wait_for(lambda seen: seen.id == name, seconds=8)
            await alice.ping()
        answers = [seen for seen in alice.seen if seen.id in tried]
        assert sorted(answer.id for answer in answers) == sorted(tried)
        assert {answer.error and answer.error[1] for answer in answers} == {"resource-constraint", "remote-server-timeout"}
        await asyncio.to_thread(door.component.wait_ready)


@pytest.mark.parametrize("size", [60_000, 500_000])
@pytest.mark.parametrize("where", ["join", "configure", "command", "affiliation"])
async def test_a_huge_stanza_gets_one_answer_and_the_link_stays(door, where, size):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        links = door.server.log().count(LINKED)
        filling = "ä" * (size // 2)
        field = f"<field var='muc#roomconfig_roomdesc'><value>{filling}</value></field>"
        stanzas = {
            "join": f"<presence to='{room}/Bob' id='huge'><x xmlns='{MUC}'>"
            f"<password>{filling}</password></x></presence>",
            "configure": f"<iq type='set' to='{room}' id='huge'><query xmlns='{MUC_OWNER}'>"
            f"<x xmlns='jabber:x:data' type='submit'>{field * 2 if size < 100_000 else field}</x></query></iq>",
            "command": f"<message type='groupchat' to='{room}' id='huge'><body>!{filling}</body></message>",
            "affiliation": f"<iq type='set' to='{room}' id='huge'>"
            "<query xmlns='http://jabber.org/protocol/muc#admin'>"
            f"<item jid='x@localhost' affiliation='member'><reason>{filling}</reason></item></query></iq>",
        }
        actor = bob if where == "join" else alice
        actor.send_raw(stanzas[where])
        await actor.wait_for(lambda seen: seen.id == "huge")
        await actor.ping()
        assert len([seen for seen in actor.seen if seen.id == "huge"]) == 1
        assert (await bob.join(room, "Bob", SECRET)).joined
        assert door.server.log().count(LINKED) == links


async def test_illegal_characters_never_reach_the_component(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        links = door.server.log().count(LINKED)
        for text in ("&#1;", "&#xFFFE;", "\x01", "<!-- x -->", "<?x?>", "<!DOCTYPE x>", "&x;"):
            mallory = await crowd.connect("guest.localhost")
            mallory.send_raw(
                f"<presence to='{room}/M{text}'><x xmlns='{MUC}'><password>{text}</password></x></presence>"
            )
            await asyncio.sleep(0.02)
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Bob", SECRET)).joined
        assert door.server.log().count(LINKED) == links


async def test_an_error_or_result_is_not_answered(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        guest = await crowd.connect("guest.localhost")
        guest.send_raw(f"<presence to='{room}/G' type='error'><x xmlns='{MUC}'/></presence>")
        guest.send_raw(f"<iq to='{room}' type='result' id='r'><query xmlns='{MUC_OWNER}'/></iq>")
        guest.send(element(CLIENT, "message", to=room, type="error"))
        await guest.ping()
        assert not [seen for seen in guest.seen if seen.room == room]
