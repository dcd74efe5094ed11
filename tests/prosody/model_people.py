"""The steps of the model in which operators and moderators do something with people of a room: with one, or with everybody of
whom something is true. Each reply is compared with what has happened to each of them."""

import asyncio
import fnmatch
import json
import time

from model import PATIENCE, Model, Wrong, inside, nick_of, waiting

FACES = ("command line", "API", "words")
# What a command does with somebody inside, and with somebody who waits; None: it is not about them.
DOES = {"admit": (None, "admitted"), "reject": (None, "rejected"), "remove": ("removed", "rejected"), "hold": ("held", None)}
IN_WORDS = {"admitted": "let in", "rejected": "turned away", "removed": "removed", "held": "sent back to the lobby", "spared": "spared"}
# Removals that a room remembers in any case.
REMEMBERED = 20
# The gate's clock tells whole seconds, and the machine is loaded.
INEXACT = 2


def shown(rooms):
    """What of the rooms a look at them must not change."""
    return {room: {key: state[key] for key in ("occupants", "waiting", "affiliations", "generation") if key in state} for room, state in rooms.items()}


class People(Model):
    """Commands about people, which other steps are built on."""

    KNOWN_BY = set()  # what everybody inside is known by

    async def give(self, name, *words, **fields):
        """Gives a command over one of the faces: whether it was done, the reply if it is for programs, and what it printed."""
        self.face = self.drawn.choice(FACES)
        if self.face == "API":
            status, reply = await asyncio.to_thread(self.api.do, name, **fields)
            return status == 200, reply.get("done"), json.dumps(reply)
        options = {key.replace("_", "-"): value for key, value in fields.items() if value not in words}
        options = [f"--{key}" if value is True else f"--{key}={value}" for key, value in options.items()]
        done = await self.run(name, *([] if self.face == "words" else ["--json"]), *options, "--", *words)
        if done.returncode not in (0, 1):
            raise Wrong(f"{name} {words}: exit status {done.returncode}: {done.stderr}")
        is_json = self.face != "words" and done.stdout.startswith("{")
        return done.returncode == 0, json.loads(done.stdout) if is_json else None, done.stdout + done.stderr

    def require(self, what, is_so, should_be, said):
        if is_so != should_be:
            raise Wrong(f"{what} ({self.face}): {is_so}, and {should_be} is so\n  {said}")

    def somebody(self):
        """An address of somebody who is here, was here, or never was."""
        bares = {session.bare for session in self.sessions} | {f"{name}@{self.world.host}" for name in self.world.names}
        return self.drawn.choice([*sorted(bares - {self.robot}), f"nobody@{self.world.host}"])

    def some_target(self, of_those_waiting):
        """A room, and somebody whom a command may mean there."""
        waits = [(room, bare) for room, people in self.waits.items() for bare in people]
        seats = [(room, session.bare) for session, room, _ in self.seated() if session.bare != self.robot]
        anybody = [(self.drawn.choice(self.rooms()), self.somebody())]
        return self.drawn.choice((waits or anybody) * of_those_waiting + (seats or anybody)[:] + anybody)

    # What follows for those with whom something was done

    def admitted(self, room, bare):
        self.waits.get(room, {}).pop(bare, None)
        self.kept_out.discard((room, bare))
        self.held.discard((room, bare))
        self.let_in.add((room, bare))

    def rejected(self, room, bare):
        self.waits.get(room, {}).pop(bare, None)

    def removed(self, room, bare):
        self.rejected(room, bare)
        self.kept_out.add((room, bare))
        self.held.discard((room, bare))
        self.let_in.discard((room, bare))

    def sent_back(self, room, bare):
        self.kept_out.discard((room, bare))
        self.held.add((room, bare))
        self.let_in.discard((room, bare))

    def unwaited(self, before, after, *meant):
        """Who waits no more; of a room that ended, only those who were meant: with it, nobody waits there."""
        return {pair for pair in waiting(before) - waiting(after) if pair[0] in after or pair in meant}

    def require_remembered(self, room, people, said):
        """Who goes stays out, or has to be let in, and is known by all that their client has shown; of the many whom a room
        remembers, none is left out."""
        unknown = {one["jid"] for one in people if one["found"] == "inside" and not self.KNOWN_BY <= set(one["known_by"])}
        self.require("who is not known well enough", unknown, set(), said)
        count = sum(pair[0] == room for pair in self.kept_out | self.held) + len(people)
        told = {one["kept_out"] for one in people if "kept_out" in one}
        if count <= REMEMBERED:
            self.require("kept out", told - {True}, set(), said)

    def require_lobby(self, room, people, said):
        """Who is sent back is told to be able to wait only where there is a lobby for them; a suspended room may have one."""
        if room in self.suspended:
            return
        told = {one["may_knock"] for one in people if one["done"] == "held"}
        self.require("may knock", told - {self.has_lobby(room)}, set(), said)

    def require_ended(self, room, reply, after, said):
        """A room that ended is not there; where a focus goes with the last person, it may end right after the reply."""
        if reply["room_ended"] or not self.services:
            self.require("whether the room ended", reply["room_ended"], room not in after, said)

    # One person

    async def step_person(self, verb):
        room, bare = self.some_target(12 if verb in ("admit", "reject") else 1)
        before, would = await self.read(), None
        if self.drawn.random() < 0.3:
            would = await self.rehearse(verb, before, room, bare, room=room, jid=bare)
        done, reply, said = await self.give(verb, room, bare, room=room, jid=bare)
        after, text = await self.read(), f"operator: {verb} {room} {bare} ({self.face}): {'done' if done else 'not done'}"
        left, unwaited = inside(before) - inside(after), self.unwaited(before, after, (room, bare))
        self.log[-1] = text
        self.require("who came in meanwhile", inside(after) - inside(before), set(), said)
        if not done:
            self.require("somebody is out although nothing was done", left | unwaited, set(), said)
            is_there = (room, bare) in waiting(before) or verb != "reject" and (room, bare) in inside(before)
            self.require("somebody is there, and the command fails", is_there, False, said)
            self.require("a dry run names somebody, and the command fails", would or {}, {}, said)
            return text
        if reply:
            people = reply["people"]
            does = {(room, one["jid"]): one["done"] for one in people}
            self.require("who was removed", {pair for pair in does if does[pair] in ("removed", "held")}, left, said)
            self.require("who was let in or turned away", {pair for pair in does if does[pair] in ("rejected", "admitted")}, unwaited, said)
            self.require_ended(room, reply, after, said)
            found = {name: {(room, one["jid"]) for one in people if one["found"] == name} for name in ("inside", "waits")}
            self.require("who was found", found["inside"] | found["waits"], {pair for pair in inside(before) | waiting(before) if pair[0] == room and pair[1] == bare}, said)
            if would is not None:
                self.require("what a dry run says", would, {jid: done for (_, jid), done in does.items()}, said)
            if verb in ("remove", "hold"):
                self.require_remembered(room, people, said)
                self.require_lobby(room, people, said)
        else:
            self.require("who is named", all(other in said for _, other in left | unwaited), True, said)
        self.require("of others", {pair for pair in left | unwaited if pair[1] != bare}, set(), said)
        is_inside = (room, bare) in inside(before)
        if verb in ("remove", "hold"):
            self.require("is inside", (room, bare) in inside(after), False, said)
        if verb == "remove":
            self.require("waits", (room, bare) in waiting(after), False, said)
            self.removed(room, bare)
        elif verb == "hold":
            self.require("who waited, waits", unwaited, set(), said)
            self.sent_back(room, bare)
        elif verb == "reject":
            self.rejected(room, bare)
        elif is_inside:
            self.kept_out.discard((room, bare))
        else:
            self.admitted(room, bare)
        return text

    async def rehearse(self, verb, before, *words, **fields):
        """What a dry run says that would be done, by address, or None in words; nothing has changed after it."""
        done, reply, said = await self.give(verb, *words, **fields, dry_run=True)
        self.require("what a dry run has changed", shown(await self.read()), shown(before), said)
        if not done:
            return {}
        if reply is None:
            self.require("what a dry run has done", "nothing was done" in said, True, said)
            return None
        self.require("what a dry run has done", {one["done"] for one in reply["people"]} - {"nothing", "spared"}, set(), said)
        self.require("is said to be a dry run", reply["dry_run"], True, said)
        return {one["jid"]: one.get("would", one["done"]) for one in reply["people"]}

    def step_remove(self):
        return self.step_person("remove")

    def step_admit(self):
        return self.step_person("admit")

    def step_reject(self):
        return self.step_person("reject")

    def step_hold(self):
        return self.step_person("hold")

    # Everybody of whom something is true

    def some_description(self, verb):
        """What is true of those who are meant, as the fields of a command."""
        draw = self.drawn.choice
        all_of_them = {
            "class": draw(["guest", "account", "guest", "account", "federated", "listed"]),
            "match": draw(["a*", "B*", "?a?", f"*@{self.world.guests}", self.world.listed, "bob*", "nobody*"]),
            "network": draw(["127.0.0.0/8", "127.0.0.1", "192.0.2.0/24"]),
            "since": draw(["1 hour", "5 seconds", "20 seconds"]),
        }
        names = self.drawn.sample(list(all_of_them), draw([0, 1, 1, 1, 2]))
        fields = {name: all_of_them[name] for name in names} or {"all": True}
        if verb in ("remove", "hold") and self.drawn.random() < 0.3:
            fields["moderators"] = True
        return fields

    def is_meant(self, fields, room, bare, nicks):
        """Whether all of that is true of somebody; None: that is not certain."""
        pattern = fields.get("match", "*").lower()
        if not any(fnmatch.fnmatchcase(name.lower(), pattern) for name in (*nicks, bare)):
            return False
        by_domain = {self.world.host: "account", self.world.guests: "guest", self.world.far: "federated"}
        its = by_domain[bare.partition("@")[2]]
        # Of people of another server, the address of that server is no address of theirs.
        if "network" in fields and (its == "federated" or not fields["network"].startswith("127")):
            return False
        if fields.get("class", its) != its:
            return False
        length = {"1 hour": 3600, "5 seconds": 5, "20 seconds": 20}.get(fields.get("since"))
        if length is None:
            return True
        ages = [time.monotonic() - moment for moment in self.came(room, bare)]
        if max(ages) < length - INEXACT:
            return True
        return False if min(ages) > length + INEXACT else None

    def meant(self, verb, fields, room, rooms):
        """What is done with everybody who is meant, by address, and of whom that is certain."""
        state, people = rooms.get(room), {}
        for nick, one in (state or {"occupants": {}})["occupants"].items():
            known = people.setdefault(one["bare"], ([], DOES[verb][0], []))
            known[0].append(nick_of(nick))
            known[2].append(one["role"])
        for bare, one in (state or {"waiting": {}})["waiting"].items():
            people[bare] = ([one["nick"]], DOES[verb][1], [])
        does, is_certain = {}, set()
        for bare, (nicks, deed, roles) in people.items():
            if bare == self.robot or deed is None:
                continue
            is_meant = self.is_meant(fields, room, bare, nicks)
            if is_meant is False:
                continue
            moderates = "moderator" in roles or state["affiliations"].get(bare) in ("owner", "admin")
            is_spared = verb in ("remove", "hold") and "moderators" not in fields and moderates
            does[bare] = "spared" if is_spared else deed
            if is_meant:
                is_certain.add(bare)
        return does, is_certain

    def compare_people(self, what, told, does, is_certain, said):
        """Those of whom it is certain are told, others may be; and of each the same is told."""
        self.require(what, {bare: deed for bare, deed in told.items() if does.get(bare) != deed}, {}, said)
        self.require(f"{what}: who is missing", is_certain - set(told), set(), said)

    async def step_everybody(self):
        verb = self.drawn.choice(list(DOES))
        inhabited = [room for _, room, _ in self.seated()]
        waited_at = [room for room, people in self.waits.items() for _ in people]
        is_answer = verb in ("admit", "reject")
        room = self.drawn.choice((waited_at * 9 if is_answer else inhabited) + [self.drawn.choice(self.rooms())])
        fields, before, would = self.some_description(verb), await self.read(), None
        if self.drawn.random() < 0.5:
            does, is_certain = self.meant(verb, fields, room, before)
            would = await self.rehearse(verb, before, room, room=room, **fields)
            if would:
                self.compare_people("what a dry run says", would, does, is_certain, self.face)
            elif would is not None:
                self.require("whom a dry run leaves out", {bare for bare in is_certain if does[bare] != "spared"}, set(), self.face)
        earlier = self.meant(verb, fields, room, before)
        done, reply, said = await self.give(verb, room, room=room, **fields)
        does, is_certain = self.meant(verb, fields, room, before)
        after = await self.read()
        # Somebody may have been there for long enough only when the command was begun.
        does, is_certain = {**earlier[0], **does}, earlier[1] & is_certain
        left, unwaited = inside(before) - inside(after), self.unwaited(before, after, *((room, bare) for bare in does))
        options = " ".join(f"--{key}" if value is True else f"--{key} {value}" for key, value in fields.items())
        self.log[-1] = text = f"operator: {verb} {room} {options} ({self.face}): {'done' if done else 'not done'}"
        self.require("who came in meanwhile", inside(after) - inside(before), set(), said)
        if not done:
            self.require("somebody is out although nothing was done", left | unwaited, set(), said)
            self.require("somebody is meant, and the command fails", {bare for bare in is_certain if does[bare] != "spared"}, set(), said)
            spared = {bare for bare in is_certain if does[bare] == "spared"}
            self.require("who is spared", {bare for bare in spared if bare not in said}, set(), said)
            return text
        if reply:
            told = {one["jid"]: one["done"] for one in reply["people"]}
            self.require("everybody once", len(reply["people"]), len(told), said)
            self.require_ended(room, reply, after, said)
            self.require("stopped", reply["stopped"], None, said)
            if verb in ("remove", "hold"):
                self.require_remembered(room, [one for one in reply["people"] if one["done"] != "spared"], said)
                self.require_lobby(room, reply["people"], said)
            if would and "since" not in fields:
                self.require("what a dry run says", would, told, said)
        else:
            lines = said.splitlines()
            told = {bare: does[bare] for bare in does if any(f"({bare})" in line and IN_WORDS[does[bare]] in line for line in lines)}
            self.require("the lines", sum(line.startswith(f"{room}: ") for line in lines), len(told), said)
        self.compare_people("with whom what is done", told, does, is_certain, said)
        self.require("who is out", left, {(room, bare) for bare, deed in told.items() if deed in ("removed", "held")}, said)
        self.require("who waits no more", unwaited, {(room, bare) for bare, deed in told.items() if deed in ("admitted", "rejected")}, said)
        follows = {"admit": self.admitted, "reject": self.rejected, "remove": self.removed, "hold": self.sent_back}[verb]
        for bare, deed in told.items():
            if deed != "spared":
                follows(room, bare)
        return text

    # Moderators

    async def step_answer_all(self):
        """A moderator answers everybody who waits, in the room."""
        seats = [(session, room) for session, room, _ in self.seated(role="moderator")]
        waited_at = [(session, room) for session, room in seats if self.waits.get(room)]
        if not seats or self.drawn.random() > (0.9 if waited_at else 0.1):
            return None
        session, room = self.drawn.choice(waited_at or seats)
        admits, before, since = self.drawn.random() < 0.6, await self.read(), session.person.mark()
        session.person.say(room, f"!{'admit' if admits else 'reject'} all")
        answer = await session.person.wait_for(
            lambda seen: seen.name == "message" and seen.room == room and (seen.type == "error" or " in the lobby was " in (seen.body or "")), PATIENCE, since
        )
        after, self.face = await self.read(), "in the room"
        people = {bare for other, bare in waiting(before) if other == room}
        self.log[-1] = text = f"{session.label} {'admits' if admits else 'rejects'} all at {room}: {answer.body if answer.type != 'error' else answer.error}"
        self.require("who is inside", inside(after), inside(before), text)
        if answer.type == "error":
            self.require("nobody is answered, and waits", bool(people) and room not in self.suspended, False, text)
            self.require("who waits", waiting(after), waiting(before), text)
            return text
        self.require("how many", answer.body, f"Everyone in the lobby was {'let in' if admits else 'turned away'} ({len(people)}).", text)
        self.require("who waits no more", waiting(before) - waiting(after), {(room, bare) for bare in people}, text)
        for bare in people:
            (self.admitted if admits else self.rejected)(room, bare)
        return text
