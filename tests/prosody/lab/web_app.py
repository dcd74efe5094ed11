"""Jitsi Meet's own web app in Chromium: a build of jitsi-meet, which JITSI_WEB names and which is never part of this
project, before a `Meet` and as people use it."""

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from .focus import Focus
from .page import Page
from .process import ROOT, Failed

VARIABLE = "JITSI_WEB"
PICTURES = ROOT / "docs/images/jitsi"
# Seconds that a notification takes to slide in.
SLIDES = 1
# In milliseconds: the page is 12 MB.
PATIENCE = 30000
DESKTOP = {"width": 1280, "height": 800, "patience": PATIENCE}
PHONE = {"width": 390, "height": 780, "isMobile": True, "hasTouch": True, "patience": PATIENCE}

# Of config.js. The buttons are those that the tests press: a narrow window hides others in a menu.
SETTINGS = {
    "toolbarButtons": ["microphone", "camera", "chat", "security", "participants-pane", "hangup"],
    "toolbarConfig.alwaysVisible": True,
    "startWithVideoMuted": True,
}

needs_web_app = pytest.mark.skipif(
    not os.environ.get(VARIABLE), reason=f"needs a built jitsi-meet: {VARIABLE} is not set"
)


def has(test_id):
    """An expression: whether a part is there."""
    return f"!!document.querySelector('[data-testid={json.dumps(test_id)}]')"


def folder():
    """The folder that JITSI_WEB names; UsageError if no build is there."""
    named = Path(os.environ[VARIABLE]).resolve()
    for part in ("index.html", "config.js", "css/all.css", "libs/app.bundle.min.js", "libs/lib-jitsi-meet.min.js"):
        if not (named / part).exists():
            raise pytest.UsageError(f"{VARIABLE}={named}: no {part} in it")
    return named


class WebApp:
    """The web server of one `Meet`, and the people who come to it with `chromium`."""

    def __init__(self, chromium, port):
        self.chromium = chromium
        self.port = port
        self.numbers = itertools.count(2)

    def visit(self, name, *, phone=False, address=None, settings=None, kind=None):
        """A person with an empty storage, who comes from `address`, or from one of their own."""
        address = address or f"192.0.2.{next(self.numbers)}"
        looks = PHONE if phone else DESKTOP
        home = f"http://a-{address.replace('.', '-')}.localhost:{self.port}/"
        return (kind or Visitor)(self, name, home, looks, settings or {})

    def embedded(self, name, **options):
        """A person at a page that has the meeting in it; `options` as for `visit`."""
        return self.visit(name, kind=Embedded, **options)


class Visitor(Page):
    """Somebody at the web app. Its own warnings and absent sources are no fault."""

    def __init__(self, app, name, home, looks, settings):
        super().__init__(app.chromium, f"{home}static/close.html", looks)
        self.person = name
        self.home = home
        self.settings = settings

    async def __aexit__(self, *_):
        await self._ask("close")

    async def enter(self, room, *, prejoin=True):
        """Opens the room's link; from the page before the meeting, asks to join under the person's name."""
        options = {**SETTINGS, "prejoinConfig.enabled": prejoin, **self.settings}
        fragment = "&".join(f"config.{key}={quote(json.dumps(value))}" for key, value in options.items())
        await self.goto(url=f"{self.home}{room.partition('@')[0]}#{fragment}")
        if prejoin:
            await self.until(has("prejoin.joinMeeting"), 20)
            await self.fill("#premeeting-name-input", self.person)
            await self.press_button("prejoin.joinMeeting")

    async def reload(self, room):
        """Opens the room's link in the same browser, which has kept what was stored."""
        await self.goto(url=f"{self.home}static/close.html")
        await self.enter(room)

    async def inside(self, seconds=20):
        """Waits until the meeting is there."""
        await self.until("window.APP?.conference?._room?.isJoined?.()", seconds)

    async def press_button(self, test_id):
        """Presses the button that jitsi-meet's own tests know by this name."""
        await self.click(f'[data-testid="{test_id}"]')

    async def has(self, test_id, seconds=8):
        """Waits until that part is there."""
        await self.until(has(test_id), seconds)

    async def try_password(self, password):
        """Types a password at the lobby's screen."""
        if not await self.read(has("lobby.password")):
            await self.press_button("lobby.enterPasswordButton")
        await self.fill('[data-testid="lobby.password"]', password)
        await self.press_button("lobby.passwordJoinButton")

    async def open_chat(self):
        if not await self.read("!!document.querySelector('#chat-input-messagebox')"):
            await self.click("[aria-label='Open / Close chat'], [aria-label*='chat' i].toolbox-button")
            await self.until("document.querySelector('#chat-input-messagebox')")

    async def say(self, text):
        """Writes into the chat, which is opened for it."""
        await self.open_chat()
        await self.fill("#chat-input-messagebox", text)
        await self.press("Enter")

    async def dialog(self):
        """The words of the dialog that is shown, "" if none is."""
        return await self.read("document.querySelector('[role=dialog]')?.innerText ?? ''")

    async def toasts(self):
        """The words of each notification that is shown."""
        notices = "document.querySelectorAll('#notifications-container [role]')"
        return await self.read(f"[...{notices}].map(each => each.innerText)")

    async def picture(self, name):
        """Takes a picture for the documentation, where JITSI_PICTURES asks for them."""
        if os.environ.get("JITSI_PICTURES"):
            PICTURES.mkdir(parents=True, exist_ok=True)
            await asyncio.sleep(SLIDES)
            await self.screenshot(path=str(PICTURES / f"{name}.png"))


