"""The file is read again while people are inside and come in."""

import asyncio
import subprocess
from pathlib import Path

from lab import Crowd
from lab.component import program
from lab.process import environment
from storm import (
    PASSWORD,
    ROOM,
    SERVICE,
    guests,
    hear,
    logged,
    one_answer_each,
    outcomes,
    policy,
    shell,
    storm,
    tally,
    until,
)

BAN_NETWORK = ("[[ban]]", 'network = "127.0.0.0/8"', 'reason = "everybody here"')
BAN_BOB = ("[[ban]]", 'jid = "bob@localhost"', 'reason = "known to the operator alone"')


async def meeting(crowd, *others):
    """Alice, and others by name, in the room."""
    people = []
    for name in ("alice", *others):
        people.append(await crowd.connect(f"{name}@localhost"))
        assert (await people[-1].join(ROOM, name.title(), PASSWORD)).joined
    return people


async def test_a_file_with_a_relative_path_is_read_again_from_where_it_was(start_prosody, start_vestibule):
    vestibule = start_vestibule(start_prosody(), policy())
    vestibule.shutdown()
    absolute = vestibule.config_path
    vestibule.wrapper, vestibule.config_path = ["env", "-C", absolute.parent], Path(absolute.name)
    vestibule.start()
    vestibule.config_path = absolute
    before = revision(vestibule)

    def command(*words, folder=absolute.parent):
        command = [program(), "--config", absolute.name, *words]
        return subprocess.run(command, cwd=folder, env=environment(vestibule.env), capture_output=True, text=True)

    site = "server { location = /http-bind { proxy_pass http://prosody; } }"
    (absolute.parent / "site.conf").write_text(site)
    vestibule.write_config(policy(*BAN_BOB) + '\n[doctor]\nnginx_config = "site.conf"\n')
    assert command("check").returncode == 0
    assert "known to the operator alone" in command("show").stdout + absolute.read_text()
    assert command("reload").returncode == 0
    assert revision(vestibule) != before
    assert "doctor.nginx_config: site.conf" not in command("doctor").stdout
    # From another folder it is another file.
    wrong = command("check", folder="/")
    assert wrong.returncode != 0 and "cannot read component.toml" in wrong.stdout
    before = revision(vestibule)
    vestibule.write_config(policy())
    vestibule.reload()
    await until(lambda: revision(vestibule) != before, 5, "another policy")


def revision(vestibule):
    return vestibule.run("status").stdout.partition("policy ")[2].partition(",")[0]


async def test_a_new_ban_removes_who_is_inside_and_keeps_him_out(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), policy())
    async with Crowd(server) as crowd:
        alice, bob, carol = await meeting(crowd, "bob", "carol")
        vestibule.write_config(policy(*BAN_BOB))
        vestibule.reload()
        removed = await bob.wait_for(lambda s: s.type == "unavailable" and 110 in s.statuses)
        assert 307 in removed.statuses
        await alice.wait_for(lambda s: s.type == "unavailable" and s.nick == "Bob")
        assert "known to the operator" not in repr(bob.seen) + repr(alice.seen)
        assert (await bob.join(ROOM, "Bob", PASSWORD)).condition == "forbidden"
        await hear(carol, alice, "and we stay")
        assert set(alice.occupants(ROOM)) == {"Alice", "Carol"}

        def lines():
            banned = [e for e in vestibule.decisions() if e.get("denial") == "banned"]
            return {(each["jid"], each["kind"]) for each in banned}

        await until(lambda: len(lines()) == 2, 3, "the removal and the refusal in the log")


async def test_a_ban_of_a_network_removes_everybody_from_there(start_prosody, start_vestibule):
    focus = "focus@localhost"
    vestibule = start_vestibule(server := start_prosody(), policy(focus=focus))
    async with Crowd(server) as crowd:
        (alice,) = await meeting(crowd)
        strangers = await guests(crowd, 3)
        assert tally(await outcomes(strangers, storm(strangers))) == {"joined": 3}
        robot = await crowd.connect(focus)
        assert (await robot.join(ROOM, "focus")).joined
        vestibule.write_config(policy(*BAN_NETWORK, focus=focus))
        assert vestibule.run("reload").returncode == 0
        for person in (alice, *strangers):
            await person.wait_for(lambda s: s.type == "unavailable" and 110 in s.statuses)
        await robot.ping()
        assert set(robot.occupants(ROOM)) == {"focus"}, "services stay"


