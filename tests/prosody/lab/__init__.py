"""A laboratory of real parts: Prosody, the component and XMPP clients, all on loopback."""

from .browser import Browser
from .component import Vestibule
from .door import SERVICE, Door
from .outcome import Outcome
from .people import Crowd, Person
from .process import Failed
from .server import Prosody
from .stanza import Stanza

__all__ = ["SERVICE", "Browser", "Crowd", "Door", "Failed", "Outcome", "Person", "Prosody", "Stanza", "Vestibule"]
