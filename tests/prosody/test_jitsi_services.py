"""On Jitsi: recorders, transcribers and telephony enter when the file names them, and as anybody when not."""

from pathlib import Path

import pytest
from lab import needs_jitsi_plugins
from lab.canary import TOLD
from lab.jitsi_meeting import admit, inside, opened, told_password, vestibule, wait_in_lobby, waiting_at
from lab.jitsi_outcome import FOCUS
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN, RECORDER
from lab.policy import rooms, trusted
from lab.stanza import CLIENT, element

TRANSCRIBER = f"transcriber@recorder.{DOMAIN}"
TELEPHONY = f"jigasi@auth.{DOMAIN}"
STRAY = f"stray@recorder.{DOMAIN}"
PHONE = f"phone@auth.{DOMAIN}"
GATEWAY = f"calls@auth.{DOMAIN}"
BREWERY = f"internal.auth.{DOMAIN}"
MEET = {
    "extra_hosts": f'Component "{BREWERY}" "muc"\n\tmuc_room_locking = false\n',
    "modules": ["lab_unload"],
    "plugin_paths": [Path(__file__).parent / "modules"],
}
POLICY = MEET_SERVICE + trusted(RECORDER, TRANSCRIBER, TELEPHONY) + f'gateways = ["{GATEWAY}"]\n' + rooms({
    "strict": 'lobby.admission = "password-and-lobby"',
    "pair": 'close.at_occupants = 2',
})


async def account(crowd, jid, name=None):
    """Logs in with an account of any host, which is made."""
    node, _, host = jid.partition("@")
    crowd.server.add_account(node, host=host)
    return await crowd.person(name, jid)


def stopped_at(meet):
    return "lobby" if meet.server.plugins else "prompt"


@pytest.mark.parametrize("kind", ["room", "strict"])
@pytest.mark.parametrize("name", ["Recorder", None])
@pytest.mark.parametrize("jid", [RECORDER, TRANSCRIBER, TELEPHONY])
async def test_a_trusted_account_passes_password_and_lobby(meet, jid, name, kind):
    async with meet.crowd() as crowd:
        room = meet.room(kind)
        alice, _ = await opened(crowd, room)
        robot = await account(crowd, jid, name)
        outcome = await robot.enter(room)
        assert outcome.joined, outcome
        await alice.ping()
        item = alice.occupants(room)[robot.nick]
        assert item["role"] == "participant", item
        assert item["affiliation"] != "owner", item
        assert not crowd.focus.elected


@pytest.mark.parametrize("kind", ["room", "strict"])
@pytest.mark.parametrize("jid", [STRAY, PHONE])
async def test_an_account_that_the_file_does_not_name_is_a_stranger(meet, jid, kind):
    async with meet.crowd() as crowd:
        room = meet.room(kind)
        alice, password = await opened(crowd, room)
        robot = await account(crowd, jid, "Recorder")
        stopped = await robot.enter(room)
        assert stopped.shown == ("prompt" if kind == "strict" else stopped_at(meet)), stopped
        typed = await robot.enter(room, password)
        assert typed.joined == (kind == "room"), typed
        await alice.ping()
        assert (robot.nick in alice.occupants(room)) == typed.joined
        assert (await meet.decision(kind="join", room=room))["class"] == "account"


async def test_a_recorder_does_not_count_as_a_person(meet):
    async with meet.crowd() as crowd:
        room = meet.room("pair")
        _, password = await opened(crowd, room)
        recorder = await account(crowd, RECORDER, "Recorder")
        assert (await recorder.enter(room)).joined
        bob, carol = await crowd.persons("Bob", "Carol")
        assert (await bob.enter(room, password)).joined
        closed = await carol.enter(room, password)
        assert closed.shown == "destroyed" and "closed" in closed.text, closed
        again = await crowd.reload(recorder)
        assert (await again.enter(room)).joined, "nor is the room closed to it"


