"""What another file would do is told before it does it, and changes nothing."""

import json

from lab import Crowd
from storm import PASSWORD, ROOM, hear, policy

OTHER = f"board-1@{ROOM.partition('@')[2]}"


async def meeting(crowd):
    people = {}
    for name in ("alice", "bob", "carol", "dave"):
        people[name] = await crowd.connect(f"{name}@localhost")
    for name in ("alice", "bob"):
        assert (await people[name].join(ROOM, name.title(), PASSWORD)).joined
    assert (await people["carol"].join(OTHER, "Carol", PASSWORD)).joined
    assert (await people["dave"].join(OTHER, "Dave")).condition == "registration-required"
    return people


def texts():
    """A file in force, and another."""
    board = ("[[room]]", 'match = "board-*"', 'lobby.admission = "lobby"')
    before = policy(*board)
    after = policy(
        "[policy.access]",
        'create = ["everyone"]',
        'listed = ["dave@localhost"]',
        "[reload]",
        "max_removed = 0",
        "max_removed_percent = 0",
        "[[ban]]",
        'jid = "bob@localhost"',
        'reason = "known to the operator alone"',
    ).replace('admission = "password"', 'admission = "password-and-lobby"')
    return before, after


def line_of(text, words):
    return next(number for number, line in enumerate(text.split("\n"), 1) if words in line)


def revision(vestibule):
    return vestibule.run("status").stdout.partition("policy ")[2].partition(",")[0]


async def test_a_plan_says_what_another_file_would_do_and_changes_nothing(
    start_prosody, start_vestibule, tmp_path
):
    before, after = texts()
    vestibule = start_vestibule(server := start_prosody(), before)
    async with Crowd(server) as crowd:
        people = await meeting(crowd)
        running = revision(vestibule)
        # Another directory, and a file that only stands beside the new one.
        (tmp_path / "bad").write_text("hunter2hunter2\n")
        after = after.replace("[policy.lobby]", 'deny_list_file = "bad"\n[policy.lobby]')
        (tmp_path / "new.toml").write_text(after)
        done = vestibule.run("plan", tmp_path / "new.toml", "--json")
        assert done.returncode == 0, done.stderr
        plan = json.loads(done.stdout)
        assert (plan["running"], plan["rooms"], plan["inside"]) == (running, 2, 3)
        assert plan["revision"] != running
        keys = {each["key"]: each for each in plan["keys"]}
        assert keys["policy.lobby.admission"] == {
            "key": "policy.lobby.admission",
            "before": {"value": '"password"', "line": line_of(before, "admission")},
            "after": {"value": '"password-and-lobby"', "line": line_of(after, "admission")},
        }
        assert keys['room["board-*"].lobby.admission']["after"] is None
        assert keys["policy.password.deny_list_file"]["before"] is None
        assert "policy.password.preset" not in keys and PASSWORD not in done.stdout

        (changed,) = plan["changes"]["first"]
        expected = (ROOM, "lobby.admission", line_of(after, "admission"), True)
        assert (changed["room"], changed["rule"], changed["line"], changed["repaired"]) == expected
        (removed,) = plan["removed"]["first"]
        ban = line_of(after, "[[ban]]")
        assert removed == {"room": ROOM, "jid": "bob@localhost", "nick": "Bob", "rule": "ban", "line": ban}
        assert plan["let_in"]["count"] == plan["turned_away"]["count"] == 0
        assert (plan["limit"], plan["refused"]) == (10, False)

        words = vestibule.run("plan", tmp_path / "new.toml").stdout
        for part in (
            f"policy {running} -> {plan['revision']}",
            "policy.lobby.admission: \"password\" (line",
            "2 rooms with 3 people inside",
            f"{ROOM}: open to strangers, should be members only, by lobby.admission (line",
            f'"Bob" (bob@localhost) in {ROOM}, by ban (line {ban})',
            "nothing was changed",
        ):
            assert part in words, words

        assert revision(vestibule) == running
        await hear(people["bob"], people["alice"], "nothing happened")
        assert PASSWORD not in vestibule.output.read_text()

        # What the plan said is what a reload does.
        (vestibule.config_path.parent / "bad").write_text("hunter2hunter2\n")
        vestibule.write_config(after)
        own = json.loads(vestibule.run("reload", "--plan", "--json").stdout)
        assert {**own, "warnings": []} == {**plan, "warnings": []}
        assert revision(vestibule) == running
        assert "1 person may no longer" in vestibule.run("reload").stdout
        await people["bob"].wait_for(lambda s: s.type == "unavailable" and 110 in s.statuses)
        assert revision(vestibule) == plan["revision"]
        # By the file that is in force now, nobody may be removed by a reload.
        vestibule.write_config(after.replace("bob@", "alice@"))
        refused = vestibule.run("reload", "--plan")
        assert refused.returncode == 1
        assert "REFUSED: it may remove 0 people" in refused.stdout


async def test_whoever_waits_is_in_the_plan(start_prosody, start_vestibule, tmp_path):
    before, after = texts()
    vestibule = start_vestibule(server := start_prosody(), before)
    async with Crowd(server) as crowd:
        await meeting(crowd)
        new = tmp_path / "new.toml"
        new.write_text(before + '[policy.access]\nlisted = ["dave@localhost"]\n')
        plan = json.loads(vestibule.run("plan", new, "--json").stdout)
        (dave,) = plan["let_in"]["first"]
        assert (dave["jid"], dave["room"], plan["removed"]["count"]) == ("dave@localhost", OTHER, 0)
        new.write_text(before + '[[ban]]\njid = "dave@localhost"\nreason = "x"\n')
        plan = json.loads(vestibule.run("plan", new, "--json").stdout)
        (dave,) = plan["turned_away"]["first"]
        assert (dave["jid"], dave["rule"]) == ("dave@localhost", "ban")


async def test_a_file_that_is_wrong_has_no_plan(start_prosody, start_vestibule, tmp_path):
    vestibule = start_vestibule(start_prosody(), policy())
    new = tmp_path / "new.toml"
    new.write_text(policy("[policy.access]", "encrypted = 17"))
    refused = vestibule.run("plan", new)
    checked = vestibule.run("check", new)
    assert refused.returncode == checked.returncode == 1
    assert refused.stderr.strip() == checked.stdout.strip()
    assert vestibule.run("plan", tmp_path / "none.toml").returncode == 2
