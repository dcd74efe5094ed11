"""A client of one's own, for log-ins that no library makes: any mechanism, SASL2, XEP-0078, a session resumed."""

import asyncio
import base64
import hashlib
import hmac
import re

from .process import HOST, Failed
from .raw import Raw
from .server import PASSWORD
from .stanza import CLIENT

SASL, SASL2 = "urn:ietf:params:xml:ns:xmpp-sasl", "urn:xmpp:sasl:2"
BIND, BIND2 = "urn:ietf:params:xml:ns:xmpp-bind", "urn:xmpp:bind:0"
SM, FAST = "urn:xmpp:sm:3", "urn:xmpp:fast:0"


def plain(user, password=PASSWORD):
    """The words of SASL PLAIN."""
    return f"\0{user}\0{password}".encode()


def encoded(data):
    return base64.b64encode(data).decode()


class Stream(Raw):
    """A client of `host`. Log in with one of `sasl`, `sasl2` and `old`, then `bind` or `resume`."""

    @classmethod
    async def connect_to(cls, server, host, person=None):
        """`person` is who the stream says that it is from, which FAST asks for."""
        user, person = person, cls(server, *await asyncio.open_connection(HOST, server.c2s_port))
        person.host = host
        person.named = f" from='{user}@{host}'" if user else ""
        await person._begin()
        return person

    async def _begin(self):
        self.send_raw(
            f"<stream:stream xmlns='{CLIENT}' xmlns:stream='http://etherx.jabber.org/streams'"
            f" to='{self.host}'{self.named} version='1.0'>"
        )
        return await self._answer("stream:features")

    async def _answer(self, *names):
        """What the server has said up to the end of one of these elements."""
        ends = re.compile("|".join(f"</{name}>|<{name}(?: [^>]*)?/>" for name in names).encode())
        said = b""
        while not ends.search(said):
            said += await asyncio.wait_for(self._reader.read(1), 10)
            if self._reader.at_eof():
                raise Failed(f"the server has hung up: {said.decode()}")
        return said.decode()

    async def sasl(self, mechanism, words=None):
        self.send_raw(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{encoded(words or b'')}</auth>")
        said = await self._answer("success", "failure")
        if "<success" not in said:
            raise Failed(said)
        await self._begin()
        return self

    async def sasl2(self, mechanism, words=b"", more=""):
        """`more` goes into <authenticate/>; returns what the server said."""
        self.send_raw(
            f"<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>"
            f"<initial-response>{encoded(words)}</initial-response>{more}</authenticate>"
        )
        said = await self._answer("success", "failure")
        if "<success" not in said:
            raise Failed(said)
        bound = re.search(r"<authorization-identifier>([^<]*/[^<]*)</", said)
        if bound:
            self._goes_on(bound.group(1))
        return said

    async def old(self, user, resource="lab"):
        """XEP-0078, with the password in plain text."""
        fields = f"<username>{user}</username><password>{PASSWORD}</password><resource>{resource}</resource>"
        self.send_raw(f"<iq type='set' id='old'><query xmlns='jabber:iq:auth'>{fields}</query></iq>")
        said = await self._answer("iq")
        if "type='result'" not in said and 'type="result"' not in said:
            raise Failed(said)
        self._goes_on(f"{user}@{self.host}/{resource}")
        return self

    async def bind(self):
        self.send_raw(f"<iq type='set' id='bind'><bind xmlns='{BIND}'/></iq>")
        self._goes_on(re.search("<jid>(.*)</jid>", await self._answer("iq")).group(1))
        return self

    async def hibernates(self):
        """Makes the session one that can be resumed (XEP-0198); returns its id."""
        found = asyncio.get_running_loop().create_future()
        self.saw_other = lambda xml: found.done() or found.set_result(xml.get("id"))
        self.send_raw(f"<enable xmlns='{SM}' resume='true'/>")
        return await asyncio.wait_for(found, 10)

    async def resume(self, previd, jid):
        self.send_raw(f"<resume xmlns='{SM}' previd='{previd}' h='0'/>")
        said = await self._answer("resumed", "failed")
        if "<resumed" not in said:
            raise Failed(said)
        self._goes_on(jid)
        return self

    def _goes_on(self, jid):
        self._jid = jid
        self._task = asyncio.ensure_future(self._read())

    def saw(self, xml):
        if xml.tag.startswith(f"{{{SM}}}"):
            return self.saw_other(xml)
        return super().saw(xml)

    def saw_other(self, xml):
        """What is no stanza."""


def fast_words(user, secret):
    """The words of HT-SHA-256-NONE for a token."""
    return user.encode() + b"\0" + hmac.digest(secret.encode(), b"Initiator", hashlib.sha256)
