"""A real jicofo, found by JICOFO_HOME: never part of this project."""

import asyncio
import contextlib
import http.client
import json
import os
import tempfile
import time
from pathlib import Path

import pytest

from .people import Person
from .process import HOST, Failed, Process, free_port
from .server import PASSWORD
from .stanza import MUC_ADMIN, MUC_OWNER
from .wire import Wire

VARIABLE = "JICOFO_HOME"
PATIENCE = REPLY_TIMEOUT = 15.0
FOCUS = "http://jitsi.org/protocol/focus"
NICK = "focus"
CHECKS = "__jicofo-health-check-"

# In the order of the installation's own script, which adds them to the command.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData"
MEMORY = "192m"

# What packages of Debian's and docker-jitsi-meet's image write, with the laboratory's addresses.
CONFIGURATION = """\
jicofo {{
  xmpp {{
    client {{
      enabled = true
      hostname = "{host}"
      port = {port}
      domain = "auth.{domain}"
      xmpp-domain = "{domain}"
      username = "focus"
      password = "{password}"
      client-proxy = "focus.{domain}"
      conference-muc-jid = "{service}"
      use-tls = false
      reply-timeout = {reply_timeout} milliseconds
    }}
    trusted-domains = [ "recorder.{domain}" ]
  }}
  authentication {{ enabled = {authentication}, type = XMPP, login-url = "{domain}" }}
  bridge.brewery-jid = "jvbbrewery@internal.auth.{domain}"
  jibri.brewery-jid = "jibribrewery@internal.auth.{domain}"
  conference {{ enable-auto-owner = {auto_owner}, initial-timeout = {patience} milliseconds }}
  health {{ enabled = true, interval = 1 second }}
  rest {{ host = "{host}", port = {http_port} }}
}}
"""

VISITORS = """
jicofo.visitors.enabled = true
jicofo.xmpp.visitors.v1 {{
  hostname = "{host}"
  port = {port}
  domain = "auth.meet.jitsi"
  xmpp-domain = "{domain}"
  conference-service = "{service}"
  password = "{password}"
  disable-certificate-verification = true
}}
"""


def home():
    """The installation that JICOFO_HOME names, or None if it is not set; UsageError if there is none."""
    given = os.environ.get(VARIABLE)
    if not given:
        return None
    folder = Path(given).resolve()
    if not (folder / "jicofo.sh").exists() or not (folder / "lib").is_dir():
        raise pytest.UsageError(f"{VARIABLE}={given}: no jicofo.sh and lib in it")
    return folder


def described():
    """One line on which focus the Jitsi tests run with."""
    return f"jicofo in {home()}" if home() else f"the stand-in ({VARIABLE} is not set)"


needs_jicofo = pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"needs jicofo: {VARIABLE} is not set")


def stand_in_only(reason):
    """Marks a test of what the stand-in can do and jicofo cannot, by its reason."""
    return pytest.mark.skipif(bool(os.environ.get(VARIABLE)), reason=f"needs the stand-in for the focus: {reason}")


