"""Real clients: slixmpp, with a record of everything that the server sent.

slixmpp connects, secures, authenticates and parses. What a test sends goes out in the
order in which it was sent, and what comes in is kept whole, so that answers can be
counted and hostile stanzas sent.
"""

import asyncio
import dataclasses
import os
import time

import slixmpp
from slixmpp.xmlstream import tostring

from . import canary
from .outcome import Outcome, answers, judge
from .process import HOST, Failed
from .room import RoomActions
from .server import PASSWORD
from .stanza import CLIENT, MUC, Stanza, element

# Only certificates made here are trusted; and loading the system's takes 40 ms a client.
os.environ.update(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull)


def nick_of(jid):
    """What somebody is called who says nothing else: Alice is `alice@localhost`, a Guest `guest.localhost`."""
    return jid.partition("@")[0].partition(".")[0].capitalize()


def _for_slixmpp(stanza):
    """Leaves to slixmpp what connecting needs: its roster has no use for rooms, is slow in a
    crowd, and stumbles over senders that are no JIDs. All of it is recorded already."""
    if stanza.name in ("message", "presence"):
        return None
    try:
        slixmpp.JID(stanza.xml.get("from", ""))
    except slixmpp.InvalidJID:
        return None
    return stanza


class _Client(slixmpp.ClientXMPP):
    """slixmpp, showing each stanza to its Person before any of its own handlers."""

    def __init__(self, person, jid, password, mechanism, language):
        plain = {"feature_mechanisms": {"unencrypted_plain": True}}
        super().__init__(jid, password, sasl_mech=mechanism, plugin_config=plain, lang=language)
        self.person = person
        self.use_aiodns = False
        self.use_ipv6 = False
        self.whitespace_keepalive = False
        self.add_filter("in", _for_slixmpp)

    async def get_dns_records(self, domain, port=None):
        """None: the address is given."""
        return []

    def incoming_filter(self, xml):
        self.person.saw(xml)
        return xml


