"""Whose turn it is: what others do costs nobody more than one attempt of each of them.

Turns are counted, by the order of the decisions; nothing here depends on time.
"""

import asyncio

import pytest
from lab import Crowd
from lab.federation import FAR, FederatedDoor
from lab.knocking import answer_knock, knock
from lab.stanza import CLIENT, element, submission
from lab.websocket import WebCrowd, web
from proxy import Proxy
from storm import PASSWORD, SERVICE, policy, until

# docs/protocol.md, sections 2 and 7
ASKED = 2
EACH = 100
PEOPLE = 300
REGISTER = "http://jabber.org/protocol/muc#register"
JOIN = "<presence{sender} to='{room}/M'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
POLICY = policy(
    "[policy.access]",
    'create = ["account", "federated", "guest"]',
    "[policy.moderators]",
    'assign = ["opener"]',
)


@pytest.fixture(scope="module")
def door(prosody_version):
    """A server with the gate that has another server and a web server before it."""
    served, port = web(consider_websocket_secure=True)
    # What is held for a test, or by a slow machine, does not expire meanwhile.
    patience = {"vestibule_timeout": 10, "vestibule_grace": 10}
    shared = FederatedDoor(prosody_version, POLICY, muc_options=patience, **served)
    shared.web_port = port
    try:
        yield shared.start()
    finally:
        shared.close()


async def opened(door, crowd, name="room"):
    room = door.room(name)
    alice = await crowd.connect("alice@localhost")
    assert (await alice.join(room, "Alice", PASSWORD)).joined
    return room, alice


async def joined(crowd, room, count):
    """That many guests, who are inside."""
    people = await crowd.connect_many(["guest.localhost"] * count, present=False)
    for number, person in enumerate(people):
        assert (await person.join(room, f"Guest{number}", PASSWORD)).joined
    return people


def ask_in_vain(person, room, times):
    """What guests may ask for and nobody grants them, each time a question to the component."""
    for _ in range(times):
        person.say(room, "!close")


class Turns:
    """The decisions made since."""

    def __init__(self, door):
        self.door = door
        self.since = len(door.component.decisions())

    @classmethod
    async def begin(cls, door):
        """From when everything that was sent before has been decided: nothing for a second, on a slow machine too."""
        still, last = 0, -1
        while still < 4:
            count = len(door.component.decisions())
            still, last = still + 1 if count == last else 0, count
            await asyncio.sleep(0.25)
        return cls(door)

    async def of(self, jid):
        """How many decisions there were before the first one about `jid`."""
        await until(lambda: jid in self._jids(), 30, f"a decision about {jid}")
        return self._jids().index(jid)

    def _jids(self):
        lines = self.door.component.decisions()[self.since :]
        return [line["jid"] for line in lines if "verdict" in line]


# In one room


async def test_hopeless_requests_of_many_guests_cost_a_newcomer_one_turn_of_each(door):
    async with Crowd(door.server) as crowd:
        room, _ = await opened(door, crowd)
        guests = await joined(crowd, room, 10)
        bob = await crowd.connect("bob@localhost")
        await door.flushed()
        turns = await Turns.begin(door)
        with door.component.frozen():
            for guest in guests:
                ask_in_vain(guest, room, EACH)
            await asyncio.gather(*(guest.ping(60) for guest in guests))
            at = bob.ask_to_join(room, "Bob", PASSWORD)
            await bob.ping()
        assert (await bob.outcome(room, at, 30)).joined
        assert await turns.of(bob.bare) <= len(guests) + 1
        assert not [seen for guest in guests for seen in guest.seen if seen.error and seen.error[1] == "resource-constraint"]


async def test_what_moderators_answer_comes_before_strangers(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd, "knock")
        waits, *guests = await crowd.connect_many(["guest.localhost"] * 31, present=False)
        door.enforce(POLICY + '[[room]]\nmatch = "knock-*"\nlobby = { admission = "lobby", max_waiting = 100 }\n')
        assert (await waits.join(room, "Waits")).condition == "registration-required"
        form = await knock(alice, room, "Waits")
        await door.flushed()
        turns = await Turns.begin(door)
        with door.component.frozen():
            for number, guest in enumerate(guests):
                guest.ask_to_join(room, f"Guest{number}")
            await asyncio.gather(*(guest.ping(60) for guest in guests))
            answer_knock(alice, room, form, True)
            await alice.ping()
        assert await turns.of(alice.bare) <= 1


async def test_an_operator_waits_for_no_stranger(start_prosody, start_vestibule):
    server = start_prosody()
    async with Proxy(server.component_port) as link, Crowd(server) as crowd:
        vestibule = start_vestibule(server, POLICY, env=link.environment, ready=False)
        await asyncio.to_thread(vestibule.wait_ready)
        room = f"room@{SERVICE}"
        alice = await crowd.connect("alice@localhost")
        assert (await alice.join(room, "Alice", PASSWORD)).joined
        guests = await joined(crowd, room, 10)
        link.delay = 0.1  # for each way: the thousand take more than three minutes
        for guest in guests:
            ask_in_vain(guest, room, EACH)
        await asyncio.gather(*(guest.ping(60) for guest in guests))
        before = len(vestibule.decisions())
        done = await asyncio.to_thread(vestibule.run, "suspend", room)
        assert done.returncode == 0, done.stderr
        assert len(vestibule.decisions()) - before < 100, "of a thousand"
        vestibule.kill()


