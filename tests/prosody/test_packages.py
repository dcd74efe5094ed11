"""Debian's packages, the archive and what is published with them: what is in them, and what installing, upgrading,
removing and purging does to a machine."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

import pytest
import yaml
from lab import Vestibule
from lab.component import program
from lab.installed import Installed
from lab.overlay import Overlay
from lab.process import ROOT
from lab.settings import SNIPPETS

MANIFEST = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
NAMES = ("vestibule", "vestibule-prosody-module")
GATE = "/usr/lib/prosody/modules/mod_vestibule_gate"
SECRET = "/etc/vestibule/component-secret"
UNIT = "vestibule.service"

installs = pytest.mark.skipif(not Overlay.is_possible(), reason="only root may mount a root to install into")


def build(place, built, revision="1"):
    """The two packages of a program that is built, by name."""
    env = {"PATH": os.environ["PATH"], "HOME": "/", "PROGRAM": str(built), "CARGO_TARGET_DIR": str(place)}
    done = subprocess.run(
        [ROOT / "scripts/deb.sh"], env={**env, "DEB_COMPRESSION": "none", "DEB_REVISION": revision}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(NAMES, done.stdout.splitlines(), strict=True))


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The packages with the program under test."""
    return build(tmp_path_factory.mktemp("deb"), program())


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    """A small program that starts the one under test, from anywhere on this machine."""
    path = tmp_path_factory.mktemp("link") / "vestibule"
    path.write_text(f'#!/bin/sh\nexec {program().resolve()} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory, link):
    """The packages, quick to install."""
    return build(tmp_path_factory.mktemp("small"), link)


@pytest.fixture(scope="module")
def later(tmp_path_factory, link):
    """Those of the next revision."""
    return build(tmp_path_factory.mktemp("later"), link, "2")


@pytest.fixture(scope="module")
def unpacked(packages, tmp_path_factory):
    """A folder with the files of both packages."""
    root = tmp_path_factory.mktemp("unpacked")
    for file in packages.values():
        subprocess.run(["dpkg-deb", "--extract", file, root], check=True)
    return root


@pytest.fixture
def machine():
    """This machine, to install things on: in memory, since dpkg waits for the disk at each step."""
    with tempfile.TemporaryDirectory(prefix="lab-machine-", dir="/dev/shm") as place:
        yield Overlay(Path(place))


def fields(file):
    text = subprocess.run(["dpkg-deb", "--field", file], check=True, capture_output=True, text=True).stdout
    return dict(re.findall(r"^(\S+): (.*)$", text, re.MULTILINE))


def test_the_fields_are_those_of_the_manifest(packages):
    for name, file in packages.items():
        found = fields(file)
        assert (found["Package"], found["Version"]) == (name, MANIFEST["version"] + "-1")
        assert (found["Maintainer"], found["Homepage"]) == (MANIFEST["authors"][0], MANIFEST["homepage"])
        assert "@" not in found["Depends"]
    main, module = (fields(packages[name]) for name in NAMES)
    machine = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True).stdout.strip()
    assert (main["Architecture"], module["Architecture"]) == (machine, "all")
    assert re.search(r"libc6 \(>= 2\.\d+\).*, adduser$", main["Depends"])
    # Prosody of Debian 12, of Debian 13 and backports, and of Prosody's own repository.
    assert module["Depends"] == "prosody (>= 0.12) | prosody-0.12 | prosody-13.0 | prosody-trunk"


