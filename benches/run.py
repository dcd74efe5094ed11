"""`make bench`: measures, and prints each figure next to its budget.

Exits with 0 whatever the figures are, and with 1 if one could not be taken. `BENCH_ONLY=joins,memory` measures
only these; `BENCH_QUICK=1` only shows that everything can be measured: its figures are worth nothing.
"""

import os
import subprocess
import sys
import traceback

from measure import BENCHES, ROOT, decide, floods, joins, memory, questions, replay, restart, sizes
from measure.figures import Unmeasured, budgets, judged, table, write_summary

MEASUREMENTS = {
    "decide": decide,
    "questions": questions,
    "joins": joins,
    "memory": memory,
    "restart": restart,
    "floods": floods,
    "replay": replay,
    "sizes": sizes,
}


def build():
    """Builds the component as it is shipped, and the drivers."""
    cargo = os.environ.get("CARGO", "cargo")
    if "VESTIBULE_BIN" not in os.environ:
        subprocess.run([cargo, "build", "--release", "--locked"], cwd=ROOT, check=True)
        os.environ["VESTIBULE_BIN"] = str(decide.target() / "release" / "vestibule")
    rivals = BENCHES / "rivals"
    # Its own target directory, wherever the project's is.
    apart = {**os.environ, "CARGO_TARGET_DIR": str(rivals / "target")}
    subprocess.run([cargo, "build", "--release", "--locked"], cwd=rivals, env=apart, check=True)


def main():
    """Takes all figures; gives the exit status."""
    quick = bool(os.environ.get("BENCH_QUICK"))
    rounds, scale = (1, 0.1) if quick else (5, 1)
    chosen = [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name] or MEASUREMENTS
    build()
    known, rows, failed = budgets(), [], []
    for name in chosen:
        print(f"measuring: {name}", flush=True)
        try:
            for figure in MEASUREMENTS[name].measure(rounds, scale):
                rows.append(judged(figure, known.get(figure.name)))
                print(f"  {rows[-1]['name']}: {rows[-1]['figure']:.6g} {rows[-1]['unit']}", flush=True)
        except Unmeasured as reason:
            failed.append(f"{name}: {reason}")
        except Exception:  # the other measurements are still worth taking
            failed.append(f"{name}: {traceback.format_exc()}")
    write_summary(decide.target() / "bench" / "summary.json", rows)
    print(f"\n{table(rows)}\n")
    if quick:
        print("These figures are of a run that was too short to mean anything.")
    for reason in failed:
        print(f"could not be measured: {reason}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
