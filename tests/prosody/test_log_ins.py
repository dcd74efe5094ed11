"""How somebody has logged in, on a plain Prosody: by every way that its providers have, at every time."""

import asyncio
import json
import re
import signal
import socket
import subprocess

import pytest
from lab import SERVICE, Crowd
from lab.community import OWN, SASLPASSWD, SLAPD, modules, needs_cyrus, needs_ldap, needs_sasl2, with_libraries
from lab.door import Door
from lab.federation import Link
from lab.process import HOST, Failed, Process, free_port, wait_until
from lab.server import PASSWORD
from lab.settings import assignments
from lab.stanza import element
from lab.stream import BIND2, FAST, Stream, fast_words, plain
from storm import MODULES, shell

POLICY = (
    SERVICE
    + """
[policy.access]
create = ["everyone"]
[[provider]]
name = "lab_named"
proves = "account"
"""
)
BASE = "ou=people,dc=lab,dc=example"
# mod_sasl2_fast asks of the server what 0.12 has not.
SASL2_MODULES = {"0.12": ("sasl2", "sasl2_bind2", "sasl2_sm"), "13": ("sasl2", "sasl2_bind2", "sasl2_sm", "sasl2_fast")}


class Directory(Process):
    """A slapd with ann, whose password is that of the laboratory."""

    def __init__(self, home):
        self.port = free_port()
        self.home = home
        super().__init__(home / "output")
        schema = "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
        (home / "db").mkdir()
        (home / "slapd.conf").write_text(
            f"{schema}modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {home}/pid\ndatabase mdb\n"
            f'suffix "dc=lab,dc=example"\ndirectory {home}/db\nrootdn "cn=root,dc=lab,dc=example"\nrootpw root\n'
        )
        entries = (
            "dn: dc=lab,dc=example\nobjectClass: domain\ndc: lab\n\n"
            f"dn: {BASE}\nobjectClass: organizationalUnit\nou: people\n\n"
            f"dn: uid=ann,{BASE}\nobjectClass: inetOrgPerson\nuid: ann\ncn: Ann\nsn: Ann\nuserPassword: {PASSWORD}\n"
        )
        command = [SLAPD, "-T", "add", "-f", home / "slapd.conf"]
        subprocess.run(command, input=entries, text=True, check=True, capture_output=True)

    def start(self):
        self.spawn([SLAPD, "-d", "0", "-f", self.home / "slapd.conf", "-h", f"ldap://{HOST}:{self.port}"], {})
        wait_until(self._answers, 10, "slapd", self.tail)

    def _answers(self):
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True


def skips(mark):
    return mark.args[0]


class LogIns(Door):
    """A Door with a host for each provider that can run here, and what stands behind those."""

    def __init__(self, version, home):
        self.directory = None if skips(needs_ldap) else Directory(home)
        sasl2 = [] if skips(needs_sasl2) else [*SASL2_MODULES[version], "smacks"]
        hosts = {
            "hashed.localhost": {"authentication": "internal_hashed"},
            "named.localhost": {"authentication": "lab_named", "modules_enabled": sasl2},
            "sasl2.localhost": {"authentication": "internal_plain", "modules_enabled": sasl2},
            "turns.localhost": {"authentication": "anonymous"},
        }
        env = {}
        if self.directory:
            hosts["ldap.localhost"] = {
                "authentication": "ldap",
                "ldap_server": f"{HOST}:{self.directory.port}",
                "ldap_base": BASE,
            }
        if not skips(needs_cyrus):
            database = home / "sasldb2"
            subprocess.run(
                [SASLPASSWD, "-p", "-c", "-f", database, "-u", "cyrus.localhost", "ann"],
                input=PASSWORD, text=True, check=True, capture_output=True,
            )
            (home / "prosody.conf").write_text(
                f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\n"
                "mech_list: PLAIN ANONYMOUS\n"
            )
            hosts["cyrus.localhost"] = {"authentication": "cyrus", "modules_enabled": sasl2}
            env["SASL_CONF_PATH"] = str(home)
        text = "".join(
            f'\nVirtualHost "{name}"\n{assignments(options, chr(9))}' for name, options in hosts.items()
        )
        borrowed = modules(home / "modules", "auth_cyrus", *SASL2_MODULES[version])
        ldap = "mod_auth_ldap.lua"  # the server's own
        (borrowed / ldap).write_text(with_libraries(OWN[version] / ldap))
        super().__init__(
            version,
            POLICY,
            modules=["lab_hosts", "lab_unload", "smacks", "legacyauth"],
            plugin_paths=[MODULES, borrowed],
            extra_hosts=text,
        )
        self.server.env.update(env)

    def start(self):
        if self.directory:
            self.directory.start()
        for host in ("localhost", "hashed.localhost", "sasl2.localhost"):
            self.server.add_account("ann", host=host)
        return super().start()

    def close(self):
        super().close()
        if self.directory:
            self.directory.kill()

    async def judged(self, person):
        """The class of somebody who joins a room, and what was told of the session."""
        room = self.room()
        assert (await person.open(room, "Somebody")).joined
        line = await self.decision(kind="open", room=room, jid=person.bare)
        return line["class"], line["facts"]["who"]["session"]


