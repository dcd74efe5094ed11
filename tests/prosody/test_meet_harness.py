"""The laboratory's Jitsi Meet, without the gate: what it reports is what happened."""

import asyncio
import http.client
from pathlib import Path

import pytest
from lab import Failed, JitsiCrowd, Meet, needs_jitsi_plugins
from lab.jitsi_meeting import admit
from lab.jitsi_outcome import FOCUS
from lab.tokens import TOKENS, token

MEET = {"gate": False}
MODULES = Path(__file__).parent / "modules"


async def is_owner(person):
    """Returns when the focus has made him owner."""
    return await person.wait_for(
        lambda seen: seen.nick == person.nick and seen.item.get("affiliation") == "owner"
    )


async def test_two_people_meet_and_the_first_is_made_owner(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await crowd.persons("Alice", "Bob")
        assert (await alice.enter(room)).joined
        assert (await bob.enter(room)).joined
        await is_owner(alice)
        await alice.wait_for(lambda seen: seen.nick == bob.nick)
        bob.say(room, "good morning")
        await alice.wait_for(lambda seen: seen.body == "good morning")
        present = bob.occupants(room)
        assert set(present) == {"focus", alice.nick, bob.nick}
        assert present[alice.nick]["affiliation"] == "owner"
        assert present[bob.nick]["affiliation"] != "owner"
        assert crowd.focus.elected == [(room, alice.nick, alice.jid)]
        assert not crowd.focus.errors
        await alice.depart(room)
        await is_owner(bob)
        await bob.depart(room)
        assert await crowd.focus.left(room) == "the last one left"


async def test_the_focus_loses_patience_and_comes_again(meet):
    async with meet.crowd(patience=0.5) as crowd:
        room = meet.room()
        alice = await crowd.person("Alice")
        assert (await alice.request(room)).kind == "ready"
        assert await crowd.focus.left(room) == "nobody came"
        refused = await alice.join(room)
        assert refused.shown == "retry", refused
        assert (await alice.enter(room)).joined
        assert len(crowd.focus.requests) == 2


async def test_whoever_asks_while_the_focus_is_joining_is_told_to_ask_again(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        people = await crowd.persons("Alice", "Bob", "Carol")
        outcomes = await asyncio.gather(*(person.enter(room, seconds=20) for person in people))
        assert all(outcome.joined for outcome in outcomes), outcomes
        assert len(crowd.focus.requests) >= 3
        assert len(crowd.focus.elected) == 1


async def test_requests_carry_the_browsers_own_mark(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await crowd.person("Alice")
        await alice.enter(room)
        again = await crowd.reload(alice)
        assert again.bare != alice.bare and (await again.enter(room)).joined
        marks = {
            request.find(FOCUS, "conference").get("machine-uid") for request in crowd.focus.requests
        }
        assert marks == {alice.storage["machine-uid"]}


async def test_a_password_is_asked_for_and_taken(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await crowd.persons("Alice", "Bob")
        await alice.enter(room)
        await is_owner(alice)
        since = alice.mark()
        assert not (await alice.lock_room(room, "open sesame")).error
        await alice.wait_for(lambda seen: 104 in seen.statuses, since=since)
        assert (await bob.enter(room)).shown == "prompt"
        assert (await bob.enter(room, "wrong")).shown == "prompt"
        assert (await bob.enter(room, "open sesame")).joined


async def test_nobody_is_made_owner_where_the_focus_is_told_not_to(meet):
    async with meet.crowd(auto_owner=False) as crowd:
        room = meet.room()
        alice = await crowd.person("Alice")
        await alice.enter(room)
        await alice.ping()
        assert alice.occupants(room)[alice.nick]["affiliation"] != "owner"
        assert not crowd.focus.elected


async def test_a_health_check_leaves_nothing_behind(meet):
    async with meet.crowd(patience=0.5) as crowd:
        room = await crowd.focus.create_health_check_room()
        assert room in crowd.focus.conferences, "as long as it waits for somebody"
        assert await crowd.focus.left(room) == "nobody came"
        assert not crowd.focus.errors


async def test_without_a_focus_there_is_no_room(meet):
    async with meet.crowd(focus=False) as crowd:
        alice = await crowd.person("Alice")
        assert (await alice.request(meet.room(), seconds=2)).shown == "failure"
        assert (await alice.join(meet.room())).shown == "retry"


@needs_jitsi_plugins
async def test_the_lobby_knock_approve_deny(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob, carol = await crowd.persons("Alice", "Bob", "Carol")
        await alice.enter(room)
        await is_owner(alice)
        assert not (await alice.set_members_only(room)).error
        lobby = await alice.attend_lobby(room)
        for person in (bob, carol):
            stopped = await person.enter(room)
            assert (stopped.shown, stopped.lobby) == ("lobby", lobby)
            assert (await person.knock(stopped.lobby)).joined
        assert await alice.knocker(lobby, bob.nick) == bob.jid
        await admit(alice, room, lobby, bob)
        alice.deny(lobby, carol.nick)
        await carol.wait_for(lambda seen: seen.room == lobby and 307 in seen.statuses)
        assert not (await alice.set_members_only(room, False)).error
        assert (await carol.enter(room)).joined


@needs_jitsi_plugins
@pytest.mark.parametrize(
    ("plugin", "shown"),
    [
        ("muc_allowners", "joined"),
        ("muc_wait_for_host", "waiting-for-host"),
        ("muc_rate_limit", "joined"),
        ("muc_max_occupants", "full"),
        ("token_affiliation", "joined"),
    ],
)
async def test_optional_plugins_do_what_they_do(start, prosody_version, plugin, shown):
    options = {"muc_max_occupants": 1, "muc_access_whitelist": ["focus@auth.meet.localhost"]}
    server = start(
        Meet(prosody_version, gate=False, accounts=True, muc_plugins=[plugin], muc_options=options)
    )
    async with JitsiCrowd(server) as crowd:
        room = f"room@{server.service}"
        alice, bob = await crowd.persons("Alice", "Bob")
        await alice.enter(room)
        assert (await bob.enter(room)).shown == shown
        assert not server.complaints()


async def test_a_secure_domain_starts_rooms_for_those_who_log_in(start, prosody_version):
    server = start(Meet(prosody_version, gate=False, accounts=True))
    async with JitsiCrowd(server, authentication=True) as crowd:
        room = f"room@{server.service}"
        guest = await crowd.person("Guest")
        assert (await guest.enter(room)).shown == "log-in"
        chair = await crowd.person("Chair", f"chair@{server.host}")
        assert (await chair.enter(room)).joined
        await is_owner(chair)
        assert (await guest.enter(room)).joined
        # The page goes back to the guests' domain after the log-in.
        again = await crowd.person("Chair", storage=chair.storage)
        assert (await again.enter(room)).joined
        await is_owner(again)
        assert guest.occupants(room)[guest.nick]["affiliation"] != "owner"


@pytest.mark.parametrize(("method", "path"), [("POST", "http-bind"), ("GET", "xmpp-websocket")])
def test_browsers_reach_it_under_any_name(meet, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", meet.server.http_port, timeout=5)
    headers = {"Host": "alice.localhost", "Origin": "http://elsewhere.localhost"}
    body = None
    if method == "POST":
        body = (
            "<body xmlns='http://jabber.org/protocol/httpbind' content='text/xml; charset=utf-8'"
            f" rid='1' to='{meet.server.host}' wait='1' hold='1' ver='1.6'"
            " xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'/>"
        )
    else:
        headers |= {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": "bGFib3JhdG9yeSBrZXkgMQ==",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "xmpp",
        }
    connection.request(method, f"/{path}", body, headers)
    response = connection.getresponse()
    if method == "GET":
        assert response.status == 101
    else:
        assert response.status == 200 and b"ANONYMOUS" in response.read()
        allowed = response.getheader("Access-Control-Allow-Origin")
        assert allowed in ("*", headers["Origin"])
    connection.close()


async def test_a_veto_is_remembered_until_that_one_leaves(start, prosody_version):
    server = start(
        Meet(prosody_version, gate=False, muc_plugins=["lab_veto"], plugin_paths=[MODULES])
    )
    async with JitsiCrowd(server) as crowd:
        room = f"room@{server.service}"
        alice, bob = await crowd.persons("Alice", "Bob")
        await alice.enter(room)
        await bob.enter(room)
        assert [nick for _, nick, _ in crowd.focus.elected] == [alice.nick]
        assert "is not made owner" in crowd.focus.errors[0]
        await alice.depart(room)
        await bob.ping()
        await crowd.focus.ping()
        assert [nick for _, nick, _ in crowd.focus.elected] == [alice.nick, bob.nick]


async def test_a_focus_that_cannot_join_does_not_answer(start, prosody_version):
    server = start(Meet(prosody_version, gate=False, options={"admins": []}))
    async with JitsiCrowd(server) as crowd:
        alice = await crowd.person("Alice")
        unanswered = await alice.request(f"room@{server.service}", seconds=1)
        assert (unanswered.kind, unanswered.shown) == ("unanswered", "silence")
        assert "cannot join" in crowd.focus.errors[0] and not crowd.focus.conferences


async def test_the_recorder_is_not_made_owner(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        recorder = await crowd.person("Recorder", meet.server.recorder)
        alice = await crowd.person("Alice")
        assert (await recorder.enter(room)).joined
        assert (await alice.enter(room)).joined
        await is_owner(alice)
        assert [nick for _, nick, _ in crowd.focus.elected] == [alice.nick]


async def test_who_does_not_say_that_it_records_is_made_owner_wherever_it_is_from(meet):
    """A transcriber or an operator of the recorders' domain is a person to the focus."""
    async with meet.crowd() as crowd:
        room = meet.room()
        meet.server.add_account("clerk", host=f"recorder.{meet.server.host}")
        clerk = await crowd.person("Clerk", f"clerk@recorder.{meet.server.host}")
        alice = await crowd.person("Alice")
        for person in (clerk, alice):
            assert (await person.enter(room)).joined
        await is_owner(clerk)
        assert [nick for _, nick, _ in crowd.focus.elected] == [clerk.nick]


@needs_jitsi_plugins
async def test_a_subdomain_has_rooms_of_its_own(meet):
    async with meet.crowd() as crowd:
        alice, bob = await crowd.persons("Alice", "Bob")
        name = meet.room().partition("@")[0]
        room = f"{name}@conference.tenant.{meet.server.host}"
        assert (await alice.enter(room)).joined
        assert (await bob.enter(f"{name}@{meet.server.service}")).joined
        assert bob.nick not in alice.occupants(room)
        await is_owner(alice)
        await is_owner(bob)


@needs_jitsi_plugins
async def test_tokens_open_their_room_and_moderate_it(start, prosody_version):
    plugins = ["token_verification", "token_affiliation"]
    server = start(Meet(prosody_version, gate=False, muc_plugins=plugins, **TOKENS))
    async with JitsiCrowd(server, auto_owner=False) as crowd:
        room = f"room@{server.service}"
        chair = await crowd.person("Chair", token=token("room", id="chair", moderator=True))
        guest = await crowd.person("Guest", token=token("room", id="guest"))
        stranger = await crowd.person("Stranger", token=token("another"))
        assert (await chair.enter(room)).joined
        assert (await guest.enter(room)).joined
        refused = await stranger.enter(room)
        assert (refused.shown, refused.text) == ("not-allowed", "Room and token mismatched")
        present = guest.occupants(room)
        assert present[chair.nick]["affiliation"] == "owner"
        assert present[guest.nick]["affiliation"] == "member"
        with pytest.raises(Failed, match="cannot connect"):
            await crowd.person("Late", token=token("room", seconds=-60))
