"""A task of the component ends, or an address is taken: what is needed for deciding ends the process, so that it is
started again; everything else is started again by itself, and is shown while it is down."""

import json
import socket
import time
import urllib.request

import pytest
from lab import SERVICE, Crowd
from lab.process import HOST, wait_until

ROOM = "tea@conference.localhost"


def status(component):
    return json.loads(component.run("status", "--json").stdout)


def down(component):
    return [task["task"] for task in status(component)["down"]]


def fault(text):
    return {"VESTIBULE_TEST_FAULT": text}


async def decides(server, nick="Alice"):
    async with Crowd(server) as crowd:
        alice = await crowd.connect(f"{nick.lower()}@localhost")
        assert (await alice.join(ROOM, nick)).joined


@pytest.mark.parametrize("task", ["link", "timers", "bans", "watchdog"])
async def test_a_needed_task_that_panics_ends_the_process(start_prosody, start_vestibule, task):
    server = start_prosody()
    component = start_vestibule(server, SERVICE, env=fault(f"{task}@2"))
    assert component.child.wait(10) == 2
    told = component.tail()
    assert f"the task `{task}`" in told and "a test asks for it" in told
    # systemd starts it again.
    del component.env["VESTIBULE_TEST_FAULT"]
    component.start()
    await decides(server)


async def test_another_task_that_panics_is_started_again(start_prosody, start_vestibule):
    server = start_prosody()
    component = start_vestibule(server, SERVICE, env=fault("page@1*3"))
    wait_until(lambda: down(component) == ["page"], 5, "the page to be down")
    said = component.run("status")
    assert said.returncode == 0, "the policy does not fail with the page"
    assert "page is DOWN since" in said.stdout and "a test asks for it" in said.stdout
    refused = component.run("page")
    assert refused.returncode == 1 and "the page is not there" in refused.stderr
    await decides(server)
    wait_until(lambda: not down(component), 20, "the page to be up")
    assert component.run("page").returncode == 0


async def test_a_taken_address_keeps_nobody_from_deciding(start_prosody, start_vestibule):
    server = start_prosody()
    with socket.create_server((HOST, 0)) as taken:
        address = f"{HOST}:{taken.getsockname()[1]}"
        component = start_vestibule(server, SERVICE, env={"VESTIBULE_ADMIN__HTTP": address})
        await decides(server)
        [page] = status(component)["down"]
        assert page["task"] == "page" and address in page["reason"]
        assert "in use" in page["reason"]
        assert address in component.run("status").stdout
        assert f"cannot listen on `{address}`" in component.tail()
    wait_until(lambda: not down(component), 15, "the page to come")
    with urllib.request.urlopen(f"http://{address}/readyz", timeout=5) as answer:
        assert answer.status == 200


def test_a_taken_socket_is_left_to_the_component_that_has_it(start_prosody, start_vestibule):
    server = start_prosody()
    first = start_vestibule(server, SERVICE)
    done = first.run("run", "--config", first.config_path)
    assert done.returncode == 2 and "another component runs and listens on" in done.stderr
    assert "systemctl stop vestibule" in done.stderr
    time.sleep(0.2)
    assert first.run("status").returncode == 0
