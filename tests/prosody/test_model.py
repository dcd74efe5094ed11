"""What the component says of rooms and people is what is so, after any sequence of steps; and every reply is what came of the command.

`make model` plays long sequences.
"""

import os

import pytest
from lab import Door
from lab.settings import SNIPPETS
from model import POLICY, Wrong
from model_faults import Faults
from model_mutants import MUTANTS, QUICK, SMALL_PAGES, mutated
from proxy import Proxy
from storm import MODULES

# Beside the steps: whether each fault that there was is put back, or those only that are found at once.
ALL = os.environ.get("MODEL_MUTANTS") == "all"
TRIES, MUTANT_STEPS = 4, 150
STEPS = int(os.environ.get("MODEL_STEPS") or 40)
SEEDS = [int(seed) for seed in (os.environ.get("MODEL_SEEDS") or "1,2").split(",")]


@pytest.fixture
def play(request, prosody_version):
    """Plays a sequence on a server of its own, which keeps two rooms in memory."""
    request.node.lab_processes = []

    async def played(seed, steps, gates=SNIPPETS, often=None):
        """`gates` is a folder with another gate; `often`: the steps that are drawn so much more often."""
        muc = {"modules_enabled": ["vestibule_gate", "lab_rooms"], "muc_room_cache_size": 2, "vestibule_grace": 10, "vestibule_timeout": 10}
        options = {"modules": ["lab_unload", "lab_link"], "plugin_paths": [MODULES], "muc_options": muc, "gates": gates}
        door = Door(prosody_version, POLICY, storage="internal", **options)
        request.node.lab_processes += [door.server, door.component]
        door.server.start()
        async with Proxy(door.server.component_port) as proxy:
            door.component.env.update(proxy.environment)
            model = await Faults.begin(door, proxy, seed)
            model.WEIGHTS = {**model.WEIGHTS, **(often or {})}
            try:
                await model.play(steps)
            finally:
                model.close()
                if os.environ.get("MODEL_LOG"):
                    print("\n".join(model.log))
        assert not [line for line in door.server.complaints() if "traceback" in line.lower()]

    yield played
    for process in reversed(request.node.lab_processes):
        process.close()


@pytest.mark.parametrize("seed", SEEDS)
async def test_everybody_says_the_same_of_the_rooms(play, seed):
    await play(seed, STEPS)


async def test_everybody_says_the_same_of_rooms_that_are_read_in_parts(play, tmp_path):
    await play(SEEDS[0], STEPS, gates=mutated(tmp_path, SMALL_PAGES), often={"kill": 10})


@pytest.mark.parametrize("seed", SEEDS)
async def test_everybody_says_the_same_of_rooms_whose_pages_fail_or_are_late(play, seed):
    await play(seed, STEPS // 2, often={"fail_a_page": 20, "late_page": 60})


@pytest.mark.parametrize("fault", MUTANTS if ALL else QUICK)
async def test_a_fault_that_there_was_is_found(play, tmp_path, fault):
    changes, often = MUTANTS[fault]
    gates = mutated(tmp_path, changes)
    for seed in range(1, TRIES + 1):
        try:
            await play(seed, MUTANT_STEPS, gates=gates, often=often)
        except Wrong:
            return
    raise AssertionError(f"{TRIES} sequences of {MUTANT_STEPS} steps found nothing")
