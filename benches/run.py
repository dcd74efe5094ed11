"""`make bench`: measures, and prints each figure next to its budget.

Exits with 0 whatever the figures are, and with 1 if one could not be taken. `BENCH_ONLY=joins,memory` measures
only these. The short form, `BENCH_QUICK=1`, shows that everything can be measured; its times are worth nothing, but no count may
have changed from `benches/counts.toml` (`UPDATE=1`: takes what it is now).
"""

import dataclasses
import itertools
import os
import subprocess
import sys
import time
import traceback

from measure import BENCHES, ROOT, counts, decide, floods, joins, memory, questions, replay, restart, scale, sizes
from measure.figures import Unmeasured, budgets, judged, table, write_summary
from measure.held import Held
from measure.parts import PROFILE, QUICK

MEASUREMENTS = {
    "counts": counts,
    "decide": decide,
    "questions": questions,
    "joins": joins,
    "memory": memory,
    "restart": restart,
    "floods": floods,
    "replay": replay,
    "sizes": sizes,
    "scale": scale,
}


def build():
    """Builds the component and the drivers: as they are shipped, or in the short form without optimisation, as the tests do."""
    cargo = os.environ.get("CARGO", "cargo")
    optimised = [] if QUICK else ["--release"]
    if "VESTIBULE_BIN" not in os.environ:
        subprocess.run([cargo, "build", *optimised, "--locked"], cwd=ROOT, check=True)
        os.environ["VESTIBULE_BIN"] = str(decide.target() / PROFILE / "vestibule")
    rivals = BENCHES / "rivals"
    # Its own target directory, wherever the project's is.
    apart = {**os.environ, "CARGO_TARGET_DIR": str(rivals / "target")}
    subprocess.run([cargo, "build", *optimised, "--locked"], cwd=rivals, env=apart, check=True)


def main():
    """Takes all figures; gives the exit status."""
    rounds, scale = (1, 0.02) if QUICK else (5, 1)
    version = os.environ.get("PROSODY") or "0.12"
    versions = ["0.12", "13"] if version == "both" else [version]
    chosen = [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name] or MEASUREMENTS
    build()
    known, held, rows, failed = budgets(), Held(), [], []
    for name, version in itertools.product(chosen, versions):
        measurement = MEASUREMENTS[name]
        # The short form takes the counts of each version, and the rest once.
        if version != versions[0] and not (measurement is counts if QUICK else measurement.ON_PROSODY):
            continue
        title = f"{name}, Prosody {version}" if measurement.ON_PROSODY else name
        print(f"measuring: {title}", flush=True)
        began = time.monotonic()
        try:
            for figure in measurement.measure(rounds, scale, version):
                built_or_served = version if measurement.ON_PROSODY else ""
                figure = dataclasses.replace(figure, variant=figure.variant or built_or_served)
                rows.append(judged(figure, known.get(figure.name)))
                print(f"  {figure.name}: {figure.value:.6g} {figure.unit}", flush=True)
                if QUICK:
                    held.check(figure, figure.variant)
        except Unmeasured as reason:
            failed.append(f"{title}: {reason}")
        except Exception:  # the other measurements are still worth taking
            failed.append(f"{title}: {traceback.format_exc()}")
        print(f"  in {time.monotonic() - began:.0f} s", flush=True)
    write_summary(decide.target() / "bench" / "summary.json", rows)
    print(f"\n{table(rows)}\n")
    if QUICK:
        print("These figures are of a run that was too short to mean anything.")
    if QUICK and os.environ.get("UPDATE"):
        held.write()
    for reason in failed:
        print(f"could not be measured: {reason}", file=sys.stderr)
    for count in held.uncompared:
        print(f"a count is not compared: {count}")
    for failure in held.failures:
        print(f"a count has changed: {failure}", file=sys.stderr)
    return 1 if failed or held.failures else 0


if __name__ == "__main__":
    sys.exit(main())
