"""Wrong settings are told in words; hostile stanzas and odd names get an answer."""

import asyncio
import itertools
import re
import shutil
from xml.etree import ElementTree

import pytest
from lab import Crowd, Prosody, Vestibule
from lab.settings import SNIPPETS
from storm import PASSWORD, QUICK, ROOM, SERVICE, hear, logged, meeting, policy, until

MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"


async def told(vestibule, *words):
    """Asserts that the log and `vestibule status` say that, and that status is not content."""
    await logged(vestibule, "advice=")
    result = await asyncio.to_thread(vestibule.run, "status")
    assert result.returncode == 1
    for word in words:
        assert word in result.stdout, result.stdout
        assert word in vestibule.output.read_text().replace('\\"', '"')
    return result.stdout


async def test_a_wrong_secret_is_told_with_what_to_change(start_prosody, start):
    wrong = {"VESTIBULE_COMPONENT__SECRET": "a mistyped secret"}
    vestibule = Vestibule(start_prosody(), policy(), env=wrong)
    start(vestibule, ready=False)
    said = await told(vestibule, "component_secret", 'Component "vestibule.localhost"', "equal")
    for place in (said, vestibule.output.read_text()):
        assert "mistyped" not in place


async def test_an_unknown_domain_is_told_with_what_to_add(start_prosody, start):
    unknown = {"VESTIBULE_COMPONENT__DOMAIN": "nowhere.localhost"}
    vestibule = Vestibule(start_prosody(), policy(), env=unknown)
    start(vestibule, ready=False)
    await told(vestibule, 'Component "nowhere.localhost"', "add one")


async def test_a_second_instance_waits_and_says_so(start_prosody, start_vestibule, start):
    server = start_prosody()
    first = start_vestibule(server, policy())
    second = Vestibule(server, policy())
    start(second, ready=False)
    await told(second, "another process is connected")
    assert first.run("status").returncode == 0


async def test_another_machine_is_not_spoken_to_in_the_clear(start_prosody, start):
    elsewhere = {"VESTIBULE_COMPONENT__SERVER": "192.0.2.1:5347"}
    vestibule = Vestibule(start_prosody(), policy(), env=elsewhere)
    start(vestibule, ready=False)
    await logged(vestibule, "allow_plaintext_network")
    await until(lambda: not vestibule.is_running or vestibule.run("status").returncode == 1, 3, "no")


@pytest.mark.parametrize(
    ("text", "place"),
    [("version = 2\n[policy\n", ":2:"), ("[policy.lobby]\nadmission = 7\n", ":2:13")],
    ids=["no TOML", "a wrong type"],
)
def test_a_broken_file_does_not_start(start_prosody, start, text, place):
    vestibule = Vestibule(start_prosody(), text)
    start(vestibule, ready=False)
    assert vestibule.child.wait(5) == 2
    assert f"component.toml{place}" in vestibule.output.read_text()


def copied_gate(folder, name, change):
    copy = folder / f"mod_{name}"
    shutil.copytree(SNIPPETS / "mod_vestibule_gate", copy)
    main = (copy / "mod_vestibule_gate.lua").rename(copy / f"mod_{name}.lua")
    main.write_text(change(main.read_text()))
    modules = {"modules_enabled": [name]}
    return {"plugin_paths": [folder], "muc_options": {**QUICK, **modules}}


async def test_a_gate_of_another_version_is_refused_by_both_sides(start_prosody, start, tmp_path):
    def newer(text):
        text = text.replace("urn:vestibule:gate:2", "urn:vestibule:gate:3")
        return re.sub(r'version = "2"', 'version = "3"', text)

    server = start_prosody(**copied_gate(tmp_path, "gate_of_tomorrow", newer))
    vestibule = Vestibule(server, policy())
    start(vestibule, ready=False)
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        both = "the gate speaks version 3 of the gate protocol, this component version 2"
        await logged(vestibule, both)
        await logged(server, both)
        for room in (ROOM, f"other@{SERVICE}"):
            refused = await alice.join(room, "Alice")
            assert (refused.kind, refused.condition) == ("error", "internal-server-error")
            assert refused.seconds < 1
        status = await asyncio.to_thread(vestibule.run, "status")
        assert status.returncode == 1
        assert "NOT READY" in status.stdout


def without_end(text):
    return text + "\nif then"


@pytest.mark.parametrize("why", ["it is missing from modules_enabled", "it cannot be loaded"])
async def test_without_a_gate_the_component_is_not_ready(start_prosody, start, tmp_path, why):
    options = {"muc_options": {"modules_enabled": []}}
    if "cannot" in why:
        options = copied_gate(tmp_path, "broken_gate", without_end)
    soon = {"VESTIBULE_COMPONENT__READY_WITHIN": "1 second"}
    vestibule = Vestibule(start_prosody(**options), policy(), env=soon)
    start(vestibule, ready=False)
    await logged(vestibule, "NOT READY", 3)
    log = vestibule.output.read_text()
    assert SERVICE in log and "modules_enabled" in log
    status = await asyncio.to_thread(vestibule.run, "status")
    assert status.returncode == 1
    assert "NOT READY" in status.stdout
    assert f"{SERVICE}: NO GATE" in status.stdout


