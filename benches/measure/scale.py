"""How cost grows: each at three sizes, and the straight line through them. `UPDATE=1` writes docs/scale.md again."""

import contextlib
import datetime
import json
import os
import re
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from lab import Postgres
from lab.component import openers_said, program
from lab.process import environment, free_port, wait_until

from . import BENCHES, ROOT
from .counts import program as counts_program
from .figures import Figure, Unmeasured, written
from .joins import SPENT, processor_seconds, rates
from .memory import OCCUPANTS
from .parts import MEASURED, PASSWORD, POLICY, PROFILE, QUICK, Driver, PinnedProsody, PinnedVestibule, pinned, started
from .questions import Endpoint
from .shards import ARRIVALS, LOAD, PEOPLE, SECONDS, SHARDS, simulate

ON_PROSODY = True
DATA, PAGE = BENCHES / "scale.json", ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
ROOMS = (2_500, 5_000, 10_000)
BANS = (25_000, 50_000, 100_000)
OVERRIDES = (2_500, 5_000, 10_000)
ENTRIES = (100_000, 300_000, 1_000_000)
MEETINGS = ((400, 2), (120, 10), (40, 30))
SHARED = (1, 2, 4)
# Load average below which nothing else has run.
QUIET = 1
# What grows, by name: what it is, of what, in which unit.
SERIES = {
    "rooms": ("memory of the component", "rooms", "MiB"),
    "occupants": ("memory of the component", "occupants", "MiB"),
    "bans-memory": ("memory of the component", "bans of the file", "MiB"),
    "bans-question": ("processor time of a question", "bans of the file", "µs"),
    "overrides-memory": ("memory of the component", "overrides", "MiB"),
    "overrides-question": ("processor time of a question", "overrides", "µs"),
    "overrides-load": ("reading the file (`vestibule check`)", "overrides", "ms"),
    "audit-size": ("size of the audit database", "entries", "MiB"),
    "audit-write": ("processor time to make and write them", "entries", "s"),
    "audit-search": ("`vestibule log --rule lobby.admission`, the newest 100", "entries", "ms"),
    "join": ("processor time of Prosody for a join and its leave", "people who are inside", "ms"),
    "shared": ("processor time of PostgreSQL to take them", "entries", "s"),
}


def line(points):
    """The straight line of least squares: its beginning, its slope, and how far a point is from it at most, as a share of the
    largest."""
    sizes, costs = zip(*points, strict=True)
    middle, mean = sum(sizes) / len(sizes), sum(costs) / len(costs)
    slope = sum((x - middle) * (y - mean) for x, y in points) / sum((x - middle) ** 2 for x in sizes)
    begin = mean - slope * middle
    off = max(abs(begin + slope * x - y) for x, y in points) / (max(map(abs, costs)) or 1)
    return begin, slope, off


def at(points, size):
    """The cost of that size, by the line."""
    begin, slope, _ = line(points)
    return begin + slope * size


def memory(scale):
    """Resident memory for rooms, and for the people in them."""
    rooms, occupants = [], []
    for count in sized(ROOMS, scale):
        held = resident(POLICY, count)
        rooms.append((count, held["rooms"] - held["greeted"]))
        occupants.append((count * OCCUPANTS, held["occupants"] - held["rooms"]))
    return {"rooms": rooms, "occupants": occupants}


def resident(policy, rooms):
    """Resident memory in MiB once the gate has connected, once it has told of so many rooms, and of the people in them; and its
    processor seconds until then."""
    port, held = free_port(), {}
    with Driver("asker", "rooms", port=port, rooms=rooms, occupants=OCCUPANTS) as driver:
        driver.said()
        with started(PinnedVestibule(Endpoint(port), policy), ready=False) as component:
            for _ in range(3):
                step = driver.said()["step"]
                held[step] = component.resident_kib() / 1024
                held.setdefault("processor", processor_seconds(component))
                driver.go_on()
    return held


def sized(sizes, scale):
    """The three sizes, smaller in the short form."""
    return [max(20 * (place + 1), int(size * scale)) for place, size in enumerate(sizes)]


def bans(count):
    """A policy of so many bans: on accounts, domains and networks in turn."""
    def one(number):
        what = number % 3
        if what == 0:
            return f'jid = "user{number}@elsewhere.example"'
        if what == 1:
            return f'domain = "d{number}.example"'
        return f'network = "2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::/64"'

    return POLICY + "".join(f"[[ban]]\n{one(number)}\nreason = \"rude\"\n" for number in range(count))


def overrides(count):
    """A policy of so many overrides: three of four by name, the others by the beginning of names."""
    def one(number):
        return f"team{number}-*" if number % 4 == 0 else f"only{number}"

    return POLICY + "".join(f'[[room]]\nmatch = "{one(number)}"\nlimits.occupants = 500\n' for number in range(count))


