"""Files come and go as fast as they can be read, good ones and broken ones, while two hundred people come in."""

import asyncio

from lab import Crowd
from lab.component import openers_said
from storm import ROOMS, guests, one_answer_each, outcomes, policy, storm, tally

CROWD = 200


def files():
    """Files that differ in whom they let in, and in the line of every rule."""
    valid = []
    for number in range(8):
        enter = ('["everyone"]', '["account"]')[number % 2]
        lines = ["[policy.access]", *["#"] * (number * 3), f"enter = {enter}", "[reload]", "max_removed_percent = 100"]
        valid.append("#\n" * number + policy(*lines))
    return valid


def revision_of(vestibule, text):
    """What `check` calls it."""
    file = vestibule.home / "checked.toml"
    file.write_text(text)
    return vestibule.run("check", file).stdout.split("revision ")[1].split(",")[0]


def lines_of(text):
    """The line of each rule that a join may rest on here."""
    found = {"no-objection": 0, "moderators.assign": 0, "password.required": 0, "close.hold_until": 0}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("admission"):
            found["lobby.admission"] = number
        if line.startswith("enter"):
            found["access.enter"] = number
    return found


async def test_no_decision_rests_on_two_files_and_nobody_is_left_without_an_answer(
    start_prosody, start_vestibule
):
    valid = files()
    vestibule = start_vestibule(server := start_prosody(), valid[0])
    valid = [openers_said(text) for text in valid]
    known = {revision_of(vestibule, text): text for text in valid}
    assert len(known) == len(valid)
    async with Crowd(server) as crowd:
        people = await guests(crowd, CROWD)
        marks = []
        ended = asyncio.Event()
        seen, broken = set(), 0

        async def reloads():
            nonlocal broken
            while not ended.is_set():
                for text in valid:
                    vestibule.write_config(text)
                    vestibule.reload()
                    await asyncio.sleep(0.01)
                    # Cut off within a string: no file at all.
                    vestibule.write_config(text[: text.index('admission = "') + 15])
                    vestibule.reload()
                    await asyncio.sleep(0.01)
                broken += 1

        async def looks():
            while not ended.is_set():
                status = await asyncio.to_thread(vestibule.run, "status")
                assert status.returncode == 0, status.stdout
                seen.add(status.stdout.partition("policy ")[2].partition(",")[0])

        storming = [asyncio.ensure_future(reloads()), asyncio.ensure_future(looks())]
        for start in range(0, CROWD, 20):
            marks += storm(people[start : start + 20], ROOMS, prefix=f"Guest{start}-")
            await asyncio.sleep(0.05)
        answers = []
        for start in range(0, CROWD, 20):
            part = slice(start, start + 20)
            answers += await outcomes(people[part], marks[part], ROOMS)
        ended.set()
        await asyncio.gather(*storming)
        for start in range(0, CROWD, 20):
            part = slice(start, start + 20)
            await one_answer_each(people[part], marks[part], ROOMS)
        assert set(tally(answers)) <= {"joined", "not-allowed"}, tally(answers)
        assert seen <= set(known), "only a valid file is ever in force"
        assert broken > 0

        # One that cannot be read leaves the last good one, whichever that was.
        assert vestibule.run("reload").returncode == 1
        vestibule.write_config(valid[0])
        assert vestibule.run("reload").returncode == 0
        assert revision_of(vestibule, valid[0]) in vestibule.run("status").stdout

    await asyncio.sleep(0.2)
    decisions = [each for each in vestibule.decisions() if "verdict" in each]
    assert sum(each["kind"] in ("open", "join") for each in decisions) >= CROWD
    used = set()
    for each in decisions:
        text = known[each["revision"]]
        assert each["line"] == lines_of(text)[each["rule"]], each
        if each["rule"] == "access.enter":
            assert '"account"' in text, each
        used.add(each["revision"])
    assert len(used) > 1, "the file changed while they came in"
