"""The real component, run as an operator runs it."""

import json
import os
import re
import signal
import subprocess
import tempfile
import tomllib
from pathlib import Path

from . import canary
from .process import HOST, ROOT, Failed, Process, environment, wait_until


def program():
    """The binary under test: VESTIBULE_BIN, or the release build."""
    path = Path(os.environ.get("VESTIBULE_BIN") or "target/release/vestibule")
    return path if path.is_absolute() else ROOT / path


# Commands that print a secret, because that is what they are for.
PRINTS_SECRETS = {"password", "token", "page", "invite", "code"}


# Commands that ask whether they are meant.
CONFIRMED = {"end", "end-many"}


# In a file: it says itself whether there is a decision log. Every other component keeps one for the tests.
LOGS = re.compile(r'^\[log\]\ndecisions = |^decisions = "[^"]', re.MULTILINE)

# In a file: who opens rooms is left to the program's own default.
OPENS_BY_DEFAULT = "# Who opens rooms: the default.\n"
OPENERS = '["service", "operator", "listed", "token", "account", "guest"]'


def openers_said(text):
    """The file, in which guests open rooms too unless it says who does: most tests are about
    something else, and the server of this laboratory is one that people log in to."""
    try:
        policy = tomllib.loads(text).get("policy", {})
    except tomllib.TOMLDecodeError:
        return text
    access = policy.get("access", {})
    if not isinstance(access, dict) or "create" in access or OPENS_BY_DEFAULT in text:
        return text
    for found, said in [
        (r"^\[policy\.access\]\n", f"[policy.access]\ncreate = {OPENERS}\n"),
        (r"^access = \{ ?", f"access = {{ create = {OPENERS}, "),
        (r"^access\.", f"access.create = {OPENERS}\naccess."),
    ]:
        if access and re.search(found, text, re.MULTILINE):
            return re.sub(found, lambda _: said, text, count=1, flags=re.MULTILINE)
    return f"{text}\n[policy.access]\ncreate = {OPENERS}\n"


