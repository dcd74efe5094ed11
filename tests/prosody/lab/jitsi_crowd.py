"""The people of one test and the focus that serves them."""

from . import jicofo
from .focus import Focus
from .jitsi_client import JitsiPerson
from .people import Crowd


async def connect_focus(server, **options):
    """The focus of a server: jicofo where JICOFO_HOME names one, else the stand-in. `options` are those of
    `Focus.connect`."""
    kind = jicofo.JicofoFocus if jicofo.home() and server.plugins else Focus
    return await kind.connect(server, **options)


class JitsiCrowd(Crowd):
    """A Crowd with a `focus` of its own, unless `focus=False`; `options` are those of
    `Focus.connect`."""

    def __init__(self, server, *, focus=True, **options):
        super().__init__(server)
        self.focus = None
        self.wanted = focus
        self.options = options

    async def __aenter__(self):
        if self.wanted:
            self.focus = await connect_focus(self.server, **self.options)
        elif self.server.jicofo:
            await self.server.jicofo.end()
        return self

    async def __aexit__(self, *_):
        await super().__aexit__()
        if self.focus:
            await self.focus.release()

    async def person(self, name=None, jid=None, **options):
        """Opens a browser tab: as `JitsiPerson.connect`."""
        person = await JitsiPerson.connect(self.server, jid, name=name, **options)
        self.people.append(person)
        return person

    async def persons(self, *names):
        """Several guests, in the order given."""
        return [await self.person(name) for name in names]

    async def reload(self, person):
        """Reloads the tab: the connection goes, the local storage stays, and what is
        returned has another anonymous address."""
        jid = None if person.bare.endswith(f"@{self.server.guests}") else person.bare
        person.abort()
        return await self.person(person.name, jid, storage=person.storage)
