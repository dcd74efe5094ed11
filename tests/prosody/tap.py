"""Every byte between Prosody and somebody, as it was sent, and what in it is random by nature."""

import contextlib
import re

from lab.relay import Relay


class Tap(Relay):
    """Passes TCP connections on to `target` and keeps what passes: `streams` holds, for each
    connection in the order they were made, what was sent to Prosody and what came from it."""

    def __init__(self, target):
        super().__init__(target)
        self.streams = []

    def passed(self, reader, writer, there):
        sent, came = bytearray(), bytearray()
        self.streams.append((sent, came))
        return self._pass_on(reader, there[1], sent), self._pass_on(there[0], writer, came)

    async def _pass_on(self, source, sink, kept):
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                kept += data
                sink.write(data)
                await sink.drain()
        sink.close()


# What is random by nature, and nothing else: each such value is replaced by its kind.
RANDOM = {
    # The id of a stream, and of a client's own requests while it connects.
    "stream": rb"<stream:stream\b[^>]*?\sid='([^']+)'",
    "request": rb"\sid=['\"]([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})['\"]",
    # The address of somebody who is anonymous.
    "guest": rb"([^\s'\"<>/@]+)@guest\.localhost",
    "resource": rb"@guest\.localhost/([^\s'\"<>]+)",
    # The id of an invitation.
    "message": rb"<message\b[^>]*?from='[^'/]+' id='([A-Za-z0-9_-]{12})'",
    # XEP-0421: salted with what Prosody makes up when it starts.
    "occupant": rb"<occupant-id\b[^>]*?\sid='([^']+)'",
    # The time of day.
    "time": rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)",
    # Between gate and component: names of IQs, attempts, rooms' lives, decisions.
    "iq": rb"<iq\b[^>]*?\sid=['\"]([^'\"]+)['\"][^>]*><(?:ask|answer|do|done)\b",
    "attempt": rb"\sattempt=['\"]([^'\"]+)['\"]",
    "generation": rb"\sgeneration=['\"]([^'\"]+)['\"]",
    "decision": rb"\sdecision=['\"]([^'\"]+)['\"]",
}
TAG = re.compile(rb"<([^\s<>/?!]+)((?:\s+[^\s=<>]+=(?:'[^']*'|\"[^\"]*\"))+)\s*(/?)>")
ATTRIBUTE = re.compile(rb"[^\s=]+=(?:'[^']*'|\"[^\"]*\")")
# What Prosody writes in the order of Lua's tables, which are salted, too: the values of a field,
# the fields of a form, what a room can do, who is inside, for whoever comes in, and what hooks
# add to an invitation.
LISTS = [
    re.compile(entry, re.DOTALL)
    for entry in (
        rb"<value>[^<]*</value>|<value/>",
        rb"<field\b[^>]*/>|<field\b[^>]*[^/]>.*?</field>",
        rb"<(?:feature|identity)\b[^>]*/>",
        rb"<presence\b[^>]*[^/]>.*?</presence>",
        rb"<body>[^<]*</body>|<x\b[^>]*'jabber:x:conference'[^>]*>[^<]*</x>",
    )
]


def normal(data):
    """The bytes without what is random by nature: a line for each tag, attributes and what stands
    in one of those lists in the order of the alphabet."""
    data = TAG.sub(_attributes_in_order, bytes(data))
    for kind, pattern in RANDOM.items():
        for value in sorted(set(re.findall(pattern, data)), key=len, reverse=True):
            data = data.replace(value, kind.encode())
    for entry in LISTS:
        several = re.compile(rb"(?:%s){2,}" % entry.pattern, re.DOTALL)
        data = several.sub(lambda found, entry=entry: b"".join(sorted(entry.findall(found[0]))), data)
    return data.replace(b"<", b"\n<").decode(errors="replace").splitlines()


def _attributes_in_order(tag):
    name, attributes, end = tag.groups()
    return b"<%s %s%s>" % (name, b" ".join(sorted(ATTRIBUTE.findall(attributes))), end)
