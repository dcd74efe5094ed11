"""What an operator of Jitsi Meet copies from here is what Prosody and the component take."""

import json
import os
import re
import subprocess
import textwrap
import tomllib
from pathlib import Path

import pytest
from lab import Vestibule
from lab.component import program
from lab.installed import Installed, edited, once
from lab.process import ROOT
from lab.settings import SNIPPETS, assignments

DOCKER = SNIPPETS / "docker-jitsi-meet"
PLUGINS = os.environ.get("JITSI_PROSODY_PLUGINS")
DEBIAN_EXAMPLE = "doc/debian/jitsi-meet-prosody/prosody.cfg.lua-jvb.example"
SECRET = "replace with a long random secret"
ENV_SECRET = "VESTIBULE_COMPONENT_SECRET"

# Where the gate is. An installation has it where Prosody looks already: test_install.py.
GATE = assignments({"plugin_paths": [SNIPPETS]})
# What Jitsi's package or image gives the MUC service, as far as a Prosody without Jitsi's modules can do it.
DEBIAN = '\nVirtualHost "auth.meet.example.org"\n\tauthentication = "internal_hashed"\n'
IMAGE = """
component_ports = { }
gc = { mode = "incremental", threshold = 400 }
VirtualHost "meet.jitsi"
\tauthentication = "anonymous"
VirtualHost "auth.meet.jitsi"
\tauthentication = "internal_hashed"
Include "conf.d/*.cfg.lua"
"""
IMAGE_MUC = """
Component "muc.meet.jitsi" "muc"
\trestrict_room_creation = true
\tstorage = "memory"
\tmuc_room_cache_size = 10000
\tmuc_room_locking = false
\tmuc_tombstones = false
\tmodules_enabled = {{ {} }}
"""


def tables(language, path):
    """The fenced examples of that language in a page."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", path.read_text(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for text in found]


def policy_for_debian():
    """The first example in the operator's page that names the service."""
    policy, *_ = (text for text in tables("toml", ROOT / "docs/jitsi.md") if "[[service]]" in text)
    return policy