async def test_a_reload_by_command_says_which_policy_is_in_force(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), policy())
    async with Crowd(server) as crowd:
        await meeting(crowd)
        before = revision(vestibule)
        vestibule.write_config(policy().replace('admission = "password"', 'admission = "open"'))
        done = vestibule.run("reload")
        assert done.returncode == 0
        assert revision(vestibule) != before
        assert f"policy {revision(vestibule)} is in force" in done.stdout
        (stranger,) = await guests(crowd, 1)
        assert (await stranger.join(ROOM, "Stranger")).joined


async def test_a_broken_file_leaves_the_running_policy_and_says_where(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), policy())
    async with Crowd(server) as crowd:
        alice, bob = await meeting(crowd, "bob")
        before = revision(vestibule)
        text = policy(*BAN_BOB, "[policy.access]", 'create = ["everyone"]', "encrypted = 17")
        vestibule.write_config(text)
        line = text.split("\n").index("encrypted = 17") + 1
        place = f"component.toml:{line}:13"
        vestibule.reload()
        await logged(vestibule, place)
        refused = vestibule.run("reload")
        assert refused.returncode == 1
        assert place in refused.stderr
        assert f"running policy {before} is unchanged" in refused.stderr
        assert PASSWORD not in vestibule.output.read_text() + refused.stderr
        assert revision(vestibule) == before
        assert vestibule.run("status").returncode == 0
        await hear(bob, alice, "nothing happened")
        (stranger,) = await guests(crowd, 1)
        assert (await stranger.join(ROOM, "Stranger")).condition == "not-authorized"
        vestibule.write_config(policy())
        assert vestibule.run("reload").returncode == 0


async def test_reloads_in_a_storm_refuse_nobody(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), policy("[reload]", "max_removed_percent = 100"))
    async with Crowd(server) as crowd:
        (alice,) = await meeting(crowd)
        people = await guests(crowd, 40)
        marks = storm(people)
        for number in range(5):
            vestibule.write_config(policy("[policy.access]", f'refused_rooms = ["never-{number}"]', "[reload]", "max_removed_percent = 100"))
            vestibule.reload()
            await asyncio.sleep(0.1)
        answers = await outcomes(people, marks)
        assert tally(answers) == {"joined": 40}
        await one_answer_each(people, marks)
        vestibule.write_config(policy("[policy.access]", 'enter = ["account"]'))
        late = await guests(crowd, 1)
        vestibule.reload()
        gone = (p.wait_for(lambda s: s.type == "unavailable" and 110 in s.statuses) for p in people)
        await asyncio.gather(*gone)
        assert (await late[0].join(ROOM, "Late", PASSWORD)).condition == "not-allowed"
        await alice.ping()
        assert set(alice.occupants(ROOM)) == {"Alice"}


async def test_a_reload_reaches_the_gate_too(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), policy())
    async with Crowd(server) as crowd:
        alice, bob = await meeting(crowd, "bob")
        robot = await crowd.connect("robot@localhost")
        text = policy("[policy.names]", 'reserved = ["focus", "chair"]', focus="robot@localhost")
        vestibule.write_config(text)
        assert vestibule.run("reload").returncode == 0
        (stranger,) = await guests(crowd, 1)
        assert (await stranger.join(ROOM, "Chair", PASSWORD)).condition == "conflict"
        assert (await robot.join(ROOM, "Chair")).joined
        vestibule.freeze()
        await robot.leave(ROOM, "Chair")
        again = await robot.join(ROOM, "Chair", seconds=1)
        assert again.joined, "a service is never parked"
        vestibule.thaw()
        await hear(alice, bob, "there he is")


