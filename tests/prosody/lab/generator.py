"""Stanzas of every kind, drawn at random: of what clients send, bent in every way."""

from xml.sax.saxutils import escape, quoteattr

from .stanza import DATA, MUC, MUC_ADMIN, MUC_OWNER, MUC_USER

DISCO = "http://jabber.org/protocol/disco"
ROOM_CONFIG = f"{MUC}#roomconfig"
SECONDS_OF_TEXT = 40
VALUES = ["", "0", "1", "-1", "true", "false", "none", "1e300", "9" * 30, "no such", "\u202e", "a" * 2000, "anyone"]
NAMESPACES = ["", "x", "jabber:client", MUC, MUC_USER, MUC_ADMIN, MUC_OWNER, DATA, "urn:vestibule:gate:1"]
FIELDS = ["roomname", "roomdesc", "roomsecret", "membersonly", "publicroom", "persistentroom", "moderatedroom", "whois",
          "changesubject", "historylength", "allowinvites", "lang", "presencebroadcast", "nothing"]
PAYLOADS = {
    "body": "<body>{text}</body>",
    "subject": "<subject>{text}</subject>",
    "active": "<active xmlns='http://jabber.org/protocol/chatstates'/>",
    "marker": "<displayed xmlns='urn:xmpp:chat-markers:0' id='{text}'/>",
    "markable": "<markable xmlns='urn:xmpp:chat-markers:0'/>",
    "reaction": "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>{text}</reaction></reactions>",
    "receipt": "<received xmlns='urn:xmpp:receipts' id='1'/>",
    "retraction": "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>",
    "store": "<store xmlns='urn:xmpp:hints'/>",
    "encrypted": "<encryption xmlns='urn:xmpp:eme:0' namespace='x'/>",
    "file": "<x xmlns='jabber:x:oob'><url>https://x.example/{text}</url></x>",
    "html": "<html xmlns='http://jabber.org/protocol/xhtml-im'><body>{text}</body></html>",
    "conference": "<x xmlns='jabber:x:conference' jid='{room}'/>",
    "json": "<json-message xmlns='http://jitsi.org/jitmeet'>{{}}</json-message>",
    "nick": "<nick xmlns='http://jabber.org/protocol/nick'>{text}</nick>",
    "caps": "<c xmlns='http://jabber.org/protocol/caps' node='x' ver='y' hash='sha-1'/>",
    "error": "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
    "odd": "<odd xmlns='urn:example:odd'>{text}</odd>",
}
TYPES = {
    "message": [None, "normal", "chat", "groupchat", "headline", "error", "odd"],
    "presence": [None, None, "unavailable", "error", "probe", "subscribe", "unsubscribe"],
    "iq": ["get", "set", "set", "result", "error"],
}


