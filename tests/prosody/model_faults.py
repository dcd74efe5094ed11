"""The steps of the model in which something fails: reports, pages, the link, either program."""

import asyncio
import contextlib
import time

from lab import Failed
from lab.federation import cut
from lab.http import Api
from lab.stanza import element
from model import MODERATED_FOR, PATIENCE, Wrong
from model_steps import Steps


class Faults(Steps):
    """All steps."""

    @classmethod
    async def begin(cls, door, proxy, seed):
        """Starts the component, and everybody connects."""
        model = cls(door, proxy, seed)
        await model.come_back()
        await model.start()
        return model

    is_other = False  # the policy in force

    async def nudge(self):
        """Has the gate report something: after that, the component knows that it has missed what was lost."""
        room = f"nudge-{len(self.log)}@{self.service}"
        assert (await self.enter(self.caller, room, "Caller")).joined
        await self.caller.person.leave(room, "Caller", PATIENCE)

    async def wait_ready(self):
        await asyncio.to_thread(self.door.component.wait_ready, 30)

    async def come_back(self):
        """Starts the component."""
        self.door.component.start(ready=False)
        await self.wait_ready()
        self.api = await asyncio.to_thread(Api, self.door.component)

    async def step_lose(self):
        await self.ask("lose", to=self.world.host)
        text = await self.some(1)
        await self.nudge()
        return f"a report is lost: {text}"

    async def step_lose_and_ban(self):
        """The report that somebody came in is lost, and nothing comes after it."""
        drawn = self.draw_join()
        if not drawn or drawn[0].bare == self.robot or self.expected(drawn[0], drawn[1]) != "in":
            return None
        session, room, nick = drawn
        await self.ask("lose", to=self.world.host)
        outcome = await self.enter(session, room, nick)
        self.log[-1] = f"{session.label} joins {room} as {nick}, and the report of it is lost: {outcome.kind}"
        self.log.append("(ban)")
        text = await self.step_ban(session.bare)
        await self.nudge()
        self.log.pop()
        return f"{self.log[-1]}; {text}"

    async def step_ban_meanwhile(self):
        """Somebody comes in over a slow link, and is banned at any moment of that."""
        drawn = self.draw_join()
        if not drawn:
            return None
        session, room, nick = drawn
        if session.bare == self.robot:
            return None
        self.proxy.delay = 0.1
        self.ask_to_join(session, room, nick)
        await asyncio.sleep(self.drawn.random() * 0.5)
        done, _, said = await self.give("ban", session.bare, who=session.bare)
        self.require("done", done, True, said)
        self.bans.add((session.bare, None))
        for people in self.waits.values():
            people.pop(session.bare, None)
        self.proxy.delay = 0
        return f"{session.label} joins {room} as {nick} and is banned meanwhile ({self.face})"

    async def step_delay(self):
        self.proxy.delay = 0.15
        text = await self.some(self.drawn.randint(2, 5))
        self.proxy.delay = 0
        return f"over a slow link: {text}"

    async def step_cut(self):
        self.proxy.cut()
        text = await self.some(self.drawn.randint(0, 3))
        await asyncio.sleep(0.05)
        await self.wait_ready()
        return f"the link is cut: {text}"

    async def step_cut_servers(self):
        """Every stream between the servers ends; the next stanza makes others."""
        if not self.world.far_names:
            return None
        await cut(self.watcher)
        # What is written into a stream that closes is lost.
        for session in [session for session in self.sessions if session.name in self.world.far_names]:
            for _ in range(10):
                with contextlib.suppress(Failed):
                    await session.person.iq(self.service, "get", element("urn:xmpp:ping", "ping"), 1)
                    break
        return f"the link between the servers is cut: {await self.some(self.drawn.randint(0, 3))}"

    async def step_kill(self):
        self.door.component.kill()
        await self.come_back()
        return "the component is killed, and started again"

    async def step_kill_in_burst(self):
        """While the component is away, and while it reads the rooms, people go on."""
        self.door.component.kill()
        before = await self.some(self.drawn.randint(0, 3), is_answered=False)
        self.proxy.delay = 0.03
        self.door.component.start(ready=False)
        while_away = asyncio.ensure_future(self.wait_ready())
        texts = [before]
        while not while_away.done():
            texts.append(await self.some(1, is_answered=False))
            await asyncio.sleep(0.02)
        await while_away
        self.api = await asyncio.to_thread(Api, self.door.component)
        texts.append(await self.some(3))
        self.proxy.delay = 0
        return f"the component is killed, and started again while {', '.join(text for text in texts if text)}"

    async def step_restart(self):
        await asyncio.to_thread(self.door.component.shutdown)
        text = await self.some(self.drawn.randint(0, 2), is_answered=False)
        await self.come_back()
        return f"the component ends and starts again: {text}"

    async def step_fail_a_page(self):
        """Also the next one, for else the comparison of all rooms that follows the reading would find what is wrong."""
        await self.ask("fail", to=self.world.host, times="2")
        how = self.drawn.choice(["kill", "reload_the_gate", "lose"])
        text = await getattr(self, f"step_{how}")()
        await self.ask("happened", to=self.world.host)
        return f"two pages of rooms fail: {text}"

    async def step_late_page(self):
        """It is of the comparison that follows a reload: after that, nothing is read again which would heal what is wrong."""
        await self.ask("hold", to=self.world.host)
        await self.step_reload_the_policy()
        await self.ask("happened", to=self.world.host)
        texts = [await self.step_lock() if self.drawn.random() < 0.5 else None, await self.some(self.drawn.randint(2, 5))]
        # What is reported of them comes before the page.
        began = time.monotonic()
        while any(session.pending for session in self.sessions) and time.monotonic() - began < PATIENCE:
            await asyncio.sleep(0.05)
            for session in self.sessions:
                session.catch_up()
        await self.ask("rooms")
        await self.ask("release", to=self.world.host)
        return f"while a page of rooms is on its way: {', '.join(text for text in texts if text)}"

    async def step_freeze(self):
        self.door.component.freeze()
        text = await self.some(self.drawn.randint(1, 3), is_answered=False)
        await asyncio.sleep(0.2)
        self.door.component.thaw()
        return f"the component stands still: {text}"

    async def step_reload_the_gate(self):
        await self.ask("reload", to=self.world.host, host=self.service)
        await self.wait_ready()
        return "the gate is loaded again"

    async def step_reload_the_policy(self):
        # Of two, for at the end all decisions are made again by each.
        self.is_other = not self.is_other
        other = "\n[[room]]\nmatch = 'other-*'\n" if self.is_other else ""
        self.door.component.write_config(self.world.policy + other)
        done = await self.run("reload")
        if done.returncode != 0:
            raise Wrong(done.stderr)
        return "the policy is loaded again"

    async def step_orphan(self):
        """The last moderator leaves a room that closes then, whatever happens to the component, to the room, or to reports."""
        room = self.room("timed")
        sessions = {name: next((session for session in self.sessions if session.name == name), None) for name in ("alice", "bob")}
        alice, bob = [session or await self.connect(name) for name, session in sessions.items()]
        if any(self.is_banned(session.bare, room) for session in (alice, bob)):
            return None
        for session, nick in ((alice, "Alice"), (bob, "Bob")):
            outcome = await self.enter(session, room, nick)
            if not outcome.joined:
                raise Wrong(f"{session.label} joins {room}: {outcome}")
        how = self.drawn.choice(["leaves", "drops", "is demoted", "takes another nick and leaves"])
        await self.check(room)
        if how == "drops":
            alice.person.abort()
            self.gone(alice)
        elif how == "is demoted":
            await self.set_item(alice, room, nick="Alice", role="participant")
        else:
            if how != "leaves":
                self.presence(alice, room, "Alicia")
            self.presence(alice, room, "x", "unavailable")
        began = time.monotonic()
        if what := self.drawn.choice(["", "kill", "restart", "reload_the_gate"]):
            await getattr(self, f"step_{what}")()
        text = self.log[-1] = f"alice {how} in {room}, and {what or 'nothing'} follows"
        while time.monotonic() - began < MODERATED_FOR + PATIENCE:
            _, reply = await self.get(f"/api/v1/rooms/{room}")
            if reply.get("state", reply.get("done", {}).get("state")) == "closed":
                break
            await asyncio.sleep(0.1)
        else:
            raise Wrong(f"{room} has no moderator and is not closed: {reply}")
        self.closed.add(room)
        await self.check(room)
        done = await self.run("end", "--yes", "--", room)
        if done.returncode != 0:
            raise Wrong(done.stderr)
        return text

    async def step_restart_the_server(self):
        """Nobody is anywhere then."""
        for session in list(self.sessions):
            # At the other server they are connected still, and what they have left there would have Prosody load stored rooms.
            self.left_behind.append(session)
            self.gone(session)
        self.door.server.kill() if self.drawn.random() < 0.5 else await asyncio.to_thread(self.door.server.shutdown)
        self.life += 1
        self.forget_rooms()
        self.door.server.start()
        await self.wait_ready()
        await self.start()
        return "the server is started again"
