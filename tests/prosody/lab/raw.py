"""A client that does no more than its test says: it logs in under whatever name, answers nothing, and costs little.

slixmpp prepares names before the server does, and answers requests by itself.
"""

import asyncio
import base64
import re
from xml.etree import ElementTree

from slixmpp.xmlstream import tostring

from .people import Person
from .process import HOST, Failed
from .server import PASSWORD
from .stanza import CLIENT


class Raw(Person):
    """Somebody with an account, which is made, or a guest."""

    def __init__(self, server, reader, writer):
        self.server = server
        self.seen = []
        self._waiters = []
        self._counter = 0
        self._reader = reader
        self._writer = writer
        self._jid = None
        self._task = None

    @classmethod
    async def log_in(cls, server, node, host=None, resource="lab"):
        """Logs in as `node` at `host` (the server's own without one) by SASL PLAIN, or without a node by ANONYMOUS, and binds
        the resource."""
        host = host or server.host
        if node:
            server.add_account(node, host=host)
        person = cls(server, *await asyncio.open_connection(HOST, server.c2s_port))
        await asyncio.wait_for(person._log_in(node, host, resource), 10)
        return person

    jid = property(lambda self: self._jid)
    bare = property(lambda self: self._jid.partition("/")[0])
    is_connected = property(lambda self: not self._writer.is_closing())

    def send(self, xml):
        self.send_raw(tostring(xml, xmlns=CLIENT))

    def send_raw(self, text):
        self._writer.write(text.encode())

    def close(self):
        if self._task:
            self._task.cancel()
        self._writer.close()
        for _, future in self._waiters:
            if not future.done():
                future.set_exception(Failed(f"{self._jid} has closed the connection"))

    abort = close

    async def _log_in(self, node, host, resource):
        header = (
            f"<stream:stream xmlns='{CLIENT}' xmlns:stream='http://etherx.jabber.org/streams'"
            f" to='{host}' version='1.0'>"
        )
        self.send_raw(header)
        await self._until(b"</stream:features>")
        proof = base64.b64encode(f"\0{node}\0{PASSWORD}".encode()).decode() if node else ""
        mechanism = "PLAIN" if node else "ANONYMOUS"
        self.send_raw(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{proof}</auth>")
        told = await self._until(b">")
        if "<success" not in told:
            raise Failed(f"{node} cannot log in at {host}: {told}")
        self.send_raw(header)
        await self._until(b"</stream:features>")
        self.send_raw(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            f"<resource>{resource}</resource></bind></iq>"
        )
        self._jid = re.search("<jid>(.*)</jid>", await self._until(b"</iq>")).group(1)
        self._task = asyncio.ensure_future(self._read())

    async def _until(self, end):
        return (await self._reader.readuntil(end)).decode()

    async def _read(self):
        parser, depth, root = ElementTree.XMLPullParser(["start", "end"]), 0, None
        parser.feed(f"<stream xmlns='{CLIENT}' xmlns:stream='http://etherx.jabber.org/streams'>")
        while data := await self._reader.read(65536):
            parser.feed(data.decode("utf-8", "surrogateescape"))
            for event, xml in parser.read_events():
                depth += 1 if event == "start" else -1
                root = xml if event == "start" and depth == 1 else root
                if event == "end" and depth == 1:
                    self.saw(xml)
                    root.remove(xml)
