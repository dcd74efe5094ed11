"""The way into the page, and out of it."""

import asyncio
import contextlib
import hashlib
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

from lab import SERVICE, Crowd
from lab.front import Front, site
from lab.http import Api
from lab.process import ROOT
from lab.provider import Provider, Visitor

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


ANNA = """
[[admin.person]]
sign_in = "anna"
role = "operator"
"""


@contextlib.contextmanager
def provider(door, more="", people=ANNA):
    """A provider at which people sign in to the page; its `page` is the page's address there."""
    with Provider(f"http://localhost:{urlsplit(Api(door.component).url).port}/") as started:
        door.enforce(POLICY + started.settings(more, people))
        try:
            yield started
        finally:
            door.enforce(POLICY)


async def sign_in_at_provider(page, name):
    """From the page's own form."""
    await page.click("#provider")
    await page.until("document.querySelector('#login')")
    await page.fill("#login", name)
    await page.click("text=Continue")


async def test_people_sign_in_at_a_provider_and_out_here(door, chromium):
    with provider(door) as at:
        async with Crowd(door.server) as crowd, chromium.visit(at.page, elsewhere=True) as page:
            room, *_ = await door.meeting(crowd, "alice@localhost")
            await page.shows("Sign in with 127.0.0.1")
            assert not await page.axe()
            await sign_in_at_provider(page, "anna")
            await page.shows("Ready")
            await page.shows("operator")
            assert await page.read("location.href") == f"{at.page}#/rooms"
            # The session is in a cookie that no script sees.
            assert await page.read(KEPT) == 0
            await page.go(f"room/{room}")
            await page.act("close")
            await page.click("dialog [type=submit]")
            closed = await door.decisions(event="close", room=room)
            assert closed[0]["details"]["by"] == {"interface": "http", "name": "anna", "role": "operator"}
            await page.reload()
            await page.shows("Ready")
            await page.click("text=Sign out")
            await page.shows("You are signed out here.")
            await page.reload()
            await page.shows("Sign in with 127.0.0.1")


async def test_groups_have_roles_and_who_has_none_is_told(door, chromium):
    with provider(door) as at:
        async with chromium.visit(at.page, elsewhere=True) as page:
            await sign_in_at_provider(page, "bert")
            await page.shows("bert")
            await page.shows("duty")
            # A reload that takes the role back ends the session at once.
            door.enforce(POLICY + at.settings(people=ANNA).replace("meet-duty", "others"))
            await page.shows("not signed in any more")
            await page.click("#provider")
            await page.shows("are not listed here")
        for name, reason in (("carol", "are not listed here"), ("nobody", "did not sign you in")):
            async with chromium.visit(at.page, elsewhere=True) as page:
                await sign_in_at_provider(page, name)
                await page.shows(reason)
                assert await page.read("location.href") == f"{at.page}#/rooms"


async def test_without_the_provider_sessions_and_decisions_go_on(door, chromium):
    with provider(door) as at:
        visitor = Visitor(at.page)
        assert visitor.sign_in("anna") == "/#/rooms" and visitor.caller == {"name": "anna", "role": "operator"}
        at.stop()
        assert visitor.caller["name"] == "anna"
        await asyncio.sleep(3)  # what a provider says counts for so long
        async with Crowd(door.server) as crowd, chromium.visit(at.page, elsewhere=True) as page:
            await page.click("#provider")
            await page.shows("The sign-in service does not answer.")
            await door.meeting(crowd, "alice@localhost")
            assert not door.component.run("status").returncode
            at.start()
            await asyncio.sleep(3)
            await sign_in_at_provider(page, "anna")
            await page.shows("Ready")
            # Who signs out ends no other browser's session.
            visitor.ask("POST", "/sign-in/out")
            assert visitor.caller is None
            await page.reload()
            await page.shows("Ready")


# Answers of the provider that are verified at a time.
AT_ONCE = 8


def test_who_comes_back_while_many_do_is_told_so_and_can_try_again(door):
    with provider(door) as at, ThreadPoolExecutor(AT_ONCE) as others:
        last, *visitors = [Visitor(at.page) for _ in range(AT_ONCE + 1)]
        back, *backs = [visitor.at_provider(visitor.begin(), "anna") for visitor in (last, *visitors)]
        at.pause()
        ends = [others.submit(visitor.end, path) for visitor, path in zip(visitors, backs, strict=True)]
        time.sleep(1)
        assert last.end(back) == "/#refused=busy"
        assert last.caller is None and not any(end.done() for end in ends)
        at.go_on()
        assert {end.result() for end in ends} == {"/#/rooms"}
        # The same address, loaded again, ends the sign-in.
        assert last.end(back) == "/#/rooms"
        assert last.caller == {"name": "anna", "role": "operator"}


async def test_an_address_is_a_name_only_if_it_is_verified(door):
    person = ANNA.replace('"anna"', '"anna@example.org"')
    with provider(door, 'claim = "email"', person) as at:
        assert Visitor(at.page).sign_in("anna") == "/#/rooms"
        assert Visitor(at.page).sign_in("carol") == "/#refused=unverified"
        door.enforce(POLICY + at.settings('claim = "nickname"', person))
        assert Visitor(at.page).sign_in("anna") == "/#refused=nameless"


async def test_what_is_not_proved_signs_nobody_in(door):
    with provider(door) as at:
        kinds = ("none", "changed", "foreign", "shared", "audience", "issuer", "expired", "nonce", "without")
        for kind in (*kinds, "party", "later", "made"):
            at.twist(kind)
            visitor = Visitor(at.page)
            assert visitor.sign_in("bert") == "/#refused=invalid", kind
            assert visitor.caller is None and not visitor.cookies, kind
        at.twist("right")
        assert Visitor(at.page).sign_in("bert") == "/#/rooms"


