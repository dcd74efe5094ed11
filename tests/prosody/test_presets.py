"""Each preset on a real server: who starts a meeting, who joins it, who waits, and what the doctor thinks of it."""

import pytest
from lab import SERVICE, Crowd, Door
from lab.component import OPENS_BY_DEFAULT
from lab.jitsi_meeting import admit, opened, out_of, owner, popped_up, told_code, told_password, wait_in_lobby
from lab.jitsi_plugins import needs_jitsi_plugins
from lab.meet import MEET_SERVICE, MeetDoor
from lab.meet_settings import DOMAIN
from lab.process import ROOT
from lab.stanza import element

PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.toml") if not path.stem.endswith(".tests"))
LOBBY, PASSWORD = "registration-required", "not-authorized"
# What an account and a guest read who come without a password; "": they are in.
OUTCOMES = {
    "board": (PASSWORD, "not-allowed"),
    "company": ("", LOBBY),
    "guests-only": (LOBBY, LOBBY),
    "public": (LOBBY, LOBBY),
    "school": ("", LOBBY),
    "webinar": (LOBBY, LOBBY),
}


@pytest.mark.parametrize("name", PRESETS)
async def test_a_preset_does_on_a_server_what_its_page_says(prosody_version, name):
    text = SERVICE + OPENS_BY_DEFAULT + (ROOT / f"presets/{name}.toml").read_text()
    with Door(prosody_version, text) as door:
        async with Crowd(door.server) as crowd:
            room = door.room()
            guest = await crowd.connect("guest.localhost")
            ann, bob = await crowd.connect_many(["ann@localhost", "bob@localhost"])
            # People log in to this server, so guests start nothing.
            assert not (await guest.join(room, "Guest")).joined
            assert (await ann.join(room, "Ann")).joined
            outcomes = [(await person.join(room, person.bare)).condition for person in (bob, guest)]
            assert tuple(outcomes) == OUTCOMES[name]
            assert "  inside   Ann  ann@localhost  moderator" in door.component.run("room", room).stdout
            assert "CRITICAL  component-secret" == "\n".join(
                line for line in door.component.run("doctor").stdout.splitlines() if line.startswith("CRITICAL")
            )


# On Jitsi, where guests come by a link, and colleagues, members, teachers and hosts log in


class Meeting:
    """People at a room of a Jitsi Meet, by their names; the first three have accounts."""

    ACCOUNTS = ("Ann", "Bob", "Carol")

    def __init__(self, door, crowd):
        self.crowd, self.room = crowd, door.room()

    async def comes(self, name):
        """The person, who stands before the door."""
        return await self.crowd.person(name, f"{name.lower()}@{DOMAIN}" if name in self.ACCOUNTS else None)

    async def sees(self, name, password=None):
        """The person, and what they see when they open the link."""
        person = await self.comes(name)
        return person, (await person.enter(self.room, password)).shown

    async def refused(self, person, payload):
        """Whether the person is refused what Jitsi's client asks of the focus."""
        reply = await person.iq(f"{self.room}/focus", "set", payload)
        return reply.error[1] == "forbidden"


async def _company(meeting):
    _, shown = await meeting.sees("Early")
    assert shown == "log-in"
    ann, shown = await meeting.sees("Ann")
    assert shown == "joined" and owner(ann, meeting.room)
    bob, shown = await meeting.sees("Bob")
    assert shown == "joined" and not owner(bob, meeting.room)
    assert not told_password(ann, meeting.room)
    guest, second = await meeting.comes("Guest"), await meeting.comes("Second")
    lobby = await ann.attend_lobby(meeting.room)
    for person in (guest, second):
        assert await wait_in_lobby(person, meeting.room) == lobby
    await admit(ann, meeting.room, lobby, guest)
    assert second.nick not in ann.occupants(meeting.room)
    assert await meeting.refused(bob, RECORDING)
    assert not await meeting.refused(ann, RECORDING)
    await ann.depart(meeting.room)
    await bob.wait_for(lambda _: owner(bob, meeting.room))
    assert not owner(guest, meeting.room)


async def _board(meeting):
    _, shown = await meeting.sees("Early")
    assert shown == "log-in"
    ann, shown = await meeting.sees("Ann")
    assert shown == "joined" and owner(ann, meeting.room)
    await ann.wait_for(lambda _: told_password(ann, meeting.room))
    password = told_password(ann, meeting.room)
    assert len(password.split("-")) == 6
    for name in ("Guest", "Second"):
        _, shown = await meeting.sees(name, password)
        assert shown == "log-in"
    bob, shown = await meeting.sees("Bob")
    assert shown == "prompt"
    assert (await bob.enter(meeting.room, password)).shown == "lobby"
    lobby = await ann.attend_lobby(meeting.room)
    assert (await bob.knock(lobby)).joined
    await admit(ann, meeting.room, lobby, bob)
    assert not owner(bob, meeting.room)
    assert await meeting.refused(ann, RECORDING) and await meeting.refused(ann, CALL)
    await ann.depart(meeting.room)
    carol, shown = await meeting.sees("Carol", password)
    assert shown == "lobby" and (await carol.knock(lobby)).joined
    await out_of(carol, lobby)
    assert not owner(bob, meeting.room)


