"""Joins through the gate, against the same Prosody without it."""

import contextlib
import itertools
import statistics

from .figures import Figure, percentile, spread
from .parts import PASSWORD, PinnedProsody, PinnedVestibule, drive, started

# Rooms, and people who join each: the last is the size of meeting that the budget is for.
MEETINGS = ((400, 2), (40, 30), (120, 10))
WINDOW = 8


@contextlib.contextmanager
def two_servers(version):
    """Prosody with the gate and the component, and Prosody without both."""
    with contextlib.ExitStack() as stack:
        gated = stack.enter_context(started(PinnedProsody(version, True)))
        plain = stack.enter_context(started(PinnedProsody(version, False)))
        stack.enter_context(started(PinnedVestibule(gated)))
        yield gated, plain


def rates(server, prefix, rooms, people):
    """Joins and openings per second in one pass."""
    said = drive(
        "crowd",
        "rate",
        port=server.c2s_port,
        prefix=prefix,
        rooms=rooms,
        people=people,
        window=WINDOW,
        password=PASSWORD,
    )
    return said["joins"] / said["seconds"], said["opened"] / said["opening_seconds"]


def throughput(gated, plain, rounds, scale):
    """The share of its joins per second that a server keeps with the gate."""
    names = (f"r{number}-" for number in itertools.count())
    for rooms, people in MEETINGS:
        rooms = max(8, int(rooms * scale))
        pairs = []
        for number in range(rounds + 1):
            order = (gated, plain) if number % 2 else (plain, gated)
            measured = {server: rates(server, next(names), rooms, people) for server in order}
            # The first round is for the servers to grow to their size.
            if number:
                pairs.append((measured[gated], measured[plain]))
        for place, what in enumerate(("joins", "openings")):
            ratio, between = spread([with_it[place] / without[place] for with_it, without in pairs])
            through, past = (statistics.median(pair[side][place] for pair in pairs) for side in (0, 1))
            name = what if (rooms, people, what) == (*scaled(scale), "joins") else f"{what}-{people}"
            words = f"meetings of {people}: {through:,.0f}/s against {past:,.0f}/s; {between}"
            yield Figure(name, ratio, "ratio", words)


def scaled(scale):
    """The meetings that the budget is for."""
    rooms, people = MEETINGS[-1]
    return max(8, int(rooms * scale)), people


def latency(gated, plain, scale):
    """What the gate adds to one join on an idle server."""
    said = drive(
        "crowd",
        "latency",
        port=gated.c2s_port,
        other=plain.c2s_port,
        prefix="idle",
        password=PASSWORD,
        joins=max(200, int(3000 * scale)),
    )
    for name, share in (("added-median", 0.5), ("added-p99", 0.99)):
        through, past = (percentile(said[side], share) / 1e6 for side in ("port", "other"))
        words = f"{through:.3g} ms against {past:.3g} ms; {len(said['port']):,} joins each, in turn"
        yield Figure(name, through - past, "ms", words)


def measure(rounds, scale, version="0.12"):
    """Throughput first, then both servers are let idle."""
    with two_servers(version) as (gated, plain):
        yield from throughput(gated, plain, rounds, scale)
        yield from latency(gated, plain, scale)
