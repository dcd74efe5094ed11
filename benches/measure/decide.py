"""The time of a decision, from the estimates that criterion left."""

import json
import os
import subprocess
from pathlib import Path

from . import ROOT
from .figures import Figure, Unmeasured
from .parts import QUICK

ON_PROSODY = False
# The cases that the budgets are for.
HEADLINES = {"decide/allow, password right": "decide", "load/10,000 overrides": "load"}


def target():
    """Where cargo puts what it makes."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")


def measure(_rounds, _scale, _version):
    """Runs the bench `decide` and gives the median of each of its cases."""
    cargo = os.environ.get("CARGO", "cargo")
    # The short form has each case run once.
    profile, once = (["--profile", "dev"], ["--", "--test"]) if QUICK else ([], [])
    command = [cargo, "bench", "--locked", *profile, "--bench", "decide", *once]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        raise Unmeasured("`cargo bench --bench decide` failed")
    if QUICK:
        return
    criterion = target() / "criterion"
    found = sorted(criterion.glob("**/new/estimates.json"))
    if not found:
        raise Unmeasured("criterion left no estimates")
    for path in found:
        median = json.loads(path.read_text())["median"]
        low, high = (median["confidence_interval"][side] for side in ("lower_bound", "upper_bound"))
        name = "/".join(path.relative_to(criterion).parts[:-2])
        name = HEADLINES.get(name, name)
        yield Figure(name, median["point_estimate"], "ns", f"{low:,.0f} to {high:,.0f} with 95 % confidence")
