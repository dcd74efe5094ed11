"""The steps of the model: what people, operators, the network and the machine do to rooms."""

import asyncio
import fnmatch
import json
import time

from lab import Failed
from lab.stanza import element
from model import KINDS, LONG, NICKS, PATIENCE, Wrong, inside, waiting
from model_people import People

REVERTS = {"close": ("reopen", "closed"), "suspend": ("resume", "suspended")}


class Steps(People):
    """Each `step_*` does one thing and returns what it was, as a text; None: it cannot be done now."""

    # How often each is drawn; a burst is of those of `IN_BURST`.
    WEIGHTS = {
        "connect": 4, "join": 14, "rename": 6, "leave": 5, "drop": 3, "promote": 4, "demote": 3, "kick": 3, "destroy": 1, "say": 1,
        "burst": 6, "remove": 3, "admit": 4, "reject": 3, "hold": 4, "everybody": 6, "answer_all": 3, "ban": 3, "unban": 3, "lock": 3, "end": 1, "end_many": 1,
        "lose": 2, "lose_and_ban": 1, "ban_meanwhile": 2, "delay": 2, "cut": 1, "cut_servers": 2, "kill": 1, "kill_in_burst": 2, "fail_a_page": 1, "late_page": 2,
        "restart": 1, "reload_the_gate": 1, "reload_the_policy": 1, "freeze": 1, "orphan": 1, "restart_the_server": 1,
    }
    IN_BURST = {"join": 6, "rename": 4, "leave": 3, "drop": 2, "promote": 1, "kick": 1}

    async def play(self, steps):
        """So many steps, each compared; Wrong tells all of them."""
        names, weights = list(self.WEIGHTS), list(self.WEIGHTS.values())
        try:
            for _ in range(8):
                await self.step_join()
                self.note(await self.read())
            await self.check()
            while len(self.log) < steps:
                name = self.drawn.choices(names, weights)[0]
                began = time.monotonic()
                self.log.append(f"({name})")
                done = await getattr(self, f"step_{name}")()
                self.log.pop()
                if done:
                    self.log.append(done)
                    await self.check()
                    self.log[-1] = f"{done} [{time.monotonic() - began:.1f} s]"
        except Exception as error:
            log = "\n".join(f"  {number}. {text}" for number, text in enumerate(self.log, 1)).replace(f"@{self.service}", "")
            kind = Wrong if isinstance(error, Wrong) else Failed
            raise kind(f"seed {self.seed}, step {len(self.log)}:\n{log}\n{type(error).__name__}: {error}") from error

    # People

    async def step_connect(self):
        session = await self.connect()
        return session and f"{session.label} connects"

    def some_nick(self, session, room):
        """One of a few, that nobody else bears."""
        taken = {seat.nick for other, _, seat in self.seated(room) if other.bare != session.bare}
        return self.drawn.choice([nick for nick in NICKS if nick not in taken])

    def draw_join(self):
        """Somebody at a room in which this session is not; the second session of a person often takes the nick of the first."""
        choices = [(session, room) for session in self.sessions for room in self.rooms() if room not in session.seats]
        if not choices:
            return None
        knocks = [(session, room) for session, room in choices if self.is_knock(session, room)]
        session, room = self.drawn.choice(choices + 3 * knocks)
        own = [seat.nick for other, _, seat in self.seated(room) if other.bare == session.bare]
        return session, room, self.drawn.choice([*own, self.some_nick(session, room)])

    def is_knock(self, session, room):
        return room.startswith("door-") and self.is_stranger(session) or (room, session.bare) in self.held

    async def step_join(self):
        drawn = self.draw_join()
        if not drawn:
            return None
        return await self.join(*drawn)

    async def join(self, session, room, nick, is_inside=False):
        """`is_inside`: from another room of the meeting."""
        expected = "in" if is_inside and (room, session.bare) not in self.unsure else self.expected(session, room)
        outcome = await self.enter(session, room, nick)
        session.catch_up()
        text = f"{session.label} joins {room} as {nick}: {outcome.condition or outcome.kind} ({expected})"
        is_so = "in" if outcome.joined else "waits" if outcome.condition == "registration-required" else "out"
        # A change of somebody's nick may have been on its way.
        is_taken = outcome.condition == "conflict"
        if is_so not in (expected or is_so).split(" or ") and not is_taken or outcome.kind == "silence":
            raise Wrong(text + f" {outcome.text}")
        if is_so == "waits":
            self.knocked(session, room)
        elif is_so == "in":
            self.waits.get(room, {}).pop(session.bare, None)
        return text

    async def step_rename(self):
        seats = self.seated()
        if not seats:
            return None
        session, room, _ = self.drawn.choice(seats)
        own = [seat.nick for other, _, seat in self.seated(room) if other.bare == session.bare]
        nick = self.drawn.choice([*own, self.some_nick(session, room)])
        self.presence(session, room, nick)
        return f"{session.label} takes the nick {nick} in {room}"

    async def step_leave(self):
        seats = [(session, room) for session, room, _ in self.seated()]
        knocks = [(session, room) for room, people in self.waits.items() for session in people.values() if session in self.sessions]
        if not seats + knocks:
            return None
        session, room = self.drawn.choice(seats + knocks)
        if self.waits.get(room, {}).get(session.bare) is session:
            self.stop_waiting(session, room)
            del self.waits[room][session.bare]
        else:
            self.presence(session, room, "x", "unavailable")
        return f"{session.label} leaves {room}"

    async def step_drop(self):
        if len(self.sessions) < 3:
            return None
        knocking = [session for people in self.waits.values() for session in people.values() if session in self.sessions]
        session = self.drawn.choice(self.sessions + knocking)
        session.person.abort()
        self.gone(session)
        return f"{session.label} loses the connection"

    def draw_moderation(self, of):
        """A moderator, and somebody in the same room of whom `of` is true."""
        pairs = [
            (one, other, room, seat) for one, room, _ in self.seated(role="moderator") for other, _, seat in self.seated(room)
            if other.bare not in (one.bare, self.robot) and of(seat)
        ]
        return self.drawn.choice(pairs) if pairs else None

    def set_item(self, actor, room, **attributes):
        query = element("http://jabber.org/protocol/muc#admin", "query")
        query.append(element("http://jabber.org/protocol/muc#admin", "item", **attributes))
        return actor.person.iq(room, "set", query, LONG)

    async def step_promote(self):
        drawn = self.draw_moderation(lambda seat: seat.role != "moderator")
        if not drawn:
            return None
        actor, other, room, seat = drawn
        by = self.drawn.choice([{"jid": other.bare, "affiliation": "owner"}, {"nick": seat.nick, "role": "moderator"}])
        reply = await self.set_item(actor, room, **by)
        return f"{actor.label} promotes {other.label} in {room} by {by}: {reply.type}"

    async def step_demote(self):
        drawn = self.draw_moderation(lambda seat: seat.role == "moderator")
        if not drawn:
            return None
        actor, other, room, seat = drawn
        by = self.drawn.choice([{"jid": other.bare, "affiliation": "none"}, {"nick": seat.nick, "role": "participant"}])
        reply = await self.set_item(actor, room, **by)
        return f"{actor.label} demotes {other.label} in {room} by {by}: {reply.type}"

    async def step_kick(self, is_sure=True):
        drawn = self.draw_moderation(lambda _: True)
        if not drawn:
            return None
        actor, other, room, seat = drawn
        self.unsure.add((room, other.bare))
        reply = await self.set_item(actor, room, nick=seat.nick, role="none")
        if is_sure:
            self.unsure.discard((room, other.bare))
            if reply.type == "result":
                self.kept_out.add((room, other.bare))
                self.let_in.discard((room, other.bare))
        return f"{actor.label} kicks {seat.nick}, who is {other.label}, from {room}: {reply.type}"

    async def step_destroy(self):
        owners = self.seated(role="moderator")
        if not owners:
            return None
        session, room, _ = self.drawn.choice(owners)
        reply = await session.person.destroy(room)
        return f"{session.label} destroys {room}: {reply.type}"

    async def some(self, count, is_answered=True):
        """So many steps of people at once; what they were. Where nobody answers, they do only what needs no answer."""
        names, weights, texts = list(self.IN_BURST), list(self.IN_BURST.values()), []
        if not is_answered:
            names, weights = names[:4], weights[:4]
        moderated = []
        for _ in range(count):
            name = self.drawn.choices(names, weights)[0]
            if name == "join":
                drawn = self.draw_join()
                # Who waits, and how many, is known only where one comes after the other.
                if drawn and not self.is_knock(*drawn[:2]):
                    session, room, nick = drawn
                    self.ask_to_join(session, room, nick)
                    texts.append(f"{session.label} joins {room} as {nick}")
            elif name in ("promote", "kick"):
                options = {"is_sure": False} if name == "kick" else {}
                moderated.append(asyncio.ensure_future(getattr(self, f"step_{name}")(**options)))
                await asyncio.sleep(0)
            else:
                texts.append(await getattr(self, f"step_{name}")())
        for outcome in await asyncio.gather(*moderated, return_exceptions=True):
            # Somebody who acts may be the one who loses the connection.
            texts.append(outcome if isinstance(outcome, str) else None)
        return ", ".join(text for text in texts if text)

    async def step_burst(self):
        return f"at once: {await self.some(self.drawn.randint(2, 6))}"

    # Operators

    async def step_ban(self, bare=None, is_settled=True):
        people = sorted({session.bare for session, _, _ in self.seated()} | {bare for people in self.waits.values() for bare in people})
        bare = bare or (self.drawn.choice(people) if people and self.drawn.random() < 0.8 else self.somebody())
        pattern = self.drawn.choice([None, None, f"{self.drawn.choice(KINDS)}-*", "o*", "nowhere-*"])
        if bare == self.robot:
            return None
        before = await self.read()
        fields = {"who": bare, "room": pattern} if pattern else {"who": bare}
        done, reply, said = await self.give("ban", bare, **fields)
        # A ban that holds for these rooms already is left as it is.
        if done and not self.bans & {(bare, None), (bare, pattern)}:
            self.bans.add((bare, pattern))
        after = await self.read()
        text = self.log[-1] = f"operator: ban {bare} from {pattern or 'all'} ({self.face}): {'done' if done else 'not done'}"
        self.require("done", done, True, said)
        meant = {pair for pair in inside(before) if pair[1] == bare and self.is_banned(bare, pair[0])}
        self.require("who is still inside", meant & inside(after), set(), said)
        if is_settled:
            self.require("who is out", inside(before) - inside(after), meant, said)
        if reply:
            self.require("who was removed", {(one["room"], one["jid"]) for one in reply["removed"]}, meant, said)
        else:
            self.require("who is named", [room for room, _ in meant if room not in said], [], said)
        turned_away = waiting(before) - waiting(after)
        self.require("who waits no more", turned_away, {pair for pair in waiting(before) if pair[1] == bare and self.is_banned(bare, pair[0])}, said)
        for room, _ in turned_away:
            self.waits.get(room, {}).pop(bare, None)
        return text

    async def step_unban(self):
        whom = self.drawn.choice(sorted({who for who, _ in self.bans}) or [self.somebody()])
        bans = {ban for ban in self.bans if ban[0] == whom}
        done, reply, said = await self.give("unban", whom, who=whom)
        self.bans -= bans
        self.require("done", done, bool(bans), said)
        if reply and done:
            # With the address of somebody on Jitsi, the marks are banned by which they are known under another one.
            lifted = {(one["who"], one.get("room")) for one in reply["lifted"] if one["kind"] != "mark"}
            self.require("lifted", lifted, bans, said)
        return f"operator: unban {whom} ({self.face})"

    async def step_lock(self):
        verb = self.drawn.choice([*REVERTS, *(revert for revert, _ in REVERTS.values())])
        before, room = await self.read(), self.drawn.choice(self.rooms())
        done, _, said = await self.give(verb, room, room=room)
        after = await self.read()
        self.log[-1] = text = f"operator: {verb} {room} ({self.face}): {'done' if done else 'not done'}"
        self.require("who is inside", inside(after), inside(before), said)
        if room not in before:
            self.require("done in a room that is not there", done, False, said)
            return text
        for does, (undoes, state) in REVERTS.items():
            rooms = getattr(self, state)
            if verb == does:
                self.require("done", done, True, said)
                rooms.add(room)
            elif verb == undoes:
                if room in rooms:
                    self.require("done", done, True, said)
                rooms.discard(room)
        return text

    async def step_say(self):
        room, words = self.drawn.choice(self.rooms()), f"Word {len(self.log)}"
        seats = [(session, session.person.mark()) for session, _, _ in self.seated(room)]
        done, _, said = await self.give("say", room, words, room=room, text=words)
        self.log[-1] = text = f"operator: say {room} ({self.face}): {'done' if done else 'not done'}"
        self.require("done", done, room in await self.read(), said)
        for session, mark in seats:
            await session.person.wait_for(lambda seen: seen.body == words and seen.room == room, PATIENCE, mark)
        return text

    async def step_end(self):
        before, room = await self.read(), self.drawn.choice(self.rooms())
        self.face = "command line"
        done = await self.run("end", "--yes", "--", room)
        self.require("ended", done.returncode == 0, room in before, done)
        self.require("is there", room in await self.read(), False, done)
        return f"operator: end {room}: {done.returncode}"

    async def step_end_many(self):
        options = self.drawn.choice([["--unmoderated"], ["--match", "o*"], ["--match", "lecture*", "--unmoderated"]])
        is_dry, before = self.drawn.random() < 0.5, await self.read()
        self.face = "command line"
        done = await self.run("end-many", "--yes", "--json", *options, *(["--dry-run"] if is_dry else []))
        after = await self.read()
        pattern = options[1] if options[0] == "--match" else "*"
        meant = {
            room for room, state in before.items() if is_named(room, pattern)
            and ("--unmoderated" not in options or not self.line(room, state)["moderators"])
        }
        reply = json.loads(done.stdout)
        self.log[-1] = text = f"operator: end-many {' '.join(options)}{' --dry-run' if is_dry else ''}: {sorted(meant)}"
        self.require("exit status", done.returncode, 0, done)
        self.require("which rooms", set(reply["rooms"] if is_dry else reply["ended"]), meant, done)
        self.require("which rooms are there", set(after), set(before) if is_dry else set(before) - meant, done)
        return text


def is_named(room, pattern):
    return fnmatch.fnmatch(room.partition("@")[0], pattern)
