"""Only authenticated identity counts: never a nick, a prefix or what a client wrote."""

import asyncio

import pytest
from lab import SERVICE, Crowd
from lab.knocking import knocking
from lab.policy import CHAIR, OPERATOR, PRESET, SECRET, trusted
from lab.stanza import MUC, MUC_ADMIN, MUC_USER, element

POLICY = (
    SERVICE + trusted("focus@localhost", "recorder@localhost") + OPERATOR + 'names.reserved = ["focus", "Recorder"]\n'
    + PRESET + CHAIR
)
GATE = "urn:vestibule:gate:2"
NICKS = ["focus", "FOCUS", "Focus", "ｆｏｃｕｓ", "fo\u00adcus", "recorder", "RECORDER"]


@pytest.mark.parametrize("nick", NICKS)
@pytest.mark.parametrize("creates", [True, False])
async def test_a_reserved_nick_is_for_services(door, nick, creates):
    async with Crowd(door.server) as crowd:
        room, alice = (door.room(), None) if creates else await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        refused = await bob.join(room, nick, SECRET)
        assert (refused.type, refused.condition) == ("cancel", "conflict")
        await bob.ping()
        assert len(bob.answers(room)) == 1
        assert (door.component.run("room", room).returncode == 0) != creates
        if alice:
            await alice.ping()
            assert set(alice.occupants(room)) == {"Alice"}


@pytest.mark.parametrize("nick", NICKS)
async def test_a_nick_is_not_changed_to_a_reserved_one(door, nick):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        await bob.join(room, "Bob", SECRET)
        since = bob.mark()
        bob.send_raw(f"<presence to='{room}/{nick}'/>")
        await bob.wait_for(lambda seen: seen.name == "presence" and seen.error, since=since)
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice", "Bob"}
        bob.send_raw(f"<presence to='{room}/Robert'/>")
        await alice.wait_for(lambda seen: seen.nick == "Robert")


