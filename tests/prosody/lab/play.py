"""A room with people of every kind in and around it, and what one stanza makes of it."""

import asyncio
import json
import re
import time

from .federation import FAR, STRANGERS, Stranger
from .grammar import GRAMMAR
from .law import Past, Step, faults, occupants
from .raw import Raw
from .stanza import CLIENT, element

PASSWORD = "seven tall quartz lanterns"
WATCHER = "watcher@localhost"
# Who is inside when a room begins: who of them moderates, may chat, or may not.
INSIDE = {"Moderator": "moderator@localhost", "Member": "member@localhost", "Muted": "guest.localhost", "Far": f"far@{FAR}"}
# And who is outside: they never came, left, were kicked as owners, banned, banned with their domain, invited, or wait.
OUTSIDE = {
    "Stranger": "stranger@localhost", "Left": "left@localhost", "Kicked": "kicked@localhost", "Banned": "banned@localhost",
    "Invited": "invited@localhost", "Waiting": "waiting@localhost", "Stranger afar": f"stranger@{FAR}", "Left afar": f"left@{FAR}",
    "Banned domain": f"sam@{STRANGERS}",
}
SAID, TOLD = "a sentence of theirs", "a description of theirs"


def nick(name):
    return "The" + name.replace(" ", "")


class Log:
    """The decisions of a component, each read once."""

    def __init__(self, component):
        self.path = component.state_dir / "decisions.jsonl"
        self.place = 0

    def read(self):
        """The whole lines that were added."""
        with open(self.path, "rb") as file:
            file.seek(self.place)
            lines = file.read().rpartition(b"\n")[0]
        self.place += len(lines) + 1 if lines else 0
        return [json.loads(line) for line in lines.splitlines()]


