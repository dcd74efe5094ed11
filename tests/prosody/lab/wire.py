"""What two parts say to each other: passes a connection on to Prosody and keeps every stanza."""

import contextlib
import socket
import threading
import time
from xml.etree import ElementTree

from .process import HOST
from .stanza import CLIENT, Stanza


RESUMED = "{urn:xmpp:sm:3}resumed"


class Wire:
    """Listens at its own `port` and passes each connection on to `target`, in threads: it outlives the event loops
    of tests. `log` holds (whether the server sent it, the Stanza), in order, and `is_on` tells whether the one who
    connects here is available to the server. The streams have to be unencrypted."""

    def __init__(self, target):
        self.target = target
        self.log = []
        self.is_on = False
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._pairs = []
        self._awaited = None
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Listens no more, and ends the connections that there are."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self):
        """Ends the connections that there are."""
        for end in [end for pair in self._pairs for end in pair]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._pairs = []

    def before_passing(self, predicate, act):
        """Has `act()` done, in another thread, before the next stanza from the server of which `predicate` is true goes on."""
        self._awaited = (predicate, act)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection((HOST, self.target), timeout=5)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self._pairs.append((near, far))
                for source, sink, is_incoming in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._pass, args=(source, sink, is_incoming), daemon=True).start()

    def _pass(self, source, sink, is_incoming):
        stream = _Stream(is_incoming)
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                for stanza in stream.feed(data):
                    self.is_on = self.is_on or stream.is_on
                    self.log.append((is_incoming, stanza))
                    if is_incoming and self._awaited and self._awaited[0](stanza):
                        act, self._awaited = self._awaited[1], None
                        act()
                sink.sendall(data)
        self.is_on = False
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class _Stream:
    """One direction: the stanzas in it. The stream begins again after authentication."""

    def __init__(self, is_incoming):
        self.parser = self.root = None
        self.is_incoming = is_incoming
        self.is_on = False

    def feed(self, data):
        """The stanzas that end in `data`."""
        if data.startswith((b"<?xml", b"<stream:stream")):
            self.parser, self.root, self.depth = ElementTree.XMLPullParser(["start", "end"]), None, 0
        self.parser.feed(data)
        for event, xml in self.parser.read_events():
            self.depth += 1 if event == "start" else -1
            if self.root is None:
                self.root = xml
            elif event == "end" and self.depth == 1:
                self.root.clear()
                if xml.tag == RESUMED or xml.tag == f"{{{CLIENT}}}presence" and not self.is_incoming and not xml.get("to"):
                    self.is_on = True
                if xml.tag.startswith((f"{{{CLIENT}}}", RESUMED)):
                    yield Stanza(xml, time.monotonic())
