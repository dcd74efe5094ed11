"""How most tests on a Jitsi Meet begin: somebody opens the room, others wait at its door."""

from .process import Failed

TOLD = "The password of this room is: "


def told_password(person, room):
    """The password that `room` has told to somebody, or None."""
    for seen in person.seen:
        if seen.sender == room and seen.body and TOLD in seen.body:
            return seen.body.partition(TOLD)[2].partition(" (")[0]
    return None


async def opened(crowd, room, name="Alice", jid=None):
    """Somebody who has opened the room and moderates it, and its password."""
    opener = await crowd.person(name, jid)
    outcome = await opener.enter(room)
    if not outcome.joined:
        raise Failed(f"{name} cannot open {room}: {outcome}")
    await opener.wait_for(lambda seen: seen.sender == room and seen.body and TOLD in seen.body)
    return opener, told_password(opener, room)


async def waiting(crowd, room, *names):
    """Guests who have knocked, each in the lobby of the room, in the order given."""
    people = await crowd.persons(*names)
    for person in people:
        stopped = await person.enter(room)
        if stopped.shown != "lobby":
            raise Failed(f"{person.name} is not sent to the lobby: {stopped}")
        entered = await person.knock(stopped.lobby)
        if not entered.joined:
            raise Failed(f"{person.name} cannot wait in {stopped.lobby}: {entered}")
    return people


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
