"""What lib-jitsi-meet does on the wire: asks the focus for the conference, then joins."""

import asyncio
import dataclasses
import re
import secrets
import time

from . import canary
from .jitsi_moderator import JitsiModerator
from .jitsi_outcome import FOCUS, JitsiOutcome
from .meet_settings import RECORDER
from .people import Person
from .process import Failed
from .stanza import CLIENT, MUC_USER, element

NICKNAME = "http://jabber.org/protocol/nick"
CAPS = "http://jabber.org/protocol/caps"
JINGLE = "urn:xmpp:jingle:1"
MUTES = {kind: f"{{http://jitsi.org/jitmeet/{kind}}}mute" for kind in ("audio", "video", "desktop")}
TAKEN = {f"{{{JINGLE}}}jingle", *MUTES.values()}
SESSION = "session-id"
MACHINE = "machine-uid"


def _is_from_focus(xml):
    """Whether the focus offers or ends a session of media, or mutes: the library takes it."""
    is_set = xml.tag == f"{{{CLIENT}}}iq" and xml.get("type") == "set"
    return is_set and xml.get("from", "").endswith("/focus") and any(each.tag in TAKEN for each in xml)


class JitsiPerson(JitsiModerator, Person):
    """One browser tab. `storage` is the browser's local storage: it outlives the connection
    and holds the machine-uid and, once a reply brought one, the session-id."""

    def __init__(self, server, jid, *, name=None, storage=None, token=None):
        super().__init__(server, jid)
        if token:
            self.client.credentials["token"] = token.encode()
        self.name = name
        self.storage = {MACHINE: secrets.token_hex(16)} if storage is None else storage
        self._random_nick = secrets.token_hex(4)
        self.client.add_filter("in", lambda stanza: None if _is_from_focus(stanza.xml) else stanza)

    @classmethod
    async def connect(cls, server, jid=None, **options):
        """Connects as an anonymous guest, or as `user@meet.localhost`, whose account is
        made; with a `token` if the server wants one (see tokens.py). Like the library, sends
        no presence but to rooms."""
        return await super().connect(server, jid or server.guests, present=False, **options)

    def saw(self, xml):
        super().saw(xml)
        if _is_from_focus(xml):
            self.send(element(CLIENT, "iq", type="result", to=xml.get("from"), id=xml.get("id")))

    @property
    def nick(self):
        """The first eight characters of an anonymous user's name if they are hexadecimal,
        else random ones: JitsiConference.resourceCreator."""
        first = self.bare.partition("@")[0][:8].lower()
        is_guest = self.bare.endswith(f"@{self.server.guests}")
        return first if is_guest and re.fullmatch("[0-9a-f]{8}", first) else self._random_nick

    # The conference request

    async def ask_focus(self, room, *, extra=None, seconds=5):
        """Sends one conference request and returns its reply; Failed without one."""
        request = element(FOCUS, "conference", room=room, **{MACHINE: self.storage[MACHINE]})
        request.attrib.update({SESSION: self.storage[SESSION]} if SESSION in self.storage else {})
        request.attrib.update(extra or {})
        for name in ("rtcstatsEnabled", "startAudioMuted"):
            request.append(element(FOCUS, "property", name=name, value="false"))
        return await self.iq(self.server.focus_address, "set", request, seconds)

    async def request(self, room, *, back_off=1.0, seconds=20):
        """Asks until the conference is ready or refused; returns the JitsiOutcome. Between
        two requests are `back_off` seconds, and each time twice as many."""
        began = time.monotonic()
        while True:
            left = seconds - (time.monotonic() - began)
            try:
                reply = await self.ask_focus(room, seconds=max(left, 0.01))
            except Failed:
                return JitsiOutcome("unanswered", seconds=time.monotonic() - began)
            outcome = self._understood(reply, time.monotonic() - began)
            if outcome.shown == "session":
                self.storage.pop(SESSION, None)
            elif outcome.kind != "wait":
                return outcome
            await asyncio.sleep(back_off)
            back_off *= 2

    def _understood(self, reply, elapsed):
        if reply.error:
            return JitsiOutcome("refused", *reply.error, presence=reply, seconds=elapsed)
        conference = reply.find(FOCUS, "conference")
        if conference is None:
            raise Failed(f"no conference in the reply: {reply!r}")
        if conference.get(SESSION):
            self.storage[SESSION] = canary.note(conference.get(SESSION))
        live = [each.get("value") for each in conference if each.get("name") == "live"]
        if live == ["false"]:
            return JitsiOutcome("not-live", presence=reply, seconds=elapsed)
        kind = "ready" if conference.get("ready") == "true" else "wait"
        return JitsiOutcome(kind, presence=reply, seconds=elapsed)

    # Joining

    async def join(self, room, nick=None, password=None, *, seconds=10, extra=()):
        """Sends the join that the library sends; returns the JitsiOutcome."""
        return await super().join(
            room, nick or self.nick, password, seconds=seconds, extra=[*self._own(), *extra]
        )

    async def outcome(self, room, since, seconds=10):
        return JitsiOutcome.of(await super().outcome(room, since, seconds))

    async def enter(self, room, password=None, *, retries=3, seconds=10):
        """Opens `room` in the browser: request and join, with the three silent attempts
        that follow "Room creation is restricted". Returns the last JitsiOutcome."""
        began = time.monotonic()
        for attempt in range(retries + 1):
            outcome = await self.request(room, seconds=seconds)
            if outcome.kind == "ready":
                outcome = await self.join(room, password=password, seconds=seconds)
            if outcome.shown != "retry":
                break
            await asyncio.sleep(0.5 * 1.5**attempt)
        return dataclasses.replace(outcome, seconds=time.monotonic() - began)

    async def depart(self, room):
        """Leaves the room."""
        return await self.leave(room, self.nick)

    # The lobby, from outside

    async def knock(self, lobby, email=None, *, seconds=10):
        """Enters the lobby room, where moderators see who waits; returns the JitsiOutcome."""
        outcome = await self.join(lobby, seconds=seconds)
        if outcome.joined and email:
            again = element(CLIENT, "presence", to=f"{lobby}/{self.nick}")
            again.extend([*self._own(), element(CLIENT, "email", email)])
            self.send(again)
        return outcome

    async def admitted(self, room, since=0, seconds=5):
        """Waits for a moderator's approval, joins as the library does by itself, and leaves
        the lobby room; returns the JitsiOutcome of the join."""
        invitation = await self.wait_for(
            lambda seen: seen.sender == room and seen.find(MUC_USER, "invite") is not None,
            seconds,
            since,
        )
        carried = invitation.find(MUC_USER, "password")
        outcome = await self.join(room, password=None if carried is None else carried.text)
        if outcome.joined:
            lobby = f"{room.partition('@')[0]}@{self.server.lobby}/{self.nick}"
            self.send(element(CLIENT, "presence", to=lobby, type="unavailable"))
        return outcome

    def _own(self):
        """What the library puts into every presence of its own."""
        caps = {"hash": "sha-1", "node": "https://jitsi.org/jitsi-meet", "ver": "lab"}
        own = [element(CLIENT, "stats-id", "Lab-one"), element(CAPS, "c", **caps)]
        if self.bare == RECORDER:
            own.append(element(CLIENT, "features"))
            own[-1].append(element(CLIENT, "feature", var="http://jitsi.org/protocol/jibri"))
        return [*own, element(NICKNAME, "nick", self.name)] if self.name else own
