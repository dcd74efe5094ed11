"""How long a week's decision log takes to be decided again."""

import json
import math
import resource
import statistics
import subprocess
import time

from lab.component import openers_said, program
from lab.process import environment, free_port

from .figures import Figure, Unmeasured, spread
from .parts import POLICY, Driver, PinnedVestibule, started
from .questions import Endpoint

ON_PROSODY = False
DECISIONS = 1_000_000
# Another policy, under which everybody who came in knocks: each decision is a change to be told.
STRICTER = POLICY + '[policy.lobby]\nadmission = "password-and-lobby"\n'
# Figure, policy, options.
RUNS = {
    "replay": (POLICY, []),
    "replay-changed": (STRICTER, []),
    "replay-exact": (POLICY, ["--exact"]),
}


def once(component, policy, options, decisions):
    """Seconds for DECISIONS, and seconds of processor time, of a log that is read as often as it takes."""
    log = component.state_dir / "decisions.jsonl"
    with log.open("rb") as lines:
        times = math.ceil(decisions / sum(1 for _ in lines))
    file = component.home / "replayed.toml"
    file.write_text(openers_said(policy))
    words = [program(), "replay", "--json", "--first", "0", *options, "--config", file, *[log] * times]
    began, used = time.monotonic(), processor()
    done = subprocess.run(
        list(map(str, words)),
        env=environment(component.env),
        capture_output=True,
        text=True,
        check=False,
    )
    took, used = time.monotonic() - began, processor() - used
    if done.returncode:
        raise Unmeasured(done.stderr or done.stdout)
    totals = json.loads(done.stdout)["totals"]
    told = totals["same"] if policy == POLICY else totals["changed"]
    if told != totals["decided"] or not told:
        raise Unmeasured(f"not all decisions came out as they should: {totals}")
    return took * DECISIONS / told, used * DECISIONS / told


def processor():
    """Seconds of processor time that children which have ended used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(rounds, scale, _version):
    """A component decides what a driver asks; its log is decided again in each way in turn."""
    port, seconds = free_port(), max(0.3, 3 * scale)
    with Driver("asker", "rate", port=port, window=512, warmup=seconds / 4, seconds=seconds) as driver:
        driver.said()
        with started(PinnedVestibule(Endpoint(port)), ready=False) as component:
            driver.said()
            component.shutdown()
            taken = {name: [] for name in RUNS}
            for _ in range(rounds):
                for name, run in RUNS.items():
                    taken[name].append(once(component, *run, int(DECISIONS * scale)))
    for name, values in taken.items():
        median, between = spread([took for took, _ in values])
        used = statistics.median(used for _, used in values)
        against = f"for {DECISIONS:,} decisions, on every core; {used:.2f} s of processor time; {between}"
        yield Figure(name, median, "s", against)
