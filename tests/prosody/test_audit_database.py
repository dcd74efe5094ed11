"""The audit database beside other programs that open it, and what it says of one person."""

import contextlib
import json
import os
import sqlite3
import stat
import time

from lab import SERVICE, Crowd
from lab.knocking import knocking
from lab.policy import OPERATOR, PRESET, SECRET
from lab.process import wait_until
from lab.replies import read, say

POLICY = SERVICE + OPERATOR + PRESET
BOB = "bob@localhost"


def revisions(component):
    """How many policies it has, for a program that opens and closes it."""
    with contextlib.closing(sqlite3.connect(component.state_dir / "vestibule.db")) as database:
        return database.execute("SELECT count(*) FROM entries WHERE kind = 'revision'").fetchone()[0]


def test_whoever_reads_it_takes_nothing_of_what_is_written_later(door):
    component = door.component
    wait_until(lambda: revisions(component) == 1, 5, "the first policy", component.tail)
    for number in (2, 3, 4):
        door.enforce(f"{SERVICE}# {number}\n")
        wait_until(lambda: revisions(component) == number, 5, "an entry", component.tail)


def kept(component):
    """Everything that the component has on its disk."""
    return {path.name: path.read_bytes() for path in component.state_dir.rglob("*") if path.is_file()}


async def a_day(door, crowd):
    """A room with Alice in it, in which Bob was, and was banned for a while; and a guest who waits."""
    door.enforce(POLICY)

    def lifted():
        return say(door, "log", "--kind", "action").count("unban")

    before = lifted()
    room, alice, bob = await door.meeting(crowd, "alice@localhost", BOB)
    guest = await knocking(crowd, room)
    await bob.leave(room, "Bob")
    say(door, "ban", BOB, "--reason", "Bob shouts")
    say(door, "unban", BOB)
    await door.flushed()
    wait_until(lambda: lifted() > before, 5, "the entries")
    return room, alice, guest


async def test_a_person_is_handed_what_is_kept_on_them(door, tmp_path):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await a_day(door, crowd)
        out = tmp_path / "bob.json"
        assert "look through it first: it names others" in say(door, "person", "export", BOB, "--out", out)
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
        found = json.loads(out.read_text())
        assert found["addresses"] == [BOB] and found["missing"] is None
        kinds = {entry["kind"] for entry in found["entries"] if entry.get("room") == room}
        assert {"decision", "joined", "left"} <= kinds
        assert {entry["command"] for entry in found["entries"] if entry["kind"] == "action"} >= {"ban", "unban"}
        assert BOB in {ban["who"] for ban in found["bans"]}
        assert {line["jid"] for line in found["decision_log"] if "jid" in line} == {BOB}
        assert [(it["room"], it["opened"]) for it in found["rooms"] if it["room"] == room] == [(room, False)]
        assert guest.bare not in out.read_text()
        wait_until(lambda: "person-export done, by uid 0" in say(door, "log", "--kind", "action"), 5, "the entry")
        assert say(door, "person", "export", "-x1_y@guest.localhost", code=1).startswith("nothing is kept")


async def test_a_name_is_no_person(door):
    async with Crowd(door.server) as crowd:
        await a_day(door, crowd)
        before = kept(door.component)["decisions.jsonl"]
        for verb in (["export"], ["erase", "--dry-run"], ["erase"], ["erase", "--yes"]):
            told = say(door, "person", verb[0], "Bob", *verb[1:], code=1)
            assert f"a name may be anybody's, so it is not enough; people who were called so: {BOB}" in told, told
        # That it was asked for is written down, and of whom is not.
        assert kept(door.component)["decisions.jsonl"].startswith(before)
        for verb in (["export"], ["erase", "--yes"]):
            assert "is no address" in say(door, "person", verb[0], "@", *verb[1:], code=1)