def test_everything_has_its_place(unpacked):
    there = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    gate = {f"usr/lib/prosody/modules/{path.relative_to(SNIPPETS)}" for path in SNIPPETS.glob("mod_vestibule_*/*.lua")}
    assert len(gate) > 30
    assert gate <= there
    assert {
        "usr/bin/vestibule",
        "usr/lib/systemd/system/vestibule.service",
        "usr/lib/systemd/system/vestibule-secret.service",
        "usr/share/vestibule/component.toml",
        "usr/share/vestibule/component.schema.json",
        "usr/share/vestibule/make-secret.sh",
        "usr/share/man/man1/vestibule.1.gz",
        "usr/share/bash-completion/completions/vestibule",
        "usr/share/zsh/vendor-completions/_vestibule",
        "usr/share/fish/vendor_completions.d/vestibule.fish",
        "usr/share/doc/vestibule/copyright",
        "usr/share/doc/vestibule/changelog.gz",
        "usr/share/doc/vestibule/changelog.Debian.gz",
        "usr/share/doc/vestibule-prosody-module/copyright",
    } <= there
    assert {path.split("/")[0] for path in there} == {"usr"}, "a package fills /etc when it is installed"
    for unit in (unpacked / "usr/lib/systemd/system").iterdir():
        for command in re.findall(r"^Exec\w+=(\S+)", unit.read_text(), re.MULTILINE):
            assert os.access(unpacked / command.lstrip("/"), os.X_OK), command


def test_every_command_has_a_man_page_and_is_completed(unpacked):
    described = subprocess.run([program(), "--help"], capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"^  ([a-z-]+)  ", described.split("Commands:")[1].split("Options:")[0], re.MULTILINE)) - {"help"}
    assert len(commands) > 30
    pages = {path.name for path in (unpacked / "usr/share/man/man1").iterdir()}
    expected = {"vestibule.1.gz"} | {f"vestibule-{command}.1.gz" for command in commands}
    assert expected <= pages
    # The others are of commands within commands.
    assert all(re.match(r"vestibule-(\w+)-", page)[1] in commands for page in pages - expected)
    for shell in ("bash-completion/completions/vestibule", "zsh/vendor-completions/_vestibule", "fish/vendor_completions.d/vestibule.fish"):
        text = (unpacked / "usr/share" / shell).read_text()
        assert [command for command in commands if command not in text] == []


def test_the_links_of_the_documents_and_what_commands_name_are_there(unpacked):
    doc = unpacked / "usr/share/doc/vestibule"
    lost = []
    for page in doc.rglob("docs/**/*.md"):
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / link).exists() and not link.endswith(("CONTRIBUTING.md", "CHANGELOG.md")):
                lost.append(f"{page.name}: {link}")
    assert lost == []
    named = set()
    for source in (ROOT / "src").rglob("*.rs"):
        words = (line for line in source.read_text().splitlines() if not line.lstrip().startswith("//"))
        named |= set(re.findall(r"(?<!\.\./)\bdocs/[\w.-]+\.(?:md|json|toml)\b", "\n".join(words)))
    assert {"docs/jitsi.md", "docs/troubleshooting.md"} <= named
    assert [name for name in sorted(named) if not (doc / name).is_file()] == []
    said = subprocess.run([program(), "--help"], capture_output=True, text=True, check=True).stdout
    assert "/usr/share/doc/vestibule" in said


def test_the_same_sources_make_the_same_bytes(small, link, tmp_path):
    again = build(tmp_path, link)
    for name in NAMES:
        assert Path(small[name]).read_bytes() == Path(again[name]).read_bytes(), name


@pytest.mark.skipif(not shutil.which("lintian"), reason="lintian is not installed")
def test_lintian_has_no_complaint(small):
    # The test packs without compression, which is quick.
    unpressed = "uses-no-compression-for-data-tarball,uses-no-compression-for-control-tarball"
    found = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", unpressed, *small.values()], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout


# Without the index of all man pages.
DPKG = ("dpkg", "--no-triggers", "--install")
REMOVE = ("dpkg", "--no-triggers", "--remove")


def install(machine, small):
    return machine.run(*DPKG, *(small[name] for name in NAMES))


def changed(machine):
    """The files that differ from the machine's own, but for those of dpkg and other programs' notes."""
    upper = machine.place / "upper"
    files = (path for path in upper.rglob("*") if not path.is_dir())
    notes = r"(var/lib/dpkg|var/log|var/cache|tmp|run|dev|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|etc/.pwd.lock)"
    return sorted(f"/{path}" for path in (str(file.relative_to(upper)) for file in files) if not re.match(notes, path))


