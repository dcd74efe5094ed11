"""What goes wrong on Jitsi servers in practice, and does not here."""

import asyncio
import time

import pytest
from lab import Crowd, MeetDoor, needs_jitsi_plugins
from lab.jitsi_meeting import at_the_door, opened, owner, people, waiting
from lab.meet_settings import DOMAIN

MEET = {"accounts": True}
CHAIR = f"chair@{DOMAIN}"
RECORDER = f"recorder@recorder.{DOMAIN}"
POLICY = f"""
version = 1
[[service]]
domain = "conference.{DOMAIN}"
focus = "focus@auth.{DOMAIN}"
trusted = ["{RECORDER}"]
[policy.access]
refused_rooms = ["refused-*"]
[policy.moderators]
become = ["listed", "opener"]
jids = ["{CHAIR}"]
[[room]]
match = "chaired-*"
moderators = {{ become = ["listed"] }}
close = {{ hold_until = ["password", "moderator"] }}
[[room]]
match = "strict-*"
lobby = {{ admission = "password-and-lobby" }}
[[room]]
match = "lasting-*"
access = {{ persistent = true }}
"""
AWAITED = 15  # seconds for which the place of the opener is kept


@pytest.fixture(scope="module", autouse=True)
def forsaken(meet):
    """Two lasting rooms whose openers asked and did not come, the second until he had
    another address, and when that was. Made first, so that no test waits for all of AWAITED."""

    async def forsake():
        async with meet.crowd(patience=0.1) as crowd:
            never, late = meet.room("lasting"), meet.room("lasting")
            alice = await crowd.person("Alice")
            for room in (never, late):
                assert (await alice.request(room)).kind == "ready"
            again = await crowd.reload(alice)
            assert (await again.enter(late)).joined
            assert owner(again, late)
            await again.depart(late)
            for room in (never, late):
                await crowd.focus.left(room)
            return never, late, time.monotonic()

    return asyncio.run(forsake())


async def until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.02)


def is_open(meet, room):
    return meet.component.run("room", room).returncode == 0


# Early arrival


@pytest.mark.parametrize("order", ["before", "with", "between", "after"])
async def test_nobody_slips_in_before_the_lobby_is_there(meet, order):
    """Clients that join without asking for the room, of both kinds, whenever they come."""
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room()
        alice = await crowd.person("Alice")
        early = await crowd.persons("Early 1", "Early 2")
        plain = await others.connect(meet.server.guests)

        async def come():
            joins = [person.join(room) for person in early]
            return await asyncio.gather(*joins, plain.join(room, "Plain"))

        if order == "with":
            opener, *outcomes = await asyncio.gather(alice.enter(room), *[come() for _ in range(3)])
            outcomes = [outcome for each in outcomes for outcome in each]
        else:
            outcomes = await come() if order == "before" else []
            assert (await alice.request(room)).kind == "ready"
            outcomes += await come() if order == "between" else []
            opener = await alice.join(room)
            outcomes += await come() if order == "after" else []
        assert opener.joined and owner(alice, room)
        assert not [outcome for outcome in outcomes if outcome.joined]
        expected = {"retry"} if order == "before" else {at_the_door(meet.server)}
        shown = {outcome.shown for outcome in outcomes if hasattr(outcome, "shown")}
        assert shown <= expected | ({"retry"} if order == "with" else set()), outcomes
        await alice.ping()
        assert not people(alice, room)


