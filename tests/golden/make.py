"""Writes down what a version of this program writes: records of rooms, its database, and what passes on the link.

    VESTIBULE_BIN=PROGRAM tests/golden/make.py VERSION [GATE]

runs the program with a Prosody and people, and writes `tests/golden/VERSION/`. GATE is the folder that has the gate of
that version, without it the one beside this file. What names this machine is replaced, and nothing else.
"""

import asyncio
import collections
import json
import re
import sqlite3
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "prosody"))
sys.dont_write_bytecode = True

from lab import Crowd, Prosody, Vestibule, settings  # noqa: E402
from lab.stanza import element  # noqa: E402
from storm import PASSWORD, policy  # noqa: E402
from tap import Tap  # noqa: E402

POLICY = policy(
    "[[room]]", 'match = "raid-*"', "limits.flood_strangers = 2",
    "[[room]]", 'match = "rotated"', 'password.source = "generated"',
    "[[room]]", 'match = "lobby-*"', 'lobby.admission = "password-and-lobby"',
)
MUC = {
    "modules_enabled": ["vestibule_gate", "lab_state"],
    "vestibule_also": ["urn:lab"],
    "muc_room_default_public": True,
}
# Of each kind of stanza, so many.
EACH = 1
STANZA = re.compile(rb"<(iq|message|presence)\b.*?</\1>", re.DOTALL)


async def record_of(person, name):
    """The texts that a room remembers."""
    room = f"{name}@conference.localhost"
    reply = await person.iq("conference.localhost", "get", element("urn:lab", "state", room=room))
    kept = json.loads(next(iter(reply.xml)).text)["record"]
    people = {jid: one["text"] for jid, one in sorted(kept["people"].items())}
    return {"room": name, "record": kept["record"], "people": people}


async def meetings(server, component, crowd):
    """What happens; returns what the rooms remember of it."""
    names = "alice bob carol dave erin frank".split()
    people = dict(zip(names, [await crowd.connect(f"{name}@localhost") for name in names]))
    alice, bob, carol, dave, erin, frank = people.values()
    guests = await crowd.connect_many(["guest.localhost"] * 3)
    tell = lambda *words: component.run(*words)  # noqa: E731

    for name in ("tea", "closed", "suspended", "rotated", "raid-1", "lobby-1"):
        room = f"{name}@conference.localhost"
        assert (await alice.join(room, "Alice")).joined, name
        for who in (bob, carol, dave) if name not in ("rotated", "lobby-1") else ():
            assert (await who.join(room, who.bare[:4].title(), PASSWORD)).joined, name
    await bob.join("tea@conference.localhost", "Bob", "wrong")
    assert (await frank.join("tea@conference.localhost", "Frank", "wrong")).kind == "error"
    await alice.set_affiliation("tea@conference.localhost", carol.bare, "owner")
    await alice.set_role("tea@conference.localhost", "Dave", "none", "not invited")
    await alice.set_affiliation("tea@conference.localhost", erin.bare, "member")
    for guest in guests:
        await guest.join("raid-1@conference.localhost", guest.bare[:5], PASSWORD)
    await bob.join("lobby-1@conference.localhost", "Bob", PASSWORD)
    await erin.join("lobby-1@conference.localhost", "Erin", PASSWORD)
    for words in (
        ["admit", "lobby-1@conference.localhost", bob.bare],
        ["close", "closed@conference.localhost"],
        ["suspend", "suspended@conference.localhost"],
        ["rotate", "rotated@conference.localhost"],
        ["remove", "tea@conference.localhost", dave.bare, "--reason", "not invited"],
        ["ban", "mallory@localhost", "--reason", "ticket 4711"],
        ["ban", "192.0.2.0/24", "--for", "100 days", "--room", "tea*"],
        ["ban", "eve@localhost"],
        ["unban", "eve@localhost"],
        ["say", "tea@conference.localhost", "Good morning."],
    ):
        done = await asyncio.to_thread(tell, *words)
        print(" ".join(words), done.returncode, done.stderr.strip())
    rooms = "tea closed suspended rotated raid-1 lobby-1".split()
    kept = [await record_of(alice, name) for name in rooms]
    await alice.destroy("closed@conference.localhost", "That is all.")
    await alice.set_affiliation("rotated@conference.localhost", carol.bare, "none")
    return kept


def some_of_each(stanzas):
    """A few of each kind, in their order."""
    kinds = collections.Counter()
    for stanza in stanzas:
        tags = re.findall(rb"<([a-z]+)", stanza)[1:]
        kind = (*sorted(set(tags)), *re.findall(rb" (?:kind|event)=['\"]([^'\"]+)", stanza)[:1])
        kinds[kind] += 1
        if kinds[kind] <= EACH:
            yield stanza


def without_this_machine(text, server, component):
    for home, name in ((component.home, "/etc/vestibule"), (server.home, "/etc/prosody")):
        text = text.replace(str(home), name)
    return text


async def main(version, gate):
    to = HERE / version
    to.mkdir(exist_ok=True)
    modules = HERE.parent / "prosody" / "modules"
    server = Prosody("0.12", plugin_paths=[modules], muc_options=MUC, gates=Path(gate or settings.SNIPPETS).resolve())
    with server:
        async with Tap(server.component_port) as tap:
            away = {"VESTIBULE_COMPONENT__SERVER": f"127.0.0.1:{tap.port}", "VESTIBULE_LOG__DECISIONS": ""}
            component = Vestibule(server, POLICY, env=away)
            component.is_replayed = False
            component.start(ready=False)
            await asyncio.to_thread(component.wait_ready)
            async with Crowd(server) as crowd:
                kept = await meetings(server, component, crowd)
                # The pages of a snapshot, with people in the rooms.
                await asyncio.to_thread(component.shutdown)
                component.start(ready=False)
                await asyncio.to_thread(component.wait_ready)
                await asyncio.sleep(1)
            streams = [(bytes(sent), bytes(came)) for sent, came in tap.streams]
        component.shutdown()
        database = sqlite3.connect(component.state_dir / "vestibule.db")
        [schema] = database.execute("pragma user_version").fetchone()
        dump = "\n".join([*database.iterdump(), f"PRAGMA user_version = {schema};", ""])
        database.close()
        component.remove()
    (to / "rooms.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    (to / "audit.sql").write_text(without_this_machine(dump, server, component))
    for name, side in (("component", 0), ("gate", 1)):
        stanzas = [each[0] for stream in streams for each in re.finditer(STANZA, stream[side])]
        ours = some_of_each(each for each in stanzas if b"urn:vestibule:gate" in each)
        lines = b"\n".join(each.replace(b"\n", b"&#10;") for each in ours).decode()
        (to / f"from-{name}.xml").write_text(without_this_machine(lines, server, component) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] + [None])[:2]))
