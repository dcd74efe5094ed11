"""Rules that are off, and rules that are only observed: not one byte lies between them."""

import asyncio
import difflib
import re
import tomllib

from lab import MEET_SERVICE, SERVICE, Crowd, Meet, Vestibule
from lab.process import HOST, ROOT
from lab.stanza import CLIENT, element
from tap import Tap, normal
from test_jitsi_observe import scripted

PASSWORD = "muc#roomconfig_roomsecret"
MEMBERS = "muc#roomconfig_membersonly"
PUBLIC = "muc#roomconfig_publicroom"
PERSISTENT = "muc#roomconfig_persistentroom"
PONG = re.compile("<iq from='localhost' id='lab[0-9]+' to='[^']+' type='result'/>")
# Rules that would have a lot to say.
RULES = """
[policy.close]
at_occupants = 3
[policy.moderators]
end = "operator"
[policy.access]
refused_rooms = ["bad-*"]
"""


def policy(mode, service=SERVICE):
    """The same rules, all in that mode."""
    families = tomllib.loads((ROOT / "component.toml").read_text())["policy"]["modes"]
    modes = "".join(f'{family} = "{mode}"\n' for family in families)
    return f"{service}{RULES}[policy.modes]\n{modes}"


async def meeting(server, crowd):
    """A meeting with all that happens in meetings, one thing after the other."""
    room = f"room@{server.service}"
    people = [await crowd.connect(f"{name}@localhost/desk") for name in ("alice", "bob", "carol")]
    people.append(await crowd.connect("guest.localhost"))
    alice, bob, carol, guest = people

    async def settled():
        for _ in range(2):
            for person in people:
                await person.ping()

    async def step(doing):
        result = await doing
        await settled()
        return result

    outcomes = []

    async def joins(person, nick, password=None):
        outcomes.append((nick, (await step(person.join(room, nick, password))).kind))

    async def told(somebody, doing):
        since = somebody.mark()
        doing()
        await somebody.wait_for(lambda seen: seen.name == "message" and seen.room == room, since=since)
        await settled()

    async def leaves(person, nick):
        person.send(element(CLIENT, "presence", to=f"{room}/{nick}", type="unavailable"))
        await settled()

    await joins(alice, "Alice")
    await step(alice.configuration(room))
    await joins(bob, "Bob")
    await leaves(bob, "Bob")
    await step(alice.configure(room, {PASSWORD: "x"}))
    await step(alice.configure(room, {PUBLIC: True, PERSISTENT: True}))
    await joins(bob, "Bob")
    await joins(bob, "Bob", "wrong")
    await joins(bob, "Bob", "x")
    await joins(guest, "Guest", "x")
    bob.say(room, "hello")
    guest.whisper(room, "Alice", "hello Alice")
    await settled()
    for word in ("!password", "!close", "!reopen", "!what"):
        await told(alice, lambda word=word: alice.say(room, word))
    await step(alice.configure(room, {PASSWORD: ""}))
    for person in (bob, guest):  # who is no member would be removed, in an order of Lua's
        await step(alice.set_affiliation(room, person.bare, "member"))
    await step(alice.configure(room, {MEMBERS: True}))
    await joins(carol, "Carol")
    await step(carol.iq(room, "get", element("jabber:iq:register", "query")))
    await step(bob.set_affiliation(room, carol.bare, "member"))
    await step(alice.set_affiliation(room, carol.bare, "member"))
    await joins(carol, "Carol")
    await step(alice.set_role(room, "Bob", "moderator"))
    await step(bob.set_role(room, "Guest", "visitor"))
    await step(bob.set_role(room, "Guest", "participant"))
    await step(bob.set_affiliation(room, carol.bare, "owner"))
    await step(alice.set_affiliation(room, carol.bare, "owner"))
    await step(carol.set_affiliation(room, carol.bare, "none"))
    await step(alice.set_role(room, "Guest", "none"))
    await joins(guest, "Guest")
    await step(alice.configure(room, {MEMBERS: False}))
    await joins(guest, "Other")
    await step(alice.set_affiliation(room, guest.bare, "outcast"))
    await joins(guest, "Guest")

    await told(carol, lambda: alice.invite(room, carol.bare, "come"))
    await told(guest, lambda: guest.invite(room, carol.bare, "come, too"))
    for jid in (server.service, room):
        await step(bob.disco_info(jid))
        await step(bob.disco_items(jid))
    await step(bob.destroy(room, "not mine"))
    await leaves(bob, "Bob")
    await leaves(carol, "Carol")
    await step(alice.destroy(room, "done"))
    room = f"bad-name@{server.service}"
    await joins(guest, "Guest")
    await joins(alice, "Alice")
    await leaves(alice, "Alice")
    await leaves(guest, "Guest")
    return outcomes


