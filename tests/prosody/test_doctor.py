"""The doctor on real servers: each defect that a server can show, once present and once absent."""

import contextlib
import json
import re
import sqlite3
import subprocess
from pathlib import Path

import pytest
from lab import SERVICE, Prosody
from lab.canary import note
from lab.component import program
from lab.overlay import Overlay
from lab.process import ROOT, environment, wait_until
from lab.server import prosodyctl
from lab.settings import assignments, lua

STRONG = note("f0c6a1d2b7e94835a6d1c0ffee5eed42")
ACCOUNTS = """
[policy.access]
create = ["service", "operator", "account"]
enter = ["service", "operator", "listed", "token", "account", "returning", "guest"]
"""
FOCUS = """
version = 2
[[service]]
domain = "conference.localhost"
focus = "focus@localhost"
trusted = ["recorder@recorder.localhost"]
"""
# A server without defects: what the laboratory does for its own comfort is put right.
SOUND = {
    "options": {"c2s_require_encryption": True, "allow_unencrypted_plain_auth": False},
    "tls": True,
    "component_options": {"component_conflict_resolve": "kick_old"},
}
JITSI = {
    "restrict_room_creation": True,
    "muc_room_locking": False,
    "muc_tombstones": False,
    "muc_room_cache_size": 10000,
    "vestibule_trusted": ["focus@localhost"],
}
# Found on any Prosody older than its last repair, whatever else is tried here.
OLD = {"advisories"}


def examined(component, *arguments):
    """What the running component finds: the checks by name."""
    done = component.run("doctor", "--json", *arguments)
    report = json.loads(done.stdout)
    assert report["v"] == 1 and report["complete"], report
    return {row["id"]: row for row in report["checks"]}, report, done.returncode


def found(checks):
    return {name for name, row in checks.items() if row["state"] == "found"}


def texts(row):
    return [f"{each['about']}: {each['found']}" for each in row["findings"]]


@pytest.fixture
def look(start, start_vestibule, prosody_version):
    """Starts a server with these options, and a component with this file."""

    def started(config, **options):
        server = Prosody(prosody_version, **options)
        server.secret = STRONG
        component = start_vestibule(start(server), config)
        component.state_dir.chmod(0o700)
        return component

    return started


def merged(**more):
    """The sound server with other options."""
    options = {**SOUND, **more}
    for name in ("options", "component_options"):
        options[name] = {**SOUND[name], **more.get(name, {})}
    return options


def test_a_server_as_it_should_be_is_fine(look):
    component = look(SERVICE + ACCOUNTS, **merged())
    checks, report, status = examined(component)
    assert found(checks) <= OLD, [checks[name] for name in found(checks) - OLD]
    assert status == (1 if found(checks) else 0)
    assert report["counts"]["critical"] == 0
    assert all(row["state"] == "fine" for name, row in checks.items() if name not in OLD), report
    words = component.run("doctor", "--all")
    assert "0 critical" in words.stdout and "component-port" in words.stdout


