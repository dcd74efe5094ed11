"""The decision log has every decision, soon, and says so when it has not."""

import asyncio
import collections
import json
import signal
import sqlite3
import time

from lab import Crowd
from storm import PASSWORD, ROOM, guests, hear, outcomes, policy, storm, until

QUIET = ("[policy.password.guesses]", "burst = 10000", "room_burst = 10000")


def verdicts(vestibule):
    return [each for each in vestibule.decisions() if "verdict" in each]


async def test_every_answer_stands_in_the_log_once(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy(*QUIET))
    async with Crowd(server) as crowd:
        people = await guests(crowd, 100)
        assert (await people[0].join(ROOM, "Opener")).joined
        marks = [
            person.ask_to_join(ROOM, f"Guest{number}", PASSWORD if number % 3 else "wrong")
            for number, person in enumerate(people[1:])
        ]
        answers = await outcomes(people[1:], marks)
        await until(lambda: len(verdicts(vestibule)) == 100, 3, "100 decisions")
        logged = {each["jid"]: each["verdict"] for each in verdicts(vestibule)}
        for person, answer in zip(people[1:], answers, strict=True):
            assert logged[person.bare] == ("allow" if answer.joined else "prompt")
        assert len({each["id"] for each in verdicts(vestibule)}) == 100
        counted = collections.Counter(each["verdict"] for each in verdicts(vestibule))
        status = (await asyncio.to_thread(vestibule.run, "status")).stdout
        assert f"{counted['allow']} allowed" in status
        assert f"{counted['prompt']} asked for a password" in status


async def test_a_decision_is_on_the_disk_soon_even_while_others_follow(
    start_prosody, start_vestibule
):
    server = start_prosody()
    vestibule = start_vestibule(server, policy(*QUIET))
    async with Crowd(server) as crowd:
        opener, guest = await guests(crowd, 2)
        assert (await opener.join(ROOM, "Opener")).joined
        began = time.monotonic()
        for number in range(10):
            assert (await guest.join(ROOM, "Guest", f"guess {number}")).condition == "not-authorized"
            await asyncio.sleep(0.1)
        vestibule.kill()
        assert time.monotonic() - began < 3
        assert len(verdicts(vestibule)) >= 8, "what was decided half a second ago is lost"


async def test_a_full_disk_stops_nobody_and_is_counted(start_prosody, start_vestibule):
    server = start_prosody()
    text = policy().replace("[log]", '[log]\ndecisions = "/dev/full"')
    vestibule = start_vestibule(server, text)
    async with Crowd(server) as crowd:
        people = await guests(crowd, 10)
        assert (await people[0].join(ROOM, "Opener")).joined
        answers = await outcomes(people[1:], storm(people[1:]))
        assert {answer.kind for answer in answers} == {"joined"}
        await until(lambda: "10 LINES of the decision log are LOST" in status(vestibule), 3, "the count")
        await hear(people[0], people[1], "we go on")
        assert "could not be written down" in vestibule.output.read_text()


def status(vestibule):
    return vestibule.run("status").stdout


async def moved_and_begun_anew(server, vestibule, begin_anew):
    """Moves the log away and begins it again; the room is tea@, with one decision in each file."""
    path = vestibule.state_dir / "decisions.jsonl"
    async with Crowd(server) as crowd:
        opener, guest = await guests(crowd, 2)
        assert (await opener.join(ROOM, "Opener")).joined
        await until(lambda: len(verdicts(vestibule)) == 1, 3, "the first decision")
        path.rename(path.with_suffix(".1"))
        begin_anew()
        await until(path.exists, 3, "a new file")
        assert (await guest.join(ROOM, "Guest", PASSWORD)).joined
        await until(lambda: [e["kind"] for e in verdicts(vestibule)] == ["join"], 3, "the second")
        assert path.stat().st_mode & 0o077 == 0


async def test_a_log_that_was_moved_away_is_begun_anew_by_a_signal(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy())
    await moved_and_begun_anew(server, vestibule, lambda: vestibule.signal(signal.SIGUSR1))
    # The policy is no affair of that signal, nor the log of the other.
    assert "reloaded" not in vestibule.output.read_text()


async def test_a_log_that_was_moved_away_is_begun_anew_by_command(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy())

    def reopen():
        done = vestibule.run("reopen")
        path = vestibule.state_dir / "decisions.jsonl"
        assert (done.returncode, done.stdout) == (0, f"{path} is begun again\n")

    await moved_and_begun_anew(server, vestibule, reopen)


async def test_a_hangup_reloads_the_policy_and_leaves_the_log(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy())
    path = vestibule.state_dir / "decisions.jsonl"
    async with Crowd(server) as crowd:
        [opener] = await guests(crowd, 1)
        assert (await opener.join(ROOM, "Opener")).joined
        await until(lambda: len(verdicts(vestibule)) == 1, 3, "the first decision")
        path.rename(path.with_suffix(".1"))
        vestibule.reload()
        await until(lambda: "the file is reloaded" in vestibule.tail(), 5, "the reload")
        assert not path.exists()


async def test_without_a_word_in_the_file_there_is_no_log(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy(), env={"VESTIBULE_LOG__DECISIONS": ""})
    async with Crowd(server) as crowd:
        [opener] = await guests(crowd, 1)
        assert (await opener.join(ROOM, "Opener")).joined
    assert not list(vestibule.state_dir.glob("decisions*"))
    done = vestibule.run("reopen")
    assert done.returncode == 1 and "there is no decision log" in done.stderr
    # What was decided is decided again from the audit database.

    def decided():
        done = vestibule.run("replay", "--exact", "--json", "--config", vestibule.config_path)
        return json.loads(done.stdout.splitlines()[-1])["totals"]["decided"]

    await until(lambda: decided() == 1, 3, "the decision")


async def test_the_log_holds_addresses_as_the_database_does(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        [opener] = await guests(crowd, 1)
        assert (await opener.join(ROOM, "Opener")).joined
        await until(lambda: len(verdicts(vestibule)) == 1, 3, "the decision")
    [line] = verdicts(vestibule)
    assert line["facts"]["who"]["address"] == "127.0.0.0"
    database = sqlite3.connect(vestibule.state_dir / "vestibule.db")

    def kept():
        query = "select body from entries where kind = 'decision'"
        return [json.loads(body) for (body,) in database.execute(query)]

    await until(kept, 3, "the entry")
    assert kept() == [line]
    database.close()
