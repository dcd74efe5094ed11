"""What the gate does while there is no component is declared, and is seen afterwards."""

import json
import time

from lab import Crowd
from storm import PASSWORD, QUICK, ROOM, guests, hear, outcomes, policy, storm, tally, until

GRACE = 1
FOCUS = "focus@localhost"
NEW = "new@conference.localhost"
OPENING = {"vestibule_grace": GRACE, "vestibule_timeout": 1, "vestibule_on_unavailable": "allow"}


def status(vestibule):
    return json.loads(vestibule.run("status", "--json").stdout)


def let_in_unasked(server):
    return [line for line in server.complaints() if "without a decision" in line]


async def test_failing_open_lets_people_in_and_says_so_each_time(start_prosody, start_vestibule):
    server = start_prosody(muc_options=OPENING)
    vestibule = start_vestibule(server, policy())
    told = vestibule.run("status").stdout
    assert "joins while this component is away: allow" in told
    async with Crowd(server) as crowd:
        people = await guests(crowd, 10)
        assert (await people[0].join(ROOM, "Opener")).joined
        assert let_in_unasked(server) == []
        vestibule.kill()
        marks = storm(people[1:9])
        new = storm(people[9:], NEW)
        with_password = await outcomes(people[1:9], marks)
        (without_policy,) = await outcomes(people[9:], new, NEW)
        assert tally([*with_password, without_policy]) == {"joined": 9}
        assert min(answer.seconds for answer in with_password) > GRACE - 0.5
        assert max(answer.seconds for answer in with_password) < GRACE + 1
        warnings = let_in_unasked(server)
        assert len(warnings) == 9
        for person in people[1:]:
            assert any(person.jid in line for line in warnings)
        vestibule.start()
        await until(lambda: status(vestibule)["decisions"]["by_gate"] == 9, 3, "nine reports")

        def reported():
            return [each for each in vestibule.decisions() if each.get("event") == "opened-failing"]

        await until(lambda: len(reported()) == 9, 3, "nine lines in the decision log")
        assert "9 settled by a gate alone" in vestibule.run("status").stdout
        assert not (await people[9].configure(NEW)).error
        (stranger,) = await guests(crowd, 1)
        for room in (ROOM, NEW):
            refused = await stranger.join(room, "Stranger", "wrong")
            assert refused.condition == "not-authorized", "a room opened meanwhile has its policy now"


async def test_failing_open_does_not_open_a_room_that_has_a_password(start_prosody, start_vestibule):
    server = start_prosody(muc_options=OPENING)
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        opener, stranger = await guests(crowd, 2)
        assert (await opener.join(ROOM, "Opener")).joined
        vestibule.kill()
        answer = await stranger.join(ROOM, "Stranger", "wrong")
        assert answer.condition == "not-authorized"


async def test_a_silent_component_counts_as_absent_when_failing_open(start_prosody, start_vestibule):
    server = start_prosody(muc_options=OPENING)
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        opener, guest = await guests(crowd, 2)
        assert (await opener.join(ROOM, "Opener")).joined
        vestibule.freeze()
        assert (await guest.join(ROOM, "Guest", PASSWORD)).joined
        assert len(let_in_unasked(server)) == 1
        vestibule.thaw()


PERSISTENT = ("[policy.access]", "persistent = true")


async def leave_a_room_behind(server):
    """Alice opens a room that outlives her."""
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        assert (await alice.join(ROOM, "Alice")).joined
        await alice.leave(ROOM, "Alice")


async def test_after_a_cold_start_the_services_come_in_and_nobody_else(
    start_prosody, start_vestibule
):
    server = start_prosody(storage="internal", muc_options=QUICK)
    vestibule = start_vestibule(server, policy(*PERSISTENT, focus=FOCUS))
    await leave_a_room_behind(server)
    vestibule.kill()
    server.restart()
    async with Crowd(server) as crowd:
        focus = await crowd.connect(FOCUS)
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        began = time.monotonic()
        assert (await focus.join(ROOM, "focus")).joined
        assert time.monotonic() - began < 1, "focus is never parked"
        known, new = storm([alice]), storm([bob], NEW)
        for refused in (await alice.outcome(ROOM, known[0]), await bob.outcome(NEW, new[0])):
            assert refused.condition == "remote-server-timeout"
            assert refused.seconds < QUICK["vestibule_grace"] + 1
        liar = await bob.join(ROOM, "focus")
        assert liar.condition == "conflict", "the reserved nick is known as well"
        assert set(focus.occupants(ROOM)) == {"focus"}
        vestibule.start()
        assert (await bob.join(ROOM, "Bob")).condition == "not-authorized"
        assert (await bob.join(ROOM, "Bob", PASSWORD)).joined
        await hear(focus, bob, "welcome")


async def test_before_the_first_greeting_the_file_of_the_server_names_the_services(
    start_prosody, start_vestibule
):
    server = start_prosody(storage="internal", muc_options=QUICK)
    vestibule = start_vestibule(server, policy(*PERSISTENT))
    await leave_a_room_behind(server)
    vestibule.kill()
    server.muc_options["vestibule_trusted"] = [FOCUS]
    server.restart()
    async with Crowd(server) as crowd:
        focus = await crowd.connect(FOCUS)
        bob = await crowd.connect("bob@localhost")
        assert (await focus.join(ROOM, "Focus")).joined
        assert (await bob.join(ROOM, "Bob", PASSWORD)).condition == "remote-server-timeout"
