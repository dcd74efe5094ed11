"""Something fails, each time while something happens: nobody is wrongly in, nobody is without an answer, also of those
who wait to be let in, and `status` says what is so. docs/chaos.md has the matrix.

The ordinary run takes one deed for each fault, on one Prosody; CHAOS=all takes every one on both.
"""

import asyncio
import contextlib
import json
import os
import socket
import time

import pytest
from lab import Crowd, Postgres, Vestibule
from lab.disk import small_disk
from lab.knocking import invited
from lab.process import HOST, Failed
from proxy import Proxy
from storm import PASSWORD, QUICK, logged, one_answer_each, outcomes, until

ROOM = "raid-1@conference.localhost"
OTHER = "tea@conference.localhost"
GUESTS = 12
POLICY = f"""
[[service]]
domain = "conference.localhost"
[policy.password]
source = "preset"
preset = "{PASSWORD}"
[policy.lobby]
admission = "password-or-lobby"
[policy.access]
create = ["account"]
[reload]
max_removed_percent = 100
max_removed = 1000
"""
# Guests no more.
STRICTER = POLICY.replace("[policy.access]", '[policy.access]\nenter = ["account"]')


class Fault:
    """Nothing fails. `begin` has something fail, `end` has it be well again."""

    # What starts the component differently.
    def __init__(self, scene):
        self.scene, self.env = scene, {}

    def prepare(self):
        """Before the component is there."""

    def wrap(self, component):
        """Before the component starts."""

    async def begin(self):
        """It fails."""

    async def says(self, status):
        """Asserts that the status, as text and as JSON (None: there is nobody to ask), says so."""

    async def end(self):
        """It is well again."""

    def close(self):
        """What was used is given back."""


class Kill(Fault):
    """The component is killed, and started again."""

    async def begin(self):
        self.scene.component.kill()

    async def says(self, status):
        assert status is None

    async def end(self):
        self.scene.component.start(ready=False)


class Stop(Fault):
    """The component is there, and silent."""

    # Seconds after which a command gives up.
    patience = 30

    async def begin(self):
        await asyncio.to_thread(self.scene.component.freeze)
        self.asked = time.monotonic()
        self.status = asyncio.ensure_future(self.scene.run("status"))

    async def says(self, status):
        done = await self.status
        assert time.monotonic() - self.asked >= self.patience
        assert (done.returncode, done.stdout) == (2, "")
        assert f"no sign of life for {self.patience} s" in done.stderr

    async def end(self):
        self.scene.component.thaw()


class Slow(Fault):
    """What passes on the link takes 0.2 s each way."""

    async def begin(self):
        self.scene.proxy.delay = 0.2

    async def says(self, status):
        assert status["ready"] and status["linked"]

    async def end(self):
        self.scene.proxy.delay = 0


class HalfOpen(Fault):
    """What passes on the link is lost, and both ends believe in it. The component does not after 45 s."""

    async def begin(self):
        self.scene.proxy.swallow()

    async def end(self):
        # Its own doing: it notices, says so, and links again.
        await logged(self.scene.component, "nothing came from the server for 45s", 60)


class FullDisk(Fault):
    """Neither the database nor the decision log finds room for anything."""

    def prepare(self):
        self.disk = small_disk()
        print(f"the full disk: {type(self.disk).__name__}")

    def wrap(self, component):
        self.disk.wrap(component)

    async def begin(self):
        await asyncio.to_thread(self.disk.fill)

    async def says(self, status):
        status = await self.scene.says(lambda it: it["store"].get("trouble"), 20, "the database's trouble")
        assert status["ready"] and status["log_lines_lost"] > 0 and status["store"]["lost"] == 0
        assert status["store"]["waiting"] > 0
        text = (await self.scene.run("status")).stdout
        assert "LINES of the decision log are LOST" in text and self.disk.says in text
        banned = json.loads((await self.scene.run("ban", "eve@elsewhere.example", "--json")).stdout)
        assert banned["kept"] is False and self.disk.says in banned["not_kept"]

    async def end(self):
        await asyncio.to_thread(self.disk.empty)

        def is_written(it):
            return not it["store"].get("trouble") and not it["store"]["waiting"]

        status = await self.scene.says(is_written, 30, "the database to be written")
        assert status["store"]["lost"] == 0
        await logged(self.scene.component, "has taken a ban that was only in memory", 20)
        await self.nothing_is_lost_silently()

    async def nothing_is_lost_silently(self):
        """Every decision is in the database, and those that the log lacks are counted."""
        while True:
            before = await self.scene.status()
            found = await self.scene.run("log", "--json", "--kind", "decision", "--limit", "1000")
            after = await self.scene.status()
            if before["decisions"] == after["decisions"] and not before["store"]["waiting"]:
                break
        decided = {json.loads(line)["id"] for line in found.stdout.splitlines()}
        count = sum(before["decisions"][verdict] for verdict in ("allow", "hold", "prompt", "deny"))
        assert len(decided) == count
        written = set()
        for line in self.disk.path("decisions.jsonl").read_text().splitlines():
            # One that was cut off is lost.
            with contextlib.suppress(json.JSONDecodeError):
                written.add(json.loads(line).get("id"))
        assert 0 < len(decided - written) <= after["log_lines_lost"]

    def close(self):
        self.disk.close()


