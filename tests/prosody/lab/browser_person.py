"""One page with lib-jitsi-meet: commands, and a record of every event."""

import asyncio
import dataclasses

from . import canary
from .process import Failed

JOINED = "conference.joined"
FAILED = "conference.failed"
KICKED = "conference.kicked"
ANYTHING = ...


def addresses(server):
    """What Jitsi Meet's config.js says of a `Meet`. Conference requests go to `hosts.focus`
    as it stands, so it may be the focus's own full JID where no proxy is."""
    hosts = {"domain": server.host, "muc": server.service, "focus": server.focus_address}
    if server.guests != server.host:
        hosts["anonymousdomain"] = server.guests
    return {"hosts": hosts, "focusUserJid": server.focus}


@dataclasses.dataclass(frozen=True)
class Event:
    """An event of the library by its own name (JitsiConferenceEvents and
    JitsiConnectionEvents), or `sent` and `received` (stanzas), `console`, `crash`."""

    name: str
    params: list
    at: float

    @property
    def joined(self):
        return self.name == JOINED

    @property
    def error(self):
        """The library's name of a failure, such as "conference.passwordRequired", or ""."""
        return self.params[0] if self.name == FAILED and self.params else ""

    def matches(self, name, params):
        """Whether this is `name` with at least `params`, in order; `...` is any value."""
        return (
            self.name == name
            and len(self.params) >= len(params)
            and all(want is ANYTHING or want == got for want, got in zip(params, self.params))
        )

    def __repr__(self):
        return f"{self.name} {', '.join(str(each) for each in self.params)}"[:400]


