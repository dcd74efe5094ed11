"""Authority needs presence or the file: whoever was removed has none, and nobody lifts their own removal."""

import asyncio

import pytest
from lab import SERVICE, Crowd
from lab.knocking import invited
from lab.policy import CHAIR, OPERATOR, PRESET, SECRET, rooms
from lab.stanza import MUC_ADMIN, element

FORM = {"muc#roomconfig_roomsecret": "other quartz lanterns seven"}
POLICY = SERVICE + OPERATOR + PRESET + CHAIR + rooms({
    "soon": 'removal = { keep_out_for = "2 seconds" }',
    "again": 'password = { ask_again = "nobody" }',
})
NOT_INSIDE = ("cancel", "not-acceptable")
REMOVED = ("auth", "forbidden")


async def meeting(door, crowd, name="room"):
    """A room with Alice, who opened it, Bob, whom she made an owner, and Carol."""
    room = door.room(name)
    people = {}
    for name in ("alice", "bob", "carol"):
        people[name] = await crowd.connect(f"{name}@localhost")
        assert (await people[name].join(room, name.title(), SECRET)).joined
    alice, bob, carol = people.values()
    assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
    await bob.wait_for(lambda seen: seen.item.get("affiliation") == "owner")
    return room, alice, bob, carol


async def kicked(by, who, room, nick):
    since = who.mark()
    assert not (await by.set_role(room, nick, "none")).error
    await who.wait_for(lambda seen: 307 in seen.statuses, since=since)


async def left(who, room, nick):
    await who.leave(room, nick)


async def tried(who, room, alice):
    """What a co-owner outside tries, each by its answer."""
    lift = element(MUC_ADMIN, "query")
    lift.append(element(MUC_ADMIN, "item", jid=who.bare, affiliation="owner"))
    return {
        "password": await who.configure(room, FORM),
        "ban": await who.set_affiliation(room, alice.bare, "outcast"),
        "demote": await who.set_affiliation(room, alice.bare, "none"),
        "owner": await who.set_affiliation(room, "eve@localhost", "owner"),
        "lift": await who.iq(room, "set", lift),
        "kick": await who.set_role(room, "Carol", "none"),
        "end": await who.destroy(room),
    }


def unharmed(alice, room):
    inside = alice.occupants(room)
    assert {nick: item["role"] for nick, item in inside.items() if nick != "Bob"} == {
        "Alice": "moderator",
        "Carol": "participant",
    }


@pytest.mark.parametrize("session", ["same", "another"])
async def test_a_kicked_co_owner_has_no_authority(door, session):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        await kicked(alice, bob, room, "Bob")
        who = bob if session == "same" else await crowd.connect("bob@localhost")
        for what, reply in (await tried(who, room, alice)).items():
            assert reply.error, what
        unharmed(alice, room)
        assert await alice.list_affiliation(room, "owner") == {alice.bare}
        assert await alice.list_affiliation(room, "outcast") == set()
        refused = await who.join(room, "Bob", SECRET)
        assert (refused.type, refused.condition) == REMOVED
        stranger = await crowd.connect("guest.localhost")
        assert (await stranger.join(room, "Stranger", SECRET)).joined, "the password is the same"


