"""On Jitsi, with its own lobby: everybody at once, and back to the lobby."""

from lab import needs_jitsi_plugins
from lab.jitsi_meeting import admit, inside, opened, out_of, vestibule, waiting, waiting_at
from lab.meet import MEET_SERVICE
from lab.policy import PRESET, SECRET, rooms

pytestmark = needs_jitsi_plugins

POLICY = MEET_SERVICE + PRESET + rooms({
    "open": 'lobby = { admission = "open" }\npassword = { required = false }\nclose = { hold_until = [] }',
})


async def test_a_moderator_lets_in_all_who_wait(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        guests = await waiting(crowd, room, "Bob", "Carol", "Dora")
        since = alice.mark()
        alice.say(room, "!admit all")
        await alice.wait_for(lambda seen: "was let in (3)" in (seen.body or ""), since=since)
        for guest in guests:
            assert (await guest.admitted(room)).joined
        assert waiting_at(meet, room) == []


async def test_a_moderator_turns_away_all_who_wait(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        guests = await waiting(crowd, room, "Bob", "Carol")
        since = alice.mark()
        alice.say(room, "!reject all")
        await alice.wait_for(lambda seen: "was turned away (2)" in (seen.body or ""), since=since)
        for guest in guests:
            await out_of(guest, lobby)
        assert waiting_at(meet, room) == []


async def test_the_operator_answers_all_who_wait(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        guests = await waiting(crowd, room, "Bob", "Carol", "Mallory")
        reply = vestibule(meet, "reject", room, "--match", "mal*")
        assert [each["jid"] for each in reply["people"]] == [guests[2].bare]
        reply = vestibule(meet, "admit", room, "--all")
        assert {each["jid"] for each in reply["people"]} == {guest.bare for guest in guests[:2]}
        assert {each["done"] for each in reply["people"]} == {"admitted"}
        assert {"ticket"} <= set(reply["people"][0]["known_by"])
        for guest in guests[:2]:
            assert (await guest.admitted(room)).joined


async def test_who_is_sent_back_waits_in_the_lobby_also_under_another_address(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        bob = await inside(crowd, room, "Bob")
        since = bob.mark()
        (reply,) = vestibule(meet, "hold", room, "Bob")["people"]
        assert (reply["done"], reply["may_knock"]) == ("held", True)
        await bob.wait_for(lambda seen: 307 in seen.statuses, since=since)
        again = await crowd.reload(bob)
        assert again.bare != bob.bare
        stopped = await again.enter(room, SECRET)
        assert stopped.shown == "lobby", stopped
        assert (await again.knock(stopped.lobby)).joined
        lobby = await alice.attend_lobby(room)
        await admit(alice, room, lobby, again)


async def test_a_raid_is_sent_back_and_the_operator_lets_one_in(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        raiders = await crowd.persons(*(f"Raider{number}" for number in range(4)))
        for raider in raiders:
            assert (await raider.enter(room, SECRET)).joined
        reply = vestibule(meet, "hold", room, "--class", "guest", "--since", "5 minutes")
        done = {each["jid"]: each["done"] for each in reply["people"]}
        assert done == {alice.bare: "spared", **{raider.bare: "held" for raider in raiders}}
        for raider in raiders:
            await raider.wait_for(lambda seen: 307 in seen.statuses)
        again = await crowd.reload(raiders[0])
        stopped = await again.enter(room, SECRET)
        assert stopped.shown == "lobby", stopped
        assert (await again.knock(stopped.lobby)).joined
        assert vestibule(meet, "admit", room, again.bare)["removal_lifted"]
        assert (await again.admitted(room)).joined


async def test_a_guest_who_has_just_left_is_banned_from_every_room_by_the_marks_they_had(meet):
    async with meet.crowd() as crowd:
        room, other = meet.room(), meet.room()
        await opened(crowd, room)
        await opened(crowd, other, "Zoe")
        bob, carol = await crowd.persons("Bob", "Carol")
        assert (await bob.enter(room, SECRET)).joined
        assert (await carol.enter(room, SECRET)).joined
        await bob.leave(room, bob.nick)
        await bob.disconnect()
        reply = vestibule(meet, "ban", bob.bare)
        assert reply["marks"] == 1, reply
        again = await crowd.reload(bob)
        assert again.bare != bob.bare
        for one in (room, other):
            assert not (await again.enter(one, SECRET)).joined
        decision = (await meet.decisions(room=other, verdict="deny"))[0]
        assert decision["rule"] == "ban", decision
        assert (await carol.enter(other, SECRET)).joined
        meet.component.restart()
        assert not (await again.enter(other, SECRET)).joined
        lifted = vestibule(meet, "unban", bob.bare)["lifted"]
        assert {ban["kind"] for ban in lifted} == {"jid", "mark"}
        assert vestibule(meet, "bans")["bans"] == []
        assert (await again.enter(other, SECRET)).joined


async def test_where_the_lobby_is_off_the_reply_says_that_nobody_can_wait_there(meet):
    async with meet.crowd() as crowd:
        room = meet.room("open")
        alice, bob = await crowd.persons("Alice", "Bob")
        assert (await alice.enter(room)).joined
        assert (await bob.enter(room)).joined
        since = bob.mark()
        (reply,) = vestibule(meet, "hold", room, "Bob")["people"]
        assert (reply["done"], reply["may_knock"]) == ("held", False)
        await bob.wait_for(lambda seen: 307 in seen.statuses, since=since)
        again = await crowd.reload(bob)
        assert not (await again.enter(room)).joined
        vestibule(meet, "admit", room, bob.bare)
        assert (await again.enter(room)).joined


async def test_who_goes_goes_with_every_tab(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        bob = await inside(crowd, room, "Bob")
        tab = await crowd.person("Bobby", storage=bob.storage)
        assert (await tab.enter(room, SECRET)).joined
        other = await inside(crowd, room, "Carol")
        reply = vestibule(meet, "remove", room, "--match", tab.bare)
        done = {each["jid"]: (each["done"], each["kept_out"]) for each in reply["people"]}
        assert done == {bob.bare: ("removed", True), tab.bare: ("removed", True)}
        there = {who["jid"] for who in vestibule(meet, "room", room)["occupants"]}
        assert other.bare in there and not there & {bob.bare, tab.bare}
