"""With muc_allowners, which makes everybody an owner: only the policy does, and no presence gets lost."""

from jitsi_traps import MODULES, opened, waiting
from lab import needs_jitsi_plugins
from lab.jitsi_meeting import admit, inside
from lab.meet import MEET_SERVICE
from lab.policy import PRESET, SECRET
from lab.stanza import element

pytestmark = needs_jitsi_plugins
MEET = {
    "plugin_paths": [MODULES],
    "muc_plugins": ["muc_allowners", "lab_lobby"],
    "muc_options": {"vestibule_timeout": 1},
}
POLICY = (
    MEET_SERVICE + PRESET
    + """
[[room]]
match = "everybody-*"
access = { enter = ["account"] }
"""
)


async def promised(person):
    """Whom that module is going to make an owner: it holds back the presence of those."""
    reply = await person.iq(person.server.service, "get", element("urn:lab", "promised"))
    return {each.get("jid") for each in reply.xml.iter("{urn:lab}person")}


def items(person, room, nick):
    """(affiliation, role) in every presence of that nick that somebody got."""
    seen = [s for s in person.seen if s.name == "presence" and s.sender == f"{room}/{nick}" and not s.type]
    return [(stanza.item["affiliation"], stanza.item["role"]) for stanza in seen]


async def test_nobody_but_the_opener_becomes_an_owner(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob, carol = [await inside(crowd, room, name) for name in ("Bob", "Carol")]
        for person in (alice, bob, carol):
            await person.ping()
        assert {alice.bare} == await alice.list_affiliation(room, "owner") - {meet.server.focus}
        for watcher in (alice, bob, carol):
            for person in (bob, carol):
                assert ("owner", "moderator") not in items(watcher, room, person.nick)
        assert (await bob.configure(room, {"muc#roomconfig_roomsecret": "nine wide kettles"})).error


async def test_everybody_sees_everybody(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        people = [await opened(crowd, room)]
        people += [await inside(crowd, room, name) for name in ("Bob", "Carol")]
        for person in people:
            await person.ping()
            assert set(person.occupants(room)) == {"focus", *(each.nick for each in people)}
        assert not await promised(people[0])


async def test_a_moderator_is_one_in_the_very_first_presence(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        await alice.ping()
        assert items(alice, room, alice.nick) == [("owner", "moderator")]


async def test_a_refused_join_leaves_no_mark(meet):
    """Somebody who bears it gets no presence of any room any more."""
    async with meet.crowd() as crowd:
        room, closed, other = meet.room(), meet.room("everybody"), meet.room()
        alice = await opened(crowd, room)
        eve = await crowd.person("Eve")
        assert (await eve.enter(room)).shown == "lobby"
        assert (await eve.enter(room, "wrong")).shown == "lobby"
        assert not (await eve.join(closed)).joined
        assert not (await eve.join(room, "focus", SECRET)).joined
        assert not (await eve.join(room, alice.nick, SECRET)).joined
        assert not await promised(alice)
        assert (await eve.enter(other)).joined
        bob = await inside(crowd, other, "Bob")
        await eve.wait_for(lambda seen: seen.sender == f"{other}/{bob.nick}")


async def test_a_join_that_nobody_answered_leaves_no_mark(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob, eve = await crowd.persons("Bob", "Eve")
        await bob.request(room)
        await eve.request(room)
        with meet.component.frozen():
            eve.ask_to_join(room, eve.nick)
            await eve.ping()
            await eve.disconnect()
            assert not (await bob.join(room, password=SECRET)).joined
        assert not await promised(alice)
        assert (await bob.enter(room, SECRET)).joined


async def test_somebody_who_waits_and_is_let_in_is_seen_and_no_owner(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob, lobby = await waiting(crowd, room, "Bob")
        await alice.attend_lobby(room)
        await admit(alice, room, lobby, bob)
        await alice.wait_for(lambda seen: seen.sender == f"{room}/{bob.nick}")
        await alice.ping()
        assert items(alice, room, bob.nick) == [("member", "participant")]
        assert not await promised(alice)


async def test_a_moderator_removes_people_all_the_same(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob = await inside(crowd, room, "Bob")
        assert not (await alice.set_role(room, bob.nick, "none")).error
        await bob.wait_for(lambda seen: 307 in seen.statuses and 110 in seen.statuses)
        assert not await promised(alice)