@installs
def test_installing_makes_account_and_secret_and_purging_leaves_nothing(machine, small):
    accounts = [machine.read(f"/etc/{name}") for name in ("passwd", "group")]
    install(machine, small)
    assert machine.shell("id -gn vestibule; getent passwd vestibule | cut -d: -f6,7") == "vestibule\n/nonexistent:/usr/sbin/nologin\n"
    assert machine.shell(f"stat -c '%U %a' {SECRET} /etc/vestibule") == "root 600\nroot 755\n"
    assert machine.run("systemd-analyze", "verify", "--man=no", UNIT, "vestibule-secret.service").stderr == ""
    secret = machine.read(SECRET)
    assert len(secret) >= 32
    assert machine.shell("readlink /etc/systemd/system/multi-user.target.wants/vestibule.service").endswith(f"system/{UNIT}\n")
    assert machine.shell("man --where vestibule-status || true; vestibule --version").endswith(f"vestibule {MANIFEST['version']}\n")

    machine.write("/etc/vestibule/component.toml", "version = 2 # mine\n")
    machine.write("/var/lib/private/vestibule/audit.db", "")
    machine.shell("ln -s private/vestibule /var/lib/vestibule")
    install(machine, small)
    assert (machine.read(SECRET), machine.read("/etc/vestibule/component.toml")) == (secret, "version = 2 # mine\n")

    # What init has noted of a folder of docker-jitsi-meet that is not root's: the containers go on without the package.
    journal = "/var/lib/vestibule-init/0123/changes.json"
    machine.write(journal, json.dumps({"files": [{"path": "/srv/jitsi meet/.env"}]}, indent=2))
    removed = machine.run(*REMOVE, *NAMES)
    assert "what init wrote into /srv/jitsi meet stays" in removed.stderr
    assert "/srv/jitsi meet" in machine.read(journal)
    assert (machine.read(SECRET), machine.read("/etc/vestibule/component.toml")) == (secret, "version = 2 # mine\n")
    assert machine.read("/var/lib/vestibule/audit.db") == ""
    assert machine.shell("test ! -e /usr/bin/vestibule; id -un vestibule") == "vestibule\n"

    purged = machine.run("dpkg", "--no-triggers", "--purge", *NAMES)
    assert "nothing can take back any more what init wrote into /srv/jitsi meet" in purged.stderr
    assert [machine.read(f"/etc/{name}") for name in ("passwd", "group")] == accounts
    left = [path for path in changed(machine) if machine.run("test", "-e", path, check=False).returncode == 0]
    assert left == []


# A machine with systemd: it notes what is asked of it. A unit is active if its name is in a file.
SYSTEMCTL = """#!/bin/sh
case "$*" in
*is-enabled*) echo enabled;;
*is-active*) for unit; do :; done; grep -qx "$unit" /active;;
*) echo "$*" >>/asked;;
esac
"""


def with_systemd(machine, *active):
    machine.write("/usr/bin/systemctl", SYSTEMCTL, 0o755)
    machine.write("/active", "".join(f"{unit}\n" for unit in active))
    machine.write("/run/systemd/system/.here", "")
    # Of the machine's own: no service may start.
    machine.shell("rm -f /usr/sbin/policy-rc.d")


def asked(machine):
    """What was asked of systemd since the last time, but for reading the units again."""
    text = machine.read("/asked") or ""
    machine.shell("rm -f /asked")
    lines = [re.sub(r"--\w+ ", "", line) for line in text.splitlines()]
    return [line for line in lines if re.match(r"(start|stop|restart) ", line)]


MODULES = r"^CFG_PLUGINDIR='(.*)'"
POLICY = 'version = 2\n[component]\ndomain = "vestibule.localhost"\n[[service]]\ndomain = "conference.localhost"\n'


