"""Pictures of the page for the documentation: a small meeting server at work, in Chromium.

`make screenshots` writes docs/images/page-*.png, and every view, on a screen and on a phone, in light and in dark, into
target/page, to be looked at.
"""

import asyncio
import hashlib
import os
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/prosody"))

from lab import SERVICE, Chromium, Crowd, Door, Page  # noqa: E402

IMAGES = ROOT / "docs/images"
EVERYTHING = ROOT / "target/page"
PASSWORD = "seven tall quartz lanterns"
TOKEN = "5e" * 32
# Between one room and the next, in seconds: rooms are not all of one age.
PAUSE = float(os.environ.get("PAUSE", "4"))
POLICY = (
    SERVICE
    + f"""
[policy]
operators = ["marta@localhost"]
[policy.access]
create = ["account"]
[policy.password]
source = "preset"
preset = "{PASSWORD}"
[policy.close]
by = "moderator"
[[admin.token]]
name = "marta.kowalczyk"
role = "operator"
sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
"""
)
ROOMS = {
    "board-meeting": ("anna.lindqvist", "bola.adeyemi", "chen.wei", "jonas.weber", "ines.moreau"),
    "physics-201": ("grace.okafor", "hiro.tanaka", "liam.byrne", "mei.lin", "noor.haddad", "oskar.holm", "priya.raman"),
    "standup-platform": ("farid.rahimi", "elif.kaya", "tomas.novak"),
    "admissions-interview": ("katarzyna.nowak", "samuel.osei"),
    "open-office-hours": ("dmitri.volkov",),
    "library-council": ("rosa.marin", "peter.lang", "yuki.mori"),
    "thesis-defence": ("maria.silva", "erik.dahl", "amara.diallo", "lucas.martin"),
    "parents-evening": ("hanna.berg", "olga.petrova"),
    "choir-rehearsal": ("clara.rossi", "paul.meyer", "nina.horvat", "ali.hassan"),
    "onboarding-november": ("julia.fischer", "marek.zielinski"),
    "security-review": ("david.cohen", "sara.lopez"),
    "chemistry-lab": ("emma.wilson", "ivan.horak", "leila.amini"),
    "erasmus-welcome": ("pablo.ruiz", "sofia.costa"),
    "budget-2027": ("henrik.olsen", "marie.dubois", "adam.kowalski"),
}
WAITING = {"thesis-defence": ("Aunt Rosa", "Ben"), "physics-201": ("Tim",), "open-office-hours": ("Lena", "Kofi"), "board-meeting": ("Journalist",)}
LEFT = "open-office-hours"
# The letters o are Cyrillic.
LOOK_ALIKE = "b\u043eard-meeting"
ATTACKED = "library-council"
SCREEN = {"width": 1360, "height": 850}
PHONE = {"width": 390, "height": 780}
VIEWS = ("rooms", "room", "decisions", "charts", "log", "bans", "explain", "doctor", "policy", "commands", "server", "more")
# Pictures of the documentation: the view, the screen, and the colours.
PICTURES = {
    "rooms": ("rooms", SCREEN, "light"),
    "room": ("room", SCREEN, "light"),
    "decisions-dark": ("decisions", SCREEN, "dark"),
    "charts": ("charts", SCREEN, "light"),
    "doctor": ("doctor", SCREEN, "light"),
    "phone": ("rooms", PHONE, "light"),
    "phone-room": ("room", PHONE, "dark"),
}


def nick(account):
    return " ".join(part.capitalize() for part in account.split("."))


async def fill(door, crowd):
    """Opens the rooms, with people inside and people who wait."""
    service = door.server.service
    for name, accounts in ROOMS.items():
        await asyncio.sleep(PAUSE)
        room = f"{name}@{service}"
        people = await crowd.connect_many([f"{account}@localhost" for account in accounts])
        for account, person in zip(accounts, people):
            await person.join(room, nick(account), PASSWORD)
        for stranger in WAITING.get(name, ()):
            guest = await crowd.connect("guest.localhost")
            await guest.join(room, stranger)
        if name == LEFT:
            # Nobody is left who could let them in.
            await (await crowd.connect("eve.turner@localhost")).join(room, "Eve Turner", PASSWORD)
            await people[0].leave(room, nick(accounts[0]))
    strange = await crowd.connect("viktor.oram@localhost")
    await strange.join(f"{LOOK_ALIKE}@{service}", "Viktor Oram", PASSWORD)
    for name in ("Nadia", "Tomas"):
        guest = await crowd.connect("guest.localhost")
        await guest.join(f"thesis-defence@{service}", name, PASSWORD)
    door.component.run("close", f"security-review@{service}")
    door.component.run("close", f"budget-2027@{service}")
    door.component.run("suspend", f"chemistry-lab@{service}")


async def come_and_go(door, crowd):
    """What a busy hour looks like, in seconds."""
    choose = random.Random(7)
    service = door.server.service
    guests = {name: await crowd.connect("guest.localhost") for name in ("Sam", "Ruth", "Max", "Aisha", "Viktor")}
    rooms = list(ROOMS)
    for _ in range(3):
        for name, guest in guests.items():
            await asyncio.sleep(PAUSE / 8)
            room = f"{choose.choice(rooms)}@{service}"
            typed = choose.choice([PASSWORD, PASSWORD, "wrong", None])
            if (await guest.join(room, name, typed)).joined:
                await guest.leave(room, name)
    for typed in range(14):
        await guests["Viktor"].join(f"{ATTACKED}@{service}", "Viktor", f"guess {typed}")
    await guests["Sam"].join(f"my-own-room@{service}", "Sam")
    await guests["Ruth"].join(f"budget-2027@{service}", "Ruth", PASSWORD)


async def picture(page, path):
    await page.until("document.fonts.status === 'loaded'")
    await asyncio.sleep(0.6)
    await page.screenshot(path=str(path))
    print(path.relative_to(ROOT), path.stat().st_size // 1024, "kB")


async def view(page, name, service):
    await page.go(f"room/thesis-defence@{service}" if name == "room" else name)
    await page.until("!document.querySelector('main').innerText.includes('Asking')")


async def main(door, chromium):
    service = door.server.service
    async with Crowd(door.server) as crowd:
        await fill(door, crowd)
        await come_and_go(door, crowd)
        home = door.component.run("page").stdout.partition("#")[0]
        for screen, colours in ((SCREEN, "light"), (SCREEN, "dark"), (PHONE, "light"), (PHONE, "dark")):
            async with Page(chromium, f"{home}#login={TOKEN}", {**screen, "colorScheme": colours}) as page:
                await page.until("document.querySelectorAll('.rooms .row').length > 5")
                for name in VIEWS:
                    await view(page, name, service)
                    await picture(page, EVERYTHING / f"{name}-{screen['width']}-{colours}.png")
                for file, shown in PICTURES.items():
                    if shown[1:] == (screen, colours):
                        await view(page, shown[0], service)
                        await picture(page, IMAGES / f"page-{file}.png")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    EVERYTHING.mkdir(parents=True, exist_ok=True)
    where = Door(os.environ.get("PROSODY", "0.12"), POLICY)
    seen = Chromium()
    try:
        where.start()
        asyncio.run(main(where, seen))
    finally:
        seen.close()
        where.close()
