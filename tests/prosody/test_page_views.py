"""Every view of the page, as everybody sees it: what axe-core finds, what the policy of the page forbids, what has no room."""

import asyncio
import json

import pytest
from lab import SERVICE, Crowd
from lab.knocking import knocking
from lab.policy import PRESET

POLICY = (
    SERVICE + PRESET
    + """
[[ban]]
jid = "mallory@example.org"
reason = "tried it on Sunday"
"""
)
LOOKS = {
    "light": {"colorScheme": "light"},
    "dark": {"colorScheme": "dark"},
    "phone": {"width": 360, "height": 740, "hasTouch": True},
    "phone-dark": {"width": 360, "height": 740, "colorScheme": "dark"},
    # A window of 1280 by 800 at 200 %.
    "large": {"width": 640, "height": 400, "deviceScaleFactor": 2},
    "forced": {"forcedColors": "active"},
}
VIEWS = ["rooms", "decisions", "charts", "log", "bans", "explain", "doctor", "policy", "commands", "server", "more"]
FORMS = ["commands/end-many", "commands/explain", "commands/plan"]


async def meeting(door, crowd):
    room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="board")
    guest = await knocking(crowd, room)
    await guest.join(room, "Guest", "wrong")
    return room, guest


@pytest.mark.parametrize("looks", LOOKS)
async def test_nobody_is_kept_from_any_view(door, chromium, looks):
    async with Crowd(door.server) as crowd:
        room, _ = await meeting(door, crowd)
        async with chromium.sign_in(door.component, **LOOKS[looks]) as page:
            await page.shows("Rooms")
            for view in [*VIEWS, *FORMS, f"room/{room}"]:
                await page.go(view)
                await page.until("!document.querySelector('main').innerText.includes('Asking')")
                assert await page.axe() == [], view
                wide = await page.read("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, f"{view} is {wide} pixels too wide"


@pytest.mark.parametrize("looks", ["light", "dark", "phone"])
async def test_nobody_is_kept_from_the_dialogs(door, chromium, looks):
    async with Crowd(door.server) as crowd:
        room, guest = await meeting(door, crowd)
        async with chromium.sign_in(door.component, **LOOKS[looks]) as page:
            await page.go(f"room/{room}")
            await page.shows("waiting")
            for command in ("suspend", "end"):
                await page.act(command)
                await page.until("document.querySelector('dialog[open]')")
                assert await page.axe() == [], command
                await page.press("Escape")
            await page.press("?")
            await page.until("document.querySelector('dialog[open] dl')")
            assert await page.axe() == []
            await page.press("Escape")
            await page.go("decisions")
            await guest.join(room, "Guest", "wrong again")
            await page.click(".decisions .rows [role=row]")
            await page.shows("Taken for")
            assert await page.axe() == []


async def test_a_row_does_not_move_away_under_the_finger(door, chromium):
    async with Crowd(door.server) as crowd:
        room, guest = await meeting(door, crowd)
        async with chromium.sign_in(door.component) as page:
            await page.go("decisions")
            await page.until("document.querySelectorAll('.decisions .rows [role=row]').length > 1")
            at = "document.querySelector('.decisions .rows [role=row]').style.transform"
            before = await page.read(at)
            await page.hold(selector=".decisions .rows [role=row]")
            await guest.join(room, "Guest", "wrong again")
            await asyncio.sleep(1)  # Without a finger there it would be shown at once.
            assert await page.read(at) == before
            await page.release()
            await page.shows("Taken for")
            await page.until(f"{at} !== {json.dumps(before)}")


async def test_nobody_is_kept_from_signing_in(door, chromium):
    for looks in ("light", "dark", "phone"):
        async with chromium.sign_in(door.component, **LOOKS[looks]) as page:
            await page.shows("Rooms")
            await page.click("text=Sign out" if looks != "phone" else "[aria-label='Sign out']")
            await page.shows("Token")
            assert await page.axe() == []
