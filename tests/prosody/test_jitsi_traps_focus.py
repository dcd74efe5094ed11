"""Nobody is the focus, or its guest, by calling himself so."""

import asyncio

import pytest
from jitsi_traps import opened
from lab import Person, needs_jitsi_plugins
from lab.jitsi_outcome import FOCUS
from lab.meet import DOMAIN, MEET_SERVICE
from lab.policy import PRESET, SECRET
from lab.stanza import CLIENT, MUC_ADMIN, element

MEET = {"accounts": True}
POLICY = (
    MEET_SERVICE + PRESET
    + """
[[room]]
match = "members-*"
access = { create = ["account"] }
"""
)
FORGED = [
    element("http://jitsi.org/protocol/jibri", "jibri", action="start"),
    element("jabber:client", "userId", "focus"),
    element("jabber:client", "email", f"focus@auth.{DOMAIN}"),
    element("jabber:client", "initiator", "focus"),
    element("jabber:client", "features", "recorder"),
    element("http://jitsi.org/jitmeet", "identity", "jigasi"),
]


@pytest.mark.parametrize("nick", ["focus", "FOCUS", "ｆocus"])
async def test_the_nick_of_the_focus_is_not_for_guests(meet, nick):
    """Jitsi's lobby and lock let anybody pass who bears it."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        eve = await crowd.person("Eve")
        for password in (None, SECRET):
            refused = await eve.join(room, nick, password)
            assert (refused.type, refused.condition) == ("cancel", "conflict")
        await alice.ping()
        assert set(alice.occupants(room)) == {"focus", alice.nick}


async def test_the_nick_of_the_focus_opens_no_room(meet):
    async with meet.crowd(focus=False) as crowd:
        room = meet.room()
        eve = await crowd.person("Eve")
        assert (await eve.join(room, "focus")).condition == "conflict"
        assert (await eve.disco_info(room)).error[1] == "item-not-found"


async def test_nobody_inside_takes_the_nick_of_the_focus(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        since = alice.mark()
        alice.send(element(CLIENT, "presence", to=f"{room}/Focus"))
        refused = await alice.wait_for(lambda seen: seen.error, since=since)
        assert refused.error[1] == "conflict"
        assert set(alice.occupants(room)) == {"focus", alice.nick}


async def test_nobody_reserves_the_nick_of_the_focus(meet):
    """The server would remove whoever bears it."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        query = element(MUC_ADMIN, "query")
        query.append(
            element(MUC_ADMIN, "item", jid=f"eve@{DOMAIN}", affiliation="member", nick="focus")
        )
        assert (await alice.iq(room, "set", query)).error
        await alice.ping()
        assert set(alice.occupants(room)) == {"focus", alice.nick}
        assert f"eve@{DOMAIN}" not in await alice.list_affiliation(room, "member")


@needs_jitsi_plugins
async def test_the_nick_of_the_focus_is_not_for_those_who_wait(meet):
    """Clients take whoever bears it in a room for the focus and show him to nobody."""
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        eve = await crowd.person("Eve")
        stopped = await eve.enter(room)
        assert stopped.shown == "lobby"
        assert (await eve.join(stopped.lobby, "focus")).condition == "conflict"
        assert (await eve.knock(stopped.lobby)).joined
        since = eve.mark()
        eve.send(element(CLIENT, "presence", to=f"{stopped.lobby}/Focus"))
        await eve.wait_for(lambda seen: seen.error and seen.error[1] == "not-acceptable", since=since)


async def test_an_account_of_that_name_elsewhere_is_no_focus(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room, jid=f"alice@{DOMAIN}")
        eve = await crowd.person("Eve", f"focus@{DOMAIN}")
        assert (await eve.join(room, "focus")).condition == "conflict"
        stopped = await eve.enter(room)
        assert stopped.shown == ("lobby" if meet.server.plugins else "prompt"), stopped
        assert (await eve.enter(room, SECRET)).joined
        assert eve.occupants(room)[eve.nick]["role"] == "participant"
        assert (await eve.destroy(room)).error
        await alice.ping()
        assert eve.nick in alice.occupants(room)


