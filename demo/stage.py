"""What every step of the story needs: people who act, what they saw, and the decision behind it."""

import asyncio
import time

import backstage  # noqa: F401  (finds the laboratory)
from lab.process import ROOT

POLICY = "component.toml"
ROOM = "tea@conference.localhost"


class Otherwise(Exception):
    """A step went otherwise than it is told."""


class Stage:
    """The page, the running parts, and the people by name."""

    def __init__(self, page, server, component, people):
        self.page = page
        self.server = server
        self.component = component
        self.people = people
        self.file = (ROOT / POLICY).read_text().splitlines()
        self.step = "the beginning"
        self.told = 0

    def scene(self, title):
        self.step = title
        self.page.scene(title)

    def did(self, who, what):
        self.page.line("who", who, what)

    def expect(self, condition, wanted, seen):
        """Fails the story where `condition` does not hold."""
        if not condition:
            raise Otherwise(f"expected: {wanted}\nseen:     {seen}")

    # What people saw

    def joined(self, outcome, role):
        """The join succeeded, and gave this role."""
        self.expect(outcome.joined, "to come in", describe(outcome))
        item = outcome.presence.item
        self.expect(item.get("role") == role, f"the role {role}", item)
        affiliation = {"none": "no affiliation"}.get(item["affiliation"], item["affiliation"])
        self.page.line("saw", "sees", f"is in: {role}, {affiliation}")

    def refused(self, error, kind, condition, words):
        """`error`, the (type, condition, text) that came, is this one, with `words` in its text."""
        seen = error and f"{error[0]} / {error[1]}: {error[2]}"
        self.expect(
            error and error[:2] == (kind, condition) and words in error[2],
            f"the error {kind} / {condition} with “{words}”",
            seen or "no error",
        )
        text = f", “{error[2]}”" if error[2] else ""
        self.page.line("saw", "sees", f"error {kind} / {condition}{text}")

    def turned_away(self, outcome, kind, condition, words=""):
        """As `refused`, for a join."""
        self.expect(outcome.kind == "error", f"the error {kind} / {condition}", describe(outcome))
        self.refused((outcome.type, outcome.condition, outcome.text), kind, condition, words)

    async def hears(self, who, since, words, label="hears"):
        """A person gets a message of the room with `words` in it; returns its text."""
        stanza = await self.people[who].wait_for(
            lambda seen: seen.name == "message" and seen.room == ROOM and words in (seen.body or ""),
            since=since,
        )
        sender = f"{stanza.nick}: " if stanza.nick else ""
        self.page.line("heard", label, f"{sender}“{stanza.body}”")
        return stanza

    # What was decided

    async def decided(self, who, kind, verdict, rule):
        """Shows the newest decision on an attempt of this kind, looked up in the log by room and address; fails
        unless there is one with this verdict and rule."""
        about = {"room": ROOM, "jid": self.people[who].bare, "kind": kind}
        entry = await self._newest({**about, "verdict": verdict, "rule": rule})
        if entry["line"]:
            key = self.key_at(entry["line"])
            self.expect(key.startswith(f"policy.{rule}"), f"{rule} in {POLICY}:{entry['line']}", key)
        self.ruling(f"{verdict}, by {rule}; class {entry['class']}", entry["line"])

    async def event(self, name, shown, line=None, **details):
        """Shows what the log has about something that the component was not asked about."""
        entry = await self._newest({"room": ROOM, "event": name}, details)
        self.ruling(shown.format(**entry["details"]), line)

    def ruling(self, text, line):
        """A decision, and the line of the file that it rests on (0: a default; None: no line at all)."""
        self.page.line("policy", "decision", text)
        if line is not None:
            self.page.line("policy", "", self.place(line))

    def place(self, line):
        """A line of the file, as one looks it up."""
        return f"{POLICY}:{line}  {self.file[line - 1].strip()}" if line else "built-in default"

    def key_at(self, line):
        """The full name of the key on a line of the file."""
        tables = [text.strip("[]") for text in self.file[:line] if text.startswith("[")]
        return f"{tables[-1]}.{self.file[line - 1].partition(' =')[0]}"

    def line_of(self, key):
        """The number of the line on which the file has `key`."""
        lines = [n for n, text in enumerate(self.file, 1) if text.startswith(f"{key} =")]
        self.expect(len(lines) == 1, f"one {key} in {POLICY}", lines)
        return lines[0]

    async def _newest(self, wanted, details=None, seconds=3):
        """The newest entry after those shown already; the log is written every twentieth of a second."""
        deadline = time.monotonic() + seconds
        while True:
            entries = self.component.decisions()
            for place in range(len(entries) - 1, self.told - 1, -1):
                entry = entries[place]
                given = entry.get("details", {})
                if wanted.items() <= entry.items() and (details or {}).items() <= given.items():
                    self.told = place + 1
                    return entry
            if time.monotonic() > deadline:
                seen = [{name: entry.get(name) for name in (*wanted, "details")} for entry in entries[self.told :]]
                raise Otherwise(f"expected: in the decision log, {wanted}\nseen:     {seen or 'nothing new'}")
            await asyncio.sleep(0.02)

    # What the operator does

    def operator(self, *arguments, quiet=False):
        """Runs `vestibule ARGUMENTS`, shows and returns what it printed; fails unless it succeeds."""
        done = self.component.run(*arguments)
        words = " ".join(f"'{each}'" if " " in each else each for each in arguments)
        self.expect(done.returncode == 0, f"`vestibule {words}` to succeed", done.stdout + done.stderr)
        if not quiet:
            self.page.line("shell", "operator", f"$ vestibule {words}")
            self.page.output(done.stdout)
        return done.stdout


def describe(outcome):
    """An outcome in words."""
    if outcome.kind == "error":
        return f"error {outcome.type} / {outcome.condition}: {outcome.text}"
    return f"{outcome.kind} {outcome.text}".strip()