@pytest.fixture(scope="module")
def door(prosody_version, tmp_path_factory):
    shared = LogIns(prosody_version, tmp_path_factory.mktemp("log-ins"))
    try:
        yield shared.start()
    finally:
        shared.close()


async def stream(door, host, mechanism, words=b""):
    person = await Stream.connect_to(door.server, host)
    await person.sasl(mechanism, words)
    return await person.bind()


LOG_INS = {
    "an account": ("localhost", "PLAIN", plain("ann"), "account", "internal_plain"),
    "an account, hashed": ("hashed.localhost", "PLAIN", plain("ann"), "account", "internal_hashed"),
    "nobody": ("guest.localhost", "ANONYMOUS", b"", "guest", "anonymous"),
    "somebody of the file's provider": ("named.localhost", "PLAIN", plain("x"), "account", "lab_named"),
    "nobody of the file's provider": ("named.localhost", "ANONYMOUS", b"", "guest", "lab_named"),
}
LDAP = ("ldap.localhost", "PLAIN", plain("ann"), "account", "ldap")
CYRUS = {
    "an account": ("cyrus.localhost", "PLAIN", plain("ann"), "account", "cyrus"),
    "nobody": ("cyrus.localhost", "ANONYMOUS", b"", "guest", "cyrus"),
    "nobody, under a name": ("cyrus.localhost", "ANONYMOUS", b"root", "guest", "cyrus"),
}


async def proves(door, host, mechanism, words, expected, provider):
    found, session = await door.judged(await stream(door, host, mechanism, words))
    assert found == expected, session
    assert (session["provider"], session["mechanism"], session["host"]) == (provider, mechanism, host)


@pytest.mark.parametrize("name", LOG_INS)
async def test_what_a_log_in_proves(door, name):
    await proves(door, *LOG_INS[name])


@needs_ldap
async def test_an_account_of_a_directory_is_an_account(door):
    await proves(door, *LDAP)
    for words in (plain("ann", "wrong"), plain("ann", ""), plain("nobody"), plain("*")):
        with pytest.raises(Failed, match="failure"):
            await stream(door, "ldap.localhost", "PLAIN", words)


@needs_cyrus
@pytest.mark.parametrize("name", CYRUS)
async def test_cyrus_sasl_lets_in_accounts_and_anybody(door, name):
    await proves(door, *CYRUS[name])


# Ways that tell nobody, and times at which nobody listened


@needs_sasl2
async def test_sasl2_tells_the_mechanism_too(door):
    for host, mechanism, words, expected in (
        ("sasl2.localhost", "PLAIN", plain("ann"), "account"),
        ("named.localhost", "PLAIN", plain("x"), "account"),
        ("named.localhost", "ANONYMOUS", b"", "guest"),
    ):
        person = await Stream.connect_to(door.server, host)
        await person.sasl2(mechanism, words)
        found, session = await door.judged(await person.bind())
        assert (found, session["mechanism"]) == (expected, mechanism), (host, session)


@needs_sasl2
async def test_a_token_of_a_session_is_a_proof_of_the_account(door, prosody_version):
    """FAST (XEP-0484), with the resource bound in the same step (XEP-0386)."""
    if "sasl2_fast" not in SASL2_MODULES[prosody_version]:
        pytest.skip(f"mod_sasl2_fast does not run on Prosody {prosody_version}")
    agent = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>"
    first = await Stream.connect_to(door.server, "sasl2.localhost")
    asked = f"{agent}<request-token xmlns='{FAST}' mechanism='HT-SHA-256-NONE'/>"
    secret = re.search("token='([^']*)'", await first.sasl2("PLAIN", plain("ann"), asked)).group(1)
    again = await Stream.connect_to(door.server, "sasl2.localhost", person="ann")
    more = f"{agent}<fast xmlns='{FAST}'/><bind xmlns='{BIND2}'/>"
    await again.sasl2("HT-SHA-256-NONE", fast_words("ann", secret), more)
    found, session = await door.judged(again)
    assert (found, session["mechanism"]) == ("account", "HT-SHA-256-NONE")


