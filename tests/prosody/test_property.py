"""Whatever somebody sends, a room changes only as a logged decision says, and nobody outside receives anything of it.

Stanzas of every kind are drawn at random, with fixed seeds, and sent by people of every kind. `make property` tries many more than the
short turn here.
"""

import os
import random

import pytest
from lab import SERVICE, Crowd
from lab.federation import FederatedDoor
from lab.generator import Generator
from lab.play import INSIDE, OUTSIDE, PASSWORD, WATCHER, Play

STANZAS = int(os.environ.get("PROPERTY_STANZAS") or 150)
SEEDS = [int(seed) for seed in (os.environ.get("PROPERTY_SEEDS") or "1").split(",")]
PER_ROOM = 40
POLICY = f"""{SERVICE}
[policy]
operators = ["{WATCHER}"]
[policy.password]
source = "preset"
preset = "{PASSWORD}"
[policy.permissions]
chat = ["moderator", "account"]
private = ["moderator", "account"]
rename = ["moderator", "account"]
"""
MUC = {"modules_enabled": ["muc_mam", "vestibule_gate", "lab_state"]}
# People inside have more to say that comes to something.
SENDERS = [*OUTSIDE, *["Moderator"] * 9, *["Member", "Muted", "Far"] * 3, "Stranger", "Kicked", "Invited"]


@pytest.fixture(scope="module")
def door(prosody_version):
    """The server with the gate, and another one that federates with it."""
    shared = FederatedDoor(prosody_version, POLICY, options={"archive_expires_after": "never"}, muc_options=MUC)
    try:
        yield shared.start()
    finally:
        shared.close()


async def played(play, drawn, generator_of, stanzas):
    """Sends so many stanzas to rooms, one after the other; returns what nothing allows, as texts."""
    found, generator, left = [], None, stanzas
    while left:
        await play.begin()
        generator = generator or generator_of(play.names())
        generator.meet(play.names())
        for _ in range(min(PER_ROOM, left)):
            name = drawn.choice(SENDERS)
            await play.step(name, *generator.stanza())
            left -= 1
            if play.is_over():
                break
        found += ["\n  ".join([f"{step.name()}: {step.text}", *wrong]) for step, wrong in await play.judged()]
    return found


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_comes_of_a_stanza_but_what_was_decided(door, seed):
    drawn = random.Random(seed)
    async with Crowd(door.server) as near, door.abroad() as abroad:
        play = Play(door, near, abroad)
        await play.connect()
        found = await played(play, drawn, lambda names: Generator(drawn, names), STANZAS)
    assert not found, f"{len(found)} of {STANZAS}, by seed {seed}:\n" + "\n".join(found[:40])
    assert not [line for line in door.server.complaints() if "traceback" in line.lower()]
