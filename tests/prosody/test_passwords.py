"""Passwords: every room has one, good enough, it stays, and nobody guesses it."""

import asyncio
import re

import pytest
from lab import SERVICE, Crowd
from lab.carriers import published_by_nobody
from lab.policy import SECRET, rooms
from lab.process import ROOT
from lab.stanza import MUC, element

WORDS = ROOT / "src/password/words.txt"
BETTER = "nine wide copper kettles"
KEY = "0123456789abcdef0123456789abcdef"
FIELD = "muc#roomconfig_roomsecret"
PRESET = f'source = "preset", preset = "{SECRET}"'
POLICY = SERVICE + rooms({
    "creator": f'password = {{ source = "creator", deny_list = ["{BETTER}"] }}',
    "derived": f'password = {{ source = "derived", secret = "{KEY}" }}',
    "preset": f'password = {{ {PRESET} }}\nlobby = {{ admission = "password" }}',
    "long": 'password = { words = 7 }',
    "unmoderated": 'moderators = { assign = ["nobody"] }',
    "silent": 'password = { show_to_moderators = false }',
    "guess": f'password = {{ {PRESET}, guesses = {{ burst = 2, delay = "1 second" }} }}\nlobby = {{ admission = "password" }}',
    "flood": f'password = {{ {PRESET}, guesses = {{ room_burst = 3, delay = "20 seconds" }} }}\nlobby = {{ admission = "password" }}',
    "floodlobby": f'password = {{ {PRESET}, guesses = {{ room_burst = 3, delay = "20 seconds" }} }}',
})


def is_told(stanza, room):
    """Whether the room itself says here what its password is."""
    return stanza.name == "message" and stanza.sender == room and "password" in (stanza.body or "")


async def told(person, room, since=0):
    """The password that the room tells this person."""
    stanza = await person.wait_for(lambda seen: is_told(seen, room), since=since)
    return stanza.body.partition(": ")[2].partition(" (")[0]


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
