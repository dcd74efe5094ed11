"""More attempts than the gate holds, and floods of one session: each is answered, most at once."""

import asyncio
import time

from lab import Crowd
from lab.stanza import CLIENT, MUC_ADMIN, element
from storm import MODULES, PASSWORD, QUICK, ROOM, SERVICE, hear, policy, shell, tally, until

# docs/protocol.md, section 7
IN_A_ROOM = 1000
IN_ALL = 10_000
MORE = 50
# Long enough that nothing expires while the flood comes in.
LONG = {"vestibule_grace": 10, "vestibule_timeout": 10}
JOIN = "<presence to='{room}/M'><x xmlns='http://jabber.org/protocol/muc'/></presence>"


def refused(vestibule, reason):
    events = [each for each in vestibule.decisions() if each.get("event") == "refused"]
    return [each for each in events if each["details"]["reason"] == reason]


def answers_in(person, since, condition):
    return [s for s in person.seen[since:] if s.error and s.error[1] == condition]


async def test_a_room_that_is_full_of_waiting_people_answers_the_next_at_once(
    start_prosody, start_vestibule
):
    server = start_prosody(muc_options={"vestibule_grace": 3, "vestibule_timeout": 3})
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        carol = await crowd.connect("carol@localhost")
        assert (await alice.join(ROOM, "Alice")).joined
        assert (await bob.join(ROOM, "Bob", PASSWORD)).joined
        vestibule.freeze()
        since, began = alice.mark(), time.monotonic()
        for number in range(IN_A_ROOM + MORE):
            ask = element(CLIENT, "iq", type="set", to=ROOM, id=f"flood{number}")
            query = element(MUC_ADMIN, "query")
            query.append(element(MUC_ADMIN, "item", jid=f"p{number}@localhost", affiliation="member"))
            ask.append(query)
            alice.send(ask)
        await until(lambda: len(answers_in(alice, since, "resource-constraint")) == MORE, 2, "50 refusals")
        told = await carol.join(ROOM, "Carol", PASSWORD)
        assert (told.type, told.condition) == ("wait", "resource-constraint")
        assert told.seconds < 1
        assert (await carol.join("other@" + SERVICE, "Carol", seconds=0.2)).kind == "silence"
        await hear(bob, alice, "the room goes on")
        await until(
            lambda: len(answers_in(alice, since, "remote-server-timeout")) == IN_A_ROOM, 5, "the rest"
        )
        assert time.monotonic() - began < 5
        vestibule.thaw()
        await until(lambda: len(refused(vestibule, "overflow")) == MORE + 1, 3, "the reports")
        assert await alice.list_affiliation(ROOM, "member") == set(), "late answers change nothing"
        assert (await carol.join(ROOM, "Carol", PASSWORD)).joined
        ids = [s.id for s in alice.seen[since:] if s.id.startswith("flood")]
        assert len(ids) == len(set(ids)) == IN_A_ROOM + MORE


async def test_a_server_that_is_full_of_waiting_people_answers_the_next_at_once(
    start_prosody, start_vestibule
):
    server = start_prosody(muc_options=LONG, plugin_paths=[MODULES], modules=["lab_unload"])
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        mallory = await crowd.connect("mallory@localhost")
        alice = await crowd.connect("alice@localhost")
        vestibule.kill()
        mallory.send_raw("".join(JOIN.format(room=f"r{n}@{SERVICE}") for n in range(IN_ALL + MORE)))
        full = "resource-constraint"
        await until(lambda: len(answers_in(mallory, 0, full)) == MORE, 9, "50 refusals")
        told = await alice.join(ROOM, "Alice")
        assert told.condition == full
        assert told.seconds < 1
        assert server.resident_kib() < 100 * 1024
        # They are answered even when the gate goes away with all of them.
        await shell(alice, "unload")
        away = "remote-server-timeout"
        await until(lambda: len(answers_in(mallory, 0, away)) == IN_ALL, 10, "10,000 answers")
        assert len({seen.sender for seen in mallory.seen if seen.error}) == IN_ALL + MORE


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
        over = asyncio.ensure_future(mallory.ping(60))
        await asyncio.sleep(0.1)
        answer = await bob.join(ROOM, "Bob", PASSWORD)
        assert answer.joined, answer
        assert not over.done(), "he waited until the flood was over"
        await over
        await hear(bob, alice, "who was that?")
        assert "M" not in alice.occupants(ROOM)
        answers = tally(mallory.answers(ROOM))
        assert set(answers) <= {"not-authorized", "resource-constraint"}, answers