# Groups of defects that do not hide one another: the options of the server, the file, and each finding with a word of it.
GROUPS = {
    "hosts": (
        {
            "gate": True,
            "plain_muc": True,
            "muc_options": {
                "vestibule_on_unavailable": "allow",
                "vestibule_grace": 0,
                "vestibule_trusted": ["eve@localhost"],
                "allow_unaffiliated_register": True,
                "muc_room_default_public": True,
                "restrict_room_creation": True,
                "muc_password_whitelist": ["guest.localhost"],
                "muc_access_whitelist": ["guest.localhost"],
                "token_verification_allowlist": ["guest.localhost"],
                "recorder_prefixes": ["recorder@"],
            },
            "options": {
                "admins": ["mallory@localhost"],
                "component_admins_as_room_owners": True,
                "trusted_proxies": ["0.0.0.0/0"],
                "muc_lobby_whitelist": ["guest.localhost"],
            },
            "extra_hosts": '\nComponent "internal.auth.localhost" "muc"\n',
        },
        SERVICE + ACCOUNTS + "persistent = true\n",
        {
            "service-unguarded": "plain.localhost",
            "internal-service-open": "internal.auth.localhost",
            "failing-open": "everybody gets in",
            "grace": "vestibule_grace",
            "bootstrap": "eve@localhost",
            "self-registration": "register",
            "room-defaults": "the policy hides them",
            "room-creation": "only its admins",
            "room-storage": "kept in memory",
            "password-whitelist": "guest.localhost",
            "access-whitelist": "guest.localhost",
            "token-allowlist": "guest.localhost",
            "lobby-whitelist": "guest.localhost",
            "prefixes": "recorder@",
            "server-admins": "mallory@localhost",
            "trusted-proxies": "0.0.0.0/0",
        },
    ),
    "doors": (
        {
            "tls": False,
            "modules": ["s2s", "register", "bosh", "websocket"],
            "component_options": {"component_conflict_resolve": "kick_new"},
            "options": {
                "c2s_require_encryption": False,
                "allow_unencrypted_plain_auth": True,
                "c2s_interfaces": ["*"],
                "component_interfaces": ["*"],
                "http_interfaces": ["*"],
                "http_ports": [],
                "https_ports": [],
                "s2s_ports": [],
                "consider_bosh_secure": True,
                "modules_disabled": ["offline"],
                "allow_registration": True,
            },
        },
        SERVICE
        + "[policy.access]\ncreate = ['everyone']\n[doctor]\nignore = ['conflict-resolve', 'nonsense']\n",
        {
            "open-registration": "anybody may register",
            "c2s-unencrypted": "localhost: c2s_require_encryption is false",
            "plain-passwords": "localhost",
            "component-port": "*:",
            "s2s-strangers": "people of any server",
            "s2s-authentication": "without a certificate",
            "conflict-resolve": "kick_new",
            "anonymous-opener": "guest.localhost",
            "policy-suspicious": "no guest takes over",
            "ignore": "nonsense",
        },
    ),
    "modules": (
        {
            "modules": ["s2s"],
            "options": {"modules_disabled": ["offline"], "s2s_ports": []},
            "muc_options": {
                "modules_enabled": [
                    "vestibule_gate",
                    "lab_posture",
                    "muc_size",
                    "token_verification",
                    "muc_allowners",
                ]
            },
        },
        SERVICE + ACCOUNTS,
        {
            "gate-order": "lab_posture handles `muc-occupant-pre-join` at 2.5",
            "gate-after": "lab_posture handles joins at -7",
            "neighbours": "makes everybody a moderator",
            "occupant-listing": "/room-size",
            "s2s-token": "without a token",
        },
    ),
    "jitsi": (
        {"muc_options": {"muc_room_cache_size": 50}},
        FOCUS + ACCOUNTS,
        {
            "room-creation": "without the focus",
            "room-locking": "locked",
            "tombstones": "tombstone",
            "room-cache": "50 rooms",
            "bootstrap": "focus@localhost",
        },
    ),
}


@pytest.fixture
def stand_ins(tmp_path):
    """Modules with the names of others, that do nothing, and one that handles joins."""
    for name in ("muc_size", "token_verification", "muc_allowners"):
        folder = tmp_path / f"mod_{name}"
        folder.mkdir()
        (folder / f"mod_{name}.lua").write_text("-- does nothing\n")
    folder = tmp_path / "mod_lab_posture"
    folder.mkdir()
    (folder / "mod_lab_posture.lua").write_text(
        'for _, priority in ipairs { 2.5, -7 } do\n'
        '\tmodule:hook("muc-occupant-pre-join", function () end, priority);\nend\n'
    )
    return tmp_path


def is_a_place(finding, server):
    """Whether a finding names a file that an operator finds: one of Prosody's has the option or the host in that line."""
    file = finding["file"]
    if file in {"component.toml", "shell"}:
        return True
    path, _, line = file.rpartition(":")
    if not line.isdecimal():
        return Path(file) == server.config_path
    text = Path(path).read_text().splitlines()[int(line) - 1]
    return any(word in text for word in (*re.findall(r"\w+", finding["line"]), finding["about"]))


CONFIGURATION = """-- Component "rooms.localhost" is below
VirtualHost "other.localhost"
	c2s_require_encryption = false
Component "rooms.localhost" "muc"
	modules_enabled = {
		"muc_allowners";
	}
Component "internal.auth.localhost" "muc"
"""


