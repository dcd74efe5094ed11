"""A component that greets as the one of f080bc5 did, from the stanza that it sent, and takes every question."""

import asyncio
import hashlib
import re

from .process import HOST, ROOT

GREETING = (ROOT / "tests/golden/f080bc5/from-component.xml").read_text().splitlines()[0]


class OlderComponent:
    """Links to a `Prosody`; `asked` holds the questions that reach it."""

    def __init__(self, server, domain="vestibule.localhost"):
        self.server, self.domain = server, domain
        self.asked = []

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(HOST, self.server.component_port)
        self.writer.write(
            f"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{self.domain}'>".encode()
        )
        header = (await self.reader.readuntil(b">")) + (await self.reader.readuntil(b">"))
        stream = re.search(rb"\bid=['\"]([^'\"]+)", header)[1]
        digest = hashlib.sha1(stream + self.server.secret.encode()).hexdigest()  # noqa: S324
        self.writer.write(f"<handshake>{digest}</handshake>".encode())
        self.task = asyncio.ensure_future(self._serve())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        self.writer.close()

    async def _serve(self):
        read = b""
        while data := await self.reader.read(65536):
            read += data
            while found := re.search(rb"<iq\b.*?</iq>", read, re.DOTALL):
                stanza, read = found[0], read[found.end() :]
                if b"<hello" in stanza:
                    identity = re.search(rb"<iq\b[^>]*?\bid=['\"]([^'\"]+)", stanza)[1].decode()
                    self.writer.write(re.sub(r"id='[^']*'", f"id='{identity}'", GREETING, count=1).encode())
                else:
                    self.asked.append(stanza)
