"""What a client does in and to a room: XEP-0045, from the participant's side."""

from . import canary
from .process import Failed
from .stanza import CLIENT, MUC_ADMIN, MUC_OWNER, MUC_USER, element, submission

ROOM_CONFIG = "http://jabber.org/protocol/muc#roomconfig"


class RoomActions:
    """Mixed into Person, which sends, waits and records."""

    async def leave(self, room, nick, seconds=5):
        """Leaves and waits for the room's word on it."""
        since = self.mark()
        self.send(element(CLIENT, "presence", to=f"{room}/{nick}", type="unavailable"))
        return await self.wait_for(
            lambda seen: seen.type == "unavailable" and seen.room == room and 110 in seen.statuses,
            seconds,
            since,
        )

    def say(self, room, text):
        """Sends a message to everybody in the room."""
        self._message(room, "groupchat", element(CLIENT, "body", text))

    def whisper(self, room, nick, text):
        """Sends a private message to one occupant."""
        self._message(f"{room}/{nick}", "chat", element(CLIENT, "body", text))

    def set_subject(self, room, text):
        """Changes the subject."""
        self._message(room, "groupchat", element(CLIENT, "subject", text))

    def invite(self, room, jid, reason=None):
        """Sends a mediated invitation (XEP-0045, 7.8.2)."""
        wrapper = element(MUC_USER, "x")
        invite = element(MUC_USER, "invite", to=jid)
        if reason is not None:
            invite.append(element(MUC_USER, "reason", reason))
        wrapper.append(invite)
        self._message(room, None, wrapper)

    def _message(self, to, kind, payload):
        message = element(CLIENT, "message", to=to, type=kind, id=self.new_id())
        message.append(payload)
        self.send(message)

    async def configuration(self, room):
        """The room's configuration, {field: value}; Failed if the room refuses."""
        reply = await self.iq(room, "get", element(MUC_OWNER, "query"))
        if reply.error or reply.form is None:
            raise Failed(f"no configuration form: {reply!r}")
        return reply.form

    async def configure(self, room, fields=None):
        """Submits a change of some fields; returns the reply. Without fields this takes
        the defaults, which unlocks a room that XEP-0045 locks at creation."""
        query = element(MUC_OWNER, "query")
        given = {"FORM_TYPE": ROOM_CONFIG, **fields} if fields else {}
        canary.note(given.get("muc#roomconfig_roomsecret"))
        query.append(submission(given))
        return await self.iq(room, "set", query)

    async def open(self, room, nick, fields=None, password=None):
        """Joins a new room and configures it; returns the join's Outcome."""
        outcome = await self.join(room, nick, password)
        if outcome.joined:
            reply = await self.configure(room, fields)
            if reply.error:
                raise Failed(f"the configuration was refused: {reply!r}")
        return outcome

    async def set_affiliation(self, room, jid, affiliation, reason=None):
        """Makes `jid` owner, admin, member, outcast or none; returns the reply."""
        return await self._set_item(room, reason, jid=jid, affiliation=affiliation)

    async def set_role(self, room, nick, role, reason=None):
        """Makes an occupant moderator, participant, visitor or (kick) none."""
        return await self._set_item(room, reason, nick=nick, role=role)

    async def _set_item(self, room, reason, **attributes):
        query = element(MUC_ADMIN, "query")
        item = element(MUC_ADMIN, "item", **attributes)
        if reason is not None:
            item.append(element(MUC_ADMIN, "reason", reason))
        query.append(item)
        return await self.iq(room, "set", query)

    async def list_affiliation(self, room, affiliation):
        """The bare JIDs with that affiliation; Failed if the room refuses."""
        query = element(MUC_ADMIN, "query")
        query.append(element(MUC_ADMIN, "item", affiliation=affiliation))
        reply = await self.iq(room, "get", query)
        if reply.error:
            raise Failed(f"the list was refused: {reply!r}")
        return {item.get("jid") for item in reply.xml.iter(f"{{{MUC_ADMIN}}}item")}

    async def destroy(self, room, reason=None):
        """Destroys the room; returns the reply."""
        query = element(MUC_OWNER, "query")
        destroy = element(MUC_OWNER, "destroy")
        if reason is not None:
            destroy.append(element(MUC_OWNER, "reason", reason))
        query.append(destroy)
        return await self.iq(room, "set", query)

    async def disco_info(self, jid):
        """The reply to disco#info (XEP-0030)."""
        return await self.iq(jid, "get", element("http://jabber.org/protocol/disco#info", "query"))

    async def disco_items(self, jid):
        """The reply to disco#items: for a service its rooms, for a room its occupants."""
        return await self.iq(jid, "get", element("http://jabber.org/protocol/disco#items", "query"))

    def occupants(self, room):
        """{nick: item attributes} of everybody whom this client sees in the room."""
        present = {}
        for stanza in self.seen:
            if stanza.name != "presence" or stanza.room != room or not stanza.nick:
                continue
            if stanza.type == "unavailable":
                present.pop(stanza.nick, None)
                if 110 in stanza.statuses and 303 not in stanza.statuses:
                    present.clear()
            elif not stanza.type:
                present[stanza.nick] = stanza.item
        return present