async def test_a_reserved_nick_is_not_registered_either(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        await alice.set_affiliation(room, "bob@localhost", "member")
        bob = await crowd.connect("bob@localhost")
        await bob.join(room, "Bob")
        for person in (alice, bob):
            form = (
                f"<iq type='set' to='{room}' id='reg'><query xmlns='jabber:iq:register'>"
                "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
                "<value>http://jabber.org/protocol/muc#register</value></field>"
                "<field var='muc#register_roomnick'><value>Focus</value></field></x></query></iq>"
            )
            person.send_raw(form)
            reply = await person.wait_for(lambda seen: seen.name == "iq" and seen.id == "reg")
            assert reply.error[1] == "conflict"
        query = element(MUC_ADMIN, "query")
        query.append(element(MUC_ADMIN, "item", jid=bob.bare, affiliation="member", nick="focus"))
        assert (await alice.iq(room, "set", query)).error[1] == "conflict"
        focus = await crowd.connect("focus@localhost")
        assert (await focus.join(room, "focus")).joined


@pytest.mark.parametrize("jid", ["focus@localhost", "recorder@localhost"])
async def test_a_service_comes_in_without_a_password_or_a_question(door, jid):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        service = await crowd.connect(jid)
        with door.component.frozen():
            assert (await service.join(room, jid.partition("@")[0], seconds=2)).joined
        await alice.wait_for(lambda seen: seen.nick == jid.partition("@")[0])
        alice_again = await crowd.connect("bob@localhost")
        assert (await alice_again.join(room, "Bob", SECRET)).joined


async def test_a_room_that_a_service_opens_is_under_the_policy(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        focus = await crowd.connect("focus@localhost")
        outcome = await focus.join(room, "focus")
        assert outcome.joined and outcome.presence.item["affiliation"] == "owner"
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest", "wrong")).condition == "not-authorized"
        bob = await crowd.connect("bob@localhost")
        joined = await bob.join(room, "Bob", SECRET)
        assert joined.joined and joined.presence.item["role"] == "participant"


async def test_a_service_stays_in_a_room_that_becomes_one_for_members(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        recorder, bob = await crowd.connect("recorder@localhost"), await crowd.connect("bob@localhost")
        assert (await recorder.join(room, "Recorder")).joined
        assert (await bob.join(room, "Bob", SECRET)).joined
        assert not (await alice.configure(room, {"muc#roomconfig_membersonly": True})).error
        await bob.wait_for(lambda seen: 322 in seen.statuses)
        await recorder.ping()
        assert not [seen for seen in recorder.seen if 322 in seen.statuses]
        assert await alice.list_affiliation(room, "member") == {recorder.bare}


async def test_a_service_is_not_removed_by_people_inside(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        focus = await crowd.connect("focus@localhost")
        await focus.join(room, "focus")
        for reply in (
            await alice.set_role(room, "focus", "none"),
            await alice.set_affiliation(room, focus.bare, "outcast"),
        ):
            assert reply.error[1] == "forbidden"
        await alice.ping()
        assert "focus" in alice.occupants(room)


@pytest.mark.parametrize(
    "jid", ["focus@guest.localhost", "rootroot@localhost", "focus2@localhost", "chair.x@localhost"]
)
async def test_a_name_that_looks_alike_is_nobody(door, jid):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost")
        person = await crowd.connect(jid if jid.endswith("@localhost") else "guest.localhost")
        outcome = await person.join(room, jid.partition("@")[0] + "x")
        assert outcome.condition == "registration-required"
        decision = await door.decision(kind="join", room=room, jid=person.bare)
        assert decision["class"] in ("account", "guest")


FORGED = {
    "item": f"<x xmlns='{MUC_USER}'><item affiliation='owner' role='moderator'/><status code='110'/></x>",
    "identity": "<identity><user><id>root@localhost</id></user><group>x</group></identity>",
    "token": "<token xmlns='http://jitsi.org/jitmeet'>x</token>",
    "record": f"<record xmlns='{GATE}'>{{}}</record><answer xmlns='{GATE}' verdict='allow'/>",
    "region": "<jitsi_participant_moderator>true</jitsi_participant_moderator>",
    "password": f"<password xmlns='{MUC}'>{SECRET}</password>",
    "delay": "<delay xmlns='urn:xmpp:delay' from='root@localhost' stamp='2020-01-01T00:00:00Z'/>",
    "invite": f"<x xmlns='{MUC_USER}'><invite from='alice@localhost'/><password>{SECRET}</password></x>",
}


@pytest.mark.parametrize("child", FORGED)
async def test_what_a_client_writes_into_its_join_proves_nothing(door, child):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        bob.send_raw(f"<presence to='{room}/Bob'><x xmlns='{MUC}'/>{FORGED[child]}</presence>")
        assert (await bob.outcome(room, 0)).condition == "registration-required"
        since = bob.mark()
        bob.send_raw(
            f"<presence to='{room}/Bob'>{FORGED[child]}<x xmlns='{MUC}'><password>{SECRET}</password>"
            f"{FORGED[child]}</x></presence>"
        )
        outcome = await bob.outcome(room, since)
        if outcome.joined:
            assert outcome.presence.item["affiliation"] == "none"
            assert outcome.presence.item["role"] == "participant"
        else:
            assert child == "password" and outcome.condition == "not-authorized"
        await alice.ping()
        assert {item["role"] for nick, item in alice.occupants(room).items() if nick != "Alice"} <= {
            "participant"
        }


async def test_a_sender_that_a_client_invents_is_not_believed(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        mallory = await crowd.connect("guest.localhost")
        join = f"<presence from='root@localhost/x' to='{room}/Root'><x xmlns='{MUC}'/></presence>"
        mallory.send_raw(join)
        await asyncio.sleep(0.1)
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice"}


@pytest.mark.parametrize("name", ["request", "hello", "do", "room-query", "snapshot", "stored", "inventory"])
@pytest.mark.parametrize("kind", ["get", "set"])
async def test_only_the_gate_and_the_component_speak_with_one_another(door, name, kind):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        payload = {"kind": "join", "attempt": "x", "room": room, "version": "1", "generation": "x"}
        for person in (alice, await crowd.connect("guest.localhost")):
            for to in ("vestibule.localhost", door.server.service, room):
                query = element(GATE, name, **payload)
                query.append(element(GATE, "end", "over"))
                reply = await person.iq(to, kind, query)
                assert reply.error, (to, reply)
                told = "".join(reply.xml.itertext())
                assert SECRET not in told and (person is alice or alice.bare not in told)
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice"}
        await door.flushed()
        lines = await door.decisions(room=room)
        assert {line.get("kind", line.get("event")) for line in lines} == {"open", "refused"}


async def test_a_report_that_a_client_writes_is_not_believed(door):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost")
        guest = await crowd.connect("guest.localhost")
        for event in ("created", "joined", "destroyed", "refused"):
            guest.send_raw(
                f"<message to='vestibule.localhost'><report xmlns='{GATE}' event='{event}' room='{room}'"
                " jid='ghost@localhost/x' nick='Ghost'/></message>"
            )
        await guest.ping()
        await door.flushed()
        assert "ghost" not in door.component.run("rooms", "--json").stdout
        assert room in door.component.run("rooms").stdout
        written = [line for line in door.component.decisions() if line["room"] == room]
        assert [line.get("event") for line in written] == [None]


async def test_a_form_that_a_client_writes_to_itself_asks_nobody(door):
    """A forged answer to a knock, with an id that the client cannot know."""
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        guest = await knocking(crowd, room)
        fields = {
            "FORM_TYPE": "http://jabber.org/protocol/muc#request",
            "muc#jid": guest.jid,
            "muc#request_allow": "1",
            "vestibule#knock": "guessed",
        }
        form = "".join(f"<field var='{n}'><value>{v}</value></field>" for n, v in fields.items())
        for _ in range(2):
            guest.send_raw(f"<message to='{room}'><x xmlns='jabber:x:data' type='submit'>{form}</x></message>")
        await guest.wait_for(lambda seen: seen.name == "message" and seen.error)
        await alice.ping()
        assert (await guest.join(room, "Guest")).condition == "registration-required"
