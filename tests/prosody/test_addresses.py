"""Addresses that are somebody else's to one reader and nobody's to another."""

import pytest
from lab import SERVICE, Crowd
from lab.federation import MODULES, STRANGERS, FederatedDoor
from lab.http import Api
from lab.policy import PRESET, SECRET
from lab.raw import Raw
from lab.stanza import CLIENT, MUC_ADMIN, MUC_OWNER, MUC_USER, element
from storm import until

NEAR = "conference.localhost"
POLICY = (
    SERVICE
    + f"""
[policy]
operators = ["root@{STRANGERS}", "root@localhost"]
[policy.access]
create = ["account", "operator"]
"""
    + PRESET
)
# Modifier letters that Unicode 3.2 did not know: of each, newer tables make a plain letter.
ROOT, BOB, ROOM = "ro\u1d52t", "b\u1d52b", "t\u1d49a"
COMPONENT, COMMANDS = "vestibule.localhost", "http://jabber.org/protocol/commands"
WORDS = "characters that are not allowed"


@pytest.fixture(scope="module")
def door(prosody_version):
    """The server with the gate, and another one that federates with it."""
    with FederatedDoor(prosody_version, POLICY) as shared:
        yield shared


def vestibule(door, *arguments, code=0):
    """What the command prints for the operator."""
    done = door.component.run(*arguments)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


async def opened(people, room, name="alice"):
    alice = await people.connect(f"{name}@localhost")
    assert (await alice.join(room, "Alice", SECRET)).joined
    return alice


def is_refusal(seen):
    return seen.error[:2] == ("modify", "jid-malformed") and WORDS in seen.error[2]


