"""What another version of this program wrote: records of rooms, the database, and the other side of the link."""

import json
import tarfile
from pathlib import Path

import pytest
from lab import Crowd
from lab.older_component import GREETING, REFUSAL, OlderComponent
from lab.process import ROOT
from lab.stanza import element
from storm import PASSWORD, logged, policy, until

GOLDEN = ROOT / "tests/golden"

POLICY = policy("[audit]", 'every = "1 second"')
SERVER = {
    "plugin_paths": [Path(__file__).parent / "modules"],
    "muc_options": {"modules_enabled": ["vestibule_gate", "lab_record", "lab_state"], "vestibule_also": ["urn:lab"]},
}


async def ask(asker, name, room, text=None, **attributes):
    """Has one of the laboratory's modules do something to the room."""
    payload = element("urn:lab", name, text, room=room, **attributes)
    reply = await asker.iq(asker.server.service, "set" if text else "get", payload)
    assert not reply.error, reply
    return reply


async def remembered(person, room):
    """The record of the room, and what it remembers of people."""
    reply = await ask(person, "state", room)
    kept = json.loads(next(iter(reply.xml)).text)["record"]
    people = {jid: json.loads(one["text"]) for jid, one in kept["people"].items()}
    return json.loads(kept["record"]), people


def differences(component, room):
    done = component.run("log", "--kind", "drift", "--room", room, "--json")
    return [json.loads(line)["body"] for line in done.stdout.splitlines()]


async def test_a_word_of_a_newer_version_closes_a_room_until_an_operator_opens_it(door):
    room = door.room("vote")
    async with Crowd(door.server) as crowd:
        alice, bob, carol = [await crowd.connect(f"{name}@localhost") for name in ("alice", "bob", "carol")]
        assert (await alice.join(room, "Alice")).joined
        record, people = await remembered(alice, room)
        record |= {"closed": "by-vote", "votes": {"for": 3}}
        person = people[alice.bare] | {"seat": 7}
        await ask(alice, "record", room, json.dumps(record))
        await ask(alice, "record", room, json.dumps(person), person=alice.bare)
        refused = await bob.join(room, "Bob", PASSWORD)
        assert (refused.condition, "closed" in refused.text) == ("not-allowed", True), refused
        # It is said, and nothing of it is lost.
        await until(lambda: differences(door.component, room), 15, "the difference in the log")
        [told] = differences(door.component, room)
        assert told["rule"] == "close.record" and "newer version" in told["is"], told
        assert not told["repaired"]
        assert "differ" in door.component.run("status").stdout
        # An operator opens it: what the newer version wrote beside is still there.
        done = door.component.run("reopen", room)
        assert done.returncode == 0, done.stderr
        assert (await bob.join(room, "Bob", PASSWORD)).joined
        assert (await alice.set_affiliation(room, carol.bare, "member")).type == "result"
        record, people = await remembered(alice, room)
        assert "closed" not in record and record["votes"] == {"for": 3}
        assert people[alice.bare]["seat"] == 7


async def test_a_record_of_a_newer_schema_is_refused_and_said(door):
    room = door.room("schema")
    async with Crowd(door.server) as crowd:
        alice, bob = [await crowd.connect(f"{name}@localhost") for name in ("alice", "bob")]
        assert (await alice.join(room, "Alice")).joined
        record, _ = await remembered(alice, room)
        newer = record | {"v": 3, "opener": {"of": "another shape"}}
        await ask(alice, "record", room, json.dumps(newer))
        assert "closed" in (await bob.join(room, "Bob", PASSWORD)).text
        await until(lambda: differences(door.component, room), 15, "the difference in the log")
        [told] = differences(door.component, room)
        assert told["rule"] == "close.record" and "another version" in told["is"], told
        # It is left as it is ...
        assert (await remembered(alice, room))[0] == newer
        # ... until an operator begins a new one.
        assert door.component.run("reopen", room).returncode == 0
        assert (await remembered(alice, room))[0]["v"] == 2
        assert (await bob.join(room, "Bob", PASSWORD)).joined


@pytest.fixture
def older_gate(tmp_path):
    """The folder with the gate of f080bc5."""
    with tarfile.open(GOLDEN / "f080bc5/gate.tar.gz") as archive:
        archive.extractall(tmp_path)
    return tmp_path / "prosody-snippets"


async def test_an_older_gate_is_refused_in_words_and_lets_nobody_in(
    start_prosody, start_vestibule, older_gate
):
    # As little as it can be: it is not even asked whether it would let them in.
    allowing = {"vestibule_on_unavailable": "allow"}
    server = start_prosody(gates=older_gate, muc_options=allowing)
    component = start_vestibule(server, policy(), ready=False)
    await logged(component, "the gate is refused", 15)
    async with Crowd(server) as crowd:
        alice, bob = [await crowd.connect(f"{name}@localhost") for name in ("alice", "bob")]
        for who in (alice, bob):
            refused = await who.join("tea@conference.localhost", "Alice", PASSWORD)
            assert refused.condition == "internal-server-error", refused
            assert "does not work with this server" in refused.text
    status = component.run("status")
    assert status.returncode == 1 and "NOT READY" in status.stdout
    for said in (status.stdout, component.run("doctor").stdout, component.tail()):
        assert "the gate speaks version 1 of the gate protocol, this component version 2" in said
        assert "install the mod_vestibule_gate that came with this component" in said
    # In Prosody's own log, too.
    assert any("speaks version 1" in line for line in server.complaints())


@pytest.mark.parametrize(
    "greeting, why, what",
    [
        (REFUSAL, "speaks version 2 of the gate protocol", "everyone is refused"),
        (GREETING, "not of one release", "install the component that came with this gate"),
    ],
    ids=["version", "level"],
)
async def test_an_older_component_is_refused_in_words_and_nobody_gets_in(start_prosody, greeting, why, what):
    server = start_prosody(muc_options={"vestibule_on_unavailable": "allow"})
    async with OlderComponent(server, greeting) as component, Crowd(server) as crowd:
        await logged(server, why, 15)
        alice = await crowd.connect("alice@localhost")
        refused = await alice.join("tea@conference.localhost", "Alice", PASSWORD)
        assert refused.condition == "internal-server-error", refused
        assert component.asked == []
    [said] = [line for line in server.complaints() if why in line]
    assert what in said
