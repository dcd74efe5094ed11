"""The model on a Jitsi Meet server: people come by the focus, wait in a lobby's own room, and go into breakout rooms.

Who is in a breakout room is in the meeting. Commands are given to the meeting; the address of a breakout room is that of no room of the policy.
"""

import asyncio
import json
import zlib

from lab import Failed
from lab.focus import Focus
from lab.jitsi_client import NICKNAME
from lab.jitsi_outcome import FOCUS, JITMEET
from lab.meet_settings import DOMAIN
from lab.outcome import Outcome
from lab.stanza import CLIENT, element
from model import LONG, PATIENCE, Session, World, Wrong, compared
from model_faults import Faults

JITSI = World(DOMAIN, f"guest.{DOMAIN}", f"conference.{DOMAIN}", f"focus@auth.{DOMAIN}", "focus")
LOBBIES, BREAKOUTS = f"lobby.{DOMAIN}", f"breakout.{DOMAIN}"
MOST_BREAKOUTS = 2
COMMANDS = {"admit": "jid", "reject": "jid", "remove": "jid", "hold": "jid", "close": None, "suspend": None, "say": "text"}


def news(seen, event):
    """What a message tells of breakout rooms, if it is of that kind."""
    text = seen.text(JITMEET, "json-message") if seen.name == "message" else None
    told = json.loads(text) if text else {}
    return told if told.get("type") == "breakout_rooms" and told.get("event", "").endswith(f"/{event}") else None


def made(seen):
    """The breakout rooms of which a message tells."""
    told = news(seen, "update")
    return {each["jid"] for each in told["rooms"].values() if not each.get("isMainRoom")} if told else set()


