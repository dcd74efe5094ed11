"""Rooms and people on the page, as they are on the server."""

import json

from lab import SERVICE, Crowd
from lab.knocking import knocking
from lab.policy import PRESET, SECRET

POLICY = SERVICE + PRESET
HOSTILE = [
    "\u202eevil\u2066",
    "<img src=x onerror=alert(1)>",
    "a" * 240,
    "Аnna",
    "'\"><svg onload=alert(1)>",
    "white\u200bspace",
]


def row(room):
    return f"document.querySelector('[data-key={json.dumps(room)}]')"


def cell(room, name):
    return f"{row(room)}?.querySelector('.c-{name} .value')?.innerText"


async def test_rooms_come_change_and_go_by_themselves(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "viewer") as page:
        await page.shows("Ready")
        room, alice = await door.meeting(crowd, "alice@localhost", name="tea")
        await page.until(f"{cell(room, 'people')} === '1'")
        guest = await knocking(crowd, room)
        await page.until(f"{cell(room, 'waiting')} === '1'")
        assert not await page.read(f"{row(room)}.classList.contains('is-urgent')")
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Bob", SECRET)).joined
        await page.until(f"{cell(room, 'people')} === '2'")
        # Nobody is left who could let anybody in, and that is told.
        await alice.leave(room, "Alice")
        await page.until(f"{row(room)}.classList.contains('is-urgent')")
        await page.shows("no moderator to let them in")
        await page.until("document.getElementById('heard').innerText.includes('people wait')")
        await bob.leave(room, "Bob")
        await page.until(f"!{row(room)}")


async def test_a_room_under_attack_is_pointed_out(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "viewer") as page:
        room, _ = await door.meeting(crowd, "alice@localhost", name="attacked")
        quiet, _ = await door.meeting(crowd, "alice@localhost", name="quiet")
        guest = await crowd.connect("guest.localhost")
        for number in range(12):
            await guest.join(room, "Guest", f"wrong {number}")
        await page.until(f"{cell(room, 'refused')} === '12'")
        assert await page.read(f"{row(room)}.querySelector('.c-refused').title") == "12 wrong passwords"
        assert await page.read(cell(quiet, "refused")) == "–"
        await page.until(f"document.querySelector('.attacked').innerText.includes({json.dumps(room.partition('@')[0])})")
        assert await page.read(f"document.querySelector('.attacked').innerText.includes({json.dumps(quiet.partition('@')[0])})") is False
        await page.shows("under attack")
        await page.until("document.getElementById('heard').innerText.includes('under attack')")
        await page.go(f"room/{room}")
        await page.shows("12 wrong passwords in five minutes")
        await page.go("charts")
        await page.until("document.querySelector('main').innerText.includes('password.required')")
        found = json.loads(door.component.run("rooms", "--json").stdout)
        counts = {each["room"]: each["refused"] for each in found}
        assert counts[room] == {"wrong_passwords": 12, "asked": 0, "denied": 0}
        assert counts[quiet] == {"wrong_passwords": 0, "asked": 0, "denied": 0}
        line = next(line for line in door.component.run("rooms").stdout.splitlines() if line.startswith(room))
        assert ", 12 wrong passwords in five minutes, " in line


async def test_how_long_people_have_waited_and_what_the_door_asks_stand_in_the_list(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "viewer") as page:
        room, alice = await door.meeting(crowd, "alice@localhost", name="tea")
        await page.until(f"{row(room)}?.querySelector('.c-door').innerText === 'password or lobby'")
        await knocking(crowd, room)
        await page.until(f"/^[0-9]+ s$/.test({row(room)}?.querySelector('.longest')?.innerText.trim())")
        since = json.loads(door.component.run("room", room, "--json").stdout)["waiting"][0]["since"]
        listed = json.loads(door.component.run("rooms", "--json").stdout)
        assert [each["waiting_since"] for each in listed if each["room"] == room] == [since]
        await page.select(selector=".order select", value="wait")
        await page.until(f"document.querySelector('.rooms .rows .row[aria-rowindex=\"2\"]').dataset.key === {json.dumps(room)}")


