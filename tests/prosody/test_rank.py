"""Moderators by the file are above moderators by somebody's hand."""

import pytest
from lab import SERVICE, Crowd
from lab.policy import CHAIR, OPERATOR, PRESET, SECRET, rooms, trusted
from lab.stanza import MUC_ADMIN, element
from test_rooms_that_were_there import CONFIG, house

POLICY = SERVICE + OPERATOR + PRESET + CHAIR + rooms({
    "opener": 'moderators = { protect = ["file", "opener"] }',
    "revoke": 'moderators = { revoke = "operator" }',
    "remove": 'moderators = { remove = "nobody" }',
    "alike": 'moderators = { protect = [] }',
})
FORBIDDEN = ("auth", "forbidden")
CONFLICT = ("cancel", "conflict")


async def meeting(door, crowd, name="room", host="chair"):
    """A room with its host, and Bob, whom she made an owner."""
    room = door.room(name)
    host = await crowd.connect(f"{host}@localhost")
    bob = await crowd.connect("bob@localhost")
    assert (await host.join(room, "Host")).joined
    assert (await bob.join(room, "Bob", SECRET)).joined
    assert not (await host.set_affiliation(room, bob.bare, "owner")).error
    await bob.wait_for(lambda seen: seen.item.get("affiliation") == "owner")
    return room, host, bob


async def takings(who, room, victim, nick="Host"):
    """Everything that takes something from somebody, by what it is called."""

    def item(**attributes):
        query = element(MUC_ADMIN, "query")
        query.append(element(MUC_ADMIN, "item", **attributes))
        return query

    replies = {
        "role " + role: await who.set_role(room, nick, role)
        for role in ("none", "visitor", "participant")
    }
    for affiliation in ("admin", "member", "none", "outcast"):
        reply = await who.set_affiliation(room, victim.bare, affiliation)
        replies["affiliation " + affiliation] = reply
    replies["domain"] = await who.set_affiliation(room, victim.bare.split("@")[1], "outcast")
    replies["nick"] = await who.iq(
        room, "set", item(jid="late@localhost", affiliation="member", nick=nick)
    )
    by_nick = item(nick=nick, affiliation="outcast")
    replies["nick alone"] = await who.iq(room, "set", by_nick)
    several = item(jid="late@localhost", affiliation="member")
    several.append(element(MUC_ADMIN, "item", jid=victim.bare, affiliation="none"))
    replies["second of two"] = await who.iq(room, "set", several)
    return replies


@pytest.mark.parametrize(("name", "host"), [("room", "chair"), ("opener", "alice"), ("room", "root")])
async def test_who_is_protected_loses_nothing_to_a_moderator_made_by_hand(door, name, host):
    async with Crowd(door.server) as crowd:
        room, host, bob = await meeting(door, crowd, name, host)
        for what, reply in (await takings(bob, room, host)).items():
            expected = CONFLICT if what == "nick" else FORBIDDEN
            assert reply.error and reply.error[:2] == expected, (what, reply)
        inside = bob.occupants(room)
        assert (inside["Host"]["affiliation"], inside["Host"]["role"]) == ("owner", "moderator")
        assert await host.list_affiliation(room, "outcast") == set()


async def test_nobody_gives_a_nick_to_who_is_protected(door):
    async with Crowd(door.server) as crowd:
        room, host, bob = await meeting(door, crowd)
        query = element(MUC_ADMIN, "query")
        query.append(element(MUC_ADMIN, "item", jid=host.bare, affiliation="owner", nick="Nobody"))
        assert (await bob.iq(room, "set", query)).error[:2] == FORBIDDEN
        assert not (await host.iq(room, "set", query)).error