async def test_people_who_ask_and_join_together_with_the_opener_all_stop_at_the_door(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        crew = await crowd.persons(*(f"Person {number}" for number in range(5)))
        outcomes = await asyncio.gather(*(person.enter(room) for person in crew))
        shown = sorted(outcome.shown for outcome in outcomes)
        assert shown == sorted(["joined", *[at_the_door(meet.server)] * 4]), outcomes
        inside = [person for person in crew if owner(person, room)]
        assert len(inside) == 1
        # The room's opener is the one who has it, not one who asked later.
        decision = await meet.decision(kind="open", room=room)
        assert decision["facts"]["for"] == inside[0].bare


# Everybody waiting let in when the host comes


@needs_jitsi_plugins
@pytest.mark.parametrize("inside", ["somebody", "nobody"])
async def test_those_who_wait_go_on_waiting_when_the_host_comes(meet, inside):
    async with meet.crowd() as crowd:
        room = meet.room("chaired")
        first = await crowd.person("First")
        assert (await first.enter(room)).joined and not owner(first, room)
        five = await waiting(crowd, room, "One", "Two", "Three", "Four", "Five")
        if inside == "nobody":
            await first.depart(room)
            await crowd.focus.left(room)
        chair = await crowd.person("Chair", CHAIR)
        assert (await chair.enter(room)).joined and owner(chair, room)
        lobby = await chair.attend_lobby(room)
        for person in five:
            assert await chair.knocker(lobby, person.nick) == person.jid
        await chair.ping()
        before = {first.nick} if inside == "somebody" else set()
        assert people(chair, room) == before
        chair.approve(room, five[0].jid)
        assert (await five[0].admitted(room)).joined
        await chair.ping()
        assert people(chair, room) == {*before, five[0].nick}


@needs_jitsi_plugins
async def test_plugins_that_let_in_or_promote_everybody_do_neither(prosody_version):
    """muc_wait_for_host takes the lobby down when its host comes, and its clients join by
    themselves then; muc_allowners makes an owner of everybody."""
    plugins = ["muc_allowners", "muc_wait_for_host"]
    door = MeetDoor(prosody_version, POLICY, accounts=True, muc_plugins=plugins)
    try:
        door.start()
        async with door.crowd() as crowd:
            room = door.room("chaired")
            first = await crowd.person("First")
            assert (await first.enter(room)).joined and not owner(first, room)
            guests = await waiting(crowd, room, "One", "Two")
            chair = await crowd.person("Chair", CHAIR)
            assert (await chair.enter(room)).joined and owner(chair, room)
            for person in guests:
                gone = lambda seen: seen.room.endswith(door.server.lobby) and seen.destroyed is not None
                await person.wait_for(gone)
                again = await person.join(room)
                assert again.shown == "lobby", again
                assert (await person.knock(again.lobby)).joined
            lobby = await chair.attend_lobby(room)
            chair.approve(room, await chair.knocker(lobby, guests[0].nick))
            assert (await guests[0].admitted(room)).joined
            await chair.ping()
            assert people(chair, room) == {first.nick, guests[0].nick}
            for person in (first, guests[0]):
                assert chair.occupants(room)[person.nick]["role"] == "participant"
                assert not owner(chair, room, person)
    finally:
        door.close()


async def test_not_everybody_is_a_moderator(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        bob = await crowd.person("Bob")
        account = await crowd.person("Bob", f"bob@{DOMAIN}")
        for person in (bob, account):
            assert (await person.enter(room, password)).joined
            await person.ping()
            assert person.occupants(room)[person.nick]["role"] == "participant"
            assert not owner(alice, room, person)


# The moderator locked out


@needs_jitsi_plugins
@pytest.mark.parametrize("company", ["inside", "waiting", "nobody"])
async def test_a_moderator_who_drops_is_not_locked_out_by_his_own_lobby(meet, company):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        if company == "inside":
            carol = await crowd.person("Carol")
            assert (await carol.enter(room, password)).joined
        guests = await waiting(crowd, room, "Bob") if company != "nobody" else []
        again = await crowd.reload(alice)
        if company != "inside":
            await crowd.focus.left(room)
        assert again.bare != alice.bare
        assert (await again.enter(room)).joined and owner(again, room)
        lobby = await again.attend_lobby(room)
        for bob in guests:
            again.approve(room, await again.knocker(lobby, bob.nick))
            assert (await bob.admitted(room)).joined


async def test_a_moderator_without_his_ticket_is_a_stranger(meet):
    """Another browser: what made him the moderator is gone, unless it is an account."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        bob = await crowd.person("Bob")
        assert (await bob.enter(room, password)).joined
        alice.abort()
        await bob.wait_for(lambda seen: seen.type == "unavailable" and seen.nick == alice.nick)
        other = await crowd.person("Alice")
        assert (await other.enter(room)).shown == at_the_door(meet.server)
        chair = await crowd.person("Chair", CHAIR)
        assert (await chair.enter(room)).joined and owner(chair, room)


async def test_an_opener_who_reloads_at_once_is_the_opener(meet):
    async with meet.crowd() as crowd:
        for rooms in range(2):
            room = meet.room()
            alice = await crowd.person("Alice")
            # Reloads before he has joined, and before he has heard that he has.
            assert (await alice.request(room)).kind == "ready"
            if rooms:
                alice.ask_to_join(room, alice.nick)
            again = await crowd.reload(alice)
            assert (await again.enter(room)).joined
            assert owner(again, room)


@needs_jitsi_plugins
async def test_a_guest_who_was_let_in_comes_back_without_knocking(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        (bob,) = await waiting(crowd, room, "Bob")
        lobby = await alice.attend_lobby(room)
        alice.approve(room, await alice.knocker(lobby, bob.nick))
        assert (await bob.admitted(room)).joined
        again = await crowd.reload(bob)
        assert again.bare != bob.bare
        assert (await again.enter(room)).joined
        assert not owner(again, room)


# The recorder


async def test_the_recorder_needs_neither_password_nor_leave(meet):
    async with meet.crowd() as crowd:
        room = meet.room("strict")
        alice, _ = await opened(crowd, room)
        recorder = await crowd.person(jid=RECORDER)
        assert (await recorder.enter(room)).joined
        await alice.ping()
        assert people(alice, room) == {recorder.nick}
        assert alice.occupants(room)[recorder.nick]["role"] != "moderator"


# Settings lost when the room empties and refills


async def test_the_next_meeting_in_a_room_is_under_the_same_rules(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, first = await opened(crowd, room)
        await alice.depart(room)
        await crowd.focus.left(room)
        await until(lambda: not is_open(meet, room))
        bob, second = await opened(crowd, room, "Bob")
        assert owner(bob, room) and second not in (None, first)
        carol = await crowd.person("Carol")
        assert (await carol.enter(room)).shown == at_the_door(meet.server)
        assert (await carol.enter(room, first)).shown == "prompt"
        # What she was in the meeting before does not count in this one.
        again = await crowd.reload(alice)
        assert (await again.enter(room)).shown == at_the_door(meet.server)
        assert (await carol.enter(room, second)).joined
        refused = await carol.enter(meet.room("refused"))
        assert refused.shown == "reservation" and "may not be opened" in refused.text


async def test_a_lasting_room_keeps_its_password_and_its_door(meet):
    async with meet.crowd() as crowd:
        room = meet.room("lasting")
        alice, password = await opened(crowd, room)
        await alice.depart(room)
        await crowd.focus.left(room)
        assert is_open(meet, room)
        bob, carol = await crowd.persons("Bob", "Carol")
        assert (await bob.enter(room)).shown == at_the_door(meet.server)
        assert (await bob.enter(room, password)).joined
        assert not owner(bob, room)
        assert (await carol.enter(room)).shown == at_the_door(meet.server)
        again = await crowd.reload(alice)
        assert (await again.enter(room)).joined and owner(again, room)


# A kick that is not a ban


async def test_whoever_was_removed_does_not_walk_in_again(meet):
    """Reloading brings a new address, and a ticket by which he is known."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        bob = await crowd.person("Bob")
        assert (await bob.enter(room, password)).joined
        bob = await crowd.reload(bob)
        assert (await bob.enter(room)).joined
        assert not (await alice.set_role(room, bob.nick, "none")).error
        await bob.wait_for(lambda seen: 307 in seen.statuses)
        bob = await crowd.reload(bob)
        back = await bob.enter(room)
        assert back.shown == at_the_door(meet.server), back


# The nick `focus`


@pytest.mark.parametrize("nick", ["focus", "Focus", "FOCUS"])
async def test_nobody_else_bears_the_nick_of_the_focus(meet, nick):
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room()
        mallory = await others.connect(meet.server.guests)
        assert (await mallory.join(room, nick)).condition == "conflict"
        _, password = await opened(crowd, room)
        assert (await mallory.join(room, nick, password)).condition == "conflict"
        assert (await mallory.join(room, "Mallory", password)).joined
        since = mallory.mark()
        changed = await mallory.join(room, nick)
        assert changed.condition == "conflict", changed
        assert not [seen for seen in mallory.seen[since:] if 303 in seen.statuses]


# The opener never arrives


async def test_when_the_opener_does_not_come_whoever_asks_next_opens(meet):
    async with meet.crowd(patience=0.3) as crowd:
        room = meet.room()
        alice, bob = await crowd.persons("Alice", "Bob")
        assert (await alice.request(room)).kind == "ready"
        assert await crowd.focus.left(room) == "nobody came"
        await until(lambda: not is_open(meet, room))
        assert (await bob.enter(room)).joined and owner(bob, room)
        late = await alice.enter(room)
        assert late.shown == at_the_door(meet.server), late


async def test_the_place_of_an_opener_who_does_not_come_is_taken_in_the_end(meet, forsaken):
    never, _, since = forsaken
    await asyncio.sleep(max(0, since + AWAITED + 1 - time.monotonic()))
    async with meet.crowd() as crowd:
        bob, carol = await crowd.persons("Bob", "Carol")
        assert (await bob.enter(never)).joined and owner(bob, never)
        assert len(await meet.decisions(kind="open", room=never)) == 1
        stopped = await carol.enter(never)
        assert stopped.shown == at_the_door(meet.server), stopped


async def test_the_place_of_an_opener_who_came_by_another_address_is_not_free(meet, forsaken):
    _, late, since = forsaken
    await asyncio.sleep(max(0, since + AWAITED + 1 - time.monotonic()))
    async with meet.crowd() as crowd:
        bob = await crowd.person("Bob")
        stopped = await bob.enter(late)
        assert stopped.shown == at_the_door(meet.server), stopped
