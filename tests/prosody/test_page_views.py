"""Every view of the page, as everybody sees it: what axe-core finds, what the policy of the page forbids, what has no room."""

import asyncio
import json
import os

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
    "phone-dark": {"width": 390, "height": 844, "colorScheme": "dark"},
    # A window of 1280 by 800 at 200 %.
    "large": {"width": 640, "height": 400, "deviceScaleFactor": 2},
    "forced": {"forcedColors": "active"},
}
VIEWS = ["rooms", "decisions", "charts", "log", "bans", "explain", "doctor", "policy", "commands", "server", "more"]
FORMS = ["commands/end-many", "commands/explain", "commands/plan"]


async def meeting(door, crowd):
    room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="board")
    guest = await knocking(crowd, room)
    await knocking(crowd, room, nick="Other")
    for number in range(10):
        await guest.join(room, "Guest", f"wrong {number}")
    # Cyrillic letters.
    await (await crowd.connect("eve@localhost")).join(room.replace("oa", "\u043e\u0430"), "Eve")
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
            for command in ("close", "suspend", "end"):
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


async def test_critical_findings_are_red_on_every_screen(door, chromium):
    findings = json.loads(door.component.run("doctor", "--json").stdout)["counts"]
    assert findings["critical"], findings
    for looks, where in (({}, ".side"), ({"width": 390, "height": 844}, ".tabs")):
        async with chromium.sign_in(door.component, "viewer", **looks) as page:
            badge = f"document.querySelector('{where} .badge-count.bad')"
            for view in ("rooms", "log", "server"):
                await page.go(view)
                await page.until(f"{badge}?.checkVisibility() && {badge}.textContent.includes('{findings['critical']} critical')")
            wide = await page.read(f"{badge}.getBoundingClientRect().right - innerWidth")
            assert wide <= 0
            await page.go("doctor")
            await page.until("document.querySelectorAll('.finding.critical').length > 0")
            titles = await page.read("[...document.querySelectorAll('.finding h2')].map(each => each.innerText)")
            assert all(title[0].isupper() for title in titles), titles


async def test_the_log_is_searched_on_a_phone(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, width=390, height=844) as page:
        room, _ = await meeting(door, crowd)
        await page.go("log")
        await page.until("document.querySelectorAll('.entry').length > 2")
        # What was found is on the first screen.
        assert await page.read("document.querySelector('.entry').getBoundingClientRect().top < innerHeight / 2")
        await page.click("summary")
        labels = await page.read("[...document.querySelectorAll('.search-form label')].map(each => each.innerText)")
        assert {"Room", "From", "To", "Contains"} <= set(labels)
        # A date has room: the control is as wide as the form.
        for name in ("since", "until"):
            field = f"document.querySelector('[name={name}]').getBoundingClientRect()"
            assert await page.read(f"{field}.width >= 250 && {field}.right <= innerWidth")
        assert await page.axe() == []
        await page.fill("[name=room]", room)
        await page.click(".search-form [type=submit]")
        await page.until(f"document.querySelector('summary').innerText.includes({json.dumps('Room: ' + room)})")
        assert not await page.read("document.querySelector('.search-form details').open")


async def test_the_text_of_charts_is_as_large_as_other_text(door, chromium):
    async with Crowd(door.server) as crowd:
        await meeting(door, crowd)
        for width in (390, 1280):
            async with chromium.sign_in(door.component, width=width, height=800) as page:
                await page.go("charts")
                await page.until("document.querySelector('.chart .axis')")
                heights = await page.read("[...document.querySelectorAll('.chart .axis')].map(each => each.getBoundingClientRect().height)")
                assert min(heights) >= 12, heights


async def test_the_server_is_shown_without_names_of_the_api(door, chromium):
    async with chromium.sign_in(door.component) as page:
        await page.go("server")
        await page.shows("Decisions since the start")
        shown = await page.read("[...document.querySelectorAll('main dt')].map(each => each.innerText)")
        assert not any("_" in each or each[:1].islower() for each in shown), shown
        # Who came by the socket of the command line is known by a number there, and by a name here.
        assert "root" in await page.read("document.querySelector('.me-name').innerText") or os.getuid()
        await page.go("log")
        await page.until("document.querySelector('.entry')")
        assert "uid 0" not in await page.read("document.querySelector('main').innerText")


def test_the_address_of_the_page_comes_with_the_way_there_from_another_machine(door):
    done = door.component.run("page")
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    port = done.stdout.partition("#")[0].rstrip("/").rpartition(":")[2]
    assert f"ssh -L {port}:127.0.0.1:{port} " in done.stderr
    assert not door.component.run("page", "--json").stderr
