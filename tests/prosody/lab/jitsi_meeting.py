"""How most tests on a Jitsi Meet begin: somebody opens the room, others wait at its door."""

import asyncio
import json
import time

from .canary import TOLD
from .jitsi_outcome import DISPLAY_NAME, JITMEET
from .policy import SECRET
from .process import Failed


def told_password(person, room):
    """The password that `room` has told to somebody, or None."""
    for seen in person.seen:
        if seen.sender == room and seen.body and TOLD in seen.body:
            return seen.body.partition(TOLD)[2].partition(" (")[0]
    return None


async def told_code(person, room):
    """The host code that the room has told a moderator, privately."""
    told = await person.wait_for(lambda seen: seen.sender == room and "host code" in (seen.body or ""))
    assert told.type == "normal"
    return told.body.partition("host code")[2].partition(": ")[2].partition(" (")[0]


def popped_up(person, room, since=0):
    """What `room` told somebody in messages that his client shows in a pop-up: to everybody, by a name, and new."""
    return [
        seen.body
        for seen in person.seen[since:]
        if seen.sender == room and seen.type == "groupchat" and seen.body
        and seen.text(DISPLAY_NAME, "display-name") == "Meeting rules"
        and seen.find(JITMEET, "json-message") is None
        and seen.find("urn:xmpp:delay", "delay") is None
    ]


async def inside(crowd, room, name, jid=None, password=SECRET):
    """Somebody who came in, by the password."""
    person = await crowd.person(name, jid)
    outcome = await person.enter(room, password)
    if not outcome.joined:
        raise Failed(f"{name} cannot enter {room}: {outcome}")
    return person


async def opened(crowd, room, name="Alice", jid=None):
    """Somebody who has opened the room and moderates it, and its password."""
    opener = await inside(crowd, room, name, jid, password=None)
    await opener.wait_for(lambda seen: seen.sender == room and seen.body and TOLD in seen.body)
    return opener, told_password(opener, room)


async def waiting(crowd, room, *names):
    """Guests who have knocked, each in the lobby of the room, in the order given."""
    people = await crowd.persons(*names)
    for person in people:
        await wait_in_lobby(person, room)
    return people


async def wait_in_lobby(person, room):
    """Has somebody knock; the address of the lobby where they wait."""
    stopped = await person.enter(room)
    if stopped.shown != "lobby":
        raise Failed(f"{person.name} is not sent to the lobby of {room}: {stopped}")
    entered = await person.knock(stopped.lobby)
    if not entered.joined:
        raise Failed(f"{person.name} cannot wait in {stopped.lobby}: {entered}")
    return stopped.lobby


async def admit(moderator, room, lobby, person):
    """Has a moderator who attends the lobby let somebody in, who comes."""
    moderator.approve(room, await moderator.knocker(lobby, person.nick))
    outcome = await person.admitted(room)
    if not outcome.joined:
        raise Failed(f"{person.name} was let into {room} and is not in: {outcome}")


def at_the_door(server):
    """What is shown to whoever does not know the password of a `password-or-lobby` room."""
    return "lobby" if server.plugins else "prompt"


def owner(person, room, of=None):
    """Whether somebody sees himself, or `of`, as an owner of the room."""
    item = person.occupants(room).get((of or person).nick) or {}
    return item.get("affiliation") == "owner"


def people(person, room):
    """The nicks of those whom somebody sees in the room, services and himself left out."""
    return set(person.occupants(room)) - {"focus", person.nick}


async def out_of(person, lobby, since=0):
    """The presence that tells somebody that he is in the lobby no more."""
    return await person.wait_for(
        lambda seen: seen.sender == f"{lobby}/{person.nick}" and seen.type == "unavailable",
        since=since,
    )


async def out_of_sight(moderator, lobby, person):
    """Waits until a moderator sees somebody in the lobby no more."""
    return await moderator.wait_for(
        lambda seen: seen.sender == f"{lobby}/{person.nick}" and seen.type == "unavailable"
    )


def vestibule(meet, *arguments):
    """What `vestibule ARGUMENTS --json` prints for the operator; Failed if it refuses."""
    done = meet.component.run(*arguments, "--json")
    if done.returncode != 0:
        raise Failed(f"vestibule {' '.join(arguments)}: {done.stderr}")
    return json.loads(done.stdout)


def waiting_at(meet, room):
    """The bare JIDs of those who wait, as the operator sees them."""
    return [each["jid"] for each in vestibule(meet, "room", room)["waiting"]]


def is_open(meet, room):
    """Whether the operator sees the room."""
    return meet.component.run("room", room).returncode == 0


async def ended(meet, room, seconds=5):
    """Waits until there is no such room any more."""
    deadline = time.monotonic() + seconds
    while is_open(meet, room):
        if time.monotonic() > deadline:
            raise Failed(f"{room} is still open")
        await asyncio.sleep(0.02)