class Play:
    """One meeting after another on a plain server. `people` by name, all of whom stay connected while rooms come and go. The watcher is an operator: it is inside, sees what all
    see, cannot be removed, and ends each step in the room's queue and in the log."""

    inside, outside, watching, grammar = INSIDE, OUTSIDE, WATCHER, GRAMMAR

    def __init__(self, door, near, abroad=None):
        self.door, self.near, self.abroad = door, near, abroad
        self.service = door.server.service
        self.people, self.room, self.steps, self.log = {}, None, [], Log(door.component)
        self.left = set()  # the rooms that there were, which may have something to say still

    async def connect(self):
        """Everybody logs in."""
        for name, jid in [("Watcher", self.watching), *self.inside.items(), *self.outside.items()]:
            await self._connect(name, jid)
        self.watcher = self.people["Watcher"]

    async def _connect(self, name, jid):
        node, _, host = jid.rpartition("@")
        if host == STRANGERS:
            (self.people[name],) = await self.abroad.strangers(node)
            return
        crowd = self.abroad if host == FAR else self.near
        self.people[name] = person = await Raw.log_in(crowd.server, node, host)
        crowd.people.append(person)
        person.send_raw("<presence/>")

    def names(self):
        """What the generator may write of this room."""
        domains = sorted({person.bare.partition("@")[2] for person in self.people.values()})
        names = [name for name in self.people if name != "Watcher"]
        people = [self.people[name] for name in names]
        host = self.near.server.host
        return {
            "room": [self.room], "name": [self.room.partition("@")[0]], "service": [self.service], "host": [host],
            "component": [f"vestibule.{host}"], "nick": [nick(name) for name in [*names, *list(self.inside) * 3]],
            "heard": [nick(name) for name in self.inside if name != "Muted"], "bare": [person.bare for person in people],
            "jid": [person.jid for person in people], "domain": domains, "secret": [PASSWORD],
        }

    async def begin(self):
        """Everybody leaves the room that there was, and takes their place in and around a new one."""
        if self.room:
            await self.leave()
        for name, jid in [*self.inside.items(), *self.outside.items()]:
            if not self.people[name].is_connected:
                await self._connect(name, jid)
        self.room = self.door.room("play")
        self.visits = {name: {*self.left} for name in self.people}
        await self.gather()
        await self.settle()
        await self.arrived()
        self.state, self.steps = await self.read(), []
        await self._until_logged(1)

    async def leave(self):
        """Nobody is in the room any more."""
        for room in {self.room, *(room for rooms in self.visits.values() for room in rooms - self.left)}:
            self.left.add(room)
            for person in self.people.values():
                self.send(person, f"<presence to='{room}/x' type='unavailable'/>")
        await self.arrived()

    async def come(self, *names):
        """They join, with the password."""
        for name in names:
            outcome = await self.people[name].join(self.room, nick(name), PASSWORD)
            assert outcome.joined, (name, outcome)

    async def gather(self):
        """Who is to be inside comes, and those outside become what they are."""
        room, people = self.room, self.people
        moderator = people["Moderator"]
        left = [name for name in self.outside if name.startswith("Left")]
        await self.come("Moderator", "Watcher", *[name for name in self.inside if name != "Moderator"], "Kicked", *left)
        waits = await people["Waiting"].join(room, nick("Waiting"))
        assert waits.condition == "registration-required", waits
        moderator.say(room, SAID)
        banned = [STRANGERS] if "Banned domain" in people else []
        for jid, affiliation in [(people["Member"].bare, "member"), (people["Kicked"].bare, "owner"),
                                 *((jid, "outcast") for jid in (people["Banned"].bare, *banned))]:
            assert not (await moderator.set_affiliation(room, jid, affiliation)).error
        assert not (await moderator.set_role(room, nick("Kicked"), "none")).error
        assert not (await moderator.configure(room, {"muc#roomconfig_roomdesc": TOLD})).error
        moderator.invite(room, people["Invited"].bare)
        for name in left:
            await people[name].leave(room, nick(name))
        self.past = Past({people["Invited"].bare: moderator.bare}, {people["Kicked"].bare: "owner"})

    def is_over(self):
        """Whether there is nobody left to watch, to moderate, or to be restricted."""
        seats = {session: one["role"] for one in occupants(self.state).values() for session in one["sessions"]}
        there = [name for name in self.inside if self.people[name].jid in seats]
        return self.watcher.jid not in seats or seats.get(self.people["Moderator"].jid) != "moderator" or len(there) < 3

    def send(self, person, text):
        """Sends a stanza; over the link of the strangers, with its sender."""
        is_linked = isinstance(person, Stranger)
        person.send_raw(re.sub(r"^<(\w+)", rf"<\1 from='{person.jid}'", text) if is_linked else text)

    async def settle(self):
        """Returns when the room's queue has had a turn for what was sent before, which the log tells by a line."""
        since, identity = self.watcher.mark(), self.watcher.new_id()
        command = element(CLIENT, "message", to=self.room, type="groupchat", id=identity)
        command.append(element(CLIENT, "body", "!unknown"))
        self.watcher.send(command)
        await self.watcher.wait_for(lambda seen: seen.id == identity and seen.type == "error", since=since)

    async def arrived(self):
        """Returns when everybody has what was sent to them."""
        ping = element("urn:xmpp:ping", "ping")
        await asyncio.gather(*(person.iq(self.service, "get", ping) for person in self.people.values() if person.is_connected))

    async def handled(self, who, text):
        """Returns when the server has handled what somebody sent."""
        is_afar = who.bare.partition("@")[2] in (FAR, STRANGERS)
        # Each host of this server has a stream of its own from another server.
        addressed = {re.search("to='([^@/']*@)?([^/']*)", text)[2]} if is_afar else set()
        for host in {self.service, *addressed}:
            await who.iq(host, "get", element("urn:xmpp:ping", "ping"))

    async def read(self):
        """The room as a whole."""
        reply = await self.watcher.iq(self.service, "get", element("urn:lab", "state", room=self.room))
        return json.loads(reply.text("urn:lab", "state"))

    async def step(self, name, text, identity, times=1):
        """Sends one stanza, and notes everything that comes of it."""
        who, marks = self.people[name], {other: person.mark() for other, person in self.people.items()}
        for _ in range(times):
            self.send(who, text)
        await self.handled(who, text)
        for _ in range(times):  # an operator's command comes before what else is in the queue
            await self.settle()
        _, after = await asyncio.gather(self.arrived(), self.read())
        received = {}
        for other, person in self.people.items():
            seen = [one for one in person.seen[marks[other]:] if not is_harness(one)]
            if seen:
                received[other] = seen
                self.visits[other] |= {one.room for one in seen if 110 in one.statuses and not one.type}
        people = {**self.people}
        secrets = [PASSWORD, SAID, TOLD, *(nick(each) for each in self.inside), *(person.bare for person in people.values())]
        self.steps.append(Step(
            who, text, identity, times, self.room, self.state, after, people, received, secrets,
            accounts=self.near.server.host, visits={other: {*rooms} for other, rooms in self.visits.items()},
        ))
        self.state = after

    async def judged(self):
        """What nothing allows, of all steps since the room began: each step's number with its faults."""
        ended = self.watcher.jid not in {one for each in occupants(self.state).values() for one in each["sessions"]}
        lines = await self._until_logged(sum(step.times for step in self.steps) - (self.steps[-1].times if ended else 0))
        if ended:  # no command of the watcher ends the step in which the room ended
            await self.door.flushed()
            lines += self.log.read()
        for step in self.steps:
            ends = step.times
            while lines and ends:
                ends -= self._is_end(lines[0])
                step.decided.append(lines.pop(0))
        return [(step, found) for step in self.steps if (found := list(faults(step, self.past)))]

    def _is_end(self, line):
        return line.get("kind") == "command" and line.get("jid") == self.watching and line.get("room") == self.room

    async def _until_logged(self, count):
        lines, until = [], time.monotonic() + 5
        while sum(map(self._is_end, lines)) < count and time.monotonic() < until:
            await asyncio.sleep(0.02)
            lines += self.log.read()
        return lines


def is_harness(stanza):
    """The answers to what the harness itself asks."""
    return stanza.id.startswith("lab") and stanza.type in ("result", "error")
