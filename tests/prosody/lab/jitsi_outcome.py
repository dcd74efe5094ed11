"""What Jitsi's client makes of an answer: lib-jitsi-meet's ChatRoom.onPresenceError and
Moderator._handleIqError, which look at error types as well as conditions."""

import dataclasses

from .outcome import Outcome
from .stanza import CLIENT, STANZAS

JITMEET = "http://jitsi.org/jitmeet"
DISPLAY_NAME = "http://jitsi.org/protocol/display-name"
VISITORS = "jitsi:visitors"
FOCUS = "http://jitsi.org/protocol/focus"
RESTRICTED = "Room creation is restricted"


@dataclasses.dataclass(frozen=True)
class JitsiOutcome(Outcome):
    """An Outcome, or the answer to a conference request: then `kind` is "ready", "refused",
    "unanswered" or "not-live". `presence` is the stanza, whatever its name."""

    @classmethod
    def of(cls, outcome):
        fields = dataclasses.fields(Outcome)
        return cls(**{field.name: getattr(outcome, field.name) for field in fields})

    @property
    def shown(self):
        """What the user gets to see: "joined", "ready", "prompt" (the password dialog),
        "lobby", "waiting-for-host", "broken-lobby" (without the lobby's JID), "log-in",
        "name" (he is asked for one), "full", "retry" (three silent attempts), "not-allowed",
        "visitors" (one of their fixed texts), "destroyed" (`text`, verbatim), "removed",
        "reservation" (`code` and `text`), "session" (asks again without its session-id),
        "failure" (a generic one) or "silence" (hangs)."""
        if self.kind == "refused":
            return self._refusal()
        if self.kind == "error":
            return self._error()
        return {"unanswered": "silence"}.get(self.kind, self.kind)

    @property
    def lobby(self):
        """The lobby's JID ("" without one) in a registration-required error."""
        found = self.presence.find(JITMEET, "lobbyroom")
        return "" if found is None else found.text or ""

    @property
    def child(self):
        """The name of the error's child in Jitsi's namespaces, such as "room-mismatch", or ""."""
        return next(
            (name for space, name in self._children() if space in (JITMEET, VISITORS, FOCUS)), ""
        )

    @property
    def code(self):
        """The error-code of a reservation-error, or None."""
        found = self.presence.find(FOCUS, "reservation-error")
        return None if found is None else found.get("error-code")

    def _children(self):
        error = self.presence.child(CLIENT, "error")
        tags = [] if error is None else [child.tag for child in error]
        return [tuple(tag[1:].split("}")) if "}" in tag else ("", tag) for tag in tags]

    def _error(self):
        names = {name for _, name in self._children()}
        if (self.type, self.condition) == ("auth", "not-authorized"):
            return "prompt"
        if (self.type, self.condition) == ("cancel", "not-allowed"):
            return self._not_allowed()
        if "service-unavailable" in names:
            return "full"
        if self.type == "auth" and (STANZAS, "registration-required") in self._children():
            if "waiting-for-host" in names:
                return "waiting-for-host"
            return "lobby" if self.lobby else "broken-lobby"
        if self.type == "modify" and (JITMEET, "displayname-required") in self._children():
            return "name"
        return "failure"

    def _not_allowed(self):
        if self.text == RESTRICTED or (JITMEET, "room-does-not-exist") in self._children():
            return "retry"
        if (JITMEET, "authentication-required") in self._children():
            return "log-in"
        return "visitors" if any(space == VISITORS for space, _ in self._children()) else "not-allowed"

    def _refusal(self):
        names = {name for _, name in self._children()}
        if "reservation-error" in names:
            return "reservation"
        if names & {"session-invalid", "not-acceptable"}:
            return "session"
        return "log-in" if "not-authorized" in names else "failure"
