"""Passwords: every room has one, good enough, it stays, and nobody guesses it."""

import asyncio
import re
from typing import ClassVar

import pytest
from lab import SERVICE, Crowd, Vestibule
from lab.carriers import published_by_nobody
from lab.policy import SECRET, rooms
from lab.process import HOST, ROOT, free_port
from lab.stanza import MUC, element

WORDS = ROOT / "src/password/words.txt"
BETTER = "nine wide copper kettles"
KEY = "0123456789abcdef0123456789abcdef"
FIELD = "muc#roomconfig_roomsecret"
PRESET = f'source = "preset", preset = "{SECRET}"'
CODE = 'moderators = { code = "generated" }'
POLICY = SERVICE + rooms({
    "creator": f'password = {{ source = "creator", deny_list = ["{BETTER}"] }}',
    "derived": f'password = {{ source = "derived", secret = "{KEY}" }}',
    "preset": f'password = {{ {PRESET} }}\nlobby = {{ admission = "password" }}',
    "long": 'password = { words = 7 }',
    "unmoderated": 'moderators = { assign = ["nobody"] }',
    "silent": 'password = { show_to_moderators = false }',
    "guess": f'password = {{ {PRESET}, guesses = {{ burst = 2, delay = "1 second" }} }}\nlobby = {{ admission = "password" }}',
    "flood": f'password = {{ {PRESET}, guesses = {{ room_burst = 3, delay = "20 seconds" }} }}\nlobby = {{ admission = "password" }}',
    "code": f'{CODE}\npassword = {{ {PRESET} }}',
    "codederived": f'moderators = {{ code = "derived" }}\npassword = {{ source = "derived", secret = "{KEY}" }}',
    "codelobby": f'{CODE}\nlobby = {{ admission = "lobby" }}',
    "codeguess": f'{CODE}\npassword = {{ {PRESET}, guesses = {{ burst = 3, delay = "1 minute" }} }}',
    "codeopen": f'{CODE}\npassword = {{ guesses = {{ burst = 2, delay = "1 minute" }} }}\nlobby = {{ admission = "open" }}',
    "codehost": f'{CODE}\npassword = {{ {PRESET} }}\nclose = {{ hold_until = ["moderator"] }}',
    "codecreator": f'moderators = {{ code = "derived" }}\npassword = {{ source = "creator", secret = "{KEY}" }}',
    "floodlobby": f'password = {{ {PRESET}, guesses = {{ room_burst = 3, delay = "20 seconds" }} }}',
})


def is_told(stanza, room):
    """Whether the room itself says here what its password is."""
    return stanza.name == "message" and stanza.sender == room and "password" in (stanza.body or "")


async def told(person, room, since=0):
    """The password that the room tells this person."""
    stanza = await person.wait_for(lambda seen: is_told(seen, room), since=since)
    return stanza.body.partition(": ")[2].partition(" (")[0]


async def told_code(person, room, since=0):
    """The host code that the room tells this person."""
    stanza = await person.wait_for(lambda seen: seen.sender == room and "host code" in (seen.body or ""), since=since)
    return stanza.body.partition("host code")[2].partition(": ")[2].partition(" (")[0]


async def hosted(door, crowd, name="code"):
    """A room with a host code, Alice who has opened it, and the code."""
    room, alice = await door.meeting(crowd, "alice@localhost", name=name)
    return room, alice, await told_code(alice, room)


def words(password):
    """The words of a generated password; four of the list have a hyphen of their own."""
    whole = [word for word in WORDS.read_text().split() if "-" in word]
    return re.findall("|".join([*whole, "[^-]+"]), password)


async def test_a_password_is_generated_and_only_the_opener_is_told(door):
    async with Crowd(door.server) as crowd:
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        rooms = [door.room(), door.room("long")]
        passwords = []
        for room in rooms:
            assert (await alice.join(room, "Alice")).joined
            passwords.append(await told(alice, room))
            assert (await bob.join(room, "Bob", passwords[-1])).joined
            await bob.ping()
            assert not any(is_told(seen, room) for seen in bob.seen)
            assert (await alice.configuration(room))[FIELD] == passwords[-1]
        short, long = map(words, passwords)
        assert (len(short), len(long)) == (4, 7)
        assert long[:4] != short


