"""Many people in a room, many rooms at one due time, and more rooms than the server keeps in memory: everybody is met."""

import datetime
import json
import re
import time

from lab.http import Api
from lab.process import wait_until

from .figures import Figure, Unmeasured
from .parts import PASSWORD, POLICY, Driver, PinnedProsody, PinnedVestibule, started

ON_PROSODY = True
PEOPLE, ROOMS, CACHE = 1000, 10_000, 10_000
PATIENCE = 600
# Rooms that stay open, for the decisions meanwhile.
STORM = {"rooms": 20, "people": 20, "every": 200}
HOURS = """
[policy.hours]
open = ["mon-sun 00:00-{end:%H:%M}"]
at_end = "end"
warn_before = "never"
"""
OPEN_STORM = """
[[room]]
match = "storm-*"
hours = { open = [] }
"""


def told(component, *arguments):
    """What a command prints as JSON, and the seconds that it took."""
    began = time.monotonic()
    done = component.run(*arguments, "--json", seconds=PATIENCE)
    if done.returncode:
        raise Unmeasured(f"{arguments}: {done.stderr or done.stdout}")
    return json.loads(done.stdout), time.monotonic() - began


def within(condition, what):
    """The seconds until that is so."""
    began = time.monotonic()
    wait_until(condition, PATIENCE, what)
    return time.monotonic() - began


def listed(component):
    """The rooms that are known, and the people in them."""
    done = component.run("rooms", "--json", seconds=PATIENCE)
    rooms = json.loads(done.stdout) if not done.returncode else []
    return len(rooms), sum(room["people"] for room in rooms)


def back(component, *expected):
    """Kills the component and starts it again; the seconds until it knows so many rooms and people."""
    component.kill()
    began = time.monotonic()
    component.start()
    wait_until(lambda: listed(component) == expected, PATIENCE, f"{expected} again, not {listed(component)}", component.tail)
    return time.monotonic() - began


def audited(component):
    """The seconds that a comparison of all rooms took that began now, and how many rooms it met."""

    def drift():
        return told(component, "status")[0]["drift"]

    before = drift()["audits"]
    component.reload()
    took = within(lambda: drift()["audits"] > before, "an audit")
    return took, drift()["rooms"]


def banned(component, person):
    """How many rooms a ban removes that person from, and the seconds that it took."""
    done, took = told(component, "ban", person)
    if done["failed"]:
        raise Unmeasured(f"ban {person}: {done['failed'][:3]}")
    return len(done["removed"]), took


def a_large_room(scale, version):
    """A thousand people in one room."""
    people = max(300, int(PEOPLE * scale))
    with started(PinnedProsody(version, True)) as server, started(PinnedVestibule(server)) as component:
        crowd = {"port": server.c2s_port, "prefix": "large", "password": PASSWORD, "window": 1}
        with Driver("crowd", "hold", rooms=1, people=people, **crowd) as driver:
            said = driver.said()
            inside = f"{people:,} people in one room, who joined in {said['seconds']:.3g} s"
            within(lambda: listed(component) == (1, people), "everybody inside")
            yield Figure("large-restart", back(component, 1, people), "s", f"from the start until everybody is known; {inside}")
            removed, took = banned(component, said["people"][people // 2])
            yield Figure("large-ban", took, "s", f"of one of them, with the start of the program; {inside}")
            yield Figure("large-ban-missed", 1 - removed, "people", "not removed by a ban")
            driver.go_on()
            out = sum(driver.said()["out"])
            yield Figure("large-ban-kept", 1 - out, "people", "who have not seen themselves leave")


def swapped_out(scale, version):
    """One room more than the server keeps in memory."""
    cache = max(20, int(CACHE * scale))
    rooms, muc = cache + 1, {"muc_room_cache_size": cache}
    with started(PinnedProsody(version, True, muc)) as server, started(PinnedVestibule(server)) as component:
        crowd = {"port": server.c2s_port, "prefix": "many", "password": PASSWORD, "window": 16}
        with Driver("crowd", "hold", rooms=rooms, people=2, **crowd) as driver:
            people = driver.said()["people"]
            within(lambda: listed(component) == (rooms, 2 * rooms), "every room")
            kept = f"{rooms:,} rooms of two, of which the server keeps {cache:,} in memory"
            took, met = audited(component)
            yield Figure("many-audit", took, "s", kept)
            yield Figure("many-audit-missed", rooms - met, "rooms", "not compared with the policy")
            yield Figure("many-restart", back(component, rooms, 2 * rooms), "s", f"from the start until everybody is known; {kept}")
            removed, took = banned(component, people[1])
            yield Figure("many-ban", took, "s", f"of a person who is in all of them; {kept}")
            yield Figure("many-ban-missed", rooms - removed, "rooms", "not reached by a ban")
            driver.go_on()
            yield Figure("many-ban-kept", rooms - driver.said()["out"][1], "rooms", "that the one who is banned has not seen themselves leave")


def looks(api):
    """How often rooms were looked at for their times."""
    text = api.request("GET", "/metrics")[2]
    return int(re.search(r'^vestibule_room_looks_total\{watch="timers"\} (\d+)', text, re.MULTILINE).group(1))


def at_one_time(scale, version):
    """Ten thousand rooms whose hours end at the same moment."""
    rooms = max(200, int(ROOMS * scale))
    options = {"muc_room_cache_size": rooms + 100}
    with started(PinnedProsody(version, True, options)) as server, started(PinnedVestibule(server)) as component:
        crowd = {"port": server.c2s_port, "prefix": "due", "password": PASSWORD, "window": 16}
        with Driver("crowd", "hold", rooms=rooms, people=1, **crowd) as driver:
            driver.said()
            within(lambda: listed(component)[0] == rooms, "every room")
            soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)
            end = soon.replace(second=0, microsecond=0)
            component.write_config(POLICY + HOURS.format(end=end) + OPEN_STORM)
            told(component, "reload")
            api = Api(component, "viewer")
            time.sleep(max(0, end.timestamp() - time.time() - 5))
            before = looks(api)
            with Driver("crowd", "storm", port=server.c2s_port, prefix="storm-", password=PASSWORD, seconds=20, **STORM) as storm:
                storm.said()
                within(lambda: told(component, "status")[0]["rooms"] <= STORM["rooms"], "the end of every room")
                took = time.time() - end.timestamp()
                outcomes = storm.said()
            looked = looks(api) - before
            words = f"{rooms:,} rooms whose hours end at one moment"
            yield Figure("due", took, "s", f"from that moment to the end of the last; {words}")
            yield Figure("due-looks", looked / rooms, "looks", f"at each room; {words}")
            waits = [(done - sent) * 1000 for sent, done, _, _ in outcomes if sent > end.timestamp()]
            refused = [outcome for sent, _, right, outcome in outcomes if right and outcome != "joined"]
            yield Figure("due-join", max(waits), "ms", f"the slowest of {len(waits):,} joins of others meanwhile")
            yield Figure("due-join-refused", len(refused), "joins", "of others, with the right password")


def measure(_rounds, scale, version):
    """All three."""
    yield from a_large_room(scale, version)
    yield from at_one_time(scale, version)
    yield from swapped_out(scale, version)
