"""What goes wrong on Jitsi servers in practice, and does not here: early birds, crowds let in,
recorders, settings that are gone, people who were removed."""

import asyncio

import pytest
from lab import MEET_SERVICE, Crowd, MeetDoor, needs_jitsi_plugins
from lab.jitsi_meeting import admit, at_the_door, ended, inside, is_open, opened, owner, people, waiting
from lab.meet_settings import CHAIR, DOMAIN, RECORDER
from lab.policy import MEET_CHAIR, rooms, trusted

# Nobody has told Jitsi's modules of the recorder.
MEET = {
    "accounts": True,
    "host_options": {"muc_lobby_whitelist": []},
    "muc_options": {"muc_password_whitelist": []},
}
POLICY = MEET_SERVICE + trusted(RECORDER) + '[policy.access]\nrefused_rooms = ["refused-*"]\n' + MEET_CHAIR + rooms({
    "chaired": 'moderators = { assign = ["listed"] }',
    "strict": 'lobby = { admission = "password-and-lobby" }',
    "lasting": 'access = { persistent = true }',
})


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
        # While the opener is awaited, others who might have opened the room come again.
        expected = {"retry"} if order in ("before", "between") else {at_the_door(meet.server)}
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
        assert decision["facts"]["on_behalf_of"]["jid"] == inside[0].bare


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
    """muc_wait_for_host takes the lobby down when its host comes, whose clients join by
    themselves then, and makes owners of accounts; muc_allowners makes one of everybody."""
    plugins = ["muc_allowners", "muc_wait_for_host"]
    with MeetDoor(prosody_version, POLICY, accounts=True, muc_plugins=plugins) as door:
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
            account = await crowd.person("Account", f"account@{DOMAIN}")
            lobby = await chair.attend_lobby(room)
            assert (await account.enter(room)).lobby == lobby
            assert (await account.knock(lobby)).joined
            for person in (guests[0], account):
                await admit(chair, room, lobby, person)
            await chair.ping()
            assert people(chair, room) == {first.nick, guests[0].nick, account.nick}
            for person in (first, guests[0], account):
                assert chair.occupants(room)[person.nick]["role"] == "participant"
                assert not owner(chair, room, person)


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
        await ended(meet, room)
        bob, second = await opened(crowd, room, "Bob")
        assert owner(bob, room) and second not in (None, first)
        carol = await crowd.person("Carol")
        assert (await carol.enter(room)).shown == at_the_door(meet.server)
        assert (await carol.enter(room, first)).shown == at_the_door(meet.server)
        # What she was in the meeting before does not count in this one.
        again = await crowd.reload(alice)
        assert (await again.enter(room)).shown == at_the_door(meet.server)
        assert (await carol.enter(room, second)).joined
        refused = await carol.enter(meet.room("refused"))
        assert refused.shown == "destroyed" and "is not allowed here" in refused.text


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
        bob = await inside(crowd, room, "Bob", password=password)
        bob = await crowd.reload(bob)
        assert (await bob.enter(room)).joined
        assert not (await alice.set_role(room, bob.nick, "none")).error
        await bob.wait_for(lambda seen: 307 in seen.statuses)
        for typed in (None, password):
            bob = await crowd.reload(bob)
            back = await bob.enter(room, typed)
            assert back.shown == "destroyed" and "You were removed" in back.text, back


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