def questions(stream):
    """What gates ask and components answer: not how they greet, which names the file, and takes
    stock of the server in an order of its own."""
    lines, kept, stanza = normal(stream), [], []
    for line in lines:
        stanza.append(line)
        if line.startswith(("</iq", "</message")):
            if any("urn:vestibule:gate:2" in each for each in stanza) and not any(
                each.startswith(("<hello", "<snapshot", "<inventory", "<stored", "<report event='hosts'"))
                for each in stanza
            ):
                kept += stanza
            stanza = []
    return kept


def differences(one, other):
    """The lines that are in one and not in the other, stream by stream."""
    return [
        f"{name}: {line}"
        for name in one
        for line in difflib.unified_diff(one[name], other[name], lineterm="", n=2)
    ]


async def held(start_prosody, start, mode):
    """Holds the meeting in that mode; returns its outcomes, every byte of it, the decisions, and
    what `vestibule status` says then."""
    server = start_prosody()
    async with Tap(server.component_port) as link, Tap(server.c2s_port) as clients:
        component = Vestibule(
            server, policy(mode), env={"VESTIBULE_COMPONENT__SERVER": f"{HOST}:{link.port}"}
        )
        await asyncio.to_thread(start, component)
        server.c2s_port = clients.port
        async with Crowd(server) as crowd:
            outcomes = await meeting(server, crowd)
        await asyncio.sleep(0.2)
        status = await asyncio.to_thread(component.run, "status")
    streams = {}
    for number, name in enumerate(("alice", "bob", "carol", "guest")):
        for way, stream in zip(("sent", "got"), clients.streams[number], strict=True):
            # Logging in, and the pings by which each step is awaited, have nothing to do with rooms.
            begin = b"</stream:features>" if way == "got" else b"</bind></iq>"
            _, _, session = bytes(stream).rpartition(begin)
            streams[f"{name} {way}"] = [line for line in normal(session) if not PONG.match(line)]
    answered, asked = link.streams[-1]
    streams["asked"], streams["answered"] = questions(asked), questions(answered)
    return outcomes, streams, component.decisions(), status.stdout


async def test_not_one_byte_lies_between_off_and_observed(start_prosody, start):
    outcomes, off, decided, _ = await held(start_prosody, start, "off")
    assert [kind for _, kind in outcomes].count("joined") >= 7, outcomes
    assert not any("shadow" in decision for decision in decided)

    observed_outcomes, observed, decisions, status = await held(start_prosody, start, "observe")
    assert observed_outcomes == outcomes
    assert all(len(lines) > 20 for lines in off.values())
    assert not (found := differences(off, observed)), "\n".join(found)
    assert [d.get("verdict") for d in decisions] == [d.get("verdict") for d in decided]

    would = {(d["kind"], d["shadow"]["verdict"], d["shadow"]["rule"]) for d in decisions if "shadow" in d}
    assert {
        ("join", "hold", "lobby.admission"),
        ("configure", "deny", "password.required"),
        ("configure", "deny", "access.hidden"),
        ("command", "allow", "close.by"),
        ("open", "deny", "access.refused_rooms"),
        ("destroy", "deny", "moderators.end"),
    } <= would, "\n".join(map(str, sorted(would)))
    assert "if what is observed were enforced" in status


async def test_enforced_the_same_meeting_is_another(start_prosody, start):
    outcomes, streams, _, _ = await held(start_prosody, start, "off")
    again, same, _, _ = await held(start_prosody, start, "off")
    assert again == outcomes
    assert not (found := differences(streams, same)), "\n".join(found)
    enforced, other, _, _ = await held(start_prosody, start, "enforce")
    assert enforced != outcomes
    assert other["alice got"] != streams["alice got"]


async def test_on_jitsi_people_see_the_same(start, start_vestibule, prosody_version):
    seen, decided = {}, {}
    for mode in ("off", "observe"):
        server = start(Meet(prosody_version))
        component = start_vestibule(server, policy(mode, MEET_SERVICE))
        seen[mode] = await scripted(server)
        assert seen[mode]["reply"].pop("session-id").startswith("vt-"), "a random ticket"
        await asyncio.sleep(0.2)
        decided[mode] = component.decisions()
    assert seen["off"] == seen["observe"]
    verdicts = {mode: [d.get("verdict") for d in decisions] for mode, decisions in decided.items()}
    assert verdicts["off"] == verdicts["observe"]
    assert any("shadow" in decision for decision in decided["observe"])
    assert not any("shadow" in decision for decision in decided["off"])
