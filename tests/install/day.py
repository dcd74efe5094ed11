"""What becomes of a server in one day: installed, protected, upgraded, booted again, and given back as it was."""

import json
import re

from machine import within

CHECK = "prosodyctl check config"
# Findings that are so, by machine and short name, and why.
TRUE = {"debian12-backports": {"advisories": "backports have not the repairs that Debian 12 and 13 have"}}
# What has to be as it was, byte for byte.
KEPT = ("/etc/prosody", "/etc/jitsi", "/usr/lib/prosody", "/usr/local/lib/prosody", "/usr/share/jitsi-meet")
DATA = "/var/lib/prosody"
# Prosody writes the rest of its data whenever it runs.
OWNED = re.compile(r"/[^/]+/(accounts|roster|config)(/|$)")
POLICY = "/etc/vestibule/component.toml"
# What operators write into their files between the first line and the last.
EDITS = {"/etc/prosody/prosody.cfg.lua": "\n-- Looked at by Ann.\n"}
POLICY_EDIT = '\n[[room]]\nmatch = "of-the-operator"\nlimits.occupants = 3\n'


def owned(machine, folder):
    """{path: sorted lines} of accounts, contacts and stored rooms in Prosody's data; Lua's tables have no order."""
    files = {f"{folder}/{path.relative_to(machine.path(folder))}": path for path in machine.path(folder).rglob("*.dat")}
    kept = {name: path for name, path in files.items() if OWNED.search(name.removeprefix(folder))}
    assert kept, files
    return {name: sorted(path.read_text().splitlines()) for name, path in kept.items()}


def examined(report, true, notes, unknown):
    """Holds a report of the doctor (its JSON) against what is so: it finds what has a name in `true`, and nothing else
    that is worth more than a note; it has no other notes, and does not know of other things, than these have."""
    assert report["complete"], report["incomplete"]
    checks = {check["id"]: check for check in report["checks"]}
    found = {name: check for name, check in checks.items() if check["state"] == "found"}
    said = {name for name, check in found.items() if check["severity"] == "note"}
    assert set(found) - said == set(true), [found[name]["findings"] for name in set(found) - said - set(true)]
    assert said <= set(notes), [found[name]["findings"] for name in said - set(notes)]
    missing = {name: check["unknown"] for name, check in checks.items() if check["unknown"] and name not in unknown}
    assert not missing, missing


class Day:
    """`before` is what people can do on the server without us, and `protected` what they can with us; `notes` and
    `unknown` are what the doctor may say all the same, with why; `then` are lines that the pages have an operator type
    for a clean report, and `edits` what they write into files."""

    def __init__(self, clients, debs, commands, *, server, before, protected, notes, unknown=(), then=(), edits=()):
        self.clients, self.machine, self.debs = clients, clients.machine, debs
        self.commands, self.before, self.protected = commands, before, protected
        self.report = (TRUE.get(server, {}), notes, unknown)
        self.then, self.edits = then, {**EDITS, **dict(edits)}

    def live(self):
        """All of it, in order."""
        self.clients.play(self.before)
        found = self._picture()
        self.install()
        self.clients.play(self.protected)
        # Pages and doctor are this version's.
        if not self.debs.commit:
            self.follow_the_pages()
        self.edit()
        self.upgrade()
        if self.debs.commit:
            self.follow_the_pages()
        self.clients.play(self.protected)
        self.machine.reboot()
        self.await_ready("after a reboot")
        self.ask_the_doctor()
        self.clients.play(self.protected)
        self.machine.run("apt purge --yes vestibule vestibule-prosody-module")
        assert not self.machine.path("/etc/vestibule").exists()
        self._unedit()
        after = self._picture()
        assert {path: after.get(path) for path in {*found, *after} if found.get(path) != after.get(path)} == {}
        self.clients.play(self.before)

    def _picture(self):
        return {**self.machine.picture(*KEPT), **owned(self.machine, DATA)}

    def install(self):
        """Types what an operator types, with the packages of the version before; `init` says itself what is left."""
        self.checked = self._checked()
        self.bring(self.debs.before)
        said = [self.type(line) for line in self.commands[:2]][-1]
        left = [line.replace("sudo ", "") for line in re.findall(r"^ +\d+\. sudo (.*)", said, re.MULTILINE)]
        # An older version has words of its own for it.
        assert self.debs.commit or left == self.commands[2:], said
        assert len(self.commands[:2] + left) <= 5
        for line in left[:-1]:
            self.type(line)
        self.await_ready("after the commands")
        assert ": ready" in self.type(left[-1])

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

    def edit(self):
        """Writes the operator's lines, also into files that `init` has changed or written."""
        for file, text in {**self.edits, POLICY: POLICY_EDIT}.items():
            path = self.machine.path(file)
            path.write_text(path.read_text() + text)
        self.machine.run("vestibule reload && prosodyctl reload")

    def _unedit(self):
        """Takes the operator's lines out again, which are there to the letter."""
        for file, text in self.edits.items():
            path = self.machine.path(file)
            now = path.read_text()
            assert now.endswith(text), f"{file}: {now[-200:]!r}"
            path.write_text(now.removesuffix(text))

    def upgrade(self):
        """Installs the packages of this tree over those of the version before; nothing else is typed."""
        files = (POLICY, "/etc/vestibule/component-secret")
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

    def follow_the_pages(self):
        """Types what they have an operator type for a clean report."""
        for line in self.then:
            self.machine.run(line)
        self.ask_the_doctor()

    def ask_the_doctor(self):
        """The doctor finds nothing that is worth a warning, but for what is so."""
        done = self.machine.run("vestibule doctor --json", check=False)
        examined(json.loads(done.stdout), *self.report)
