"""Debian's root file systems, as debootstrap and apt make them, kept in layers below `target/install-test`.

A layer is what one recipe adds to the layer below it. It is made once, with the addresses and settings of the host's
own apt, and again when its recipe changes.
"""

import dataclasses
import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "target/install-test"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Debian starts a service as soon as it is unpacked; here there is nothing yet that it could run in.
NO_SERVICES = "#!/bin/sh\nexit 101\n"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0"
INSTALL = APT + " update && " + APT + " install --yes {}"


class Impossible(Exception):
    """This machine cannot make such roots; the message says why."""


def command(*words, **options):
    """Runs a command of the host; Impossible, with the end of its output, if it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
        raise Impossible(f"{' '.join(map(str, words))}:\n{last}")
    return done.stdout


def archive(label):
    """The address from which the host's apt takes Debian's packages; "" if it takes none with that label."""
    found = command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Label: {label}")
    return next(iter(sorted(found.split())), "")


@dataclasses.dataclass(frozen=True)
class Layer:
    """`release` is Debian's code name; `shell` runs in the root, with the host's network."""

    name: str
    release: str
    shell: str
    below: "Layer | None" = None

    @property
    def path(self):
        return HOME / "layers" / self.name

    @property
    def stamp(self):
        below = self.below.stamp if self.below else ""
        return hashlib.sha256(repr((self.release, self.shell, below)).encode()).hexdigest()

    def stack(self):
        """The folders of this layer and of those below it, as an overlay names them: the highest first."""
        return [self.path, *(self.below.stack() if self.below else [])]

    def lowest(self):
        """The layer that debootstrap makes."""
        return self.below.lowest() if self.below else self

    def make(self):
        """Makes it, and what is below it, where that has not been done."""
        if self.below:
            self.below.make()
        stamp = self.path.with_suffix(".stamp")
        HOME.joinpath("layers").mkdir(parents=True, exist_ok=True)
        with open(self.path.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if stamp.exists() and stamp.read_text() == self.stamp:
                return
            stamp.unlink(missing_ok=True)
            shutil.rmtree(self.path, ignore_errors=True)
            if self.below:
                self._add()
            else:
                self._bootstrap()
            stamp.write_text(self.stamp)

    def _bootstrap(self):
        if not archive("Debian"):
            command("apt-get", "-q", "update")
        source = archive("Debian")
        if not source:
            raise Impossible("apt has no source labelled Debian: add one, then run apt-get update")
        command("debootstrap", "--variant=minbase", f"--keyring={KEYRING}", self.release, self.path, source)
        suites = [(source, [self.release, f"{self.release}-updates", f"{self.release}-backports"])]
        if security := archive("Debian-Security"):
            suites.append((security, [f"{self.release}-security"]))
        lines = [f"deb {address} {suite} main" for address, names in suites for suite in names]
        (self.path / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
        (self.path / "etc/apt/apt.conf.d/90host").write_text(command("apt-config", "dump", "Acquire"))
        (self.path / "etc/hosts").write_text("127.0.0.1 localhost\n")
        self._run(self.path)

    def _add(self):
        """Writes what the recipe changes into the folder, by an overlay that only this process sees."""
        for folder in (self.path, self.path.with_suffix(".work"), self.path.with_suffix(".root")):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        self._run(self.path.with_suffix(".root"), below=self.below.stack())
        shutil.rmtree(self.path.with_suffix(".work"))
        self.path.with_suffix(".root").rmdir()

    def _run(self, root, below=None):
        policy = "usr/sbin/policy-rc.d"
        lower = ":".join(map(str, below or []))
        work = self.path.with_suffix(".work")
        overlay = f"mount -t overlay -o 'lowerdir={lower},upperdir={self.path},workdir={work}'"
        script = f"""
            set -e
            mount --make-rprivate /
            {f"{overlay} overlay '{root}'" if below else ""}
            cd '{root}'
            printf '{NO_SERVICES.encode("unicode_escape").decode()}' >{policy}
            chmod 755 {policy}
            cp /etc/resolv.conf etc/resolv.conf
            mount -t proc proc proc
            chroot . sh -ec '{self.shell}'
            chroot . apt-get clean
            rm {policy}
        """
        command("unshare", "--mount", "--pid", "--fork", "sh", "-c", script)


def debian(number, release):
    """A small Debian with systemd."""
    return Layer(f"debian{number}", release, INSTALL.format("--no-install-recommends systemd systemd-sysv adduser"))


DEBIAN12 = debian(12, "bookworm")
DEBIAN13 = debian(13, "trixie")


def prosody(below, *options):
    """Prosody beside it, as `apt install prosody` brings it."""
    words = " ".join([*options, "prosody"])
    name = f"{below.name}-prosody" + ("-backports" if options else "")
    return Layer(name, below.release, INSTALL.format(words), below)


# What an operator has: Debian and the Prosody on it.
SERVERS = {
    "debian12": prosody(DEBIAN12),
    "debian13": prosody(DEBIAN13),
    "debian12-backports": prosody(DEBIAN12, "--target-release", "bookworm-backports"),
}


def with_jitsi(below):
    """What Jitsi's packages depend on, without the Java that they need for other programs."""
    needed = "lua-sec lua-basexx lua-luaossl lua-cjson lua-inspect openssl ca-certificates debconf nginx curl"
    return Layer(f"{below.name}-jitsi", below.release, INSTALL.format(needed), below)


def obstacle():
    """Why such machines cannot be made here, or None."""
    if os.getuid() != 0:
        return "only root can make a Debian root and boot it"
    for program, package in [("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("ip", "iproute2")]:
        if not shutil.which(program):
            return f"{program} is missing: apt install {package}"
    if not KEYRING.exists():
        return f"{KEYRING} is missing: apt install debian-archive-keyring"
    spaces = ["--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup", "--fork"]
    tried = subprocess.run(["unshare", *spaces, "true"], capture_output=True, text=True, check=False)
    return f"no namespaces can be made here: {tried.stderr.strip()}" if tried.returncode else None
