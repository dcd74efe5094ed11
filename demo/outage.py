"""The third part of the story: the component crashes, and the end."""

import asyncio
import time

import backstage  # noqa: F401  (finds the laboratory)
from lab.outcome import judge
from stage import ROOM

REASON = "The house closes for the night."


def crash(stage):
    """Ends the component as a crash would."""
    stage.page.line("shell", "operator", f"$ kill -9 {stage.component.pid}   # vestibule")
    stage.component.kill()


async def a_crash_is_not_noticed(stage):
    stage.scene("Vestibule crashes, and starts again, while Frank comes in")
    frank = stage.people["Frank"]
    crash(stage)
    began = time.monotonic()
    since = frank.ask_to_join(ROOM, "Frank", stage.password)
    stage.did("Frank", f"joins with “{stage.password}”")
    await asyncio.sleep(1)
    early = [each for each in frank.seen[since:] if judge(each, ROOM)]
    stage.expect(not early, "that Frank waits", early)
    stage.page.line("saw", "Frank", "waits")
    stage.component.start(ready=False)
    stage.page.line("shell", "operator", "$ vestibule run &")
    outcome = await frank.outcome(ROOM, since)
    waited = time.monotonic() - began
    stage.joined(outcome, "participant")
    stage.expect(len(frank.answers(ROOM, since)) == 1, "one answer", frank.answers(ROOM, since))
    stage.page.line("saw", "Frank", f"waited {waited:.1f} s, and noticed nothing else")
    await stage.decided("Frank", "join", "allow", "lobby.admission")


async def nobody_decides(stage):
    stage.scene("Vestibule crashes again, and stays away")
    crash(stage)
    eve, bob = stage.people["Eve"], stage.people["Bob"]
    stage.did("Eve", "joins under her own name, with the right password")
    began = time.monotonic()
    since, before = eve.ask_to_join(ROOM, "Eve", stage.password), bob.mark()
    stage.did("Ann", "says “Let us go on.”")
    stage.people["Ann"].say(ROOM, "Let us go on.")
    await stage.hears("Bob", before, "go on", "Bob hears")
    outcome = await eve.outcome(ROOM, since)
    stage.page.line("saw", "Eve", f"waits {time.monotonic() - began:.0f} s, and then")
    stage.turned_away(outcome, "wait", "remote-server-timeout", "briefly unavailable")
    stage.page.line("policy", "decision", "none: while nobody can decide, nobody else comes in (unless the operator has")
    stage.page.line("policy", "", "chosen otherwise), and those inside go on")


async def the_end(stage):
    stage.scene("Vestibule is back, and the operator ends the meeting")
    stage.component.start(ready=False)
    await asyncio.to_thread(stage.component.wait_ready)
    stage.page.line("shell", "operator", "$ vestibule run &")
    ann = stage.people["Ann"]
    since = ann.mark()
    stage.operator("end", ROOM, "--reason", REASON, "--yes")
    gone = await ann.wait_for(lambda seen: seen.room == ROOM and seen.destroyed is not None, since=since)
    stage.expect(gone.destroyed == REASON, REASON, gone.destroyed)
    stage.page.line("heard", "Ann hears", f"that the room is gone: “{gone.destroyed}”")
    await stage.event("end", "the operator's own; the log keeps it")
    rooms = stage.operator("rooms")
    stage.expect("no rooms are open" in rooms, "no room", rooms)


ALL = [a_crash_is_not_noticed, nobody_decides, the_end]
