"""A machine that an operator has just been given: a Debian root of its own, with systemd as its first process.

It is booted in namespaces of its own, so default ports and the real units serve, and nothing of it reaches the host.
What it writes is in `target/install-test/machines` and goes when it is closed.
"""

import contextlib
import ctypes
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from layers import HOME

BOOT = Path(__file__).with_name("boot.sh")
CGROUPS = next(
    (path for path in map(Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")) if (path / "cgroup.procs").exists()), None
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
VARIABLES = ["HOME=/root", f"PATH={PATH}", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
CLONE_NEWNET = 0x40000000


class Broken(AssertionError):
    """The machine did not do what it must."""


def within(condition, seconds, what, said=lambda: ""):
    """Polls until `condition()` is true; returns what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise Broken(f"{what}: not within {seconds} s\n{said()}")
        time.sleep(0.1)
    return found


class Machine:
    """`with Machine(layer) as machine:` boots; `machine.run("apt install …")` is what its root user types."""

    def __init__(self, layer, name="meet"):
        self.layer, self.name = layer, name
        HOME.joinpath("machines").mkdir(parents=True, exist_ok=True)
        self.home = Path(tempfile.mkdtemp(prefix=f"{layer.name}-", dir=HOME / "machines"))
        self.console = self.home / "console"
        self.cgroup = CGROUPS / f"vestibule-{self.home.name}"
        self.parent = self.init = None
        # Every command that was run, with its exit code and output.
        self.history = []

    def __enter__(self):
        self.boot()
        return self

    def __exit__(self, *_):
        self.close()

    def boot(self):
        """Starts it, and waits until systemd has started all that it starts by itself."""
        self.cgroup.mkdir(exist_ok=True)
        lower = ":".join(map(str, self.layer.stack()))
        enter = f"echo $$ >{self.cgroup}/cgroup.procs && exec \"$@\""
        spaces = ["--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child"]
        with open(self.console, "ab") as console:
            self.parent = subprocess.Popen(
                ["sh", "-c", enter, "boot", "unshare", *spaces, BOOT, self.home / "root", lower, self.home, self.name],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            )
        children = Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children")
        first = within(lambda: self._lives() and children.read_text().split(), 10, "the first process", self.tail)
        self.init = int(first[0])
        up = ("running", "degraded")
        within(lambda: self._lives() and self._state() in up, 60, "systemd", self.tail)

    def _lives(self):
        if self.parent.poll() is not None:
            raise Broken(f"the machine ended while it booted\n{self.tail()}")
        return True

    def _state(self):
        return self.run("systemctl is-system-running", check=False, noted=False).stdout.strip()

    def tail(self, lines=40):
        """The end of the console."""
        if not self.console.exists():
            return ""
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-lines:])

    def reboot(self):
        """Ends every program in good order and boots again."""
        self.run("systemctl --no-block poweroff", check=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.parent.wait(30)
        self._kill()
        self.boot()

    def _kill(self):
        if self.parent and self.parent.poll() is None:
            self.parent.send_signal(signal.SIGKILL)
            self.parent.wait()
        # Processes that ended with their first one are gone when the group is empty.
        for folder in sorted(self.cgroup.glob("**/"), reverse=True):
            with contextlib.suppress(Broken):
                within(lambda: _removed(folder), 5, "an empty control group")

    def close(self):
        """Ends it, and removes what it wrote unless LAB_KEEP is set."""
        self._kill()
        if os.environ.get("LAB_KEEP"):
            print(f"kept: {self.home}")
        else:
            shutil.rmtree(self.home, ignore_errors=True)

    def run(self, command, *, check=True, network=False, seconds=180, stdin=None, noted=True):
        """Runs a line of shell as root; `network` is the host's, for apt."""
        spaces = ["--mount", "--pid", "--ipc", "--uts", "--cgroup", "--root", "--wdns=/root"]
        spaces += [] if network else ["--net"]
        done = subprocess.run(
            ["nsenter", f"--target={self.init}", *spaces, "env", "-i", *VARIABLES, "sh", "-c", command],
            input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds, check=False,
        )
        if noted:
            self.history.append((command, done.returncode, done.stdout + done.stderr))
        if check and done.returncode:
            raise Broken(f"`{command}`: exit status {done.returncode}\n{done.stdout}{done.stderr}\n{self.journal()}")
        return done

    def journal(self, lines=40):
        """The end of what its services logged."""
        words = ["journalctl", "--no-pager", "--quiet", "-n", str(lines), "-o", "cat"]
        return self.run(" ".join(words), check=False, noted=False).stdout

    def path(self, inside):
        """A file of the machine, as the host reaches it."""
        return Path(f"/proc/{self.init}/root") / str(inside).lstrip("/")

    def write(self, inside, text, owner=None):
        """Writes a file, with its folders."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if owner:
            self.run(f"chown {owner} {inside}", noted=False)

    @contextlib.contextmanager
    def network(self):
        """This thread's network is the machine's until the block ends: clients connect from there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as ours, open(f"/proc/{self.init}/ns/net") as theirs:
            _set(libc, theirs.fileno())
            try:
                yield
            finally:
                _set(libc, ours.fileno())

    def picture(self, *folders):
        """{path: (kind, mode, owner, content)} of everything in these folders."""
        seen = {}
        for folder in folders:
            top = self.path(folder)
            for path in [top, *sorted(top.rglob("*"))]:
                if path.exists() or path.is_symlink():
                    seen[f"{folder}/{path.relative_to(top)}".rstrip("/.")] = _described(path)
        return seen


def _set(libc, descriptor):
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _removed(folder):
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _described(path):
    found = path.lstat()
    content = ""
    if stat.S_ISLNK(found.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(found.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    return stat.filemode(found.st_mode), f"{found.st_uid}:{found.st_gid}", content
