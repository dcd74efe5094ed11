"""On Jitsi: nobody comes in, or goes on, under a name that is kept for somebody else; and operators read the names
that people see."""

import asyncio
import json

import pytest
from lab.jitsi_client import NICKNAME
from lab.jitsi_meeting import admit, inside, opened, vestibule
from lab.meet import MEET_SERVICE
from lab.stanza import CLIENT, element

POLICY = f"""{MEET_SERVICE}
link = "https://meet.example.org/{{room}}"
phone = "+49 30 123456, code 77"
[policy.lobby]
admission = "open"
[policy.close]
hold_until = []
[policy.names]
reserved = ["focus", "Moderator"]
[[room]]
match = "unique-*"
names.unique = "everybody"
[[room]]
match = "invited-*"
lobby.admission = "password-and-lobby"
[[room]]
match = "secret-*"
lobby.admission = "password"
password.show_to_moderators = false
[text]
language = "de"
[text.de]
say-invite-password = "Passwort: {{password}}"
"""
HOSTILE = "Eve\u202e\u2066 \x85ok"


async def take(person, room, name):
    """Says another name, as the web client does: in a presence with all the others."""
    presence = element(CLIENT, "presence", to=f"{room}/{person.nick}")
    presence.extend([element(NICKNAME, "nick", name), element(CLIENT, "audiomuted", "true")])
    person.send(presence)


@pytest.mark.parametrize("name", ["Moderator ", "M\u043eder\u0430tor", "Moderator\u3164", "\u202erotaredoM"])
async def test_a_reserved_name_is_refused_at_the_join_and_inside(meet, name):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        mallory = await crowd.person("Mallory")
        mallory.name = name
        refused = await mallory.enter(room)
        assert not refused.joined
        mallory.name = "Mallory"
        assert (await mallory.enter(room)).joined
        since, told = alice.mark(), mallory.mark()
        await take(mallory, room, name)
        await mallory.wait_for(lambda seen: "This name is reserved. Please choose another name." in repr(seen), since=told)
        # What is told of a join may come as late.
        seen = await alice.wait_for(
            lambda seen: seen.sender == f"{room}/{mallory.nick}" and seen.text(CLIENT, "audiomuted") == "true", since=since
        )
        assert seen.text(NICKNAME, "nick") == "Mallory"


async def test_a_second_one_of_the_same_name_is_refused_where_names_are_unique(meet):
    async with meet.crowd() as crowd:
        room = meet.room("unique")
        alice, _ = await opened(crowd, room)
        alice_again, mallory = await crowd.person("Alice"), await crowd.person("Mallory")
        alice_again.name = f"{alice.name.upper()} "
        assert not (await alice_again.enter(room)).joined
        assert (await mallory.enter(room)).joined
        told = mallory.mark()
        await take(mallory, room, alice.name)
        await mallory.wait_for(lambda seen: "choose another name" in repr(seen), since=told)
        since = alice.mark()
        await take(mallory, room, "Somebody else")
        seen = await alice.wait_for(lambda seen: seen.text(NICKNAME, "nick") == "Somebody else", since=since)
        assert seen.sender == f"{room}/{mallory.nick}"
        # From now on it is this name that nobody else may have.
        again, other = await crowd.person("SOMEBODY ELSE"), await crowd.person("Mallory")
        assert not (await again.enter(room)).joined
        assert (await other.enter(room)).joined


async def test_operators_read_the_names_that_people_see(meet, tmp_path):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        zina, eve = await inside(crowd, room, "Zina"), await crowd.person("Eve")
        eve.name = HOSTILE
        assert (await eve.enter(room)).joined
        shown = vestibule(meet, "room", room)
        assert {who["nick"]: who["name"] for who in shown["occupants"]} == {
            alice.nick: "Alice", zina.nick: "Zina", eve.nick: HOSTILE,
        }
        # The focus is no person.
        assert [who["nick"] for who in shown["services"]] == ["focus"]
        (line,) = [line for line in vestibule(meet, "rooms") if line["room"] == room]
        assert (line["people"], line["occupants"], len(shown["occupants"])) == (3, 3, 3)
        assert (line["opener"], line["opener_name"]) == (alice.bare, "Alice")
        text = meet.component.run("room", room).stdout
        assert f"inside   Zina  {zina.nick}  {zina.bare}  participant" in text
        assert "service  focus" in text and "inside   focus" not in text
        assert not any(c in text for c in "\u202e\u2066\x85")
        # The session counts, not the host; and whatever they call themselves is harmless on a terminal.
        why = meet.component.run("explain", "--live", f"--room={room}", f"--jid={eve.bare}").stdout
        assert "mechanism ANONYMOUS" in why and "class: account" not in why, why
        assert not any(c in why for c in "\u202e\u2066\x85"), why
        # Another name is seen at once.
        await take(zina, room, "Zoe")
        for _ in range(50):
            if "Zoe" in (text := meet.component.run("room", room).stdout):
                break
            await asyncio.sleep(0.02)
        assert f"inside   Zoe  {zina.nick}" in text
        # A look-alike of a moderator, and of another.
        other = await crowd.person("Al\u0456ce")
        assert (await other.enter(room)).joined
        alike = {who["name"]: who.get("looks_like") for who in vestibule(meet, "room", room)["occupants"]}
        assert alike == {"Alice": "occupant", "Al\u0456ce": "moderator", "Zoe": None, HOSTILE: None}
        assert "LOOKS LIKE A MODERATOR'S NAME" in meet.component.run("room", room).stdout
        # Commands take the name where one person has it, and name the candidates where several have.
        second = await crowd.person("Zoe")
        assert (await second.enter(room)).joined
        both = meet.component.run("remove", room, "Zoe")
        assert both.returncode == 1 and "2 people are called `Zoe`" in both.stderr, both
        assert all(f'"Zoe", "{who.nick}" (`{who.bare}`), inside' in both.stderr for who in (zina, second)), both.stderr
        await second.depart(room)
        done = meet.component.run("remove", room, "zoe")
        assert f'"Zoe", "{zina.nick}" ({zina.bare}): guest' in done.stdout, done
        await meet.flushed()
        log = meet.component.run("log", "--room", room).stdout
        assert f"{zina.bare} (Zina, {zina.nick})  join: allow" in log
        assert f"{zina.bare} (Zoe, {zina.nick})  left" in log
        assert f"{zina.bare} (Zoe, {zina.nick})  remove done" in log
        assert "\u202e" not in log
        (left,) = [json.loads(line) for line in meet.component.run(
            "log", "--room", room, "--kind", "left", "--person", zina.bare, "--json").stdout.splitlines()]
        assert (left["name"], left["nick"]) == ("Zoe", zina.nick)
        bundle = tmp_path / "incident.html"
        made = meet.component.run("incident", "--room", room, "--out", str(bundle))
        assert made.returncode == 0, made
        html = bundle.read_text()
        assert f"Zina, {zina.nick} ({zina.bare}) joined." in html and f"<bdi>Zoe, {zina.nick}</bdi>" in html
        assert f"on Zoe, {zina.nick} ({zina.bare})" in html