async def test_an_account_of_that_name_who_moderates_keeps_to_the_policy(meet):
    """To Jitsi's lobby every account of that name is the focus, whose forms it does not look at."""
    async with meet.crowd() as crowd:
        room = meet.room()
        eve = await opened(crowd, room, "Eve", f"focus@{DOMAIN}")
        assert eve.occupants(room)[eve.nick]["role"] == "moderator"
        reply = await eve.configure(room, {"muc#roomconfig_roomsecret": ""})
        assert reply.error and reply.error[1] != "internal-server-error"
        bob = await crowd.person("Bob")
        assert (await bob.enter(room)).shown == ("lobby" if meet.server.plugins else "prompt")


async def test_what_a_client_says_of_itself_makes_no_service_of_it(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        eve = await crowd.person("Eve")
        await eve.request(room)
        stopped = await eve.join(room, extra=FORGED)
        assert stopped.shown == ("lobby" if meet.server.plugins else "prompt"), stopped
        for nick in ("jibri-1", "jigasi", "recorder", "transcriber"):
            assert not (await eve.join(room, nick, extra=FORGED)).joined
        assert (await eve.join(room, password=SECRET, extra=FORGED)).joined
        assert eve.occupants(room)[eve.nick]["role"] == "participant"


async def test_a_request_beside_the_proxy_is_asked_about_all_the_same(meet):
    """Clients send it to the component that stands for the focus; its account is as near, and the component takes
    whatever is sent to its host."""
    async with meet.crowd() as crowd:
        room, elsewhere = meet.room("members"), f"meeting@lobby.{DOMAIN}"
        eve = await crowd.person("Eve")
        proxy = meet.server.focus_address
        addresses = (f"{meet.server.focus}/focus", meet.server.focus, f"{proxy}/x", f"{proxy}/focus", f"x@{proxy}", f"x@{proxy}/y")
        for address in addresses:
            for asked in (room, elsewhere):
                reply = await eve.iq(address, "set", element(FOCUS, "conference", room=asked))
                assert reply.error, (address, reply)
        assert not crowd.focus.requests
        for asked in (room, elsewhere):
            assert not (await eve.join(asked)).joined
        await meet.decision(kind="request", room=room, verdict="deny")


async def test_a_request_of_another_shape_opens_no_room(meet):
    async with meet.crowd() as crowd:
        room = meet.room("members")
        eve = await crowd.person("Eve")
        for name in (room.upper(), room.replace("@", "%40") + f"@{meet.server.service}", ""):
            request = element(CLIENT, "iq", type="set", to=meet.server.focus_address, id=eve.new_id())
            request.append(element(FOCUS, "conference", room=name))
            eve.send(request)
        await eve.ping()
        await asyncio.sleep(0.3)
        assert not crowd.focus.conferences
        assert not (await eve.join(room)).joined


async def test_the_focus_is_not_held_up_at_a_room_that_is_there(meet):
    """Held there, the room would have neither an owner nor an end."""
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        with meet.component.frozen():
            other = await Person.connect(meet.server, f"{meet.server.focus}/other", present=False)
            try:
                outcome = await other.join(room, "focus2", seconds=1)
            finally:
                other.abort()
        assert outcome.joined, outcome


async def test_the_rooms_in_which_a_focus_tries_itself_out_are_its_own(meet):
    async with meet.crowd() as crowd:
        room = await crowd.focus.create_health_check_room()
        assert not crowd.focus.errors
        eve = await crowd.person("Eve")
        for name in (room, meet.room("__jicofo-health-check-eve")):
            assert not (await eve.join(name)).joined
            assert not (await eve.enter(name, seconds=1)).joined
