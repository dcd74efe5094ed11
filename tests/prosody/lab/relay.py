"""Something between the component, or somebody else, and Prosody."""

import asyncio

from .process import HOST


class Relay:
    """Takes TCP connections at its own `port` and passes them on to `target`: how, says `passed(reader, writer,
    there)`, which returns what runs as long as the connection, `there` being the reader and the writer at the target."""

    def __init__(self, target):
        self.target = target
        self.port = None
        self._tasks = set()
        self._pairs = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accepted, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self):
        """Ends the connections that there are."""
        for pair in self._pairs:
            for writer in pair:
                writer.close()

    async def _accepted(self, reader, writer):
        there = await asyncio.open_connection(HOST, self.target)
        self._pairs.append((writer, there[1]))
        self._tasks.update(map(asyncio.ensure_future, self.passed(reader, writer, there)))