async def test_rooms_whose_names_look_alike_are_marked(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "viewer") as page:
        dean, _ = await door.meeting(crowd, "alice@localhost", name="dean")
        # Cyrillic letters.
        fake = dean.replace("dean", "d\u0435\u0430n")
        mallory = await crowd.connect("mallory@localhost")
        assert (await mallory.join(fake, "Mallory")).joined
        for room in (dean, fake):
            await page.until(f"{row(room)}?.innerText.includes('look-alike')")
        assert await page.read(f"{row(fake)}.innerText.includes('mixed letters')")
        assert not await page.read(f"{row(dean)}.innerText.includes('mixed letters')")
        lines = door.component.run("rooms").stdout.splitlines()
        assert any(line.startswith(dean) and f", LOOKS LIKE {fake}" in line for line in lines), lines
        assert any(line.startswith(fake) and f", LOOKS LIKE {dean}" in line for line in lines), lines
        assert f"LOOKS LIKE {dean}" in door.component.run("room", fake).stdout
        # In the banner, too.
        await knocking(crowd, fake)
        bob = await crowd.connect("bob@localhost")
        await page.go(f"room/{fake}")
        await page.shows("Look-alike name")
        await page.click(".facts a")
        await page.until(f"location.hash === '#/room/' + encodeURIComponent({json.dumps(dean)})")
        await page.go("rooms")
        assert (await bob.join(fake, "Bob", SECRET)).joined
        await mallory.leave(fake, "Mallory")
        await page.until("document.querySelector('.urgent')?.innerText.includes('look-alike')")
        # The last of them has no double any more.
        await bob.leave(fake, "Bob")
        await page.until(f"!{row(fake)} && !{row(dean)}.innerText.includes('look-alike')")