class Elsewhere(Prosody):
    """A server whose gate is told of a component that is not there."""

    def configuration(self):
        return super().configuration().replace('"vestibule.localhost"\n', '"elsewhere.localhost"\n', 1)


async def test_a_gate_that_refuses_everybody_is_said_to(start_prosody, start_vestibule, start, prosody_version):
    """By the component where it greets from a service that the file has not, else in Prosody's log."""
    elsewhere = start(Elsewhere(prosody_version))
    component = start_vestibule(start_prosody(), policy().replace(SERVICE, "rooms.localhost"), ready=False)
    refused = f"a gate on {SERVICE} has connected and is REFUSED"
    for _ in range(100):
        if refused in component.run("status").stdout:
            break
        await asyncio.sleep(0.1)
    status = component.run("status")
    assert status.returncode == 1 and refused in status.stdout
    assert "or a gate there does not reach this component and refuses everybody" in status.stdout
    for _ in range(100):
        if "this server has no Component" in elsewhere.log():
            break
        await asyncio.sleep(0.1)
    assert 'this server has no Component "elsewhere.localhost", so everyone is refused' in elsewhere.log()
    async with Crowd(elsewhere) as crowd:
        alice = await crowd.connect("alice@localhost")
        assert not (await alice.join(f"tea@{SERVICE}", "Alice")).joined


ODD_NAMES = [
    r"a\20name\20with\20spaces",
    r"quote\27and\22and\26",
    "prosím-čaj-и-чай-茶",
    "percent%25and%zz",
    "[tenant]room",
    "-._~!$()*+,;=",
    "x" * 1023,
    "..",
]


