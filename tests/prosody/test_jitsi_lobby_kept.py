"""Jitsi's own lobby is the policy's: who may put it up or take it down, and what operators do."""

import pytest
from lab import needs_jitsi_plugins
from lab.jitsi_meeting import admit, opened, out_of, out_of_sight, owner, people, vestibule, waiting, waiting_at
from lab.meet import MEET_SERVICE
from lab.meet_settings import CHAIR
from lab.policy import MEET_CHAIR, PRESET, SECRET, rooms

pytestmark = needs_jitsi_plugins

MEET = {"accounts": True}
MODES = ("password-and-lobby", "password", "lobby", "open")
POLICY = (
    MEET_SERVICE + PRESET + MEET_CHAIR
    + rooms({"chaired": 'moderators = { assign = ["listed"] }\nclose = { hold_until = ["password", "moderator"] }'})
    + rooms({mode: f'lobby = {{ admission = "{mode}" }}' for mode in MODES})
    + rooms({"free": 'lobby = { admission = "open" }\npassword = { required = false }\nclose = { hold_until = [] }'})
)


@pytest.mark.parametrize("mode", ["room", "lobby", "password-and-lobby"])
async def test_a_moderator_cannot_switch_the_lobby_off(meet, mode):
    async with meet.crowd() as crowd:
        room = meet.room(mode)
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        lobby = await alice.attend_lobby(room)
        refused = await alice.set_members_only(room, False)
        assert refused.error[:2] == ("cancel", "not-acceptable")
        assert "cannot be turned off" in refused.error[2]
        bob = await crowd.person("Bob")
        stopped = await bob.enter(room, SECRET if mode == "password-and-lobby" else None)
        assert (stopped.shown, stopped.lobby) == ("lobby", lobby)
        assert not (await alice.set_members_only(room)).error


async def test_a_form_that_says_nothing_of_the_lobby_leaves_it(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        (bob,) = await waiting(crowd, room, "Bob")
        new = "another row of quiet willows"
        fields = {"muc#roomconfig_roomsecret": new, "muc#roomconfig_whois": "anyone"}
        assert not (await alice.configure(room, fields)).error
        assert not (await alice.lock_room(room, new + " again")).error
        assert waiting_at(meet, room) == [bob.bare]
        carol = await crowd.person("Carol")
        assert (await carol.enter(room)).lobby == lobby
        assert (await carol.enter(room, SECRET)).shown == "lobby"
        assert (await carol.enter(room, new + " again")).joined


@pytest.mark.parametrize(("mode", "without"), [("password", "prompt"), ("open", "joined")])
async def test_a_moderator_may_put_up_a_lobby_where_the_policy_asks_for_none(meet, mode, without):
    async with meet.crowd() as crowd:
        room = meet.room(mode)
        alice, bob, carol, dave = await crowd.persons("Alice", "Bob", "Carol", "Dave")
        assert (await alice.enter(room)).joined
        assert (await bob.enter(room)).shown == without
        assert (await bob.enter(room, SECRET)).joined
        assert not (await alice.set_members_only(room)).error
        lobby = await alice.attend_lobby(room)
        stopped = await carol.enter(room)
        assert (stopped.shown, stopped.lobby) == ("lobby", lobby)
        assert (await carol.knock(lobby)).joined
        await admit(alice, room, lobby, carol)
        assert not (await alice.set_members_only(room, False)).error
        assert (await dave.enter(room)).shown == without
        await alice.ping()
        assert {bob.nick, carol.nick} <= people(alice, room)


@pytest.mark.parametrize(("mode", "without"), [("free", "prompt"), ("open", "prompt"), ("lobby", "lobby")])
async def test_a_password_that_a_moderator_chooses_holds_and_passes_a_lobby(meet, mode, without):
    """As in Jitsi: the lock that every client shows is one, and the right password passes a lobby."""
    async with meet.crowd() as crowd:
        room, chosen = meet.room(mode), "violet anchors under mustard rain"
        alice, bob, carol, dave = await crowd.persons("Alice", "Bob", "Carol", "Dave")
        assert (await alice.enter(room)).joined
        assert not (await alice.lock_room(room, chosen)).error
        assert (await bob.enter(room)).shown == without
        assert (await bob.enter(room, "another guess")).shown == without
        assert (await bob.enter(room, chosen)).joined
        assert not (await alice.set_members_only(room)).error
        lobby = await alice.attend_lobby(room)
        stopped = await carol.enter(room)
        assert (stopped.shown, stopped.lobby) == ("lobby", lobby)
        assert (await carol.knock(lobby)).joined
        assert (await dave.enter(room, chosen)).joined
        await admit(alice, room, lobby, carol)
        refused = await meet.decision(kind="join", room=room, verdict="prompt")
        assert refused["rule"] == "room.password"


async def test_people_wait_until_a_moderator_is_there(meet):
    async with meet.crowd() as crowd:
        room = meet.room("chaired")
        first, bob = await crowd.persons("First", "Bob")
        # As in Jitsi: the client shows that a moderator is awaited, and asks again every few seconds.
        for person in (first, bob):
            waits = await person.enter(room, SECRET)
            assert (waits.shown, "not open yet" in waits.text) == ("log-in", True), waits
        assert (await meet.decision(kind="request", room=room, jid=bob.bare))["rule"] == "close.hold_until"
        assert not crowd.focus.requests
        chair = await crowd.person("Chair", CHAIR)
        assert (await chair.request(room)).kind == "ready"
        assert (await first.request(room)).shown == "log-in", "the chair has not come yet"
        assert (await chair.join(room)).joined and owner(chair, room)
        assert (await bob.enter(room, SECRET)).joined
        stopped = await first.enter(room)
        assert stopped.shown == "lobby", stopped
        assert (await first.knock(stopped.lobby)).joined
        assert await chair.knocker(await chair.attend_lobby(room), first.nick) == first.jid


# What the operator sees and does


async def test_the_operator_sees_who_waits_and_lets_one_in(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        bob, carol = await waiting(crowd, room, "Bob", "Carol")
        assert sorted(waiting_at(meet, room)) == sorted([bob.bare, carol.bare])
        (listed,) = [each for each in vestibule(meet, "rooms") if each["room"] == room]
        assert listed["occupants"] == 1
        vestibule(meet, "admit", room, bob.bare)
        assert (await bob.admitted(room)).joined
        assert waiting_at(meet, room) == [carol.bare]


async def test_the_operator_turns_somebody_away(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        (bob,) = await waiting(crowd, room, "Bob")
        await alice.knocker(lobby, bob.nick)
        vestibule(meet, "reject", room, bob.bare)
        sent = await out_of(bob, lobby)
        assert "declined" in sent.destroyed
        await out_of_sight(alice, lobby, bob)
        assert waiting_at(meet, room) == []