async def test_a_recorder_alone_opens_nothing_for_the_next_one(meet):
    """Whoever comes back to a meeting that only records is a stranger as before."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        recorder = await account(crowd, RECORDER, "Recorder")
        assert (await recorder.enter(room)).joined
        await alice.depart(room)
        bob = await crowd.person("Bob")
        assert (await bob.enter(room)).shown == stopped_at(meet)
        assert (await bob.enter(room, password)).joined
        assert bob.occupants(room)[bob.nick]["affiliation"] != "owner"
        assert set(bob.occupants(room)) == {"focus", recorder.nick, bob.nick}


async def test_nobody_gets_rights_by_looking_like_a_service(meet):
    """Features, initiators and names of services are what a client writes."""
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        bob = await crowd.person("Bob")
        extras = [
            element("jabber:client", "initiator"),
            element("http://jabber.org/protocol/jibri", "jibri-recording-status", status="on"),
        ]
        features = element(CLIENT, "features")
        features.append(element(CLIENT, "feature", var="http://jitsi.org/protocol/jigasi"))
        outcome = await bob.join(room, extra=[*extras, features])
        assert outcome.shown == stopped_at(meet), outcome
        nick = await bob.join(room, nick="focus")
        assert nick.condition == "conflict", nick
        recorder = await bob.join(room, nick="recorder@recorder")
        assert not recorder.joined, recorder


async def test_the_breweries_of_bridges_and_gateways_are_left_alone(meet):
    async with meet.crowd() as crowd:
        brewery = f"jvbbrewery@{BREWERY}"
        bridge = await account(crowd, f"jvb@auth.{DOMAIN}")
        (gateway,) = await callers(crowd, None)
        assert (await crowd.focus.join(brewery, "focus")).joined
        for number, person in enumerate((bridge, gateway)):
            assert (await person.join(brewery, f"instance-{number}")).joined
        await crowd.focus.ping()
        assert crowd.focus.occupants(brewery)["instance-1"]["jid"].startswith(f"{GATEWAY}/")
        assert set(crowd.focus.occupants(brewery)) == {"focus", "instance-0", "instance-1"}
        await meet.flushed()
        assert not [line for line in meet.component.decisions() if line.get("room") == brewery]


async def test_what_a_visitor_asks_for_reaches_the_focus_unchanged(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        bob = await crowd.person("Bob")
        request = element(FOCUS, "conference", room=room, **{"machine-uid": bob.storage["machine-uid"]})
        wanted = {"visitors-version": "1", "visitor": "true", "startAudioMuted": "9"}
        for name, value in wanted.items():
            request.append(element(FOCUS, "property", name=name, value=value))
        reply = await bob.iq(meet.server.focus_address, "set", request)
        assert reply.type == "result", reply
        (seen,) = crowd.focus.requests
        conference = seen.find(FOCUS, "conference")
        assert conference.attrib == request.attrib
        assert {each.get("name"): each.get("value") for each in conference} == wanted


async def callers(crowd, *names):
    """People who call by one gateway: one account, and a session each."""
    crowd.server.add_account("calls", host=f"auth.{DOMAIN}")
    return [await crowd.person(name, GATEWAY) for name in names]


def calls_of(meet, room):
    """Those whom the operator sees inside by the gateway: by name, their address."""
    inside = vestibule(meet, "room", room)["occupants"]
    return {each["name"]: each["jid"] for each in inside if each["jid"].startswith("calls.")}


@needs_jitsi_plugins
async def test_letting_one_caller_of_a_gateway_in_lets_in_no_other(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        await alice.attend_lobby(room)
        one, other = await callers(crowd, "+49 30 1", "+49 30 2")
        lobby = await wait_in_lobby(one, room)
        await wait_in_lobby(other, room)
        assert len(set(waiting_at(meet, room))) == 2
        named = meet.component.run("admit", room, GATEWAY)
        assert named.returncode == 1 and "is a gateway" in named.stderr and "+49 30 2" in named.stderr, named.stderr
        await admit(alice, room, lobby, one)
        assert (await meet.decision(kind="join", room=room, verdict="allow"))["class"] == "returning"
        assert not (await other.join(room)).joined
        await admit(alice, room, lobby, other)
        assert set(calls_of(meet, room)) == {"+49 30 1", "+49 30 2"}
        third, = await callers(crowd, "+49 30 3")
        assert (await third.enter(room)).shown == "lobby", "a new call is a new person"
        assert {line["class"] for line in await meet.decisions(kind="join", room=room, verdict="hold")} == {"guest"}


@needs_jitsi_plugins
async def test_removing_one_caller_of_a_gateway_touches_no_other(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        kicked, banned, removed, other = people = await callers(crowd, "+49 30 1", "+49 30 2", "+49 30 3", "+49 30 4")
        for each in people:
            assert (await each.enter(room, password)).joined
        calls = calls_of(meet, room)
        assert len(set(calls.values())) == 4, calls
        assert not (await alice.set_role(room, kicked.nick, "none")).error
        assert not (await alice.set_affiliation(room, calls["+49 30 2"], "outcast")).error
        done = meet.component.run("remove", room, calls["+49 30 3"])
        assert done.returncode == 0 and f"a new call by {GATEWAY} is a new person" in done.stdout, done.stdout
        for each in (kicked, banned, removed):
            await each.wait_for(lambda seen: 110 in seen.statuses and seen.type == "unavailable")
            refused = await each.join(room, password=password)
            assert refused.shown == "destroyed", refused
        assert set(calls_of(meet, room)) == {"+49 30 4"}
        await alice.ping()
        assert other.nick in alice.occupants(room)
        same, new = await callers(crowd, "+49 30 1", "+49 30 5")
        assert (await new.enter(room, password)).joined
        assert (await same.enter(room, password)).shown == "lobby", "what the gateway calls them makes them knock"
        done = meet.component.run("ban", GATEWAY)
        assert done.returncode == 0, done.stderr
        assert calls_of(meet, room) == {}, "but the operator can name the gateway itself"
        assert meet.component.run("unban", GATEWAY).returncode == 0


async def test_a_caller_is_reached_as_anybody_and_alone(meet):
    async with meet.crowd() as crowd:
        room = meet.room("pair")
        one, other = await callers(crowd, "+49 30 1", "+49 30 2")
        assert (await one.enter(room)).joined, "a caller opens a room where guests do"
        await one.wait_for(lambda seen: seen.sender == room and seen.body and TOLD in seen.body)
        assert not told_password(other, room)
        assert one.occupants(room)[one.nick]["role"] == "moderator"
        alice = await inside(crowd, room, "Alice", password=told_password(one, room))
        alice.whisper(room, one.nick, "Only for you")
        await one.wait_for(lambda seen: seen.body == "Only for you")
        assert not any(seen.body == "Only for you" for seen in other.seen)
        since = alice.mark()
        one.abort()
        await alice.wait_for(lambda seen: seen.nick == one.nick and seen.type == "unavailable", since=since)
        assert (await other.enter(room)).shown != "joined"


async def test_callers_stay_who_they_are_when_the_gate_is_loaded_again(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        one, other = await callers(crowd, "+49 30 1", "+49 30 2")
        assert (await one.enter(room, password)).joined and (await other.enter(room, password)).joined
        calls = calls_of(meet, room)
        reloaded = await alice.iq(DOMAIN, "set", element("urn:lab", "reload", host=meet.server.service))
        assert reloaded.type == "result", reloaded
        alice.whisper(room, one.nick, "Still there?")
        await one.wait_for(lambda seen: seen.body == "Still there?")
        one.whisper(room, alice.nick, "Yes")
        await alice.wait_for(lambda seen: seen.body == "Yes")
        assert calls_of(meet, room) == calls


async def test_calls_that_guess_wrong_count_by_themselves(meet):
    async with meet.crowd() as crowd:
        room = meet.room("strict")
        _, password = await opened(crowd, room)
        one, other = await callers(crowd, "+49 30 1", "+49 30 2")
        answers = [(await one.enter(room, f"wrong {number}")).text for number in range(8)]
        assert "Too many wrong passwords" in answers[-1], answers
        assert "Too many wrong" not in (await other.enter(room, password)).text