async def _school(meeting):
    _, shown = await meeting.sees("Early")
    assert shown == "log-in"
    ann, shown = await meeting.sees("Ann")
    assert shown == "joined" and owner(ann, meeting.room)
    bob, shown = await meeting.sees("Bob")
    assert shown == "joined" and owner(bob, meeting.room), "every teacher moderates"
    pupil, other = await meeting.comes("Pupil"), await meeting.comes("Other")
    lobby = await ann.attend_lobby(meeting.room)
    for person in (pupil, other):
        await wait_in_lobby(person, meeting.room)
        await admit(ann, meeting.room, lobby, person)
    assert not owner(pupil, meeting.room)
    pupil.say(meeting.room, "to everybody")
    await other.wait_for(lambda seen: seen.body == "to everybody")
    assert await _may_not_whisper(pupil, meeting.room, other)
    assert await meeting.refused(ann, RECORDING)
    for person in (ann, bob):
        await person.depart(meeting.room)
    await pupil.ping()
    assert not owner(pupil, meeting.room) and not owner(other, meeting.room)


async def _webinar(meeting):
    _, shown = await meeting.sees("Early")
    assert shown == "log-in"
    ann, password = await opened(meeting.crowd, meeting.room, "Ann", f"ann@{DOMAIN}")
    guest, shown = await meeting.sees("Guest", password)
    assert shown == "joined" and not owner(guest, meeting.room)
    second = await meeting.comes("Second")
    await wait_in_lobby(second, meeting.room)
    assert await _may_not_whisper(guest, meeting.room, ann)
    assert await meeting.refused(guest, RECORDING)
    ann.say(meeting.room, "!admit all")
    assert (await second.admitted(meeting.room)).joined
    guest.say(meeting.room, "a question to everybody")
    await second.wait_for(lambda seen: seen.body == "a question to everybody")


async def _guests_only(meeting):
    host, password = await opened(meeting.crowd, meeting.room, "Host")
    assert owner(host, meeting.room)
    code = await told_code(host, meeting.room)
    assert not any(code in words for words in popped_up(host, meeting.room))
    second, shown = await meeting.sees("Second", code)
    assert shown == "joined" and owner(second, meeting.room)
    guest, shown = await meeting.sees("Guest", password)
    assert shown == "joined" and not owner(guest, meeting.room)
    stranger = await meeting.comes("Stranger")
    lobby = await wait_in_lobby(stranger, meeting.room)
    await second.attend_lobby(meeting.room)
    await admit(second, meeting.room, lobby, stranger)
    _, shown = await meeting.sees("Host")
    assert shown == "destroyed", "nobody takes the name of the host"


async def _public(meeting):
    host, password = await opened(meeting.crowd, meeting.room, "Host")
    guest, shown = await meeting.sees("Guest", password)
    assert shown == "joined" and not owner(guest, meeting.room)
    await wait_in_lobby(await meeting.comes("Stranger"), meeting.room)
    assert await meeting.refused(host, RECORDING) and await meeting.refused(host, CALL)
    await host.depart(meeting.room)
    await guest.wait_for(lambda _: owner(guest, meeting.room))


def without_delay(text):
    """The file, in which a moderator has left for good, and people wait for nobody, after a second."""
    for table, key in (("moderators", "succession_after"), ("lobby", "unattended_after")):
        head, line = f"[policy.{table}]\n", f'{key} = "1 second"\n'
        if key not in text:
            text = text.replace(head, head + line) if head in text else text + head + line
    return text


RECORDING = element("http://jitsi.org/protocol/jibri", "jibri", action="start", recording_mode="file")
CALL = element("urn:xmpp:rayo:1", "dial", to="tel:+12345")
SCENES = {
    "board": _board, "company": _company, "guests-only": _guests_only,
    "public": _public, "school": _school, "webinar": _webinar,
}


async def _may_not_whisper(person, room, other):
    """Whether the room takes no private message of this person to that one."""
    since = person.mark()
    person.whisper(room, other.nick, "between us")
    refused = await person.wait_for(lambda seen: seen.name == "message" and seen.error, since=since)
    return refused.error[1] == "forbidden" and "between us" not in [seen.body for seen in other.seen]


@needs_jitsi_plugins
@pytest.mark.parametrize("name", PRESETS)
async def test_a_preset_does_on_jitsi_meet_what_its_page_says(prosody_version, name):
    logs_in = name not in ("guests-only", "public")
    text = MEET_SERVICE + OPENS_BY_DEFAULT + without_delay((ROOT / f"presets/{name}.toml").read_text())
    with MeetDoor(prosody_version, text, accounts=logs_in) as door:
        async with door.crowd() as crowd:
            await SCENES[name](Meeting(door, crowd))