async def test_an_older_way_to_log_in_proves_what_the_provider_always_does(door):
    """XEP-0078 tells nobody by what mechanism."""
    person = await Stream.connect_to(door.server, "localhost")
    found, session = await door.judged(await person.old("ann"))
    assert found == "account" and "mechanism" not in session


async def resumed(door, person):
    """The same session, over another connection."""
    previd = await person.hibernates()
    again = await Stream.connect_to(door.server, person.host)
    return again, previd


async def test_a_session_that_is_resumed_is_what_it_was(door):
    for host, mechanism, words, expected in (
        ("localhost", "PLAIN", plain("ann"), "account"),
        ("named.localhost", "PLAIN", plain("x"), "account"),
    ):
        person = await stream(door, host, mechanism, words)
        again, previd = await resumed(door, person)
        await again.sasl(mechanism, words)
        await again.resume(previd, person.jid)
        found, session = await door.judged(again)
        assert (found, session["mechanism"]) == (expected, mechanism)


async def test_nobody_resumes_the_session_of_somebody_else(door):
    ann = await stream(door, "named.localhost", "PLAIN", plain("ann"))
    eve, previd = await resumed(door, ann)
    await eve.sasl("ANONYMOUS")
    with pytest.raises(Failed, match="failed"):
        await eve.resume(previd, ann.jid)


async def test_a_session_older_than_the_gate_is_what_its_provider_always_proves(door):
    """Of a provider that takes anybody, too, it is not known how that session logged in."""
    async with Crowd(door.server) as crowd:
        admin = await crowd.connect("admin@localhost")
        await shell(admin, "unload")
        people = {
            name: await stream(door, host, mechanism, words)
            for name, host, mechanism, words in (
                ("account", "localhost", "PLAIN", plain("ann")),
                ("guest", "guest.localhost", "ANONYMOUS", b""),
                ("guest, by the file's", "named.localhost", "ANONYMOUS", b""),
                ("guest, though with a password", "named.localhost", "PLAIN", plain("x")),
            )
        }
        await shell(admin, "load")
        await asyncio.to_thread(door.component.wait_ready)
        for name, person in people.items():
            found, session = await door.judged(person)
            assert found == name.partition(",")[0], name
            assert "mechanism" not in session


def hosts(action, **attributes):
    return element("urn:lab", "hosts", action=action, **attributes)


async def reconfigured(door, admin, old, new, *steps):
    """Changes the configuration file, has it read again, and does what an operator's shell does."""
    server = door.server
    text = server.config_path.read_text()
    assert old in text
    server.config_path.write_text(text.replace(old, new, 1))
    since = len(server.log())
    server.signal(signal.SIGHUP)
    await asyncio.to_thread(wait_until, lambda: "onfig" in server.log()[since:], 5, "the file to be read", server.tail)
    for step in steps:
        reply = await admin.iq("localhost", "set", step)
        assert reply.type == "result", reply


async def test_another_provider_makes_no_account_of_those_who_are_there(door):
    """The host lets anybody in, and is then given accounts, while people are connected."""
    old = '"turns.localhost"\n\tauthentication = "anonymous"'
    new = '"turns.localhost"\n\tauthentication = "internal_plain"'
    async with Crowd(door.server) as crowd:
        admin = await crowd.connect("admin@localhost")
        listened = await stream(door, "turns.localhost", "ANONYMOUS")
        await shell(admin, "unload")
        unheard = await stream(door, "turns.localhost", "ANONYMOUS")
        await shell(admin, "load")
        await asyncio.to_thread(door.component.wait_ready)
        provider = {"host": "turns.localhost", "module": "auth_internal_plain"}
        await reconfigured(door, admin, old, new, hosts("load", **provider))
        door.server.add_account("ann", host="turns.localhost")
        try:
            for person in (listened, unheard):
                found, session = await door.judged(person)
                assert (found, session["provider"]) == ("guest", "anonymous")
            ann = await stream(door, "turns.localhost", "PLAIN", plain("ann"))
            assert (await door.judged(ann))[0] == "account"
        finally:
            await reconfigured(door, admin, new, old, hosts("unload", **provider))


