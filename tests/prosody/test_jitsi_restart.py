"""On Jitsi: Prosody or the gate starts anew while there are rooms."""

import json
from pathlib import Path

from lab import JitsiCrowd, Meet, connect_focus, needs_jitsi_plugins
from lab.jicofo import stand_in_only
from lab.jitsi_meeting import opened
from lab.meet import MEET_SERVICE
from lab.stanza import element

POLICY = f"""{MEET_SERVICE}
trusted = ["recorder@recorder.meet.localhost"]
[policy.access]
persistent = true
"""
MODULES = {"modules": ["lab_unload"], "plugin_paths": [Path(__file__).parent / "modules"]}
FAST = {"vestibule_grace": 1, "vestibule_timeout": 1}
KEEPING = {**FAST, "muc_room_allow_persistent": True}


async def gate(person, action):
    """What an operator's shell does with the gate: load, unload or reload it."""
    payload = element("urn:lab", action, host=person.server.service)
    reply = await person.iq(person.server.host, "set", payload)
    assert reply.type == "result", reply


def stopped(server):
    return "lobby" if server.plugins else "prompt"


@stand_in_only("after a crash of the server jicofo may take half a minute to come back into a room that was stored")
async def test_after_a_crash_the_focus_comes_back_before_the_component(
    start, start_vestibule, prosody_version
):
    """Stored rooms and no component: focus and recorder are let in, nobody else; then the policy holds on."""
    server = start(Meet(prosody_version, storage="internal", muc_options=KEEPING))
    component = start_vestibule(server, POLICY)
    room = f"room@{server.service}"
    async with JitsiCrowd(server) as crowd:
        alice, password = await opened(crowd, room)
        storage = alice.storage
        server.kill()
    component.kill()
    server.start()
    async with JitsiCrowd(server) as crowd:
        recorder = await crowd.person("Recorder", server.recorder)
        assert (await recorder.enter(room)).joined, crowd.focus.errors
        assert set(recorder.occupants(room)) == {"focus", recorder.nick}
        assert recorder.occupants(room)["focus"]["affiliation"] == "owner"
        alice = await crowd.person("Alice", storage=storage)
        bob = await crowd.person("Bob")
        assert (await bob.join(room, password=password)).shown == "retry"
        assert (await bob.join(room, "focus")).condition == "conflict"
        component.start()
        again = await bob.enter(room)
        assert again.shown == stopped(server)
        if server.plugins:
            assert (await bob.knock(again.lobby)).joined, "the lobby itself is made anew"
        assert (await bob.enter(room, password)).joined
        assert (await alice.enter(room)).joined, "known by her ticket"
        assert alice.occupants(room)[alice.nick]["affiliation"] == "owner"


@needs_jitsi_plugins
async def test_reloaded_while_the_lobby_is_up(start, start_vestibule, prosody_version):
    server = start(Meet(prosody_version, muc_options=FAST, **MODULES))
    start_vestibule(server, POLICY)
    room = f"room@{server.service}"
    async with JitsiCrowd(server) as crowd:
        alice, _ = await opened(crowd, room)
        lobby = await alice.attend_lobby(room)
        bob, carol, dave = await crowd.persons("Bob", "Carol", "Dave")
        assert (await bob.knock((await bob.enter(room)).lobby)).joined
        sent = await carol.enter(room)
        await gate(alice, "reload")
        assert (await dave.enter(room)).shown == "lobby"
        assert (await dave.join(lobby)).joined, "the policy sent him there"
        stranger = await crowd.person("Stranger")
        assert not (await stranger.knock(lobby)).joined, "nobody sent him there"
        assert sent.lobby == lobby
        again = await carol.enter(room)
        assert (await carol.knock(again.lobby)).joined
        for person in (bob, carol):
            since = person.mark()
            alice.approve(room, await alice.knocker(lobby, person.nick))
            assert (await person.admitted(room, since)).joined
        reloaded = await crowd.reload(alice)
        assert (await reloaded.enter(room)).joined
        assert reloaded.occupants(room)[reloaded.nick]["affiliation"] == "owner"


async def test_after_a_reload_of_the_gate_everybody_is_known_by_what_they_were_known_by(start, start_vestibule, prosody_version):
    server = start(Meet(prosody_version, muc_options=FAST, **MODULES))
    component = start_vestibule(server, POLICY)
    room = f"room@{server.service}"
    async with JitsiCrowd(server) as crowd:
        alice, password = await opened(crowd, room)
        bob, carol = await crowd.persons("Bob", "Carol")
        for person in (bob, carol):
            assert (await person.enter(room, password)).joined
        await gate(alice, "reload")
        done = component.run("remove", "--json", room, bob.bare)
        (removed,) = json.loads(done.stdout)["people"]
        assert {"ticket", "device"} <= set(removed["known_by"]), removed
        again = await crowd.reload(bob)
        assert again.bare != bob.bare
        refused = await again.enter(room, password)
        assert "removed" in refused.text, refused
        assert (await (await crowd.reload(carol)).enter(room, password)).joined


async def test_unloaded_jitsis_own_rules_stay_and_loaded_again_the_policy(
    start, start_vestibule, prosody_version
):
    server = start(Meet(prosody_version, muc_options=FAST, **MODULES))
    start_vestibule(server, POLICY)
    room = f"room@{server.service}"
    async with JitsiCrowd(server) as crowd:
        alice, password = await opened(crowd, room)
        bob, carol, dave = await crowd.persons("Bob", "Carol", "Dave")
        await gate(alice, "unload")
        assert (await bob.enter(room)).shown == stopped(server), "what was set stays"
        assert (await bob.enter(room, password)).joined
        new = f"new@{server.service}"
        assert (await carol.enter(new)).joined
        await carol.wait_for(lambda seen: seen.nick == carol.nick and seen.item.get("affiliation") == "owner")
        await gate(alice, "load")
        assert (await dave.enter(room)).shown == stopped(server)
        assert (await dave.enter(room, password)).joined
        # A room that was opened meanwhile gets its policy with the next who wants to come in.
        assert (await dave.enter(new)).shown == stopped(server)
        assert carol.nick not in dave.occupants(new)
        assert not crowd.focus.errors


async def test_the_focus_comes_back_into_a_room_while_the_component_is_away(
    start, start_vestibule, prosody_version
):
    server = start(Meet(prosody_version, muc_options=FAST))
    component = start_vestibule(server, POLICY)
    room = f"room@{server.service}"
    async with JitsiCrowd(server) as crowd:
        alice, _ = await opened(crowd, room)
        await crowd.focus.close()
        await alice.wait_for(lambda seen: seen.sender == f"{room}/focus" and seen.type == "unavailable")
        component.kill()
        crowd.focus = await connect_focus(server)
        recorder = await crowd.person("Recorder", server.recorder)
        assert (await recorder.enter(room, seconds=3)).joined, crowd.focus.errors
        await alice.ping()
        assert alice.occupants(room)["focus"]["role"] == "moderator"
        assert not crowd.focus.errors