def test_a_finding_names_the_file_that_is_included(start, start_vestibule, stand_ins, prosody_version):
    options = merged(plugin_paths=[stand_ins], muc_options={"vestibule_grace": 0}, options={"c2s_interfaces": ["*"]})
    server = Prosody(prosody_version, **options, extra_global='\nInclude "conf.d/*.cfg.lua"\n')
    for folder in ("conf.avail", "conf.d"):
        (server.home / folder).mkdir()
    available = server.home / "conf.avail/rooms.cfg.lua"
    available.write_text(CONFIGURATION)
    (server.home / "conf.d/rooms.cfg.lua").symlink_to(available)
    component = start_vestibule(start(server), SERVICE + ACCOUNTS)
    checks, _, _ = examined(component)
    places = {(name, each["about"]): each["file"] for name, row in checks.items() for each in row["findings"]}
    assert places["service-unguarded", "rooms.localhost"] == f"{available}:5"
    assert places["neighbours", "rooms.localhost"] == f"{available}:6"
    assert places["internal-service-open", "internal.auth.localhost"] == f"{available}:8"
    assert places["c2s-unencrypted", "other.localhost"] == f"{available}:3"
    main = server.config_path.read_text().splitlines()
    (line,) = [number for number, line in enumerate(main, 1) if line.strip().startswith("vestibule_grace")]
    assert places["grace", "conference.localhost"] == f"{server.config_path}:{line}"


@pytest.mark.parametrize("group", GROUPS)
def test_each_defect_is_found(look, stand_ins, group):
    options, config, expected = GROUPS[group]
    component = look(config, **merged(**options, plugin_paths=[stand_ins]))
    checks, _, status = examined(component)
    for name, word in expected.items():
        row = checks[name]
        assert row["state"] == "found" and any(word in text for text in texts(row)), row
        assert all(each["line"] and is_a_place(each, component.server) for each in row["findings"]), row
    assert found(checks) <= {*expected, *OLD, *ALONG.get(group, ())}, found(checks) - {*expected}
    assert status == 1


# What comes with the defects of a group.
ALONG = {"modules": {"s2s-strangers", "s2s-authentication"}}


def test_nothing_that_a_terminal_obeys_is_in_a_finding(look):
    # Names of the server's configuration, with the sign that turns the reading direction, and one that begins a sequence.
    trusted = ["e\u202eve@localhost", "e\u009b2Jve@localhost"]
    component = look(SERVICE + ACCOUNTS, **merged(muc_options={"vestibule_trusted": trusted}))
    checks, _, _ = examined(component)
    assert len(texts(checks["bootstrap"])) == 2
    for arguments in (["doctor"], ["doctor", "--all"], ["doctor", "--fix", "--yes", "--prosodyctl", "false"]):
        done = component.run("--config", component.config_path, *arguments)
        assert "ve@localhost" in done.stdout + done.stderr, done
        assert not {"\u202e", "\u009b"} & set(done.stdout + done.stderr), done


def test_jitsi_s_options_are_fine(look):
    hosts = '\nVirtualHost "recorder.localhost"\n'
    component = look(FOCUS + ACCOUNTS, **merged(muc_options=JITSI, extra_hosts=hosts))
    checks, _, _ = examined(component)
    assert found(checks) <= OLD, found(checks)
    # Nobody has named Jicofo's file.
    assert checks["auto-owner"]["state"] == "unknown"
    assert "doctor.jicofo_config" in checks["auto-owner"]["unknown"][0]
    assert checks["conference-request"]["state"] == "unknown"


def test_what_is_found_last_is_kept_and_a_repair_is_seen_at_once(look):
    component = look(SERVICE + ACCOUNTS, **merged())
    component.state_dir.chmod(0o755)
    assert "state-files" in found(examined(component)[0])
    component.state_dir.chmod(0o700)
    assert "state-files" in found(examined(component, "--last")[0])
    assert "state-files" not in found(examined(component)[0])
    assert "state-files" not in found(examined(component, "--last")[0])
    counts = status(component)
    assert counts["critical"] == 0 and counts["fine"] > 40


def written_down(component):
    """What the audit has of the doctor, oldest first."""
    with contextlib.closing(sqlite3.connect(component.state_dir / "vestibule.db")) as database:
        rows = database.execute("SELECT body FROM entries WHERE kind = 'doctor' ORDER BY seq")
        return [json.loads(body) for (body,) in rows]


