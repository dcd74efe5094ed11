"""On Jitsi: the component is killed, frozen or replaced at the worst moments, and nobody is left hanging."""

import asyncio
import time

import pytest
from lab import Failed, JitsiCrowd, Meet, needs_jitsi_plugins
from lab.jitsi_meeting import opened, popped_up
from lab.jitsi_outcome import FOCUS
from lab.meet import MEET_SERVICE
from storm import QUICK, until

AWAY = "The meeting service is briefly unavailable. Please try again in a moment."
FAST = {"vestibule_grace": 1, "vestibule_timeout": 1}
POLICY = f"""{MEET_SERVICE}
trusted = ["recorder@recorder.meet.localhost"]
"""


class Scene:
    """A Jitsi Meet, its component and its people."""

    def __init__(self, server, component, crowd):
        self.server, self.component, self.crowd = server, component, crowd
        self.room = f"room@{server.service}"
        self.stopped = "lobby" if server.plugins else "prompt"

    async def opened(self, name="Alice"):
        return await opened(self.crowd, self.room, name)

    async def back(self):
        self.component.start(ready=False)
        await asyncio.to_thread(self.component.wait_ready)


@pytest.fixture
def scene(start, start_vestibule, prosody_version):
    """`async with scene() as s`: options as of `Meet`, and of the focus."""

    def made(policy=POLICY, focus=None, **options):
        options.setdefault("muc_options", QUICK)
        server = start(Meet(prosody_version, **options))
        return _Staged(server, start_vestibule(server, policy), focus or {})

    return made


class _Staged:
    def __init__(self, server, component, focus):
        self.server, self.component = server, component
        self.crowd = JitsiCrowd(server, **focus)

    async def __aenter__(self):
        return Scene(self.server, self.component, await self.crowd.__aenter__())

    async def __aexit__(self, *_):
        await self.crowd.__aexit__()


def gate_errors(server):
    return [line for line in server.complaints() if "vestibule_gate" in line or "traceback" in line]


async def test_killed_between_request_and_join_and_back_in_time(scene):
    async with scene() as s:
        alice, bob = await s.crowd.persons("Alice", "Bob")
        for person in (alice, bob):
            assert (await person.request(s.room)).kind == "ready"
        s.component.kill()
        joins = [asyncio.ensure_future(person.join(s.room)) for person in (alice, bob)]
        await asyncio.sleep(0.3)
        s.component.start(ready=False)
        first, second = await asyncio.gather(*joins)
        # Asked about before the opener has come in, the second person tries again.
        assert first.joined and second.shown in ("retry", s.stopped), (first, second)
        assert (await bob.join(s.room)).shown == s.stopped
        assert alice.occupants(s.room)[alice.nick]["affiliation"] == "owner"
        assert not gate_errors(s.server)


async def test_killed_between_request_and_join_and_away_the_client_tries_again_by_itself(scene):
    async with scene(muc_options=FAST) as s:
        alice = await s.crowd.person("Alice")
        assert (await alice.request(s.room)).kind == "ready"
        s.component.kill()
        told = await alice.join(s.room)
        assert told.shown == "retry", told
        assert told.seconds < FAST["vestibule_grace"] + 1
        entering = asyncio.ensure_future(alice.enter(s.room, seconds=15))
        await asyncio.sleep(0.5)
        await s.back()
        outcome = await entering
        assert outcome.joined, outcome
        assert alice.occupants(s.room)[alice.nick]["affiliation"] == "owner"


async def test_away_a_request_is_not_ready_yet_and_ready_when_it_is_back(scene):
    async with scene(muc_options=FAST) as s:
        s.component.kill()
        alice, bob = await s.crowd.persons("Alice", "Bob")
        reply = await alice.ask_focus(s.room, seconds=FAST["vestibule_grace"] + 1)
        conference = reply.find("http://jitsi.org/protocol/focus", "conference")
        assert (reply.type, conference.get("ready"), conference.get("room")) == ("result", "false", s.room)
        assert not s.crowd.focus.requests
        entering = [asyncio.ensure_future(person.enter(s.room, seconds=15)) for person in (alice, bob)]
        await asyncio.sleep(0.3)
        await s.back()
        shown = sorted(outcome.shown for outcome in await asyncio.gather(*entering))
        assert shown == sorted(["joined", s.stopped])


