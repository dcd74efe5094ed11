"""The lobby: what it takes to come in, and who opens the door to those who wait."""

import pytest
from lab import SERVICE, Crowd
from lab.knocking import answer_knock, invited, is_invitation, is_knock, knock, knocking, knocks, let_in
from lab.policy import CHAIR, PRESET, SECRET, rooms
from lab.stanza import MUC_USER

MODES = ("password-or-lobby", "password-and-lobby", "password", "lobby", "open")
POLICY = SERVICE + PRESET + '[policy.access]\nlisted = ["listed@localhost"]\n' + CHAIR + rooms({
    "busy": 'lobby = { max_waiting = 1, max_knocks = 2 }',
    "brief": 'lobby = { wait = "1 second" }',
    "moment": 'lobby = { admission = "lobby" }\nremoval = { keep_out_for = "never" }',
}) + rooms({mode: f'lobby = {{ admission = "{mode}" }}' for mode in MODES})

KNOCKED = ("auth", "registration-required")
PROMPTED = ("auth", "not-authorized")
TOO_MUCH = ("wait", "resource-constraint")
IN = ("", "")


@pytest.mark.parametrize(
    ("mode", "nothing", "wrong", "right"),
    [
        ("password-or-lobby", KNOCKED, PROMPTED, IN),
        ("password-and-lobby", PROMPTED, PROMPTED, KNOCKED),
        ("password", PROMPTED, PROMPTED, IN),
        ("lobby", KNOCKED, KNOCKED, KNOCKED),
        ("open", IN, IN, IN),
    ],
)
async def test_each_admission_asks_for_what_it_says(door, mode, nothing, wrong, right):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name=mode)
        for typed, expected in ((None, nothing), ("a wrong guess", wrong), (SECRET, right)):
            guest = await crowd.connect("guest.localhost")
            outcome = await guest.join(room, "Guest", typed)
            assert (outcome.type, outcome.condition) == expected, outcome
            assert outcome.joined == (expected is IN)
            assert len(guest.answers(room)) == 1
            if outcome.joined:
                await guest.leave(room, "Guest")


@pytest.mark.parametrize(
    ("mode", "without", "for_members"),
    [("open", PROMPTED, KNOCKED), ("lobby", KNOCKED, IN), ("password-or-lobby", KNOCKED, KNOCKED)],
)
async def test_what_a_moderator_locks_is_locked_whatever_the_file_asks_for(door, mode, without, for_members):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name=mode)
        chosen = "violet anchors under mustard rain"
        assert not (await alice.configure(room, {"muc#roomconfig_roomsecret": chosen})).error
        guest, other, late = [await crowd.connect("guest.localhost") for _ in range(3)]
        stopped = await guest.join(room, "Guest")
        assert (stopped.type, stopped.condition) == without, stopped
        assert (await guest.join(room, "Guest", chosen)).joined
        assert not (await alice.configure(room, {"muc#roomconfig_membersonly": "1"})).error
        stopped = await other.join(room, "Other")
        assert (stopped.type, stopped.condition) == KNOCKED, stopped
        outcome = await late.join(room, "Late", chosen)
        assert (outcome.type, outcome.condition) == for_members, outcome


