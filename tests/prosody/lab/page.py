"""The component's page in Chromium, as somebody on duty sees it."""

import asyncio
import itertools
import json
import threading

from .driver import PARTS, Driver
from .process import Failed

# More than the driver waits itself.
PATIENCE = 40


class Chromium(Driver):
    """The driver of the page."""

    def __init__(self):
        if not (PARTS / "node_modules/axe-core").exists():
            raise Failed(f"no axe-core in {PARTS}: run `make browser`")
        super().__init__("page_driver.mjs")
        self._numbers = itertools.count(1)
        self._one_at_a_time = threading.Lock()
        self.spawn()
        if b"ready" not in self._child.stdout.readline():
            raise Failed(f"Chromium does not start\n{self._output()}")

    def ask(self, page, command, given):
        """Has the driver do something; what it says."""
        with self._one_at_a_time:
            line = {"call": next(self._numbers), "page": page, "command": command, "with": given}
            self._child.stdin.write(json.dumps(line).encode() + b"\n")
            self._child.stdin.flush()
            answer = json.loads(self._child.stdout.readline() or '{"error": "the driver is gone"}')
        if "error" in answer:
            raise Failed(f"{command} {given}: {answer['error']}")
        return answer["value"]

    def sign_in(self, component, role="operator", **looks):
        """A page that is signed in: `async with chromium.sign_in(component) as page`. `looks` are Playwright's
        (`colorScheme`, `width`, ...)."""
        done = component.run("page", "--role", role)
        if done.returncode:
            raise Failed(done.stderr)
        return Page(self, done.stdout.strip(), looks)

    def visit(self, url, **looks):
        """A page at any address, in a browser of its own. `elsewhere`: it may ask other servers, too."""
        return Page(self, url, looks)


class Page:
    """A page, which at the end must have done nothing that it must not."""

    _numbers = itertools.count(1)

    def __init__(self, chromium, link, looks):
        self.chromium = chromium
        self.link = link
        self.looks = looks
        self.name = f"page-{next(self._numbers)}"

    async def __aenter__(self):
        await self._ask("open", url=self.link, **self.looks)
        return self

    async def __aexit__(self, kind, *_):
        try:
            problems = await self._ask("problems")
            if kind is None and problems:
                raise Failed("the page did what it must not:\n" + "\n".join(problems))
        finally:
            await self._ask("close")

    async def _ask(self, command, **given):
        # What the server sends meanwhile has to be read.
        return await asyncio.wait_for(asyncio.to_thread(self.chromium.ask, self.name, command, given), PATIENCE)

    def __getattr__(self, command):
        """Any command of the driver."""
        return lambda **given: self._ask(command, **given)

    async def click(self, selector):
        await self._ask("click", selector=selector)

    async def fill(self, selector, text):
        await self._ask("fill", selector=selector, text=text)

    async def press(self, *keys):
        await self._ask("press", keys=keys)

    async def read(self, expression):
        """The value of an expression there."""
        return await self._ask("read", expression=expression)

    async def until(self, expression, seconds=8):
        """Waits until an expression there is true; its value."""
        try:
            return await self._ask("until", expression=expression, seconds=seconds)
        except Failed as failed:
            shown = await self.read("document.body.innerText.slice(0, 3000)")
            raise Failed(f"{failed}\nthe page shows:\n{shown}") from None

    async def shows(self, text, seconds=8):
        """Waits until the page shows this text."""
        await self.until(f"document.body.innerText.includes({json.dumps(text)})", seconds)

    async def hides(self, text):
        """Waits until the page shows this text no more."""
        await self.until(f"!document.body.innerText.includes({json.dumps(text)})")

    async def go(self, view):
        """Goes to a view, such as `room/...`, and waits until it is there."""
        await self.read(f"void (location.hash = {json.dumps('#/' + view)})")
        await self.until("document.querySelector('main h1') && !document.querySelector('main.login')")

    async def act(self, command, within="main"):
        """Presses the button of a command."""
        await self.click(f"{within} [data-command={command}]")

    async def told(self, text):
        """Waits for what is said when something is done, or is not."""
        where = "[...document.querySelectorAll('.toast')].some(each => each.innerText.includes"
        await self.until(f"{where}({json.dumps(text)}))")
