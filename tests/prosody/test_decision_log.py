"""The decision log has every decision, soon, and says so when it has not."""

import asyncio
import collections
import time

from lab import Crowd
from storm import PASSWORD, ROOM, guests, hear, outcomes, policy, storm, until

QUIET = ("[policy.password.guesses]", "free = 10000", "room_free = 10000")


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


async def test_a_log_that_was_moved_away_is_started_anew(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy())
    path = vestibule.state_dir / "decisions.jsonl"
    async with Crowd(server) as crowd:
        opener, guest = await guests(crowd, 2)
        assert (await opener.join(ROOM, "Opener")).joined
        await until(lambda: len(verdicts(vestibule)) == 1, 3, "the first decision")
        path.rename(path.with_suffix(".1"))
        vestibule.reload()
        await until(path.exists, 3, "a new file")
        assert (await guest.join(ROOM, "Guest", PASSWORD)).joined
        await until(lambda: [e["kind"] for e in verdicts(vestibule)] == ["join"], 3, "the second")
        assert path.stat().st_mode & 0o077 == 0
