"""A thousand rooms over the API."""

import asyncio
import os
import time
from contextlib import closing
from pathlib import Path

from lab import SERVICE, Crowd
from lab.http import Api

POLICY = SERVICE


def spent(component):
    """Seconds of processor time that it has used."""
    fields = Path(f"/proc/{component.child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_thousand_rooms_are_listed_streamed_and_ended_at_once(door):
    api = Api(door.component, "viewer")
    async with Crowd(door.server) as crowd:
        alice = await crowd.connect("alice@localhost")
        with closing(api.stream()) as stream:
            rooms = [door.room("many") for _ in range(1000)]
            # A gate parks no more than some hundred at once.
            for first in range(0, 1000, 100):
                marks = [(room, alice.ask_to_join(room, "Alice")) for room in rooms[first : first + 100]]
                for room, mark in marks:
                    assert (await alice.outcome(room, mark)).joined
            known = {}

            def are_all_told(name, it):
                known.update({room["room"]: room for room in it.get("changed", [])} if name == "rooms" else {})
                return sum(room["occupants"] == 1 for room in known.values()) == 1000

            await asyncio.to_thread(stream.until, are_all_told)
        status, reply = api.get("/api/v1/rooms")
        assert (status, [room["room"] for room in reply["done"]]) == (200, sorted(rooms))
        assert {room["state"] for room in reply["done"]} == {"open"}
        with closing(api.stream()) as stream:
            _, (name, whole) = stream.next(), stream.next()
            assert (name, len(whole["rooms"])) == ("rooms", 1000)
        before = spent(door.component)
        began = time.monotonic()
        ended = await asyncio.to_thread(Api(door.component).done, "end-many", match="many*", reason="That is all.")
        took = time.monotonic() - began
        print(f"\n1000 rooms ended in {took:.2f} s; {spent(door.component) - before:.2f} s of the component's")
        assert len(ended["ended"]) == 1000 and not ended["failed"]
        _, reply = api.get("/api/v1/rooms")
        assert reply["done"] == []
