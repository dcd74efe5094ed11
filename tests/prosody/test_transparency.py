"""What real clients send, on a server with the gate and on one without: nobody inside receives anything else.

The stanzas are data (`clients/*.xml`), and so are the differences that the policy is there for (`clients/differences.toml`),
which `docs/transparency.md` explains.
"""

import asyncio
import re
import tomllib
from xml.etree import ElementTree

import pytest
from lab import SERVICE, Crowd, Door, Person
from lab.process import ROOT
from lab.stanza import CLIENT, DATA, MUC, MUC_ADMIN, element

CLIENTS = ROOT / "tests/prosody/clients"
FILES = sorted(CLIENTS.glob("*.xml"))
DIFFERENCES = tomllib.loads((CLIENTS / "differences.toml").read_text())["difference"]
SECRET = "nine mild copper harbors"
# What a policy asks of nobody: as on a server without one.
COMMON = f"""{SERVICE}
[policy]
access.hidden = false
removal.keep_out_for = "never"
"""
POLICIES = {
    "open": COMMON + "lobby.admission = 'open'\npassword.required = false\nclose.hold_until = []\n",
    "password": COMMON + f"password.source = 'preset'\npassword.preset = '{SECRET}'\n",
}
ADDRESSES = {
    "owner": "alice@localhost",
    "member": "bob@localhost",
    "guest": "guest.localhost",
    "outsider": "carol@localhost",
}
NICKS = {"owner": "Alice", "member": "Bob", "guest": "Gus"}
PEERS = {"owner": "member", "member": "guest", "guest": "member"}
PASSWORD = f"{{{MUC}}}password"


class Player(Person):
    """A client that answers no request by itself: what it answers is in the data."""

    @classmethod
    async def connect(cls, *arguments, **options):
        person = await super().connect(*arguments, **options)
        person.client.add_filter("in", lambda stanza: None if stanza["type"] in ("get", "set") else stanza)
        return person


class House:
    """One of the two servers, with a room and four people."""

    def __init__(self, door, room, password):
        self.room, self.service = f"{room}@{door.server.service}", door.server.service
        self.server, self.password = door.server, password

    async def __aenter__(self):
        self.people = {role: await Player.connect(self.server, at) for role, at in ADDRESSES.items()}
        self.names = [(self.room, "ROOM"), *((person.jid, f"{role}/x") for role, person in self.people.items())]
        self.names += [(person.bare, role) for role, person in self.people.items()]
        self.begin()
        return self

    async def __aexit__(self, *_):
        for person in self.people.values():
            person.abort()

    async def open(self):
        """The owner opens the room, and takes its settings as they are."""
        assert (await self.people["owner"].open(self.room, NICKS["owner"], password=self.password)).joined

    async def fill(self, player):
        """Makes the room ready while only the owner is in it, and lets everybody in but the one who plays."""
        owner = self.people["owner"]
        if self.password and not self.server.gate:
            await owner.configure(self.room, {"muc#roomconfig_roomsecret": self.password})
        await owner.set_affiliation(self.room, self.people["member"].bare, "member")
        for role in {"member", "guest"} - {player}:
            assert (await self.people[role].join(self.room, NICKS[role], self.password)).joined
        await self.settle()
        self.begin()

    def placed(self, text, player):
        """The text with what its placeholders stand for."""
        places = {
            "room": self.room, "service": self.service, "nick": NICKS[player], "me": self.people[player].jid,
            "peer": NICKS[PEERS[player]], "peer_address": self.people[PEERS[player]].bare,
            "outsider": self.people["outsider"].bare,
        }
        return re.sub(r"\{(\w+)\}", lambda found: places.get(found[1], found[0]), text)

    def filled(self, stanza, sender, player):
        """A copy of the stanza to send."""
        copy = element(CLIENT, "any")
        copy.tag, copy.text = stanza.tag, self.placed(stanza.text or "", player)
        for name, value in stanza.attrib.items():
            copy.set(name, self.placed(value, player))
        if copy.get("id") == "{asked}":
            asked = [seen.id for seen in self.people[sender].seen if seen.name == "iq" and seen.type in ("get", "set")]
            copy.set("id", asked[-1] if asked else "nothing")
        copy.extend(self.filled(child, sender, player) for child in stanza)
        if copy.tag == f"{{{MUC}}}x" and self.password:
            for old in copy.findall(PASSWORD):
                copy.remove(old)
            copy.append(element(MUC, "password", self.password))
        if copy.get("var") == "muc#roomconfig_roomsecret" and self.password:  # as the form showed it
            for value in copy:
                value.text = self.password
        return copy

    async def send(self, stanza, sender, player, wanted):
        """Sends it; returns what each has received when nothing more comes, and at least `wanted` of it if that comes soon."""
        self.people[sender].send(self.filled(stanza, sender, player))
        await self.settle()
        deadline = asyncio.get_running_loop().time() + 2
        while self.is_awaited(sender, wanted) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.005)
        if wanted:
            await self.settle()
        received = {role: self.received(role) for role in self.people}
        self.begin()
        return received

    def is_awaited(self, sender, wanted):
        """Whether somebody has less than is wanted; not when the sender has more: they were refused."""
        missing = {role: count - len(self.received(role)) for role, count in wanted.items()}
        return missing.get(sender, 0) >= 0 and any(count > 0 for count in missing.values())

    def begin(self):
        self.marks = {role: person.mark() for role, person in self.people.items()}

    def received(self, role):
        return [seen for seen in self.people[role].seen[self.marks[role]:] if seen.room.endswith(self.service)]

    async def settle(self):
        for _ in range(2):
            await asyncio.gather(*(person.ping() for person in self.people.values()))


