"""Machines for the tests: one for each Debian, made when first asked for."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "prosody"))

import layers
import packages
from machine import Machine


def pytest_collection_modifyitems(items):
    """Without root, namespaces or debootstrap there are no machines: says what is missing."""
    if reason := layers.obstacle():
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_generate_tests(metafunc):
    if "server" in metafunc.fixturenames:
        wanted = (os.environ.get("SERVERS") or ",".join(layers.SERVERS)).split(",")
        if unknown := set(wanted) - set(layers.SERVERS):
            raise pytest.UsageError(f"SERVERS={','.join(unknown)}: of {', '.join(layers.SERVERS)}")
        metafunc.parametrize("server", wanted, scope="module")


def made(layer):
    """The layer, which is there now; where debootstrap makes no root, the test is skipped and says why."""
    try:
        layer.lowest().make()
    except layers.Impossible as why:
        pytest.skip(f"debootstrap cannot make a root here: {why}")
    layer.make()
    return layer


@pytest.fixture
def boot(request):
    """`boot(layer)` gives a machine that is gone after the test; of one that failed, the report has what was typed."""
    request.node.machines = []

    def booted(layer):
        machine = Machine(made(layer))
        request.node.machines.append(machine)
        machine.boot()
        return machine

    yield booted
    for machine in request.node.machines:
        machine.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for machine in getattr(item, "machines", []):
            typed = "\n".join(f"# {line}\n{said}[{code}]" for line, code, said in machine.history)
            report.sections += [("what was typed", typed), ("journal", machine.journal()), ("console", machine.tail())]


@pytest.fixture(scope="session")
def debs(tmp_path_factory):
    """Debian's packages of this tree, and the same with a lower version."""
    return packages.Packages(tmp_path_factory.mktemp("debs"))