class Person(RoomActions):
    """One client session. `seen` holds every stanza received, in order. `language` is what it
    says on its stream; without one it says `en`, which says nothing."""

    def __init__(self, server, jid, *, language=None):
        self.server = server
        self.seen = []
        self._waiters = []
        self._counter = 0
        node, _, domain = jid.rpartition("@")
        mechanism = "PLAIN" if node else "ANONYMOUS"
        self.client = _Client(self, jid, PASSWORD, mechanism, language or "en")
        if server.tls:
            self.client.ca_certs = str(server.home / "tls.crt")
            self.client.default_domain = domain.partition("/")[0]

    @classmethod
    async def connect(cls, server, jid, *, present=True, seconds=10, **options):
        """Connects `user@localhost` (whose account is made), or anybody for a bare
        domain such as `guest.localhost`. With `present`, sends available presence,
        which invitations to the bare JID need. `options` are those of the class."""
        node, _, domain = jid.partition("/")[0].rpartition("@")
        if node and domain == server.host:
            server.add_account(node)
        person = cls(server, jid, **options)
        await person._start(seconds)
        if present:
            person.send(element(CLIENT, "presence"))
        return person

    async def _start(self, seconds):
        ready = asyncio.get_running_loop().create_future()

        def started(_):
            if not ready.done():
                ready.set_result(None)

        def failed(reason):
            if not ready.done():
                ready.set_exception(Failed(f"{self.client.boundjid} cannot connect: {reason}"))

        self.client.add_event_handler("session_start", started)
        for event in ("failed_all_auth", "connection_failed", "disconnected", "stream_error"):
            self.client.add_event_handler(event, failed)
        address = (HOST, self.server.c2s_port)
        self.client.connect(address, force_starttls=self.server.tls, disable_starttls=not self.server.tls)
        try:
            await asyncio.wait_for(ready, seconds)
        except asyncio.TimeoutError:
            self.abort()
            raise Failed(f"{self.client.boundjid} cannot connect: silence") from None

    @property
    def jid(self):
        """The full JID that the server gave."""
        return self.client.boundjid.full

    @property
    def bare(self):
        return self.client.boundjid.bare

    @property
    def is_connected(self):
        return self.client.is_connected()

    # Receiving

    def saw(self, xml):
        """Records a stanza; stream features and SASL are none."""
        if not xml.tag.startswith(f"{{{CLIENT}}}"):
            return
        stanza = Stanza(xml, time.monotonic())
        canary.note_told(stanza.body)
        self.seen.append(stanza)
        for predicate, future in list(self._waiters):
            if not future.done() and predicate(stanza):
                future.set_result(stanza)

    async def wait_for(self, predicate, seconds=5, since=0):
        """The first stanza, from `seen[since]` on, of which `predicate` is true; waits
        for it up to `seconds`, then raises Failed."""
        for stanza in self.seen[since:]:
            if predicate(stanza):
                return stanza
        future = asyncio.get_running_loop().create_future()
        waiter = (predicate, future)
        self._waiters.append(waiter)
        try:
            return await asyncio.wait_for(future, seconds)
        except asyncio.TimeoutError:
            last = "\n".join(repr(stanza) for stanza in self.seen[-10:])
            raise Failed(f"{self.jid}: not seen within {seconds} s; last seen:\n{last}") from None
        finally:
            self._waiters.remove(waiter)

    def mark(self):
        """The place in `seen` of what comes next, for `since`."""
        return len(self.seen)

    def answers(self, room, since=0):
        """Every answer to joins of `room` from `seen[since]` on; see `outcome.answers`."""
        return answers(self.seen, room, since)

    # Sending

    def send_raw(self, text):
        """Sends bytes or text as they are, in order with everything else."""
        if not self.is_connected:
            raise Failed(f"{self.jid} is not connected any more")
        self.client.send_raw(text)

    def send(self, xml):
        """Sends an element."""
        self.send_raw(tostring(xml, xmlns=CLIENT, stream=self.client))

    def new_id(self):
        self._counter += 1
        return f"lab{self._counter}"

    async def iq(self, to, kind, payload, seconds=10):
        """Sends an IQ and returns its reply, result or error."""
        identity = self.new_id()
        since = self.mark()
        request = element(CLIENT, "iq", type=kind, to=to, id=identity)
        request.append(payload)
        self.send(request)
        return await self.wait_for(
            lambda seen: seen.name == "iq" and seen.id == identity and seen.type in ("result", "error"),
            seconds,
            since,
        )

    async def ping(self, seconds=10):
        """Returns when the server has handled all that was sent before."""
        return await self.iq(self.server.host, "get", element("urn:xmpp:ping", "ping"), seconds)

    # Joining and going

    def ask_to_join(self, room, nick, password=None, extra=()):
        """Sends a join without waiting for its answer; returns where answers begin."""
        since = self.mark()
        presence = element(CLIENT, "presence", to=f"{room}/{nick}", id=self.new_id())
        join = element(MUC, "x")
        if password is not None:
            join.append(element(MUC, "password", canary.note(password)))
        presence.append(join)
        presence.extend(extra)
        self.send(presence)
        return since

    async def join(self, room, nick, password=None, *, seconds=10, extra=()):
        """Joins and returns the Outcome. `extra` elements travel in the presence."""
        since = self.ask_to_join(room, nick, password, extra)
        return await self.outcome(room, since, seconds)

    async def outcome(self, room, since, seconds=10):
        """The first answer to a join of `room` from `seen[since]` on."""
        began = time.monotonic()
        try:
            answer = await self.wait_for(lambda seen: judge(seen, room) is not None, seconds, since)
        except Failed:
            return Outcome("silence", seconds=time.monotonic() - began)
        elapsed = max(0.0, answer.at - began)
        return dataclasses.replace(judge(answer, room), seconds=elapsed)

    async def disconnect(self, seconds=5):
        """Ends the stream in good order."""
        if self.is_connected:
            await asyncio.wait_for(self.client.disconnect(wait=seconds), seconds + 1)

    def abort(self):
        """Drops the TCP connection without a word."""
        self.client.cancel_connection_attempt()
        self.client.abort()


class Crowd:
    """People of one server, all of whom are gone when the block ends."""

    def __init__(self, server):
        self.server = server
        self.people = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for person in self.people:
            person.abort()
        # One turn of the loop in which the transports close.
        await asyncio.sleep(0)

    async def connect(self, jid, **options):
        """As `Person.connect`."""
        person = await Person.connect(self.server, jid, **options)
        self.people.append(person)
        return person

    async def connect_many(self, jids, at_once=20, **options):
        """Connects many, a few at a time; returns them in the order given."""
        turn = asyncio.Semaphore(at_once)

        async def one(jid):
            async with turn:
                return await self.connect(jid, **options)

        return await asyncio.gather(*(one(jid) for jid in jids))
