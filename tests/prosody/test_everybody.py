"""Commands for everybody at once, and back to the lobby."""

import asyncio
import json
import time

import pytest
from lab import SERVICE, Crowd, Vestibule
from lab.knocking import invited
from lab.policy import OPERATOR, PRESET, SECRET, rooms, trusted
from lab.replies import read, say
from lab.stanza import element
from proxy import Proxy
from storm import MODULES
from storm import until as wait_for

# The removals that a room remembers.
MOST_REMEMBERED = 32
POLICY = SERVICE + trusted("robot@localhost") + OPERATOR + PRESET + '[policy.lobby]\nmax_knocks = 1000\n' + rooms({
    "never": 'removal = { keep_out_for = "never" }',
    "observed": 'modes = { removal = "observe" }',
    "unnamed": 'removal = { by = ["token", "ticket"] }',
    "open": 'lobby = { admission = "open" }',
    "locked": 'moderators = { admit = "operator" }',
})
GUESTS = "guest.localhost"


def done(reply):
    """What was done with whom."""
    return {person["jid"]: person["done"] for person in reply["people"]}


async def until(door, room, what, seconds=20):
    """The room, once `what` is true of it."""
    deadline = time.monotonic() + seconds
    while True:
        now = read(door, "room", room)
        if what(now):
            return now
        assert time.monotonic() < deadline, now
        await asyncio.sleep(0.05)


async def come(crowd, room, count, jid=GUESTS, nick="Guest", password=SECRET):
    people = await crowd.connect_many([jid] * count)
    outcomes = await asyncio.gather(
        *(one.join(room, f"{nick}{number}", password, seconds=30) for number, one in enumerate(people))
    )
    return people, outcomes


async def come_back(room, person, nick, password=SECRET):
    """Tries to come in again, once the person has seen that they are out."""
    await person.wait_for(lambda seen: 307 in seen.statuses)
    return await person.join(room, nick, password)


async def test_forty_who_knock_are_answered_by_two_commands(door):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost")
        guests, outcomes = await come(crowd, room, 40, password=None)
        assert {outcome.condition for outcome in outcomes} == {"registration-required"}
        staff = [await crowd.connect(f"staff{number}@localhost") for number in range(3)]
        for number, one in enumerate(staff):
            await one.join(room, f"Staff{number}")
        await until(door, room, lambda now: len(now["waiting"]) == 43)

        dry = read(door, "admit", room, "--class", "account", "--dry-run")
        assert dry["dry_run"] and {each["would"] for each in dry["people"]} == {"admitted"}
        assert len(read(door, "room", room)["waiting"]) == 43

        admitted = read(door, "admit", room, "--class", "account")
        assert done(admitted) == {one.bare: "admitted" for one in staff}
        assert {(each["class"], each["found"]) for each in admitted["people"]} == {("account", "waits")}
        rejected = read(door, "reject", room, "--all")
        assert done(rejected) == {one.bare: "rejected" for one in guests}
        assert {each["class"] for each in rejected["people"]} == {"guest"}
        assert not read(door, "room", room)["waiting"]
        for one in staff:
            await invited(one, room)
            assert (await one.join(room, "Staff")).joined
            await one.leave(room, "Staff")
        said = say(door, "reject", room, "--all", code=1)
        assert "nobody waits" in said, said

        lines = await door.decisions(event="reject", room=room)
        each = {line["details"]["jid"] for line in lines if line["details"].get("of_many")}
        assert each == {one.bare for one in guests}