async def test_a_room_with_an_odd_name_is_a_room(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        for name in ODD_NAMES:
            room = f"{name}@{SERVICE}"
            assert (await alice.join(room, "Alice")).joined, name
            assert (await bob.join(room, "Bob")).condition == "not-authorized", name
            assert (await bob.join(room, "Bob", PASSWORD)).joined, name
            await hear(alice, bob, name[:20], room)
            shown = await asyncio.to_thread(vestibule.run, "room", "--", room)
            assert shown.returncode == 0, shown.stderr
        listed = await asyncio.to_thread(vestibule.run, "rooms", "--json")
        for name in ODD_NAMES:
            assert name in listed.stdout.replace("\\\\", "\\"), name


HOSTILE = [
    f"<presence to='@{SERVICE}/nick' id='h0'>{MUC}</presence>",
    f"<presence to='{SERVICE}' id='h1'>{MUC}</presence>",
    f"<presence to='{SERVICE}/nick' id='h2'>{MUC}</presence>",
    f"<presence to='new@{SERVICE}' id='h3'>{MUC}</presence>",
    f"<presence to='a b@{SERVICE}/nick' id='h4'>{MUC}</presence>",
    f"<presence to='new@{SERVICE}/{'n' * 1024}' id='h5'>{MUC}</presence>",
    f"<presence to='{'r' * 1024}@{SERVICE}/nick' id='h6'>{MUC}</presence>",
    f"<presence to='party\U0001f389@{SERVICE}/nick' id='h7'>{MUC}</presence>",
    f"<presence to='new2@{SERVICE}/party\U0001f389' id='h8'>{MUC}</presence>",
    f"<presence to='new3@{SERVICE}/&#x200e;' id='h9'>{MUC}</presence>",
]


async def test_an_address_that_is_none_is_answered_and_leaves_nothing(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        since = alice.mark()
        for stanza in HOSTILE:
            alice.send_raw(stanza)
        await alice.ping()

        def answers(number):
            return [s for s in alice.seen[since:] if s.id == f"h{number}"]

        for number, stanza in enumerate(HOSTILE):
            await until(lambda n=number: answers(n), 2, f"an answer to {stanza[:80]}")
            (answer,) = answers(number)
            assert answer.error, stanza[:80]
        status = await asyncio.to_thread(vestibule.run, "status")
        assert status.returncode == 0
        assert "0 rooms open" in status.stdout
        assert not [line for line in server.complaints() if "traceback" in line.lower()]


def plainly(stanza, service):
    """A stanza without what differs each time: ids, times, and the order of features."""
    text = ElementTree.canonicalize(repr(stanza)).replace(service, "SERVICE")
    text = re.sub(r'\b(id|stamp|to)="[^"]*"', "", text)
    return " ".join(sorted(re.findall(r"<[^>]*>|[^<]+", text)))


async def story(server, service):
    """What three people see of an ordinary meeting."""
    room = f"room@{service}"
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost/here")
        bob = await crowd.connect("bob@localhost/here")
        carol = await crowd.connect("carol@localhost/here")
        people = alice, bob, carol
        marks = [person.mark() for person in people]
        await alice.join(room, "Alice")
        await bob.join(room, "Bob")
        await alice.configure(room)
        await bob.join(room, "Bob", "anything")
        await bob.join(f"{room}", "Alice")
        alice.set_subject(room, "tea")
        await hear(alice, bob, "hello", room)
        await alice.set_affiliation(room, "bob@localhost", "admin")
        await bob.leave(room, "Bob")
        await alice.configure(room, {"muc#roomconfig_roomsecret": "a room of one's own"})
        await bob.join(room, "Bob")
        await bob.join(room, "Bob", "wrong")
        await bob.join(room, "Bob", "a room of one's own")
        await alice.configure(room, {"muc#roomconfig_passwordprotectedroom": False})
        await hear(alice, bob, "!close", room)
        await carol.disco_info(room)
        carol.invite(room, "carol@localhost")
        await bob.disco_info(room)
        alice.invite(room, "bob@localhost")
        await bob.wait_for(lambda seen: "invite" in repr(seen))
        await alice.set_role(room, "Bob", "none")
        await bob.join("focus@" + service, "focus")
        await bob.configure("focus@" + service)
        await bob.leave("focus@" + service, "focus")
        await alice.destroy(room)
        await asyncio.gather(*(person.ping() for person in people))
        return [plainly(s, service) for p, m in zip(people, marks, strict=True) for s in p.seen[m:]]


async def test_only_observing_changes_nothing_and_writes_everything_down(start_prosody, start):
    server = start_prosody(plain_muc=True)
    vestibule = Vestibule(server, policy(), arguments=["--observe"])
    start(vestibule)
    assert "only observing" in vestibule.run("status").stdout
    await logged(vestibule, "every gate has connected")
    assert "under the policy" not in vestibule.output.read_text()
    observed, plain = await story(server, SERVICE), await story(server, "plain.localhost")
    for here, there in itertools.zip_longest(observed, plain):
        assert here == there

    def verdicts():
        asked = [each for each in vestibule.decisions() if "verdict" in each]
        assert all(each["observed"] for each in asked)
        return [(each["kind"], each["verdict"]) for each in asked]

    await until(lambda: ("destroy", "allow") in verdicts(), 3, "all decisions")
    assert verdicts()[0] == ("open", "allow")
    assert ("join", "prompt") in verdicts()


async def joins(crowd, _):
    return (await (await crowd.connect("carol@localhost")).join(ROOM, "boom", PASSWORD)).condition


async def configures(_, owner):
    return (await owner.configure(ROOM, {"muc#roomconfig_roomdesc": "boom"})).error


async def kicks(_, owner):
    return (await owner.set_role(ROOM, "Bob", "none", "boom")).error


def failing(folder, hook):
    """A gate of which a hook fails on every stanza with the word "boom"."""

    def broken(text):
        call = "local ok, result = xpcall(handler, debug.traceback, event);"
        assert call in text
        fails = f'event_name == "{hook}" and tostring(event.stanza):find "boom"'
        return text.replace(call, call.replace("handler", f"{fails} and error or handler"))

    return copied_gate(folder, "broken_gate", broken)


@pytest.mark.parametrize(
    ("hook", "act"),
    [
        ("presence/full", joins),
        ("iq-set/bare/http://jabber.org/protocol/muc#owner:query", configures),
        ("iq-set/bare/http://jabber.org/protocol/muc#admin:query", kicks),
    ],
    ids=["presence", "owner", "admin"],
)
async def test_what_a_handler_fails_on_is_refused(start_prosody, start_vestibule, tmp_path, hook, act):
    server = start_prosody(**failing(tmp_path, hook))
    start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        alice, bob = await meeting(crowd)
        before = await alice.configuration(ROOM)
        assert "internal-server-error" in await act(crowd, alice)
        assert await alice.configuration(ROOM) == before
        await hear(bob, alice, "still here", ROOM)


async def test_an_answer_on_which_a_handler_fails_is_dropped(start_prosody, start_vestibule, tmp_path):
    """The room would remove an occupant whose message comes back as an error."""
    start_vestibule(server := start_prosody(**failing(tmp_path, "message/bare")), policy())
    async with Crowd(server) as crowd:
        alice, bob = await meeting(crowd)
        gone = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        bob.send_raw(f"<message to='{ROOM}' type='error' id='boom'>{gone}</message>")
        await bob.ping()
        await hear(alice, bob, "still here", ROOM)