def test_what_has_changed_is_written_down_and_nothing_else(look):
    component = look(SERVICE + ACCOUNTS, **merged())
    examined(component)
    before = len(written_down_once_flushed(component, 1))
    examined(component)
    component.state_dir.chmod(0o755)
    examined(component)
    examined(component)
    entries = written_down_once_flushed(component, before + 1)
    names = {each["id"] for each in entries[-1]["found"]}
    assert len(entries) == before + 1 and "state-files" in names
    assert "the doctor found" in component.tail(200)


def written_down_once_flushed(component, least):
    wait_until(lambda: len(written_down(component)) >= least, 5, "an entry", component.tail)
    return written_down(component)


def test_it_looks_by_itself_when_a_gate_has_greeted(look):
    component = look(SERVICE + ACCOUNTS, **merged())
    wait_until(lambda: status(component), 5, "the doctor", component.tail)


def status(component):
    return json.loads(component.run("status", "--json").stdout)["doctor"]


def test_the_file_on_the_disk_is_looked_at_too(look):
    component = look(SERVICE + ACCOUNTS, **merged())
    component.config_path.write_text(SERVICE + ACCOUNTS + "nonsense = 1\n")
    checks, _, status = examined(component)
    assert "nonsense" in texts(checks["policy-file"])[0] and status == 1
    component.config_path.write_text(SERVICE + ACCOUNTS + "persistent = true\n")
    checks, _, _ = examined(component)
    assert checks["policy-file"]["state"] == "fine"
    assert checks["policy-pending"]["state"] == "found"
    component.run("reload")
    assert examined(component)[0]["policy-pending"]["state"] == "fine"


def test_without_a_component_the_file_and_the_machine_are_looked_at(look):
    component = look(SERVICE + ACCOUNTS, **merged())
    component.kill()
    done = component.run("doctor", "--json", "--config", component.config_path)
    report = json.loads(done.stdout)
    checks = {row["id"]: row for row in report["checks"]}
    assert done.returncode == 2 and not report["complete"]
    assert "`vestibule run`" in report["incomplete"]
    assert checks["gate-missing"]["state"] == "unknown"
    assert checks["component-secret"]["state"] == "fine"
    component.state_dir.chmod(0o755)
    assert component.run("doctor", "--config", component.config_path).returncode == 1


@pytest.mark.skipif(not Overlay.is_possible(), reason="nothing can be mounted here")
def test_what_listens_is_seen_by_the_unit_too(look):
    assert "ProcSubset=pid" in (ROOT / "contrib/vestibule.service").read_text().splitlines()
    component = look(FOCUS + ACCOUNTS, **merged())
    component.kill()
    script = 'mount -t proc -o subset=pid proc /proc && [ ! -e /proc/net ] && exec "$@"'
    alone = ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", script, "sh"]
    command = [*alone, program(), "doctor", "--all", "--config", component.config_path]
    done = subprocess.run([str(word) for word in command], env=environment(component.env), capture_output=True, text=True, timeout=60)
    assert "NOT KNOWN" in done.stdout and "what listens" not in done.stdout, done.stdout + done.stderr


def test_without_the_server_the_rest_is_looked_at(look):
    component = look(SERVICE + ACCOUNTS, **merged())
    component.server.kill()
    done = component.run("doctor", "--json")
    while json.loads(done.stdout)["complete"]:
        done = component.run("doctor", "--json")
    report = json.loads(done.stdout)
    assert "no link to the server" in report["incomplete"] and done.returncode == 2


def test_of_a_server_with_very_many_hosts_a_part_is_told_and_that_is_said(look):
    hosts = "".join(f'\nVirtualHost "h{number}.localhost"\n' for number in range(70))
    component = look(SERVICE + ACCOUNTS, **merged(extra_hosts=hosts))
    checks, _, _ = examined(component)
    row = checks["open-registration"]
    assert row["state"] == "unknown" and "more than the gate tells" in row["unknown"][0]
    assert checks["gate-order"]["state"] == "fine"


def test_the_status_names_what_is_found_and_says_where_to_read_on(look):
    component = look(SERVICE + ACCOUNTS, **merged())
    component.state_dir.chmod(0o755)
    component.run("doctor")
    assert "`vestibule doctor` says which" in component.run("status").stdout


