"""What the real client makes of each answer that a gate gives (`as` in docs/protocol.md), and
of a component that is away. It is the library of 2022: where a later one does something else,
that is said."""

import asyncio
import contextlib
import dataclasses

import pytest
from lab import JitsiCrowd, needs_jitsi_plugins
from lab.browser_meeting import at
from lab.browser_person import FAILED, JOINED
from lab.meet import MEET_SERVICE
from lab.policy import PRESET, SECRET, rooms

MEET = {"accounts": True, "muc_options": {"vestibule_timeout": 2}}
POLICY = (
    MEET_SERVICE + PRESET
    + """
[policy.lobby]
admission = "password"
[policy.access]
refused_rooms = ["refused-*"]
"""
    + rooms({
        "knock": 'lobby = { admission = "lobby" }',
        "hosted": 'access = { create = ["account"] }',
        "guess": 'password = { guesses = { burst = 2, delay = "20 seconds" } }',
    })
)
PROMPT = "conference.passwordRequired"


class Scene:
    """Bob, who has no account, in the browser, and about to come to a room; and Alice, who
    has one and is none of the browser's people."""

    def __init__(self, meet, focus, room, alice, bob):
        self.meet = meet
        self.focus = focus
        self.room = room
        self.alice = alice
        self.bob = bob

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, meet, browser, name="room", transport="websocket"):
        async with at(meet, browser) as visit, JitsiCrowd(meet.server, focus=False) as crowd:
            alice = await crowd.person("Alice", f"alice@{meet.server.host}")
            bob = await visit.connect("bob", transport=transport)
            try:
                yield cls(meet, visit.focus, meet.room(name), alice, bob)
            finally:
                if meet.component.is_running:
                    meet.component.thaw()
                else:
                    meet.component.start(ready=False)
                await asyncio.to_thread(meet.component.wait_ready)
                meet.enforce(POLICY)

    async def open(self):
        assert (await self.alice.enter(self.room)).joined

    async def close(self):
        assert self.meet.component.run("close", self.room).returncode == 0

    async def ban(self):
        bare = self.bob.jid.partition("/")[0]
        self.meet.enforce(f'{POLICY}[[ban]]\njid = "{bare}"\nreason = "a test"\n')

    async def keep_guests_out(self):
        self.meet.enforce(POLICY.replace("[policy.access]", '[policy.access]\nenter = ["account"]'))

    async def guess(self):
        assert (await self.bob.join(self.room, "a wrong guess")).error == PROMPT

    async def freeze(self):
        self.meet.component.freeze()


@dataclasses.dataclass
class Row:
    """`name` begins the name of the room. `first` comes before Bob asks for it, `then` after
    the focus was asked and before he joins. `answer` is in the stanza that he gets, `sees` are
    the first parameters of the failure, words by their beginning."""

    name: str
    first: tuple
    then: tuple
    answer: str
    sees: tuple
    called: str = "Bob"
    typed: str | None = None


