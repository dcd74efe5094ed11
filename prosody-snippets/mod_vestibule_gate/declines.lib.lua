-- Declined invitations: who was invited can decline, once; and what is invited and declined by another way is held.

local st, jid = require "util.stanza", require "util.jid";
local new_cache = require "util.cache".new;
local jid_bare = jid.bare;

local xmlns_user = "http://jabber.org/protocol/muc#user";
local SENT, LASTS = 10000, 24 * 60 * 60; -- invitations that are remembered, and for how many seconds

return function (gate)
	local sent = new_cache(SENT); -- by room and bare address: who invited, and when
	local declines = {};

	local function key(room_jid, bare) return room_jid .. "\0" .. bare; end

	-- The room has invited a person; `by`: the full address of the occupant who asked it to.
	function declines.expect(room, invitee, by)
		sent:set(key(room.jid, jid_bare(invitee)), { by = by, at = os.time() });
	end

	-- Takes a decline: what goes on to the inviter is the reason alone. Returns nil where nothing was sent.
	function declines.take(event, room)
		local stanza = event.stanza;
		local name = room and key(room.jid, jid_bare(stanza.attr.from));
		local invitation = name and sent:get(name);
		if not invitation then return nil; end
		sent:set(name, nil);
		if os.time() - invitation.at > LASTS then return nil; end
		local by = invitation.by and room:get_occupant_by_real_jid(invitation.by);
		if not by then return true; end -- the room itself, or a person who has gone: nobody is told
		local declined = stanza:get_child("x", xmlns_user):get_child("decline");
		local reason = gate.text.cut(declined:get_child_text("reason") or "", gate.LIMIT.text);
		local message = st.message({ from = stanza.attr.from, to = room.jid, id = stanza.attr.id })
			:tag("x", { xmlns = xmlns_user }):tag("decline", { to = invitation.by }):text_tag("reason", reason):up():up();
		message[gate.mark] = { kind = "decline", room = room.jid, to = invitation.by };
		prosody.core_post_stanza(event.origin, message, false);
		return true;
	end

	-- What the service sends on, another module's way included, is what a verdict or an invitation stands behind.
	gate.guard("muc-pre-decline", gate.PRIORITY.backstop, function (event)
		local verdict = event.stanza[gate.mark];
		if gate.is_observing() or verdict and (verdict.kind == "decline" or verdict.failing) then return; end
		return gate.refuse(event, "closed-way", "cancel", "not-acceptable");
	end);
	gate.guard("muc-pre-invite", gate.PRIORITY.backstop, function (event)
		local verdict = event.stanza[gate.mark];
		if gate.is_observing() or verdict and (verdict.kind == "invite" or verdict.failing) then return; end
		return gate.refuse(event, "closed-way", "cancel", "not-acceptable");
	end);
	gate.guard("muc-invite", gate.PRIORITY.backstop, function (event)
		local stanza, invitee = event.incoming, event.stanza.attr.to; -- the room has prepared it
		if gate.is_observing() or not stanza then return; end
		local verdict = stanza[gate.mark];
		for _, target in ipairs(verdict and verdict.targets or {}) do
			if target == invitee then return; end
		end
		if verdict and verdict.failing then return; end
		module:log("warn", "%s would have been invited to %s: nothing allows it", invitee, event.room.jid);
		return true;
	end);

	return declines;
end;
