"""What an operator does with rooms and people from the command line."""

import json
import shlex
import sqlite3
from pathlib import Path

from lab import Crowd
from lab.canary import note
from storm import PASSWORD, SERVICE, guests, policy, until

TEA = f"tea@{SERVICE}"
GENERATED = policy().replace('source = "preset"', 'source = "generated"')
CHOSEN = note("seven tall quartz lanterns")
MANY = 200


def read(vestibule, *arguments, code=0, stdin=None):
    done = vestibule.run(*arguments, "--json", stdin=stdin)
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout else done.stderr


def refusal(vestibule, *arguments, stdin=None):
    """Why a command was not carried out."""
    return read(vestibule, *arguments, code=1, stdin=stdin)


async def meeting(crowd, *names, room=TEA):
    people = []
    for name in names:
        people.append(await crowd.connect(f"{name}@localhost"))
        assert (await people[-1].join(room, name.title(), PASSWORD)).joined
    return people


async def told(person, words):
    """The password that the room tells this moderator."""
    seen = await person.wait_for(lambda s: words in (s.body or ""))
    return note(seen.body.partition(f"{words}: ")[2].partition(" (")[0])


async def test_what_is_said_reaches_everybody_as_the_room_s_words(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), policy())
    async with Crowd(server) as crowd:
        people = await meeting(crowd, "alice", "bob", "carol")
        assert "told" in vestibule.run("say", TEA, "Two minutes left.").stdout
        for person in people:
            said = await person.wait_for(lambda s: s.body == "Two minutes left.")
            assert (said.sender, said.type) == (TEA, "groupchat")
        for text, why in [("", "nothing"), ("a\x07b", "control"), ("{password}", "braces")]:
            assert why in refusal(vestibule, "say", TEA, text)
        assert "too long" in refusal(vestibule, "say", TEA, "x" * 1001)
        for person in people:
            await person.ping()
            assert PASSWORD not in [s.body for s in person.seen]


async def test_a_password_is_made_anew_and_the_old_one_is_refused(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), GENERATED)
    async with Crowd(server) as crowd:
        (alice,) = await meeting(crowd, "alice")
        old = await told(alice, "The password of this meeting is")
        bob, carol = [await crowd.connect(f"{name}@localhost") for name in ("bob", "carol")]
        assert (await bob.join(TEA, "Bob", old)).joined
        assert read(vestibule, "rotate", TEA) == {
            "room": TEA, "source": "generated", "told": True, "unasked": None,
        }  # fmt: skip
        new = await told(alice, "The password of this meeting is now")
        assert new and new != old
        assert (await carol.join(TEA, "Carol", old)).condition == "not-authorized"
        assert (await carol.join(TEA, "Carol", new)).joined
        await bob.ping()
        assert not [s for s in bob.seen if new in (s.body or "")], "only moderators are told"


async def test_a_password_that_nothing_asks_for_is_said_to_be_so(start_prosody, start_vestibule):
    rooms = '[[room]]\nmatch = "lobby-*"\nlobby.admission = "lobby"\n'
    rooms += '[[room]]\nmatch = "free-*"\npassword.required = false\nlobby.admission = "open"\nclose.hold_until = []\n'
    vestibule = start_vestibule(server := start_prosody(), GENERATED + rooms)
    lobby, free = f"lobby-1@{SERVICE}", f"free-1@{SERVICE}"
    async with Crowd(server) as crowd:
        (alice,) = await meeting(crowd, "alice", room=lobby)
        assert read(vestibule, "rotate", lobby)["unasked"] == "lobby"
        done = vestibule.run("rotate", lobby)
        assert 'nothing asks for it there: people come in by `lobby.admission = "lobby"`' in done.stdout
        assert (await alice.join(free, "Alice")).joined
        assert "the file asks for none there" in refusal(vestibule, "rotate", free)
        assert not read(vestibule, "room", free)["password"]


