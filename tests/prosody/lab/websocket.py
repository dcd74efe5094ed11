"""Guests over WebSocket (RFC 7395), as browsers come, with the address that a proxy says."""

import asyncio
import base64
import os
import struct
from urllib.parse import urlencode
from xml.etree import ElementTree

from slixmpp.xmlstream import tostring

from .people import Crowd, Person
from .process import HOST, Failed, free_port
from .settings import FORBIDDEN_MODULES
from .stanza import CLIENT

GUESTS = "guest.localhost"
OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{}' version='1.0'/>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>"
BIND = f"<iq xmlns='{CLIENT}' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
JID = "{urn:ietf:params:xml:ns:xmpp-bind}jid"
FINAL_TEXT, MASKED = 0x81, 0x80


def web(**options):
    """Options of a `Prosody` that serves WebSocket, and the port."""
    port = free_port()
    served = {
        "modules_disabled": [name for name in FORBIDDEN_MODULES if name not in ("http", "websocket")],
        "http_ports": [port],
        "http_interfaces": [HOST],
        "https_ports": [],
        "http_default_host": GUESTS,
    }
    return {"modules": ["websocket"], "options": {**served, **options}}, port


class WebCrowd(Crowd):
    """Guests over the WebSocket of `port`."""

    def __init__(self, server, port):
        super().__init__(server)
        self.port = port

    async def connect(self, address=None, **_):
        """A guest; `address` is what the proxy names, which by default names nobody."""
        person = WebPerson(self.server)
        await person.open(self.port, address)
        self.people.append(person)
        return person


class WebPerson(Person):
    """One browser tab, without the browser."""

    def __init__(self, server):
        self.server = server
        self.seen = []
        self._waiters = []
        self._counter = 0
        self._jid = None
        self._writer = None
        self._task = None

    jid = property(lambda self: self._jid)
    bare = property(lambda self: self._jid.partition("/")[0])
    is_connected = property(lambda self: self._writer is not None and not self._writer.is_closing())

    async def open(self, port, address=None, host=GUESTS, **query):
        """Connects, logs in to `host` as nobody, or by what the `query` of the address says, and binds.

        Raises `Failed` where the server refuses it.
        """
        reader, self._writer = await asyncio.open_connection(HOST, port)
        named = f"X-Forwarded-For: {address}\r\n" if address else ""
        path = f"/xmpp-websocket?{urlencode(query)}" if query else "/xmpp-websocket"
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n{named}\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise Failed(f"no WebSocket: {head!r}")
        opening = OPEN.format(host)
        for text, wanted in ((opening, "features"), (AUTH, "success"), (opening, "features"), (BIND, "iq")):
            self.send_raw(text)
            while (xml := await self._read(reader)) is None or not xml.tag.endswith(f"}}{wanted}"):
                if xml is not None and xml.tag.endswith("}failure"):
                    raise Failed(f"refused: {tostring(xml)}")
        self._jid = next(xml.iter(JID)).text
        self._task = asyncio.ensure_future(self._listen(reader))

    async def _listen(self, reader):
        while (xml := await self._read(reader)) is not None:
            if xml.tag.startswith(f"{{{CLIENT}}}"):
                self.saw(xml)

    async def _read(self, reader):
        """The element of one frame; None when the stream ends."""
        kind, length = await reader.readexactly(2)
        if length >= 126:
            wide = length == 127
            (length,) = struct.unpack("!Q" if wide else "!H", await reader.readexactly(8 if wide else 2))
        data = await reader.readexactly(length)
        return ElementTree.fromstring(data) if kind == FINAL_TEXT else None

    def send(self, xml):
        self.send_raw(tostring(xml))

    def send_raw(self, text):
        """Sends one stanza."""
        data = text.encode()
        head = bytes([FINAL_TEXT])
        if len(data) < 126:
            head += bytes([MASKED | len(data)])
        else:
            head += bytes([MASKED | 126]) + struct.pack("!H", len(data))
        self._writer.write(head + bytes(4) + data)  # masked by zeros

    async def disconnect(self, seconds=5):
        self.abort()

    def abort(self):
        if self._task:
            self._task.cancel()
        if self._writer:
            self._writer.transport.abort()
