"""Modules beside the gate that do by themselves what the policy decides."""

import json
import time

from lab import needs_jitsi_plugins
from lab.jitsi_meeting import opened

MEET = {"muc_plugins": ["muc_allowners"]}


def neighbours(meet):
    status = json.loads(meet.component.run("status", "--json").stdout)
    return [found for service in status["services"] for found in service["neighbours"]]


@needs_jitsi_plugins
async def test_the_operator_is_told_of_a_module_that_makes_everybody_a_moderator(meet):
    deadline = time.monotonic() + 5
    while not neighbours(meet) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [found.partition(":")[0] for found in neighbours(meet)] == ["muc_allowners"]
    assert "muc_allowners: makes everybody a moderator" in meet.component.run("status").stdout
    assert "a module in addition to the gate makes everybody a moderator" in meet.component.tail(200)


@needs_jitsi_plugins
async def test_nobody_is_a_moderator_by_it(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        bob = await crowd.person("Bob")
        outcome = await bob.enter(room, password)
        assert outcome.joined, outcome
        await bob.ping()
        ranks = {nick: item["affiliation"] for nick, item in bob.occupants(room).items()}
        assert ranks[alice.nick] == "owner" and ranks[bob.nick] == "member"