class PortTaken(Fault):
    """The address of the page is somebody else's."""

    def prepare(self):
        self.taken = socket.create_server((HOST, 0))
        self.env = {"VESTIBULE_ADMIN__HTTP": f"{HOST}:{self.taken.getsockname()[1]}"}

    async def says(self, status):
        assert status["ready"] and [task["task"] for task in status["down"]] == ["page"]

    async def end(self):
        self.taken.close()
        await self.scene.says(lambda it: not it["down"], 20, "the page to be there")

    def close(self):
        self.taken.close()


class DatabaseAway(Fault):
    """The PostgreSQL that servers share is gone."""

    def prepare(self):
        self.postgres = Postgres()
        self.postgres.start()
        self.env = {
            "VESTIBULE_STORE__POSTGRES": self.postgres.address(),
            "VESTIBULE_STORE__POSTGRES_PASSWORD": self.postgres.password,
        }

    async def begin(self):
        self.postgres.kill()

    async def says(self, status):
        status = await self.scene.says(lambda it: it["store"]["shared"].get("trouble"), 30, "the trouble of PostgreSQL")
        assert status["ready"]

    async def end(self):
        self.postgres.start()
        await self.scene.says(lambda it: not it["store"]["shared"].get("trouble"), 60, "PostgreSQL to be there")

    def close(self):
        self.postgres.close()


class Panic(Fault):
    """A task needed for deciding panics: the process ends, and is started again, as systemd does."""

    async def begin(self):
        component = self.scene.component
        await asyncio.to_thread(component.shutdown)
        component.env["VESTIBULE_TEST_FAULT"] = "timers@1"
        component.start(ready=False)

    async def end(self):
        component = self.scene.component
        await until(lambda: not component.is_running, 15, "the process to end")
        assert component.child.returncode == 2 and "the task `timers`" in component.tail()
        del component.env["VESTIBULE_TEST_FAULT"]
        component.start(ready=False)


class WriterPanic(Fault):
    """The threads that write the database and the decision log panic, three times."""

    thread = "database"

    def prepare(self):
        self.env = {"VESTIBULE_TEST_FAULT": f"{self.thread}@3*3"}

    async def says(self, status):
        deadline = time.monotonic() + 20
        while not status["down"] and time.monotonic() < deadline:
            # Something to write.
            await self.scene.guests[1].join(OTHER, "Guesser", "wrong")
            status = await self.scene.status()
        [down] = status["down"]
        assert status["ready"] and down["task"] == self.thread and "a test asks for it" in down["reason"]

    async def end(self):
        status = await self.scene.says(lambda it: not it["down"], 30, "the thread to be up")
        assert "thread is down" in self.scene.component.tail(200)


class LogPanic(WriterPanic):
    """The thread that writes the decision log panics, three times."""

    thread = "log"


class Scene:
    """A server, a component behind a network, people."""

    def __init__(self, server, component, proxy, alice, guests):
        self.server, self.component, self.proxy = server, component, proxy
        self.alice, self.guests, self.knockers = alice, guests, []

    async def run(self, *arguments):
        """A command, while everything else goes on."""
        return await asyncio.to_thread(self.component.run, *arguments, seconds=90)

    async def status(self):
        """`vestibule status`, or None where there is nobody to ask."""
        done = await self.run("status", "--json")
        return json.loads(done.stdout) if done.stdout else None

    async def says(self, it, seconds, what):
        """Waits until something is so of the status; returns it."""
        deadline = time.monotonic() + seconds
        while not ((status := await self.status()) and it(status)):
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not within {seconds} s: {status}")
            await asyncio.sleep(0.05)
        return status

    async def insist(self, *arguments):
        """Gives a command until it is done; what failed said so."""
        while True:
            done = await self.run(*arguments)
            if done.returncode == 0:
                return done
            assert done.stderr, arguments
            await asyncio.sleep(0.3)


