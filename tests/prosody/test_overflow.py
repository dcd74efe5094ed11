"""More attempts than the gate holds, and floods of one session: each is answered, most at once."""

import asyncio

import pytest
from lab import Crowd
from lab.stanza import CLIENT, MUC_ADMIN, element
from lab.stream import Stream, plain
from storm import MODULES, PASSWORD, QUICK, ROOM, SERVICE, guests, hear, logged, policy, shell, tally, until

# docs/protocol.md, section 7
EACH = 100
MANY = 1000
AWAY, FULL = "remote-server-timeout", "resource-constraint"
# Long enough that nothing expires while the flood comes in.
LONG = {"vestibule_grace": 10, "vestibule_timeout": 10}
DISCO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
JOIN = "<presence to='{room}/M'><x xmlns='http://jabber.org/protocol/muc'/></presence>"


def refused(vestibule, reason):
    events = [each for each in vestibule.decisions() if each.get("event") == "refused"]
    return [each for each in events if each["details"]["reason"] == reason]


def answers_in(person, since, condition):
    return [s for s in person.seen[since:] if s.error and s.error[1] == condition]


async def test_a_thousand_who_wait_at_one_room_keep_nobody_from_waiting_too(start_prosody, start_vestibule):
    server = start_prosody(muc_options={"vestibule_grace": 3, "vestibule_timeout": 3})
    everybody_moderates = policy("[policy.moderators]", 'assign = ["account"]')
    vestibule = start_vestibule(server, everybody_moderates)
    async with Crowd(server) as crowd:
        owners = await crowd.connect_many([f"owner{n}@localhost" for n in range(MANY // EACH)])
        alice = await crowd.connect("alice@localhost")
        for number, owner in enumerate(owners):
            assert (await owner.join(ROOM, f"Owner{number}")).joined
        vestibule.freeze()
        marks = [owner.mark() for owner in owners]
        for number in range(MANY):
            ask = element(CLIENT, "iq", type="set", to=ROOM, id=f"flood{number}")
            query = element(MUC_ADMIN, "query")
            query.append(element(MUC_ADMIN, "item", jid=f"p{number}@localhost", affiliation="member"))
            ask.append(query)
            owners[number // EACH].send(ask)
        at = alice.ask_to_join(ROOM, "Alice", PASSWORD)
        await alice.ping()
        await hear(owners[0], owners[1], "the room goes on")

        def answered(condition):
            return [s for o, m in zip(owners, marks, strict=True) for s in answers_in(o, m, condition)]

        await until(lambda: len(answered(AWAY)) == MANY, 30, "an answer to each")
        assert (await alice.outcome(ROOM, at)).condition == AWAY
        assert not answered(FULL)
        assert len({stanza.id for stanza in answered(AWAY)}) == MANY
        vestibule.thaw()
        await alice.ping()
        members = await owners[0].list_affiliation(ROOM, "member")
        assert members == set(), "late answers change nothing"
        assert (await alice.join(ROOM, "Alice", PASSWORD)).joined


async def test_two_thousand_who_wait_are_answered_when_the_gate_goes(start_prosody, start_vestibule):
    server = start_prosody(muc_options=LONG, plugin_paths=[MODULES], modules=["lab_unload"])
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        people = await guests(crowd, 2000 // EACH)
        alice = await crowd.connect("alice@localhost")
        vestibule.kill()
        for number, person in enumerate(people):
            rooms = range(number * EACH, (number + 1) * EACH)
            person.send_raw("".join(JOIN.format(room=f"r{each}@{SERVICE}") for each in rooms))
        await asyncio.gather(*(person.ping(60) for person in people))
        assert not any(answers_in(person, 0, FULL) for person in people)
        assert server.resident_kib() < 100 * 1024
        await shell(alice, "unload")
        await asyncio.gather(*(person.ping(60) for person in people))
        for person in people:
            answers = answers_in(person, 0, AWAY)
            assert len({seen.sender for seen in answers}) == len(answers) == EACH


async def test_one_session_cannot_take_all_the_places(start_prosody, start_vestibule):
    server = start_prosody(muc_options=QUICK)
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        mallory = await crowd.connect("mallory@localhost")
        alice = await crowd.connect("alice@localhost")
        vestibule.kill()
        await logged(server, "component disconnected")
        flood = MANY
        mallory.send_raw("".join(JOIN.format(room=f"r{n}@{SERVICE}") for n in range(flood)))
        await until(lambda: len(answers_in(mallory, 0, FULL)) == flood - EACH, 30, "refusals")
        refused = await alice.join(ROOM, "Alice")
        assert refused.condition == AWAY, "she had a place and waited"
        await until(lambda: len(answers_in(mallory, 0, AWAY)) == EACH, 30, "the rest")


@pytest.mark.parametrize("end", ["unload", "reload", "kill", "leave"])
async def test_what_waits_unread_goes_on_when_nobody_asks_any_more(start_prosody, start_vestibule, end):
    server = start_prosody(muc_options=LONG, plugin_paths=[MODULES], modules=["lab_unload"])
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        alice, mallory, other = await crowd.connect_many(["alice@localhost", "mallory@localhost", "mallory@localhost"])
        vestibule.freeze()
        mallory.send_raw("".join(JOIN.format(room=f"r{n}@{SERVICE}") for n in range(MANY)))
        for _ in range(20):
            await alice.ping()
        # Of the same account, and no attempt.
        other.send_raw("".join(f"<iq type='get' to='{SERVICE}' id='i{n}'>{DISCO}</iq>" for n in range(2 * EACH)))
        if end == "kill":
            vestibule.kill()
        elif end == "leave":
            mallory.abort()
            await alice.ping()
            vestibule.thaw()
        else:
            await shell(alice, end)
        if end != "leave":
            await mallory.ping(60)
            rooms = {f"r{n}@{SERVICE}" for n in range(MANY)}
            await until(lambda: rooms <= {s.sender.split("/")[0] for s in mallory.seen}, 30, "an answer from each")
        await other.ping(60)
        await alice.ping()
        assert "traceback" not in server.log().lower()


async def test_a_session_that_is_resumed_goes_on_where_it_waited(start_prosody, start_vestibule):
    server = start_prosody(muc_options=LONG, modules=["smacks"])
    vestibule = start_vestibule(server, policy())
    server.add_account("mallory")
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        mallory = await Stream.connect_to(server, "localhost")
        await (await mallory.sasl("PLAIN", plain("mallory"))).bind()
        jid, previd = mallory.jid, await mallory.hibernates()
        vestibule.freeze()
        rooms = [f"r{n}@{SERVICE}" for n in range(3 * EACH)]
        mallory.send_raw("".join(JOIN.format(room=room) for room in rooms))
        for _ in range(20):
            await alice.ping()
        mallory.abort()
        again = await Stream.connect_to(server, "localhost")
        await again.sasl("PLAIN", plain("mallory"))
        await again.resume(previd, jid)
        vestibule.thaw()
        await again.ping(60)
        # What it had sent and the server had not read went with the connection.
        answered = {seen.sender.partition("/")[0] for seen in again.seen} & set(rooms)
        assert len(answered) > EACH
        again.send_raw("".join(JOIN.format(room=room) for room in rooms))
        await again.ping(60)
        await until(lambda: set(rooms) <= {seen.sender.partition("/")[0] for seen in again.seen}, 30, "an answer from each")
        await alice.ping()
        assert "traceback" not in server.log().lower()
        again.abort()


async def test_a_session_that_cannot_decide_on_a_nick_holds_one_place(start_prosody, start_vestibule):
    server = start_prosody(muc_options=QUICK)
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        mallory = await crowd.connect("mallory@localhost")
        assert (await alice.join(ROOM, "Alice")).joined
        vestibule.freeze()
        since = mallory.mark()
        for number in range(200):
            mallory.ask_to_join(ROOM, f"Nick{number}", PASSWORD)
        mallory.ask_to_join(ROOM, "Nick199", PASSWORD)
        await until(lambda: len(answers_in(mallory, since, "conflict")) == 199, 2, "199 answers")
        vestibule.thaw()
        await alice.wait_for(lambda seen: seen.nick == "Nick199", 3)
        assert set(alice.occupants(ROOM)) == {"Alice", "Nick199"}
        await mallory.ping()
        assert len(mallory.answers(ROOM, since)) == 200


async def test_one_session_that_floods_a_room_does_not_keep_the_others_out(
    start_prosody, start_vestibule
):
    server = start_prosody()
    start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        mallory = await crowd.connect("mallory@localhost")
        assert (await alice.join(ROOM, "Alice")).joined
        mallory.send_raw(JOIN.format(room=ROOM) * 4000)
        await asyncio.sleep(0.1)
        answer = await bob.join(ROOM, "Bob", PASSWORD)
        assert answer.joined, answer
        await mallory.ping(60)
        await hear(bob, alice, "who was that?")
        assert "M" not in alice.occupants(ROOM)
        answers = tally(mallory.answers(ROOM))
        assert set(answers) <= {"not-authorized", FULL}, answers
