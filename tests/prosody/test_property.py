"""Whatever somebody sends, a room changes only as a logged decision says, and nobody outside receives anything of it.

Stanzas of every kind are drawn at random, with fixed seeds, and sent by a stranger, by people inside with and without rights, and by
people who were removed and banned. `make property` tries many more than the short turn here.
"""

import json
import os
import random
from pathlib import Path

import pytest
from lab import SERVICE, Crowd
from lab.generator import Generator
from lab.stanza import CLIENT, element

STANZAS = int(os.environ.get("PROPERTY_STANZAS") or 150)
SEEDS = [int(seed) for seed in (os.environ.get("PROPERTY_SEEDS") or "1").split(",")]
PER_ROOM = 30
SECRET = "seven tall quartz lanterns"
SERVER = {
    "plugin_paths": [Path(__file__).parent / "modules"],
    "muc_options": {"modules_enabled": ["muc_mam", "vestibule_gate", "lab_state"]},
    "options": {"archive_expires_after": "never"},
}
POLICY = f"""{SERVICE}
[policy.password]
source = "preset"
preset = "{SECRET}"
[policy.permissions]
chat = ["moderator", "account"]
private = ["moderator", "account"]
rename = ["moderator", "account"]
"""
OUTSIDE = ("Stranger", "Kicked", "Banned")
INSIDE = ("Moderator", "Member", "Muted")
JIDS = {"Muted": "guest.localhost"}
# What of a room may change by a decision of each kind: what the gate keeps of people and of the room may by any.
CHANGES = {
    "open": {"affiliations", "registrations", "config", "occupants", "history"},
    "join": {"affiliations", "occupants"},
    "configure": {"config", "occupants", "history"},
    "affiliation": {"affiliations", "registrations", "occupants"},
    "role": {"occupants"},
    "destroy": {"affiliations", "registrations", "config", "occupants", "history"},
    "invite": {"affiliations"},
    "knock": {"affiliations"},
    "command": set(),
}
# What shows nobody anything: protocol.md, section 9.
SILENT = ("http://jabber.org/protocol/chatstates", "urn:xmpp:chat-markers:0", "urn:xmpp:receipts", "urn:xmpp:hints", "urn:xmpp:sid:0",
          "urn:xmpp:occupant-id:0")


class Play:
    """A room with people of every kind in and around it, and what one stanza makes of it."""

    def __init__(self, door, crowd):
        self.door, self.crowd, self.people, self.room = door, crowd, {}, None

    async def begin(self):
        """Everybody connects, and takes their place in and around a new room."""
        self.room = self.door.room("play")
        for name in (*INSIDE, *OUTSIDE):
            if name in self.people:
                self.people[name].abort()
            self.people[name] = await self.crowd.connect(JIDS.get(name, f"{name.lower()}@localhost"))
        self.moderator = self.people["Moderator"]
        for name in (*INSIDE, "Kicked"):
            assert (await self.people[name].join(self.room, name, SECRET)).joined
        kicked, banned = self.people["Kicked"], self.people["Banned"]
        assert not (await self.moderator.set_affiliation(self.room, kicked.bare, "owner")).error
        assert not (await self.moderator.set_role(self.room, "Kicked", "none")).error
        assert not (await self.moderator.set_affiliation(self.room, banned.bare, "outcast")).error
        await self.settle()
        self.state = await self.read()

    async def settle(self):
        """Returns when the room's queue is at its end, and everybody has what was sent to them."""
        since = self.moderator.mark()
        command = element(CLIENT, "message", to=self.room, type="groupchat", id=self.moderator.new_id())
        command.append(element(CLIENT, "body", "!unknown"))
        self.moderator.send(command)
        await self.moderator.wait_for(lambda seen: seen.id == command.get("id") and seen.type == "error", since=since)
        for person in self.people.values():
            await person.ping()

    async def read(self):
        reply = await self.people["Stranger"].iq(
            self.door.server.service, "get", element("urn:lab", "state", room=self.room)
        )
        return json.loads(reply.text("urn:lab", "state"))

    def is_whole(self):
        """Whether everybody is where they began: else a new room is needed."""
        inside = self.state.get("occupants", {})
        return {f"{self.room}/{name}" for name in INSIDE} == set(inside) and all(
            len(one["sessions"]) == 1 and one["role"] == ("moderator" if nick.endswith("Moderator") else "participant")
            for nick, one in inside.items()
        )


