"""What people see in Jitsi Meet's own web app."""

import contextlib
import json
import re

from lab import MEET_SERVICE, needs_jitsi_plugins
from lab.policy import PRESET, SECRET, rooms
from lab.web_app import needs_web_app, web_app

pytestmark = [needs_jitsi_plugins, needs_web_app]
POLICY = (
    MEET_SERVICE
    + PRESET
    + """
[policy.access]
refused_rooms = ["refused-*"]
[policy.moderators]
succession_after = "2 seconds"
"""
    + rooms({
        "password": 'lobby = { admission = "password" }',
        "unrecorded": "permissions = { record = [], screen_share = [] }",
        "still": 'lobby = { admission = "password" }\npermissions = { chat = ["moderator"], audio = ["moderator"], screen_share = [] }',
        "code": 'moderators.code = "generated"',
        "hosted": 'access.create = ["account"]',
        "heir": 'lobby = { admission = "password" }\nmoderators.successors = ["guest"]',
        "brief": 'lobby = { admission = "password" }\nlimits = { duration = "25 seconds", warn_before = "10 seconds" }',
        "sent": 'lobby = { admission = "password" }\npermissions = { breakout_choice = ["moderator"] }',
        "led": 'lobby = { admission = "password" }\npermissions = { breakout_alone = ["account"] }',
        "free": 'lobby = { admission = "open" }\npassword = { required = false }\nclose = { hold_until = [] }',
        "locked": 'password = { change = "nobody" }\nsettings = { subject = "nobody" }',
        "made": 'password = { source = "generated" }',
        "guessed": 'password = { guesses = { burst = 1, delay = "1 minute" } }',
        "short": 'limits = { duration = "12 seconds", warn_before = "6 seconds" }',
        "never": 'hours = { open = ["mon 00:00-00:01"] }',
        "sealed": 'permissions = { e2ee = "require" }\nlobby = { admission = "password" }',
    })
)
BUTTONS = {
    "toolbarButtons": ["microphone", "camera", "desktop", "recording", "livestreaming", "hangup"],
    "recordingService.enabled": True, "liveStreaming.enabled": True,
}
GENERATED = r"\b[a-z]+(-[a-z]+){3,}\b"
BETTER = "nine wide copper kettles"


@contextlib.asynccontextmanager
async def opened(app, room):
    """Alice, who has opened the room."""
    async with app.visit("Alice") as alice:
        await alice.enter(room)
        await alice.inside()
        yield alice


async def refused(person, room, words):
    """Has somebody ask to join, and read these words in a dialog."""
    await person.goto(url=person.link)  # another page: the same one would not be loaded again
    await person.enter(room)
    await person.until("document.querySelector('[role=dialog]')", 15)
    assert words in await person.dialog()


@contextlib.asynccontextmanager
async def two(meet, chromium, kind="password"):
    """A room, Alice who has opened it, and Bob who has typed its password."""
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        room = meet.room(kind)
        async with opened(app, room) as alice:
            await bob.enter(room)
            await bob.shows("Password required")
            await bob.fill("[role=dialog] input", SECRET)
            await bob.click("[role=dialog] >> text=OK")
            await bob.inside()
            yield room, alice, bob


