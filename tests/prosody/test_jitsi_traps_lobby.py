"""Jitsi's lobby: there from the first moment to the last, and no way around the policy."""

from jitsi_traps import MODULES, disturb, opened, waiting
from lab import needs_jitsi_plugins
from lab.jitsi_meeting import inside
from lab.jitsi_moderator import LOBBY, MEMBERS_ONLY
from lab.jitsi_moderator import SECRET as PASSWORD
from lab.meet import DOMAIN, MEET_SERVICE
from lab.policy import PRESET, SECRET, rooms
from lab.stanza import CLIENT, MUC_OWNER, element

pytestmark = needs_jitsi_plugins
OTHER = "nine wide copper kettles"
MEET = {"accounts": True, "plugin_paths": [MODULES], "muc_plugins": ["lab_lobby"]}
POLICY = MEET_SERVICE + PRESET + rooms({
    "both": 'lobby = { admission = "password-and-lobby" }',
    "few": 'password = { guesses = { burst = 2, delay = "30 seconds" } }',
    "flood": 'password = { guesses = { room_burst = 3, delay = "30 seconds" } }',
    "plain": 'lobby = { admission = "password" }',
})


async def let_in(moderator, person, room):
    """The outcome for somebody who waits, once the moderator has approved."""
    lobby = await moderator.attend_lobby(room)
    moderator.approve(room, await moderator.knocker(lobby, person.nick))
    return await person.admitted(room)


async def test_a_form_without_the_lobbys_field_leaves_the_lobby_as_it_is(meet):
    """The plugin takes such a form for "lobby off" and lets everybody in who waits."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob, lobby = await waiting(crowd, room, "Bob")
        since = bob.mark()
        assert not (await alice.configure(room, {PASSWORD: OTHER})).error
        await bob.ping()
        assert not [seen for seen in bob.seen[since:] if seen.room == lobby]
        _, form = await alice.features(room)
        assert form[LOBBY] == lobby
        carol, _ = await waiting(crowd, room, "Carol")
        assert (await let_in(alice, carol, room)).joined


async def test_a_moderator_cannot_switch_the_lobby_off(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob, lobby = await waiting(crowd, room, "Bob")
        since = bob.mark()
        for value in ("false", "0", ""):
            reply = await alice.configure(room, {MEMBERS_ONLY: value})
            assert reply.error and reply.error[1] != "internal-server-error", value
        await bob.ping()
        assert not [seen for seen in bob.seen[since:] if seen.room == lobby]
        assert (await let_in(alice, bob, room)).joined


async def test_an_orphan_of_a_lobby_does_not_shut_the_room(meet):
    """The plugin makes no second lobby beside it and tells clients of none."""
    async with meet.crowd() as crowd:
        room = meet.room()
        carol = await crowd.person("Carol")
        await disturb(carol, "orphan", room)
        alice = await opened(crowd, room)
        bob, _ = await waiting(crowd, room, "Bob")
        assert (await let_in(alice, bob, room)).joined


async def test_a_lobby_that_is_lost_is_there_again_for_the_next_who_comes(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        await disturb(alice, "destroy-lobby", room)
        _, lobby = await waiting(crowd, room, "Bob")
        query = element(MUC_OWNER, "query")
        query.append(element(MUC_OWNER, "destroy"))
        request = element(CLIENT, "iq", type="set", to=lobby, id=alice.new_id())
        request.append(query)
        alice.send(request)  # the plugin lets no reply out of the lobby
        await alice.ping()
        assert (await let_in(alice, (await waiting(crowd, room, "Carol"))[0], room)).joined


async def test_nobody_enters_the_lobby_by_himself(meet):
    """The plugin asks nobody there for anything: he could knock for ever, and read who waits."""
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        _, lobby = await waiting(crowd, room, "Bob")
        eve = await crowd.person("Eve")
        refused = await eve.knock(lobby)
        assert (refused.kind, refused.condition) == ("error", "not-allowed")
        assert (await eve.enter(room)).shown == "lobby"
        assert (await eve.knock(lobby)).joined


async def test_a_second_knock_goes_by_way_of_the_room(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob, lobby = await waiting(crowd, room, "Bob")
        await bob.depart(lobby)
        assert not (await bob.knock(lobby)).joined
        assert (await bob.enter(room)).shown == "lobby"
        assert (await bob.knock(lobby)).joined
        seat = await alice.attend_lobby(room)
        await alice.knocker(seat, bob.nick)
        alice.deny(lobby, bob.nick)
        await bob.wait_for(lambda seen: 307 in seen.statuses and seen.room == lobby)
        assert not (await bob.knock(lobby)).joined


async def test_guesses_are_counted_where_the_lobby_hides_them(meet):
    """The plugin compares the password before the server does, as often as anybody likes."""
    async with meet.crowd() as crowd:
        room = meet.room("few")
        alice = await opened(crowd, room)
        eve = await crowd.person("Eve", f"eve@{DOMAIN}")
        await eve.request(room)
        assert [(await eve.join(room, password=guess)).shown for guess in "ab"] == ["lobby"] * 2
        assert not (await eve.join(room, password=SECRET)).joined
        await meet.decision(room=room, jid=eve.bare, rule="password.guesses.burst")
        assert eve.bare not in await alice.list_affiliation(room, "member")
        assert (await inside(crowd, room, "Bob")).occupants(room)


async def test_guesses_of_many_are_counted_where_the_lobby_hides_them(meet):
    async with meet.crowd() as crowd:
        room = meet.room("flood")
        alice = await opened(crowd, room)
        for number in range(3):
            eve = await crowd.person(f"Eve {number}")
            assert (await eve.enter(room, "wrong")).shown == "lobby"
        eve = await crowd.person("Eve")
        assert (await eve.enter(room, SECRET)).shown == "lobby"
        assert eve.bare not in await alice.list_affiliation(room, "member")


async def test_somebody_who_is_banned_is_answered(meet):
    """The plugin leaves it to the server, whose answer is a lobby screen without a lobby."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        eve = await inside(crowd, room, "Eve")
        assert not (await alice.set_affiliation(room, eve.bare, "outcast")).error
        for typed in (None, SECRET):
            refused = await eve.enter(room, typed)
            assert refused.shown in ("destroyed", "not-allowed"), refused
        assert not (await eve.knock(f"{room.partition('@')[0]}@{meet.server.lobby}")).joined


