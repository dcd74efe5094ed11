"""A stand-in for jicofo, the focus: what it does on the wire, without media."""

import asyncio

from .focus_auth import Authority
from .focus_conference import Conference
from .jitsi_outcome import FOCUS
from .people import Person
from .process import Failed
from .stanza import CLIENT, STANZAS, element

PATIENCE = 15.0
REPLY_TIMEOUT = 15.0


def _is_request(xml):
    return xml.get("type") == "set" and xml.find(f"{{{FOCUS}}}conference") is not None


class Focus(Person):
    """One session for all rooms. `requests` holds every conference request (whole stanzas),
    `elected` each (room, nick, full JID) it made owner or tried to, `errors` what went
    wrong, `ended` each (room, reason) it left, and `conferences` those that it is in."""

    is_stand_in = True

    def __init__(self, server, jid):
        super().__init__(server, jid)
        self.client.add_filter("in", lambda stanza: None if _is_request(stanza.xml) else stanza)
        self.requests = []
        self.elected = []
        self.errors = []
        self.ended = []
        self.conferences = {}
        self.tasks = set()

    @classmethod
    async def connect(
        cls,
        server,
        *,
        patience=PATIENCE,
        reply_timeout=REPLY_TIMEOUT,
        auto_owner=True,
        authentication=False,
        seconds=10,
    ):
        """Logs in. `patience`: seconds without participants after which it leaves a new
        room. `reply_timeout`: seconds it waits for any reply. `auto_owner` makes the first
        participant owner; `authentication` instead every one who has logged in, and lets
        nobody else start a room."""
        focus = cls(server, f"{server.focus}/focus")
        focus.patience = patience
        focus.reply_timeout = reply_timeout
        focus.auto_owner = auto_owner
        focus.authority = Authority(server) if authentication else None
        await focus._start(seconds)
        focus.send(element(CLIENT, "presence"))
        if server.plugins:
            await focus._announce()
        return focus

    async def _announce(self):
        """Tells client_proxy directly that somebody is there to proxy for; the presence that
        it subscribes to gets lost when it loads before the account's host."""
        self.send(element(CLIENT, "presence", to=self.server.focus_address))
        # It refuses this, and has handled the presence by then.
        await self.iq(self.server.focus_address, "get", element("urn:xmpp:ping", "ping"))

    def saw(self, xml):
        super().saw(xml)
        if xml.tag == f"{{{CLIENT}}}iq" and _is_request(xml):
            self.requests.append(self.seen[-1])
            self.do(self._serve(self.seen[-1]))
        elif xml.tag == f"{{{CLIENT}}}presence":
            conference = self.conferences.get(self.seen[-1].room)
            if conference:
                conference.saw(self.seen[-1])

    def do(self, coroutine):
        """Runs something beside all else; what it raises is in `errors`."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.errors.append(str(task.exception()))

    async def _serve(self, request):
        asked = request.find(FOCUS, "conference")
        room = asked.get("room", "").lower()
        if not room:
            return self._refuse(request, "modify", "bad-request")
        given = {}
        if self.authority:
            error = self.authority.process(asked, self._caller(request), given)
            is_guest = not self.authority.session_of(self._caller(request))
            if error is None and room not in self.conferences and is_guest:
                error = ("auth", "not-authorized", None)
            if error:
                return self._refuse(request, *error)
        # Whoever asks first waits; whoever asks meanwhile is told to ask again. A failure
        # is no answer at all: jicofo's task dies of it.
        ready = await self._conference(room)
        answer = element(
            FOCUS, "conference", room=room, focusjid=self.server.focus, ready=str(ready).lower(), **given
        )
        is_on = "true" if self.authority else "false"
        answer.append(element(FOCUS, "property", name="authentication", value=is_on))
        self._reply(request, "result", answer)

    async def _conference(self, room):
        """Whether it is in `room`, which it enters if it is not on its way already."""
        conference = self.conferences.get(room)
        if conference:
            conference.wait_anew()
            return conference.is_joined
        self.conferences[room] = conference = Conference(self, room)
        await conference.start()
        return True

    async def create_health_check_room(self):
        """Enters a room of its own, as jicofo's health check does, and waits there like in any
        other; Failed if it cannot. Returns the room's address."""
        room = f"__jicofo-health-check-{id(self):x}-{len(self.seen)}@{self.server.service}"
        await self._conference(room)
        return room

    async def open_unasked(self, room):
        """Enters `room` as if it had been asked over HTTP, which nobody else sees; Failed if
        it cannot."""
        await self._conference(room)

    def before_opening(self, act):
        """Has `act()` done once between the next request that was let through and what the focus does about it;
        returns the future that tells when."""
        done, opens = asyncio.get_running_loop().create_future(), self._conference

        async def first(room):
            if not done.done():
                act()
                done.set_result(None)
            return await opens(room)

        self._conference = first
        return done

    def _caller(self, request):
        """Who asked: client_proxy puts the full JID into its own resource."""
        host, _, resource = request.sender.partition("/")
        return resource if host == self.server.focus_address else request.sender

    def _refuse(self, request, kind, condition, child=None):
        error = element(CLIENT, "error", type=kind)
        error.append(element(STANZAS, condition))
        error.extend([] if child is None else [child])
        self._reply(request, "error", error)

    def _reply(self, request, kind, payload):
        reply = element(CLIENT, "iq", type=kind, to=request.sender, id=request.id)
        reply.append(payload)
        self.send(reply)

    async def left(self, room, seconds=5):
        """Waits until it has left `room` and the room knows; returns the reason."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (reasons := [reason for each, reason in self.ended if each == room]):
            if asyncio.get_running_loop().time() > deadline:
                raise Failed(f"the focus is still in {room}: {self.errors}")
            await asyncio.sleep(0.01)
        await self.ping()
        return reasons[-1]

    async def release(self):
        """The test is over."""
        await self.close()

    async def close(self):
        """Drops the connection and everything under way."""
        for conference in list(self.conferences.values()):
            conference.forget("closed")
        for task in list(self.tasks):
            task.cancel()
        self.abort()
        await asyncio.sleep(0)
