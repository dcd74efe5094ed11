"""People in the browser, and the focus that serves them."""

import contextlib

from .focus import Focus


class WatchedFocus(Focus):
    """Before it serves a request it awaits `before()`, if a test says so: that comes after
    the gate has let the request through and before the client joins."""

    before = None

    async def _serve(self, request):
        if self.before:
            await self.before()
        await super()._serve(request)


@contextlib.asynccontextmanager
async def at(meet, browser, kind=WatchedFocus, **focus):
    """The people of one test, as a `Visit` with a `focus`; options as in `Focus.connect`."""
    served_by = await kind.connect(meet.server, **focus)
    try:
        async with browser.visit(meet.server) as visit:
            visit.focus = served_by
            yield visit
    finally:
        await served_by.close()