@pytest.mark.parametrize("name", ["unmoderated", "silent"])
async def test_a_room_keeps_its_password_to_itself(door, name):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name=name)
        alice.say(room, "!password")
        refused = await alice.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert refused.error[1] == "forbidden"
        assert not any(is_told(seen, room) for seen in alice.seen)
        await door.decision(kind="command", room=room, rule="password.show_to_moderators", verdict="deny")


async def test_whoever_asks_is_told_alone(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        password = await told(alice, room)
        await bob.join(room, "Bob", password)
        since = alice.mark()
        alice.say(room, "!password")
        assert await told(alice, room, since) == password
        bob.say(room, "!password")
        await bob.wait_for(lambda seen: seen.error and seen.error[1] == "forbidden")
        await alice.ping()
        everything = [seen.body or "" for seen in [*alice.seen, *bob.seen] if not seen.error]
        assert "!password" not in everything
        assert not any(password in seen.body for seen in bob.seen if seen.body)


async def test_a_line_that_begins_so_is_shown_to_nobody_whatever_carries_it(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        await bob.join(room, "Bob", await told(alice, room))
        await published_by_nobody(alice, bob, room, f"{room}/Bob")


async def test_a_creator_has_to_choose_a_good_password(door):
    async with Crowd(door.server) as crowd:
        room = door.room("creator")
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        weak = {
            None: "password.source",
            "short": "password.min_length",
            "password1": "password.min_score",
            BETTER: "password.deny_list",
        }
        for typed, rule in weak.items():
            outcome = await alice.join(room, "Alice", typed)
            assert (outcome.type, outcome.condition) == ("auth", "not-authorized"), typed
            await door.decision(kind="open", room=room, rule=rule, verdict="prompt")
        assert (await alice.join(room, "Alice", SECRET)).joined
        assert (await bob.join(room, "Bob", "short")).condition == "not-authorized"
        assert (await bob.join(room, "Bob", SECRET)).joined
        assert not any(is_told(seen, room) for seen in alice.seen)


async def test_a_derived_password_is_the_one_that_the_command_line_prints(door):
    async with Crowd(door.server) as crowd:
        room = door.room("derived")
        alice = await crowd.connect("alice@localhost")
        guest = await crowd.connect("guest.localhost")
        printed = door.component.run("--config", door.component.config_path, "password", room)
        assert printed.returncode == 0, printed.stderr
        await alice.join(room, "Alice")
        assert (await guest.join(room, "Guest", printed.stdout.strip())).joined
        assert await told(alice, room) == printed.stdout.strip()


async def test_a_password_of_the_file_opens_the_room(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="preset")
        guest = await crowd.connect("guest.localhost")
        assert await told(alice, room) == SECRET
        for wrong in (None, "", SECRET.upper(), SECRET + " x", SECRET[:-1]):
            assert (await guest.join(room, "Guest", wrong)).condition == "not-authorized", wrong
        assert (await guest.join(room, "Guest", SECRET)).joined


async def test_two_passwords_are_none(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="preset")
        guest = await crowd.connect("guest.localhost")
        for order in ((SECRET, "wrong"), ("wrong", SECRET), (SECRET, SECRET)):
            words = "".join(f"<password>{word}</password>" for word in order)
            guest.send_raw(f"<presence to='{room}/G'><x xmlns='{MUC}'>{words}</x></presence>")
        outcome = await guest.outcome(room, 0)
        assert outcome.condition == "not-authorized"
        await guest.ping()
        assert not any(answer.joined for answer in guest.answers(room))


async def test_whoever_knew_the_password_is_not_asked_again(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="preset")
        await bob.leave(room, "Bob")
        assert (await bob.join(room, "Bob")).joined


async def test_a_guesser_has_to_wait_and_then_may_try_again(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="guess")
        eve = await crowd.connect("eve@localhost")
        for guess in ("first", "second"):
            assert (await eve.join(room, "Eve", guess)).condition == "not-authorized"
        for typed in ("third", SECRET):
            outcome = await eve.join(room, "Eve", typed)
            assert (outcome.type, outcome.condition) == ("wait", "resource-constraint")
            assert "try again in" in outcome.text
        await door.decision(kind="join", room=room, rule="password.guesses.burst", verdict="deny")
        await asyncio.sleep(1.05)
        assert (await eve.join(room, "Eve", SECRET)).joined


@pytest.mark.parametrize("name", ["room", "derived"])
async def test_a_made_password_may_be_typed_as_people_type(door, name):
    async with Crowd(door.server) as crowd:
        room, alice = door.room(name), await crowd.connect("alice@localhost")
        assert (await alice.join(room, "Alice")).joined
        made = await told(alice, room)
        spaced = made.replace("-", " ")
        for number, typed in enumerate((f"  {made}\n", made.title(), spaced.upper(), spaced.replace(" ", "  "))):
            guest = await crowd.connect("guest.localhost")
            assert (await guest.join(room, f"Guest {number}", typed)).joined, typed
        guest = await crowd.connect("guest.localhost")
        for typed in (made.replace("-", ""), made + "-", made[1:], " " * 100_000 + "x"):
            assert not (await guest.join(room, "Guest", typed)).joined, typed


async def test_a_chosen_password_is_typed_as_it_was_chosen(door):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost", name="preset")
        guest = await crowd.connect("guest.localhost")
        for typed in (SECRET.upper(), SECRET.replace(" ", "-")):
            assert (await guest.join(room, "Guest", typed)).condition == "not-authorized"
        assert (await guest.join(room, "Guest", f" {SECRET} ")).joined


async def test_others_need_not_wait_for_a_guesser(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="guess")
        mallory = await crowd.connect("mallory@localhost")
        bob = await crowd.connect("bob@localhost")
        for guess in ("first", "second", "third"):
            await mallory.join(room, "Mallory", guess)
        assert (await mallory.join(room, "Mallory", SECRET)).condition == "resource-constraint"
        assert (await bob.join(room, "Bob", SECRET)).joined


@pytest.mark.parametrize(
    ("name", "condition"),
    [("flood", "resource-constraint"), ("floodlobby", "registration-required")],
)
async def test_a_room_under_attack_takes_no_stranger_s_password(door, name, condition):
    async with Crowd(door.server) as crowd:
        room = door.room(name)
        alice = await crowd.connect("alice@localhost")
        strangers = await crowd.connect_many(["guest.localhost"] * 4)
        await alice.join(room, "Alice")
        for number, stranger in enumerate(strangers[:3]):
            assert (await stranger.join(room, f"G{number}", "wrong")).condition == "not-authorized"
        assert (await strangers[3].join(room, "G3", SECRET)).condition == condition


async def test_no_password_is_ever_written_down(door):
    async with Crowd(door.server) as crowd:
        rooms = [door.room(name) for name in ("preset", "creator", "room", "derived")]
        alice = await crowd.connect("alice@localhost")
        guest = await crowd.connect("guest.localhost")
        secrets = {SECRET, KEY, "a mistyped password"}
        for room in rooms:
            assert (await alice.join(room, "Alice", SECRET)).joined
            secrets.add((await alice.configuration(room))[FIELD])
            await guest.join(room, "Guest", "a mistyped password")
            await alice.configure(room, {FIELD: "short"})
            door.component.run("room", room, "--json")
        await door.flushed()
        written = (door.component.state_dir / "decisions.jsonl").read_text()
        written += door.component.tail(10_000) + door.server.log()
        assert len(secrets) == 5
        assert not [secret for secret in secrets if secret in written]


async def test_the_room_s_own_check_sees_what_the_gate_decided(door):
    """A client's second element in the join is no way around the comparison."""
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="preset")
        guest = await crowd.connect("guest.localhost")
        forged = element(MUC, "x")
        forged.append(element(MUC, "password", SECRET))
        outcome = await guest.join(room, "Guest", "wrong", extra=[forged])
        assert outcome.condition == "not-authorized"


# The host code: a second password that makes a moderator


def role(outcome):
    """The role with which a join ended, or None."""
    return outcome.presence.item["role"] if outcome.joined else None


async def test_a_guest_with_the_host_code_moderates(door):
    async with Crowd(door.server) as crowd:
        room, alice, code = await hosted(door, crowd)
        guest, bob = await crowd.connect("guest.localhost"), await crowd.connect("bob@localhost")
        assert code != SECRET and len(words(code)) == 4
        host = await guest.join(room, "Host", f" {code.replace('-', ' ').title()} ")
        assert role(host) == "moderator"
        decision = await door.decision(kind="join", room=room, rule="moderators.code", verdict="allow")
        assert decision["line"] and code not in str(decision)
        assert await told_code(guest, room) == code, "as every moderator is"
        assert role(await bob.join(room, "Bob", SECRET)) == "participant"
        assert not any(code in (seen.body or "") for seen in bob.seen)
        bob.say(room, f"!password {code}")
        await bob.wait_for(lambda seen: seen.error and seen.error[1] == "forbidden")
        assert not any(code in (seen.body or "") for seen in [*alice.seen, *guest.seen] if seen.nick == "Bob")
        since = guest.mark()
        guest.say(room, "!password")
        assert await told_code(guest, room, since) == code
        assert door.component.run("code", room).stdout.strip() == code
        invitation = door.component.run("invite", room).stdout
        assert SECRET in invitation and code not in invitation
        assert code not in door.component.run("room", room, "--json").stdout


async def test_a_password_is_not_the_host_code_and_that_of_another_room_is_nothing(door):
    async with Crowd(door.server) as crowd:
        room, alice, code = await hosted(door, crowd)
        _, _, other = await hosted(door, crowd)
        guest = await crowd.connect("guest.localhost")
        assert other != code and (await guest.join(room, "Guest", other)).condition == "not-authorized"
        alice.say(room, f"!password {code.replace('-', ' ').upper()}")
        refused = await alice.wait_for(lambda seen: seen.error and "host code" in (seen.error[2] or ""))
        assert refused.error[2] == "This is the host code of this meeting. Please choose another password."
        assert (await alice.configure(room, {FIELD: code})).error
        assert len(await door.decisions(kind="configure", room=room, rule="moderators.code", verdict="deny")) == 2
        by_operator = door.component.run("set-password", room, stdin=code + "\n")
        assert by_operator.returncode and "host code" in by_operator.stderr
        assert role(await guest.join(room, "Guest", SECRET)) == "participant"


async def test_a_derived_host_code_is_the_one_that_the_command_line_prints(door):
    async with Crowd(door.server) as crowd:
        room, alice, code = await hosted(door, crowd, "codederived")
        guest = await crowd.connect("guest.localhost")
        password, printed = (
            door.component.run("--config", door.component.config_path, "password", room, *more).stdout.strip()
            for more in ([], ["--code"])
        )
        assert printed == code != password == await told(alice, room)
        assert role(await guest.join(room, "Guest", printed)) == "moderator"
        # A new room has no code yet with which the gate could compare.
        room = door.room("codecreator")
        code = door.component.run("--config", door.component.config_path, "password", room, "--code").stdout.strip()
        refused = await alice.join(room, "Alice", code)
        assert refused.condition == "not-authorized" and "host code" in refused.text
        assert (await alice.join(room, "Alice", BETTER)).joined


async def test_the_host_code_opens_the_lobby_and_a_wrong_one_is_called_wrong(door):
    async with Crowd(door.server) as crowd:
        room, alice, code = await hosted(door, crowd, "codelobby")
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest")).condition == "registration-required"
        assert (await guest.join(room, "Guest", "a wrong code")).condition == "not-authorized"
        assert role(await guest.join(room, "Guest", code)) == "moderator"


async def test_the_host_for_whom_people_wait_may_be_a_guest(door):
    async with Crowd(door.server) as crowd:
        room, alice, code = await hosted(door, crowd, "codehost")
        guest, bob = await crowd.connect("guest.localhost"), await crowd.connect("bob@localhost")
        await guest.join(room, "Guest", SECRET)
        await alice.leave(room, "Alice")
        assert not (await bob.join(room, "Bob", SECRET)).joined
        host = await crowd.connect("guest.localhost")
        assert role(await host.join(room, "Host", code)) == "moderator"
        assert (await bob.join(room, "Bob", SECRET)).joined


async def test_the_host_code_opens_nothing_else(door):
    async with Crowd(door.server) as crowd:
        room, alice, code = await hosted(door, crowd)
        bob, carol = await crowd.connect("bob@localhost"), await crowd.connect("carol@localhost")
        assert role(await bob.join(room, "Bob", code)) == "moderator"
        assert not (await alice.set_affiliation(room, bob.bare, "none")).error
        await bob.leave(room, "Bob")
        assert role(await bob.join(room, "Bob", code)) == "participant", "a moderator took it"
        assert door.component.run("remove", room, bob.bare).returncode == 0
        await bob.ping()
        assert not (await bob.join(room, "Bob", code)).joined
        await door.decision(kind="join", room=room, rule="removal.keep_out_for", verdict="deny")
        assert role(await carol.join(room, "Carol", SECRET)) == "participant"
        since = carol.mark()
        typed = f"<x xmlns='{MUC}'><password>{code}</password></x>"
        carol.send_raw(f"<presence to='{room}/Carol'>{typed}</presence><presence to='{room}/Caroline'>{typed}</presence>")
        await carol.ping()
        assert not any("moderator" in repr(seen) for seen in carol.seen[since:] if seen.name == "presence" and "Carol" in (seen.nick or ""))
        assert door.component.run("close", room).returncode == 0
        guest = await crowd.connect("guest.localhost")
        assert not (await guest.join(room, "Guest", code)).joined
        await door.decision(kind="join", room=room, jid=guest.bare, rule="close.by", verdict="deny")


@pytest.mark.parametrize("name", ["codeguess", "codeopen"])
async def test_a_host_code_is_guessed_as_slowly_as_a_password(door, name):
    """Also where nothing is asked for, and by a person who knows the password."""
    async with Crowd(door.server) as crowd:
        room, alice, code = await hosted(door, crowd, name)
        eve = await crowd.connect("eve@localhost")
        assert (await eve.join(room, "Eve", SECRET if name == "codeguess" else None)).joined
        for number in range(3):
            await eve.leave(room, "Eve")
            guessed = await eve.join(room, "Eve", f"guess {number}")
            assert role(guessed) == "participant"
        await eve.leave(room, "Eve")
        assert role(await eve.join(room, "Eve", code)) == "participant", "it does not count now"
        # At once, from several sessions; the last one guesses right.
        sessions = await crowd.connect_many(["mallory@localhost"] * 8)
        guesses = [f"guess {number}" for number in range(7)]
        await asyncio.gather(*(one.join(room, "Mallory", typed) for one, typed in zip(sessions, guesses)))
        assert role(await sessions[-1].join(room, "Mallory", code)) != "moderator"


class Played:
    """A server that the test plays itself."""

    secret = "laboratory secret"
    component_env: ClassVar = {}

    def __init__(self):
        self.component_port = free_port()

    @staticmethod
    def log():
        """What the server has written."""
        return ""


def request(attempt, kind, room, typed):
    """A gate's request of an account."""
    return (
        f"<iq type='set' id='{attempt}' from='conference.localhost' to='vestibule.localhost'>"
        f"<request xmlns='urn:vestibule:gate:2' kind='{kind}' attempt='{attempt}' room='{room}@conference.localhost'>"
        f"<requester jid='alice@localhost/{attempt}' nick='Alice' session='client' host='localhost' "
        "provider='internal_hashed' mechanism='SCRAM-SHA-1' secure='true' affiliation='none' role='none'/>"
        f"<state occupants='0'/>{typed}</request></iq>"
    )


async def test_while_a_password_is_judged_others_are_answered():
    server, answers = Played(), asyncio.Queue()
    # As much of a password as is judged: of this length it takes the longest.
    typed = "<credential>correct horse battery staple and a lantern of 1968</credential>"
    asked = [request("slow", "open", "creator-1", typed), *(request(f"a{n}", "open", f"room-{n}", "") for n in range(20))]

    async def serve(reader, writer):
        writer.write(
            b"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' "
            b"xmlns='jabber:component:accept' from='vestibule.localhost' id='1'>"
        )
        await reader.readuntil(b"</handshake>")
        writer.write(
            b"<handshake/><iq type='set' id='hello' from='conference.localhost' to='vestibule.localhost'>"
            b"<hello xmlns='urn:vestibule:gate:2' version='2' level='1' hosts='all'/></iq>"
        )
        await reader.readuntil(b"id='hello'")
        writer.write("".join(asked).encode())
        heard = b""
        while more := await reader.read(65536):
            heard += more
            for attempt in re.findall(rb"<answer [^>]*attempt='(\w+)'", heard):
                answers.put_nowait(attempt.decode())
            heard = heard[heard.rfind(b"</iq>") + 1 :]

    played = await asyncio.start_server(serve, HOST, server.component_port)
    vestibule = Vestibule(server, POLICY)
    try:
        await asyncio.to_thread(vestibule.start, ready=False)
        order = [await asyncio.wait_for(answers.get(), 30) for _ in asked]
        assert order == [*(f"a{n}" for n in range(20)), "slow"]
    finally:
        played.close()
        vestibule.close()
