"""Knocking, from both sides of the door: protocol.md, section 5."""

from .people import nick_of
from .process import Failed
from .stanza import CLIENT, MUC_USER, element, submission

REQUEST = "http://jabber.org/protocol/muc#request"
CONFERENCE = "jabber:x:conference"


async def knocking(crowd, room, jid="guest.localhost", nick=None):
    """Somebody who wants to be called `nick`, is not let in and waits."""
    person = await crowd.connect(jid)
    outcome = await person.join(room, nick or nick_of(jid))
    if outcome.condition != "registration-required":
        raise Failed(f"{jid} does not wait for {room}: {outcome}")
    return person


def is_knock(stanza, room):
    """Whether this asks a moderator of `room` to let somebody in."""
    form = stanza.form or {} if stanza.name == "message" and stanza.sender == room else {}
    return "vestibule#knock" in form and form.get("FORM_TYPE") == REQUEST


def is_invitation(stanza, room):
    """Whether this is a mediated invitation to `room`."""
    return stanza.sender == room and stanza.find(MUC_USER, "invite") is not None


def knocks(person, room, since=0):
    """The forms of everybody who asked this moderator, oldest first."""
    return [seen.form for seen in person.seen[since:] if is_knock(seen, room)]


async def knock(moderator, room, nick, since=0):
    """The form of the one who wants to be called `nick`."""
    stanza = await moderator.wait_for(
        lambda seen: is_knock(seen, room) and seen.form["muc#roomnick"] == nick, since=since
    )
    return stanza.form


def answer_knock(moderator, room, form, allow):
    """Sends the form back, filled in."""
    message = element(CLIENT, "message", to=room, id=moderator.new_id())
    message.append(submission({**form, "muc#request_allow": allow}))
    moderator.send(message)


async def let_in(moderator, room, nick):
    """Opens the door to the one who wants to be called `nick`."""
    answer_knock(moderator, room, await knock(moderator, room, nick), True)


async def invited(person, room, since=0):
    """The invitation, once it is there."""
    return await person.wait_for(lambda seen: is_invitation(seen, room), since=since)
