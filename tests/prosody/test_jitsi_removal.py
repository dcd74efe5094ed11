"""On Jitsi: who was removed is recognised when he comes back under another address."""

import asyncio

import pytest
from lab import needs_jitsi_plugins
from lab.jitsi_client import MACHINE, NICKNAME, JitsiPerson
from lab.jitsi_meeting import inside, people, vestibule
from lab.meet import MEET_SERVICE, MeetDoor
from lab.policy import PRESET, SECRET, rooms
from lab.process import ROOT
from lab.stanza import CLIENT, element
from lab.tokens import TOKENS, token

MEET = {"plugin_paths": [ROOT / "tests/prosody/modules"], "modules": ["lab_web_query"]}
POLICY = MEET_SERVICE + PRESET + rooms({
    "rescued": 'lobby = { unattended = ["knocker"], unattended_after = "1 second" }\nmoderators = { successors = ["guest"], succession_after = "never" }',
})
WORDS = "You were removed from this meeting. You can come back in 60 minutes."


async def two(crowd, room):
    """Alice, who has opened the room, and Bob, inside."""
    alice, bob = await crowd.persons("Alice", "Bob")
    assert (await alice.enter(room)).joined
    assert (await bob.enter(room, SECRET)).joined
    return alice, bob


async def meeting(crowd, room):
    """Alice, and Bob, whom she has removed from the room."""
    alice, bob = await two(crowd, room)
    await kicked(alice, bob, room)
    return alice, bob


async def kicked(alice, bob, room):
    since = bob.mark()
    assert not (await alice.set_role(room, bob.nick, "none")).error
    await bob.wait_for(lambda seen: 307 in seen.statuses, since=since)


