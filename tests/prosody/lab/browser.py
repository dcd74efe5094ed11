"""Chromium with the real lib-jitsi-meet, as people whom a test tells what to do.

One driver process (tests/prosody/browser/driver.mjs) and one Chromium serve a whole test
run; each person has a context of his own there, so a storage and a connection of his own,
or is a further tab of another's.
"""

import asyncio
import contextlib
import itertools
import json
import os
import select
import time

from .browser_person import BrowserPerson, Event
from .driver import PARTS, Driver
from .process import Failed


class Browser(Driver):
    """The driver of the people."""

    def __init__(self):
        super().__init__("driver.mjs")
        self.people = {}
        self._rest = b""  # of a line that has not come whole yet
        self._has_ended = False
        self._calls = {}
        self._numbers = itertools.count(1)

    def start(self, seconds=30):
        """Starts Chromium and waits until it takes commands."""
        if not (PARTS / ".complete").exists():
            raise Failed(f"nothing in {PARTS}: run `make browser`")
        self._rest, self._has_ended = b"", False
        self.spawn(bufsize=0)
        deadline = time.monotonic() + seconds
        while not any("ready" in line for line in self._lines()):
            left = max(0, deadline - time.monotonic())
            if not select.select([self._child.stdout], [], [], left)[0]:
                raise Failed(f"Chromium is not ready within {seconds} s\n{self._output()}")
        return self

    @contextlib.asynccontextmanager
    async def visit(self, server):
        """People at `server`, all of whose pages are closed when the block ends. A driver
        that ended with an earlier visit is started again."""
        if self._has_ended:
            self._end()
            self.start()
        loop = asyncio.get_running_loop()
        self.people = {}
        loop.add_reader(self._child.stdout, self._read)
        visit = Visit(self, server)
        try:
            yield visit
        finally:
            try:
                closing = (self.call(name, "close") for name in self.people)
                await asyncio.gather(*closing, return_exceptions=True)
            finally:
                loop.remove_reader(self._child.stdout)

    async def call(self, client, command, seconds=15, **given):
        """Has the driver perform `command` for `client` and returns its value; raises
        Failed with what the page said when it fails or takes longer than `seconds`."""
        number = next(self._numbers)
        reply = asyncio.get_running_loop().create_future()
        if self._has_ended:
            raise Failed(f"{client}: {command}: the browser's driver is gone\n{self._output()}")
        self._calls[number] = reply
        request = {"call": number, "client": client, "command": command, "with": given, "seconds": seconds}
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(json.dumps(request).encode() + b"\n")
        try:
            answer = await asyncio.wait_for(reply, seconds + 5)
        except asyncio.TimeoutError:
            answer = {"error": "the driver does not answer"}
        finally:
            self._calls.pop(number, None)
        if "error" in answer:
            person = self.people.get(client)
            raise Failed(f"{client}: {command}: {answer['error']}\n{person.tail() if person else ''}")
        return answer["value"]

    def tail(self):
        """What the latest visitors saw last, for the report of a failed test."""
        stories = [f"{name}:\n{person.tail()}" for name, person in self.people.items()]
        return "\n".join([*stories, self._output()])

    def _lines(self):
        """The whole lines that have come since the last time, parsed."""
        if not select.select([self._child.stdout], [], [], 0)[0]:
            return []
        chunk = os.read(self._child.stdout.fileno(), 1 << 20)
        if not chunk:
            raise Failed(f"the browser's driver ended\n{self._output()}")
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def _read(self):
        try:
            lines = self._lines()
        except Failed as gone:
            self._has_ended = True
            asyncio.get_running_loop().remove_reader(self._child.stdout)
            lines = [{"call": number, "error": str(gone)} for number in self._calls]
        for line in lines:
            if "call" in line:
                reply = self._calls.get(line["call"])
                if reply is not None and not reply.done():
                    reply.set_result(line)
            elif line.get("client") in self.people:
                event = Event(line["event"], line["params"], time.monotonic())
                self.people[line["client"]].saw(event)


class Visit:
    """Opens the people of one test."""

    _numbers = itertools.count(1)

    def __init__(self, browser, server):
        self.browser = browser
        self.server = server

    async def open(self, name, beside=None):
        """A person with an empty storage, or with that of the person whose browser it is a
        further tab of, and no connection yet. `name` is part of a host name,
        NAME-1.localhost: Chromium opens six connections to a host, and a client over BOSH
        needs two."""
        client = f"{name}-{next(self._numbers)}"
        person = BrowserPerson(self.browser, self.server, client)
        self.browser.people[client] = person
        given = {"beside": beside.client} if beside else {}
        await self.browser.call(client, "open", 30, **given)
        return person

    async def connect(self, name, beside=None, **options):
        """Opens a person and connects him: as `open` and, `options`, `BrowserPerson.connect`."""
        person = await self.open(name, beside)
        await person.connect(**options)
        return person

    async def people(self, *names, **options):
        """Several, all connected, in the order given; `options` as for `connect`."""
        return await asyncio.gather(*(self.connect(name, **options) for name in names))
