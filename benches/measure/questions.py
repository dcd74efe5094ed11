"""Questions per second over a loopback stream, against the same component on other libraries."""

import contextlib
import dataclasses
import os
import sqlite3
import tempfile
from pathlib import Path

from lab.process import free_port

from . import BENCHES
from .figures import Figure, Unmeasured, spread
from .parts import DRIVERS, MEASURED, POLICY, Driver, PinnedVestibule, Rival, started

ON_PROSODY = False
WINDOWS = (64, 512)
UNSTORED = POLICY.replace("[log]", '[store]\nfile = ""\n[log]')
BARE = UNSTORED.replace("[log]", '[log]\ndecisions = ""')


@dataclasses.dataclass
class Endpoint:
    """What a component needs to know of the driver that plays its server."""

    component_port: int
    secret: str = "b81f6f2c0d4e97a35c60e1d28f94b7730ae5c96d1382f4b05e7d2a91c86f03d4"
    component_env: dict = dataclasses.field(default_factory=dict)

    @staticmethod
    def log():
        """What the server has written: the driver writes nothing."""
        return ""


def ours(config):
    """Starts the real component for a driver."""
    return lambda port, _: PinnedVestibule(Endpoint(port), config, core=MEASURED)


def rival(*words):
    """Starts another component for a driver."""
    return lambda port, home: Rival(home, [*words[:-1], *words[-1](port)])


CONTENDERS = {
    "questions": (ours(POLICY), {"ready": False}),
    "questions-without-store": (ours(UNSTORED), {"ready": False}),
    "questions-bare": (ours(BARE), {"ready": False}),
    "questions-tokio-xmpp": (rival(DRIVERS / "rival", lambda port: ["run", "--port", port]), {}),
    "questions-slixmpp": (rival("/usr/bin/python3", BENCHES / "slixmpp_rival.py", lambda port: [port]), {}),
}


def entry(component):
    """Microseconds of processor time that the thread of the database has taken for each entry; None without one."""
    file = getattr(component, "state_dir", Path()) / "vestibule.db"
    if not file.exists():
        return None
    threads = (path for path in Path(f"/proc/{component.pid}/task").iterdir() if (path / "comm").read_text() == "store\n")
    fields = (next(threads) / "stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        (entries,) = database.execute("SELECT count(*) FROM entries").fetchone()
    return seconds * 1e6 / entries if entries else None


def once(make, options, window, seconds):
    """Answers per second of one contender, and what an entry costs it."""
    port = free_port()
    timing = {"warmup": seconds / 4, "seconds": seconds}
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        with Driver("asker", "rate", port=port, window=window, **timing) as driver:
            driver.said()
            with started(make(port, Path(home)), **options) as contender:
                said, cost = driver.said(), entry(contender)
    if said["refused"] or not said["answers"]:
        raise Unmeasured(f"{said['refused']} questions were not answered with `allow`")
    return said["answers"] / said["seconds"], cost


def measure(rounds, scale, _version):
    """Every contender in turn, with each window, as often as there are rounds."""
    rates = {(name, window): [] for name in CONTENDERS for window in WINDOWS}
    for _ in range(rounds):
        for (name, window), values in rates.items():
            values.append(once(*CONTENDERS[name], window, max(0.3, 3 * scale)))
    for (name, window), values in rates.items():
        costs = [cost for _, cost in values if cost is not None]
        median, between = spread([rate for rate, _ in values])
        is_headline = window == max(WINDOWS)
        yield Figure(name if is_headline else f"{name}-{window}", median, "1/s", f"{window} outstanding; {between}")
        if name == "questions" and is_headline:
            if not costs:
                raise Unmeasured("no entry has been written")
            cost, between = spread(costs)
            yield Figure("entry", cost, "µs", f"of processor time in the thread of the database, for an audit entry; {between}")
