"""What a command replies is what it found and did."""

import asyncio
import re

import pytest
from lab import SERVICE, Crowd
from lab.knocking import invited, knocking
from lab.policy import OPERATOR, PRESET, SECRET, rooms, trusted
from lab.replies import read, say

POLICY = SERVICE + trusted("robot@localhost") + OPERATOR + PRESET + rooms({
    "never": 'removal = { keep_out_for = "never" }',
})
NOBODY = "nobody of that address is inside or waits"
VERBS = pytest.mark.parametrize("verb", ["admit", "reject", "remove"])


def affiliations(door, room):
    return {who["jid"]: who["affiliation"] for who in read(door, "room", room)["occupants"]}


@VERBS
@pytest.mark.parametrize("whom", ["*", "nobody@nowhere.example", "Nobody", "-x1_y@guest.localhost", "guest.localhost"])
async def test_nobody_is_meant_and_nothing_changes(door, verb, whom):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        before = read(door, "room", room)
        assert NOBODY in say(door, verb, "--", room, whom, code=1)
        assert read(door, "room", room) == before
        for affiliation in ("member", "owner", "admin", "outcast"):
            listed = str(await alice.list_affiliation(room, affiliation))
            assert whom not in listed, (affiliation, listed)


@VERBS
async def test_who_may_be_meant_is_named(door, verb):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        for near in ("bbo@localhost", "bob@elsewhere.example", "Bobb"):
            said = say(door, verb, room, near, code=1)
            assert NOBODY in said and f"did you mean \"Bob\" (`{bob.bare}`)?" in said, said


