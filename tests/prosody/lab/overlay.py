"""This machine with something else installed: what a command changes stays in a folder, and the machine as it was."""

import os
import subprocess

_ENTER = """
set -e
mount -t overlay overlay -o lowerdir=/,upperdir="$0/upper",workdir="$0/work" "$0/root"
mount --rbind /dev "$0/root/dev"
mount -t proc proc "$0/root/proc"
exec chroot "$0/root" "$@"
"""

_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}


class Overlay:
    """A root over this machine's own, kept in `place`. Commands in it are root's, and share nothing but network and
    processes with the machine."""

    def __init__(self, place):
        self.place = place
        for name in ("upper", "work", "root"):
            (place / name).mkdir()

    @staticmethod
    def is_possible():
        """Whether this process may mount such a root."""
        probe = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
        return os.getuid() == 0 and subprocess.run(probe, capture_output=True).returncode == 0

    def command(self, *command):
        """The command line that runs `command` in the root."""
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, self.place, *command]

    def run(self, *command, check=True, env=None, seconds=120):
        """Runs a command in the root; returns what it did, with its output."""
        env = {**_ENV, **(env or {})}
        done = subprocess.run(self.command(*command), env=env, text=True, capture_output=True, timeout=seconds)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def shell(self, script, check=True):
        """Runs a shell's script in the root; returns its output."""
        return self.run("sh", "-ec", script, check=check).stdout

    def write(self, path, text, mode=0o644):
        """Makes a file in the root, as the next command will find it."""
        file = self.place / "upper" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def read(self, path):
        """The text of a file as the root has it, or `None`."""
        done = self.run("cat", path, check=False)
        return done.stdout if done.returncode == 0 else None
