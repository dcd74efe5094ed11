"""A client by BOSH (XEP-0124, XEP-0206), as a browser is one: what it says in its address is its own."""

import base64
import http.client
import itertools
from urllib.parse import urlencode
from xml.etree import ElementTree

from .process import HOST, Failed
from .server import PASSWORD
from .stanza import MUC

BOSH = "http://jabber.org/protocol/httpbind"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SM = "urn:xmpp:sm:3"


class BoshClient:
    """A session of `host` on a `Meet`; `query` is the query of its address (`token`, `previd`, `room`).

    It logs in with SASL ANONYMOUS, or as `user` with PLAIN. `jid` is None when the server refused it.
    """

    def __init__(self, server, host, user=None, password=PASSWORD, **query):
        self.server = server
        self.path = f"/http-bind?{urlencode(query)}"
        self.rid, self.names = itertools.count(1_000_000), itertools.count(1)
        self.sid = None
        self.jid = None
        self.seen = []
        self._send("", to=host, hold="1", wait="1", ver="1.6", version=True)
        self._log_in(user, password, host)

    def _log_in(self, user, password, host):
        if user:
            words = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
            self._send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{words}</auth>")
        else:
            self._send(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>")
        answer = self._await(lambda it: it.tag in (f"{{{SASL}}}success", f"{{{SASL}}}failure"))
        if answer.tag.endswith("failure"):
            return
        self._send("", to=host, restart=True)
        self._send(f"<iq type='set' id='bind' xmlns='jabber:client'><bind xmlns='{BIND}'/></iq>")
        self.jid = self._await(lambda it: it.get("id") == "bind").findtext(f".//{{{BIND}}}jid")

    @property
    def bare(self):
        return self.jid.partition("/")[0]

    def join(self, room, nick="Somebody"):
        """Asks to enter; returns when it is answered."""
        self._send(f"<presence to='{room}/{nick}' xmlns='jabber:client'><x xmlns='{MUC}'/></presence>")
        return self._await(lambda it: it.tag.endswith("presence") and (it.get("from") or "").startswith(room))

    def leave(self, room, nick="Somebody"):
        """Leaves; returns when that is confirmed."""
        self.seen.clear()
        self._send(f"<presence to='{room}/{nick}' type='unavailable' xmlns='jabber:client'/>")
        return self._await(lambda it: it.get("type") == "unavailable" and it.get("from") == f"{room}/{nick}")

    def request(self, room, machine="0" * 32):
        """Asks the focus for a room, and returns what it, or the gate, answers."""
        asked = f"<conference xmlns='http://jitsi.org/protocol/focus' room='{room}' machine-uid='{machine}'/>"
        name = f"request-{next(self.names)}"
        self._send(f"<iq type='set' id='{name}' to='{self.server.focus_address}' xmlns='jabber:client'>{asked}</iq>")
        return self._await(lambda it: it.get("id") == name)

    def hibernates(self):
        """Makes the session one that can be resumed (XEP-0198); returns its id."""
        self._send(f"<enable xmlns='{SM}' resume='true'/>")
        return self._await(lambda it: it.tag == f"{{{SM}}}enabled").get("id")

    def _await(self, predicate):
        for _ in range(12):
            found = next((it for it in self.seen if predicate(it)), None)
            if found is not None:
                self.seen.remove(found)
                return found
            self._send("")
        raise Failed(f"silence for {self.jid or self.path}")

    def _send(self, payload, *, version=False, restart=False, **attributes):
        if self.sid:
            attributes["sid"] = self.sid
        body = "".join(f" {name}='{value}'" for name, value in attributes.items())
        body += " xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'" if version else ""
        body += " xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'" if restart else ""
        text = f"<body rid='{next(self.rid)}' xmlns='{BOSH}'{body}>{payload}</body>"
        link = http.client.HTTPConnection(HOST, self.server.http_port, timeout=10)
        link.request("POST", self.path, text.encode(), {"Content-Type": "text/xml; charset=utf-8"})
        answer = ElementTree.fromstring(link.getresponse().read())
        link.close()
        self.sid = answer.get("sid") or self.sid
        if answer.get("type") == "terminate":
            raise Failed(f"BOSH ends: {answer.get('condition')}")
        self.seen.extend(answer)