class JoinStorm:
    """People come in."""

    async def act(self, scene):
        """What an operator does while something fails; returns when it is done."""

    async def holds(self, scene, room):
        """Asserts what is so in the end."""
        late = await scene.guests[0].join(room, "Late", PASSWORD)
        assert late.joined or late.condition == "conflict", late


class Reload(JoinStorm):
    """A stricter file is put in force."""

    async def act(self, scene):
        scene.component.write_config(STRICTER)
        await scene.insist("reload")

    async def holds(self, scene, room):
        assert (await scene.guests[0].join(room, "Late", PASSWORD)).kind == "error"
        await until(lambda: set(scene.alice.occupants(room)) == {"Alice"}, 15, "guests to be out")


class Suspend(JoinStorm):
    """The meeting is suspended."""

    async def act(self, scene):
        await scene.insist("suspend", ROOM)

    async def holds(self, scene, room):
        within = await inside(scene, room)
        late = [guest for guest in scene.guests if guest.bare not in within][-1]
        refused = await late.join(room, "Late", PASSWORD)
        assert refused.kind == "error" and "suspended" in refused.text, refused
        assert json.loads((await scene.run("room", room, "--json")).stdout)["state"] == "suspended"


class Bulk(JoinStorm):
    """Meetings are ended, many at once."""

    async def act(self, scene):
        await scene.insist("end-many", "--match", "raid-*", "--yes")

    async def holds(self, scene, room):
        # Who came meanwhile has opened it again.
        await scene.insist("end-many", "--match", "raid-*", "--yes")
        assert await inside(scene, room) == set()
        left = json.loads((await scene.run("rooms", "--json")).stdout)
        assert room not in {each["room"] for each in left}


class BulkRemoval(JoinStorm):
    """Everybody is removed from the meeting, those who wait too."""

    async def act(self, scene):
        while True:
            done = await scene.run("remove", ROOM, "--all")
            if done.returncode == 0 or "nobody is inside or waits" in done.stderr:
                return
            assert done.stderr or "STOPPED" in done.stdout or "STILL THERE" in done.stdout, done
            await asyncio.sleep(0.3)

    async def holds(self, scene, room):
        # Who came meanwhile is inside.
        await self.act(scene)
        # Moderators are spared.
        assert await inside(scene, room) == {scene.alice.bare}
        carol = scene.knockers[0].person
        kept_out = await carol.join(room, "Carol", PASSWORD)
        assert kept_out.kind == "error" and kept_out.condition != "registration-required", kept_out


class Knocker:
    """Somebody who has no password, and waits to be let in."""

    def __init__(self, person, nick):
        self.person, self.nick, self.since = person, nick, 0
        self.is_refused = False

    async def knock(self, room):
        """Returns whether they wait now; a refusal is an answer, too."""
        # What follows on the answer may come with it.
        self.since = self.person.mark()
        answer = await self.person.join(room, self.nick, seconds=15)
        assert answer.kind == "error", answer
        self.is_refused = answer.condition != "registration-required"
        return not self.is_refused

    def is_answered(self, room):
        """Whether they were refused, or told later on that nobody lets them in. That the meeting is suspended is no answer."""
        later = self.person.seen[self.since :]
        words = [seen.body for seen in later if seen.name == "message" and seen.room == room and seen.body]
        return self.is_refused or any("You are still in the lobby" not in body for body in words)


async def waiting(scene, room):
    """The bare addresses of those who wait, as the gate says."""
    done = await scene.run("room", room, "--json")
    return {one["jid"] for one in json.loads(done.stdout)["waiting"]} if done.returncode == 0 else set()


async def nobody_is_forgotten(scene, room):
    """Asserts that those who knocked wait, and can be let in, or were answered; and that none of them is in by that alone."""
    for one in scene.knockers:
        await one.person.ping()
    there = await inside(scene, room)
    assert not [one.nick for one in scene.knockers if one.person.bare in there or one.person.occupants(room)]
    wait = await waiting(scene, room)
    for one in scene.knockers:
        assert (one.person.bare in wait) != one.is_answered(room), (one.nick, wait, one.person.seen[-5:])
    # Of a room that is suspended nobody is let in.
    await scene.run("resume", room)
    for one in scene.knockers:
        if one.person.bare in wait:
            done = json.loads((await scene.run("admit", "--json", "--", room, one.person.bare)).stdout)
            assert [person["done"] for person in done["people"]] == ["admitted"], done
            await invited(one.person, room, one.since)
            answer = await one.person.join(room, one.nick)
            assert answer.joined, answer


async def inside(scene, room):
    """The bare addresses of those inside, as the gate says."""
    done = await scene.run("room", room, "--json")
    return {one["jid"] for one in json.loads(done.stdout)["occupants"]} if done.returncode == 0 else set()


