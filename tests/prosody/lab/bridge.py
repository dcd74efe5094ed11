"""A stand-in for jitsi-videobridge: what jicofo needs of one on the wire, without media."""

from .people import Person
from .process import Failed
from .stanza import CLIENT, element

COLIBRI = "http://jitsi.org/protocol/colibri"
COLIBRI2 = "jitsi:colibri2"
HEALTH = "http://jitsi.org/protocol/healthcheck"
ICE = "urn:xmpp:jingle:transports:ice-udp:1"
STATS = {"stress_level": "0.1", "version": "lab", "drain": "false", "shutting_down": "false", "healthy": "true"}


class Bridge(Person):
    """Stands in jicofo's brewery, is healthy, and has room for everybody. `asked` holds each colibri2 request."""

    def __init__(self, server, jid):
        super().__init__(server, jid)
        self.client.add_filter("in", lambda stanza: None if self._answer_to(stanza.xml) is not None else stanza)
        self.asked = []

    @classmethod
    async def open(cls, server):
        """Logs in and enters the brewery; returns when jicofo can use it."""
        host = f"auth.{server.host}"
        server.add_account("jvb", host=host)
        bridge = await cls.connect(server, f"jvb@{host}")
        stats = element(COLIBRI, "stats")
        stats.extend(element(COLIBRI, "stat", name=name, value=value) for name, value in STATS.items())
        outcome = await bridge.join(f"jvbbrewery@internal.{host}", "bridge", extra=[stats])
        if not outcome.joined:
            raise Failed(f"the bridge cannot enter its brewery: {outcome}")
        return bridge

    def muted(self, endpoint):
        """What the bridge was told last of each medium of an endpoint: {"audio": whether it is muted, ...}."""
        told = {}
        for request in self.asked:
            for each in request.xml.iter(f"{{{COLIBRI2}}}endpoint"):
                mute = each.find(f"{{{COLIBRI2}}}force-mute")
                if each.get("id") == endpoint and mute is not None:
                    told.update({kind: mute.get(kind) == "true" for kind in ("audio", "video")})
        return told

    def saw(self, xml):
        super().saw(xml)
        answer = self._answer_to(xml)
        if answer is None:
            return
        if xml.find(f"{{{COLIBRI2}}}conference-modify") is not None:
            self.asked.append(self.seen[-1])
        reply = element(CLIENT, "iq", type="result", to=xml.get("from"), id=xml.get("id"))
        reply.extend(answer)
        self.send(reply)

    def _answer_to(self, xml):
        """The payload of the reply to a request of jicofo's, or None."""
        if xml.tag != f"{{{CLIENT}}}iq" or xml.get("type") not in ("get", "set"):
            return None
        if xml.find(f"{{{HEALTH}}}healthcheck") is not None:
            return []
        modify = xml.find(f"{{{COLIBRI2}}}conference-modify")
        if modify is None:
            return None
        modified = element(COLIBRI2, "conference-modified")
        for asked in modify.findall(f"{{{COLIBRI2}}}endpoint"):
            if asked.get("create") == "true":
                endpoint = element(COLIBRI2, "endpoint", id=asked.get("id"))
                transport = element(COLIBRI2, "transport")
                transport.append(element(ICE, "transport", ufrag="lab", pwd="laboratory"))
                transport.append(element(COLIBRI2, "sctp", role="server", port=5000))
                endpoint.append(transport)
                modified.append(endpoint)
        return [modified]
