"""What a stanza means to somebody who asked to join a room."""

import dataclasses

from .stanza import Stanza

# XEP-0045, 15.6: banned, kicked, affiliation or configuration changed, shutdown, fault.
REMOVALS = {301, 307, 321, 322, 332, 333}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The answer to a join.

    `kind` is "joined", "error" (with `type`, `condition` and `text`), "destroyed" (a
    destroyed-room presence, `text` being its reason), "removed" (kicked before being
    in) or "silence" (no answer in time).
    """

    kind: str
    type: str = ""
    condition: str = ""
    text: str = ""
    presence: Stanza | None = None
    seconds: float = 0.0

    @property
    def joined(self):
        return self.kind == "joined"


def judge(stanza, room):
    """The Outcome that `stanza` is for a join of `room`, or None if it is none."""
    if stanza.name != "presence" or stanza.room.lower() != room.lower():
        return None
    if stanza.type == "error":
        return Outcome("error", *stanza.error, presence=stanza)
    if stanza.destroyed is not None:
        return Outcome("destroyed", text=stanza.destroyed, presence=stanza)
    if 110 not in stanza.statuses:
        return None
    if stanza.type != "unavailable":
        return Outcome("joined", presence=stanza)
    return Outcome("removed", presence=stanza) if stanza.statuses & REMOVALS else None


def is_gone(stanza, room):
    """Whether `stanza` says that its receiver is in `room` no more."""
    is_own = 110 in stanza.statuses or stanza.destroyed is not None
    return stanza.type == "unavailable" and stanza.room.lower() == room.lower() and is_own


def answers(stanzas, room, since=0):
    """Every answer to joins of `room`: exactly one is right for each join.

    What happens to somebody who is in is no answer: leaving, removal, destruction,
    and his own presence repeated with another role or affiliation.
    """
    found, inside = [], None
    for place, stanza in enumerate(stanzas):
        outcome = judge(stanza, room)
        item = stanza.item if outcome and outcome.joined else None
        is_news = outcome is not None and (
            inside is None or outcome.kind == "error" or item == inside
        )
        if place >= since and is_news:
            found.append(outcome)
        if item is not None:
            inside = item
        elif is_gone(stanza, room):
            inside = None
    return found