class Jicofo(Process):
    """jicofo against a `Meet`, with the options of `Focus.connect`. What goes over its connection is in `wire`."""

    def __init__(self, server, options):
        self.server = server
        self.options = options
        self.home = Path(tempfile.mkdtemp(prefix="lab-jicofo-"))
        self.http_port = free_port()
        self.wire = Wire(server.c2s_port)
        super().__init__(self.home / "output")

    async def start(self, seconds=60):
        """Starts it; returns when it has logged in and knows the server's components."""
        text = CONFIGURATION.format(
            host=HOST,
            port=self.wire.port,
            http_port=self.http_port,
            domain=self.server.host,
            service=self.server.service,
            password=PASSWORD,
            authentication=str(self.options["authentication"]).lower(),
            auto_owner=str(self.options["auto_owner"]).lower(),
            patience=round(self.options["patience"] * 1000),
            reply_timeout=round(self.options["reply_timeout"] * 1000),
        )
        if node := self.server.node:
            text += VISITORS.format(host=HOST, port=node.c2s_port, domain=node.host, service=node.service, password=PASSWORD)
        config = self.home / "jicofo.conf"
        config.write_text(text)
        env = {"JICOFO_MAX_MEMORY": MEMORY, "JAVA_SYS_PROPS": f"-Dconfig.file={config} {JAVA}"}
        self.spawn(["bash", home() / "jicofo.sh"], env)
        deadline = time.monotonic() + seconds
        while not (self.said("Discovered components: [") and self.said("Responding at ")):
            if not self.is_running or time.monotonic() > deadline:
                raise Failed(f"jicofo does not start\n{self.tail()}")
            await asyncio.sleep(0.05)

    async def available(self, seconds=60):
        """Returns when it is logged in, or is again after the server was gone."""
        deadline = time.monotonic() + seconds
        while not self.wire.is_on:
            if time.monotonic() > deadline:
                raise Failed(f"jicofo does not log in again\n{self.tail()}")
            await asyncio.sleep(0.05)

    def said(self, words):
        return words in self.output.read_text(errors="replace")

    def request(self, method, path, body=None, seconds=20):
        """(status, text) of its HTTP API."""
        connection = http.client.HTTPConnection(HOST, self.http_port, timeout=seconds)
        with contextlib.closing(connection):
            connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()

    async def end(self):
        """Ends it in good order, as a restart of the service does."""
        await asyncio.to_thread(self.shutdown)
        self.server.close_jicofo()

    def close(self):
        self.wire.close()
        super().close()


class JicofoFocus:
    """One test's view of the server's jicofo, with what tests use of `Focus`, read off the wire. What a test has the
    focus's account do by itself goes over another session of that account, `hand`."""

    is_stand_in = False

    def __init__(self, server, jicofo, since):
        self.server = server
        self.jicofo = jicofo
        self.since = since
        self.known = {room for _, stanza in jicofo.wire.log[:since] if "@" in (room := _room(stanza))}
        self.tasks = ()

    @classmethod
    async def connect(
        cls, server, *, patience=PATIENCE, reply_timeout=REPLY_TIMEOUT, auto_owner=True, authentication=False, seconds=60
    ):
        """As `Focus.connect`; one jicofo serves all tests that want the same of it."""
        options = {
            "patience": patience,
            "reply_timeout": reply_timeout,
            "auto_owner": auto_owner,
            "authentication": authentication,
        }
        jicofo = server.jicofo
        if jicofo is None or jicofo.options != options or not jicofo.is_running:
            server.close_jicofo()
            server.jicofo = jicofo = Jicofo(server, options)
            await jicofo.start(seconds)
            focus = cls(server, jicofo, 0)
        else:
            await jicofo.available(seconds)
            focus = cls(server, jicofo, len(jicofo.wire.log))
        focus.hand = await Person.connect(server, f"{server.focus}/hand", present=False)
        return focus

    def __getattr__(self, name):
        return getattr(self.hand, name)

    async def release(self):
        """The test is over: jicofo goes on for the next."""
        self.hand.abort()

    async def close(self):
        """Ends jicofo in good order, as a restart of the service does."""
        self.hand.abort()
        await self.jicofo.end()

    # What it said and heard

    @property
    def log(self):
        """The wire's log since the test began, without rooms of other tests."""
        log = self.jicofo.wire.log[self.since:]
        return [entry for entry in log if _room(entry[1]) not in self.known]

    @property
    def seen(self):
        return [stanza for is_incoming, stanza in self.log if is_incoming]

    @property
    def sent(self):
        return [stanza for is_incoming, stanza in self.log if not is_incoming]

    def mark(self):
        return len(self.seen)

    @property
    def requests(self):
        return [each for each in self.seen if _is_request(each)]

    @property
    def elected(self):
        return self._read().elected

    @property
    def errors(self):
        return self._read().errors

    @property
    def ended(self):
        return self._read().ended

    @property
    def conferences(self):
        return self._read().inside

    def _read(self):
        return _Story(self.log)

    # What tests wait for, and have done

    def before_opening(self, act):
        """As `Focus.before_opening`."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def meanwhile():
            act()
            loop.call_soon_threadsafe(done.set_result, None)

        self.jicofo.wire.before_passing(_is_request, meanwhile)
        return done

    async def ping(self, seconds=10):
        """Returns when jicofo has had nothing to hear or say for a moment."""
        deadline = time.monotonic() + seconds
        size, quiet = len(self.jicofo.wire.log), 0
        while quiet < 15 and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
            now = len(self.jicofo.wire.log)
            size, quiet = now, quiet + 1 if now == size else 0

    async def left(self, room, seconds=5):
        """As `Focus.left`."""
        deadline = time.monotonic() + seconds
        while not (reasons := [reason for each, reason in self.ended if each == room]):
            if time.monotonic() > deadline:
                raise Failed(f"the focus is still in {room}: {self.errors}\n{self.jicofo.tail()}")
            await asyncio.sleep(0.02)
        await self.ping()
        return reasons[-1]

    async def create_health_check_room(self):
        """As `Focus.create_health_check_room`."""
        room = f"{CHECKS}{time.monotonic_ns()}@{self.server.service}"
        await self.open_unasked(room)
        return room

    async def open_unasked(self, room):
        """Has it enter `room` by its HTTP API, as Jitsi's web server may; Failed if it cannot."""
        body = {"room": room, "properties": {}}
        status, text = await asyncio.to_thread(self.jicofo.request, "POST", "/conference-request/v1", body)
        if status != 200:
            raise Failed(f"the focus cannot join {room}: {status} {text} {self.errors}")


