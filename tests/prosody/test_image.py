"""The image: its Dockerfile is carried out step by step, without Docker, and what it makes is started as Docker would.

The program is not compiled again here: the compiler's own list says which files it needs. With IMAGE=full (`make
image-test`) the RUN lines are carried out too, on nothing but what the Dockerfile copies.
"""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from lab.component import program
from lab.dockerfile import carry_out
from lab.overlay import Overlay
from lab.process import HOST, ROOT, Process, wait_until
from lab.settings import SNIPPETS

DOCKERFILE = SNIPPETS / "docker-jitsi-meet/Dockerfile"
IS_FULL = os.environ.get("IMAGE") == "full"
# The release's profile takes a quarter of an hour; whether it is built does not depend on it.
QUICK = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "256",
    "CARGO_NET_OFFLINE": "true",
}
MANIFEST = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
POLICY = 'version = 2\n[component]\ndomain = "vestibule.localhost"\n[[service]]\ndomain = "conference.localhost"\n'


def sources():
    """Every file of this tree that went into the program under test, by the compiler's own list: what it includes as
    text too, whatever macro spells the name."""
    listed = program().with_suffix(".d").read_text().split(": ", 1)[1].replace("\\ ", "\0").split()
    top = next(Path(path[: -len("src/main.rs")]) for path in listed if path.endswith("/src/main.rs"))
    return {str(Path(path.replace("\0", " ")).relative_to(top)) for path in listed}


def compiled(place):
    """What carries out a RUN: a build on a machine that has a Rust, and of this project what the Dockerfile copies."""

    def run(stage, command):
        place.mkdir()
        builder = Overlay(place)
        shutil.copytree(stage.root, place / "upper", symlinks=True, dirs_exist_ok=True)
        script = f"cd {stage.workdir} && {command}"
        builder.run("sh", "-ec", script, env={"RUSTUP_HOME": rustup(), "CARGO_HOME": cargo_home(), **QUICK}, seconds=3600)
        leave = shutil.ignore_patterns("target", "root", "tmp")
        shutil.copytree(place / "upper", stage.root, symlinks=True, dirs_exist_ok=True, ignore=leave)

    return run


def cargo_home():
    return os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")


def rustup():
    return os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup")


def stand_in(stage, command):
    """What stands in for a RUN: the program under test is where the build would put it."""
    assert command.startswith("make static-program && cp "), command
    target = stage.path(command.split()[-1])
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(program(), target / "vestibule")


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """The stages of the image: what builds, and what is shipped."""
    place = tmp_path_factory.mktemp("image")
    return carry_out(DOCKERFILE, ROOT, place, compiled(place / "build") if IS_FULL else stand_in)


def test_the_builder_has_the_files_that_the_build_needs(stages):
    builder = stages[0]
    top = builder.path(".")
    needed = sources()
    assert {"component.toml", "docs/rules.md", "src/lib.rs"} <= needed
    assert [name for name in sorted(needed) if not (top / name).is_file()] == []
    # The manifest names targets, which have to be there, and the lock file is its own.
    cargo = shutil.which("cargo") or Path.home() / ".cargo/bin/cargo"
    for command in ([cargo, "metadata", "--no-deps", "--format-version=1", "--locked", "--offline"], ["make", "-n", "static-program"]):
        read = subprocess.run(command, cwd=top, capture_output=True, text=True)
        assert read.returncode == 0, read.stderr
    assert f"rust:{MANIFEST['rust-version']}-" in builder.base
    assert not (top / "tests").exists()
    assert not (top / ".git").exists()


def test_the_image_has_the_program_and_the_gate_and_nothing_else(stages):
    image = stages[-1]
    assert (image.base, image.user) == ("scratch", (1000, 1000))
    snippets = {f"usr/share/vestibule/prosody-snippets/{path.relative_to(SNIPPETS)}" for path in SNIPPETS.rglob("*") if path.is_file()}
    files = {str(path.relative_to(image.root)) for path in image.root.rglob("*") if path.is_file()}
    assert files == {"vestibule", *snippets}
    assert image.labels["org.opencontainers.image.source"] == MANIFEST["repository"]
    assert image.labels["org.opencontainers.image.licenses"] == MANIFEST["license"]
    if IS_FULL:
        assert "=>" not in subprocess.run(["ldd", image.root / "vestibule"], capture_output=True, text=True).stdout


# Docker's part: /dev and /proc, the volumes of vestibule.yml, a root that nobody writes to, and the account. A program of a debug build
# needs the libraries of this machine.
CONTAINER = """
set -e
mount --bind "$0/image" "$0/image"
for library in lib lib64 usr/lib; do
    if [ -d "$0/image/$library" ]; then mount --bind "/$library" "$0/image/$library"; fi
done
for volume in etc/vestibule run/vestibule var/lib/vestibule; do mount --bind "$0/$volume" "$0/image/$volume"; done
mount --bind /dev "$0/image/dev"
mount -t proc proc "$0/image/proc"
mount -o remount,bind,ro "$0/image"
exec chroot --userspec=1000:1000 "$0/image" "$@"
"""


class Container(Process):
    """A container of the image, next to a Prosody."""

    def __init__(self, image, place, server):
        super().__init__(place / "output")
        self.image, self.home = image, place
        self.env = {"VESTIBULE_COMPONENT__SERVER": f"{HOST}:{server.component_port}", "VESTIBULE_COMPONENT__SECRET": server.secret}
        shutil.copytree(image.root, place / "image")
        libraries = [] if IS_FULL else ["lib", "lib64", "usr/lib"]
        volumes = ["etc/vestibule", "run/vestibule", "var/lib/vestibule"]
        for folder in ["dev", "proc", *libraries, *volumes]:
            (place / "image" / folder).mkdir(parents=True, exist_ok=True)
        for folder in volumes:
            (place / folder).mkdir(parents=True)
        for folder in volumes[1:]:
            os.chown(place / folder, 1000, 1000)
        (place / "etc/vestibule/component.toml").write_text(POLICY)
        for path in (place, *place.parents):
            path.chmod(path.stat().st_mode | 0o011)

    def command(self, *command):
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", CONTAINER, str(self.home), *command]

    def start(self):
        self.spawn(self.command(*self.image.entrypoint, *self.image.cmd), self.env)

    def is_healthy(self):
        return subprocess.run(self.command(*self.image.healthcheck), capture_output=True).returncode == 0


@pytest.mark.skipif(not Overlay.is_possible(), reason="only root may mount what a container has")
def test_the_image_starts_as_its_lines_say_and_is_healthy(stages, tmp_path, start, start_prosody):
    server = start_prosody()
    container = start(Container(stages[-1], tmp_path, server))
    wait_until(container.is_healthy, 20, "the image's HEALTHCHECK", container.tail)
    owner = (tmp_path / "var/lib/vestibule").rglob("*")
    assert {path.stat().st_uid for path in owner} == {1000}
