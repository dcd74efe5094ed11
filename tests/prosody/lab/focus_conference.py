"""One room of the focus: jicofo's JitsiMeetConferenceImpl, ChatRoomImpl and role managers."""

import asyncio

from .process import Failed
from .room import ROOM_CONFIG
from .stanza import CLIENT, MUC, MUC_ADMIN, MUC_OWNER, element, submission

NICK = "focus"
WHOIS = "muc#roomconfig_whois"
ROBOTS = {f"http://jitsi.org/protocol/{kind}" for kind in ("jibri", "jigasi")}
BREAKOUT = "muc#roominfo_isbreakout"


class Conference:
    """`members` is {nick: muc item} of everybody but the focus; `owner` the nick of the one
    who was made owner, also when the server refused: it is not tried again with another
    before that one leaves. It is inside as soon as the room let it in, and joined when the
    room is configured too."""

    def __init__(self, focus, room):
        self.focus = focus
        self.room = room
        self.members = {}
        self.robots = set()
        self.owner = None
        self.is_inside = False
        self.is_joined = False
        self.is_breakout = False
        self.timer = None

    async def start(self):
        """Joins and configures the room; Failed if any of it is refused or takes too long."""
        try:
            await self._join()
        except Failed as failure:
            self.stop(f"failed: {failure}")
            raise
        self.is_joined = True
        self.wait_anew()
        self._grant()

    async def _join(self):
        focus, since = self.focus, self.focus.mark()
        presence = element(CLIENT, "presence", to=f"{self.room}/{NICK}", id=focus.new_id())
        presence.append(element(MUC, "x"))
        focus.send(presence)
        outcome = await focus.outcome(self.room, since, focus.reply_timeout)
        if not outcome.joined:
            raise Failed(f"the focus cannot join {self.room}: {outcome}")
        self.is_inside = True
        query = element(MUC_OWNER, "query")
        reply = await focus.iq(self.room, "get", query, focus.reply_timeout)
        form = reply.form or {}
        if reply.error or WHOIS not in form:
            raise Failed(f"no {WHOIS} in the form of {self.room}: {reply!r}")
        self.is_breakout = form.get(BREAKOUT) in ("1", "true")
        query.append(submission({"FORM_TYPE": ROOM_CONFIG, WHOIS: "anyone"}))
        reply = await focus.iq(self.room, "set", query, focus.reply_timeout)
        if reply.error:
            raise Failed(f"{self.room} does not take its form: {reply!r}")

    def wait_anew(self):
        """Begins to wait for the first participant, or begins again."""
        self._stop_timer()
        loop = asyncio.get_running_loop()
        self.timer = loop.call_later(self.focus.patience, self._nobody_came)

    def _nobody_came(self):
        if not self.members:
            self.stop("nobody came")

    def saw(self, presence):
        """Keeps the list of members, and acts on who comes and who goes."""
        if presence.nick == NICK:
            # It may still be on its way out of the meeting before this one.
            if presence.type == "unavailable" and self.is_inside:
                self.is_inside = False
                self.forget("destroyed" if presence.destroyed is not None else "removed")
        elif presence.type == "unavailable":
            self._gone(presence)
        elif not presence.type and presence.item:
            is_new = presence.nick not in self.members
            self.members[presence.nick] = presence.item
            (self.robots.add if self._is_robot(presence) else self.robots.discard)(presence.nick)
            if is_new and self.is_joined:
                self._grant()

    def _gone(self, presence):
        item = self.members.pop(presence.nick, None)
        self.robots.discard(presence.nick)
        if 303 in presence.statuses:
            self.members[presence.item["nick"]] = item
            return
        if presence.nick == self.owner:
            self.owner = None
            self._grant()
        if item is not None and not self.members and self.is_joined:
            self.stop("the last one left")

    # Roles

    def _grant(self):
        """AuthenticationRoleManager, or AutoOwnerRoleManager, or nothing."""
        if self.focus.authority:
            for nick, item in self.members.items():
                if item.get("affiliation") != "owner" and self.focus.authority.session_of(item.get("jid")):
                    self._make_owner(nick)
        elif self.focus.auto_owner and not self.is_breakout and self.owner is None:
            self._elect()

    def _elect(self):
        people = {nick: item for nick, item in self.members.items() if nick not in self.robots}
        owners = [nick for nick, item in people.items() if item.get("affiliation") == "owner"]
        if owners:
            self.owner = owners[0]
            return
        able = [nick for nick, item in people.items() if item.get("role") != "visitor"]
        if able:
            self.owner = able[0]
            self._make_owner(able[0])

    def _is_robot(self, presence):
        """Whether it says that it records or calls, and is of the domain that may."""
        host = presence.item.get("jid", "").partition("/")[0].partition("@")[2]
        is_trusted = host == self.focus.server.recorder.partition("@")[2]
        features = presence.child(CLIENT, "features")
        said = () if features is None else features
        return is_trusted and any(each.get("var") in ROBOTS for each in said)

    def _make_owner(self, nick):
        jid = self.members[nick].get("jid", "")
        self.focus.elected.append((self.room, nick, jid))
        self.focus.do(self._send_grant(jid.partition("/")[0]))

    async def _send_grant(self, bare):
        query = element(MUC_ADMIN, "query")
        query.append(element(MUC_ADMIN, "item", affiliation="owner", jid=bare))
        reply = await self.focus.iq(self.room, "set", query, self.focus.reply_timeout)
        if reply.error:
            raise Failed(f"{bare} is not made owner of {self.room}: {reply!r}")

    # The end

    def stop(self, reason):
        """Leaves the room."""
        self.forget(reason)
        if self.is_inside:
            self.is_inside = False
            leave = element(CLIENT, "presence", to=f"{self.room}/{NICK}", type="unavailable")
            self.focus.send(leave)

    def forget(self, reason):
        """The room is gone, or is gone for the focus."""
        self._stop_timer()
        if self.focus.conferences.get(self.room) is self:
            del self.focus.conferences[self.room]
            self.focus.ended.append((self.room, reason))

    def _stop_timer(self):
        if self.timer:
            self.timer.cancel()
