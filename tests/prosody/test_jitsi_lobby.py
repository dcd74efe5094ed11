"""Jitsi's own lobby under the policy: who waits in it, and what brings them in."""

import asyncio

import pytest
from lab import Crowd, needs_jitsi_plugins
from lab.jitsi_client import NICKNAME
from lab.jitsi_meeting import admit, opened, out_of, out_of_sight, owner, people, vestibule, waiting, waiting_at
from lab.meet import MEET_SERVICE
from lab.meet_settings import CHAIR, DOMAIN
from lab.policy import MEET_CHAIR, PRESET, SECRET, rooms
from lab.stanza import CLIENT, element

pytestmark = needs_jitsi_plugins

MEET = {"accounts": True}
MODES = ("password-and-lobby", "lobby")
POLICY = (
    MEET_SERVICE + PRESET + MEET_CHAIR + '[policy.names]\nunique = "moderators"\n'
    + rooms({
        "theirs": 'moderators = { admit = "operator" }',
        "alike": 'names = { unique = "nobody" }',
        "busy": 'lobby = { max_knocks = 2 }',
        "small": 'lobby = { max_waiting = 1 }',
        "brief": 'lobby = { wait = "2 seconds" }',
        "members": 'lobby = { admission = "lobby", bypass = ["service", "account"] }',
    })
    + rooms({mode: f'lobby = {{ admission = "{mode}" }}' for mode in MODES})
)


# Knocking


