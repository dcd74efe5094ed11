"""Counts that no load of the machine touches: what a join and its leave, a question and an audit entry cost.

Each is the difference between n and 3 n of them, so that neither the start nor the end of a program counts.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from lab.process import HOST, wait_until

from . import BENCHES, ROOT
from .decide import target
from .figures import Figure, Unmeasured
from .parts import LOAD, PASSWORD, POLICY, PROFILE, QUICK, PinnedProsody, PinnedVestibule, drive, pinned, started
from .sides import GATE, compare

ON_PROSODY = True
MODULES = BENCHES / "modules"
# People who join each room, and the rooms of the shorter run.
MEETINGS = ((2, 30), (10, 12))
# A component that does nothing by itself.
CALM = POLICY + '[audit]\nevery = "never"\n[doctor]\nevery = "never"\n'
# The same, under callgrind in the short form.
QUICK_MEETINGS = ((2, 1), (10, 1))
QUESTIONS, ENTRIES = 50, 1000
# Rooms whose memory is counted, and people in each, as in `benches/counts.rs`.
ROOMS, INSIDE = 1000, 10
# What the newest 100 entries are searched by.
SEARCHES = {
    "rare": "rule=limits",
    "common": "rule=lobby.admission",
    "verdict": "verdict=deny",
    "person": "person=Person 77",
    "room": "room=meeting-7,rule=lobby",
    "id": "id=c41-20000",
}
UNITS = {"bytes": "B", "allocations": "allocations", "syscalls": "calls", "link": "stanzas", "delivered": "stanzas"}
# Seconds within which a server under callgrind has started.
PATIENCE = 300
STREAM = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='guest.localhost' version='1.0'>"
LOGIN = (
    (STREAM, b"</stream:features>"),
    ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", b"<success"),
    (STREAM, b"</stream:features>"),
    ("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", b"</iq>"),
)
QUERY = "<iq type='get' id='c' to='guest.localhost'><counts xmlns='urn:bench'/></iq>"


def needs(program):
    """The program's path."""
    path = shutil.which(program)
    if not path:
        raise Unmeasured(f"{program} is missing: run `make packages`")
    return path


def counter():
    """The compiled counter of allocations."""
    built = target() / "bench" / "allocations.so"
    built.parent.mkdir(parents=True, exist_ok=True)
    source = MODULES / "allocations.c"
    subprocess.run([needs("cc"), "-O2", "-shared", "-fPIC", "-o", built, source], check=True)
    return built


class Teller:
    """A session that asks the server what it has done. From the first question on, the server collects no garbage."""

    def __init__(self, server):
        self.server = server
        self.socket = socket.create_connection((HOST, server.c2s_port), timeout=PATIENCE)
        for words, end in LOGIN:
            self._say(words, end)

    def close(self):
        self.socket.close()

    def _say(self, words, end):
        self.socket.sendall(words.encode())
        heard = b""
        while end not in heard:
            more = self.socket.recv(65536)
            if not more:
                raise Unmeasured(f"{self.server.tail()}\nthe server closed the connection after {words}")
            heard += more
        return heard.decode()

    def read(self):
        """The counts so far."""
        heard = self._say(QUERY, b"</iq>")
        return {name: int(count) for name, count in re.findall(r"(\w+)='(\d+)'", heard.partition("<counts")[2])}


class Calls:
    """The system calls of a server, while it runs."""

    def __init__(self, server, teller):
        self.path = server.home / "calls"
        command = [needs("strace"), "-f", "-qq", "-e", "signal=none", "-o", self.path, "-p", server.pid]
        self.tracer = subprocess.Popen(pinned(LOAD, command), stderr=subprocess.PIPE, text=True)
        for _ in range(200):
            teller.read()
            if self.path.exists() and self.path.stat().st_size:
                return
            if self.tracer.poll() is not None:
                break
            time.sleep(0.05)
        self.tracer.kill()
        raise Unmeasured(f"strace does not follow the server: {self.tracer.communicate()[1].strip()}")

    def close(self):
        self.tracer.terminate()
        self.tracer.communicate()

    def read(self):
        """Their number so far."""
        return self.path.read_bytes().count(b"\n")


