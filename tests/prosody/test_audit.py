"""The audit database: everything is in it, soon, and is found again, also when the component is no more."""

import asyncio
import calendar
import csv
import io
import json
import resource
import sqlite3
import subprocess
import time

from lab import Crowd, Vestibule
from lab.component import program
from lab.process import environment
from storm import PASSWORD, ROOM, guests, outcomes, policy, storm, until

QUIET = ("[policy.password.guesses]", "burst = 10000", "room_burst = 10000")


def log(vestibule, *arguments):
    """What `vestibule log` finds, each entry as JSON."""
    done = vestibule.run("log", "--format", "jsonl", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def kinds(entries):
    return [entry["kind"] for entry in entries]


async def meet(server, vestibule):
    """Opens the room; one guesses wrong, comes in, and leaves."""
    async with Crowd(server) as crowd:
        opener, guest = await guests(crowd, 2)
        assert (await opener.join(ROOM, "Opener")).joined
        assert not (await guest.join(ROOM, "Guest", "wrong")).joined
        assert (await guest.join(ROOM, "Guest", PASSWORD)).joined
        await guest.leave(ROOM, "Guest")
        await until(lambda: "left" in kinds(log(vestibule)), 5, "the leaving")
        return opener.bare, guest.bare


async def test_what_happens_in_a_room_is_found_by_everything_it_is_about(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy(*QUIET))
    opener, guest = await meet(server, vestibule)
    await until(lambda: "ended" in kinds(log(vestibule)), 5, "the end of the room")
    # Some seconds after the start the component examines the server, and writes what it found.
    story = [kind for kind in kinds(log(vestibule)) if kind != "doctor"]
    assert sorted(story) == sorted(
        ["revision", *["decision"] * 3, "opened", *["joined"] * 2, *["left"] * 2, "ended"]
    )
    assert story[0] == "revision"
    assert story[-1] == "ended"
    assert {each["room"] for each in log(vestibule, "--room", "room")} == {ROOM}
    assert {each["person"] for each in log(vestibule, "--person", guest)} == {guest}
    (wrong,) = log(vestibule, "--verdict", "prompt")
    assert (wrong["person"], wrong["denial"]) == (guest, "password-wrong")
    assert wrong in log(vestibule, "--rule", wrong["rule"].split(".")[0], "--since", "1 hour")
    assert log(vestibule, "--until", "1 hour") == []
    assert log(vestibule, "--id", wrong["id"]) == [wrong]
    assert kinds(log(vestibule, "--text", "opener", "--kind", "joined")) == ["joined"]
    assert kinds(log(vestibule, "--room", "room", "--limit", "1")) == ["ended"]

    text = vestibule.run("log", "--person", guest).stdout
    assert "prompt by password.required (built in): That password is not correct." in text
    table = vestibule.run("log", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["kind"] for row in rows if row["kind"] != "doctor"] == story
    assert {row["verdict"] for row in rows} == {"", "allow", "prompt"}
    assert store(vestibule) == {"lost": 0, "waiting": 0}


async def test_without_a_component_the_file_itself_is_searched(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy(*QUIET))
    opener, _ = await meet(server, vestibule)
    there = log(vestibule, "--person", opener)
    vestibule.kill()
    assert [each for each in log(vestibule, "--person", opener) if each in there] == there
    assert "no component runs" in vestibule.run("log").stderr
    path = vestibule.state_dir / "vestibule.db"
    await asyncio.to_thread(vestibule.start)
    assert log(vestibule, "--database", path, "--verdict", "prompt")
    assert path.stat().st_mode & 0o077 == 0


async def test_whoever_follows_sees_it_happen_and_outlives_a_restart(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy(*QUIET))
    command = [program(), "log", "--follow", "--kind", "joined", "--format", "jsonl"]
    follower = subprocess.Popen(
        [str(word) for word in command],
        env=environment(vestibule.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        async with Crowd(server) as crowd:
            opener, guest = await guests(crowd, 2)
            assert (await opener.join(ROOM, "Opener")).joined
            seen = json.loads(await asyncio.to_thread(follower.stdout.readline))
            assert (seen["kind"], seen["nick"]) == ("joined", "Opener")
            await asyncio.to_thread(vestibule.restart)
            assert (await guest.join(ROOM, "Guest", PASSWORD)).joined
            seen = json.loads(await asyncio.to_thread(follower.stdout.readline))
            assert (seen["kind"], seen["nick"]) == ("joined", "Guest")
    finally:
        follower.kill()
        follower.wait()


async def test_killed_while_it_writes_it_loses_the_last_batch_at_most(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy(*QUIET))
    async with Crowd(server) as crowd:
        people = await guests(crowd, 60)
        assert (await people[0].join(ROOM, "Opener")).joined
        gone = set()
        for _ in range(3):
            answers = await outcomes(people[1:], storm(people[1:], password="wrong"))
            assert all(answer.condition == "not-authorized" for answer in answers)
            await until(lambda: store(vestibule)["waiting"] == 0, 5, "the last batch")
            safe = {each["id"] for each in log(vestibule, "--kind", "decision")}
            assert len(safe) >= 60
            storm(people[1:], password="wrong")
            await asyncio.sleep(0.05)
            vestibule.kill()
            stored = read(vestibule, "SELECT id, at FROM entries WHERE kind = 'decision'")
            ids = {row[0] for row in stored}
            assert not safe - ids, (len(safe), len(ids), sorted(safe - ids))
            newest = max(row[1] for row in stored)
            early = [each for each in vestibule.decisions() if micro(each["at"]) <= newest]
            holes = {each["id"] for each in early if "verdict" in each} - ids - gone
            assert not holes, "what is lost is not the last"
            gone = {each["id"] for each in vestibule.decisions() if "verdict" in each} - ids
            assert read(vestibule, "PRAGMA integrity_check") == [("ok",)]
            vestibule.start()
            await until(lambda: vestibule.run("status").returncode == 0, 5, "the component")


def store(vestibule):
    return json.loads(vestibule.run("status", "--json").stdout)["store"]


def read(vestibule, sql):
    with sqlite3.connect(vestibule.state_dir / "vestibule.db") as database:
        return database.execute(sql).fetchall()


def micro(at):
    """A time of the log in microseconds since 1970, without what is less."""
    whole, _, part = at.removesuffix("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 1_000_000 + int((part + "000000")[:6])


async def test_a_file_that_is_no_database_is_left_alone_and_named(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy(*QUIET))
    vestibule.shutdown()
    path = vestibule.state_dir / "vestibule.db"
    broken = b"this was a database once " * 400
    path.write_bytes(broken)
    done = vestibule.run("run", "--config", vestibule.config_path)
    assert done.returncode == 2
    assert f"the audit database `{path}` cannot be used: file is not a database" in done.stderr
    assert "Move it aside" in done.stderr
    assert path.read_bytes() == broken
    path.rename(path.with_suffix(".broken"))
    vestibule.start()


async def test_where_files_cannot_grow_the_audit_waits_and_nobody_else_does(start_prosody):
    """A full disk, its own output included."""
    server = start_prosody()
    vestibule = Vestibule(server, policy())
    # A file that may not grow is an error to it, and not its end.
    deaf = ["sh", "-c", 'trap "" XFSZ; exec "$0" "$@"']
    vestibule.spawn([*deaf, program(), "run", "--config", vestibule.config_path], vestibule.env)
    try:
        vestibule.wait_ready()

        def store():
            return json.loads(vestibule.run("status", "--json").stdout)["store"]

        await until(lambda: store()["waiting"] == 0, 5, "all that is to be written")
        unlimited = resource.prlimit(vestibule.child.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(vestibule.child.pid, resource.RLIMIT_FSIZE, (0, unlimited[1]))
        async with Crowd(server) as crowd:
            people = await guests(crowd, 10)
            assert (await people[0].join(ROOM, "Opener")).joined
            answers = await outcomes(people[1:], storm(people[1:]))
            assert {answer.kind for answer in answers} == {"joined"}
            await until(lambda: store().get("trouble"), 5, "that it is told")
            assert store()["waiting"] >= 10 and store()["lost"] == 0
            resource.prlimit(vestibule.child.pid, resource.RLIMIT_FSIZE, unlimited)
            await until(lambda: store()["waiting"] == 0, 10, "all that had waited")
            assert len(log(vestibule, "--kind", "decision")) >= 10 and store()["lost"] == 0
    finally:
        vestibule.kill()
        vestibule.check_secrets()
        vestibule.remove()