async def test_an_owner_who_has_left_has_no_authority(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        await bob.leave(room, "Bob")
        for what, reply in (await tried(bob, room, alice)).items():
            assert reply.error[:2] == NOT_INSIDE, (what, reply)
        unharmed(alice, room)
        # Inside again, he is what he was.
        assert (await bob.join(room, "Bob")).presence.item["affiliation"] == "owner"
        assert not (await bob.set_affiliation(room, "eve@localhost", "member")).error


async def test_a_session_outside_has_nothing_of_one_that_is_inside(door):
    async with Crowd(door.server) as crowd:
        room, _, _, _ = await meeting(door, crowd)
        phone = await crowd.connect("alice@localhost")
        assert (await phone.set_affiliation(room, "eve@localhost", "owner")).error[:2] == NOT_INSIDE
        assert (await phone.destroy(room)).error[:2] == NOT_INSIDE


async def test_a_kick_removes_every_session_and_the_affiliation_comes_back_with_the_time(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd, "soon")
        phone = await crowd.connect("bob@localhost")
        assert (await phone.join(room, "Phone")).joined
        since = phone.mark()
        await kicked(alice, bob, room, "Bob")
        await phone.wait_for(lambda seen: 307 in seen.statuses, since=since)
        assert set(alice.occupants(room)) == {"Alice", "Carol"}
        assert await alice.list_affiliation(room, "owner") == {alice.bare}
        assert (await bob.join(room, "Bob", SECRET)).condition == "forbidden"
        await asyncio.sleep(2.1)
        item = (await bob.join(room, "Bob")).presence.item
        assert (item["affiliation"], item["role"]) == ("owner", "moderator")


async def test_an_invitation_gives_back_what_a_kick_took(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        await kicked(alice, bob, room, "Bob")
        since = bob.mark()
        alice.invite(room, bob.bare)
        await invited(bob, room, since)
        assert await alice.list_affiliation(room, "owner") == {alice.bare, bob.bare}
        assert (await bob.join(room, "Bob")).presence.item["role"] == "moderator"


async def test_a_ban_of_the_room_takes_and_gives_back(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        assert not (await alice.set_affiliation(room, bob.bare, "outcast")).error
        await bob.wait_for(lambda seen: 301 in seen.statuses)
        for what, reply in (await tried(bob, room, alice)).items():
            assert reply.error, what
        assert await alice.list_affiliation(room, "outcast") == {bob.bare}
        # Removed by an operator beside, he is still banned from the room.
        assert door.component.run("remove", room, bob.bare).returncode == 0
        assert await alice.list_affiliation(room, "outcast") == {bob.bare}
        assert not (await alice.set_affiliation(room, bob.bare, "none")).error
        await alice.ping()
        assert await alice.list_affiliation(room, "owner") == {alice.bare, bob.bare}
        assert (await bob.join(room, "Bob")).presence.item["role"] == "moderator"


@pytest.mark.parametrize("inside", [True, False])
async def test_what_an_operator_removes_is_given_back_when_he_admits(door, inside):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        if not inside:
            await bob.leave(room, "Bob")
        assert door.component.run("remove", room, bob.bare).returncode == 0
        if inside:
            await bob.wait_for(lambda seen: 307 in seen.statuses)
        assert await alice.list_affiliation(room, "owner") == {alice.bare}
        for what, reply in (await tried(bob, room, alice)).items():
            assert reply.error, what
        assert door.component.run("admit", room, bob.bare).returncode == 0
        assert await alice.list_affiliation(room, "owner") == {alice.bare, bob.bare}
        assert (await bob.join(room, "Bob")).presence.item["role"] == "moderator"


async def test_who_is_banned_at_run_time_acts_from_no_session_and_gets_back_what_he_had(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        phone = await crowd.connect("bob@localhost")
        assert (await phone.join(room, "Phone")).joined
        assert door.component.run("ban", bob.bare).returncode == 0
        try:
            await phone.wait_for(lambda seen: 307 in seen.statuses)
            for who in (bob, phone, await crowd.connect("bob@localhost")):
                for what, reply in (await tried(who, room, alice)).items():
                    assert reply.error, what
            assert await alice.list_affiliation(room, "owner") == {alice.bare}
        finally:
            assert door.component.run("unban", bob.bare).returncode == 0
        assert (await bob.join(room, "Bob")).presence.item["affiliation"] == "owner"


async def test_nobody_registers_or_invites_themselves_back(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        await kicked(alice, bob, room, "Bob")
        bob.invite(room, bob.bare)
        await bob.ping()
        register = element("jabber:iq:register", "query")
        form = element("jabber:x:data", "x", type="submit")
        for name, value in (
            ("FORM_TYPE", "http://jabber.org/protocol/muc#register"),
            ("muc#register_roomnick", "Bob"),
        ):
            field = element("jabber:x:data", "field", var=name)
            field.append(element("jabber:x:data", "value", value))
            form.append(field)
        register.append(form)
        assert (await bob.iq(room, "set", register)).error
        assert (await bob.join(room, "Robert", SECRET)).condition == "forbidden"


async def test_only_an_operator_has_authority_outside(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, _ = await meeting(door, crowd)
        for name in ("chair", "root"):
            who = await crowd.connect(f"{name}@localhost")
            assert (await who.join(room, name.title())).presence.item["affiliation"] == "owner"
            await who.leave(room, name.title())
            reply = await who.set_affiliation(room, "eve@localhost", "member")
            assert bool(reply.error) == (name == "chair"), reply
        assert await alice.list_affiliation(room, "member") == {"eve@localhost"}


@pytest.mark.parametrize("asks", [True, False])
async def test_after_a_rotation_the_new_password_is_typed(door, asks):
    async with Crowd(door.server) as crowd:
        room, _, _, carol = await meeting(door, crowd, "room" if asks else "again")
        new = "other quartz lanterns seven"
        done = door.component.run("set-password", room, stdin=new + "\n")
        assert done.returncode == 0, done.stderr
        await carol.leave(room, "Carol")
        back = await carol.join(room, "Carol")
        assert back.joined != asks, back
        if asks:
            assert (await carol.join(room, "Carol", SECRET)).condition == "not-authorized"
            assert (await carol.join(room, "Carol", new)).joined
            await carol.leave(room, "Carol")
            assert (await carol.join(room, "Carol")).joined, "once is enough"