OPEN = (Scene.open,)
LOBBY = "conference.connectionError.membersOnly"
FAILS = ("conference.connectionError",)
ENDED = ("conference.destroyed",)
NAME = "This meeting name is not allowed here. Please choose another name."
CLOSED = "This meeting is closed to new participants."
NOT_WELCOME = "You have been banned by the operator of this server."
AWAY = "The meeting service is briefly unavailable. Please try again in a moment."
TOO_MANY = "Too many wrong passwords. Please try again in "
TABLE = {
    "prompt": Row("room", OPEN, (), "<not-authorized", (PROMPT,)),
    "lobby": Row("knock", OPEN, (), "<lobbyroom", (LOBBY, "knock-")),
    # Later libraries ask for the name.
    "lobby, nameless": Row("knock", OPEN, (), "<displayname-required", FAILS, called=""),
    "log-in, request": Row("hosted", (), (), "<not-authorized", ("conference.authenticationRequired",)),
    # Later libraries offer to log in.
    "log-in, join": Row("room", OPEN, (Scene.keep_guests_out,), "<authentication-required", FAILS),
    # Later libraries try three times more, and say nothing if one of them succeeds.
    "retry": Row("room", OPEN, (Scene.freeze,), "Room creation is restricted", FAILS),
    "request, name": Row("refused", (), (), "<destroy>", (*ENDED, NAME)),
    "request, closed": Row("room", (Scene.open, Scene.close), (), "<destroy>", (*ENDED, CLOSED)),
    "request, banned": Row("room", (Scene.open, Scene.ban), (), "<destroy>", (*ENDED, NOT_WELCOME)),
    "destroyed, closed": Row("room", OPEN, (Scene.close,), "<destroy>", (*ENDED, CLOSED)),
    "destroyed, banned": Row("room", OPEN, (Scene.ban,), "<destroy>", (*ENDED, NOT_WELCOME)),
    # Not even the right one is taken then.
    "destroyed, guesses": Row(
        "guess", (Scene.open, Scene.guess, Scene.guess), (), "<destroy>", (*ENDED, TOO_MANY), typed=SECRET
    ),
}


def rows():
    for number, (shown, row) in enumerate(TABLE.items()):
        marks = [needs_jitsi_plugins] if row.name == "knock" else []
        yield pytest.param(row, ("websocket", "bosh")[number % 2], id=shown, marks=marks)


@pytest.mark.parametrize(("row", "transport"), rows())
async def test_each_answer_is_shown_as_it_is_meant(meet, browser, row, transport):
    async with Scene.at(meet, browser, row.name, transport) as scene:
        for act in row.first:
            await act(scene)

        async def then():
            for act in row.then:
                await act(scene)

        scene.focus.before = then
        since = await scene.bob.ask_to_join(scene.room, row.typed, row.called)
        failure = await scene.bob.answer(since)
        await scene.bob.hears(row.answer, since)
        assert failure.name == FAILED, failure
        seen = failure.params[: len(row.sees)]
        assert all(got.startswith(want) for want, got in zip(row.sees, seen, strict=True)), failure
        assert scene.bob.events(FAILED, since) == [failure]
        assert not scene.bob.events(JOINED)


@pytest.mark.parametrize(
    ("moment", "transport"), [("<conference", "bosh"), ("<presence", "websocket")]
)
async def test_a_restart_of_the_component_while_somebody_joins_goes_unnoticed(
    meet, browser, moment, transport
):
    async with Scene.at(meet, browser, transport=transport) as scene:
        await scene.open()

        async def kill():
            meet.component.kill()

        if moment == "<conference":
            await kill()
        else:
            scene.focus.before = kill
        since = await scene.bob.ask_to_join(scene.room, SECRET)
        await scene.bob.sends(moment, since)
        assert not meet.component.is_running
        meet.component.start(ready=False)
        answer = await scene.bob.answer(since)
        assert answer.joined, answer
        assert not scene.bob.events(FAILED)


async def test_while_the_component_is_silent_the_client_keeps_asking(meet, browser):
    async with Scene.at(meet, browser) as scene:
        await scene.freeze()
        since = await scene.bob.ask_to_join(scene.room)
        await scene.bob.hears('ready=\'false\'', since)
        await scene.bob.sends("<conference", scene.bob.mark())
        meet.component.thaw()
        answer = await scene.bob.answer(since)
        assert answer.joined, answer
        assert (await scene.bob.state())["moderator"]
        assert not scene.bob.events(FAILED)


async def test_while_it_stays_away_the_client_shows_so(meet, browser):
    async with Scene.at(meet, browser) as scene:
        await scene.freeze()
        since = await scene.bob.ask_to_join(scene.room)
        await scene.bob.wait_for(FAILED, *ENDED, AWAY, since=since, seconds=20)
        assert not scene.focus.requests, "no room is opened for it"
        meet.component.thaw()
        assert (await scene.bob.answer(await scene.bob.ask_to_join(scene.room))).joined