class Vestibule(Process):
    """`vestibule run` against a `Prosody`, with a state directory of its own.

    `config` is the text of the policy file; without it the shipped one is used. Two
    components may share a `state_dir`; each has its own control socket.
    """

    # When it ends, the decisions in its log are made again.
    is_replayed = True

    def __init__(self, server, config=None, *, env=None, arguments=(), state_dir=None):
        self.server = server
        self.home = Path(tempfile.mkdtemp(prefix="lab-vestibule-"))
        self.state_dir = Path(state_dir) if state_dir else self.home / "state"
        self.state_dir.mkdir(exist_ok=True)
        self.config_path = self.home / "component.toml"
        self.arguments = list(arguments)
        # The command by which another starts it.
        self.wrapper = []
        self.env = {
            "VESTIBULE_COMPONENT__SERVER": f"{HOST}:{server.component_port}",
            "VESTIBULE_COMPONENT__SECRET": server.secret,
            **server.component_env,
            "VESTIBULE_COMPONENT__STATE_DIR": str(self.state_dir),
            "VESTIBULE_COMPONENT__SOCKET": str(self.home / "socket"),
            "VESTIBULE_ADMIN__HTTP": f"{HOST}:0",
            **({} if LOGS.search(config or "") else {"VESTIBULE_LOG__DECISIONS": "decisions.jsonl"}),
            **(env or {}),
        }
        self.policies = []
        self.said = []
        self.shares_log = state_dir is not None
        super().__init__(self.home / "output")
        self.write_config((ROOT / "component.toml").read_text() if config is None else config)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    def write_config(self, text):
        """Replaces the policy file, whole at once; it goes live at `reload` or `restart`."""
        canary.note_file(text)
        text = openers_said(text)
        beside = self.config_path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.config_path)
        if text not in self.policies:
            self.policies.append(text)

    def start(self, seconds=15, ready=True):
        """Starts the component and, with `ready`, waits until `vestibule status` is content."""
        if not program().exists():
            raise Failed(f"no component at {program()}: run `cargo build --release`")
        self.spawn([*self.wrapper, program(), "run", "--config", self.config_path, *self.arguments], self.env)
        if ready:
            self.wait_ready(seconds)

    def wait_ready(self, seconds=15):
        """Waits until `vestibule status` exits with 0."""
        wait_until(self._is_ready, seconds, "`vestibule status` to be content", self.tail)

    def restart(self, ready=True):
        """Ends the component in good order and starts it again."""
        self.shutdown()
        self.start(ready=ready)

    def reload(self):
        """Makes the component read its file again (SIGHUP)."""
        self.signal(signal.SIGHUP)

    def close(self):
        """Ends the component, checks its log, and removes what it wrote."""
        self.kill()
        try:
            self.check_secrets()
            self.check_decisions()
        finally:
            self.remove()

    def run(self, *arguments, seconds=20, stdin=None, env=None, asks=False):
        """Runs `vestibule ARGUMENTS` beside the component; returns the finished process,
        with `returncode`, `stdout` and `stderr` as text. What it would ask about on a
        terminal is agreed to, unless it `asks`."""
        agreed = ["--yes"] if not asks and "--yes" not in arguments and CONFIRMED.intersection(map(str, arguments[:2])) else []
        done = subprocess.run(
            [str(word) for word in (program(), *arguments, *agreed)],
            env=environment({**self.env, **(env or {})}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if not PRINTS_SECRETS.intersection(map(str, arguments)):
            self.said.append(f"{done.stdout}\n{done.stderr}")
        return done

    def decisions(self):
        """Every decision logged so far, oldest first."""
        path = self.state_dir / "decisions.jsonl"
        if not path.exists():
            return []
        # The last line may be half written.
        lines = path.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def check_decisions(self):
        """Decides everything in the log again: by the policy that decided it, each decision
        has to be the same, and to be explained as it was made."""
        logs = sorted(self.state_dir.glob("decisions*"))
        if not logs or not self.is_replayed:
            return
        decided, expected, revisions = 0, 0, set()
        for number, text in enumerate(self.policies):
            policy = self.home / f"policy-{number}.toml"
            policy.write_text(text)
            done = self.run("replay", "--exact", "--json", "--all", "--config", policy, *logs)
            if done.returncode == 2:
                continue  # A wrong file, which never was in force.
            *found, last = map(json.loads, done.stdout.splitlines())
            totals = last["totals"]
            skipped = totals["skipped"]
            if found or set(skipped) - {"event", "other-revision", "fault", "torn"}:
                raise Failed(f"the log is decided otherwise: {done.stdout[:4000]}")
            # Files that differ in secrets and remarks only are one policy.
            revision = self.run("check", policy).stdout.partition("revision ")[2].partition(",")[0]
            decided += 0 if revision in revisions else totals["decided"]
            revisions.add(revision)
            expected = totals["decided"] + skipped.get("other-revision", 0)
        if decided != expected and not self.shares_log:
            raise Failed(f"{expected} decisions, and the policies of the test made {decided}")

    def check_secrets(self):
        """Looks for every secret that the tests have used in all that the component has written and said."""
        files = (path for path in self.state_dir.rglob("*") if path.is_file())
        places = {str(path.relative_to(self.state_dir)): path.read_bytes() for path in files}
        places["its output"] = self.output.read_text(errors="replace")
        places["what commands and the API said"] = "\n".join(self.said)
        places["Prosody's log"] = self.server.log()
        finds = canary.found(places)
        if finds:
            raise Failed("secrets were written down:\n" + "\n".join(finds))

    def _is_ready(self):
        if not self.is_running:
            code = self.child.returncode
            raise Failed(f"the component ended with exit code {code}\n{self.tail()}")
        return self.run("status").returncode == 0
