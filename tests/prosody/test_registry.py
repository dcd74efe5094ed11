"""What the component believes of a room is what its gate knows: renames, several sessions, large rooms, lost reports."""

import asyncio
import json
import os

import pytest
from lab import SERVICE, Crowd
from lab.federation import FAR, FederatedDoor
from lab.http import Api
from lab.policy import rooms
from lab.raw import Raw
from lab.stanza import CLIENT, MUC, MUC_ADMIN, element
from storm import shell, until

# What was missed is not found by a comparison in between.
POLICY = (
    SERVICE
    + """
[audit]
every = "never"
[policy.access]
create = ["account", "operator"]
[policy.password]
required = false
[policy.lobby]
admission = "open"
[policy.close]
hold_until = []
"""
    + rooms({
        "lecture": 'moderators = { assign = ["listed"], jids = ["alice@localhost"] }',
        "accounts": 'access = { enter = ["account", "federated"] }',
    })
)


@pytest.fixture(scope="module")
def door(prosody_version):
    """The server with the gate, and another one that federates with it."""
    with FederatedDoor(prosody_version, POLICY, modules=["lab_unload", "lab_link"]) as shared:
        yield shared


def told(door, *arguments, code=0):
    done = door.component.run(*arguments, "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def believed(door, room):
    """The line of the room in the list, which is the component's own view."""
    return next((line for line in told(door, "rooms") if line["room"] == room), None)


def count(door, room):
    line = believed(door, room)
    return line and (line["people"], line["moderators"])


async def counts(door, room, *expected):
    await until(lambda: count(door, room) == expected, 3, f"{room} with {expected}, not {count(door, room)}")


def banned(door, person):
    """Whom a ban of that person removes, by room; it is lifted at once."""
    done = told(door, "ban", person.bare)
    told(door, "unban", person.bare)
    assert not done["failed"], done
    return sorted((one["room"], one["jid"]) for one in done["removed"])


async def rename(person, room, nick):
    since = person.mark()
    person.send(element(CLIENT, "presence", to=f"{room}/{nick}"))
    await person.wait_for(lambda seen: seen.name == "presence" and seen.sender == f"{room}/{nick}" and 110 in seen.statuses, since=since)


async def inside(crowd, name, nick, *rooms):
    person = await crowd.connect(f"{name}@localhost")
    for room in rooms:
        assert (await person.join(room, nick)).joined
    return person


async def test_somebody_who_takes_another_nick_again_and_again_is_banned_all_the_same(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        await inside(crowd, "alice", "Alice", room)
        bob = await inside(crowd, "bob", "Bob", room)
        for number in range(5):
            await rename(bob, room, f"Bob{number}")
        await counts(door, room, 2, 1)
        assert banned(door, bob) == [(room, bob.bare)]
        await counts(door, room, 1, 1)


async def test_somebody_alone_who_takes_another_nick_stays_in_the_room(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice = await inside(crowd, "alice", "Alice", room)
        assert not (await alice.configure(room, {"muc#roomconfig_roomname": "Tea"})).error
        await rename(alice, room, "Alicia")
        await inside(crowd, "bob", "Bob", room)
        await counts(door, room, 2, 1)
        await until(lambda: set(alice.occupants(room)) == {"Alicia", "Bob"}, 3, "both are inside")
        assert (await alice.configuration(room))["muc#roomconfig_roomname"] == "Tea"
        await alice.leave(room, "Alicia")
        await counts(door, room, 1, 0)


@pytest.mark.parametrize("to", ["a new nick", "a nick of theirs"])
async def test_one_session_of_two_takes_another_nick(door, to):
    async with Crowd(door.server) as crowd:
        room = door.room()
        await inside(crowd, "alice", "Alice", room)
        one, two = await inside(crowd, "bob", "Bob", room), await inside(crowd, "bob", "Bob", room)
        if to == "a nick of theirs":
            await inside(crowd, "bob", "Robert", room)
        await rename(two, room, "Robert")
        await counts(door, room, 2, 1)
        # The nick that is left goes, and nobody with it.
        await one.leave(room, "Bob")
        await counts(door, room, 2, 1)
        assert banned(door, two) == [(room, two.bare)]
        await two.wait_for(lambda seen: seen.type == "unavailable" and 307 in seen.statuses)
        await counts(door, room, 1, 1)


async def test_a_session_that_leaves_a_nick_with_others_is_gone(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice = await inside(crowd, "alice", "Alice", room)
        one, two = await inside(crowd, "bob", "Bob", room), await inside(crowd, "bob", "Bob", room)
        await counts(door, room, 2, 1)
        # The nick of somebody else, which the room refuses: who has tried leaves like others.
        since = one.mark()
        one.send(element(CLIENT, "presence", to=f"{room}/Alice"))
        await one.wait_for(lambda seen: seen.type == "error", since=since)
        await one.leave(room, "Bob")
        await rename(two, room, "Robert")
        await two.leave(room, "Robert")
        await counts(door, room, 1, 1)
        assert banned(door, two) == []
        assert set(alice.occupants(room)) == {"Alice"}


async def test_a_moderator_of_a_nick_with_two_sessions_stays_one(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        one = await inside(crowd, "alice", "Alice", room)
        two = await inside(crowd, "alice", "Alice", room)
        await inside(crowd, "bob", "Bob", room)
        await counts(door, room, 2, 1)
        await rename(one, room, "Alicia")
        await two.leave(room, "Alice")
        await counts(door, room, 2, 1)
        one.abort()
        await counts(door, room, 1, 0)


async def test_a_presence_that_looks_like_a_join_is_none_from_inside(door):
    def happened(room):
        lines = door.component.run("log", "--room", room, "--json").stdout.splitlines()
        return [kind for kind in (json.loads(line)["kind"] for line in lines) if kind in {"joined", "left"}]

    async with Crowd(door.server) as crowd:
        room = door.room()
        await inside(crowd, "alice", "Alice", room)
        bob = await inside(crowd, "bob", "Bob", room)
        # Some clients send the element of a join with each change of their status, and with a new nick.
        for nick, show in (("Bob", "away"), ("Bob", "dnd"), ("Robert", "chat")):
            since = bob.mark()
            presence = element(CLIENT, "presence", to=f"{room}/{nick}")
            presence.extend([element(CLIENT, "show", show), element(MUC, "x")])
            bob.send(presence)
            await bob.wait_for(lambda seen, nick=nick: seen.sender == f"{room}/{nick}" and 110 in seen.statuses, since=since)
        # Another session of theirs comes in.
        await inside(crowd, "bob", "Robert", room)
        await counts(door, room, 2, 1)
        await until(lambda: len(happened(room)) >= 3, 5, "three joins")
        assert happened(room) == ["joined"] * 3


async def test_a_change_after_a_reload_of_the_gate_is_reported(door):
    async with Crowd(door.server) as crowd:
        room = door.room("lecture")
        alice = await inside(crowd, "alice", "Alice", room)
        one, two = await inside(crowd, "bob", "Bob", room), await inside(crowd, "bob", "Bob", room)
        await shell(alice, "reload")
        await counts(door, room, 2, 1)
        assert not (await alice.set_role(room, "Bob", "moderator")).error
        await counts(door, room, 2, 2)
        await two.leave(room, "Bob")
        await rename(one, room, "Robert")
        await counts(door, room, 2, 2)


async def test_somebody_of_another_server_is_no_guest_after_a_restart(door):
    async with Crowd(door.server) as crowd, door.abroad() as abroad:
        room = door.room("accounts")
        await inside(crowd, "alice", "Alice", room)
        carol = await abroad.connect(f"carol@{FAR}")
        assert (await carol.join(room, "Carol")).joined
        before = {line["nick"]: line["class"] for line in told(door, "room", room)["occupants"]}
        door.component.kill()
        door.component.start()
        await counts(door, room, 2, 1)
        after = {line["nick"]: line["class"] for line in told(door, "room", room)["occupants"]}
        assert after == before, "and nobody became another"
        assert after["Carol"] != "guest"
        door.enforce(POLICY + "\n[[room]]\nmatch = 'other-*'\n")
        await asyncio.sleep(0.3)
        assert count(door, room) == (2, 1), "a reload judges by what was read, and removes nobody"
        door.enforce(POLICY)


# `make long` takes a thousand.
CROWD = int(os.environ.get("CROWD", "270"))


async def test_a_room_of_any_size_is_read_whole_after_a_restart(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice = await inside(crowd, "alice", "Alice", room)
        # Nobody but moderators sees who comes: a crowd is quick then.
        assert not (await alice.configure(room, {"muc#roomconfig_presencebroadcast": ["moderator"]})).error
        people = [await Raw.log_in(door.server, None, "guest.localhost") for _ in range(CROWD)]
        crowd.people += people
        for first in range(0, CROWD, 50):
            some = people[first : first + 50]
            marks = [person.ask_to_join(room, f"Guest{first + number}") for number, person in enumerate(some)]
            for person, mark in zip(some, marks, strict=True):
                assert (await person.outcome(room, mark)).joined
        # Owners who are not there are more than a page of them.
        owners = [(f"owner{number:03}@localhost", "admin") for number in range(70)]
        for first in range(0, len(owners), 35):
            query = element(MUC_ADMIN, "query")
            query.extend(element(MUC_ADMIN, "item", jid=jid, affiliation=what) for jid, what in owners[first : first + 35])
            assert not (await alice.iq(room, "set", query)).error
        door.component.kill()
        door.component.start()
        await counts(door, room, CROWD + 1, 1)
        assert len(told(door, "room", room)["occupants"]) == CROWD + 1
        for person in sorted(people, key=lambda one: one.jid)[:: CROWD // 5] + [max(people, key=lambda one: one.jid)]:
            assert banned(door, person) == [(room, person.bare)]
            await person.wait_for(lambda seen: seen.type == "unavailable" and 307 in seen.statuses and 110 in seen.statuses)


async def link(person, action, **attributes):
    reply = await person.iq("localhost", "set", element("urn:lab", action, **attributes))
    assert reply.type == "result", reply


async def test_a_lost_report_is_missed_at_the_next_one(door):
    async with Crowd(door.server) as crowd:
        room, other = door.room(), door.room()
        alice = await inside(crowd, "alice", "Alice", room)
        bob = await inside(crowd, "bob", "Bob", room)
        await counts(door, room, 2, 1)
        await link(alice, "lose")
        await bob.leave(room, "Bob")
        await alice.join(other, "Alice")
        await counts(door, room, 1, 1)
        await counts(door, other, 1, 1)


async def test_a_ban_meets_who_is_there_whatever_reports_were_lost(door):
    async with Crowd(door.server) as crowd:
        room, other = door.room(), door.room()
        alice = await inside(crowd, "alice", "Alice", room, other)
        bob = await inside(crowd, "bob", "Bob", room)
        await counts(door, room, 2, 1)
        await link(alice, "lose")
        assert (await bob.join(other, "Bob")).joined
        assert banned(door, bob) == sorted([(room, bob.bare), (other, bob.bare)])
        await bob.ping()
        assert (await bob.join(room, "Bob")).joined
        await counts(door, room, 2, 1)
        await link(alice, "lose")
        await bob.leave(room, "Bob")
        assert banned(door, bob) == [], "they have left"


async def test_a_report_is_missed_that_would_be_the_first_after_a_restart(door):
    async with Crowd(door.server) as crowd:
        alice = await crowd.connect("alice@localhost")
        door.component.restart()
        await link(alice, "lose")
        room = door.room()
        assert (await alice.join(room, "Alice")).joined
        await counts(door, room, 1, 1)


async def test_rooms_that_end_together_are_those_that_are_there(door):
    async with Crowd(door.server) as crowd:
        rooms = [door.room("many") for _ in range(2)]
        alice = await inside(crowd, "alice", "Alice", rooms[0])
        await link(alice, "lose")
        await alice.join(rooms[1], "Alice")
        assert told(door, "end-many", "--match", "many-*", "--yes")["ended"] == rooms


async def test_what_a_lost_report_has_left_is_healed_when_rooms_are_compared(door):
    async with Crowd(door.server) as crowd:
        room, ended = door.room(), door.room()
        alice = await inside(crowd, "alice", "Alice", room)
        bob = await inside(crowd, "bob", "Bob", room, ended)
        await counts(door, ended, 1, 1)
        await link(alice, "lose")
        await bob.leave(room, "Bob")
        await asyncio.sleep(0.2)
        assert count(door, room) == (2, 1), "nothing says yet that it is otherwise"
        door.enforce(POLICY + "\n[[room]]\nmatch = 'compared-*'\naccess = { enter = ['account'] }\n")
        await counts(door, room, 1, 1)
        await door.flushed()
        written = door.component.run("log", "--json", "--room", room, "--kind", "left").stdout
        assert json.loads(written)["person"] == bob.bare, "what no report said is written down when it is found"
        assert banned(door, bob) == [(ended, bob.bare)]
        door.enforce(POLICY)


async def test_a_page_that_fails_is_read_again_and_empties_nothing(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice = await inside(crowd, "alice", "Alice", room)
        bob = await inside(crowd, "bob", "Bob", room)
        # A gate that greets again, of whose rooms more is known than the page would say.
        await link(alice, "fail")
        await shell(alice, "reload")
        await counts(door, room, 2, 1)
        # A component that knows of nothing yet.
        await link(alice, "fail")
        door.component.kill()
        door.component.start()
        await counts(door, room, 2, 1)
        assert banned(door, bob) == [(room, bob.bare)]
        assert door.server.log().count("a page of rooms fails") == 2


async def test_it_is_not_ready_before_the_rooms_are_read(door):
    """Neither after a start nor after a reconnect of the gate."""
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice = await inside(crowd, "alice", "Alice", room)
        await inside(crowd, "bob", "Bob", room)
        door.component.kill()
        await link(alice, "fail", times="2")
        door.component.start(ready=False)
        for again in (False, True):
            if again:
                await link(alice, "fail", times="2")
                await shell(alice, "reload")
            seen = []

            def has_greeted():
                done = door.component.run("status", "--json")
                seen[:] = [json.loads(done.stdout)] if done.stdout else []
                return seen and any(service["unread"] for service in seen[0]["services"])

            await until(has_greeted, 10, "a gate whose rooms are not read")
            assert not seen[0]["ready"] and seen[0]["linked"]
            said = door.component.run("status")
            assert said.returncode == 1 and "NOT READY" in said.stdout and "NOT READ yet" in said.stdout, said
            status, reply = Api(door.component).get("/readyz")
            assert (status, reply["ready"]) == (503, False) and "are not read yet" in str(reply["reasons"])
            await asyncio.to_thread(door.component.wait_ready)
            assert count(door, room) == (2, 1), "ready, so it is known who is there"


async def test_rooms_that_ended_while_the_component_was_away_are_gone(door):
    async with Crowd(door.server) as crowd:
        room, other = door.room(), door.room()
        alice = await inside(crowd, "alice", "Alice", room, other)
        bob = await inside(crowd, "bob", "Bob", room)
        await shell(alice, "unload")
        await bob.leave(room, "Bob")
        await alice.leave(other, "Alice")
        await shell(alice, "load")
        await counts(door, room, 1, 1)
        await until(lambda: believed(door, other) is None, 3, "no such room")


def entries(door, room, *kinds):
    """The log's entries of these kinds about the room, the oldest first."""
    done = door.component.run("log", "--room", room, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [entry for entry in found if entry["kind"] in kinds]


def described(entry):
    body = json.loads(entry["body"]) if isinstance(entry["body"], str) else entry["body"]
    return entry["kind"], entry["nick"], body["proof"]["provider"], body["role"]


async def test_who_is_reported_by_attempt_is_known_as_whole_as_others_and_as_they_are_now(door):
    async with Crowd(door.server) as crowd:
        room = door.room("lecture")
        alice = await inside(crowd, "alice", "Alice", room)
        bob = await inside(crowd, "bob", "Bob", room)
        await counts(door, room, 2, 1)
        assert banned(door, bob) == [(room, bob.bare)]
        carol = await inside(crowd, "carol", "Carol", room)
        await rename(carol, room, "Caro")
        await carol.leave(room, "Caro")
        # Whom a component found inside when it came is reported whole.
        door.component.restart()
        await counts(door, room, 1, 1)
        await alice.leave(room, "Alice")
        await until(lambda: len(entries(door, room, "left")) == 3, 5, "three leave")
    provider = "internal_plain"
    assert [described(entry) for entry in entries(door, room, "joined", "left")] == [
        ("joined", "Alice", provider, "moderator"), ("joined", "Bob", provider, "participant"), ("left", "Bob", provider, "none"),
        ("joined", "Carol", provider, "participant"), ("left", "Caro", provider, "none"), ("left", "Alice", provider, "none"),
    ]
