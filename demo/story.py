"""A meeting under the shipped policy, played by scripted people on a real Prosody.

`make demo` runs it. Every step is checked: if one goes otherwise than it is told, the story says
which and what was seen, and ends with exit status 1. With ONCE=1 it ends after the story;
without, everything stays up for people with clients of their own, until Ctrl-C.
"""

import asyncio
import os
import signal
import sys
import time

import backstage  # noqa: F401  (finds the laboratory)
import door
import inside
import outage
from lab import Crowd, Failed, Prosody, Vestibule
from lab.component import program
from lab.process import HOST
from lab.server import PASSWORD
from page import Page
from stage import POLICY, ROOM, Otherwise, Stage

SECONDS = 90
NAMES = ("ann", "bob", "carla", "dave", "eve", "frank", "mallory")


async def play(page, server, component):
    """The whole story; raises Otherwise or Failed at the first step that goes otherwise."""
    began = time.monotonic()
    async with Crowd(server) as crowd:
        people = await crowd.connect_many([f"{name}@{server.host}" for name in NAMES])
        stage = Stage(page, server, component, {one.bare.partition("@")[0].title(): one for one in people})
        try:
            for scene in (*door.ALL, *inside.ALL, *outage.ALL):
                await scene(stage)
        except (Otherwise, Failed, asyncio.TimeoutError) as error:
            raise Otherwise(f"Step {page.scenes}, “{stage.step}”, went otherwise.\n{error}") from error
        stage.expect(not server.complaints(), "no warning in Prosody's log", "\n".join(server.complaints()))
    page.title(f"All {page.scenes} steps went as told, in {time.monotonic() - began:.0f} seconds.")


def invite(page, server, component):
    """How to join with one's own client."""
    page.title("Now you. Everything stays up; come in with your own client:")
    page.line("who", "server", f"{HOST}, port {server.c2s_port}, without TLS (allow plain text in your client)")
    page.line("who", "accounts", ", ".join(f"{name}@{server.host}" for name in NAMES))
    page.line("who", "password", f"“{PASSWORD}”, for each of them")
    page.line("who", "room", f"{ROOM}, or any other name there; the first to come opens it")
    page.line("who", "operator", f"{program()} --socket {component.home / 'socket'} rooms")
    page.line("who", "policy", f"{component.config_path} (change it, then: kill -HUP {component.pid})")
    page.plain("\nDecisions appear here as they are made. Ctrl-C ends it all.\n")


async def stay(page, server, component):
    """Shows decisions until a person presses Ctrl-C."""
    shown = len(component.decisions())
    while True:
        for process, name in ((server, "Prosody"), (component, "Vestibule")):
            if not process.is_running:
                raise Failed(f"{name} has ended\n{process.tail(15)}")
        entries = component.decisions()
        for entry in entries[shown:]:
            if "verdict" not in entry:
                page.line("policy", "event", f"{entry['event']} {entry['room']} {entry['details'] or ''}")
                continue
            place = f"{POLICY}:{entry['line']}" if entry["line"] else "built-in default"
            page.line(
                "policy",
                entry["verdict"],
                f"{entry['kind']} {entry['room']} by {entry['jid']}: {entry['rule']} ({place})",
            )
        shown = len(entries)
        await asyncio.sleep(0.3)


async def perform(page, server, component):
    """The story, and then the time for visitors, until Ctrl-C."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    await asyncio.wait_for(play(page, server, component), SECONDS)
    if os.environ.get("ONCE") == "1":
        return
    invite(page, server, component)
    try:
        await stay(page, server, component)
    except asyncio.CancelledError:
        page.plain("\nThe end: both servers stop, and their files are removed.")


def run(page):
    """Starts the parts and plays; returns the exit status."""
    server = Prosody("0.12")
    component = Vestibule(server)
    try:
        page.title("A meeting, under the policy that Vestibule ships with")
        page.line("dim", "starting", f"Prosody {server.version}, clients on port {server.c2s_port}, with the gate")
        server.start()
        page.line("dim", "starting", f"Vestibule, with {POLICY} as shipped")
        component.start()
        page.output("\n".join(component.run("status").stdout.splitlines()[:2]))
        asyncio.run(perform(page, server, component))
        return 0
    except (Otherwise, Failed, asyncio.TimeoutError) as error:
        page.line("bad", "FAILED", "the story did not go as told.")
        page.plain(str(error) or f"The story took longer than {SECONDS} seconds.")
        page.plain(f"\nThe component's last words:\n{component.tail(10)}")
        page.plain("LAB_KEEP=1 keeps the files of both for a closer look.")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        page.plain("\nThe story was interrupted.")
        return 130
    finally:
        component.close()
        server.close()


def main():
    # Ended from outside while it starts, it cleans up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run(Page())


if __name__ == "__main__":
    sys.exit(main())
