"""A network between the component and Prosody that can be slow, or lose everything."""

import asyncio
import contextlib

from lab.process import HOST


class Proxy:
    """Passes TCP connections on to `port`, each chunk `delay` seconds late.

    While `swallows`, what comes is read and lost and nobody is told: to both ends the
    connection looks alive. Connections made later are passed on again.
    """

    def __init__(self, port):
        self.target = port
        self.delay = 0.0
        self.port = None
        self._tasks = set()
        self._lost = set()
        self._pairs = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accepted, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for pair in self._pairs:
            for writer in pair:
                writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def environment(self):
        """What tells the component to connect here."""
        return {"VESTIBULE_COMPONENT__SERVER": f"{HOST}:{self.port}"}

    def swallow(self):
        """From now on the connections that there are lose everything, and stay open."""
        self._lost.update(range(len(self._pairs)))

    def cut(self):
        """Ends the connections that there are."""
        for pair in self._pairs:
            for writer in pair:
                writer.close()

    async def _accepted(self, reader, writer):
        there = await asyncio.open_connection(HOST, self.target)
        number = len(self._pairs)
        self._pairs.append((writer, there[1]))
        for source, sink in ((reader, there[1]), (there[0], writer)):
            late = asyncio.Queue()
            for task in (self._read(number, source, late), self._write(late, sink)):
                self._tasks.add(asyncio.ensure_future(task))

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
