"""A driver of Chromium: a child process in Node that takes commands, a line each."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .process import ROOT

PARTS = ROOT / "target/browser"
CHROMIUM = "/usr/bin/chromium"


class Driver:
    """One that ends when its input ends, so it does not outlive the tests."""

    def __init__(self, script):
        self.script = ROOT / "tests/prosody/browser" / script
        self.home = Path(tempfile.mkdtemp(prefix="lab-browser-"))
        self._child = None

    def spawn(self, bufsize=-1):
        """Starts the driver, with pipes buffered by `bufsize`; whatever Chromium writes goes with its home."""
        folders = dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(self.home))
        with open(self.home / "output", "ab") as output:
            self._child = subprocess.Popen(
                ["node", self.script, PARTS, CHROMIUM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                bufsize=bufsize,
                env={**os.environ, **folders},
            )

    def close(self):
        """Ends Chromium and removes what it wrote."""
        if self._child is not None:
            self._end()
        shutil.rmtree(self.home, ignore_errors=True)

    def _end(self):
        self._child.stdin.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()

    def _output(self):
        output = self.home / "output"
        return output.read_text(errors="replace")[-4000:] if output.exists() else ""