async def test_a_guest_knocks_and_is_let_in(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        bob, carol = await waiting(crowd, room, "Bob", "Carol")
        await admit(alice, room, lobby, bob)
        await alice.ping()
        assert people(alice, room) == {bob.nick}
        assert (await carol.join(room)).shown == "lobby"
        came_in = await meet.decision(kind="join", room=room, verdict="allow", jid=bob.bare)
        assert came_in["facts"]["who"]["person"]["entry"] == "admitted"


async def test_a_plain_client_without_a_name_may_wait_there_too(meet):
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        plain = await others.connect(meet.server.guests)
        stopped = await plain.join(room, "Plain")
        assert stopped.condition == "registration-required" and "let you in" in stopped.text
        assert (await plain.join(lobby, "Plain")).joined
        alice.approve(room, await alice.knocker(lobby, "Plain"))
        await plain.wait_for(lambda seen: seen.name == "message" and seen.sender == room)
        assert (await plain.join(room, "Plain")).joined


async def test_who_waits_when_the_meeting_is_closed_waits_on_and_can_be_let_in(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        (bob,) = await waiting(crowd, room, "Bob")
        assert meet.component.run("close", room).returncode == 0
        assert (await (await crowd.person("Carol")).enter(room)).shown == "destroyed"
        await admit(alice, room, lobby, bob)


async def test_all_who_wait_are_let_in_with_one_word(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        three = await waiting(crowd, room, "Bob", "Carol", "Dave")
        alice.approve(room, *[await alice.knocker(lobby, person.nick) for person in three])
        for person in three:
            assert (await person.admitted(room)).joined


@pytest.mark.parametrize("many", [12, 30])
async def test_all_who_knock_at_once_are_seen_and_let_in(meet, many):
    """Jitsi's rate limiter holds all but three a second at the lobby's door, and fires the same events again."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        people = await crowd.persons(*(f"Person {number}" for number in range(many)))
        stopped = await asyncio.gather(*(person.enter(room) for person in people))
        assert {outcome.lobby for outcome in stopped} == {lobby}
        knocked = await asyncio.gather(*(person.knock(lobby, seconds=2 * many) for person in people))
        assert all(outcome.joined for outcome in knocked), knocked
        assert max(outcome.seconds for outcome in knocked) > 1, "the limiter has limited nothing"
        assert sorted(waiting_at(meet, room)) == sorted(person.bare for person in people)
        for some in (people[start : start + 6] for start in range(0, many, 6)):
            alice.approve(room, *[await alice.knocker(lobby, person.nick) for person in some])
            admitted = await asyncio.gather(*(person.admitted(room) for person in some))
            assert all(outcome.joined for outcome in admitted), admitted


async def test_a_pass_into_the_lobby_that_the_rate_limiter_held_is_worth_one_entry(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        people = await crowd.persons(*(f"Person {number}" for number in range(5)))
        for person in people:
            assert (await person.enter(room)).shown == "lobby"
        # The last one sends it twice while it is held: both times with the one pass, under two nicks.
        *others, eve = people
        knocking = [asyncio.ensure_future(person.knock(lobby)) for person in others]
        since = eve.ask_to_join(lobby, eve.nick)
        eve.ask_to_join(lobby, "0123abcd")
        await asyncio.gather(*knocking)
        assert (await eve.outcome(lobby, since)).joined
        await asyncio.sleep(1.2)  # until the limiter has brought back everything
        assert waiting_at(meet, room).count(eve.bare) == 1
        await eve.depart(lobby)
        assert not (await eve.knock(lobby)).joined


@pytest.mark.parametrize("reloads", [False, True])
async def test_whoever_is_turned_away_may_knock_again_but_not_for_ever(meet, reloads):
    async with meet.crowd() as crowd:
        room = meet.room("busy")
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        bob = await crowd.person("Bob")
        for _ in range(2):
            stopped = await bob.enter(room)
            assert stopped.shown == "lobby", stopped
            since, before = bob.mark(), alice.mark()
            assert (await bob.knock(stopped.lobby)).joined
            await alice.knocker(lobby, bob.nick, before)
            alice.deny(lobby, bob.nick)
            assert 307 in (await out_of(bob, lobby, since)).statuses
            assert waiting_at(meet, room) == []
            bob = await crowd.reload(bob) if reloads else bob
        limited = await bob.enter(room)
        assert limited.shown == "destroyed" and "asked to join too often" in limited.text
        await meet.decision(kind="join", room=room, rule="lobby.max_knocks", verdict="deny")


@pytest.mark.parametrize("how", ["by the operator", "by the moderator"])
async def test_who_waits_when_the_meeting_ends_is_told_and_nothing_is_left_behind(meet, how):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        (bob,) = await waiting(crowd, room, "Bob")
        listed = meet.component.run("rooms").stdout
        assert next(line for line in listed.splitlines() if line.startswith(room)).count(", 1 waiting") == 1
        since = bob.mark()
        if how == "by the operator":
            assert meet.component.run("end", room, "--yes").returncode == 0
        else:
            assert not (await alice.destroy(room)).error
        await bob.wait_for(lambda seen: seen.type == "unavailable" and seen.destroyed is not None, since=since)
        assert "Main room not found" not in meet.server.log()
        assert not [line for line in meet.server.complaints() if "\terror\t" in line]
        assert (await bob.enter(room)).joined, "the next meeting is his"


async def test_the_lobby_takes_no_more_than_the_file_says(meet):
    async with meet.crowd() as crowd:
        room = meet.room("small")
        await opened(crowd, room)
        (bob,) = await waiting(crowd, room, "Bob")
        carol = await crowd.person("Carol")
        refused = await carol.enter(room)
        assert refused.shown == "destroyed" and "The lobby is full" in refused.text
        bob.abort()
        while waiting_at(meet, room):
            await carol.ping()
        assert (await carol.enter(room)).shown == "lobby"


async def test_nobody_waits_longer_than_the_file_says(meet):
    async with meet.crowd() as crowd:
        room = meet.room("brief")
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        (bob,) = await waiting(crowd, room, "Bob")
        jid = await alice.knocker(lobby, bob.nick)
        sent = await out_of(bob, lobby)
        assert "Nobody has let you in" in sent.destroyed
        await out_of_sight(alice, lobby, bob)
        assert waiting_at(meet, room) == []
        # He may come again, and is not remembered as somebody who was let in.
        assert jid == bob.jid and (await bob.enter(room)).shown == "lobby"


async def test_nobody_is_in_the_lobby_who_was_not_sent_there(meet):
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        mallory = await others.connect(meet.server.guests)
        mary = await crowd.person("Mary")
        assert (await mallory.join(lobby, "Mallory")).condition == "not-allowed"
        assert not (await mary.knock(lobby)).joined
        nowhere = f"nothing@{meet.server.lobby}"
        assert not (await mallory.join(nowhere, "Mallory")).joined
        assert waiting_at(meet, room) == []
        held = await mallory.join(room, "Mallory", extra=[element(NICKNAME, "nick", "Mallory")])
        assert held.condition == "registration-required", held
        assert (await mallory.join(lobby, "Mallory")).joined
        assert waiting_at(meet, room) == [mallory.bare]


# Names in the lobby


def called(moderator, lobby, since=0):
    """The names under which a moderator has seen somebody wait, in order."""
    seen = [seen for seen in moderator.seen[since:] if seen.name == "presence" and seen.sender.startswith(f"{lobby}/")]
    names = [each.text(NICKNAME, "nick") for each in seen if not each.type]
    return [name for at, name in enumerate(names) if name not in names[:at]]


async def takes(person, lobby, name):
    presence = element(CLIENT, "presence", to=f"{lobby}/{person.nick}")
    presence.append(element(NICKNAME, "nick", name))
    person.send(presence)
    await asyncio.sleep(0.3)
    await person.iq(DOMAIN, "get", element("http://jabber.org/protocol/disco#info", "query"))


@pytest.mark.parametrize("name", ["focus", "f\u043ecus", "Alice", "al\u0456ce "])
async def test_nobody_waits_under_a_name_that_would_be_refused_inside(meet, name):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        (bob,) = await waiting(crowd, room, "Bob")
        carol = await crowd.person("Carol")
        stopped = await carol.enter(room)
        since = alice.mark()
        await takes(bob, lobby, name)
        carol.name = name
        knocked = await carol.knock(stopped.lobby)
        await asyncio.sleep(0.5)
        await alice.ping()
        # A reserved name is refused at the lobby's door; of another that is refused the one before stays.
        assert knocked.joined or "focus" in name.replace("\u043e", "o")
        assert called(alice, lobby, since) == (["Bob", "Carol"] if knocked.joined else ["Bob"])
        assert {each["nick"] for each in vestibule(meet, "room", room)["waiting"]} <= {"Bob", "Carol"}


async def test_whoever_waits_may_take_another_name(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        (bob,) = await waiting(crowd, room, "Bob")
        await takes(bob, lobby, "Robert")
        carol = await crowd.person("Carol")
        stopped = await carol.enter(room)
        carol.name = "Caroline"  # as typed on the lobby's screen
        assert (await carol.knock(stopped.lobby)).joined
        await alice.wait_for(lambda seen: seen.text(NICKNAME, "nick") == "Caroline")
        await alice.wait_for(lambda seen: seen.text(NICKNAME, "nick") == "Robert")
        assert {each["nick"] for each in vestibule(meet, "room", room)["waiting"]} == {"Robert", "Caroline"}
        await admit(alice, room, lobby, carol)


async def test_moderators_are_told_of_a_look_alike_who_knocks(meet):
    async with meet.crowd() as crowd:
        room = meet.room("alike")
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        await waiting(crowd, room, "\u0410lice")
        told = lambda seen: seen.body and "is asking to join with a name" in seen.body  # noqa: E731
        assert "\u0410lice is asking" in (await alice.wait_for(told)).body
        since = alice.mark()
        (bob,) = await waiting(crowd, room, "Bob")
        await takes(bob, lobby, "Al\u0456ce")
        assert "Al\u0456ce is asking" in (await alice.wait_for(told, since=since)).body
        assert not [seen for seen in bob.seen if told(seen)]


async def test_whoever_may_let_nobody_in_turns_nobody_away(meet):
    async with meet.crowd() as crowd:
        room, theirs = meet.room(), meet.room("theirs")
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        (bob,) = await waiting(crowd, room, "Bob")
        since = bob.mark()
        alice.deny(lobby, bob.nick)
        assert 307 in (await out_of(bob, lobby, since)).statuses
        decision = await meet.decision(room=room, kind="knock", jid=alice.bare)
        assert decision["verdict"] == "allow"
        carol, _ = await opened(crowd, theirs, "Carol")
        lobby = await carol.attend_lobby(theirs)
        (dave,) = await waiting(crowd, theirs, "Dave")
        carol.deny(lobby, dave.nick)
        decision = await meet.decision(room=theirs, kind="knock", jid=carol.bare)
        assert (decision["verdict"], decision["rule"]) == ("deny", "moderators.admit")
        # Nor are others removed who sit there, or made anything.
        chair = await crowd.person("Chair", CHAIR)
        assert (await chair.enter(theirs)).joined
        await chair.attend_lobby(theirs)
        mark = chair.mark()
        carol.deny(lobby, chair.nick)
        await carol.ping()
        await chair.ping()
        assert not [seen for seen in chair.seen[mark:] if seen.type == "unavailable"]
        assert waiting_at(meet, theirs) == [dave.bare]


# The password from the lobby's screen


async def test_the_password_may_be_typed_while_waiting(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        (bob,) = await waiting(crowd, room, "Bob")
        wrong = await bob.join(room, password="a wrong guess")
        assert (wrong.shown, wrong.text) == ("lobby", "That password is not correct."), wrong
        assert waiting_at(meet, room) == [bob.bare]
        assert (await bob.join(room, password=SECRET)).joined
        assert waiting_at(meet, room) == []
        await alice.ping()
        assert people(alice, room) == {bob.nick}


async def test_where_both_are_asked_for_the_password_is_typed_before_knocking(meet):
    async with meet.crowd() as crowd:
        room = meet.room("password-and-lobby")
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        bob = await crowd.person("Bob")
        assert (await bob.enter(room)).shown == "prompt"
        assert (await bob.enter(room, "a wrong guess")).shown == "prompt"
        stopped = await bob.enter(room, SECRET)
        assert (stopped.shown, stopped.lobby) == ("lobby", lobby)
        assert (await bob.knock(lobby)).joined
        await admit(alice, room, lobby, bob)


async def test_where_both_are_asked_for_an_invitation_is_only_one_of_them(meet):
    """muc_lobby_rooms by itself supplies members with the password that they do not know."""
    async with meet.crowd() as crowd:
        room = meet.room("password-and-lobby")
        alice, _ = await opened(crowd, room)
        bob = await crowd.person("Bob")
        alice.approve(room, bob.jid)
        assert (await bob.admitted(room)).shown == "prompt"
        assert (await bob.enter(room, "a wrong guess")).shown == "prompt"
        assert (await bob.enter(room, SECRET)).joined


async def test_where_only_the_lobby_counts_no_password_helps(meet):
    async with meet.crowd() as crowd:
        room = meet.room("lobby")
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        lobby = await alice.attend_lobby(room)
        bob = await crowd.person("Bob")
        for password in (None, "a wrong guess", SECRET):
            assert (await bob.enter(room, password)).shown == "lobby"
        assert (await bob.knock(lobby)).joined
        await admit(alice, room, lobby, bob)


async def test_people_of_some_classes_need_not_knock(meet):
    async with meet.crowd() as crowd:
        room = meet.room("members")
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        member = await crowd.person("Member", f"member@{DOMAIN}")
        guest = await crowd.person("Guest")
        assert (await member.enter(room)).joined
        assert not owner(member, room)
        assert (await guest.enter(room)).shown == "lobby"


@pytest.mark.parametrize("mode", ["password-and-lobby", "lobby", "room"])
async def test_who_is_in_no_lobby_needs_no_name(meet, mode):
    async with meet.crowd() as crowd:
        room = meet.room(mode)
        alice, chair = await crowd.person(), await crowd.person(jid=CHAIR)
        assert (await alice.enter(room)).joined
        assert (await chair.enter(room)).joined
        bob = await crowd.person()
        assert (await bob.enter(room, SECRET)).shown == ("joined" if mode == "room" else "name")


async def test_whoever_waits_says_a_name_first(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        bob = await crowd.person()
        assert (await bob.enter(room)).shown == "name"
        assert waiting_at(meet, room) == []
        assert not (await bob.knock(f"{room.partition('@')[0]}@{meet.server.lobby}")).joined
        bob.name = "Bob"
        assert (await bob.enter(room)).shown == "lobby"


async def test_a_nick_that_somebody_bears_changes_nothing_of_them(meet):
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        await alice.attend_lobby(room)
        bob, eve = [await others.connect(meet.server.guests) for _ in range(2)]
        assert (await bob.join(room, "Bob", SECRET)).joined
        assert not (await alice.set_role(room, "Bob", "visitor")).error
        since = alice.mark()
        assert (await eve.join(room, "Bob", SECRET)).condition == "conflict"
        await bob.ping()
        await alice.ping()
        assert alice.occupants(room)["Bob"]["role"] == "visitor"
        assert not [seen for seen in alice.seen[since:] if seen.room == room]
        bob.send(element("jabber:client", "presence", to=f"{room}/Bob"))
        seen = await alice.wait_for(lambda seen: seen.sender == f"{room}/Bob", since=since)
        assert seen.item["role"] == "visitor"


async def test_whoever_waits_looks_like_nobody_else(meet):
    """Clients of moderators made the focus of whoever said so in the lobby, too."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        bob, = await waiting(crowd, room, "Bob")
        since = alice.mark()
        x, jid = "http://jabber.org/protocol/muc#user", f"focus@auth.{DOMAIN}/focus"
        item = f"<a xmlns='urn:other'><x xmlns='{x}'><item affiliation='owner' role='moderator' jid='{jid}'/></x></a>"
        named = "<display-name xmlns='http://jitsi.org/protocol/display-name' source='visitor'>Meeting rules</display-name>"
        bob.send_raw(f"<presence to='{lobby}/{bob.nick}'>{item}</presence>")
        bob.send_raw(f"<message type='chat' to='{lobby}/{alice.nick}'><body>let me in</body>{named}</message>")
        heard = await alice.wait_for(lambda seen: seen.body == "let me in", since=since)
        seen = [each for each in alice.seen[since:] if each.sender == f"{lobby}/{bob.nick}"]
        assert "Meeting rules" not in repr(heard)
        # Their own presence may come after the mark, too.
        assert len(seen) >= 2 and not [each for each in seen if "auth." in repr(each)], seen
