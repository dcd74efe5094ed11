"""One received stanza, with the questions that tests ask of it."""

from xml.etree import ElementTree

CLIENT = "jabber:client"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
MUC = "http://jabber.org/protocol/muc"
MUC_USER = "http://jabber.org/protocol/muc#user"
MUC_ADMIN = "http://jabber.org/protocol/muc#admin"
MUC_OWNER = "http://jabber.org/protocol/muc#owner"
DATA = "jabber:x:data"


def element(namespace, name, /, text=None, **attributes):
    """An element; attributes that are None are left out."""
    made = ElementTree.Element(f"{{{namespace}}}{name}")
    made.attrib.update({key: str(value) for key, value in attributes.items() if value is not None})
    made.text = text
    return made


class Stanza:
    """A stanza and the time it came (seconds, `time.monotonic`)."""

    def __init__(self, xml, at):
        self.xml = xml
        self.at = at
        self.name = xml.tag.rpartition("}")[2]
        self.type = xml.get("type", "")
        self.sender = xml.get("from", "")
        self.to = xml.get("to", "")
        self.id = xml.get("id", "")

    def __repr__(self):
        return ElementTree.tostring(self.xml, encoding="unicode")

    @property
    def room(self):
        """The sender's bare JID."""
        return self.sender.partition("/")[0]

    @property
    def nick(self):
        """The sender's resource: in a room, the nick."""
        return self.sender.partition("/")[2]

    @property
    def body(self):
        """The text of a message, or None."""
        return self.text(CLIENT, "body")

    @property
    def subject(self):
        """The subject of a message, or None."""
        return self.text(CLIENT, "subject")

    @property
    def statuses(self):
        """The status codes of XEP-0045 in this stanza."""
        found = self.xml.findall(f"{{{MUC_USER}}}x/{{{MUC_USER}}}status")
        return {int(status.get("code")) for status in found}

    @property
    def item(self):
        """The attributes of the first muc#user item: affiliation, role, jid, nick."""
        found = self.xml.find(f"{{{MUC_USER}}}x/{{{MUC_USER}}}item")
        return dict(found.attrib) if found is not None else {}

    @property
    def error(self):
        """(type, condition, text) of a stanza error, or None."""
        if self.type != "error":
            return None
        error = self.child(CLIENT, "error")
        if error is None:
            return ("", "", "")
        names = [c.tag.rpartition("}")[2] for c in error if c.tag.startswith(f"{{{STANZAS}}}")]
        condition = next((name for name in names if name != "text"), "")
        return (error.get("type", ""), condition, error.findtext(f"{{{STANZAS}}}text") or "")

    @property
    def destroyed(self):
        """The reason of a destroyed-room presence ("" without one), or None if it is none."""
        found = self.xml.find(f"{{{MUC_USER}}}x/{{{MUC_USER}}}destroy")
        return None if found is None else found.findtext(f"{{{MUC_USER}}}reason") or ""

    @property
    def form(self):
        """The data form anywhere inside, as {field: text, or list of texts}; else None."""
        form = next(self.xml.iter(f"{{{DATA}}}x"), None)
        if form is None:
            return None
        fields = {}
        for field in form.iter(f"{{{DATA}}}field"):
            if field.get("var") is None:  # a text between the fields
                continue
            # The options that a field offers have values of their own, further down.
            values = [value.text or "" for value in field.findall(f"{{{DATA}}}value")]
            many = field.get("type", "").endswith("-multi") or len(values) > 1
            fields[field.get("var")] = values if many else "".join(values)
        return fields

    def child(self, namespace, name):
        """The first direct child of that name, or None."""
        return self.xml.find(f"{{{namespace}}}{name}")

    def find(self, namespace, name):
        """The first element of that name at any depth, or None."""
        return next(self.xml.iter(f"{{{namespace}}}{name}"), None)

    def text(self, namespace, name):
        """The text of a direct child ("" if empty), or None."""
        found = self.child(namespace, name)
        return None if found is None else found.text or ""


def submission(fields, kind="submit"):
    """A data form of `fields`, as a client sends it back."""
    form = element(DATA, "x", type=kind)
    for name, value in fields.items():
        field = ElementTree.SubElement(form, f"{{{DATA}}}field", {"var": name})
        for each in value if isinstance(value, (list, tuple)) else [value]:
            text = {True: "1", False: "0"}.get(each) if isinstance(each, bool) else str(each)
            ElementTree.SubElement(field, f"{{{DATA}}}value").text = text
    return form