async def test_the_refusal_says_why(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await meeting(door, crowd)
        reply = await bob.set_role(room, "Host", "none")
        assert reply.error[2].startswith("This person is a moderator by this server's rules")
        decision = await door.decision(kind="role", room=room, verdict="deny")
        assert (decision["rule"], decision["denial"]) == ("moderators.protect", "higher-rank")


@pytest.mark.parametrize(("name", "host"), [("room", "alice"), ("alike", "chair")])
async def test_who_is_not_protected_is_removed(door, name, host):
    async with Crowd(door.server) as crowd:
        room, host, bob = await meeting(door, crowd, name, host)
        assert not (await bob.set_role(room, "Host", "none")).error
        await host.wait_for(lambda seen: 307 in seen.statuses)


async def test_another_session_of_a_protected_person_is_protected(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await meeting(door, crowd)
        phone = await crowd.connect("chair@localhost")
        assert (await phone.join(room, "Phone")).joined
        assert (await bob.set_role(room, "Phone", "none")).error[:2] == FORBIDDEN


async def test_a_protected_person_who_has_left_is_not_banned(door):
    async with Crowd(door.server) as crowd:
        room, host, bob = await meeting(door, crowd)
        await host.leave(room, "Host")
        for affiliation in ("member", "none", "outcast"):
            assert (await bob.set_affiliation(room, host.bare, affiliation)).error[:2] == FORBIDDEN
        assert (await host.join(room, "Host")).presence.item["role"] == "moderator"


async def test_a_moderator_of_the_file_removes_one_made_by_hand(door):
    async with Crowd(door.server) as crowd:
        room, host, bob = await meeting(door, crowd)
        assert not (await host.set_role(room, "Bob", "none")).error
        await bob.wait_for(lambda seen: 307 in seen.statuses)


async def test_who_may_not_revoke_does_not_by_any_name(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await meeting(door, crowd, "revoke", "alice")
        alice = crowd.people[0]
        for affiliation in ("admin", "member", "none", "outcast"):
            reply = await bob.set_affiliation(room, alice.bare, affiliation)
            assert reply.error[:2] == FORBIDDEN, affiliation
        assert bob.occupants(room)["Host"]["affiliation"] == "owner"
        # Who is no moderator is banned as before.
        assert not (await bob.set_affiliation(room, "eve@localhost", "outcast")).error


async def test_nobody_is_removed_by_reserving_their_nick_for_another(door):
    async with Crowd(door.server) as crowd:
        room, host, bob = await meeting(door, crowd, "remove")
        carol = await crowd.connect("carol@localhost")
        assert (await carol.join(room, "Carol", SECRET)).joined
        query = element(MUC_ADMIN, "query")
        query.append(element(MUC_ADMIN, "item", jid="late@localhost", affiliation="member", nick="Carol"))
        assert (await bob.iq(room, "set", query)).error[:2] == CONFLICT
        await bob.ping()
        assert "Carol" in bob.occupants(room)


@pytest.mark.parametrize("name", ["remove", "room"])
async def test_where_nobody_removes_a_list_of_members_removes_nobody(door, name):
    async with Crowd(door.server) as crowd:
        room, host, bob = await meeting(door, crowd, name)
        carol = await crowd.connect("carol@localhost")
        assert (await carol.join(room, "Carol", SECRET)).joined
        assert not (await bob.configure(room, {"muc#roomconfig_membersonly": True})).error
        # Prosody tells nobody that she went.
        shown = door.component.run("room", room)
        assert (carol.bare in shown.stdout) == (name == "remove"), shown.stdout
        stranger = await crowd.connect("guest.localhost")
        assert not (await stranger.join(room, "Stranger")).joined


async def test_one_steps_down_oneself(door):
    async with Crowd(door.server) as crowd:
        room, host, bob = await meeting(door, crowd)
        assert not (await bob.set_affiliation(room, bob.bare, "none")).error
        await host.wait_for(lambda seen: seen.nick == "Bob" and seen.item.get("role") == "participant")
        assert not (await host.set_affiliation(room, bob.bare, "owner")).error
        assert not (await host.set_affiliation(room, host.bare, "none")).error


async def test_nobody_who_moderates_is_removed_by_a_room_that_becomes_one_for_members(prosody_version):
    async with house(prosody_version, SERVICE + trusted("bot@localhost") + OPERATOR + CHAIR) as door:
        door.start()
        async with Crowd(door.server) as crowd:
            people = {}
            for name in ("ann", "chair", "root", "bot", "eve"):
                people[name] = await crowd.connect(f"{name}@localhost")
                assert (await people[name].join(door.cafe, name.capitalize())).joined
            ann = people.pop("ann")
            assert not (await ann.configure(door.cafe, {f"{CONFIG}membersonly": True})).error
            for person in people.values():
                await person.ping()
            removed = {name for name, person in people.items() if [seen for seen in person.seen if 322 in seen.statuses]}
            assert removed == {"eve"}
            for name in ("chair", "root", "bot"):
                await people[name].leave(door.cafe, name.capitalize())
            await ann.ping()
            assert await ann.list_affiliation(door.cafe, "member") == set(), "it was theirs while they were inside"
