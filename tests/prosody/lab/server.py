"""A real Prosody of its own: directory, ports, data and log."""

import re
import socket
import subprocess
import tempfile
from pathlib import Path

from .canary import note
from . import settings
from .process import HOST, ROOT, Failed, Process, free_port, wait_until

PROGRAMS = {"0.12": Path("/usr/bin/prosody"), "13": ROOT / "target/prosody13/prosody"}
SECRET = note("laboratory secret")
PASSWORD = note("laboratory password")


def prosodyctl(version):
    """The command of that Prosody."""
    return PROGRAMS[version].with_name("prosodyctl")


def encoded(name):
    """A name as Prosody's file storage writes it."""
    return re.sub(rb"[^A-Za-z0-9]", lambda c: b"%%%02x" % ord(c[0]), name.encode()).decode()


class Prosody(Process):
    """Prosody with `localhost` (accounts), `guest.localhost` (anonymous), the MUC
    service `conference.localhost` and the component's host `vestibule.localhost`.

    With `gate`, the two components are the lines of `prosody-snippets/prosody.cfg.lua`.
    Without, only the gate is missing; with `None` for it, every shipped line is. `plain_muc` adds an ungated `plain.localhost`.
    `storage` is "memory", or "internal" for data that survives a restart. `gates` is the
    folder in which the gate is.
    """

    def __init__(
        self,
        version="0.12",
        *,
        gate=True,
        plain_muc=False,
        storage="memory",
        tls=False,
        log_level="info",
        modules=(),
        plugin_paths=(),
        options=None,
        muc_options=None,
        component_options=None,
        extra_global="",
        extra_hosts="",
        gates=settings.SNIPPETS,
    ):
        self.version = version
        self.gate = gate
        self.plain_muc = plain_muc
        self.storage = storage
        self.tls = tls
        self.log_level = log_level
        self.modules = list(modules)
        self.plugin_paths = list(plugin_paths)
        self.options = dict(options or {})
        self.muc_options = dict(muc_options or {})
        self.component_options = dict(component_options or {})
        self.extra_global = extra_global
        self.extra_hosts = extra_hosts
        self.gates = gates
        self.secret = SECRET
        self.host = "localhost"
        self.service = "conference.localhost"
        self.component_env = {}
        self.env = {}
        self.home = Path(tempfile.mkdtemp(prefix="lab-prosody-"))
        self.log_path = self.home / "prosody.log"
        self.config_path = self.home / "prosody.cfg.lua"
        self.c2s_port = free_port()
        self.component_port = free_port()
        super().__init__(self.home / "output")
        for folder in ("data", "certs"):
            (self.home / folder).mkdir()
        if tls:
            self.make_certificate()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    def start(self, seconds=20):
        """Starts the server, or starts it again on the same ports and data."""
        program = PROGRAMS[self.version]
        if not program.exists():
            raise Failed(f"no Prosody {self.version} at {program}: run `make prosody13`")
        self.config_path.write_text(self.configuration())
        self.spawn([program, "-F", "--config", self.config_path], self.env)
        wait_until(self._answers, seconds, "Prosody's client port", self.tail)
        welcome = f"Prosody version {self.version}."
        if welcome not in self.log():
            raise Failed(f"{program} is not Prosody {self.version}\n{self.tail()}")

    def configuration(self):
        """The text of the configuration file."""
        return settings.render(self)

    def stop(self):
        """Ends the server in good order."""
        return self.shutdown()

    def restart(self):
        """Stops and starts; ports stay, and data if `storage` is "internal"."""
        self.stop()
        self.start()

    def log(self):
        """Everything that Prosody logged since it was created."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def complaints(self):
        """The lines of the log that are warnings or errors."""
        return [line for line in self.log().splitlines() if "\twarn\t" in line or "\terror\t" in line]

    def tail(self, lines=60):
        """The end of the log and of what the process printed."""
        return "\n".join([*self.log().splitlines()[-lines:], super().tail(lines)])

    def add_account(self, user, password=PASSWORD, host=None):
        """Makes `user@localhost` (or of another host), or changes the account's password."""
        folder = self.home / "data" / encoded(host or self.host) / "accounts"
        folder.mkdir(parents=True, exist_ok=True)
        account = f"return {settings.lua({'password': password})};\n"
        (folder / f"{encoded(user)}.dat").write_text(account)

    def _answers(self):
        if not self.is_running:
            raise Failed(f"Prosody {self.version} ended while starting\n{self.tail()}")
        header = (
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
            f" to='{self.host}' version='1.0'>"
        )
        try:
            with socket.create_connection((HOST, self.c2s_port), timeout=1) as probe:
                probe.sendall(header.encode())
                return b"<stream:stream" in probe.recv(4096)
        except OSError:
            return False

    def make_certificate(self):
        """Makes a certificate that nobody has signed; returns its `ssl` option."""
        certificate, key = self.home / "tls.crt", self.home / "tls.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
            + ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=DNS:localhost,DNS:guest.localhost"]
            + ["-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        return {"certificate": certificate, "key": key}
