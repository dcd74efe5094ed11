"""`vestibule init` on prepared servers: what it writes loads, a second run writes nothing, and --undo leaves each byte as
it was. The servers are in tests/init; `UPDATE=1` writes their expected.txt again."""

import difflib
import grp
import hashlib
import json
import os
import pty
import re
import shutil
import socket
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from lab import Crowd, Vestibule
from lab.component import program
from lab.installed import Installed
from lab.process import HOST, ROOT, environment
from lab.server import prosodyctl
from lab.settings import SNIPPETS, assignments

PREPARED = ROOT / "tests/init"
GATE = "mod_vestibule_gate"
MODULES = "usr/local/lib/prosody/modules"
# Where the gate is, if not where Debian's Prosody looks.
PLACES = {"own-paths": "usr/share/vestibule/prosody-snippets", "jitsi": "usr/share/jitsi-meet/prosody-plugins"}
PLACES["jitsi-old"] = PLACES["jitsi"]
SERVERS = sorted(path.name for path in PREPARED.iterdir() if (path / "etc/prosody").is_dir())
CONTAINERS = sorted(path.name for path in PREPARED.iterdir() if (path / "docker-jitsi-meet").is_dir())
OPTIONS = ["--preset", "company", "--operator", "ann@example.org"]
# The line of modules that Debian's server has, before and after.
PLAIN, GATED = 'modules_enabled = { "muc_mam" }\n', 'modules_enabled = { "muc_mam", "vestibule_gate" }\n'
# There are no rooms yet.
FIRST = {"fresh": ["--service", "conference.example.org"]}
# Left to the operator, at least in part: a list that is computed, a policy file of their own although a preset is asked for.
PARTLY = {"computed", "own-policy"}
SHOWN = "(the text of the secret's file)"
ROOT_USER = os.getuid() == 0


