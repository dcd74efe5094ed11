"""Everything at once, for as long as asked: a server with the gate, the component with page, API, metrics and database; people who
come, knock, guess, take other names, open rooms and go, commands, reloads, readers of page and API, a link that breaks, and
a crowd that joins and leaves at a steady rate.

    make soak SOAK_MINUTES=60 SOAK_JOINS=200

takes samples of what both processes hold, of the database's size and of how long the crowd waits, prints them as they were at the beginning, in the middle and at
the end, and says of each whether it is flat or growing. The exit status is 1 if something grows, or if people had no answer.
"""

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import random
import re
import statistics
import sys
import time
from pathlib import Path

from lab import Crowd, Failed, Prosody, Vestibule
from lab.http import Api
from lab.process import ROOT, environment
from lab.stanza import CLIENT, element
from proxy import Proxy
from storm import PASSWORD

MODULES = Path(__file__).parent / "modules"
ROOMS = [f"soak-{number}@conference.localhost" for number in range(12)]
LOBBIES = [f"lobby-{number}@conference.localhost" for number in range(4)]
PEOPLE = ["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal"]
POLICY = f"""
[[service]]
domain = "conference.localhost"
[log]
level = "warn"
[policy.access]
create = ["account"]
[policy.password]
source = "preset"
preset = "{PASSWORD}"
[policy.lobby]
admission = "password"
[audit]
every = "20 seconds"
[store]
retention = "10 minutes"
max_size = "64 MiB"
[[room]]
match = "lobby-*"
lobby.admission = "password-and-lobby"
[[room]]
match = "crowd-*"
access.create = ["guest"]
password.guesses.burst = 10000
password.guesses.room_burst = 10000
"""
# Files in turn: what is in force changes.
FILES = [POLICY, POLICY + "limits.occupants = 30\n"]
# A run that is shorter says nothing of memory: it is still being filled.
LONG = 600
# mod_c2s holds each session for so many seconds after it has come, for a timer. With its own 300, a quarter of an hour in which ever more
# people come looks like a leak of what the gate keeps.
C2S_TIMEOUT = 20
# The crowd: so many people in so many rooms, who are others each minute.
CROWD = {"people": 50, "rooms": 20}
CROWD_TURN = 60


@dataclasses.dataclass
class Rule:
    """How much more the last quarter's median may be than that of the second: a share, and so much beside."""

    share: float
    beside: float

    def grows(self, values):
        quarter = len(values) // 4
        before = statistics.median(values[quarter : 2 * quarter])
        after = statistics.median(values[-quarter:])
        return after > before * (1 + self.share) + self.beside


# By the beginning of a series' name, the longest first: for memory in KiB, for counts.
RULES = {
    "component KiB": Rule(0.05, 4096),
    "server KiB": Rule(0.05, 8192),
    "database KiB": Rule(0.05, 4096),
    "crowd ": Rule(0.25, 5),
    "server Lua KiB": Rule(0.05, 2048),
    "component descriptors": Rule(0.05, 10),
    "server descriptors": Rule(0.05, 15),
    "component threads": Rule(0.05, 4),
    "server threads": Rule(0, 1),
    "gate ": Rule(0.05, 60),
    "metric ": Rule(0.05, 30),
}
SLOW_TO_FILL = (" KiB", " ms")
# What else the machine does, in percent of a core: who waits, waits for that, too.
LOAD = "machine load"


