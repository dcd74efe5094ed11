"""What the policy files of the tests have in common: pieces of TOML, put together with `+`."""

import json

from .meet_settings import CHAIR as MEETING_CHAIR

SECRET = "seven tall quartz lanterns"
OPERATOR = '[policy]\noperators = ["root@localhost"]\n'
PRESET = f'[policy.password]\nsource = "preset"\npreset = "{SECRET}"\n'
CHAIR = '[policy.moderators]\njids = ["chair@localhost"]\n'
# On Jitsi, where the opener moderates, too.
MEET_CHAIR = f'[policy.moderators]\nassign = ["listed", "opener"]\njids = ["{MEETING_CHAIR}"]\n'


def trusted(*jids):
    """The services that are trusted; it follows the `[[service]]` table."""
    return f"trusted = {json.dumps(jids)}\n"


def admission(mode):
    """How people are admitted to every room."""
    return f'[policy.lobby]\nadmission = "{mode}"\n'


# Anybody comes in, and nothing has to be there first.
OPEN = admission("open") + "[policy.close]\nhold_until = []\n"


def rooms(overrides):
    """A `[[room]]` table for each of `{name: settings}`: what holds in rooms called `name-…`."""
    return "".join(f'[[room]]\nmatch = "{name}-*"\n{settings}\n' for name, settings in overrides.items())