class Meetings(Faults):
    """All steps, and those with breakout rooms."""

    WORLD, KNOWN_BY = JITSI, {"ticket", "device"}
    # Bursts open no rooms here, so more is done for there being people in them.
    WEIGHTS = {
        **Faults.WEIGHTS, "gather": 12, "connect": 7, "leave": 3, "drop": 2, "ban": 1, "ban_meanwhile": 1, "unban": 8,
        "open_breakout": 4, "go_apart": 14, "come_back_in": 6, "close_breakout": 2, "command_apart": 3,
    }

    def forget_rooms(self):
        super().forget_rooms()
        self.breakouts = {}  # by address: the meeting's room, and its generation
        self.ever_suspended = set()  # rooms that had a lobby for that

    async def start(self):
        # It leaves a room with the last person, and not because nobody comes.
        focus = await Focus.connect(self.door.server, auto_owner=False, patience=3600)
        self.services = [Session("focus", focus)]
        await super().start()

    async def read(self, service=None):
        """Once the focus has seen who has gone, and has gone with the last of them."""
        for _ in range(2):
            await self.services[0].person.ping()
        rooms = await super().read(service)
        if service is None:
            for small, state in (await super().read(BREAKOUTS)).items():
                meeting = rooms.get(self.breakouts.get(small, (None,))[0])
                people = {f"{nick}\n{small}": one for nick, one in state["occupants"].items() if not one["serves"]}
                (meeting or {"occupants": {}})["occupants"].update(people)
        return rooms

    def believed(self):
        rooms = super().believed()
        for session, small, seat in self.apart():
            if session not in self.services and small in self.breakouts:
                meeting = rooms.setdefault(self.breakouts[small][0], {})
                meeting.setdefault(f"{seat.nick}\n{small}", {})[session.jid] = seat.role
        return rooms

    def present(self, room):
        apart = [(session, room, seat) for session, small, seat in self.apart() if self.breakouts.get(small, (None,))[0] == room]
        return [*super().present(room), *(each for each in apart if each[0] not in self.services)]

    def note(self, rooms):
        self.ever_suspended |= self.suspended
        super().note(rooms)
        self.breakouts = {small: it for small, it in self.breakouts.items() if self.generations.get(it[0]) == it[1]}

    # Coming and going

    def lobby(self, room):
        return f"{room.partition('@')[0]}@{LOBBIES}"

    def has_lobby(self, room):
        return room.startswith("door-")

    def is_meeting(self, room):
        return room.endswith(f"@{self.service}")

    def request(self, room, session):
        """What a client asks the focus for before it joins."""
        return element(FOCUS, "conference", room=room, **{"machine-uid": session.jid})

    async def enter(self, session, room, nick):
        person = session.person
        try:
            for _ in range(100):
                reply = await person.iq(self.door.server.focus_address, "set", self.request(room, session), LONG)
                if reply.type == "error":
                    return Outcome("error", *reply.error, presence=reply)
                if reply.find(FOCUS, "conference").get("ready") == "true":
                    break
                await asyncio.sleep(0.1)
        except Failed:
            return Outcome("silence")
        outcome = await super().enter(session, room, nick)
        session.catch_up()
        lobby = self.lobby(room)
        if outcome.joined and lobby in session.seats:
            self.stop_waiting(session, room)
        elif outcome.condition == "registration-required" and self.is_meeting(room) and lobby not in session.seats:
            # Jitsi's clients take another nick there, and show the same name.
            other = f"{zlib.crc32(session.jid.encode()):08x}"
            entered = await session.person.join(lobby, other, seconds=PATIENCE, extra=self.shows(nick))
            return outcome if entered.joined else entered
        return outcome

    async def step_gather(self):
        """A few people come into the same room, one after the other."""
        room = self.drawn.choice(self.rooms())
        outside = [session for session in self.sessions if room not in session.seats]
        texts = []
        for session in self.drawn.sample(outside, min(len(outside), 4)):
            texts.append(await self.join(session, room, self.some_nick(session, room)))
            self.note(await self.read())
        return ", ".join(texts) or None

    def ask_to_join(self, session, room, nick):
        if self.generations.get(room) is None:
            return
        request = element(CLIENT, "iq", type="set", to=self.door.server.focus_address, id=session.person.new_id())
        request.append(self.request(room, session))
        session.person.send(request)
        super().ask_to_join(session, room, nick)

    def shows(self, nick):
        return [element(NICKNAME, "nick", nick)]

    def stop_waiting(self, session, room):
        self.presence(session, self.lobby(room), "x", "unavailable")

    # Breakout rooms

    def apart(self):
        """Sessions in breakout rooms, with the room and their seat."""
        return [
            (session, small, seat) for session in [*self.sessions, *self.services] for small, seat in session.seats.items()
            if small.endswith(f"@{BREAKOUTS}")
        ]

    async def differences(self, look_at):
        wrong = await super().differences(look_at)
        if wrong:
            return wrong
        told = {
            (small, nick, address) for small, state in (await self.read(BREAKOUTS)).items()
            for nick, one in state["occupants"].items() for address in one["sessions"]
        }
        wrong = compared("who is in breakout rooms", told, {(small, seat.nick, session.jid) for session, small, seat in self.apart()})
        return wrong + compared("breakout rooms that are closed", {small for small, _, _ in told} - set(self.breakouts), set())

    def some_target(self, of_those_waiting):
        apart = [(self.breakouts[small][0], session.bare) for session, small, _ in self.apart() if session not in self.services and small in self.breakouts]
        return self.drawn.choice(apart) if apart and self.drawn.random() < 0.3 else super().some_target(of_those_waiting)

    def moderators(self, room=None):
        """Moderators, with their room, whom Jitsi knows as such: of several sessions with one nick it knows only one."""
        nicks = [(where, seat.nick) for _, where, seat in self.seated(room)]
        return [(session, where) for session, where, seat in self.seated(room, "moderator") if nicks.count((where, seat.nick)) == 1]

    async def say_of_breakouts(self, moderator, room, kind, **attributes):
        """A moderator's client says something to the service of breakout rooms."""
        query = element("urn:lab:web-query", "room", room.partition("@")[0])
        assert (await moderator.person.iq(self.world.host if not moderator.name.startswith("guest") else self.world.guests, "set", query)).type == "result"
        message = element(CLIENT, "message", to=BREAKOUTS)
        message.append(element(CLIENT, "breakout_rooms", type=f"features/breakout-rooms/{kind}", **attributes))
        moderator.person.send(message)

    async def step_open_breakout(self):
        def count(room):
            return sum(main == room for main, _ in self.breakouts.values())

        seats = [(session, room) for session, room in self.moderators() if room in self.rooms() and count(room) < MOST_BREAKOUTS]
        if not seats:
            return None
        session, room = self.drawn.choice(seats)
        since = session.person.mark()
        await self.say_of_breakouts(session, room, "add", subject="One")
        told = await session.person.wait_for(lambda seen: made(seen) - set(self.breakouts), PATIENCE, since)
        small = min(made(told) - set(self.breakouts))
        self.breakouts[small] = (room, self.generations[room])
        return f"{session.label} opens a breakout room of {room}: {small[:8]}"

    async def step_go_apart(self):
        """Somebody goes into a breakout room, of their own accord or sent by a moderator; or somebody tries who was never in the meeting."""
        open_to = [(session, small) for session in self.sessions for small in self.breakouts if not session.seats.keys() & self.breakouts.keys()]
        insiders = [(session, small) for session, small in open_to if self.breakouts[small][0] in session.seats]
        if not open_to or not insiders and self.drawn.random() < 0.7:
            return None
        session, small = self.drawn.choice(open_to + 6 * insiders)
        room, text = self.breakouts[small][0], ""
        moderators = [one for one, _ in self.moderators(room) if one is not session]
        seat, through = session.seats.get(room), [each for each in session.entered if self.is_meeting(each)][-1:]
        if seat and moderators and self.drawn.random() < 0.5:
            since, moderator = session.person.mark(), self.drawn.choice(moderators)
            await self.say_of_breakouts(moderator, room, "move-to-room", participantJid=session.jid, roomJid=small)
            await session.person.wait_for(lambda seen: (news(seen, "move-to-room") or {}).get("roomJid") == small, PATIENCE, since)
            text = f", sent by {moderator.label}"
        if seat:
            away = element(CLIENT, "presence", to=f"{room}/{seat.nick}", type="unavailable")
            away.append(element(CLIENT, "status", "switch_room"))
            session.person.send(away)
        await session.person.iq(self.service, "get", element("urn:xmpp:ping", "ping"), LONG)
        if through != [room] or room in self.suspended or self.is_banned(session.bare, room) or (room, session.bare) in self.kept_out:
            expected = "out"
        else:
            # Who has left a while ago is judged as at the door of the meeting.
            expected = "in" if seat else None
        outcome = await self.enter(session, small, seat.nick if seat else self.some_nick(session, room))
        text = f"{session.label} goes into {small[:8]} of {room}{text}: {outcome.condition or outcome.kind} ({expected})"
        is_so = "in" if outcome.joined else "out"
        if expected not in (None, is_so) and outcome.condition != "conflict" or outcome.kind == "silence":
            raise Wrong(f"{text} {outcome.text}")
        return text

    async def step_come_back_in(self):
        """Somebody leaves a breakout room for the meeting's own."""
        apart = [(session, small, seat) for session, small, seat in self.apart() if session not in self.services and small in self.breakouts]
        if not apart:
            return None
        session, small, seat = self.drawn.choice(apart)
        self.presence(session, small, seat.nick, "unavailable")
        return f"from {small[:8]}, {await self.join(session, self.breakouts[small][0], seat.nick, is_inside=True)}"

    async def step_close_breakout(self):
        pairs = [(session, small) for small, (room, _) in self.breakouts.items() for session, _ in self.moderators(room)]
        if not pairs:
            return None
        session, small = self.drawn.choice(pairs)
        room, _ = self.breakouts.pop(small)
        await self.say_of_breakouts(session, room, "remove", breakoutRoomJid=small)
        await session.person.ping()
        return f"{session.label} closes {small[:8]} of {room}"

    async def step_command_apart(self):
        """An operator who names a breakout room is told its meeting, and nothing is done."""
        if not self.breakouts:
            return None
        small, verb = self.drawn.choice(sorted(self.breakouts)), self.drawn.choice(list(COMMANDS))
        there = sorted({session.bare for session, where, _ in self.apart() if where == small}) or [self.somebody()]
        fields = {key: self.drawn.choice(there) for key in [COMMANDS[verb]] if key}
        before = await self.read(), await self.read(BREAKOUTS)
        done, _, said = await self.give(verb, small, *fields.values(), room=small, **fields)
        self.log[-1] = text = f"operator: {verb} {small} ({self.face}): {'done' if done else 'not done'}"
        self.require("done", done, False, said)
        self.require("the meeting is named", self.breakouts[small][0] in str(said), True, said)
        self.require("what has changed", (await self.read(), await self.read(BREAKOUTS)), before, said)
        return text