async def test_who_was_kicked_and_reloads_is_told_so_before_he_joins(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        _, bob = await meeting(crowd, room)
        again = await crowd.reload(bob)
        assert again.bare != bob.bare
        assert (await again.request(room)).shown == "ready"
        refused = await again.join(room, password=SECRET)
        assert (refused.shown, refused.text) == ("destroyed", WORDS), refused
        refused = await again.join(room, password=SECRET)
        assert (refused.shown, refused.text) == ("destroyed", WORDS), refused
        assert (await again.request(meet.room())).kind == "ready"


async def test_another_browser_comes_in(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        await meeting(crowd, room)
        other = await inside(crowd, room, "Zoe")


async def comes(person, room, password=None):
    """Enters from the address that the whole class has."""
    query = element("urn:lab:web-query", "room", room.partition("@")[0], address="192.0.2.7")
    assert not (await person.iq(person.server.host, "set", query)).error
    return await person.enter(room, password)


@pytest.mark.parametrize("shared", ["device", "network"])
async def test_a_class_behind_one_address_comes_back_after_one_was_removed(meet, shared):
    """All thirty share the weak mark; each has a ticket, and one of them was removed."""
    machine = {MACHINE: "one machine for the whole class"} if shared == "device" else {}
    enter = comes if shared == "network" else JitsiPerson.enter
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        pupils = [await crowd.person(f"Pupil {number}", storage=dict(machine) or None) for number in range(30)]
        came = await asyncio.gather(*(enter(pupil, room, SECRET) for pupil in pupils))
        assert all(outcome.joined for outcome in came), came
        mallory, *others = pupils
        await kicked(alice, mallory, room)
        # They go and come, in the same tab and in another.
        for pupil in others[::2]:
            await pupil.depart(room)
        others = [*others[::2], *[await crowd.reload(pupil) for pupil in others[1::2]]]
        again = await asyncio.gather(*(enter(pupil, room) for pupil in others))
        assert all(outcome.joined for outcome in again), again
        assert len(again) == 29
        assert (await enter(await crowd.reload(mallory), room, SECRET)).text == WORDS
        stranger = await crowd.person("Robert", storage=dict(machine) or None)
        assert not (await enter(stranger, room, SECRET)).joined
        knocked = await meet.decision(room=room, jid=stranger.bare, kind="join")
        # Without Jitsi's modules there is no lobby in which to wait.
        verdict = "hold" if meet.server.plugins else "deny"
        assert (knocked["verdict"], knocked["rule"]) == (verdict, "removal.keep_out_for")


async def test_who_forgets_his_ticket_has_to_knock_whatever_he_knows(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await meeting(crowd, room)
        again = await crowd.person("Robert", storage={MACHINE: bob.storage[MACHINE]})
        stopped = await again.enter(room, SECRET)
        if not meet.server.plugins:
            assert (stopped.shown, "invited" in stopped.text) == ("destroyed", True), stopped
            return
        assert stopped.shown == "lobby", stopped
        assert (await again.knock(stopped.lobby)).joined
        lobby = await alice.attend_lobby(room)
        alice.approve(room, await alice.knocker(lobby, again.nick))
        outcome = await again.admitted(room)
        assert outcome.joined, outcome
        decision = (await meet.decisions(kind="join", room=room, verdict="hold"))[0]
        assert decision["rule"] == "removal.keep_out_for"


@needs_jitsi_plugins
async def test_nobody_who_may_have_been_removed_is_rescued_as_a_moderator(meet):
    async with meet.crowd() as crowd:
        room = meet.room("rescued")
        zoe = await crowd.person("Zoe")
        alice, bob = await two(crowd, room)
        assert (await zoe.enter(room, SECRET)).joined
        await kicked(alice, bob, room)
        again = await crowd.person("Robert", storage={MACHINE: bob.storage[MACHINE]})
        stopped = await again.enter(room, SECRET)
        assert stopped.shown == "lobby", stopped
        assert (await again.knock(stopped.lobby)).joined
        await alice.leave(room, alice.nick)

        async def left_alone():
            lines = [line for line in meet.component.decisions() if line.get("event") == "no-moderator"]
            return [line["details"]["done"] for line in lines if line["room"] == room]

        for _ in range(60):
            await meet.flushed()
            if await left_alone():
                break
            await asyncio.sleep(0.1)
        assert await left_alone() == ["nothing"]
        assert {item["role"] for item in zoe.occupants(room).values()} <= {"participant", "moderator"}
        assert "Robert" not in {seen.nick for seen in zoe.seen if seen.name == "presence"}


async def test_the_operator_removes_and_lets_in_again(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        since, before = bob.mark(), alice.mark()
        reason = "The room is needed at 18:00."
        assert meet.component.run("remove", room, bob.bare, "--reason", reason).returncode == 0
        await bob.wait_for(lambda seen: 307 in seen.statuses, since=since)
        shown = [seen for seen in bob.seen[since:] if seen.room == room and seen.type == "unavailable"]
        assert shown[0].destroyed == reason.replace(":", "∶") and 110 in shown[0].statuses, "that is what he reads"
        left = await alice.wait_for(lambda seen: seen.nick == bob.nick and seen.type == "unavailable", since=before)
        assert 307 in left.statuses and left.destroyed is None, "to others it is a removal"
        again = await crowd.reload(bob)
        assert (await again.enter(room, SECRET)).text == WORDS
        assert meet.component.run("admit", room, bob.bare).returncode == 0
        assert (await again.enter(room, SECRET)).joined


async def test_who_has_just_left_stays_out_when_they_reload(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        await bob.leave(room, bob.nick)
        done = meet.component.run("remove", room, bob.bare)
        assert (done.returncode, "there lately; kept out" in done.stdout) == (0, True), done
        again = await crowd.reload(bob)
        assert again.bare != bob.bare
        assert (await again.enter(room, SECRET)).text == WORDS
        assert meet.component.run("remove", room, "stranger@guest.meet.localhost").returncode == 1


async def test_who_had_left_before_the_component_was_restarted_stays_out(prosody_version):
    with MeetDoor(prosody_version, POLICY) as door:
        async with door.crowd() as crowd:
            room = door.room()
            alice, bob = await two(crowd, room)
            await bob.leave(room, bob.nick)
            await bob.disconnect()
            door.component.kill()
            door.component.start()
            assert door.component.run("remove", room, bob.bare).returncode == 0
            again = await crowd.reload(bob)
            assert (await again.enter(room, SECRET)).text == WORDS


async def test_who_was_kicked_by_mistake_is_let_in_under_the_address_they_have_now(meet):
    async with meet.crowd() as crowd:
        for by_new_address in (True, False):
            room = meet.room()
            _, bob = await meeting(crowd, room)
            again = await crowd.reload(bob)
            assert (await again.enter(room, SECRET)).text == WORDS
            done = meet.component.run("admit", room, again.bare if by_new_address else bob.bare)
            assert (done.returncode, "taken back" in done.stdout) == (0, True), done
            assert again.bare in done.stdout, done
            assert (await again.enter(room)).joined


@needs_jitsi_plugins
async def test_a_token_keeps_its_bearer_out_in_every_browser(prosody_version):
    with MeetDoor(prosody_version, POLICY, muc_plugins=["token_verification"], **TOKENS) as door:
        async with door.crowd() as crowd:
            room = door.room()
            alice = await crowd.person("Alice", token=token(id="alice"))
            bob = await crowd.person("Bob", token=token(id="bob"))
            assert (await alice.enter(room)).joined
            assert (await bob.enter(room, SECRET)).joined
            await kicked(alice, bob, room)
            other = await crowd.person("Robert", token=token(id="bob"))
            refused = await other.enter(room, SECRET)
            assert (refused.shown, refused.text) == ("destroyed", WORDS), refused
            zoe = await crowd.person("Zoe", token=token(id="zoe"))
            assert (await zoe.enter(room, SECRET)).joined
            assert door.component.run("remove", room, zoe.bare).returncode == 0
            again = await crowd.person("Zoe", token=token(id="zoe"))
            assert (await again.enter(room, SECRET)).shown == "destroyed"


@needs_jitsi_plugins
@pytest.mark.parametrize("place", ["inside", "left", "waits", "named-anew", "started-anew"])
async def test_a_ban_on_an_address_is_also_one_on_its_token(prosody_version, place):
    """Reports tell the claims, too: nobody has to read the room before it is known who somebody is."""
    with MeetDoor(prosody_version, POLICY, muc_plugins=["token_verification"], **TOKENS) as door:
        async with door.crowd() as crowd:
            room = door.room()
            alice = await crowd.person("Alice", token=token(id="alice"))
            bob = await crowd.person("Bob", token=token(id="bob"))
            assert (await alice.enter(room)).joined
            stopped = await bob.enter(room, None if place == "waits" else SECRET)
            if place == "waits":
                assert (await bob.knock(stopped.lobby)).joined
            elif place == "left":
                await bob.depart(room)
            elif place == "named-anew":
                presence = element(CLIENT, "presence", to=f"{room}/{bob.nick}")
                presence.append(element(NICKNAME, "nick", "Robert"))
                bob.send(presence)
                await alice.wait_for(lambda seen: seen.text(NICKNAME, "nick") == "Robert")
            elif place == "started-anew":
                door.component.kill()
                door.component.start()
            reply = vestibule(door, "ban", bob.bare)
            assert reply["marks"] == 2, reply
            other = await crowd.person("Robert", token=token(id="bob"))
            for where in (room, door.room()):
                assert not (await other.enter(where, SECRET)).joined
            zoe = await crowd.person("Zoe", token=token(id="zoe"))
            assert (await zoe.enter(room, SECRET)).joined


async def test_a_ban_holds_as_a_removal_does_and_says_by_what(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        (await crowd.persons("Anonymous"))[0].abort()
        reply = vestibule(meet, "ban", bob.bare, "--for", "7 days")
        assert (reply["means"], reply["anonymous"], reply["marks"]) == (["ticket"], True, 1), reply
        again = await crowd.reload(bob)
        for where in (room, meet.room()):
            assert not (await again.enter(where, SECRET)).joined
        # Another browser on the same device is perhaps another person, as after a removal.
        other = await crowd.person("Robert", storage={MACHINE: bob.storage[MACHINE]})
        assert not (await other.enter(room, SECRET)).joined
        assert (await meet.decisions(kind="join", room=room, jid=other.bare))[-1]["rule"] == "removal.keep_out_for"
        assert (await other.enter(meet.room())).joined
        done = meet.component.run("ban", "0123456789@" + alice.bare.partition("@")[2])
        assert "NOT KEPT OUT: this address is anonymous" in done.stdout, done
        done = meet.component.run("ban", alice.bare)
        assert "by ticket" in done.stdout and "alone keeps nobody out" in done.stdout, done
        for whom in (bob.bare, alice.bare, "0123456789@" + alice.bare.partition("@")[2]):
            vestibule(meet, "unban", whom)
        for where in (meet.room(), room):
            assert (await again.enter(where, SECRET)).joined


async def test_who_joins_at_the_moment_of_a_ban_is_out_when_it_is_done(meet):
    """A join that was decided before the ban is reported after it, or the other way round."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await two(crowd, room)
        storage = dict(bob.storage)
        for delay in (0, 0.01, 0.02, 0.03, 0.04, 0.06):
            tab = await crowd.person("Bob", storage=dict(storage))
            assert (await tab.request(room)).kind == "ready"
            banning = asyncio.create_task(asyncio.to_thread(vestibule, meet, "ban", bob.bare))
            await asyncio.sleep(delay)
            since = tab.mark()
            tab.ask_to_join(room, tab.nick, SECRET)
            await banning
            await tab.outcome(room, since)
            for _ in range(20):
                await alice.ping()
                if tab.nick not in people(alice, room):
                    break
                await asyncio.sleep(0.05)
            assert tab.nick not in people(alice, room)
            vestibule(meet, "unban", bob.bare)
            bob = await crowd.reload(tab)
            assert (await bob.enter(room, SECRET)).joined


async def test_unban_lifts_the_marks_of_that_ban_and_of_no_other(meet):
    """Two browsers' sessions of one person share a ticket: each ban has a row of its own for it."""
    async with meet.crowd() as crowd:
        room, other = meet.room(), meet.room()
        for each in (room, other):
            assert (await (await crowd.person("Alice")).enter(each)).joined
        bob = await inside(crowd, room, "Bob")
        tab = await crowd.person("Bobby", storage=bob.storage)
        assert (await tab.enter(room, SECRET)).joined
        first = vestibule(meet, "ban", bob.bare, "--for", "1 hour")
        second = vestibule(meet, "ban", tab.bare)
        assert first["marks"] and second["marks"]
        shown = vestibule(meet, "bans")["bans"]
        for ban, whose in ((first, bob.bare), (second, tab.bare)):
            assert len([one for one in shown if one.get("with") == whose]) == ban["marks"], shown
        lifted = {ban["id"] for ban in vestibule(meet, "unban", bob.bare)["lifted"]}
        meet.component.kill()
        meet.component.start()
        left = vestibule(meet, "bans")["bans"]
        assert len(left) == 1 + second["marks"], left
        assert {ban["at"] for ban in left} == {left[0]["at"]} and not lifted & {ban["id"] for ban in left}
        again = await crowd.reload(tab)
        assert not (await again.enter(other, SECRET)).joined
        vestibule(meet, "unban", tab.bare)
        assert (await again.enter(other, SECRET)).joined


@needs_jitsi_plugins
async def test_a_mark_can_be_lifted_alone(prosody_version):
    with MeetDoor(prosody_version, POLICY, muc_plugins=["token_verification"], **TOKENS) as door:
        async with door.crowd() as crowd:
            room = door.room()
            bob = await crowd.person("Bob", token=token(id="bob"))
            assert (await bob.enter(room)).joined
            assert vestibule(door, "ban", bob.bare)["marks"] == 2
            bans = vestibule(door, "bans")["bans"]
            mark, other = [ban["who"] for ban in bans if ban["kind"] == "mark"]
            lifted = vestibule(door, "unban", mark)["lifted"]
            assert [ban["who"] for ban in lifted] == [mark]
            assert {ban["who"] for ban in vestibule(door, "bans")["bans"]} == {bob.bare, other}
            assert len(vestibule(door, "unban", bob.bare)["lifted"]) == 2
