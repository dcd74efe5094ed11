"""The laboratory's browser, without the gate: the real lib-jitsi-meet does and reports what
its participants do and see."""

import pytest
from lab import Failed, Focus, needs_jitsi_plugins
from lab.browser_meeting import at
from lab.jitsi_outcome import FOCUS

MEET = {"gate": False}
PROMPT = "conference.passwordRequired"


@pytest.mark.parametrize("transport", ["websocket", "bosh"])
async def test_two_meet_behind_a_password_until_one_is_removed(meet, browser, transport):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob", transport=transport)
        assert (await alice.join(room, name="Alice")).joined
        me = (await alice.state())["id"]
        await alice.wait_for("conference.roleChanged", me, "moderator")

        await alice.lock("open sesame")
        await alice.wait_for("conference.lock_state_changed", True)
        assert (await bob.join(room, name="Bob")).error == PROMPT
        assert (await bob.join(room, "open barley")).error == PROMPT
        assert (await bob.join(room, "open sesame")).joined
        arrival = await alice.wait_for("conference.userJoined")
        guest, described = arrival.params
        assert described == {"id": guest, "name": "Bob", "role": "participant"}
        seen = await bob.state()
        assert (seen["id"], seen["moderator"], seen["locked"]) == (guest, False, True)
        assert [each["name"] for each in seen["participants"]] == ["Alice"]

        await alice.say("good morning")
        await bob.wait_for("conference.messageReceived", me, "good morning")
        await bob.say("psst", to=me)
        await alice.wait_for("conference.privateMessageReceived", guest, "psst")

        await alice.kick(guest, "enough")
        kicked = await bob.wait_for("conference.kicked")
        assert kicked.params[:2] == [{"id": me, "name": "Alice", "role": "moderator"}, "enough"]
        await alice.wait_for("conference.userLeft", guest)
        assert (await bob.join(room)).error == PROMPT


@pytest.mark.parametrize("transport", ["websocket", "bosh"])
async def test_a_reload_keeps_the_storage_and_loses_the_address(meet, browser, transport):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob", transport=transport)
        for person in (alice, bob):
            assert (await person.join(room)).joined
        address, before = alice.jid, await alice.state()
        since, departed = alice.mark(), bob.mark()
        await alice.reload()
        await bob.wait_for("conference.userLeft", before["id"], since=departed)
        assert alice.jid != address
        assert (await alice.join(room)).joined
        after = await alice.state()
        assert after["id"] != before["id"]
        assert after["storage"]["jitsiMeetId"] == before["storage"]["jitsiMeetId"]
        assert after["storage"]["jitsiMeetId"] != (await bob.state())["storage"]["jitsiMeetId"]
        assert after["storage"]["jitsiMeetId"] in alice.stanzas("conference ", since)[0]


async def test_a_crash_keeps_the_storage_and_leaves_a_ghost(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob")
        for person in (alice, bob):
            assert (await person.join(room, name="Somebody")).joined
        before = await bob.state()
        await bob.crash()
        await bob.wait_for("crash")
        await bob.reload()
        assert (await bob.join(room)).joined
        after = await bob.state()
        assert after["storage"]["jitsiMeetId"] == before["storage"]["jitsiMeetId"]
        assert before["id"] in {each["id"] for each in after["participants"]}
        assert not alice.events("conference.userLeft")


class Marking(Focus):
    """Gives whoever asks first a session, as if he had logged in."""

    def _reply(self, request, kind, payload):
        if len(self.requests) == 1:
            payload.set("session-id", "a mark")
        super()._reply(request, kind, payload)


async def test_a_session_id_comes_back_from_a_guest_after_a_reload(meet, browser):
    async with at(meet, browser, Marking) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob")
        for person in (alice, bob):
            assert (await person.join(room)).joined
        await alice.reload()
        assert (await alice.join(room)).joined
        await alice.leave()
        assert (await alice.join(meet.room("another"))).joined
        asked = [each.find(FOCUS, "conference") for each in visit.focus.requests]
        assert [each.get("session-id") for each in asked] == [None, None, "a mark", "a mark"]


async def test_who_leaves_is_gone_and_may_return(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob")
        for person in (alice, bob):
            assert (await person.join(room)).joined
        guest = (await bob.state())["id"]
        await alice.wait_for("conference.roleChanged", (await alice.state())["id"], "moderator")
        await alice.grant(guest)
        await bob.wait_for("conference.roleChanged", guest, "moderator")
        await bob.leave()
        await alice.wait_for("conference.userLeft", guest)
        assert (await bob.join(room)).joined


async def test_a_command_that_fails_is_an_error_and_no_silence(meet, browser):
    async with at(meet, browser) as visit:
        alice = await visit.open("alice")
        with pytest.raises(Failed, match="not in a room"):
            await alice.say("is anybody there?")
        with pytest.raises(Failed, match="connection.passwordRequired"):
            await alice.connect("nobody@meet.localhost", "wrong")
        await alice.connect()
        room = meet.room()
        assert (await alice.join(room)).joined
        with pytest.raises(Failed, match="nobody in the room is ghost"):
            await alice.kick("ghost")
        with pytest.raises(Failed, match=r"within 0.1 s(?s:.*)conference\.joined"):
            await alice.wait_for("conference.kicked", seconds=0.1)


@needs_jitsi_plugins
async def test_a_knocker_is_turned_away_and_then_let_in(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob = await visit.people("alice", "bob")
        assert (await alice.join(room)).joined
        await alice.wait_for("conference.roleChanged", ..., "moderator")
        await alice.lobby(True)
        await alice.wait_for("conference.membersOnlyChanged", True)

        refused = await bob.join(room, name="Bob")
        lobby = f"{room.partition('@')[0]}@{meet.server.lobby}"
        assert refused.params == ["conference.connectionError.membersOnly", lobby]
        await bob.knock("Bob")
        knock = await alice.wait_for("conference.lobby.userJoined", ..., "Bob")
        since = alice.mark()
        await alice.deny(knock.params[0])
        await bob.wait_for("conference.failed", "conference.connectionError.accessDenied")
        await alice.wait_for("conference.lobby.userLeft", since=since)

        since = alice.mark()
        await bob.knock("Bob")
        knock = await alice.wait_for("conference.lobby.userJoined", ..., "Bob", since=since)
        await alice.approve(knock.params[0])
        await bob.wait_for("conference.joined")
        with pytest.raises(Failed, match="nobody in the lobby"):
            await alice.approve("ghost")
