"""A room with people of every kind in and around it, and what one stanza makes of it."""

import asyncio
import json
import re
import time

from .federation import FAR, STRANGERS, Stranger
from .law import Step, faults, occupants
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
    return f"The {name}"


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
    """`people` by name, all of whom stay connected while rooms come and go. The watcher is an operator: it is inside, sees what all
    see, cannot be removed, and ends each step in the room's queue and in the log."""

    def __init__(self, door, near, abroad):
        self.door, self.near, self.abroad = door, near, abroad
        self.service = door.server.service
        self.people, self.room, self.steps, self.log = {}, None, [], Log(door.component)

    async def connect(self):
        """Everybody logs in."""
        for name, jid in [("Watcher", WATCHER), *INSIDE.items(), *OUTSIDE.items()]:
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
        return {
            "room": [self.room], "name": [self.room.partition("@")[0]], "service": [self.service], "component": ["vestibule.localhost"],
            "host": ["localhost"], "nick": [nick(name) for name in names], "bare": [person.bare for person in people],
            "jid": [person.jid for person in people], "domain": domains, "secret": [PASSWORD],
        }

    async def begin(self):
        """Everybody leaves the room that there was, and takes their place in and around a new one."""
        if self.room:
            for person in (*self.people.values(), self.watcher):
                self.send(person, f"<presence to='{self.room}/x' type='unavailable'/>")
            await self.arrived()
        for name, jid in [*INSIDE.items(), *OUTSIDE.items()]:
            if not self.people[name].is_connected:
                await self._connect(name, jid)
        self.room = room = self.door.room("play")
        people, moderator = self.people, self.people["Moderator"]
        inside = ["Moderator", "Watcher", "Member", "Muted", "Far", "Left", "Kicked", "Left afar"]
        for name in inside:
            outcome = await people[name].join(room, nick(name), PASSWORD)
            assert outcome.joined, (name, outcome)
        waits = await people["Waiting"].join(room, nick("Waiting"))
        assert waits.condition == "registration-required", waits
        moderator.say(room, SAID)
        for jid, affiliation in [(people["Member"].bare, "member"), (people["Kicked"].bare, "owner"), (people["Banned"].bare, "outcast"),
                                 (STRANGERS, "outcast")]:
            assert not (await moderator.set_affiliation(room, jid, affiliation)).error
        assert not (await moderator.set_role(room, nick("Kicked"), "none")).error
        assert not (await moderator.configure(room, {"muc#roomconfig_roomdesc": TOLD})).error
        moderator.invite(room, people["Invited"].bare)
        for name in ("Left", "Left afar"):
            await people[name].leave(room, nick(name))
        await self.settle()
        await self.arrived()
        self.state, self.steps = await self.read(), []
        self.invited, self.former = {people["Invited"].bare: moderator.bare}, {people["Kicked"].bare: "owner"}
        await self._until_logged(1)

    def is_over(self):
        """Whether there is nobody left to watch, to moderate, or to be restricted."""
        seats = {session: one["role"] for one in occupants(self.state).values() for session in one["sessions"]}
        there = [name for name in INSIDE if self.people[name].jid in seats]
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

    async def read(self):
        """The room as a whole."""
        reply = await self.watcher.iq(self.service, "get", element("urn:lab", "state", room=self.room))
        return json.loads(reply.text("urn:lab", "state"))

    async def step(self, name, text, identity, times=1):
        """Sends one stanza, and notes everything that comes of it."""
        who, marks = self.people[name], {other: person.mark() for other, person in self.people.items()}
        for _ in range(times):
            self.send(who, text)
        # Each of this server's hosts has a stream of its own from another server.
        for host in {self.service, re.search("to='([^@/']*@)?([^/']*)", text)[2]}:
            await who.iq(host, "get", element("urn:xmpp:ping", "ping"))
        for _ in range(times):  # an operator's command comes before what else is in the queue
            await self.settle()
        _, after = await asyncio.gather(self.arrived(), self.read())
        received = {}
        for other, person in self.people.items():
            seen = [one for one in person.seen[marks[other]:] if not is_harness(one)]
            if seen:
                received[other] = seen
        people = {**self.people}
        secrets = [PASSWORD, SAID, TOLD, *(nick(each) for each in INSIDE), *(person.bare for person in people.values())]
        self.steps.append(Step(who, text, identity, times, self.room, self.state, after, people, received, secrets))
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
        return [(step, found) for step in self.steps if (found := list(faults(step, self.invited, self.former)))]

    def _is_end(self, line):
        return line.get("kind") == "command" and line.get("jid") == WATCHER and line.get("room") == self.room

    async def _until_logged(self, count):
        lines, until = [], time.monotonic() + 5
        while sum(map(self._is_end, lines)) < count and time.monotonic() < until:
            await asyncio.sleep(0.02)
            lines += self.log.read()
        return lines


def is_harness(stanza):
    """The answers to what the harness itself asks."""
    return stanza.id.startswith("lab") and stanza.type in ("result", "error")