async def test_a_password_is_set_and_has_to_be_good(start_prosody, start_vestibule, tmp_path):
    vestibule = start_vestibule(server := start_prosody(), policy())
    async with Crowd(server) as crowd:
        (alice,) = await meeting(crowd, "alice")
        assert "would be the same again" in refusal(vestibule, "rotate", TEA)
        assert "password.min" in refusal(vestibule, "set-password", TEA, stdin="short\n")
        assert "password.min_score" in refusal(vestibule, "set-password", TEA, stdin="password1234\n")
        assert vestibule.run("set-password", TEA, stdin="\n").returncode == 2
        done = read(vestibule, "set-password", TEA, stdin=f"{CHOSEN}\n")
        assert done["source"] == "creator"
        assert await told(alice, "The password of this meeting is now") == CHOSEN
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(TEA, "Bob", PASSWORD)).condition == "not-authorized"
        assert (await bob.join(TEA, "Bob", CHOSEN)).joined
        another = tmp_path / "password"
        another.write_text(note("violet umbrella kitchen 77") + "\n")
        read(vestibule, "set-password", TEA, "--file", another)
        assert await told(alice, "now: violet umbrella kitchen 77") == ""
        # A password from the file is one to go back to.
        assert read(vestibule, "rotate", TEA)["source"] == "preset"
        carol = await crowd.connect("carol@localhost")
        assert (await carol.join(TEA, "Carol", PASSWORD)).joined


async def test_who_is_removed_stays_out_as_long_as_is_said(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), policy())
    async with Crowd(server) as crowd:
        _, bob = await meeting(crowd, "alice", "bob")
        read(vestibule, "remove", TEA, bob.bare, "--keep-out-for", "3 days")
        await bob.wait_for(lambda s: s.type == "unavailable" and 110 in s.statuses)
        back = await bob.join(TEA, "Bob", PASSWORD)
        assert (back.condition, "days" in back.text or "72 hours" in back.text) == ("forbidden", True), back
        assert vestibule.run("remove", TEA, bob.bare, "--keep-out-for", "soon").returncode == 2


async def test_many_rooms_end_by_one_command(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), policy())
    async with Crowd(server) as crowd:
        people = await guests(crowd, 4)
        for number in range(MANY):
            opener = people[number % len(people)]
            mark = opener.ask_to_join(f"many{number}@{SERVICE}", "Opener")
            if number % 20 == 19:
                assert (await opener.outcome(f"many{number}@{SERVICE}", mark)).joined
        await meeting(crowd, "alice")
        await until(lambda: len(read(vestibule, "rooms")) == MANY + 1, 15, "all rooms are open")
        assert "`all`" in refusal(vestibule, "end-many")
        assert "no service" in refusal(vestibule, "end-many", "--service", "elsewhere.localhost")
        assert len(read(vestibule, "end-many", "--all", "--dry-run")["rooms"]) == MANY + 1
        assert read(vestibule, "end-many", "--older", "1 hour")["ended"] == []
        assert read(vestibule, "end-many", "--unmoderated", "--match", "many1?")["ended"] == []
        ten = read(vestibule, "end-many", "--match", "many1?", "--reason", "the hall is needed")
        assert len(ten["ended"]) == 10 and not ten["failed"]
        told = [s for person in people for s in person.seen if s.destroyed]
        await until(
            lambda: sum(s.destroyed == "the hall is needed" for p in people for s in p.seen) == 10,
            5, f"ten are told, not {len(told)}",
        )  # fmt: skip
        done = read(vestibule, "end-many", "--match", "many*", "--yes")
        assert len(done["ended"]) == MANY - 10 and not done["failed"]
        await until(lambda: len(read(vestibule, "rooms")) == 1, 5, "one room is left")
        assert read(vestibule, "room", TEA)["room"] == TEA

        def ends():
            return [line for line in vestibule.decisions() if line.get("event") == "end"]

        await until(lambda: len(ends()) == MANY, 5, "each room's end in the log")
        assert {line["details"]["by"]["interface"] for line in ends()} == {"command-line"}


async def test_who_did_what_is_written_down_and_no_password(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), policy())
    async with Crowd(server) as crowd:
        await meeting(crowd, "alice", "bob")
        read(vestibule, "set-password", TEA, stdin=f"{CHOSEN}\n")
        read(vestibule, "ban", "mallory@localhost", "--for", "1 day")
        refusal(vestibule, "close", f"nowhere@{SERVICE}")
        read(vestibule, "remove", TEA, "bob@localhost", "--reason", "too loud")

        def actions():
            database = sqlite3.connect(f"file:{next(vestibule.state_dir.glob('*.db'))}?mode=ro", uri=True)
            columns = "command, outcome, room, person, body"
            rows = database.execute(f"SELECT {columns} FROM entries WHERE kind = 'action' ORDER BY seq")
            found = rows.fetchall()
            database.close()
            return found

        await until(lambda: len(actions()) == 4, 3, "four actions in the audit")
        password, ban, close, remove = actions()
        assert password[:3] == ("password", "done", TEA)
        assert ban[:2] == ("ban", "done") and json.loads(ban[4])["who"] == "mallory@localhost"
        assert close[:3] == ("close", "failed", f"nowhere@{SERVICE}")
        assert remove[:4] == ("remove", "done", TEA, "bob@localhost")
        assert json.loads(remove[4])["reason"] == "too loud"
        assert CHOSEN not in repr(actions())


