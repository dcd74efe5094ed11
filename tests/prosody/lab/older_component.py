"""A component of another release: it greets as one of this protocol and no level, or refuses as f080bc5 does, and takes every question."""

import asyncio
import hashlib
import re

from .process import HOST, ROOT

# As f080bc5 sent it, in the words of now: it says no level.
GREETING = re.sub(
    r"gate:1' version='1'",
    "gate:2' version='2'",
    (ROOT / "tests/golden/f080bc5/from-component.xml").read_text().splitlines()[0],
)
# What f080bc5 answers to a greeting of another version.
REFUSAL = (
    "<iq id='1' type='error' from='vestibule.localhost' to='conference.localhost'><error type='cancel'>"
    "<feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>"
    "the gate speaks version 2 of the gate protocol, this component version 1</text></error></iq>"
)


class OlderComponent:
    """Links to a `Prosody`; `asked` holds the questions that reach it."""

    def __init__(self, server, greeting, domain="vestibule.localhost"):
        self.server, self.greeting, self.domain = server, greeting, domain
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
                    self.writer.write(re.sub(r"id='[^']*'", f"id='{identity}'", self.greeting, count=1).encode())
                else:
                    self.asked.append(stanza)
