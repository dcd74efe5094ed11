"""Killed and back: the component under a load of joins, and the server itself."""

import time

from lab.process import wait_until

from .figures import Figure, Unmeasured, spread
from .parts import PASSWORD, Driver, PinnedProsody, PinnedVestibule, started

ON_PROSODY = True
STORM = {"rooms": 20, "people": 50, "every": 250, "seconds": 4}


def killed(server, component, number):
    """Kills the component in the middle of a storm and starts it at once; gives the milliseconds until the
    first join that was sent after the kill is answered, how many joins were refused, let in wrongly, and made."""
    with Driver("crowd", "storm", port=server.c2s_port, prefix=f"s{number}-", password=PASSWORD, **STORM) as storm:
        storm.said()
        time.sleep(STORM["seconds"] / 2)
        at = time.time()
        component.kill()
        component.start(ready=False)
        outcomes = storm.said()
    component.wait_ready()
    answered = [done for sent, done, _, _ in outcomes if sent > at]
    if not answered:
        raise Unmeasured("no join was sent after the kill")
    refused = [outcome for _, _, right, outcome in outcomes if right and outcome != "joined"]
    wrong = [outcome for _, _, right, outcome in outcomes if not right and outcome == "joined"]
    return (min(answered) - at) * 1000, len(refused), len(wrong), len(outcomes)


def returned(server, component, number):
    """Restarts the server; gives the milliseconds from its component port being open to the first join."""
    server.stop()
    wait_until(lambda: component.run("status").returncode != 0, 10, "the component to notice", component.tail)
    arguments = {"port": server.c2s_port, "watch": server.component_port}
    with Driver("crowd", "back", prefix=f"b{number}-", password=PASSWORD, **arguments) as driver:
        driver.said()
        server.start()
        said = driver.said()
    component.wait_ready()
    return said["joined"] * 1000, said["login"] * 1000


def measure(rounds, _scale, version):
    """Both, each as often as there are rounds."""
    with started(PinnedProsody(version, True)) as server, started(PinnedVestibule(server)) as component:
        storms = [killed(server, component, number) for number in range(rounds)]
        returns = [returned(server, component, number) for number in range(rounds)]
    median, between = spread([first for first, _, _, _ in storms])
    joins = sum(made for _, _, _, made in storms)
    yield Figure("restart", median, "ms", f"kill to the first answer; {between}")
    for name, place in (("restart-refused", 1), ("restart-wrongly-in", 2)):
        yield Figure(name, sum(storm[place] for storm in storms), "joins", f"of {joins:,} in {rounds} restarts")
    median, between = spread([joined for joined, _ in returns])
    login, _ = spread([login for _, login in returns])
    yield Figure("back", median, "ms", f"of these {login:.3g} ms for the client's login; {between}")
