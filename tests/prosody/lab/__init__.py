"""A laboratory of real parts: Prosody, the component and XMPP clients, all on loopback."""

from .adhoc import AdHoc
from .browser import Browser
from .component import Vestibule
from .door import SERVICE, Door
from .focus import Focus
from .jitsi_client import JitsiPerson
from .jitsi_crowd import JitsiCrowd, connect_focus
from .jitsi_outcome import JitsiOutcome
from .jitsi_plugins import needs_jitsi_plugins
from .meet import MEET_SERVICE, Meet, MeetDoor
from .outcome import Outcome
from .page import Chromium, Page
from .people import Crowd, Person
from .postgres import Postgres
from .process import Failed
from .server import Prosody
from .stanza import Stanza

__all__ = [
    "MEET_SERVICE",
    "SERVICE",
    "AdHoc",
    "Browser",
    "Chromium",
    "Crowd",
    "Door",
    "Failed",
    "Focus",
    "JitsiCrowd",
    "JitsiOutcome",
    "JitsiPerson",
    "Meet",
    "MeetDoor",
    "Outcome",
    "Page",
    "Person",
    "Postgres",
    "Prosody",
    "Stanza",
    "Vestibule",
    "connect_focus",
    "needs_jitsi_plugins",
]
