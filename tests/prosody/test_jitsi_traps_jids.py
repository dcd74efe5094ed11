"""One room under all its names: tenants' addresses, capitals, percent signs."""

import itertools

import pytest
from jitsi_traps import opened, waiting
from lab import needs_jitsi_plugins
from lab.jitsi_client import NICKNAME
from lab.jitsi_meeting import admit, inside
from lab.jitsi_outcome import FOCUS
from lab.meet import DOMAIN, MEET_SERVICE
from lab.policy import PRESET, SECRET, rooms
from lab.stanza import CLIENT, element

POLICY = MEET_SERVICE + PRESET + rooms({
    "board": 'access = { create = ["account"] }',
    "café": 'access = { create = ["account"] }',
})
STRANGER = ("prompt", "lobby")
numbers = itertools.count(1)


def names():
    """A tenant's room as its clients call it, and as the server does."""
    name = f"tea-{next(numbers)}"
    return f"{name}@conference.tenant.{DOMAIN}", f"[tenant]{name}@conference.{DOMAIN}"


def request(person, room):
    """A conference request of his."""
    made = element(CLIENT, "iq", type="set", to=person.server.focus_address, id=person.new_id())
    made.append(element(FOCUS, "conference", room=room))
    return made


def texts(person):
    """Whatever somebody may have got to read."""
    for seen in person.seen:
        yield from [seen.body or "", (seen.error or ("", "", ""))[2], seen.destroyed or ""]
        yield from [each.text or "" for each in seen.xml.iter() if each.tag.endswith("}reason")]


@needs_jitsi_plugins
async def test_a_tenants_room_is_one_room_under_both_names(meet):
    """Hooks and the policy see the one, clients speak the other."""
    async with meet.crowd() as crowd:
        outside, within = names()
        alice = await opened(crowd, outside)
        assert (await meet.decision(kind="open", room=within))["facts"]["on_behalf_of"]["jid"] == alice.bare
        bob = await crowd.person("Bob")
        for name in (outside, within):
            bob.send(request(bob, name))
        for name, password in itertools.product((outside, within), (None, "wrong")):
            since = bob.ask_to_join(name, bob.nick, password, [element(NICKNAME, "nick", "Bob")])
            assert (await bob.outcome(outside, since)).shown in STRANGER
        rooms = {line["room"] for line in await meet.decisions(jid=bob.bare)}
        assert rooms == {within}
        assert (await bob.enter(outside, SECRET)).joined
        await alice.wait_for(lambda seen: seen.sender == f"{outside}/{bob.nick}")


@needs_jitsi_plugins
async def test_the_rooms_of_two_tenants_are_two(meet):
    async with meet.crowd() as crowd:
        outside, within = names()
        other = outside.replace("tenant", "other")
        await opened(crowd, outside)
        bob = await opened(crowd, other, "Bob")
        assert (await bob.enter(outside)).shown in STRANGER
        plain = within.replace("[tenant]", "")
        carol = await opened(crowd, plain, "Carol")
        assert (await carol.enter(other)).shown in STRANGER


@needs_jitsi_plugins
async def test_whoever_waits_at_a_tenants_room_can_be_let_in(meet):
    async with meet.crowd() as crowd:
        outside, _ = names()
        alice = await opened(crowd, outside)
        bob, lobby = await waiting(crowd, outside, "Bob")
        assert await alice.attend_lobby(outside) == lobby
        await admit(alice, outside, lobby, bob)