def test_no_secret_of_the_server_is_told(look):
    hush = note("hush-0815-hush")
    options = {name: hush for name in ("app_secret", "turn_external_secret", "ldap_password")}
    component = look(SERVICE + ACCOUNTS, **merged(options=options))
    for told in (component.run("doctor", "--json", "--all"), component.run("doctor", "--all")):
        assert hush not in told.stdout and STRONG not in told.stdout
    assert lua(hush) in component.server.configuration()


SITE = """server {
    location = /xmpp-websocket {
        proxy_pass http://prosody/xmpp-websocket;
    }
}
"""


def test_what_a_change_of_a_file_repairs_is_repaired_and_taken_back(look, tmp_path, prosody_version):
    site = tmp_path / "site.conf"
    site.write_text(SITE)
    config = FOCUS + ACCOUNTS + f'[doctor]\nnginx_config = "{site}"\n'
    wrong = {
        "muc_room_cache_size": 50,
        "muc_room_locking": True,
        "muc_tombstones": True,
        "allow_unaffiliated_register": True,
        "vestibule_on_unavailable": "allow",
    }
    component = look(config, **merged(muc_options={**JITSI, **wrong, "vestibule_grace": 0}))
    component.state_dir.chmod(0o755)
    main = component.server.config_path
    before = (main.read_bytes(), site.read_bytes())
    broken = {"room-cache", "room-locking", "tombstones", "self-registration", "failing-open", "web-server", "state-files"}
    assert broken <= found(examined(component)[0])

    options = ["--prosody-config", main, "--prosodyctl", prosodyctl(prosody_version)]
    fix = ["--config", component.config_path, "doctor", "--fix", *options]
    shown = component.run(*fix)
    assert shown.returncode == 2 and "--yes" in shown.stderr, shown
    for part in ("+        proxy_set_header X-Forwarded-For", "muc_room_cache_size = 10000", "0755 -> 0750"):
        assert part in shown.stdout, shown.stdout
    # What no change of one option repairs for sure is left to the operator, with the line.
    assert re.search(rf"grace: {main}:\d+: vestibule_grace = 5", shown.stderr)
    assert (main.read_bytes(), site.read_bytes()) == before

    done = component.run(*fix, "--yes")
    assert done.returncode == 0 and "restart prosody" in done.stdout, done
    assert component.state_dir.stat().st_mode & 0o777 == 0o750
    assert not {"web-server", "state-files"} & found(examined(component)[0])
    again = component.run(*fix, "--yes")
    assert "muc_room_cache_size" not in again.stdout, again
    right = {"muc_room_cache_size": 10000, **dict.fromkeys(list(wrong)[1:4], False), "vestibule_on_unavailable": "refuse"}
    for name, value in right.items():
        assert re.findall(rf"^\s*{name} = (\S+)", main.read_text(), re.MULTILINE) == [lua(value)], name

    undone = component.run("--config", component.config_path, "doctor", "--undo")
    assert undone.returncode == 0, undone
    assert (main.read_bytes(), site.read_bytes()) == before
    assert component.state_dir.stat().st_mode & 0o777 == 0o755
    assert component.run("--config", component.config_path, "doctor", "--undo").returncode != 0


def test_repairs_in_several_files_of_prosody_are_all_made(look, tmp_path, prosody_version):
    gated = assignments({**JITSI, "modules_enabled": ["vestibule_gate"], "vestibule_component": "vestibule.localhost"})
    other = tmp_path / "rooms.cfg.lua"
    other.write_text('Component "rooms.localhost" "muc"\n' + gated.replace("muc_room_locking = false\n", ""))
    config = FOCUS + '[[service]]\ndomain = "rooms.localhost"\nfocus = "focus@localhost"\n' + ACCOUNTS
    # One line is added to the main file, one to the other, and then one is changed below the first.
    here = {**JITSI, "muc_room_cache_size": 50}
    del here["muc_room_locking"]
    component = look(config, **merged(muc_options=here, extra_hosts=f'\nInclude "{other}"\n'))
    main = component.server.config_path
    options = ["--prosody-config", main, "--prosodyctl", prosodyctl(prosody_version), "--yes"]
    done = component.run("--config", component.config_path, "doctor", "--fix", *options)
    assert done.returncode == 0 and "not in the usual form" not in done.stderr, done
    assert "muc_room_locking = false" in other.read_text()
    assert "muc_room_locking = false" in main.read_text() and "muc_room_cache_size = 10000" in main.read_text()
