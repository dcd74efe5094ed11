"""Coming back on Jitsi, where every connection has another address: moderators, guests, and
openers who come late or never."""

import asyncio
import time

import pytest
from lab import needs_jitsi_plugins
from lab.jitsi_meeting import admit, at_the_door, ended, inside, opened, owner, waiting
from lab.meet import MEET_SERVICE
from lab.meet_settings import CHAIR
from lab.policy import MEET_CHAIR, rooms
from lab.stanza import MUC_ADMIN, element

MEET = {"accounts": True}
POLICY = MEET_SERVICE + MEET_CHAIR + rooms({
    "lasting": 'access = { persistent = true }',
    "guests": 'moderators = { successors = ["guest"], succession_after = "1 second" }',
}) + '[audit]\nevery = "1 second"\n'
AWAITED = 15  # seconds for which the place of the opener is kept


@pytest.fixture(scope="module", autouse=True)
def forsaken(meet):
    """Two lasting rooms whose openers asked and did not come, the second until he had
    another address, and when that was. Made first, so that no test waits for all of AWAITED."""

    async def forsake():
        async with meet.crowd(patience=0.1) as crowd:
            never, late = meet.room("lasting"), meet.room("lasting")
            alice = await crowd.person("Alice")
            for room in (never, late):
                assert (await alice.request(room)).kind == "ready"
            again = await crowd.reload(alice)
            assert (await again.enter(late)).joined
            assert owner(again, late)
            await again.depart(late)
            for room in (never, late):
                await crowd.focus.left(room)
            return never, late, time.monotonic()

    return asyncio.run(forsake())


# The moderator locked out


@needs_jitsi_plugins
@pytest.mark.parametrize("company", ["inside", "waiting", "nobody"])
async def test_a_moderator_who_drops_is_not_locked_out_by_his_own_lobby(meet, company):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        if company == "inside":
            carol = await inside(crowd, room, "Carol", password=password)
        guests = await waiting(crowd, room, "Bob") if company != "nobody" else []
        again = await crowd.reload(alice)
        if company != "inside":
            await crowd.focus.left(room)
        assert again.bare != alice.bare
        assert (await again.enter(room)).joined and owner(again, room)
        lobby = await again.attend_lobby(room)
        for bob in guests:
            await admit(again, room, lobby, bob)


@pytest.mark.parametrize("leaves_first", [True, False])
async def test_the_address_before_a_reload_has_nothing_left_and_is_no_difference(meet, leaves_first):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        await inside(crowd, room, "Bob", password=password)
        if leaves_first:
            again = await crowd.reload(alice)
            assert (await again.enter(room)).joined and owner(again, room)
        else:
            # The old tab is there still, as a ghost is until its server misses it.
            again = await crowd.person("Alice", storage=alice.storage)
            assert (await again.enter(room)).joined and owner(again, room)
            assert owner(alice, room)
            await asyncio.sleep(1.2)
            await alice.depart(room)
        query = element(MUC_ADMIN, "query")
        query.append(element(MUC_ADMIN, "item", affiliation="owner"))
        owners = {item.get("jid") for item in (await again.iq(room, "get", query)).child(MUC_ADMIN, "query")}
        assert alice.bare not in owners and again.bare in owners, owners
        await asyncio.sleep(1.5)
        drift = [line for line in meet.component.decisions() if line.get("event") == "drift" and line["room"] == room]
        assert not drift, drift


async def test_a_moderator_without_his_ticket_is_a_stranger(meet):
    """Another browser: what made him the moderator is gone, unless it is an account."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        bob = await inside(crowd, room, "Bob", password=password)
        alice.abort()
        await bob.wait_for(lambda seen: seen.type == "unavailable" and seen.nick == alice.nick)
        other = await crowd.person("Alice")
        assert (await other.enter(room)).shown == at_the_door(meet.server)
        chair = await crowd.person("Chair", CHAIR)
        assert (await chair.enter(room)).joined and owner(chair, room)


async def test_a_meeting_of_guests_goes_on_when_its_moderator_is_gone(meet):
    async with meet.crowd() as crowd:
        room, other = meet.room("guests"), meet.room()
        for each in (room, other):
            alice, password = await opened(crowd, each)
            bob = await inside(crowd, each, "Bob", password=password)
            alice.abort()
            await bob.wait_for(lambda seen: seen.type == "unavailable")
            if each is room:
                await bob.wait_for(lambda seen: owner(bob, room))
                carol = await inside(crowd, each, "Carol", password=password)
                assert not (await bob.set_role(room, carol.nick, "none")).error
        await asyncio.sleep(1.2)
        await bob.ping()
        assert not owner(bob, other), "by default no guest takes over"


async def test_an_opener_who_reloads_at_once_is_the_opener(meet):
    async with meet.crowd() as crowd:
        for rooms in range(2):
            room = meet.room()
            alice = await crowd.person("Alice")
            # Reloads before he has joined, and before he has heard that he has.
            assert (await alice.request(room)).kind == "ready"
            if rooms:
                alice.ask_to_join(room, alice.nick)
            again = await crowd.reload(alice)
            assert (await again.enter(room)).joined
            assert owner(again, room)


@needs_jitsi_plugins
async def test_a_guest_who_was_let_in_comes_back_without_knocking(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await opened(crowd, room)
        (bob,) = await waiting(crowd, room, "Bob")
        lobby = await alice.attend_lobby(room)
        await admit(alice, room, lobby, bob)
        again = await crowd.reload(bob)
        assert again.bare != bob.bare
        assert (await again.enter(room)).joined
        assert not owner(again, room)


# The opener never arrives


async def test_when_the_opener_does_not_come_whoever_asks_next_opens(meet):
    async with meet.crowd(patience=0.3) as crowd:
        room = meet.room()
        alice, bob = await crowd.persons("Alice", "Bob")
        assert (await alice.request(room)).kind == "ready"
        assert await crowd.focus.left(room) == "nobody came"
        await ended(meet, room)
        assert (await bob.enter(room)).joined and owner(bob, room)
        late = await alice.enter(room)
        assert late.shown == at_the_door(meet.server), late


async def test_the_place_of_an_opener_who_does_not_come_is_taken_in_the_end(meet, forsaken):
    never, _, since = forsaken
    await asyncio.sleep(max(0, since + AWAITED + 1 - time.monotonic()))
    async with meet.crowd() as crowd:
        bob, carol = await crowd.persons("Bob", "Carol")
        assert (await bob.enter(never)).joined and owner(bob, never)
        assert len(await meet.decisions(kind="open", room=never)) == 1
        stopped = await carol.enter(never)
        assert stopped.shown == at_the_door(meet.server), stopped


async def test_the_place_of_an_opener_who_came_by_another_address_is_not_free(meet, forsaken):
    _, late, since = forsaken
    await asyncio.sleep(max(0, since + AWAITED + 1 - time.monotonic()))
    async with meet.crowd() as crowd:
        bob = await crowd.person("Bob")
        stopped = await bob.enter(late)
        assert stopped.shown == at_the_door(meet.server), stopped