async def test_a_reload_that_would_remove_too_many_is_refused_unless_it_is_forced(
    start_prosody, start_vestibule
):
    few = ("[reload]", "max_removed = 1", "max_removed_percent = 40")
    vestibule = start_vestibule(server := start_prosody(), policy(*few))
    async with Crowd(server) as crowd:
        alice, bob, carol = await meeting(crowd, "bob", "carol")
        before = revision(vestibule)
        vestibule.write_config(policy("[[ban]]", 'domain = "localhost"', 'reason = "all"'))
        refused = vestibule.run("reload")
        assert refused.returncode == 1
        assert "would remove 3 of the 3 people inside" in refused.stderr
        assert f"running policy {before} is unchanged" in refused.stderr
        vestibule.reload()
        await until(
            lambda: vestibule.output.read_text().count("would remove 3 of the 3") == 2, 5, "the log"
        )
        assert revision(vestibule) == before
        await hear(bob, alice, "nothing happened")
        forced = vestibule.run("reload", "--force")
        assert forced.returncode == 0
        assert "3 people may no longer be inside" in forced.stdout
        for person in (alice, bob, carol):
            await person.wait_for(lambda s: s.type == "unavailable" and 110 in s.statuses)
        assert revision(vestibule) != before


async def test_whoever_waits_is_let_in_or_turned_away_by_another_file(start_prosody, start_vestibule):
    knocking = policy().replace('admission = "password"', 'admission = "lobby"')
    vestibule = start_vestibule(server := start_prosody(), knocking)
    async with Crowd(server) as crowd:
        (alice,) = await meeting(crowd)
        people = {}
        for name in ("bob", "carol", "dave"):
            person = people[name] = await crowd.connect(f"{name}@localhost")
            assert (await person.join(ROOM, name.title())).condition == "registration-required"
        listed = ("[policy.access]", 'listed = ["carol@localhost"]')
        vestibule.write_config(knocking + "\n".join([*listed, *BAN_BOB, ""]))
        assert vestibule.run("reload").returncode == 0
        await people["carol"].wait_for(lambda seen: "invite" in repr(seen))
        await people["bob"].wait_for(lambda seen: seen.body and "declined" in seen.body)
        assert (await people["carol"].join(ROOM, "Carol")).joined
        assert (await people["bob"].join(ROOM, "Bob")).condition == "forbidden"
        assert "dave@localhost" in vestibule.run("room", ROOM).stdout, "he still waits"
        await alice.ping()
        assert set(alice.occupants(ROOM)) == {"Alice", "Carol"}


async def test_what_takes_a_restart_is_named_and_not_called_in_force(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, policy())
    other = "second.conference.localhost"
    changed = policy("[[service]]", f'domain = "{other}"', level="debug").replace(
        'admission = "password"', 'admission = "open"'
    )
    vestibule.write_config(changed)
    keys = ("log.level", f"[[service]] {other} (added)")
    planned = vestibule.run("reload", "--plan").stdout
    assert all(key in planned for key in keys), planned
    before = revision(vestibule)
    done = vestibule.run("reload")
    assert done.returncode == 1, done
    (line,) = [line for line in done.stdout.splitlines() if "NOT IN FORCE" in line]
    assert all(key in line for key in keys) and "admission" not in line, done
    assert revision(vestibule) != before, "the rest is in force"
    for _ in range(2):
        status = vestibule.run("status").stdout
        assert "in force in part" in status and all(key in status for key in keys), status
    doctor = vestibule.run("doctor").stdout
    assert all(key in doctor for key in keys), doctor
    told = vestibule.run("rooms").stdout
    assert other not in told
    vestibule.write_config(policy())
    assert vestibule.run("reload").returncode == 0
    assert "in force in part" not in vestibule.run("status").stdout
    vestibule.write_config(policy(level="debug"))
    assert vestibule.run("reload").returncode == 1
    vestibule.kill()
    vestibule.start()
    assert "in force in part" not in vestibule.run("status").stdout


async def test_a_gate_of_a_service_that_the_file_has_now_is_told_that_a_restart_is_due(
    start_prosody, start_vestibule
):
    server = start_prosody(modules=["lab_unload"], plugin_paths=[Path(__file__).parent / "modules"])
    vestibule = start_vestibule(server, policy().replace(SERVICE, "other.localhost"), ready=False)
    await logged(vestibule, "add it as [[service]]")
    vestibule.write_config(policy())
    assert vestibule.run("reload").returncode == 1
    async with Crowd(server) as crowd:
        await shell(await crowd.connect("alice@localhost"), "reload")
        await logged(vestibule, "was started before its file named this service: restart it")
