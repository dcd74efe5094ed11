"""A stand-in for jibri, the recorder: what jicofo needs of one on the wire."""

from .people import Person
from .process import Failed
from .stanza import CLIENT, element

JIBRI = "http://jitsi.org/protocol/jibri"


def _is_request(xml):
    return xml.tag == f"{{{CLIENT}}}iq" and xml.get("type") == "set" and xml.find(f"{{{JIBRI}}}jibri") is not None


class Jibri(Person):
    """Stands in jicofo's brewery, idle, and takes what it is asked for. `asked` holds each request."""

    def __init__(self, server, jid):
        super().__init__(server, jid)
        self.client.add_filter("in", lambda stanza: None if _is_request(stanza.xml) else stanza)
        self.asked = []

    @classmethod
    async def open(cls, server):
        """Logs in and enters the brewery; returns when jicofo can use it."""
        host = f"auth.{server.host}"
        server.add_account("jibri", host=host)
        jibri = await cls.connect(server, f"jibri@{host}")
        status = element(JIBRI, "jibri-status")
        status.append(element(JIBRI, "busy-status", status="idle"))
        status.append(element("http://jitsi.org/protocol/health", "health-status", status="healthy"))
        outcome = await jibri.join(f"jibribrewery@internal.{host}", "jibri", extra=[status])
        if not outcome.joined:
            raise Failed(f"the recorder cannot enter its brewery: {outcome}")
        return jibri

    def saw(self, xml):
        super().saw(xml)
        if _is_request(xml):
            self.asked.append(self.seen[-1])
            reply = element(CLIENT, "iq", type="result", to=xml.get("from"), id=xml.get("id"))
            reply.append(element(JIBRI, "jibri", status="pending"))
            self.send(reply)
