"""A server with the gate and the component behind it, for all the tests of one file.

Starting both takes half a second, so a file of tests shares them: each test takes rooms of
its own, and rules of its own come from `[[room]]` tables that match its rooms' names.
"""

import asyncio
import itertools
import time

from .component import Vestibule
from .people import nick_of
from .policy import SECRET
from .process import Failed
from .server import Prosody

SERVICE = """
version = 2
[[service]]
domain = "conference.localhost"
"""


class Door:
    """A `Prosody` (or the `server` given) and its `Vestibule`, started together. Without the
    gate there is no component."""

    def __init__(self, version, policy, *, server=None, **options):
        self.server = server or Prosody(version, **options)
        self.component = Vestibule(self.server, policy) if self.server.gate else None
        self._numbers = itertools.count(1)

    def start(self):
        self.server.start()
        if self.component:
            self.component.start()
        return self

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.component:
            self.component.close()
        self.server.close()

    def room(self, name="room"):
        """The address of a room that no other test uses, like `name-1@conference.localhost`."""
        return f"{name}-{next(self._numbers)}@{self.server.service}"

    async def meeting(self, crowd, *jids, name="room"):
        """A room of its own with people in it: its address, and they in the order in which they came. The
        first one opens it, the others know the preset password."""
        room, people = self.room(name), [await crowd.connect(jid) for jid in jids]
        for number, (person, jid) in enumerate(zip(people, jids)):
            outcome = await person.join(room, nick_of(jid), SECRET if number else None)
            if not outcome.joined:
                raise Failed(f"{jid} is not let into {room}: {outcome}")
        return room, *people

    async def about_to_join(self, crowd, creates):
        """A room, Alice, who has opened it unless Bob's join `creates` it, and Bob, who has not joined yet."""
        room = self.room()
        alice, bob = await crowd.connect_many(["alice@localhost", "bob@localhost"])
        if not creates:
            await alice.join(room, "Alice")
        return room, alice, bob

    def enforce(self, policy):
        """Puts another file in force; returns when it is."""
        self.component.write_config(policy)
        reply = self.component.run("reload")
        if reply.returncode != 0:
            raise Failed(f"the file is not in force: {reply.stderr}\n{self.component.tail()}")

    async def decisions(self, **wanted):
        """The decisions logged with these values (`kind`, `room`, `verdict`, ...), oldest
        first; waits until there is one, and for those that are on their way to the disk."""
        await self.flushed()
        deadline = time.monotonic() + 3
        while True:
            found = [line for line in self.component.decisions() if wanted.items() <= line.items()]
            if found:
                return found
            if time.monotonic() > deadline:
                lines = "\n".join(map(str, self.component.decisions()[-5:]))
                raise Failed(f"no decision with {wanted}; the last ones:\n{lines}")
            await asyncio.sleep(0.02)

    async def decision(self, **wanted):
        """The last of `decisions`."""
        return (await self.decisions(**wanted))[-1]

    async def flushed(self):
        """Waits until every decision so far is in the log."""
        await asyncio.sleep(0.15)
