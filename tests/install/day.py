"""What becomes of a server in one day: installed, protected, upgraded, booted again, and given back as it was."""

import json
import re

from machine import within

CHECK = "prosodyctl check config"
# Findings that are so, by machine and short name, and why.
TRUE = {"debian12-backports": {"advisories": "backports have not the repairs that Debian 12 and 13 have"}}
# What has to be as it was, byte for byte.
KEPT = ("/etc/prosody", "/usr/lib/prosody", "/usr/local/lib/prosody", "/usr/share/jitsi-meet")
ACCOUNTS = re.compile(r"^/var/lib/prosody/[^/]+/(accounts|roster)(/|$)")


class Day:
    """`before` is what people can do on the server without us, and `protected` what they can with us."""

    def __init__(self, clients, debs, commands, *, server, before, protected):
        self.clients, self.machine, self.debs = clients, clients.machine, debs
        self.commands, self.before, self.protected = commands, before, protected
        self.true = TRUE.get(server, {})

    def live(self):
        """All of it, in order."""
        self.clients.play(self.before)
        found = self._picture()
        self.install()
        self.clients.play(self.protected)
        self.ask_the_doctor()
        self.upgrade()
        self.clients.play(self.protected)
        self.machine.reboot()
        self.await_ready("after a reboot")
        self.clients.play(self.protected)
        self.machine.run("apt purge --yes vestibule vestibule-prosody-module")
        assert self._picture() == found
        assert not self.machine.path("/etc/vestibule").exists()
        self.clients.play(self.before)

    def _picture(self):
        data = self.machine.picture("/var/lib/prosody")
        kept = {path: each for path, each in data.items() if ACCOUNTS.match(path)}
        assert any(each[2] for each in kept.values()), data
        return {**self.machine.picture(*KEPT), **kept}

    def install(self):
        """Types what an operator types, with the packages of the version before; `init` says itself what is left."""
        assert len(self.commands) <= 5
        self.checked = self._checked()
        self.bring(self.debs.before)
        said = [self.type(line) for line in self.commands[:-1]]
        left = re.findall(r"^ +\d+\. sudo (.*)", said[1], re.MULTILINE)
        assert [line.replace("sudo ", "") for line in left] == self.commands[2:], said[1]
        self.await_ready("after the commands")
        said = self.type(self.commands[-1])
        assert ": ready" in said, said

    def type(self, line):
        """Types one line; returns what it prints."""
        if line == CHECK:
            # What it finds in the server's own configuration is no fault of ours; in ours it finds nothing.
            assert self._checked() == self.checked
            return ""
        done = self.machine.run(line, network=line.startswith("apt "))
        return done.stdout + done.stderr

    def _checked(self):
        """What Prosody says of its configuration, without the list of its files."""
        said = self.machine.run(CHECK, check=False).stdout
        return [line for line in said.splitlines() if not line.strip().startswith("- ")]

    def bring(self, folder):
        """Puts the packages where the operator downloads them to."""
        for deb in folder.iterdir():
            self.machine.path(f"/root/{deb.name}").write_bytes(deb.read_bytes())

    def upgrade(self):
        """Installs the packages of this tree over those of the version before; nothing else is typed."""
        files = ("/etc/vestibule/component.toml", "/etc/vestibule/component-secret")
        before = [self.machine.path(file).read_bytes() for file in files]
        self.bring(self.debs.now)
        self.type(self.commands[0])
        self.await_ready("after the upgrade")
        assert [self.machine.path(file).read_bytes() for file in files] == before
        versions = self.machine.run("dpkg-query --show --showformat '${Version}\\n' vestibule vestibule-prosody-module")
        assert versions.stdout.split() == [self.debs.version] * 2
        assert self.machine.run("systemctl is-active vestibule prosody").stdout.split() == ["active"] * 2

    def await_ready(self, when):
        """Waits for `vestibule status` to exit with 0."""
        within(lambda: self._status() == 0, 20, f"ready {when}", self.machine.journal)

    def _status(self):
        return self.machine.run("vestibule status", check=False, noted=False).returncode

    def ask_the_doctor(self):
        """The doctor finds nothing that is worth a warning, but for what is so."""
        done = self.machine.run("vestibule doctor --json", check=False)
        report = json.loads(done.stdout)
        assert report["complete"], report["incomplete"]
        found = {check["id"]: check for check in report["checks"] if check["state"] == "found"}
        worth = {name for name, check in found.items() if check["severity"] != "note"}
        assert worth == set(self.true), [found[name] for name in worth.symmetric_difference(self.true) if name in found]
