"""A Prosody that runs a configuration of somebody else, such as Jitsi Meet's, on ports and data of its own."""

import re

from .process import HOST, Failed, free_port, wait_until
from .server import PROGRAMS, Prosody
from .settings import assignments

HEADER = re.compile(r'^(?:VirtualHost|Component) "(?P<host>[^"]+)"')
SETTING = re.compile(r"^\s*(?P<name>\w+) = ")
MODULES = "modules_enabled = {"


def once(text, old, new):
    """The text with `new` for `old`, which it must have exactly once."""
    if text.count(old) != 1:
        raise Failed(f"not exactly once: {old!r}")
    return text.replace(old, new)


def blocks(text):
    """The lines below each header of a configuration, by host; "" is the global section."""
    found = {"": []}
    lines = found[""]
    for line in text.splitlines():
        if header := HEADER.match(line):
            lines = found.setdefault(header["host"], [])
        lines.append(line)
    return found


def _listed(lines):
    """What the list of modules in these lines adds, as lines."""
    text = "\n".join(lines)
    start = text.find(MODULES)
    inside = text[start + len(MODULES) : text.index("}", start)] if start >= 0 else ""
    return [f'\t\t"{name}";' for name in re.findall(r'"(\w+)"', re.sub("--.*", "", inside))]


def _settings(lines):
    """The settings of one line each, by name."""
    named = {SETTING.match(line)["name"]: line for line in lines if SETTING.match(line)}
    return {name: line for name, line in named.items() if name != MODULES.split()[0]}


def _with(lines, added):
    """One block as an operator edits it: settings replaced or added, lists of modules made longer."""
    new, modules = _settings(added), _listed(added)
    kept = [line for line in lines if (SETTING.match(line) or {"name": ""})["name"] not in new]
    at = next((i for i, line in enumerate(kept) if MODULES in line), None)
    if at is None:
        modules = ["\tmodules_enabled = {", *modules, "\t}"] if modules else []
        return [*kept, *new.values(), *modules]
    end = kept[at].split(MODULES)[1]
    return [*kept[:at], *new.values(), f"\t{MODULES}", *modules, end, *kept[at + 1 :]]


def edited(text, snippet):
    """The configuration `text` with the lines of `snippet` in it, each below its header."""
    there, added = blocks(text), blocks(snippet)
    for host, lines in added.items():
        there[host] = _with(there[host], lines) if host in there else lines
    return "\n".join("\n".join(lines) for lines in there.values()) + "\n"


class Installed(Prosody):
    """Prosody with the configuration `text`, in which 5347 stands for the component's port. Clients of `host` may
    connect."""

    def __init__(self, version, host, text, *, files=None, env=None, secret):
        super().__init__(version)
        self.host, self.secret = host, secret
        self.text, self.files, self.env = text, files or {}, env or {}

    def _ours(self, text):
        return text.replace("component_ports = { 5347 }", f"component_ports = {{ {self.component_port} }}")

    def start(self, seconds=20):
        """Writes the files and starts the server."""
        here = {
            "run_as_root": True,
            "daemonize": False,
            "pidfile": self.home / "prosody.pid",
            "data_path": self.home / "data",
            "certificates": self.home / "certs",
            "log": [{"levels": {"min": "info"}, "to": "file", "filename": self.log_path}],
            "c2s_ports": [self.c2s_port],
            "c2s_interfaces": [HOST],
            "http_ports": [free_port()],
            "http_interfaces": [HOST],
            "https_ports": [],
            "modules_disabled": ["s2s"],
        }
        self.config_path.write_text(assignments(here) + self._ours(self.text))
        for name, text in self.files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._ours(text))
        self.spawn([PROGRAMS[self.version], "-F", "--config", self.config_path], self.env)
        wait_until(self._answers, seconds, "Prosody's client port", self.tail)