async def test_a_host_that_appears_later_is_judged_as_any_other(door):
    more = '\nVirtualHost "later.localhost"\n\tauthentication = "lab_homemade"\n'
    server, component = door.server, door.component
    async with Crowd(server) as crowd:
        admin = await crowd.connect("admin@localhost")
        end = server.config_path.read_text()[-40:]
        await reconfigured(door, admin, end, end + more, hosts("activate", host="later.localhost"))
        person = await stream(door, "later.localhost", "PLAIN", plain("root"))
        found, session = await door.judged(person)
        assert (found, session["provider"], session["mechanism"]) == ("guest", "lab_homemade", "PLAIN")

        def told():
            return "lab_homemade" in component.run("status").stdout

        await asyncio.to_thread(wait_until, told, 5, "the status to name the provider", component.tail)
        line = '[[provider]]\nname = "lab_homemade"\nproves = "account"\n'
        door.enforce(POLICY + line)
        assert (await door.judged(person))[0] == "account"


async def test_status_plan_and_show_say_what_a_log_in_proves(door, tmp_path):
    people = [await stream(door, "named.localhost", "PLAIN", plain(name)) for name in ("one", "two")]
    room = door.room()
    assert (await people[0].open(room, "One")).joined
    joined = await people[1].join(room, "Two")
    assert joined.joined or joined.condition == "registration-required"
    text = door.component.run("status").stdout
    line = POLICY[: POLICY.index("[[provider]]")].count("\n") + 1
    assert "conference.localhost: a log-in proves, at " in text
    assert re.search(rf"named\.localhost account \(by lab_named, line {line}\)", text), text
    assert "guest.localhost guest (by anonymous)" in text and "localhost account (by internal_plain)" in text

    def planned(policy, *more):
        other = tmp_path / "other.toml"
        other.write_text(policy)
        return door.component.run("plan", str(other), *more).stdout

    before = json.loads(planned(POLICY, "--json"))["providers"]
    assert "lab_named" not in [change["name"] for change in before]
    without = POLICY[: POLICY.index("[[provider]]")]
    (change,) = [one for one in json.loads(planned(without, "--json"))["providers"] if one["name"] == "lab_named"]
    assert (change["before"], change["after"], change["hosts"]) == ("account", None, ["named.localhost"])
    assert change["inside"] >= 1
    said = planned(without)
    assert f"proves: account -> nothing known, of {change['inside']} people inside" in said and "[[provider]]" in said
    guest = without + '[[provider]]\nname = "lab_named"\nproves = "guest"\n'
    assert "by lab_named (named.localhost) proves: account -> guest" in planned(guest)

    def show():
        return door.component.run("show", "--config", door.component.config_path, room).stdout

    door.enforce(POLICY.replace('["everyone"]', '"default"'))
    try:
        shown = show()
        assert "# default: service, operator, listed, token, account; guests, too, where nobody logs in" in shown
        assert "by default rooms are opened by service, operator, listed, token, account (people log in to" in shown
    finally:
        door.enforce(POLICY)
    assert "by default rooms are opened" not in show()


GATEWAY = "gateway.localhost"


async def test_a_gateway_speaks_for_its_own_users_only(start_prosody, start_vestibule):
    """Also where the server lets it give any sender."""
    operators = f'[policy]\noperators = ["root@localhost", "root@{GATEWAY}"]\n[policy.access]\ncreate = ["everyone"]\n'
    secret = {"component_secret": "gateway", "validate_from_addresses": False}
    server = start_prosody(extra_hosts=f'Component "{GATEWAY}"\n{assignments(secret, chr(9))}')
    component = start_vestibule(server, SERVICE + operators)
    link = await Link.open(server, GATEWAY, "gateway")
    room = "tea@conference.localhost"
    for number, (sender, expected) in enumerate((("root@localhost", "guest"), (f"root@{GATEWAY}", "operator"))):
        link.write(
            f"<presence from='{sender}/lab' to='{room}/{number}'>"
            "<x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        await asyncio.sleep(0.5)
        lines = [line for line in component.decisions() if line.get("jid") == sender and "class" in line]
        assert lines and lines[-1]["class"] == expected, lines
        assert lines[-1]["facts"]["who"]["session"]["kind"] == "component"
    link.close()