def sides(kind, version):
    """A server with the gate, and the same without it."""
    options = {"modules": ["bench_counts"], "plugin_paths": [MODULES], "options": {"bench_allocations": counter()}}
    gated, plain = (kind(version, gate, **options) for gate in (True, False))
    compare(gated, plain, GATE)
    return gated, plain


@contextlib.contextmanager
def settled(server):
    """A component that has looked at the server, as it does once after each greeting."""
    with started(PinnedVestibule(server, CALM), seconds=PATIENCE) as component:

        def has_looked():
            return json.loads(component.run("status", "--json").stdout or "{}").get("doctor")

        wait_until(has_looked, PATIENCE, "a look at the server", component.tail)
        yield


def joined(server, prefix, rooms, people):
    """So many rooms are opened, one after the other, and so many people join each and leave it."""
    size = {"rooms": rooms, "people": people}
    drive("crowd", "count", port=server.c2s_port, server=server.pid, prefix=prefix, password=PASSWORD, **size)


def each_join(server):
    """What one join and its leave costs with its share of the opening, by the size of the meeting."""
    found = {}
    with contextlib.closing(Teller(server)) as teller, contextlib.closing(Calls(server, teller)) as calls:

        def run(prefix, rooms, people):
            before = {**teller.read(), "syscalls": calls.read()}
            joined(server, prefix, rooms, people)
            after = {**teller.read(), "syscalls": calls.read()}
            return {name: after[name] - before[name] for name in after}

        for people, rooms in MEETINGS:
            few, many = (run(f"c{people}-{times}-", times * rooms, people) for times in (1, 3))
            found[people] = {name: (many[name] - few[name]) / (2 * rooms * people) for name in few}
    return found


def joins(version):
    """A join and its leave, on a server with the gate and on the same without it."""
    gated, plain = sides(PinnedProsody, version)
    with started(gated), started(plain), settled(gated):
        with_it, without = each_join(gated), each_join(plain)
    for people, _ in MEETINGS:
        words = f"for a join and its leave, meetings of {people}, with the share of the opening"
        for name, unit in UNITS.items():
            ours, theirs = with_it[people][name], without[people][name]
            yield Figure(f"join-{people}-{name}", ours, unit, f"with the gate; {words}")
            if name != "link":
                yield Figure(f"join-{people}-{name}-plain", theirs, unit, f"without the gate; {words}")
                yield Figure(f"join-{people}-{name}-gate", ours - theirs, unit, f"because of the gate; {words}")


