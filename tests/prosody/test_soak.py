"""A short turn of the soak: it runs and judges; and the judge finds what grows."""

import pytest
from soak import LONG, judge, show, soak

SECONDS = 20
JOINS = 20


def samples(grows=0.0, start=100, count=40):
    """Samples of one series that grows by a share over the run."""
    return [{"gate table": start * (1 + grows * number / count), "component KiB": 50_000} for number in range(count)]


@pytest.mark.parametrize("grows, start, verdict", [(0, 10_000, "flat"), (0.05, 10_000, "flat"), (0.5, 10_000, "growing"),
                                                   (0.5, 20, "flat"), (10, 20, "growing")])
def test_the_judge_tells_growing_from_flat(grows, start, verdict):
    row = judge(samples(grows, start), LONG)["gate table"]
    assert row[-1] == verdict, row


def test_of_a_short_run_memory_is_not_judged():
    assert judge(samples(), 20)["component KiB"][-1] == "not judged"
    assert judge(samples(), LONG)["component KiB"][-1] == "flat"


async def test_a_turn_of_everything_at_once_is_judged(prosody_version, capsys):
    verdicts, counts, number = await soak(prosody_version, SECONDS, JOINS)
    text_is_fine = show(verdicts, counts, number, SECONDS, prosody_version)
    assert text_is_fine, capsys.readouterr().out
    # Everything was there: people, refusals, commands, readers, a link that broke, and the gate's tables.
    for what in ("join: joined", "join: error", "sessions", "pages", "links cut", "command suspend", "command reload",
                 "crowd: joined", "crowd: not-authorized by a wrong password"):
        assert counts.get(what, 0) > 0, (what, counts)
    assert len([name for name in verdicts if name.startswith("gate ")]) > 5
    assert verdicts["component descriptors"][1] > 5


async def test_a_leak_of_connections_is_found(prosody_version, capsys):
    if prosody_version != "0.12":
        pytest.skip("the leak is planted on one Prosody: it is the readers' own")
    verdicts, counts, number = await soak(prosody_version, SECONDS, 0, leaks=["stream"])
    assert not show(verdicts, counts, number, SECONDS, prosody_version)
    said = capsys.readouterr().out
    assert verdicts["component descriptors"][-1] == "growing", said
    assert "growing: component descriptors" in said
