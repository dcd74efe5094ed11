"""On Jitsi: recorders, transcribers and telephony enter when the file names them, and as anybody when not."""

import pytest
from lab.jitsi_meeting import opened
from lab.jitsi_outcome import FOCUS
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN, RECORDER
from lab.policy import rooms, trusted
from lab.stanza import CLIENT, element

TRANSCRIBER = f"transcriber@recorder.{DOMAIN}"
TELEPHONY = f"jigasi@auth.{DOMAIN}"
STRAY = f"stray@recorder.{DOMAIN}"
PHONE = f"phone@auth.{DOMAIN}"
BREWERY = f"internal.auth.{DOMAIN}"
MEET = {"extra_hosts": f'Component "{BREWERY}" "muc"\n\tmuc_room_locking = false\n'}
POLICY = MEET_SERVICE + trusted(RECORDER, TRANSCRIBER, TELEPHONY) + rooms({
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
        gateway = await account(crowd, TELEPHONY)
        assert (await crowd.focus.join(brewery, "focus")).joined
        for number, person in enumerate((bridge, gateway)):
            assert (await person.join(brewery, f"instance-{number}")).joined
        await crowd.focus.ping()
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