def env_lines():
    """The variables that go into docker-jitsi-meet's .env."""
    lines = (DOCKER / "vestibule.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def errors(server):
    """What Prosody says is wrong, without the time."""
    return sorted(line.split("\terror\t")[1] for line in server.complaints() if "\terror\t" in line)


# What the laboratory has (secret, file modes, an old Prosody), and the policy of a server where everybody is a guest.
FRESH = {"component-secret", "state-files", "anonymous-opener", "policy-suspicious", "advisories"}


def found(component):
    """The names of the doctor's findings."""
    rows = json.loads(component.run("doctor", "--json").stdout)["checks"]
    return {row["id"] for row in rows if row["state"] == "found"}


def listens_to_itself_alone(server):
    """Components may connect, from this machine only."""
    (places,) = re.findall(r"Activated service 'component' on (.*)", server.log())
    return places == f"[127.0.0.1]:{server.component_port}"


def test_the_lines_for_debian_make_a_server_ready(prosody_version, start):
    text = (SNIPPETS / "jitsi.cfg.lua").read_text()
    server = start(Installed(prosody_version, "meet.example.org", GATE + text + DEBIAN, secret=SECRET))
    start(Vestibule(server, policy_for_debian()))
    # Jitsi's own modules are not here; nothing else may be wrong.
    missing = [re.findall(r"Unable to load module '(\w+)'", line) for line in errors(server)]
    assert missing == [["muc_lobby_rooms"], ["persistent_lobby"]]
    assert listens_to_itself_alone(server)


@pytest.mark.skipif(not PLUGINS, reason="JITSI_PROSODY_PLUGINS names no checkout of Jitsi's Prosody plugins")
def test_the_lines_for_debian_go_into_jitsis_own_example(prosody_version, start):
    file = Path(PLUGINS).parents[1] / DEBIAN_EXAMPLE
    if not file.exists():
        pytest.skip(f"the checkout of Jitsi's plugins has no {DEBIAN_EXAMPLE}")
    example = file.read_text()
    example = example.replace("jitmeet.example.com", "meet.example.org").replace("focusUser@", "focus@")
    # The ciphers and certificates of a real machine.
    example = re.sub(r"^( *)ssl = \{.*?^\1\}", "", example, flags=re.MULTILINE | re.DOTALL)
    example = once(example, '"/usr/share/jitsi-meet/prosody-plugins/"', f'"{PLUGINS}", "{SNIPPETS}"')
    lines = (SNIPPETS / "jitsi.cfg.lua").read_text()
    options = {"host": "meet.example.org", "secret": SECRET}
    alone = start(Installed(prosody_version, text=example, **options))
    server = start(Installed(prosody_version, text=edited(example, lines), **options))
    site = file.parents[1] / "jitsi-meet/jitsi-meet.example"
    component = start(Vestibule(server, policy_for_debian() + f'[doctor]\nnginx_config = "{site}"\n'))
    # The example may name modules that its own plugins do not have any more.
    assert errors(server) == errors(alone)
    for loaded in ("conference.meet.example.org:muc_domain_mapper", "meet.example.org:persistent_lobby"):
        assert loaded in server.log()
    assert listens_to_itself_alone(server)
    # Of a fresh installation the doctor finds what docs/jitsi.md has an operator change, and nothing else.
    assert found(component) - FRESH == {
        "internal-service-open",
        "recorder-not-listed",
        "conference-request",
        "web-server",
    }


def test_the_files_for_docker_make_a_server_ready(prosody_version, start):
    modules = ", ".join(f'"{name}"' for name in env_lines()["XMPP_MUC_MODULES"].split(","))
    files = {
        "conf.d/jitsi-meet.cfg.lua": IMAGE_MUC.format(modules),
        "conf.d/vestibule.cfg.lua": (DOCKER / "vestibule.cfg.lua").read_text(),
    }
    secret = "the secret of the environment"
    options = {"files": files, "env": {ENV_SECRET: secret}, "secret": secret}
    server = start(Installed(prosody_version, "meet.jitsi", GATE + IMAGE, **options))
    component = start(Vestibule(server, (DOCKER / "component.toml").read_text()))
    assert errors(server) == []
    assert listens_to_itself_alone(server)
    assert found(component) - FRESH == set()


def test_without_the_secret_in_the_environment_no_component_gets_in(prosody_version, start):
    files = {
        "conf.d/jitsi-meet.cfg.lua": IMAGE_MUC.format('"vestibule_gate"'),
        "conf.d/vestibule.cfg.lua": (DOCKER / "vestibule.cfg.lua").read_text(),
    }
    server = start(Installed(prosody_version, "meet.jitsi", GATE + IMAGE, files=files, secret="any"))
    component = start(Vestibule(server, (DOCKER / "component.toml").read_text()), ready=False)
    with pytest.raises(Exception, match="not within"):
        component.wait_ready(3)


SHOWN = [ROOT / "docs/jitsi.md", DOCKER / "component.toml", DOCKER / "README.md"]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_every_policy_that_is_shown_is_valid(tmp_path, path):
    texts = [path.read_text()] if path.suffix == ".toml" else tables("toml", path)
    assert texts
    for text in texts:
        file = tmp_path / "component.toml"
        file.write_text(text)
        vestibule = Vestibule.__new__(Vestibule)
        vestibule.said = []
        vestibule.env = {"VESTIBULE_COMPONENT__SECRET": SECRET}
        checked = vestibule.run("check", file)
        assert checked.returncode == 0, f"{program()}: {checked.stderr or checked.stdout}"


def test_every_anchor_in_the_pages_is_a_headline():
    for page in ("README.md", "docs/troubleshooting.md", "docs/jitsi.md"):
        text = (ROOT / page).read_text()
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
            there = ((ROOT / page).parent / target if target else ROOT / page).read_text()
            headlines = [re.sub(r"[^\w -]", "", line[1]) for line in re.finditer(r"^#+ (.*)", there, re.MULTILINE)]
            assert anchor in [line.lower().replace(" ", "-") for line in headlines], f"{page}: {anchor}"


def test_the_policies_name_what_prosody_is_told():
    for policy, lines in [
        (policy_for_debian(), (SNIPPETS / "jitsi.cfg.lua").read_text()),
        ((DOCKER / "component.toml").read_text(), (DOCKER / "vestibule.cfg.lua").read_text()),
    ]:
        table = tomllib.loads(policy)
        (service,) = table["service"]
        component = table["component"]["domain"]
        assert f'vestibule_component = "{component}"' in lines
        assert f'\nComponent "{component}"\n' in lines
        assert f'vestibule_trusted = {{ "{service["focus"]}" }}' in lines
        assert f'component_ports = {{ {table["component"]["server"].split(":")[1]} }}' in lines


def test_every_path_of_the_compose_file_is_in_the_steps():
    steps = (DOCKER / "README.md").read_text()
    compose = (DOCKER / "vestibule.yml").read_text()
    table = tomllib.loads((ROOT / "component.toml").read_text())["component"]
    inside = dict(re.findall(r"^ +- \$\{CONFIG\}/(\S+?):(/[^:]+):", compose, re.MULTILINE))
    assert inside == {"vestibule": "/etc/vestibule", "storage/vestibule": table["state_dir"]}
    for folder in inside:
        assert f'"$CONFIG/{folder}"' in steps
    assert f"- {Path(table['socket']).parent}:" in compose
    # The folders that the image of Prosody reads.
    assert '"$CONFIG/prosody/prosody-plugins-custom/"' in steps
    assert '"$CONFIG/prosody/config/conf.d/"' in steps
    for file in DOCKER.iterdir():
        assert file.name == "README.md" or file.name in steps


def test_every_variable_of_the_docker_files_is_explained_and_used():
    steps = (DOCKER / "README.md").read_text()
    compose = (DOCKER / "vestibule.yml").read_text()
    for name in [*env_lines(), ENV_SECRET, "VESTIBULE_IMAGE"]:
        assert f"`{name}`" in steps
    ours = set(re.findall(r"VESTIBULE_\w+", steps + compose)) - {"VESTIBULE_COMPONENT__SECRET"}
    assert ours == {ENV_SECRET, "VESTIBULE_IMAGE"}
    assert f"- {ENV_SECRET}=${{{ENV_SECRET}:?" in compose
    assert f"ENV_{ENV_SECRET}" in (DOCKER / "vestibule.cfg.lua").read_text()
    assert env_lines()["COMPOSE_FILE"].split(":") == ["docker-compose.yml", "vestibule.yml"]
