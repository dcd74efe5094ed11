"""What the pages show as a file, a command or its output is what the program takes and prints."""

import hashlib
import json
import os
import re
import shlex
import subprocess
import tomllib
from xml.etree import ElementTree

import pytest
import yaml
from lab import Crowd, Door
from lab.component import program
from lab.documents import blocks, commands_in_the_text, pages, without_blocks
from lab.http import Api
from lab.policy import SECRET
from lab.process import ROOT, environment

# Each has a test below. What has no command and no file is `text`: drawings, transcripts, lists. `console` is commands with their output.
DATA = {"toml", "json", "yaml", "xml", "lua", "nginx", "ini"}
LANGUAGES = DATA | {"sh", "console", "text"}
PASSWORD = "The password of this meeting is: "
# A block more that is not run is a decision, not an oversight.
NOT_RUN = 21


def shown(*languages):
    return [block for block in blocks(*languages) if not block.is_skipped]


def described(value):
    return str(value)


# What a test runs of a block, as root and in a folder of its own; any other command changes the machine.
HARMLESS = {"vestibule", "curl", "cp", "mkdir", "chmod", "chown", "cat", "echo", "openssl"}


def test_a_block_that_is_run_leaves_the_machine_alone():
    unknown = {}
    for block in shown("sh", "console"):
        lines = [command for command, _ in block.commands()] if block.language == "console" else block.text.splitlines()
        for line in lines:
            words = re.sub(r"\w+=\S*|#.*|\bsudo\b", "", line).split()
            if words and words[0] not in HARMLESS:
                unknown[f"{block}"] = line
    assert unknown == {}


def test_every_block_has_a_language():
    assert {str(block): block.language for block in blocks() if block.language not in LANGUAGES} == {}


def test_what_is_not_run_has_its_reason():
    skipped = [block for block in blocks() if block.is_skipped]
    assert [str(block) for block in skipped if not block.reason] == []
    assert len(skipped) == NOT_RUN, "\n".join(f"{block}: {block.reason}" for block in skipped)


def test_every_link_leads_to_a_file():
    lost = []
    for page in pages():
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", without_blocks(page)):
            if ":" not in target and not (page.parent / target).exists():
                lost.append(f"{page.name}: {target}")
    assert lost == []