async def test_a_look_alike_of_an_operator_is_nobody(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice = await opened(people, room)
        root, alike = await abroad.strangers("root", ROOT)
        refused = await alike.join(room, "Root")
        assert refused.condition == "jid-malformed" and WORDS in refused.text
        assert (await alike.join(door.room("unopened"), "Root")).condition == "jid-malformed"
        line = await door.decision(event="refused", room=room)
        assert line["details"] == {"reason": "jid-malformed", "jid": alike.jid}
        assert (await root.join(room, "Root")).joined, "he needs no password"
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice", "Root"}


async def test_an_account_here_that_looks_like_an_operators_is_nobody(door):
    """Nothing registers such an account; a directory or an old file may have one all the same."""
    async with Crowd(door.server) as people:
        room = door.room()
        await opened(people, room)
        alike = await Raw.log_in(door.server, ROOT)
        try:
            assert alike.bare == f"{ROOT}@localhost"
            refused = await alike.join(room, "Root")
            assert refused.condition == "jid-malformed" and WORDS in refused.text
            command = element(COMMANDS, "command", node="suspend", action="execute")
            assert (await alike.iq(COMPONENT, "set", command)).error
        finally:
            alike.close()


async def test_a_look_alike_is_given_no_commands(door):
    async with door.abroad() as abroad:
        for person, offered in zip(await abroad.strangers("root", ROOT), (True, False)):
            items = element("http://jabber.org/protocol/disco#items", "query", node=COMMANDS)
            listed = await person.iq(COMPONENT, "get", items)
            assert ("suspend" in repr(listed)) == offered
            command = element(COMMANDS, "command", node="suspend", action="execute")
            started = await person.iq(COMPONENT, "set", command)
            assert bool(started.error) != offered, started


async def test_whatever_a_look_alike_sends_is_refused_once_and_answers_get_none(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice = await opened(people, room)
        (alike,) = await abroad.strangers(BOB)
        since = alice.mark()
        for to in (room, f"{room}/Alice", NEAR):
            for kind in ("get", "set"):
                reply = await alike.iq(to, kind, element("http://jabber.org/protocol/disco#info", "query"))
                assert is_refusal(reply), reply
            for name, kind in (
                ("message", "groupchat"), ("message", "chat"), ("message", None),
                ("presence", None), ("presence", "probe"), ("presence", "subscribe"),
            ):
                told = alike.new_id()
                alike.send(element(CLIENT, name, to=to, type=kind, id=told))
                seen = await alike.wait_for(lambda s: s.id == told)
                assert is_refusal(seen) and seen.name == name
        answers = []
        for name, kind in (("iq", "result"), ("iq", "error"), ("presence", "unavailable"), ("message", "error")):
            answers.append(alike.new_id())
            alike.send(element(CLIENT, name, to=room, type=kind, id=answers[-1]))
        await alike.iq(NEAR, "get", element("urn:xmpp:ping", "ping"))
        assert not [seen for seen in alike.seen if seen.id in answers]
        await alice.ping()
        assert not [seen for seen in alice.seen[since:] if seen.room == room]


async def test_of_a_flood_by_a_look_alike_no_more_is_written_than_can_be_read(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice = await opened(people, room)
        (alike,) = await abroad.strangers(BOB)
        for _ in range(1500):
            alike.send(element(CLIENT, "message", to=room, type="groupchat", id="flood"))
        assert is_refusal(await alike.iq(room, "get", element("urn:xmpp:ping", "ping")))
        await alice.ping()
        lines = await door.decisions(event="refused", room=room)
        assert 0 < len(lines) < 1000


async def test_what_is_done_to_a_look_alike_is_not_done_to_the_other(door):
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice = await opened(people, room)
        bob, _ = await abroad.strangers("bob", BOB)
        assert (await bob.join(room, "Bob", SECRET)).joined
        alike = f"{BOB}@{STRANGERS}"
        for command in (["ban", alike], ["unban", alike], ["remove", room, alike], ["admit", room, alike],
                        ["reject", room, alike], ["explain", "--live", "--room", room, "--jid", alike]):
            assert "U+1D52" in vestibule(door, *command, code=1), command
        for command in ("close", "end", "suspend"):
            told = vestibule(door, command, f"{ROOM}@{NEAR}", code=1)
            assert "U+1D49" in told, told
        items = [{"affiliation": "outcast"}, {"affiliation": "owner"}, {"role": "none"}]
        for item in items:
            query = element(MUC_ADMIN, "query")
            query.append(element(MUC_ADMIN, "item", jid=alike, **item))
            assert is_refusal(await alice.iq(room, "set", query)), item
        query = element(MUC_ADMIN, "query")
        query.append(element(MUC_ADMIN, "item", jid=alike, affiliation="none"))
        taken = await alice.iq(room, "set", query)
        assert taken.type == "result", "what it may have from before can be taken away"
        destroy = element(MUC_OWNER, "query")
        destroy.append(element(MUC_OWNER, "destroy", jid=f"{ROOM}@{NEAR}"))
        assert is_refusal(await alice.iq(room, "set", destroy))
        for name in ("invite", "decline"):
            told = alice.new_id()
            message, x = element(CLIENT, "message", to=room, id=told), element(MUC_USER, "x")
            x.append(element(MUC_USER, name, to=alike))
            message.append(x)
            alice.send(message)
            assert is_refusal(await alice.wait_for(lambda seen: seen.id == told)), name
        await bob.iq(NEAR, "get", element("urn:xmpp:ping", "ping"))
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice", "Bob"}


@pytest.mark.parametrize("written", ["BOB", "\uff42ob", "bo\u00adb", "b\u00f6b"])
async def test_what_the_server_itself_prepares_is_whom_it_makes_of_it(door, written):
    """Capitals, full width, a soft hyphen, an umlaut: the operator means whom the server means."""
    async with Crowd(door.server) as people, door.abroad() as abroad:
        room = door.room()
        alice = await opened(people, room)
        (somebody,) = await abroad.strangers(written)
        theirs = "b\u00f6b" if "\u00f6" in written else "bob"
        stamped = f"{theirs}@{STRANGERS}"
        # What comes back to him has his address as the server has it.
        somebody._link.people[f"{stamped}/lab"] = somebody
        assert (await somebody.join(room, "Bob", SECRET)).joined
        await alice.ping()
        line = await door.decision(kind="join", room=room, verdict="allow", jid=stamped)
        assert line["jid"] == stamped
        vestibule(door, "ban", f"{written}@{STRANGERS.upper()}.")
        try:
            gone = await somebody.wait_for(lambda seen: seen.room == room and seen.type == "unavailable")
            assert 307 in gone.statuses
        finally:
            vestibule(door, "unban", stamped)


async def test_the_server_prepares_what_the_file_has_outside_of_ascii(door):
    """It is ready for such a file as soon as the server has said the same of it."""
    written = POLICY.replace("[policy.access]", '[policy.access]\nlisted = ["J\u00d6RG@B\u00dccher.example"]')
    try:
        door.enforce(written)
        door.component.wait_ready(10)
        assert "NOT READY" not in door.component.tail(500)
    finally:
        door.enforce(POLICY)


async def test_a_server_that_prepares_an_address_otherwise_is_found_out(start_prosody, start_vestibule):
    server = start_prosody(modules=["lab_tables"], plugin_paths=[MODULES])
    written = POLICY.replace("[policy.access]", '[policy.access]\nlisted = ["J\u00d6RG@Far.example"]')
    vestibule = start_vestibule(server, written, ready=False)
    line = written.splitlines().index('listed = ["J\u00d6RG@Far.example"]') + 1
    said = f"line {line} of the file: `J\u00d6RG@Far.example` is `jorg@far.example` for the server"
    await until(lambda: f"NOT READY: {said}" in vestibule.tail(500), 10, "a complaint in the log")
    status = vestibule.run("status")
    assert status.returncode == 1 and said in status.stdout, status.stdout
    banned = vestibule.run("ban", "j\u00f6rg@far.example")
    assert banned.returncode == 1 and "the server makes `jorg@far.example` of" in banned.stderr, banned.stderr
    vestibule.write_config(POLICY)
    vestibule.run("reload")
    vestibule.wait_ready(10)


def test_a_look_alike_over_http_is_nobodys_room(door):
    """The page and its API take addresses as people write them."""
    api = Api(door.component)
    for room in (f"{ROOM}@{NEAR}", f"{ROOM}@{NEAR}".upper(), f"room@{NEAR}/@{NEAR}", f"@{NEAR}", f"a@b@{NEAR}"):
        status, told = api.do("close", room=room)
        assert status == 400 and "address" in repr(told), (room, status, told)