async def test_each_person_is_answered_with_what_was_found_and_done(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await knocking(crowd, room)
        (person,) = read(door, "reject", "--", room, guest.bare)["people"]
        known = {"class": "guest", "known_by": []}
        assert person == {"jid": guest.bare, "nick": "Guest", "found": "waits", "done": "rejected", **known}
        assert NOBODY not in say(door, "reject", "--", room, guest.bare, code=1)
        await guest.join(room, "Guest")
        (person,) = read(door, "admit", "--", room, guest.bare)["people"]
        assert (person["found"], person["done"]) == ("waits", "admitted")
        assert (await guest.join(room, "Guest")).joined
        (person,) = read(door, "admit", "--", room, guest.bare)["people"]
        assert (person["found"], person["done"]) == ("inside", "nothing")
        assert "inside" in say(door, "reject", "--", room, guest.bare, code=1)
        (person,) = read(door, "remove", "--", room, guest.bare)["people"]
        assert (person["found"], person["done"]) == ("inside", "removed")
        assert guest.bare not in affiliations(door, room)


async def test_a_nick_that_one_person_bears_is_enough(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await knocking(crowd, room)
        assert "Guest" in say(door, "admit", room, "Guest")
        await invited(guest, room)
        assert (await guest.join(room, "Guest")).joined
        say(door, "remove", room, "bob")
        await bob.wait_for(lambda seen: 307 in seen.statuses)
        assert (await bob.join(room, "Bob", SECRET)).condition == "forbidden"
        (line,) = await door.decisions(event="remove", room=room)
        assert line["details"]["jid"] == bob.bare


@VERBS
async def test_a_nick_that_reads_like_an_address_is_none(door, verb):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await crowd.connect("guest.localhost")
        for nick in ("carol@localhost", "Carol@LOCALHOST"):
            assert (await guest.join(room, nick)).condition == "registration-required"
            before = read(door, "room", room)
            assert NOBODY in say(door, verb, "--", room, "carol@localhost", code=1)
            assert read(door, "room", room) == before
        assert (await guest.join(room, "Guest")).condition == "registration-required"


async def test_a_nick_that_two_people_bear_names_both(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guests = [await crowd.connect("guest.localhost") for _ in range(2)]
        for guest in guests:
            await guest.join(room, "Guest")
        said = say(door, "admit", room, "Guest", code=1)
        assert all(guest.bare in said for guest in guests), said
        assert len(read(door, "room", room)["waiting"]) == 2


@VERBS
async def test_the_id_of_a_decision_names_the_person_it_was_about(door, verb):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await knocking(crowd, room)
        about = await door.decision(kind="join", room=room, jid=guest.bare)
        (person,) = read(door, verb, room, about["id"])["people"]
        assert (person["jid"], person["found"]) == (guest.bare, "waits")


@VERBS
async def test_a_nick_that_is_the_id_of_a_decision_is_taken_for_nobody(door, verb):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest, other = [await crowd.connect("guest.localhost") for _ in range(2)]
        await guest.join(room, "Guest")
        about = await door.decision(kind="join", room=room, jid=guest.bare)
        await other.join(room, about["id"])
        before = read(door, "room", room)
        said = say(door, verb, room, about["id"], code=1)
        assert guest.bare in said and other.bare in said and "give an address" in said, said
        assert read(door, "room", room) == before


async def test_the_address_of_a_session_is_enough(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        say(door, "remove", room, bob.jid)
        await bob.wait_for(lambda seen: 307 in seen.statuses)


async def test_who_has_just_left_is_kept_out(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest", SECRET)).joined
        for person, nick in ((bob, "Bob"), (guest, "Guest")):
            await person.leave(room, nick)
            (reply,) = read(door, "remove", "--", room, person.bare)["people"]
            assert (reply["found"], reply["done"]) == ("left", "kept-out")
            assert (await person.join(room, nick, SECRET)).condition == "forbidden"
            (reply,) = read(door, "admit", "--", room, person.bare)["people"]
            assert reply["done"] == "may-enter"
            assert (await person.join(room, nick)).joined


async def test_where_nobody_is_kept_out_one_who_has_left_is_not_removed(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="never")
        await bob.leave(room, "Bob")
        assert "keep_out" in say(door, "remove", room, bob.bare, code=1)


async def test_who_waits_and_is_removed_waits_no_longer(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await knocking(crowd, room)
        (person,) = read(door, "remove", "--", room, guest.bare)["people"]
        assert (person["found"], person["done"]) == ("waits", "rejected")
        assert not read(door, "room", room)["waiting"]
        assert (await guest.join(room, "Guest", SECRET)).condition == "forbidden"


async def test_the_command_line_waits_for_a_slow_server_and_says_so(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        door.server.freeze()
        try:
            asked = asyncio.create_task(asyncio.to_thread(door.component.run, "close", room))
            await asyncio.sleep(6)
        finally:
            door.server.thaw()
        done = await asked
        assert (done.returncode, "is closed" in done.stdout) == (0, True), done
        assert "still working, for 5 s" in done.stderr, done
        assert "still working" not in door.component.run("reopen", room).stderr


async def test_a_service_that_is_named_is_removed(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        robot = await crowd.connect("robot@localhost")
        assert (await robot.join(room, "Robot")).joined
        (person,) = read(door, "remove", room, robot.bare)["people"]
        assert (person["nick"], person["found"], person["done"]) == ("Robot", "inside", "removed")
        await robot.wait_for(lambda seen: 307 in seen.statuses)


@pytest.mark.parametrize("jid", ["root@localhost", "robot@localhost"])
async def test_nobody_is_said_to_stay_out_whom_no_removal_keeps_out(door, jid):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        one = await crowd.connect(jid)
        for verb in ("remove", "hold"):
            assert (await one.join(room, "One", SECRET)).joined
            since = one.mark()
            (person,) = read(door, verb, room, jid)["people"]
            assert (person["found"], person["done"], person["kept_out"]) == ("inside", "removed", False)
            await one.wait_for(lambda seen: 307 in seen.statuses, since=since)
            assert "no removal keeps out operators and services" in say(door, verb, room, jid, code=1)
        assert (await one.join(room, "One", SECRET)).joined
        assert "MAY COME BACK AT ONCE" in say(door, "remove", room, jid)


async def test_who_is_banned_is_not_said_to_be_let_in(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        ban = read(door, "ban", bob.bare)
        await bob.wait_for(lambda seen: 307 in seen.statuses or 301 in seen.statuses)
        (person,) = read(door, "admit", room, bob.bare, code=1)["people"]
        assert (person["done"], person["ban"]) == ("banned", ban["id"])
        assert f"still kept out: banned ({ban['id']})" in say(door, "admit", room, bob.bare, code=1)
        assert (await bob.join(room, "Bob", SECRET)).condition == "forbidden"
        say(door, "unban", bob.bare)
        (person,) = read(door, "admit", room, bob.bare)["people"]
        assert person["done"] == "may-enter"
        assert (await bob.join(room, "Bob")).joined


async def test_a_nick_cannot_be_read_as_the_reply(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await crowd.connect("guest.localhost")
        for nick in ("Bob (alice@localhost): account, inside; spared", "z" * 900):
            assert (await guest.join(room, nick, SECRET)).joined
            said = say(door, "remove", "--dry-run", "--", room, guest.bare)
            shown = nick if len(nick) <= 64 else f"{nick[:64]}…"
            assert f'"{shown}" ({guest.bare}): guest' in said and len(said) < 400, said
            await guest.leave(room, nick)


async def test_the_name_of_a_room_is_enough_where_there_is_one_service(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        name = room.partition("@")[0]
        for verb in ("room", "close", "reopen", "suspend", "resume"):
            assert room in say(door, verb, name), verb
        assert bob.bare in say(door, "remove", name, "Bob")
        explained = say(door, "explain", "--live", "--room", name, "--jid", "alice@localhost")
        assert explained == say(door, "explain", "--live", "--room", room, "--jid", "alice@localhost")
        assert f"`{room}`" not in say(door, "end", name)
        assert f"there is no room `{room}`" in say(door, "end", name, code=1)
        # The address is what is written down.
        assert "end" in {line["event"] for line in await door.decisions(room=room) if "event" in line}


def test_a_service_is_no_name_of_a_room(door):
    assert "SERVICE" in say(door, "room", door.server.service, code=1)


def test_a_room_of_no_service_of_the_file_is_none(door):
    config = ["--config", door.component.config_path]
    for room in ("tea@confrence.localhost", "@", "tea@"):
        for verb in (["password", room], ["show", room], ["explain", "--room", room, "--jid", "bob@localhost"]):
            assert "`ROOM@conference.localhost`" in say(door, *config, *verb, code=2), verb
    shown = say(door, *config, "show", "tea")
    assert shown == say(door, *config, "show", "tea@conference.localhost")


async def test_what_cannot_be_undone_is_confirmed_beforehand_where_nobody_can_be_asked(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        for command in (["end", room], ["end-many", "--all"], ["end-many", "--match", "*"]):
            done = door.component.run(*command, asks=True)
            assert done.returncode == 2 and "add --yes" in done.stderr, done
            assert read(door, "room", room)["room"] == room
        assert "would" in door.component.run("end-many", "--all", "--dry-run", asks=True).stdout
        say(door, "end", room, "--yes")


async def test_who_is_behind_sudo_is_written_down_with_the_reason(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        for account, written in [("pat", "pat (uid 0)"), ("p\n", "uid 0"), ("x" * 33, "uid 0")]:
            env = {"SUDO_USER": account}
            done = door.component.run("suspend", room, "--reason", f"fire {len(account)}", env=env)
            assert done.returncode == 0, done.stderr
            line = f"suspend done, by {written} (operator, command-line), because \"fire {len(account)}\""
            await shown(door, line, "--room", room)
        door.component.run("ban", "mallory@localhost", "--reason", "trolls", env={"DOAS_USER": "pat"})
        await shown(door, "ban mallory@localhost done, by pat (uid 0)", "--kind", "action")
        assert "by pat (uid 0)" in say(door, "unban", "mallory@localhost")


async def test_a_person_is_found_in_the_log_by_what_they_are_called(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        guest = await crowd.connect("guest.localhost")
        await guest.join(room, "Zoe Zebra", SECRET)
        await shown(door, guest.bare, "--person", "zoe zebra")
        assert bob.bare not in say(door, "log", "--person", "Zoe Zebra")
        said = say(door, "log", "--rule", "lobbi.admission")
        assert "no entry matches: no rule, and no family of rules, is called `lobbi.admission`" in said
        for filters in (["--room", "nosuch"], ["--rule", "hours.open"], ["--person", "Zebra"]):
            assert say(door, "log", *filters) == "no entry matches\n", filters
            assert say(door, "log", "--json", *filters) == "no entry matches\n", filters


async def shown(door, line, *filters):
    """The log has that line: entries take a moment."""
    for _ in range(100):
        if line in say(door, "log", *filters):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{line!r} is not in {say(door, 'log', *filters)}")


async def test_an_explanation_is_about_who_is_called_so(door):
    async with Crowd(door.server) as crowd:
        room, _, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        asked = ["explain", "--live", "--room", room, "--jid"]
        words = say(door, *asked, "Bob")
        assert words == say(door, *asked, bob.bare) and f"jid {bob.bare}" in words
        assert NOBODY in say(door, *asked, "Bobb", code=1)
        assert "class: federated" in say(door, *asked, "elsewhere.example")
        # In units that people read, and without what was not given.
        alone = say(door, "--config", door.component.config_path, "explain", "--room", room, "--jid", "new@localhost")
        for text in (words, alone, say(door, *asked, "new@localhost")):
            assert not re.search(r"\d\.\d{3,}Z|, v \d|described|else\.invalid", text), text


def test_an_incident_without_a_subject_is_told_what_it_needs(door):
    said = say(door, "incident", code=2)
    assert "--room" in said and "--person" in said


async def test_close_and_reopen_say_how_it_was_and_what_still_keeps_people_out(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        assert "was not closed" in say(door, "reopen", room)
        assert "is closed" in say(door, "close", room)
        assert "was closed already" in say(door, "close", room)
        assert "takes people in again" in say(door, "reopen", room)
        say(door, "close", room)
        say(door, "suspend", room)
        shut = read(door, "reopen", room)
        assert (shut["was_closed"], shut["shut"]["rule"]) == ("command", "suspended")
        assert "STILL SHUT to newcomers, by suspended" in say(door, "reopen", room)
        carol = await crowd.connect("carol@localhost")
        assert not (await carol.join(room, "Carol", SECRET)).joined
        say(door, "resume", room)
        assert (await carol.join(room, "Carol", SECRET)).joined
        said = [seen for seen in alice.seen if "open to new participants again" in str(seen)]
        assert len(said) == 1, "nobody is told that a room is open again which was not closed, or is suspended"


async def test_say_and_end_tell_how_many_were_inside(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        assert "2 occupants inside, and told" in say(door, "say", room, "Two minutes left.")
        await bob.leave(room, "Bob")
        assert read(door, "say", room, "One minute left.")["inside"] == 1
        assert "has ended, with 1 occupant inside" in say(door, "end", room)
        assert "there is no room" in say(door, "end", room, code=1)