@installs
def test_an_upgrade_restarts_what_runs_and_only_if_prosody_can_speak_with_it(machine, small, later):
    with_systemd(machine)
    install(machine, small)
    assert asked(machine) == [f"start {UNIT}"]
    install(machine, later)
    assert asked(machine) == []

    with_systemd(machine, UNIT)
    machine.write("/etc/vestibule/component.toml", "nonsense")
    done = machine.run(*DPKG, small["vestibule"])
    assert asked(machine) == []
    assert "vestibule check" in done.stderr
    machine.write("/etc/vestibule/component.toml", POLICY)
    install(machine, later)
    assert asked(machine) == [f"restart {UNIT}"]

    machine.shell("echo older >/usr/share/vestibule/protocol")
    done = machine.run(*DPKG, small["vestibule"])
    assert asked(machine) == []
    assert "systemctl restart prosody vestibule" in done.stderr
    machine.run(*DPKG, later["vestibule"])
    assert asked(machine) == [f"restart {UNIT}"]
    assert machine.shell("ls /usr/share/vestibule").split().count("protocol.before") == 0

    machine.run(*REMOVE, *NAMES)
    assert asked(machine) == [f"stop {UNIT}"]


@installs
def test_what_an_installation_from_the_sources_has_left_is_named(machine, small, link):
    machine.run("env", f"PROGRAM={link}", ROOT / "scripts/deploy.sh")
    done = install(machine, small)
    named = re.findall(r": (/\S+) is used instead of this package's", done.stderr)
    assert named == [
        "/usr/local/bin/vestibule",
        "/etc/systemd/system/vestibule.service",
        "/usr/local/lib/prosody/modules/mod_vestibule_gate",
    ]
    again = machine.run("env", f"PROGRAM={link}", ROOT / "scripts/deploy.sh", check=False)
    assert again.returncode == 1
    assert "Debian's package is installed" in again.stderr
    machine.write("/etc/prosody/conf.d/meet.cfg.lua", '\tvestibule_gate_or_so = true\n')
    refused = machine.run("env", "UNINSTALL=1", ROOT / "scripts/deploy.sh", check=False)
    assert "First: vestibule init --undo" in refused.stderr
    machine.write("/etc/prosody/conf.d/meet.cfg.lua", "-- vestibule_gate\n")
    machine.run("env", "UNINSTALL=1", ROOT / "scripts/deploy.sh")
    assert install(machine, small).stderr == ""


@installs
def test_removing_says_which_lines_of_prosody_are_left(machine, small):
    install(machine, small)
    machine.write("/etc/prosody/conf.d/meet.cfg.lua", 'Component "meet" "muc"\n\tmodules_enabled = { "vestibule_gate" }\n')
    done = machine.run(*REMOVE, *NAMES, check=False)
    assert done.returncode != 0
    assert done.stderr.count("/etc/prosody still names vestibule_gate") == 2
    assert "everybody is refused" in done.stderr
    # Without the component, the gate refuses everybody; without the gate, rooms would have no policy.
    assert "this package stays until then" in done.stderr
    machine.shell(f"test -e {GATE}/mod_vestibule_gate.lua")
    machine.write("/etc/prosody/conf.d/meet.cfg.lua", '-- modules_enabled = { "vestibule_gate" }\n')
    install(machine, small)
    assert "vestibule_gate" not in machine.run(*REMOVE, *NAMES).stderr


MUC = '\nComponent "conference.localhost" "muc"\n'


@installs
@pytest.mark.skipif(not Path("/etc/prosody/prosody.cfg.lua").exists(), reason="no configuration of Debian's package is here")
def test_removing_gives_prosody_its_configuration_back_and_keeps_the_policy(machine, small):
    with_systemd(machine, UNIT, "prosody.service")
    install(machine, small)
    asked(machine)
    every = "cd /etc/prosody && find . -printf '%p %m %U %G %l\n' -type f -exec sha256sum {} + | sort"
    machine.shell(f"printf '%s' '{MUC}' >>/etc/prosody/prosody.cfg.lua")
    before = machine.shell(every)
    machine.run("vestibule", "init", "--preset", "company", "--operator", "ann@localhost", "--yes")
    assert machine.shell(every) != before
    policy = machine.read("/etc/vestibule/component.toml")
    done = machine.run(*REMOVE, *NAMES)
    assert machine.shell(every) == before
    assert machine.read("/etc/vestibule/component.toml") == policy
    assert asked(machine) == ["restart prosody.service", f"stop {UNIT}"]
    assert "Prosody is restarted, with its configuration from before Vestibule" in done.stderr

    # A policy that was changed since is kept, too, and so is the gate's package alone no reason to leave Prosody broken.
    install(machine, small)
    machine.run("vestibule", "init", "--yes")
    machine.write("/etc/vestibule/component.toml", policy + "# mine\n")
    machine.run(*REMOVE, "vestibule-prosody-module")
    assert machine.shell(every) == before
    assert machine.read("/etc/vestibule/component.toml") == policy + "# mine\n"
    machine.run("dpkg", "--no-triggers", "--purge", "vestibule")
    assert machine.shell(every) == before
    assert machine.run("test", "-e", "/etc/vestibule", check=False).returncode == 1


