"""Joins through the gate, against the same Prosody without it."""

import contextlib
import itertools
import os
import statistics
from pathlib import Path

from .figures import Figure, percentile, spread
from .parts import PASSWORD, QUICK, PinnedProsody, PinnedVestibule, drive, started
from .sides import GATE, SHIPPED, compare

ON_PROSODY = True
# Rooms, and people who join each.
MEETINGS = ((400, 2), (40, 30), (120, 10))
# Fewer rooms than Prosody keeps in memory by default: against a stock server only the lines that make a join cheaper count.
STOCK = (80, 10)
# Joins of one person that are not answered yet. A component without optimisation keeps others waiting for too long.
WINDOW = 1 if QUICK else 8
# The places of what `rates` gives.
JOINS, OPENINGS, SPENT = range(3)
PREFIXES = (f"r{number}-" for number in itertools.count())
INCREMENTAL = {"gc": {"mode": "incremental"}}


@contextlib.contextmanager
def servers(version):
    """Servers with the gate and without: by the shipped lines, by Prosody's own garbage collection, and one of which nothing is
    said at all."""
    with contextlib.ExitStack() as stack:

        def server(gate, **options):
            return stack.enter_context(started(PinnedProsody(version, gate, **options)))

        gated, plain = server(True), server(False)
        slow = server(True, options=INCREMENTAL), server(False, options=INCREMENTAL)
        stock = server(None)
        compare(gated, plain, GATE)
        compare(*slow, GATE)
        compare(gated, stock, SHIPPED)
        for each in (gated, slow[0]):
            stack.enter_context(started(PinnedVestibule(each)))
        yield gated, plain, slow, stock


def processor_seconds(server):
    """What the server has computed so far."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rates(server, prefix, rooms, people):
    """Joins and openings per second in one pass, and the server's processor seconds for each join."""
    before = processor_seconds(server)
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
    spent = (processor_seconds(server) - before) / said["joins"]
    return said["joins"] / said["seconds"], said["opened"] / said["opening_seconds"], spent


def in_turn(gated, other, meetings, rounds):
    """What `rates` gives for both servers, round for round."""
    pairs = []
    for number in range(rounds + 1):
        order = (gated, other) if number % 2 else (other, gated)
        measured = {server: rates(server, next(PREFIXES), *meetings) for server in order}
        # The first round is for the servers to grow to their size.
        if number:
            pairs.append((measured[gated], measured[other]))
    return pairs


def share(name, pairs, place, words):
    """The share of a rate that the first server of each pair keeps."""
    ratio, between = spread([with_it[place] / without[place] for with_it, without in pairs])
    through, past = (statistics.median(pair[side][place] for pair in pairs) for side in (0, 1))
    words = f"{words}: {through:,.0f}/s against {past:,.0f}/s; {between}"
    if place == JOINS:
        cost, own = (statistics.median(pair[side][SPENT] * 1e6 for pair in pairs) for side in (0, 1))
        words += f"; processor time of the server for a join and its leave {cost:,.0f} µs against {own:,.0f} µs"
    return Figure(name, ratio, "ratio", words)


def throughput(gated, plain, slow, stock, rounds, scale):
    """The share of its joins per second that a server keeps with the gate."""

    def scaled(rooms, people):
        return max(8, int(rooms * scale)), people

    for rooms, people in MEETINGS:
        pairs = in_turn(gated, plain, scaled(rooms, people), rounds)
        words = f"meetings of {people}"
        yield share(f"joins-{people}", pairs, JOINS, words)
        yield share(f"openings-{people}", pairs, OPENINGS, words)
    rooms, people = scaled(*MEETINGS[-1])
    pairs = in_turn(*slow, (rooms, people), rounds)
    yield share(f"joins-{people}-incremental", pairs, JOINS, f"meetings of {people}, Prosody's own garbage collection on both sides")
    pairs = in_turn(gated, stock, scaled(*STOCK), rounds)
    yield share("joins-stock", pairs, JOINS, f"meetings of {STOCK[1]}, the gate and all shipped lines against neither")


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


def measure(rounds, scale, version):
    """Throughput first, then all servers are let idle."""
    with servers(version) as (gated, plain, slow, stock):
        yield from throughput(gated, plain, slow, stock, rounds, scale)
        yield from latency(gated, plain, scale)