async def test_what_the_room_refuses_anyhow_is_no_question(door):
    async with Crowd(door.server) as crowd:
        room, _ = await opened(door, crowd)
        (guest,) = await crowd.connect_many(["guest.localhost"], present=False)
        query = element("jabber:iq:register", "query")
        query.append(submission({"FORM_TYPE": REGISTER, "muc#register_roomnick": "Guest"}))
        reply = await guest.iq(room, "set", query)
        assert reply.error[:2] == ("auth", "registration-required")
        await door.flushed()
        lines = door.component.decisions()
        assert not [line for line in lines if line.get("jid") == guest.bare and "verdict" in line]

        def is_reported():
            refused = (line for line in door.component.decisions() if line.get("event") == "refused")
            return any(guest.bare in repr(line) for line in refused)

        await until(is_reported, 3, "the report of the refusal")


# Over all rooms


async def flooded(person):
    """The server has read what others have sent before, as far as it reads it."""
    for _ in range(20):
        await person.ping()


async def test_a_flood_over_one_stream_costs_others_no_more_than_what_is_outstanding(door):
    async with Crowd(door.server) as crowd, door.abroad() as abroad:
        room, _ = await opened(door, crowd)
        strangers = await abroad.strangers(*(f"s{number}" for number in range(100)))
        bob, carol = await crowd.connect("bob@localhost"), await abroad.connect(f"carol@{FAR}")
        other = door.room()
        assert (await carol.join(other, "Carol", PASSWORD)).joined
        await carol.leave(other, "Carol")
        await door.flushed()
        turns = await Turns.begin(door)
        with door.component.frozen():
            for stranger in strangers:
                rooms = [door.room("flood") for _ in range(5)]
                stranger.send_raw("".join(JOIN.format(sender=f" from='{stranger.jid}'", room=each) for each in rooms))
            await flooded(bob)
            marks = bob.ask_to_join(room, "Bob", PASSWORD), carol.ask_to_join(other, "Carol", PASSWORD)
            await carol.iq(SERVICE, "get", element("urn:xmpp:ping", "ping"), 60)
            await bob.ping()
        assert (await bob.outcome(room, marks[0], 30)).joined
        assert (await carol.outcome(other, marks[1], 30)).joined
        assert await turns.of(bob.bare) <= 2 * ASKED
        assert await turns.of(carol.bare) <= 2 * ASKED


async def test_a_flood_of_one_network_costs_others_no_more_than_what_is_outstanding(door):
    async with WebCrowd(door.server, door.web_port) as browsers, Crowd(door.server) as crowd:
        room, _ = await opened(door, crowd)
        flood = [await browsers.connect(f"198.51.100.{number}") for number in range(1, 101)]
        bob = await browsers.connect("203.0.113.7")
        await door.flushed()
        turns = await Turns.begin(door)
        with door.component.frozen():
            for person in flood:
                for _ in range(5):
                    person.ask_to_join(door.room("flood"), "M")
            await flooded(bob)
            at = bob.ask_to_join(room, "Bob", PASSWORD)
            await bob.ping()
        assert (await bob.outcome(room, at, 30)).joined
        assert await turns.of(bob.bare) <= 2 * ASKED
        await asyncio.gather(*(person.ping(60) for person in flood))


async def test_what_one_sends_ahead_of_the_answers_waits_unread_and_is_not_refused(door):
    async with Crowd(door.server) as crowd:
        eve, bob = await crowd.connect_many(["eve@localhost", "bob@localhost"])
        rooms = [door.room("ahead") for _ in range(3 * EACH)]
        with door.component.frozen():
            eve.send_raw("".join(JOIN.format(sender="", room=each) for each in rooms))
            await flooded(bob)
        await eve.ping(60)
        for room in rooms:
            assert (await eve.outcome(room, 0, 30)).joined


async def test_nobody_inside_is_held_back_for_a_flood_of_their_network(door):
    async with WebCrowd(door.server, door.web_port) as browsers, Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd)
        near = await browsers.connect("198.51.100.1")
        assert (await near.join(room, "Near", PASSWORD)).joined
        flood = [await browsers.connect(f"198.51.100.{number}") for number in range(2, 42)]
        with door.component.frozen():
            for person in flood:
                for _ in range(5):
                    person.ask_to_join(door.room("flood"), "M")
            await flooded(alice)
            since = alice.mark()
            near.say(room, "we go on")
            near.send_raw(f"<presence xmlns='{CLIENT}' to='{room}/Near'><show>away</show></presence>")
            await near.ping()
            await alice.wait_for(lambda seen: seen.body == "we go on", since=since)
            await alice.wait_for(lambda seen: seen.nick == "Near" and seen.name == "presence", since=since)
        await asyncio.gather(*(person.ping(60) for person in flood))


# Many who are no flood


async def everybody_is_in(door, people):
    """All come within ten seconds, to meetings of five; every one is let in."""
    rooms = [door.room("meeting") for _ in range(PEOPLE // 5)]
    asked = [(person, rooms[number % len(rooms)], f"N{number}") for number, person in enumerate(people)]
    marks = []
    for person, room, nick in asked:
        marks.append(person.ask_to_join(room, nick, PASSWORD))
        await asyncio.sleep(0.02)
    waits = (person.outcome(room, at, 60) for (person, room, _), at in zip(asked, marks, strict=True))
    answers = await asyncio.gather(*waits)
    assert len(answers) == PEOPLE
    refused = [answer for answer in answers if not answer.joined]
    assert not refused, (len(refused), refused[0])


@pytest.mark.parametrize("address", ["203.0.113.9", None])
async def test_three_hundred_behind_one_address_are_no_flood(door, address):
    """None: behind a proxy that names nobody."""
    async with WebCrowd(door.server, door.web_port) as browsers:
        await everybody_is_in(door, [await browsers.connect(address) for _ in range(PEOPLE)])


async def test_three_hundred_over_one_stream_between_servers_are_no_flood(door):
    async with door.abroad() as abroad:
        await everybody_is_in(door, await abroad.strangers(*(f"p{number}" for number in range(PEOPLE))))
