"""The benchmark compares servers that differ in the gate and in nothing else, and notices a count that has changed."""

import json
import sys

import pytest
from lab.process import ROOT

sys.path.insert(0, str(ROOT / "benches"))

from measure import counts, joins, scale, sides
from measure.figures import Figure, Unmeasured
from measure.held import FILE, Held, here
from measure.parts import PinnedProsody
from measure.shards import LOAD, simulate

VARIANTS = ("0.12", "13", "debug")


@pytest.fixture
def server():
    """Makes servers that are not started."""
    made = []

    def make(*arguments, **options):
        made.append(PinnedProsody("0.12", *arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.remove()


def test_both_sides_of_each_comparison_have_the_same_settings(server):
    for options in ({}, {"options": joins.INCREMENTAL}):
        gated, plain = (server(gate, **options) for gate in (True, False))
        sides.compare(gated, plain, sides.GATE)
    sides.compare(server(True), server(None), sides.SHIPPED)
    counts.sides(lambda _, gate, **options: server(gate, **options), "0.12")


@pytest.mark.parametrize(
    "other",
    [
        {"muc_options": {"muc_room_cache_size": 50}},
        {"options": {"gc": {"mode": "incremental", "speed": 300}}},
        {"modules": ["carbons"]},
        {"log_level": "debug"},
        {"extra_hosts": 'VirtualHost "third.localhost"'},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_side_with_another_setting_is_not_measured(server, other):
    with pytest.raises(Unmeasured, match="other settings"):
        sides.compare(server(True), server(False, **other), sides.GATE)


def test_a_side_without_the_meant_difference_is_not_measured(server):
    with pytest.raises(Unmeasured, match="vestibule_gate"):
        sides.compare(server(False), server(False), sides.GATE)


def test_a_count_is_held_within_its_margin(tmp_path, monkeypatch):
    monkeypatch.delenv("UPDATE", raising=False)
    path = tmp_path / "counts.toml"
    path.write_text('# Why.\n[bytes]\nmargin = "1 %"\n"13" = 200.00\n\n[stanzas]\nmargin = "0.1"\n"13" = 4.00\n')
    held = Held(path, {})
    for figure in (Figure("bytes", 201.9, "B"), Figure("stanzas", 4.1, "stanzas"), Figure("unheld", 9, "B")):
        held.check(figure, "13")
    assert not held.failures
    for figure in (Figure("bytes", 203, "B"), Figure("stanzas", 5, "stanzas")):
        held.check(figure, "13")
    held.check(Figure("bytes", 200, "B"), "0.12")
    more, extra, unknown = held.failures
    assert "203.00 B" in more and "200.00" in more and "UPDATE=1" in more
    assert "5.00 stanzas" in extra and "4.00" in extra
    assert "0.12" in unknown and "nothing is held" in unknown


def test_a_count_of_another_compiler_lua_or_server_is_not_compared(tmp_path, monkeypatch):
    monkeypatch.delenv("UPDATE", raising=False)
    path = tmp_path / "counts.toml"
    taken = {"rustc": "1.95.0", "lua": "5.4.4", "0.12": "0.12.3", "13": "13.0.1"}
    table = "".join(f'"{name}" = "{version}"\n' for name, version in taken.items())
    path.write_text(f'[taken-with]\n{table}\n[bytes]\nmargin = "1 %"\n"0.12" = 1.00\n"13" = 1.00\n"debug" = 1.00\n')
    for name, compared in (("rustc", {"0.12", "13"}), ("lua", {"debug"}), ("13", {"0.12", "debug"}), ("", set(VARIANTS))):
        held = Held(path, {**taken, name: "another"})
        for variant in VARIANTS:
            held.check(Figure("bytes", 9, "B"), variant)
        assert {failure.split(":")[0] for failure in held.failures} == {f"bytes, {variant}" for variant in compared}
        assert len(held.uncompared) == len(VARIANTS) - len(compared)
        assert all(f"{name} {taken[name]}" in words for words in held.uncompared)


def test_a_count_that_is_accepted_is_written_with_what_it_was_taken_with(tmp_path, monkeypatch):
    monkeypatch.setenv("UPDATE", "1")
    path = tmp_path / "counts.toml"
    path.write_text(FILE.read_text())
    held = Held(path, {**here(), "lua": "5.4.9"})
    held.check(Figure("join-2-link", 7.5, "stanzas"), "0.12")
    held.write()
    rows, before = Held(path).rows, Held().rows
    assert rows["join-2-link"] == {**before["join-2-link"], "0.12": 7.5}
    assert rows["taken-with"] == {**before["taken-with"], "0.12": here()["0.12"], "lua": "5.4.9"}
    same = {"join-2-link": 0, "taken-with": 0}
    assert {**rows, **same} == {**before, **same}


def test_the_page_on_scale_says_what_was_measured():
    data = json.loads(scale.DATA.read_text())
    assert data["points"].keys() == scale.SERIES.keys()
    assert scale.measured_part(scale.PAGE.read_text()) == scale.page(data), "`make scale` writes it"


def test_a_line_is_that_of_least_squares():
    assert scale.line([(1, 3), (2, 5), (4, 9)]) == pytest.approx((1, 2, 0))
    assert scale.line([(1, 1), (2, 4), (3, 1)])[2] == pytest.approx(0.5)


def test_servers_in_a_simulation_share_their_load():
    alone, many = (simulate(shards, lambda people: 5, 100) for shards in (1, 10))
    assert alone == simulate(1, lambda people: 5, 100)
    assert many["rate"] == pytest.approx(10 * alone["rate"], rel=0.2)
    assert many["database"] == pytest.approx(many["rate"] * 3 * 100 / 1e6)
    assert LOAD <= many["hottest"] < 1