# Reading what was received

# What is random by nature: ids and stamps that the server makes.
RANDOM = {
    "{urn:xmpp:sid:0}stanza-id", "{urn:xmpp:occupant-id:0}occupant-id", "{urn:xmpp:mam:2}result",
    "{http://jabber.org/protocol/rsm}first", "{http://jabber.org/protocol/rsm}last",
}
# What Prosody writes in the order of its tables, or in which hooks of equal priority add to it.
UNORDERED = {
    "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items", MUC_ADMIN, DATA,
    "http://jabber.org/protocol/rsm",
}


def lines(xml, house, sent, depth=0):
    """An element as lines, one for each element in it, without what is random by nature."""
    namespace, _, name = xml.tag.lstrip("{").rpartition("}")
    is_random = xml.tag in RANDOM

    def known(text):
        for address, role in house.names:
            text = text.replace(address, role)
        return text

    def attribute(key, value):
        is_made = key == "stamp" or key == "id" and (is_random or depth == 0 and value not in sent)
        return f" {key.rpartition('}')[2]}='{'*' if is_made else known(value)}'"

    where = "" if namespace == CLIENT else f" xmlns='{namespace}'"
    text = known((xml.text or "").strip())
    first = f"<{name}{where}{''.join(attribute(*pair) for pair in sorted(xml.attrib.items()))}>"
    inside = [lines(child, house, sent, depth + 1) for child in xml]
    if depth == 0 or namespace in UNORDERED:
        inside.sort()
    else:  # the codes of what is new
        inside.sort(key=lambda one: one[0] if one[0].startswith("<status xmlns") else "")
    return [first + ("*" if is_random and text else text), *(line for one in inside for line in one)]


def in_order(stanzas, house, sent):
    """What somebody received, in order, but for those inside, who are told in the order of Prosody's tables."""
    ordered, run = [], []
    for stanza in stanzas:
        one = lines(stanza.xml, house, sent)
        if stanza.name == "presence":
            run.append(one)
        else:
            ordered, run = [*ordered, *sorted(run), one], []
    return ordered + sorted(run)


def compare(plain, gated):
    """What differs, as lines with a sign: those of stanzas alike in the first line; others as a whole."""
    less, more = [one for one in plain if one not in gated], [one for one in gated if one not in plain]
    found = []
    for one in list(less):
        other = next((each for each in more if each[0] == one[0]), None)
        if other is not None:
            less.remove(one)
            more.remove(other)
            found += [f"- {line}" for line in one if line not in other]
            found += [f"+ {line}" for line in other if line not in one]
            found = found or ["in another order: " + " ".join(one)]
    found += ["- " + " ".join(one) for one in less] + ["+ " + " ".join(one) for one in more]
    if not found and plain != gated:
        found = ["in another order, or another number of times: " + " ".join(one) for one in gated]
    return found


def expected(differences, kind, step, what):
    """The entry of the list that allows this difference, or None."""
    for entry in differences:
        is_here = kind in entry.get("kinds", POLICIES) and any(re.fullmatch(each, step) for each in entry["steps"])
        if is_here and any(re.fullmatch(each, what, re.DOTALL) for each in entry["lines"]):
            return entry
    return None


# Playing

def extra_of(step):
    """How many stanzas more than without the gate somebody gets, that come a moment later."""
    return max([entry.get("later", 0) for entry in DIFFERENCES
                if any(re.fullmatch(each, step) for each in entry["steps"])], default=0)


