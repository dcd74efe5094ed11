"""What is installed works where it lands: the program's file, the gate's place, the units, and no secret in a package."""

import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from lab import Vestibule
from lab.component import program
from lab.installed import Installed
from lab.process import ROOT
from lab.settings import SNIPPETS

DEPLOY = ROOT / "scripts/deploy.sh"
UNITS = "etc/systemd/system"
MODULES = "usr/local/lib/prosody/modules"
DEBIAN = Path("/etc/prosody/prosody.cfg.lua")
SECRET = "replace with a long random secret"


def deploy(root, check=True, **variables):
    """Runs the script as `make install DESTDIR=…` does."""
    env = {"PATH": os.environ["PATH"], "HOME": "/", "DESTDIR": str(root), "PROGRAM": str(program()), **variables}
    done = subprocess.run([DEPLOY], env=env, text=True, capture_output=True, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture
def root(tmp_path):
    """A staging root with everything installed."""
    deploy(tmp_path / "root")
    return tmp_path / "root"


def installed(root):
    """Every file and link below it."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or path.is_file())


def test_everything_lands_in_its_place_and_is_taken_away_again(root):
    share, doc = "usr/local/share/vestibule", "usr/local/share/doc/vestibule"
    gate = {f"{share}/prosody-snippets/{path.relative_to(SNIPPETS)}" for path in SNIPPETS.glob("mod_vestibule_*/*.lua")}
    assert len(gate) > 10
    snippets = {f"{share}/prosody-snippets/{path.name}" for path in SNIPPETS.glob("*.cfg.lua")}
    units = {f"{UNITS}/{path.name}" for path in (ROOT / "contrib").glob("*.service")}
    links = {f"{MODULES}/mod_vestibule_gate", f"{MODULES}/mod_vestibule_visitors", f"{doc}/prosody-snippets"}
    shared = {f"{share}/{name}" for name in ("make-secret.sh", "component.schema.json", "component.toml")}
    needed = {"usr/local/bin/vestibule", "etc/vestibule/component.toml", *gate, *snippets, *units, *links, *shared}
    there = set(installed(root))
    assert needed <= there
    described = r"usr/local/share/(man/man1/vestibule(-[a-z-]+)?\.1\.gz|(bash|zsh|fish)\S*/_?vestibule(\.fish)?)"
    shown = rf"{doc}/|{share}/prosody-snippets/docker-jitsi-meet/"
    assert [path for path in sorted(there - needed) if not re.match(rf"{described}$|{shown}", path)] == []
    assert sum(bool(re.match(described, path)) for path in there) > 30
    assert f"{doc}/docs/troubleshooting.md" in there
    assert (root / MODULES / "mod_vestibule_gate/mod_vestibule_gate.lua").is_file()

    deploy(root, UNINSTALL="1")
    assert installed(root) == ["etc/vestibule/component.toml"]


def test_the_file_names_the_schema_that_is_installed(root):
    text = (root / "etc/vestibule/component.toml").read_text()
    schema = re.search(r"^#:schema (.*)$", text, re.MULTILINE).group(1)
    assert json.loads((root / schema.lstrip("/")).read_text())["properties"]["policy"]


def test_what_the_units_name_is_installed(root):
    commands = []
    for unit in (root / UNITS).glob("*.service"):
        commands += re.findall(r"^Exec\w+=(\S+)", unit.read_text(), re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert os.access(root / command.lstrip("/"), os.X_OK), command


def test_another_prefix_is_named_everywhere(tmp_path):
    deploy(tmp_path, PREFIX="/opt/meet")
    assert "/usr/local/bin" not in "".join(path.read_text() for path in (tmp_path / UNITS).iterdir())
    test_what_the_units_name_is_installed(tmp_path)
    assert (tmp_path / MODULES / "mod_vestibule_gate/facts.lib.lua").is_file()


def test_a_package_holds_no_secret_and_the_first_start_makes_one(root):
    etc = root / "etc/vestibule"
    assert [path.name for path in etc.iterdir()] == ["component.toml"]
    unit = (root / UNITS / "vestibule-secret.service").read_text()
    (path,) = re.findall(r"^ConditionPathExists=!(.*)", unit, re.MULTILINE)
    assert path == "/etc/vestibule/component-secret"
    (script, argument) = re.findall(r"^ExecStart=(.*)", unit, re.MULTILINE)[0].split()
    assert argument == path
    # What the unit runs, twice, on two machines with the same package.
    secrets = []
    for machine in ("one", "other"):
        copy = root.parent / machine
        shutil.copytree(root, copy, symlinks=True)
        secret = copy / path.lstrip("/")
        for _ in range(2):
            subprocess.run([copy / script.lstrip("/"), secret], check=True, capture_output=True)
            secrets.append(secret.read_text())
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert len(secret.read_text()) >= 32
        assert sorted(path.name for path in secret.parent.iterdir()) == ["component-secret", "component.toml"]
    assert secrets[0] == secrets[1] != secrets[2] == secrets[3]


def test_the_unit_needs_the_secret_before_it_starts(root):
    unit = (root / UNITS / "vestibule.service").read_text()
    for key in ("After", "Wants"):
        assert "vestibule-secret.service" in re.findall(rf"^{key}=(.*)", unit, re.MULTILINE)[0].split()


def test_the_installed_policy_is_valid_and_is_never_overwritten(root):
    policy = root / "etc/vestibule/component.toml"
    text = policy.read_text()
    policy.write_text(text.replace("/etc/vestibule/component-secret", ""))
    checked = subprocess.run([root / "usr/local/bin/vestibule", "check", policy], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    policy.write_text("version = 2 # mine\n")
    deploy(root)
    assert policy.read_text() == "version = 2 # mine\n"


def test_beside_jitsi_the_gate_is_among_its_modules(tmp_path):
    jitsi = tmp_path / "usr/share/jitsi-meet/prosody-plugins"
    jitsi.mkdir(parents=True)
    deploy(tmp_path)
    assert (jitsi / "mod_vestibule_gate/mod_vestibule_gate.lua").is_file()


def test_an_old_copy_of_the_gate_is_not_left_in_the_way(tmp_path):
    (tmp_path / MODULES / "mod_vestibule_gate").mkdir(parents=True)
    done = deploy(tmp_path, check=False)
    assert done.returncode == 1
    assert "remove it" in done.stderr


# What stands in for cargo: it says who it is, and hands over the program under test.
CARGO = """#!/bin/sh
id -un >"$CARGO_TARGET_DIR/builder"
mkdir -p "$CARGO_TARGET_DIR/release" && cp "$BUILT" "$CARGO_TARGET_DIR/release/vestibule"
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root may be another user")
@pytest.fixture
def open_place():
    """A folder that every account may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="lab-install-") as place:
        os.chmod(place, 0o755)
        yield Path(place)


def test_the_user_who_called_sudo_builds_and_root_installs(open_place):
    place = open_place
    cargo = place / "cargo"
    cargo.write_text(CARGO)
    cargo.chmod(0o755)
    target = place / "target"
    target.mkdir()
    built = place / "built"
    built.write_text("#!/bin/sh\n")
    built.chmod(0o755)
    variables = {"PROGRAM": "", "SUDO_USER": "nobody", "CARGO": str(cargo), "CARGO_TARGET_DIR": str(target), "BUILT": str(built)}

    refused = deploy(place / "root", check=False, **variables)
    assert refused.returncode == 1
    assert f"nobody may not write to {target}" in refused.stderr
    os.chown(target, pwd.getpwnam("nobody").pw_uid, -1)
    deploy(place / "root", **variables)
    assert (target / "builder").read_text() == "nobody\n"
    program = place / "root/usr/local/bin/vestibule"
    assert (program.stat().st_uid, program.read_text()) == (0, "#!/bin/sh\n")


def without(tmp_path, *names):
    """A PATH with every program but these."""
    bin = tmp_path / "bin"
    bin.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for path in Path(folder).iterdir():
            if path.name not in names and not (bin / path.name).exists():
                (bin / path.name).symlink_to(path)
    return str(bin)


@pytest.mark.parametrize(("missing", "said"), [("cargo", "https://rustup.rs"), ("cc", "build-essential")])
def test_what_is_missing_for_building_is_said(tmp_path, missing, said):
    variables = {"PROGRAM": "", "PATH": without(tmp_path, missing), "SUDO_USER": ""}
    if missing == "cc":
        variables["CARGO"] = "/bin/true"
    else:
        # A home without Rust.
        getent = tmp_path / "bin/getent"
        getent.unlink()
        getent.write_text("#!/bin/sh\necho x:x:0:0::/nonexistent:/bin/sh\n")
        getent.chmod(0o755)
    done = deploy(tmp_path / "root", check=False, **variables)
    assert done.returncode == 1
    assert said in done.stderr
    make = subprocess.run(
        ["make", "-C", ROOT, "static"], env={"PATH": variables["PATH"], "HOME": "/nonexistent", "CARGO": variables.get("CARGO", "/nonexistent")},
        capture_output=True, text=True,
    )
    assert make.returncode != 0
    if missing == "cargo":
        assert "there is no cargo" in make.stdout


def test_make_hands_over_a_program_that_is_built_already(tmp_path):
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    done = subprocess.run(
        ["make", "-C", ROOT, "install", f"PROGRAM={program()}", f"DESTDIR={tmp_path}"], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "usr/local/bin/vestibule").stat().st_size == program().stat().st_size


def debian(root):
    """Debian's own configuration, in two halves: what is above its first host, and the rest. Its paths are this test's."""
    text = re.sub(r"^log = \{.*?^\}|^pidfile = .*?$|^certificates = .*?$", "", DEBIAN.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = text.replace(f'"/{MODULES}"', f'"{root / MODULES}"')
    assert str(root) in text, "Debian's plugin_paths are others"
    at = text.index('\nVirtualHost "localhost"')
    return 'component_ports = { 5347 }\ncomponent_interfaces = { "127.0.0.1" }\n' + text[:at], text[at:]


PLACES = {
    "at the end": lambda above, below, lines: above + below + lines,
    "above the first host": lambda above, below, lines: above + lines + below,
    "in a file of its own": lambda above, below, lines: above + below,
}


@pytest.mark.skipif(not DEBIAN.exists(), reason="no configuration of Debian's package is here")
@pytest.mark.parametrize("place", PLACES)
def test_the_lines_work_wherever_they_are_pasted(prosody_version, start, root, place):
    above, below = debian(root)
    lines = (root / "usr/local/share/vestibule/prosody-snippets/prosody.cfg.lua").read_text()
    files = {"conf.d/vestibule.cfg.lua": lines if place == "in a file of its own" else ""}
    text = PLACES[place](above, below, lines)
    server = start(Installed(prosody_version, "localhost", text, files=files, secret=SECRET))
    component = start(Vestibule(server))
    assert not [line for line in server.complaints() if "vestibule" in line]
    rows = json.loads(component.run("doctor", "--json").stdout)["checks"]
    found = {row["id"] for row in rows if row["state"] == "found"}
    # The secret of the example, the laboratory's folder, an old Prosody, and two decisions that are left open.
    expected = {"component-secret", "state-files", "advisories", "conflict-resolve", "s2s-strangers"}
    # Below a host, a line for the whole server is one of that host.
    assert found <= expected | ({"garbage-collection"} if place == "at the end" else set()), found