def asked(policy, seconds):
    """Answers and processor seconds of a component that is asked for so long."""
    port = free_port()
    with Driver("asker", "rate", port=port, window=64, warmup=0, seconds=seconds) as driver:
        driver.said()
        with started(PinnedVestibule(Endpoint(port), policy, core=MEASURED), ready=False) as component:
            said = driver.said()
            if said["refused"] or not said["answers"]:
                raise Unmeasured(f"{said['refused']} questions were not answered with `allow`")
            return said["answers"], processor_seconds(component)


def policies(scale):
    """Memory and the processor time of a question, by bans and by overrides."""
    points = {name: [] for name in SERIES if name.startswith(("bans-", "overrides-"))}
    seconds = max(0.5, 6 * scale)
    for name, make, sizes in (("bans", bans, BANS), ("overrides", overrides, OVERRIDES)):
        for count in sized(sizes, scale):
            policy = make(count)
            alone = resident(policy, 1)
            answers, spent = asked(policy, seconds)
            points[f"{name}-memory"].append((count, alone["greeted"]))
            points[f"{name}-question"].append((count, (spent - alone["processor"]) * 1e6 / answers))
            if name == "overrides":
                points["overrides-load"].append((count, min(checked(policy) for _ in range(3))))
    return points


def checked(policy):
    """Milliseconds of processor time to read a file, the program's start included."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "component.toml"
        file.write_text(openers_said(policy))
        before = children()
        done = run(program(), "check", file)
        if done.returncode == 2:
            raise Unmeasured(done.stderr or done.stdout)
        return (children() - before) * 1000


def children():
    """Processor seconds of programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(*command):
    """A program, to its end."""
    env = environment({"VESTIBULE_COMPONENT__SECRET": "laboratory secret"})
    return subprocess.run(pinned(MEASURED, command), env=env, capture_output=True, text=True, check=False)


def audit(scale):
    """The audit database by its entries: size, writing and searching."""
    points, built = {name: [] for name in SERIES if name.startswith("audit-")}, counts_program()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for count in sized(ENTRIES, scale):
            file = Path(folder) / f"{count}.db"
            before = children()
            done = run(built, "entries", count, file)
            if done.returncode:
                raise Unmeasured(done.stderr)
            points["audit-write"].append((count, children() - before))
            points["audit-size"].append((count, int(done.stdout) / 2**20))
            points["audit-search"].append((count, min(searched(file) for _ in range(3))))
            file.unlink()
    return points


def searched(file):
    """Milliseconds of a search, with the start of the program."""
    began = time.monotonic()
    done = run(program(), "log", "--database", file, "--rule", "lobby.admission", "--limit", 100, "--json")
    if done.returncode:
        raise Unmeasured(done.stderr or done.stdout)
    return (time.monotonic() - began) * 1000


def joins(scale, version):
    """Prosody's processor time for a join and its leave, by the size of the meeting."""
    points = []
    with started(PinnedProsody(version, True)) as server, started(PinnedVestibule(server)):
        rates(server, "warm", max(8, int(40 * scale)), 10)
        for rooms, people in MEETINGS:
            spent = rates(server, f"size{people}-", max(8, int(rooms * scale)), people)[SPENT]
            # They come one after the other: on average half of them are there.
            points.append((people / 2, spent * 1000))
    return {"join": points}


def shared(scale):
    """PostgreSQL's processor time for what one component has decided, once all of it has arrived."""
    points = []
    with Postgres() as postgres:
        for number, times in enumerate(SHARED):
            name, port = f"shared{number}", free_port()
            store = f'[store]\npostgres = "{postgres.create(name)}"\nserver = "{name}"\n'
            before = spent_by(postgres)
            with Driver("asker", "rate", port=port, window=64, warmup=0, seconds=times * max(0.3, scale)) as driver:
                driver.said()
                env = {"VESTIBULE_STORE__POSTGRES_PASSWORD": postgres.password}
                with started(PinnedVestibule(Endpoint(port), store + POLICY, env=env, core=MEASURED), ready=False) as component:
                    entries = driver.said()["answers"]

                    def arrived():
                        (row,) = postgres.sql("select count(*) from vestibule_entry", name)
                        return int(row[0]) >= entries

                    wait_until(arrived, 300, "every entry in PostgreSQL", component.tail)
                    took = spent_by(postgres) - before
                    (row,) = postgres.sql("select count(*) from vestibule_entry", name)
            points.append((int(row[0]), took))
    return {"shared": sorted(points)}