# ------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("block", shown("toml"), ids=described)
def test_a_policy_that_is_shown_is_valid(block, tmp_path):
    text, etc = block.text, tmp_path / "etc"
    etc.mkdir()
    # A digest that the reader has to fill in.
    text = text.replace('"…"', f'"{hashlib.sha256(b"a token").hexdigest()}"')
    for place in set(re.findall(r'"(/(?:etc|run|opt|var)/[^"]*)"', text)):
        file = etc / place.strip("/").replace("/", "-")
        file.write_text("a long and random secret of a server\n")
        file.chmod(0o600)
        text = text.replace(f'"{place}"', f'"{file}"')
    tables = tomllib.loads(text)
    is_test = bool({"case", "people", "defaults"} & tables.keys())
    if is_test and "people" not in tables:
        (people, *_) = (each.text for each in shown("toml") if each.page == block.page and "[people." in each.text)
        text += people.partition("[[case]]")[0]
    file = tmp_path / "file.toml"
    file.write_text(text)
    policy = ROOT / "component.toml" if is_test else file
    command = ["test", file, "--config", policy] if is_test and "case" in tables else ["check", policy]
    variables = environment({"VESTIBULE_COMPONENT__SECRET": SECRET})
    done = subprocess.run([program(), *command], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def test_data_that_is_shown_can_be_read(tmp_path):
    for block in shown("json"):
        json.loads(block.text)
    for block in shown("yaml"):
        yaml.safe_load(block.text)
    for block in shown("xml"):
        ElementTree.fromstring(f"<shown xmlns:x='x'>{block.text}</shown>")
    for block in shown("lua"):
        file = tmp_path / "shown.lua"
        file.write_text(block.text)
        done = subprocess.run(["luac5.4", "-p", file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}: {done.stderr}"


# What the fragments of nginx name and the tests do not have: an included file of another program, with its location.
ELSEWHERE = {
    "/etc/nginx/vestibule-secret.conf": 'proxy_set_header X-Vestibule-Proxy-Secret "a long secret";\n',
}


def test_a_site_that_is_shown_is_taken_by_nginx(tmp_path):
    pair = [tmp_path / "vestibule.pem", tmp_path / "vestibule.key"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-out", pair[0], "-keyout", pair[1]]
    subprocess.run(make, capture_output=True, check=True)
    fragments = shown("nginx")
    assert len(fragments) >= 3
    for block in fragments:
        text = block.text
        for path, content in ELSEWHERE.items():
            file = tmp_path / path.rpartition("/")[2]
            file.write_text(content)
            text = text.replace(path, str(file))
        text = text.replace("/etc/ssl", str(tmp_path)).replace("listen 443", "listen 127.0.0.1:8443")
        server = text if text.startswith("server {") else f"server {{\nlisten 127.0.0.1:8080;\n{text}}}"
        file = tmp_path / "nginx.conf"
        file.write_text(
            f"pid {tmp_path}/pid; error_log stderr; events {{}}\nhttp {{\naccess_log off;\n"
            + "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            + f"{server}\n}}\n"
        )
        done = subprocess.run(["/usr/sbin/nginx", "-t", "-q", "-p", tmp_path, "-c", file], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not done.stderr, f"{block}: {done.stderr}"


def test_lines_that_are_shown_for_the_unit_are_taken_by_systemd(tmp_path):
    units = {name: (ROOT / "contrib" / name).read_text() for name in ("vestibule.service", "vestibule-secret.service")}
    fragments = shown("ini")
    assert len(fragments) >= 2
    for number, block in enumerate(fragments):
        assert block.text.lstrip("# ").startswith(("sudo systemctl edit vestibule\n", "[Service]\n")), block
        folder = tmp_path / str(number)
        (folder / "vestibule.service.d").mkdir(parents=True)
        for name, text in units.items():
            # The program need not be installed where the tests run.
            (folder / name).write_text(re.sub(r"^(Exec\w+=)[^\s]*", r"\1/bin/true", text, flags=re.MULTILINE))
        (folder / "vestibule.service.d/override.conf").write_text(block.text)
        command = ["systemd-analyze", "verify", "--man=no", folder / "vestibule.service"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wrong = [line for line in done.stderr.splitlines() if str(folder) in line or "override.conf" in line]
        assert wrong == [], f"{block}: {wrong}"


FIRST_START = "systemctl enable vestibule && sudo systemctl restart prosody vestibule"


def test_every_place_names_the_same_first_start():
    """Without Prosody's restart the gate is not loaded: a component that is only started stays alone."""
    unit = (ROOT / "contrib/vestibule.service").read_text().replace("sudo ", "")
    assert FIRST_START.replace("sudo ", "") in unit
    for page in ("README.md", "docs/install.md"):
        assert FIRST_START in (ROOT / page).read_text(), page
    files = [path for folder in ("docs", "contrib", "packaging", "src") for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert [str(path) for path in files if b"enable --now vestibule" in path.read_bytes()] == []


# ---------------------------------------------------------------------------------------------------- commands


def test_a_command_in_the_text_is_one_that_the_program_knows():
    wrong = {}
    for page, command in commands_in_the_text():
        _, *words = shlex.split(command, comments=True)
        done = subprocess.run([program(), *words, "--help"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            wrong[f"{page}: {command}"] = done.stderr.strip().splitlines()[0]
    assert wrong == {}


class Shell:
    """A shell on the server: the program as `vestibule`, `sudo`, and an operator's files in the folder."""

    # The answer of `doctor` is that there is something to do; what follows a log has to be told to stop.
    PROGRAM = """#!/bin/sh
case " $* " in *" --config "*) ;; *) set -- --config "$POLICY_FILE" "$@" ;; esac
timeout --signal=INT "$SECONDS_TO_FOLLOW" {program} "$@" </dev/null
code=$?
case "$3:$code" in doctor:1 | log:124) code=0 ;; esac
exit $code
"""

    def __init__(self, door, folder):
        self.door = door
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "vestibule").symlink_to(ROOT)
        for name, text in [("vestibule", self.PROGRAM.format(program=program())), ("sudo", '#!/bin/sh\nexec "$@"\n')]:
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        (folder / "new.toml").write_text(NEW)
        (folder / "component.toml").write_text(door.component.config_path.read_text())
        (folder / "policy-tests.toml").write_text((ROOT / "policy-tests.toml").read_text())

    def run(self, text):
        component = self.door.component
        variables = {
            **environment(component.env),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "POLICY_FILE": str(component.config_path),
            "SECONDS_TO_FOLLOW": "2",
            "HOME": str(self.folder),
            "TOKEN": Api(component).token,
        }
        text = here(text).replace("127.0.0.1:5480", Api(component).address)
        return subprocess.run(
            ["bash", "-euc", text], env=variables, cwd=self.folder, capture_output=True, text=True, check=False
        )


NEW = """version = 2
[[service]]
domain = "conference.localhost"
[policy.lobby]
admission = "password-and-lobby"
[[ban]]
jid = "carol@localhost"
reason = "asked to stay away"
"""


def here(text):
    """The text with this laboratory's names instead of those of the pages."""
    text = re.sub(r"(?:\bmeet\.)?\bexample\.org\b", "localhost", text)
    return text.replace("ROOM", "tea").replace("PERSON", "bob@localhost")


@pytest.fixture(scope="module")
def shell(prosody_version, tmp_path_factory):
    # The same people knock for each block.
    policy = re.sub(r"^max_knocks = \d+", "max_knocks = 1000", (ROOT / "component.toml").read_text(), flags=re.MULTILINE)
    policy += '\n[[ban]]\njid = "mallory@localhost"\nreason = "disturbed a lecture"\n'
    with Door(prosody_version, policy) as door:
        yield Shell(door, tmp_path_factory.mktemp("operator"))


async def meetings(crowd):
    """Ann has opened `tea`, where Carol is inside, Bob waits, and Mallory is refused; Dave moderates `board`."""
    tea, board = "tea@conference.localhost", "board@conference.localhost"
    ann, bob, carol, dave, mallory = await crowd.connect_many(
        [f"{name}@localhost" for name in ("ann", "bob", "carol", "dave", "mallory")]
    )
    assert (await ann.join(tea, "Ann")).joined
    told = await ann.wait_for(lambda seen: seen.body and PASSWORD in seen.body)
    password = told.body.partition(PASSWORD)[2].split()[0].rstrip(".")
    assert (await carol.join(tea, "Carol", password)).joined
    assert (await bob.join(tea, "Bob")).condition == "registration-required"
    assert (await mallory.join(tea, "Mallory")).condition == "forbidden"
    assert (await dave.join(board, "Dave")).joined


@pytest.mark.parametrize("block", shown("sh"), ids=described)
async def test_commands_that_are_shown_succeed(shell, block):
    async with Crowd(shell.door.server) as crowd:
        await meetings(crowd)
        done = shell.run(block.text)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"[-2000:]


def alike(line):
    """The line without what another run has otherwise: numbers, moments, ids, the folder of a file."""
    line = re.sub(r"[\w./-]*/(\w+\.toml)", r"\1", line.rstrip())
    return re.sub(r"\b[0-9a-f]{8,}\b|\d+", "#", line)


@pytest.mark.parametrize("block", shown("console"), ids=described)
async def test_output_that_is_shown_is_what_a_command_prints(shell, block):
    async with Crowd(shell.door.server) as crowd:
        await meetings(crowd)
        await shell.door.flushed()
        for command, lines in block.commands():
            done = shell.run(command)
            printed = f"{done.stdout}{done.stderr}"
            found = set(map(alike, printed.splitlines()))
            missing = [line for line in lines if line.strip() != "..." and alike(here(line)) not in found]
            assert missing == [], printed[-2000:]