async def test_words_say_what_is_so(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), policy())
    async with Crowd(server) as crowd:
        await meeting(crowd, "alice")

        def shown():
            return vestibule.run("log", "--kind", "doctor").stdout

        await until(lambda: "the doctor found" in shown(), 10, "the doctor's entry")
        assert "{" not in shown() and " critical, " in shown()
        for verb in (["rooms"], ["room", TEA]):
            assert 'by "Alice" (alice@localhost)' in vestibule.run(*verb).stdout


async def test_a_file_that_is_no_toml_is_said_to_be_with_its_line(start_prosody, start_vestibule):
    vestibule = start_vestibule(start_prosody(), policy())
    whole, socket = vestibule.config_path.read_text(), vestibule.env["VESTIBULE_COMPONENT__SOCKET"]
    vestibule.config_path.write_text(whole + "\n[policy\n")
    line = whole.count("\n") + 2
    try:
        reload = vestibule.run("reload")
        assert reload.returncode == 1 and f":{line}:" in reload.stderr, reload.stderr
        assert "error: error:" not in reload.stderr
        assert f":{line}:" in vestibule.run("status").stdout
        # Where only the file says it, the usual socket is tried.
        del vestibule.env["VESTIBULE_COMPONENT__SOCKET"]
        for verb in ("status", "reload", "rooms"):
            alone = vestibule.run("--config", vestibule.config_path, verb)
            assert alone.returncode == 2 and f":{line}:" in alone.stderr, alone.stderr
            assert "/run/vestibule/control.sock" in alone.stderr
    finally:
        vestibule.config_path.write_text(whole)
        vestibule.env["VESTIBULE_COMPONENT__SOCKET"] = socket
    assert vestibule.run("reload").returncode == 0


def test_without_a_component_the_doctor_says_that_once(start_prosody, start_vestibule):
    vestibule = start_vestibule(start_prosody(), policy())
    vestibule.shutdown()
    said = vestibule.run("--config", vestibule.config_path, "doctor")
    assert said.stdout.count("no component listens") == 1, said.stdout
    # One line for all that needs a server, whatever the number of checks.
    (line,) = [line for line in said.stdout.splitlines() if "no component listens" in line]
    assert " checks: " in line and "?." not in line and ".." not in line, line


def commands(page):
    """The commands of a page of the documentation, in order: its indented lines."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    for line in text.splitlines():
        if line.startswith("    ") and line.strip().startswith("vestibule "):
            yield shlex.split(line.split(" > ")[0], comments=True)[1:]


async def test_the_commands_on_the_page_for_operators_work_in_that_order(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), GENERATED)
    async with Crowd(server) as crowd:
        (alice,) = await meeting(crowd, "alice")
        secret = await told(alice, "The password of this meeting is")
        (guest,) = await guests(crowd, 1)
        assert (await guest.join(TEA, "Guest", secret)).joined
        await until(vestibule.decisions, 5, "a decision in the log")
        names = {
            "ID": vestibule.decisions()[-1]["id"],
            "tea@conference.example.org": TEA,
            "/etc/vestibule/component.toml": str(vestibule.config_path),
            "ann@example.org": alice.bare,
            "ann.json": str(vestibule.state_dir / "ann.json"),
            "incident.html": str(vestibule.state_dir / "incident.html"),
        }
        ran = []
        for words in commands("for-operators.md"):
            words = [names.get(word, word) for word in words]
            done = vestibule.run("--config", vestibule.config_path, *words)
            # The servers of these tests are not fit for the internet, and the doctor says so.
            assert done.returncode in ((0, 1) if words[0] == "doctor" else (0,)), (words, done.stdout, done.stderr)
            ran.append(words[0])
        assert {"explain-policy", "suspend", "remove", "resume", "incident"} <= set(ran)
        await guest.ping()
        assert (await guest.join(TEA, "Guest", secret)).condition, "it was removed, and does not come back"