async def test_whoever_is_let_in_needs_no_password(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest")).condition == "registration-required"
        form = await knock(alice, room, "Guest")
        assert form["muc#jid"] == guest.jid and form["muc#role"] == "participant"
        answer_knock(alice, room, form, True)
        invitation = await invited(guest, room)
        assert invitation.find(MUC_USER, "password") is None
        assert (await guest.join(room, "Guest")).joined
        await door.decision(kind="knock", room=room, verdict="allow", rule="moderators.admit")
        came_in = await door.decision(kind="join", room=room, verdict="allow", jid=guest.bare)
        assert came_in["facts"]["who"]["person"]["entry"] == "admitted"


async def test_where_both_are_asked_for_the_password_stays_needed(door):
    async with Crowd(door.server) as crowd:
        room = door.room("password-and-lobby")
        alice = await crowd.connect("alice@localhost")
        guest = await crowd.connect("guest.localhost")
        await alice.join(room, "Alice")
        await guest.join(room, "Guest", SECRET)
        await let_in(alice, room, "Guest")
        await invited(guest, room)
        assert (await guest.join(room, "Guest")).condition == "not-authorized"
        assert (await guest.join(room, "Guest", SECRET)).joined


async def test_whoever_is_turned_away_is_told_and_stays_out(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        guest = await knocking(crowd, room)
        answer_knock(alice, room, await knock(alice, room, "Guest"), False)
        told = await guest.wait_for(lambda seen: seen.name == "message" and seen.sender == room)
        assert told.body and "declined" in told.body
        since = alice.mark()
        assert (await guest.join(room, "Guest")).condition == "registration-required"
        await knock(alice, room, "Guest", since)
        assert not any(is_invitation(seen, room) for seen in guest.seen)


async def test_every_moderator_is_asked_also_those_who_come_later(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        chair = await crowd.connect("chair@localhost")
        guest = await knocking(crowd, room)
        await knock(alice, room, "Guest")
        await bob.ping()
        assert not knocks(bob, room)
        await alice.set_affiliation(room, "bob@localhost", "owner")
        await knock(bob, room, "Guest")
        await chair.join(room, "Chair")
        form = await knock(chair, room, "Guest")
        answer_knock(chair, room, form, True)
        await invited(guest, room)
        assert len(knocks(alice, room)) == len(knocks(bob, room)) == 1


async def test_knocking_again_asks_the_moderator_once(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        guest = await crowd.connect("guest.localhost")
        for _ in range(3):
            assert (await guest.join(room, "Guest")).condition == "registration-required"
        await alice.ping()
        assert len(knocks(alice, room)) == 1
        assert len(guest.answers(room)) == 3


async def test_nobody_knocks_too_often(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="busy")
        guest = await crowd.connect("guest.localhost")
        for _ in range(2):
            await guest.join(room, "Guest")
            answer_knock(alice, room, await knock(alice, room, "Guest"), False)
            await door.decisions(kind="knock", room=room)
        refused = await guest.join(room, "Guest")
        assert (refused.type, refused.condition) == TOO_MUCH
        assert "too often" in refused.text
        await door.decision(kind="join", room=room, rule="lobby.max_knocks", verdict="deny")


async def test_no_more_wait_than_the_file_says(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="busy")
        first = await crowd.connect("guest.localhost")
        second = await crowd.connect("guest.localhost")
        assert (await first.join(room, "First")).condition == "registration-required"
        refused = await second.join(room, "Second")
        assert (refused.type, refused.condition) == TOO_MUCH
        await door.decision(kind="join", room=room, rule="lobby.max_waiting", verdict="deny")
        assert (await first.join(room, "First")).condition == "registration-required", "they have their place already"
        await alice.ping()
        assert [form["muc#roomnick"] for form in knocks(alice, room)] == ["First"]


async def test_a_knock_is_forgotten_when_its_time_is_over(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="brief")
        chair = await crowd.connect("chair@localhost")
        guest = await knocking(crowd, room)
        form = await knock(alice, room, "Guest")
        told = await guest.wait_for(lambda seen: seen.name == "message" and seen.sender == room)
        assert "Nobody has let you in" in told.body
        while door.component.run("room", room, "--json").stdout.count(guest.bare):
            await alice.ping()
        answer_knock(alice, room, form, True)
        await alice.wait_for(lambda seen: seen.error and seen.error[1] == "item-not-found")
        await chair.join(room, "Chair")
        await chair.ping()
        assert not knocks(chair, room)
        assert not any(is_invitation(seen, room) for seen in guest.seen)


async def test_who_waits_is_told_when_the_last_one_leaves_and_the_room_ends(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        guest = await knocking(crowd, room)
        await knock(alice, room, "Guest")
        await alice.leave(room, "Alice")
        told = await guest.wait_for(lambda seen: seen.name == "message" and seen.sender == room)
        assert "Nobody has let you in" in told.body
        await guest.ping()
        assert len([seen for seen in guest.seen if seen.name == "message" and seen.sender == room]) == 1


@pytest.mark.parametrize("way", ["invitation", "membership"])
async def test_other_ways_to_open_the_door_admit_who_waits(door, way):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="lobby")
        guest = await knocking(crowd, room)
        await knock(alice, room, "Guest")
        if way == "invitation":
            alice.invite(room, guest.bare)
        else:
            assert not (await alice.set_affiliation(room, guest.bare, "member")).error
        await invited(guest, room)
        assert (await guest.join(room, "Guest")).joined
        assert guest.bare not in door.component.run("room", room).stdout.partition("waiting")[2]


async def test_listed_people_need_not_knock(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="lobby")
        listed = await crowd.connect("listed@localhost")
        assert (await listed.join(room, "Listed")).joined
        await alice.ping()
        assert not knocks(alice, room)
        await door.decision(kind="join", room=room, verdict="allow", **{"class": "listed"})


async def test_only_moderators_open_the_door(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await crowd.connect("guest.localhost")
        stranger = await crowd.connect("guest.localhost")
        await guest.join(room, "Guest")
        form = await knock(alice, room, "Guest")
        for person in (bob, guest, stranger):
            answer_knock(person, room, form, True)
            await person.ping()
        assert (await guest.join(room, "Guest")).condition == "registration-required"
        assert not any(is_invitation(seen, room) for seen in guest.seen)
        assert not any(is_knock(seen, room) for seen in [*bob.seen, *guest.seen, *stranger.seen])


async def test_who_was_kicked_only_for_the_moment_has_to_knock_again(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="moment")
        bob = await knocking(crowd, room, "bob@localhost")
        await let_in(alice, room, "Bob")
        await invited(bob, room)
        assert (await bob.join(room, "Bob")).joined
        await alice.set_role(room, "Bob", "none")
        await bob.ping()  # he has seen it
        before, since = alice.mark(), bob.mark()
        again = await bob.join(room, "Bob")
        assert (again.type, again.condition) == KNOCKED, again
        answer_knock(alice, room, await knock(alice, room, "Bob", since=before), True)
        await invited(bob, room, since=since)
        assert (await bob.join(room, "Bob")).joined


async def test_inviting_the_opener_takes_nothing_from_him(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="lobby")
        chair = await crowd.connect("chair@localhost")
        assert (await chair.join(room, "Chair")).joined
        await alice.leave(room, "Alice")
        chair.invite(room, "alice@localhost")
        back = await alice.join(room, "Alice")
        assert back.presence.find("http://jabber.org/protocol/muc#user", "item").get("role") == "moderator"
