"""Hours, limits and waves on a live server: what happens in rooms by itself, and when."""

import asyncio
import datetime

from lab import SERVICE, Crowd
from lab.knocking import answer_knock, invited, knock
from lab.policy import OPERATOR, PRESET, SECRET, rooms

BASE = SERVICE + OPERATOR + PRESET + '[policy.moderators]\nsuccession_after = "never"\n'
POLICY = BASE + rooms({
    "soon": 'close = { after = "1 second" }',
    "left": 'close = { when_unmoderated = "1 second" }',
    "brief": 'limits = { duration = "3 seconds", warn_before = "2 seconds" }',
    "watched": 'limits = { duration = "1 second", warn_before = "never" }\nmodes = { limits = "observe" }',
    "orphan": 'limits = { without_moderator = "1 second", warn_before = "never" }',
    "small": 'limits = { occupants = 2 }',
    "wave": 'limits = { flood_strangers = 2, flood_within = "1 minute", flood_calm = "2 seconds" }',
    "few": 'limits = { rooms_per_opener = 2 }',
    "never": 'hours = { open = ["mon 00:00-00:01"], closed_on = [] }',
})
# What is due is done within a second or so; the rest is for a busy machine.
SOON = 6


def hours(seconds, at_end, warn="never"):
    """A `[policy.hours]` that ends in so many seconds, in UTC, and the moment."""
    now = datetime.datetime.now(datetime.timezone.utc)
    end = (now + datetime.timedelta(seconds=seconds)).replace(microsecond=0)
    start = end - datetime.timedelta(hours=1)
    day = start.strftime("%a").lower()
    return f"""
[policy.hours]
open = ["{day} {start:%H:%M:%S}-{end:%H:%M:%S}"]
at_end = "{at_end}"
warn_before = "{warn}"
"""


async def timer(door, room, done):
    """What the log says of something that was done in the room by itself."""
    for _ in range(SOON * 10):
        await door.flushed()
        for line in door.component.decisions():
            if line.get("event") == "timer" and (line["room"], line["details"]["done"]) == (room, done):
                return line["details"]
        await asyncio.sleep(0.05)
    raise AssertionError(f"the log does not say that {room} was {done}")


async def said(person, room, text, since=0):
    return await person.wait_for(
        lambda seen: seen.sender == room and text in (seen.body or ""), SOON, since
    )


async def destroyed(person, room):
    """The reason for which the room was destroyed."""
    seen = await person.wait_for(
        lambda seen: seen.room == room and seen.destroyed is not None, SOON
    )
    return seen.destroyed


async def test_a_room_closes_after_its_time_and_says_so_with_nobody_at_the_door(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="soon")
        guest = await crowd.connect("guest.localhost")
        await said(alice, room, "now closed")
        assert (await timer(door, room, "closed"))["rule"] == "close.after"
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"
        since = alice.mark()
        alice.say(room, "!reopen")
        await said(alice, room, "open to new", since)
        await said(alice, room, "now closed", since)


async def test_a_room_closes_when_its_last_moderator_has_left(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="left")
        guest = await crowd.connect("guest.localhost")
        await alice.leave(room, "Alice")
        await said(bob, room, "now closed")
        assert (await timer(door, room, "closed"))["rule"] == "close.when_unmoderated"
        refused = await guest.join(room, "Guest", SECRET)
        assert refused.condition == "not-allowed"
        await door.decision(kind="join", room=room, verdict="deny", rule="close.when_unmoderated")
        assert (await alice.join(room, "Alice")).joined