async def test_password_and_lobby_asks_for_both(meet):
    """To the plugin, the password is a way past the lobby, and the lobby past the password."""
    async with meet.crowd() as crowd:
        room = meet.room("both")
        alice = await opened(crowd, room)
        bob = await crowd.person("Bob")
        assert (await bob.enter(room)).shown == "prompt"
        assert (await bob.enter(room, "wrong")).shown == "prompt"
        stopped = await bob.enter(room, SECRET)
        assert stopped.shown == "lobby", stopped
        assert (await bob.knock(stopped.lobby)).joined
        assert (await let_in(alice, bob, room)).joined


async def test_password_and_lobby_lets_nobody_in_on_an_invitation_alone(meet):
    async with meet.crowd() as crowd:
        room = meet.room("both")
        alice = await opened(crowd, room)
        carol = await crowd.person("Carol")
        alice.approve(room, carol.jid)
        await alice.ping()
        assert (await carol.enter(room)).shown == "prompt"
        assert (await carol.enter(room, SECRET)).shown in ("joined", "lobby")


async def test_several_who_wait_are_let_in_at_once(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        people = [(await waiting(crowd, room, name))[0] for name in ("Bob", "Carol")]
        lobby = await alice.attend_lobby(room)
        alice.approve(room, *[await alice.knocker(lobby, person.nick) for person in people])
        for person in people:
            assert (await person.admitted(room)).joined


async def test_whoever_does_not_moderate_lets_nobody_in(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        bob = await inside(crowd, room, "Bob")
        carol, _ = await waiting(crowd, room, "Carol")
        eve, _ = await waiting(crowd, room, "Eve")
        since = carol.mark()
        bob.approve(room, carol.jid, eve.jid)
        eve.approve(room, eve.jid, carol.jid)
        await bob.ping()
        await eve.ping()
        await meet.flushed()
        assert not [seen for seen in carol.seen[since:] if SECRET in repr(seen)]
        for person in (carol, eve):
            assert (await person.enter(room)).shown == "lobby"


async def test_a_name_is_asked_of_those_who_wait_and_of_nobody_else(meet):
    """The plugin asks it of everybody, owners and approved people too."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room, None)
        nameless = await crowd.person(None)
        assert (await nameless.enter(room)).shown == "name"
        assert (await nameless.enter(room, SECRET)).joined
        again = await crowd.reload(alice)
        assert (await again.enter(room)).joined


async def test_nobody_is_put_out_when_a_moderator_turns_the_lobby_on(meet):
    """A room that becomes members-only removes all others."""
    async with meet.crowd() as crowd:
        room = meet.room("plain")
        alice = await opened(crowd, room)
        bob = await inside(crowd, room, "Bob")
        carol = await crowd.person("Carol")
        assert (await carol.enter(room)).shown == "prompt"
        assert not (await alice.set_members_only(room)).error
        await alice.ping()
        assert set(alice.occupants(room)) == {"focus", alice.nick, bob.nick}
        assert (await carol.enter(room, SECRET)).joined
