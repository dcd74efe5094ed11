"""The way into the page, and out of it."""

import asyncio
import hashlib
import re
import time

from lab import SERVICE, Crowd
from lab.front import Front, site
from lab.http import Api

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
PROXY_SECRET = "the proxy's own secret, which nobody guesses"
BEHIND_PROXY = (
    SERVICE
    + f"""
[admin]
proxy_header = "X-Forwarded-User"
proxy_secret = "{PROXY_SECRET}"
[[admin.person]]
sign_in = "anna"
role = "duty"
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


async def wait_until(is_so, seconds=8):
    """Waits until it is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def front(door, name, secret=PROXY_SECRET):
    """A proxy that names this person."""
    return Front(Api(door.component).address, X_Forwarded_User=name, X_Vestibule_Proxy_Secret=secret)


async def test_a_proxy_signs_in_and_what_is_done_bears_the_name(door, chromium):
    door.enforce(BEHIND_PROXY)
    try:
        with front(door, "anna") as proxy:
            async with Crowd(door.server) as crowd, chromium.visit(proxy.url()) as page:
                room, *_ = await door.meeting(crowd, "alice@localhost")
                await page.shows("Ready")
                await page.shows("anna")
                await page.shows("duty")
                await page.go(f"room/{room}")
                await page.act("close")
                await page.click("dialog [type=submit]")
                closed = await door.decisions(event="close", room=room)
                assert closed[0]["details"]["by"] == {"interface": "http", "name": "anna", "role": "duty"}
                assert await page.read(KEPT) == 0
                # Who signs out is told where, and nobody is signed in again unasked.
                await page.click("text=Sign out")
                await page.shows("sign out there")
                await page.click("text=Try again")
                await page.shows("Ready")
                # A reload without the person counts at once.
                door.enforce(BEHIND_PROXY.replace('"anna"', '"berta"'))
                await page.shows("not signed in any more")
                await page.click("text=Try again")
                await page.shows("You are signed in as anna, who is not listed here.")
    finally:
        door.enforce(POLICY)


async def test_a_name_without_the_proxy_is_nobody_s(door, chromium):
    door.enforce(BEHIND_PROXY)
    try:
        for name, secret in [("anna", None), ("anna", "a guess"), (None, PROXY_SECRET)]:
            with front(door, name, secret) as proxy:
                async with chromium.visit(proxy.url()) as page:
                    await page.shows("No token at hand?")
                    assert ("only the proxy may say" in await page.read("document.body.innerText")) == (name is not None)
    finally:
        door.enforce(POLICY)


async def test_another_site_s_page_does_nothing_in_the_name_of_a_person_behind_a_proxy(door, chromium):
    door.enforce(BEHIND_PROXY)
    try:
        with front(door, "anna") as proxy:
            async with Crowd(door.server) as crowd:
                room, alice = await door.meeting(crowd, "alice@localhost")
                api = Api(door.component)

                def refused():
                    text = api.request("GET", "/metrics")[2]
                    return int(re.search(r"^vestibule_http_logins_failed_total (\d+)", text, re.MULTILINE)[1])

                before = refused()
                end = f"{proxy.url()}api/v1/commands/end"
                html = f"""<!doctype html><title>evil</title><form id=f method=post target=_blank enctype=text/plain action={end}>
                <input name='{{"room":"{room}","x":"' value='"}}'></form><script>
                const body = JSON.stringify({{ room: "{room}" }});
                const ways = [
                    {{ mode: 'no-cors', body }}, {{ mode: 'cors', credentials: 'include', body }},
                    {{ mode: 'cors', headers: {{ 'Content-Type': 'application/json', 'X-Vestibule-Page': '1' }}, body }},
                ];
                (async () => {{
                    const seen = [];
                    for (const way of ways) seen.push(await fetch('{end}', {{ method: 'POST', ...way }}).then(r => r.type, () => 'failed'));
                    document.body.append(seen.join());
                    document.getElementById('f').submit();
                }})();
                </script>"""
                with site(html) as url:
                    async with chromium.visit(url, elsewhere=True) as page:
                        # None of the answers is for it; and one request was not even sent.
                        await page.shows("failed,failed,failed")
                        # Three came, with the form, and were refused.
                        await wait_until(lambda: refused() >= before + 3)
                assert api.done("room", room=room)["occupants"][0]["jid"] == alice.bare
    finally:
        door.enforce(POLICY)