async def test_a_room_is_told_of_its_end_and_ends(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await door.meeting(crowd, "alice@localhost", "guest.localhost", name="brief")
        await said(guest, room, "This meeting ends in 2 seconds.")
        assert "the longest time allowed" in await destroyed(guest, room)
        await destroyed(alice, room)
        assert (await timer(door, room, "warned"))["rule"] == "limits.duration"
        assert (await timer(door, room, "ended"))["rule"] == "limits.duration"
        told = [seen for seen in guest.seen if "ends in" in (seen.body or "")]
        assert len(told) == 1
        assert (await alice.join(room, "Alice")).joined, "it may be opened again"


async def test_a_rule_that_is_only_observed_is_written_down_and_ends_nothing(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost", name="watched")
        guest = await crowd.connect("guest.localhost")
        said = await timer(door, room, "ended")
        assert (said["rule"], said["observed"]) == ("limits.duration", True)
        assert (await guest.join(room, "Guest", SECRET)).joined
        assert set(guest.occupants(room)) == {"Alice", "Guest"}


async def test_a_room_ends_when_its_last_moderator_has_left_for_good(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await door.meeting(crowd, "alice@localhost", "guest.localhost", name="orphan")
        await alice.leave(room, "Alice")
        assert "no moderator" in await destroyed(guest, room)
        assert (await timer(door, room, "ended"))["rule"] == "limits.without_moderator"


async def test_a_full_room_takes_its_moderators_only(door):
    async with Crowd(door.server) as crowd:
        room = door.room("small")
        alice = await crowd.connect("alice@localhost")
        guests = await crowd.connect_many(["guest.localhost"] * 6)
        root = await crowd.connect("root@localhost")
        await alice.join(room, "Alice")
        joins = (guest.join(room, f"G{i}", SECRET) for i, guest in enumerate(guests))
        outcomes = await asyncio.gather(*joins)
        assert [outcome.joined for outcome in outcomes].count(True) == 1
        (full,) = {(one.type, one.condition) for one in outcomes if not one.joined}
        assert full == ("wait", "service-unavailable")
        assert (await root.join(room, "Root")).joined


async def test_one_person_opens_so_many_rooms_and_no_more(door):
    async with Crowd(door.server) as crowd:
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        rooms = [door.room("few") for _ in range(4)]
        # All at once: rooms that are not there yet count as well.
        outcomes = await asyncio.gather(*(alice.join(room, "Alice") for room in rooms))
        assert [outcome.joined for outcome in outcomes].count(True) == 2
        (refused,) = {one.text for one in outcomes if not one.joined}
        assert "as many meetings as one person can have" in refused
        open_rooms = [room for room, one in zip(rooms, outcomes) if one.joined]
        closed_rooms = [room for room, one in zip(rooms, outcomes) if not one.joined]
        assert (await bob.join(closed_rooms[0], "Bob")).joined, "others have rooms of their own"
        await alice.destroy(open_rooms[0])
        await door.flushed()
        assert (await alice.join(closed_rooms[1], "Alice")).joined


async def test_a_wave_of_strangers_has_to_knock_until_it_is_calm(door):
    async with Crowd(door.server) as crowd:
        room = door.room("wave")
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        guests = await crowd.connect_many(["guest.localhost"] * 4)
        await alice.join(room, "Alice")
        assert (await guests[0].join(room, "G0", SECRET)).joined
        assert (await guests[1].join(room, "G1", SECRET)).joined
        await said(alice, room, "new ones now have to be let in")
        assert (await timer(door, room, "raised"))["rule"] == "limits.flood_strangers"
        held = await guests[2].join(room, "G2", SECRET)
        assert held.condition == "registration-required"
        await door.decision(kind="join", room=room, verdict="hold", rule="limits.flood_strangers")
        # People who are known are no strangers.
        assert (await bob.join(room, "Bob", SECRET)).joined
        await guests[0].leave(room, "G0")
        assert (await guests[0].join(room, "G0", SECRET)).joined
        answer_knock(alice, room, await knock(alice, room, "G2"), True)
        await invited(guests[2], room)
        assert (await guests[2].join(room, "G2")).joined
        await said(alice, room, "Unknown people can join as before")
        assert (await timer(door, room, "lowered"))["rule"] == "limits.flood_strangers"
        assert (await guests[3].join(room, "G3", SECRET)).joined
        assert not [seen for seen in bob.seen if "have to be let in" in (seen.body or "")]


async def test_outside_of_the_hours_it_is_said_when_rooms_open(door):
    today = datetime.datetime.now(datetime.timezone.utc)
    if today.strftime("%a %H:%M") == "Mon 00:00":
        await asyncio.sleep(60)
    async with Crowd(door.server) as crowd:
        room = door.room("never")
        alice = await crowd.connect("alice@localhost")
        root = await crowd.connect("root@localhost")
        refused = await alice.join(room, "Alice")
        assert (refused.type, refused.condition) == ("cancel", "not-allowed")
        assert "open again on Monday" in refused.text and "at 00:00 (UTC)" in refused.text
        assert (await root.join(room, "Root")).joined
        assert not (await alice.join(room, "Alice", SECRET)).joined
        await door.decision(kind="join", room=room, verdict="deny", rule="hours.open")


async def with_hours(start_prosody, start_vestibule, at_end, check, warn="never"):
    """A room that is there when the hours end."""
    server = start_prosody()
    component = start_vestibule(server, BASE)
    async with Crowd(server) as crowd:
        room = f"room@{server.service}"
        alice = await crowd.connect("alice@localhost")
        guest = await crowd.connect("guest.localhost")
        late = await crowd.connect("guest.localhost")
        component.write_config(BASE + hours(4, at_end, warn))
        assert component.run("reload").returncode == 0
        assert (await alice.join(room, "Alice")).joined
        assert (await guest.join(room, "Guest", SECRET)).joined
        await check(room, alice, guest, late)


async def refused_at_last(person, room):
    """The answer once nobody comes in any more."""
    for _ in range(SOON * 10):
        outcome = await person.join(room, "Late", SECRET)
        if not outcome.joined:
            return outcome
        await person.leave(room, "Late")
        await asyncio.sleep(0.1)
    raise AssertionError("people still come in")


async def test_when_the_hours_end_people_stay_and_nobody_comes(start_prosody, start_vestibule):
    async def check(room, alice, guest, late):
        assert "Meetings are closed right now" in (await refused_at_last(late, room)).text
        await guest.ping()
        assert set(guest.occupants(room)) == {"Alice", "Guest"}

    await with_hours(start_prosody, start_vestibule, "stay", check)


async def test_when_the_hours_end_rooms_close(start_prosody, start_vestibule):
    async def check(room, _, guest, late):
        await said(guest, room, "closes to new participants")
        await said(guest, room, "now closed")
        assert not (await late.join(room, "Late", SECRET)).joined
        await guest.ping()
        assert set(guest.occupants(room)) == {"Alice", "Guest"}

    await with_hours(start_prosody, start_vestibule, "close", check, "2 seconds")


async def test_when_the_hours_end_rooms_end(start_prosody, start_vestibule):
    async def check(room, alice, guest, _):
        await said(guest, room, "This meeting ends")
        assert "meetings are closed now. They open again on" in await destroyed(guest, room)
        await destroyed(alice, room)
        assert "Meetings are closed right now" in (await alice.join(room, "Alice")).text

    await with_hours(start_prosody, start_vestibule, "end", check, "2 seconds")


async def test_a_component_that_was_restarted_ends_what_has_come_to_its_end(
    start_prosody, start_vestibule
):
    server = start_prosody()
    component = start_vestibule(server, POLICY)
    async with Crowd(server) as crowd:
        room = f"brief-again@{server.service}"
        alice = await crowd.connect("alice@localhost")
        await alice.join(room, "Alice")
        await said(alice, room, "ends in")
        component.restart()
        assert "the longest time allowed" in await destroyed(alice, room)
        assert len([seen for seen in alice.seen if "ends in" in (seen.body or "")]) == 1