async def play(doors, kind, path, player):
    """Plays a file; yields each difference: the step, who received it, and the line."""
    room, password = f"{path.stem}-{player}", SECRET if kind == "password" else None
    steps = list(ElementTree.parse(path).getroot())
    sent = {stanza.get("id") for step in steps for stanza in step}
    async with House(doors[0], room, password) as plain, House(doors[1], room, password) as gated:
        opens = player == "owner" and steps[0].get("by") == "owner"
        is_full = False
        for number, step in enumerate(steps):
            by = (step.get("by") or "owner member guest peer").split()
            if number == 0 and not opens:
                await asyncio.gather(plain.open(), gated.open())
            if not is_full and (number > 0 or not opens):
                await asyncio.gather(plain.fill(player), gated.fill(player))
                is_full = True
            if player not in by and by != ["peer"]:
                continue
            sender, what = PEERS[player] if by == ["peer"] else player, step.get("what")
            for stanza in step:
                wanted = await plain.send(stanza, sender, player, {})
                counts = {role: len(seen) + (extra_of(what) if seen else 0) for role, seen in wanted.items()}
                got = await gated.send(stanza, sender, player, counts)
                for role in ADDRESSES:
                    one, other = in_order(wanted[role], plain, sent), in_order(got[role], gated, sent)
                    for line in compare(one, other):
                        yield what, role, line


@pytest.mark.parametrize("kind", POLICIES)
async def test_what_clients_send_comes_to_the_same(prosody_version, kind):
    gate = {"muc_options": {"modules_enabled": ["vestibule_gate", "muc_mam"]}}
    none = {"muc_options": {"modules_enabled": ["muc_mam"], "muc_room_default_public": True}}
    doors = [
        Door(prosody_version, SERVICE, gate=False, **none),
        Door(prosody_version, POLICIES[kind], **gate),
    ]
    wrong, used = [], []
    try:
        for door in doors:
            door.start()
        for path in FILES:
            for player in NICKS:
                async for step, role, line in play(doors, kind, path, player):
                    entry = expected(DIFFERENCES, kind, step, line)
                    used.append(entry)
                    if entry is None:
                        wrong.append(f"{path.stem}, {player}: {step}: to {role}: {line}")
    finally:
        for door in doors:
            door.close()
    unused = [entry["what"] for entry in DIFFERENCES if kind in entry.get("kinds", POLICIES) and entry not in used]
    wrong += [f"no difference any more: {what}" for what in unused]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def test_the_list_of_differences_is_the_one_in_the_docs():
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", (ROOT / "docs/transparency.md").read_text(), re.MULTILINE)
    assert rows[1:] == [(entry["what"], entry["why"]) for entry in DIFFERENCES]
    file = tomllib.loads((ROOT / "component.toml").read_text())
    for entry in DIFFERENCES:
        for table, key in re.findall(r"`([a-z_]+)\.([a-z_]+)`", entry["why"]):
            assert key in {**file.get(table, {}), **file["policy"].get(table, {})}


# After what ends somebody's stay (XEP-0410)

async def ping_oneself(person, room, nick):
    """What a client hears that pings itself: "inside", or the condition."""
    reply = await person.iq(f"{room}/{nick}", "get", element("urn:xmpp:ping", "ping"))
    return reply.error[1] if reply.error else "inside"


async def test_whoever_pings_themselves_is_told_the_truth(start_prosody, start_vestibule):
    server = start_prosody(storage="internal")
    vestibule = start_vestibule(server, POLICIES["open"])
    lasting, fleeting = (f"{name}@{server.service}" for name in ("lasting", "fleeting"))
    async with Crowd(server) as crowd:
        alice, bob = await crowd.connect("alice@localhost"), await crowd.connect("bob@localhost")
        for room in (lasting, fleeting):
            assert await ping_oneself(bob, room, "Bob") == "not-acceptable"
            assert (await alice.join(room, "Alice")).joined
            assert (await bob.join(room, "Bob")).joined
            assert await ping_oneself(bob, room, "Bob") == "inside"
        assert not (await alice.configure(lasting, {"muc#roomconfig_persistentroom": True})).error
        assert not (await alice.set_role(lasting, "Bob", "none")).error
        assert await ping_oneself(bob, lasting, "Bob") == "not-acceptable"
        assert (await bob.join(lasting, "Bob")).joined
        assert await ping_oneself(bob, lasting, "Bob") == "inside"
    server.restart()
    async with Crowd(server) as crowd:
        bob = await crowd.connect("bob@localhost")
        for room in (lasting, fleeting):
            assert await ping_oneself(bob, room, "Bob") == "not-acceptable"
        await asyncio.to_thread(vestibule.wait_ready)
        for room in (lasting, fleeting):
            assert await ping_oneself(bob, room, "Bob") == "not-acceptable"
        assert (await bob.join(lasting, "Bob")).joined
        assert await ping_oneself(bob, lasting, "Bob") == "inside"
