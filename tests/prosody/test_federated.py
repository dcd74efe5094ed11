"""People of another server, whose stanzas come over a real stream between two servers."""

import asyncio

import pytest
from lab import SERVICE, Crowd
from lab.federation import ASCII, FAR, STRANGERS, UNICODE, FederatedDoor, cut
from lab.knocking import invited, knock, let_in
from lab.policy import PRESET, SECRET, rooms
from lab.stanza import CLIENT, MUC_ADMIN, MUC_OWNER, element
from storm import shell, until

NEAR = "conference.localhost"
# Two services, whose domain the file writes in one way each.
SERVANTS = {UNICODE: "servant", ASCII: "handmaid"}
SERVICE += f"trusted = [{', '.join(f'{chr(34)}{name}@{domain}{chr(34)}' for domain, name in SERVANTS.items())}]\n"
POLICY = (
    SERVICE
    + f"""
[policy]
operators = ["root@{STRANGERS}"]
[policy.access]
create = ["account", "operator"]
"""
    + PRESET + '[policy.moderators]\nassign = ["opener", "operator"]\n'
    + rooms({
        "topic": 'settings = { subject = "moderator" }',
        "shut": 'access = { enter = ["account"] }',
    })
)


@pytest.fixture(scope="module")
def door(prosody_version):
    """The server with the gate, and another one that federates with it."""
    with FederatedDoor(prosody_version, POLICY, modules=["lab_unload"]) as shared:
        yield shared


async def opened(people, room, name="alice"):
    alice = await people.connect(f"{name}@localhost")
    assert (await alice.join(room, "Alice", SECRET)).joined
    return alice


async def settled(*people):
    """Waits until everything that these people have sent to the rooms' server was handled."""
    for person in people:
        await person.iq(NEAR, "get", element("urn:xmpp:ping", "ping"))


def vestibule(door, *arguments, code=0):
    """What the command prints for the operator."""
    done = door.component.run(*arguments)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout


async def test_somebody_of_another_server_comes_in_and_is_heard(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice, bob = await opened(people, room), await abroad.connect(f"bob@{FAR}")
        assert (await bob.join(room, "Bob", SECRET)).joined
        bob.say(room, "hello from afar")
        await alice.wait_for(lambda seen: seen.body == "hello from afar")
        alice.say(room, "hello from here")
        await bob.wait_for(lambda seen: seen.body == "hello from here")
        line = await door.decision(kind="join", room=room, jid=bob.bare, verdict="allow")
        assert line["facts"]["who"]["session"]["kind"] == "server"
        await bob.leave(room, "Bob")
        await settled(bob)
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice"}


async def test_what_is_written_for_another_kind_of_stream_is_read_as_it_arrives(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room("topic")
        alice = await opened(people, room)
        (eve,), bob = await abroad.strangers("eve"), await abroad.connect(f"bob@{FAR}")
        assert (await eve.join(room, "Eve", SECRET)).joined
        assert (await bob.join(room, "Bob", SECRET)).joined
        assert not (await alice.configure(room, {"muc#roomconfig_changesubject": True})).error
        for namespace in ("jabber:client", "jabber:server", "jabber:component:accept"):
            subject = f"<subject xmlns='{namespace}'>Eve's subject</subject>"
            eve.send_raw(f"<message from='{eve.jid}' to='{room}' type='groupchat' id='{namespace}'>{subject}</message>")
            assert (await eve.wait_for(lambda seen: seen.id == namespace)).error[:2] == ("auth", "forbidden")
        await settled(eve)
        await alice.ping()
        await settled(bob)
        for person in (alice, bob):
            assert not [seen for seen in person.seen if "Eve's subject" in repr(seen)]


async def test_a_type_that_no_client_sends_goes_to_nobody(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice, (eve,) = await opened(people, room), await abroad.strangers("eve")
        assert (await eve.join(room, "Eve", SECRET)).joined
        await alice.wait_for(lambda seen: seen.nick == "Eve")
        payload = "<query xmlns='jabber:iq:version'/>"
        for kind in ("", "odd", "SET", "get "):
            since, heard = eve.mark(), alice.mark()
            for name in ("message", "presence", "iq"):
                for place, nick in (("room", ""), ("occupant", "/Alice")):
                    to = room + ("/Eve" if name == "presence" and nick else nick)
                    eve.send_raw(f"<{name} from='{eve.jid}' to='{to}' type='{kind}' id='{name} {place}'>{payload}</{name}>")
            await settled(eve)
            await alice.ping()
            answers = [seen.id for seen in eve.seen[since:] if seen.type == "error" and " " in seen.id]
            assert sorted(answers) == sorted(f"{n} {p}" for n in ("message", "presence", "iq") for p in ("room", "occupant")), kind
            assert [seen for seen in alice.seen[heard:] if seen.room == room] == [], kind


async def test_what_is_refused_is_told_across_servers(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room, shut, unopened = door.room(), door.room("shut"), door.room("unopened")
        alice, bob = await opened(people, room), await abroad.connect(f"bob@{FAR}")
        await opened(people, shut, "anna")
        assert (await bob.join(room, "Bob", "wrong")).condition == "not-authorized"
        refused = await bob.join(shut, "Bob", SECRET)
        assert (refused.type, refused.condition) == ("cancel", "not-allowed")
        assert "join meetings" in refused.text
        refused = await bob.join(unopened, "Bob")
        assert refused.condition == "not-allowed" and "start a meeting" in refused.text
        assert (await bob.disco_info(unopened)).error[1] == "item-not-found"
        assert (await bob.join(room, "Alice", SECRET)).condition == "conflict"
        assert (await bob.join(room, "Bob", SECRET)).joined
        reply = await bob.set_role(room, "Alice", "none")
        assert reply.error[0] == "auth" or reply.error[1] in ("not-allowed", "forbidden")
        assert alice.is_connected and "Alice" in alice.occupants(room)


async def test_somebody_of_another_server_knocks_and_is_let_in(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice = await opened(people, room)
        bob, carol = await abroad.connect_many([f"bob@{FAR}", f"carol@{UNICODE}"])
        for person, nick in ((bob, "Bob"), (carol, "Carol")):
            stopped = await person.join(room, nick)
            assert stopped.condition == "registration-required"
            form = await knock(alice, room, nick)
            assert form["muc#jid"] == person.jid
        await let_in(alice, room, "Bob")
        await let_in(alice, room, "Carol")
        for person, nick in ((bob, "Bob"), (carol, "Carol")):
            await invited(person, room)
            assert (await person.join(room, nick)).joined
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice", "Bob", "Carol"}


async def test_somebody_of_another_server_who_has_knocked_and_goes_waits_no_more(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        await opened(people, room)
        bob = await abroad.connect(f"bob@{FAR}")
        assert (await bob.join(room, "Bob")).condition == "registration-required"
        assert "waiting" in vestibule(door, "room", room)
        await bob.disconnect()
        await until(lambda: "waiting" not in vestibule(door, "room", room), 5, "an empty lobby")


async def test_somebody_of_another_server_is_removed_and_stays_out(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice = await opened(people, room)
        bob = await abroad.connect(f"bob@{FAR}/one")
        other = await abroad.connect(f"bob@{FAR}/two")
        assert (await bob.join(room, "Bob", SECRET)).joined
        vestibule(door, "remove", room, bob.bare)
        gone = await bob.wait_for(lambda seen: seen.room == room and seen.type == "unavailable")
        assert {110, 307} <= gone.statuses
        for person in (bob, other):
            refused = await person.join(room, "Again", SECRET)
            assert refused.condition == "forbidden" and "were removed" in refused.text
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice"}


async def test_another_server_is_banned_by_its_domain(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice = await opened(people, room)
        bob = await abroad.connect(f"bob@{FAR}")
        (sam,) = await abroad.strangers("sam")
        assert (await bob.join(room, "Bob", SECRET)).joined
        vestibule(door, "ban", FAR)
        try:
            gone = await bob.wait_for(lambda seen: seen.room == room and seen.type == "unavailable")
            assert 307 in gone.statuses
            refused = await bob.join(room, "Bob", SECRET)
            assert refused.condition == "forbidden" and "banned" in refused.text
            assert (await sam.join(room, "Sam", SECRET)).joined, "a subdomain is another domain"
        finally:
            vestibule(door, "unban", FAR)
        assert (await bob.join(room, "Bob", SECRET)).joined
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice", "Bob", "Sam"}


@pytest.mark.parametrize("written", [UNICODE, ASCII, UNICODE.upper()])
async def test_a_domain_is_banned_however_it_is_written(door, written):
    """Both servers here are what one registry sells once; Prosody takes them for two domains."""
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        await opened(people, room)
        both = await abroad.connect_many([f"bob@{UNICODE}", f"bob@{ASCII}"])
        for number, person in enumerate(both):
            assert (await person.join(room, f"Bob{number}", SECRET)).joined
        vestibule(door, "ban", written)
        try:
            for person in both:
                gone = await person.wait_for(lambda seen: seen.room == room and seen.type == "unavailable")
                assert 307 in gone.statuses
                assert (await person.join(room, "Bob", SECRET)).condition == "forbidden"
        finally:
            vestibule(door, "unban", written)


# What the file gives somebody of an internationalised domain, by each key of it that names people; and what they are then.
NAMED = {
    "operators": ("operators = [{jid}]", "operator"),
    "access.listed, the account": ("access = {{ listed = [{jid}] }}", "listed"),
    "access.listed, the domain": ("access = {{ listed = [{domain}] }}", "listed"),
    "moderators.jids": ('moderators = {{ assign = ["listed"], jids = [{jid}] }}', "owner"),
    "moderators.domains": ('moderators = {{ assign = ["listed"], domains = [{domain}] }}', "owner"),
    "exception, the account": ("[[exception]]\njid = {jid}", "excepted"),
    "exception, the domain": ("[[exception]]\ndomain = {domain}", "excepted"),
}
EXCEPTION = '\nrules = ["password", "lobby"]\nreason = "a test"\n'


@pytest.mark.parametrize("written", [UNICODE, ASCII])
@pytest.mark.parametrize("key", NAMED)
async def test_the_file_names_people_of_a_domain_however_it_is_written(door, key, written):
    line, expected = NAMED[key]
    line = line.format(jid=f'"bob@{written}"', domain=f'"{written}"')
    policy = SERVICE + f'[policy.password]\nsource = "preset"\npreset = "{SECRET}"\n'
    text = f"{line}{EXCEPTION}" if line.startswith("[[") else f"[policy]\n{line}\n"
    door.enforce(policy + text if line.startswith("[[") else SERVICE + text + policy.removeprefix(SERVICE))
    try:
        async with Crowd(door.server) as people, door.abroad() as abroad:
            room = door.room()
            alice = await opened(people, room)
            persons = await abroad.connect_many([f"bob@{UNICODE}", f"bob@{ASCII}", f"bob@{FAR}"])
            for number, person in enumerate(persons):
                password = None if expected == "excepted" else SECRET
                outcome = await person.join(room, f"Bob{number}", password)
                is_meant = person is not persons[2]
                if expected == "excepted":
                    assert outcome.joined == is_meant, person.bare
                    continue
                assert outcome.joined
                found = (await door.decision(kind="join", room=room, jid=person.bare))["class"]
                if expected == "owner":
                    found = outcome.presence.item["affiliation"]
                assert (found == expected) == is_meant, (person.bare, found)
            await alice.ping()
    finally:
        door.enforce(POLICY)


@pytest.mark.parametrize("written", [UNICODE, ASCII])
async def test_a_service_is_trusted_however_its_domain_is_written(door, written):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        await opened(people, room)
        name = SERVANTS[written]
        for number, domain in enumerate((UNICODE, ASCII)):
            servant = await abroad.connect(f"{name}@{domain}")
            assert (await servant.join(room, f"Servant{number}")).joined, "a service needs no password"
        other = await abroad.connect(f"{name}@{FAR}")
        assert not (await other.join(room, "Other")).joined


# Prosody takes these names from another server, whose preparation they pass as unassigned; newer ones make `root` of them.
LOOK_ALIKES = ("ro\u1d52t", "r\u2092ot", "roo\u1d57")


async def test_a_look_alike_of_the_operator_is_nobody(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room, new = door.room(), door.room("new")
        alice = await opened(people, room)
        (root,) = await abroad.strangers("root")
        assert (await root.join(room, "Operator")).joined, "the operator needs no password"
        await root.leave(room, "Operator")
        for eve in await abroad.strangers(*LOOK_ALIKES):
            assert not (await eve.join(room, "Eve")).joined, eve.bare
            assert not (await eve.join(new, "Eve")).joined, eve.bare
            commands = await eve.iq(
                "vestibule.localhost",
                "get",
                element("http://jabber.org/protocol/disco#items", "query", node="http://jabber.org/protocol/commands"),
            )
            assert not commands.xml.findall(".//{http://jabber.org/protocol/disco#items}item"), eve.bare
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice"}
        joins = await door.decisions(kind="join", room=room, verdict="allow")
        assert {line["jid"] for line in joins} <= {alice.bare, root.bare}


async def test_a_look_alike_who_was_inside_before_the_gate_can_be_removed(door):
    """By the address that the server has stamped, and by it nobody who is not there."""
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice = await people.connect("alice@localhost")
        (eve,) = await abroad.strangers(LOOK_ALIKES[0])
        await shell(alice, "unload")
        assert (await alice.open(room, "Alice")).joined
        assert (await eve.join(room, "Eve")).joined, "there is no policy now"
        await shell(alice, "load")
        await asyncio.to_thread(door.component.wait_ready)
        bob = await people.connect("bob@localhost")
        await bob.join(room, "Bob", SECRET)  # the room is under the policy with the first who comes
        assert eve.bare in vestibule(door, "room", room)
        root = f"root@{STRANGERS}"
        assert "Operator" not in vestibule(door, "room", room)
        absent = f"{LOOK_ALIKES[1]}@{STRANGERS}"
        for who in (absent, f"ro\u1d52t@{FAR}"):
            done = door.component.run("remove", room, who)
            assert done.returncode == 1 and "not in Unicode 3.2" in done.stderr, (who, done.stderr)
        done = door.component.run("ban", eve.bare)
        assert done.returncode == 1 and "vestibule remove" in done.stderr, done.stderr
        vestibule(door, "remove", room, eve.bare)
        gone = await eve.wait_for(lambda seen: seen.room == room and seen.type == "unavailable")
        assert 110 in gone.statuses
        assert not (await eve.join(room, "Eve")).joined
        (operator,) = await abroad.strangers("root")
        assert operator.bare == root and (await operator.join(room, "Operator")).joined, "nothing befell the operator"
        await alice.ping()
        assert set(alice.occupants(room)) - {"Bob"} == {"Alice", "Operator"}


# What a room is to those who are not in it


def queries():
    """What somebody outside may ask a room for, and is told nothing that is the room's."""
    mam = element("urn:xmpp:mam:2", "query")
    affiliations = element(MUC_ADMIN, "query")
    affiliations.append(element(MUC_ADMIN, "item", affiliation="owner"))
    occupants = element(MUC_ADMIN, "query")
    occupants.append(element(MUC_ADMIN, "item", role="moderator"))
    yield "set", mam, ""
    yield "get", element("urn:xmpp:mam:2", "metadata"), ""
    yield "get", element(MUC_OWNER, "query"), ""
    yield "get", affiliations, ""
    yield "get", occupants, ""
    yield "get", element("vcard-temp", "vCard"), ""
    for to in ("", "/Alice"):
        yield "get", element("http://jabber.org/protocol/disco#items", "query"), to
    yield "get", element("urn:xmpp:ping", "ping"), "/Alice"
    yield "get", element("jabber:iq:version", "query"), "/Alice"


async def test_nothing_of_a_room_reaches_another_server_uninvited(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice = await opened(people, room)
        alice.set_subject(room, "a subject of ours")
        alice.say(room, "a secret of ours")
        eve = await abroad.connect(f"eve@{FAR}")
        await alice.wait_for(lambda seen: seen.body == "a secret of ours")
        await alice.wait_for(lambda seen: seen.subject == "a subject of ours")
        since = alice.mark()
        for kind, payload, to in queries():
            reply = await eve.iq(room + to, kind, payload)
            told = repr(reply)
            assert "secret of ours" not in told and "alice@localhost" not in told, told
            assert "Alice" not in told.replace(room + "/Alice", ""), told
            if not payload.tag.endswith("disco#items}query"):
                assert reply.error, told
        eve.say(room, "hello")
        eve.whisper(room, "Alice", "hello, you")
        eve.set_subject(room, "a subject of mine")
        eve.invite(room, f"eve@{FAR}")
        for kind in (None, "probe", "unavailable", "subscribe", "error"):
            for to in (room, f"{room}/Alice", f"{room}/Eve"):
                eve.send(element(CLIENT, "presence", to=to, type=kind, id=eve.new_id()))
        await settled(eve)
        await alice.ping()
        assert not [seen for seen in alice.seen[since:] if seen.room == room], "she is told nothing of it"
        told = [seen for seen in eve.seen if seen.room == room and not seen.error]
        assert {seen.name for seen in told} <= {"iq"}, told
        assert set(alice.occupants(room)) == {"Alice"}


# Streams that break


async def test_an_answer_finds_its_way_when_the_streams_between_the_servers_have_ended(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice, bob = await opened(people, room), await abroad.connect(f"bob@{FAR}")
        carol = await abroad.connect(f"carol@{FAR}")
        with door.component.frozen():
            asked, wrong = bob.ask_to_join(room, "Bob", SECRET), carol.ask_to_join(room, "Carol", "wrong")
            await settled(bob)
            await cut(alice)
            await asyncio.sleep(0.2)
        assert (await bob.outcome(room, asked)).joined
        assert (await carol.outcome(room, wrong)).condition == "not-authorized"
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice", "Bob"}
        assert (len(bob.answers(room, asked)), len(carol.answers(room, wrong))) == (1, 1)


async def test_whoever_leaves_while_he_is_judged_is_no_ghost(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice, bob = await opened(people, room), await abroad.connect(f"bob@{FAR}")
        with door.component.frozen():
            bob.ask_to_join(room, "Bob", SECRET)
            await settled(bob)
            await bob.disconnect()
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.2)
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice"}
