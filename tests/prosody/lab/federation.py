"""Two Prosodys that federate over loopback, and a domain of the second that says what it likes.

Both find one another by `lab_ports` (modules/mod_lab_names.lua), encrypt, and prove themselves
by dialback, as servers do whose certificates nobody has signed.
"""

import asyncio
import hashlib
import re
from pathlib import Path
from xml.etree import ElementTree

from slixmpp.xmlstream import tostring

from . import settings
from .door import SERVICE, Door
from .people import Crowd, Person
from .process import HOST, Failed, free_port
from .server import Prosody
from .settings import assignments
from .stanza import CLIENT, element

FAR = "far.example"
UNICODE, ASCII = "bücher.example", "xn--bcher-kva.example"
STRANGERS = "people.far.example"
NEAR_HOSTS = ("localhost", "guest.localhost", "conference.localhost", "vestibule.localhost")
FAR_HOSTS = (FAR, UNICODE, ASCII, STRANGERS)
MODULES = Path(__file__).parents[1] / "modules"


def _links(port, others, options):
    """`options`, of a server that listens for others on `port`; `others` are hosts and ports."""
    disabled = options.get("modules_disabled", settings.FORBIDDEN_MODULES)
    return {
        **options,
        "modules_disabled": [name for name in disabled if name != "s2s"],
        "s2s_ports": [port],
        "s2s_interfaces": [HOST],
        "s2s_secure_auth": False,
        "lab_ports": others,
    }


class Far(Prosody):
    """The other server: accounts at far.example and, by an internationalised domain, at
    bücher.example and xn--bcher-kva.example; `people.far.example` is an external component."""

    def __init__(self, version, **options):
        super().__init__(version, gate=False, **options)
        self.host = FAR

    def configuration(self):
        options = {**settings.common(self), "plugin_paths": self.plugin_paths, **self.options}
        text = assignments(options) + "\n"
        for host in (FAR, UNICODE, ASCII):
            text += f"\nVirtualHost {settings.lua(host)}\n"
        text += f"\nComponent {settings.lua(STRANGERS)}\n"
        return text + assignments({"component_secret": self.secret}, "\t")


class FederatedDoor(Door):
    """A `Door` whose server federates with the server `far`; options as in `Door`."""

    def __init__(self, version, policy=SERVICE, *, modules=(), options=None, **rest):
        ports = free_port(), free_port()
        links = {"modules": ["s2s", "dialback", "lab_names"], "plugin_paths": [MODULES]}
        near = _links(ports[0], dict.fromkeys(FAR_HOSTS, ports[1]), options or {})
        far = _links(ports[1], dict.fromkeys(NEAR_HOSTS, ports[0]), {})
        self.far = Far(version, options=far, **links)
        links["modules"] += modules
        super().__init__(version, policy, options=near, **links, **rest)
        for server in (self.server, self.far):
            server.options["ssl"] = server.make_certificate()

    def start(self):
        self.far.start()
        return super().start()

    def close(self):
        super().close()
        self.far.close()

    def abroad(self):
        """The people of one test who are at the other server."""
        return Abroad(self)


class Abroad(Crowd):
    """A Crowd of the far server, with its strangers."""

    def __init__(self, door):
        super().__init__(door.far)
        self.link = None

    async def __aexit__(self, *details):
        await super().__aexit__(*details)
        if self.link:
            self.link.close()

    async def connect(self, jid, **options):
        node, _, domain = jid.partition("/")[0].rpartition("@")
        self.server.add_account(node, host=domain)
        return await super().connect(jid, present=False, **options)

    async def strangers(self, *nodes):
        """Somebody at people.far.example by each of these names, as the far server writes
        them: no server prepares what a component says."""
        self.link = self.link or await Link.open(self.server)
        return [Stranger(self.server, self.link, node) for node in nodes]


class Stranger(Person):
    """Somebody of a domain whose server says what it likes."""

    def __init__(self, server, link, node):
        self.server = server
        self.seen = []
        self._waiters = []
        self._counter = 0
        self._link = link
        self._jid = f"{node}@{STRANGERS}/lab"
        link.people[self._jid] = self

    jid = property(lambda self: self._jid)
    bare = property(lambda self: self._jid.partition("/")[0])
    is_connected = property(lambda self: self._link.is_open)

    def send(self, xml):
        xml.set("from", self.jid)
        self.send_raw(tostring(xml, xmlns=CLIENT))

    def send_raw(self, text):
        self._link.write(text)

    async def disconnect(self, seconds=5):
        """The far server says that this session is gone, to whom it does not."""
        self.abort()

    def abort(self):
        self._link.people.pop(self.jid, None)


class Link:
    """A component of the far server (XEP-0114), for all strangers."""

    def __init__(self, reader, writer):
        self.people = {}
        self._reader = reader
        self._writer = writer
        self._parser = ElementTree.XMLPullParser(["start", "end"])
        self._parser.feed(f"<stream xmlns='{CLIENT}' xmlns:stream='http://etherx.jabber.org/streams'>")
        self._task = None

    @classmethod
    async def open(cls, server, domain=STRANGERS, secret=None):
        """Connects and proves itself."""
        link = cls(*await asyncio.open_connection(HOST, server.component_port))
        link.write(
            "<stream:stream xmlns='jabber:component:accept'"
            f" xmlns:stream='http://etherx.jabber.org/streams' to='{domain}'>"
        )
        header = (await link._reader.readuntil(b"<stream:stream")).decode()
        header = (await link._reader.readuntil(b">")).decode()
        identity = re.search(r"""\bid=['"]([^'"]*)""", header).group(1)
        proof = hashlib.sha1((identity + (secret or server.secret)).encode()).hexdigest()
        link.write(f"<handshake>{proof}</handshake>")
        if b"handshake" not in await link._reader.readuntil(b">"):
            raise Failed(f"the server does not take {domain}")
        link._task = asyncio.ensure_future(link._read())
        return link

    @property
    def is_open(self):
        return not self._writer.is_closing()

    def write(self, text):
        self._writer.write(text.encode())

    def close(self):
        if self._task:
            self._task.cancel()
        self._writer.close()

    async def _read(self):
        depth, root = 0, None
        while data := await self._reader.read(65536):
            self._parser.feed(data.decode("utf-8", "surrogateescape"))
            for event, xml in self._parser.read_events():
                depth += 1 if event == "start" else -1
                root = xml if event == "start" and depth == 1 else root
                if event == "end" and depth == 1:
                    person = self.people.get(xml.get("to"))
                    if person:
                        person.saw(xml)
                    root.remove(xml)


async def cut(person):
    """Ends every stream between the servers, at the side of `person`."""
    reply = await person.iq(person.server.host, "set", element("urn:lab", "cut"))
    if reply.error:
        raise Failed(f"the streams go on: {reply!r}")