# Prosody's own folder of modules, with the package's in addition.
PACKAGED = 'mount -t overlay overlay -o lowerdir="$0:$1" "$1"; shift; exec "$@"'


class Packaged(Installed):
    """Prosody with a configuration of its own, and the package's files in its folder of modules."""

    def __init__(self, *arguments, packaged, **options):
        super().__init__(*arguments, **options)
        own = {"0.12": Path("/usr/bin/prosody"), "13": ROOT / "target/prosody13/usr/bin/prosody"}[self.version]
        self.folders = [packaged, re.search(MODULES, own.read_text(), re.MULTILINE)[1]]

    def spawn(self, command, env):
        super().spawn(["unshare", "--mount", "--propagation", "private", "sh", "-ec", PACKAGED, *self.folders, *command], env)


@installs
def test_prosody_finds_the_gate_also_where_jitsi_has_replaced_its_paths(prosody_version, start, unpacked):
    lines = (SNIPPETS / "prosody.cfg.lua").read_text()
    text = 'component_ports = { 5347 }\nplugin_paths = { "/usr/share/jitsi-meet/prosody-plugins/" }\nVirtualHost "localhost"\n' + lines
    gate = unpacked / "usr/lib/prosody/modules"
    server = start(Packaged(prosody_version, "localhost", text, packaged=gate, secret="replace with a long random secret"))
    start(Vestibule(server))
    assert not [line for line in server.complaints() if "vestibule" in line]


@pytest.fixture(scope="module")
def archive(tmp_path_factory, link):
    """The archive for machines without Rust, unpacked."""
    place = tmp_path_factory.mktemp("archive")
    env = {"PATH": os.environ["PATH"], "HOME": "/", "PROGRAM": str(link), "CARGO_TARGET_DIR": str(place), "HOST": "here"}
    for _ in range(2):
        made = subprocess.run([ROOT / "scripts/archive.sh"], env=env, check=True, capture_output=True, text=True).stdout.strip()
        data = Path(made).read_bytes()
    assert Path(made).read_bytes() == data, "the same sources, another archive"
    subprocess.run(["tar", "--extract", "--file", made, "--directory", place], check=True)
    return place / f"vestibule-{MANIFEST['version']}-here"


def files(root):
    """Every file and link below a folder, with what is in it."""
    found = [path for path in root.rglob("*") if path.is_symlink() or path.is_file()]
    return {str(path.relative_to(root)): str(path.readlink()) if path.is_symlink() else path.read_bytes() for path in found}


def test_the_archive_installs_what_a_checkout_installs(archive, link, tmp_path):
    subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=archive, check=True)
    listed = {line.split("  ")[1] for line in (archive / "SHA256SUMS").read_text().splitlines()}
    assert listed == set(files(archive)) - {"SHA256SUMS"}
    # Neither cargo nor make is called.
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "CARGO": "/nonexistent"}
    roots = tmp_path / "archive", tmp_path / "checkout"
    subprocess.run([archive / "install.sh"], env={**env, "DESTDIR": str(roots[0])}, check=True, capture_output=True)
    subprocess.run([ROOT / "scripts/deploy.sh"], env={**env, "DESTDIR": str(roots[1]), "PROGRAM": str(link)}, check=True, capture_output=True)
    theirs, ours = files(roots[0]), files(roots[1])
    assert theirs == ours
    assert len(ours) > 100