async def test_a_raid_inside_is_removed_and_nobody_else(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        staff = await crowd.connect("staff@localhost")
        assert (await staff.join(room, "Staff", SECRET)).joined
        early, outcomes = await come(crowd, room, 2, nick="Early")
        assert all(outcome.joined for outcome in outcomes)
        await asyncio.sleep(5)
        began = time.monotonic()
        raiders, outcomes = await come(crowd, room, 25, nick="Raider")
        assert all(outcome.joined for outcome in outcomes)
        # Those who were there before came five seconds earlier, however slow this machine is.
        since = f"{int(time.monotonic() - began) + 4} seconds"
        reply = read(door, "remove", room, "--class", "guest", "--since", since, "--reason", "Out!")
        assert done(reply) == {one.bare: "removed" for one in raiders}
        assert all(each["kept_out"] for each in reply["people"])
        inside = {who["jid"] for who in read(door, "room", room)["occupants"]}
        assert inside == {alice.bare, staff.bare, *(one.bare for one in early)}
        for one in raiders[:3]:
            assert (await come_back(room, one, "Back")).condition == "forbidden"


async def test_sixty_guests_are_removed_in_one_command_and_the_reply_says_who_is_remembered(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        guests, outcomes = await come(crowd, room, 60)
        assert all(outcome.joined for outcome in outcomes)
        reply = read(door, "remove", room, "--all")
        by_jid = {each["jid"]: each for each in reply["people"]}
        assert {jid for jid, each in by_jid.items() if each["done"] == "removed"} == {one.bare for one in guests}
        assert by_jid[alice.bare]["done"] == "spared"
        kept = {one.bare: by_jid[one.bare]["kept_out"] for one in guests}
        assert any(kept.values()) and not all(kept.values())
        for wanted in (True, False):
            one = next(one for one in guests if kept[one.bare] == wanted)
            outcome = await come_back(room, one, "Back")
            assert outcome.joined is not wanted, (wanted, outcome)


async def test_hundreds_of_guests_push_out_no_account_also_after_restarts(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        mallory = await crowd.connect("mallory@localhost")
        assert (await mallory.join(room, "Mallory", SECRET)).joined
        await alice.set_role(room, "Mallory", "none")
        assert (await come_back(room, mallory, "Mallory")).condition == "forbidden"
        for _ in range(3):
            guests, _ = await come(crowd, room, 70)
            # Of a loaded server's guests some may not be in yet.
            assert len(read(door, "remove", room, "--class", "guest")["people"]) > MOST_REMEMBERED
            for guest in guests:
                guest.abort()
        assert (await mallory.join(room, "Mallory", SECRET)).condition == "forbidden"
        door.component.restart()
        assert (await mallory.join(room, "Mallory", SECRET)).condition == "forbidden"


async def test_conditions_combine_and_moderators_services_and_operators_stay(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        root = await crowd.connect("root@localhost")
        robot = await crowd.connect("robot@localhost")
        bob = await crowd.connect("bob@localhost")
        for one, nick in ((root, "Root"), (robot, "Robot"), (bob, "Bob")):
            assert (await one.join(room, nick, SECRET)).joined
        (guest,), _ = await come(crowd, room, 1, nick="Bobby")
        assert set(done(read(door, "remove", room, "--match", "BOB*", "--dry-run"))) == {bob.bare, guest.bare}
        both = ("remove", room, "--match", "bob*", "--class", "account", "--network", "127.0.0.0/8", "--dry-run")
        assert set(done(read(door, *both))) == {bob.bare}
        nobody = say(door, "remove", room, "--all", "--network", "192.0.2.0/24", code=1)
        assert "nobody is inside or waits of whom all of this is true" in nobody
        reply = done(read(door, "remove", room, "--all"))
        assert reply == {
            bob.bare: "removed", guest.bare: "removed", alice.bare: "spared", root.bare: "spared",
        }
        left = say(door, "remove", room, "--all", code=1)
        assert alice.bare in left and "moderators" in left, left
        dry = read(door, "remove", room, "--all", "--moderators", "--dry-run")
        assert {each["jid"]: each["would"] for each in dry["people"]} == {alice.bare: "removed", root.bare: "removed"}
        now = read(door, "room", room)
        assert {who["jid"] for who in now["occupants"]} == {alice.bare, root.bare}
        assert {who["jid"] for who in now["services"]} == {robot.bare}
        reply = read(door, "remove", room, "--class", "operator")
        assert done(reply) == {root.bare: "removed"}


@pytest.mark.parametrize("verb", ["admit", "reject", "remove", "hold"])
async def test_what_makes_no_sense_is_refused(door, verb):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost")
        before = read(door, "room", room)
        assert "nobody is named" in say(door, verb, room, code=1)
        assert "either one person" in say(door, verb, room, "Alice", "--all", code=1)
        assert "no network" in say(door, verb, room, "--network", "example.org", code=1)
        assert "nobody" in say(door, verb, room, "--match", "nobody-*", code=1)
        say(door, verb, room, "--class", "friend", code=2)
        assert read(door, "room", room) == before


async def test_a_dry_run_for_one_person_does_nothing(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        (guest,), _ = await come(crowd, room, 1)
        for verb, would in (("remove", "removed"), ("hold", "held"), ("admit", "nothing")):
            (person,) = read(door, verb, room, "Guest0", "--dry-run")["people"]
            assert (person["done"], person["would"], person["class"]) == ("nothing", would, "guest")
        assert {who["jid"] for who in read(door, "room", room)["occupants"]} == {alice.bare, guest.bare}


async def test_one_guest_pushes_out_no_account(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        mallory = await crowd.connect("mallory@localhost")
        assert (await mallory.join(room, "Mallory", SECRET)).joined
        assert read(door, "remove", room, mallory.bare)["people"][0]["kept_out"]
        for number in range(31):
            await alice.set_affiliation(room, f"user{number}@localhost", "outcast")
        assert (await come_back(room, mallory, "Mallory")).condition == "forbidden"
        (guest,), _ = await come(crowd, room, 1)
        (reply,) = read(door, "remove", "--", room, guest.bare)["people"]
        assert (reply["done"], reply["kept_out"]) == ("removed", False)
        assert (await mallory.join(room, "Mallory", SECRET)).condition == "forbidden"
        assert (await come_back(room, guest, "Guest")).joined
        assert "NOT REMEMBERED" in say(door, "remove", "--", room, guest.bare)


@pytest.mark.parametrize("whom", [["bob@localhost"], ["--match", "bob"]])
async def test_who_is_known_by_nothing_that_the_rules_name_is_not_said_to_be_kept_out(door, whom):
    async with Crowd(door.server) as crowd:
        room, _ = await door.meeting(crowd, "alice@localhost", name="unnamed")
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Bob", SECRET)).joined
        (reply,) = read(door, "remove", room, *whom)["people"]
        assert (reply["done"], reply["kept_out"], reply["known_by"]) == ("removed", False, [])
        assert (await come_back(room, bob, "Bob")).joined


@pytest.mark.parametrize("whom", [["bob@localhost"], ["--all"]])
async def test_with_the_last_person_the_room_ends_and_that_is_said(door, whom):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Bob", SECRET)).joined
        await alice.leave(room, "Alice")
        await until(door, room, lambda now: len(now["occupants"]) == 1)
        reply = read(door, "remove", room, *whom, *(["--moderators"] if whom == ["--all"] else []))
        assert reply["room_ended"] and "kept_out" not in reply["people"][0]


# Back to the lobby


async def held(door, crowd, name="room", jid="bob@localhost"):
    room, alice = await door.meeting(crowd, "alice@localhost", name=name)
    bob = await crowd.connect(jid)
    assert (await bob.join(room, "Bob", SECRET)).joined
    since = bob.mark()
    (reply,) = read(door, "hold", room, "Bob", "--reason", "Please wait.")["people"]
    assert (reply["jid"], reply["found"], reply["done"]) == (bob.bare, "inside", "held")
    out = await bob.wait_for(lambda seen: 307 in seen.statuses, since=since)
    assert "Please wait." in str(out)
    return room, alice, bob


@pytest.mark.parametrize("name", ["room", "open"])
async def test_who_is_sent_back_has_to_be_let_in_again(door, name):
    async with Crowd(door.server) as crowd:
        room, _, bob = await held(door, crowd, name)
        for _ in range(2):
            knocked = await bob.join(room, "Bob", SECRET)
            assert knocked.condition == "registration-required", knocked
            door.component.restart()
        decision = await door.decision(kind="join", room=room, verdict="hold")
        assert decision["rule"] == "removal.keep_out_for"
        second = await crowd.connect("bob@localhost")
        assert (await second.join(room, "Robert", SECRET)).condition == "registration-required"
        (reply,) = [each for each in read(door, "admit", room, bob.bare)["people"] if each["found"] == "waits"]
        assert reply["done"] == "admitted"
        assert (await bob.join(room, "Bob")).joined
        await bob.leave(room, "Bob")
        assert (await bob.join(room, "Bob", SECRET)).joined


async def test_a_moderator_lets_in_who_was_sent_back(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await held(door, crowd, jid=GUESTS)
        since = alice.mark()
        assert (await bob.join(room, "Bob", SECRET)).condition == "registration-required"
        await until(door, room, lambda now: now["waiting"])
        alice.say(room, "!admit all")
        await alice.wait_for(lambda seen: "was let in (1)" in (seen.body or ""), since=since)
        await invited(bob, room)
        assert (await bob.join(room, "Bob")).joined


async def test_a_moderator_who_is_sent_back_gets_everything_back(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Bob", SECRET)).joined
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        say(door, "hold", room, "Bob")
        assert (await come_back(room, bob, "Bob")).condition == "registration-required"
        assert bob.bare not in await alice.list_affiliation(room, "owner")
        say(door, "admit", room, bob.bare)
        assert (await bob.join(room, "Bob")).joined
        assert bob.bare in await alice.list_affiliation(room, "owner")


async def test_everybody_inside_is_sent_back_but_moderators(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        guests, _ = await come(crowd, room, 5)
        reply = done(read(door, "hold", room, "--all"))
        assert reply == {alice.bare: "spared", **{one.bare: "held" for one in guests}}
        outcomes = await asyncio.gather(*(come_back(room, one, f"Again{at}") for at, one in enumerate(guests)))
        assert {outcome.condition for outcome in outcomes} == {"registration-required"}
        await until(door, room, lambda now: len(now["waiting"]) == 5)
        assert len(read(door, "admit", room, "--all")["people"]) == 5
        for at, one in enumerate(guests):
            assert (await one.join(room, f"Again{at}")).joined


async def test_where_nobody_is_kept_out_nobody_is_sent_back(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="never")
        (guest,), _ = await come(crowd, room, 1)
        assert "is \"never\"" in say(door, "hold", room, "--all", code=1)
        assert guest.bare in {who["jid"] for who in read(door, "room", room)["occupants"]}
        assert "kept_out" not in read(door, "remove", room, "--class", "guest")["people"][0]


async def test_where_removals_are_observed_nobody_is_sent_back_and_that_is_said(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="observed")
        said = say(door, "hold", room, "Alice", code=1)
        assert "the mode of `removal.keep_out_for` is \"observe\"" in said, said


# In the room


async def test_a_moderator_answers_all_who_wait(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        guests, _ = await come(crowd, room, 3, password=None)
        await until(door, room, lambda now: len(now["waiting"]) == 3)
        since = alice.mark()
        alice.say(room, "!reject all")
        await alice.wait_for(lambda seen: "was turned away (3)" in (seen.body or ""), since=since)
        assert not read(door, "room", room)["waiting"]
        since = alice.mark()
        alice.say(room, "!reject all")
        refused = await alice.wait_for(lambda seen: seen.type == "error", since=since)
        assert refused.error[1] == "item-not-found" if isinstance(refused.error, tuple) else refused.error
        for at, one in enumerate(guests):
            await one.join(room, f"Guest{at}")
        await until(door, room, lambda now: len(now["waiting"]) == 3)
        since = alice.mark()
        alice.say(room, "!admit all")
        await alice.wait_for(lambda seen: "was let in (3)" in (seen.body or ""), since=since)
        for at, one in enumerate(guests):
            await invited(one, room)
            assert (await one.join(room, f"Guest{at}")).joined
        decision = await door.decision(kind="command", room=room, verdict="allow")
        assert decision["rule"] == "moderators.admit"


async def test_only_who_may_answer_one_may_answer_all(door):
    async with Crowd(door.server) as crowd:
        for name in ("room", "locked"):
            room, alice = await door.meeting(crowd, "alice@localhost", name=name)
            bob = await crowd.connect("bob@localhost")
            assert (await bob.join(room, "Bob", SECRET)).joined
            await come(crowd, room, 2, password=None)
            await until(door, room, lambda now: len(now["waiting"]) == 2)
            actor = bob if name == "room" else alice
            for word in ("!admit all", "!reject all", "!close all"):
                since = actor.mark()
                actor.say(room, word)
                await actor.wait_for(lambda seen: seen.type == "error", since=since)
            assert len(read(door, "room", room)["waiting"]) == 2


async def test_what_only_looks_like_a_word_is_chat(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        for text in ("!important read this", "!admit all of them", "admit all"):
            since = alice.mark()
            alice.say(room, text)
            await alice.wait_for(lambda seen: seen.type == "groupchat" and seen.body == text, since=since)


async def actions(component, command, people):
    """The people that an operator's command of that name was about, each with what came of it."""
    deadline = time.monotonic() + 5
    while True:
        written = component.run("log", "--json", "--kind", "action").stdout.splitlines()
        entries = [each for each in map(json.loads, written) if each["command"] == command]
        found = {each["person"]: (each["outcome"], each.get("reason")) for each in entries if each.get("person")}
        if found.keys() >= set(people):
            return found
        assert time.monotonic() < deadline, entries
        await asyncio.sleep(0.05)


async def test_nobody_who_is_banned_is_let_in_with_the_others(start_prosody, start_vestibule):
    server = start_prosody(modules=["lab_link"], plugin_paths=[MODULES])
    component = start_vestibule(server, POLICY)
    room = "room@conference.localhost"
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        assert (await alice.join(room, "Alice")).joined
        bob, carol = await crowd.connect_many(["bob@localhost", "carol@localhost"])
        for person, nick in ((bob, "Bob"), (carol, "Carol")):
            assert (await person.join(room, nick)).condition == "registration-required"
        # A component that starts with another file does not know yet who waits.
        component.shutdown()
        component.write_config(f'{POLICY}\n[[ban]]\njid = "{bob.bare}"\nreason = "spam"\n')
        failing = await alice.iq("localhost", "set", element("urn:lab", "fail", times="4"))
        assert failing.type == "result"
        component.start(ready=False)

        def is_linked():
            done = component.run("status", "--json")
            return done.stdout and any(service["unread"] for service in json.loads(done.stdout)["services"])

        await wait_for(is_linked, 10, "the gate to greet")
        done = component.run("admit", room, "--all", "--json", "--dry-run")
        assert {each["jid"]: each["would"] for each in json.loads(done.stdout)["people"]} == {
            bob.bare: "banned",
            carol.bare: "admitted",
        }
        done = component.run("admit", room, "--all", "--json")
        people = {each["jid"]: each for each in json.loads(done.stdout)["people"]}
        assert done.returncode == 1, "not all of them are let in"
        assert (people[bob.bare]["found"], people[bob.bare]["done"]) == ("waits", "banned")
        assert people[bob.bare]["ban"].startswith("line ")
        assert people[carol.bare]["done"] == "admitted"
        await invited(carol, room)
        assert (await carol.join(room, "Carol")).joined
        written = await actions(component, "admit", [bob.bare, carol.bare])
        assert written[bob.bare] == ("failed", "banned") and written[carol.bare][0] == "done", written
        # By themselves no more than with others.
        done = component.run("admit", room, bob.bare)
        assert done.returncode == 1 and "still kept out: banned" in done.stdout
        await bob.ping()
        assert bob.bare not in {each["jid"] for each in json.loads(component.run("room", room, "--json").stdout)["occupants"]}
        assert not [seen for seen in bob.seen if seen.name == "message"]
        # Who waits in vain is told once it is known that they wait.
        await bob.wait_for(lambda seen: seen.name == "message" and "declined" in (seen.body or ""), 20)
        assert json.loads(component.run("room", room, "--json").stdout)["waiting"] == []
        assert bob.bare not in await alice.list_affiliation(room, "member")


async def test_whoever_is_back_at_once_is_told_and_written_down_as_there(start_prosody, start):
    """The gate is slow to hear, and fast to let in: between the removal and the last look somebody is back."""
    server = start_prosody()
    room = "never-out@conference.localhost"
    async with Proxy(server.component_port) as proxy, Crowd(server) as crowd:
        component = Vestibule(server, POLICY, env=proxy.environment)
        start(component, ready=False)
        await asyncio.to_thread(component.wait_ready)
        alice, bob, carol = [await crowd.connect(f"{name}@localhost") for name in ("alice", "bob", "carol")]
        assert (await alice.join(room, "Alice")).joined
        for person, nick in ((bob, "Bob"), (carol, "Carol")):
            assert (await person.join(room, nick, SECRET)).joined
        proxy.delay = 0.2
        removing = asyncio.ensure_future(asyncio.to_thread(component.run, "remove", room, "--all", "--json"))
        assert (await come_back(room, bob, "Bob")).joined
        done = await removing
        people = {each["jid"]: each["done"] for each in json.loads(done.stdout)["people"]}
        assert done.returncode == 1
        assert people == {alice.bare: "spared", bob.bare: "remains", carol.bare: "removed"}, people
        proxy.delay = 0
        written = await actions(component, "remove", [bob.bare, carol.bare])
        assert written[bob.bare] == ("failed", "still there, or again") and written[carol.bare][0] == "done", written
