"""A network between the component and Prosody that can be slow, or lose everything."""

import asyncio
import contextlib

from lab.process import HOST
from lab.relay import Relay


class Proxy(Relay):
    """Passes TCP connections on to `target`, each chunk `delay` seconds late.

    While `swallows`, what comes is read and lost and nobody is told: to both ends the
    connection looks alive. Connections made later are passed on again.
    """

    def __init__(self, target):
        super().__init__(target)
        self.delay = 0.0
        self._lost = set()

    @property
    def environment(self):
        """What tells the component to connect here."""
        return {"VESTIBULE_COMPONENT__SERVER": f"{HOST}:{self.port}"}

    def swallow(self):
        """From now on the connections that there are lose everything, and stay open."""
        self._lost.update(range(len(self._pairs)))

    def passed(self, reader, writer, there):
        number = len(self._pairs) - 1
        for source, sink in ((reader, there[1]), (there[0], writer)):
            late = asyncio.Queue()
            yield from (self._read(number, source, late), self._write(late, sink))

    async def _read(self, number, source, late):
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                if number not in self._lost:
                    late.put_nowait((loop.time() + self.delay, data))
        if number not in self._lost:
            late.put_nowait((loop.time() + self.delay, None))

    async def _write(self, late, sink):
        loop = asyncio.get_running_loop()
        while True:
            due, data = await late.get()
            await asyncio.sleep(due - loop.time())
            if data is None:
                sink.close()
                return
            with contextlib.suppress(ConnectionError):
                sink.write(data)
                await sink.drain()