@pytest.mark.parametrize("trouble", ["kill", "freeze"])
async def test_gone_while_the_focus_opens(scene, trouble):
    """A focus that is not let in answers nobody; the gate does in its place, and the client goes on asking."""
    async with scene(muc_options=FAST) as s:
        alice = await s.crowd.person("Alice")
        opens = s.crowd.focus.before_opening(getattr(s.component, trouble))
        entering = asyncio.ensure_future(alice.enter(s.room, seconds=15))
        await asyncio.wait_for(opens, 3)
        await until(lambda: s.crowd.focus.errors, 3, "the focus turned away")
        assert "cannot join" in s.crowd.focus.errors[0]
        s.component.kill()
        await s.back()
        outcome = await entering
        assert outcome.joined, (outcome, s.crowd.focus.errors)
        assert alice.occupants(s.room)[alice.nick]["affiliation"] == "owner"


async def test_refused_after_all_when_the_focus_opens_the_client_is_told_why(scene):
    async with scene() as s:
        alice = await s.crowd.person("Alice")

        def forbid():
            s.component.write_config(f'{POLICY}[policy.access]\nrefused_rooms = ["room"]\n')
            assert s.component.run("reload").returncode == 0

        s.crowd.focus.before_opening(forbid)
        refused = await alice.enter(s.room, seconds=5)
        assert refused.shown == "destroyed", refused
        assert "meeting name is not allowed" in refused.text


async def test_frozen_a_client_is_told_to_try_again_and_thawed_it_is_in(scene):
    async with scene(muc_options=FAST) as s:
        _, password = await s.opened()
        bob, carol = await s.crowd.persons("Bob", "Carol")
        assert (await bob.request(s.room)).kind == "ready"
        s.component.freeze()
        told = await bob.join(s.room, password=password)
        assert (told.shown, told.condition) == ("retry", "not-allowed"), told
        assert told.seconds < FAST["vestibule_timeout"] + 1
        reply = await carol.ask_focus(s.room, seconds=FAST["vestibule_timeout"] + 1)
        assert reply.type == "result" and "ready='false'" in repr(reply).replace('"', "'")
        entering = asyncio.ensure_future(bob.enter(s.room, password, seconds=15))
        await asyncio.sleep(0.5)
        s.component.thaw()
        assert (await entering).joined
        await bob.ping()
        # What the component answered too late has let nobody in.
        assert len([answer for answer in bob.answers(s.room) if answer.joined]) == 1
        assert carol.nick not in bob.occupants(s.room)


async def test_away_for_long_the_person_reads_so_and_comes_in_later(scene):
    async with scene(muc_options=FAST) as s:
        alice, bob = await s.crowd.persons("Alice", "Bob")
        s.component.kill()
        for person in (alice, bob):
            told = await person.enter(s.room, seconds=15)
            assert (told.shown, told.text) == ("destroyed", AWAY), told
        assert not s.crowd.focus.requests, "no room is opened for them"
        assert (await alice.ask_focus(s.room, seconds=5)).find(FOCUS, "conference").get("ready") == "false", "anew"
        await s.back()
        assert (await alice.enter(s.room)).joined


async def test_away_services_work_and_the_meeting_goes_on(scene):
    async with scene(muc_options=FAST) as s:
        alice, _ = await s.opened()
        s.component.kill()
        recorder = await s.crowd.person("Recorder", s.server.recorder)
        began = time.monotonic()
        assert (await recorder.enter(s.room)).joined
        assert time.monotonic() - began < 1, "nothing of it waits"
        began = time.monotonic()
        room = await s.crowd.focus.create_health_check_room()
        assert room in s.crowd.focus.conferences
        # Jicofo takes a second for its first request over HTTP.
        assert time.monotonic() - began < (1 if s.crowd.focus.is_stand_in else 4), "nor of this"
        recorder.say(s.room, "recording")
        await alice.wait_for(lambda seen: seen.body == "recording")
        refused = await alice.lock_room(s.room, "five loud paper boats")
        assert refused.error[:2] == ("wait", "remote-server-timeout"), refused
        await alice.ping()
        assert popped_up(alice, s.room)[-1] == AWAY
        alice.say(s.room, "!password five loud paper boats")
        await alice.wait_for(lambda seen: seen.name == "message" and seen.error and seen.error[2] == AWAY)
        await recorder.ping()
        assert not [seen for seen in recorder.seen if "paper boats" in (seen.body or "")]