class Machine:
    """A prepared server below a folder."""

    def __init__(self, name, root, version="0.12"):
        self.name, self.root, self.version = name, root, version
        shutil.copytree(PREPARED / name, root, symlinks=True)
        place = root / PLACES.get(name, MODULES)
        shutil.copytree(SNIPPETS / GATE, place / GATE)
        if name == "jitsi":
            for module in ("muc_lobby_rooms", "persistent_lobby"):
                (place / f"mod_{module}.lua").write_text("-- Jitsi's own\n")
        shutil.copy("/etc/group", root / "etc/group")
        # A folder without files is not in the tree.
        (root / "etc/prosody/conf.d").mkdir(exist_ok=True)
        for path in (root / "etc/prosody").rglob("*"):
            if path.is_file() and not path.is_symlink():
                path.chmod(0o640)

    def init(self, *options, check=None, stdin=subprocess.DEVNULL, binary=None):
        command = [binary or program(), "init", "--root", self.root, "--prosodyctl", prosodyctl(self.version), *options]
        done = subprocess.run(
            [str(word) for word in command], stdin=stdin, capture_output=True, text=True, timeout=60, env=environment({})
        )
        if check is not None:
            assert done.returncode == check, done.stdout + done.stderr
        return done

    def files(self):
        """Every path below the root, with its kind, mode, owner and bytes."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            found[str(path.relative_to(self.root))] = (status.st_mode, status.st_uid, status.st_gid, content)
        return found

    def read(self, path):
        return (self.root / path).read_text()

    def complaints(self):
        """What `prosodyctl check config` has to say."""
        main = self.root / "etc/prosody/prosody.cfg.lua"
        done = subprocess.run([prosodyctl(self.version), "--config", main, "check", "config"], capture_output=True, text=True, timeout=60)
        lines = (done.stdout + done.stderr).splitlines()
        return [line for line in lines if line.strip() and not line.startswith("Checking config")]


@pytest.fixture
def machine(tmp_path, prosody_version):
    return lambda name: Machine(name, tmp_path / name, prosody_version)


@pytest.mark.parametrize("name", SERVERS)
def test_a_prepared_server_is_set_up_once_and_taken_back(machine, name):
    server = machine(name)
    before = server.files()
    status = 1 if name in PARTLY else 0

    options = [*OPTIONS, *FIRST.get(name, [])]
    dry = server.init(*options, "--dry-run", check=status)
    assert server.files() == before
    text = f"$ vestibule init {' '.join(options)} --dry-run\n{dry.stderr}\n{dry.stdout}"
    compare(name, text)

    complained = server.complaints()
    server.init(*options, check=status)
    after = server.files()
    added = [line for line in server.complaints() if line not in complained]
    # The warning of an unknown option would name it.
    assert not [line for line in added if "vestibule" in line], added
    written(server, before, after)

    again = server.init(*OPTIONS, check=status)
    assert "nothing to write" in again.stderr
    assert server.files() == after

    server.init("--undo", check=0)
    assert server.files() == before


def compare(name, text):
    """The text is what the prepared server expects."""
    file = PREPARED / name / "expected.txt"
    if os.environ.get("UPDATE"):
        file.write_text(text)
    expected = file.read_text() if file.exists() else ""
    assert text == expected, "".join(difflib.unified_diff(expected.splitlines(True), text.splitlines(True)))


def written(server, before, after):
    """The new files have their modes and owners, the others keep theirs, and no link became a file."""
    prosody = [gid for name, gid in groups() if name == "prosody"] if ROOT_USER else [os.getgid()]
    for path in after.keys() - before.keys():
        mode, _, group, _ = after[path]
        if path.endswith("/vestibule.cfg.lua"):
            assert (stat.S_IMODE(mode), [group]) == (0o640, prosody), path
        elif path.endswith("component-secret"):
            assert stat.S_IMODE(mode) == 0o600
        elif "/.init" in path:
            assert stat.S_IMODE(mode) & 0o077 == 0 or path.endswith(("lock",)), path
    for path in before:
        assert after[path][:3] == before[path][:3], path
    for path in (server.root / "etc/prosody").rglob("*"):
        assert not path.name.startswith(".")
    policy = tomllib.loads(server.read("etc/vestibule/component.toml"))
    checked = subprocess.run(
        [program(), "check", server.root / "etc/vestibule/component.toml"],
        env=environment({"VESTIBULE_COMPONENT__SECRET": "only for this check, and long"}),
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert policy["service"]


def groups():
    return [(group.gr_name, group.gr_gid) for group in grp.getgrall()]


class Compose(Machine):
    """A prepared folder of docker-jitsi-meet."""

    def __init__(self, name, root):
        self.name, self.root = name, root
        shutil.copytree(PREPARED / name, root)
        (root / "docker-jitsi-meet/.env").chmod(0o600)
        self.config = root / (".jitsi-meet-cfg" if name == "docker" else "docker-jitsi-meet/config")
        if ROOT_USER:
            for path in (self.config, *self.config.rglob("*")):
                os.chown(path, 1000, 1000)

    def init(self, *options, check=None):
        command = [program(), "init", "--docker", self.root / "docker-jitsi-meet", *options]
        command += [] if "--undo" in options or "--gate" in options else ["--gate", SNIPPETS / GATE]
        env = {**environment({}), "HOME": str(self.root), "SUDO_USER": "root"}
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, env=env)
        if check is not None:
            assert done.returncode == check, done.stdout + done.stderr
        return done


@pytest.mark.skipif(not ROOT_USER, reason="the storage belongs to the account of the containers")
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_folder_of_docker_is_set_up_once_and_taken_back(tmp_path, name):
    server = Compose(name, tmp_path / name)
    before = server.files()
    dry = server.init(*OPTIONS, "--dry-run", check=0)
    assert server.files() == before
    text = f"$ vestibule init --docker docker-jitsi-meet {' '.join(OPTIONS)} --dry-run\n{dry.stderr}\n{dry.stdout}"
    count = len(list((SNIPPETS / GATE).iterdir()))
    compare(name, text.replace(str(server.root), "").replace(f"the gate, {count} files", "the gate, all files"))

    old = os.umask(0o077)
    try:
        server.init(*OPTIONS, check=0)
    finally:
        os.umask(old)
    after = server.files()
    ours = {path: it for path, it in after.items() if path not in before and ".vestibule-init" not in path}
    gate = {path.name for path in (server.config / f"prosody/prosody-plugins-custom/{GATE}").iterdir()}
    assert gate == {path.name for path in (SNIPPETS / GATE).iterdir()}
    for path, (mode, user, _, content) in ours.items():
        inside = str(server.root / path).startswith(str(server.config))
        assert user == (1000 if inside else 0), path
        # The account of the containers reads all of it.
        readable = 0o755 if content is None else 0o644
        assert stat.S_IMODE(mode) == (0o700 if path.endswith("storage/vestibule") else readable), path
    for path in before:
        assert after[path][:3] == before[path][:3], path
    names = [line.split("=")[0].removeprefix("export ") for line in server.read("docker-jitsi-meet/.env").splitlines() if "=" in line]
    assert len(names) == len(set(names))

    assert "nothing to write" in server.init(*OPTIONS, check=0).stderr
    assert server.files() == after
    server.init("--undo", check=0)
    assert server.files() == before


@pytest.mark.skipif(not ROOT_USER, reason="the storage belongs to the account of the containers")
@pytest.mark.parametrize("name", CONTAINERS)
def test_what_is_written_for_docker_makes_a_server_ready(tmp_path, start, prosody_version, name):
    server = Compose(name, tmp_path / name)
    server.init(*OPTIONS, check=0)
    env = dict(re.findall(r"^(?:export )?(\w+)=[\"']?([^\"'# \n]*)", server.read("docker-jitsi-meet/.env"), re.MULTILINE))
    domain, auth = env.get("XMPP_DOMAIN", "meet.jitsi"), env.get("XMPP_AUTH_DOMAIN", "auth.meet.jitsi")
    modules = ", ".join(f'"{module}"' for module in env["XMPP_MUC_MODULES"].split(","))
    # What the image makes of these variables, as far as a Prosody without Jitsi's modules can do it.
    main = f"""
