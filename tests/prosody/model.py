"""Rooms as they have to be: people who do things at random, and what everybody says of the rooms afterwards.

Three say it, and have to say the same: what the room service has told each client of itself; the room service's own tables, read by a module of
the laboratory (modules/mod_lab_rooms.lua); and the component, over each of its interfaces. What the room service tells nobody,
like who waits and who is kept out, follows from the steps.
"""

import asyncio
import dataclasses
import fnmatch
import json
import random
import time

from lab.federation import FAR
from lab.raw import Raw
from lab.stanza import CLIENT, element

KINDS = ["open-a", "open-b", "door", "small", "lecture"]
GUESTS, SESSIONS_EACH = 3, 2
MOST_PEOPLE, MOST_WAITING, MODERATED_FOR = 3, 2, 2


@dataclasses.dataclass(frozen=True)
class World:
    """A server with its rooms. `robot` is a service account, `named` the line of the policy that makes it one; `far_names` are people
    of another server."""

    host: str
    guests: str
    service: str
    robot: str
    named: str
    names: tuple = ("alice", "bob", "carol", "dave")
    far: str = FAR
    far_names: tuple = ()

    @property
    def listed(self):
        """Who moderates every room."""
        return f"alice@{self.host}"

    @property
    def policy(self):
        return f"""
version = 2
[[service]]
domain = "{self.service}"
{self.named} = {json.dumps(self.robot if self.named == "focus" else [self.robot])}
[audit]
every = "never"
[policy.access]
create = ["service", "account"]
[policy.password]
required = false
[policy.moderators]
assign = ["listed", "opener"]
jids = ["{self.listed}"]
succession_after = "never"
[policy.lobby]
admission = "open"
unattended = ["refuse"]
unattended_after = "1 day"
max_knocks = 10000
wait = "1 day"
[policy.close]
hold_until = []
[[room]]
match = "door-*"
lobby = {{ admission = "lobby", bypass = ["service", "operator", "listed", "account"], max_waiting = {MOST_WAITING} }}
[[room]]
match = "small-*"
limits = {{ occupants = {MOST_PEOPLE} }}
[[room]]
match = "lecture-*"
moderators = {{ assign = ["listed"], jids = ["{self.listed}"] }}
[[room]]
match = "timed-*"
moderators = {{ assign = ["listed"], jids = ["{self.listed}"] }}
close = {{ when_unmoderated = "{MODERATED_FOR} seconds" }}
"""


PLAIN = World("localhost", "guest.localhost", "conference.localhost", "robot@localhost", "trusted", ("alice", "bob", "carol", "dave", "robot"), far_names=("frank",))
# Beyond these, nobody here waits for anything to become so.
PATIENCE, LONG = 10, 60
MOST_WAITING_ELSEWHERE = 50
NICKS = ["Ann", "Ben", "Cat", "Dan", "Eve", "Fay"]


class Wrong(AssertionError):
    """What is not as it has to be."""


@dataclasses.dataclass
class Seat:
    nick: str
    role: str
    since: float  # when the session came in


class Session:
    """A client, with what the room service has told it about itself."""

    def __init__(self, name, person):
        self.name, self.person, self.seats, self._read = name, person, {}, 0
        self.jid, self.bare = person.jid, person.bare
        self.label = f"{name}/{self.jid.rpartition('/')[2][:4]}"
        self.entered = []  # every room that it came into, one after the other
        self.pending = []  # rooms that it has asked to join, with the place where the answer begins

    def catch_up(self):
        for stanza in self.person.seen[self._read :]:
            if stanza.name != "presence" or stanza.type == "error" or not stanza.nick:
                continue
            if stanza.type == "unavailable":
                is_own = 110 in stanza.statuses or stanza.destroyed is not None
                seat = self.seats.get(stanza.room)
                if is_own and seat and seat.nick == stanza.nick and 303 not in stanza.statuses:
                    del self.seats[stanza.room]
            elif 110 in stanza.statuses:
                known = self.seats.get(stanza.room)
                self.entered += [] if known else [stanza.room]
                self.seats[stanza.room] = Seat(stanza.nick, stanza.item.get("role"), known.since if known else stanza.at)
        self._read = len(self.person.seen)
        self.pending = [(room, since) for room, since in self.pending if not self.person.answers(room, since)]


def inside(rooms):
    """Who is in which room, by bare address, without the service account."""
    return {(room, one["bare"]) for room, state in rooms.items() for one in state["occupants"].values() if not one["serves"]}


def waiting(rooms):
    """Who waits at which room."""
    return {(room, bare) for room, state in rooms.items() for bare in state["waiting"]}


