"""Model check: after any sequence of steps, every view that the component gives of rooms and occupants equals what the server
holds, and every reply equals its effect; on a plain MUC service, and on a Jitsi Meet server.

`make model` plays long sequences.
"""

import os

import pytest
from lab import MeetDoor, needs_jitsi_plugins
from lab.federation import FederatedDoor
from lab.settings import SNIPPETS
from model import Wrong
from model_faults import Faults
from model_jitsi import Meetings
from model_mutants import MUTANTS, ON_JITSI, QUICK, SMALL_PAGES, mutated
from proxy import Proxy
from storm import MODULES

# Beside the steps: whether each fault that there was is put back, or those only that are found at once.
ALL = os.environ.get("MODEL_MUTANTS") == "all"
TRIES, MUTANT_STEPS = 4, 150
STEPS = int(os.environ.get("MODEL_STEPS") or 40)
SEEDS = [int(seed) for seed in (os.environ.get("MODEL_SEEDS") or "1,2").split(",")]


# A plain service keeps two rooms in memory; on Jitsi, all of them stay there.
GATE = {"vestibule_grace": 10, "vestibule_timeout": 10}
MUC = {"modules_enabled": ["vestibule_gate", "lab_rooms"], "muc_room_cache_size": 2, **GATE}
BREAKOUT = {"modules_enabled": ["muc_hide_all", "muc_meeting_id", "muc_rate_limit", "lab_rooms"]}
WORLDS = [pytest.param(Faults, id="plain"), pytest.param(Meetings, id="jitsi", marks=needs_jitsi_plugins)]


def door(world, version, gates):
    """A server of that world, with the component: a plain one has another server next to it."""
    policy, modules = world.WORLD.policy, ["lab_unload", "lab_link"]
    if world is Faults:
        return FederatedDoor(version, policy, modules=modules, storage="internal", muc_options=MUC, gates=gates)
    links = {"modules": [*modules, "lab_web_query"], "plugin_paths": [MODULES], "gates": gates}
    return MeetDoor(version, policy, accounts=True, muc_plugins=["lab_rooms"], muc_options=GATE, breakout_options=BREAKOUT, **links)


@pytest.fixture
def play(request, prosody_version):
    """Plays a sequence on a server of its own."""
    request.node.lab_processes = []

    async def played(seed, steps, world=Faults, gates=SNIPPETS, often=None):
        """`gates` is a folder with another gate; `often`: the steps that are drawn so much more often."""
        there = door(world, prosody_version, gates)
        servers = [there.far, there.server] if world is Faults else [there.server]
        request.node.lab_processes += [*servers, there.component]
        for server in servers:
            server.start()
        async with Proxy(there.server.component_port) as proxy:
            there.component.env.update(proxy.environment)
            model = await world.begin(there, proxy, seed)
            model.WEIGHTS = {**model.WEIGHTS, **(often or {})}
            try:
                await model.play(steps)
            finally:
                model.close()
                if os.environ.get("MODEL_LOG"):
                    print("\n".join(model.log))
        assert not [line for line in there.server.complaints() if "traceback" in line.lower()]

    yield played
    for process in reversed(request.node.lab_processes):
        process.close()


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("seed", SEEDS)
async def test_everybody_says_the_same_of_the_rooms(play, seed, world):
    await play(seed, STEPS, world)


async def test_everybody_says_the_same_of_rooms_that_are_read_in_parts(play, tmp_path):
    await play(SEEDS[0], STEPS, gates=mutated(tmp_path, SMALL_PAGES), often={"kill": 10})


@pytest.mark.parametrize("seed", SEEDS)
async def test_everybody_says_the_same_of_rooms_whose_pages_fail_or_are_late(play, seed):
    await play(seed, STEPS // 2, often={"fail_a_page": 20, "late_page": 60})


@pytest.mark.parametrize("fault", [pytest.param(fault, marks=needs_jitsi_plugins) if fault in ON_JITSI else fault for fault in (MUTANTS if ALL else QUICK)])
async def test_a_fault_that_there_was_is_found(play, tmp_path, fault):
    changes, often = MUTANTS[fault]
    gates, world = mutated(tmp_path, changes), Meetings if fault in ON_JITSI else Faults
    for seed in range(1, TRIES + 1):
        try:
            await play(seed, MUTANT_STEPS, world, gates, often)
        except Wrong:
            return
    raise AssertionError(f"{TRIES} sequences of {MUTANT_STEPS} steps found nothing")
