"""The doctor on a server laid out like Jitsi Meet."""

import contextlib
import json
import os
import re
import subprocess
import urllib.request
import xml.etree.ElementTree as ET

import pytest
from lab import MEET_SERVICE, needs_jitsi_plugins
from lab.jitsi_plugins import plugins
from lab.meet_settings import DOMAIN, RECORDER
from lab.process import HOST, ROOT, wait_until
from storm import until

FOCUS = f"focus@auth.{DOMAIN}"
# An address of this machine for the web server alone: its ports are those of a server on the Internet.
SITE = "127.9.0.1"
POLICY = f"""{MEET_SERVICE}trusted = ["{RECORDER}"]
link = "https://{SITE}/{{room}}"
[[room]]
match = "public-*"
[room.lobby]
admission = "open"
"""
MEET = {
    "muc_options": {"vestibule_trusted": [FOCUS]},
    "component_options": {"component_conflict_resolve": "kick_old"},
}
# What the laboratory has, and an anonymous server has by its nature.
LABORATORY = {"component-secret", "state-files", "anonymous-opener", "policy-suspicious", "advisories"}
BIND = "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>"


def examined(meet):
    done = meet.component.run("doctor", "--json")
    return {row["id"]: row for row in json.loads(done.stdout)["checks"]}


class Bosh:
    """A session by BOSH (XEP-0206), bound; `address` is what a web server says of it."""

    def __init__(self, server, address=None):
        self.url = f"http://{HOST}:{server.http_port}/http-bind"
        self.headers = {"X-Forwarded-For": address} if address else {}
        self.rid, self.sid = 1000, None
        stream = f"to='{DOMAIN}' wait='5' hold='1' ver='1.6' xmpp:version='1.0'"
        self.sid = self.send(stream).get("sid")
        self.send("", AUTH)
        self.send(f"to='{DOMAIN}' xmpp:restart='true'")
        assert self.send("", BIND).find(".//{urn:ietf:params:xml:ns:xmpp-bind}jid") is not None

    def send(self, attributes, payload=""):
        self.rid += 1
        sid = f" sid='{self.sid}'" if self.sid else ""
        body = (
            "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh'"
            f" rid='{self.rid}'{sid} {attributes}>{payload}</body>"
        )
        request = urllib.request.Request(self.url, body.encode(), self.headers)
        with urllib.request.urlopen(request, timeout=10) as reply:
            return ET.fromstring(reply.read())

    def close(self):
        self.send("type='terminate'")


def test_people_whom_the_web_server_does_not_name_have_one_address(meet):
    with contextlib.ExitStack() as sessions:
        for _ in range(3):
            sessions.callback(Bosh(meet.server).close)
        row = examined(meet)["one-address"]
        assert row["state"] == "found", row
        assert row["findings"][0]["found"].startswith("3 sessions by HTTP have one address")
        sessions.callback(Bosh(meet.server, "192.0.2.7").close)
        assert examined(meet)["one-address"]["state"] == "fine"


def test_too_few_people_say_nothing(meet):
    row = examined(meet)["one-address"]
    assert row["state"] == "unknown" and "fewer than 3" in row["unknown"][0]


async def test_an_election_that_was_refused_shows_what_jicofo_is_told(meet):
    assert examined(meet)["auto-owner"]["state"] == "unknown"
    async with meet.crowd() as crowd:
        room = meet.room("public")
        alice, bob = await crowd.persons("Alice", "Bob")
        assert (await alice.request(room)).kind == "ready"
        outcome = await bob.enter(room)
        await until(lambda: crowd.focus.errors, 3, f"a veto: {outcome}")
    row = examined(meet)["auto-owner"]
    assert row["state"] == "found" and "was refused" in row["findings"][0]["found"], row


PORTS = {5347: "components", 5280: "HTTP without encryption", 8888: "Jicofo", 8080: "bridge"}
CONFERENCES = "location ~ ^/conference-request/v1(\\/.*)?$"


@contextlib.contextmanager
def web_server(folder, bosh, is_open):
    """nginx in front of Prosody; `is_open`: with the doors open that docs/jitsi.md closes."""
    pair = (folder / "site.pem", folder / "site.key")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={SITE}", "-out", pair[0], "-keyout", pair[1]]
    subprocess.run(make, capture_output=True, check=True)
    request = f"proxy_pass http://{SITE}:8888;" if is_open else "return 404;"
    others = "".join(f"server {{ listen {SITE}:{port}; return 400; }}\n" for port in PORTS if is_open)
    paths = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"""daemon off; user root; pid {folder}/pid; error_log {folder}/log; events {{}}
http {{ access_log off; {paths}
server {{
    listen {SITE}:443 ssl; ssl_certificate {pair[0]}; ssl_certificate_key {pair[1]};
    location = /http-bind {{ proxy_pass http://{HOST}:{bosh}/http-bind; proxy_set_header Host {DOMAIN}; }}
    {CONFERENCES} {{ {request} }}
    location / {{ return 200 "Jitsi Meet"; }}
}}
{others}}}
""")
    with subprocess.Popen(["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"]) as nginx:
        try:
            wait_until(lambda: (folder / "pid").exists(), 10, "nginx", (folder / "log").read_text)
            yield
        finally:
            nginx.terminate()


@pytest.mark.skipif(os.getuid() != 0, reason="the web server's port is for root")
def test_the_script_for_another_machine_says_what_is_so(meet, tmp_path):
    script = meet.component.run("doctor", "--probe").stdout
    assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0

    def said(**variables):
        env = {"PATH": "/usr/bin:/bin", **variables}
        done = subprocess.run(["/bin/sh"], input=script, env=env, capture_output=True, text=True, timeout=60)
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout.splitlines()

    assert said(PATH=str(tmp_path)) == (2, ["not known: this needs curl"])
    assert said() == (2, [f"not known: {SITE} cannot be reached from here"])
    closed = [f"fine: port {port} ({what}) cannot be reached" for port, what in PORTS.items()]
    assert meet.server.http_port
    with web_server(tmp_path, meet.server.http_port, is_open=False):
        fine = ["fine: /conference-request/v1 is closed", "fine: /http-bind answers"]
        assert said() == (0, closed + fine)
        # A proxy of the machine that runs it would answer for every port.
        assert said(http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9") == (0, closed + fine)
    with web_server(tmp_path, bosh=1, is_open=True):
        opened = [f"WARNING: port {port} ({what}) can be reached" for port, what in PORTS.items()]
        others = ["the web server passes /conference-request/v1 on to Jicofo", "/http-bind does not answer (502): nobody can join by BOSH"]
        assert said() == (1, opened + [f"WARNING: {other}" for other in others])


@needs_jitsi_plugins
def test_every_module_of_the_checkout_stands_in_the_table():
    table = (ROOT / "docs/jitsi-modules.md").read_text().partition("\n## In clients\n")[0]
    known = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))
    there = {path.name[len("mod_") : -len(".lua")] for path in plugins().rglob("mod_*.lua")}
    assert there - known == set(), "what can they do to a meeting, and what holds them?"
    assert known - there == set(), "they are not in this checkout"


@needs_jitsi_plugins
def test_jitsi_s_own_modules_are_in_nobody_s_way(meet):
    checks = examined(meet)
    found = {name for name, row in checks.items() if row["state"] == "found"}
    assert found <= LABORATORY | {"auto-owner"}, [checks[name]["findings"] for name in found]
    for name in ("gate-order", "gate-after", "neighbours", "service-unguarded"):
        assert checks[name]["state"] == "fine"