def judge(samples, seconds):
    """{series: (beginning, middle, end, verdict)} of the samples."""
    verdicts = {}
    for name in sorted({name for sample in samples for name in sample}):
        values = [sample.get(name, 0) for sample in samples]
        if len(values) < 8:
            raise Failed(f"{len(values)} samples are too few")
        if name.startswith(LOAD) or (name.endswith(SLOW_TO_FILL) and seconds < LONG):
            verdict = "not judged"
        else:
            rule = next(rule for start, rule in RULES.items() if name.startswith(start))
            verdict = "growing" if rule.grows(values) else "flat"
        quarter = len(values) // 4
        median = [values[:quarter], values[len(values) // 2 - 1 : len(values) // 2 + 2], values[-quarter:]]
        verdicts[name] = (*(round(statistics.median(part)) for part in median), verdict)
    return verdicts


def process(pid):
    """What the kernel says of a process: memory in KiB, descriptors, threads."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
    return int(found["VmRSS"]), len(os.listdir(f"/proc/{pid}/fd")), int(found["Threads"])


class Soak:
    """The load, and the samples."""

    def __init__(self, server, component, proxy, joins, leaks=()):
        self.server, self.component, self.proxy, self.joins = server, component, proxy, joins
        self.counts = {}
        self.samples = []
        self.leaks = leaks
        self.random = random.Random(7)
        self.leaked = []
        self.waited = {}
        self.ends = None

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    async def run(self, *arguments):
        """A command of an operator, whatever comes of it."""
        done = await asyncio.to_thread(self.component.run, *arguments, seconds=90)
        self.count(f"command {arguments[0]}")
        del self.component.said[:]
        return done

    async def person(self, number):
        """Somebody who comes and goes, again and again."""
        is_known = number % 2 == 0
        while time.monotonic() < self.ends:
            jid = f"{PEOPLE[number // 2 % len(PEOPLE)]}@localhost" if is_known else "guest.localhost"
            async with Crowd(self.server) as crowd:
                try:
                    who = await crowd.connect(jid)
                    for _ in range(self.random.randint(1, 4)):
                        await self.visit(who, self.random.choice(ROOMS + LOBBIES))
                    if self.random.random() < 0.5:
                        await who.disconnect()
                    self.count("sessions")
                except (Failed, ConnectionError, asyncio.TimeoutError) as error:
                    self.count(f"trouble: {str(error)[:60]}")
                    await asyncio.sleep(0.5)

    async def visit(self, who, room):
        """A room is joined, talked in under two names, and left."""
        word = PASSWORD if self.random.random() < 0.8 else f"guess{self.random.random()}"
        nick = f"N{self.random.randrange(1000)}"
        outcome = await who.join(room, nick, word, seconds=20)
        self.count(f"join: {outcome.kind}")
        if outcome.joined:
            who.say(room, "Good morning.")
            if self.random.random() < 0.3:
                who.send(element(CLIENT, "presence", to=f"{room}/{nick}x"))
            await asyncio.sleep(self.random.random())
            who.send(element(CLIENT, "presence", to=f"{room}/{nick}", type="unavailable"))
        await who.ping(20)
        del who.seen[:]

    async def crowd(self):
        """`joins` a second, of people who are others each minute."""
        program = os.environ.get("CROWD_BIN") or ROOT / "benches/rivals/target/debug/crowd"
        turn = 0
        while self.joins and (left := self.ends - time.monotonic()) > 0:
            turn += 1
            words = CROWD | {
                "port": self.server.c2s_port, "prefix": f"crowd-{turn}-", "password": PASSWORD,
                "every": round(1000 * CROWD["people"] / self.joins), "seconds": min(CROWD_TURN, left),
            }
            child = await asyncio.create_subprocess_exec(
                program, "storm", *(str(word) for name, value in words.items() for word in (f"--{name}", value)),
                stdout=asyncio.subprocess.PIPE, env=environment({}), limit=2**26,
            )
            try:
                lines = (await child.stdout.read()).splitlines()
            finally:
                if child.returncode is None:
                    child.kill()
                await child.wait()
            if len(lines) != 2:
                self.count("crowd: cut short")
                continue
            self.tell_apart(json.loads(lines[1]))

    def tell_apart(self, outcomes):
        """Counts what came of the crowd's joins, and keeps how long those waited who got in."""
        waited = []
        for sent, answered, is_right, outcome in outcomes:
            self.count(f"crowd: {outcome if is_right else f'{outcome} by a wrong password'}")
            if outcome == "joined":
                waited.append(1000 * (answered - sent))
        if len(waited) > 10:
            hundredths = statistics.quantiles(waited, n=100)
            self.waited = {"crowd median ms": hundredths[49], "crowd p90 ms": hundredths[89]}

    async def operator(self):
        """Commands in turn, and files."""
        turn = 0
        while time.monotonic() < self.ends:
            turn += 1
            room = self.random.choice(ROOMS + LOBBIES)
            for words in (
                ["rooms"], ["room", room], ["close", room], ["reopen", room], ["suspend", room], ["resume", room],
                ["say", room, "Good day."], ["ban", "mallory@localhost"], ["unban", "mallory@localhost"],
                ["log", "--limit", "50"], ["bans"], ["remove", room, "hal@localhost", "--keep-out-for", "5 seconds"],
                ["status"], ["end", room, "--yes"],
            ):
                await self.run(*words)
            self.component.write_config(FILES[turn % 2])
            await self.run("reload")
            if turn % 10 == 0:
                await self.run("doctor")
            await asyncio.sleep(0.3)

    async def moderator(self):
        """Lets in whoever waits."""
        while time.monotonic() < self.ends:
            for room in LOBBIES:
                done = await self.run("room", room, "--json")
                waiting = json.loads(done.stdout)["waiting"] if done.returncode == 0 else []
                for one in waiting[:3]:
                    await self.run(self.random.choice(["admit", "reject"]), room, one["jid"])
            await asyncio.sleep(0.5)

    async def reader(self):
        """Page, API, metrics, stream."""
        api = await asyncio.to_thread(Api, self.component)
        while time.monotonic() < self.ends:
            for path in ("/", "/api/v1/rooms", "/api/v1/status", "/metrics", "/readyz"):
                await asyncio.to_thread(api.request, "GET", path)
                self.count("pages")
            stream = await asyncio.to_thread(api.stream)
            await asyncio.to_thread(stream.next)
            stream.close()
            del self.component.said[:]
            await asyncio.sleep(0.3)

    async def leaker(self, seconds):
        """For a test: streams that nobody closes, evenly over the time."""
        api = await asyncio.to_thread(Api, self.component)
        while self.leaks and time.monotonic() < self.ends:
            self.leaked.append(await asyncio.to_thread(api.stream))
            await asyncio.sleep(seconds / 50)

    async def breaker(self, seconds):
        """The link breaks from time to time."""
        while time.monotonic() + seconds < self.ends:
            await asyncio.sleep(seconds)
            self.proxy.cut()
            self.count("links cut")

    async def sampler(self, every):
        """Samples of everything."""
        api = await asyncio.to_thread(Api, self.component)
        async with Crowd(self.server) as crowd:
            looker = await crowd.connect("looker@localhost")
            while time.monotonic() < self.ends:
                with contextlib.suppress(Failed):
                    self.samples.append(await self.sample(api, looker))
                del looker.seen[:]
                await asyncio.sleep(every)

    async def sample(self, api, looker):
        sample = {}
        for name, pid in (("component", self.component.pid), ("server", self.server.pid)):
            kib, descriptors, threads = process(pid)
            sample |= {f"{name} KiB": kib, f"{name} descriptors": descriptors, f"{name} threads": threads}
        database = (file.stat().st_size for file in self.component.state_dir.glob("*.db*"))
        sample["database KiB"] = sum(database) // 1024
        sample[f"{LOAD} %"] = round(100 * os.getloadavg()[0])
        sample |= self.waited
        _, _, text = await asyncio.to_thread(api.request, "GET", "/metrics")
        del self.component.said[:]
        for metric in ("store_waiting", "requests_in_flight", "http_streams", "waiting", "rooms"):
            values = re.findall(rf"^vestibule_{metric}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
            sample[f"metric {metric}"] = sum(map(float, values))
        reply = await looker.iq("conference.localhost", "get", element("urn:lab", "sizes"), 20)
        told = json.loads(next(iter(reply.xml)).text)
        sample["server Lua KiB"] = told["lua_kib"]
        return sample | {f"gate {name}": size for name, size in told["tables"].items() if size > 0}

    async def go_on(self, seconds):
        """For so long."""
        self.ends = time.monotonic() + seconds
        tasks = [self.person(number) for number in range(12)]
        tasks += [self.operator(), self.moderator(), self.reader(), self.crowd(), self.leaker(seconds), self.breaker(max(seconds / 20, 8))]
        await asyncio.gather(*tasks, self.sampler(max(seconds / 240, 0.5)))


async def soak(version, seconds, joins, leaks=()):
    """Returns the verdicts, and what was counted. The crowd makes so many `joins` a second."""
    options = {"modules_enabled": ["vestibule_gate", "lab_sizes"], "vestibule_also": ["urn:lab"]}
    server = Prosody(
        version, storage="internal", plugin_paths=[MODULES], muc_options=options, log_level="info", options={"c2s_timeout": C2S_TIMEOUT},
        component_options={"component_conflict_resolve": "kick_old"},
    )
    with server:
        async with Proxy(server.component_port) as proxy:
            component = Vestibule(server, POLICY, env={**proxy.environment, "VESTIBULE_LOG__DECISIONS": ""})
            component.is_replayed = False
            component.start(ready=False)
            try:
                await asyncio.to_thread(component.wait_ready)
                run = Soak(server, component, proxy, joins, leaks)
                await run.go_on(seconds)
                for stream in run.leaked:
                    stream.close()
                return judge(run.samples, seconds), run.counts, len(run.samples)
            except BaseException:
                print(component.tail(30), "\n".join(server.complaints()[-30:]), sep="\n")
                raise
            finally:
                component.kill()
                component.remove()


def show(verdicts, counts, samples, seconds, version):
    """As text; whether all is well."""
    print(f"Prosody {version}, {seconds / 60:.1f} minutes, {samples} samples")
    print(f"{'':44}{'beginning':>10}{'middle':>10}{'end':>10}")
    for name, (first, middle, last, verdict) in verdicts.items():
        if verdict == "growing" or not name.startswith("gate ") or max(first, middle, last) > 20:
            print(f"{name:44}{first:>10}{middle:>10}{last:>10}  {verdict}")
    print("; ".join(f"{what} {count}" for what, count in sorted(counts.items())))
    growing = [name for name, row in verdicts.items() if row[-1] == "growing"]
    silent = counts.get("join: silence", 0) + counts.get("crowd: silence", 0)
    if silent:
        print(f"{silent} joins had no answer")
    print(f"growing: {', '.join(growing)}" if growing else "everything that was judged is flat")
    return not growing and not silent


def main():
    seconds = float(os.environ.get("SOAK_MINUTES") or 60) * 60
    version = os.environ.get("PROSODY") or "0.12"
    version = "0.12" if version == "both" else version
    joins = float(os.environ.get("SOAK_JOINS") or 0)
    # Of each connection that is cut off, slixmpp leaves a task behind (XMLStream.run_filters), which asyncio tells in two lines.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    verdicts, counts, samples = asyncio.run(soak(version, seconds, joins))
    return 0 if show(verdicts, counts, samples, seconds, version) else 1


if __name__ == "__main__":
    sys.exit(main())
