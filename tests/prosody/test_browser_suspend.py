"""The real client in a suspended meeting, and what it shows of the operator's notices."""

from lab.browser_meeting import at
from lab.jitsi_meeting import vestibule
from lab.jitsi_plugins import needs_jitsi_plugins
from lab.meet import MEET_SERVICE
from lab.policy import PRESET, SECRET, admission

POLICY = MEET_SERVICE + admission("password") + PRESET + '[text.en]\nnotice-enter = "Welcome to {room}, {nick}."\n'


async def told(person, words, since=0):
    """Waits until the room, and nobody in it, has told somebody something with these words in it."""
    while True:
        message = await person.wait_for("conference.messageReceived", None, since=since)
        since = person.seen.index(message) + 1
        if words in message.params[1]:
            return message.params[1]


@needs_jitsi_plugins
async def test_the_client_shows_a_notice_and_what_a_suspension_takes(meet, browser):
    async with at(meet, browser) as visit:
        room = meet.room()
        alice, bob, eve = await visit.people("alice", "bob", "eve")
        assert (await alice.join(room, name="Alice")).joined
        assert (await bob.join(room, SECRET, name="Bob")).joined
        assert await told(bob, "Welcome") == f"Welcome to {room.partition('@')[0]}, Bob."
        vestibule(meet, "suspend", room)
        for person in (alice, bob):
            await told(person, "has suspended this meeting")
            await person.wait_for("conference.av_moderation.changed", {"enabled": True, "mediaType": "audio"})
        await bob.say("I may not")
        await bob.hears("Only moderators can speak and write")
        me = (await alice.state())["id"]
        await alice.say("I may")
        await bob.wait_for("conference.messageReceived", me, "I may")
        assert not [seen for seen in alice.events("conference.messageReceived") if "I may not" in seen.params]
        assert not (await eve.join(room, SECRET)).joined
        vestibule(meet, "resume", room)
        await told(bob, "has resumed this meeting")
        since = alice.mark()
        await bob.say("again")
        await alice.wait_for("conference.messageReceived", since=since)
        assert (await eve.join(room, SECRET)).joined
