"""The page while the component goes away and comes back."""

import asyncio
import hashlib

from lab import SERVICE, Crowd
from lab.policy import PRESET, SECRET
from lab.process import free_port

TOKEN = "0f" * 32
POLICY = (
    SERVICE + PRESET
    + f"""
[[admin.token]]
name = "anna"
role = "duty"
sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
"""
)


async def test_a_killed_component_is_missed_and_found_again(start_prosody, start_vestibule, chromium):
    server = start_prosody()
    port = {"VESTIBULE_ADMIN__HTTP": f"127.0.0.1:{free_port()}"}
    component = start_vestibule(server, POLICY, env=port)
    room = f"room@{server.service}"
    async with Crowd(server) as crowd, chromium.sign_in(component) as page:
        alice = await crowd.connect("alice@localhost")
        assert (await alice.join(room, "Alice")).joined
        await page.shows("Ready")
        await page.click("text=Sign out")
        await page.fill("#token", TOKEN)
        await page.press("Enter")
        people = "document.querySelector('[data-key] .c-people .value')?.innerText"
        await page.until(f"{people} === '1'")
        component.kill()
        await page.shows("No connection to the component.")
        assert "old" in await page.read("document.querySelector('.banner').innerText")
        # What it shows meanwhile looks as old as it is.
        await page.until("getComputedStyle(document.querySelector('.grid')).opacity < 1")
        await asyncio.to_thread(component.start, ready=True)
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Bob", SECRET)).joined
        # Unless it has found the component by itself meanwhile.
        await page.read("void [...document.querySelectorAll('button')].find(it => it.innerText === 'Try now')?.click()")
        await page.until(f"{people} === '2'", 20)
        await page.hides("No connection to the component.")


async def test_a_server_that_is_away_is_told(start_prosody, start_vestibule, chromium):
    server = start_prosody()
    component = start_vestibule(server, SERVICE)
    async with chromium.sign_in(component, "viewer") as page:
        await page.shows("Ready")
        server.kill()
        await page.shows("No link")
        await page.shows("The link to the server is down")