def nick_of(seat):
    """The nick: with a breakout room, it is of a seat in that."""
    return seat.partition("\n")[0]


def compared(what, is_so, should_be):
    """The difference as texts: none, or one."""
    if is_so == should_be:
        return []
    if isinstance(is_so, dict):
        keys = [key for key in {**is_so, **should_be} if is_so.get(key) != should_be.get(key)]
        is_so, should_be = ({key: each.get(key) for key in keys} for each in (is_so, should_be))
    return [f"{what}: {is_so}\n    should be {should_be}"]


class Model:
    """The people, what is known of the rooms from what they did, and the comparison."""

    WORLD = PLAIN

    def __init__(self, door, proxy, seed):
        self.door, self.proxy, self.drawn, self.seed = door, proxy, random.Random(seed), seed
        self.world, self.service, self.robot = self.WORLD, self.WORLD.service, self.WORLD.robot
        self.sessions, self.log, self.api = [], [], None
        self.left_behind = []  # sessions that are no more, here
        self.services = []  # sessions of service accounts that do what they do by themselves
        self.life, self.number = 1, 0
        self.noted = time.monotonic()  # when the rooms were looked at last
        self.bans = set()  # whom, and the pattern of rooms or None
        self.forget_rooms()

    def forget_rooms(self):
        self.generations = {}
        self.waits = {}  # by room: the bare addresses of those who knocked, with the session
        self.closed, self.suspended = set(), set()
        self.kept_out, self.held, self.let_in, self.been = set(), set(), set(), set()  # room and bare address
        self.arrivals = {}  # the same, with two moments between which they came in, or knocked
        self.unsure = set()  # the same: what follows for them depends on what came first

    # People

    async def connect(self, name=None):
        name = name or self.drawn.choice([*self.world.names, *self.world.far_names, *[f"guest{number}" for number in range(GUESTS)]])
        is_guest = name.startswith("guest")
        if sum(session.name == name for session in self.sessions) >= (1 if is_guest else SESSIONS_EACH):
            return None
        self.number += 1
        node, host = (None, self.world.guests) if is_guest else (name, None)
        server = self.door.far if name in self.world.far_names else self.door.server
        person = await Raw.log_in(server, node, host, resource=f"r{self.number}")
        person.send_raw("<presence/>")
        session = Session(name, person)
        self.sessions.append(session)
        return session

    async def start(self):
        """The people of whom there are always some: one who looks on from outside, and one who has the gate report something."""
        self.watcher = await Raw.log_in(self.door.server, "watcher")
        self.caller = Session("caller", await Raw.log_in(self.door.server, "caller"))
        for name in (*self.world.names, *self.world.far_names):
            await self.connect(name)

    def close(self):
        for person in [self.watcher, *(session.person for session in [self.caller, *self.services, *self.sessions, *self.left_behind])]:
            person.abort()

    def gone(self, session):
        """The session is no more."""
        self.sessions.remove(session)
        is_last = all(other.bare != session.bare for other in self.sessions)
        for people in self.waits.values():
            if is_last or people.get(session.bare) is session:
                people.pop(session.bare, None)

    def room(self, kind):
        return f"{kind}-{self.life}@{self.service}"

    def rooms(self):
        return [self.room(kind) for kind in KINDS]

    def seated(self, room=None, role=None, sessions=None):
        """Sessions inside, with the room and their seat."""
        return [
            (session, where, seat) for session in sessions or self.sessions for where, seat in session.seats.items()
            if where in (room or where,) and seat.role in (role or seat.role,) and where.endswith(f"@{self.service}")
        ]

    def present(self, room):
        """Sessions in the meeting of a room."""
        return self.seated(room)

    # What is so

    async def ask(self, name, person=None, to=None, **attributes):
        reply = await (person or self.watcher).iq(to or self.service, "get" if name == "rooms" else "set", element("urn:lab", name, **attributes), LONG)
        assert reply.type == "result", reply
        return reply

    async def read(self, service=None):
        """The rooms as the room service has them, without those that only the harness uses."""
        told = json.loads((await self.ask("rooms", to=service)).text("urn:lab", "rooms")) or {}
        rooms = {}
        for room, state in told.items():
            state = {key: value or {} if isinstance(value, (list, dict)) else value for key, value in state.items()}
            occupants = {
                nick.rpartition("/")[2]: {**one, "sessions": set(one["sessions"] or ()), "serves": one["bare"] == self.robot}
                for nick, one in state["occupants"].items()
            }
            if not (state["is_swapped_out"] and not occupants):
                rooms[room] = {**state, "occupants": occupants}
        return rooms

    def believed(self):
        """The same by what the clients were told: by room and nick, the sessions and their roles."""
        rooms = {}
        for session, room, seat in self.seated(sessions=[*self.sessions, *self.services]):
            rooms.setdefault(room, {}).setdefault(seat.nick, {})[session.jid] = seat.role
        return rooms

    def note(self, rooms):
        """A room that ended, or began anew, remembers nothing."""
        for room in {*self.generations, *rooms}:
            now = rooms.get(room, {}).get("generation")
            if self.generations.get(room, now) != now:
                self.waits.pop(room, None)
                self.closed.discard(room)
                self.suspended.discard(room)
                for pairs in (self.kept_out, self.held, self.let_in, self.been, self.unsure):
                    pairs -= {pair for pair in pairs if pair[0] == room}
            self.generations[room] = now
        self.been |= inside(rooms)
        began, self.noted = self.noted, time.monotonic()
        self.arrivals = {pair: self.arrivals.get(pair, (began, self.noted)) for pair in inside(rooms) | waiting(rooms)}

    async def get(self, path):
        return await asyncio.to_thread(self.api.get, path)

    async def run(self, *arguments):
        return await asyncio.to_thread(self.door.component.run, *arguments)

    async def differences(self, look_at):
        """What is not as it has to be, as texts; `look_at` is the room that is looked at from near."""
        await self.ask("rooms")
        ping = element("urn:xmpp:ping", "ping")
        everybody = [*self.sessions, *self.services]
        await asyncio.gather(*(session.person.iq(self.service, "get", ping, LONG) for session in everybody))
        rooms = await self.read()
        for session in everybody:
            session.catch_up()
        self.note(rooms)
        wrong = [f"no answer to {session.label} at {room}" for session in self.sessions for room, _ in session.pending]
        told = {
            room: {nick: dict.fromkeys(one["sessions"], one["role"]) for nick, one in state["occupants"].items()}
            for room, state in rooms.items() if state["occupants"]
        }
        wrong += compared("who is inside by the server", told, self.believed())
        waits = {(room, bare) for room, people in self.waits.items() for bare in people if room in rooms}
        wrong += compared("who waits by the gate", waiting(rooms), waits)
        wrong += compared("banned and inside", {(room, bare) for room, bare in inside(rooms) if self.is_banned(bare, room)}, set())
        if wrong:
            return wrong
        # The reply of the gate to this comes after all that it has reported.
        status, near = await self.get(f"/api/v1/rooms/{look_at}")
        near_by = rooms.get(look_at)
        if near_by is None or status != 200:
            wrong += compared(f"status of {look_at}", status, 404 if near_by is None else 200)
        else:
            wrong += self.compare_near(look_at, near["done"] if "done" in near else near, near_by)
        _, listed = await self.get("/api/v1/rooms")
        listed = listed["done"] if isinstance(listed, dict) else listed
        wrong += self.compare_lines(listed, rooms)
        wrong += await self.compare_counts(listed, rooms)
        return wrong

    def line(self, room, state):
        """What the line of a room says."""
        people = {nick: one for nick, one in state["occupants"].items() if not one["serves"]}
        return {
            "occupants": len(people), "people": len({one["bare"] for one in people.values()}),
            "moderators": sum(one["role"] == "moderator" for one in people.values()), "waiting": len(state["waiting"]),
            "state": "suspended" if room in self.suspended else "closed" if room in self.closed else "open",
        }

    def compare_lines(self, listed, rooms):
        is_so = {line["room"]: {key: line[key] for key in self.line("", {"occupants": {}, "waiting": {}})} for line in listed}
        return compared("the list of rooms", is_so, {room: self.line(room, state) for room, state in rooms.items()})

    def compare_near(self, room, near, state):
        line = {key: value for key, value in self.line(room, state).items() if key not in ("occupants", "waiting")}
        wrong = compared(f"the line of {room}", {key: near[key] for key in line}, line)
        is_so = sorted((one["nick"], one["jid"], one["role"], one["affiliation"]) for one in near["occupants"] + near["services"])
        should_be = sorted(
            (nick_of(seat), one["bare"], one["role"], state["affiliations"].get(one["bare"], "none")) for seat, one in state["occupants"].items()
        )
        wrong += compared(f"who is in {room}", is_so, should_be)
        is_so = sorted((one["jid"], one["nick"]) for one in near["waiting"])
        return wrong + compared(f"who waits at {room}", is_so, sorted((bare, one["nick"]) for bare, one in state["waiting"].items()))

    async def compare_counts(self, listed, rooms):
        status, _, text = await asyncio.to_thread(self.api.request, "GET", "/metrics")
        assert status == 200, text
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        lines = [self.line(room, state) for room, state in rooms.items()]
        should_be = {f"vestibule_{name}": sum(line[name] for line in lines) for name in ("occupants", "people", "waiting")}
        should_be["vestibule_rooms_unmoderated"] = sum(line["occupants"] > 0 and not line["moderators"] for line in lines)
        for state in ("held", "open", "closed", "suspended"):
            should_be[f'vestibule_rooms{{state="{state}"}}'] = sum(line["state"] == state for line in lines)
        wrong = compared("metrics", {name: float(values[name]) for name in should_be}, should_be)
        _, status = await self.get("/api/v1/status")
        wrong += compared("rooms in the status", (status.get("done") or status)["rooms"], len(rooms))
        printed = await self.run("rooms", "--json")
        return wrong + compared("rooms --json", json.loads(printed.stdout or "null"), listed)

    async def check(self, look_at=None):
        """Waits until everybody says the same of the rooms, which must not take long."""
        look_at = look_at or self.drawn.choice(self.rooms())
        began, wrong = time.monotonic(), ["nothing was compared"]
        while wrong:
            if time.monotonic() - began > PATIENCE:
                raise Wrong("\n".join(wrong))
            wrong = await self.differences(look_at)
            if wrong:
                await asyncio.sleep(0.03)

    # What has to become of an attempt to come in

    def is_banned(self, bare, room):
        return any(who == bare and fnmatch.fnmatch(room.partition("@")[0], pattern or "*") for who, pattern in self.bans)

    def has_lobby(self, room):
        """Who is sent back to the lobby can wait there."""
        return True

    def is_stranger(self, session):
        """They have no account here: they open no rooms, and knock where there is a door."""
        return not session.bare.endswith(f"@{self.world.host}")

    def expected(self, session, room):
        """"in", "out" or "waits", or several of them; None: that is not known here."""
        bare, seats = session.bare, self.present(room)
        pair = (room, bare)
        if pair in self.unsure or bare == self.robot or session.seats.get(room):
            return None
        if self.is_banned(bare, room) or pair in self.kept_out:
            return "out"
        if room not in self.generations or self.generations[room] is None:
            return "out" if self.is_stranger(session) else "in"
        is_there = any(other.bare == bare for other, _, _ in seats)
        is_moderator = bare == self.world.listed or any(other.bare == bare and seat.role == "moderator" for other, _, seat in seats)
        is_shut = room in self.closed or room in self.suspended
        waits = self.waits.get(room, {})
        may_wait = self.has_lobby(room) and (bare in waits or len(waits) < (MOST_WAITING if room.startswith("door-") else MOST_WAITING_ELSEWHERE))
        people = {other.bare for other, _, _ in seats} - {self.robot}
        is_full = room.startswith("small-") and not is_there and len(people) >= MOST_PEOPLE
        if pair in self.held:
            # What a removal has taken of a moderator counts at the door.
            return "out or waits" if is_shut or is_full else "waits" if may_wait else "out"
        if is_shut:
            return None if pair in self.been or is_moderator or pair in self.let_in else "out"
        if room.startswith("door-") and self.is_stranger(session) and pair not in self.let_in:
            return None if pair in self.been else "waits" if may_wait else "out"
        return "out" if is_full and not is_moderator else "in"

    def came(self, room, bare):
        """Two moments between which somebody came in, or knocked."""
        first, last = self.arrivals.get((room, bare), (0, time.monotonic()))
        return first, max([last, *(seat.since for session, _, seat in self.present(room) if session.bare == bare)])

    async def enter(self, session, room, nick):
        """Joins as a client does; the Outcome. Who has to be let in waits then."""
        return await session.person.join(room, nick, seconds=PATIENCE, extra=self.shows(nick))

    def ask_to_join(self, session, room, nick):
        """The same without waiting for the answer."""
        session.pending.append((room, session.person.ask_to_join(room, nick, extra=self.shows(nick))))

    def shows(self, nick):
        """What a client's presence has in addition to the nick."""
        return []

    def stop_waiting(self, session, room):
        self.presence(session, room, "x", "unavailable")

    def knocked(self, session, room):
        self.waits.setdefault(room, {})[session.bare] = session

    def presence(self, session, room, nick, kind=None):
        session.person.send(element(CLIENT, "presence", to=f"{room}/{nick}", type=kind))
