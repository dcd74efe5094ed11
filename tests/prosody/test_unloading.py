"""The gate is unloaded and loaded again in a running server: rooms keep working."""

import asyncio
import re

from lab import Crowd
from lab.http import Api
from lab.stanza import element
from storm import (
    MODULES,
    PASSWORD,
    ROOM,
    SERVICE,
    guests,
    hear,
    logged,
    meeting,
    one_answer_each,
    outcomes,
    policy,
    shell,
    storm,
    tally,
    until,
)

WHOLE = {"plugin_paths": [MODULES], "modules": ["lab_unload"]}


async def test_unloading_answers_everybody_parked_and_leaves_the_room_working(
    start_prosody, start_vestibule
):
    server = start_prosody(**WHOLE)
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        alice, bob = await meeting(crowd)
        people = await guests(crowd, 50)
        before = await alice.configuration(ROOM)
        vestibule.freeze()
        marks = storm(people[:25]) + storm(people[25:], "new@conference.localhost")
        await people[0].ping()
        await shell(alice, "unload")
        answers = await outcomes(people[:25], marks[:25])
        answers += await outcomes(people[25:], marks[25:], "new@conference.localhost")
        assert tally(answers) == {"remote-server-timeout": 50}
        assert max(answer.seconds for answer in answers) < 2
        vestibule.thaw()
        await one_answer_each(people[:25], marks[:25])

        await hear(alice, bob, "what was that?")
        await hear(bob, alice, "nothing")
        assert await alice.configuration(ROOM) == before
        assert before["muc#roomconfig_roomsecret"] == PASSWORD
        assert (await people[0].join(ROOM, "Guest", "wrong")).condition == "not-authorized"
        assert (await people[0].join(ROOM, "Guest", PASSWORD)).joined, "as in any Prosody"
        assert [line for line in server.complaints() if "lua" in line.lower()] == []


async def test_loading_it_again_brings_every_room_under_the_policy(start_prosody, start_vestibule):
    server = start_prosody(**WHOLE)
    vestibule = start_vestibule(server, policy())
    other = "other@conference.localhost"
    async with Crowd(server) as crowd:
        alice, bob = await meeting(crowd)
        await shell(alice, "unload")
        wild = await crowd.connect("wild@localhost")
        assert (await wild.open(other, "Wild")).joined, "there is no policy now"
        await shell(alice, "load")
        await asyncio.to_thread(vestibule.wait_ready)
        await hear(alice, bob, "back again")
        stranger, friend = await guests(crowd, 2)
        for room in (ROOM, other):
            assert (await stranger.join(room, "Guest")).condition == "not-authorized", room
        assert (await stranger.join(other, "Guest", PASSWORD)).joined
        assert (await friend.join(ROOM, "Friend", PASSWORD)).joined
        await wild.ping()
        assert wild.occupants(other).keys() == {"Wild", "Guest"}
        hidden = await stranger.disco_items(SERVICE)
        assert other not in repr(hidden)


async def test_reloading_in_a_storm_answers_everybody_once(start_prosody, start_vestibule):
    server = start_prosody(**WHOLE)
    start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        alice, bob = await meeting(crowd)
        people = await guests(crowd, 100)
        marks = storm(people[:60])
        await until(lambda: len(alice.occupants(ROOM)) > 7, 5, "a storm")
        await shell(alice, "reload")
        marks += storm(people[60:], prefix="Late")
        answers = await outcomes(people, marks)
        assert set(tally(answers)) <= {"joined", "remote-server-timeout"}, tally(answers)
        assert {answer.kind for answer in answers[60:]} == {"joined"}
        await one_answer_each(people, marks)
        await hear(bob, alice, "still here")


def not_ready(vestibule):
    """The status of a component that is not ready, once it is not."""
    return (status := vestibule.run("status")).returncode == 1 and status.stdout


async def test_a_service_whose_gate_is_unloaded_is_not_ready_until_it_is_back(start_prosody, start_vestibule):
    server = start_prosody(**WHOLE)
    vestibule = start_vestibule(server, policy())
    await logged(vestibule, "ready: every service")
    api = Api(vestibule)

    def ready():
        """What is asked by balancers, and what is measured."""
        metrics = api.request("GET", "/metrics")[2]
        return api.request("GET", "/readyz", token=False)[0], re.search(r"^vestibule_ready (\d)", metrics, re.MULTILINE)[1]

    assert ready() == (200, "1")
    async with Crowd(server) as crowd:
        alice, _ = await meeting(crowd)
        await shell(alice, "unload")
        await until(lambda: not_ready(vestibule), 5, "a status that is not ready")
        assert f"{SERVICE}: NO GATE is connected" in not_ready(vestibule)
        assert ready() == (503, "0")
        await logged(vestibule, "NOT READY: no gate is connected")
        assert vestibule.output.read_text().count("the gate is gone") == 1
        await shell(alice, "load")
        await asyncio.to_thread(vestibule.wait_ready)
        assert vestibule.run("status").returncode == 0
        assert ready() == (200, "1")


async def test_a_gate_in_whose_place_the_server_answers_is_gone(start_prosody, start_vestibule):
    server = start_prosody(**WHOLE)
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        alice, _ = await meeting(crowd)
        await shell(alice, "crash")
        assert vestibule.run("status").returncode == 0, "nobody has asked it anything"
        assert vestibule.run("room", ROOM).returncode != 0
        assert "NO GATE is connected" in not_ready(vestibule)
        assert vestibule.output.read_text().count("the gate is gone") == 1
        await shell(alice, "load")
        await asyncio.to_thread(vestibule.wait_ready)


async def test_a_service_that_refuses_everybody_is_not_ready(start_prosody, start_vestibule):
    gate = '\tmodules_enabled = { "vestibule_gate" }\n\tvestibule_component = "vestibule.localhost"\n'
    server = start_prosody(**WHOLE, extra_hosts=f'Component "more.localhost" "muc"\n{gate}')
    vestibule = start_vestibule(server, policy(), ready=False)
    await until(lambda: "a gate on more.localhost" in str(not_ready(vestibule)), 5, "a refused gate in the status")
    assert f"{SERVICE}: gate " in not_ready(vestibule)
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        reply = await alice.iq("localhost", "set", element("urn:lab", "unload", host="more.localhost"))
        assert reply.type == "result"
    await asyncio.to_thread(vestibule.wait_ready)
