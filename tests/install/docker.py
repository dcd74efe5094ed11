"""docker-jitsi-meet without Docker: what its image of Prosody, and ours, do when `docker compose` starts them.

The image's own scripts and templates run, of a checkout that DOCKER_JITSI_MEET names, in a service of the machine that
has the volumes of the compose file, its environment, and its account. Both containers share the machine's network.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import jitsi
import yaml
from lab.server import PASSWORD
from layers import HOME, INSTALL, SERVERS, Layer, command
from machine import within

FOLDER = "/opt/docker-jitsi-meet"
DOMAIN = "meet.jitsi"
OWNER = 1000
SCRIPTS = "/etc/s6-overlay/scripts"
TEMPLATES = Path(__file__).with_name("tpl")
# As its Dockerfile, where packages have what it fetches.
IMAGE = f"""
{INSTALL.format("lua-sec lua-basexx lua-cjson lua-inspect lua-luaossl lua-unbound openssl curl")}
cp -n /usr/share/lua/5.3/*.lua /usr/share/lua/5.4/
sed -i /idna_to_ascii/d /usr/lib/prosody/util/jid.lua
adduser --quiet --disabled-password --comment "" s6
usermod -a -G prosody s6
rm -rf /etc/prosody
mkdir -p /prosody-plugins /prosody-plugins-contrib /prosody-plugins-custom /config
systemctl disable prosody
"""
# A container: its own /run, the volumes, and an account without rights.
UNIT = """[Service]
User=1000
Group=1000
SupplementaryGroups={groups}
Environment=HOME=/tmp
EnvironmentFile={environment}
TemporaryFileSystem=/run:mode=1777
PrivateTmp=yes
NoNewPrivileges=yes
{volumes}
ExecStart={start}
"""


def checkout():
    """The checkout of docker-jitsi-meet, or None."""
    place = os.environ.get("DOCKER_JITSI_MEET")
    return Path(place) if place and (Path(place) / "docker-compose.yml").exists() else None


def missing():
    """What is not here, or None."""
    if not checkout():
        return "DOCKER_JITSI_MEET names no checkout of docker-jitsi-meet"
    if not os.environ.get("JITSI_PROSODY_PLUGINS"):
        return "JITSI_PROSODY_PLUGINS names no checkout of Jitsi's Prosody plugins"
    return None if shutil.which("go") else "go is missing: it renders the templates of docker-jitsi-meet"


def image():
    """The layer with what is installed in the image."""
    below = SERVERS["debian13"]
    return Layer(f"{below.name}-docker", below.release, IMAGE, below)


def renderer():
    """The program that stands in for the image's `tpl`."""
    program = HOME / "tpl"
    if not program.exists():
        command("go", "build", "-o", program, ".", cwd=TEMPLATES, env={**os.environ, "CGO_ENABLED": "0"})
    return program


class Compose:
    """The folder of docker-jitsi-meet on the machine; `run` is `docker compose …`, typed in it."""

    def __init__(self, machine):
        self.machine = machine
        source = checkout()
        for tree in ("base/rootfs", "prosody/rootfs"):
            shutil.copytree(source / tree, machine.path("/"), symlinks=True, dirs_exist_ok=True)
        shutil.copytree(os.environ["JITSI_PROSODY_PLUGINS"], machine.path("/prosody-plugins"), dirs_exist_ok=True)
        shutil.copy(renderer(), machine.path("/usr/bin/tpl"))
        self.path.mkdir(parents=True)
        for file in ("docker-compose.yml", "gen-passwords.sh"):
            shutil.copy(source / file, self.path)
        shutil.copy(source / "env.example", self.path / ".env")

    @property
    def path(self):
        return self.machine.path(FOLDER)

    def set(self, **variables):
        """Adds lines to `.env`, as an operator does."""
        with open(self.path / ".env", "a") as file:
            file.writelines(f"{name}={value}\n" for name, value in variables.items())

    def variables(self):
        """What `.env` says, of names that stand there twice the last."""
        lines = (line.split("=", 1) for line in (self.path / ".env").read_text().splitlines())
        found = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2 and not line[0].startswith("#")}
        return {name: re.sub("^~", "/root", value).strip("\"'") for name, value in found.items()}

    def services(self):
        """The services of all files that COMPOSE_FILE names."""
        merged = {}
        for name in self.variables().get("COMPOSE_FILE", "docker-compose.yml").split(":"):
            for service, said in yaml.safe_load((self.path / name).read_text())["services"].items():
                there = merged.setdefault(service, {"environment": [], "volumes": []})
                for key in there:
                    there[key] += said.get(key) or []
        return merged

    def _filled(self, text):
        """The text with variables of `.env` in place of `${NAME}` and `${NAME:-default}`."""
        variables = self.variables()

        def value(found):
            name, mark, default = found["name"], found["mark"], found["default"]
            if not variables.get(name) and mark == ":?":
                raise AssertionError(f"docker compose: {name}: {default}")
            return variables.get(name) or (default if mark == ":-" else "") or ""

        return re.sub(r"\$\{(?P<name>\w+)(?P<mark>:[-?])?(?P<default>[^}]*)\}", value, text)

    def run(self, words):
        """`up -d …`, which makes every container anew, `restart NAME`, or `exec NAME …`; returns what it prints."""
        if words[:2] == ["up", "-d"]:
            return self._up()
        if words[0] == "restart":
            return self.machine.run(f"systemctl restart container-{words[1]}").stdout
        if words[0] == "exec":
            return self.inside(words[1], shlex.join(words[2:]))
        raise AssertionError(f"docker compose {words}")

    def come_up(self):
        """What Docker does after a reboot: it starts the containers again, in no order that they could rely on."""
        self.machine.run("systemctl start container-vestibule container-prosody")
        health = "curl --fail --silent http://127.0.0.1:5280/health"
        within(lambda: self.machine.run(health, check=False, noted=False).returncode == 0, 60, "Prosody after a reboot")

    def _up(self):
        services = self.services()
        start = f"/bin/bash -c 'bash {SCRIPTS}/config && exec bash {SCRIPTS}/prosody'"
        self._start("prosody", services["prosody"], start)
        self.inside("prosody", f"bash {SCRIPTS}/register-setup")
        if "vestibule" in services:
            # Its image has nothing but the program.
            self.machine.run("cp --remove-destination /usr/local/bin/vestibule /vestibule")
            self._start("vestibule", services["vestibule"], "/vestibule run")
        return ""

    def _start(self, name, service, start):
        lines = []
        for entry in service["environment"]:
            variable, is_given, text = entry.partition("=")
            value = self._filled(text) if is_given else self.variables().get(variable)
            lines += [f'{variable}="{value}"'] if value is not None else []
        environment = f"/etc/container-{name}.env"
        self.machine.write(environment, "\n".join(lines) + "\n")
        volumes = []
        for entry in service["volumes"]:
            source, target, *options = self._filled(entry).split(":")
            kind = "BindReadOnlyPaths" if any("ro" in option.split(",") for option in options) else "BindPaths"
            volumes.append(f"{kind}={source}:{target}")
        groups = "prosody" if name == "prosody" else ""
        text = UNIT.format(groups=groups, environment=environment, volumes="\n".join(volumes), start=start)
        self.machine.write(f"/etc/systemd/system/container-{name}.service", text)
        self.machine.run(f"systemctl daemon-reload && systemctl restart container-{name}")

    def inside(self, name, line, check=True):
        """Runs a line in the container, with its environment and account; returns what it prints."""
        pid = self.machine.run(f"systemctl show --value -p MainPID container-{name}", noted=False).stdout.strip()
        enter = f"nsenter --target {pid} --mount --setuid {OWNER} --setgid {OWNER}"
        environment = f"set -a; . /etc/container-{name}.env; HOME=/tmp"
        return self.machine.run(f"{environment}; {enter} {line}", check=check).stdout


class DockerClients(jitsi.JitsiClients):
    """People of the containers: accounts of `meet.jitsi`, guests of `guest.meet.jitsi`."""

    CONFIG = "/run/prosody/config"

    def __init__(self, compose):
        super().__init__(compose.machine, DOMAIN, muc="muc", accounts=True)
        self.compose = compose
        self.recorder = f"recorder@hidden.{DOMAIN}"

    def prepare(self):
        """Makes the focus's password the one that its stand-in uses, and trusts the certificates of this start."""
        self.add_account("focus", f"auth.{DOMAIN}")
        files = " ".join(f"{self.CONFIG}/certs/{host}.crt" for host in (DOMAIN, f"auth.{DOMAIN}"))
        (self.home / "tls.crt").write_text(self.compose.inside("prosody", f"cat {files}"))

    def add_account(self, user, host=DOMAIN):
        """Makes the account, as the image's handbook says."""
        if (user, host) not in self.accounts:
            register = f"prosodyctl --config {self.CONFIG}/prosody.cfg.lua register {user} {host} '{PASSWORD}'"
            self.compose.inside("prosody", register)
            self.accounts.add((user, host))