async def test_a_sign_in_is_good_once_and_in_the_browser_where_it_began(door):
    with provider(door) as at:
        expired = "/#refused=expired"
        victim, attacker = Visitor(at.page), Visitor(at.page)
        # Played again, with the state or with the code.
        back = victim.at_provider(victim.begin(), "anna")
        assert victim.end(back) == "/#/rooms"
        assert victim.end(back) == expired
        code = parse_qs(urlsplit(back).query)["code"][0]
        fresh = parse_qs(urlsplit(attacker.begin()).query)["state"][0]
        assert attacker.end(f"/sign-in/callback?code={code}&state={fresh}") == "/#refused=invalid"
        assert attacker.caller is None
        # An answer for the attacker, which the victim's browser is led to.
        attacker, victim = Visitor(at.page), Visitor(at.page)
        back = attacker.at_provider(attacker.begin(), "bert")
        assert victim.end(back) == expired
        victim.begin()
        back = attacker.at_provider(attacker.begin(), "bert")
        assert victim.end(back) == expired and victim.caller is None
        # It does not end the sign-in that is the victim's own.
        own = victim.begin()
        assert victim.end(back) == expired
        assert victim.end(victim.at_provider(own, "anna")) == "/#/rooms"
        # The answer of another provider, also beside this one's, and none at all.
        for more in ("&iss=http://127.0.0.1:1", "&iss=a&iss=b", f"&iss={at.issuer}&iss=a"):
            visitor = Visitor(at.page)
            back = re.sub("&iss=[^&]*", "", visitor.at_provider(visitor.begin(), "anna"))
            assert visitor.end(back + more) == "/#refused=invalid"
        for query in ("", "?state=&code=x", "?code=x", f"?state={fresh}&state={fresh}&code=x"):
            assert Visitor(at.page).end(f"/sign-in/callback{query}") == expired


async def test_a_flood_of_answers_keeps_nobody_from_signing_in(door):
    def flood(at, ends):
        while not ends.is_set():
            visitor = Visitor(at.page)
            state = parse_qs(urlsplit(visitor.begin()).query).get("state", ["none"])[0]
            visitor.end(f"/sign-in/callback?code=made-up&state={state}")

    with provider(door) as at:
        at.twist("slow")
        ends = threading.Event()
        threads = [threading.Thread(target=flood, args=(at, ends)) for _ in range(16)]
        for thread in threads:
            thread.start()
        try:
            await asyncio.sleep(1.5)
            begun = [Visitor(at.page).begin().startswith(at.issuer) for _ in range(10)]
            assert all(begun), begun
            assert await asyncio.to_thread(Visitor(at.page).sign_in, "anna") == "/#/rooms"
        finally:
            ends.set()
            for thread in threads:
                thread.join()


async def test_a_session_is_used_by_the_page_alone_and_leads_nowhere_else(door):
    with provider(door) as at:
        visitor = Visitor(at.page)
        visitor.sign_in("anna")
        (session,) = visitor.cookies.values()

        def status(**options):
            return visitor.ask("GET", "/api/v1/status", **options)[0]

        assert status() == 200
        assert status(page=False) == 401
        assert status(headers={"Origin": "http://evil.example"}) == 401
        assert status(headers={"Sec-Fetch-Site": "cross-site"}) == 401
        assert visitor.ask("POST", "/sign-in/out", page=False)[0] == 403 and status() == 200
        # It is no token, and a token is none.
        assert status(cookies={}, headers={"Authorization": f"Bearer {session}"}) == 401
        assert status(cookies={"__Host-vestibule-session": Api(door.component).token}) == 401
        assert status(cookies={"__Host-vestibule-session": session.upper()}) == 401
        # It goes nowhere but to the provider and the page itself.
        for query in ("?next=//evil.example", "?redirect_uri=http://evil.example", "?moved"):
            _, headers, _ = visitor.ask("GET", f"/sign-in/oidc{query}", page=False)
            to = urlsplit(headers["Location"])
            assert f"{to.scheme}://{to.netloc}" == at.issuer
            assert parse_qs(to.query)["redirect_uri"] == [f"{at.page}sign-in/callback"]
        elsewhere = {"Host": f"127.0.0.1:{urlsplit(at.page).port}"}
        _, headers, _ = visitor.ask("GET", "/sign-in/oidc", page=False, headers=elsewhere)
        assert headers["Location"] == f"{at.page}sign-in/oidc?moved"
        assert visitor.ask("GET", "/sign-in/oidc", page=False, headers={"Host": "evil.example"})[0] == 421
        # What stands in an address is not shown.
        shown = json.loads(visitor.ask("GET", "/sign-in?refused=Call+0800", cookies={})[2])
        assert shown["reason"] is None
        visitor.ask("POST", "/sign-in/out")
        assert status(cookies={"__Host-vestibule-session": session}) == 401
        over = visitor.ask("GET", "/sign-in", cookies={"__Host-vestibule-session": session})[2]
        assert json.loads(over)["reason"] == "Your session is over. Sign in again."


async def test_the_files_that_the_documentation_shows_are_valid(door, tmp_path):
    text = (ROOT / "docs/http.md").read_text()
    shown = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "sign_in" in block]
    assert len(shown) == 2
    secret = tmp_path / "secret"
    secret.write_text(f"{PROXY_SECRET}\n")
    for block in shown:
        file = tmp_path / "component.toml"
        file.write_text(POLICY + re.sub(r'"/etc/vestibule/.*?"', f'"{secret}"', block))
        done = door.component.run("check", "--config", str(file))
        assert done.returncode == 0, done.stderr
