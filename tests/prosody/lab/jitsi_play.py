"""A meeting on Jitsi with people of every kind in and around it, and what one stanza makes of it."""

import asyncio

from .focus import Focus
from .grammar import JITSI
from .jitsi_outcome import FOCUS
from .meet_settings import DOMAIN
from .play import Play, nick
from .stanza import element

WATCHER = f"watcher@{DOMAIN}"
GUESTS = f"guest.{DOMAIN}"


class JitsiPlay(Play):
    """As `Play`: everybody comes by the focus, the moderator attends the lobby, and the one who waits is in it."""

    inside = {"Moderator": f"moderator@{DOMAIN}", "Member": f"member@{DOMAIN}", "Muted": GUESTS, "Muted too": GUESTS}
    outside = {"Stranger": GUESTS, "Left": GUESTS, "Kicked": GUESTS, "Banned": f"banned@{DOMAIN}", "Invited": f"invited@{DOMAIN}", "Waiting": GUESTS}
    watching, grammar = WATCHER, JITSI

    async def connect(self):
        self.focus = await Focus.connect(self.door.server, auto_owner=False)
        await super().connect()

    def names(self):
        return {**super().names(), "parts": [DOMAIN], "meeting": [*[self.room] * 4, f"other-{self.room}"]}

    async def gather(self):
        query = element("urn:lab:web-query", "room", self.room.partition("@")[0])
        for person in self.people.values():
            assert (await person.iq(person.bare.partition("@")[2], "set", query)).type == "result"
        request = element(FOCUS, "conference", room=self.room, **{"machine-uid": "x"})
        ready = await self.people["Moderator"].iq(self.door.server.focus_address, "set", request)
        assert not ready.error, ready
        await super().gather()
        lobby = f"{self.room.partition('@')[0]}@{self.door.server.lobby}"
        for name in ("Waiting", "Moderator"):
            joined = await self.people[name].join(lobby, nick(name))
            assert joined.joined, (name, joined)
            self.visits[name].add(lobby)

    async def handled(self, who, text):
        """The focus is another client: what it does of what it is asked has to be done, too."""
        await super().handled(who, text)
        for _ in range(100):
            await self.focus.ping()
            if not self.focus.tasks:
                return
            await asyncio.sleep(0.01)