def program():
    """The program of `benches/counts.rs`, with its symbols."""
    cargo = os.environ.get("CARGO", "cargo")
    profile = "dev" if QUICK else "release"
    command = [cargo, "rustc", "--locked", "--profile", profile, "--bench", "counts", "--message-format=json", "--", "-Cstrip=none"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    for line in done.stdout.splitlines():
        built = json.loads(line)
        if built.get("executable") and built["target"]["name"] == "counts":
            return built["executable"]
    raise Unmeasured("`cargo rustc --bench counts` builds no program")


def said(*command):
    """What the command prints as JSON."""
    return json.loads(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)


def traced(folder, *command):
    """Instructions of a run, and how often SQLite made a step."""
    out = Path(folder) / "callgrind"
    words = [needs("valgrind"), "--tool=callgrind", f"--callgrind-out-file={out}", *command]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise Unmeasured(f"{words}: {done.stderr[-2000:]}")
    profile = out.read_text()
    # A function has its name where it is met first, and its number everywhere.
    step = re.search(r"^c?fn=(\(\d+\)) sqlite3_step$", profile, re.MULTILINE)
    calls = re.findall(rf"^cfn={re.escape(step[1])}.*\ncalls=(\d+)", profile, re.MULTILINE) if step else []
    return int(found[1]), sum(map(int, calls))


def component():
    """A question and an audit entry."""
    built = program()

    def each(name, runs, count, unit, words):
        return Figure(name, (runs[1] - runs[0]) / (2 * count), unit, words, PROFILE)

    words = "a join with a record, from its bytes to those of the answer; neither store nor log"
    few, many = (said(built, "allocations", times * QUESTIONS) for times in (1, 3))
    for name, unit in (("allocations", "allocations"), ("bytes", "B")):
        yield each(f"question-{name}", (few[name], many[name]), QUESTIONS, unit, words)
    few, many = (said(built, "memory", times * ROOMS) for times in (1, 3))
    yield each("room-bytes", (few["rooms"], many["rooms"]), ROOMS, "B", "allocated for a room without people")
    people = ROOMS * INSIDE
    yield each("occupant-bytes", (few["occupants"], many["occupants"]), people, "B", "allocated for a person in a room of ten")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        asked = [traced(folder, built, "questions", times * QUESTIONS) for times in (1, 3)]
        written = [traced(folder, built, "entries", times * QUESTIONS, f"{folder}/{times}.db") for times in (1, 3)]
        yield each("question-instructions", [run[0] for run in asked], QUESTIONS, "instructions", words)
        words = "to make an audit entry of a decision, and write it"
        more = [entry[0] - question[0] for entry, question in zip(written, asked, strict=True)]
        yield each("entry-instructions", more, QUESTIONS, "instructions", words)
        yield each("entry-statements", [run[1] for run in written], QUESTIONS, "statements", "of SQLite, for an audit entry")
        sizes = [said(built, "entries", times * ENTRIES, f"{folder}/large-{times}.db") for times in (1, 3)]
        yield each("entry-bytes", sizes, ENTRIES, "B", "of the database, for an audit entry")


def searches():
    """What an audit entry costs where there are many, and a search among them."""
    entries = 50_000 if QUICK else 1_000_000
    built = program()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = f"{folder}/audit.db"
        cost = said(*pinned(LOAD, [built, "audit", entries, path]))
        yield Figure("audit-entry", cost / 1000, "µs", f"of processor time, for each of {entries:,} entries with their index", PROFILE)
        for name, what in SEARCHES.items():
            found = said(built, "search", path, what)
            if not found["entries"]:
                raise Unmeasured(f"nothing was found by {what}")
            words = f"{found['entries']} of {entries:,} entries, by {what}"
            yield Figure(f"log-{name}", found["ns"] / 1e6, "ms", words, PROFILE)
            calls = Path(folder) / "calls"
            command = [needs("strace"), "-f", "-qq", "-e", "trace=pread64", "-P", path, "-o", calls, built, "search", path, what]
            subprocess.run(list(map(str, command)), capture_output=True, check=True)
            yield Figure(f"log-{name}-pages", calls.read_bytes().count(b"\n"), "pages", f"read; {words}", PROFILE)


class Traced(PinnedProsody):
    """A server under callgrind."""

    def spawn(self, command, env):
        out = self.home / "callgrind.%p"
        tool = [needs("valgrind"), "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={out}"]
        super().spawn([*tool, *command], env)

    def spent(self):
        """Instructions since this was asked before."""
        subprocess.run([needs("callgrind_control"), "--dump", str(self.pid)], check=True, capture_output=True)
        last = max(self.home.glob(f"callgrind.{self.pid}.*"), key=lambda path: int(path.suffix[1:]))
        return int(re.search(r"^summary: (\d+)", last.read_text(), re.MULTILINE)[1])


def instructions(version):
    """The share of a server's instructions that is not the gate's, by meetings."""
    gated, plain = sides(Traced, version)
    with started(gated, seconds=PATIENCE), started(plain, seconds=PATIENCE), settled(gated):
        spent = {}
        for server in (gated, plain):
            with contextlib.closing(Teller(server)) as teller:
                teller.read()
                for people, rooms in QUICK_MEETINGS if QUICK else MEETINGS:
                    for times in (1, 3):
                        server.spent()
                        joined(server, f"i{people}-{times}-", times * rooms, people)
                        spent[server, people, times] = server.spent()
        for people, rooms in QUICK_MEETINGS if QUICK else MEETINGS:
            ours, theirs = ((spent[server, people, 3] - spent[server, people, 1]) / (2 * rooms * people) for server in (gated, plain))
            words = f"meetings of {people}, collector stopped: {theirs / 1000:,.0f} thousand for a join and its leave, and {ours / 1000:,.0f} with the gate"
            yield Figure(f"join-{people}-instructions", theirs / ours, "ratio", words)


def measure(_rounds, _scale, version):
    """All of them; in the short form, what is slow and hardly depends on the server only once."""
    yield from joins(version)
    if version == "0.12" or not QUICK:
        yield from component()
        yield from searches()
        yield from instructions(version)
