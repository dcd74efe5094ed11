"""Fixtures: each test runs on every Prosody named by the PROSODY variable."""

import asyncio
import inspect
import os

import pytest

from lab import MEET_SERVICE, SERVICE, Browser, Chromium, Door, MeetDoor, Prosody, Vestibule, jicofo, jitsi_plugins
from lab.server import PROGRAMS

SECONDS = int(os.environ.get("LAB_SECONDS") or 180)
CHOICES = {"both": list(PROGRAMS), **{version: [version] for version in PROGRAMS}}


def pytest_generate_tests(metafunc):
    if "prosody_version" in metafunc.fixturenames:
        choice = os.environ.get("PROSODY") or "both"
        if choice not in CHOICES:
            raise pytest.UsageError(f"PROSODY={choice}: one of {', '.join(CHOICES)}")
        metafunc.parametrize("prosody_version", CHOICES[choice], indirect=True, scope="module")


@pytest.fixture(scope="module")
def prosody_version(request):
    """Each version in turn, and all tests of a file on one before the other."""
    return request.param


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs `async def` tests, each in an event loop of its own and for SECONDS at most."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), SECONDS))
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Puts the logs of the servers that a failed test used into its report."""
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        arguments = getattr(item, "funcargs", {})
        doors = [arguments[name] for name in ("door", "meet") if name in arguments]
        shared = [process for door in doors for process in (door.server, door.component) if process]
        started = getattr(item, "lab_processes", [])
        focuses = [process.jicofo for process in [*started, *shared] if getattr(process, "jicofo", None)]
        for process in [*started, *shared, *focuses]:
            title = f"{type(process).__name__} {process.home}"
            report.sections.append((title, process.tail()))
        if "browser" in arguments:
            report.sections.append(("Browser", arguments["browser"].tail()))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"Focus: {jicofo.described()}")
    terminalreporter.write_line(f"Jitsi's plugins: {jitsi_plugins.described()}")


@pytest.fixture
def start(request):
    """Keeps what it is given until the test ends: `start(Prosody(...))` starts and returns it."""
    request.node.lab_processes = []

    def started(process, **options):
        request.node.lab_processes.append(process)
        process.start(**options)
        return process

    yield started
    for process in reversed(request.node.lab_processes):
        process.close()


@pytest.fixture
def start_prosody(start, prosody_version):
    """Starts a Prosody of the version under test, with the options of `Prosody`."""
    return lambda **options: start(Prosody(prosody_version, **options))


@pytest.fixture
def start_vestibule(start):
    """Starts the component: `start_vestibule(server, config)`, as `Vestibule`."""

    def started(server, config=None, *, ready=True, **options):
        return start(Vestibule(server, config, **options), ready=ready)

    return started


@pytest.fixture(scope="module")
def door(request, prosody_version):
    """The server and the component of a whole file: `POLICY` in the file is what the
    component enforces, and `SERVER` are options of `Prosody`."""
    options = getattr(request.module, "SERVER", {})
    with Door(prosody_version, getattr(request.module, "POLICY", SERVICE), **options) as shared:
        yield shared


@pytest.fixture(scope="module")
def meet(request, prosody_version):
    """A Jitsi Meet server and the component of a whole file: `POLICY` as for `door`, and
    `MEET` are options of `Meet`."""
    options = getattr(request.module, "MEET", {})
    with MeetDoor(prosody_version, getattr(request.module, "POLICY", MEET_SERVICE), **options) as shared:
        yield shared


@pytest.fixture(scope="session")
def browser():
    """One Chromium for the whole run; `async with browser.visit(server)` gives people."""
    shared = Browser()
    try:
        yield shared.start()
    finally:
        shared.close()


@pytest.fixture(scope="session")
def chromium():
    """One Chromium for the component's page; `chromium.sign_in(component)` gives a page."""
    shared = Chromium()
    try:
        yield shared
    finally:
        shared.close()