FAULTS = {
    "kill": Kill,
    "stop": Stop,
    "slow": Slow,
    "half-open": HalfOpen,
    "full-disk": FullDisk,
    "port-taken": PortTaken,
    "database-away": DatabaseAway,
    "panic": Panic,
    "database-thread": WriterPanic,
    "log-thread": LogPanic,
}
DEEDS = {"join-storm": JoinStorm, "reload": Reload, "suspend": Suspend, "bulk": Bulk, "remove": BulkRemoval}

# In the ordinary run, and on which Prosody.
ORDINARY = {
    "kill": "suspend",
    "stop": "reload",
    "slow": "bulk",
    "half-open": "remove",
    "full-disk": "suspend",
    "port-taken": "reload",
    "database-away": "remove",
    "panic": "join-storm",
    "database-thread": "suspend",
    "log-thread": "bulk",
}
EVERY = os.environ.get("CHAOS") == "all"
CELLS = [(fault, deed) for fault in FAULTS for deed in DEEDS if EVERY or ORDINARY[fault] == deed]


def is_left_out(fault, version):
    """Whether the other Prosody has this cell in the ordinary run."""
    both = (os.environ.get("PROSODY") or "both") == "both"
    return not EVERY and both and version != ("0.12", "13")[list(FAULTS).index(fault) % 2]


@pytest.mark.parametrize("fault, deed", CELLS, ids=["-".join(cell) for cell in CELLS])
async def test_something_fails_while_something_happens(
    start_prosody, start, prosody_version, fault, deed
):
    if is_left_out(fault, prosody_version):
        pytest.skip("the other Prosody has it; CHAOS=all tries it on both")
    server = start_prosody(muc_options=QUICK, component_options={"component_conflict_resolve": "kick_old"})
    deed = DEEDS[deed]()
    async with Proxy(server.component_port) as proxy, Crowd(server) as crowd:
        scene = Scene(server, None, proxy, None, None)
        fault = FAULTS[fault](scene)
        try:
            fault.prepare()
            scene.component = Vestibule(server, POLICY, env={**proxy.environment, **fault.env})
            # What it decided under one file while another was written is not made again here.
            scene.component.is_replayed = False
            fault.wrap(scene.component)
            start(scene.component, ready=False)
            await asyncio.to_thread(scene.component.wait_ready)
            scene.alice = await crowd.connect("alice@localhost")
            for room in (ROOM, OTHER):
                assert (await scene.alice.join(room, "Alice")).joined
            scene.guests = await crowd.connect_many(["guest.localhost"] * GUESTS, present=False)
            waits = await crowd.connect_many(["carol@localhost", "guest.localhost", "guest.localhost"])
            scene.knockers = [Knocker(person, nick) for person, nick in zip(waits, ("Carol", "Dan", "Eve"), strict=True)]
            await happens(scene, fault, deed)
        finally:
            fault.close()


async def happens(scene, fault, deed):
    *before, late = scene.knockers
    for one in before:
        assert await one.knock(ROOM)
    await fault.begin()
    # Every other one with a wrong password.
    words = [PASSWORD if number % 2 == 0 else "wrong" for number in range(GUESTS)]
    people = list(zip(scene.guests, words, strict=True))
    marks = [guest.ask_to_join(ROOM, f"Guest{n}", word) for n, (guest, word) in enumerate(people)]
    acting = asyncio.ensure_future(deed.act(scene))
    try:
        await late.knock(ROOM)
        answers = await outcomes(scene.guests, marks, ROOM)
        # Everybody is answered once, and nobody comes in by a wrong password.
        assert {answer.kind for answer in answers} <= {"joined", "error"}, answers
        await fault.says(None if isinstance(fault, Stop) else await scene.status())
        await fault.end()
        await asyncio.to_thread(scene.component.wait_ready, 60)
        await asyncio.wait_for(acting, 90)
    finally:
        acting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await acting
    await asyncio.sleep(0.5)
    await one_answer_each(scene.guests, marks, ROOM)
    for (guest, word), mark in zip(people, marks, strict=True):
        [answer] = guest.answers(ROOM, mark)
        assert word == PASSWORD or answer.kind == "error"
    # Gate, component and people are of one opinion.
    believe = {guest.bare for guest in scene.guests if guest.occupants(ROOM)}
    assert await inside(scene, ROOM) - {scene.alice.bare} == believe
    await deed.holds(scene, ROOM)
    await nobody_is_forgotten(scene, ROOM)
    status = await scene.status()
    assert status["ready"] and not status["down"] and not status["trouble"], status
