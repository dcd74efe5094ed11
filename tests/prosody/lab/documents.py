"""What the pages show: fenced blocks, and commands in the text."""

import re
import textwrap
from dataclasses import dataclass

from .process import ROOT

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
REASON = re.compile(r"<!-- no-run: (.+) -->\s*\Z")
SPAN = re.compile(r"(?<!`)`(vestibule [^`]+)`(?!`)")


def pages():
    """Every page that a person reads, but the demo's transcript and the history."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("prosody-snippets/**/*.md")]
    return sorted(page for page in found if page.name != "CHANGELOG.md")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, first line, language, and text without the indent. `reason` is why it is not run,
    and `None` where it is."""

    page: str
    line: int
    language: str
    is_skipped: bool
    reason: str | None
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"

    def commands(self):
        """Of a `console` block: each command, and the lines of output under it."""
        found = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line:
                found[-1][1].append(line)
        return found


def blocks(*languages):
    """All blocks in these languages, or in any."""
    return [block for page in pages() for block in _of(page) if not languages or block.language in languages]


def _of(page):
    text = page.read_text()
    for found in FENCE.finditer(text):
        language, *marks = found["info"].split() or [""]
        reason = REASON.search(text[: found.start()])
        yield Block(
            page=str(page.relative_to(ROOT)),
            line=text.count("\n", 0, found.start()) + 1,
            language=language,
            is_skipped="no-run" in marks,
            reason=reason and reason[1],
            text=textwrap.dedent(found["text"]),
        )


def without_blocks(page):
    """The page's text."""
    return FENCE.sub("", page.read_text())


def commands_in_the_text():
    """Each `vestibule …` of the running text that is a whole command, with the page that shows it."""
    for page in pages():
        for found in SPAN.finditer(without_blocks(page)):
            command = " ".join(found[1].split()).replace("\\|", "|")
            if not re.search(r"[…|]|\.\.\.|\[", command):
                yield str(page.relative_to(ROOT)), command