class Embedded(Visitor):
    """Somebody at a page that embeds the meeting by JitsiMeetExternalAPI, and what that page does and hears."""

    async def enter(self, room, *, prejoin=False):
        options = {
            "roomName": room.partition("@")[0],
            "userInfo": {"displayName": self.person},
            "configOverwrite": {**SETTINGS, "prejoinConfig": {"enabled": prejoin}, **self.settings},
        }
        await self.goto(url=f"{self.home}static/embedding.html")
        await self.read(f"embed({json.dumps(options)})")

    async def inside(self, seconds=20):
        """Waits until the page hears that the person is in; their ID."""
        return (await self.hears("videoConferenceJoined", seconds))["id"]

    async def command(self, *command):
        """Has the page give a command to the meeting."""
        await self.read(f"api.executeCommand(...{json.dumps(command)})")

    async def asks(self, method):
        """What a method of the API, such as `getRoomsInfo`, answers."""
        return await self.read(f"api.{method}()")

    async def hears(self, name, seconds=15, **having):
        """Waits until the page has heard an event of this name that has these values; what it says."""
        wanted = f"heard.find(({{ name, given }}) => name === {json.dumps(name)} && {_has('given', having)})"
        try:
            await self.until(f"!!{wanted}", seconds)
        except Failed as failed:
            raise Failed(f"{failed}\nheard: {json.dumps(await self.read('heard'), indent=1)[-4000:]}") from None
        return await self.read(f"{wanted}.given ?? {{}}")

    async def hears_words(self, words):
        """Waits until the page hears a message with these words."""
        message = "heard.some(({ name, given }) => name === 'incomingMessage' && given.message.includes"
        await self.until(f"{message}({json.dumps(words)}))")

    async def heard(self):
        """The names of all events that the page has heard, in order."""
        return await self.read("heard.map(({ name }) => name)")

    async def words(self):
        """What the meeting in the page shows."""
        return await self.read("frames[0].document.body?.innerText ?? ''")

    async def shows(self, text, seconds=8):
        await self.until(f"frames[0].document.body?.innerText.includes({json.dumps(text)})", seconds)


def _has(value, having):
    """An expression: whether an object has these values, in it or further down."""
    tests = [f"{value}?.{key} === {json.dumps(wanted)}" for key, wanted in having.items()]
    return " && ".join(tests) or "true"


@contextlib.asynccontextmanager
async def web_app(meet, chromium, **focus):
    """The web app of a `meet`, and its focus; options as in `Focus.connect`."""
    command = ["node", ROOT / "tests/prosody/browser/web_app.mjs", folder(), str(meet.server.http_port)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        served_by = await Focus.connect(meet.server, **focus)
        try:
            yield WebApp(chromium, int(server.stdout.readline()))
        finally:
            await served_by.close()
    finally:
        server.stdin.close()
        server.wait(10)
        server.stdout.close()
