"""Floods a Prosody with joins that lead nowhere: `flood.py KIND JSON`, ends when its input does.

Prints a line when it is connected, and sends its burst when it reads one. Kinds: `sender`, one session that asks for
one room after the other; `guests`, a hundred sessions that guess passwords of rooms that others use; `network`, a
hundred browsers whose addresses are of one network; `stream`, as many people of a domain whose server says what it
likes, over one stream between servers.
"""

import asyncio
import contextlib
import hashlib
import json
import re
import sys

from lab.websocket import WebPerson

HOST = "127.0.0.1"
SERVICE = "conference.localhost"
STREAM = "<stream:stream xmlns='{}' xmlns:stream='http://etherx.jabber.org/streams' to='{}' version='1.0'>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>"
BIND = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
X = "<x xmlns='http://jabber.org/protocol/muc'><password>wrong</password></x>"
GUESTS = 100


async def connected(port):
    reader, writer = await asyncio.open_connection(HOST, port)

    async def say(text, answer):
        writer.write(text.encode())
        return await reader.readuntil(answer)

    return reader, writer, say


async def guest(port):
    """A session of nobody."""
    reader, writer, say = await connected(port)
    opening = STREAM.format("jabber:client", "guest.localhost")
    await say(opening, b"</stream:features>")
    await say(AUTH, b"<success")
    await say(opening, b"</stream:features>")
    await say(BIND, b"</iq>")
    return reader, writer


async def component(port, domain, secret):
    """The component of another server (XEP-0114)."""
    reader, writer, say = await connected(port)
    await say(STREAM.format("jabber:component:accept", domain), b"<stream:stream")
    identity = re.search(rb"\bid=['\"]([^'\"]*)", await reader.readuntil(b">")).group(1).decode()
    proof = hashlib.sha1((identity + secret).encode()).hexdigest()
    await say(f"<handshake>{proof}</handshake>", b">")
    return reader, writer


async def discard(reader):
    while await reader.read(65536):
        pass


class Sender:
    """A connection whose answers nobody reads."""

    def __init__(self, reader, writer):
        self.writer = writer
        self.task = asyncio.ensure_future(discard(reader))

    def send_raw(self, text):
        self.writer.write(text.encode())


async def connections(kind, given):
    """What the flood is sent over."""
    port = given["port"]
    if kind == "stream":
        return [Sender(*await component(port, given["domain"], given["secret"]))]
    if kind == "network":
        browsers = [WebPerson(None) for _ in range(GUESTS)]
        for number, browser in enumerate(browsers, 1):
            await browser.open(port, f"198.51.100.{number}")
        return browsers
    return [Sender(*await guest(port)) for _ in range(GUESTS if kind == "guests" else 1)]


def joins(kind, given):
    """The burst: the stanzas of each connection."""
    rooms, count = given["rooms"], given["count"]
    if kind == "sender":
        return [[f"<presence to='flood{n}@{SERVICE}/M'>{X}</presence>" for n in range(count)]]
    if kind == "stream":
        sender = "s{}@" + given["domain"] + "/x"
        return [[f"<presence from='{sender.format(n)}' to='flood{n}@{SERVICE}/M'>{X}</presence>" for n in range(count)]]
    namespace = " xmlns='jabber:client'" if kind == "network" else ""
    return [
        [f"<presence{namespace} to='{rooms[(n + g) % len(rooms)]}/g{g}-{n}'>{X}</presence>" for n in range(count // GUESTS)]
        for g in range(GUESTS)
    ]


async def main(kind, given):
    people = await connections(kind, given)
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for person, stanzas in zip(people, joins(kind, given), strict=True):
        for stanza in stanzas:
            person.send_raw(stanza)
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