async def test_rooms_are_found_ordered_and_filtered(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        tea, _ = await door.meeting(crowd, "alice@localhost", name="tea")
        cake, _ = await door.meeting(crowd, "alice@localhost", name="cake")
        await page.until(f"{row(tea)} && {row(cake)}")
        await page.fill("#search", tea.partition("@")[0])
        await page.until(f"{row(tea)} && !{row(cake)}")
        await page.fill("#search", "")
        await page.click(".sort >> text=Room")
        shown = "[...document.querySelectorAll('.rooms .rows .row')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map(row => row.dataset.key)"
        assert await page.read(shown) == sorted([tea, cake])
        assert await page.read("document.querySelectorAll('[aria-sort=ascending]').length") == 1
        door.component.run("close", tea)
        await page.until(f"{row(tea)}.innerText.includes('Closed')")
        await page.click(".segment >> text=Closed")
        await page.until(f"{row(tea)} && !{row(cake)}")
        # The address remembers it.
        await page.reload()
        await page.until(f"{row(tea)} && !{row(cake)}")


async def test_everything_is_done_by_keyboard_alone(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        one, _ = await door.meeting(crowd, "alice@localhost", name="aa")
        two, _ = await door.meeting(crowd, "alice@localhost", name="bb")
        await page.until(f"{row(one)} && {row(two)}")
        focused = "document.activeElement"
        await page.press("Tab")
        assert await page.read(f"{focused}.innerText") == "Skip to the content"
        await page.press("Enter")
        assert await page.read(f"{focused}.id") == "main"
        # A slash finds a room, Enter goes on to it.
        await page.press("/")
        assert await page.read(f"{focused}.id") == "search"
        await page.type(text=two.partition("@")[0])
        await page.until(f"!{row(one)}")
        await page.press("Enter")
        await page.until(f"{focused}.dataset.key === {json.dumps(two)}")
        await page.press("/", "Delete")
        await page.until(f"{row(one)}")
        await page.press("Enter", "End", "Home", "ArrowDown", "ArrowUp", "ArrowDown")
        key = await page.read(f"{focused}.dataset.key")
        await page.press("Enter")
        await page.until(f"location.hash === '#/room/' + encodeURIComponent({json.dumps(key)})")
        # A view that is entered has the focus, and its first button is near.
        await page.until(f"{focused}.tagName === 'H1'")
        await page.until("document.querySelector('[data-command=close]')")
        for _ in range(8):
            await page.press("Tab")
            if await page.read(f"{focused}.dataset.command") == "close":
                break
        await page.press("Enter")
        await page.until("document.querySelector('dialog[open]')")
        await page.press("Enter")
        await page.shows("Closed")
        # The button was taken away from under the finger: the next one has the focus.
        await page.until(f"{focused}.dataset.command")
        await page.press("g", "d")
        await page.until("document.querySelector('h1').innerText === 'Decisions'")
        await page.press("?")
        await page.until("document.querySelector('dialog[open]')")
        await page.press("Escape")
        await page.until("!document.querySelector('dialog')")


async def test_names_of_strangers_are_text_and_whole_and_visible(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, _ = await door.meeting(crowd, "alice@localhost", name="guests")
        came = []
        for number, nick in enumerate(HOSTILE):
            person = await crowd.connect(f"p{number}@localhost")
            if (await person.join(room, nick, SECRET)).joined:
                came.append(nick)
        # The server itself refuses what is no nick (RFC 7700).
        assert {"<img src=x onerror=alert(1)>", "Аnna", "a" * 240} <= set(came)
        await page.go(f"room/{room}")
        await page.shows(f"{len(came) + 1} people inside")
        shown = await page.read("[...document.querySelectorAll('.person bdi.name')].map(each => each.textContent)")
        assert set(shown) >= {nick for nick in came if nick.isprintable()}
        assert not any("\u202e" in each or "\u200b" in each for each in shown)
        assert await page.read("document.querySelectorAll('main img, main svg[onload]').length") == 0
        await page.shows("mixed letters")
        wide = await page.read("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        # A room's name holds what XEP-0106 writes with backslashes.
        odd = f"\\3cscript\\3e-{door.room('odd')}"
        mallory = await crowd.connect("mallory@localhost")
        assert (await mallory.join(odd, "Mallory")).joined
        await page.go("rooms")
        await page.shows("<script>-odd")


async def test_a_room_tells_what_happened_in_it(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, _ = await door.meeting(crowd, "alice@localhost", name="story")
        await page.go(f"room/{room}")
        await page.shows("1 person inside")
        bob = await crowd.connect("bob@localhost")
        await bob.join(room, "Bob", "wrong")
        await page.until("document.querySelector('.timeline')?.innerText.includes('Bob asked to enter: prompted')")
        await page.click(".timeline li:has-text('prompted') .details")
        await page.shows("Was told: “That password is not correct.”")
        await page.press("Escape")
        assert (await bob.join(room, "Bob", SECRET)).joined
        await page.until("document.querySelector('.timeline').innerText.includes('Bob joined')")
        await page.act("close")
        await page.click("dialog [type=submit]")
        await page.until("document.querySelector('.timeline').innerText.includes('Close to newcomers by')")
        door.component.run("end", room)
        await page.shows("This room is not open")
        # Whoever comes later reads the same.
        await page.reload()
        await page.shows("Bob asked to enter: prompted")


async def test_decisions_stream_stand_still_and_are_explained(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "viewer") as page:
        room, _ = await door.meeting(crowd, "alice@localhost", name="stream")
        mine = f".filter(row => row.innerText.includes({json.dumps(room.partition('@')[0])}))"
        rows = f"[...document.querySelectorAll('.decisions .rows .row')]{mine}"
        guest = await crowd.connect("guest.localhost")
        await page.shows("Ready")
        await page.go("decisions")
        await guest.join(room, "Guest", "wrong")
        await page.until(f"{rows}.some(row => row.innerText.includes('Prompted') && row.innerText.includes('That password is not correct'))")
        await page.press("p")
        await page.shows("Resume")
        await guest.join(room, "Guest")
        await page.shows("newer")
        assert not await page.read(f"{rows}.some(row => row.innerText.includes('Held'))")
        await page.press("p")
        await page.until(f"{rows}.some(row => row.innerText.includes('Held'))")
        await page.click(".segment >> text=Held")
        await page.until(f"{rows}.every(row => row.innerText.includes('Held'))")
        await page.click(".decisions .rows .row")
        await page.until("document.querySelector('dialog[open]')?.innerText.includes('lobby.admission')")