def spent_by(postgres):
    """Processor seconds of a PostgreSQL, of its sessions and of those that have ended."""
    total = 0
    for pid in (postgres.pid, *postgres._sessions()):
        # A session that has just ended is counted with those of the server.
        with contextlib.suppress(FileNotFoundError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15] if pid == postgres.pid else fields[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def measure(_rounds, scale, version):
    """Every series; a figure for each slope."""
    load, _, _ = os.getloadavg()
    points = {**memory(scale), **policies(scale), **audit(scale), **joins(scale, version), **shared(scale)}
    for name, (what, by, unit) in SERIES.items():
        _, slope, off = line(points[name])
        sizes = ", ".join(written(size) for size, _ in points[name])
        yield Figure(f"scale-{name}", slope * 1000, f"{unit} for 1,000", f"{what}, by {by}: {sizes}; at most {off:.0%} off a line")
    if os.environ.get("UPDATE") and not QUICK:
        about = {"date": datetime.date.today().isoformat(), "build": PROFILE, "prosody": version, "load": round(load, 1)}
        DATA.write_text(json.dumps({"about": about, "points": points}, indent=1) + "\n")
        write_page()


# ------------------------------------------------------------------------------------------------------- the page


def page(data):
    """What docs/scale.md says of these measurements."""
    points, about = data["points"], data["about"]
    busy = "" if about["load"] < QUIET else " The machine was **busy**: every time here is too long, and `make scale` on a quiet one takes them again."
    rows = [
        f"Taken on {about['date']}, {about['build']} build, Prosody {about['prosody']}, load average up to {about['load']}.{busy}",
        "",
        "| what | by | sizes | measured | line | off it at most |",
        "|---|---|---|---|---|---:|",
    ]
    for name, (what, by, unit) in SERIES.items():
        begin, slope, off = line(points[name])
        sizes, costs = ("; ".join(written(pair[place]) for pair in points[name]) for place in (0, 1))
        step = 1 if name == "join" else 1000
        each = "for each" if step == 1 else "for 1,000"
        grows = f"{begin:.3g} + {slope * step:.3g} {unit} {each}" if slope > 0 else "does not grow"
        rows.append(f"| {what} | {by} | {sizes} | {costs} {unit} | {grows} | {off:.0%} |")
    join, database = join_ms(points), line(points["shared"])[1] * 1e6
    question = points["overrides-question"][0][1]
    rate = LOAD * 1000 / join(PEOPLE)
    rows += [
        "",
        f"**A server with two cores** has one for Prosody, which computes on one, and one for the rest. A person who comes to a meeting of {PEOPLE} and "
        f"leaves costs Prosody {join(PEOPLE):.2g} ms, so at {LOAD:.0%} of its core it carries **{rate:.0f} people who come and go in a second**, "
        f"{written(rate * 300)} in five minutes. The component needs {question:.3g} µs for a question, {rate * question / 1e4:.2g} % of a core at that rate.",
        "",
        f"**A second server is due** when people come faster than {rate:.0f} a second for longer than a minute (`sum(rate(vestibule_decisions_total{{kind=\"join\"}}[1m]))`), "
        f"when `vestibule bench` on a quiet server begins to queue below what you expect at the peak, or when one Prosody has more people than its own "
        f"memory takes: the component needs {at(points['occupants'], 100_000):.0f} MiB for 100,000 of them.",
        "",
        f"**The shared database** takes each entry once more: {database:.3g} µs of PostgreSQL's processor time for each. No decision waits for it.",
        "",
        f"Simulated from these figures (`benches/measure/shards.py`): servers whose core is loaded to {LOAD:.0%} on average, meetings of {PEOPLE} people on "
        f"average whose people come within {ARRIVALS} s, each meeting on a server that is drawn by lot, for {SECONDS} s. It is a simulation: it knows nothing of networks, disks and "
        "other load.",
        "",
        "| servers | people who come in a second | median ms | p99 ms | the busiest server | load of the database | entries arrive within |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for shards in SHARDS:
        it = simulate(shards, join, database)
        rows.append(
            f"| {shards} | {it['rate']:,.0f} | {it['median']:.3g} | {it['p99']:,.0f} | {it['hottest']:.0%} | {it['database']:.1%} | {it['lag'] * 1000:.2g} ms |"
        )
    return "\n".join(rows) + "\n"


def join_ms(points):
    """The milliseconds of Prosody's core for a person who comes and goes, by the people who are there."""
    begin, slope, _ = line(points["join"])
    return lambda people: max(0.01, begin + slope * people)


def measured_part(text):
    """What the page has between its marks."""
    return re.search(f"{re.escape(BEGIN)}(.*?){re.escape(END)}", text, re.DOTALL).group(1)


def write_page():
    """Puts the committed measurements into the page."""
    text = PAGE.read_text()
    PAGE.write_text(text.replace(BEGIN + measured_part(text) + END, BEGIN + page(json.loads(DATA.read_text())) + END))
