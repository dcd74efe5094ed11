"""What the tests of races and failures share: a policy that is quick to reason about, and crowds."""

import asyncio
import collections
import time
from pathlib import Path

from lab import Failed
from lab.stanza import element

MODULES = Path(__file__).with_name("modules")
PASSWORD = "correct horse battery"
SERVICE = "conference.localhost"
ROOM = f"room@{SERVICE}"
# A crowd spread over these asks as much, and sees a tenth of the presence.
ROOMS = tuple(f"room{number}@{SERVICE}" for number in range(10))
QUICK = {"vestibule_grace": 2, "vestibule_timeout": 1}


def policy(*lines, focus=None, level="info"):
    """Every room has the same password, and whoever knows it comes in."""
    service = ["[[service]]", f'domain = "{SERVICE}"', *([f'trusted = ["{focus}"]'] if focus else [])]
    return "\n".join(
        [
            "[log]",
            f'level = "{level}"',
            *service,
            "[policy.password]",
            'source = "preset"',
            f'preset = "{PASSWORD}"',
            "[policy.lobby]",
            'admission = "password"',
            *lines,
            "",
        ]
    )


async def meeting(crowd):
    """Two people in the room."""
    alice = await crowd.connect("alice@localhost")
    bob = await crowd.connect("bob@localhost")
    assert (await alice.join(ROOM, "Alice")).joined
    assert (await bob.join(ROOM, "Bob", PASSWORD)).joined
    return alice, bob


async def guests(crowd, count):
    """That many strangers, connected."""
    return await crowd.connect_many(["guest.localhost"] * count, present=False)


def place(room, number):
    """The room of one in a crowd: `room`, or its turn if there are several."""
    return room if isinstance(room, str) else room[number % len(room)]


def storm(people, room=ROOM, password=PASSWORD, prefix="Guest"):
    """All ask to join at once; returns a mark of each."""
    return [
        person.ask_to_join(place(room, number), f"{prefix}{number}", password)
        for number, person in enumerate(people)
    ]


async def outcomes(people, marks, room=ROOM, seconds=15):
    """The first answer that each got."""
    waits = (
        person.outcome(place(room, number), mark, seconds)
        for number, (person, mark) in enumerate(zip(people, marks, strict=True))
    )
    return await asyncio.gather(*waits)


async def one_answer_each(people, marks, room=ROOM):
    """Asserts that nobody was answered twice, late answers included."""
    await asyncio.gather(*(person.ping() for person in people))
    counts = [
        len(person.answers(place(room, number), mark))
        for number, (person, mark) in enumerate(zip(people, marks, strict=True))
    ]
    assert set(counts) == {1}, collections.Counter(counts)


def tally(answers):
    """How often each answer was given, errors by their condition."""
    return dict(collections.Counter(answer.condition or answer.kind for answer in answers))


async def until(condition, seconds, what):
    """Waits until `condition()` is true while clients go on; returns the seconds it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise Failed(f"{what}: not within {seconds} s")
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def logged(process, text, seconds=5):
    """Waits until the log of a server or component has `text`."""
    read = process.log if hasattr(process, "log") else lambda: process.output.read_text()
    await until(lambda: text in read(), seconds, f"{text!r} in the log")


async def hear(speaker, listener, text, room=ROOM):
    """Asserts that what one says in the room reaches the other."""
    since = listener.mark()
    speaker.say(room, text)
    await listener.wait_for(lambda seen: seen.body == text, since=since)


async def shell(person, action):
    """Has a server with `lab_unload` load, unload or reload the gate."""
    payload = element("urn:lab", action, host=SERVICE)
    reply = await person.iq("localhost", "set", payload)
    assert reply.type == "result", reply