plugin_paths = {{ "{server.config / 'prosody/prosody-plugins-custom'}" }}
component_ports = {{ }}
VirtualHost "{domain}"
	authentication = "anonymous"
VirtualHost "{auth}"
	authentication = "internal_hashed"
Include "conf.d/*.cfg.lua"
"""
    image = f'Component "{env.get("XMPP_MUC_DOMAIN", "muc.meet.jitsi")}" "muc"\n\tstorage = "memory"\n\tmodules_enabled = {{ {modules} }}\n'
    written = (server.config / "prosody/config/conf.d/vestibule.cfg.lua").read_text()
    files = {"conf.d/jitsi-meet.cfg.lua": image, "conf.d/vestibule.cfg.lua": written}
    secret = env["VESTIBULE_COMPONENT_SECRET"]
    options = {"files": files, "env": {"VESTIBULE_COMPONENT_SECRET": secret}, "secret": secret}
    prosody = start(Installed(prosody_version, domain, main, **options))
    start(Vestibule(prosody, (server.config / "vestibule/component.toml").read_text()))
    assert not [line for line in prosody.complaints() if "vestibule" in line]


def forged(folder, victim):
    """A journal of another account: a run is said to have removed the victim, so the next one would write it."""
    folder.mkdir()
    (folder / "0").write_bytes(b"forged")
    copy = {"name": "0", "sha256": hashlib.sha256(b"forged").hexdigest(), "mode": 0o4755, "owner": [0, 0]}
    pending = [{"path": str(victim), "before": copy, "after": None}]
    (folder / "changes.json").write_text(json.dumps({"files": [], "made": [], "pending": pending, "next": 1}))
    for path in (folder, *folder.iterdir()):
        os.chown(path, 1000, 1000)


@pytest.mark.skipif(not ROOT_USER, reason="only root has something to lose")
def test_a_journal_of_another_account_is_not_obeyed(tmp_path):
    server = Compose("docker", tmp_path / "docker")
    folder, victim = server.root / "docker-jitsi-meet", tmp_path / "victim"
    forged(folder / ".vestibule-init", victim)
    for options in (OPTIONS, ["--undo"]):
        assert ".vestibule-init may have been written by another account" in server.init(*options, check=2).stderr
        assert not victim.exists()
    # Where the folder is theirs, the journal is elsewhere.
    os.chown(folder, 1000, 1000)
    before = server.files()
    server.init(*OPTIONS, check=0)
    assert not victim.exists()
    assert "nothing to write" in server.init(*OPTIONS, check=0).stderr
    server.init("--undo", check=0)
    assert server.files() == before
    assert not victim.exists()


@pytest.mark.skipif(not ROOT_USER, reason="only root has something to lose")
def test_links_of_another_account_lead_nowhere(tmp_path):
    server = Compose("docker", tmp_path / "docker")
    victim = tmp_path / "victim"
    victim.write_text("whole")
    folder = server.root / "docker-jitsi-meet"
    os.chown(folder, 1000, 1000)
    journal = folder / ".vestibule-init"
    journal.mkdir()
    (journal / "lock").symlink_to(victim)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    conf = server.config / "prosody/config/conf.d"
    shutil.rmtree(conf, ignore_errors=True)
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.symlink_to(elsewhere)
    os.chown(conf.parent, 1000, 1000)
    before = server.files()
    assert "`conf.d` is a link in a folder that another account may change" in server.init(*OPTIONS, check=2).stderr
    assert server.files() == before
    assert victim.read_text() == "whole" and not list(elsewhere.iterdir())


@pytest.mark.skipif(not ROOT_USER, reason="the storage belongs to the account of the containers")
def test_a_domain_of_the_containers_that_is_none_is_named(tmp_path):
    server = Compose("docker", tmp_path / "docker")
    with (server.root / "docker-jitsi-meet/.env").open("a") as env:
        env.write("\nXMPP_AUTH_DOMAIN='a\" }; os.exit() --'\n")
    assert "XMPP_AUTH_DOMAIN in .env is no domain" in server.init(*OPTIONS, check=1).stderr


def appended(path, text):
    with path.open("a") as file:
        file.write(f"\n{text}\n")


@pytest.mark.skipif(not ROOT_USER, reason="only root has something to lose")
def test_another_account_names_no_folder_of_roots_as_config(tmp_path):
    server, etc = Compose("docker", tmp_path / "docker"), tmp_path / "etc"
    env = server.root / "docker-jitsi-meet/.env"
    appended(env, f"CONFIG={etc}")
    os.chown(env, 1000, 1000)
    (etc / "prosody").mkdir(parents=True)
    (etc / "vestibule").mkdir()
    shutil.copy(ROOT / "component.toml", etc / "vestibule")
    before = [(path, path.read_bytes() if path.is_file() else None) for path in sorted(etc.rglob("*"))]
    assert "which has none of the containers' folders" in server.init(*OPTIONS, check=1).stderr
    assert [(path, path.read_bytes() if path.is_file() else None) for path in sorted(etc.rglob("*"))] == before
    (etc / "jvb").mkdir()
    server.init(*OPTIONS, check=0)


@pytest.mark.skipif(not ROOT_USER, reason="only root has something to lose")
def test_no_file_of_root_is_copied_and_nothing_makes_it_wait(tmp_path):
    server = Compose("docker", tmp_path / "docker")
    secret, gate = tmp_path / "secret", tmp_path / "gate"
    secret.write_text("only root reads this")
    secret.chmod(0o600)
    shutil.copytree(SNIPPETS / GATE, gate)
    os.chown(gate, 1000, 1000)
    before = server.files()
    (gate / "odd.lua").symlink_to(secret)
    assert "`odd.lua` is a link in a folder that another account may change" in server.init(*OPTIONS, "--gate", gate, check=2).stderr
    (gate / "odd.lua").unlink()
    os.mkfifo(gate / "odd.lua")
    assert "it is no regular file" in server.init(*OPTIONS, "--gate", gate, check=2).stderr
    assert server.files() == before
    folder = server.root / "docker-jitsi-meet"
    os.truncate(folder / ".env", 16 << 20)
    assert "file too large" in server.init(*OPTIONS, check=2).stderr
    (folder / "docker-compose.yml").unlink()
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(folder / "docker-compose.yml")
        assert "is no folder of docker-jitsi-meet" in server.init(*OPTIONS, check=1).stderr
        # Such a folder may be the one in which another server is set up.
        command = [program(), "init", "--preset", "company", "--prosodyctl", "/none", "--dry-run"]
        subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, timeout=20, env=environment({}))
        (folder / "docker-compose.yml").unlink()


@pytest.mark.skipif(not ROOT_USER, reason="the storage belongs to the account of the containers")
def test_what_stands_in_an_env_obeys_no_terminal_and_makes_a_valid_file(tmp_path):
    server = Compose("docker", tmp_path / "docker")
    env = server.root / "docker-jitsi-meet/.env"
    own = env.read_text()
    for line in ('PUBLIC_URL=javascript://x"y', "PUBLIC_URL='https://a b'", "PUBLIC_URL=https://${OF_THE_SHELL}", 'XMPP_DOMAIN="a\\tb"'):
        appended(env, line)
        refused = server.init(*OPTIONS, check=1)
        assert f"{line.split('=')[0]} in .env" in refused.stderr, refused.stderr
        env.write_text(own)
    # As in the file that docker-jitsi-meet ships, and a value of several lines, which is none of ours.
    appended(env, 'HTTPS_PORT=8443\nPUBLIC_URL=https://meet.example.org:${HTTPS_PORT}\nOTHER="\nXMPP_DOMAIN=no.example\n"')
    odd = server.root / "odd\x1b[2J\u202e"
    server.config.rename(odd)
    appended(env, f"CONFIG={odd}")
    done = server.init(*OPTIONS, check=0)
    assert "\x1b" not in done.stdout + done.stderr and "\u202e" not in done.stdout + done.stderr
    policy = tomllib.loads((odd / "vestibule/component.toml").read_text())
    assert policy["service"][0]["link"] == "https://meet.example.org:8443/{room}"
    assert policy["component"]["domain"] == "vestibule.meet.jitsi"


# --- The servers that are really started.


def started(server, start, prosody_version):
    """Starts the server and the component with what init has written, on ports and paths of the test."""
    main = server.read("etc/prosody/prosody.cfg.lua")
    main = re.sub(r"^log = \{.*?^\}|^pidfile = .*?$|^certificates = .*?$", "", main, flags=re.MULTILINE | re.DOTALL)
    paths = f'"{SNIPPETS}"' + (f', "{os.environ["JITSI_PROSODY_PLUGINS"]}"' if server.name == "jitsi" else "")

    def here(text):
        text = re.sub(r"^plugin_paths = \{[^}]*\}", "", text, flags=re.MULTILINE)
        return re.sub(r"^( *)ssl = \{.*?^\1\}", "", text, flags=re.MULTILINE | re.DOTALL)

    files = {"conf.d/empty.cfg.lua": ""}
    for path in (server.root / "etc/prosody/conf.d").glob("*.cfg.lua"):
        files[f"conf.d/{path.name}"] = here(path.read_text())
    if (extra := server.root / "etc/prosody/vestibule.cfg.lua").exists():
        files["vestibule.cfg.lua"] = here(extra.read_text())
    plain = {"allow_unencrypted_plain_auth": True, "c2s_require_encryption": False}
    secret = server.read("etc/vestibule/component-secret").strip()
    host = "meet.example.org" if server.name == "jitsi" else "example.org"
    everything = main + "".join(files.values())
    port = "" if "component_ports" in everything else f'component_ports = {{ 5347 }}\ncomponent_interfaces = {{ "{HOST}" }}\n'
    text = assignments(plain) + port + f"plugin_paths = {{ {paths} }}\n" + here(main)
    prosody = start(Installed(prosody_version, host, text, files=files, secret=secret))
    policy = server.read("etc/vestibule/component.toml").replace("/etc/vestibule", str(server.root / "etc/vestibule"))
    component = start(Vestibule(prosody, policy))
    return prosody, component


async def test_a_guest_is_refused_and_an_account_comes_in(machine, start, prosody_version):
    server = machine("debian")
    server.init(*OPTIONS, check=0)
    with (server.root / "etc/prosody/conf.d/guests.cfg.lua").open("w") as file:
        file.write('VirtualHost "guest.example.org"\n\tauthentication = "anonymous"\n')
    prosody, component = started(server, start, prosody_version)
    assert component.run("status").returncode == 0
    room = "tea@conference.example.org"
    async with Crowd(prosody) as crowd:
        guest = await crowd.connect("guest.example.org")
        ann = await crowd.connect("ann@example.org")
        assert not (await guest.join(room, "guest")).joined
        assert (await ann.join(room, "Ann")).joined


# What the tests themselves do: a version of Prosody, modes of folders, clients without encryption.
LABORATORY = {"advisories", "state-files", "c2s-unencrypted", "plain-passwords"}
# What was so before: a component that the operator had written; on Debian's Jitsi, the bridges' service, and that it has no accounts,
# which this preset needs.
BEFORE = {
    "by-hand": ["conflict-resolve", "component-secret"],
    "twice": ["conflict-resolve"],
    "jitsi": ["internal-service-open", "nobody-opens"],
}


def found_by_the_doctor(component):
    report = json.loads(component.run("doctor", "--json").stdout)
    assert report["complete"], report["incomplete"]
    return {row["id"] for row in report["checks"] if row["state"] == "found"} - LABORATORY


@pytest.mark.parametrize("name", ["fresh", "several", "no-include", "windows", "by-hand", "twice"])
def test_what_is_written_makes_a_server_ready(machine, start, prosody_version, name):
    server = machine(name)
    server.init(*OPTIONS, *FIRST.get(name, []), check=0)
    prosody, component = started(server, start, prosody_version)
    assert component.run("status").returncode == 0
    services = tomllib.loads(server.read("etc/vestibule/component.toml"))["service"]
    said = component.run("status").stdout
    assert all(service["domain"] in said for service in services)
    assert not [line for line in prosody.complaints() if "vestibule" in line]
    assert found_by_the_doctor(component) <= set(BEFORE.get(name, ()))


@pytest.mark.skipif("JITSI_PROSODY_PLUGINS" not in os.environ, reason="JITSI_PROSODY_PLUGINS names no checkout of Jitsi's Prosody plugins")
def test_jitsis_own_configuration_is_made_ready(machine, start, prosody_version):
    server = machine("jitsi")
    server.init(*OPTIONS, check=0)
    prosody, component = started(server, start, prosody_version)
    assert component.run("status").returncode == 0
    assert "meet.example.org:persistent_lobby" in prosody.log()
    assert found_by_the_doctor(component) == set(BEFORE["jitsi"])
    assert not [line for line in prosody.complaints() if "vestibule" in line or "lobby" in line]


# --- What operators do.


def test_the_page_shows_what_happens(machine):
    page = (ROOT / "docs/init.md").read_text()
    command, shown = re.search(r"^\$ sudo vestibule init (.*)\n((?:.*\n)*?)```", page, re.MULTILINE).groups()
    done = machine("debian").init(*command.split(), check=0)
    assert done.stderr + done.stdout == shown


def test_a_server_without_rooms_gets_them_only_where_they_are_named(machine):
    server = machine("fresh")
    before = server.files()
    assert "--service conference.example.org makes one" in server.init(*OPTIONS, check=1).stderr
    for wrong in ("example.org", "ann@conference.example.org", 'conference"', "Conference.example.org"):
        assert "is no MUC service of this server" in server.init(*OPTIONS, "--service", wrong, check=1).stderr
    assert server.files() == before


def test_a_preset_that_needs_accounts_is_no_good_where_nobody_logs_in(machine):
    server = machine("jitsi")
    assert "nobody can log in on this server" in server.init("--preset", "school", "--dry-run", check=0).stderr
    assert "nobody can log in" not in server.init("--preset", "public", "--dry-run", check=0).stderr
    done = server.init("--preset", "public", "--operator", "ann@meet.example.org", "--dry-run", check=0)
    assert "nobody can log in as ann@meet.example.org" in done.stderr
    done = server.init("--preset", "public", "--operator", "ann@example.net", "--dry-run", check=0)
    assert "nobody can log in" not in done.stderr


def test_the_secret_is_nowhere_in_what_is_shown(machine):
    server = machine("debian")
    said = [server.init(*OPTIONS, "--json", check=0), server.init("--undo", "--dry-run", check=0)]
    secret = server.read("etc/vestibule/component-secret").strip()
    assert len(secret) >= 32
    assert f'component_secret = "{secret}"' in server.read("etc/prosody/conf.d/vestibule.cfg.lua")
    assert not [done for done in said if secret in done.stdout + done.stderr]
    assert SHOWN in said[0].stdout


@pytest.mark.skipif(not ROOT_USER, reason="the storage belongs to the account of the containers")
def test_no_other_secret_is_in_what_is_shown(machine, tmp_path):
    docker = Compose("docker", tmp_path / "containers")
    done = docker.init(*OPTIONS, "--dry-run", check=0)
    assert "JICOFO_AUTH_PASSWORD=…" in done.stdout and "0123456789" not in done.stdout
    server = machine("several")
    main = server.root / "etc/prosody/prosody.cfg.lua"
    header = 'Component "b.example.org" "muc"\n'
    secrets = 'sip_secret = "hush" -- \x1b[2J\n\tapp_secret = [[\nhush\n]]\n\tturn_secrets = {\n\t\t"hush";\n\t}\n'
    main.write_text(main.read_text().replace(header, f"{header}\t{secrets}"))
    for option in ("--dry-run", "--print", "--json"):
        said = server.init(*OPTIONS, option, check=0).stdout
        assert "sip_secret = …" in said, option
        assert "hush" not in said and "\x1b" not in said and "\\u001b" not in said


def test_a_secret_that_is_there_is_used(machine):
    server = machine("debian")
    secret = server.root / "etc/vestibule/component-secret"
    secret.parent.mkdir(parents=True)
    secret.write_text("made by the package\n")
    before = server.files()
    server.init(*OPTIONS, check=0)
    assert 'component_secret = "made by the package"' in server.read("etc/prosody/conf.d/vestibule.cfg.lua")
    server.init("--undo", check=0)
    assert server.files() == before


def test_two_secrets_that_differ_are_told(machine):
    server = machine("by-hand")
    secret = server.root / "etc/vestibule/component-secret"
    secret.parent.mkdir(parents=True)
    secret.write_text("another\n")
    before = server.files()
    done = server.init(*OPTIONS, check=1)
    assert "/etc/prosody/prosody.cfg.lua:9" in done.stderr
    assert server.files() == before


def test_the_shipped_file_is_replaced_and_put_back(machine):
    server = machine("debian")
    policy = server.root / "etc/vestibule/component.toml"
    policy.parent.mkdir(parents=True)
    shipped = (ROOT / "component.toml").read_text().replace('\nsecret_file = ""', '\nsecret_file = "/etc/vestibule/component-secret"')
    policy.write_text(shipped)
    server.init(*OPTIONS, check=0)
    assert "Preset" in policy.read_text()
    server.init("--undo", check=0)
    assert policy.read_text() == shipped


def test_an_operators_file_is_replaced_only_with_a_copy(machine):
    server = machine("own-policy")
    before = server.files()
    mine = server.read("etc/vestibule/component.toml")
    server.init(*OPTIONS, "--force-with-backup", check=0)
    assert server.read("etc/vestibule/component.toml.before-init") == mine
    assert "Preset" in server.read("etc/vestibule/component.toml")
    server.init("--undo", check=0)
    assert server.files() == before


def test_another_preset_replaces_what_init_wrote_but_not_what_an_operator_did(machine):
    server = machine("debian")
    before = server.files()
    policy = server.root / "etc/vestibule/component.toml"
    server.init(*OPTIONS, check=0)
    server.init("--preset", "school", check=0)
    assert 'Preset "school"' in policy.read_text()
    # Without a preset, what is there stays.
    assert "nothing to write" in server.init(check=0).stderr
    policy.write_text(policy.read_text() + "# mine\n")
    done = server.init("--preset", "board", check=1)
    assert "stays as it is" in done.stderr and "--force-with-backup" in done.stderr
    assert 'Preset "school"' in policy.read_text()
    # What was made of the file stays with the operator; Prosody's files are as they were.
    undone = server.init("--undo", check=0)
    assert "component.toml: stays" in undone.stdout
    after = server.files()
    assert {path: it for path, it in after.items() if path.startswith("etc/prosody")} == {
        path: it for path, it in before.items() if path.startswith("etc/prosody")
    }
    assert policy.read_text().endswith("# mine\n")


def test_a_later_run_keeps_what_an_earlier_one_was_told(machine):
    server = machine("debian")
    link = "https://rooms.example.org/{room}"
    server.init(*OPTIONS, "--link", link, "--component", "policy.example.org", check=0)
    wired = server.read("etc/prosody/conf.d/vestibule.cfg.lua")
    server.init("--preset", "school", check=0)

    def told():
        policy = tomllib.loads(server.read("etc/vestibule/component.toml"))
        return policy["component"]["domain"], policy["service"][0]["link"], policy["policy"]["operators"]

    assert told() == ("policy.example.org", link, ["ann@example.org"])
    assert server.read("etc/prosody/conf.d/vestibule.cfg.lua") == wired
    with (server.root / "etc/vestibule/component.toml").open("a") as policy:
        policy.write("# mine\n")
    server.init("--preset", "board", "--component", "policy.example.org", "--link", link, "--force-with-backup", check=0)
    assert told()[2] == ["ann@example.org"]
    server.init("--preset", "public", "--operator", "bea@example.org", check=0)
    assert told() == ("policy.example.org", link, ["bea@example.org"])


def test_what_is_left_to_do_restarts_nothing_that_need_not(machine, tmp_path):
    server = machine("debian")
    restart, reload = "systemctl restart prosody vestibule", "sudo vestibule reload"
    assert restart in server.init(*OPTIONS, check=0).stdout
    # The component does not run: it was not started since the run before.
    assert restart in server.init("--preset", "school", check=0).stdout
    with socket.socket(socket.AF_UNIX) as running:
        running.bind(str(tmp_path / "control.sock"))
        running.listen()
        running = ["--socket", tmp_path / "control.sock"]
        done = server.init("--preset", "board", *running, check=0)
        assert reload in done.stdout and "restart" not in done.stdout
        (server.root / "etc/prosody/conf.d/more.cfg.lua").write_text('Component "more.example.org" "muc"\n')
        assert restart in server.init("--preset", "public", *running, check=0).stdout


@pytest.mark.skipif(not ROOT_USER, reason="the storage belongs to the account of the containers")
def test_a_new_policy_for_containers_that_run_is_reloaded(tmp_path):
    docker = Compose("docker", tmp_path / "docker")
    assert "/vestibule reload" not in docker.init(*OPTIONS, check=0).stdout
    done = docker.init("--preset", "public", check=0)
    assert "docker compose exec vestibule /vestibule reload" in done.stdout and "restart" not in done.stdout
    policy = tomllib.loads((docker.config / "vestibule/component.toml").read_text())
    assert policy["policy"]["operators"] == ["ann@example.org"]


def test_a_gate_for_containers_that_is_not_there_can_be_named(tmp_path):
    docker = Compose("docker", tmp_path / "docker")
    done = docker.init(*OPTIONS, "--gate", tmp_path, check=1)
    assert "the gate is not on this machine" in done.stderr and "--gate DIR" in done.stderr


def test_a_service_that_nobody_guards_is_no_success(machine):
    server = machine("debian")
    server.init(*OPTIONS, check=0)
    with (server.root / "etc/prosody/prosody.cfg.lua").open("a") as main:
        main.write('\nComponent "other.example.org" "muc"\n')
    done = server.init(check=1)
    assert "`other.example.org` has no [[service]], so it is not guarded" in done.stderr
    assert "nothing to write, but" in done.stderr and "Everything is as it has to be" not in done.stderr
    assert json.loads(server.init("--json", check=1).stdout)["notes"]


def test_undo_takes_only_our_lines_out_of_a_file_that_changed_since(machine):
    server = machine("debian")
    main = server.root / "etc/prosody/prosody.cfg.lua"
    before = main.read_text()
    server.init(*OPTIONS, check=0)
    main.write_text("-- A line of the operator.\n" + main.read_text())
    assert "our lines taken out" in server.init("--undo", check=0).stdout
    assert main.read_text() == "-- A line of the operator.\n" + before


def test_what_an_operator_changes_between_two_runs_is_there_after_both_are_taken_back(machine):
    server = machine("debian")
    main = server.root / "etc/prosody/prosody.cfg.lua"
    before = main.read_text()
    server.init(*OPTIONS, check=0)
    # At the top, right below the gate's line, and a service that the second run guards as well.
    def edited(text):
        text = "-- Ticket 4711\n" + text.replace(GATED, GATED + "name = \"Rooms\"\n")
        return text.replace('Include "conf.d', 'Component "more.example.org" "muc"\n\nInclude "conf.d')
    main.write_text(edited(main.read_text()))
    server.init("--preset", "public", "--yes", check=0)
    assert main.read_text().count("vestibule_gate") == 2
    server.init("--undo", check=0)
    assert main.read_text() == edited(before.replace(PLAIN, GATED)).replace(GATED, PLAIN)


def test_a_policy_of_an_operator_that_a_preset_replaced_comes_back(machine):
    server = machine("debian")
    policy = server.root / "etc/vestibule/component.toml"
    server.init(*OPTIONS, check=0)
    policy.write_text(policy.read_text() + '\n[[ban]]\ndomain = "spam.example"\nreason = "spam"\n')
    mine = policy.read_text()
    server.init("--preset", "board", "--force-with-backup", check=0)
    assert "spam.example" not in policy.read_text()
    server.init("--undo", check=0)
    assert policy.read_text() == mine


def test_undo_changes_nothing_where_our_lines_were_changed(machine):
    server = machine("debian")
    server.init(*OPTIONS, check=0)
    ours = server.root / "etc/prosody/conf.d/vestibule.cfg.lua"
    ours.write_text(ours.read_text().replace("10000", "20000"))
    before = server.files()
    done = server.init("--undo", check=1)
    assert "/etc/prosody/conf.d/vestibule.cfg.lua: was changed since" in done.stdout
    assert "+muc_room_cache_size = 20000" in done.stdout
    assert "nothing was taken back" in done.stderr
    assert server.files() == before


def test_a_line_that_an_operator_adds_to_our_file_is_in_nobodys_way(machine):
    server = machine("debian")
    before = server.files()
    server.init(*OPTIONS, check=0)
    ours = server.root / "etc/prosody/conf.d/vestibule.cfg.lua"
    line = 'Component "vestibule.example.org"\n'
    ours.write_text(ours.read_text().replace(line, f"vestibule_grace = 10\n{line}"))
    assert "nothing to write" in server.init(check=0).stderr
    server.init("--preset", "school", check=0)
    assert "vestibule_grace = 10" in ours.read_text()
    done = server.init("--undo", check=1)
    assert "move it away with what was added, and run this again" in done.stdout
    ours.unlink()
    server.init("--undo", check=0)
    assert server.files() == before


def test_without_a_terminal_the_missing_option_is_named(machine):
    server = machine("debian")
    before = server.files()
    assert "--preset NAME, one of company, school" in server.init(check=1).stderr
    assert "is no account" in server.init("--preset", "company", "--operator", "example.org", check=1).stderr
    done = server.init("--preset", "company", "--service", "rooms.example.org", check=1)
    assert "There: conference.example.org" in done.stderr
    assert server.files() == before


def test_an_option_that_would_make_an_invalid_file_is_refused(machine):
    server = machine("debian")
    before = server.files()
    for options in (
        ["--component", "foo bar"],
        ["--component", "a@b"],
        ["--component", 'x" os.exit() --'],
        ["--component", ""],
        ["--link", "https://a b/{room}"],
        ["--link", "https://a\x1b[2J/{room}"],
        ["--link", "https://a.example/"],
    ):
        refused = server.init(*OPTIONS, *options)
        assert refused.returncode != 0 and "error: invalid value" in refused.stderr, (options, refused)
        assert server.files() == before
    server.init(*OPTIONS, "--component", "Vestibule.Example.ORG", check=0)
    assert tomllib.loads(server.read("etc/vestibule/component.toml"))["component"]["domain"] == "vestibule.example.org"


def test_what_stands_against_it_is_told(machine, tmp_path):
    server = machine("debian")
    main = server.root / "etc/prosody/prosody.cfg.lua"
    good = main.read_text()
    main.write_text(good + "\nthis is no Lua\n")
    assert f"prosody.cfg.lua:{good.count(chr(10)) + 2}" in server.init(*OPTIONS, check=2).stderr
    main.write_text(re.sub(r'^Component.*\n.*\n.*"muc_mam".*', "", good, flags=re.MULTILINE))
    assert "there is no MUC service to guard" in server.init(*OPTIONS, check=1).stderr
    main.write_text(good)
    shutil.rmtree(server.root / MODULES)
    assert "the gate is not on this machine" in server.init(*OPTIONS, check=1).stderr
    main.unlink()
    assert "Prosody is not installed here" in server.init(*OPTIONS, check=1).stderr
    # The component is not asked, so it is not said by which socket.
    policy = tmp_path / "component.toml"
    policy.write_text("[")
    assert server.init(*OPTIONS, "--config", policy, check=1).stderr.startswith("error: Prosody is not installed here")
    done = server.init("--undo", check=1)
    assert "has written nothing here" in done.stderr


@pytest.mark.skipif(not ROOT_USER, reason="only root may be another user")
def test_without_the_right_to_read_it_says_sudo(tmp_path, prosody_version):
    place = Path("/tmp") / f"lab-init-{os.getpid()}-{prosody_version}"
    try:
        server = Machine("debian", place / "debian", prosody_version)
        place.chmod(0o755)
        binary = shutil.copy(program(), place / "vestibule")
        (server.root / "etc/prosody/prosody.cfg.lua").chmod(0o600)
        command = [binary, "init", "--root", server.root, "--prosodyctl", prosodyctl(prosody_version), *OPTIONS]
        done = subprocess.run(["runuser", "-u", "nobody", "--", *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 2
        assert "cannot read /etc/prosody/prosody.cfg.lua: not allowed: run it with sudo" in done.stderr
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_it_asks_what_no_option_says(machine):
    server = machine("own-paths")
    (server.root / "etc/prosody/conf.d/more.cfg.lua").write_text('Component "more.example.org" "muc"\n')
    child, terminal = pty.fork()
    if child == 0:
        os.execv(program(), [str(word) for word in (program(), "init", "--root", server.root, "--prosodyctl", prosodyctl(server.version))])
    said = b""
    for expected, answer in [(b"Number or name:", "everyone"), (b"Number or name:", "2"), (b"Enter: nobody)", "ann@example.org"), (b"Enter: all)", "1"), (b"Go on?", "y")]:
        at = len(said)
        while expected not in said[at:]:
            said += os.read(terminal, 4096)
        os.write(terminal, f"{answer}\n".encode())
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        said += piece
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, said.decode()
    policy = tomllib.loads(server.read("etc/vestibule/component.toml"))
    assert policy["policy"]["operators"] == ["ann@example.org"]
    assert [service["domain"] for service in policy["service"]] == ["conference.example.org"]
    assert 'Preset "school"' in server.read("etc/vestibule/component.toml")
