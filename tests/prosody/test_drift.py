"""What other modules change behind the component's back is found, and repaired where the file says so."""

import asyncio
from pathlib import Path

from lab import SERVICE, Crowd
from lab.stanza import element
from storm import until

SECRET = "seven tall quartz lanterns"
SERVER = {
    "plugin_paths": [Path(__file__).parent / "modules"],
    "muc_options": {
        "modules_enabled": ["vestibule_gate", "lab_drift"],
        "muc_room_cache_size": 1000,
    },
}


def policy(every="1 second", repair="password lobby access ban moderators", lines=""):
    names = ", ".join(f'"{name}"' for name in repair.split())
    return (
        SERVICE
        + f"""
[policy.access]
create = ["everyone"]
persistent = false
[policy.password]
source = "preset"
preset = "{SECRET}"
[audit]
every = "{every}"
repair = [{names}]
[[room]]
match = "lobby-*"
lobby.admission = "lobby"
{lines}
"""
    )


POLICY = policy()


async def meddle(person, action, room=None, value=None):
    """Has the other module do something to the room; returns what it has counted so far."""
    payload = element("urn:lab", "drift", action=action, room=room, value=value)
    reply = await person.iq(person.server.service, "set", payload)
    assert not reply.error
    return {name: int(number) for name, number in reply.child("urn:lab:drift", "counts").items()}


def differences(vestibule, room=None, **wanted):
    """What the log has of differences."""
    events = [line for line in vestibule.decisions() if line.get("event") == "drift"]
    events = [line for line in events if room in (None, line["room"])]
    return [line for line in events if wanted.items() <= line["details"].items()]


async def opened(door, crowd, name="lobby"):
    room, alice = await door.meeting(crowd, "alice@localhost", name=name)
    bob = await crowd.connect("bob@localhost")
    alice.invite(room, bob.bare)
    await bob.wait_for(lambda seen: "invite" in repr(seen))
    assert (await bob.join(room, "Bob", SECRET)).joined
    return room, alice, bob


async def as_asked(person, room):
    """The room is as its rules ask for it."""
    form = await person.configuration(room)
    names = ("roomsecret", "membersonly", "publicroom", "persistentroom")
    found = [form.get(f"muc#roomconfig_{name}") or "0" for name in names]
    return found == [SECRET, "1", "0", "0"]


async def until_so(condition, what, seconds=10):
    for _ in range(seconds * 20):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(what)


async def test_a_room_that_another_module_changed_is_repaired(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await opened(door, crowd)
        assert await as_asked(alice, room)
        await meddle(alice, "owner", room, bob.bare)
        await meddle(alice, "strip", room)
        await until_so(lambda: as_asked(alice, room), "the room is as before")

        async def only_alice_rules():
            return await alice.list_affiliation(room, "owner") == {alice.bare}

        await until_so(only_alice_rules, "the owner is one no longer")
        told = await alice.wait_for(lambda seen: seen.body and "is now: " + SECRET in seen.body)
        assert told.type == "groupchat"
        assert not any(SECRET in (seen.body or "") for seen in bob.seen)
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice", "Bob"}, "nobody is removed by it"
        stranger = await crowd.connect("guest.localhost")
        assert not (await stranger.join(room, "Stranger", SECRET)).joined

        rules = ["password.required", "lobby.admission", "access.hidden", "access.persistent"]
        rules.append("moderators.assign")
        await until(
            lambda: len(differences(door.component, room, repaired=True)) == len(rules), 3, "the log"
        )
        found = differences(door.component, room)
        assert [each["details"]["rule"] for each in found if "jid" not in each["details"]] == rules[:4]
        (about_bob,) = differences(door.component, room, jid=bob.bare)
        assert about_bob["details"]["rule"] == rules[4]
        line = next(number for number, text in enumerate(POLICY.split("\n"), 1) if "admission" in text)
        (lobby,) = differences(door.component, room, rule="lobby.admission")
        assert lobby["details"]["line"] == line
        assert "5 differences found, 5 repaired, 0 there now" in door.component.run("status").stdout
        await asyncio.sleep(1.2)
        assert len(differences(door.component, room)) == len(rules), "nothing more to repair"


async def test_what_is_not_to_be_repaired_is_told_once(door):
    async with Crowd(door.server) as crowd:
        door.enforce(policy(repair="password"))
        room, alice, _ = await opened(door, crowd)
        await meddle(alice, "list", room)
        await until(lambda: differences(door.component, room), 5, "the difference in the log")
        before = door.component.run("status").stdout
        assert "1 there now" in before
        await until(lambda: door.component.run("status").stdout != before, 5, "another audit")
        (told,) = differences(door.component, room)
        assert told["details"] == {
            "rule": "access.hidden",
            "line": 0,
            "is": "listed",
            "should": "hidden",
            "repaired": False,
        }
        assert (await alice.configuration(room))["muc#roomconfig_publicroom"] == "1"
        # A reload compares at once, whatever the pace.
        door.enforce(policy(every="never", repair="access.hidden"))

        async def is_hidden():
            return (await alice.configuration(room))["muc#roomconfig_publicroom"] in ("", "0")

        await until_so(is_hidden, "the room is hidden after the reload")
        await meddle(alice, "list", room)
        door.component.restart()
        await until_so(is_hidden, "the room is hidden after the restart")
        door.enforce(POLICY)


async def test_a_repair_that_another_module_undoes_is_not_repeated_for_ever(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await opened(door, crowd)
        await meddle(alice, "stubborn", room)
        text = "a repair does not last"
        await until(lambda: text in door.component.output.read_text(), 10, "the warning")
        await asyncio.sleep(5)
        output = door.component.output.read_text()
        assert output.count(text) == 1
        assert 2 <= len(differences(door.component, room, rule="password.required")) <= 5
        await alice.leave(room, "Alice")


async def test_many_rooms_and_a_crowd_are_read_page_by_page_and_one_at_a_time(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await opened(door, crowd, "room")
        await meddle(alice, "crowd", room, "300")
        await meddle(alice, "rooms", door.room("many"), "200")
        # While nothing else is done, the component begins anew, and an operator asks.
        door.enforce(policy(repair=""))
        door.component.restart()
        for _ in range(3):
            door.component.reload()
        compared = "201 the last time"
        await until(lambda: compared in door.component.run("status").stdout, 15, compared)
        most = await meddle(alice, "count")
        assert most["at_once"] == 1
        assert most["rooms"] == 50
        assert 200 < most["people"] <= 256 + 256
        assert most["bytes"] < 256 * 1024
        await alice.ping()