def _is_request(stanza):
    return stanza.name == "iq" and stanza.type == "set" and stanza.find(FOCUS, "conference") is not None


def _room(stanza):
    """The bare address of whom jicofo speaks with."""
    is_own = stanza.sender.partition("/")[0].startswith("focus@")
    return (stanza.to if is_own or not stanza.sender else stanza.sender).partition("/")[0]


class _Story:
    """What the stanzas of `log` say of jicofo's rooms."""

    def __init__(self, log):
        self.elected, self.errors, self.ended = [], [], []
        self.inside, self.asked, self.members = {}, {}, {}
        for is_incoming, stanza in log:
            getattr(self, f"_{'heard' if is_incoming else 'said'}_{stanza.name}")(stanza)

    def _said_message(self, stanza):
        pass

    _heard_message = _heard_resumed = _said_message

    def _said_presence(self, stanza):
        room, _, nick = stanza.to.partition("/")
        if nick != NICK or "@internal." in room:
            return
        if not stanza.type and room not in self.inside:
            self.inside[room] = "joining"
            self.members[room] = {}
        elif stanza.type == "unavailable" and room in self.inside:
            self._out(room, self._why(room))

    def _why(self, room):
        if self.inside[room] == "failed":
            return "failed"
        return "the last one left" if self.members[room] is None else "nobody came"

    def _out(self, room, reason):
        del self.inside[room]
        self.ended.append((room, reason))

    def _heard_presence(self, stanza):
        room = stanza.room
        if room not in self.inside:
            return
        if stanza.nick == NICK:
            if stanza.type == "error" or stanza.destroyed is not None and self.inside[room] == "joining":
                self.inside[room] = "failed"
                self.errors.append(f"the focus cannot join {room}: {stanza!r}")
            elif stanza.type == "unavailable":
                self._out(room, "destroyed" if stanza.destroyed is not None else "removed")
            else:
                self.inside[room] = "joined"
        elif not stanza.type and stanza.item:
            self.members[room] = {**(self.members[room] or {}), stanza.nick: stanza.item}
        elif stanza.type == "unavailable" and self.members[room]:
            item = self.members[room].pop(stanza.nick, None)
            if 303 in stanza.statuses:
                self.members[room][stanza.item["nick"]] = item
            self.members[room] = self.members[room] or None

    def _said_iq(self, stanza):
        room = stanza.to
        item = stanza.find(MUC_ADMIN, "item")
        if item is not None and item.get("affiliation") == "owner":
            bare = item.get("jid")
            nick, jid = next(
                ((nick, each["jid"]) for nick, each in (self.members.get(room) or {}).items()
                 if each.get("jid", "").partition("/")[0] == bare),
                ("", bare),
            )
            self.elected.append((room, nick, jid))
            self.asked[stanza.id] = f"{bare} is not made owner of {room}"
        elif stanza.find(MUC_OWNER, "query") is not None:
            self.asked[stanza.id] = f"{room} does not take its form"

    def _heard_iq(self, stanza):
        if stanza.type == "error" and stanza.id in self.asked:
            self.errors.append(f"{self.asked[stanza.id]}: {stanza!r}")