class Generator:
    """Draws stanzas to one room. `people` are bare addresses and `nicks` names in the room."""

    def __init__(self, random, room, people, nicks):
        self.random = random
        self.room = room
        self.people = people
        self.nicks = nicks
        self.count = 0

    def stanza(self):
        """One stanza as text, and its id."""
        self.count += 1
        identity = f"gen{self.count}"
        name = self.random.choice(["message", "presence", "iq", "iq"])
        kind = self.random.choice(TYPES[name])
        attributes = {"to": self._address(), "id": identity, "type": kind}
        inside = self._request() if name == "iq" else self._payloads(name)
        return f"<{name}{self._written(attributes)}>{inside}</{name}>", identity

    def _one(self, *choices):
        return self.random.choice(choices)

    def _is_odd(self, part=0.15):
        return self.random.random() < part

    def _address(self):
        service = self.room.partition("@")[2]
        nick = self.random.choice(self.nicks)
        return self._one(*[self.room] * 5, *[f"{self.room}/{nick}"] * 3, f"{self.room}/{nick}x", service, f"other-{self.room}")

    def _text(self):
        return escape(self._one("hello", "!close", "!nothing", "", "a" * SECONDS_OF_TEXT, "\u202eabc", "x y"))

    def _written(self, attributes):
        return "".join(f" {name}={quoteattr(str(value))}" for name, value in attributes.items() if value is not None)

    def _payloads(self, name):
        drawn = []
        for _ in range(self._one(0, 1, 1, 1, 2, 3)):
            if name == "presence" and self._is_odd(0.5):
                drawn.append(self._one(f"<x xmlns='{MUC}'/>", f"<x xmlns='{MUC}'><password>{self._text()}</password></x>",
                                       "<rai xmlns='urn:xmpp:rai:0'/>"))
            elif name == "message" and self._is_odd(0.35):
                drawn.append(self._one(self._user, self._form, self._user)())
            else:
                drawn.append(self.random.choice(list(PAYLOADS.values())).format(text=self._text(), room=self.room))
        return self._bent("".join(drawn))

    def _user(self):
        """Invitations and declines, in all shapes."""
        children = []
        for _ in range(self._one(0, 1, 1, 1, 2)):
            name = self._one("invite", "invite", "decline", "odd", "status", "destroy")
            namespace = self.random.choice(NAMESPACES) if self._is_odd() else None
            attributes = {"xmlns": namespace, "to": None if self._is_odd() else self._somebody()}
            children.append(f"<{name}{self._written(attributes)}><reason>{self._text()}</reason></{name}>")
        return f"<x xmlns='{MUC_USER}'>{''.join(children)}</x>"

    def _somebody(self):
        return self._one(*self.people, *[f"{self.room}/{nick}" for nick in self.nicks], "localhost", "@@", "nobody@localhost")

    def _field(self, name, value):
        value = escape(str(value))
        return f"<field var='{name}'>{f'<value>{value}</value>' * self._one(1, 1, 1, 1, 0, 2)}</field>"

    def _form(self):
        fields = []
        for _ in range(self._one(0, 1, 1, 1, 1, 2)):
            fields.append(self._field("FORM_TYPE", self._one(ROOM_CONFIG, f"{MUC}#request", f"{MUC}#register", "odd")))
        for _ in range(self._one(0, 1, 1, 2, 3)):
            name = self._one(f"muc#roomconfig_{self.random.choice(FIELDS)}", "muc#role", "muc#jid", "muc#request_allow",
                             "muc#register_roomnick", "vestibule#knock")
            fields.append(self._field(name, self._one(*VALUES, *self.nicks, self._somebody())))
        self.random.shuffle(fields)
        return f"<x xmlns='{DATA}' type='{self._one('submit', 'submit', 'submit', 'cancel', 'result', 'odd')}'>{''.join(fields)}</x>"

    def _item(self):
        attributes = {}
        if self._is_odd(0.6):
            attributes["affiliation"] = self._one("owner", "admin", "member", "none", "outcast", "odd")
        if self._is_odd(0.4):
            attributes["role"] = self._one("moderator", "participant", "visitor", "none", "odd")
        if self._is_odd(0.6):
            attributes["jid"] = self._somebody()
        if self._is_odd(0.4):
            attributes["nick"] = self._one(*self.nicks, "New", "", "focus")
        if self._is_odd(0.05):
            attributes["xmlns"] = self.random.choice(NAMESPACES)
        return f"<{self._one('item', 'item', 'item', 'odd')}{self._written(attributes)}/>"

    def _request(self):
        namespace, name, inside = self.random.choice([
            (MUC_ADMIN, "query", "".join(self._item() for _ in range(self._one(0, 1, 1, 1, 2, 3)))),
            (MUC_ADMIN, "query", self._item()),
            (MUC_OWNER, "query", self._form()),
            (MUC_OWNER, "query", self._one("", "", "<odd/>", f"<destroy jid={quoteattr(self._somebody())}/>")),
            ("jabber:iq:register", "query", self._one("", "<remove/>", self._form())),
            (f"{DISCO}#info", "query", ""),
            (f"{DISCO}#items", "query", ""),
            ("urn:xmpp:ping", "ping", ""),
            ("vcard-temp", "vCard", self._one("", "<FN>x</FN>")),
            ("urn:xmpp:mam:2", "query", self._one("", self._form())),
            ("urn:xmpp:fasten:0", "apply-to", "<moderate xmlns='urn:xmpp:message-moderate:0'/>"),
            ("http://jabber.org/protocol/commands", "command", ""),
            ("http://jabber.org/protocol/pubsub", "pubsub", ""),
            ("urn:xmpp:jingle:1", "jingle", ""),
            ("urn:vestibule:gate:1", self._one("do", "hello", "ask", "look"), "<end/>"),
            ("urn:example:odd", "query", ""),
        ])
        node = self._one(None, None, None, "x-roomuser-item", "urn:xmpp:hats:commands:x", "odd")
        if self._is_odd(0.05):
            namespace = self.random.choice(NAMESPACES)
        return self._bent(f"<{name} xmlns='{namespace}'{self._written({'node': node})}>{inside}</{name}>")

    def _bent(self, text):
        """Now and then twice the same, or within another element."""
        if self._is_odd(0.04):
            return text + text
        if self._is_odd(0.03):
            return f"<apply-to xmlns='urn:xmpp:fasten:0'>{text}</apply-to>"
        return text