@needs_jitsi_plugins
async def test_nobody_reads_the_name_that_only_the_server_knows(meet):
    async with meet.crowd() as crowd:
        outside, _ = names()
        alice = await opened(crowd, outside)
        bob, lobby = await waiting(crowd, outside, "Bob")
        carol, _ = await waiting(crowd, outside, "Carol")
        await alice.attend_lobby(outside)
        await alice.knocker(lobby, bob.nick)
        alice.deny(lobby, bob.nick)
        await bob.wait_for(lambda seen: 307 in seen.statuses)
        await admit(alice, outside, lobby, carol)
        assert not (await alice.set_role(outside, carol.nick, "none")).error
        await carol.wait_for(lambda seen: 307 in seen.statuses)
        await carol.enter(outside)
        for person in (alice, bob, carol):
            # The server's own text of an invitation has it; Jitsi's clients show another.
            read = [text for text in texts(person) if "invited you to the room" not in text]
            assert not [text for text in read if "[tenant]" in text]


@pytest.mark.parametrize("name", ["BOARD-1", "ｂoard-1", "CAFÉ-1", "café-1", "cafe\u0301-1"])
async def test_a_rule_counts_however_the_name_is_written(meet, name):
    async with meet.crowd() as crowd:
        room = f"{name}@{meet.server.service}"
        eve = await crowd.person("Eve")
        assert (await eve.request(room, seconds=3)).kind == "refused"
        since = eve.ask_to_join(room, eve.nick)
        await eve.wait_for(lambda seen: seen.name == "presence" and seen.error, since=since)
        assert not crowd.focus.conferences


@needs_jitsi_plugins
async def test_a_rule_for_rooms_of_a_name_is_for_a_tenants_too(meet):
    async with meet.crowd() as crowd:
        outside, _ = names()
        eve = await crowd.person("Eve")
        assert (await eve.request(outside.replace("tea-", "board-"))).kind == "refused"


async def test_a_rule_counts_for_the_name_that_the_web_client_encodes(meet):
    """It sends what stands in its address bar."""
    async with meet.crowd() as crowd:
        room = f"caf%c3%a9-1@{meet.server.service}"
        eve = await crowd.person("Eve")
        assert (await eve.request(room, seconds=3)).kind == "refused"


async def test_capitals_make_no_second_room(meet):
    async with meet.crowd() as crowd:
        room = meet.room("tea")
        await opened(crowd, room)
        bob = await crowd.person("Bob")
        shouted = room.replace("tea", "TEA")
        assert (await bob.request(shouted)).kind == "ready"
        since = bob.ask_to_join(shouted, bob.nick, None, [element(NICKNAME, "nick", "Bob")])
        assert (await bob.outcome(room, since)).shown in STRANGER
        assert (await inside(crowd, room, "Carol")).occupants(room)


async def test_a_request_for_what_is_no_room_harms_nobody(meet):
    async with meet.crowd() as crowd:
        eve = await crowd.person("Eve")
        elsewhere = ["x@elsewhere", f"x@{meet.server.focus}", f"x@a.b.{DOMAIN}"]
        long = "x" * 2000 + f"@{meet.server.service}"
        for name in ("", "@", long, f"a b@{meet.server.service}", *elsewhere):
            eve.send(request(eve, name))
        await eve.ping()
        assert not crowd.focus.conferences.keys() & {f"a b@{meet.server.service}", long}
        assert (await opened(crowd, meet.room())).is_connected
        assert "traceback" not in meet.server.log()


ALIKE = "b\u1d52ard-1"  # a letter that Unicode 3.2 did not know, and newer tables make an `o` of


@pytest.mark.parametrize("host", ["conference.{}", "conference.tenant.{}"])
async def test_a_room_that_only_looks_like_another_is_none(meet, host):
    async with meet.crowd() as crowd:
        room = f"{ALIKE}@{host.format(DOMAIN)}"
        eve = await crowd.person("Eve")
        asked = request(eve, room)
        eve.send(asked)
        told = await eve.wait_for(lambda seen: seen.id == asked.get("id"))
        assert told.error[:2] == ("modify", "jid-malformed")
        if "tenant" not in room:
            since = eve.ask_to_join(room, eve.nick)
            told = await eve.wait_for(lambda seen: seen.name == "presence" and seen.error, since=since)
            assert told.error[:2] == ("modify", "jid-malformed")
        assert not crowd.focus.conferences
