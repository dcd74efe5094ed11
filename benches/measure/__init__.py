"""The measurements of `make bench`, one module each. Each yields Figures."""

import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parents[1]
ROOT = BENCHES.parent

sys.path.insert(0, str(ROOT / "tests" / "prosody"))
