"""The real client in a meeting, on a server with the gate and on one without: nobody inside receives anything else."""

import asyncio
import itertools
import json
import re
from xml.etree import ElementTree

import pytest
from lab import needs_jitsi_plugins
from lab.browser_meeting import at
from lab.meet import MEET_SERVICE, MeetDoor

pytestmark = needs_jitsi_plugins

# What a policy asks of nobody, and nobody is told anything.
POLICY = (
    MEET_SERVICE
    + """
[policy]
access.hidden = false
close.hold_until = []
lobby.admission = "open"
password.required = false
"""
)
PEOPLE = ("alice", "bob", "carol")
MEMBERS_ONLY = "conference.connectionError.membersOnly"
# A moderator's client sends its presence to the lobby once more, or not.
OWN_LOBBY = re.compile(r"^<\{jabber:client\}presence .*@lobby.*'110'")
OPENS, REMOVED = "opens a lobby", "carol"
KNOCKING = "conference.lobby.userJoined"
# Random or a time by nature, and what only counts stanzas.
SKIPPED = {"id", "stamp", "ver"}
OF_CHANCE = {"{jabber:client}stats-id"}
KNOCKER = re.compile(r"(@lobby[^/'\"]*/)[0-9a-f]{8}")
NUMBER = re.compile(r"\d{10,}(\.\d+)?")
# What the library sends by itself, whenever it likes.
OWN = re.compile(r"ping|urn:xmpp:sm:3|<(iq|r|a)\b[^>]*type=.(result|error)")


# What somebody does, and what the others hear when it has come to them.
ACTS = {
    "says something": ("alice", "sendTextMessage", ["good morning"]),
    "writes to one": ("bob", "sendPrivateTextMessage", ["{carol}", "psst"]),
    "reacts": ("carol", "sendMessage", [{"type": "reaction", "reactions": ["like"]}, "json-message"]),
    "raises a hand": ("bob", "setLocalParticipantProperty", ["raisedHand", 1700000000]),
    "takes another name": ("carol", "setDisplayName", ["Caroline"]),
    "shows an e-mail address": ("carol", "sendCommand", ["email", {"value": "carol@example.org"}]),
    "says it once": ("bob", "sendCommandOnce", ["lab", {"value": "once", "attributes": {"a": "b"}}]),
    "changes the subject": ("alice", "setSubject", ["The plan"]),
    "starts with all muted": ("alice", "setStartMutedPolicy", [{"audio": True, "video": False}]),
    "moderates audio": ("alice", "enableAVModeration", ["audio"]),
    "lets one speak": ("alice", "avModerationApprove", ["audio", "{bob}"]),
    "moderates audio no more": ("alice", "disableAVModeration", ["audio"]),
    "makes another moderator": ("alice", "grantOwner", ["{bob}"]),
    "shows a language": ("carol", "setLocalParticipantProperty", ["transcription_language", "de"]),
}


# A new name is judged: it is seen a moment later, in a presence of its own (docs/transparency.md).
RENAMED = ">Carol<"