async def test_a_person_is_erased_and_what_happened_stays(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await a_day(door, crowd)
        entries = read_log(door, "--room", room)
        counted = json.loads(say(door, "--json", "person", "erase", BOB, "--dry-run"))
        assert counted["dry_run"] and counted["about"] > 3 and counted["lines"] > 1 and counted["bans"] >= 1
        # Without a terminal nobody can be asked.
        assert "add --yes" in say(door, "person", "erase", BOB, code=2)
        assert read_log(door, "--room", room) == entries
        # Neither is taken for an erasure.
        for action in say(door, "log", "--kind", "action").splitlines()[-2:]:
            assert "person-erase dry run, by uid 0" in action
        erased = json.loads(say(door, "--json", "person", "erase", BOB, "--yes"))
        for name in ("about", "named", "lines", "bans"):
            assert erased[name] == counted[name], name
        for name, data in kept(door.component).items():
            assert b"bob@localhost" not in data and b"Bob" not in data, name
        after = read_log(door, "--room", room)
        assert [(it["seq"], it["kind"], it.get("verdict"), it.get("rule")) for it in after] == [
            (it["seq"], it["kind"], it.get("verdict"), it.get("rule")) for it in entries
        ]
        gone = {entry["person"] for entry in after if entry.get("person", "").endswith("@erased.invalid")}
        assert len(gone) == 1, "what happened to one person is seen to have happened to one"
        assert {alice.bare, guest.bare} <= {entry.get("person") for entry in after}
        # That it took place stands in the audit, and not of whom.
        wait_until(lambda: "person-erase done, by uid 0" in say(door, "log", "--kind", "action"), 5, "the entry")
        assert BOB not in say(door, "log", "--kind", "action")
        assert say(door, "person", "export", BOB, code=1).startswith("nothing is kept")
        assert "nothing is kept that has to be erased" in say(door, "person", "erase", BOB, "--yes", code=1)
        decided = next(entry for entry in after if entry["kind"] == "decision" and entry["person"] in gone)
        assert "was not kept" in say(door, "why", decided["id"])


async def test_a_ban_in_force_and_an_open_room_are_named_and_stay(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await a_day(door, crowd)
        mallory = await crowd.connect("mallory@localhost")
        assert not (await mallory.join(room, "Mallory", "wrong")).joined
        ban = read(door, "ban", mallory.bare)["id"]
        told = say(door, "person", "erase", mallory.bare, "--yes")
        assert f"stays: the ban {ban}, in force until it is lifted" in told
        assert (await mallory.join(room, "Mallory", SECRET)).condition == "forbidden"
        say(door, "unban", mallory.bare)
        assert "1 ban that has ended" in say(door, "person", "erase", mallory.bare, "--yes")
        # Who is inside stays inside, and moderates.
        assert f"stays: what the room {room} remembers of them" in say(door, "person", "erase", alice.bare, "--yes")
        shown = read(door, "room", room)
        assert [(it["jid"], it["role"]) for it in shown["occupants"]] == [(alice.bare, "moderator")]


def read_log(door, *filters):
    time.sleep(0.2)
    return [json.loads(line) for line in say(door, "log", "--json", *filters).splitlines()]


async def test_who_is_called_by_the_address_of_another_keeps_their_entries(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await a_day(door, crowd)
        mallory = await crowd.connect("mallory@localhost")
        assert not (await mallory.join(room, BOB, "wrong")).joined
        await door.flushed()
        before = [it for it in read_log(door, "--room", room) if it.get("person") == mallory.bare]
        assert before and any(it.get("nick") == BOB for it in before)
        exported = json.loads(say(door, "person", "export", BOB))
        assert exported["addresses"] == [BOB]
        say(door, "person", "erase", BOB, "--yes")
        after = [it for it in read_log(door, "--room", room) if it.get("person") == mallory.bare]
        whole = json.dumps(before)
        new = next(it["nick"] for it in after if it.get("nick", "").endswith("@erased.invalid"))
        assert json.dumps(after) == whole.replace(BOB, new)
        decided = next(it["id"] for it in after if it["kind"] == "decision")
        assert "was not kept" not in say(door, "why", decided)


def with_tokens(component, claim, count):
    """Writes that somebody with this claim asked to enter from many addresses, as a guest of Jitsi does."""
    with contextlib.closing(sqlite3.connect(component.state_dir / "vestibule.db", timeout=10)) as database, database:
        seq = database.execute("SELECT min(seq) FROM entries").fetchone()[0]
        for number in range(count):
            jid = f"{claim[0]}-{number:x}@guest.localhost"
            body = json.dumps({"jid": jid, "facts": {"who": {"jid": jid, "claims": [claim]}}})
            database.execute(
                "INSERT INTO entries (seq, at, server, kind, person, observed, body) VALUES (?, ?, '', 'decision', ?, 0, ?)",
                (seq - count + number, int(time.time() * 1e6), jid, body),
            )


async def test_who_only_looks_like_them_and_a_room_are_nobodys_to_erase(door):
    carol, others = "carol@localhost", ["x!carol@localhost", "~carol@localhost", "=carol@localhost"]
    door.enforce(POLICY)
    async with Crowd(door.server) as crowd:
        room, *_ = await door.meeting(crowd, "alice@localhost")
        for person in (carol, *others[:2]):
            say(door, "ban", person, "--reason", f"{person} shouts")
        # In a sentence, what stands before a `=` may be a word.
        say(door, "ban", others[2], "--reason", "shouts")
        for person in (carol, others[0]):
            say(door, "unban", person)
        await door.flushed()
        before = kept_of(door, others)
        assert len(before) >= 4
        for ask in (["export"], ["erase", "--dry-run"], ["erase", "--yes"]):
            done = door.component.run("person", *ask, room)
            assert done.returncode == 1 and "address of a room" in done.stderr, done
        found = json.loads(say(door, "person", "export", carol))
        assert [ban["who"] for ban in found["bans"]] == [carol]
        assert not [other for other in others if other in json.dumps(found)]
        say(door, "person", "erase", carol, "--yes")
        assert kept_of(door, others) == before
        for other in others[1:]:
            say(door, "unban", other)


def kept_of(door, people):
    """What the database has on these people."""
    with contextlib.closing(sqlite3.connect(door.component.state_dir / "vestibule.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for name in sorted(tables) for row in database.execute(f'SELECT * FROM "{name}"')]
    return [row for row in rows if any(person in str(row) for person in people)]


def test_a_person_by_their_token_has_hundreds_of_addresses_and_another_claim_is_not_theirs(door):
    door.enforce(POLICY)
    with_tokens(door.component, ["id", "teacher"], 700)
    with_tokens(door.component, ["role", "teacher"], 3)
    # Stored rooms are asked about a part of so many, and that is told.
    done = door.component.run("person", "export", "teacher")
    exported = json.loads(done.stdout)
    assert done.returncode == 1 and done.stderr.strip() == exported["missing"]
    assert len(exported["addresses"]) == 700 and len(exported["entries"]) == 700
    assert "under further addresses" in exported["missing"]
    erased = json.loads(say(door, "--json", "person", "erase", "teacher", "--yes"))
    assert (erased["about"], erased["addresses"], erased["named"]) == (700, 700, 0)
    assert b'["role", "teacher"]' in kept(door.component)["vestibule.db"]


async def test_what_another_program_keeps_in_the_file_is_said(door):
    async with Crowd(door.server) as crowd:
        await a_day(door, crowd)
        path = door.component.state_dir / "vestibule.db"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM entries").fetchone()
            told = say(door, "person", "erase", BOB, "--yes", code=1)
            assert "NOT ERASED everywhere: another program has the audit database open" in told
        say(door, "person", "erase", BOB, "--yes", code=1)
        for name, data in kept(door.component).items():
            assert BOB.encode() not in data, name
        # Copies that nobody told the program of are named.
        await a_day(door, crowd)
        for name in ("decisions.jsonl.2.gz", "vestibule.db.bak"):
            (door.component.state_dir / name).write_bytes(b"a copy")
        copies = "stays: what copies of its files have that others made: decisions.jsonl.2.gz, vestibule.db.bak"
        assert copies in say(door, "person", "erase", BOB, "--dry-run")
        for name in ("decisions.jsonl.2.gz", "vestibule.db.bak"):
            (door.component.state_dir / name).unlink()


def test_what_retention_has_removed_is_wiped_and_lines_that_nobody_can_read_are_named(door):
    door.enforce(POLICY)
    with_tokens(door.component, ["id", "zelda"], 700)
    path, log = door.component.state_dir / "vestibule.db", door.component.state_dir / "decisions.jsonl"
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as database, database:
        database.execute("PRAGMA secure_delete = FAST")
        database.execute("DELETE FROM entries WHERE person LIKE 'id-%'")
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert b'"zelda"' in path.read_bytes()
    assert "nothing is kept that has to be erased" in say(door, "person", "erase", "zelda", "--yes", code=1)
    assert b'"zelda"' not in path.read_bytes()
    size = log.stat().st_size
    with log.open("ab") as lines:
        lines.write(b'\xff zelda\n{"jid": "zelda\n')
    told = say(door, "person", "erase", "zelda", "--dry-run")
    assert "stays: 2 lines of the decision log that cannot be read (no UTF-8, or no whole JSON)" in told
    assert "2 lines of the decision log" in say(door, "person", "export", "zelda", code=1)
    os.truncate(log, size)


async def test_a_room_is_filed_under_its_address_in_whatever_case_it_was_typed(door):
    door.enforce(POLICY)
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost")
        say(door, "close", room.upper())
        await door.flushed()
        filed = [it for it in read_log(door, "--kind", "action", "--room", room) if it["command"] == "close"]
        assert [it["room"] for it in filed] == [room] and room.upper() not in json.dumps(filed)
        for typed in (room.upper(), room.split("@")[0].upper()):
            assert read_log(door, "--kind", "action", "--room", typed) == filed
