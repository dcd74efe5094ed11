"""The way into the page, and out of it."""

import hashlib

from lab import SERVICE

TOKEN = "0f" * 32
POLICY = SERVICE
WITH_TOKEN = (
    SERVICE
    + f"""
[[admin.token]]
name = "anna"
role = "duty"
sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
"""
)
KEPT = "sessionStorage.length + localStorage.length + document.cookie.length"


async def test_a_link_signs_in_and_leaves_nothing_in_the_address(door, chromium):
    async with chromium.sign_in(door.component) as page:
        await page.shows("Ready")
        assert "login" not in await page.read("location.href")
        # Somebody who comes back to the tab is still there ...
        await page.reload()
        await page.shows("Ready")
        # ... and a further visit is nobody.
        await page.click("text=Sign out")
        await page.shows("No token at hand?")
        assert await page.read(KEPT) == 0
        await page.reload()
        await page.shows("No token at hand?")


async def test_a_token_of_the_file_is_pasted_and_its_role_is_what_can_be_done(door, chromium):
    door.enforce(WITH_TOKEN)
    try:
        async with chromium.sign_in(door.component, "viewer") as page:
            await page.shows("viewer")
            assert not await page.read("[...document.querySelectorAll('.side a')].some(a => a.innerText === 'Policy')")
            await page.click("text=Sign out")
            await page.fill("#token", TOKEN)
            await page.press("Enter")
            await page.shows("anna")
            await page.go("commands")
            shown = await page.read("document.querySelector('main').innerText")
            assert "Suspend" in shown and "Reload" not in shown
            # What is not for a role is not there by its address either.
            await page.go("policy")
            assert await page.read("document.querySelector('h1').innerText") == "Rooms"
    finally:
        door.enforce(POLICY)


async def test_a_token_that_is_none_is_said_so(door, chromium):
    async with chromium.sign_in(door.component) as page:
        await page.shows("Ready")
        await page.click("text=Sign out")
        await page.fill("#token", "nobody")
        await page.click("text=Sign in")
        await page.shows("not valid any more")


async def test_a_token_that_is_taken_back_leads_to_the_way_in(door, chromium):
    door.enforce(WITH_TOKEN)
    async with chromium.sign_in(door.component) as page:
        await page.shows("Ready")
        await page.click("text=Sign out")
        await page.fill("#token", TOKEN)
        await page.press("Enter")
        await page.shows("anna")
        door.enforce(POLICY)
        # Nobody has to press anything.
        await page.shows("not valid any more")
        assert await page.read(KEPT) == 0
