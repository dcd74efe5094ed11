"""What people see in Jitsi Meet's own web app."""

import contextlib

from lab import MEET_SERVICE, needs_jitsi_plugins
from lab.policy import PRESET, rooms
from lab.web_app import needs_web_app, web_app

pytestmark = [needs_jitsi_plugins, needs_web_app]
POLICY = MEET_SERVICE + PRESET + rooms({
    "unrecorded": 'permissions.record = []',
})


@contextlib.asynccontextmanager
async def opened(app, room):
    """Alice, who has opened the room."""
    async with app.visit("Alice") as alice:
        await alice.enter(room)
        await alice.inside()
        yield alice


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


async def test_the_app_knows_which_buttons_may_not_be_pressed(meet, chromium):
    """It shows or greys its buttons by these features of the person."""
    features = "APP.store.getState()['features/base/participants'].local?.features"
    async with web_app(meet, chromium) as app:
        for name, may in (("room", "true"), ("unrecorded", "false")):
            async with app.visit("Alice") as alice:
                await alice.enter(meet.room(name))
                await alice.inside()
                await alice.until(f"{features}?.livestreaming === '{may}' && {features}.recording === '{may}'", 8)
                await alice.until(f"{features}['outbound-call'] === 'true'", 1)
