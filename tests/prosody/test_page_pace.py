"""The page with a thousand rooms while two hundred decisions a second are made. What it measures is printed; how fast a
machine is, is no test."""

import asyncio
import json

from lab import SERVICE, Crowd
from lab.policy import PRESET, SECRET

ROOMS = 1000
SECONDS = 5
A_SECOND = 200
POLICY = SERVICE + PRESET
MEASURE = """
void (() => {
  const found = window.found = { long: [], frames: [], input: [] };
  new PerformanceObserver(list => found.long.push(...list.getEntries().map(entry => entry.duration))).observe({ type: 'longtask' });
  let last = performance.now();
  const frame = now => { found.frames.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  addEventListener('keydown', event => { const at = event.timeStamp; requestAnimationFrame(() => found.input.push(performance.now() - at)); }, true);
})()
"""
COUNTED = """() => {
  const passed = document.body.innerText.match(/([0-9,.]+) passed too quickly/)?.[1].replace(/[,.]/g, '') ?? 0;
  return document.querySelector('.grid.decisions').ariaRowCount - 1 + Number(passed);
}"""


def told(name, values):
    if not values:
        return print(f"{name}: none")
    values = sorted(values)
    of = lambda part: values[min(len(values) - 1, int(len(values) * part))]  # noqa: E731
    return print(f"{name}: {len(values)}, median {of(0.5):.1f} ms, p99 {of(0.99):.1f} ms, most {values[-1]:.1f} ms")


def decided(door):
    """Decisions since the start."""
    counted = json.loads(door.component.run("status", "--json").stdout)["decisions"]
    return sum(counted[verdict] for verdict in ("allow", "hold", "prompt", "deny"))


async def test_a_thousand_rooms_and_two_hundred_decisions_a_second(door, chromium):
    service = door.server.service
    rooms = [f"pace{number}@{service}" for number in range(ROOMS)]
    async with Crowd(door.server) as crowd:
        alice = await crowd.connect("alice@localhost")
        for start in range(0, ROOMS, 50):
            marks = [(room, alice.ask_to_join(room, "Alice")) for room in rooms[start : start + 50]]
            for room, mark in marks:
                assert (await alice.outcome(room, mark)).joined
        guests = await crowd.connect_many(["guest.localhost"] * 10, present=False)
        before = decided(door)
        async with chromium.sign_in(door.component, "viewer") as page:
            await page.until(f"document.querySelector('.grid.rooms')?.ariaRowCount === '{ROOMS + 1}'", 20)
            assert await page.read("document.querySelectorAll('.rooms .rows .row').length") < 80
            await page.read(MEASURE)

            async def press():
                # Rooms, then decisions, and back.
                await page.press("Tab")
                await page.read("void document.querySelector('.rooms .rows .row').focus()")
                for _ in range(20):
                    await page.press("ArrowDown", "PageDown", "End", "Home")
                await page.press("g", "d")
                await page.until("document.querySelector('.decisions .rows .row')")
                for _ in range(10):
                    await page.wheel(y=400)
                await page.press("g", "r")
                await page.until("document.querySelector('.rooms .rows .row')")

            loop = asyncio.get_running_loop()
            began = loop.time()

            async def decide(first):
                # At the pace that is asked for, or at that of the machine: nobody asks again before the answer is there.
                for number in range(first, SECONDS * A_SECOND, len(guests)):
                    await asyncio.sleep(max(0, began + number / A_SECOND - loop.time()))
                    mark = guests[first].ask_to_join(rooms[(number * 7) % ROOMS], f"Guest{first}", SECRET)
                    assert (await guests[first].outcome(rooms[(number * 7) % ROOMS], mark, 60)).joined

            await asyncio.gather(press(), *(decide(first) for first in range(len(guests))))
            took = loop.time() - began
            found = await page.read("window.found")
            await page.go("decisions")
            # All of them came, or are counted as passed.
            await page.until(f"({COUNTED})() >= {SECONDS * A_SECOND}", 60)
        after = decided(door)
        assert after - before == SECONDS * A_SECOND
        print(f"\n{ROOMS} rooms, {(after - before) / took:.0f} decisions a second")
        told("frames", found["frames"])
        told("tasks above 50 ms", found["long"])
        told("from a key to the next frame", found["input"])
        assert len(found["input"]) >= 80
