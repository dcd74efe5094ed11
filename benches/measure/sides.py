"""The sides of a comparison, which differ in what is compared and in nothing else."""

import re
from collections import Counter

from .figures import Unmeasured

# The lines of the gate.
GATE = {
    'conference.localhost: modules_enabled = { "vestibule_gate" }',
    'conference.localhost: vestibule_component = "vestibule.localhost"',
}
# All that is shipped.
SHIPPED = GATE | {
    "conference.localhost: muc_room_cache_size = 10000",
    '*: gc = { mode = "generational" }',
}


def settings(server):
    """Each line of a server's configuration with the host that it is for, without the server's own folder and ports."""
    text = server.configuration()
    for own, name in ((str(server.home), "HOME"), (str(server.c2s_port), "C2S"), (str(server.component_port), "COMPONENT")):
        text = text.replace(own, name)
    host, found = "*", Counter()
    for line in text.splitlines():
        line = re.sub(r"\s*--.*", "", line).strip()
        head = re.match(r'(?:VirtualHost|Component) "([^"]+)"', line)
        host = head[1] if head else host
        if line:
            found[f"{host}: {line}"] += 1
    return found


def compare(one, other, differences):
    """Fails unless the configurations of two servers differ in these lines, and in no other."""
    ours, theirs = settings(one), settings(other)
    found = {*(ours - theirs), *(theirs - ours)}
    if found != set(differences):
        words = "\n  ".join(sorted(found ^ set(differences)))
        raise Unmeasured(f"the sides of a comparison have other settings, or lack a difference that is meant:\n  {words}")
