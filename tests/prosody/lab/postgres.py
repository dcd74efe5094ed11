"""A real PostgreSQL of its own: directory, port and databases."""

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from .process import HOST, ROOT, Failed, Process, free_port, wait_until

SCRIPT = ROOT / "tests/support/postgres.sh"
PASSWORD = "laboratory password of the database"


class Postgres(Process):
    """The PostgreSQL of Debian's package, with the database `postgres` and a superuser."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="lab-postgres-"))
        self.port = free_port()
        self.user, self.password = "vestibule", PASSWORD
        super().__init__(self.home / "output")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    def start(self, seconds=120):
        """Starts the server, or starts it again on the same port and data."""
        self.spawn([SCRIPT, self.home, self.port, self.password], {})
        wait_until(self._answers, seconds, "PostgreSQL", self.tail)

    def address(self, database="postgres"):
        """Where the database is, for `store.postgres`; without the password."""
        return f"postgresql://{self.user}@{HOST}:{self.port}/{database}"

    def create(self, database):
        """Makes an empty database; returns its address."""
        self.sql(f"create database {database}")
        return self.address(database)

    def sql(self, text, database="postgres"):
        """Runs SQL; returns the rows, each a list of texts."""
        done = self._psql(database, "-c", text)
        if done.returncode != 0:
            raise Failed(f"{text}: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def stop(self):
        """Ends the server as an operator would; sessions are ended."""
        self.signal(signal.SIGINT)
        self.child.wait(10)

    def kill(self):
        """Ends the server and its sessions at once, as a crash would."""
        sessions = self._sessions() if self.is_running else []
        super().kill()
        for pid in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def freeze(self):
        """The server and its sessions are there, connected, and silent."""
        super().freeze()
        for pid in self._sessions():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        """Goes on after `freeze`."""
        for pid in self._sessions():
            os.kill(pid, signal.SIGCONT)
        super().thaw()

    def _sessions(self):
        tasks = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in tasks.split()]

    def _answers(self):
        if not self.is_running:
            raise Failed(f"PostgreSQL ended with {self.child.returncode}\n{self.tail()}")
        return self._psql("postgres", "-c", "select 1").returncode == 0

    def _psql(self, database, *arguments):
        return subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", *arguments,
             f"host={HOST} port={self.port} user={self.user} dbname={database} connect_timeout=5"],
            env={**os.environ, "PGPASSWORD": self.password},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