async def test_a_guest_knocks_and_is_admitted(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        room = meet.room()
        async with opened(app, room) as alice:
            await bob.enter(room)
            await bob.shows("Asking to join")
            await bob.has("lobby.enterPasswordButton")
            await alice.shows("Wants to join the meeting")
            await bob.picture("knocking")
            await alice.picture("somebody-knocks")
            await alice.click("text=Admit")
            await bob.inside()


async def test_the_opener_reads_where_the_password_is(meet, chromium):
    async with web_app(meet, chromium) as app, opened(app, meet.room()) as alice:
        await alice.shows("The chat shows the password")
        assert SECRET not in json.dumps(await alice.toasts()), "screens are shared"
        await alice.picture("password-told")
        await alice.open_chat()
        await alice.shows(SECRET)
        await alice.picture("password-in-the-chat")


async def test_a_wrong_password_is_called_wrong(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        room = meet.room()
        async with opened(app, room):
            await bob.enter(room)
            await bob.has("lobby.enterPasswordButton")
            await bob.try_password("a wrong guess")
            await bob.shows("Invalid password")
            await bob.picture("wrong-password")
            await bob.try_password(SECRET)
            await bob.inside()


async def test_a_guest_types_the_host_code_and_moderates(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        room = meet.room("code")
        async with opened(app, room):
            code = meet.component.run("code", room).stdout.strip()
            await bob.enter(room)
            await bob.has("lobby.enterPasswordButton")
            await bob.try_password(code)
            await bob.inside()
            await bob.until("APP.conference._room.isModerator()")
            await bob.open_chat()
            await bob.shows("The host code is:")
            await bob.picture("host-code")


async def test_a_refusal_is_a_dialog_in_the_policy_s_words(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob, app.visit("Ann", phone=True) as ann:
        for person, prejoin in ((bob, True), (ann, True), (bob, False)):
            await person.enter(meet.room("refused"), prejoin=prejoin)
            await person.until("document.querySelector('[role=dialog]')", 15)
            assert "This meeting name is not allowed here." in await person.dialog()
            assert "Reservation" not in await person.read("document.body.innerText")
            if prejoin:
                await person.picture("refused-on-a-phone" if person is ann else "refused")


async def test_a_closed_meeting_says_so(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        room = meet.room()
        async with opened(app, room):
            assert meet.component.run("close", room).returncode == 0
            await refused(bob, room, "closed")
            await bob.picture("closed")


async def test_the_reason_of_an_end_is_whole(meet, chromium):
    async with web_app(meet, chromium) as app:
        room = meet.room()
        async with opened(app, room) as alice:
            meet.component.run("end", room, "--reason", "Fire drill: we go on at 18:00.", "--yes")
            await alice.until("document.querySelector('[role=dialog]')")
            assert "Fire drill∶ we go on at 18∶00." in await alice.dialog()
            await alice.picture("ended")


async def test_what_the_operator_says_is_read_by_everybody(meet, chromium):
    async with two(meet, chromium) as (room, alice, bob):
        meet.component.run("say", room, "The network is restarted at noon.")
        for person in (alice, bob):
            await person.shows("The network is restarted at noon.")
        await bob.picture("said")


async def test_a_setting_that_may_not_be_changed_says_why(meet, chromium):
    async with web_app(meet, chromium) as app, opened(app, meet.room()) as alice:
        await alice.click("[aria-label='Security options']")
        await alice.click(".remove-password")
        await alice.shows("must have a password")
        await alice.picture("password-kept")
        await alice.click("label[for=lobby-section-switch]")
        await alice.shows("The lobby cannot be turned off on this server.")
        await alice.picture("lobby-kept")


async def test_a_weak_password_and_one_that_is_locked_say_why(meet, chromium):
    async with web_app(meet, chromium) as app:
        async with opened(app, meet.room("free")) as alice:
            await alice.click("[aria-label='Security options']")
            await alice.click(".add-password")
            await alice.fill("#info-password-input", "1234")
            await alice.press("Enter")
            await alice.shows("This password is too easy to guess. Use at least 8 characters")
            await alice.picture("weak-password")
        async with opened(app, meet.room("locked")) as alice:
            await alice.read("void APP.conference._room.setSubject('Mine')")
            await alice.shows("This server does not let you change")
            await alice.picture("subject-locked")
            await alice.say(f"!password {BETTER}")
            await alice.shows("The password of this meeting is set by the server and cannot be changed.")
            await alice.picture("password-locked")


async def test_a_password_is_taken_as_people_type_it(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        room = meet.room("made")
        async with opened(app, room) as alice:
            await alice.open_chat()
            await alice.shows("The password of this meeting is: ")
            password = re.search(GENERATED, await alice.read("document.body.innerText"))[0]
            await bob.enter(room)
            await bob.has("lobby.enterPasswordButton")
            await bob.try_password(password.capitalize().replace("-", " ") + " ")
            await bob.inside()


async def test_too_many_wrong_passwords_say_how_long_to_wait(meet, chromium):
    # An address of their own: wrong passwords are counted for all rooms.
    async with web_app(meet, chromium) as app, app.visit("Bob", address="192.0.2.201") as bob:
        room = meet.room("guessed")
        async with opened(app, room):
            await bob.enter(room)
            await bob.has("lobby.enterPasswordButton")
            await bob.try_password("a wrong guess")
            await bob.shows("Invalid password")
            await bob.try_password("another guess")
            await bob.until("document.querySelector('[role=dialog]')", 15)
            assert "Too many wrong passwords. Please try again in " in await bob.dialog()
            await bob.picture("too-many-guesses")


async def test_the_password_is_changed_in_the_chat(meet, chromium):
    async with two(meet, chromium) as (room, alice, bob):
        await alice.say(f"!password {BETTER}")
        await alice.until(f"document.querySelector('#chatconversation')?.innerText.includes({json.dumps(BETTER)})")
        await alice.picture("password-changed")
        await bob.open_chat()
        assert BETTER not in await bob.read("document.body.innerText")


async def test_help_and_an_invitation_are_for_people_on_jitsi(meet, chromium):
    """No error, and no XMPP address, which no browser opens."""
    async with web_app(meet, chromium) as app:
        room = meet.room()
        async with opened(app, room) as alice:
            await alice.say("!help")
            await alice.shows("In this chat you can write !password")
            await alice.say("!invite")
            await alice.shows(f"You are invited to the meeting {room.partition('@')[0]}.")
            shown = await alice.read("document.body.innerText")
            assert "Error" not in shown and "xmpp:" not in shown, shown


async def test_a_suspended_meeting_says_so_and_asks_nobody_to_take_part(meet, chromium):
    async with two(meet, chromium) as (room, alice, bob):
        meet.component.run("suspend", room)
        for person in (alice, bob):
            await person.shows("suspended")
        assert "would like you to participate" not in json.dumps(await alice.toasts())
        await alice.picture("suspended-moderator")
        await bob.picture("suspended")


async def test_where_only_moderators_take_part_each_reads_and_sees_so(meet, chromium):
    async with two(meet, chromium, "still") as (room, alice, bob):
        assert "would like you to participate" not in json.dumps(await alice.toasts())
        await bob.say("May I?")
        await bob.shows("You cannot write in this meeting.")
        assert "muted" in json.dumps(await bob.toasts())
        await bob.picture("may-not-write")


async def test_who_comes_before_the_moderator_reads_so(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        await bob.enter(meet.room("hosted"))
        await bob.shows("Waiting for a moderator", 15)
        await bob.picture("a-moderator-is-awaited")


async def test_the_removed_person_reads_the_reason(meet, chromium):
    async with two(meet, chromium) as (room, alice, bob):
        nick = await bob.read("APP.conference._room.myUserId()")
        assert meet.component.run("remove", room, nick, "--reason", "Please come back tomorrow.").returncode == 0
        await bob.shows("Please come back tomorrow.")
        await bob.picture("removed")


async def test_who_was_removed_by_a_moderator_reads_so_and_waits_in_another_browser(meet, chromium):
    home = "192.0.2.200"
    async with web_app(meet, chromium) as app, app.visit("Bob", address=home) as bob, app.visit("Rob", address=home) as rob:
        room = meet.room()
        async with opened(app, room) as alice:
            await bob.enter(room)
            await bob.has("lobby.enterPasswordButton")
            await bob.try_password(SECRET)
            await bob.inside()
            nick = await bob.read("APP.conference._room.myUserId()")
            await alice.read(f"APP.conference._room.kickParticipant({json.dumps(nick)})")
            await bob.shows("Alice kicked you out of the meeting")
            await bob.picture("kicked")
            await refused(bob, room, "You were removed from this meeting. You can come back in ")
            await bob.picture("kicked-and-back")
            await rob.enter(room)
            await rob.has("lobby.enterPasswordButton")
            await rob.try_password(SECRET)
            await rob.shows("Invalid password")
            await rob.picture("kicked-in-another-browser")
            await alice.shows("Wants to join the meeting")
            await alice.click("text=Admit")
            await rob.inside()


async def test_who_is_banned_inside_reads_why(meet, chromium):
    async with two(meet, chromium) as (room, alice, bob):
        nick = await bob.read("APP.conference._room.myUserId()")
        name = room.partition("@")[0]
        done = meet.component.run("ban", nick, "--room", name, "--reason", "A note.")
        assert done.returncode == 0, done.stderr
        await bob.until("document.querySelector('[role=dialog]')", 15)
        assert "You have been banned by the operator of this server." in await bob.dialog()
        await bob.picture("banned")
        await refused(bob, room, "You have been banned by the operator of this server.")


async def test_a_meeting_warns_before_it_ends_and_ends_in_words(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        async with opened(app, meet.room("short")) as alice:
            await alice.shows("This meeting ends in 6 seconds.", 12)
            await alice.picture("ends-soon")
            await alice.until("document.querySelector('[role=dialog]')", 12)
            assert "the longest time allowed" in await alice.dialog()
            await alice.picture("ended-by-its-duration")
        await refused(bob, meet.room("never"), "open again on Monday")
        await bob.picture("outside-the-hours")


async def test_an_encrypted_meeting_takes_clients_that_encrypt(meet, chromium):
    cannot = {"testing.disableE2EE": True}
    async with web_app(meet, chromium) as app, app.visit("Bob", settings=cannot) as bob:
        room = meet.room("sealed")
        async with opened(app, room) as alice:
            await alice.shows("Please turn end-to-end encryption on in your client: the server cannot.")
            await alice.picture("e2ee-required")
            await refused(bob, room, "This meeting is end-to-end encrypted")
            await bob.picture("e2ee-needed")


async def test_who_waits_when_the_meeting_is_closed_waits_on_and_is_let_in(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        room = meet.room()
        async with opened(app, room) as alice:
            await bob.enter(room)
            await bob.has("lobby.enterPasswordButton")
            await alice.shows("Wants to join the meeting")
            assert meet.component.run("close", room).returncode == 0
            await alice.shows("closed")
            assert await bob.read("!document.querySelector('[role=dialog]')")
            await bob.picture("closed-while-waiting")
            await alice.click("text=Admit")
            await bob.inside()


async def test_nobody_is_admitted_to_a_suspended_meeting_and_the_moderator_reads_so(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        room = meet.room()
        async with opened(app, room) as alice:
            await bob.enter(room)
            await bob.has("lobby.enterPasswordButton")
            await alice.shows("Wants to join the meeting")
            assert meet.component.run("suspend", room).returncode == 0
            await alice.shows("suspended")
            await alice.click("text=Admit")
            await alice.shows("That is not possible until it resumes.")
            await alice.picture("admit-while-suspended")
            await bob.shows("Asking to join")
            await bob.picture("waiting-while-suspended")
            assert meet.component.run("resume", room).returncode == 0
            # Offered again in the list of participants, which slides in.
            await alice.click("[aria-label*='participants panel'].toolbox-button")
            await alice.until("document.querySelector('[data-testid^=admit-]')")
            await alice.read("document.querySelector('[data-testid^=admit-]').click()")
            await bob.inside()


async def test_the_last_moderator_s_going_is_told(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        room = meet.room()
        async with opened(app, room):
            await bob.enter(room)
            await bob.has("lobby.enterPasswordButton")
            await bob.try_password(SECRET)
            await bob.inside()
        await bob.shows("No moderator is in this meeting any more", 20)
        await bob.picture("no-moderator")


async def test_a_new_moderator_is_told_what_that_means(meet, chromium):
    async with two(meet, chromium) as (room, alice, bob):
        nick = await bob.read("APP.conference._room.myUserId()")
        await alice.read(f"APP.conference._room.grantOwner({json.dumps(nick)})")
        await bob.shows("You are a moderator now.")
        await bob.picture("made-moderator")


async def test_while_the_component_is_away_people_read_so(meet, chromium):
    async with web_app(meet, chromium) as app, app.visit("Bob") as bob:
        meet.component.kill()
        try:
            await bob.enter(meet.room())
            await bob.until("document.querySelector('[role=dialog]')", 35)
            assert "briefly unavailable" in await bob.dialog()
            await bob.picture("away")
        finally:
            meet.component.start()


def button(label):
    """An expression: what a button says of being disabled; null if there is none."""
    return f"document.querySelector('.toolbox-button[aria-label={json.dumps(label)}]')?.getAttribute('aria-disabled') ?? null"


async def test_the_app_knows_which_buttons_may_not_be_pressed(meet, chromium):
    """It shows or greys its buttons by these features of the person."""
    features = "APP.store.getState()['features/base/participants'].local?.features"
    async with web_app(meet, chromium) as app:
        for name, may in (("room", "true"), ("unrecorded", "false")):
            async with app.visit("Alice", settings=BUTTONS) as alice:
                await alice.enter(meet.room(name))
                await alice.inside()
                await alice.until(f"{features}?.livestreaming === '{may}' && {features}.recording === '{may}'", 8)
                await alice.until(f"{features}['outbound-call'] === 'true'", 1)
                # Without permission, Record is there for what the browser itself records.
                assert await alice.read(button("Start live stream")) == (None if may == "false" else "false")
                assert await alice.read(button("Start sharing your screen")) == ("true" if may == "false" else "false")
                if may == "false":
                    await alice.picture("buttons")


# Breakout rooms

LISTED = "APP.store.getState()['features/breakout-rooms'].rooms"


@contextlib.asynccontextmanager
async def apart(meet, chromium, kind="password"):
    """A meeting like that of `two`, whose Bob is in a breakout room that Alice has made; its address, too."""
    async with two(meet, chromium, kind) as (room, alice, bob):
        await alice.read("APP.conference._room.getBreakoutRooms().createBreakoutRoom('Group one')")
        small = f"Object.values({LISTED}).find(each => !each.isMainRoom)?.jid"
        await alice.until(small)
        jid = await alice.read(small)
        await go(bob, jid, sender=alice)
        yield room, jid, alice, bob


async def in_room(person, room, seconds=20):
    """Waits until somebody is in that room of the meeting."""
    await person.until(
        f"window.APP?.conference?._room?.room?.roomjid === {json.dumps(room)} && APP.conference._room.isJoined()", seconds
    )


async def go(person, place, sender=None):
    """Has a moderator send somebody, or themselves, to a room of the meeting, as soon as their web app knows of both."""
    sender = sender or person
    await sender.until(f"{LISTED}[{json.dumps(place.partition('@')[0])}]?.jid")
    address = await person.read("APP.conference._room.connection.getJid()")
    # Moderators choose from the list of who is where.
    here = (await person.read("APP.conference._room.room.roomjid")).partition("@")[0]
    await sender.until(
        f"Object.values({LISTED}[{json.dumps(here)}]?.participants ?? {{}}).some(each => each.jid === {json.dumps(address)})"
    )
    await sender.read("APP.conference._room.getBreakoutRooms()"
                      f".sendParticipantToRoom({json.dumps(address)}, {json.dumps(place)})")
    await in_room(person, place)


async def test_who_is_in_a_breakout_room_reads_what_the_operator_decides(meet, chromium):
    async with apart(meet, chromium) as (room, small, alice, bob):
        meet.component.run("say", room, "Five minutes left.")
        for person in (alice, bob):
            await person.shows("Five minutes left.")
        await bob.picture("breakout-said")
        meet.component.run("suspend", room)
        await in_room(bob, room)
        await bob.shows("suspended")
        await bob.picture("breakout-suspended")
        meet.component.run("resume", room)


async def test_who_is_removed_from_a_breakout_room_reads_why(meet, chromium):
    async with apart(meet, chromium) as (room, small, alice, bob):
        nick = await bob.read("APP.conference.getMyUserId()")
        assert meet.component.run("remove", room, nick, "--reason", "You are in the wrong meeting.").returncode == 0
        await bob.until("document.querySelector('[role=dialog]')", 15)
        assert "You are in the wrong meeting." in await bob.dialog()
        await bob.picture("breakout-removed")


async def test_the_end_of_a_meeting_reaches_its_breakout_rooms(meet, chromium):
    async with apart(meet, chromium) as (room, small, alice, bob):
        meet.component.run("end", room, "--reason", "The school closes at 18:00.", "--yes")
        for person in (alice, bob):
            await person.until("document.querySelector('[role=dialog]')", 15)
            assert "The school closes at 18∶00." in await person.dialog()
        await bob.picture("breakout-ended")


async def test_who_may_not_be_alone_in_a_breakout_room_is_taken_back(meet, chromium):
    async with apart(meet, chromium, "led") as (room, small, alice, bob):
        await in_room(bob, room, 30)
        await bob.shows("No moderator is in this breakout room")
        await bob.picture("breakout-alone")


async def test_who_is_banned_while_in_a_breakout_room_reads_so_and_stays_out(meet, chromium):
    async with apart(meet, chromium) as (room, small, alice, bob):
        bare = (await bob.read("APP.conference._room.connection.getJid()")).partition("/")[0]
        assert meet.component.run("ban", bare).returncode == 0
        await bob.until("document.querySelector('[role=dialog]')", 15)
        assert "You have been banned" in await bob.dialog()
        await bob.picture("breakout-banned")
        # The browser comes with the ticket that it has stored.
        await bob.reload(room)
        await bob.until("document.querySelector('[role=dialog]')", 20)
        assert "You have been banned" in await bob.dialog()


async def test_the_end_of_a_meeting_s_time_is_told_and_comes_in_its_breakout_rooms(meet, chromium):
    async with apart(meet, chromium, "brief") as (room, small, alice, bob):
        for person in (alice, bob):
            await person.shows("This meeting ends in", 20)
        for person in (alice, bob):
            await person.until("document.querySelector('[role=dialog]')", 20)
            assert "the longest time allowed" in await person.dialog()


async def test_who_may_not_choose_a_breakout_room_reads_what_to_do(meet, chromium):
    async with apart(meet, chromium, "sent") as (room, small, alice, bob):
        await go(bob, room, sender=alice)
        # What the web app does when the button for joining a breakout room is pressed.
        await bob.read("APP.conference.leaveRoom(false).then(() => APP.conference.joinRoom(Object.assign("
                       f"new String({json.dumps(small.partition('@')[0])}), {{ domain: {json.dumps(small.partition('@')[2])} }}), "
                       "{ isBreakoutRoom: true })).catch(() => null)")
        await bob.until("document.querySelector('[role=dialog]')", 15)
        assert "when a moderator sends you there" in await bob.dialog()
        await bob.picture("breakout-choice")
        await bob.reload(room)
        await in_room(bob, room)


async def test_when_the_only_moderator_leaves_from_a_breakout_room_another_takes_over(meet, chromium):
    async with apart(meet, chromium, "heir") as (room, small, alice, bob):
        await go(alice, small)
        assert not await bob.read("APP.conference._room.isModerator()")
        await alice.read("APP.conference.hangup(false), 1")
        await bob.until("APP.conference._room.isModerator()", 15)
        await bob.shows("You are a moderator now.")
        await go(bob, room)
        await bob.until("APP.conference._room.isModerator()")


async def test_a_moderator_moderates_in_a_breakout_room_and_back(meet, chromium):
    async with apart(meet, chromium) as (room, small, alice, bob):
        for place in (small, room):
            await go(alice, place)
            await alice.until("APP.conference._room.isModerator()")
        # Reloading the page leads into the main room, wherever the moderator was.
        for place in (None, small):
            if place:
                await go(alice, place)
            await alice.reload(room)
            await in_room(alice, room)
            await alice.until("APP.conference._room.isModerator()")