async def test_a_hold_is_shorter_than_the_patience_of_the_focus(scene, prosody_version):
    """The longest that a gate may hold is 10 s; the focus waits 15 s for a participant."""
    if prosody_version != "13":
        pytest.skip("takes 10 s: once is enough")
    options = {"vestibule_grace": 60, "vestibule_timeout": 60}
    async with scene(muc_options=options) as s:
        alice = await s.crowd.person("Alice")
        assert (await alice.request(s.room)).kind == "ready"
        s.component.freeze()
        told = await alice.join(s.room, seconds=14)
        assert told.shown == "retry" and 9 < told.seconds < 11.5, told
        assert s.crowd.focus.conferences, "the focus is still there for the next attempt"
        s.component.thaw()
        assert (await alice.enter(s.room)).joined


@needs_jitsi_plugins
async def test_restarted_while_somebody_waits_in_the_lobby(scene):
    async with scene(muc_options=FAST) as s:
        alice, _ = await s.opened()
        lobby = await alice.attend_lobby(s.room)
        bob, carol = await s.crowd.persons("Bob", "Carol")
        assert (await bob.knock((await bob.enter(s.room)).lobby)).joined
        sent = await carol.enter(s.room)
        s.component.kill()
        assert (await carol.knock(sent.lobby)).joined, "sent there before, and nothing to ask about it"
        alice.approve(s.room, await alice.knocker(lobby, bob.nick))
        with pytest.raises(Failed):
            await bob.admitted(s.room, seconds=FAST["vestibule_grace"] + 0.5)
        assert bob.nick not in alice.occupants(s.room)
        await s.back()
        since = bob.mark()
        alice.approve(s.room, bob.jid, carol.jid)
        assert (await bob.admitted(s.room, since)).joined
        assert (await carol.admitted(s.room)).joined


@needs_jitsi_plugins
async def test_denied_in_the_lobby_while_away(scene):
    async with scene(muc_options=FAST) as s:
        alice, _ = await s.opened()
        lobby = await alice.attend_lobby(s.room)
        bob = await s.crowd.person("Bob")
        assert (await bob.knock((await bob.enter(s.room)).lobby)).joined
        s.component.kill()
        await alice.knocker(lobby, bob.nick)
        alice.deny(lobby, bob.nick)
        assert (await bob.join(s.room)).shown == "retry"
        assert not [seen for seen in bob.seen if 307 in seen.statuses], "nobody has decided it"
        await s.back()
        alice.deny(lobby, bob.nick)
        await bob.wait_for(lambda seen: seen.room == lobby and 307 in seen.statuses)


async def test_told_to_let_people_in_it_does_so_and_the_rooms_own_rules_stay(scene):
    options = {"vestibule_grace": 0.2, "vestibule_timeout": 1, "vestibule_on_unavailable": "allow"}
    async with scene(muc_options=options) as s:
        _, password = await s.opened()
        s.component.kill()
        bob, carol = await s.crowd.persons("Bob", "Carol")
        stopped = await bob.enter(s.room)
        assert stopped.shown == s.stopped, stopped
        assert (await bob.join(s.room, password=password)).joined
        new = f"new@{s.server.service}"
        assert (await carol.enter(new)).joined, "a room without policy: Jitsi's own"
        await until(lambda: carol.occupants(new)[carol.nick]["affiliation"] == "owner", 3, "auto-owner")
        assert len([line for line in s.server.complaints() if "without a decision" in line]) >= 3
