"""What the component says of rooms and people is what is so, after any sequence of steps; and every reply is what came of the command.

`make model` plays long sequences.
"""

import os

import pytest
from lab import Door
from model import POLICY
from model_faults import Faults
from proxy import Proxy
from storm import MODULES

STEPS = int(os.environ.get("MODEL_STEPS") or 40)
SEEDS = [int(seed) for seed in (os.environ.get("MODEL_SEEDS") or "1,2").split(",")]


@pytest.fixture
def play(request, prosody_version):
    """Plays a sequence on a server of its own, which keeps two rooms in memory."""
    request.node.lab_processes = []

    async def played(seed, steps, **options):
        muc = {"modules_enabled": ["vestibule_gate", "lab_rooms"], "muc_room_cache_size": 2, "vestibule_grace": 10, "vestibule_timeout": 10}
        options |= {"modules": ["lab_unload", "lab_link"], "plugin_paths": [MODULES], "muc_options": muc}
        door = Door(prosody_version, POLICY, storage="internal", **options)
        request.node.lab_processes += [door.server, door.component]
        door.server.start()
        async with Proxy(door.server.component_port) as proxy:
            door.component.env.update(proxy.environment)
            model = await Faults.begin(door, proxy, seed)
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
