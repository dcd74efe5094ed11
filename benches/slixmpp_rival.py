"""The same component on slixmpp: `slixmpp_rival.py PORT`. It allows everything, in the words of the real one."""

import asyncio
import itertools
import sys
from xml.etree import ElementTree

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

GATE = "urn:vestibule:gate:2"
IQ = "{jabber:component:accept}iq"


class Rival(slixmpp.ComponentXMPP):
    """Answers every question of the gate protocol with `allow`."""

    def __init__(self, port):
        super().__init__("vestibule.localhost", "laboratory secret", "127.0.0.1", port)
        self.use_aiodns = False
        self.decisions = itertools.count(1)
        for name, answer in (("hello", self.welcome), ("request", self.allow)):
            matcher = MatchXPath(f"{IQ}/{{{GATE}}}{name}")
            self.register_handler(Callback(name, matcher, answer))

    def welcome(self, iq):
        """Greets the gate."""
        self.reply(iq, ElementTree.Element(f"{{{GATE}}}hello"))

    def allow(self, iq):
        """Lets a person in."""
        ask = iq.xml.find(f"{{{GATE}}}request")
        requester = ask.find(f"{{{GATE}}}requester")
        answer = ElementTree.Element(
            f"{{{GATE}}}answer",
            {
                "attempt": ask.get("attempt"),
                "base": ask.get("revision"),
                "verdict": "allow",
                "rule": "lobby.admission",
                "decision": f"c41-{next(self.decisions)}",
            },
        )
        person = {"jid": requester.get("jid").partition("/")[0]}
        ElementTree.SubElement(answer, f"{{{GATE}}}person", person).text = '{"v":1,"entry":"password"}'
        self.reply(iq, answer)

    @staticmethod
    def reply(iq, payload):
        """Sends the result."""
        result = iq.reply(clear=True)
        result.append(payload)
        result.send()


async def main():
    rival = Rival(int(sys.argv[1]))
    gone = asyncio.get_running_loop().create_future()
    rival.add_event_handler("disconnected", lambda _: gone.done() or gone.set_result(None))
    rival.connect()
    await gone


asyncio.run(main())
