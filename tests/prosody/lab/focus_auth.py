"""The sessions of jicofo's XMPP authentication (a secure domain): who logged in once, and
comes back as a guest with the session-id that he was given."""

import dataclasses
import secrets

from .jitsi_outcome import JITMEET
from .stanza import element


@dataclasses.dataclass
class Session:
    """`identity` is the bare JID that logged in, from the browser with that machine-uid."""

    identity: str
    machine: str
    jids: set = dataclasses.field(default_factory=set)


class Authority:
    """Accounts of the main host are authenticated; guests by a session of theirs."""

    def __init__(self, server):
        self.server = server
        self.sessions = {}

    def session_of(self, jid):
        """The session that this full JID has shown, or None."""
        found = (session for session in self.sessions.values() if jid in session.jids)
        return next(found, None)

    def process(self, asked, caller, given):
        """The error (type, condition, child) of this request, or None; puts `identity` and
        `session-id` into `given`."""
        identity = caller.partition("/")[0]
        name, machine = asked.get("session-id"), asked.get("machine-uid")
        session = self.sessions.get(name)
        if name and session is None:
            return ("modify", "not-acceptable", element(JITMEET, "session-invalid"))
        if session and session.machine != machine:
            return ("modify", "not-acceptable", None)
        is_account = identity.endswith(f"@{self.server.host}") and self.server.accounts
        if session is None and is_account:
            if not machine:
                return ("modify", "not-acceptable", None)
            name, session = secrets.token_hex(16), Session(identity, machine)
            self.sessions[name] = session
        if session:
            session.jids.add(caller)
            given.update({"identity": session.identity, "session-id": name})
        return None
