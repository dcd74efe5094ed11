#!/usr/bin/env python3
"""Checks comments, messages and documents for words that a reader would not search for (CONTRIBUTING.md, *Words*).

Prints `file:line: word: what to write instead`, and exits with 1 if anything was found.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What is not to be written, and what to write instead.
WORDS = [
    (r"besides?", "in addition (to), next to, or compared with"),
    (r"anew", "again"),
    (r"whoever|whomever|whosoever", "anyone who, the person who, or the role"),
    (r"he|him|his|himself|she|her|hers|herself", "they, them, their"),
    (r"somebody(?: else)?", "a person, an occupant, a guest, the caller"),
    (r"wonder(?:s|ed|ing)?", "ask"),
    (r"wants", "requires, needs, asks for"),
    (r"looks? on|those who look on|onlookers?", "reads the stream, watches"),
    (r"sees? to", "handles, ensures"),
    (r"held against|holds? against", "compared with"),
    (r"nobody to ask", "unreachable"),
    (r"is (?:not )?content", "reports a problem"),
    (r"called otherwise", "renamed"),
    (r"thereof|therein|thereby|hence|whence|lest|hitherto|forthwith|heretofore", "a plain conjunction"),
    (r"in the place of", "instead of"),
    (r"undo(?:es)? the policy", "bypasses the policy"),
    (r"taken for: ", "class: "),
    (r"has greeted", "has connected"),
]

# Docstrings that say how much instead of what.
STARTS = [
    (r"So (?:many|much|long|soon|often|far)\b", "a noun phrase: the number, the time, the limit"),
    (r"(?:How|What) it is\.", "what it is"),
    (r"Whether it is so\b", "Returns whether ..."),
    (r"(?:Yes|No)\.$", "what it is"),
]

# What is read: English that a person reads, except the translations and recorded output.
READ = (
    "*.md component.toml policy-tests.toml deny.toml Makefile src prosody-snippets docs scripts contrib monitoring benches demo .github"
).split()
SUFFIXES = {".css", ".html", ".js", ".json", ".lua", ".md", ".py", ".rs", ".service", ".sh", ".toml", ".yml", ""}
SKIPPED = {
    # Made of the comments in src.
    "docs/openapi.json",
    # Rows are reworded when what they state changes.
    "docs/invariants.md",
    # What was said when it was said.
    "CHANGELOG.md",
    # German.
    "docs/text.de.toml",
    # This list.
    "scripts/words.py",
}

# Where a word is right: part of a name or a quotation, as `file: text of the line`.
ALLOWED = [
    ("contrib/vestibule.service", "Wants="),
    ("demo/outage.py", "Eve"),
    ("README.md", "somebody@else.invalid"),
    ("src/config/attempt_args.rs", "somebody"),
    ("src/policy/rules/names.rs", "Ann (she/her)"),
    ("CONTRIBUTING.md", "- *in addition*, not *beside*"),
]

# A method or a function of that name is none of these words.
WORD = [(re.compile(rf"(?<![\w.:-])(?:{pattern})(?![\w(-])", re.IGNORECASE), advice) for pattern, advice in WORDS]
START = [(re.compile(rf"^\s*//[/!] (?:{pattern})"), advice) for pattern, advice in STARTS]


def files():
    """The files of the repository that are read, those not yet committed among them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *READ],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    return sorted({name for name in listed if Path(name).suffix in SUFFIXES and name not in SKIPPED})


def found(name, text):
    """Each listed word in a text: its line, the word, the advice."""
    for number, line in enumerate(text.splitlines(), 1):
        if any(name == file and part in line for file, part in ALLOWED):
            continue
        for pattern, advice in [*WORD, *START]:
            for match in pattern.finditer(line):
                yield number, match.group().strip(" /!"), advice


def main():
    """Checks the named files or folders, or all."""
    only = sys.argv[1:]
    count = 0
    for name in files():
        path = ROOT / name
        if only and not any(name == part or name.startswith(part.rstrip("/") + "/") for part in only) or not path.is_file():
            continue
        for number, word, advice in found(name, path.read_text(encoding="utf-8")):
            print(f"{name}:{number}: “{word}”: write {advice}")
            count += 1
    if count:
        print(f"words: {count} to reword", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
