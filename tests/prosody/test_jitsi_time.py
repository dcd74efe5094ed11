"""Limits and waves on a Jitsi Meet server: meetings that end, and the lobby that strangers raise."""

from lab import needs_jitsi_plugins
from lab.jitsi_meeting import admit, inside, opened, out_of, people
from lab.jitsi_client import MACHINE
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN
from lab.policy import PRESET, SECRET, rooms

MEET = {"accounts": True}
POLICY = MEET_SERVICE + PRESET + rooms({
    "brief": 'limits = { duration = "3 seconds", warn_before = "2 seconds" }',
    "wave": 'limits = { flood_strangers = 2, flood_calm = "2 seconds" }',
    "bare": 'lobby = { admission = "password" }\nlimits = { flood_strangers = 2, flood_calm = "2 seconds" }',
    "never": 'hours = { open = ["mon 00:00-00:01"] }',
    "full": 'lobby = { admission = "password" }\nlimits = { occupants = 2 }',
    "few": 'limits = { rooms_per_opener = 1 }',
})
SOON = 6


async def said(person, room, text, since=0):
    return await person.wait_for(
        lambda seen: seen.sender == room and text in (seen.body or ""), SOON, since
    )


async def test_a_meeting_is_told_of_its_end_and_ends_in_words(meet):
    async with meet.crowd() as crowd:
        room = meet.room("brief")
        alice, _ = await opened(crowd, room)
        bob = await inside(crowd, room, "Bob")
        await said(bob, room, "This meeting ends in 2 seconds.")
        seen = await bob.wait_for(
            lambda seen: seen.room == room and seen.destroyed is not None, SOON
        )
        assert "the longest time allowed" in seen.destroyed


async def test_outside_of_the_hours_the_request_is_refused_in_words(meet):
    async with meet.crowd() as crowd:
        alice = await crowd.person("Alice")
        refused = await alice.enter(meet.room("never"))
        assert refused.shown == "destroyed"
        assert "open again on Monday" in refused.text


async def test_a_dead_tab_of_one_s_own_keeps_nobody_out_of_a_full_meeting(meet):
    async with meet.crowd() as crowd:
        room = meet.room("full")
        await opened(crowd, room)
        bob = await inside(crowd, room, "Bob")
        # The server does not know yet that the first tab is gone. The second has another address.
        again = await crowd.person("Bob", storage=bob.storage)
        assert again.bare != bob.bare and (await again.enter(room, SECRET)).joined
        carol = await crowd.person("Carol")
        assert "is full" in (await carol.enter(room, SECRET)).text
        # What a client says of itself excuses one occupant.
        copies = [await crowd.person(f"Bob {n}", storage={MACHINE: bob.storage[MACHINE]}) for n in range(2)]
        assert [(await one.enter(room, SECRET)).joined for one in copies] == [True, False]


async def test_one_account_opens_so_many_meetings_and_no_more(meet):
    async with meet.crowd() as crowd:
        first, second = meet.room("few"), meet.room("few")
        alice = await crowd.person("Alice", f"alice@{DOMAIN}")
        assert (await alice.enter(first)).joined
        refused = await alice.enter(second)
        assert refused.shown == "destroyed"
        assert "as many meetings as one person can have" in refused.text
        bob = await crowd.person("Bob", f"bob@{DOMAIN}")
        assert (await bob.enter(second)).joined


@needs_jitsi_plugins
async def test_a_wave_of_guests_waits_in_the_lobby_until_it_is_calm(meet):
    async with meet.crowd() as crowd:
        room = meet.room("wave")
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        first, second, third, late = await crowd.persons("First", "Second", "Third", "Late")
        assert (await first.enter(room, SECRET)).joined
        assert (await second.enter(room, SECRET)).joined
        await said(alice, room, "new ones now have to be let in")
        stopped = await third.enter(room, SECRET)
        assert (stopped.shown, stopped.lobby) == ("lobby", lobby)
        await meet.decision(kind="join", room=room, verdict="hold", rule="limits.flood_strangers")
        assert (await third.knock(lobby)).joined
        await admit(alice, room, lobby, third)
        # Whoever was inside comes back.
        await first.depart(room)
        assert (await first.enter(room, SECRET)).joined
        await said(alice, room, "Unknown people can join as before")
        assert (await late.enter(room, SECRET)).joined


@needs_jitsi_plugins
async def test_a_wave_puts_up_the_lobby_of_a_room_without_one_and_takes_it_down(meet):
    async with meet.crowd() as crowd:
        room = meet.room("bare")
        alice, _ = await opened(crowd, room)
        first, second, third = await crowd.persons("First", "Second", "Third")
        assert (await first.enter(room, SECRET)).joined
        features, _ = await alice.features(room)
        assert "muc_membersonly" not in features
        assert (await second.enter(room, SECRET)).joined
        await said(alice, room, "new ones now have to be let in")
        lobby = await alice.attend_lobby(room)
        assert people(alice, room) == {first.nick, second.nick}, "nobody is put out"
        refused = await alice.set_members_only(room, False)
        assert refused.error[:2] == ("cancel", "not-acceptable")
        stopped = await third.enter(room, SECRET)
        assert (stopped.shown, stopped.lobby) == ("lobby", lobby)
        assert (await third.knock(lobby)).joined
        # It is over: who waits is sent to the room, and comes in with the password.
        await said(alice, room, "Unknown people can join as before")
        gone = await out_of(third, lobby)
        assert gone.destroyed is not None
        assert (await third.enter(room, SECRET)).joined
        features, _ = await alice.features(room)
        assert "muc_membersonly" not in features