async def test_the_page_calls_people_by_name_and_lists_services_apart(meet, chromium):
    async with meet.crowd() as crowd, chromium.sign_in(meet.component, "duty", width=390, height=800) as page:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        await inside(crowd, room, "Zina")
        other = await crowd.person("Al\u0456ce")
        assert (await other.enter(room)).joined
        await page.go(f"room/{room}")
        await page.shows("3 people inside")
        await page.shows("1 service")
        names = "[...document.querySelectorAll('.services .person, .people .person')].map(each => each.querySelector('.name').textContent)"
        assert set(await page.read(names)) == {"Alice", "Zina", "Al\u0456ce", "focus"}
        await page.shows(alice.nick)
        await page.shows("like a moderator")
        focus = "document.querySelector('.services').innerText"
        assert "Moderator" not in await page.read(focus) and "Remove" not in await page.read(focus)
        await page.until("document.querySelector('.timeline')?.innerText.includes('Zina joined')")
        await page.shows("opened by Alice")
        # Everything fits on a telephone, and nothing has to be scrolled sideways.
        wide = "[...document.querySelectorAll('main *')].filter(each => each.getBoundingClientRect().right > innerWidth).map(each => each.outerHTML.slice(0, 120))"
        assert await page.read("document.documentElement.scrollWidth - innerWidth") <= 0, await page.read(wide)
        await page.click(".people .person:has-text('Zina') [data-command=remove]")
        await page.shows("Zina · ")
        await page.press("Escape")


async def test_an_invitation_says_what_people_need_and_no_more(meet, chromium):
    async with meet.crowd() as crowd:
        room, secret = meet.room("invited"), meet.room("secret")
        alice, password = await opened(crowd, room)
        name = room.partition("@")[0]
        lines = [f"You are invited to a meeting: https://meet.example.org/{name}", "By phone: +49 30 123456, code 77",
                 f"Passwort: {password}", "You wait in the lobby first; a moderator lets you in."]  # fmt: skip
        made = vestibule(meet, "invite", room)
        assert made["text"].split("\n") == lines and made["password"]
        assert meet.component.run("invite", room).stdout == "\n".join(lines) + "\n"
        # A moderator is told the same in the chat, and nobody else.
        bob = await crowd.person("Bob")
        if meet.server.plugins:  # otherwise there is no lobby to come through
            stopped = await bob.enter(room, password)
            assert (await bob.knock(stopped.lobby)).joined
            await admit(alice, room, await alice.attend_lobby(room), bob)
        heard = bob.mark()
        since = alice.mark()
        alice.send_raw(f"<message type='groupchat' to='{room}'><body>!invite</body></message>")
        await alice.wait_for(lambda seen: seen.sender == room and seen.body == "\n".join(lines), since=since)
        await bob.ping()
        assert not [seen.body for seen in bob.seen[heard:] if seen.body]
        # Where moderators may not see the password, it is in no invitation.
        carol = await crowd.person("Carol")
        assert (await carol.enter(secret)).joined
        made = vestibule(meet, "invite", secret)
        assert not made["password"] and "asswor" not in made["text"]
        # It is written down who made one, without the password.
        await meet.flushed()
        log = meet.component.run("log", "--room", room, "--json").stdout
        assert '"command":"invite"' in log and password not in log
        async with chromium.sign_in(meet.component, "duty") as page:
            await page.go(f"room/{room}")
            await page.act("invite")
            await page.until(f"document.querySelector('dialog textarea')?.value.includes({json.dumps(lines[2])})")
            await page.press("Escape")
        async with chromium.sign_in(meet.component, "viewer") as page:
            await page.go(f"room/{room}")
            await page.shows("Alice")
            assert not await page.read("document.querySelector('[data-command=invite]')")
