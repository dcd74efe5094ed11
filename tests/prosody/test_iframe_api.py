"""Meetings in other people's pages, by Jitsi's IFrame API: what such a page does, and what it hears."""

import contextlib
import json

import pytest
from lab import MEET_SERVICE, needs_jitsi_plugins
from lab.meet import MeetDoor
from lab.policy import PRESET, SECRET, rooms
from lab.web_app import needs_web_app, web_app

pytestmark = [needs_jitsi_plugins, needs_web_app]
POLICY = (
    MEET_SERVICE
    + PRESET
    + '[policy.access]\nrefused_rooms = ["refused-*"]\n'
    + rooms({"own": 'lobby.admission = "open"\nclose.hold_until = []\npassword.required = false'})
)
CHOSEN = "violet-anchor-mustard-97"
# Such pages spare people the lobby's button.
KNOCKS = {"lobby": {"autoKnock": True}}
# A page loads in a few seconds, and in more where many tests run.
LOADS = 40
# The app knows its way back when it has been told of the rooms, which follows the join.
BETWEEN_ROOMS = ["videoConferenceJoined", "breakoutRoomsUpdated"]


@contextlib.asynccontextmanager
async def three(app):
    async with (
        app.embedded("Alice", settings=KNOCKS) as alice,
        app.embedded("Bob", settings=KNOCKS) as bob,
        app.embedded("Carol", settings=KNOCKS) as carol,
    ):
        yield alice, bob, carol


@contextlib.asynccontextmanager
async def server(meet, version, gate):
    if gate:
        yield meet
    else:
        with MeetDoor(version, gate=False) as plain:
            yield plain


async def everyday(alice, bob, carol, room):
    """A meeting that asks nothing of anybody by its policy: all that Alice's page does in it is heard by all."""
    await alice.enter(room)
    me = await alice.inside(LOADS)
    await alice.hears("participantRoleChanged", **{"id": me, "role": "moderator"})
    await alice.command("subject", "Plan")
    await alice.hears("subjectChange", subject="Plan")
    await alice.command("password", CHOSEN)
    await bob.enter(room)
    await bob.hears("passwordRequired", LOADS)
    await bob.command("password", CHOSEN)
    bobs = await bob.inside()

    await alice.command("toggleLobby", True)
    await bob.hears("notificationTriggered", description="lobby.notificationLobbyEnabled")
    await carol.enter(room)
    knocking = await alice.hears("knockingParticipant", LOADS)
    await alice.command("answerKnockingParticipant", knocking["participant"]["id"], True)
    carols = await carol.inside()
    await alice.hears("participantJoined", id=carols)

    await alice.command("grantModerator", bobs)
    for person in (alice, bob, carol):
        await person.hears("participantRoleChanged", id=bobs, role="moderator")
    await alice.command("muteEveryone", "audio")
    await alice.command("toggleModeration", True, "audio")
    await carol.hears("moderationStatusChanged", mediaType="audio", enabled=True)
    await alice.command("askToUnmute", carols)
    await carol.hears("moderationParticipantApproved", id=carols)
    await alice.command("toggleModeration", False, "audio")
    await carol.hears("moderationStatusChanged", mediaType="audio", enabled=False)
    await alice.command("sendChatMessage", "good morning")
    await carol.hears("incomingMessage", message="good morning")
    await carol.command("sendChatMessage", "psst", me)
    await alice.hears("incomingMessage", message="psst", privateMessage=True)

    await alice.command("addBreakoutRoom", "Group")
    await carol.hears("breakoutRoomsUpdated")
    group = next(each["jid"] for each in (await alice.asks("listBreakoutRooms")).values() if not each.get("isMainRoom"))
    await alice.command("joinBreakoutRoom", group)
    await alice.hears("videoConferenceJoined", breakoutRoom=True)
    await alice.until(f"heard.findLast(({{ name }}) => {BETWEEN_ROOMS}.includes(name)).name === 'breakoutRoomsUpdated'")
    await alice.command("joinBreakoutRoom")
    await carol.hears("participantLeft", id=me)
    await alice.until("heard.filter(({ name }) => name === 'videoConferenceJoined').length === 3", 15)

    await alice.command("kickParticipant", carols)
    for person in (alice, bob):
        kicked = await person.hears("participantKickedOut")
        assert kicked["kicked"]["id"] == carols, kicked
    await carol.hears("videoConferenceLeft")
    await alice.command("endConference")
    for person in (alice, bob):
        await person.hears("errorOccurred", **{"error.name": "conference.destroyed"})


@pytest.mark.parametrize("gate", (True, False))
async def test_the_everyday_commands_do_what_they_do_without_the_gate(meet, prosody_version, chromium, gate):
    async with server(meet, prosody_version, gate) as door, web_app(door, chromium) as app, three(app) as people:
        await everyday(*people, door.room("own"))


async def test_a_refusal_is_an_error_with_the_policy_s_words(meet, chromium):
    async with web_app(meet, chromium) as app, app.embedded("Bob") as bob:
        await bob.enter(meet.room("refused"))
        error = (await bob.hears("errorOccurred", LOADS))["error"]
        assert error["name"] == "conference.destroyed", error
        assert error["params"][0].startswith("This meeting name is not allowed here."), error
        await bob.shows("This meeting name is not allowed here.")
        await bob.hears("videoConferenceLeft")


async def test_what_the_policy_reserves_comes_as_messages(meet, chromium):
    """The default policy, under which people knock although there is a password."""
    async with web_app(meet, chromium) as app, three(app) as (alice, bob, carol):
        room = meet.room()
        await alice.enter(room)
        await alice.inside(LOADS)
        await bob.enter(room)
        await bob.hears("errorOccurred", LOADS, **{"error.name": "conference.connectionError.membersOnly"})
        await bob.command("password", SECRET)  # there is no conference yet for which the app would take it
        knocking = await alice.hears("knockingParticipant")
        assert "passwordRequired" not in await bob.heard()
        await alice.command("answerKnockingParticipant", knocking["participant"]["id"], False)
        await bob.hears("errorOccurred", **{"error.name": "conference.connectionError.accessDenied"})

        await carol.enter(room)
        knocking = await alice.hears("knockingParticipant", LOADS, **{"participant.name": "Carol"})
        await alice.command("answerKnockingParticipant", knocking["participant"]["id"], True)
        carols = await carol.inside()
        for command, words in (
            (("toggleLobby", False), "The lobby cannot be turned off on this server."),
            (("password", ""), "You cannot remove it."),
            (("password", "weak"), "too easy to guess"),
        ):
            await alice.command(*command)
            await alice.hears_words(words)
        await alice.command("sendChatMessage", f"!password {CHOSEN}")
        await alice.hears_words(CHOSEN)
        assert CHOSEN not in json.dumps(await carol.read("heard"))

        await alice.command("kickParticipant", carols)
        await carol.hears("participantKickedOut", **{"kicked.local": True})
        await carol.enter(room)
        error = (await carol.hears("errorOccurred", LOADS, **{"error.name": "conference.destroyed"}))["error"]
        assert "removed from this meeting" in error["params"][0], error
        assert meet.component.run("end", room, "--reason", "The hall is needed.", "--yes").returncode == 0
        error = (await alice.hears("errorOccurred"))["error"]
        assert error["name"] == "conference.destroyed" and error["params"][0] == "The hall is needed.", error