def changed(before, after):
    names = {*before, *after} - {"record"}
    return {name for name in names if before.get(name) != after.get(name)}


def own_change(who, before, after, text):
    """What somebody inside changes without a decision: their own nick and sessions, by presence; and they give up what they had."""
    if not text.startswith("<presence") and not text.startswith("<message") and "jabber:iq:register" not in text:
        return False
    others = [
        {key: one for key, one in state.get("occupants", {}).items() if one["bare"] != who.bare} for state in (before, after)
    ]
    rights = [
        {jid: one for jid, one in state.get("affiliations", {}).items() if jid != who.bare} for state in (before, after)
    ]
    return others[0] == others[1] and rights[0] == rights[1]


def says_nothing(stanza):
    return all(child.tag[1:].partition("}")[0] in SILENT or child.tag.endswith("}error") for child in stanza.xml)


async def judge(play, name, text, identity, log):
    """Sends one stanza; returns what came of it that nothing allows."""
    who, before = play.people[name], play.state
    others = {other: person for other, person in play.people.items() if other != name}
    marks = {other: person.mark() for other, person in others.items()}
    since, asked = who.mark(), log()
    who.send_raw(text)
    await who.ping()
    await play.settle()
    play.state = after = await play.read()
    received = {
        other: [seen for seen in person.seen[marks[other]:] if "!unknown" not in repr(seen) and not is_own(seen)]
        for other, person in others.items()
    }
    differs, heard = changed(before, after), {other: seen for other, seen in received.items() if seen}
    answers = [seen for seen in who.seen[since:] if seen.id == identity and seen.type in ("error", "result")]
    wrong = [f"{len(answers)} answers"] if len(answers) > 1 else []
    if not differs and not heard:
        return wrong
    await play.door.flushed()
    decided = [line for line in log()[len(asked):] if who.bare in (line.get("jid") or "")]
    allowed = {line["kind"] for line in decided if line.get("verdict") == "allow"} - {"command"}
    may_change = set().union(*(CHANGES.get(kind, set()) for kind in allowed))
    if name in INSIDE and own_change(who, before, after, text):
        may_change |= {"occupants", "affiliations", "registrations"}
    speaks = name in ("Moderator", "Member")
    if speaks and text.startswith("<message"):
        may_change |= {"history"}
    if differs - may_change:
        wrong.append(f"changed {differs - may_change}, allowed {allowed}")
    for other, seen in heard.items():
        if allowed:
            continue
        if name in OUTSIDE or other in OUTSIDE:
            wrong.append(f"{other} received {seen}")
        elif not speaks:
            wrong += [f"{other} received {one}" for one in seen if one.name == "message" and not says_nothing(one)]
    return wrong


def is_own(stanza):
    """The answers to a person's own pings and questions."""
    return stanza.id.startswith("lab") and stanza.type in ("result", "error")


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_comes_of_a_stanza_but_what_was_decided(door, seed):
    drawn, found = random.Random(seed), []

    def log():
        return door.component.decisions()

    async with Crowd(door.server) as crowd:
        play = Play(door, crowd)
        await play.begin()
        for count in range(STANZAS):
            if count % PER_ROOM == 0 and count or not play.is_whole():
                await play.begin()
            if count % PER_ROOM == 0 or generator.room != play.room:
                people = [person.bare for person in play.people.values()]
                generator = Generator(drawn, play.room, people, [*INSIDE, *OUTSIDE])
            name = drawn.choice([*OUTSIDE, *OUTSIDE, *INSIDE, "Muted", "Member"])
            text, identity = generator.stanza()
            found += [f"{seed}/{count} {name}: {each}\n  {text}" for each in await judge(play, name, text, identity, log)]
    assert not found, "\n".join(found[:20])
    assert not [line for line in door.server.complaints() if "traceback" in line.lower()]
