"""How the story looks: labelled lines, wrapped, with colours where a person looks at a terminal."""

import os
import sys
import textwrap

WIDTH = 96
LABEL = 11

STYLES = {"title": "1", "who": "1;36", "saw": "0", "heard": "35", "policy": "33", "shell": "32", "bad": "1;31", "dim": "2"}


class Page:
    """Prints to `out`; coloured on a terminal, unless NO_COLOR (no-color.org) is set."""

    def __init__(self, out=None):
        self.out = out or sys.stdout
        dumb = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        self.has_colours = self.out.isatty() and not dumb
        self.scenes = 0

    def title(self, text):
        self._put(f"\n{self._in('title', text)}")

    def scene(self, text):
        """Begins the next numbered step."""
        self.scenes += 1
        number = self._in("dim", f"{self.scenes:>2}.")
        self._put(f"\n{number} {self._in('title', text)}")

    def line(self, style, label, text):
        """A line that `label` introduces; long ones go on below themselves."""
        lines = textwrap.wrap(
            text, WIDTH - LABEL, break_long_words=False, break_on_hyphens=False
        ) or [""]
        self._put(f"{self._in(style, label.rjust(LABEL - 2))}  {lines[0]}")
        for more in lines[1:]:
            self._put(" " * LABEL + more)

    def output(self, text):
        """What a command printed: its lines stay lines, only too long ones go on, further in."""
        for line in text.rstrip().splitlines():
            depth = len(line) - len(line.lstrip())
            indent = " " * (LABEL + depth)
            wrapped = textwrap.wrap(
                line.strip(),
                WIDTH,
                initial_indent=indent,
                subsequent_indent=indent + "    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            for part in wrapped or [""]:
                self._put(self._in("dim", part))

    def plain(self, text=""):
        self._put(text)

    def _in(self, style, text):
        return f"\033[{STYLES[style]}m{text}\033[0m" if self.has_colours else text

    def _put(self, text):
        # A person watches: nothing may wait in a buffer.
        print(text, file=self.out, flush=True)