def test_the_bill_of_materials_names_what_is_linked(tmp_path):
    cargo = shutil.which("cargo") or str(Path.home() / ".cargo/bin/cargo")
    env = {**os.environ, "CARGO": cargo, "SOURCE_DATE_EPOCH": "1700000000", "CARGO_NET_OFFLINE": "true"}
    bills = []
    for name in ("one", "two"):
        subprocess.run(["/usr/bin/python3", ROOT / "scripts/sbom.py", tmp_path / name], env=env, check=True, capture_output=True)
        bills.append((tmp_path / name).read_text())
    assert bills[0] == bills[1]
    bill = json.loads(bills[0])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert re.fullmatch("urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    parts = {part["name"]: part for part in bill["components"]}
    direct = set(tomllib.loads((ROOT / "Cargo.toml").read_text())["dependencies"])
    assert direct <= set(parts)
    assert not {"proptest", "criterion", "windows-sys", "vestibule"} & set(parts)
    for part in bill["components"]:
        assert part["purl"] == part["bom-ref"] == f"pkg:cargo/{part['name']}@{part['version']}"
        assert re.fullmatch("[0-9a-f]{64}", part["hashes"][0]["content"])
        assert part["licenses"][0]["expression"]
    known = {part["bom-ref"] for part in [*bill["components"], bill["metadata"]["component"]]}
    assert {each["ref"] for each in bill["dependencies"]} == known
    assert {ref for each in bill["dependencies"] for ref in each["dependsOn"]} <= known


def test_the_checksums_are_those_of_what_is_published(small, tmp_path):
    (tmp_path / "debian").mkdir()
    for file in small.values():
        shutil.copy(file, tmp_path / "debian")
    (tmp_path / "vestibule-0.cdx.json").write_text("{}")
    subprocess.run(["make", "-C", ROOT, "checksums"], env={**os.environ, "CARGO_TARGET_DIR": str(tmp_path)}, check=True, capture_output=True)
    for file in (tmp_path / "debian").iterdir():
        file.rename(tmp_path / file.name)
    listed = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert listed.count(": OK") == 3


@pytest.fixture(scope="module")
def rocks(tmp_path_factory):
    """A tree with both rocks, as LuaRocks makes it of the rockspecs; by LuaRocks itself where it is installed."""
    place = tmp_path_factory.mktemp("rocks")
    env = {**os.environ, "CARGO_TARGET_DIR": str(place)}
    made = subprocess.run([ROOT / "scripts/rocks.sh"], env=env, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    tree = place / "tree/share/lua/5.4"
    for spec in sorted((place / "rocks").glob("*.rockspec")):
        text = spec.read_text()
        assert f'tag = "v{MANIFEST["version"]}"' in text
        assert f'url = "git+{MANIFEST["repository"]}"' in text
        for name, file in re.findall(r'\["([\w.]+)"\] = "(\S+)"', text):
            target = tree / f"{name.replace('.', '/')}.lua"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, target)
    for rock in (place / "rocks").glob("*.rock"):
        subprocess.run(["luarocks", "--lua-version=5.4", f"--tree={place}/theirs", "install", rock], check=True, capture_output=True)
        name = rock.name.split("-")[0]
        assert files(place / "theirs/share/lua/5.4" / name) == files(tree / name)
    return place / "tree"


def test_prosody_loads_the_gate_of_a_rock(prosody_version, start, rocks):
    there = {path.name for path in (rocks / "share/lua/5.4/mod_vestibule_gate").iterdir()}
    assert there == {path.name.replace(".lib.lua", ".lua") for path in (SNIPPETS / "mod_vestibule_gate").iterdir()}
    lines = (SNIPPETS / "prosody.cfg.lua").read_text()
    text = f'component_ports = {{ 5347 }}\ninstaller_plugin_path = "{rocks}"\nVirtualHost "localhost"\n' + lines
    server = start(Installed(prosody_version, "localhost", text, secret="replace with a long random secret"))
    start(Vestibule(server))
    assert not [line for line in server.complaints() if "vestibule" in line]


HELM = ROOT / "packaging/helm"


def test_the_values_for_helm_name_what_its_steps_make():
    steps = (HELM / "README.md").read_text()
    prosody = yaml.safe_load((HELM / "values-example.yaml").read_text())["prosody"]
    claim = yaml.safe_load((HELM / "state.yaml").read_text())
    made = {f"{kind}/{name}" for kind, name in re.findall(r"kubectl create (configmap|secret generic) ([a-z-]+)", steps)}
    sidecar = prosody["extraInitContainers"][0]
    secrets = [each["valueFrom"]["secretKeyRef"] for each in [*prosody["extraSecrets"], *sidecar["env"]]]
    volumes = {volume["name"]: volume for volume in prosody["extraVolumes"]}
    used = {f"configmap/{volume['configMap']['name']}" for volume in volumes.values() if "configMap" in volume}
    assert used | {f"secret generic/{secret['name']}" for secret in secrets} == made
    assert {secret["key"] for secret in secrets} == {re.search(r"--from-literal=([\w-]+)=", steps)[1]}
    assert volumes["vestibule-state"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    mounts = {mount["name"]: mount["mountPath"] for mount in [*prosody["extraVolumeMounts"], *sidecar["volumeMounts"]]}
    assert set(mounts) == set(volumes)
    assert mounts["vestibule-gate"].endswith("/mod_vestibule_gate")
    assert mounts["vestibule-policy"] == "/etc/vestibule"

    for file in re.findall(r"--from-file=(\S+)|-f (packaging/\S+)", steps):
        assert (ROOT / "".join(file)).exists(), file
    # A ConfigMap holds less than 1 MiB.
    assert sum(path.stat().st_size for path in (SNIPPETS / "mod_vestibule_gate").iterdir()) < 900_000
    docker = SNIPPETS / "docker-jitsi-meet"
    assert prosody["extraFiles"][0]["content"] == (docker / "vestibule.cfg.lua").read_text()
    env = dict(line.split("=", 1) for line in (docker / "vestibule.env").read_text().splitlines() if re.match(r"\w+=", line))
    assert {name: prosody["extraEnvs"][name] for name in ("XMPP_MUC_MODULES", "XMPP_MODULES")} == {
        name: env[name] for name in ("XMPP_MUC_MODULES", "XMPP_MODULES")
    }
    assert sidecar["image"].endswith(f":{MANIFEST['version']}")
    checked = subprocess.run([program(), "check", docker / "component.toml"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_release_runs_what_there_is_and_pins_what_others_wrote():
    text = (ROOT / ".github/workflows/release.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    writes = {(name, what) for name, job in workflow["jobs"].items() for what, level in job["permissions"].items() if level == "write"}
    assert writes == {("image", "packages"), ("publish", "packages"), ("publish", "contents")}
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each)] == []
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert called == {"static", "deb", "rocks", "sbom", "checksums"}
    assert called <= targets
    assert str(SNIPPETS.relative_to(ROOT) / "docker-jitsi-meet/Dockerfile") in text


def test_version_repository_and_rust_are_the_same_everywhere():
    rust, version, repository = MANIFEST["rust-version"], MANIFEST["version"], MANIFEST["repository"]
    assert MANIFEST["homepage"] == repository
    said = {}
    for name in ("README.md", "CONTRIBUTING.md", "RELEASING.md", "docs/install.md", "SECURITY.md"):
        text = (ROOT / name).read_text()
        said[name] = re.findall(r"Rust\S* (\d+\.\d+)", text)
        assert set(said[name]) <= {rust}, name
        hosts = set(re.findall(r"github\.com/([\w-]+/vestibule)\b", text))
        assert hosts <= {repository.removeprefix("https://github.com/")}, name
    assert said["README.md"] or said["docs/install.md"]
    assert f"rust:{rust}-" in (SNIPPETS / "docker-jitsi-meet/Dockerfile").read_text()
    assert repository in (ROOT / "packaging/debian/copyright").read_text()
    gate = (SNIPPETS / "mod_vestibule_gate/mod_vestibule_gate.lua").read_text()
    assert f'local VERSION, SERVER = "{version}"' in gate
