"""A disk that fills up: a small file system of its own, or, where nothing may be mounted, files that may not grow."""

import contextlib
import errno
import os
import resource
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

SIZE = "16m"
# In a mount namespace, which is gone with the process. One in a user namespace loses its parent's signal.
MOUNTED = f'mount -t tmpfs -o size={SIZE},mode=700 lab "$0" && exec setpriv --pdeathsig KILL "$@"'
# To a process that ignores the signal, a file that may not grow is an error, and not its end.
DEAF = 'trap "" XFSZ; exec "$0" "$@"'


def _namespace():
    """The command that gives a process mounts of its own."""
    return ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def may_mount():
    """Whether this account may mount a file system for a process."""
    with tempfile.TemporaryDirectory() as place, contextlib.suppress(FileNotFoundError):
        tried = subprocess.run([*_namespace(), "sh", "-c", MOUNTED, place, "true"], capture_output=True, check=False)
        return tried.returncode == 0
    return False


def small_disk():
    """The best that there is here; a warning says where that is no file system."""
    if may_mount():
        return SmallFileSystem()
    warnings.warn("nothing may be mounted here: the full disk is a limit on the size of files (RLIMIT_FSIZE)", stacklevel=2)
    return NoGrowth()


class SmallFileSystem:
    """A tmpfs over the state directory of a component, seen by that process alone; `fill` leaves no byte of it."""

    # What SQLite says of it.
    says = "database or disk is full"

    def wrap(self, component):
        """Has the component start with it."""
        self.component = component
        component.wrapper = [*_namespace(), "sh", "-c", MOUNTED, component.state_dir]

    def path(self, name=""):
        """A file on it, as others see it while the component runs."""
        return Path(f"/proc/{self.component.pid}/root{self.component.state_dir}") / name

    def fill(self):
        """Writes a ballast file until there is no room for another byte."""
        with open(self.path("ballast"), "wb", buffering=0) as ballast:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        ballast.write(b"\0" * size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error
        assert os.statvfs(self.path()).f_bavail == 0

    def empty(self):
        """Removes the ballast."""
        self.path("ballast").unlink()

    def close(self):
        """Keeps what is on it where others look for it."""
        if self.component.is_running:
            self.path("ballast").unlink(missing_ok=True)
            shutil.copytree(self.path(), self.component.state_dir, dirs_exist_ok=True)


class NoGrowth:
    """A limit on the size of files, for one process: `fill` has none of them take another byte."""

    says = "disk I/O error"

    def wrap(self, component):
        """Has the component start so that it can be limited."""
        self.component = component
        component.wrapper = ["sh", "-c", DEAF]

    def path(self, name=""):
        """A file in the component's directory."""
        return self.component.state_dir / name

    def fill(self):
        """Nothing may grow."""
        self.before = resource.prlimit(self.component.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.component.pid, resource.RLIMIT_FSIZE, (0, self.before[1]))

    def empty(self):
        """Everything may grow again."""
        resource.prlimit(self.component.pid, resource.RLIMIT_FSIZE, self.before)

    def close(self):
        """There is nothing to give back: the limit is gone with the process."""
