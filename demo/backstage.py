"""Makes the laboratory of the tests importable: it starts the same real parts."""

import logging
import sys
from pathlib import Path

# slixmpp remarks on how it was built; errors are told.
logging.getLogger("slixmpp").setLevel(logging.ERROR)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "prosody"))
