"""What Jitsi's client sends for a moderator: lib-jitsi-meet's lockRoom, setMembersOnly and
Lobby."""

from . import canary
from .process import Failed
from .room import ROOM_CONFIG
from .stanza import CLIENT, MUC_ADMIN, MUC_OWNER, MUC_USER, element, submission

SECRET = "muc#roomconfig_roomsecret"
LOCKED = "muc#roomconfig_passwordprotectedroom"
MEMBERS_ONLY = "muc#roomconfig_membersonly"
LOBBY = "muc#roominfo_lobbyroom"


class NotSupported(Failed):
    """The form lacks the field: the client tells the moderator that it cannot be done."""


class JitsiModerator:
    """Mixed into JitsiPerson."""

    async def features(self, room):
        """(the room's disco#info features, its form): what the client believes of it."""
        reply = await self.disco_info(room)
        if reply.error:
            raise Failed(f"the room does not tell: {reply!r}")
        found = reply.xml.iter("{http://jabber.org/protocol/disco#info}feature")
        return {feature.get("var") for feature in found}, reply.form or {}

    async def lock_room(self, room, password):
        """Sets the password ("" removes it); returns the reply, or raises NotSupported. Says
        that the room is members-only if the client believes so."""
        await self._needs(room, SECRET)
        features, _ = await self.features(room)
        canary.note(password)
        fields = {"FORM_TYPE": ROOM_CONFIG, SECRET: password, LOCKED: "1" if password else "0"}
        if "muc_membersonly" in features:
            fields[MEMBERS_ONLY] = "true"
        return await self._submit(room, {**fields, "muc#roomconfig_whois": "anyone"})

    async def set_members_only(self, room, enabled=True):
        """Turns the lobby on or off: makes members of all who are in, then sends the form.
        Returns the reply, or raises NotSupported."""
        if enabled:
            self._grant_membership(room)
        await self._needs(room, MEMBERS_ONLY)
        features, _ = await self.features(room)
        fields = {"FORM_TYPE": ROOM_CONFIG, MEMBERS_ONLY: "true" if enabled else "false"}
        if "muc_passwordprotected" in features:
            fields[LOCKED] = "1"
        return await self._submit(room, fields)

    def _grant_membership(self, room):
        query = element(MUC_ADMIN, "query")
        for item in self.occupants(room).values():
            if item.get("jid") and item.get("affiliation") == "none":
                bare = item["jid"].partition("/")[0]
                query.append(element(MUC_ADMIN, "item", affiliation="member", jid=bare))
        if len(query):
            # The library waits for no reply to this.
            self._set(room, query)

    async def _needs(self, room, field):
        if field not in await self.configuration(room):
            raise NotSupported(f"{room} has no {field} in its form")

    async def _submit(self, room, fields):
        query = element(MUC_OWNER, "query")
        query.append(submission(fields))
        return await self.iq(room, "set", query)

    # The lobby, from inside

    async def attend_lobby(self, room):
        """Takes the moderator's seat in the lobby room, as the client does as soon as the
        room is members-only; returns the lobby's JID."""
        _, form = await self.features(room)
        lobby = form.get(LOBBY)
        if not lobby:
            raise Failed(f"{room} has no lobby: {form}")
        outcome = await self.join(lobby)
        if not outcome.joined:
            raise Failed(f"no seat in {lobby}: {outcome}")
        return lobby

    async def knocker(self, lobby, nick, since=0, seconds=5):
        """Waits until `nick` waits in the lobby room; returns his full JID."""
        seen = await self.wait_for(
            lambda seen: seen.sender == f"{lobby}/{nick}" and seen.name == "presence" and not seen.type,
            seconds,
            since,
        )
        return seen.item["jid"]

    def approve(self, room, *jids):
        """Lets those full JIDs in."""
        message = element(CLIENT, "message", to=room, id=self.new_id())
        wrapper = element(MUC_USER, "x")
        wrapper.extend(element(MUC_USER, "invite", to=jid) for jid in jids)
        message.append(wrapper)
        self.send(message)

    def deny(self, lobby, nick):
        """Turns somebody away, which is a kick in the lobby room. No reply comes: the plugin
        lets none out of the lobby."""
        query = element(MUC_ADMIN, "query")
        item = element(MUC_ADMIN, "item", nick=nick, role="none")
        item.append(element(MUC_ADMIN, "reason", "You have been kicked."))
        query.append(item)
        self._set(lobby, query)

    def _set(self, to, payload):
        request = element(CLIENT, "iq", type="set", to=to, id=self.new_id())
        request.append(payload)
        self.send(request)