def in_order(text):
    """JSON with its keys in order: the server writes them as they come."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def canonical(xml, names):
    """The stanza without what is random, its attributes and children in order."""
    text = xml
    for found, name in names:
        text = text.replace(found, name)
    element = ElementTree.fromstring(KNOCKER.sub(r"\1somebody", text))

    def written(node):
        attributes = sorted((key, NUMBER.sub("N", value)) for key, value in node.attrib.items() if key not in SKIPPED)
        children = sorted(written(child) for child in node)
        said = "" if node.tag in OF_CHANCE else NUMBER.sub("N", in_order(node.text or ""))
        return f"<{node.tag} {attributes}>{said}{''.join(children)}"

    return written(element)


class Meeting:
    """Three people in a meeting on one of the two servers."""

    def __init__(self, visit, room):
        self.visit, self.room = visit, room

    async def open(self):
        people = await self.visit.people(*PEOPLE, room=self.room)
        self.people = dict(zip(PEOPLE, people, strict=True))
        self.ids, self.names = {}, [(self.room.partition("@")[0], "ROOM")]
        for name, person in self.people.items():
            assert (await person.join(self.room, name=name.title())).joined
            self.ids[name] = (await person.state())["id"]
            self.know(name, person, self.ids[name])
        await self.settle("all are here")
        return self

    def know(self, name, person, nick):
        bare, _, resource = person.jid.partition("/")
        self.names += [(bare, f"{name}@x"), (resource, f"{name}-resource"), (nick, name)]
        self.names.sort(key=lambda pair: -len(pair[0]))  # an address begins with the nick

    async def lobby(self):
        """The room gets a lobby, somebody knocks and is let in; returns what those inside have received."""
        marks = {name: person.mark() for name, person in self.people.items()}
        alice = self.people["alice"]
        await alice.lobby(True)
        (dave,) = await self.visit.people("dave", room=self.room)
        self.know("dave", dave, dave.jid[:8])
        refused = await dave.join(self.room, name="Dave")
        assert refused.error == MEMBERS_ONLY, refused
        await dave.knock("Dave")
        knocker = await alice.wait_for(KNOCKING, since=marks["alice"])
        since = dave.mark()
        await alice.approve(knocker.params[0])
        assert (await dave.answer(since)).joined
        # The library asks for carol's full address to become a member. The server refuses that, and removes her; with the
        # gate she becomes one, and stays.
        await self.settle("dave is here", ("alice", "bob"))
        return {name: self.received(name, marks[name]) for name in PEOPLE}

    async def settle(self, text, inside=PEOPLE):
        """Everybody has heard what was said before, and has gone quiet."""
        marks = {name: self.people[name].mark() for name in inside}
        for sender in inside:
            await self.people[sender].say(f"{text}, says {sender}")
        for name, sender in itertools.product(inside, inside):
            await self.people[name].hears(f"{text}, says {sender}", marks[name])
        await asyncio.sleep(0.3)

    async def act(self, act):
        """Does it; returns what each has received."""
        who, method, params = ACTS[act]
        marks = {name: person.mark() for name, person in self.people.items()}
        places = {f"{{{name}}}": value for name, value in self.ids.items()}
        filled = [places.get(each, each) if isinstance(each, str) else each for each in params]
        await self.people[who].call(method, *filled)
        await asyncio.sleep(0.3)
        await self.settle(f"after {act}")
        return {name: self.received(name, marks[name]) for name in PEOPLE}

    def received(self, name, since):
        heard = [event.params[0] for event in self.people[name].events("received", since)]
        stanzas = {canonical(xml, self.names) for xml in heard if not OWN.search(xml)}
        return {stanza for stanza in stanzas if ", says " not in stanza and not OWN_LOBBY.search(stanza)}


@pytest.fixture(scope="module")
def houses(prosody_version):
    """The server with the gate, and the one without."""
    doors = [MeetDoor(prosody_version, POLICY, gate=gate) for gate in (True, False)]
    try:
        yield [door.start() for door in doors]
    finally:
        for door in doors:
            door.close()


async def watched(house, browser):
    async with at(house, browser) as visit:
        meeting = await Meeting(visit, house.room()).open()
        received = {act: await meeting.act(act) for act in ACTS}
        return {**received, OPENS: await meeting.lobby()}


async def test_nobody_in_a_meeting_receives_anything_else(houses, browser):
    gated, plain = [await watched(house, browser) for house in houses]
    assert all(any(heard.values()) for heard in plain.values()), [act for act in plain if not any(plain[act].values())]
    differences = []
    for act, name in itertools.product(plain, PEOPLE):
        more, less = gated[act][name] - plain[act][name], plain[act][name] - gated[act][name]
        if act == "takes another name":
            more = {stanza for stanza in more if RENAMED not in stanza}
        elif act == "makes another moderator" and name == "bob":
            more = {stanza for stanza in more if "You are a moderator now." not in stanza}
        elif act == OPENS and name == REMOVED:
            continue
        elif act == OPENS:
            more = set()
        if more or less:
            differences.append(f"{act}, {name}:\n  with the gate {sorted(more)}\n  without {sorted(less)}")
    assert not differences, "\n".join(differences)