class BrowserPerson:
    """A page. `seen` holds every event in order, across reloads.

    A command raises Failed when the page says that it failed. What the server makes of a
    command is an event: use `wait_for`, from a `mark()` taken before the command.
    """

    def __init__(self, browser, server, client):
        self.browser = browser
        self.server = server
        self.client = client
        self.jid = None
        self.seen = []
        self._waiters = []
        self._connected = {}

    # Receiving

    def saw(self, event):
        self.seen.append(event)
        for predicate, future in list(self._waiters):
            if not future.done() and predicate(event):
                future.set_result(event)

    def mark(self):
        """The place in `seen` of what comes next, for `since`."""
        return len(self.seen)

    async def wait_for(self, name, *params, since=0, seconds=10):
        """The first event `name` from `seen[since]` on whose parameters begin with `params`."""
        what = " ".join([name, *map(str, params)])
        return await self._first(lambda event: event.matches(name, params), what, since, seconds)

    async def sends(self, text, since=0, seconds=10):
        """The first stanza from `seen[since]` on that this page sent and that has `text` in it."""
        return await self._stanza("sent", text, since, seconds)

    async def hears(self, text, since=0, seconds=10):
        """The same of those that it got."""
        return await self._stanza("received", text, since, seconds)

    async def _stanza(self, way, text, since, seconds):
        return await self._first(
            lambda event: event.name == way and text in event.params[0], f"{text} {way}", since, seconds
        )

    async def answer(self, since, seconds=15):
        """The first answer to a join from `seen[since]` on: joined, failed or kicked."""
        return await self._first(
            lambda event: event.name in (JOINED, FAILED, KICKED), "answer to a join", since, seconds
        )

    async def _first(self, predicate, what, since, seconds):
        for event in self.seen[since:]:
            if predicate(event):
                return event
        waiter = (predicate, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            return await asyncio.wait_for(waiter[1], seconds)
        except asyncio.TimeoutError:
            raise Failed(f"{self.client}: no {what} within {seconds} s\n{self.tail()}") from None
        finally:
            self._waiters.remove(waiter)

    def events(self, name, since=0):
        """Every event `name` so far."""
        return [event for event in self.seen[since:] if event.name == name]

    def stanzas(self, text, since=0):
        """The XML that this page sent and that has `text` in it."""
        return [event.params[0] for event in self.events("sent", since) if text in event.params[0]]

    def tail(self, lines=40):
        """The last events, stanzas and console lines."""
        return "\n".join(repr(event) for event in self.seen[-lines:])

    # Commands

    async def _do(self, command, seconds=15, **given):
        return await self.browser.call(self.client, command, seconds, **given)

    async def connect(self, jid=None, password=None, *, transport="websocket", token=None, room=None, **options):
        """Connects anonymously, or as `jid`; returns the full JID. `transport` is
        "websocket" or "bosh"; `room` is the address of the room that the page is for, which
        Jitsi's components read; `options` are added to those of JitsiConnection."""
        address = f"{self.client}.localhost:{self.server.http_port}"
        urls = {"websocket": f"ws://{address}/xmpp-websocket", "bosh": f"http://{address}/http-bind"}
        query = f"?room={room.partition('@')[0]}" if room else ""
        settings = {
            **addresses(self.server),
            "serviceUrl": urls[transport] + query,
            "websocketKeepAlive": -1,
            "deploymentInfo": {},
            **options,
        }
        self._connected = {"options": settings, "jid": jid, "password": password, "token": token}
        self.jid = await self._do("connect", **self._connected)
        return self.jid

    async def ask_to_join(self, room, password=None, name=None, **options):
        """Asks to enter `room` and returns where answers begin. After a prompt this tries
        again with the password, as Jitsi Meet does. `options` as initJitsiConference takes
        them."""
        since = self.mark()
        canary.note(password)
        node, _, domain = room.partition("@")
        if domain != self.server.service:
            options["customDomain"] = domain
        await self._do("join", room=node, password=password, displayName=name, options=options)
        return since

    async def join(self, room, password=None, name=None, *, seconds=15, **options):
        """Asks to enter `room` and returns the answer, as `answer`."""
        return await self.answer(await self.ask_to_join(room, password, name, **options), seconds)

    async def leave(self):
        await self._do("leave")

    async def reload(self, *, connect=True):
        """Loads the page again: same storage, and with `connect` a new connection in the
        way of the last one, so a new address for somebody anonymous."""
        await self._do("reload")
        if connect:
            self.jid = await self._do("connect", **self._connected)
        return self.jid

    async def lock(self, password):
        """Sets the room's password; None removes it."""
        await self._do("lock", password=canary.note(password))

    async def lobby(self, on):
        await self._do("lobby", on=on)

    async def knock(self, name):
        """Enters the lobby that the refused join named."""
        await self._do("knock", displayName=name)

    async def approve(self, identity):
        """Lets a knocker in; `identity` is the first parameter of conference.lobby.userJoined."""
        await self._do("approve", id=identity)

    async def deny(self, identity):
        await self._do("deny", id=identity)

    async def kick(self, identity, reason=None):
        """`identity` is the nick in the room: the first eight characters of the address."""
        await self._do("kick", id=identity, **({"reason": reason} if reason else {}))

    async def grant(self, identity):
        await self._do("grant", id=identity)

    async def breakout(self, subject):
        """Makes a breakout room; returns its address."""
        since = self.mark()
        await self._do("breakout", text=subject)
        while True:
            updated = await self.wait_for("conference.breakout-rooms.updated", since=since)
            since = self.seen.index(updated, since) + 1
            for each in updated.params[0]["rooms"].values():
                if each.get("name") == subject:
                    return each["jid"]

    async def subject(self, text):
        """Changes the subject of the meeting."""
        await self._do("subject", text=text)

    async def say(self, text, to=None):
        """Says it to the room, or privately `to` somebody in it."""
        await (self._do("whisper", id=to, text=text) if to else self._do("say", text=text))

    async def call(self, method, *params):
        """Calls a method of the library's conference; what the server makes of it is an event."""
        await self._do("conference", method=method, params=params)

    async def state(self):
        """What the page knows now; see `state` in page.js."""
        return await self._do("state")

    async def screenshot(self, path):
        await self._do("screenshot", path=str(path))

    async def disconnect(self):
        await self._do("disconnect")

    async def crash(self):
        """Ends the page as a crash or a dead battery would; `reload` opens it again."""
        await self._do("crash")

    async def close(self):
        """Closes the tab in good order and for good, storage and all."""
        await self._do("close")
