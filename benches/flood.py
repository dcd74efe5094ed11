"""Floods a Prosody with joins that lead nowhere: `flood.py KIND JSON`, ends when its input does.

Prints a line when it is connected, and sends its burst when it reads one. Kinds: `sender`, one session that asks for
one room after the other; `guests`, a hundred sessions that guess passwords of rooms that others use; `stream`, as many
people of a domain whose server says what it likes, over one stream between servers.
"""

import asyncio
import contextlib
import hashlib
import json
import re
import sys

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


def joins(kind, given):
    """The burst: what each connection sends."""
    rooms, count = given["rooms"], given["count"]
    if kind == "sender":
        return ["".join(f"<presence to='flood{n}@{SERVICE}/M'>{X}</presence>" for n in range(count))]
    if kind == "guests":
        each = count // GUESTS
        return [
            "".join(f"<presence to='{rooms[(n + g) % len(rooms)]}/g{g}-{n}'>{X}</presence>" for n in range(each))
            for g in range(GUESTS)
        ]
    return [
        "".join(
            f"<presence from='s{n}@{given['domain']}/x' to='flood{n}@{SERVICE}/M'>{X}</presence>"
            for n in range(count)
        )
    ]


async def main(kind, given):
    if kind == "stream":
        people = [await component(given["port"], given["domain"], given["secret"])]
    else:
        people = [await guest(given["port"]) for _ in range(GUESTS if kind == "guests" else 1)]
    readers = [asyncio.ensure_future(discard(reader)) for reader, _ in people]
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for (_, writer), text in zip(people, joins(kind, given), strict=True):
        writer.write(text.encode())
    await asyncio.to_thread(sys.stdin.readline)
    for task in readers:
        task.cancel()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
