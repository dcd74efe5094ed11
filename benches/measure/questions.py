"""Questions per second over a loopback stream, against the same component on other libraries."""

import dataclasses
import tempfile
from pathlib import Path

from lab.process import free_port

from . import BENCHES
from .figures import Figure, Unmeasured, spread
from .parts import DRIVERS, MEASURED, POLICY, Driver, PinnedVestibule, Rival, started

WINDOWS = (64, 512)
UNLOGGED = POLICY.replace("[log]", '[log]\ndecisions = ""')


@dataclasses.dataclass
class Endpoint:
    """What a component needs to know of the driver that plays its server."""

    component_port: int
    secret: str = "laboratory secret"
    component_env: dict = dataclasses.field(default_factory=dict)


def ours(config):
    """Starts the real component for a driver."""
    return lambda port, _: PinnedVestibule(Endpoint(port), config, core=MEASURED)


def rival(*words):
    """Starts another component for a driver."""
    return lambda port, home: Rival(home, [*words[:-1], *words[-1](port)])


CONTENDERS = {
    "questions": (ours(POLICY), {"ready": False}),
    "questions-unlogged": (ours(UNLOGGED), {"ready": False}),
    "questions-tokio-xmpp": (rival(DRIVERS / "rival", lambda port: ["run", "--port", port]), {}),
    "questions-slixmpp": (rival("/usr/bin/python3", BENCHES / "slixmpp_rival.py", lambda port: [port]), {}),
}


def once(make, options, window, seconds):
    """Answers per second of one contender."""
    port = free_port()
    timing = {"warmup": seconds / 4, "seconds": seconds}
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        with Driver("asker", "rate", port=port, window=window, **timing) as driver:
            driver.said()
            with started(make(port, Path(home)), **options):
                said = driver.said()
    if said["refused"] or not said["answers"]:
        raise Unmeasured(f"{said['refused']} questions were not answered with `allow`")
    return said["answers"] / said["seconds"]


def measure(rounds, scale):
    """Every contender in turn, with each window, as often as there are rounds."""
    rates = {(name, window): [] for name in CONTENDERS for window in WINDOWS}
    for _ in range(rounds):
        for (name, window), values in rates.items():
            values.append(once(*CONTENDERS[name], window, 3 * scale))
    for (name, window), values in rates.items():
        median, between = spread(values)
        is_headline = window == max(WINDOWS)
        yield Figure(name if is_headline else f"{name}-{window}", median, "1/s", f"{window} outstanding; {between}")
